//! `sightline bench`: what every stage costs, and the whole against decode and models alone in the same run.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use ndarray::{Array3, Array4, s};
use serde::Serialize;
use sightline_detector::{Detector, Planes};
use sightline_reid::ImageEncoder;

use crate::cli::{BenchArgs, stdout};
use crate::config::{Config, Inputs, Purpose};
use crate::flow::timing::{StageReport, StageTime, process_cpu_ns};
use crate::flow::{self, Batching, Encoders, Outputs, Play, Recorder, StageTimes, Store, Workers};
use crate::ingest::{RecordingSpec, Recordings};
use crate::models::runtime;
use crate::observe::Depth;
use crate::observe::memory::Memory;

/// Longest wait for the index.
const DRAIN_DEADLINE: Duration = Duration::from_secs(600);
/// Frames that wait between the floor's threads, as many as in the flow.
const QUEUE: usize = 4;

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report {
    frames: u64,
    stages: Vec<Stage>,
    replay_seconds: f64,
    replay_fps: f64,
    /// Decode, detector and encoder alone: the same frames, the same number of calls at the same batch, on fixed
    /// tensors, on the same threads.
    floor_seconds: f64,
    floor_fps: f64,
    /// `replay_fps` by `floor_fps`.
    ratio: f64,
    replay_cpu_seconds: f64,
    floor_cpu_seconds: f64,
    /// CPU time that is neither decode nor model, as a share of the replay's.
    overhead_cpu_share: f64,
    peak_resident_bytes: Option<u64>,
    threads_per_session: usize,
}

/// What one stage took.
#[derive(Debug, Serialize)]
struct Stage {
    #[serde(flatten)]
    report: StageReport,
    /// `wall_seconds` by those of the whole replay. Stages work side by side: the shares of all may be more than 1.
    share: f64,
}

/// Calls of the networks that a replay made.
#[derive(Clone, Copy, Debug)]
struct Calls {
    frames: u64,
    appearance: EncoderCalls,
    joint: EncoderCalls,
}

/// Calls of one encoder, and the crops in them.
#[derive(Clone, Copy, Debug)]
struct EncoderCalls {
    calls: u64,
    crops: u64,
}

/// Measures, and prints the report.
///
/// # Errors
/// What a replay can fail with.
pub fn run(args: &BenchArgs) -> Result<()> {
    if args.log {
        return super::bench_log::run(args);
    }
    if args.search || args.large {
        return super::bench_search::run(args);
    }
    let config = Config::load_or_built_in(args.config.as_deref(), Purpose::Offline)?;
    let inputs = inputs(&args.inputs)?;
    let specs = Inputs::from_args(&inputs)?
        .iter()
        .map(|recording| flow::recording_spec(&config, recording))
        .collect::<Result<Vec<_>>>()?;
    let environment = runtime::environment(Some(&config.models.onnxruntime))?;
    let mut detector = flow::load_detector(environment, &config)?;
    if detector.is_tiled() {
        bail!(
            "the floor looks at whole pictures: measure with `columns = 1` and `rows = 1` under [detect.tiling]"
        );
    }
    let encoders = Encoders::load(environment, &config)?;
    let mut floor_encoders = Encoders::load(environment, &config)?;
    let most = args.frames.map_or(u64::MAX, std::num::NonZeroU64::get);

    let times = Arc::new(StageTimes::default());
    let (calls, replay) = replay(&config, &specs, &mut detector, encoders, &times, most)?;
    // Before anything else grows.
    let peak_resident_bytes = Memory::read().ok().map(|memory| memory.peak_resident_bytes);
    let floor = floor(&specs, &mut detector, &mut floor_encoders, calls)?;
    let mut stages = vec![decode(&specs, calls.frames)?];
    stages.extend(times.report());
    let fps = |seconds: f64| calls.frames as f64 / seconds.max(1e-9);
    let stages = stages
        .into_iter()
        .map(|report| Stage {
            share: report.wall_seconds / replay.seconds.max(1e-9),
            report,
        })
        .collect();
    let report = Report {
        frames: calls.frames,
        stages,
        replay_seconds: replay.seconds,
        replay_fps: fps(replay.seconds),
        floor_seconds: floor.seconds,
        floor_fps: fps(floor.seconds),
        ratio: floor.seconds / replay.seconds.max(1e-9),
        replay_cpu_seconds: replay.cpu_seconds,
        floor_cpu_seconds: floor.cpu_seconds,
        overhead_cpu_share: 1.0 - floor.cpu_seconds / replay.cpu_seconds.max(1e-9),
        peak_resident_bytes,
        threads_per_session: flow::session_threads(&config).get(),
    };
    if args.json {
        stdout().json(&report)?;
        return Ok(());
    }
    print(&report)
}

