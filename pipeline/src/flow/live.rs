//! Live cameras through every stage: the newest frame of each, and no sighting lost.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::{Receiver as CameraEvents, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use sightline_detector::{Detection, Detector, GateOptions, MotionGate};
use sightline_sink::{Coverage, Event};

use super::follow::{Follower, FollowerParts};
use super::observer::Observer;
use super::outcome::Outcome;
use super::queue::{Receiver, Sender, queue};
use super::record::EventWriter;
use super::replay::detect;
use crate::ingest::{Event as CameraEvent, EventKind, Frame, Latest, Region};
use crate::observe::QueueDepths;

/// Frames between two stages. Short, so that waiting happens in the mailbox, where a newer frame takes the older one's
/// place.
const QUEUE: usize = 2;
/// Longest time a stage sleeps before it looks whether it should stop.
const TICK: Duration = Duration::from_millis(200);
/// Cameras whose clock errors are kept; a configuration holds fewer.
const MOST_CAMERAS: usize = 1024;
/// A camera's clock error that is not known.
const UNKNOWN_NS: i64 = i64::MIN;

/// What live stages are started with.
pub struct LiveParts {
    /// Where frames arrive.
    pub mailbox: Arc<Latest<Frame>>,
    /// What happens to cameras.
    pub camera_events: CameraEvents<CameraEvent>,
    /// The detector.
    pub detector: Detector,
    /// Settings of the motion gates; none where gates are off.
    pub gate: Option<GateOptions>,
    /// What followers are made of.
    pub follower: FollowerParts,
    /// Threads that follow cameras.
    pub followers: usize,
    /// Where the depths of the queues are counted.
    pub queues: QueueDepths,
    /// Who watches the stages.
    pub observer: Arc<dyn Observer>,
}

/// What a follower's thread is told.
enum Told {
    Frame {
        frame: Arc<Frame>,
        detections: Vec<Detection>,
    },
    /// No picture comes any more: tracks end.
    Blind { camera_index: usize },
}

/// The running stages.
pub struct LiveFlow {
    threads: Vec<(String, JoinHandle<Result<()>>)>,
    stop: Arc<AtomicBool>,
    failed: Arc<AtomicBool>,
    regions: Arc<Regions>,
}

/// Where detections count, by camera; changed by a reload.
#[derive(Default)]
pub struct Regions {
    by_camera: parking::Swap<HashMap<Arc<str>, Region>>,
}

/// One value that readers take whole.
mod parking {
    use std::sync::{Arc, PoisonError, RwLock};

    #[derive(Default)]
    pub(super) struct Swap<T>(RwLock<Arc<T>>);

    impl<T> Swap<T> {
        pub(super) fn get(&self) -> Arc<T> {
            self.0
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .clone()
        }

        pub(super) fn set(&self, value: T) {
            *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
        }
    }
}

impl Regions {
    /// Takes the regions of a configuration.
    pub fn set(&self, by_camera: HashMap<Arc<str>, Region>) {
        self.by_camera.set(by_camera);
    }

    fn of(&self, camera: &str) -> Option<Region> {
        self.by_camera.get().get(camera).cloned()
    }
}

