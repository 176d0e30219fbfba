//! The move of a store to other models, beside everything else that a running process does.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use sightline_console::picture::Picture;
use sightline_reid::ImageEncoder;
use sightline_sink::{Embed, Migration, VectorSpec};

use super::embed::rows_of;
use crate::config::Config;
use crate::flow::{self, SiteStore, Store};
use crate::models::runtime;
use crate::observe::Metrics;

/// How often it is looked whether anything new has to be embedded.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// First and longest pause after a failure.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// How long a wait lasts before the end is looked for.
const TICK: Duration = Duration::from_millis(50);

/// A store that can move while it is in use.
pub(super) trait Moves: Send + 'static {
    fn begin_migration(&self, to: &[VectorSpec]) -> Result<()>;
    fn migrate(
        &self,
        embed: &mut dyn Embed,
        most_per_second: Option<NonZeroU32>,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Migration>;
}

macro_rules! moves {
    ($store:ty) => {
        impl Moves for $store {
            fn begin_migration(&self, to: &[VectorSpec]) -> Result<()> {
                <$store>::begin_migration(self, to)
            }

            fn migrate(
                &self,
                embed: &mut dyn Embed,
                most_per_second: Option<NonZeroU32>,
                go_on: &dyn Fn() -> bool,
            ) -> Result<Migration> {
                <$store>::migrate(self, embed, most_per_second, go_on)
            }
        }
    };
}

moves!(Store);
moves!(SiteStore);

/// The thread that embeds stored pictures anew.
pub(super) struct Mover {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Mover {
    /// Begins where `[migrate]` names other models than the store has. What goes wrong is logged and tried again; it
    /// ends nothing else.
    ///
    /// # Errors
    /// When the card of a model is missing, or the machine refuses another thread.
    pub(super) fn start(
        config: &Config,
        store: impl Moves,
        metrics: &Arc<Metrics>,
    ) -> Result<Option<Self>> {
        if !config.migrate.is_used() {
            return Ok(None);
        }
        let target = config.migrated(&config.migrate);
        let (held, to) = (flow::vectors_of(config)?, flow::vectors_of(&target)?);
        if held == to {
            tracing::info!("the store is by the models of [migrate] already; the section can go");
            return Ok(None);
        }
        let (stop, metrics) = (Arc::new(AtomicBool::new(false)), metrics.clone());
        let is_over = stop.clone();
        let work = Work {
            target,
            held,
            to,
            metrics,
            is_over,
        };
        let thread = std::thread::Builder::new()
            .name("store-move".to_owned())
            .spawn(move || work.run(&store))?;
        Ok(Some(Self { stop, thread }))
    }

    /// Ends it; what was done is not lost.
    ///
    /// # Errors
    /// When the thread panicked.
    pub(super) fn stop(self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.join();
        ended.map_err(|_| anyhow!("the move to other models panicked; this is a bug"))
    }
}

struct Work {
    target: Config,
    held: Vec<VectorSpec>,
    to: Vec<VectorSpec>,
    metrics: Arc<Metrics>,
    is_over: Arc<AtomicBool>,
}

impl Work {
    fn run(&self, store: &impl Moves) {
        let mut pause = RETRY.0;
        while let Err(error) = self.keep_in_step(store) {
            let error = format!("{error:#}");
            tracing::warn!(
                error,
                again_in_s = pause.as_secs(),
                "the store cannot be moved to other models now"
            );
            self.wait(pause);
            pause = (pause * 2).min(RETRY.1);
        }
    }

