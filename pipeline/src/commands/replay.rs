//! `sightline replay`: recordings through the whole flow.

use std::collections::{BTreeSet, HashMap};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use sightline_console::{Ask, StoreAsk};
use sightline_sink::TrackId;

use super::evaluated::Evaluated;
use super::search::start_encoders_when_asked;
use super::serving::Serving;
use crate::cli::{ReplayArgs, stdout};
use crate::config::{Config, Inputs, Purpose, Recording, Start};
use crate::flow::{
    self, Batching, Encoders, Outlet, Outputs, Record, Recorder, StageTimes, Store, Workers,
};
use crate::ingest::{Frame, Recordings};
use crate::models::runtime;
use crate::observe::{Depth, Health, Metrics, MonotonicClock, Progress};
use crate::report::canvas::Canvas;
use crate::report::sheet::{
    CELL_HEIGHT_PX, CELL_WIDTH_PX, CROPS_PER_TRACK, SheetRow, contact_sheet, spread,
};
use crate::report::table::{clock, track_table};

/// Tracks in the printed table.
const TABLE_LINES: usize = 40;
/// Longest wait for the index to take in what was spooled.
const DRAIN_DEADLINE: Duration = Duration::from_secs(600);

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Summary<'a> {
    frames: u64,
    detections: u64,
    tracks: usize,
    /// None where the log is: persons, tracklets and digest are known to whoever indexes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    persons: Option<usize>,
    sightings: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracklets: Option<u64>,
    seconds: f64,
    store: &'a Path,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    faults: &'a [String],
    #[serde(skip)]
    reads_text: bool,
}

/// Plays the recordings, and prints what came of them.
///
/// # Errors
/// What went wrong, where and what to do. A recording that breaks off is an error too, after all of its good frames
/// have been stored.
pub fn run(args: &ReplayArgs) -> Result<()> {
    let begin = Instant::now();
    let config = configuration(args)?;
    if config.kafka.is_used() && (args.eval.is_some() || args.mtmc.is_some()) {
        bail!(
            "--eval and --mtmc need the store, and this configuration sends to Kafka: replay without [kafka], or ask where `sightline index` runs"
        );
    }
    let inputs = Inputs::from_args(&args.inputs)?;
    tell_of_unknown_times(&inputs);
    let evaluated = Evaluated::prepare(args, &inputs)?;
    let specs = inputs
        .iter()
        .map(|recording| flow::recording_spec(&config, recording))
        .collect::<Result<Vec<_>>>()?;
    let environment = runtime::environment(Some(&config.models.onnxruntime))?;
    let mut detector = flow::load_detector(environment, &config)?;
    let encoders = Encoders::load(environment, &config)?;
    let recordings = Recordings::open(&specs)?;
    let times = Arc::new(StageTimes::default());
    let outlet = Outlet::open(&config, encoders.vectors()?)?;
    let serving = match outlet.store() {
        Some(store) => serve(&config, store)?,
        None => None,
    };
    let outputs = Outputs {
        mot: args.mot.clone(),
        boxes: (args.mtmc.is_some() || evaluated.is_some()).then(|| boxes_file(&config)),
        jsonl: args.jsonl.clone(),
        video: args.video.clone(),
        keep_crops: args.sheet.is_some() || evaluated.is_some(),
    };
    let cameras = specs.iter().map(|spec| spec.camera.to_string()).collect();
    let mut recorder = Recorder::open(outlet.writer(), cameras, &outputs, times.clone())?;
    let (embed, embedders) = encoders.start(Batching::Fixed, &times, &Depth::default())?;
    let parts = flow::follower_parts(&config, embedders, times, args.video.is_some());

    let is_cancelled = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // The second signal ends the process at once, should the first take too long.
        signal_hook::flag::register_conditional_shutdown(signal, 2, is_cancelled.clone())?;
        signal_hook::flag::register(signal, is_cancelled.clone())?;
    }
    let bar = progress_bar(recordings.estimate().frames);
    let watch = |frame: &Frame| {
        if let Some(evaluated) = &evaluated {
            evaluated.see(frame);
        }
    };
    let faults = flow::replay(
        flow::Play {
            specs: &specs,
            recordings,
            parts: &parts,
            workers: args
                .workers
                .map_or_else(Workers::for_this_machine, |followers| Workers {
                    followers: usize::from(followers),
                }),
            watch: &watch,
            is_cancelled: &is_cancelled,
        },
        &mut detector,
        &mut recorder,
        |progress| {
            bar.set_position(progress.frames);
            bar.set_message(format!(
                "{} people seen, {} tracks",
                progress.detections, progress.tracks
            ));
        },
    )?;
    bar.finish_and_clear();
    drop(parts);
    embed.join()?;
    let (mut record, writer) = recorder.finish()?;
    drop(writer);
    outlet.drain(DRAIN_DEADLINE)?;
    let mut missed = Vec::new();
    let (mut persons, mut tracklets, mut digest) = (None, None, None);
    if let Some(store) = outlet.store() {
        store.settle_persons()?;
        store.expire()?;
        let found: BTreeSet<_> = record
            .tracks
            .iter()
            .filter_map(|line| store.person_of(line.track))
            .collect();
        persons = Some(found.len());
        tracklets = Some(store.store_status()?.tracklets);
        let of_store = store.digest()?;
        if let Some(boxes) = record.boxes.take() {
            let boxes = boxes.close()?;
            if let Some(path) = &args.mtmc {
                let map = config.map.to_site_map();
                boxes.write(path, &map, |track| store.person_of(track))?;
            }
            if let Some(evaluated) = &evaluated {
                missed = evaluated.report(&config, &boxes, store, &record, &of_store)?;
            }
            boxes.remove()?;
        }
        digest = Some(of_store);
    }
    if let Some(serving) = serving {
        serving.stop()?;
    }
    outlet.close()?;
    if let Some(path) = &args.sheet {
        draw_sheet(path, &record)?;
    }
    let summary = Summary {
        frames: record.frames,
        detections: record.detections,
        tracks: record.tracks.len(),
        persons,
        sightings: record.sightings,
        tracklets,
        seconds: begin.elapsed().as_secs_f64(),
        store: &config.store.folder,
        digest,
        faults: &faults,
        reads_text: config.models.text_search,
    };
    if args.json {
        stdout().json(&summary)?;
    } else {
        print(args, &summary, &record)?;
    }
    if !missed.is_empty() {
        bail!("the gate is not met: {}", missed.join("; "));
    }
    if is_cancelled.load(Ordering::Relaxed) {
        bail!(
            "stopped by a signal after {} frames; what was seen is stored",
            record.frames
        );
    }
    if !faults.is_empty() {
        bail!("{}; what came before is stored", faults.join("; "));
    }
    Ok(())
}

