//! The encoders of a configuration: one that tells people apart, and the pair that also understands sentences.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, bail};
use ort::environment::Environment;
use sightline_reid::{Card, ImageEncoder, Options, TextCard, TextEncoder};
use sightline_sink::VectorSpec;

use super::engines::{engine_cache, model_folder, session_threads};
use super::{Batching, EmbedStage, Embedder, StageTimes, vector_spec};
use crate::config::{Config, Name};
use crate::models::{ModelFolders, encoder_providers};
use crate::observe::Depth;

/// Encoders of pictures, loaded.
pub struct Encoders {
    /// Tells people apart.
    pub appearance: ImageEncoder,
    /// Compares people with sentences; none where text search is off.
    pub joint: Option<ImageEncoder>,
}

/// Ways to the encoders' threads; cheap to clone.
#[derive(Clone)]
pub struct Embedders {
    /// Tells people apart.
    pub appearance: Embedder,
    /// Compares people with sentences; none where text search is off.
    pub joint: Option<Embedder>,
}

/// The encoders' threads; they end when the last [`Embedders`] is dropped.
pub struct EmbedStages(Vec<EmbedStage>);

impl Encoders {
    /// Loads what the configuration names.
    ///
    /// # Errors
    /// One line: no such model, another file than its card's, a provider that is missing, vectors of another name.
    pub fn load(environment: &Environment, config: &Config) -> Result<Self> {
        Ok(Self {
            appearance: load_encoder(environment, config)?,
            joint: load_joint_encoder(environment, config)?,
        })
    }

    /// What their vectors look like to a store.
    ///
    /// # Errors
    /// When a card names no model id.
    pub fn vectors(&self) -> Result<Vec<VectorSpec>> {
        let encoders = std::iter::once(&self.appearance).chain(&self.joint);
        encoders
            .map(|encoder| vector_spec(encoder.card()))
            .collect()
    }

    /// Starts a thread for each.
    ///
    /// # Errors
    /// When the machine refuses another thread.
    pub fn start(
        self,
        batching: Batching,
        times: &Arc<StageTimes>,
        depth: &Depth,
    ) -> Result<(EmbedStages, Embedders)> {
        let (stage, appearance) = EmbedStage::start(
            self.appearance,
            batching,
            times.clone(),
            |times| &times.embed,
            depth,
        )?;
        let mut stages = vec![stage];
        let mut joint = None;
        if let Some(encoder) = self.joint {
            let (stage, embedder) = EmbedStage::start(
                encoder,
                batching,
                times.clone(),
                |times| &times.joint,
                depth,
            )?;
            stages.push(stage);
            joint = Some(embedder);
        }
        Ok((EmbedStages(stages), Embedders { appearance, joint }))
    }
}

impl EmbedStages {
    /// Waits until all threads have answered everything; drop all [`Embedders`] first.
    ///
    /// # Errors
    /// When one of them panicked.
    pub fn join(self) -> Result<()> {
        self.0.into_iter().try_for_each(EmbedStage::join)
    }
}

/// Loads any encoder of pictures by its name.
///
/// # Errors
/// As [`Encoders::load`].
pub fn load_named_encoder(
    environment: &Environment,
    config: &Config,
    name: &Name,
) -> Result<ImageEncoder> {
    let folder = model_folder(config, name.as_str())?;
    let options = options(config, &folder)?;
    Ok(ImageEncoder::load(environment, &folder, &options)?)
}

/// Loads the encoder of `appearance` vectors that the configuration names.
///
/// # Errors
/// As [`Encoders::load`].
pub fn load_encoder(environment: &Environment, config: &Config) -> Result<ImageEncoder> {
    let name = &config.models.appearance;
    load(environment, config, name, "appearance", "models.appearance")
}

