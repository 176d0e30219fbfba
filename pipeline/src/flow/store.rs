//! The store of a configuration: opened, written to, asked.

use std::num::NonZeroU32;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use sightline_console::StoreCounts;
use sightline_sink::spool::Limits;
use sightline_sink::{
    Answer, Backup, CameraCoverage, CropLimits, Embed, Event, Filter, Forget, ForgetReport,
    IndexNews, Migration, PersonId, PersonRecord, Query, Retention, Searchable, ServerLimits,
    ServerOptions, Sink, SinkOptions, SinkStatus, StoreOptions, StoreStatus, TrackId, VectorSpec,
    Verified, When, Writer,
};

use super::EventWriter;
use super::persons::association;
use crate::config::{Config, QdrantConfig};

/// Seconds in a day.
const DAY: u64 = 24 * 60 * 60;

/// How often a running process looks for tracks that are too old.
pub(super) const EXPIRE_EVERY: Duration = Duration::from_secs(60);

/// Longest wait for the index before something is forgotten.
const FORGET_DEADLINE: Duration = Duration::from_secs(20);

/// Longest wait for the index before the store is copied.
const BACKUP_DEADLINE: Duration = Duration::from_secs(600);

/// The sink of this process; clones are the same one.
#[derive(Clone, Debug)]
pub struct Store {
    sink: Arc<Sink>,
    folder: Arc<Path>,
}

impl Store {
    /// Opens the store of the configuration, or makes it, for vectors like `vectors`.
    ///
    /// # Errors
    /// When another process holds it, it was made for another model, it is damaged, or the disk refuses.
    pub fn open(config: &Config, vectors: Vec<VectorSpec>) -> Result<Self> {
        let options = sink_options(config, vectors)?;
        Self::with(config, Sink::open(&config.store.folder, options)?)
    }

    /// As [`Store::open`], for a process that runs on: it takes out tracks that are too old by itself, and sightings by other
    /// models than the store's, as there are after a move, are embedded anew by `embed`.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_to_run(
        config: &Config,
        vectors: Vec<VectorSpec>,
        embed: Box<dyn Embed + Send>,
    ) -> Result<Self> {
        let mut options = sink_options(config, vectors)?;
        options.expire_every = Some(EXPIRE_EVERY);
        let sink = Sink::open_embedding(&config.store.folder, options, embed)?;
        Self::with(config, sink)
    }

    fn with(config: &Config, sink: Sink) -> Result<Self> {
        let folder = config.store.folder.as_path();
        let recovery = sink.recovery();
        if !recovery.is_clean() {
            tracing::warn!(store = %folder.display(), ?recovery, "the spool was mended");
        }
        Ok(Self {
            sink: Arc::new(sink),
            folder: folder.into(),
        })
    }

    /// A way to write events; does not keep the store open.
    pub fn writer(&self) -> Writer {
        self.sink.writer()
    }

    /// How everything but the store itself stands.
    pub fn status(&self) -> SinkStatus {
        self.sink.status()
    }

    /// How the store stands.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn store_status(&self) -> Result<StoreStatus> {
        Ok(self.sink.store_status()?)
    }

    /// What is new of the index since the last call.
    pub fn take_index_news(&self) -> IndexNews {
        self.sink.take_index_news()
    }

    /// What became searchable since somebody asked last.
    pub fn take_searchable(&self) -> Vec<Searchable> {
        self.sink.take_searchable()
    }

    /// How long each group of records took to be safe, since somebody asked last.
    pub fn take_sync_times(&self) -> Vec<Duration> {
        self.sink.take_sync_times()
    }

    /// Settles every person, since nothing more will come; drain first.
    ///
    /// # Errors
    /// When the disk or the engine refuses.
    pub fn settle_persons(&self) -> Result<()> {
        Ok(self.sink.settle_persons()?)
    }

    /// Copies the store into a new folder; a dry run only says what it would hold.
    ///
    /// # Errors
    /// When the disk or the engine refuses, or the folder is not empty.
    pub fn backup(&self, to: &Path, is_dry_run: bool) -> Result<Backup> {
        Ok(self
            .sink
            .backup(to, now_ns(), is_dry_run, BACKUP_DEADLINE)?)
    }

    /// Begins to move to other models, or goes on where it was.
    ///
    /// # Errors
    /// When the store moves to others already, several sites share it, or the disk or the engine refuses.
    pub fn begin_migration(&self, to: &[VectorSpec]) -> Result<()> {
        Ok(self.sink.begin_migration(to)?)
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
        Ok(self.sink.migrate(embed, most_per_second, go_on)?)
    }

    /// Moves to the other models; see the sink's.
    ///
    /// # Errors
    /// As [`Store::migrate`]; the store is by its old models then.
    pub fn switch_when(&self, embed: &mut dyn Embed, when: When<'_>) -> Result<()> {
        Ok(self.sink.switch_when(embed, when)?)
    }

    /// How the move stands; none when there is none.
    pub fn migration(&self) -> Option<Migration> {
        self.sink.migration()
    }

    /// Looks at everything in the store.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn verify(&self) -> Result<Verified> {
        Ok(self.sink.verify()?)
    }

    /// Takes out the tracks that are too old or too many, reckoned from the newest; drain first.
    ///
    /// # Errors
    /// When the disk or the engine refuses.
    pub fn expire(&self) -> Result<()> {
        Ok(self.sink.expire(None).map(drop)?)
    }

    /// Whose a track is.
    pub fn person_of(&self, track: TrackId) -> Option<PersonId> {
        self.sink.person_of(track)
    }

    /// Why a track belongs to its person; none for the first.
    pub fn join_of(&self, track: TrackId) -> Option<sightline_sink::persons::Join> {
        self.sink.join_of(track)
    }

    /// A hash over everything that is searchable; see the sink's digest.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn digest(&self) -> Result<String> {
        Ok(self.sink.digest()?)
    }

    /// Waits until everything written so far is searchable and durable.
    ///
    /// # Errors
    /// When that does not happen in time; nothing is lost then.
    pub fn drain(&self, limit: Duration) -> Result<()> {
        Ok(self.sink.drain(limit)?)
    }

    /// Closes the store; the last of the clones must do it.
    ///
    /// # Errors
    /// When the last flush fails, or somebody still holds the store.
    pub fn close(self) -> Result<()> {
        let sink =
            Arc::into_inner(self.sink).context("the store is still in use; this is a bug")?;
        Ok(sink.close()?)
    }
}

