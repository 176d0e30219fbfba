//! `sightline bench --log`: what the log costs against the bare clients under it.

use std::io::Write as _;

use anyhow::{Context as _, Result, bail};
use sightline_sink::log::{LogRates, measure_log};

use crate::cli::{BenchArgs, stdout};
use crate::config::{Config, Purpose};

/// Folder beside the store for what the measurement writes; removed afterwards.
const FOLDER: &str = "bench-log.part";

/// Measures, and prints the rates.
///
/// # Errors
/// When the log or the disk refuses.
pub fn run(args: &BenchArgs) -> Result<()> {
    let path = args.config.as_deref();
    let path = path.context("--log needs --config FILE with [kafka]")?;
    let config = Config::load(path, Purpose::Site)?;
    let folder = config.store.folder.with_file_name(FOLDER);
    if folder.exists() {
        bail!(
            "{} is left from another measurement; remove it",
            folder.display()
        );
    }
    fs_err::create_dir_all(&folder)?;
    let measured = measure_log(&config.kafka.to_log_options(), &folder, args.events);
    fs_err::remove_dir_all(&folder)?;
    let rates = measured?;
    if args.json {
        stdout().json(&rates)?;
        return Ok(());
    }
    print(&rates)
}

fn print(rates: &LogRates) -> Result<()> {
    let mut out = stdout();
    let ratio = |ours: f64, floor: f64| ours / floor.max(f64::MIN_POSITIVE);
    writeln!(
        out,
        "{} events of {} bytes",
        rates.events, rates.event_bytes
    )?;
    writeln!(
        out,
        "bare producer      {:>8.0} events/s",
        rates.producer_per_second
    )?;
    writeln!(
        out,
        "spool to log       {:>8.0} events/s, {:.2} of it",
        rates.spool_to_log_per_second,
        ratio(rates.spool_to_log_per_second, rates.producer_per_second)
    )?;
    writeln!(
        out,
        "bare upserts       {:>8.0} events/s",
        rates.upsert_per_second
    )?;
    writeln!(
        out,
        "store alone        {:>8.0} events/s, {:.2} of it, pictures and all",
        rates.store_per_second,
        ratio(rates.store_per_second, rates.upsert_per_second)
    )?;
    writeln!(
        out,
        "log to store       {:>8.0} events/s, {:.2} of it, {:.2} of the store alone; joining the group took {:.1} s more",
        rates.log_to_store_per_second,
        ratio(rates.log_to_store_per_second, rates.upsert_per_second),
        ratio(rates.log_to_store_per_second, rates.store_per_second),
        rates.join_seconds
    )?;
    writeln!(
        out,
        "after an outage    {:>8.0} events/s, from spool through log to store at a time",
        rates.catch_up_per_second
    )?;
    writeln!(
        out,
        "spool to searchable at {} events/s: p50 {:.0} ms, p99 {:.0} ms",
        rates.live_per_second, rates.latency_p50_ms, rates.latency_p99_ms
    )?;
    out.finish()?;
    Ok(())
}
