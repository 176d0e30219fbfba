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
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use serde::Serialize;

pub use apply::Applied;
pub use backup::Backup;
pub use crops::CropStatus;
pub use engine::server::{ServerLimits, ServerOptions};
pub use expire::{Expired, Retention};
pub use forget::{Forget, ForgetReport, Proof};
pub use list::verify_list;
pub use migrate::{Embed, Migration};
pub use options::{CropLimits, StoreOptions, VectorSpec};
pub use restore::Restored;
pub use verify::Verified;

use crate::coverage::{CameraCoverage, CoverageBook};
use crate::persons::{Followed, PersonBook};
use crate::{Answer, Error, PersonId, Query, Result, TrackId};
use crops::Crops;
use engine::{Engine, Where};
use forgotten::ForgottenBook;
use generation::{Generation, Place};
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
    options: StoreOptions,
    exemplars: Box<dyn Engine>,
    tracklets: Box<dyn Engine>,
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
    /// Whose tracks are by what was decided, as far as it is not written yet.
    persons_due: Mutex<BTreeMap<TrackId, PersonId>>,
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
        let Generation {
            exemplars,
            tracklets,
        } = current;
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
                next = Some(Arc::new(Next::new(generation, note.clone())));
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
            exemplars,
            tracklets,
            place,
            next: RwLock::new(next),
            crops: Crops::open(&dir.join("crops"), options.crops)?,
            coverage: CoverageBook::open(&dir.join("coverage"))?,
            forgotten: ForgottenBook::open(&dir.join("forgotten"))?,
            expired: AtomicU64::new(0),
            persons: persons::open(dir, options.persons.as_ref())?,
            followed: followed::open(dir, options.follows_persons)?,
            persons_due: Mutex::default(),
            dir: dir.to_path_buf(),
            identity,
            options: options.clone(),
            writer: Mutex::new(()),
            write_times: Mutex::default(),
            _lock: lock,
        };
        store.regain_persons()?;
        store.finish_forgetting()?;
        if let Some(note) = note.filter(|_| !is_moving) {
            store.finish_switch(&note)?;
        }
        Ok(store)
    }

    /// Whether there is a store in a folder, with its points in it or on a server.
    pub fn is_in(dir: &Path) -> bool {
        let has_index = generation::current_index(dir).is_ok_and(|index| index.is_dir());
        has_index || noted::file(dir).is_file()
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
        // Crops first: a point never outlives the picture it names.
        self.crops.flush()?;
        self.exemplars.flush()?;
        self.tracklets.flush()?;
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
        let exemplars = self.exemplars.optimize()?;
        let tracklets = self.tracklets.optimize()?;
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
        let counts = self.place.client.as_ref().map(|client| client.counts());
        let counts = counts.unwrap_or_default();
        Ok(StoreStatus {
            exemplars: self.exemplars.count(&Where::default())?,
            tracklets: self.tracklets.count(&Where::default())?,
            crops: self.crops.status(),
            forgotten: self.forgotten.tracks(),
            expired: self.expired.load(Ordering::Relaxed),
            retries: counts.retries,
            lost: counts.lost,
        })
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

    pub(crate) fn options(&self) -> &StoreOptions {
        &self.options
    }

    pub(crate) fn exemplars(&self) -> &dyn Engine {
        self.exemplars.as_ref()
    }

    pub(crate) fn tracklets(&self) -> &dyn Engine {
        self.tracklets.as_ref()
    }

    pub(crate) fn crops(&self) -> &Crops {
        &self.crops
    }

    pub(crate) fn book(&self) -> &CoverageBook {
        &self.coverage
    }
}
