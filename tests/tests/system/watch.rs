//! A camera served by our own misbehaving server, and ingest watching it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use sightline::ingest::{
    Address, BackoffLimits, CameraState, Event, EventKind, Frame, Live, LiveOptions, LiveSpec,
    SystemClock,
};

/// Long enough for a busy machine; nothing waits this long unless the test fails.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A spec that gives up and comes back quickly.
pub fn spec(camera: &str, url: &str) -> LiveSpec {
    let mut spec = LiveSpec::new(camera, Address::parse(camera, url).unwrap());
    spec.stall_after = Duration::from_secs(2);
    spec.first_frame_within = Duration::from_secs(20);
    spec.backoff = BackoffLimits {
        base: Duration::from_millis(50),
        cap: Duration::from_millis(200),
        healthy_after: Duration::from_secs(1),
    };
    spec
}

/// Ingest with its frames and events.
pub struct Watch {
    pub live: Live,
    events: Receiver<Event>,
    /// Events in the order they came.
    pub seen: Vec<Event>,
    waiting: VecDeque<Frame>,
}

impl Watch {
    pub fn new(specs: Vec<LiveSpec>) -> Self {
        let (sender, events) = sync_channel(1024);
        let options = LiveOptions {
            clock: Arc::new(SystemClock::new()),
            seed: 7,
            events: Some(sender),
        };
        Self {
            live: Live::open(specs, options).unwrap(),
            events,
            seen: Vec::new(),
            waiting: VecDeque::new(),
        }
    }

    /// The next frame of any camera.
    pub fn next(&mut self) -> Frame {
        self.next_that("any frame", |_| true)
    }

    /// Takes frames until one fits.
    pub fn next_that(&mut self, what: &str, fits: impl Fn(&Frame) -> bool) -> Frame {
        let since = Instant::now();
        let mut batch = Vec::new();
        while since.elapsed() < DEADLINE {
            self.seen.extend(self.events.try_iter());
            if let Some(frame) = self.waiting.pop_front() {
                if fits(&frame) {
                    return frame;
                }
                continue;
            }
            self.live
                .next_batch(&mut batch, 8, Duration::from_millis(100));
            self.waiting.extend(batch.drain(..));
        }
        panic!("{what} did not come; events: {:#?}", self.seen);
    }

    /// Waits for an event that comes after all that were seen so far, taking frames meanwhile.
    pub fn event(&mut self, what: &str, fits: impl Fn(&Event) -> bool) -> Event {
        let since = Instant::now();
        let mut batch = Vec::new();
        while since.elapsed() < DEADLINE {
            match self.events.recv_timeout(Duration::from_millis(50)) {
                Ok(event) => {
                    self.seen.push(event.clone());
                    if fits(&event) {
                        return event;
                    }
                }
                Err(_) => {
                    self.live.next_batch(&mut batch, 8, Duration::ZERO);
                    batch.clear();
                }
            }
        }
        panic!("{what} did not happen; events: {:#?}", self.seen);
    }

    /// Waits until ingest itself says so; takes no frames.
    pub fn until(&mut self, what: &str, is_so: impl Fn(&Live) -> bool) {
        let since = Instant::now();
        while !is_so(&self.live) {
            assert!(since.elapsed() < DEADLINE, "{what} did not come");
            self.seen
                .extend(self.events.recv_timeout(Duration::from_millis(50)));
        }
    }

    /// Waits until the camera enters a state.
    pub fn state(
        &mut self,
        camera: &str,
        what: &str,
        fits: impl Fn(&CameraState) -> bool,
    ) -> CameraState {
        let event = self.event(what, |event| match &event.kind {
            EventKind::State { state, .. } => &*event.camera == camera && fits(state),
            _ => false,
        });
        match event.kind {
            EventKind::State { state, .. } => state,
            _ => unreachable!("filtered above"),
        }
    }

    pub fn watching(&mut self, camera: &str) {
        self.state(camera, "watching", |state| *state == CameraState::Watching);
    }

    /// Waits for a refusal or a stall, and gives its reason.
    pub fn lost(&mut self, camera: &str) -> String {
        let state = self.state(camera, "a fault", |state| {
            matches!(
                state,
                CameraState::Stalled { .. } | CameraState::Refused { .. }
            )
        });
        match state {
            CameraState::Stalled { reason } | CameraState::Refused { reason } => reason,
            other => panic!("{other}"),
        }
    }

    /// Watched and blind stretches of a camera so far: from, to, whether it was watched.
    pub fn stretches(&self, camera: &str) -> Vec<(i64, i64, bool)> {
        let of_camera = self.seen.iter().filter(|event| &*event.camera == camera);
        of_camera
            .filter_map(|event| match event.kind {
                EventKind::Watched { from_ns, to_ns, .. } => Some((from_ns, to_ns, true)),
                EventKind::Blind { from_ns, to_ns, .. } => Some((from_ns, to_ns, false)),
                EventKind::State { .. } => None,
            })
            .collect()
    }
}
