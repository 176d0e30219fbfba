//! CLEAR MOT by the rules of py-motmetrics, which differ from those of MOTChallenge in four points:
//!
//! - Who was ever matched stays matched with the same track whenever both are there and overlap by half, also after a gap.
//! - New matches are as many as possible first, and overlap most second.
//! - A person is mostly tracked from 80% on, not above it.
//! - Fragments count only gaps in which the person was there and was missed.
//!
//! Its identity measures are those of [`super::IdentityCounts`].

use std::collections::HashMap;

use super::ClearCounts;
use super::alignment::Alignment;
use super::clear::{candidate, likely};
use super::matching::Matching;
use crate::error::EvalError;
use crate::read::{GroundTruth, Observation};

#[derive(Clone, Copy, Default)]
struct Person {
    boxes: u32,
    found: u32,
    gaps: u32,
    is_missed: bool,
}

/// Measures the tracks of one camera; every box of the ground truth that counts is used, distractors are excused as in
/// [`super::measure_sequence`].
///
/// # Errors
/// As [`super::measure_sequence`].
pub fn clear_by_motmetrics(
    truth: &GroundTruth,
    tracks: &[Observation],
) -> Result<ClearCounts, EvalError> {
    let mut alignment = Alignment::default();
    alignment.add_boxes(truth, tracks)?;
    Ok(count(&alignment))
}

fn count(alignment: &Alignment) -> ClearCounts {
    /// More than all overlaps of a frame together.
    const EACH: f64 = 1000.0;
    let mut counts = ClearCounts::default();
    let mut matching = Matching::default();
    let mut persons = vec![Person::default(); alignment.truth_counts.len()];
    let mut track_of: HashMap<u32, u32> = HashMap::new();
    for frame in &alignment.frames {
        let truths = &alignment.truth_ids[frame.truths.clone()];
        let tracks = &alignment.track_ids[frame.tracks.clone()];
        let overlaps: Vec<_> = likely(&alignment.overlaps[frame.overlaps.clone()]).collect();
        let (mut is_found, mut is_used) = (vec![false; truths.len()], vec![false; tracks.len()]);
        for overlap in &overlaps {
            let (truth, track) = (usize::from(overlap.truth), usize::from(overlap.track));
            if !is_used[track] && track_of.get(&truths[truth]) == Some(&tracks[track]) {
                (is_found[truth], is_used[track]) = (true, true);
                counts.similarity_sum += overlap.similarity;
            }
        }
        let open: Vec<_> = overlaps
            .iter()
            .filter(|overlap| {
                !is_found[usize::from(overlap.truth)] && !is_used[usize::from(overlap.track)]
            })
            .map(|overlap| candidate(overlap, EACH))
            .collect();
        for &at in matching.solve(truths.len(), tracks.len(), &open) {
            let (truth, track) = (usize::from(open[at].row), usize::from(open[at].column));
            let before = track_of.insert(truths[truth], tracks[track]);
            counts.id_switches += u64::from(before.is_some_and(|before| before != tracks[track]));
            (is_found[truth], is_used[track]) = (true, true);
            counts.similarity_sum += open[at].score - EACH;
        }
        for (&truth, &is_found) in truths.iter().zip(&is_found) {
            let person = &mut persons[truth as usize];
            person.boxes += 1;
            if is_found {
                person.gaps += u32::from(person.is_missed && person.found > 0);
                person.found += 1;
            }
            person.is_missed = !is_found;
        }
        let found = is_found.iter().filter(|&&is_found| is_found).count();
        counts.true_positives += found as u64;
        counts.false_negatives += (truths.len() - found) as u64;
        counts.false_positives += (tracks.len() - found) as u64;
    }
    for person in persons.iter().filter(|person| person.boxes > 0) {
        let share = f64::from(person.found) / f64::from(person.boxes);
        counts.class(share >= 0.8, share >= 0.2);
        counts.fragments += u64::from(person.gaps);
    }
    counts
}
