//! The running account of when a camera was watched and when it was blind.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, TrySendError};

use super::state::{CameraState, DropReason, Event, EventKind, Tally};

/// Events kept while the channel is full.
const PENDING: usize = 64;

/// Cuts time into watched and blind stretches without gaps, and reports them.
///
/// A full channel delays events and, when it stays full, costs the oldest of them, counted; it never holds a camera up.
pub(super) struct CoverageLog {
    camera: Arc<str>,
    camera_index: usize,
    tally: Arc<Tally>,
    events: Option<SyncSender<Event>>,
    pending: VecDeque<EventKind>,
    reported_ns: i64,
    reported_frames: u64,
    reported_dropped: u64,
}

impl CoverageLog {
    /// Starts the account at `now_ns`, blind.
    pub(super) fn new(
        camera: Arc<str>,
        camera_index: usize,
        tally: Arc<Tally>,
        events: Option<SyncSender<Event>>,
        now_ns: i64,
    ) -> Self {
        Self {
            camera,
            camera_index,
            tally,
            events,
            pending: VecDeque::new(),
            reported_ns: now_ns,
            reported_frames: 0,
            reported_dropped: 0,
        }
    }

    /// Reports that the camera is not watched from `at_ns` on, by configuration.
    pub(super) fn disabled(&mut self, at_ns: i64) {
        self.state(at_ns, CameraState::Disabled);
        self.push(EventKind::Blind {
            from_ns: self.reported_ns,
            to_ns: at_ns.max(self.reported_ns),
            reason: "disabled".to_owned(),
        });
    }

    /// Reports a new state.
    pub(super) fn state(&mut self, at_ns: i64, state: CameraState) {
        self.push(EventKind::State { at_ns, state });
    }

    /// Reports that pictures came from the last report up to `to_ns`.
    pub(super) fn watched(&mut self, to_ns: i64, clock_error_ns: Option<i64>) {
        let frames = self.tally.frames.load(Ordering::Relaxed);
        // What a cap leaves out on purpose is no loss, and was not to be looked at.
        let counts = self.tally.counts();
        let capped = counts.dropped_for(DropReason::RateCap);
        let dropped = counts.dropped.iter().sum::<u64>() - capped;
        let frames = frames.saturating_sub(capped);
        let from_ns = self.reported_ns;
        let to_ns = to_ns.max(from_ns);
        let kind = EventKind::Watched {
            from_ns,
            to_ns,
            frames: frames.saturating_sub(self.reported_frames),
            dropped: u64::saturating_sub(dropped, self.reported_dropped),
            clock_error_ns,
        };
        self.reported_ns = to_ns;
        (self.reported_frames, self.reported_dropped) = (frames, dropped);
        self.push(kind);
    }

    /// Reports that no picture came from the last report up to `to_ns`.
    pub(super) fn blind(&mut self, to_ns: i64, reason: &str) {
        if to_ns <= self.reported_ns {
            return;
        }
        self.push(EventKind::Blind {
            from_ns: self.reported_ns,
            to_ns,
            reason: reason.to_owned(),
        });
        self.reported_ns = to_ns;
    }

    /// Nanoseconds since the last stretch that was reported.
    pub(super) fn unreported_ns(&self, now_ns: i64) -> i64 {
        now_ns.saturating_sub(self.reported_ns)
    }

    /// Sends what waits, as far as the channel takes it.
    pub(super) fn flush(&mut self) {
        while let Some(kind) = self.pending.pop_front() {
            let Some(events) = &self.events else {
                continue;
            };
            let event = Event {
                camera: Arc::clone(&self.camera),
                camera_index: self.camera_index,
                kind,
            };
            match events.try_send(event) {
                Ok(()) => {}
                Err(TrySendError::Full(event)) => {
                    self.pending.push_front(event.kind);
                    return;
                }
                // Nobody listens any more, which is so at the end.
                Err(TrySendError::Disconnected(_)) => self.events = None,
            }
        }
    }

