//! What can go wrong around the tracker; the tracker itself cannot fail.

use std::path::PathBuf;

/// A fault of tracking.
#[derive(Debug, thiserror::Error)]
pub enum TrackError {
    /// OpenCV refused to estimate the camera's motion.
    #[error(
        "camera motion could not be estimated: {reason}; switch it off with `camera_motion.is_enabled = false` if it persists"
    )]
    CameraMotion {
        /// OpenCV's own words.
        reason: String,
    },
    /// A file could not be read or written; the source names it.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A line of a detections file is not what MOTChallenge prescribes.
    #[error("`{}` line {line}: {what}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong, and what was expected.
        what: String,
    },
    /// A frame rate that no recording has.
    #[error(
        "frame rate {frames_per_second} is not possible, expected more than 0 and at most 1000 frames/s"
    )]
    FrameRate {
        /// What was asked for.
        frames_per_second: f64,
    },
    /// A detections file without one usable line.
    #[error("`{}` has no detections, expected lines `frame,id,left,top,width,height,score`", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}
