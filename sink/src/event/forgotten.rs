//! What is to be gone and never to come back.

use serde::{Deserialize, Serialize};

use super::Sighting;
use crate::TrackId;

/// Most tracks and stretches in one event, so that it stays below the largest size.
pub const MAX_FORGOTTEN: usize = 3000;

/// Tracks, by id or by camera and time, that every writer refuses from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgotten {
    /// When it was asked for, Unix time in ns.
    pub at_ns: i64,
    /// These tracks.
    pub tracks: Vec<TrackId>,
    /// Every track that was seen in these.
    pub stretches: Vec<Stretch>,
}

/// A time of a camera, both ends included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// The camera.
    pub camera: String,
    /// Start, Unix time in ns.
    pub from_ns: i64,
    /// End, Unix time in ns, not before `from_ns`.
    pub to_ns: i64,
}

impl Stretch {
    /// Whether the track of a sighting was seen in it, as far as that sighting knows.
    pub fn covers(&self, sighting: &Sighting) -> bool {
        let state = &sighting.state;
        self.camera == sighting.camera
            && state.start_ns.min(sighting.capture_ns) <= self.to_ns
            && state.end_ns.max(sighting.capture_ns) >= self.from_ns
    }
}
