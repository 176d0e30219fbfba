//! What services on the log have in common: topics that hold what they promise, and a control loop.

use std::time::{Duration, Instant};

use anyhow::Result;
use sightline_sink::log::{LogOptions, require_topics};
use signal_hook::iterator::Signals;

use crate::observe::notify::Watchdog;

/// How often the control loop looks round.
const TICK: Duration = Duration::from_millis(50);
/// How often counters are taken over.
const POLL: Duration = Duration::from_secs(1);
/// Longest wait for the brokers at the start.
const ASK_LIMIT: Duration = Duration::from_secs(10);

/// Holds the topics against the promise; a log that is away is waited for later.
///
/// # Errors
/// When the topics would lose what they are given.
pub fn check_topics(options: &LogOptions) -> Result<()> {
    match require_topics(options, ASK_LIMIT) {
        Ok(()) => {}
        Err(error @ sightline_sink::Error::LogPromise { .. }) => return Err(error.into()),
        Err(error) => tracing::warn!(%error, "the log cannot be reached yet; trying on"),
    }
    Ok(())
}

/// Feeds the watchdog until a signal comes, and lets `poll` look after the service every second. `poll` waits for nobody: a
/// watchdog that is not fed ends the process.
///
/// # Errors
/// That of `poll`, which ends it too.
pub fn tend(
    signals: &mut Signals,
    watchdog: &mut Watchdog,
    mut poll: impl FnMut() -> Result<()>,
) -> Result<()> {
    let (mut polled, mut fed) = (Instant::now(), Instant::now());
    while signals.pending().next().is_none() {
        if polled.elapsed() >= POLL {
            polled = Instant::now();
            poll()?;
        }
        if fed.elapsed() >= Watchdog::interval() {
            fed = Instant::now();
            watchdog.tick();
        }
        std::thread::sleep(TICK);
    }
    Ok(())
}
