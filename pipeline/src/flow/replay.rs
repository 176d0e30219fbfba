//! Recordings through every stage: each frame, in time order, with the same result every time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use anyhow::{Context as _, Result, anyhow};
use sightline_detector::{Detection, Detector};

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
        mut recordings,
        parts,
        workers,
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
        let feeding = std::thread::Builder::new()
            .name("detect".into())
            .spawn_scoped(scope, move || {
                feed(&mut recordings, detector, &lanes, &times, || {
                    stop.load(Ordering::Relaxed) || is_cancelled.load(Ordering::Relaxed)
                })
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
        let fed = feeding.join().map_err(|_| panicked("detect"))?;
        let mut followers = Vec::with_capacity(specs.len());
        for thread in threads {
            followers.extend(thread.join().map_err(|_| panicked("follow"))?);
        }
        if let Some(error) = failed {
            return Err(error);
        }
        let (ordinals, faults) = fed?;
        followers.sort_by_key(|(index, _)| *index);
        for (place, (_, follower)) in followers.iter_mut().enumerate() {
            recorder.take(follower.finish(ordinals + place as u64))?;
        }
        Ok(faults)
    })
}

/// Reads frames, finds people on them, and hands each frame to the thread that follows its camera.
fn feed(
    recordings: &mut Recordings,
    detector: &mut Detector,
    lanes: &[SyncSender<Detected>],
    times: &StageTimes,
    is_stopped: impl Fn() -> bool,
) -> Result<(u64, Vec<String>)> {
    let batch_size = detector.max_batch().max(1);
    let mut faults = Vec::new();
    let mut ordinal = 0;
    let mut batch: Vec<Arc<Frame>> = Vec::with_capacity(batch_size);
    let mut found: Vec<Vec<Detection>> = Vec::new();
    let mut is_over = false;
    while !is_over {
        // A batch is always the next frames in order: its make-up never depends on how fast anything is.
        while batch.len() < batch_size {
            match recordings.next() {
                Some(Ok(frame)) if !is_stopped() => batch.push(Arc::new(frame)),
                Some(Err(fault)) => faults.push(fault.to_string()),
                Some(Ok(_)) | None => {
                    is_over = true;
                    break;
                }
            }
        }
        detect(detector, &batch, &mut found, times)?;
        for (frame, detections) in batch.drain(..).zip(found.drain(..)) {
            let lane = &lanes[frame.camera_index % lanes.len()];
            let detected = Detected {
                ordinal,
                frame,
                detections,
            };
            ordinal += 1;
            if lane.send(detected).is_err() {
                // The follower has failed and has said why.
                return Ok((ordinal, faults));
            }
        }
    }
    Ok((ordinal, faults))
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
    let wrong = "the detector failed";
    if detector.is_tiled() {
        return times
            .detect
            .measure(planes.len() as u64, || detector.detect_into(&planes, found))
            .context(wrong);
    }
    found.resize_with(planes.len(), Vec::new);
    let most = detector.max_batch().max(1);
    for (pictures, slots) in planes.chunks(most).zip(found.chunks_mut(most)) {
        let count = pictures.len() as u64;
        times
            .preprocess
            .measure(count, || detector.preprocess(pictures))
            .context(wrong)?;
        times
            .detect
            .measure(count, || {
                detector.infer()?;
                slots
                    .iter_mut()
                    .enumerate()
                    .try_for_each(|(slot, found)| detector.decode(slot, found))
            })
            .context(wrong)?;
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
