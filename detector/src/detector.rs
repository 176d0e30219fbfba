//! The detector: pictures in, pedestrians out, in whole or stage by stage.

use crate::adapter::Adapter;
use crate::bbox::Detection;
use crate::card::Card;
use crate::checksum::sha256_hex;
use crate::decode::{Output, Sink};
use crate::error::Error;
use crate::nms::{by_score, suppress};
use crate::planes::Planes;
use crate::prepare::{Prepared, Preparer, whole_of};
use crate::provider::Provider;
use crate::session::Session;
use crate::tiling::{Tile, TileDetection, Tiling, merge};
use ort::environment::Environment;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

/// How a model is loaded and how much of it is believed.
#[derive(Debug, Clone)]
pub struct Options {
    /// Execution providers in order of wish; each must work, unless [`Provider::Auto`] is among them.
    pub providers: Vec<Provider>,
    /// Threads that share one run.
    pub intra_threads: NonZeroUsize,
    /// Lowest score of a detection, 0 to 1; `None` takes the card's.
    pub score_threshold: Option<f32>,
    /// Overlap above which the lower of two detections goes, 0 to 1; `None` takes the card's.
    pub nms_iou: Option<f32>,
    /// Most pictures (tiles, where tiling is on) of one run; a network fixed at one ignores it.
    pub max_batch: NonZeroUsize,
    /// Tiles for distant people; `None` looks at whole pictures only.
    pub tiling: Option<Tiling>,
    /// Folder for engines that TensorRT builds, the caller's choice of key (model, driver, GPU).
    pub engine_cache: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            providers: vec![Provider::Auto],
            intra_threads: NonZeroUsize::MIN,
            score_threshold: None,
            nms_iou: None,
            max_batch: NonZeroUsize::MIN,
            tiling: None,
            engine_cache: None,
        }
    }
}

/// One network that finds pedestrians; one thread owns it.
pub struct Detector {
    card: Card,
    model_id: String,
    adapter: Adapter,
    session: Session,
    preparer: Preparer,
    batch: Prepared,
    score_threshold: f32,
    nms_iou: Option<f32>,
    tiling: Option<Tiling>,
    /// Slots that the last run covered.
    ran: usize,
    jobs: Vec<Job>,
    decoded: Vec<Detection>,
    tiled: Vec<TileDetection>,
    non_finite_total: u64,
}

/// One slot's worth of work: a part of a picture, or the whole of it.
#[derive(Clone, Copy)]
struct Job {
    picture: usize,
    tile: Tile,
}

impl Detector {
    /// Loads the model in `folder` (`model.toml` beside the file it names) and checks it throughout:
    /// card, checksum, providers, inputs and outputs.
    ///
    /// The process makes one `environment` and hands it to all who load models.
    ///
    /// # Errors
    /// Any variant of [`Error`] that concerns cards, models, providers and options.
    pub fn load(
        environment: &Environment,
        folder: &Path,
        options: &Options,
    ) -> Result<Self, Error> {
        let card = Card::open(folder)?;
        let found = sha256_hex(&card.model_path).map_err(|source| Error::ModelUnreadable {
            path: card.model_path.clone(),
            source,
        })?;
        if found != card.sha256 {
            return Err(Error::Checksum {
                path: card.model_path,
                expected: card.sha256,
                found,
            });
        }
        let unit = |key, value: Option<f32>| match value {
            Some(value) if !(0.0..=1.0).contains(&value) => Err(Error::BadOption {
                key,
                found: value.to_string(),
                expected: "0 to 1",
            }),
            _ => Ok(value),
        };
        let score_threshold = unit("score_threshold", options.score_threshold)?;
        let nms_iou = unit("nms_iou", options.nms_iou)?;
        if let Some(tiling) = &options.tiling {
            tiling.check()?;
        }
        let adapter = Adapter::new(&card);
        let session = Session::open(environment, &card, &adapter, options)?;
        let model_id = card.model_id();
        tracing::info!(
            model = model_id,
            provider = session.provider().name(),
            "detector loaded"
        );
        Ok(Self {
            preparer: Preparer::new(&card.input, session.shape()),
            batch: Prepared::new(session.shape()),
            score_threshold: score_threshold.unwrap_or(card.output.score_threshold),
            nms_iou: nms_iou.or(card.output.nms_iou),
            tiling: options.tiling,
            ran: 0,
            jobs: Vec::new(),
            decoded: Vec::new(),
            tiled: Vec::new(),
            non_finite_total: 0,
            model_id,
            adapter,
            session,
            card,
        })
    }

