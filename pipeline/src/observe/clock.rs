//! Time that only goes forward, handed in, so that tests can make it.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// Nanoseconds since some moment in the past. Cheap to clone.
#[derive(Clone)]
pub struct MonotonicClock(Arc<dyn Fn() -> i64 + Send + Sync>);

impl MonotonicClock {
    /// The clock of this machine.
    #[must_use]
    pub fn system() -> Self {
        let since = Instant::now();
        Self::from_fn(move || i64::try_from(since.elapsed().as_nanos()).unwrap_or(i64::MAX))
    }

    /// A clock of the caller.
    pub fn from_fn(now_ns: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(now_ns))
    }

    /// Now.
    #[must_use]
    pub fn now_ns(&self) -> i64 {
        (self.0)()
    }
}

impl fmt::Debug for MonotonicClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MonotonicClock")
    }
}

/// A clock that stands until it is told otherwise.
#[cfg(test)]
pub(crate) mod fake {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::time::Duration;

    use super::MonotonicClock;

    #[derive(Clone, Default)]
    pub(crate) struct FakeClock(Arc<AtomicI64>);

    impl FakeClock {
        pub(crate) fn advance(&self, time: Duration) {
            self.0
                .fetch_add(i64::try_from(time.as_nanos()).unwrap(), Ordering::SeqCst);
        }

        pub(crate) fn clock(&self) -> MonotonicClock {
            let now_ns = Arc::clone(&self.0);
            MonotonicClock::from_fn(move || now_ns.load(Ordering::SeqCst))
        }
    }
}
