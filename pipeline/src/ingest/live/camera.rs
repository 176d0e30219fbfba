//! One live camera: its own thread, that connects, watches, gives up, waits and connects again, for ever.

use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use gstreamer as gst;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::super::{Error, Frame};
use super::backoff::Backoff;
use super::clock::{Cancel, TICK};
use super::coverage::CoverageLog;
use super::intake::{Intake, Outlet};
use super::sender::SenderClock;
use super::session::{Fault, Session};
use super::state::{CameraState, CameraStatus, Event, MainStatus, Tally};
use super::{Clock, Latest, LiveSpec, MainStream};

/// How often a stretch is reported while nothing changes.
const REPORT_EVERY_NS: i64 = 2_000_000_000;
/// Pipelines of one camera that may hang before the process should be started anew: each holds some ten MB for ever.
const MOST_ABANDONED: u64 = 16;

/// What a camera is given from outside.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) seed: u64,
    pub(super) mailbox: Arc<Latest<Frame>>,
    pub(super) events: Option<SyncSender<Event>>,
}

/// A live camera; stops when dropped.
pub(super) struct Camera {
    spec: LiveSpec,
    index: usize,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    main: Option<Main>,
}

/// The main stream of a camera whose people are found on its detection stream.
struct Main {
    stream: Box<Camera>,
    pictures: Arc<MainStream<Frame>>,
}

/// What the camera's thread and its readers share.
#[derive(Default)]
struct Shared {
    cancel: Cancel,
    tally: Arc<Tally>,
    sender: Arc<SenderClock>,
    state: Mutex<CameraState>,
    decoder: Mutex<Option<String>>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, CameraState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn decoder(&self) -> MutexGuard<'_, Option<String>> {
        self.decoder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Camera {
    /// Starts to watch. A camera that is disabled gets no thread.
    pub(super) fn open(
        spec: LiveSpec,
        index: usize,
        surroundings: &Surroundings,
    ) -> Result<Self, Error> {
        let main = match spec.main_stream() {
            Some(main) => {
                let pictures = Arc::new(MainStream::default());
                let outlet = Outlet::Crops(Arc::clone(&pictures));
                // Whether the camera is watched is told by the stream that people are found on.
                let stream = Self::watch(main, index, surroundings, outlet, None, None)?;
                let stream = Box::new(stream);
                Some(Main { stream, pictures })
            }
            None => None,
        };
        let outlet = Outlet::Flow {
            mailbox: Arc::clone(&surroundings.mailbox),
            main: main.as_ref().map(|main| Arc::clone(&main.pictures)),
        };
        let events = surroundings.events.clone();
        Self::watch(spec, index, surroundings, outlet, events, main)
    }

    fn watch(
        spec: LiveSpec,
        index: usize,
        surroundings: &Surroundings,
        outlet: Outlet,
        events: Option<SyncSender<Event>>,
        main: Option<Main>,
    ) -> Result<Self, Error> {
        let shared = Arc::new(Shared::default());
        let mut log = CoverageLog::new(
            Arc::clone(&spec.camera),
            index,
            Arc::clone(&shared.tally),
            events,
            surroundings.clock.now_ns(),
        );
        let thread = if spec.is_enabled {
            let watcher = Watcher::new(&spec, index, surroundings, &shared, outlet, log);
            let thread = std::thread::Builder::new()
                .name(format!("watch-{}", spec.camera))
                .spawn(move || watcher.run())
                .map_err(|source| Error::Thread {
                    camera: spec.camera.to_string(),
                    source,
                })?;
            Some(thread)
        } else {
            *shared.state() = CameraState::Disabled;
            log.disabled(surroundings.clock.now_ns());
            None
        };
        Ok(Self {
            spec,
            index,
            shared,
            thread,
            main,
        })
    }

    pub(super) fn spec(&self) -> &LiveSpec {
        &self.spec
    }

    pub(super) fn index(&self) -> usize {
        self.index
    }

    pub(super) fn status(&self) -> CameraStatus {
        let last_frame_ns = self.shared.tally.last_frame_ns.load(Ordering::SeqCst);
        let mut counts = self.shared.tally.counts();
        if let Some(main) = &self.main {
            counts.abandoned += main.stream.shared.tally.abandoned.load(Ordering::Relaxed);
        }
        CameraStatus {
            state: self.shared.state().clone(),
            counts,
            clock_error_ns: self.shared.sender.error_ns(),
            last_frame_ns: (last_frame_ns != 0).then_some(last_frame_ns),
            decoder: self.shared.decoder().clone(),
            main: self.main.as_ref().map(|main| {
                let [used, missed] = main.pictures.counts();
                MainStatus {
                    state: main.stream.shared.state().clone(),
                    used,
                    missed,
                }
            }),
        }
    }

    /// Whether the thread ended although nobody asked it to, or left so many pipelines behind that only a new process gives
    /// their memory back.
    pub(super) fn is_dead(&self) -> bool {
        self.shared.tally.abandoned.load(Ordering::Relaxed) > MOST_ABANDONED
            || self.thread.as_ref().is_some_and(JoinHandle::is_finished)
                && !self.shared.cancel.is_cancelled()
            || self.main.as_ref().is_some_and(|main| main.stream.is_dead())
    }

    /// Asks the camera to stop, without waiting for it.
    pub(super) fn cancel(&self) {
        self.shared.cancel.cancel();
        if let Some(main) = &self.main {
            main.stream.cancel();
        }
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.cancel();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(camera = %self.spec.camera, "the camera's thread panicked");
        }
    }
}

