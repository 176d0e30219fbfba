//! Watches four cameras for an hour and tells whether memory stays flat and how late sightings become searchable.
//!
//! `MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=65536 MALLOC_TRIM_THRESHOLD_=131072 cargo run --release --locked
//! --workspace --example live_hour -- [MINUTES] [FRAMES_A_SECOND] [FILE]…`, with the allocator's settings that the systemd
//! unit gives too.
//!
//! The cameras are RTSP servers of this process that show these files, or the footage below `SIGHTLINE_FOOTAGE`; each
//! hangs up at its end and is reopened, so the hour also sees some 200 reconnections, and short files many more.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use sightline_tests::footage::{self, PEOPLE, VTEST};
use sightline_tests::program::{Running, checkout, free_port, get, models_are_here, until};
use sightline_tests::rtsp::{Codec, Options, RtspServer, Scene, Stream};

const CAMERAS: usize = 4;
/// Between two looks at memory and metrics.
const PERIOD: Duration = Duration::from_secs(15);
const LATENCY: &str = "sightline_capture_to_indexed_seconds";
const STAGE_AGE: &str = "sightline_stage_age_seconds";

/// One look at the program.
#[derive(Debug, Clone, Copy)]
struct Look {
    minutes: f64,
    /// Memory that belongs to no file: what leaks would show in.
    anonymous_mib: f64,
    /// With the pages of files that are mapped, which the kernel takes back when it needs them.
    resident_mib: f64,
    frames: f64,
    sightings: f64,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let minutes: f64 = arguments.next().map_or(Ok(60.0), |it| it.parse())?;
    let fps: f64 = arguments.next().map_or(Ok(2.0), |it| it.parse())?;
    if !models_are_here("live_hour") {
        bail!("the default models of models/ are missing");
    }
    let mut files: Vec<PathBuf> = arguments.map(PathBuf::from).collect();
    if files.is_empty() {
        for sha256 in [VTEST, PEOPLE] {
            files.push(footage::find("live_hour", sha256)?.context("no footage")?);
        }
    }
    let cameras = (0..CAMERAS)
        .map(|camera| {
            RtspServer::start(Options::new(Stream {
                scene: Scene::File(files[camera % files.len()].clone()),
                codec: Codec::H264,
            }))
        })
        .collect::<Result<Vec<_>>>()?;

    // It stays: the log is what tells why an hour was not flat.
    let folder = tempfile::TempDir::new()?.keep();
    let folder = folder.as_path();
    let port = free_port();
    // Association remembers the tracks of its window, two hours by default: they are memory that grows until the window is full,
    // and so would hide what must not grow.
    let mut config = format!(
        "site = \"hour\"\n[persons]\nwindow_minutes = 10\n[store]\nfolder = \"{}\"\n[observe]\nlisten = \"127.0.0.1:{port}\"\n\
         [models]\nfolder = \"{}\"\n[defaults]\nfps_cap = {fps:?}\nreconnect_max_ms = 1000\n",
        folder.join("store").display(),
        checkout().join(".sightline/models").display(),
    );
    for (number, camera) in cameras.iter().enumerate() {
        config += &format!("[cameras.camera-{number}]\nurl = \"{}\"\n", camera.url());
    }
    let file = folder.join("box.toml");
    fs_err::write(&file, config)?;
    let file = file.to_str().context("the path is no text")?;
    let mut program = Running::start(&["run", "--config", file], &folder.join("log"));
    until("it is ready", Duration::from_secs(90), || {
        (get(port, "/ready")?.0 == 200).then_some(())
    });

    let mut out = std::io::stdout();
    writeln!(out, "store and log in {}", folder.display())?;
    writeln!(
        out,
        "minute  anonymous MiB  resident MiB    frames  sightings"
    )?;
    let begin = Instant::now();
    let mut looks: Vec<Look> = Vec::new();
    let mut metrics = String::new();
    while begin.elapsed().as_secs_f64() < minutes * 60.0 {
        std::thread::sleep(PERIOD);
        if !program.is_running() {
            bail!("the program ended: {}", log(folder));
        }
        let Some((200, text)) = get(port, "/metrics") else {
            bail!("no metrics: {}", log(folder));
        };
        metrics = text;
        let look = Look {
            minutes: begin.elapsed().as_secs_f64() / 60.0,
            anonymous_mib: anonymous_mib(program.id())?,
            resident_mib: total(&metrics, "sightline_process_resident_bytes", "")
                / f64::from(1 << 20),
            frames: total(&metrics, "sightline_ingest_frames_total", ""),
            sightings: total(&metrics, &format!("{LATENCY}_count"), ""),
        };
        writeln!(
            out,
            "{:>6.1}  {:>13.1}  {:>12.1}  {:>8}  {:>9}",
            look.minutes, look.anonymous_mib, look.resident_mib, look.frames, look.sightings
        )?;
        looks.push(look);
    }
    program.signal(Signal::TERM);
    let status = program.wait(Duration::from_secs(60));

