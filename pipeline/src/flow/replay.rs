//! Recordings through every stage: each frame, in time order, with the same result every time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use anyhow::{Context as _, Result, anyhow};
use sightline_detector::{Detection, Detector, Prepared, Preparer};

use super::follow::{Follower, FollowerParts};
use super::outcome::Outcome;
use super::record::{EventWriter, Recorder};
use super::timing::StageTimes;
use crate::ingest::{Frame, RecordingSpec, Recordings};

/// Frames that wait before each stage: enough to ride out one slow frame, few enough to cost no memory.
const QUEUE: usize = 4;

/// Settings of a replay that do not change its result.
#[derive(Clone, Copy, Debug)]
pub struct Workers {
    /// Threads that follow cameras; each camera belongs to one of them.
    pub followers: usize,
}

impl Workers {
    /// As many as this machine has cores, but one for decoding.
    pub fn for_this_machine() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        Self {
            followers: cores.saturating_sub(1).max(1),
        }
    }

    /// For cameras, twice as many as this machine has cores: they wait for the encoder more than they work, and what several
    /// ask of it at the same time is one batch.
    pub fn for_cameras() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        Self {
            followers: 2 * cores,
        }
    }
}

/// What goes on while a replay runs, for a progress bar.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// Frames that went through the flow.
    pub frames: u64,
    /// Pedestrians on them.
    pub detections: u64,
    /// Tracks so far.
    pub tracks: usize,
    /// Capture time of the latest frame, unix nanoseconds.
    pub capture_ns: i64,
}

/// What a fault of the detector is told with.
const FAILED: &str = "the detector failed";

/// Batches that are made ready or looked at at the same time.
const BATCHES: usize = 3;

/// Frames of one run of the detector.
struct Batch {
    frames: Vec<Arc<Frame>>,
    /// None where the detector looks at parts of pictures, which it makes ready itself.
    prepared: Option<Prepared>,
}

/// A frame with what the detector found on it.
struct Detected {
    ordinal: u64,
    frame: Arc<Frame>,
    detections: Vec<Detection>,
}

/// What is played, and how.
pub struct Play<'a> {
    /// The recordings as they were asked for.
    pub specs: &'a [RecordingSpec],
    /// The same, opened.
    pub recordings: Recordings,
    /// What followers are made of.
    pub parts: &'a FollowerParts,
    /// How many threads do it.
    pub workers: Workers,
    /// Sees every frame before the detector does.
    pub watch: &'a (dyn Fn(&Frame) + Sync),
    /// Stops the reading; what was read goes through all stages.
    pub is_cancelled: &'a AtomicBool,
}

