//! The edge's end of the log: spool, syncing and sending as one handle.

use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

use super::options::LogOptions;
use super::sender;
use crate::Result;
use crate::flow::{Intake, Writer};
use crate::spool::{Limits, Recovery, Spool, SpoolStatus};
use crate::threads::Threads;

/// How a [`Publisher`] is set up.
#[derive(Debug, Clone)]
pub struct PublisherOptions {
    /// Bounds of the spool.
    pub spool: Limits,
    /// The log.
    pub log: LogOptions,
    /// Longest time from an append until its group is synced.
    pub sync_after: Duration,
    /// Appends after which a group is synced sooner.
    pub sync_records: u64,
    /// Most records a second that are sent; none: as many as the log takes. It bounds what a backlog does to
    /// the network, the log and the indexers when the log is back.
    pub most_per_second: Option<u32>,
}

impl PublisherOptions {
    /// Options with the default bounds.
    pub fn new(log: LogOptions) -> Self {
        Self {
            spool: Limits::default(),
            log,
            sync_after: Duration::from_millis(20),
            sync_records: 256,
            most_per_second: None,
        }
    }
}

/// What was sent since the publisher was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SendStatus {
    /// Events that are safe in the log.
    pub sent: u64,
    /// Events on their way.
    pub in_flight: u64,
    /// Events that the log refuses whatever is done; they are dropped.
    pub refused: u64,
    /// Sightings that were not sent because their tracks are forgotten.
    pub forgotten: u64,
    /// Why nothing is sent now; none while it goes well.
    pub trouble: Option<String>,
    /// The trouble is with the topics: they would lose what they are given, so nothing is.
    pub is_promise_broken: bool,
}

/// How a [`Publisher`] stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PublisherStatus {
    /// The spool.
    pub spool: SpoolStatus,
    /// The sending.
    pub send: SendStatus,
    /// The last failure of a sync, if none succeeded since.
    pub sync_trouble: Option<String>,
}

/// Sends the spool of one folder to the log.
#[derive(Debug)]
pub struct Publisher {
    shared: Arc<Shared>,
    recovery: Recovery,
    threads: Threads,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) intake: Arc<Intake>,
    pub(super) options: PublisherOptions,
    status: Mutex<SendStatus>,
    /// Entries of what is forgotten for which the spool's files were cleared.
    pub(super) cleared: AtomicUsize,
}

impl Shared {
    pub(super) fn status(&self) -> MutexGuard<'_, SendStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Publisher {
    /// Opens the spool in `dir/spool`, and sends what is in it. The log need not be there: everything waits.
    ///
    /// # Errors
    ///
    /// As [`Spool::open`]; [`crate::Error::Options`] when the log's options cannot hold.
    pub fn open(dir: impl AsRef<Path>, options: PublisherOptions) -> Result<Self> {
        options.log.check()?;
        let dir = dir.as_ref().to_path_buf();
        let (spool, recovery) = Spool::open(dir.join("spool"), options.spool)?;
        let intake = Intake::new(dir, spool, options.sync_after, options.sync_records);
        let shared = Arc::new(Shared {
            intake: Arc::new(intake),
            options,
            status: Mutex::default(),
            cleared: AtomicUsize::new(0),
        });
        let mut threads = shared.intake.start("publisher")?;
        let sending = Arc::clone(&shared);
        threads.spawn("log-send", move || sender::run(&sending))?;
        Ok(Self {
            shared,
            recovery,
            threads,
        })
    }

    /// What opening the spool found and mended.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// A handle to append with.
    pub fn writer(&self) -> Writer {
        self.shared.intake.writer()
    }

    /// How the publisher stands.
    pub fn status(&self) -> PublisherStatus {
        PublisherStatus {
            spool: self.shared.intake.spool.status(),
            send: self.shared.status().clone(),
            sync_trouble: self.shared.intake.trouble(),
        }
    }

    /// How long each group of records took to be safe in the spool, since somebody asked last; the first 1024.
    pub fn take_sync_times(&self) -> Vec<Duration> {
        self.shared.intake.take_sync_times()
    }

    /// Waits until everything appended before is safe in the log and acknowledged.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Deadline`] when that does not happen within `limit`; nothing is lost then.
    pub fn drain(&self, limit: Duration) -> Result<()> {
        let trouble = || self.shared.status().trouble.clone();
        self.shared.intake.drain(limit, "sent", trouble)
    }

    /// Stops all threads. What is not sent yet stays in the spool, safe.
    ///
    /// # Errors
    ///
    /// When the last sync fails.
    pub fn close(mut self) -> Result<()> {
        self.threads.stop();
        self.shared.intake.spool.sync().map(|_| ())
    }
}