/// The thread's own part.
struct Watcher {
    spec: LiveSpec,
    clock: Arc<dyn Clock>,
    shared: Arc<Shared>,
    intake: Arc<Mutex<Intake>>,
    backoff: Backoff,
    log: CoverageLog,
}

impl Watcher {
    fn new(
        spec: &LiveSpec,
        index: usize,
        surroundings: &Surroundings,
        shared: &Arc<Shared>,
        outlet: Outlet,
        log: CoverageLog,
    ) -> Self {
        let intake = Intake::new(
            spec,
            index,
            Arc::clone(&surroundings.clock),
            Arc::clone(&shared.sender),
            Arc::clone(&shared.tally),
            outlet,
        );
        // Each camera draws its own waits from the one seed.
        let mut rng = ChaCha8Rng::seed_from_u64(surroundings.seed);
        rng.set_stream(index as u64);
        Self {
            spec: spec.clone(),
            clock: Arc::clone(&surroundings.clock),
            shared: Arc::clone(shared),
            intake: Arc::new(Mutex::new(intake)),
            backoff: Backoff::new(spec.backoff, rng),
            log,
        }
    }

    fn run(mut self) {
        loop {
            self.enter(CameraState::Connecting);
            let had_frames = self.shared.tally.frames.load(Ordering::SeqCst);
            let Some(fault) = self.watch() else {
                break;
            };
            let has_seen = self.shared.tally.frames.load(Ordering::SeqCst) != had_frames;
            let reason = fault.to_string();
            if matches!(fault, Fault::Silent { .. }) {
                self.shared.tally.stalls.fetch_add(1, Ordering::Relaxed);
            }
            self.enter(if has_seen || matches!(fault, Fault::Silent { .. }) {
                CameraState::Stalled {
                    reason: reason.clone(),
                }
            } else {
                CameraState::Refused {
                    reason: reason.clone(),
                }
            });
            let wait_ns = self.backoff.next_wait_ns();
            tracing::warn!(
                camera = %self.spec.camera,
                address = %self.spec.decoded_address(),
                %reason,
                retry_in_ms = wait_ns / 1_000_000,
                "camera lost"
            );
            if !self.pause(wait_ns, &reason) {
                break;
            }
            self.shared.tally.reconnects.fetch_add(1, Ordering::Relaxed);
        }
        self.log.flush();
    }

