//! `sightline index`: the log into the store, until SIGTERM or until everything that is there is indexed.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use sightline_console::StoreAsk;
use sightline_sink::log::ReceiveStatus;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::mover::{Mover, OwnEncoders, as_moved};
use super::search::{Needs, start_encoders};
use super::serving::Serving;
use super::tending::{check_topics, tend};
use crate::cli::{IndexArgs, stdout};
use crate::config::{Config, Purpose};
use crate::flow::{self, Counting, SiteStore};
use crate::observe::notify::{Notifier, Watchdog};
use crate::observe::{Health, Metrics, MonotonicClock, Progress, logs};

/// Longest time in which nothing is indexed although something waits and nothing stands in the way.
const INDEX_DEADLINE: Duration = Duration::from_secs(600);

/// What `--catch-up --json` prints.
#[derive(Debug, Serialize)]
struct Summary<'a> {
    sightings: u64,
    tracklets: u64,
    coverage: u64,
    dead: u64,
    lost: u64,
    seconds: f64,
    store: &'a std::path::Path,
    digest: String,
}

/// Indexes the log.
///
/// # Errors
/// A bad configuration, a store that cannot be used, topics that would lose what they are given.
pub fn run(args: &IndexArgs) -> Result<()> {
    let begin = Instant::now();
    let config = as_moved(Config::load(&args.config, Purpose::Site)?)?;
    let _log = logs::start(config.observe.format, config.observe.level)?;
    let notifier = Notifier::from_env().context("NOTIFY_SOCKET cannot be reached")?;
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    notifier.status("asking the log");
    check_topics(&config.kafka.to_log_options())?;
    let vectors = flow::vectors_of(&config).context(
        "the store's vectors need the cards of their models; run `sightline models fetch`",
    )?;
    if args.catch_up {
        let store = SiteStore::open(&config, vectors, Box::new(OwnEncoders::new(&config)))?;
        return catch_up(args, &config, store, &mut signals, begin);
    }

    let clock = MonotonicClock::system();
    let metrics = Arc::new(Metrics::new(clock.clone()));
    let progress = Progress::new(clock);
    let health = Arc::new(Health::new(metrics.clone(), progress.clone()));
    notifier.status("loading models");
    let encoder = start_encoders(&config, &Needs::all(&config))?;
    health.set_models_loaded(true);
    let store = SiteStore::open_to_run(&config, vectors, Box::new(OwnEncoders::new(&config)))?;
    health.set_store_open(true);
    let ask = Arc::new(StoreAsk::new(store.clone(), Some(encoder)));
    let serving = Serving::start(&config, Some(ask.clone()), &metrics, &health)?;
    let mover = Mover::start(&config, &store, &ask, &metrics)?;
    drop(ask);
    let counting = {
        let store = store.clone();
        Counting::start(metrics.clone(), move || store.status())?
    };
    let heartbeat = progress.always("index", INDEX_DEADLINE);
    let mut watchdog = Watchdog::new(progress, Notifier::from_env()?);
    notifier.ready();
    notifier.status("indexing");
    tracing::info!(store = %config.store.folder.display(), "indexing the log");
    let mut told = ReceiveStatus::default();
    let ended = tend(&mut signals, &mut watchdog, || {
        let received = store.received();
        if let Some(failure) = store.take_failure() {
            return Err(failure.into());
        }
        // A log that is away is no reason to start anew: it is told, and tried again.
        if received.turns != told.turns {
            heartbeat.beat();
        }
        let forgotten = received.applied.forgotten;
        metrics
            .index_forgotten
            .inc_by(forgotten.saturating_sub(told.applied.forgotten));
        let ahead = received.applied.ahead;
        let ahead = ahead.saturating_sub(told.applied.ahead);
        metrics.association.ahead.inc_by(ahead);
        metrics.log.take_over(&received, &mut told);
        metrics.index_news(&store.take_index_news());
        Ok(())
    });
    notifier.stopping();
    tracing::info!("stopping: what is under way is made durable and committed");
    let moved = mover.map_or(Ok(()), Mover::stop);
    let counted = counting.stop();
    let served = serving.stop();
    let closed = store.close();
    ended.and(moved).and(counted).and(served).and(closed)
}

fn catch_up(
    args: &IndexArgs,
    config: &Config,
    store: SiteStore,
    signals: &mut Signals,
    begin: Instant,
) -> Result<()> {
    // As long as it takes, and no longer than somebody wants to wait.
    const A_WHILE: Duration = Duration::from_secs(10);
    loop {
        if signals.pending().next().is_some() {
            store.close()?;
            bail!("stopped by a signal; what was read is indexed, and the rest stays in the log");
        }
        match store.catch_up(A_WHILE) {
            Ok(()) => break,
            Err(error) => {
                if let Some(failure) = store.take_failure() {
                    return Err(failure.into());
                }
                tracing::debug!(error = format!("{error:#}"), "not level yet");
            }
        }
    }
    store.settle_persons()?;
    let (received, status) = (store.received(), store.status()?);
    let digest = store.digest()?;
    store.close()?;
    let summary = Summary {
        sightings: status.exemplars,
        tracklets: status.tracklets,
        coverage: received.applied.coverage,
        dead: received.dead,
        lost: received.lost,
        seconds: begin.elapsed().as_secs_f64(),
        store: &config.store.folder,
        digest,
    };
    if args.json {
        stdout().json(&summary)?;
        return Ok(());
    }
    let mut out = stdout();
    writeln!(
        out,
        "{} messages in {:.1} s: {} sightings and {} tracklets searchable in {}, {} to the dead letters, {} lost before",
        received.indexing.events + received.dead,
        summary.seconds,
        summary.sightings,
        summary.tracklets,
        summary.store.display(),
        summary.dead,
        summary.lost
    )?;
    out.finish()?;
    Ok(())
}
