//! Where sightings go from here: into this box's own store, or to the log.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use sightline_sink::log::require_topics;
use sightline_sink::spool::Limits;
use sightline_sink::{
    Embed, Error, Publisher, PublisherOptions, SinkStatus, VectorSpec, Writer, log::PublisherStatus,
};

use super::store::Store;
use crate::config::Config;

/// Longest wait for the log at the start.
const ASK_LIMIT: Duration = Duration::from_secs(10);

/// Takes events.
pub enum Outlet {
    /// Indexed here.
    Store(Store),
    /// Sent to the log; indexed elsewhere.
    Log(Log),
}

/// The spool of this box and its way to the log; clones are the same one.
#[derive(Clone)]
pub struct Log {
    publisher: Arc<Publisher>,
}

/// How an outlet stands.
pub enum OutletStatus {
    /// A store of our own.
    Store(Box<SinkStatus>),
    /// The log.
    Log(Box<PublisherStatus>),
}

impl Outlet {
    /// Opens what the configuration wants: the log where it names brokers, else the store.
    ///
    /// # Errors
    /// When the store or the spool cannot be opened, or the log's topics would lose what they are given. A box that
    /// has sent to the log before goes on nevertheless: its spool keeps everything until the topics are well.
    pub fn open(config: &Config, vectors: Vec<VectorSpec>) -> Result<Self> {
        if !config.kafka.is_used() {
            return Ok(Self::Store(Store::open(config, vectors)?));
        }
        Self::open_log(config)
    }

    /// As [`Outlet::open`], for a process that runs on; see [`Store::open_to_run`].
    ///
    /// # Errors
    /// As [`Outlet::open`].
    pub fn open_to_run(
        config: &Config,
        vectors: Vec<VectorSpec>,
        embed: Box<dyn Embed + Send>,
    ) -> Result<Self> {
        if !config.kafka.is_used() {
            return Ok(Self::Store(Store::open_to_run(config, vectors, embed)?));
        }
        Self::open_log(config)
    }

    fn open_log(config: &Config) -> Result<Self> {
        let log = Log::open(config)?;
        let checked = require_topics(&config.kafka.to_log_options(), ASK_LIMIT);
        if let Err(error) = checked {
            let is_new = log.status().spool.appended == 0;
            if is_new && matches!(error, Error::LogPromise { .. }) {
                return Err(error.into());
            }
            tracing::warn!(%error, "the log cannot be used yet; until then the spool keeps everything");
        }
        Ok(Self::Log(log))
    }

    /// A way to write events; does not keep the outlet open.
    pub fn writer(&self) -> Writer {
        match self {
            Self::Store(store) => store.writer(),
            Self::Log(log) => log.publisher.writer(),
        }
    }

    /// The store, where there is one here.
    pub fn store(&self) -> Option<&Store> {
        match self {
            Self::Store(store) => Some(store),
            Self::Log(_) => None,
        }
    }

    /// How long each group of records took to be safe in the spool, since somebody asked last.
    pub fn take_sync_times(&self) -> Vec<Duration> {
        match self {
            Self::Store(store) => store.take_sync_times(),
            Self::Log(log) => log.publisher.take_sync_times(),
        }
    }

    /// How the outlet stands; waits for nobody.
    pub fn status(&self) -> OutletStatus {
        match self {
            Self::Store(store) => OutletStatus::Store(Box::new(store.status())),
            Self::Log(log) => OutletStatus::Log(Box::new(log.status())),
        }
    }

    /// Waits until everything written so far is searchable, or safe in the log.
    ///
    /// # Errors
    /// When that does not happen in time; nothing is lost then.
    pub fn drain(&self, limit: Duration) -> Result<()> {
        match self {
            Self::Store(store) => store.drain(limit),
            Self::Log(log) => Ok(log.publisher.drain(limit)?),
        }
    }

    /// Closes it; the last of the clones must do it.
    ///
    /// # Errors
    /// When the last sync fails, or somebody still holds it.
    pub fn close(self) -> Result<()> {
        match self {
            Self::Store(store) => store.close(),
            Self::Log(log) => {
                let publisher = Arc::into_inner(log.publisher)
                    .context("the spool is still in use; this is a bug")?;
                Ok(publisher.close()?)
            }
        }
    }
}

impl Log {
    fn open(config: &Config) -> Result<Self> {
        let settings = &config.store;
        let mut options = PublisherOptions::new(config.kafka.to_log_options());
        options.spool = Limits {
            max_bytes: settings.spool_bytes.get(),
            keep_free_bytes: settings.keep_free_bytes,
            ..Limits::default()
        };
        options.sync_after = Duration::from_millis(u64::from(settings.sync_ms.get()));
        options.most_per_second = config.kafka.most_per_second.map(std::num::NonZero::get);
        let publisher = Publisher::open(&settings.folder, options)?;
        let recovery = publisher.recovery();
        if !recovery.is_clean() {
            tracing::warn!(store = %settings.folder.display(), ?recovery, "the spool was mended");
        }
        Ok(Self {
            publisher: Arc::new(publisher),
        })
    }

    /// How it stands.
    pub fn status(&self) -> PublisherStatus {
        self.publisher.status()
    }
}