    /// Waits before the next attempt, reporting blindness; false when cancelled.
    fn pause(&mut self, wait_ns: i64, reason: &str) -> bool {
        let mut left_ns = wait_ns;
        while left_ns > 0 {
            let step_ns = left_ns.min(REPORT_EVERY_NS);
            if !self.shared.cancel.wait(&*self.clock, step_ns) {
                return false;
            }
            left_ns -= step_ns;
            self.log.blind(self.clock.now_ns(), reason);
        }
        !self.shared.cancel.is_cancelled()
    }

    /// One connection, from its start to its fault; `None` when cancelled.
    fn watch(&mut self) -> Option<Fault> {
        let opened_ns = self.clock.monotonic_ns();
        let tally = Arc::clone(&self.shared.tally);
        tally.last_frame_monotonic_ns.store(0, Ordering::SeqCst);
        let session = Session::open(
            &self.spec,
            &self.intake,
            &self.shared.sender,
            &self.clock,
            &self.shared.tally,
        );
        let session = match session {
            Ok(session) => session,
            Err(error) => return Some(Fault::Failed(error.to_string())),
        };
        let mut first_frame_ns = None;
        let fault = loop {
            if self.shared.cancel.is_cancelled() {
                break None;
            }
            if let Some(fault) =
                session.fault(gst::ClockTime::from_mseconds(TICK.as_millis() as u64))
            {
                break Some(fault);
            }
            let newest_ns = match tally.last_frame_monotonic_ns.load(Ordering::SeqCst) {
                0 => None,
                newest => Some(newest - 1),
            };
            if let (None, Some(newest_ns)) = (first_frame_ns, newest_ns) {
                first_frame_ns = Some(newest_ns);
                self.see(&session, newest_ns - opened_ns);
            }
            self.report(newest_ns.is_some());
            if let Some(fault) = self.silence(opened_ns, newest_ns) {
                break Some(fault);
            }
        };
        if let Some(first_frame_ns) = first_frame_ns {
            let newest_ns = tally.last_frame_monotonic_ns.load(Ordering::SeqCst);
            self.backoff.watched_for(newest_ns - first_frame_ns);
            self.watched_up_to_newest();
        }
        fault
    }

    /// The first picture of a connection came.
    fn see(&mut self, session: &Session, latency_ns: i64) {
        *self.shared.decoder() = session.decoder();
        let first_ns = self.shared.tally.last_frame_ns.load(Ordering::SeqCst);
        self.log.blind(first_ns, "connecting");
        self.enter(CameraState::Watching);
        tracing::info!(
            camera = %self.spec.camera,
            address = %self.spec.decoded_address(),
            codec = session.codec(),
            decoder = session.decoder(),
            first_frame_ms = latency_ns / 1_000_000,
            "camera watched"
        );
    }

    fn report(&mut self, is_watching: bool) {
        let now_ns = self.clock.now_ns();
        if self.log.unreported_ns(now_ns) < REPORT_EVERY_NS {
            return self.log.flush();
        }
        if is_watching {
            self.watched_up_to_newest();
        } else {
            self.log.blind(now_ns, "connecting");
        }
    }

    fn watched_up_to_newest(&mut self) {
        let newest_ns = self.shared.tally.last_frame_ns.load(Ordering::SeqCst);
        // A silent camera has nothing new to report: what follows its last picture is decided when it ends.
        if self.log.unreported_ns(newest_ns) > 0 {
            self.log.watched(newest_ns, self.shared.sender.error_ns());
        }
    }

    /// The frame-age watchdog.
    fn silence(&self, opened_ns: i64, newest_ns: Option<i64>) -> Option<Fault> {
        let (since_ns, limit) = match newest_ns {
            Some(newest_ns) => (newest_ns, self.spec.stall_after),
            None => (opened_ns, self.spec.first_frame_within),
        };
        let waited_ns = self.clock.monotonic_ns().saturating_sub(since_ns);
        let waited = Duration::from_nanos(u64::try_from(waited_ns).unwrap_or(0));
        (waited > limit).then(|| Fault::Silent {
            waited_ms: u64::try_from(waited.as_millis()).unwrap_or(u64::MAX),
        })
    }

    fn enter(&mut self, state: CameraState) {
        *self.shared.state() = state.clone();
        self.log.state(self.clock.now_ns(), state);
    }
}
