//! How association works, and what it counts.

use serde::{Deserialize, Serialize};

use super::evidence::Calibration;
use super::map::SiteMap;

/// How association works.
#[derive(Debug, Clone, PartialEq)]
pub struct AssociationOptions {
    /// What is known of the site.
    pub map: SiteMap,
    /// From similarity to log odds, for the model in use.
    pub calibration: Calibration,
    /// A sighting may come this much later than others of its time; decisions wait for it.
    pub lateness_ns: i64,
    /// Tracks that ended longer ago are not joined to any more.
    pub window_ns: i64,
    /// Most tracks that are compared; beyond it the oldest are let go of sooner.
    pub most_tracks: usize,
}

impl Default for AssociationOptions {
    fn default() -> Self {
        Self {
            map: SiteMap::default(),
            calibration: Calibration::default(),
            lateness_ns: 10_000_000_000,
            window_ns: 2 * 3600 * 1_000_000_000,
            most_tracks: 20_000,
        }
    }
}

/// What was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssociationCounts {
    /// Sightings taken in.
    pub sightings: u64,
    /// Tracks taken in.
    pub tracks: u64,
    /// Sightings that came after the watermark: taken in at once, out of order.
    pub late: u64,
    /// Sightings that were not taken in, since they are of minutes to come.
    #[serde(default)]
    pub ahead: u64,
    /// Sightings that were known already.
    pub repeated: u64,
    /// Tracks that were let go of.
    pub retired: u64,
    /// Decisions: assignments and renamings.
    pub decisions: u64,
}
