//! What is asked of a recording.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{FrameRate, Polygon, Region};

/// What to play, and when it was recorded.
#[derive(Debug, Clone)]
pub struct RecordingSpec {
    /// The camera's name.
    pub camera: Arc<str>,
    /// The file.
    pub path: PathBuf,
    /// When its first picture was taken, unix nanoseconds.
    pub start_ns: i64,
    /// Frame n is taken at n / rate instead of the time the file gives; for files with wrong or no times.
    pub fps_override: Option<FrameRate>,
    /// Where detections count; carried for the flow, pictures are not cut.
    pub region: Option<Region>,
    /// Painted black before anything else sees the picture.
    pub masks: Vec<Polygon>,
    /// At most this many frames a second; the others are decoded and left out.
    pub fps_cap: Option<FrameRate>,
}

impl RecordingSpec {
    /// A whole recording as it is, from `start_ns`.
    #[must_use]
    pub fn new(camera: impl Into<Arc<str>>, path: impl Into<PathBuf>, start_ns: i64) -> Self {
        Self {
            camera: camera.into(),
            path: path.into(),
            start_ns,
            fps_override: None,
            region: None,
            masks: Vec::new(),
            fps_cap: None,
        }
    }
}

/// How long a silent decoder is waited for. Generous: on a busy machine a frame may take long, a hang takes for ever.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Up to the first picture.
    pub first_frame: Duration,
    /// From one picture to the next.
    pub next_frame: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            first_frame: Duration::from_secs(30),
            next_frame: Duration::from_secs(60),
        }
    }
}

/// How long a recording is, as far as its header tells; for progress bars, not for deciding anything.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Estimate {
    /// Length in nanoseconds.
    pub duration_ns: Option<i64>,
    /// Number of pictures in the file, before any rate cap.
    pub frames: Option<u64>,
}
