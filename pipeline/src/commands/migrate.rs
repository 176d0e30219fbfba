//! `sightline store migrate`: a store moves to other models, from its stored pictures, while people search.

use std::cell::Cell;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use sightline_console::{Ask, StoreAsk};
use sightline_sink::{Error, Migration, StoreOptions, VectorSpec};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::mover::NewEncoders;
use super::search::{Needs, start_encoders};
use super::serving::Serving;
use super::store::{configuration, refuse_none};
use crate::cli::{StoreMigrateArgs, stdout};
use crate::config::{Config, MigrateConfig};
use crate::flow::{self, Store};
use crate::observe::{Health, Metrics, MonotonicClock, Progress, logs};

/// How often metrics and the bar are brought up to date.
const TELL_EVERY: Duration = Duration::from_millis(500);

/// Longest wait for what is spooled to be indexed before the work begins.
const DRAIN_DEADLINE: Duration = Duration::from_secs(600);

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Summary {
    dry_run: bool,
    /// Whether the store is by the new models now.
    moved: bool,
    #[serde(flatten)]
    migration: Migration,
    seconds: f64,
}

/// Moves a store, says what a move would be, or gives one up.
///
/// # Errors
/// What went wrong, where and what to do. The store is by its old models then, and what was done is not lost.
pub fn run(args: &StoreMigrateArgs) -> Result<()> {
    let begin = Instant::now();
    let config = configuration(&args.work.access)?;
    let _log = logs::start(config.observe.format, config.observe.level)?;
    refuse_none(&config)?;
    let folder = &config.store.folder;
    let options = flow::store_options(&config, flow::vectors_of(&config)?)?;
    if args.abandon {
        sightline_sink::Store::open(folder, &options)?.abandon_migration()?;
        let mut out = stdout();
        writeln!(out, "given up; the store is by its old models, as before")?;
        return Ok(out.finish()?);
    }
    let target = config.migrated(&wanted(&config, args)?);
    let to = flow::vectors_of(&target)?;
    let plan = match sightline_sink::Store::open(folder, &options) {
        Ok(store) => store.migration_plan(&to)?,
        Err(error) => return Err(explain(error, &config, &options, to)),
    };
    let mut summary = Summary {
        dry_run: args.work.dry_run,
        moved: false,
        migration: plan,
        seconds: 0.0,
    };
    if args.work.dry_run {
        summary.seconds = begin.elapsed().as_secs_f64();
        return tell(args, &summary);
    }
    let lost = summary.migration.without_picture;
    if lost > 0 && !args.without_pictures {
        bail!(
            "{lost} of {} sightings have no picture any more, and would be found by time and place alone; say --without-pictures if that will do",
            summary.migration.done + summary.migration.left
        );
    }
    let mut encoders = NewEncoders::load(&target, &to, &options.vectors)?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register(signal, stop.clone())?;
    }
    summary.migration = while_people_search(&config, args, &to, &mut encoders, &stop)?;
    if stop.load(Ordering::Relaxed) {
        bail!(
            "stopped by a signal with {} sightings left; the same command goes on from here",
            summary.migration.left
        );
    }
    sightline_sink::Store::open(folder, &options)?.switch(&mut encoders)?;
    summary.moved = true;
    summary.seconds = begin.elapsed().as_secs_f64();
    tell(args, &summary)
}

/// The models that are wanted: those of the command line, else those of the configuration.
fn wanted(config: &Config, args: &StoreMigrateArgs) -> Result<MigrateConfig> {
    let mut wanted = config.migrate.clone();
    if args.appearance.is_some() || args.joint.is_some() {
        wanted.appearance.clone_from(&args.appearance);
        wanted.joint.clone_from(&args.joint);
        wanted.text.clone_from(&args.text);
    }
    if !wanted.is_used() {
        bail!(
            "no model to move to; name one with --appearance, with --joint and --text, or under [migrate]"
        );
    }
    Ok(wanted)
}

