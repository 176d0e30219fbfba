//! HOTA: Luiten et al., "HOTA: a higher order metric for evaluating multi-object tracking", International Journal of Computer Vision
//! 129, 2021.
//!
//! At each threshold alpha: DetA (equation 20), AssA (24) over the true positives c with A(c) = TPA / (TPA + FNA + FPA) (15), HOTA
//! = sqrt(DetA AssA) (25), their recalls and precisions (21, 22, 26 to 29), LocA (19). The measures are means over 19 alphas (18).
//! Boxes are matched once a frame, by overlap times how well the two identities agree over the whole sequence (as trackeval does).

use super::alignment::{Alignment, Frame};
use super::matching::{Candidate, Matching};

/// Number of thresholds.
pub const ALPHAS: usize = 19;

/// Threshold number `index`: 0.05, 0.10, ... 0.95.
#[must_use]
pub fn alpha(index: usize) -> f64 {
    0.05 + index as f64 * 0.05
}

/// What HOTA counts at each alpha; counts of several sequences add up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HotaCounts {
    /// True boxes.
    pub truths: u64,
    /// Track boxes.
    pub tracks: u64,
    /// Matched boxes.
    pub true_positives: [u64; ALPHAS],
    /// Sum of the matched boxes' overlap.
    pub similarity_sum: [f64; ALPHAS],
    /// Sum over matched boxes of A(c).
    pub association_sum: [f64; ALPHAS],
    /// Sum over matched boxes of the share of the person's boxes that are with this track.
    pub association_recall_sum: [f64; ALPHAS],
    /// Sum over matched boxes of the share of the track's boxes that are with this person.
    pub association_precision_sum: [f64; ALPHAS],
}

impl HotaCounts {
    /// Takes the counts of another sequence in.
    pub fn add(&mut self, other: &Self) {
        self.truths += other.truths;
        self.tracks += other.tracks;
        for a in 0..ALPHAS {
            self.true_positives[a] += other.true_positives[a];
            self.similarity_sum[a] += other.similarity_sum[a];
            self.association_sum[a] += other.association_sum[a];
            self.association_recall_sum[a] += other.association_recall_sum[a];
            self.association_precision_sum[a] += other.association_precision_sum[a];
        }
    }

    /// DetA at each alpha.
    #[must_use]
    pub fn deta(&self) -> [f64; ALPHAS] {
        self.each(|a, found| {
            found / self.at_least_one(self.truths + self.tracks - self.true_positives[a])
        })
    }

    /// DetRe at each alpha.
    #[must_use]
    pub fn detre(&self) -> [f64; ALPHAS] {
        self.each(|_, found| found / self.at_least_one(self.truths))
    }

    /// DetPr at each alpha.
    #[must_use]
    pub fn detpr(&self) -> [f64; ALPHAS] {
        self.each(|_, found| found / self.at_least_one(self.tracks))
    }

    /// AssA at each alpha.
    #[must_use]
    pub fn assa(&self) -> [f64; ALPHAS] {
        self.each(|a, found| self.association_sum[a] / found.max(1.0))
    }

    /// AssRe at each alpha.
    #[must_use]
    pub fn assre(&self) -> [f64; ALPHAS] {
        self.each(|a, found| self.association_recall_sum[a] / found.max(1.0))
    }

    /// AssPr at each alpha.
    #[must_use]
    pub fn asspr(&self) -> [f64; ALPHAS] {
        self.each(|a, found| self.association_precision_sum[a] / found.max(1.0))
    }

    /// LocA at each alpha; 1 where nothing was matched.
    #[must_use]
    pub fn loca(&self) -> [f64; ALPHAS] {
        self.each(|a, found| self.similarity_sum[a].max(1e-10) / found.max(1e-10))
    }

    /// HOTA at each alpha.
    #[must_use]
    pub fn hota(&self) -> [f64; ALPHAS] {
        let (deta, assa) = (self.deta(), self.assa());
        std::array::from_fn(|a| (deta[a] * assa[a]).sqrt())
    }

    fn each(&self, value: impl Fn(usize, f64) -> f64) -> [f64; ALPHAS] {
        std::array::from_fn(|a| value(a, self.true_positives[a] as f64))
    }

