//! The tracker alone, on a file of detections.

use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use super::camera_motion::CameraMotion;
use super::config::TrackerConfig;
use super::error::TrackError;
use super::mot::{MotDetections, MotWriter, ScoreScale};
use super::tracker::Tracker;

/// Gaps up to this long are filled in results files, in seconds.
pub const FILLED_GAP_S: f64 = 1.0;

/// What `sightline track` did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrackReport {
    /// Frames from 1 to the last with a detection.
    pub frames: u32,
    /// Detections read.
    pub detections: u64,
    /// Of them, left aside: without an area or not finite.
    pub refused_detections: u64,
    /// Tracks that were confirmed.
    pub tracks: usize,
    /// Rows written.
    pub rows: usize,
    /// How the file's scores were read: `kept`, `uniform`, `percent` or `logistic`.
    pub score_scale: &'static str,
    /// Time that it took.
    pub seconds: f64,
}

/// Tracks the detections of a MOTChallenge file, boxes alone, and writes a MOTChallenge results file.
///
/// # Errors
/// When a file cannot be read or written, a line is not of the form, or the frame rate is not possible.
pub fn run_track_command(
    detections: &Path,
    frames_per_second: f64,
    mot: &Path,
    config: &TrackerConfig,
) -> Result<TrackReport, TrackError> {
    let start = Instant::now();
    if !(frames_per_second > 0.0 && frames_per_second <= 1000.0) {
        return Err(TrackError::FrameRate { frames_per_second });
    }
    let input = MotDetections::read(detections)?;
    let most_gap_frames = (FILLED_GAP_S * frames_per_second) as u32;
    let mut writer = MotWriter::create(mot, most_gap_frames)?;
    let mut tracker = Tracker::new("site", "camera", config.clone());
    let mut count = 0;
    let frame_ns = |frame: u32| (f64::from(frame) * 1e9 / frames_per_second).round() as i64;
    let frame_at = |ns: i64| (ns as f64 * 1e-9 * frames_per_second).round() as u32;
    for frame in 1..=input.last_frame() {
        let seen = input.frames.get(&frame).map_or(&[][..], Vec::as_slice);
        count += seen.len() as u64;
        let step = tracker.update(frame_ns(frame), seen, CameraMotion::Still, &mut |asked| {
            vec![None; asked.len()]
        });
        for track in step.seen() {
            for earlier in track.history() {
                let frame = frame_at(earlier.capture_ns);
                writer.push(frame, track.id(), &earlier.bbox, earlier.score);
            }
            writer.push(frame, track.id(), &track.bbox(), track.score());
        }
    }
    let refused_detections = tracker.counts().refused_detections;
    tracker.finish();
    let tracks = writer.tracks();
    let rows = writer.finish()?;
    Ok(TrackReport {
        frames: input.last_frame(),
        detections: count,
        refused_detections,
        tracks,
        rows,
        score_scale: match input.score_scale {
            ScoreScale::Kept => "kept",
            ScoreScale::Uniform => "uniform",
            ScoreScale::Percent => "percent",
            ScoreScale::Logistic => "logistic",
        },
        seconds: start.elapsed().as_secs_f64(),
    })
}
