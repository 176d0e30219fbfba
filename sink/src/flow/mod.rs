//! The sink as one thing: spool, indexer and store, each on its own thread, with one handle.
//!
//! Events are appended by any thread; a syncing thread makes them safe in groups; an indexing thread
//! takes what is safe into the store, and acknowledges it when the store is durable. So a kill at any
//! moment costs at most what was not safe yet, and at most repeats what was.

mod indexer;
mod intake;
#[cfg(test)]
mod tests;

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

pub use intake::Writer;
pub(crate) use intake::{Intake, in_brackets};

use crate::clock;
use crate::coverage::CameraCoverage;
use crate::persons::{Feedback, Join, Verdict, WalkingTime};
use crate::spool::{Limits, Recovery, Spool, SpoolStatus};
use crate::store::{
    Applied, Backup, Embed, Embedder, Expired, Forget, ForgetReport, IndexNews, Migration, Store,
    StoreOptions, StoreStatus, VectorSpec, Verified, When,
};
use crate::threads::Threads;
use crate::{Answer, Event, PersonId, PersonRecord, Query, Result, TrackId};

/// How a [`Sink`] is set up.
#[derive(Debug, Clone)]
pub struct SinkOptions {
    /// Bounds of the spool.
    pub spool: Limits,
    /// What the store is made for.
    pub store: StoreOptions,
    /// Longest time from an append until its group is synced.
    pub sync_after: Duration,
    /// Appends after which a group is synced sooner.
    pub sync_records: u64,
    /// Most events taken into the store at once.
    pub batch_records: usize,
    /// Longest time from an event's being searchable until it is durable in the store and acknowledged.
    pub flush_after: Duration,
    /// Sightings between two rounds of tidying the index.
    pub optimize_records: u64,
    /// How often tracks that are too old or too many are taken out, by this machine's clock; none where that is
    /// asked for with [`Sink::expire`].
    pub expire_every: Option<Duration>,
    /// How long a message stays in the log behind the spool; zero where the spool itself is the log.
    pub log_retention: Duration,
}

impl SinkOptions {
    /// Options with the default timing.
    pub fn new(store: StoreOptions) -> Self {
        Self {
            spool: Limits::default(),
            store,
            sync_after: Duration::from_millis(20),
            sync_records: 256,
            batch_records: 500,
            flush_after: Duration::from_secs(1),
            optimize_records: 20_000,
            expire_every: None,
            log_retention: Duration::ZERO,
        }
    }
}

/// How a [`Sink`] stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SinkStatus {
    /// The spool.
    pub spool: SpoolStatus,
    /// What was indexed since the sink was opened.
    pub applied: Applied,
    /// Sightings by other models than the store's that were embedded anew since the sink was opened.
    pub embedded: u64,
    /// What indexing took since the sink was opened.
    pub indexing: IndexingTime,
    /// The last failure of the indexer or of a sync, if it has not succeeded since.
    pub trouble: Option<String>,
}

/// The time taken by applying events to the store and by making it durable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct IndexingTime {
    /// Events applied.
    pub events: u64,
    /// Batches and flushes.
    pub calls: u64,
    /// By the clock, ns.
    pub wall_ns: u64,
    /// CPU time of the indexing thread, ns.
    pub cpu_ns: u64,
}

/// The whole sink of one store folder.
#[derive(Debug)]
pub struct Sink {
    shared: Arc<Shared>,
    recovery: Recovery,
    threads: Threads,
}

#[derive(Debug)]
struct Shared {
    intake: Arc<Intake>,
    options: SinkOptions,
    store: Store,
    /// See [`Sink::open_embedding`].
    embed: Option<Embedder>,
    progress: Mutex<Progress>,
}

/// When part of the spool became searchable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Searchable {
    /// Highest sequence of it.
    pub through: u64,
    /// By the wall clock, Unix time in ns.
    pub at_ns: i64,
}

/// Entries that are kept until somebody asks for them.
const NEWS: usize = 1024;

#[derive(Debug, Default)]
struct Progress {
    news: Vec<Searchable>,
    applied: Applied,
    embedded: u64,
    indexing: IndexingTime,
    index_trouble: Option<String>,
}

impl Progress {
    fn searchable_now(&mut self, through: u64) {
        if self.news.len() == NEWS {
            self.news.pop();
        }
        let at_ns = clock::now_ns();
        self.news.push(Searchable { through, at_ns });
    }
}

impl Sink {
    /// Opens the sink in `dir`, or makes it: `spool/`, `index/`, `crops/`, `coverage/`, `lock`.
    ///
    /// # Errors
    ///
    /// As [`Store::open`] and [`Spool::open`].
    pub fn open(dir: impl AsRef<Path>, options: SinkOptions) -> Result<Self> {
        Self::open_with(dir.as_ref(), options, None)
    }

