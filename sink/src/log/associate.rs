//! Joining the tracks of sites into persons, as a process of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ring::rand::{SecureRandom as _, SystemRandom};
use serde::Serialize;
use uuid::Uuid;

use super::associating;
use super::options::{Association, LogOptions};
use super::partition::Joining;
use super::standing::{Faults, Standing, Status};
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
    /// Sightings that were left out, since they are minutes ahead of the clock.
    pub ahead: u64,
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

impl Status for AssociateStatus {
    fn events(&self) -> u64 {
        self.events
    }

    fn faults(&mut self) -> Faults<'_> {
        Faults {
            is_level: &mut self.is_level,
            trouble: &mut self.trouble,
            failure: &mut self.failure,
        }
    }
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
    is_finishing: AtomicBool,
    pub(super) standing: Standing<AssociateStatus>,
}

impl Shared {
    /// Whether everything is to be settled when nothing is left.
    pub(super) fn is_finishing(&self) -> bool {
        self.is_finishing.load(Ordering::Acquire)
    }

    pub(super) fn has_finished(&self) {
        self.is_finishing.store(false, Ordering::Release);
        self.standing.notify();
    }

    pub(super) fn transactional_id(&self) -> String {
        let group = self.options.log.association_group();
        format!("{group}-{}", self.name)
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
            is_finishing: AtomicBool::new(false),
            standing: Standing::default(),
        });
        let stopped = Arc::clone(&shared);
        let mut threads = Threads::new("association", move || stopped.standing.stop());
        let joining = Arc::clone(&shared);
        threads.spawn("log-associate", move || associating::run(&joining))?;
        Ok(Self { shared, threads })
    }

    /// How it stands.
    pub fn status(&self) -> AssociateStatus {
        self.shared.standing.status().clone()
    }

    /// Why joining ended for good, once: as the error that it was.
    pub fn take_failure(&self) -> Option<Error> {
        self.shared.standing.take_failure()
    }

    /// Takes in everything that is in the partitions of this process now, and settles every person: nothing more will come
    /// for now.
    ///
    /// # Errors
    ///
    /// [`Error::Deadline`] when that does not happen within `limit`; nothing is lost then.
    pub fn finish(&self, limit: Duration) -> Result<()> {
        self.shared.is_finishing.store(true, Ordering::Release);
        let Shared {
            standing, options, ..
        } = &*self.shared;
        let has_finished = |_: &AssociateStatus| !self.shared.is_finishing();
        standing.require(limit, has_finished, |status, trouble| {
            options.log.failed(
                "join tracks",
                format!(
                    "{} messages of {} partitions were not taken in within {} s{trouble}",
                    status.behind,
                    status.partitions,
                    limit.as_secs()
                ),
            )
        })
    }

    /// Stops after what is under way. The rest stays in the log.
    pub fn close(mut self) {
        self.threads.stop();
    }
}