impl LiveFlow {
    /// Starts the stages; events go to `writer`.
    ///
    /// # Errors
    /// When the machine refuses a thread.
    pub fn start(parts: LiveParts, writer: impl EventWriter + Send + 'static) -> Result<Self> {
        let LiveParts {
            mailbox,
            camera_events,
            mut detector,
            gate,
            follower,
            followers,
            queues,
            observer,
        } = parts;
        let stop = Arc::new(AtomicBool::new(false));
        let failed = Arc::new(AtomicBool::new(false));
        let regions = Arc::new(Regions::default());
        let site = follower.site.clone();
        let clock_errors: Arc<[AtomicI64]> = (0..MOST_CAMERAS)
            .map(|_| AtomicI64::new(UNKNOWN_NS))
            .collect();
        let mut flow = Self {
            threads: Vec::new(),
            stop: stop.clone(),
            failed,
            regions: regions.clone(),
        };
        let (events, inbox) = queue::<Event>(256, &queues.record);
        let mut lanes = Vec::new();
        for worker in 0..followers.max(1) {
            let (lane, told) = queue(QUEUE, &queues.follow);
            lanes.push(lane);
            let (events, parts, observer) = (events.clone(), follower.clone(), observer.clone());
            let (regions, clock_errors) = (regions.clone(), clock_errors.clone());
            flow.spawn(format!("follow-{worker}"), move || {
                let stage = format!("follow-{worker}");
                follow(
                    &parts,
                    &told,
                    &events,
                    &regions,
                    &clock_errors,
                    (&stage, &*observer),
                )
            })?;
        }
        let told = lanes.clone();
        flow.spawn("coverage".into(), move || {
            cover(&site, &camera_events, &told, &events, &clock_errors)
        })?;
        let detecting = observer.clone();
        let times = follower.times.clone();
        drop(follower);
        flow.spawn("detect".into(), move || {
            let mut gates: HashMap<usize, MotionGate> = HashMap::new();
            let (mut newest, mut batch) = (Vec::new(), Vec::new());
            let mut found = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                newest.clear();
                mailbox.take(&mut newest, detector.max_batch().max(1), TICK);
                detecting.alive("detect");
                batch.clear();
                for frame in newest.drain(..) {
                    detecting.arrived(&frame);
                    let is_still = gate.as_ref().is_some_and(|options| {
                        let gate = gates
                            .entry(frame.camera_index)
                            .or_insert_with(|| MotionGate::new(*options));
                        !gate.should_detect(frame.luma(), frame.capture_ns)
                    });
                    if is_still {
                        detecting.skipped(&frame.camera);
                    } else {
                        batch.push(Arc::new(frame));
                    }
                }
                detect(&mut detector, &batch, &mut found, &times)?;
                detecting.detected(&batch);
                for (frame, detections) in batch.drain(..).zip(found.drain(..)) {
                    let lane = &lanes[frame.camera_index % lanes.len()];
                    if lane.send(Told::Frame { frame, detections }).is_err() {
                        return Err(anyhow!("a follow stage has stopped"));
                    }
                }
            }
            Ok(())
        })?;
        flow.spawn("record".into(), move || record(writer, &inbox, &*observer))?;
        Ok(flow)
    }

    /// Where detections count.
    pub fn regions(&self) -> &Regions {
        &self.regions
    }

    /// Whether a stage has failed; then the flow should be stopped and its error told.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Stops reading frames, lets every stage run dry in the order of the flow, and says what failed.
    ///
    /// The cameras must be closed first: the coverage stage ends when nobody can tell it anything any more.
    ///
    /// # Errors
    /// The first stage that failed.
    pub fn finish(self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        let mut outcome = Ok(());
        for (name, thread) in self.threads {
            let ended = thread
                .join()
                .unwrap_or_else(|_| Err(anyhow!("it panicked; this is a bug")))
                .with_context(|| format!("the {name} stage failed"));
            outcome = outcome.and(ended);
        }
        outcome
    }

    fn spawn(
        &mut self,
        name: String,
        work: impl FnOnce() -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let failed = self.failed.clone();
        let thread = std::thread::Builder::new()
            .name(name.clone())
            .spawn(move || {
                // Told also when the stage panics.
                let mark = Mark(&failed);
                let ended = work();
                if ended.is_ok() {
                    std::mem::forget(mark);
                }
                ended
            })
            .context("cannot start a thread")?;
        self.threads.push((name, thread));
        Ok(())
    }
}

struct Mark<'a>(&'a AtomicBool);

