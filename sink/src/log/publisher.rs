//! The edge's end of the log: spool, syncing and sending as one handle.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::Serialize;

use super::options::LogOptions;
use super::sender;
use crate::flow::{Intake, Writer};
use crate::spool::{Limits, Recovery, Spool, SpoolStatus};
use crate::{Error, Result};

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
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) intake: Arc<Intake>,
    pub(super) options: PublisherOptions,
    status: Mutex<SendStatus>,
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
    /// As [`Spool::open`]; [`Error::Options`] when the log's options cannot hold.
    pub fn open(dir: impl AsRef<Path>, options: PublisherOptions) -> Result<Self> {
        options.log.check()?;
        let dir = dir.as_ref().to_path_buf();
        let (spool, recovery) = Spool::open(dir.join("spool"), options.spool)?;
        let intake = Intake::new(dir, spool, options.sync_after, options.sync_records);
        let shared = Arc::new(Shared {
            intake: Arc::new(intake),
            options,
            status: Mutex::default(),
        });
        let mut publisher = Self {
            shared,
            recovery,
            threads: Vec::new(),
        };
        publisher.spawn("log-sync", |shared| shared.intake.sync_groups())?;
        publisher.spawn("log-send", sender::run)?;
        Ok(publisher)
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

    /// Waits until everything appended before is safe in the log and acknowledged.
    ///
    /// # Errors
    ///
    /// [`Error::Deadline`] when that does not happen within `limit`; nothing is lost then.
    pub fn drain(&self, limit: Duration) -> Result<()> {
        if self.shared.intake.drain(limit) {
            return Ok(());
        }
        let status = self.status();
        let trouble = status.sync_trouble.or(status.send.trouble);
        let trouble = trouble.map(|text| format!(" ({text})")).unwrap_or_default();
        Err(Error::Deadline {
            path: self.shared.intake.dir.clone(),
            what: format!("{} events were not sent{trouble}", status.spool.records),
            limit_ms: limit.as_millis() as u64,
        })
    }

    /// Stops all threads. What is not sent yet stays in the spool, safe.
    ///
    /// # Errors
    ///
    /// When the last sync fails.
    pub fn close(mut self) -> Result<()> {
        self.stop();
        self.shared.intake.spool.sync().map(|_| ())
    }

    fn spawn(&mut self, name: &str, run: fn(&Shared)) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || run(&shared))
            .map_err(Error::io("start a thread of the publisher"))?;
        self.threads.push(thread);
        Ok(())
    }

    fn stop(&mut self) {
        self.shared.intake.stop();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the publisher had panicked");
            }
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.stop();
    }
}
