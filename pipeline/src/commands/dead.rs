//! `sightline dead`: messages that could not be indexed.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Result;
use sightline_sink::log::{dead_letters, retry_dead_letters};

use crate::cli::{DeadArgs, DeadCommand, DeadListArgs, DeadRetryArgs, stdout};
use crate::config::{Config, Purpose};
use crate::report::table::rfc3339;

/// Longest time for reading all of them.
const LIMIT: Duration = Duration::from_secs(600);

/// Lists them, or tries them again.
///
/// # Errors
/// When the log cannot be reached or does not answer.
pub fn run(args: &DeadArgs) -> Result<()> {
    match &args.command {
        DeadCommand::List(args) => list(args),
        DeadCommand::Retry(args) => retry(args),
    }
}

fn list(args: &DeadListArgs) -> Result<()> {
    let options = Config::load(&args.config, Purpose::Site)?
        .kafka
        .to_log_options();
    let letters = dead_letters(&options, args.all, LIMIT)?;
    if args.json {
        stdout().json(&letters)?;
        return Ok(());
    }
    let mut out = stdout();
    for letter in &letters {
        let time = letter.time_ms.map_or_else(
            || "at an unknown time".to_owned(),
            |time_ms| rfc3339(time_ms.saturating_mul(1_000_000)),
        );
        writeln!(
            out,
            "{time} {} ({} bytes, key {}): {}",
            letter.origin,
            letter.bytes,
            letter.key.escape_debug(),
            letter.reason.escape_debug()
        )?;
    }
    writeln!(out, "{} dead letters", letters.len())?;
    out.finish()?;
    Ok(())
}

fn retry(args: &DeadRetryArgs) -> Result<()> {
    let options = Config::load(&args.config, Purpose::Site)?
        .kafka
        .to_log_options();
    let count = retry_dead_letters(&options, LIMIT)?;
    let mut out = stdout();
    writeln!(
        out,
        "{count} messages sent back; what still cannot be indexed comes back to the dead letters"
    )?;
    out.finish()?;
    Ok(())
}
