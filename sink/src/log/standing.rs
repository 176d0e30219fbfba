//! How a thread that lives at the log stands: it begins anew after every fault, until it is told to stop or a fault is for good.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::flow::in_brackets;
use crate::{Error, Reaction, Result};

/// First and longest time between attempts when the log or the store refuses.
pub(super) const RETRY: (Duration, Duration) =
    (Duration::from_millis(200), Duration::from_secs(10));

/// A status that others read, and what every such thread says in it.
pub(super) trait Status: Clone + Default {
    /// What was taken in so far.
    fn events(&self) -> u64;

    /// Where faults are told.
    fn faults(&mut self) -> Faults<'_>;
}

/// See [`Status::faults`].
pub(super) struct Faults<'s> {
    /// At the last look nothing was left.
    pub(super) is_level: &'s mut bool,
    /// Why nothing is done now; none while it goes well.
    pub(super) trouble: &'s mut Option<String>,
    /// Why all ended for good.
    pub(super) failure: &'s mut Option<String>,
}

/// What the thread and its owner share.
#[derive(Debug, Default)]
pub(super) struct Standing<S> {
    must_stop: AtomicBool,
    status: Mutex<S>,
    failure: Mutex<Option<Error>>,
    changed: Condvar,
}

impl<S: Status> Standing<S> {
    pub(super) fn status(&self) -> MutexGuard<'_, S> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why all ended for good, once: as the error that it was.
    pub(super) fn take_failure(&self) -> Option<Error> {
        self.failure().take()
    }

    fn failure(&self) -> MutexGuard<'_, Option<Error>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn must_stop(&self) -> bool {
        self.must_stop.load(Ordering::Acquire)
    }

    pub(super) fn stop(&self) {
        self.must_stop.store(true, Ordering::Release);
        self.notify();
    }

    /// Tells everybody who waits to look again.
    pub(super) fn notify(&self) {
        self.changed.notify_all();
    }

    /// Waits until a condition holds; `false` when the deadline comes first.
    pub(super) fn wait_until(&self, deadline: Instant, is_met: impl Fn(&S) -> bool) -> bool {
        // A wake-up between the look and the wait could be missed; this bounds what that costs.
        const LONGEST: Duration = Duration::from_millis(20);
        let mut status = self.status();
        loop {
            if is_met(&status) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.changed.wait_timeout(status, left.min(LONGEST));
            status = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until a condition holds, or all ended for good.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] when it ended; what `not_done` makes of the status and of the trouble, in brackets, when `limit` is over.
    pub(super) fn require(
        &self,
        limit: Duration,
        is_met: impl Fn(&S) -> bool,
        not_done: impl FnOnce(&S, &str) -> Error,
    ) -> Result<()> {
        let has_failed = |status: &S| status.clone().faults().failure.is_some();
        let is_done = self.wait_until(Instant::now() + limit, |status| {
            is_met(status) || has_failed(status)
        });
        let mut status = self.status().clone();
        let Faults {
            trouble, failure, ..
        } = status.faults();
        if let Some(failure) = failure.take() {
            return Err(Error::Closed { what: failure });
        }
        if is_done {
            return Ok(());
        }
        let trouble = in_brackets(trouble.take());
        Err(not_done(&status, &trouble))
    }

    /// Waits for a while, or until it is told to stop.
    pub(super) fn pause(&self, time: Duration) {
        self.wait_until(Instant::now() + time, |_| self.must_stop());
    }

    /// Says that something is not well, in the log once.
    pub(super) fn complain(&self, error: &Error) {
        drop(self.say(error, "the log is not well; trying on"));
    }

    /// Lives until it is told to stop; begins anew after every fault that may pass. `doing` is said of one that it cannot do.
    pub(super) fn live(&self, doing: &str, mut life: impl FnMut() -> Result<()>) {
        let mut delay = RETRY.0;
        while !self.must_stop() {
            let events_before = self.status().events();
            let Err(error) = life() else {
                return;
            };
            let is_for_good = error.reaction() == Reaction::Configuration
                && !matches!(error, Error::LogPromise { .. });
            let words = format!("{doing} failed, beginning anew where it was committed");
            let mut status = self.say(&error, &words);
            if status.events() > events_before {
                delay = RETRY.0;
            }
            if is_for_good {
                *status.faults().failure = Some(error.to_string());
                *self.failure() = Some(error);
                return;
            }
            drop(status);
            self.pause(delay);
            delay = (delay * 2).min(RETRY.1);
        }
    }

    fn say(&self, error: &Error, words: &str) -> MutexGuard<'_, S> {
        let text = error.to_string();
        let mut status = self.status();
        let faults = status.faults();
        if faults.trouble.as_ref() != Some(&text) {
            tracing::warn!(%error, "{words}");
        }
        *faults.is_level = false;
        *faults.trouble = Some(text);
        status
    }
}