    fn push(&mut self, kind: EventKind) {
        if self.pending.len() == PENDING {
            self.pending.pop_front();
            self.tally.events_lost.fetch_add(1, Ordering::Relaxed);
        }
        self.pending.push_back(kind);
        self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_follow_one_another_without_gaps() {
        let (sender, receiver) = std::sync::mpsc::sync_channel(16);
        let tally = Arc::new(Tally::default());
        let mut log = CoverageLog::new("gate".into(), 0, Arc::clone(&tally), Some(sender), 100);
        log.blind(200, "connecting");
        tally.frames.store(7, Ordering::Relaxed);
        log.watched(300, None);
        tally.frames.store(9, Ordering::Relaxed);
        log.watched(350, None);
        log.blind(500, "silent");
        let stretches: Vec<_> = receiver
            .try_iter()
            .map(|event| match event.kind {
                EventKind::Blind { from_ns, to_ns, .. } => (from_ns, to_ns, None),
                EventKind::Watched {
                    from_ns,
                    to_ns,
                    frames,
                    ..
                } => (from_ns, to_ns, Some(frames)),
                EventKind::State { .. } => panic!("no state was reported"),
            })
            .collect();
        let expected = [
            (100, 200, None),
            (200, 300, Some(7)),
            (300, 350, Some(2)),
            (350, 500, None),
        ];
        assert_eq!(stretches, expected);
    }

    #[test]
    fn a_wall_clock_that_jumps_back_makes_no_stretch_run_backwards() {
        let (sender, receiver) = std::sync::mpsc::sync_channel(16);
        let mut log = CoverageLog::new("gate".into(), 0, Arc::default(), Some(sender), 1_000);
        log.watched(400, None);
        log.blind(500, "silent");
        let kinds: Vec<_> = receiver.try_iter().map(|event| event.kind).collect();
        assert!(
            matches!(
                kinds[..],
                [EventKind::Watched {
                    from_ns: 1_000,
                    to_ns: 1_000,
                    ..
                }]
            ),
            "{kinds:?}"
        );
    }

    #[test]
    fn what_a_cap_leaves_out_is_no_loss() {
        let (sender, receiver) = std::sync::mpsc::sync_channel(16);
        let tally = Arc::new(Tally::default());
        let mut log = CoverageLog::new("gate".into(), 0, Arc::clone(&tally), Some(sender), 0);
        tally.frames.store(25, Ordering::Relaxed);
        (0..15).for_each(|_| tally.drop_one(DropReason::RateCap));
        tally.drop_one(DropReason::Overtaken);
        log.watched(1_000, None);
        let told = receiver.try_iter().next().map(|event| event.kind);
        assert!(
            matches!(
                told,
                Some(EventKind::Watched {
                    frames: 10,
                    dropped: 1,
                    ..
                })
            ),
            "{told:?}"
        );
    }

    #[test]
    fn a_disabled_camera_is_known_and_blind() {
        let (sender, receiver) = std::sync::mpsc::sync_channel(16);
        let mut log = CoverageLog::new("gate".into(), 0, Arc::default(), Some(sender), 1_000);
        log.disabled(1_000);
        let told = receiver.try_iter().last().map(|event| event.kind);
        assert!(
            matches!(
                told,
                Some(EventKind::Blind {
                    from_ns: 1_000,
                    to_ns: 1_000,
                    ..
                })
            ),
            "{told:?}"
        );
    }

    #[test]
    fn a_full_channel_delays_events_and_then_costs_the_oldest() {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        let tally = Arc::new(Tally::default());
        let mut log = CoverageLog::new("gate".into(), 0, Arc::clone(&tally), Some(sender), 0);
        (1..=70).for_each(|n| log.blind(n, "silent"));
        assert_eq!(tally.counts().events_lost, 70 - 1 - PENDING as u64);
        let mut seen = 0;
        while receiver.try_recv().is_ok() {
            seen += 1;
            log.flush();
        }
        assert_eq!(seen, 1 + PENDING);
    }
}
