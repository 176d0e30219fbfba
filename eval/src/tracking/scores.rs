//! The measures by their usual names.

use serde::Serialize;

use super::{ALPHAS, ClearCounts, Counts, HotaCounts};

/// The measures of a sequence, of several together, or of a scene. Shares lie between 0 and 1; MOTA may be below 0.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scores {
    /// Multiple object tracking accuracy.
    pub mota: f64,
    /// Mean overlap of matched boxes.
    pub motp: f64,
    /// Identity F1.
    pub idf1: f64,
    /// Identity precision.
    pub idp: f64,
    /// Identity recall.
    pub idr: f64,
    /// Higher order tracking accuracy, mean over 19 thresholds; so are all below it.
    pub hota: f64,
    /// Detection accuracy.
    pub deta: f64,
    /// Association accuracy.
    pub assa: f64,
    /// Localisation accuracy.
    pub loca: f64,
    /// Detection recall.
    pub detre: f64,
    /// Detection precision.
    pub detpr: f64,
    /// Association recall.
    pub assre: f64,
    /// Association precision.
    pub asspr: f64,
    /// Times that a person was found under another track than the last time.
    pub id_switches: u64,
    /// Times that a person was found again after a gap.
    pub fragments: u64,
    /// Matched boxes at half overlap.
    pub true_positives: u64,
    /// Track boxes on nobody.
    pub false_positives: u64,
    /// Missed boxes.
    pub false_negatives: u64,
    /// Persons found in more than 80% of their boxes.
    pub mostly_tracked: u64,
    /// Persons found in 20% to 80% of their boxes.
    pub partly_tracked: u64,
    /// Persons found in less than 20% of their boxes.
    pub mostly_lost: u64,
    /// Boxes that persons share with their own tracks.
    pub id_true_positives: u64,
    /// Boxes of tracks that are not shared so.
    pub id_false_positives: u64,
    /// Boxes of persons that are not shared so.
    pub id_false_negatives: u64,
    /// Boxes of the ground truth that count.
    pub truth_boxes: u64,
    /// Boxes of tracks that count.
    pub track_boxes: u64,
}

impl Scores {
    pub(crate) fn of(
        Counts {
            clear,
            identity,
            hota,
        }: &Counts,
    ) -> Self {
        Self {
            mota: clear.mota(),
            motp: clear.motp(),
            idf1: identity.idf1(),
            idp: identity.idp(),
            idr: identity.idr(),
            hota: mean(hota.hota()),
            deta: mean(hota.deta()),
            assa: mean(hota.assa()),
            loca: mean(hota.loca()),
            detre: mean(hota.detre()),
            detpr: mean(hota.detpr()),
            assre: mean(hota.assre()),
            asspr: mean(hota.asspr()),
            id_switches: clear.id_switches,
            fragments: clear.fragments,
            true_positives: clear.true_positives,
            false_positives: clear.false_positives,
            false_negatives: clear.false_negatives,
            mostly_tracked: clear.mostly_tracked,
            partly_tracked: clear.partly_tracked,
            mostly_lost: clear.mostly_lost,
            id_true_positives: identity.true_positives,
            id_false_positives: identity.false_positives,
            id_false_negatives: identity.false_negatives,
            truth_boxes: hota.truths,
            track_boxes: hota.tracks,
        }
    }
}

/// CLEAR alone, for rules of others.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ClearScores {
    /// Multiple object tracking accuracy.
    pub mota: f64,
    /// Mean overlap of matched boxes.
    pub motp: f64,
    /// Times that a person was found under another track than the last time.
    pub id_switches: u64,
    /// Times that a person was found again after a gap.
    pub fragments: u64,
    /// Matched boxes.
    pub true_positives: u64,
    /// Track boxes on nobody.
    pub false_positives: u64,
    /// Missed boxes.
    pub false_negatives: u64,
    /// Persons found in most of their boxes.
    pub mostly_tracked: u64,
    /// Persons between the two.
    pub partly_tracked: u64,
    /// Persons found in few of their boxes.
    pub mostly_lost: u64,
}

impl ClearScores {
    /// The measures of these counts.
    #[must_use]
    pub fn of(counts: &ClearCounts) -> Self {
        Self {
            mota: counts.mota(),
            motp: counts.motp(),
            id_switches: counts.id_switches,
            fragments: counts.fragments,
            true_positives: counts.true_positives,
            false_positives: counts.false_positives,
            false_negatives: counts.false_negatives,
            mostly_tracked: counts.mostly_tracked,
            partly_tracked: counts.partly_tracked,
            mostly_lost: counts.mostly_lost,
        }
    }
}

/// HOTA by where people stand in the world (AI City 2024): two metres apart is nothing in common.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct WorldScores {
    /// Higher order tracking accuracy.
    pub hota: f64,
    /// Detection accuracy.
    pub deta: f64,
    /// Association accuracy.
    pub assa: f64,
    /// Localisation accuracy.
    pub loca: f64,
}

impl WorldScores {
    pub(crate) fn of(hota: &HotaCounts) -> Self {
        Self {
            hota: mean(hota.hota()),
            deta: mean(hota.deta()),
            assa: mean(hota.assa()),
            loca: mean(hota.loca()),
        }
    }

    /// The plain mean of several scenes, as AI City 2024 ranks; none without scenes.
    #[must_use]
    pub fn mean(scenes: &[Self]) -> Option<Self> {
        let over =
            |part: fn(&Self) -> f64| scenes.iter().map(part).sum::<f64>() / scenes.len() as f64;
        (!scenes.is_empty()).then(|| Self {
            hota: over(|scene| scene.hota),
            deta: over(|scene| scene.deta),
            assa: over(|scene| scene.assa),
            loca: over(|scene| scene.loca),
        })
    }
}

fn mean(values: [f64; ALPHAS]) -> f64 {
    values.iter().sum::<f64>() / ALPHAS as f64
}
