//! Identity measures: Ristani et al., "Performance measures and a data set for multi-target, multi-camera tracking", ECCV workshops
//! 2016, section 3, equations (8) to (10): IDP, IDR, IDF1.
//!
//! Each person is given at most one track for the whole sequence or scene so that the boxes they share are most. (The paper's
//! equation (7) minimises misses and false positives, which is the same sum turned round.)

use super::LEAST_SIMILARITY;
use super::alignment::Alignment;
use crate::assignment::Assignment;
use crate::error::EvalError;

/// What the identity measures count; counts of several sequences add up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdentityCounts {
    /// Boxes that a person shares with its own track.
    pub true_positives: u64,
    /// Boxes of persons that are not shared so.
    pub false_negatives: u64,
    /// Boxes of tracks that are not shared so.
    pub false_positives: u64,
}

impl IdentityCounts {
    /// Takes the counts of another sequence in.
    pub fn add(&mut self, other: &Self) {
        self.true_positives += other.true_positives;
        self.false_negatives += other.false_negatives;
        self.false_positives += other.false_positives;
    }

    /// Identity precision (equation 8); 0 without track boxes.
    #[must_use]
    pub fn idp(&self) -> f64 {
        share(
            self.true_positives,
            self.true_positives + self.false_positives,
        )
    }

    /// Identity recall (equation 9); 0 without true boxes.
    #[must_use]
    pub fn idr(&self) -> f64 {
        share(
            self.true_positives,
            self.true_positives + self.false_negatives,
        )
    }

    /// Their harmonic mean (equation 10).
    #[must_use]
    pub fn idf1(&self) -> f64 {
        let both = 2 * self.true_positives;
        share(both, both + self.false_positives + self.false_negatives)
    }
}

fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// Largest matrix of identities that is solved at once: 0.8 GB.
const MOST_CELLS: usize = 100_000_000;

pub(crate) fn count(alignment: &Alignment) -> Result<IdentityCounts, EvalError> {
    let mut shared = vec![0u32; alignment.pairs.len()];
    for overlap in &alignment.overlaps {
        if overlap.similarity >= LEAST_SIMILARITY {
            shared[overlap.pair as usize] += 1;
        }
    }
    let edges: Vec<Edge> = alignment
        .pairs
        .iter()
        .zip(&shared)
        .filter(|&(_, &boxes)| boxes > 0)
        .map(|(&(truth, track), &boxes)| Edge {
            truth,
            track,
            boxes,
        })
        .collect();
    let true_positives = most_shared(edges, alignment.truth_counts.len())?;
    Ok(IdentityCounts {
        true_positives,
        false_negatives: alignment.truth_ids.len() as u64 - true_positives,
        false_positives: alignment.track_ids.len() as u64 - true_positives,
    })
}

#[derive(Clone, Copy)]
struct Edge {
    truth: u32,
    track: u32,
    boxes: u32,
}

/// The greatest sum of shared boxes; people who share no track are solved apart.
fn most_shared(mut edges: Vec<Edge>, truths: usize) -> Result<u64, EvalError> {
    let mut group: Vec<u32> = (0..truths as u32).collect();
    edges.sort_unstable_by_key(|edge| (edge.track, edge.truth));
    for two in edges.windows(2) {
        if two[0].track == two[1].track {
            let (one, other) = (
                root(&mut group, two[0].truth),
                root(&mut group, two[1].truth),
            );
            group[one.max(other) as usize] = one.min(other);
        }
    }
    let mut grouped: Vec<(u32, Edge)> = edges
        .into_iter()
        .map(|edge| (root(&mut group, edge.truth), edge))
        .collect();
    grouped.sort_unstable_by_key(|(group, edge)| (*group, edge.truth, edge.track));
    let mut assignment = Assignment::new();
    let mut sum = 0;
    for members in grouped.chunk_by(|one, other| one.0 == other.0) {
        let (mut rows, mut columns): (Vec<u32>, Vec<u32>) = members
            .iter()
            .map(|(_, edge)| (edge.truth, edge.track))
            .unzip();
        rows.dedup();
        columns.sort_unstable();
        columns.dedup();
        let cells = rows.len() * columns.len();
        if cells > MOST_CELLS {
            return Err(EvalError::input(format!(
                "{} identities and {} tracks overlap one another, which is too many to assign: split the sequence",
                rows.len(),
                columns.len()
            )));
        }
        let mut gain = vec![0.0; cells];
        for (_, edge) in members {
            let row = rows.partition_point(|&row| row < edge.truth);
            let column = columns.partition_point(|&column| column < edge.track);
            gain[row * columns.len() + column] = f64::from(edge.boxes);
        }
        let pairs = assignment.maximise(&gain, rows.len(), columns.len());
        sum += pairs
            .iter()
            .map(|&(row, column)| gain[row * columns.len() + column] as u64)
            .sum::<u64>();
    }
    Ok(sum)
}

fn root(group: &mut [u32], mut of: u32) -> u32 {
    while group[of as usize] != of {
        let parent = group[of as usize];
        group[of as usize] = group[parent as usize];
        of = parent;
    }
    of
}
