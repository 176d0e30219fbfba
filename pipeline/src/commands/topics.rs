//! `sightline topics`: the log's topics, made and checked.

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Result, bail};
use sightline_sink::log::{check_topics, create_topics};

use crate::cli::{TopicsActionArgs, TopicsArgs, TopicsCommand, stdout};
use crate::config::{Config, Purpose};

/// Longest wait for the brokers.
const LIMIT: Duration = Duration::from_secs(30);

/// Makes or checks the topics.
///
/// # Errors
/// When the brokers cannot be reached, or the topics would lose what they are given.
pub fn run(args: &TopicsArgs) -> Result<()> {
    match &args.command {
        TopicsCommand::Create(args) => create(args),
        TopicsCommand::Check(args) => check(args),
    }
}

fn create(args: &TopicsActionArgs) -> Result<()> {
    let options = Config::load(&args.config, Purpose::Site)?
        .kafka
        .to_log_options();
    let made = create_topics(&options, LIMIT)?;
    if !args.json {
        let mut out = stdout();
        for (name, is_new) in &made {
            let word = if *is_new { "made" } else { "was there already" };
            writeln!(out, "{name}: {word}")?;
        }
        out.finish()?;
    }
    check(args)
}

fn check(args: &TopicsActionArgs) -> Result<()> {
    let options = Config::load(&args.config, Purpose::Site)?
        .kafka
        .to_log_options();
    let checks = check_topics(&options, LIMIT)?;
    if args.json {
        stdout().json(&checks)?;
    } else {
        let mut out = stdout();
        for check in &checks {
            writeln!(out, "{}", check.words())?;
        }
        out.finish()?;
    }
    let bad = checks
        .iter()
        .filter(|check| !check.problems.is_empty())
        .count();
    if bad > 0 {
        bail!(
            "{bad} of {} topics would lose what they are given, or are not there",
            checks.len()
        );
    }
    Ok(())
}
