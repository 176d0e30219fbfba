//! The way into a spool: events from any thread, made safe in groups by a thread of its own.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::spool::Spool;
use crate::threads::Threads;
use crate::{Error, Event, Result};

/// Time between attempts when the disk refuses.
const RETRY: Duration = Duration::from_millis(200);

/// Times of syncs that are kept until somebody asks for them.
const SYNC_TIMES: usize = 1024;

/// A spool with those who append to it, and with whoever takes its events on.
#[derive(Debug)]
pub(crate) struct Intake {
    /// The folder that errors name.
    dir: PathBuf,
    pub(crate) spool: Spool,
    sync_after: Duration,
    sync_records: u64,
    must_stop: AtomicBool,
    /// Somebody waits for the end of the spool: sync and flush at once.
    is_draining: AtomicBool,
    appended: AtomicU64,
    /// The last failure of a sync, if none succeeded since.
    trouble: Mutex<Option<String>>,
    /// Of groups that were made safe, until somebody asks.
    sync_times: Mutex<Vec<Duration>>,
    changed: Condvar,
}

/// Appends events. Clones write to the same spool. It does not keep the spool open.
#[derive(Debug, Clone)]
pub struct Writer {
    intake: Weak<Intake>,
}

impl Intake {
    pub(crate) fn new(dir: PathBuf, spool: Spool, sync_after: Duration, sync_records: u64) -> Self {
        Self {
            dir,
            appended: AtomicU64::new(spool.status().appended),
            spool,
            sync_after,
            sync_records,
            must_stop: AtomicBool::new(false),
            is_draining: AtomicBool::new(false),
            trouble: Mutex::default(),
            sync_times: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Begins to make appended events safe; the threads that take them on come beside the one that does it.
    pub(crate) fn start(self: &Arc<Self>, owner: &'static str) -> Result<Threads> {
        let (stopped, syncing) = (Arc::clone(self), Arc::clone(self));
        let mut threads = Threads::new(owner, move || stopped.stop());
        threads.spawn("spool-sync", move || syncing.sync_groups())?;
        Ok(threads)
    }

    pub(crate) fn writer(self: &Arc<Self>) -> Writer {
        Writer {
            intake: Arc::downgrade(self),
        }
    }

    pub(crate) fn trouble(&self) -> Option<String> {
        self.locked().clone()
    }

    /// Tells everybody who waits to look again.
    pub(crate) fn notify(&self) {
        self.changed.notify_all();
    }

    pub(crate) fn must_stop(&self) -> bool {
        self.must_stop.load(Ordering::Acquire)
    }

    fn stop(&self) {
        self.must_stop.store(true, Ordering::Release);
        self.notify();
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Acquire)
    }

    /// Waits until everything appended before is acknowledged, or else says how many events were not `done` within
    /// `limit`, and why.
    pub(crate) fn drain(
        &self,
        limit: Duration,
        done: &str,
        trouble: impl FnOnce() -> Option<String>,
    ) -> Result<()> {
        let deadline = Instant::now() + limit;
        let target = self.spool.status().appended;
        self.is_draining.store(true, Ordering::Release);
        self.notify();
        let is_done = self.wait_until(deadline, || self.spool.status().acknowledged >= target);
        self.is_draining.store(false, Ordering::Release);
        if is_done {
            return Ok(());
        }
        let records = self.spool.status().records;
        let why = in_brackets(self.trouble().or_else(trouble));
        Err(self.too_late(limit, format!("{records} events were not {done}{why}")))
    }

    fn too_late(&self, limit: Duration, what: String) -> Error {
        Error::Deadline {
            path: self.dir.clone(),
            what,
            limit_ms: limit.as_millis() as u64,
        }
    }

    /// Waits until a condition holds; `false` when the deadline comes first.
    pub(crate) fn wait_until(&self, deadline: Instant, is_met: impl Fn() -> bool) -> bool {
        // A wake-up between the look and the wait could be missed; this bounds what that costs.
        const LONGEST: Duration = Duration::from_millis(20);
        loop {
            if is_met() {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.changed.wait_timeout(self.locked(), left.min(LONGEST));
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Waits for a while, or until all stops.
    pub(crate) fn pause(&self, time: Duration) {
        self.wait_until(Instant::now() + time, || self.must_stop());
    }

    /// Makes appended events safe, a group at a time, until all stops.
    fn sync_groups(&self) {
        // How long an idle thread sleeps at most.
        const IDLE: Duration = Duration::from_millis(500);
        while !self.must_stop() {
            let safe = self.spool.status().safe;
            let woke = self.wait_until(Instant::now() + IDLE, || {
                self.must_stop() || self.appended.load(Ordering::Acquire) > safe
            });
            if !woke || self.must_stop() {
                continue;
            }
            // Others may join the group, up to a number or a time.
            let full = safe + self.sync_records;
            self.wait_until(Instant::now() + self.sync_after, || {
                self.must_stop()
                    || self.is_draining()
                    || self.appended.load(Ordering::Acquire) >= full
            });
            let begin = Instant::now();
            let synced = self.spool.sync();
            if synced.is_ok() {
                self.took(begin.elapsed());
            }
            *self.locked() = synced.as_ref().err().map(ToString::to_string);
            self.notify();
            if let Err(error) = synced {
                tracing::warn!(%error, "spool could not be synced, trying again");
                self.pause(RETRY);
            }
        }
    }

    fn took(&self, time: Duration) {
        let mut times = self.times();
        // Where nobody asks, the first ones stay.
        if times.len() < SYNC_TIMES {
            times.push(time);
        }
    }

    pub(crate) fn take_sync_times(&self) -> Vec<Duration> {
        std::mem::take(&mut *self.times())
    }

    fn times(&self) -> MutexGuard<'_, Vec<Duration>> {
        self.sync_times
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn locked(&self) -> MutexGuard<'_, Option<String>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    /// Appends an event and returns its sequence. It is safe when [`Writer::wait_safe`] says so.
    ///
    /// # Errors
    ///
    /// As [`Spool::append`]; [`Error::Closed`] when the sink is closing or closed.
    pub fn append(&self, event: &Event) -> Result<u64> {
        let intake = self.open()?;
        let sequence = intake.spool.append(event)?;
        let appended = intake.appended.fetch_max(sequence, Ordering::AcqRel);
        if sequence > appended {
            intake.notify();
        }
        Ok(sequence)
    }

    /// Waits until everything up to `sequence` is safe.
    ///
    /// # Errors
    ///
    /// [`Error::Deadline`] when that does not happen within `limit`, as on a full disk;
    /// [`Error::Closed`] when the sink closes meanwhile.
    pub fn wait_safe(&self, sequence: u64, limit: Duration) -> Result<()> {
        let intake = self.open()?;
        let is_safe = || intake.spool.status().safe >= sequence;
        intake.wait_until(Instant::now() + limit, || is_safe() || intake.must_stop());
        if is_safe() {
            return Ok(());
        }
        if intake.must_stop() {
            return Err(closed());
        }
        let why = in_brackets(intake.trouble());
        Err(intake.too_late(limit, format!("event {sequence} was not safe{why}")))
    }

    fn open(&self) -> Result<Arc<Intake>> {
        self.intake
            .upgrade()
            .filter(|intake| !intake.must_stop())
            .ok_or_else(closed)
    }
}

pub(crate) fn in_brackets(trouble: Option<String>) -> String {
    trouble.map(|text| format!(" ({text})")).unwrap_or_default()
}

fn closed() -> Error {
    Error::Closed {
        what: "it is closed or closing".to_owned(),
    }
}