fn configuration(args: &ReplayArgs) -> Result<Config> {
    let mut config = Config::load_or_built_in(args.config.as_deref(), Purpose::Offline)?;
    if let Some(folder) = &args.store {
        config.store.folder.clone_from(folder);
        // The socket of the configuration belongs to the store of the configuration.
        config.api.socket = None;
    }
    // The metrics' port belongs to whoever watches cameras with this configuration.
    config.observe.listen = None;
    Ok(config)
}

/// Answers searches while the store is held; a socket that cannot be had costs the answers and not the replay.
fn serve(config: &Config, store: &Store) -> Result<Option<Serving>> {
    let clock = MonotonicClock::system();
    let metrics = Arc::new(Metrics::new(clock.clone()));
    let health = Arc::new(Health::new(metrics.clone(), Progress::new(clock)));
    let models = flow::vectors_of(config)?;
    let model = models
        .first()
        .map_or_else(String::new, |of| of.model.clone());
    let encoder = start_encoders_when_asked(config, model)?;
    let ask: Arc<dyn Ask> = Arc::new(StoreAsk::new(store.clone(), Some(encoder)));
    match Serving::start(config, Some(ask), &metrics, &health) {
        Ok(serving) => Ok(Some(serving)),
        Err(error) => {
            tracing::warn!(
                error = format!("{error:#}"),
                "no searches while this replay runs"
            );
            Ok(None)
        }
    }
}

/// Where boxes wait while it is not certain whose they are.
fn boxes_file(config: &Config) -> PathBuf {
    config.store.folder.join("replay-boxes.part")
}