/// A store that is not by the models of the configuration may be by the new ones already.
fn explain(
    error: Error,
    config: &Config,
    options: &StoreOptions,
    to: Vec<VectorSpec>,
) -> anyhow::Error {
    let moved = StoreOptions {
        vectors: to,
        ..options.clone()
    };
    let is_moved = matches!(error, Error::Mismatch { .. })
        && sightline_sink::Store::open(&config.store.folder, &moved).is_ok();
    if is_moved {
        anyhow::anyhow!(
            "the store is by these models already; name them under [models] of the configuration"
        )
    } else {
        error.into()
    }
}

/// Embeds everything, and answers questions by the old models meanwhile.
fn while_people_search(
    config: &Config,
    args: &StoreMigrateArgs,
    to: &[VectorSpec],
    encoders: &mut NewEncoders,
    stop: &AtomicBool,
) -> Result<Migration> {
    let clock = MonotonicClock::system();
    let metrics = Arc::new(Metrics::new(clock.clone()));
    let health = Arc::new(Health::new(metrics.clone(), Progress::new(clock)));
    let queries = start_encoders(config, &Needs::all(config))?;
    health.set_models_loaded(true);
    let store = Store::open(config, flow::vectors_of(config)?)?;
    store.drain(DRAIN_DEADLINE)?;
    store.begin_migration(to)?;
    health.set_store_open(true);
    let ask: Option<Arc<dyn Ask>> = if is_reachable(config) {
        Some(Arc::new(StoreAsk::new(store.clone(), Some(queries))))
    } else {
        None
    };
    let serving = Serving::start(&reachable(config, args), ask, &metrics, &health)?;
    let bar = progress_bar();
    let told = Cell::new(None::<Instant>);
    let go_on = || {
        let is_due = told.get().is_none_or(|at| at.elapsed() >= TELL_EVERY);
        if let Some(status) = store.migration().filter(|_| is_due) {
            told.set(Some(Instant::now()));
            metrics.take_migration(&status);
            bar.set_length(status.done + status.left);
            bar.set_position(status.done);
        }
        !stop.load(Ordering::Relaxed)
    };
    let status = store.migrate(encoders, args.most_per_second, &go_on);
    bar.finish_and_clear();
    let served = serving.stop();
    let closed = store.close();
    let status = status?;
    served.and(closed)?;
    Ok(status)
}

/// Whether there is a place for the socket; that of a service goes with the service.
fn is_reachable(config: &Config) -> bool {
    let socket = config.socket_path();
    let is_reachable = socket.parent().is_some_and(std::path::Path::is_dir);
    if !is_reachable {
        // Nobody is left to tell when this cannot be printed.
        writeln!(
            std::io::stderr().lock(),
            "there is no folder for the socket {}: nobody can search until the store has moved",
            socket.display()
        )
        .ok();
    }
    is_reachable
}

/// Without a configuration nobody knows of a port for metrics, and a box may have the usual one.
fn reachable(config: &Config, args: &StoreMigrateArgs) -> Config {
    let mut config = config.clone();
    if args.work.access.config.is_none() {
        config.observe.listen = None;
    }
    config
}

fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    // It is right; the default of the library stands in for a wrong one.
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} sightings, {eta} left") {
        bar.set_style(style);
    }
    bar
}

fn tell(args: &StoreMigrateArgs, summary: &Summary) -> Result<()> {
    if args.work.json {
        stdout().json(summary)?;
        return Ok(());
    }
    let migration = &summary.migration;
    let mut out = stdout();
    for spec in &migration.to {
        if !migration.from.contains(spec) {
            let old = migration.from.iter().find(|old| old.name == spec.name);
            let old = old.map_or("none", |old| old.model.as_str());
            writeln!(out, "{}: from {old} to {}", spec.name, spec.model)?;
        }
    }
    if summary.dry_run {
        writeln!(
            out,
            "{} sightings of {} tracks are to be embedded, {} are done already; nothing was changed",
            migration.left, migration.tracks_left, migration.done
        )?;
    } else {
        writeln!(
            out,
            "moved: {} sightings in {:.1} s ({:.1} pictures a second); name these models under [models] before the next start",
            migration.done, summary.seconds, migration.per_second
        )?;
    }
    if migration.without_picture + migration.unreadable > 0 {
        writeln!(
            out,
            "{} sightings have no picture, {} none that can be read: they are found by time and place alone",
            migration.without_picture, migration.unreadable
        )?;
    }
    Ok(out.finish()?)
}
