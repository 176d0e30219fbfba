//! CLEAR MOT: Bernardin and Stiefelhagen, "Evaluating multiple object tracking performance: the CLEAR MOT metrics", EURASIP Journal
//! on Image and Video Processing 2008, section 2.1.3 and equations (1) and (2), in the form that MOTChallenge uses (trackeval).
//!
//! MOTP is the mean overlap of what was matched. Who was matched in the frame before is matched again whenever it still overlaps
//! by half. Identities are tracked mostly above 80% of their boxes, partly from 20%, else lost. A fragment is each time after
//! the first that an identity begins to be matched. Of a scene of several cameras, each camera is counted alone.

use super::LEAST_SIMILARITY;
use super::alignment::{Alignment, Overlap};
use super::matching::{Candidate, Matching};

/// What CLEAR counts; counts of several sequences add up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ClearCounts {
    /// True boxes that were found.
    pub true_positives: u64,
    /// True boxes that were not found.
    pub false_negatives: u64,
    /// Track boxes on nobody.
    pub false_positives: u64,
    /// Times that a person was found under another track than the last time.
    pub id_switches: u64,
    /// Times that a person was found again after a gap.
    pub fragments: u64,
    /// Persons found in more than 80% of their boxes.
    pub mostly_tracked: u64,
    /// Persons between the two.
    pub partly_tracked: u64,
    /// Persons found in less than 20% of their boxes.
    pub mostly_lost: u64,
    /// Sum of the overlaps of what was found.
    pub similarity_sum: f64,
}

impl ClearCounts {
    /// Takes the counts of another sequence in.
    pub fn add(&mut self, other: &Self) {
        self.true_positives += other.true_positives;
        self.false_negatives += other.false_negatives;
        self.false_positives += other.false_positives;
        self.id_switches += other.id_switches;
        self.fragments += other.fragments;
        self.mostly_tracked += other.mostly_tracked;
        self.partly_tracked += other.partly_tracked;
        self.mostly_lost += other.mostly_lost;
        self.similarity_sum += other.similarity_sum;
    }

    /// Multiple object tracking accuracy (equation 2): 1 less misses, false positives and switches over true boxes; below 0 when
    /// there are more faults than boxes. 0 where there is nobody to be found.
    #[must_use]
    pub fn mota(&self) -> f64 {
        let boxes = self.true_positives + self.false_negatives;
        if boxes == 0 {
            return 0.0;
        }
        let faults = (self.false_positives + self.id_switches) as f64;
        (self.true_positives as f64 - faults) / boxes as f64
    }

    /// Multiple object tracking precision (equation 1) as mean overlap; 0 where nothing was found.
    #[must_use]
    pub fn motp(&self) -> f64 {
        self.similarity_sum / self.true_positives.max(1) as f64
    }

    /// Sorts one person into the three classes.
    pub(crate) fn class(&mut self, is_mostly: bool, is_partly: bool) {
        match (is_mostly, is_partly) {
            (true, _) => self.mostly_tracked += 1,
            (_, true) => self.partly_tracked += 1,
            _ => self.mostly_lost += 1,
        }
    }
}

/// Added to the overlap of a pair that was matched in the frame before: more than all overlaps of a frame together.
const KEPT: f64 = 1000.0;

const NOBODY: u32 = u32::MAX;

/// What is known of a person while a camera is gone through.
#[derive(Clone, Copy)]
struct Person {
    boxes: u32,
    found: u32,
    begun: u32,
    /// Track in the last frame that had both people and tracks.
    now: u32,
    /// Track at the last time it was found.
    last: u32,
}

pub(crate) fn count(alignment: &Alignment) -> ClearCounts {
    let mut counts = ClearCounts::default();
    let mut matching = Matching::default();
    let unseen = Person {
        boxes: 0,
        found: 0,
        begun: 0,
        now: NOBODY,
        last: NOBODY,
    };
    let mut persons = vec![unseen; alignment.truth_counts.len()];
    let mut candidates = Vec::new();
    for camera in &alignment.cameras {
        persons.fill(unseen);
        let mut current: Vec<u32> = Vec::new();
        for frame in &alignment.frames[camera.clone()] {
            let truths = &alignment.truth_ids[frame.truths.clone()];
            let tracks = &alignment.track_ids[frame.tracks.clone()];
            for &truth in truths {
                persons[truth as usize].boxes += 1;
            }
            let mut found = 0;
            // A frame without people or without tracks does not end what went on before it.
            if !truths.is_empty() && !tracks.is_empty() {
                let overlaps = &alignment.overlaps[frame.overlaps.clone()];
                let likely = likely(overlaps);
                candidates.clear();
                candidates.extend(likely.map(|overlap| {
                    let (truth, track) = alignment.pairs[overlap.pair as usize];
                    let is_kept = persons[truth as usize].now == track;
                    candidate(overlap, if is_kept { KEPT } else { 0.0 })
                }));
                let matched = matching.solve(truths.len(), tracks.len(), &candidates);
                found = matched.len();
                let pairs: Vec<(u32, u32)> = matched
                    .iter()
                    .map(|&at| {
                        let pair = candidates[at];
                        (
                            truths[usize::from(pair.row)],
                            tracks[usize::from(pair.column)],
                        )
                    })
                    .collect();
                for &at in matched {
                    let score = candidates[at].score;
                    counts.similarity_sum += if score >= KEPT { score - KEPT } else { score };
                }
                note(&pairs, &mut persons, &mut current, &mut counts);
            }
            counts.true_positives += found as u64;
            counts.false_negatives += (truths.len() - found) as u64;
            counts.false_positives += (tracks.len() - found) as u64;
        }
        for person in persons.iter().filter(|person| person.boxes > 0) {
            let share = f64::from(person.found) / f64::from(person.boxes);
            counts.class(share > 0.8, share >= 0.2);
            counts.fragments += u64::from(person.begun.saturating_sub(1));
        }
    }
    counts
}

/// Overlaps that may be a match.
pub(crate) fn likely(overlaps: &[Overlap]) -> impl Iterator<Item = &Overlap> {
    overlaps
        .iter()
        .filter(|overlap| overlap.similarity >= LEAST_SIMILARITY - f64::EPSILON)
}

pub(crate) fn candidate(overlap: &Overlap, bonus: f64) -> Candidate {
    Candidate {
        row: overlap.truth,
        column: overlap.track,
        score: bonus + overlap.similarity,
    }
}

fn note(
    pairs: &[(u32, u32)],
    persons: &mut [Person],
    current: &mut Vec<u32>,
    counts: &mut ClearCounts,
) {
    for &(truth, track) in pairs {
        let person = &mut persons[truth as usize];
        counts.id_switches += u64::from(person.last != NOBODY && person.last != track);
        person.begun += u32::from(person.now == NOBODY);
        person.found += 1;
        person.last = track;
    }
    for &truth in current.iter() {
        persons[truth as usize].now = NOBODY;
    }
    current.clear();
    for &(truth, track) in pairs {
        persons[truth as usize].now = track;
        current.push(truth);
    }
}