/// What is measured on: the recordings that were named, or the one that any Debian machine can get.
fn inputs(named: &[PathBuf]) -> Result<Vec<PathBuf>> {
    const OF_THE_PACKAGE: &str = "/usr/share/doc/opencv-doc/examples/data/vtest.avi";
    if !named.is_empty() {
        return Ok(named.to_vec());
    }
    let known = PathBuf::from(OF_THE_PACKAGE);
    if !known.exists() {
        bail!(
            "no recording to measure on: name one (`sightline bench INPUT`), or install the package opencv-doc for {OF_THE_PACKAGE}"
        );
    }
    Ok(vec![known])
}

struct Took {
    seconds: f64,
    cpu_seconds: f64,
}

fn measured<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, Took)> {
    let (begin, cpu_ns) = (Instant::now(), process_cpu_ns());
    let result = work()?;
    let took = Took {
        seconds: begin.elapsed().as_secs_f64(),
        cpu_seconds: process_cpu_ns().saturating_sub(cpu_ns) as f64 / 1e9,
    };
    Ok((result, took))
}

/// A store that goes with the measurement.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays behind lies in the system's folder for that.
        fs_err::remove_dir_all(&self.0).ok();
    }
}

fn replay(
    config: &Config,
    specs: &[RecordingSpec],
    detector: &mut Detector,
    encoders: Encoders,
    times: &Arc<StageTimes>,
    most: u64,
) -> Result<(Calls, Took)> {
    let scratch =
        Scratch(std::env::temp_dir().join(format!("sightline-bench-{}", std::process::id())));
    let mut config = config.clone();
    config.store.folder.clone_from(&scratch.0);
    let store = Store::open(&config, encoders.vectors()?)?;
    let cameras = specs.iter().map(|spec| spec.camera.to_string()).collect();
    let (record, took) = measured(|| {
        let (embed, embedders) = encoders.start(Batching::Fixed, times, &Depth::default())?;
        let parts = flow::follower_parts(&config, embedders, times.clone(), false);
        let mut recorder =
            Recorder::open(store.writer(), cameras, &Outputs::default(), times.clone())?;
        let is_cancelled = AtomicBool::new(false);
        let play = Play {
            specs,
            recordings: Recordings::open(specs)?,
            parts: &parts,
            workers: Workers::for_this_machine(),
            watch: &|_| {},
            is_cancelled: &is_cancelled,
        };
        let faults = flow::replay(play, detector, &mut recorder, |progress| {
            if progress.frames >= most {
                is_cancelled.store(true, Ordering::Relaxed);
            }
        })?;
        if !faults.is_empty() {
            bail!("{}", faults.join("; "));
        }
        drop(parts);
        embed.join()?;
        let (record, _) = recorder.finish()?;
        store.drain(DRAIN_DEADLINE)?;
        let indexing = store.status().indexing;
        times
            .index
            .add(indexing.events, indexing.wall_ns, indexing.cpu_ns);
        Ok(record)
    })?;
    store.close()?;
    let of = |report: StageReport| EncoderCalls {
        calls: report.calls,
        crops: report.items,
    };
    let calls = Calls {
        frames: record.frames,
        appearance: of(times.embed.report("embed")),
        joint: of(times.joint.report("embed-joint")),
    };
    Ok((calls, took))
}

/// Decoding alone; its CPU time is that of all its threads.
fn decode(specs: &[RecordingSpec], frames: u64) -> Result<StageReport> {
    let time = StageTime::default();
    let ((), took) = measured(|| {
        for frame in Recordings::open(specs)?.take(usize::try_from(frames)?) {
            frame?;
        }
        Ok(())
    })?;
    time.add(
        frames,
        (took.seconds * 1e9) as u64,
        (took.cpu_seconds * 1e9) as u64,
    );
    Ok(time.report("decode"))
}

