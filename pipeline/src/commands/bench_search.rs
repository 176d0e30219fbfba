//! `sightline bench --search`: what searches cost and what they miss.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use sightline_sink::search::{SearchLoad, SearchRates, measure_search};

use crate::cli::{BenchArgs, stdout};
use crate::config::{Config, Purpose};
use crate::flow;

/// Tracks with `--large`.
const LARGE: u32 = 1_000_000;

/// A folder that goes with the measurement.
struct Scratch(PathBuf);

impl Scratch {
    fn make(folder: Option<&Path>) -> Result<Self> {
        let name = format!("sightline-bench-{}", std::process::id());
        let folder = folder.map_or_else(|| std::env::temp_dir().join(name), Path::to_path_buf);
        if folder.exists() {
            bail!("{} is there already; name a new folder", folder.display());
        }
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs_err::remove_dir_all(&self.0)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "what was measured with stays on the disk");
        }
    }
}

/// Measures, and prints the rates.
///
/// # Errors
/// When the disk or the engine refuses.
pub fn run(args: &BenchArgs) -> Result<()> {
    let load = SearchLoad {
        tracklets: if args.large { LARGE } else { args.tracklets },
        searches: args.searches,
        by_graphs: args.graphs,
    };
    let scratch = Scratch::make(args.scratch.as_deref())?;
    let config = Config::load_or_built_in(args.config.as_deref(), Purpose::Offline)?;
    let mut server = flow::store_options(&config, Vec::new())?.server;
    if let Some(server) = &mut server {
        server.prefix = format!("sightline-bench-{}", std::process::id());
    }
    let rates = measure_search(load, &scratch.0, server, |words| {
        // Progress, not a result; a closed stderr stops nothing.
        writeln!(std::io::stderr().lock(), "{words}").ok();
    })?;
    if args.json {
        stdout().json(&rates)?;
        return Ok(());
    }
    print(&rates)
}

fn print(rates: &SearchRates) -> Result<()> {
    let mut out = stdout();
    writeln!(
        out,
        "{} tracks of {} values: written in {:.0} s, tidied in {:.0} s, opened in {:.1} s",
        rates.tracklets,
        rates.dimension,
        rates.write_seconds,
        rates.optimize_seconds,
        rates.open_seconds
    )?;
    let memory = rates.memory_bytes_a_tracklet;
    let memory = memory.map_or("unknown".to_owned(), |bytes| format!("{bytes:.0} bytes"));
    let disk = rates.disk_bytes_a_tracklet;
    let disk = disk.map_or("on a server".to_owned(), |bytes| {
        format!("{bytes:.0} bytes on disk")
    });
    writeln!(
        out,
        "a track with its sighting: {disk}, {memory} of memory that is not a file's\n"
    )?;
    writeln!(
        out,
        "{:<26} {:>7} {:>9} {:>9} {:>10} {:>18}",
        "filter", "share", "p50 ms", "p99 ms", "recall@10", "compare all, ms"
    )?;
    for of_filter in &rates.searches {
        writeln!(
            out,
            "{:<26} {:>6.1}% {:>9.1} {:>9.1} {:>10} {:>18.1}",
            of_filter.filter,
            100.0 * of_filter.share,
            of_filter.p50_ms,
            of_filter.p99_ms,
            if of_filter.is_exact {
                "1, exact".to_owned()
            } else {
                format!("{:.3}", of_filter.recall)
            },
            of_filter.exact_p50_ms
        )?;
    }
    out.finish()?;
    Ok(())
}
