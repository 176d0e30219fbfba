//! Tracks against ground truth: one camera, many sequences, or a scene of several cameras.

mod alignment;
mod clear;
mod hota;
mod identity;
mod matching;
mod motmetrics;
mod scene;
mod scores;
mod similarity;

pub use clear::ClearCounts;
pub use hota::{ALPHAS, HotaCounts, alpha};
pub use identity::IdentityCounts;
pub use motmetrics::clear_by_motmetrics;
pub use scene::{SceneCounts, measure_mot_scene, measure_scene};
pub use scores::{Scores, WorldScores};

use alignment::Alignment;

use crate::error::EvalError;
use crate::read::{GroundTruth, Observation};

/// Similarity from which a track box counts as found (CLEAR and identity measures).
pub const LEAST_SIMILARITY: f64 = 0.5;

/// Everything counted in one sequence; counts of several sequences add up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts {
    /// CLEAR: found, missed, false, switched.
    pub clear: ClearCounts,
    /// Identity measures.
    pub identity: IdentityCounts,
    /// HOTA and its parts.
    pub hota: HotaCounts,
}

impl Counts {
    pub(crate) fn of(alignment: &Alignment) -> Result<Self, EvalError> {
        Ok(Self {
            clear: clear::count(alignment),
            identity: identity::count(alignment)?,
            hota: hota::count(alignment),
        })
    }

    /// Takes the counts of another sequence in, as the published evaluators combine sequences.
    pub fn add(&mut self, other: &Self) {
        self.clear.add(&other.clear);
        self.identity.add(&other.identity);
        self.hota.add(&other.hota);
    }

    /// The measures.
    #[must_use]
    pub fn scores(&self) -> Scores {
        Scores::of(self)
    }
}

/// Measures the tracks of one camera by box overlap.
///
/// Where the ground truth has classes, track boxes are first matched against all its boxes, and those that fall on a distractor are
/// left out, as MOT16, MOT17 and DanceTrack do it; in the end only pedestrians whose flag is not 0 count.
///
/// # Errors
/// Boxes overlap so much that the pairs do not fit into memory.
pub fn measure_sequence(truth: &GroundTruth, tracks: &[Observation]) -> Result<Counts, EvalError> {
    let mut alignment = Alignment::default();
    alignment.add_boxes(truth, tracks)?;
    Counts::of(&alignment)
}
