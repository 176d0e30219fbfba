//! The site's end of the log: from its partitions into the store, and committed when it is durable there.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::known::Known;
use super::options::LogOptions;
use super::session;
use crate::flow::IndexingTime;
use crate::store::{Applied, Store};
use crate::{Error, Result};

/// How a [`Receiver`] is set up.
#[derive(Debug, Clone)]
pub struct ReceiverOptions {
    /// The log.
    pub log: LogOptions,
    /// Most events taken into the store at once.
    pub batch_records: usize,
    /// Longest time from an event's being searchable until it is durable in the store and committed.
    pub flush_after: Duration,
    /// Sightings between two rounds of tidying the index.
    pub optimize_records: u64,
}

impl ReceiverOptions {
    /// Options with the default timing.
    pub fn new(log: LogOptions) -> Self {
        Self {
            log,
            batch_records: 500,
            flush_after: Duration::from_secs(1),
            optimize_records: 20_000,
        }
    }
}

/// How a [`Receiver`] stands. Counts are since it was started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ReceiveStatus {
    /// What was indexed.
    pub applied: Applied,
    /// What indexing took.
    pub indexing: IndexingTime,
    /// Messages that went to the dead letters.
    pub dead: u64,
    /// Messages, at least, that left the log before anybody indexed them.
    pub lost: u64,
    /// Partitions that this process reads.
    pub partitions: usize,
    /// Messages in the log that the whole group has not indexed yet, as of the last look.
    pub behind: u64,
    /// Looks at the log's end so far.
    pub looks: u64,
    /// At the last look nothing was left to index, by anybody of the group.
    pub is_level: bool,
    /// Why nothing is indexed now; none while it goes well.
    pub trouble: Option<String>,
    /// Why indexing ended for good.
    pub failure: Option<String>,
}

/// Indexes the log into a store, on threads of its own.
#[derive(Debug)]
pub struct Receiver {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) store: Arc<Store>,
    pub(super) options: ReceiverOptions,
    /// What is known of partitions, from one session to the next.
    pub(super) known: Mutex<Known>,
    must_stop: AtomicBool,
    status: Mutex<ReceiveStatus>,
    changed: Condvar,
}

impl Shared {
    pub(super) fn status(&self) -> MutexGuard<'_, ReceiveStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn must_stop(&self) -> bool {
        self.must_stop.load(Ordering::Acquire)
    }

    pub(super) fn notify(&self) {
        self.changed.notify_all();
    }

    /// Waits until a condition holds; `false` when the deadline comes first.
    pub(super) fn wait_until(
        &self,
        deadline: Instant,
        is_met: impl Fn(&ReceiveStatus) -> bool,
    ) -> bool {
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

    /// Waits for a while, or until the receiver stops.
    pub(super) fn pause(&self, time: Duration) {
        self.wait_until(Instant::now() + time, |_| self.must_stop());
    }
}

impl Receiver {
    /// Begins to index the log into `store`. The log need not be there yet.
    ///
    /// # Errors
    ///
    /// [`Error::Options`] when the log's options cannot hold; when what was known of the log cannot be read.
    pub fn start(store: Arc<Store>, options: ReceiverOptions) -> Result<Self> {
        options.log.check()?;
        let known = Known::load(store.dir())?;
        let shared = Arc::new(Shared {
            store,
            options,
            known: Mutex::new(known),
            must_stop: AtomicBool::new(false),
            status: Mutex::default(),
            changed: Condvar::new(),
        });
        let mut receiver = Self {
            shared,
            threads: Vec::new(),
        };
        receiver.spawn("log-index", session::run)?;
        receiver.spawn("log-tidy", tidy)?;
        Ok(receiver)
    }

    /// How the receiver stands.
    pub fn status(&self) -> ReceiveStatus {
        self.shared.status().clone()
    }

    /// Waits until everything that is in the log now is indexed and durable, by whoever of the group.
    ///
    /// # Errors
    ///
    /// [`Error::Deadline`] when that does not happen within `limit`; nothing is lost then.
    pub fn catch_up(&self, limit: Duration) -> Result<()> {
        // A look that is under way may have seen the end before this call.
        let first = self.shared.status().looks + 2;
        let is_done = self.shared.wait_until(Instant::now() + limit, |status| {
            (status.looks >= first && status.is_level) || status.failure.is_some()
        });
        let status = self.status();
        if let Some(failure) = status.failure {
            return Err(Error::Closed { what: failure });
        }
        if is_done {
            return Ok(());
        }
        let trouble = status.trouble;
        let trouble = trouble.map(|text| format!(" ({text})")).unwrap_or_default();
        Err(Error::Deadline {
            path: self.shared.store.dir().to_path_buf(),
            what: format!("{} messages were not indexed{trouble}", status.behind),
            limit_ms: limit.as_millis() as u64,
        })
    }

    /// Stops after what is under way, and makes it durable. The rest stays in the log.
    ///
    /// # Errors
    ///
    /// When the last flush fails.
    pub fn close(mut self) -> Result<()> {
        self.stop();
        self.shared.store.flush()
    }

    fn spawn(&mut self, name: &str, run: fn(&Arc<Shared>)) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || run(&shared))
            .map_err(Error::io("start a thread of the receiver"))?;
        self.threads.push(thread);
        Ok(())
    }

    fn stop(&mut self) {
        self.shared.must_stop.store(true, Ordering::Release);
        self.shared.notify();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the receiver had panicked");
            }
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Tidies the index now and then, beside indexing and searching.
fn tidy(shared: &Arc<Shared>) {
    const LOOK_EVERY: Duration = Duration::from_secs(2);
    let mut done = 0;
    while !shared.must_stop() {
        shared.pause(LOOK_EVERY);
        let sightings = shared.status().applied.sightings;
        if sightings < done + shared.options.optimize_records || shared.must_stop() {
            continue;
        }
        done = sightings;
        if let Err(error) = shared.store.optimize() {
            tracing::warn!(%error, "index could not be tidied");
        }
    }
}