/// Plays recordings through the flow into `recorder`. Returns the faults of single recordings, whose good frames count.
///
/// # Errors
/// When a stage fails: what came before is recorded, and the replay is not complete.
pub fn replay<W: EventWriter>(
    play: Play<'_>,
    detector: &mut Detector,
    recorder: &mut Recorder<W>,
    mut progress: impl FnMut(Progress),
) -> Result<Vec<String>> {
    let Play {
        specs,
        recordings,
        parts,
        workers,
        watch,
        is_cancelled,
    } = play;
    let followers = workers.followers.clamp(1, specs.len().max(1));
    let times = parts.times.clone();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (outcomes, arrivals) = sync_channel::<Result<Outcome>>(QUEUE * followers);
        let mut lanes = Vec::with_capacity(followers);
        let mut threads = Vec::with_capacity(followers);
        for worker in 0..followers {
            let (lane, inbox) = sync_channel::<Detected>(QUEUE);
            lanes.push(lane);
            let outcomes = outcomes.clone();
            let cameras = specs
                .iter()
                .enumerate()
                .filter(move |(index, _)| index % followers == worker);
            let mut cameras: Vec<(usize, Follower)> = cameras
                .map(|(index, spec)| {
                    let follower = Follower::new(
                        parts.clone(),
                        spec.camera.clone(),
                        index,
                        spec.region.clone(),
                    );
                    (index, follower)
                })
                .collect();
            let thread = std::thread::Builder::new()
                .name(format!("follow-{worker}"))
                .spawn_scoped(scope, move || {
                    follow(&mut cameras, &inbox, &outcomes);
                    cameras
                })
                .context("cannot start a thread")?;
            threads.push(thread);
        }
        let stop = &stop;
        let batch_size = detector.max_batch().max(1);
        let preparer = (!detector.is_tiled()).then(|| detector.preparer());
        // Empty ones go round, so that nothing is allocated a frame.
        let (empty, empties) = sync_channel::<Batch>(BATCHES);
        let (ready, batches) = sync_channel::<Batch>(BATCHES);
        for _ in 0..BATCHES {
            let batch = Batch {
                frames: Vec::with_capacity(batch_size),
                prepared: preparer.as_ref().map(Preparer::batch),
            };
            empty.send(batch).context("a channel has no room")?;
        }
        let preparing_times = times.clone();
        let preparing = std::thread::Builder::new()
            .name("prepare".into())
            .spawn_scoped(scope, move || {
                let is_stopped =
                    || stop.load(Ordering::Relaxed) || is_cancelled.load(Ordering::Relaxed);
                let frames = recordings.inspect(|frame| {
                    if let Ok(frame) = frame {
                        watch(frame);
                    }
                });
                prepare(
                    frames,
                    preparer,
                    batch_size,
                    &empties,
                    &ready,
                    &preparing_times,
                    is_stopped,
                )
            })
            .context("cannot start a thread")?;
        let detecting = std::thread::Builder::new()
            .name("detect".into())
            .spawn_scoped(scope, move || {
                feed(detector, &batches, &empty, &lanes, &times)
            })
            .context("cannot start a thread")?;
        drop(outcomes);
        let mut failed = None;
        for arrival in &arrivals {
            let taken = arrival.and_then(|outcome| {
                let capture_ns = outcome.capture_ns;
                recorder.take(outcome)?;
                let (frames, detections, tracks) = recorder.so_far();
                progress(Progress {
                    frames,
                    detections,
                    tracks,
                    capture_ns,
                });
                Ok(())
            });
            if let Err(error) = taken {
                // Keep draining, so that nobody waits for room in the channel for ever.
                stop.store(true, Ordering::Relaxed);
                failed.get_or_insert(error);
            }
        }
        let panicked = |stage: &str| anyhow!("the {stage} stage panicked; this is a bug");
        let faults = preparing.join().map_err(|_| panicked("prepare"))?;
        let fed = detecting.join().map_err(|_| panicked("detect"))?;
        let mut followers = Vec::with_capacity(specs.len());
        for thread in threads {
            followers.extend(thread.join().map_err(|_| panicked("follow"))?);
        }
        if let Some(error) = failed {
            return Err(error);
        }
        let ordinals = fed?;
        let faults = faults?;
        followers.sort_by_key(|(index, _)| *index);
        for (place, (_, follower)) in followers.iter_mut().enumerate() {
            recorder.take(follower.finish(ordinals + place as u64))?;
        }
        Ok(faults)
    })
}

/// Reads frames and makes them ready for the detector while it looks at those before. Returns the faults of single
/// recordings.
fn prepare(
    mut frames: impl Iterator<Item = Result<Frame, crate::ingest::Error>>,
    mut preparer: Option<Preparer>,
    batch_size: usize,
    empties: &Receiver<Batch>,
    ready: &SyncSender<Batch>,
    times: &StageTimes,
    is_stopped: impl Fn() -> bool,
) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    // No empty one comes back when the detector has failed, which says why itself.
    for mut batch in empties {
        let mut is_over = false;
        // A batch is always the next frames in order: its make-up never depends on how fast anything is.
        while batch.frames.len() < batch_size {
            match frames.next() {
                Some(Ok(frame)) if !is_stopped() => batch.frames.push(Arc::new(frame)),
                Some(Err(fault)) => faults.push(fault.to_string()),
                Some(Ok(_)) | None => {
                    is_over = true;
                    break;
                }
            }
        }
        if let (Some(preparer), Some(prepared)) = (&mut preparer, &mut batch.prepared) {
            let planes: Vec<_> = batch.frames.iter().map(|frame| frame.planes()).collect();
            times
                .preprocess
                .measure(planes.len() as u64, || preparer.prepare(&planes, prepared))
                .context(FAILED)?;
        }
        if batch.frames.is_empty() || ready.send(batch).is_err() || is_over {
            break;
        }
    }
    Ok(faults)
}