    let (steady, last) = (looks.len() / 4, looks.len() * 3 / 4);
    writeln!(
        out,
        "anonymous memory: median {:.1} MiB in the second quarter, {:.1} MiB in the last, slope {:+.2} MiB an hour after the first quarter",
        median(&looks[steady..looks.len() / 2]),
        median(&looks[last..]),
        slope_an_hour(&looks[steady..])
    )?;
    writeln!(out, "seconds since capture   mean  p50 up to  p99 up to")?;
    for (stage, name, label) in ["ingest", "mailbox", "detect", "follow", "spool"]
        .map(|stage| (stage, STAGE_AGE, format!("stage=\"{stage}\"")))
        .into_iter()
        .chain([("searchable", LATENCY, String::new())])
    {
        let count = total(&metrics, &format!("{name}_count"), &label);
        writeln!(
            out,
            "{stage:>21}  {:>5.3}  {:>9}  {:>9}",
            total(&metrics, &format!("{name}_sum"), &label) / count,
            quantile(&metrics, name, &label, 0.50),
            quantile(&metrics, name, &label, 0.99)
        )?;
    }
    for line in metrics.lines().filter(|line| {
        !line.starts_with('#') && (line.contains("dropped_total") || line.contains("reconnect"))
    }) {
        writeln!(out, "{line}")?;
    }
    writeln!(out, "exit status {status:?}")?;
    Ok(())
}

fn log(folder: &std::path::Path) -> String {
    fs_err::read_to_string(folder.join("log")).unwrap_or_default()
}

fn anonymous_mib(process: u32) -> Result<f64> {
    let status = fs_err::read_to_string(format!("/proc/{process}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    Ok(kib.context("the kernel tells no RssAnon")? / 1024.0)
}

/// Sum of a metric over all labels with `label` among them.
fn total(metrics: &str, name: &str, label: &str) -> f64 {
    values(metrics, name)
        .filter(|(labels, _)| labels.contains(label))
        .map(|(_, value)| value)
        .sum()
}

fn values<'a>(metrics: &'a str, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
    metrics.lines().filter_map(move |line| {
        let rest = line.strip_prefix(name)?;
        let (labels, value) = rest.rsplit_once(' ')?;
        (labels.is_empty() || labels.starts_with('{'))
            .then(|| value.parse().ok())?
            .map(|value| (labels, value))
    })
}

/// Upper bound of the bucket in which this share of the ages lies.
fn quantile(metrics: &str, name: &str, label: &str, share: f64) -> String {
    let name = format!("{name}_bucket");
    let mut bounds: Vec<(f64, f64)> = Vec::new();
    for (labels, count) in values(metrics, &name).filter(|(labels, _)| labels.contains(label)) {
        let Some((_, rest)) = labels.split_once("le=\"") else {
            continue;
        };
        let Some(bound) = rest.split('"').next() else {
            continue;
        };
        let bound = bound.parse().unwrap_or(f64::INFINITY);
        match bounds.iter_mut().find(|it| it.0 == bound) {
            Some(it) => it.1 += count,
            None => bounds.push((bound, count)),
        }
    }
    bounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    let all = bounds.last().map_or(0.0, |it| it.1);
    bounds
        .iter()
        .find(|it| it.1 >= share * all)
        .map_or_else(|| "?".to_owned(), |it| it.0.to_string())
}

fn median(looks: &[Look]) -> f64 {
    let mut values: Vec<f64> = looks.iter().map(|look| look.anonymous_mib).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Least squares.
fn slope_an_hour(looks: &[Look]) -> f64 {
    let count = looks.len() as f64;
    let mean = |value: fn(&Look) -> f64| looks.iter().map(value).sum::<f64>() / count;
    let (minute, anonymous) = (mean(|it| it.minutes), mean(|it| it.anonymous_mib));
    let (mut above, mut below) = (0.0, 0.0);
    for look in looks {
        above += (look.minutes - minute) * (look.anonymous_mib - anonymous);
        below += (look.minutes - minute).powi(2);
    }
    60.0 * above / below
}
