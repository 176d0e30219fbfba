//! Whoever answers: the process that holds the store, over its socket, or the store opened here.

use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use sightline_console::person::{PersonResponse, WordRequest, WordResponse};
use sightline_console::{
    Ask as _, Client, FeedbackRequest, FeedbackResponse, ForgetRequest, ForgetResponse,
    PictureDigest, Question, SearchRequest, SearchResponse, SiteResponse, StoreAsk,
};
use sightline_sink::SiteMap;
use sightline_sink::log::is_filled_from_log;

use super::mover::as_moved;
use super::search::{Needs, start_encoders};
use crate::cli::StoreAccess;
use crate::config::{Config, Purpose};
use crate::flow::{self, Store};

/// Whom a command asks.
pub struct Answering {
    config: Config,
    who: Who,
}

enum Who {
    Socket(Client, tokio::runtime::Runtime),
    Store(Box<StoreAsk<Store>>),
}

impl Answering {
    /// Finds who holds the store; when nobody does, opens it here, with the models that `request` needs.
    ///
    /// # Errors
    /// When there is no store, it cannot be opened, or its models are not there; when `request` is no question.
    pub fn open(access: &StoreAccess, request: Option<&SearchRequest>) -> Result<Self> {
        let mut config = Config::load_or_built_in(access.config.as_deref(), Purpose::Offline)?;
        if let Some(folder) = &access.store {
            config.store.folder.clone_from(folder);
            config.api.socket = None;
        }
        let socket = config.socket_path();
        let who = match &access.api {
            Some(socket) => Who::socket(socket)?,
            None if socket.exists() && UnixStream::connect(&socket).is_ok() => {
                Who::socket(&socket)?
            }
            None => Who::store(&config, request)?,
        };
        Ok(Self { config, who })
    }

    /// What is known of the site.
    pub fn map(&self) -> SiteMap {
        self.config.map.to_site_map()
    }

    /// Asks for tracks.
    ///
    /// # Errors
    /// What whoever answers says.
    pub fn search(&self, request: &SearchRequest) -> Result<SearchResponse> {
        match &self.who {
            Who::Socket(client, runtime) => said(runtime.block_on(client.search(request))),
            Who::Store(store) => Ok(store.search(&Question::try_from(request.clone())?)?),
        }
    }

    /// Asks for a person.
    ///
    /// # Errors
    /// What whoever answers says.
    pub fn person(&self, id: &str) -> Result<PersonResponse> {
        match &self.who {
            Who::Socket(client, runtime) => {
                let id = id.parse()?;
                said(runtime.block_on(client.person(&id)))
            }
            Who::Store(store) => Ok(store.person(id)?),
        }
    }

    /// Says a word on pairs of tracks.
    ///
    /// # Errors
    /// What whoever answers says.
    pub fn say(&self, word: &WordRequest) -> Result<WordResponse> {
        match &self.who {
            Who::Socket(client, runtime) => said(runtime.block_on(client.say(word))),
            Who::Store(store) => Ok(store.say(word)?),
        }
    }

    /// Forgets.
    ///
    /// # Errors
    /// What whoever answers says; where the store is filled from a log and nobody is there who tells the log.
    pub fn forget(&self, request: &ForgetRequest) -> Result<ForgetResponse> {
        match &self.who {
            Who::Socket(client, runtime) => said(runtime.block_on(client.forget(request))),
            Who::Store(store) => {
                let folder = &self.config.store.folder;
                let is_of_a_log = self.config.kafka.is_used() || is_filled_from_log(folder);
                if is_of_a_log && !request.dry_run {
                    bail!(
                        "the store in {} is filled from Kafka, and nobody runs `sightline index` for it, which tells the boxes and the other indexers; start it and ask again (nothing was forgotten)",
                        folder.display()
                    );
                }
                Ok(store.forget(request)?)
            }
        }
    }

    /// Asks what association learned of the site.
    ///
    /// # Errors
    /// What whoever answers says.
    pub fn site(&self) -> Result<SiteResponse> {
        match &self.who {
            Who::Socket(client, runtime) => said(runtime.block_on(client.site())),
            Who::Store(store) => Ok(store.site()?),
        }
    }