fn tell_of_unknown_times(inputs: &[Recording]) {
    let unknown: Vec<&str> = inputs
        .iter()
        .filter(|recording| recording.start == Start::Unknown)
        .map(|recording| recording.id.as_str())
        .collect();
    if !unknown.is_empty() {
        tracing::info!(
            cameras = unknown.join(", "),
            "no start time is known, so times count from 1970-01-01T00:00:00Z; a manifest can give it"
        );
    }
}

fn progress_bar(frames: Option<u64>) -> ProgressBar {
    let template = match frames {
        Some(_) => "{bar:30} {pos}/{len} frames, {per_sec}, {eta} left, {msg}",
        None => "{spinner} {pos} frames, {per_sec}, {msg}",
    };
    let bar = frames.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    // The template is one of two that are right; the default of the library stands in for a wrong one.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

fn print(args: &ReplayArgs, summary: &Summary<'_>, record: &Record) -> Result<()> {
    let mut out = stdout();
    if !record.tracks.is_empty() {
        writeln!(out, "{}\n", track_table(&record.tracks, TABLE_LINES))?;
    }
    write!(
        out,
        "{} frames in {:.1} s: {} people on them, {} tracks",
        summary.frames, summary.seconds, summary.detections, summary.tracks,
    )?;
    match (summary.persons, summary.tracklets) {
        (Some(persons), Some(tracklets)) => writeln!(
            out,
            " of {persons} persons, {} sightings, {tracklets} tracklets searchable in {}",
            summary.sightings,
            summary.store.display()
        )?,
        _ => writeln!(
            out,
            ", {} sightings, sent to Kafka and searchable where `sightline index` runs",
            summary.sightings
        )?,
    }
    let page = args.eval.as_ref().map(|folder| folder.join("report.html"));
    let written = [
        ("annotated video", &args.video),
        ("contact sheet", &args.sheet),
        ("tracks (MOTChallenge)", &args.mot),
        ("boxes with persons (AI City 2024)", &args.mtmc),
        ("report, and report.json beside it", &page),
        ("events (JSON lines)", &args.jsonl),
    ];
    for (what, path) in written {
        if let Some(path) = path {
            writeln!(out, "{what}: {}", path.display())?;
        }
    }
    let longest = record.tracks.iter().max_by_key(|line| line.detections);
    if let Some(longest) = longest.filter(|_| summary.digest.is_some()) {
        let store = summary.store.display();
        writeln!(
            out,
            "\nWho else looks like track {} on camera {} at {}?\n  sightline search --store {store} --track {}",
            longest.number,
            longest.camera,
            clock(longest.start_ns),
            longest.track
        )?;
        if summary.reads_text {
            // Somebody of the demo's scene.
            writeln!(
                out,
                "Who fits a description?\n  sightline search --store {store} \"a woman in a blue T-shirt and a brown skirt\""
            )?;
        } else {
            writeln!(
                out,
                "What was seen, in order of time, and what was watched?\n  sightline search --store {store} --limit 10 --json"
            )?;
        }
    }
    out.finish()?;
    Ok(())
}

fn draw_sheet(path: &Path, record: &Record) -> Result<()> {
    let mut lines: Vec<_> = record.tracks.iter().collect();
    lines.sort_by_key(|line| (std::cmp::Reverse(line.detections), line.number));
    let rows = lines
        .into_iter()
        .map(|line| {
            let crops = shown_crops(&record.crops, line.track)?;
            let seconds = line.end_ns.saturating_sub(line.start_ns) as f64 / 1e9;
            Ok(SheetRow {
                number: line.number,
                labels: vec![
                    line.camera.clone(),
                    clock(line.start_ns),
                    format!("{seconds:.1} s"),
                    format!("{} frames", line.detections),
                    format!("{} crops", line.sightings),
                ],
                crops,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let title = format!("{} tracks, longest first", rows.len());
    contact_sheet(&title, &rows).write_png(path)
}

fn shown_crops(
    crops: &HashMap<TrackId, Vec<(f32, Vec<u8>)>>,
    track: TrackId,
) -> Result<Vec<Canvas>> {
    let all = crops.get(&track).map(Vec::as_slice).unwrap_or_default();
    spread(all.len(), CROPS_PER_TRACK)
        .into_iter()
        .map(|index| {
            Canvas::from_jpeg(&all[index].1)
                .map(|picture| picture.scaled_into(CELL_WIDTH_PX, CELL_HEIGHT_PX))
                .context("a crop of our own cannot be read")
        })
        .collect()
}