impl Drop for Mark<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn follow(
    parts: &FollowerParts,
    told: &Receiver<Told>,
    events: &Sender<Event>,
    regions: &Regions,
    clock_errors: &[AtomicI64],
    (stage, observer): (&str, &dyn Observer),
) -> Result<()> {
    let mut followers: HashMap<usize, Follower> = HashMap::new();
    let send = |camera: &str, outcome: Outcome| -> Result<()> {
        observer.followed(camera, &outcome);
        for event in outcome.events {
            events
                .send(event)
                .map_err(|_| anyhow!("the record stage has stopped"))?;
        }
        Ok(())
    };
    loop {
        match told.recv_timeout(TICK) {
            Ok(Told::Frame { frame, detections }) => {
                let index = frame.camera_index;
                // An index may pass from a camera that left to one that came.
                if followers
                    .get(&index)
                    .is_some_and(|follower| *follower.camera() != frame.camera)
                    && let Some(mut left) = followers.remove(&index)
                {
                    send(&left.camera().clone(), left.finish(0))?;
                }
                let follower = followers.entry(index).or_insert_with(|| {
                    Follower::new(parts.clone(), frame.camera.clone(), index, None)
                });
                follower.set_region(regions.of(&frame.camera));
                let error_ns = clock_errors
                    .get(index)
                    .map_or(UNKNOWN_NS, |e| e.load(Ordering::Relaxed));
                let error_ns = (error_ns != UNKNOWN_NS).then_some(error_ns);
                send(
                    &frame.camera,
                    follower.follow(0, &frame, &detections, 0, error_ns)?,
                )?;
            }
            Ok(Told::Blind { camera_index }) => {
                if let Some(mut follower) = followers.remove(&camera_index) {
                    send(&follower.camera().clone(), follower.finish(0))?;
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        observer.alive(stage);
    }
    for follower in followers.values_mut() {
        send(&follower.camera().clone(), follower.finish(0))?;
    }
    Ok(())
}

/// Turns what cameras say into coverage, and tells followers of blind ones to end their tracks.
fn cover(
    site: &str,
    camera_events: &CameraEvents<CameraEvent>,
    lanes: &[Sender<Told>],
    events: &Sender<Event>,
    clock_errors: &[AtomicI64],
) -> Result<()> {
    for CameraEvent {
        camera,
        camera_index,
        kind,
    } in camera_events
    {
        let (from_ns, to_ns, frames_seen, frames_dropped, clock_error_ns, watched) = match kind {
            EventKind::Watched {
                from_ns,
                to_ns,
                frames,
                dropped,
                clock_error_ns,
            } => {
                if let Some(error) = clock_errors.get(camera_index) {
                    error.store(clock_error_ns.unwrap_or(UNKNOWN_NS), Ordering::Relaxed);
                }
                (
                    from_ns,
                    to_ns,
                    frames.saturating_sub(dropped),
                    dropped,
                    clock_error_ns,
                    true,
                )
            }
            EventKind::Blind {
                from_ns,
                to_ns,
                reason,
            } => {
                tracing::debug!(camera = &*camera, reason, "blind");
                let lane = &lanes[camera_index % lanes.len()];
                lane.send(Told::Blind { camera_index })
                    .map_err(|_| anyhow!("a follow stage has stopped"))?;
                (from_ns, to_ns, 0, 0, None, false)
            }
            EventKind::State { .. } => continue,
        };
        let coverage = Coverage {
            site: site.to_owned(),
            camera: camera.to_string(),
            from_ns,
            to_ns,
            frames_seen,
            frames_dropped,
            clock_error_ns,
            spooled_sequence: None,
            watched,
        };
        events
            .send(Event::Coverage(coverage))
            .map_err(|_| anyhow!("the record stage has stopped"))?;
    }
    Ok(())
}

/// Hands events to the sink. A spool that cannot take one (a full disk) costs that event, counted; the cameras go on.
fn record(
    mut writer: impl EventWriter,
    inbox: &Receiver<Event>,
    observer: &dyn Observer,
) -> Result<()> {
    loop {
        match inbox.recv_timeout(TICK) {
            Ok(event) => match writer.write(&event) {
                Ok(sequence) => observer.spooled(&event, sequence),
                Err(error) => observer.lost(&event, &error),
            },
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        observer.alive("record");
    }
}
