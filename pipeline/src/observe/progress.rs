//! Which stages get on with their work: what the watchdog, `/live` and the log go by.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use super::clock::MonotonicClock;

/// A stage that has work and does none of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    /// The stage.
    pub stage: String,
    /// Since its last progress, or since the work came.
    pub since: Duration,
    /// Items that wait.
    pub waiting: u64,
}

/// All stages of the process.
#[derive(Debug, Clone)]
pub struct Progress {
    clock: MonotonicClock,
    stages: Arc<RwLock<Vec<Heartbeat>>>,
}

impl Progress {
    /// No stages yet.
    #[must_use]
    pub fn new(clock: MonotonicClock) -> Self {
        Self {
            clock,
            stages: Arc::default(),
        }
    }

    /// A stage with a queue: it is stuck when work waits and nothing was done for `deadline`.
    #[must_use]
    pub fn stage(&self, name: impl Into<String>, deadline: Duration) -> Heartbeat {
        self.add(name.into(), deadline, 0)
    }

    /// A stage that has to give a sign of life for ever, such as a camera's supervisor.
    #[must_use]
    pub fn always(&self, name: impl Into<String>, deadline: Duration) -> Heartbeat {
        self.add(name.into(), deadline, 1)
    }

    fn add(&self, name: String, deadline: Duration, waiting: u64) -> Heartbeat {
        let heartbeat = Heartbeat(Arc::new(Beats {
            name,
            deadline,
            clock: self.clock.clone(),
            waiting: AtomicU64::new(waiting),
            last_ns: AtomicI64::new(self.clock.now_ns()),
        }));
        let mut stages = self.stages.write().unwrap_or_else(PoisonError::into_inner);
        stages.retain(|stage| stage.0.name != heartbeat.0.name);
        stages.push(heartbeat.clone());
        heartbeat
    }

    /// Forgets a stage that has ended on purpose, such as a camera that was taken out.
    pub fn remove(&self, name: &str) {
        self.stages
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|stage| stage.0.name != name);
    }

    /// The stages that are stuck now.
    #[must_use]
    pub fn stuck(&self) -> Vec<Stuck> {
        let now_ns = self.clock.now_ns();
        let stages = self.stages.read().unwrap_or_else(PoisonError::into_inner);
        stages
            .iter()
            .filter_map(|stage| stage.0.stuck_at(now_ns))
            .collect()
    }

    /// Every stage and whether it is stuck.
    #[must_use]
    pub fn states(&self) -> Vec<(String, bool)> {
        let now_ns = self.clock.now_ns();
        let stages = self.stages.read().unwrap_or_else(PoisonError::into_inner);
        stages
            .iter()
            .map(|stage| (stage.0.name.clone(), stage.0.stuck_at(now_ns).is_some()))
            .collect()
    }
}

#[derive(Debug)]
struct Beats {
    name: String,
    deadline: Duration,
    clock: MonotonicClock,
    waiting: AtomicU64,
    /// Last progress, or when the first of the waiting work came.
    last_ns: AtomicI64,
}

impl Beats {
    fn stuck_at(&self, now_ns: i64) -> Option<Stuck> {
        let waiting = self.waiting.load(Ordering::Acquire);
        let since_ns = now_ns.saturating_sub(self.last_ns.load(Ordering::Acquire));
        let since = Duration::from_nanos(u64::try_from(since_ns).unwrap_or(0));
        (waiting > 0 && since > self.deadline).then(|| Stuck {
            stage: self.name.clone(),
            since,
            waiting,
        })
    }
}

/// One stage's hand on its own progress: a few atomic operations a call. Clones are the same stage.
#[derive(Debug, Clone)]
pub struct Heartbeat(Arc<Beats>);

impl Heartbeat {
    /// Work came in. Called by whoever sends it, so that a stage that died is seen too.
    pub fn arrived(&self, count: u64) {
        // The time goes first: a reader between the two sees a fresh time, never fresh work with an old time.
        if self.0.waiting.load(Ordering::Acquire) == 0 {
            self.beat();
        }
        self.0.waiting.fetch_add(count, Ordering::AcqRel);
    }

    /// Work was done.
    pub fn done(&self, count: u64) {
        self.beat();
        self.withdrawn(count);
    }

    /// Work was taken back undone, such as a frame that a newer one replaced. No progress.
    pub fn withdrawn(&self, count: u64) {
        // Never below zero: an item may be counted as done before its sender counted it.
        let less = |waiting: u64| Some(waiting.saturating_sub(count));
        match self
            .0
            .waiting
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, less)
        {
            Ok(_) | Err(_) => {}
        }
    }

    /// A sign of life.
    pub fn beat(&self) {
        self.0
            .last_ns
            .store(self.0.clock.now_ns(), Ordering::Release);
    }

    /// Name of the stage.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }
}

#[cfg(test)]
mod tests {
    use super::super::clock::fake::FakeClock;
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(10);

    #[test]
    fn an_idle_stage_is_never_stuck() {
        let time = FakeClock::default();
        let progress = Progress::new(time.clock());
        let detect = progress.stage("detect", DEADLINE);
        time.advance(Duration::from_secs(3600));
        assert_eq!(progress.stuck(), []);
        // Work that comes after an idle hour has its whole deadline.
        detect.arrived(1);
        time.advance(DEADLINE);
        assert_eq!(progress.stuck(), []);
        time.advance(Duration::from_nanos(1));
        let expected = Stuck {
            stage: "detect".into(),
            since: DEADLINE + Duration::from_nanos(1),
            waiting: 1,
        };
        assert_eq!(progress.stuck(), [expected]);
        detect.done(1);
        assert_eq!(progress.stuck(), []);
    }

    #[test]
    fn a_slow_stage_with_a_long_queue_is_not_stuck_while_it_works() {
        let time = FakeClock::default();
        let progress = Progress::new(time.clock());
        let embed = progress.stage("embed", DEADLINE);
        embed.arrived(100);
        for _ in 0..50 {
            time.advance(Duration::from_secs(9));
            embed.done(1);
            assert_eq!(progress.stuck(), []);
        }
    }

    #[test]
    fn replacing_old_work_with_new_is_no_progress() {
        let time = FakeClock::default();
        let progress = Progress::new(time.clock());
        let detect = progress.stage("detect", DEADLINE);
        detect.arrived(1);
        for _ in 0..12 {
            time.advance(Duration::from_secs(1));
            detect.arrived(1);
            detect.withdrawn(1);
        }
        assert_eq!(progress.stuck().len(), 1);
    }

    #[test]
    fn a_supervisor_has_to_beat_for_ever_until_it_is_removed() {
        let time = FakeClock::default();
        let progress = Progress::new(time.clock());
        let gate = progress.always("ingest gate-2", DEADLINE);
        time.advance(Duration::from_secs(11));
        assert_eq!(progress.states(), [("ingest gate-2".to_owned(), true)]);
        gate.beat();
        assert_eq!(progress.states(), [("ingest gate-2".to_owned(), false)]);
        time.advance(Duration::from_secs(11));
        progress.remove("ingest gate-2");
        assert_eq!(progress.stuck(), []);
    }

    #[test]
    fn work_done_before_it_was_counted_does_not_wrap_around() {
        let time = FakeClock::default();
        let progress = Progress::new(time.clock());
        let track = progress.stage("track", DEADLINE);
        track.done(3);
        track.arrived(1);
        assert_eq!(track.0.waiting.load(Ordering::SeqCst), 1);
    }
}