/// Finds people on frames, and hands each frame to the thread that follows its camera. Returns how many there were.
fn feed(
    detector: &mut Detector,
    batches: &Receiver<Batch>,
    empty: &SyncSender<Batch>,
    lanes: &[SyncSender<Detected>],
    times: &StageTimes,
) -> Result<u64> {
    let mut ordinal = 0;
    let mut found: Vec<Vec<Detection>> = Vec::new();
    for mut batch in batches {
        match &mut batch.prepared {
            Some(prepared) => {
                found.resize_with(batch.frames.len(), Vec::new);
                times
                    .detect
                    .measure(batch.frames.len() as u64, || {
                        detector.take(prepared)?;
                        infer(detector, &mut found)
                    })
                    .context(FAILED)?;
            }
            None => detect(detector, &batch.frames, &mut found, times)?,
        }
        for (frame, detections) in batch.frames.drain(..).zip(found.drain(..)) {
            let lane = &lanes[frame.camera_index % lanes.len()];
            let detected = Detected {
                ordinal,
                frame,
                detections,
            };
            ordinal += 1;
            if lane.send(detected).is_err() {
                // The follower has failed and has said why.
                return Ok(ordinal);
            }
        }
        // Whoever makes them ready may have read the last one.
        empty.send(batch).ok();
    }
    Ok(ordinal)
}

/// Runs the network on what was made ready, a slot for each of `found`.
fn infer(
    detector: &mut Detector,
    found: &mut [Vec<Detection>],
) -> Result<(), sightline_detector::Error> {
    detector.infer()?;
    found
        .iter_mut()
        .enumerate()
        .try_for_each(|(slot, found)| detector.decode(slot, found))
}

/// One call of the detector for a batch, its time counted.
pub(super) fn detect(
    detector: &mut Detector,
    batch: &[Arc<Frame>],
    found: &mut Vec<Vec<Detection>>,
    times: &StageTimes,
) -> Result<()> {
    found.clear();
    if batch.is_empty() {
        return Ok(());
    }
    let planes: Vec<_> = batch.iter().map(|frame| frame.planes()).collect();
    if detector.is_tiled() {
        return times
            .detect
            .measure(planes.len() as u64, || detector.detect_into(&planes, found))
            .context(FAILED);
    }
    found.resize_with(planes.len(), Vec::new);
    let most = detector.max_batch().max(1);
    for (pictures, slots) in planes.chunks(most).zip(found.chunks_mut(most)) {
        let count = pictures.len() as u64;
        times
            .preprocess
            .measure(count, || detector.preprocess(pictures))
            .context(FAILED)?;
        times
            .detect
            .measure(count, || infer(detector, slots))
            .context(FAILED)?;
    }
    Ok(())
}

fn follow(
    cameras: &mut [(usize, Follower)],
    inbox: &Receiver<Detected>,
    outcomes: &SyncSender<Result<Outcome>>,
) {
    for Detected {
        ordinal,
        frame,
        detections,
    } in inbox
    {
        let Some((_, follower)) = cameras
            .iter_mut()
            .find(|(index, _)| *index == frame.camera_index)
        else {
            continue;
        };
        let outcome = follower.follow(ordinal, &frame, &detections, 0, None);
        let is_broken = outcome.is_err();
        if outcomes.send(outcome).is_err() || is_broken {
            return;
        }
    }
}
