//! Joining the tracks of sites into persons, as a process of its own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ring::rand::{SecureRandom as _, SystemRandom};
use serde::Serialize;
use uuid::Uuid;

use super::associating;
use super::options::{Association, LogOptions};
use super::partition::Joining;
use crate::threads::Threads;
use crate::{AssociationOptions, Error, Result};

/// How [`Associating`] is set up.
#[derive(Debug, Clone)]
pub struct AssociatingOptions {
    /// The log.
    pub log: LogOptions,
    /// Most messages that are taken in at once.
    pub batch_records: usize,
    pub(super) joining: Joining,
}

impl AssociatingOptions {
    /// Joins as `association` says, by vectors of `model` alone; none: by whatever comes.
    pub fn new(log: LogOptions, association: AssociationOptions, model: Option<String>) -> Self {
        Self {
            log,
            batch_records: 500,
            joining: Joining {
                options: association,
                model,
            },
        }
    }
}

/// How [`Associating`] stands. Counts are since it was started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AssociateStatus {
    /// Messages taken in.
    pub events: u64,
    /// Of these, sightings.
    pub sightings: u64,
    /// Decisions that were told: assignments and renamings.
    pub decisions: u64,
    /// Sightings that were refused because their track is forgotten.
    pub forgotten: u64,
    /// Sightings by other models, compared by time and place alone.
    pub by_others: u64,
    /// Sightings of the sites that are joined here that came after the watermark.
    pub late: u64,
    /// Words of people that were taken.
    pub words: u64,
    /// Words about tracks that are not compared any more.
    pub words_refused: u64,
    /// Messages that went to the dead letters.
    pub dead: u64,
    /// Partitions that were taken over.
    pub takeovers: u64,
    /// Decisions that had to correct what another process had told.
    pub corrections: u64,
    /// Partitions that this process joins.
    pub partitions: usize,
    /// Their sites.
    pub sites: usize,
    /// Messages of these that were not taken in yet, as of the last look.
    pub behind: u64,
    /// At the last look nothing was left.
    pub is_level: bool,
    /// Why nothing is joined now; none while it goes well.
    pub trouble: Option<String>,
    /// Why joining ended for good.
    pub failure: Option<String>,
}

/// Joins tracks of the partitions that the group gives it, on a thread of its own.
#[derive(Debug)]
pub struct Associating {
    shared: Arc<Shared>,
    threads: Threads,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: AssociatingOptions,
    /// What only this process is called.
    name: String,
    must_stop: AtomicBool,
    is_finishing: AtomicBool,
    status: Mutex<AssociateStatus>,
    failure: Mutex<Option<Error>>,
    changed: Condvar,
}

impl Shared {
    pub(super) fn status(&self) -> MutexGuard<'_, AssociateStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn failure(&self) -> MutexGuard<'_, Option<Error>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn must_stop(&self) -> bool {
        self.must_stop.load(Ordering::Acquire)
    }

    /// Whether everything is to be settled when nothing is left.
    pub(super) fn is_finishing(&self) -> bool {
        self.is_finishing.load(Ordering::Acquire)
    }

    pub(super) fn has_finished(&self) {
        self.is_finishing.store(false, Ordering::Release);
        self.notify();
    }

    pub(super) fn notify(&self) {
        self.changed.notify_all();
    }

    pub(super) fn transactional_id(&self) -> String {
        let group = self.options.log.association_group();
        format!("{group}-{}", self.name)
    }

    fn wait_until(&self, deadline: Instant, is_met: impl Fn(&AssociateStatus) -> bool) -> bool {
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

    /// Waits for a while, or until it is told to stop.
    pub(super) fn pause(&self, time: Duration) {
        self.wait_until(Instant::now() + time, |_| self.must_stop());
    }
}

impl Associating {
    /// Begins. The log need not be there yet.
    ///
    /// # Errors
    ///
    /// [`Error::Options`] when the options cannot hold; when the map makes no sense.
    pub fn start(options: AssociatingOptions) -> Result<Self> {
        options.log.check()?;
        options.joining.options.map.check()?;
        if options.log.association != Association::Service {
            return Err(Error::Options {
                name: "association",
                what: "the indexers join tracks themselves; expected `service`".to_owned(),
            });
        }
        let window_hours = options.joining.options.window_ns / 3_600_000_000_000;
        let kept_hours = i64::from(options.log.topics.retention_hours);
        if kept_hours <= window_hours {
            return Err(Error::Options {
                name: "retention_hours",
                what: format!(
                    "{kept_hours} is not longer than tracks are compared ({window_hours} h): whoever takes a site over reads them again"
                ),
            });
        }
        let mut bytes = [0; 16];
        let random = SystemRandom::new().fill(&mut bytes);
        random.map_err(|_| Error::Options {
            name: "association",
            what: "the system has no random numbers".to_owned(),
        })?;
        let shared = Arc::new(Shared {
            options,
            name: Uuid::from_bytes(bytes).simple().to_string(),
            must_stop: AtomicBool::new(false),
            is_finishing: AtomicBool::new(false),
            status: Mutex::default(),
            failure: Mutex::default(),
            changed: Condvar::new(),
        });
        let stopped = Arc::clone(&shared);
        let stop = move || {
            stopped.must_stop.store(true, Ordering::Release);
            stopped.notify();
        };
        let mut threads = Threads::new("association", stop);
        let joining = Arc::clone(&shared);
        threads.spawn("log-associate", move || associating::run(&joining))?;
        Ok(Self { shared, threads })
    }

    /// How it stands.
    pub fn status(&self) -> AssociateStatus {
        self.shared.status().clone()
    }

    /// Why joining ended for good, once: as the error that it was.
    pub fn take_failure(&self) -> Option<Error> {
        self.shared.failure().take()
    }

    /// Takes in everything that is in the partitions of this process now, and settles every person: nothing more will come
    /// for now.
    ///
    /// # Errors
    ///
    /// [`Error::Deadline`] when that does not happen within `limit`; nothing is lost then.
    pub fn finish(&self, limit: Duration) -> Result<()> {
        self.shared.is_finishing.store(true, Ordering::Release);
        let is_done = self.shared.wait_until(Instant::now() + limit, |status| {
            !self.shared.is_finishing() || status.failure.is_some()
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
        Err(self.shared.options.log.failed(
            "join tracks",
            format!(
                "{} messages of {} partitions were not taken in within {} s{trouble}",
                status.behind,
                status.partitions,
                limit.as_secs()
            ),
        ))
    }

    /// Stops after what is under way. The rest stays in the log.
    pub fn close(mut self) {
        self.threads.stop();
    }
}
