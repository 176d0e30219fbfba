//! The site's end of the log: from its partitions into the store, and committed when it is durable there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

use super::dead::Forwarder;
use super::goals::Goals;
use super::known::Known;
use super::message::of_word;
use super::options::LogOptions;
use super::session;
use super::standing::{Faults, Standing, Status};
use super::topics::leaves_after;
use super::whole::Next;
use super::{claim, forgotten};
use crate::flow::IndexingTime;
use crate::persons::{FollowCounts, Verdict};
use crate::store::{Applied, Embed, Embedder, Forget, ForgetReport, Store};
use crate::threads::Threads;
use crate::{Error, Event, Result, TrackId};

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
    /// Time between two looks for tracks that are too old or too many; none: they stay.
    pub expire_every: Option<Duration>,
}

impl ReceiverOptions {
    /// Options with the default timing.
    pub fn new(log: LogOptions) -> Self {
        Self {
            log,
            batch_records: 500,
            flush_after: Duration::from_secs(1),
            optimize_records: 20_000,
            expire_every: None,
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
    /// Sightings by other models, embedded anew by the store's.
    pub embedded: u64,
    /// What others decided of persons, where they do.
    pub persons: FollowCounts,
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
    /// Turns of the thread that indexes: it lives while these grow.
    pub turns: u64,
    /// At the last look nothing was left to index, by anybody of the group.
    pub is_level: bool,
    /// Why nothing is indexed now; none while it goes well.
    pub trouble: Option<String>,
    /// Why indexing ended for good.
    pub failure: Option<String>,
}

impl Status for ReceiveStatus {
    fn events(&self) -> u64 {
        self.indexing.events
    }

    fn faults(&mut self) -> Faults<'_> {
        Faults {
            is_level: &mut self.is_level,
            trouble: &mut self.trouble,
            failure: &mut self.failure,
        }
    }
}

/// Indexes the log into a store, on threads of its own.
#[derive(Debug)]
pub struct Receiver {
    shared: Arc<Shared>,
    threads: Threads,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) store: Arc<Store>,
    pub(super) options: ReceiverOptions,
    /// Embeds pictures by the store's models; none: what is by others goes to the dead letters.
    pub(super) embed: Option<Embedder>,
    /// What this store says of itself with each commit.
    pub(super) claim: String,
    /// What is known of partitions, from one session to the next.
    pub(super) known: Mutex<Known>,
    /// What of others' decisions was taken in.
    followed: Mutex<Next>,
    goals: Mutex<Goals>,
    pub(super) standing: Standing<ReceiveStatus>,
}