/// Unix time in ns.
pub(super) fn now_ns() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    since_1970.map_or(0, |time| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX))
}

fn sink_options(config: &Config, vectors: Vec<VectorSpec>) -> Result<SinkOptions> {
    let settings = &config.store;
    let mut options = SinkOptions::new(store_options(config, vectors)?);
    options.spool = Limits {
        max_bytes: settings.spool_bytes.get(),
        keep_free_bytes: settings.keep_free_bytes,
        ..Limits::default()
    };
    options.sync_after = Duration::from_millis(u64::from(settings.sync_ms.get()));
    Ok(options)
}

/// What the store of a configuration is made for.
///
/// # Errors
/// When the map makes no sense, or a key cannot be read.
pub fn store_options(config: &Config, vectors: Vec<VectorSpec>) -> Result<StoreOptions> {
    let settings = &config.store;
    let age = config.retention.age_days;
    let others_join = config.kafka.has_association_service();
    Ok(StoreOptions {
        crops: CropLimits {
            max_bytes: settings.crops_bytes.get(),
            max_age: Duration::from_secs(u64::from(settings.crops_age_days.get()) * DAY),
        },
        server: settings
            .qdrant
            .as_ref()
            .map(|qdrant| server(qdrant, config))
            .transpose()?,
        retention: Retention {
            max_age: age.map(|days| Duration::from_secs(u64::from(days.get()) * DAY)),
            max_bytes: config.retention.max_bytes.map(std::num::NonZeroU64::get),
        },
        persons: if others_join {
            None
        } else {
            association(config)?
        },
        follows_persons: others_join && config.persons.enabled,
        ..StoreOptions::new(vectors)
    })
}

/// The server that holds the vectors, with its key.
fn server(qdrant: &QdrantConfig, config: &Config) -> Result<ServerOptions> {
    let millis = |value: NonZeroU32| Duration::from_millis(u64::from(value.get()));
    Ok(ServerOptions {
        api_key: key_file(qdrant)?.as_deref().map(read_key).transpose()?,
        ca_file: qdrant.ca_file.clone(),
        prefix: qdrant.prefix.as_str().to_owned(),
        site: qdrant
            .share_with_other_sites
            .then(|| config.site.as_str().to_owned()),
        shards: qdrant.shards.get(),
        replicas: qdrant.replicas.get(),
        limits: ServerLimits {
            attempt: millis(qdrant.attempt_ms),
            call: millis(qdrant.call_ms),
        },
        ..ServerOptions::new(&qdrant.url)
    })
}

