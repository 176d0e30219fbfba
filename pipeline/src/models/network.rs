//! Any model, loaded by its task, for those who treat all models alike.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use ndarray::ArrayView3;
use ort::environment::Environment;
use sightline_detector::{Detector, Options as DetectorOptions};
use sightline_reid::{Crop, ImageEncoder, Options as EncoderOptions, TextEncoder};

use super::card::{CARD_FILE, Task, WholeCard};
use super::{Error, ModelFolders, detector_providers, encoder_providers};
use crate::config::Provider;

/// How models are loaded by `verify`, `bench` and `warm`.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// Execution providers in order of wish.
    pub providers: Vec<Provider>,
    /// Threads inside one operator.
    pub intra_threads: NonZeroUsize,
    /// Room in the batch.
    pub max_batch: NonZeroUsize,
    /// Where compiled engines are kept.
    pub engine_cache: Option<PathBuf>,
}

/// A loaded model.
pub(super) enum Network {
    Detector(Box<Detector>),
    Encoder(Box<ImageEncoder>),
    /// With the sentences that `preprocess` laid out.
    Text(Box<TextEncoder>, usize),
}

/// The cards of the installed models called `names` (none: all that are installed), with their folders.
pub(super) fn installed(
    names: &[String],
    folders: &ModelFolders,
) -> Result<Vec<(PathBuf, WholeCard)>, Error> {
    let names = if names.is_empty() {
        folders.usable_names()?
    } else {
        names.to_vec()
    };
    let read = |name: &String| {
        let folder = folders.find(name).ok_or_else(|| Error::NotInstalled {
            name: name.clone(),
            folder: folders.installed.clone(),
        })?;
        let path = folder.join(CARD_FILE);
        let card = WholeCard::read(&path)?;
        if card.name != *name {
            let reason = format!("name is `{}`, its folder is `{name}`", card.name);
            return Err(Error::Document { path, reason });
        }
        Ok((folder, card))
    };
    names.iter().map(read).collect()
}

impl Network {
    pub(super) fn load(
        environment: &Environment,
        folder: &Path,
        card: &WholeCard,
        options: &LoadOptions,
    ) -> Result<Self, Error> {
        match card.task {
            Task::Detect => {
                let options = DetectorOptions {
                    providers: detector_providers(&options.providers),
                    intra_threads: options.intra_threads,
                    max_batch: options.max_batch,
                    engine_cache: options.engine_cache.clone(),
                    ..DetectorOptions::default()
                };
                let detector = Detector::load(environment, folder, &options)?;
                Ok(Self::Detector(Box::new(detector)))
            }
            Task::EmbedImage => {
                let options = EncoderOptions {
                    providers: encoder_providers(&options.providers),
                    intra_threads: options.intra_threads.get(),
                    max_batch: options.max_batch.get(),
                    engine_cache: options.engine_cache.clone(),
                };
                let encoder = ImageEncoder::load(environment, folder, &options)?;
                Ok(Self::Encoder(Box::new(encoder)))
            }
            Task::EmbedText => {
                let options = EncoderOptions {
                    providers: encoder_providers(&options.providers),
                    intra_threads: options.intra_threads.get(),
                    max_batch: options.max_batch.get(),
                    engine_cache: options.engine_cache.clone(),
                };
                let encoder = TextEncoder::load(environment, folder, &options)?;
                Ok(Self::Text(Box::new(encoder), 0))
            }
        }
    }

    /// Names of the providers that were taken.
    pub(super) fn providers(&self) -> Vec<&'static str> {
        match self {
            Self::Detector(detector) => vec![detector.provider().name()],
            Self::Encoder(encoder) => encoder.providers().iter().map(|it| it.name()).collect(),
            Self::Text(encoder, _) => encoder.providers().iter().map(|it| it.name()).collect(),
        }
    }

    pub(super) fn max_batch(&self) -> usize {
        match self {
            Self::Detector(detector) => detector.max_batch(),
            Self::Encoder(encoder) => encoder.max_batch(),
            Self::Text(encoder, _) => encoder.max_batch(),
        }
    }

    /// Width and height of a sensible source picture: a frame for a detector, a person for an encoder.
    pub(super) fn picture_size(&self) -> [usize; 2] {
        match self {
            Self::Detector(_) => [1280, 720],
            Self::Encoder(_) | Self::Text(..) => [90, 220],
        }
    }

    /// Writes `count` views of one picture into the batch; for a text encoder, notes how many sentences are due.
    pub(super) fn preprocess(
        &mut self,
        picture: &ArrayView3<'_, u8>,
        count: usize,
    ) -> Result<(), Error> {
        match self {
            Self::Detector(detector) => {
                detector.preprocess(&vec![sightline_detector::Planes::Rgb(*picture); count])?;
            }
            Self::Encoder(encoder) => {
                encoder.preprocess(&vec![
                    Crop::whole(sightline_reid::Planes::Rgb(*picture));
                    count
                ])?;
            }
            Self::Text(_, due) => *due = count,
        }
        Ok(())
    }

    /// Runs what was written.
    pub(super) fn run(&mut self) -> Result<(), Error> {
        match self {
            Self::Detector(detector) => detector.infer()?,
            Self::Encoder(encoder) => {
                encoder.run()?;
            }
            Self::Text(encoder, due) => {
                encoder.embed(&vec!["a woman in a red coat with a backpack"; *due])?;
            }
        }
        Ok(())
    }
}

/// A picture of smooth colours with edges in it, H x W x 3: the same bytes on every machine.
pub(super) fn test_picture([width, height]: [usize; 2]) -> ndarray::Array3<u8> {
    ndarray::Array3::from_shape_fn((height, width, 3), |(y, x, c)| {
        let value = (x * 3 + y * (c + 1) + ((x / 16 + y / 16) % 2) * 90 + c * 40) % 251;
        // Below 251.
        u8::try_from(value).unwrap_or(u8::MAX)
    })
}
