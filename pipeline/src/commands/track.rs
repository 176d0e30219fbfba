//! `sightline track`

use std::io::Write;

use crate::cli::{TrackArgs, stdout};
use crate::config::{Config, Purpose};
use crate::track::{TrackerConfig, run_track_command};

/// Does what `sightline track` says.
///
/// # Errors
/// One line that says what, where and what to do.
pub fn run(args: &TrackArgs) -> anyhow::Result<()> {
    let config = match &args.config {
        Some(path) => TrackerConfig::from(&Config::load(path, Purpose::Check)?.track),
        None => TrackerConfig::default(),
    };
    let report = run_track_command(&args.detections, args.fps, &args.mot, &config)?;
    if args.json {
        return Ok(stdout().json(&report)?);
    }
    let mut words = std::io::stderr().lock();
    writeln!(
        words,
        "sightline: {} frames, {} detections ({} left aside, scores {}): {} tracks, {} boxes, {:.2} s, in `{}`",
        report.frames,
        report.detections,
        report.refused_detections,
        report.score_scale,
        report.tracks,
        report.rows,
        report.seconds,
        args.mot.display(),
    )?;
    Ok(())
}