    #[expect(clippy::unused_self, reason = "reads as a part of the formulas above")]
    fn at_least_one(&self, count: u64) -> f64 {
        count.max(1) as f64
    }
}

/// Matches of one pair of identities by the highest alpha that they reach.
type Reached = [u32; ALPHAS];

pub(crate) fn count(alignment: &Alignment) -> HotaCounts {
    let mut counts = HotaCounts {
        truths: alignment.truth_ids.len() as u64,
        tracks: alignment.track_ids.len() as u64,
        ..HotaCounts::default()
    };
    let agreement = agreement(alignment);
    let mut reached: Vec<Reached> = vec![[0; ALPHAS]; alignment.pairs.len()];
    let mut matching = Matching::default();
    let mut candidates: Vec<Candidate> = Vec::new();
    for frame in &alignment.frames {
        let overlaps = &alignment.overlaps[frame.overlaps.clone()];
        candidates.clear();
        candidates.extend(overlaps.iter().map(|overlap| Candidate {
            row: overlap.truth,
            column: overlap.track,
            score: overlap.similarity * agreement[overlap.pair as usize],
        }));
        for &at in matching.solve(frame.truths.len(), frame.tracks.len(), &candidates) {
            let overlap = overlaps[at];
            if let Some(last) = alphas_reached(overlap.similarity).checked_sub(1) {
                reached[overlap.pair as usize][last] += 1;
                counts.similarity_sum[last] += overlap.similarity;
            }
        }
    }
    // What reaches a threshold reaches all below it.
    for a in (0..ALPHAS - 1).rev() {
        counts.similarity_sum[a] += counts.similarity_sum[a + 1];
    }
    for (&(truth, track), reached) in alignment.pairs.iter().zip(&reached) {
        let truth = f64::from(alignment.truth_counts[truth as usize]);
        let track = f64::from(alignment.track_counts[track as usize]);
        let mut matches = 0;
        for a in (0..ALPHAS).rev() {
            matches += reached[a];
            let both = f64::from(matches);
            counts.true_positives[a] += u64::from(matches);
            counts.association_sum[a] += both * both / (truth + track - both).max(1.0);
            counts.association_recall_sum[a] += both * both / truth.max(1.0);
            counts.association_precision_sum[a] += both * both / track.max(1.0);
        }
    }
    counts
}

/// How many thresholds a similarity reaches, from the lowest.
fn alphas_reached(similarity: f64) -> usize {
    (0..ALPHAS)
        .take_while(|&a| similarity >= alpha(a) - f64::EPSILON)
        .count()
}

/// How well each pair of identities agrees over the sequence: a Jaccard index over frames, in which boxes that overlap several
/// others count by their share.
fn agreement(alignment: &Alignment) -> Vec<f64> {
    let mut shared = vec![0.0; alignment.pairs.len()];
    let (mut of_truth, mut of_track) = (Vec::new(), Vec::new());
    for Frame {
        truths,
        tracks,
        overlaps,
    } in &alignment.frames
    {
        let overlaps = &alignment.overlaps[overlaps.clone()];
        of_truth.clear();
        of_truth.resize(truths.len(), 0.0);
        of_track.clear();
        of_track.resize(tracks.len(), 0.0);
        for overlap in overlaps {
            of_truth[usize::from(overlap.truth)] += overlap.similarity;
            of_track[usize::from(overlap.track)] += overlap.similarity;
        }
        for overlap in overlaps {
            let all = of_truth[usize::from(overlap.truth)] + of_track[usize::from(overlap.track)]
                - overlap.similarity;
            if all > f64::EPSILON {
                shared[overlap.pair as usize] += overlap.similarity / all;
            }
        }
    }
    for (shared, &(truth, track)) in shared.iter_mut().zip(&alignment.pairs) {
        let truth = f64::from(alignment.truth_counts[truth as usize]);
        let track = f64::from(alignment.track_counts[track as usize]);
        *shared /= truth + track - *shared;
    }
    shared
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_similarity_on_a_threshold_reaches_it() {
        assert_eq!(alphas_reached(0.0), 0);
        assert_eq!(alphas_reached(0.05), 1);
        assert_eq!(alphas_reached(0.5), 10);
        assert_eq!(alphas_reached(0.4999), 9);
        assert_eq!(alphas_reached(0.95), 19);
        assert_eq!(alphas_reached(1.0), 19);
    }
}
