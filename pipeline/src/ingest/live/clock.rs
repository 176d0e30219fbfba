//! Time, handed in, so that tests can make it.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The time of day and the time that has passed.
pub trait Clock: Send + Sync {
    /// The wall clock, unix nanoseconds. May jump.
    fn now_ns(&self) -> i64;
    /// Nanoseconds since some moment in the past. Never goes back.
    fn monotonic_ns(&self) -> i64;
}

/// The clocks of this machine.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    since: Instant,
}

impl SystemClock {
    /// Starts counting.
    #[must_use]
    pub fn new() -> Self {
        Self {
            since: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now_ns(&self) -> i64 {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        i64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX)
    }

    fn monotonic_ns(&self) -> i64 {
        i64::try_from(self.since.elapsed().as_nanos()).unwrap_or(i64::MAX)
    }
}

/// How long one wait lasts before the injected clock is asked again.
pub(super) const TICK: Duration = Duration::from_millis(20);

/// Asks a camera's thread to end, and wakes it.
#[derive(Debug, Default)]
pub(super) struct Cancel {
    is_cancelled: Mutex<bool>,
    wake: Condvar,
}

impl Cancel {
    pub(super) fn cancel(&self) {
        *self.lock() = true;
        self.wake.notify_all();
    }

    pub(super) fn is_cancelled(&self) -> bool {
        *self.lock()
    }

    /// Waits until `clock` has moved on by `duration_ns`; false when cancelled before that.
    pub(super) fn wait(&self, clock: &dyn Clock, duration_ns: i64) -> bool {
        let until = clock.monotonic_ns().saturating_add(duration_ns);
        let mut is_cancelled = self.lock();
        while !*is_cancelled {
            if clock.monotonic_ns() >= until {
                return true;
            }
            is_cancelled = self
                .wake
                .wait_timeout(is_cancelled, TICK)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        false
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, bool> {
        self.is_cancelled
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
pub(super) mod manual {
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::Clock;

    /// A clock that moves only when told to.
    #[derive(Debug, Default)]
    pub(in super::super) struct ManualClock(AtomicI64);

    impl ManualClock {
        pub(in super::super) fn advance_ns(&self, by: i64) {
            self.0.fetch_add(by, Ordering::SeqCst);
        }
    }

    impl Clock for ManualClock {
        fn now_ns(&self) -> i64 {
            1_700_000_000_000_000_000 + self.monotonic_ns()
        }

        fn monotonic_ns(&self) -> i64 {
            self.0.load(Ordering::SeqCst)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::manual::ManualClock;
    use super::*;

    #[test]
    fn a_wait_ends_when_the_injected_clock_says_so() {
        let clock = Arc::new(ManualClock::default());
        let cancel = Arc::new(Cancel::default());
        let waiting = std::thread::spawn({
            let (clock, cancel) = (Arc::clone(&clock), Arc::clone(&cancel));
            move || cancel.wait(&*clock, 3_600_000_000_000)
        });
        // The thread may not have started to wait yet, so the clock moves on until it ends.
        while !waiting.is_finished() {
            clock.advance_ns(7_200_000_000_000);
            std::thread::yield_now();
        }
        assert!(waiting.join().unwrap());
    }

    #[test]
    fn a_cancelled_wait_ends_at_once() {
        let cancel = Cancel::default();
        cancel.cancel();
        assert!(!cancel.wait(&ManualClock::default(), i64::MAX));
    }
}
