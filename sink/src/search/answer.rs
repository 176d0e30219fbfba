//! What is answered: hits, and how far the answer can be trusted.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::TrackId;
use crate::coverage::CameraCoverage;

/// The answer to a [`crate::Query`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Best first, one a track; of a search for persons one a person, with the track that fits best and the similarity of all of
    /// its tracks.
    pub hits: Vec<Hit>,
    /// What the cameras in question saw of the time in question.
    pub coverage: Vec<CameraCoverage>,
    /// Why there are no hits; `None` when there are some.
    pub why_empty: Option<String>,
    /// Tracks that passed the filter, and were compared. Its times count to the microsecond here;
    /// for a hit they hold to the nanosecond.
    pub searched: u64,
    /// Persons that these tracks are of, tracks without one counted as one each; reckoned from the best of them where there are too many to count.
    /// `None`: tracks were asked for.
    pub persons: Option<u64>,
    /// Whether everything that passed the filter was compared, none by an approximate index.
    pub is_exact: bool,
}

/// One track that was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    /// The track.
    pub track: TrackId,
    /// Its site.
    pub site: String,
    /// Its camera.
    pub camera: String,
    /// Its first detection, Unix time in ns.
    pub start_ns: i64,
    /// Its newest detection, Unix time in ns.
    pub end_ns: i64,
    /// Counts from 1.
    pub rank: u32,
    /// Mean of two cosines: to the track's best sighting, and to its mean vector; -1 to 1. `None` when browsing by time.
    pub similarity: Option<f32>,
    /// A probability; `None`: not calibrated.
    pub score: Option<f32>,
    /// The crop of the sighting that fits best (browsing: of the best quality); `None` when it has
    /// none or it was removed by the bound on crops.
    pub thumbnail: Option<PathBuf>,
    /// The person it was joined into; `None` until it is associated.
    pub person: Option<String>,
    /// When the thumbnail was taken, Unix time in ns.
    pub best_ns: i64,
    /// Where the thumbnail was cut: left, top, right, bottom, as fractions of the picture.
    pub bbox: [f32; 4],
    /// Detections of the track.
    pub detections: u32,
    /// Whether the track is over.
    pub has_ended: bool,
}
