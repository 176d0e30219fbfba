//! What a reconnection costs in memory, for good: cameras that hang up after two seconds, watched without any model.
//!
//! `MALLOC_ARENA_MAX=2 cargo run --release --locked --workspace --example reconnects -- [MINUTES] [CAMERAS]` (defaults
//! 5 and 4). The cameras are served by another process of this program, so that their memory is not counted here.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use sightline::ingest::{Address, BackoffLimits, Live, LiveOptions, LiveSpec, SystemClock};
use sightline_tests::footage::Made;
use sightline_tests::rtsp::{Codec, Options, RtspServer, Scene, Stream};

const SECONDS: u32 = 2;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [word, cameras, ..] = &arguments[..]
        && word == "serve"
    {
        return serve(cameras.parse()?);
    }
    let minutes: f64 = arguments.first().map_or(Ok(5.0), |it| it.parse())?;
    let cameras = arguments.get(1).map_or("4", String::as_str);
    let mut server = Command::new(std::env::current_exe()?)
        .args(["serve", cameras])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let told = server.stdout.take().context("the server has no output")?;
    let urls = BufReader::new(told)
        .lines()
        .take(cameras.parse()?)
        .collect::<std::io::Result<Vec<String>>>()?;
    let watched = watch(&urls, minutes);
    // It ends when its input does.
    drop(server.stdin.take());
    server.wait()?;
    watched
}

fn serve(cameras: usize) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("short.mp4");
    Made::small(10 * SECONDS).record("x264enc tune=zerolatency ! mp4mux", &file)?;
    let servers = (0..cameras)
        .map(|_| {
            RtspServer::start(Options::new(Stream {
                scene: Scene::File(file.clone()),
                codec: Codec::H264,
            }))
        })
        .collect::<Result<Vec<_>>>()?;
    let mut out = std::io::stdout();
    for server in &servers {
        writeln!(out, "{}", server.url())?;
    }
    out.flush()?;
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}

fn watch(urls: &[String], minutes: f64) -> Result<()> {
    const PERIOD: Duration = Duration::from_secs(15);
    let specs = urls.iter().enumerate().map(|(number, url)| {
        let camera = format!("camera-{number}");
        let mut spec = LiveSpec::new(camera.as_str(), Address::parse(&camera, url)?);
        spec.backoff = BackoffLimits {
            base: Duration::from_millis(50),
            cap: Duration::from_millis(100),
            healthy_after: Duration::from_secs(1),
        };
        Ok(spec)
    });
    let live = Live::open(
        specs.collect::<Result<Vec<_>>>()?,
        LiveOptions {
            clock: Arc::new(SystemClock::new()),
            seed: 7,
            events: None,
        },
    )?;
    let mut out = std::io::stdout();
    writeln!(
        out,
        "minute  reconnections  left behind  frames  anonymous MiB"
    )?;
    let (begin, mut told) = (Instant::now(), Instant::now());
    let mut frames = Vec::new();
    let mut seen = 0;
    while begin.elapsed().as_secs_f64() < minutes * 60.0 {
        frames.clear();
        live.mailbox()
            .take(&mut frames, 8, Duration::from_millis(200));
        seen += frames.len();
        if told.elapsed() >= PERIOD {
            told = Instant::now();
            let (mut reconnects, mut abandoned) = (0, 0);
            for (_, status) in live.cameras() {
                reconnects += status.counts.reconnects;
                abandoned += status.counts.abandoned;
            }
            writeln!(
                out,
                "{:>6.2}  {reconnects:>13}  {abandoned:>11}  {seen:>6}  {:>13.1}",
                begin.elapsed().as_secs_f64() / 60.0,
                anonymous_mib()?
            )?;
        }
    }
    Ok(())
}

fn anonymous_mib() -> Result<f64> {
    let text = fs_err::read_to_string("/proc/self/smaps_rollup")?;
    let line = text.lines().find(|line| line.starts_with("Anonymous:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    Ok(kib.context("no `Anonymous` in smaps_rollup")? / 1024.0)
}
