//! `sightline spool`: a look into the queue on this box's disk, for the day it is needed.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Result, bail};
use serde_json::json;
use sightline_sink::Spool;
use sightline_sink::spool::{Inspection, Limits, read_records};

use crate::cli::{SpoolArgs, SpoolCatArgs, SpoolCommand, SpoolPlace, SpoolPlaceArgs, stdout};
use crate::config::{Config, Purpose};
use crate::flow::event_json;

/// Looks, checks, mends or prints.
///
/// # Errors
/// When there is no spool, it cannot be read, or a check found damage.
pub fn run(args: &SpoolArgs) -> Result<()> {
    match &args.command {
        SpoolCommand::Status(args) => status(args),
        SpoolCommand::Check(args) => check(args),
        SpoolCommand::Repair(args) => repair(args),
        SpoolCommand::Cat(args) => cat(args),
    }
}

fn place(place: &SpoolPlace) -> Result<(PathBuf, Limits)> {
    let mut config = Config::load_or_built_in(place.config.as_deref(), Purpose::Offline)?;
    if let Some(store) = &place.store {
        config.store.folder.clone_from(store);
    }
    let dir = config.store.folder.join("spool");
    if !dir.is_dir() {
        bail!("there is no spool in {}", config.store.folder.display());
    }
    let limits = Limits {
        max_bytes: config.store.spool_bytes.get(),
        ..Limits::default()
    };
    Ok((dir, limits))
}

fn status(args: &SpoolPlaceArgs) -> Result<()> {
    let (dir, _) = place(&args.place)?;
    let look = Inspection::of(&dir)?;
    if args.json {
        stdout().json(&look)?;
        return Ok(());
    }
    print(&look, false)
}

fn check(args: &SpoolPlaceArgs) -> Result<()> {
    let (dir, _) = place(&args.place)?;
    let look = Inspection::of(&dir)?;
    if args.json {
        stdout().json(&look)?;
    } else {
        print(&look, true)?;
    }
    if !look.is_clean() {
        bail!(
            "spool `{}` is damaged; the next start takes what is whole and counts what is gone, as `sightline spool repair` does without a start",
            dir.display()
        );
    }
    Ok(())
}

fn print(look: &Inspection, each: bool) -> Result<()> {
    let mut out = stdout();
    let bytes: u64 = look.segments.iter().map(|segment| segment.bytes).sum();
    let done = look.acknowledged.map_or_else(
        || "it is not known what is done with".to_owned(),
        |sequence| format!("done with up to {sequence}"),
    );
    writeln!(
        out,
        "{} records wait, {bytes} bytes in {} segments, {done}; given up for room: {}; broken: {}{}",
        look.waiting,
        look.segments.len(),
        look.dropped.records,
        look.broken,
        if look.is_held {
            "; a process has it open"
        } else {
            ""
        }
    )?;
    for segment in look.segments.iter().filter(|_| each) {
        write!(
            out,
            "{}: records {} to {}, {} of them whole, {} bytes",
            segment.path.display(),
            segment.first,
            segment.last,
            segment.records,
            segment.bytes
        )?;
        if segment.broken_regions > 0 {
            write!(
                out,
                "; {} broken places, {} bytes",
                segment.broken_regions, segment.broken_bytes
            )?;
        }
        for (from, to) in &segment.missing {
            write!(out, "; {from} to {to} missing")?;
        }
        writeln!(out)?;
    }
    out.finish()?;
    Ok(())
}

fn repair(args: &SpoolPlaceArgs) -> Result<()> {
    let (dir, limits) = place(&args.place)?;
    let (spool, recovery) = Spool::open(&dir, limits)?;
    if args.json {
        stdout().json(&json!({ "recovery": recovery, "status": spool.status() }))?;
        return Ok(());
    }
    let mut out = stdout();
    writeln!(
        out,
        "{} whole records in {} segments; {} broken places with {} bytes, {} records missing{}",
        recovery.records,
        recovery.segments,
        recovery.broken_regions,
        recovery.broken_bytes,
        recovery.missing_records(),
        if recovery.is_position_lost {
            "; what is done with was not known: everything comes again"
        } else {
            ""
        }
    )?;
    out.finish()?;
    Ok(())
}

fn cat(args: &SpoolCatArgs) -> Result<()> {
    let (dir, _) = place(&args.place)?;
    let mut out = stdout();
    read_records::<anyhow::Error>(&dir, args.from, |sequence, event| {
        let line = match event {
            Ok(event) => json!({ "sequence": sequence, "event": event_json(&event) }),
            Err(error) => json!({ "sequence": sequence, "error": error.to_string() }),
        };
        serde_json::to_writer(&mut out, &line)?;
        writeln!(out)?;
        Ok(())
    })?;
    out.finish()?;
    Ok(())
}