    /// Embeds what there is, and then what comes, until it is over.
    fn keep_in_step(&self, store: &impl Moves) -> Result<()> {
        let mut encoders = NewEncoders::load(&self.target, &self.to, &self.held)?;
        store.begin_migration(&self.to)?;
        let most = Some(self.target.migrate.most_per_second);
        let mut was_complete = false;
        while self.goes_on() {
            let status = store.migrate(&mut encoders, most, &|| self.goes_on())?;
            self.metrics.take_migration(&status);
            // Of an empty store there is nothing to say.
            let is_complete = status.done > 0 && status.left == 0 && status.tracks_left == 0;
            if is_complete && !was_complete {
                tracing::info!(
                    sightings = status.done,
                    without_picture = status.without_picture,
                    "the store is complete by the new models: stop this process, and `sightline store migrate` moves it in seconds"
                );
            }
            was_complete |= is_complete;
            self.wait(LOOK_EVERY);
        }
        Ok(())
    }

    fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::Relaxed)
    }

    fn wait(&self, time: Duration) {
        let begin = Instant::now();
        while self.goes_on() && begin.elapsed() < time {
            std::thread::sleep(TICK);
        }
    }
}

/// The encoders that a store moves to.
pub(super) struct NewEncoders(Vec<ImageEncoder>);

impl NewEncoders {
    /// Loads those of `target` whose vectors the store does not have yet.
    ///
    /// # Errors
    /// When a model cannot be loaded, or the two sides of a pair do not fit.
    pub(super) fn load(target: &Config, to: &[VectorSpec], held: &[VectorSpec]) -> Result<Self> {
        let environment = runtime::environment(Some(&target.models.onnxruntime))?;
        let is_new = |name: &str| {
            let mut specs = to.iter().filter(|spec| !held.contains(spec));
            specs.any(|spec| spec.name == name)
        };
        let mut encoders = Vec::new();
        if is_new("appearance") {
            encoders.push(flow::load_encoder(environment, target)?);
        }
        if is_new("joint") {
            encoders.extend(flow::load_joint_encoder(environment, target)?);
            // Pictures that no sentence of the other side fits would be no use.
            flow::load_text_encoder(environment, target)?;
        }
        Ok(Self(encoders))
    }
}

/// The encoders of the configuration, loaded when something comes that is by others.
pub(super) struct OwnEncoders {
    config: Config,
    loaded: Option<NewEncoders>,
}

impl OwnEncoders {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            config: config.clone(),
            loaded: None,
        }
    }

    fn load(&mut self) -> Result<&mut NewEncoders> {
        let encoders = match self.loaded.take() {
            Some(encoders) => encoders,
            None => {
                tracing::warn!(
                    "boxes send sightings by other models: they are embedded anew here, which costs time; give the boxes this machine's models"
                );
                NewEncoders::load(&self.config, &flow::vectors_of(&self.config)?, &[])?
            }
        };
        Ok(self.loaded.insert(encoders))
    }
}

impl Embed for OwnEncoders {
    fn embed(
        &mut self,
        vector: &str,
        pictures: &[Vec<u8>],
    ) -> Result<Vec<Option<Vec<f32>>>, String> {
        let encoders = self.load().map_err(|error| format!("{error:#}"))?;
        encoders.embed(vector, pictures)
    }
}

impl Embed for NewEncoders {
    fn embed(
        &mut self,
        vector: &str,
        pictures: &[Vec<u8>],
    ) -> Result<Vec<Option<Vec<f32>>>, String> {
        let mut encoders = self.0.iter_mut();
        let encoder = encoders
            .find(|encoder| encoder.vector_name() == vector)
            .ok_or("no model for these was loaded; this is a bug")?;
        let mut rows = vec![None; pictures.len()];
        let decoded = pictures.iter().map(|bytes| Picture::decode(bytes).ok());
        let (at, readable): (Vec<usize>, Vec<Picture>) = decoded
            .enumerate()
            .filter_map(|(at, picture)| Some((at, picture?)))
            .unzip();
        let batch = encoder.max_batch();
        for (at, some) in at.chunks(batch).zip(readable.chunks(batch)) {
            let embedded = rows_of(encoder, some).map_err(|error| format!("{error:#}"))?;
            for (at, row) in at.iter().zip(embedded.rows()) {
                rows[*at] = Some(row.to_vec());
            }
        }
        Ok(rows)
    }
}