    /// As [`Sink::open`]. Sightings by other models than the store's, as they come before and after a move to other models, are
    /// embedded anew by `embed` from the pictures that they carry, in place of being refused.
    ///
    /// # Errors
    ///
    /// As [`Sink::open`].
    pub fn open_embedding(
        dir: impl AsRef<Path>,
        options: SinkOptions,
        embed: Box<dyn Embed + Send>,
    ) -> Result<Self> {
        Self::open_with(dir.as_ref(), options, Some(Embedder::new(embed)))
    }

    fn open_with(dir: &Path, options: SinkOptions, embed: Option<Embedder>) -> Result<Self> {
        let dir = dir.to_path_buf();
        let store = Store::open(&dir, &options.store)?;
        let (spool, recovery) = Spool::open(dir.join("spool"), options.spool)?;
        let intake = Intake::new(dir, spool, options.sync_after, options.sync_records);
        let shared = Arc::new(Shared {
            intake: Arc::new(intake),
            options,
            store,
            embed,
            progress: Mutex::default(),
        });
        let mut threads = shared.intake.start("sink")?;
        let mut spawn = |name, run: fn(&Shared)| {
            let shared = Arc::clone(&shared);
            threads.spawn(name, move || run(&shared))
        };
        spawn("sink-index", indexer::run)?;
        spawn("sink-tidy", indexer::tidy)?;
        if shared.options.expire_every.is_some() {
            spawn("sink-expire", indexer::expire)?;
        }
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

    /// Answers a query; see [`Store::search`]. May be called from any thread at any time.
    ///
    /// # Errors
    ///
    /// As [`Store::search`].
    pub fn search(&self, query: &Query) -> Result<Answer> {
        self.shared.store.search(query)
    }

    /// Answers a query with persons; see [`Store::search_persons`].
    ///
    /// # Errors
    ///
    /// As [`Store::search`].
    pub fn search_persons(&self, query: &Query) -> Result<Answer> {
        self.shared.store.search_persons(query)
    }

    /// How near tracks are to a vector; see [`Store::similarities`].
    ///
    /// # Errors
    ///
    /// As [`Store::similarities`].
    pub fn similarities(
        &self,
        name: &str,
        model: &str,
        values: &[f32],
        tracks: &[TrackId],
    ) -> Result<Vec<Option<f32>>> {
        self.shared.store.similarities(name, model, values, tracks)
    }

    /// What cameras watched; see [`Store::coverage`].
    pub fn coverage(
        &self,
        cameras: &[String],
        from_ns: Option<i64>,
        to_ns: Option<i64>,
    ) -> Vec<CameraCoverage> {
        self.shared.store.coverage(cameras, from_ns, to_ns)
    }

    /// Settles every person; see [`Store::settle_persons`]. Drain first.
    ///
    /// # Errors
    ///
    /// As [`Store::settle_persons`].
    pub fn settle_persons(&self) -> Result<()> {
        self.shared.store.settle_persons()
    }

    /// Forgets, in the store and in the spool, proves it and writes the signed list; see [`Store::forget`]. Waits
    /// first, at most `limit`, until what was spooled before is in the store, so that it is found.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Deadline`] when that does not happen within `limit`; as [`Store::forget`] and
    /// [`Store::write_list`].
    pub fn forget(
        &self,
        asked: &Forget,
        at_ns: i64,
        is_dry_run: bool,
        limit: Duration,
    ) -> Result<ForgetReport> {
        let Shared {
            store,
            intake,
            options,
            ..
        } = &*self.shared;
        let spool = &intake.spool;
        self.drain(limit)?;
        let mut report = store.forget(asked, at_ns, is_dry_run)?;
        if is_dry_run {
            return Ok(report);
        }
        // What was spooled while it was forgotten was refused; once it is acknowledged its segments can go.
        self.drain(limit)?;
        report.spool_segments = spool.discard()?;
        let last = spool.status().appended;
        let mut reader = spool.reader(0);
        while reader.position() <= last {
            let Some((_, event)) = reader.try_next()? else {
                break;
            };
            if let Event::Sighting(sighting) = &event
                && store.is_forgotten(sighting)
            {
                report.spool_records += 1;
            }
        }
        store.write_list(&mut report, Some(options.log_retention))?;
        Ok(report)
    }

    /// Copies the store, with what waits in the spool; see [`Store::backup`].
    ///
    /// # Errors
    ///
    /// [`crate::Error::Deadline`] when the spool is not indexed within `limit`; as [`Store::backup`].
    pub fn backup(
        &self,
        to: &Path,
        at_ns: i64,
        is_dry_run: bool,
        limit: Duration,
    ) -> Result<Backup> {
        self.drain(limit)?;
        self.shared.store.backup(to, at_ns, is_dry_run)
    }

    /// Begins to move to other models, or goes on where it was; see [`Store::begin_migration`].
    ///
    /// # Errors
    ///
    /// As [`Store::begin_migration`].
    pub fn begin_migration(&self, to: &[VectorSpec]) -> Result<()> {
        self.shared.store.begin_migration(to)
    }

    /// Works at the move to other models; see [`Store::migrate`]. May run beside everything else, once at a time.
    ///
    /// # Errors
    ///
    /// As [`Store::migrate`].
    pub fn migrate(
        &self,
        embed: &mut dyn Embed,
        most_per_second: Option<NonZeroU32>,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Migration> {
        let store = &self.shared.store;
        store.migrate(embed, most_per_second, go_on)
    }

    /// Moves to the other models; see [`Store::switch_when`].
    ///
    /// # Errors
    ///
    /// As [`Store::switch_when`].
    pub fn switch_when(&self, embed: &mut dyn Embed, when: When<'_>) -> Result<()> {
        self.shared.store.switch_when(embed, when)
    }

    /// How the move to other models stands; none when there is none.
    pub fn migration(&self) -> Option<Migration> {
        self.shared.store.migration()
    }

    /// Looks at everything in the store; see [`Store::verify`].
    ///
    /// # Errors
    ///
    /// As [`Store::verify`].
    pub fn verify(&self) -> Result<Verified> {
        self.shared.store.verify()
    }

    /// Takes out the tracks that are too old or too many; see [`Store::expire`].
    ///
    /// # Errors
    ///
    /// As [`Store::expire`].
    pub fn expire(&self, now_ns: Option<i64>) -> Result<Expired> {
        self.shared.store.expire(now_ns)
    }

    /// The id that holds for a person; see [`Store::current_person`].
    pub fn current_person(&self, id: PersonId) -> PersonId {
        self.shared.store.current_person(id)
    }

    /// A person; see [`Store::person`].
    pub fn person(&self, id: PersonId) -> Option<PersonRecord> {
        self.shared.store.person(id)
    }

    /// Takes somebody's word on pairs of tracks; see [`Store::say_words`].
    ///
    /// # Errors
    ///
    /// As [`Store::say_words`].
    pub fn say_words(&self, pairs: &[[TrackId; 2]], verdict: Verdict) -> Result<u64> {
        self.shared.store.say_words(pairs, verdict)
    }

    /// Whose a track is, as of now.
    pub fn person_of(&self, track: TrackId) -> Option<PersonId> {
        self.shared.store.person_of(track)
    }

    /// Why a track belongs to its person, as of now; none for the person's first track.
    pub fn join_of(&self, track: TrackId) -> Option<Join> {
        self.shared.store.join_of(track)
    }

    /// What people said of pairs of tracks; see [`Store::feedback`].
    ///
    /// # Errors
    ///
    /// As [`Store::feedback`].
    pub fn feedback(
        &self,
        after: usize,
        most: usize,
    ) -> Result<Vec<(Feedback, [Option<String>; 2])>> {
        self.shared.store.feedback(after, most)
    }

    /// What association learned of the ways between cameras.
    pub fn walking_times(&self) -> Vec<WalkingTime> {
        self.shared.store.walking_times()
    }

    /// How the store stands.
    ///
    /// # Errors
    ///
    /// As [`Store::status`]; a server is waited for as long as its limits say.
    pub fn store_status(&self) -> Result<StoreStatus> {
        self.shared.store.status()
    }

    /// How the sink stands; waits for nobody.
    pub fn status(&self) -> SinkStatus {
        let (applied, embedded, indexing, trouble) = {
            let progress = self.shared.progress();
            let trouble = self.shared.intake.trouble();
            let trouble = trouble.or_else(|| progress.index_trouble.clone());
            (
                progress.applied,
                progress.embedded,
                progress.indexing,
                trouble,
            )
        };
        SinkStatus {
            spool: self.shared.intake.spool.status(),
            applied,
            embedded,
            indexing,
            trouble,
        }
    }

    /// What is new of the index; see [`Store::take_index_news`].
    pub fn take_index_news(&self) -> IndexNews {
        self.shared.store.take_index_news()
    }

    /// What became searchable since somebody asked last, in order. Where nobody asks for long, the last entries become one.
    pub fn take_searchable(&self) -> Vec<Searchable> {
        std::mem::take(&mut self.shared.progress().news)
    }

    /// How long each group of records took to be safe in the spool, since somebody asked last; the first 1024.
    pub fn take_sync_times(&self) -> Vec<Duration> {
        self.shared.intake.take_sync_times()
    }

    /// A hash over everything in the store; see [`Store::digest`]. Drain first.
    ///
    /// # Errors
    ///
    /// As [`Store::digest`].
    pub fn digest(&self) -> Result<String> {
        self.shared.store.digest()
    }

    /// Waits until everything appended before is searchable, durable in the store and acknowledged.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Deadline`] when that does not happen within `limit`; nothing is lost then.
    pub fn drain(&self, limit: Duration) -> Result<()> {
        let trouble = || self.shared.progress().index_trouble.clone();
        self.shared.intake.drain(limit, "indexed", trouble)
    }

    /// Stops all threads and closes the store. What is not indexed yet stays in the spool, safe.
    ///
    /// # Errors
    ///
    /// When the last sync or flush fails.
    pub fn close(mut self) -> Result<()> {
        self.threads.stop();
        self.shared.intake.spool.sync()?;
        self.shared.store.flush()
    }
}

impl Shared {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