/// Decode, detector and encoders alone, each on the thread that it has in the flow.
fn floor(
    specs: &[RecordingSpec],
    detector: &mut Detector,
    encoders: &mut Encoders,
    calls: Calls,
) -> Result<Took> {
    let batch = detector.max_batch().max(1);
    let [_, _, height, width] = detector.input_shape();
    let grey = Array3::<u8>::from_elem((height, width, 3), 127);
    let pictures = vec![Planes::Rgb(grey.view()); batch];
    detector.preprocess(&pictures)?;
    let ((), took) = measured(|| {
        std::thread::scope(|scope| {
            let (decoded, arrivals) = sync_channel::<()>(QUEUE);
            let (first_lane, first_due) = sync_channel::<()>(QUEUE);
            let (second_lane, second_due) = sync_channel::<()>(QUEUE);
            let detecting = scope.spawn(move || -> Result<()> {
                let mut waiting = 0;
                for () in arrivals {
                    waiting += 1;
                    if waiting == batch {
                        detector.infer()?;
                        waiting = 0;
                    }
                    if first_lane.send(()).is_err() || second_lane.send(()).is_err() {
                        break;
                    }
                }
                detector.preprocess(&pictures[..waiting])?;
                detector.infer()?;
                Ok(())
            });
            let appearance = Some(&mut encoders.appearance);
            let lanes = [
                (appearance, calls.appearance, first_due),
                (encoders.joint.as_mut(), calls.joint, second_due),
            ];
            let embedding: Vec<_> = lanes
                .into_iter()
                .map(|(encoder, own, due)| {
                    scope.spawn(move || embed_alone(encoder, own, calls.frames, &due))
                })
                .collect();
            for frame in Recordings::open(specs)?.take(usize::try_from(calls.frames)?) {
                frame?;
                if decoded.send(()).is_err() {
                    break;
                }
            }
            drop(decoded);
            detecting
                .join()
                .map_err(|_| anyhow!("the floor's detector panicked"))??;
            for thread in embedding {
                thread
                    .join()
                    .map_err(|_| anyhow!("a floor's encoder panicked"))??;
            }
            Ok(())
        })
    })?;
    Ok(took)
}

/// As many calls of an encoder as there were, spread evenly over the frames, with as many crops in all.
fn embed_alone(
    encoder: Option<&mut ImageEncoder>,
    own: EncoderCalls,
    all_frames: u64,
    due: &Receiver<()>,
) -> Result<()> {
    let Some(encoder) = encoder else {
        due.iter().for_each(drop);
        return Ok(());
    };
    let [_, channels, height, width] = encoder.input_shape();
    let most = own.crops.div_ceil(own.calls.max(1)).max(1);
    let crops = Array4::<f32>::from_elem((usize::try_from(most)?, channels, height, width), 0.5);
    let (mut frames, mut done, mut sent) = (0_u64, 0_u64, 0_u64);
    for () in due {
        frames += 1;
        while done * all_frames < frames * own.calls {
            done += 1;
            let now = own.crops * done / own.calls - sent;
            let now = usize::try_from(now)?.min(crops.dim().0);
            if now > 0 {
                encoder.run_tensor(&crops.slice(s![..now, .., .., ..]))?;
            }
            sent += now as u64;
        }
    }
    Ok(())
}

fn print(report: &Report) -> Result<()> {
    let mut out = stdout();
    writeln!(
        out,
        "{:<12} {:>8} {:>12} {:>12} {:>8}",
        "stage", "items", "ms an item", "CPU ms", "share"
    )?;
    for Stage {
        report: stage,
        share,
    } in &report.stages
    {
        writeln!(
            out,
            "{:<12} {:>8} {:>12.3} {:>12.3} {:>7.1}%",
            stage.stage,
            stage.items,
            stage.wall_ms_per_item,
            stage.cpu_ms_per_item,
            100.0 * share
        )?;
    }
    writeln!(
        out,
        "\n{} frames: replay {:.1} frames/s, decode and models alone {:.1} frames/s, ratio {:.2}",
        report.frames, report.replay_fps, report.floor_fps, report.ratio
    )?;
    writeln!(
        out,
        "CPU {:.1} s, of that neither decode nor model {:.1}%",
        report.replay_cpu_seconds,
        100.0 * report.overhead_cpu_share
    )?;
    if let Some(bytes) = report.peak_resident_bytes {
        writeln!(out, "peak resident memory {} MiB", bytes >> 20)?;
    }
    out.finish().context("cannot print the report")?;
    Ok(())
}
