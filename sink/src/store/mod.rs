//! The embedded vector store: points, crops and coverage of one site's cameras.
//!
//! Two collections: *exemplars*, one point a sighting, and *tracklets*, one point a track. Ids are
//! derived and tracklets are joins, so events may come in any order and any number of times.

mod apply;
mod backup;
#[cfg(test)]
mod backup_tests;
pub(crate) mod crops;
mod digest;
pub(crate) mod engine;
mod expire;
mod forget;
mod forgotten;
mod identity;
mod list;
mod lock;
mod options;
mod persons;
pub(crate) mod points;
mod remove;
mod restore;
#[cfg(test)]
mod retention_tests;
#[cfg(test)]
mod tests;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use fs_err::File;
use serde::Serialize;

pub use apply::Applied;
pub use backup::Backup;
pub use crops::CropStatus;
pub use engine::server::{ServerLimits, ServerOptions};
pub use expire::{Expired, Retention};
pub use forget::{Forget, ForgetReport, Proof};
pub use list::verify_list;
pub use options::{CropLimits, StoreOptions, VectorSpec};
pub use restore::Restored;
pub use verify::Verified;

use crate::coverage::{CameraCoverage, CoverageBook};
use crate::persons::PersonBook;
use crate::{Answer, Error, Query, Result, TrackId};
use crops::Crops;
use engine::embedded::Embedded;
use engine::server::{Client, Server};
use engine::{Collection, EXEMPLARS, Engine, TRACKLETS, Where};
use forgotten::ForgottenBook;
use lock::Lock;
use options::Manifest;

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

/// The embedded store in one folder. Searches and writing go on at the same time.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    /// What only this store is called.
    identity: String,
    options: StoreOptions,
    exemplars: Box<dyn Engine>,
    tracklets: Box<dyn Engine>,
    /// None where points lie in the folder.
    client: Option<Arc<Client>>,
    crops: Crops,
    coverage: CoverageBook,
    forgotten: ForgottenBook,
    expired: AtomicU64,
    /// None: nobody associates here.
    persons: Option<Mutex<PersonBook>>,
    /// One writer at a time: a tracklet is read, joined and written.
    writer: Mutex<()>,
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
        options::check_place(dir, options.server.as_ref())?;
        let identity = identity::of(dir, options)?;
        let (exemplars, tracklets, client) = open_engines(dir, options)?;
        let store = Self {
            exemplars,
            tracklets,
            client,
            crops: Crops::open(&dir.join("crops"), options.crops)?,
            coverage: CoverageBook::open(&dir.join("coverage"))?,
            forgotten: ForgottenBook::open(&dir.join("forgotten"))?,
            expired: AtomicU64::new(0),
            persons: persons::open(dir, options.persons.as_ref())?,
            dir: dir.to_path_buf(),
            identity,
            options: options.clone(),
            writer: Mutex::new(()),
            _lock: lock,
        };
        store.regain_persons()?;
        store.finish_forgetting()?;
        Ok(store)
    }

    /// Makes everything applied so far durable.
    ///
    /// # Errors
    ///
    /// When the disk or the engine refuses; nothing may be acknowledged then.
    pub fn flush(&self) -> Result<()> {
        // Crops first: a point never outlives the picture it names.
        self.crops.flush()?;
        self.exemplars.flush()?;
        self.tracklets.flush()?;
        self.flush_persons()?;
        self.coverage.flush()
    }

    /// Tidies the index where that is due: replaced points, and graphs once there are very many
    /// points. Blocks; searches and writing go on meanwhile, flushes wait. Says whether anything was done.
    ///
    /// # Errors
    ///
    /// When the disk or the engine refuses.
    pub fn optimize(&self) -> Result<bool> {
        let exemplars = self.exemplars.optimize()?;
        let tracklets = self.tracklets.optimize()?;
        Ok(exemplars || tracklets)
    }

    /// Answers a query.
    ///
    /// # Errors
    ///
    /// [`Error::Query`] when it cannot be asked, or asks with a vector of another model.
    pub fn search(&self, query: &Query) -> Result<Answer> {
        crate::search::answer(self, query)
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

    /// How the store stands.
    ///
    /// # Errors
    ///
    /// When the engine refuses to count.
    pub fn status(&self) -> Result<StoreStatus> {
        let counts = self.client.as_ref().map(|client| client.counts());
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

type Engines = (Box<dyn Engine>, Box<dyn Engine>, Option<Arc<Client>>);

fn open_engines(dir: &Path, options: &StoreOptions) -> Result<Engines> {
    let (specs, exact_points) = (&options.vectors, options.exact_points);
    if let Some(server) = &options.server {
        let client = Client::new(server)?;
        let open = |collection: Collection| -> Result<Box<dyn Engine>> {
            let client = Arc::clone(&client);
            Ok(Box::new(Server::open(
                client,
                specs,
                &collection,
                exact_points,
            )?))
        };
        let (exemplars, tracklets) = (open(EXEMPLARS)?, open(TRACKLETS)?);
        return Ok((exemplars, tracklets, Some(client)));
    }
    let index = dir.join("index");
    if !index.exists() {
        create(dir, &index, options)?;
    }
    Manifest::of(options).check(&index)?;
    let open = |collection: Collection| -> Result<Box<dyn Engine>> {
        let path = index.join(collection.name);
        Ok(Box::new(Embedded::open(&path, specs, exact_points)?))
    };
    Ok((open(EXEMPLARS)?, open(TRACKLETS)?, None))
}

/// Makes an empty index beside its place and moves it there, so that there is never half of one.
fn create(dir: &Path, index: &Path, options: &StoreOptions) -> Result<()> {
    let what = "make the store's index";
    let part = dir.join("index.part");
    if part.exists() {
        fs_err::remove_dir_all(&part).map_err(Error::io(what))?;
    }
    for collection in [EXEMPLARS, TRACKLETS] {
        let path = part.join(collection.name);
        fs_err::create_dir_all(&path).map_err(Error::io(what))?;
        Embedded::create(&path, &options.vectors, &collection)?;
    }
    Manifest::of(options).write(&part)?;
    let file = File::open(&part).map_err(Error::io(what))?;
    rustix::fs::syncfs(file.file()).map_err(|error| Error::io(what)(error.into()))?;
    fs_err::rename(&part, index).map_err(Error::io(what))?;
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(Error::io(what))
}