    /// Finds the pedestrians of each picture, in the order of `pictures`, best score first.
    ///
    /// A network fixed at one picture runs once a picture; any other runs in batches of at most
    /// `max_batch`.
    ///
    /// # Errors
    /// [`Error::Planes`], [`Error::Inference`] or [`Error::OutputShape`]; then no picture has a result.
    pub fn detect(&mut self, pictures: &[Planes<'_>]) -> Result<Vec<Vec<Detection>>, Error> {
        let mut found = Vec::new();
        self.detect_into(pictures, &mut found)?;
        Ok(found)
    }

    /// As [`Detector::detect`], into vectors that are used again.
    ///
    /// # Errors
    /// As [`Detector::detect`].
    pub fn detect_into(
        &mut self,
        pictures: &[Planes<'_>],
        found: &mut Vec<Vec<Detection>>,
    ) -> Result<(), Error> {
        found.resize_with(pictures.len(), Vec::new);
        found.iter_mut().for_each(Vec::clear);
        let mut jobs = std::mem::take(&mut self.jobs);
        let outcome = self.detect_jobs(pictures, &mut jobs, found);
        self.jobs = jobs;
        outcome
    }

    fn detect_jobs(
        &mut self,
        pictures: &[Planes<'_>],
        jobs: &mut Vec<Job>,
        found: &mut [Vec<Detection>],
    ) -> Result<(), Error> {
        jobs.clear();
        for (picture, planes) in pictures.iter().enumerate() {
            let whole = whole_of(picture, planes)?;
            let tile = Tile::whole(whole.width, whole.height);
            jobs.push(Job { picture, tile });
            if let Some(tiling) = &self.tiling {
                let tiles = tiling.tiles(whole.width, whole.height);
                jobs.extend(tiles.map(|tile| Job { picture, tile }));
            }
        }
        let mut decoded = std::mem::take(&mut self.decoded);
        let mut tiled = std::mem::take(&mut self.tiled);
        tiled.clear();
        let mut rest = &jobs[..];
        let outcome = jobs.chunks(self.max_batch()).try_for_each(|batch| {
            self.batch.clear();
            for job in batch {
                self.preparer.write(
                    job.picture,
                    &pictures[job.picture],
                    job.tile.region,
                    &mut self.batch,
                )?;
            }
            self.infer()?;
            for (slot, job) in batch.iter().enumerate() {
                rest = &rest[1..];
                self.decode(slot, &mut decoded)?;
                if self.tiling.is_none() {
                    found[job.picture].extend_from_slice(&decoded);
                    continue;
                }
                tiled.extend(decoded.iter().map(|detection| job.tile.judge(*detection)));
                if rest.first().is_none_or(|next| next.picture != job.picture) {
                    merge(
                        &mut tiled,
                        self.nms_iou.unwrap_or(1.0),
                        &mut found[job.picture],
                    );
                    tiled.clear();
                }
            }
            Ok(())
        });
        self.decoded = decoded;
        self.tiled = tiled;
        outcome
    }

    /// First stage: writes whole pictures into the batch tensor, from its first slot on.
    ///
    /// # Errors
    /// [`Error::BatchTooLarge`] or [`Error::Planes`].
    pub fn preprocess(&mut self, pictures: &[Planes<'_>]) -> Result<(), Error> {
        self.preparer.prepare(pictures, &mut self.batch)
    }

    /// Who does the first stage on another thread.
    #[must_use]
    pub fn preparer(&self) -> Preparer {
        Preparer::new(&self.card.input, self.session.shape())
    }

    /// Takes pictures that were made ready elsewhere in place of the first stage, and gives the batch it had before back
    /// to be filled again; nothing is copied.
    ///
    /// # Errors
    /// [`Error::Planes`] for a batch of a detector with another input.
    pub fn take(&mut self, prepared: &mut Prepared) -> Result<(), Error> {
        if prepared.shape() != self.batch.shape() {
            return Err(Error::Planes {
                index: 0,
                reason: format!(
                    "they were made ready for an input of {:?}, this one is of {:?}",
                    prepared.shape(),
                    self.batch.shape()
                ),
            });
        }
        std::mem::swap(&mut self.batch, prepared);
        Ok(())
    }

    /// Second stage: runs the network on the slots that were written.
    ///
    /// # Errors
    /// [`Error::Inference`] or [`Error::OutputShape`].
    pub fn infer(&mut self) -> Result<(), Error> {
        self.ran = 0;
        let count = self.batch.len();
        if count > 0 {
            let batch = self.batch.values();
            self.session
                .run(batch, count, &self.adapter, &self.model_id)?;
        }
        self.ran = count;
        Ok(())
    }

    /// Third stage: the detections of one slot of the last run, in pixels of its frame, best first.
    ///
    /// Clears `found` first.
    ///
    /// # Errors
    /// [`Error::BatchTooLarge`] when the last run had no such slot.
    pub fn decode(&mut self, slot: usize, found: &mut Vec<Detection>) -> Result<(), Error> {
        found.clear();
        let (true, Some(letterbox)) = (slot < self.ran, self.batch.letterbox(slot)) else {
            return Err(Error::BatchTooLarge {
                found: slot + 1,
                limit: self.ran,
            });
        };
        let mut sink = Sink {
            letterbox: *letterbox,
            score_threshold: self.score_threshold,
            found,
            non_finite: 0,
        };
        let input = (self.card.input.width, self.card.input.height);
        // No family has more outputs than three.
        let outputs: [Output<'_>; 3] =
            std::array::from_fn(|index| self.session.output(index, slot));
        let count = self.card.output.names.len();
        self.adapter.decode(&outputs[..count], input, &mut sink);
        self.non_finite_total += sink.non_finite;
        match self.nms_iou {
            Some(iou) => suppress(found, 0, iou),
            None => found.sort_unstable_by(by_score),
        }
        Ok(())
    }

    /// Most pictures of one run.
    #[must_use]
    pub fn max_batch(&self) -> usize {
        self.session.shape()[0]
    }

    /// Whether pictures are looked at in parts as well: then only [`Detector::detect`] does all of it.
    #[must_use]
    pub fn is_tiled(&self) -> bool {
        self.tiling.is_some()
    }

    /// Shape of the batch tensor, N x C x H x W, N being [`Detector::max_batch`].
    #[must_use]
    pub fn input_shape(&self) -> [usize; 4] {
        self.session.shape()
    }

    /// The batch tensor as the last [`Detector::preprocess`] or [`Detector::take`] left it, row-major.
    #[must_use]
    pub fn batch(&self) -> &[f32] {
        self.batch.values()
    }

    /// The model's id on the wire: its name and the first 12 hex digits of its checksum.
    #[must_use]
    pub fn model_id(&self) -> &str {
        &self.model_id
    }

    /// The card the model was loaded by.
    #[must_use]
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// What the network runs on; with [`Provider::Auto`], what was chosen.
    #[must_use]
    pub fn provider(&self) -> Provider {
        self.session.provider()
    }

    /// Lowest score of a detection in force.
    #[must_use]
    pub fn score_threshold(&self) -> f32 {
        self.score_threshold
    }

    /// Candidates dropped since the start because their score or box was not a finite number.
    ///
    /// Anything but zero means a broken network or a precision too low for it.
    #[must_use]
    pub fn non_finite_total(&self) -> u64 {
        self.non_finite_total
    }
}
