//! The embedded vector store: points, crops and coverage of one site's cameras.
//!
//! Two collections: *exemplars*, one point a sighting, and *tracklets*, one point a track. Ids are
//! derived and tracklets are joins, so events may come in any order and any number of times.

mod anew;
mod apply;
mod backup;
#[cfg(test)]
mod backup_tests;
pub(crate) mod crops;
mod digest;
pub(crate) mod engine;
mod expire;
mod followed;
mod forget;
mod forgotten;
mod generation;
mod identity;
mod list;
mod lock;
mod migrate;
mod noted;
mod options;
mod persons;
mod pictures;
pub(crate) mod points;
mod remove;
mod restore;
#[cfg(test)]
mod retention_tests;
#[cfg(test)]
mod tests;
mod verify;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use serde::Serialize;

pub(crate) use anew::Embedder;
pub use apply::Applied;
pub use backup::Backup;
pub use crops::CropStatus;
pub use engine::server::{ServerLimits, ServerOptions};
pub use expire::{Expired, Retention};
pub use forget::{Forget, ForgetReport, Proof};
pub(crate) use generation::Generation;
pub use list::verify_list;
pub use migrate::{Embed, Migration, When};
pub use options::{CropLimits, StoreOptions, VectorSpec};
pub use restore::Restored;
pub use verify::Verified;

use crate::coverage::{CameraCoverage, CoverageBook};
use crate::persons::{Followed, PersonBook};
use crate::{Answer, Error, PersonId, Query, Result, TrackId};
use crops::Crops;
use engine::Where;
use forgotten::ForgottenBook;
use generation::Place;
use lock::Lock;
use migrate::Next;

/// How a [`Store`] stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct StoreStatus {
    /// Points of sightings.
    pub exemplars: u64,
    /// Points of tracks.
    pub tracklets: u64,
    /// The folder of crops.
    pub crops: CropStatus,
    /// Tracks that are forgotten, and refused from then on.
    pub forgotten: u64,
    /// Tracks that went for age or room since the store was opened.
    pub expired: u64,
    /// Calls to a server that were made again, since the store was opened.
    pub retries: u64,
    /// Points that a server accepted, did not hold, and was sent again, since the store was opened.
    pub lost: u64,
}

/// What became of the index since somebody asked last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexNews {
    /// How long each batch took to be written, the first 1024 of them.
    pub write_times: Vec<Duration>,
    /// Up to when everything of each camera is searchable, Unix time in ns.
    pub watermarks_ns: BTreeMap<String, i64>,
}

/// The embedded store in one folder. Searches and writing go on at the same time.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    /// What only this store is called.
    identity: String,
    /// What it was opened with; the kinds of vectors are the index's.
    options: StoreOptions,
    /// What is searched and written.
    index: RwLock<Arc<Generation>>,
    place: Place,
    /// What other models make of it; none while the store does not move to others.
    next: RwLock<Option<Arc<Next>>>,
    crops: Crops,
    coverage: CoverageBook,
    forgotten: ForgottenBook,
    expired: AtomicU64,
    /// None: nobody associates here.
    persons: Option<Mutex<PersonBook>>,
    /// What others decide of persons; none where nobody else does.
    followed: Option<Mutex<Followed>>,
    /// The store moved to other models, and association has not been told what its tracks look like by them.
    must_relook: AtomicBool,
    /// Whose tracks are by what was decided, as far as it is not written yet.
    persons_due: Mutex<BTreeMap<TrackId, PersonId>>,
    /// Held by who makes vectors fit the store's models and writes them then, and alone by who moves it to others. Taken before `writer`.
    models: RwLock<()>,
    /// One writer at a time: a tracklet is read, joined and written.
    writer: Mutex<()>,
    /// Of batches that were applied, until somebody asks; see [`IndexNews`].
    write_times: Mutex<Vec<Duration>>,
    // Last, so that it is let go of after everything else is closed.
    _lock: Lock,
}