/// Where the key lies; none where the server asks for none.
fn key_file(qdrant: &QdrantConfig) -> Result<Option<PathBuf>> {
    match (&qdrant.api_key_credential, &qdrant.api_key_file) {
        (None, file) => Ok(file.clone()),
        (Some(name), None) => {
            let folder = std::env::var_os("CREDENTIALS_DIRECTORY").context(
                "[store.qdrant] api_key_credential: $CREDENTIALS_DIRECTORY is not set; systemd sets it for units with LoadCredential=",
            )?;
            Ok(Some(PathBuf::from(folder).join(name.as_str())))
        }
        (Some(_), Some(_)) => bail!(
            "[store.qdrant]: api_key_credential and api_key_file are both given; take one of them out"
        ),
    }
}

/// Reads a key that nobody else can read.
fn read_key(file: &Path) -> Result<String> {
    // Its group may read it, as that of the service's credentials may; nobody else may do anything.
    const OTHERS: u32 = 0o037;
    let mode = fs_err::metadata(file)?.permissions().mode();
    if mode & OTHERS != 0 {
        bail!(
            "{}: others than its owner and group can read or change it (mode {:o}); `chmod 600` it",
            file.display(),
            mode & 0o777
        );
    }
    let key = fs_err::read_to_string(file)?;
    if key.trim().is_empty() {
        bail!("{}: it holds no key", file.display());
    }
    Ok(key.trim().to_owned())
}

/// What vectors of an encoder's card look like to the store.
pub fn vector_spec(card: &sightline_reid::Card) -> Result<VectorSpec> {
    Ok(VectorSpec {
        name: card.vector.clone(),
        dimension: card.dimension,
        model: sightline_reid::ModelId::new(&card.name, &card.sha256)?
            .as_str()
            .to_owned(),
    })
}

impl EventWriter for Writer {
    fn write(&mut self, event: &Event) -> Result<u64> {
        Ok(self.append(event)?)
    }
}

impl sightline_console::Store for Store {
    fn query(&self, query: &Query) -> sightline_sink::Result<Answer> {
        self.sink.search(query)
    }

    fn query_persons(&self, query: &Query) -> sightline_sink::Result<Answer> {
        self.sink.search_persons(query)
    }

    fn similarities(
        &self,
        name: &str,
        model: &str,
        values: &[f32],
        tracks: &[TrackId],
    ) -> sightline_sink::Result<Vec<Option<f32>>> {
        self.sink.similarities(name, model, values, tracks)
    }

    fn current_person(&self, id: PersonId) -> PersonId {
        self.sink.current_person(id)
    }

    fn person(&self, id: PersonId) -> Option<PersonRecord> {
        self.sink.person(id)
    }

    fn say_words(
        &self,
        pairs: &[[TrackId; 2]],
        verdict: sightline_sink::persons::Verdict,
    ) -> sightline_sink::Result<u64> {
        self.sink.say_words(pairs, verdict)
    }

    fn forget(&self, asked: &Forget, is_dry_run: bool) -> sightline_sink::Result<ForgetReport> {
        self.sink
            .forget(asked, now_ns(), is_dry_run, FORGET_DEADLINE)
    }

    fn walking_times(&self) -> Vec<sightline_sink::persons::WalkingTime> {
        self.sink.walking_times()
    }

    fn feedback(
        &self,
        after: usize,
        most: usize,
    ) -> sightline_sink::Result<Vec<(sightline_sink::persons::Feedback, [Option<String>; 2])>> {
        self.sink.feedback(after, most)
    }

    fn coverage(&self, filter: &Filter) -> sightline_sink::Result<Vec<CameraCoverage>> {
        Ok(self
            .sink
            .coverage(&filter.cameras, filter.from_ns, filter.to_ns))
    }

    fn counts(&self) -> sightline_sink::Result<StoreCounts> {
        let status = self.sink.store_status()?;
        Ok(StoreCounts {
            tracks: status.tracklets,
            sightings: status.exemplars,
            spool_records: self.sink.status().spool.records,
        })
    }

    fn folder(&self) -> &Path {
        &self.folder
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let write = |text: &str, mode| {
            fs_err::write(&file, text).unwrap();
            fs_err::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            read_key(&file)
        };
        assert_eq!(write("a-key\n", 0o600).unwrap(), "a-key");
        assert_eq!(write("a-key", 0o640).unwrap(), "a-key");
        for (text, mode, words) in [
            ("a-key", 0o644, "chmod"),
            ("a-key", 0o660, "chmod"),
            (" \n", 0o600, "no key"),
        ] {
            let error = write(text, mode).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