/// Loads the picture side of the pair that the configuration names; none where text search is off.
///
/// # Errors
/// As [`Encoders::load`].
pub fn load_joint_encoder(
    environment: &Environment,
    config: &Config,
) -> Result<Option<ImageEncoder>> {
    if !config.models.text_search {
        return Ok(None);
    }
    let name = &config.models.joint;
    load(environment, config, name, "joint", "models.joint").map(Some)
}

/// Loads the text side of the pair that the configuration names, and holds it against the picture side's card.
///
/// # Errors
/// As [`Encoders::load`], and when the two are not of one pair or text search is off.
pub fn load_text_encoder(environment: &Environment, config: &Config) -> Result<TextEncoder> {
    if !config.models.text_search {
        bail!("{}", sightline_console::TEXT_NOT_INSTALLED);
    }
    let name = &config.models.text;
    let folder = model_folder(config, name.as_str())?;
    check_pair(config, &TextCard::read(&folder)?)?;
    let options = options(config, &folder)?;
    Ok(TextEncoder::load(environment, &folder, &options)?)
}

/// The model that reads for the picture side of `models.joint`: `models.text` where it does, else whichever of those that are there does.
/// Where none does it is `models.text`, and loading it says what it reads for.
///
/// # Errors
/// When the picture side's card is missing or none, or the folders of models cannot be read.
pub fn reader_of(config: &Config) -> Result<Name> {
    let joint = &config.models.joint;
    let picture = vector_spec(&Card::read(&model_folder(config, joint.as_str())?)?)?;
    let folders = ModelFolders::for_installed(config.models.folder.clone());
    // Cards of other tasks read as none.
    let reads = |name: &String| {
        let folder = folders.find(name);
        let card = folder.and_then(|folder| TextCard::read(&folder).ok());
        card.is_some_and(|card| card.pairs_with.as_str() == picture.model)
    };
    let configured = config.models.text.as_str().to_owned();
    let found = std::iter::once(configured.clone())
        .chain(folders.usable_names()?)
        .find(reads);
    Name::try_from(found.unwrap_or(configured)).map_err(anyhow::Error::msg)
}

/// What vectors a store of this configuration holds, by the cards alone.
///
/// # Errors
/// When a card is missing or none.
pub fn vectors_of(config: &Config) -> Result<Vec<VectorSpec>> {
    let joint = config.models.text_search.then_some(&config.models.joint);
    std::iter::once(&config.models.appearance)
        .chain(joint)
        .map(|name| vector_spec(&Card::read(&model_folder(config, name.as_str())?)?))
        .collect()
}

fn check_pair(config: &Config, text: &TextCard) -> Result<()> {
    let card = Card::read(&model_folder(config, config.models.joint.as_str())?)?;
    let picture = vector_spec(&card)?;
    if text.pairs_with.as_str() != picture.model {
        bail!(
            "model `{}` reads for `{}`, and models.joint is `{}`; choose two of one pair in models.joint and models.text",
            text.name,
            text.pairs_with,
            picture.model
        );
    }
    if text.dimension != picture.dimension {
        bail!(
            "model `{}`: its card says vectors of {} values, and `{}`, which it reads for, has {}",
            text.name,
            text.dimension,
            picture.model,
            picture.dimension
        );
    }
    Ok(())
}

fn load(
    environment: &Environment,
    config: &Config,
    name: &Name,
    vector: &str,
    key: &str,
) -> Result<ImageEncoder> {
    let encoder = load_named_encoder(environment, config, name)?;
    if encoder.vector_name() != vector {
        bail!(
            "model `{name}` gives `{}` vectors, expected `{vector}`; choose another in {key}",
            encoder.vector_name()
        );
    }
    Ok(encoder)
}

fn options(config: &Config, folder: &Path) -> Result<Options> {
    Ok(Options {
        providers: encoder_providers(&config.models.providers),
        intra_threads: session_threads(config).get(),
        max_batch: config.embed.max_batch.get() as usize,
        engine_cache: engine_cache(config, folder)?,
    })
}