impl Store {
    /// Opens the store in `dir`, or makes it.
    ///
    /// # Errors
    ///
    /// [`Error::Held`] when another process has it; [`Error::Mismatch`] when it was made for other
    /// models or dimensions; [`Error::Corrupt`] when its files cannot be trusted.
    pub fn open(dir: impl AsRef<Path>, options: &StoreOptions) -> Result<Self> {
        let dir = dir.as_ref();
        options.check()?;
        fs_err::create_dir_all(dir).map_err(Error::io("make the store's folder"))?;
        let lock = Lock::take(dir)?;
        noted::check_place(dir, options.server.as_ref())?;
        let place = Place::new(dir, options)?;
        let (current, identity) = place.open_current(&options.vectors)?;
        let mut note = place.note()?;
        if let Some(given_up) = note.take_if(|note| note.is_abandoned) {
            place.delete(given_up.to)?;
            place.strike_note()?;
        }
        let mut next = None;
        if let Some(note) = &note {
            let current = place.current()?;
            if current == note.from {
                let generation = place.open_next(note)?;
                next = Some(Arc::new(Next::new(Arc::new(generation), note.clone())));
            } else if current != note.to {
                return Err(Error::Mismatch {
                    path: dir.join("migration.json"),
                    what: format!(
                        "it is about generations {} and {} of the index, and {current} is searched",
                        note.from, note.to
                    ),
                });
            }
        }
        let is_moving = next.is_some();
        let store = Self {
            index: RwLock::new(Arc::new(current)),
            place,
            next: RwLock::new(next),
            crops: Crops::open(&dir.join("crops"), options.crops)?,
            coverage: CoverageBook::open(&dir.join("coverage"))?,
            forgotten: ForgottenBook::open(&dir.join("forgotten"))?,
            expired: AtomicU64::new(0),
            persons: persons::open(dir, options.persons.as_ref())?,
            followed: followed::open(dir, options.follows_persons)?,
            must_relook: AtomicBool::new(note.is_some() && !is_moving),
            persons_due: Mutex::default(),
            dir: dir.to_path_buf(),
            identity,
            options: StoreOptions {
                vectors: Vec::new(),
                ..options.clone()
            },
            models: RwLock::default(),
            writer: Mutex::new(()),
            write_times: Mutex::default(),
            _lock: lock,
        };
        store.regain_persons()?;
        store.finish_forgetting()?;
        if note.is_some() && !is_moving {
            store.relook_if_due()?;
            store.flush()?;
            store.clear_away(true)?;
        }
        Ok(store)
    }

    /// Whether there is a store in a folder, with its points in it or on a server.
    pub fn is_in(dir: &Path) -> bool {
        let has_index = generation::current_index(dir).is_ok_and(|index| index.is_dir());
        has_index || noted::file(dir).is_file()
    }

    /// Whether the store in a folder is by these models; false where there is none. Nothing is made, changed or held.
    ///
    /// # Errors
    ///
    /// When its description cannot be read, or the server cannot be asked.
    pub fn is_by(dir: impl AsRef<Path>, options: &StoreOptions) -> Result<bool> {
        let dir = dir.as_ref();
        Ok(Self::is_in(dir) && Place::new(dir, options)?.is_by(&options.vectors)?)
    }

    /// Makes everything applied so far durable. Events may be applied meanwhile, most of the time; graphs may be built.
    ///
    /// # Errors
    ///
    /// When the disk or the engine refuses; nothing may be acknowledged then.
    pub fn flush(&self) -> Result<()> {
        // The pictures are most of the bytes, and nobody has to wait for them.
        self.crops.flush()?;
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.flush_held()
    }

    /// As [`Store::flush`]. The caller holds the writer's lock.
    fn flush_held(&self) -> Result<()> {
        let index = self.index();
        // Crops first: a point never outlives the picture it names.
        self.crops.flush()?;
        index.exemplars.flush()?;
        index.tracklets.flush()?;
        if let Some(next) = self.next() {
            next.flush()?;
        }
        self.flush_persons()?;
        self.coverage.flush()
    }

