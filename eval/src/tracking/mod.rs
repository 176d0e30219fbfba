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
pub use scores::{ClearScores, Scores, WorldScores};

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::read::{parse_ground_truth, parse_scene, parse_tracks};

    /// Lines that are nearly right, so that many get past the first checks.
    fn lines(columns: usize) -> impl Strategy<Value = String> {
        let field = prop_oneof![
            60 => (1i32..6).prop_map(|n| n.to_string()),
            8 => (-400i32..4000).prop_map(|n| (f64::from(n) / 8.0).to_string()),
            1 => prop::sample::select(vec!["", "-1", "nan", "inf", "1e308", "-0", "é", "\u{feff}", "99999999999"])
                .prop_map(str::to_owned),
        ];
        let line = prop_oneof![
            20 => Just(columns),
            1 => Just(columns - 1),
            1 => Just(columns + 1),
        ]
        .prop_flat_map(move |columns| prop::collection::vec(field.clone(), columns));
        prop::collection::vec((line, prop::sample::select(vec![",", " ", ", "])), 0..12).prop_map(
            |lines| {
                lines
                    .iter()
                    .map(|(line, comma)| line.join(comma) + "\n")
                    .collect()
            },
        )
    }

    fn all_shares_are_shares(scores: &Scores) -> bool {
        let Scores {
            motp,
            idf1,
            idp,
            idr,
            hota,
            deta,
            assa,
            loca,
            detre,
            detpr,
            assre,
            asspr,
            ..
        } = *scores;
        let shares = [
            motp, idf1, idp, idr, hota, deta, assa, loca, detre, detpr, assre, asspr,
        ];
        shares
            .iter()
            .all(|share| (0.0..=1.0 + 1e-9).contains(share))
            && scores.mota <= 1.0
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused_in_one_line(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let path = "f.txt".as_ref();
            let complaints = [
                parse_ground_truth(&bytes, path).err(),
                parse_tracks(&bytes, path).err(),
                parse_scene(&bytes, path).err(),
            ];
            for complaint in complaints.into_iter().flatten() {
                let complaint = complaint.to_string();
                prop_assert!(complaint.starts_with("`f.txt` line ") && !complaint.contains('\n'), "{}", complaint);
            }
        }

        #[test]
        fn whatever_is_read_can_be_measured(truth in lines(9), tracks in lines(10), scene in lines(9)) {
            let path = "f.txt".as_ref();
            let truth = parse_ground_truth(truth.as_bytes(), path).unwrap_or_default();
            let tracks = parse_tracks(tracks.as_bytes(), path).unwrap_or_default();
            let scores = measure_sequence(&truth, &tracks).unwrap().scores();
            prop_assert!(all_shares_are_shares(&scores), "{:?}", scores);
            clear_by_motmetrics(&truth, &tracks).unwrap();
            let scene = parse_scene(scene.as_bytes(), path).unwrap_or_default();
            let counts = measure_scene(&scene, &scene).unwrap();
            prop_assert!(all_shares_are_shares(&counts.boxes.scores()));
        }

        #[test]
        fn tracks_that_are_the_truth_are_perfect(seeds in prop::collection::vec((1u32..20, 0u64..5, -300i32..300), 1..40)) {
            let mut observations: Vec<Observation> = seeds
                .iter()
                .map(|&(frame, id, x)| Observation { frame, id, bbox: [f64::from(x), 5.0 * id as f64, 20.0, 40.0] })
                .collect();
            observations.sort_by_key(|it| (it.frame, it.id));
            observations.dedup_by_key(|it| (it.frame, it.id));
            // People who stand on the same spot could be exchanged.
            observations.dedup_by_key(|it| (it.frame, it.bbox[0] as i64));
            let truth = GroundTruth::all_counted(observations.clone());
            let scores = measure_sequence(&truth, &observations).unwrap().scores();
            prop_assert_eq!((scores.false_positives, scores.false_negatives, scores.id_false_positives), (0, 0, 0));
            prop_assert!((scores.hota - 1.0).abs() < 1e-9, "{:?}", scores);
        }
    }
}
