//! `sightline forget`: gone for good, everywhere, and shown to be.

use std::io::Write as _;

use anyhow::Result;
use sightline_console::{ForgetRequest, ForgetResponse, UtcTime};

use super::answering::Answering;
use crate::cli::{ForgetArgs, stdout};

/// Forgets, and says what went.
///
/// # Errors
/// What went wrong, where and what to do; what is written down to be forgotten stands even then.
pub fn run(args: &ForgetArgs) -> Result<()> {
    let request = ForgetRequest {
        track: args.track.map(|id| id.to_string()),
        person: args.person.map(|id| id.to_string()),
        camera: args.camera.clone(),
        site: args.site.clone(),
        from: args.from.map(UtcTime::from_unix_ns),
        to: args.to.map(UtcTime::from_unix_ns),
        dry_run: args.work.dry_run,
    };
    request.asked()?;
    let response = Answering::open(&args.work.access, None)?.forget(&request)?;
    if args.work.json {
        stdout().json(&response)?;
        return Ok(());
    }
    print(&response)
}

fn print(response: &ForgetResponse) -> Result<()> {
    let mut out = stdout();
    let tracks = response.tracks.len();
    if response.dry_run {
        writeln!(
            out,
            "would forget {tracks} tracks: {} points, their pictures, and their place in persons; nothing was done",
            response.points
        )?;
        return Ok(out.finish()?);
    }
    writeln!(
        out,
        "forgotten: {tracks} tracks, {} points, {} pictures, {} places in persons",
        response.points, response.pictures, response.associations
    )?;
    if response.pictures_kept > 0 {
        writeln!(
            out,
            "{} pictures stay: another track shows the same",
            response.pictures_kept
        )?;
    }
    writeln!(
        out,
        "looked for afterwards: {} searches by their own looks and {} look-ups found {} of them",
        response.searches, response.looked_up, response.found
    )?;
    if response.leaves_log > response.at {
        writeln!(
            out,
            "the last message about them leaves the log at {}; until then it is refused wherever it is read",
            response.leaves_log
        )?;
    } else if response.spool_records > 0 {
        writeln!(
            out,
            "{} records of people in the picture just now wait in the spool; they are refused when their turn comes",
            response.spool_records
        )?;
    } else {
        writeln!(out, "the spool holds nothing of them")?;
    }
    if let Some(list) = &response.list {
        writeln!(out, "signed list: {list}")?;
    }
    Ok(out.finish()?)
}
