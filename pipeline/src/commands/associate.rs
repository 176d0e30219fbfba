//! `sightline associate`: tracks of all cameras of a site into persons, until SIGTERM or until everything that is there is joined.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use sightline_sink::log::{AssociateStatus, Associating, AssociatingOptions};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::serving::Serving;
use super::tending::{check_topics, tend};
use crate::cli::{AssociateArgs, stdout};
use crate::config::{Config, Purpose};
use crate::flow;
use crate::observe::notify::{Notifier, Watchdog};
use crate::observe::{Health, Metrics, MonotonicClock, Progress, logs};

/// Longest time in which nothing is taken in although something waits and nothing stands in the way.
const DEADLINE: Duration = Duration::from_secs(600);

/// What `--catch-up --json` prints.
#[derive(Debug, Serialize)]
struct Summary {
    sightings: u64,
    decisions: u64,
    sites: usize,
    partitions: usize,
    late: u64,
    dead: u64,
    seconds: f64,
}

/// Joins tracks.
///
/// # Errors
/// A bad configuration, topics that would lose what they are given.
pub fn run(args: &AssociateArgs) -> Result<()> {
    let begin = Instant::now();
    let config = Config::load(&args.config, Purpose::Associate)?;
    let options = options(&config)?;
    let _log = logs::start(config.observe.format, config.observe.level)?;
    let notifier = Notifier::from_env().context("NOTIFY_SOCKET cannot be reached")?;
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    notifier.status("asking the log");
    check_topics(&options.log)?;
    if args.catch_up {
        return catch_up(args, options, &mut signals, begin);
    }

    let clock = MonotonicClock::system();
    let metrics = Arc::new(Metrics::new(clock.clone()));
    let progress = Progress::new(clock);
    let health = Arc::new(Health::new(metrics.clone(), progress.clone()));
    // It has neither.
    health.set_models_loaded(true);
    health.set_store_open(true);
    let associating = Associating::start(options)?;
    let serving = Serving::start(&config, None, &metrics, &health)?;
    let heartbeat = progress.always("associate", DEADLINE);
    let mut watchdog = Watchdog::new(progress, Notifier::from_env()?);
    notifier.ready();
    notifier.status("joining tracks");
    tracing::info!("joining tracks of the log into persons");
    let mut told = AssociateStatus::default();
    let ended = tend(&mut signals, &mut watchdog, || {
        if let Some(failure) = associating.take_failure() {
            return Err(failure.into());
        }
        let status = associating.status();
        // A log that is away is no reason to start anew: it is told, and tried again.
        if status.behind == 0 || status.trouble.is_some() || status.events != told.events {
            heartbeat.beat();
        }
        metrics.association.take_over(&status, &mut told);
        metrics.log.trouble.set(i64::from(told.trouble.is_some()));
        Ok(())
    });
    notifier.stopping();
    tracing::info!("stopping: what is under way is told and committed");
    associating.close();
    let served = serving.stop();
    ended.and(served)
}

/// How the configuration wants tracks to be joined.
fn options(config: &Config) -> Result<AssociatingOptions> {
    let association =
        flow::association(config)?.context("nothing is to be joined; this is a bug")?;
    let vectors = flow::vectors_of(config).context(
        "tracks are compared by vectors of one model, whose card is needed; run `sightline models fetch`",
    )?;
    let appearance = vectors.into_iter().find(|spec| spec.name == "appearance");
    let model = appearance.map(|spec| spec.model);
    let log = config.kafka.to_log_options();
    Ok(AssociatingOptions::new(log, association, model))
}

fn catch_up(
    args: &AssociateArgs,
    options: AssociatingOptions,
    signals: &mut Signals,
    begin: Instant,
) -> Result<()> {
    // As long as it takes, and no longer than somebody wants to wait.
    const A_WHILE: Duration = Duration::from_secs(5);
    let associating = Associating::start(options)?;
    loop {
        if signals.pending().next().is_some() {
            associating.close();
            bail!("stopped by a signal; what was decided is told, and the rest stays in the log");
        }
        match associating.finish(A_WHILE) {
            Ok(()) => break,
            Err(error) => {
                if let Some(failure) = associating.take_failure() {
                    return Err(failure.into());
                }
                tracing::debug!(%error, "not level yet");
            }
        }
    }
    let status = associating.status();
    associating.close();
    let summary = Summary {
        sightings: status.sightings,
        decisions: status.decisions,
        sites: status.sites,
        partitions: status.partitions,
        late: status.late,
        dead: status.dead,
        seconds: begin.elapsed().as_secs_f64(),
    };
    if args.json {
        stdout().json(&summary)?;
        return Ok(());
    }
    let mut out = stdout();
    writeln!(
        out,
        "{} sightings in {:.1} s: {} decisions about {} sites of {} partitions, {} to the dead letters",
        summary.sightings,
        summary.seconds,
        summary.decisions,
        summary.sites,
        summary.partitions,
        summary.dead
    )?;
    out.finish()?;
    Ok(())
}
