//! The move of a store to other models, beside everything else that a running process does.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use sightline_console::StoreAsk;
use sightline_console::picture::Picture;
use sightline_reid::ImageEncoder;
use sightline_sink::{Embed, Migration, VectorSpec, When};

use super::embed::rows_of;
use super::search::{Needs, start_encoders};
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
pub(super) trait Moves: sightline_console::Store + Clone {
    fn begin_migration(&self, to: &[VectorSpec]) -> Result<()>;
    fn migrate(
        &self,
        embed: &mut dyn Embed,
        most_per_second: Option<NonZeroU32>,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Migration>;
    fn switch_when(&self, embed: &mut dyn Embed, when: When<'_>) -> Result<()>;
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

            fn switch_when(&self, embed: &mut dyn Embed, when: When<'_>) -> Result<()> {
                <$store>::switch_when(self, embed, when)
            }
        }
    };
}

moves!(Store);
moves!(SiteStore);

/// The configuration with the models that its store is by: those of `[migrate]` once the store has moved to them.
///
/// # Errors
/// When the store cannot be asked.
pub(super) fn as_moved(config: Config) -> Result<Config> {
    if !config.migrate.is_used() {
        return Ok(config);
    }
    let target = config.migrated(&config.migrate);
    // Whoever moves the store says what is wrong with a model that is not there.
    let Ok(vectors) = flow::vectors_of(&target) else {
        return Ok(config);
    };
    let options = flow::store_options(&target, vectors)?;
    if !sightline_sink::Store::is_by(&config.store.folder, &options)? {
        return Ok(config);
    }
    Ok(target)
}

/// The thread that embeds stored pictures anew.
pub(super) struct Mover {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Mover {
    /// Begins where `[migrate]` names other models than the store has, and lets the store and `ask` move to them when it is
    /// complete. What goes wrong is logged and tried again; it ends nothing else.
    ///
    /// # Errors
    /// When the card of a model is missing, or the machine refuses another thread.
    pub(super) fn start<S: Moves>(
        config: &Config,
        store: &S,
        ask: &Arc<StoreAsk<S>>,
        metrics: &Arc<Metrics>,
    ) -> Result<Option<Self>> {
        if !config.migrate.is_used() {
            return Ok(None);
        }
        let target = config.migrated(&config.migrate);
        let (held, to) = (flow::vectors_of(config)?, flow::vectors_of(&target)?);
        if held == to {
            tracing::info!(
                "the store is by the models of [migrate]; name them under [models], and the section can go"
            );
            return Ok(None);
        }
        let (stop, metrics) = (Arc::new(AtomicBool::new(false)), metrics.clone());
        let is_over = stop.clone();
        let work = Work {
            target,
            held,
            to,
            store: store.clone(),
            ask: ask.clone(),
            metrics,
            is_over,
        };
        let thread = std::thread::Builder::new()
            .name("store-move".to_owned())
            .spawn(move || work.run())?;
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

struct Work<S> {
    target: Config,
    held: Vec<VectorSpec>,
    to: Vec<VectorSpec>,
    store: S,
    ask: Arc<StoreAsk<S>>,
    metrics: Arc<Metrics>,
    is_over: Arc<AtomicBool>,
}

impl<S: Moves> Work<S> {
    fn run(&self) {
        let mut pause = RETRY.0;
        while let Err(error) = self.make_and_move() {
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

    /// Embeds what there is, and then what came meanwhile, until the store can move, or it is over.
    fn make_and_move(&self) -> Result<()> {
        let mut encoders = NewEncoders::load(&self.target, &self.to, &self.held)?;
        self.store.begin_migration(&self.to)?;
        let most = Some(self.target.migrate.most_per_second);
        let has_others = self.target.store.qdrant.is_some() && !self.target.migrate.one_writer;
        let mut is_said = false;
        while self.goes_on() {
            let status = self
                .store
                .migrate(&mut encoders, most, &|| self.goes_on())?;
            self.metrics.take_migration(&status);
            // An empty store has time.
            let is_complete = status.done > 0 && status.left == 0 && status.tracks_left == 0;
            if is_complete && !has_others {
                return self.hand_over(&mut encoders);
            }
            if is_complete && !is_said {
                is_said = true;
                tracing::info!(
                    sightings = status.done,
                    without_picture = status.without_picture,
                    "the store is complete by the new models: stop everybody who writes to these collections, and `sightline store migrate` moves them in seconds; where nobody else does, `one_writer = true` under [migrate] moves them without a stop"
                );
            }
            self.wait(LOOK_EVERY);
        }
        Ok(())
    }

    /// Lets the store and those who ask it go on by the new models.
    fn hand_over(&self, encoders: &mut NewEncoders) -> Result<()> {
        // Nobody waits for them to be loaded.
        let mut queries = Some(start_encoders(&self.target, &Needs::all(&self.target))?);
        let mut waited = Duration::ZERO;
        self.store.switch_when(encoders, &mut |step| {
            let begin = Instant::now();
            let done = self.ask.exchange(&mut queries, step);
            waited = begin.elapsed();
            done
        })?;
        tracing::info!(
            questions_waited_ms = waited.as_millis(),
            "the store is by the new models: name them under [models] before the next start, and take [migrate] out"
        );
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

    fn find(&mut self, kind: &VectorSpec) -> Option<&mut ImageEncoder> {
        let mut encoders = self.0.iter_mut();
        encoders.find(|encoder| {
            encoder.vector_name() == kind.name && encoder.model_id().as_str() == kind.model
        })
    }
}

/// The encoders of the configuration and of `[migrate]`, each loaded when something comes that the store has by it and that is
/// by another one.
pub(super) struct OwnEncoders {
    configs: [Config; 2],
    loaded: NewEncoders,
}

impl OwnEncoders {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            configs: [config.clone(), config.migrated(&config.migrate)],
            loaded: NewEncoders(Vec::new()),
        }
    }

    fn load(&mut self, kind: &VectorSpec) -> Result<()> {
        for config in &self.configs {
            let is_by = flow::vectors_of(config).is_ok_and(|vectors| vectors.contains(kind));
            if is_by {
                tracing::warn!(
                    model = kind.model,
                    "sightings by other models come in and are embedded anew here, which costs time; give whoever makes them this model"
                );
                let only = std::slice::from_ref(kind);
                let loaded = NewEncoders::load(config, only, &[])?;
                self.loaded.0.extend(loaded.0);
                return Ok(());
            }
        }
        bail!(
            "model `{}` is neither in [models] nor in [migrate]",
            kind.model
        )
    }
}

impl Embed for OwnEncoders {
    fn embed(
        &mut self,
        kind: &VectorSpec,
        pictures: &[Vec<u8>],
    ) -> Result<Vec<Option<Vec<f32>>>, String> {
        if self.loaded.find(kind).is_none() {
            self.load(kind).map_err(|error| format!("{error:#}"))?;
        }
        self.loaded.embed(kind, pictures)
    }
}

impl Embed for NewEncoders {
    fn embed(
        &mut self,
        kind: &VectorSpec,
        pictures: &[Vec<u8>],
    ) -> Result<Vec<Option<Vec<f32>>>, String> {
        let encoder = self
            .find(kind)
            .ok_or_else(|| format!("model `{}` was not loaded; this is a bug", kind.model))?;
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