    /// Asks what people said of pairs of tracks.
    ///
    /// # Errors
    /// What whoever answers says.
    pub fn feedback(&self, request: FeedbackRequest) -> Result<FeedbackResponse> {
        match &self.who {
            Who::Socket(client, runtime) => said(runtime.block_on(client.feedback(request))),
            Who::Store(store) => Ok(store.feedback(request)?),
        }
    }

    /// Asks for a stored picture; none when it was removed.
    ///
    /// # Errors
    /// What whoever answers says.
    pub fn thumbnail(&self, digest: &str) -> Result<Option<Vec<u8>>> {
        let digest = PictureDigest::new(digest)?;
        match &self.who {
            Who::Socket(client, runtime) => match runtime.block_on(client.thumbnail(&digest)) {
                Ok(bytes) => Ok(Some(bytes.to_vec())),
                Err(error) if error.status() == 404 => Ok(None),
                Err(error) => Err(anyhow!("{error}")),
            },
            Who::Store(store) => Ok(store.thumbnail(&digest)?),
        }
    }
}

impl Who {
    fn socket(path: &Path) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        Ok(Self::Socket(Client::connect(path)?, runtime))
    }

    fn store(config: &Config, request: Option<&SearchRequest>) -> Result<Self> {
        let folder = &config.store.folder;
        let is_there = sightline_sink::Store::is_in(folder);
        if !is_there && config.kafka.is_used() {
            bail!(
                "there is no store in {}: with [kafka], questions go to the machine that runs `sightline index`",
                folder.display()
            );
        }
        if !is_there {
            bail!(
                "there is no store in {}; name another with --store, or make one with `sightline replay INPUT --store {}`",
                folder.display(),
                folder.display()
            );
        }
        let config = &as_moved(config.clone())?;
        let question = request.cloned().map(Question::try_from).transpose()?;
        let needs = question.map_or_else(Needs::default, |it| Needs::of(&it, config));
        let vectors = flow::vectors_of(config).context(
            "the store's vectors need the cards of their models; run `sightline models fetch`",
        )?;
        let store = Store::open(config, vectors).map_err(|error| hint_at_switch(error, config))?;
        let encoders = needs.any().then(|| start_encoders(config, &needs));
        let store = StoreAsk::new(store, encoders.transpose()?);
        Ok(Self::Store(Box::new(store)))
    }
}

/// A store that was made without sentences is no fault of its own.
fn hint_at_switch(error: anyhow::Error, config: &Config) -> anyhow::Error {
    let lacks_vectors = matches!(
        error.downcast_ref(),
        Some(sightline_sink::Error::Mismatch { what, .. }) if what.contains("holds no vector")
    );
    if lacks_vectors && config.models.text_search {
        let said = error.to_string();
        return anyhow!(
            "{said}; a store made without sentences is searched with `text_search = false` under [models]"
        );
    }
    error
}

fn said<T>(answer: Result<T, sightline_console::Error>) -> Result<T> {
    answer.map_err(|error| anyhow!("{error}"))
}

/// What a camera watched, in one line.
pub fn coverage_words(camera: &sightline_console::CameraCoverage) -> String {
    let mut words = camera.camera.clone();
    match (camera.watched.first(), camera.watched.last()) {
        (Some(first), Some(last)) => {
            words.push_str(&format!(" watched {} to {}", first.start, last.end));
        }
        _ => words.push_str(" not watched"),
    }
    const SHOWN: usize = 5;
    for blind in camera.blind.iter().take(SHOWN) {
        words.push_str(&format!("; blind {} to {}", blind.start, blind.end));
    }
    if camera.blind.len() > SHOWN {
        words.push_str(&format!("; and {} more gaps", camera.blind.len() - SHOWN));
    }
    if camera.frames_dropped > 0 {
        let all = camera.frames_seen + camera.frames_dropped;
        words.push_str(&format!(
            "; {} of {all} frames dropped",
            camera.frames_dropped
        ));
    }
    if let Some(indexed) = camera.indexed_to {
        words.push_str(&format!("; indexed up to {indexed}"));
    }
    words
}