    /// Tidies the index where that is due: replaced points, and graphs once there are very many points. Blocks, for hours on
    /// a busy box; everything else goes on meanwhile, but [`Store::forget`] waits for the graph that is being built, and
    /// writing with it. Says whether anything was done.
    ///
    /// # Errors
    ///
    /// When the disk or the engine refuses.
    pub fn optimize(&self) -> Result<bool> {
        let index = self.index();
        let exemplars = index.exemplars.optimize()?;
        let tracklets = index.tracklets.optimize()?;
        let mut is_done = exemplars || tracklets;
        if let Some(next) = self.next() {
            is_done |= next.generation.exemplars.optimize()?;
            is_done |= next.generation.tracklets.optimize()?;
        }
        Ok(is_done)
    }

    /// Answers a query.
    ///
    /// # Errors
    ///
    /// [`Error::Query`] when it cannot be asked, or asks with a vector of another model.
    pub fn search(&self, query: &Query) -> Result<Answer> {
        crate::search::answer(self, query)
    }

    /// Answers a query with persons: one hit each, its best track, with the similarity of all its tracks that pass the filter.
    ///
    /// # Errors
    ///
    /// As [`Store::search`].
    pub fn search_persons(&self, query: &Query) -> Result<Answer> {
        crate::search::persons(self, query)
    }

    /// How near tracks are to a vector, by the measure that hits are ranked by, over all their sightings; none for a track
    /// that is not there or has no such vector.
    ///
    /// # Errors
    ///
    /// [`Error::Query`] for a vector of another model.
    pub fn similarities(
        &self,
        name: &str,
        model: &str,
        values: &[f32],
        tracks: &[TrackId],
    ) -> Result<Vec<Option<f32>>> {
        crate::search::similarities(self, name, model, values, tracks)
    }

    /// What cameras watched; see [`CameraCoverage`]. Without `cameras`: all.
    pub fn coverage(
        &self,
        cameras: &[String],
        from_ns: Option<i64>,
        to_ns: Option<i64>,
    ) -> Vec<CameraCoverage> {
        self.coverage.answer(cameras, None, from_ns, to_ns)
    }

    /// What is new of the index, once: the next call tells what came since.
    pub fn take_index_news(&self) -> IndexNews {
        let mut times = self
            .write_times
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        IndexNews {
            write_times: std::mem::take(&mut *times),
            watermarks_ns: self.coverage.watermarks(),
        }
    }

    /// How the store stands.
    ///
    /// # Errors
    ///
    /// When the engine refuses to count.
    pub fn status(&self) -> Result<StoreStatus> {
        let index = self.index();
        let counts = self.place.client.as_ref().map(|client| client.counts());
        let counts = counts.unwrap_or_default();
        Ok(StoreStatus {
            exemplars: index.exemplars.count(&Where::default())?,
            tracklets: index.tracklets.count(&Where::default())?,
            crops: self.crops.status(),
            forgotten: self.forgotten.tracks(),
            expired: self.expired.load(Ordering::Relaxed),
            retries: counts.retries,
            lost: counts.lost,
        })
    }

    /// Deletes the points of a store on a server, which nobody else has open.
    pub(crate) fn discard(self) -> Result<()> {
        self.place.delete(self.place.current()?)
    }

    /// The folder of the store.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What only this store is called.
    pub(crate) fn identity(&self) -> &str {
        &self.identity
    }

    /// Whether several processes may hold it at a time.
    pub(crate) fn is_shared(&self) -> bool {
        self.options.server.is_some()
    }

    /// What is searched now. Whoever holds it goes on with it while the store moves to other models.
    pub(crate) fn index(&self) -> Arc<Generation> {
        Arc::clone(&self.index.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// As long as it is held the store stays with the models that it has now.
    pub(crate) fn same_models(&self) -> RwLockReadGuard<'_, ()> {
        self.models.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn crops(&self) -> &Crops {
        &self.crops
    }

    pub(crate) fn book(&self) -> &CoverageBook {
        &self.coverage
    }
}