impl Shared {
    pub(super) fn new(
        store: Arc<Store>,
        options: ReceiverOptions,
        embed: Option<Embedder>,
    ) -> Result<Arc<Self>> {
        options.log.check()?;
        let known = Known::load(store.dir())?;
        Ok(Arc::new(Self {
            claim: claim::words(&store),
            store,
            options,
            embed,
            known: Mutex::new(known),
            followed: Mutex::default(),
            goals: Mutex::default(),
            standing: Standing::default(),
        }))
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn followed(&self) -> MutexGuard<'_, Next> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn goals(&self) -> MutexGuard<'_, Goals> {
        self.goals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why an event can never be indexed; none when it can.
    pub(super) fn refusal(&self, event: &Event) -> Option<String> {
        let reason = self.store.refusal(event)?;
        let is_embedded = self.embed.is_some() && self.store.is_by_others(event);
        (!is_embedded).then_some(reason)
    }
}

impl Receiver {
    /// Begins to index the log into `store`. The log need not be there yet.
    ///
    /// # Errors
    ///
    /// [`Error::Options`] when the log's options cannot hold; when what was known of the log cannot be read.
    pub fn start(store: Arc<Store>, options: ReceiverOptions) -> Result<Self> {
        Self::begin(store, options, None)
    }

    /// As [`Receiver::start`]. Sightings by other models than the store's are embedded anew by `embed`, from the pictures that
    /// they carry, in place of going to the dead letters.
    ///
    /// # Errors
    ///
    /// As [`Receiver::start`].
    pub fn start_embedding(
        store: Arc<Store>,
        options: ReceiverOptions,
        embed: Box<dyn Embed + Send>,
    ) -> Result<Self> {
        Self::begin(store, options, Some(Embedder::new(embed)))
    }

    fn begin(store: Arc<Store>, options: ReceiverOptions, embed: Option<Embedder>) -> Result<Self> {
        let shared = Shared::new(store, options, embed)?;
        let stopped = Arc::clone(&shared);
        let mut threads = Threads::new("receiver", move || stopped.standing.stop());
        let (indexing, tidying) = (Arc::clone(&shared), Arc::clone(&shared));
        threads.spawn("log-index", move || session::run(&indexing))?;
        threads.spawn("log-tidy", move || tidy(&tidying))?;
        if let Some(every) = shared.options.expire_every {
            let expiring = Arc::clone(&shared);
            threads.spawn("log-expire", move || expire(&expiring, every))?;
        }
        Ok(Self { shared, threads })
    }

    /// How the receiver stands.
    pub fn status(&self) -> ReceiveStatus {
        self.shared.standing.status().clone()
    }

    /// Why indexing ended for good, once: as the error that it was.
    pub fn take_failure(&self) -> Option<Error> {
        self.shared.standing.take_failure()
    }

    /// Forgets, here and by everybody who writes: the log is told first, and when it cannot be, nothing is done. Waits
    /// before that, at most `limit`, until what is in the log is in the store, so that it is found. Proves it, and
    /// writes the signed list; see [`Store::forget`].
    ///
    /// # Errors
    ///
    /// [`Error::Deadline`] when the log is not indexed within `limit`; [`Error::Log`] when it cannot be told; as
    /// [`Store::forget`] and [`Store::write_list`].
    pub fn forget(
        &self,
        asked: &Forget,
        at_ns: i64,
        is_dry_run: bool,
        limit: Duration,
    ) -> Result<ForgetReport> {
        self.catch_up(limit)?;
        let Shared { store, options, .. } = &*self.shared;
        if is_dry_run {
            return store.forget(asked, at_ns, true);
        }
        let gone_after = leaves_after(&options.log, limit)?;
        let mut report = store.forget_telling(asked, at_ns, false, |entries| {
            forgotten::tell(&options.log, entries, limit)
        })?;
        store.write_list(&mut report, gone_after)?;
        Ok(report)
    }

    /// Takes somebody's word on pairs of tracks: they are one person, or they are not. Where others join tracks they are told;
    /// the assignments come back when they have taken it. Says of how many: of the others a track is not known, or is of
    /// another site.
    ///
    /// # Errors
    ///
    /// [`Error::Log`] when those who join tracks cannot be told within `limit`; as [`Store::say_words`].
    pub fn say_words(
        &self,
        pairs: &[[TrackId; 2]],
        verdict: Verdict,
        limit: Duration,
    ) -> Result<u64> {
        let Shared { store, options, .. } = &*self.shared;
        if !store.follows_persons() {
            return store.say_words(pairs, verdict);
        }
        let pairs = pairs.iter();
        let words: Vec<_> = pairs
            .filter_map(|pair| store.word_to_others(*pair, verdict))
            .collect();
        if words.is_empty() {
            return Ok(0);
        }
        let forwarder = Forwarder::connect(&options.log)?;
        for word in &words {
            forwarder.send_event(of_word(word)?)?;
        }
        forwarder.confirm(limit)?;
        Ok(words.len() as u64)
    }

    /// Waits until everything that is in the log now is indexed and durable, by whoever of the group; what comes meanwhile is not
    /// waited for.
    ///
    /// # Errors
    ///
    /// [`Error::Deadline`] when that does not happen within `limit`; nothing is lost then.
    pub fn catch_up(&self, limit: Duration) -> Result<()> {
        let Shared {
            standing, store, ..
        } = &*self.shared;
        let looks = standing.status().looks;
        let goal = self.shared.goals().set(looks);
        let is_met = |_: &ReceiveStatus| self.shared.goals().is_met(goal);
        let met = standing.require(limit, is_met, |status, trouble| Error::Deadline {
            path: store.dir().to_path_buf(),
            what: format!("{} messages were not indexed{trouble}", status.behind),
            limit_ms: limit.as_millis() as u64,
        });
        self.shared.goals().give_up(goal);
        met
    }

    /// Stops after what is under way, and makes it durable. The rest stays in the log.
    ///
    /// # Errors
    ///
    /// When the last flush fails.
    pub fn close(mut self) -> Result<()> {
        self.threads.stop();
        self.shared.store.flush()
    }
}

/// Tidies the index now and then, beside indexing and searching.
fn tidy(shared: &Arc<Shared>) {
    const LOOK_EVERY: Duration = Duration::from_secs(2);
    let mut done = 0;
    let standing = &shared.standing;
    while !standing.must_stop() {
        standing.pause(LOOK_EVERY);
        let sightings = standing.status().applied.sightings;
        if sightings < done + shared.options.optimize_records || standing.must_stop() {
            continue;
        }
        done = sightings;
        if let Err(error) = shared.store.optimize() {
            tracing::warn!(%error, "index could not be tidied");
        }
    }
}

/// Takes out what is too old or too much, now and then.
fn expire(shared: &Arc<Shared>, every: Duration) {
    while !shared.standing.must_stop() {
        shared.store.expire_by_clock();
        shared.standing.pause(every);
    }
}
