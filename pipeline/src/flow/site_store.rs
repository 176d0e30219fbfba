//! The store of a site, filled from the log.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use sightline_console::StoreCounts;
use sightline_sink::log::ReceiveStatus;
use sightline_sink::{
    Answer, CameraCoverage, Embed, Filter, Forget, ForgetReport, IndexNews, Migration, PersonId,
    PersonRecord, Query, Receiver, ReceiverOptions, StoreStatus, TrackId, VectorSpec, When,
};

use super::store::{EXPIRE_EVERY, now_ns, store_options};
use crate::config::Config;

/// A store and the receiver that fills it; clones are the same.
#[derive(Clone)]
pub struct SiteStore {
    store: Arc<sightline_sink::Store>,
    receiver: Arc<Receiver>,
    folder: Arc<Path>,
}

/// Longest wait for the index before something is forgotten.
const FORGET_DEADLINE: Duration = Duration::from_secs(20);

/// Longest wait for those who join tracks to be told of somebody's word.
const WORD_DEADLINE: Duration = Duration::from_secs(10);

impl SiteStore {
    /// Opens the store of the configuration, or makes it, and begins to index the log into it. Sightings by other models
    /// than the store's are embedded anew by `embed`.
    ///
    /// # Errors
    /// When another process holds the store, it was made for another model, it is damaged, or the disk refuses.
    pub fn open(
        config: &Config,
        vectors: Vec<VectorSpec>,
        embed: Box<dyn Embed + Send>,
    ) -> Result<Self> {
        Self::open_with(config, vectors, embed, None)
    }

    /// As [`SiteStore::open`], for a process that runs on: it takes out tracks that are too old by itself.
    ///
    /// # Errors
    /// As [`SiteStore::open`].
    pub fn open_to_run(
        config: &Config,
        vectors: Vec<VectorSpec>,
        embed: Box<dyn Embed + Send>,
    ) -> Result<Self> {
        Self::open_with(config, vectors, embed, Some(EXPIRE_EVERY))
    }

    fn open_with(
        config: &Config,
        vectors: Vec<VectorSpec>,
        embed: Box<dyn Embed + Send>,
        expire_every: Option<Duration>,
    ) -> Result<Self> {
        let folder = config.store.folder.as_path();
        let options = store_options(config, vectors)?;
        let store = Arc::new(sightline_sink::Store::open(folder, &options)?);
        let mut options = ReceiverOptions::new(config.kafka.to_log_options());
        options.expire_every = expire_every;
        let receiver = Receiver::start_embedding(store.clone(), options, embed)?;
        Ok(Self {
            store,
            receiver: Arc::new(receiver),
            folder: folder.into(),
        })
    }

    /// How indexing stands.
    pub fn received(&self) -> ReceiveStatus {
        self.receiver.status()
    }

    /// Why indexing ended for good, once.
    pub fn take_failure(&self) -> Option<sightline_sink::Error> {
        self.receiver.take_failure()
    }

    /// How the store stands.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn status(&self) -> Result<StoreStatus> {
        Ok(self.store.status()?)
    }

    /// What is new of the index since the last call.
    pub fn take_index_news(&self) -> IndexNews {
        self.store.take_index_news()
    }

    /// Waits until everything that is in the log now is indexed.
    ///
    /// # Errors
    /// When that does not happen in time; nothing is lost then.
    pub fn catch_up(&self, limit: Duration) -> Result<()> {
        Ok(self.receiver.catch_up(limit)?)
    }

    /// Settles every person, since nothing more will come for now.
    ///
    /// # Errors
    /// When the disk or the engine refuses.
    pub fn settle_persons(&self) -> Result<()> {
        Ok(self.store.settle_persons()?)
    }

    /// Begins to move to other models, or goes on where it was.
    ///
    /// # Errors
    /// When the store moves to others already, several sites share it, or the disk or the engine refuses.
    pub fn begin_migration(&self, to: &[VectorSpec]) -> Result<()> {
        Ok(self.store.begin_migration(to)?)
    }

    /// Works at the move until nothing is left, or `go_on` says no; see the sink's.
    ///
    /// # Errors
    /// When a model fails, or the disk or the engine refuses; what was done is done.
    pub fn migrate(
        &self,
        embed: &mut dyn Embed,
        most_per_second: Option<NonZeroU32>,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Migration> {
        Ok(self.store.migrate(embed, most_per_second, go_on)?)
    }

    /// Moves to the other models; see the sink's.
    ///
    /// # Errors
    /// As [`SiteStore::migrate`]; the store is by its old models then.
    pub fn switch_when(&self, embed: &mut dyn Embed, when: When<'_>) -> Result<()> {
        Ok(self.store.switch_when(embed, when)?)
    }

    /// A hash over everything that is searchable; see the sink's digest.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn digest(&self) -> Result<String> {
        Ok(self.store.digest()?)
    }

    /// Ends indexing and closes the store; the last of the clones must do it.
    ///
    /// # Errors
    /// When the last flush fails, or somebody still holds the store.
    pub fn close(self) -> Result<()> {
        let receiver =
            Arc::into_inner(self.receiver).context("the store is still in use; this is a bug")?;
        Ok(receiver.close()?)
    }
}

impl sightline_console::Store for SiteStore {
    fn query(&self, query: &Query) -> sightline_sink::Result<Answer> {
        self.store.search(query)
    }

    fn query_persons(&self, query: &Query) -> sightline_sink::Result<Answer> {
        self.store.search_persons(query)
    }

    fn similarities(
        &self,
        name: &str,
        model: &str,
        values: &[f32],
        tracks: &[TrackId],
    ) -> sightline_sink::Result<Vec<Option<f32>>> {
        self.store.similarities(name, model, values, tracks)
    }

    /// What is in the log now is indexed first, so that it is found; what comes later is refused, here and by the boxes.
    fn forget(&self, asked: &Forget, is_dry_run: bool) -> sightline_sink::Result<ForgetReport> {
        self.receiver
            .forget(asked, now_ns(), is_dry_run, FORGET_DEADLINE)
    }

    fn walking_times(&self) -> Vec<sightline_sink::persons::WalkingTime> {
        self.store.walking_times()
    }

    fn feedback(
        &self,
        after: usize,
        most: usize,
    ) -> sightline_sink::Result<Vec<(sightline_sink::persons::Feedback, [Option<String>; 2])>> {
        self.store.feedback(after, most)
    }

    fn current_person(&self, id: PersonId) -> PersonId {
        self.store.current_person(id)
    }

    fn person(&self, id: PersonId) -> Option<PersonRecord> {
        self.store.person(id)
    }

    fn say_words(
        &self,
        pairs: &[[TrackId; 2]],
        verdict: sightline_sink::persons::Verdict,
    ) -> sightline_sink::Result<u64> {
        self.receiver.say_words(pairs, verdict, WORD_DEADLINE)
    }

    fn coverage(&self, filter: &Filter) -> sightline_sink::Result<Vec<CameraCoverage>> {
        Ok(self
            .store
            .coverage(&filter.cameras, filter.from_ns, filter.to_ns))
    }

    fn counts(&self) -> sightline_sink::Result<StoreCounts> {
        let status = self.store.status()?;
        Ok(StoreCounts {
            tracks: status.tracklets,
            sightings: status.exemplars,
            spool_records: self.receiver.status().behind,
        })
    }

    fn folder(&self) -> &Path {
        &self.folder
    }
}
