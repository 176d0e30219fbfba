//! Ground truth and tracks side by side, frame by frame: who is there, and which boxes overlap by how much.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;

use super::LEAST_SIMILARITY;
use super::matching::{Candidate, Matching};
use super::similarity::{Corners, Ground, Place};
use crate::error::EvalError;
use crate::read::{GroundTruth, Observation, Role};

/// Most overlapping pairs that are kept: 1.2 GB.
const MOST_OVERLAPS: usize = 50_000_000;

/// A box of the ground truth and one of a track that overlap in a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Overlap {
    /// Place of the true box in its frame.
    pub truth: u16,
    /// Place of the track's box in its frame.
    pub track: u16,
    /// Number of this pair of identities in [`Alignment::pairs`].
    pub pair: u32,
    pub similarity: f64,
}

/// One frame of one camera; the ranges are those of the lists in [`Alignment`].
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub truths: Range<usize>,
    pub tracks: Range<usize>,
    pub overlaps: Range<usize>,
}

/// Identities are numbered from 0, over all cameras together.
#[derive(Default)]
pub(crate) struct Alignment {
    /// In time order within a camera.
    pub frames: Vec<Frame>,
    /// Frames of each camera.
    pub cameras: Vec<Range<usize>>,
    /// Identity of each true box.
    pub truth_ids: Vec<u32>,
    /// Identity of each track box.
    pub track_ids: Vec<u32>,
    /// By frame, truth and track.
    pub overlaps: Vec<Overlap>,
    /// Identities (true, track) that overlap at least once.
    pub pairs: Vec<(u32, u32)>,
    /// Boxes of each true identity.
    pub truth_counts: Vec<u32>,
    /// Boxes of each track.
    pub track_counts: Vec<u32>,
    truth_numbers: HashMap<u64, u32>,
    track_numbers: HashMap<u64, u32>,
    pair_numbers: HashMap<u64, u32, BuildHasherDefault<Mixed>>,
    matching: Matching,
    candidates: Vec<Candidate>,
    /// Left end and place of the tracks of a frame.
    by_left: Vec<(f64, u16)>,
}

/// Hashes pairs of small numbers: they are ours, counted from 0, so nobody can choose them to collide.
#[derive(Default)]
struct Mixed(u64);

impl Hasher for Mixed {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        let product = (self.0 ^ value).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = product ^ (product >> 32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Someone somewhere in a frame.
#[derive(Clone, Copy)]
struct Item<T> {
    frame: u32,
    id: u64,
    place: T,
    role: Role,
}

impl Alignment {
    /// Adds a camera whose boxes are compared by intersection over union.
    pub fn add_boxes(
        &mut self,
        truth: &GroundTruth,
        tracks: &[Observation],
    ) -> Result<(), EvalError> {
        let item = |observation: &Observation, role| Item {
            frame: observation.frame,
            id: observation.id,
            place: Corners::of(observation.bbox),
            role,
        };
        let truths = truth.observations.iter().zip(&truth.roles);
        self.add(
            truths
                .map(|(observation, &role)| item(observation, role))
                .collect(),
            tracks
                .iter()
                .map(|track| item(track, Role::Counted))
                .collect(),
        )
    }

    /// Adds a scene whose people (frame, identity, metres) are compared by their distance.
    pub fn add_places(
        &mut self,
        truths: &[(u32, u64, [f64; 2])],
        tracks: &[(u32, u64, [f64; 2])],
    ) -> Result<(), EvalError> {
        let items = |list: &[(u32, u64, [f64; 2])]| {
            let item = |&(frame, id, metres): &_| Item {
                frame,
                id,
                place: Ground::at(metres),
                role: Role::Counted,
            };
            list.iter().map(item).collect()
        };
        self.add(items(truths), items(tracks))
    }

    fn add<T: Place>(
        &mut self,
        mut truths: Vec<Item<T>>,
        mut tracks: Vec<Item<T>>,
    ) -> Result<(), EvalError> {
        // Stable: within a frame the order of the file stays, on which the choice among ties depends.
        truths.sort_by_key(|item| item.frame);
        tracks.sort_by_key(|item| item.frame);
        let first_frame = self.frames.len();
        let (mut truth_rest, mut track_rest) = (&truths[..], &tracks[..]);
        loop {
            let heads = [truth_rest.first(), track_rest.first()];
            let Some(frame) = heads.into_iter().flatten().map(|item| item.frame).min() else {
                break;
            };
            let truth_now = take_frame(&mut truth_rest, frame);
            let track_now = take_frame(&mut track_rest, frame);
            self.add_frame(truth_now, track_now)?;
        }
        self.cameras.push(first_frame..self.frames.len());
        Ok(())
    }

    fn add_frame<T: Place>(
        &mut self,
        truths: &[Item<T>],
        tracks: &[Item<T>],
    ) -> Result<(), EvalError> {
        let mut candidates = std::mem::take(&mut self.candidates);
        self.find_candidates(truths, tracks, &mut candidates);
        if self.overlaps.len() + candidates.len() > MOST_OVERLAPS {
            return Err(EvalError::input(format!(
                "more than {MOST_OVERLAPS} pairs of boxes overlap, which is more than any recording has: split the sequence"
            )));
        }
        let excused = self.excused(truths, tracks.len(), &candidates);
        let starts = (
            self.truth_ids.len(),
            self.track_ids.len(),
            self.overlaps.len(),
        );
        let truth_places = renumber(
            truths
                .iter()
                .map(|item| (item.id, item.role == Role::Counted)),
            &mut self.truth_numbers,
            &mut self.truth_counts,
            &mut self.truth_ids,
        );
        let track_places = renumber(
            tracks
                .iter()
                .enumerate()
                .map(|(at, item)| (item.id, !excused.contains(&(at as u16)))),
            &mut self.track_numbers,
            &mut self.track_counts,
            &mut self.track_ids,
        );
        for candidate in &candidates {
            let truth = truth_places[usize::from(candidate.row)];
            let track = track_places[usize::from(candidate.column)];
            let (Some(truth), Some(track)) = (truth, track) else {
                continue;
            };
            let ids = (
                self.truth_ids[starts.0 + usize::from(truth)],
                self.track_ids[starts.1 + usize::from(track)],
            );
            let next = self.pairs.len() as u32;
            let key = u64::from(ids.0) << 32 | u64::from(ids.1);
            let pair = *self.pair_numbers.entry(key).or_insert(next);
            if pair == next {
                self.pairs.push(ids);
            }
            self.overlaps.push(Overlap {
                truth,
                track,
                pair,
                similarity: candidate.score,
            });
        }
        self.candidates = candidates;
        self.frames.push(Frame {
            truths: starts.0..self.truth_ids.len(),
            tracks: starts.1..self.track_ids.len(),
            overlaps: starts.2..self.overlaps.len(),
        });
        Ok(())
    }

    fn find_candidates<T: Place>(
        &mut self,
        truths: &[Item<T>],
        tracks: &[Item<T>],
        candidates: &mut Vec<Candidate>,
    ) {
        candidates.clear();
        self.by_left.clear();
        let tracks_from_left = tracks.iter().enumerate();
        self.by_left
            .extend(tracks_from_left.map(|(column, track)| (track.place.span().0, column as u16)));
        self.by_left
            .sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
        let widths = tracks.iter().map(|track| track.place.span());
        let widest = widths.fold(0.0, |most: f64, (left, right)| most.max(right - left));
        for (row, truth) in truths.iter().enumerate() {
            let (left, right) = truth.place.span();
            let start = self.by_left.partition_point(|it| it.0 < left - widest);
            let first = candidates.len();
            for &(_, column) in self.by_left[start..].iter().take_while(|it| it.0 < right) {
                let track = &tracks[usize::from(column)];
                let score = truth.place.similarity(&track.place);
                if score > 0.0 {
                    candidates.push(Candidate {
                        row: row as u16,
                        column,
                        score,
                    });
                }
            }
            candidates[first..].sort_unstable_by_key(|candidate| candidate.column);
        }
    }

    /// Columns of track boxes that fall on distractors, when all boxes of the ground truth are matched at half overlap.
    fn excused<T>(
        &mut self,
        truths: &[Item<T>],
        tracks: usize,
        candidates: &[Candidate],
    ) -> Vec<u16> {
        if truths.iter().all(|truth| truth.role != Role::Distractor) {
            return Vec::new();
        }
        let likely: Vec<Candidate> = candidates
            .iter()
            .filter(|candidate| candidate.score >= LEAST_SIMILARITY - f64::EPSILON)
            .copied()
            .collect();
        let matched = self.matching.solve(truths.len(), tracks, &likely).iter();
        matched
            .map(|&at| likely[at])
            .filter(|pair| truths[usize::from(pair.row)].role == Role::Distractor)
            .map(|pair| pair.column)
            .collect()
    }
}

fn take_frame<'a, T>(rest: &mut &'a [Item<T>], frame: u32) -> &'a [Item<T>] {
    let length = rest.iter().take_while(|item| item.frame == frame).count();
    let (now, later) = rest.split_at(length);
    *rest = later;
    now
}

/// Numbers the identities that stay, counts their boxes, and tells the place of each in the frame.
fn renumber(
    items: impl Iterator<Item = (u64, bool)>,
    numbers: &mut HashMap<u64, u32>,
    counts: &mut Vec<u32>,
    ids: &mut Vec<u32>,
) -> Vec<Option<u16>> {
    let mut place = 0;
    items
        .map(|(id, is_kept)| {
            if !is_kept {
                return None;
            }
            let next = counts.len() as u32;
            let number = *numbers.entry(id).or_insert(next);
            if number == next {
                counts.push(0);
            }
            counts[number as usize] += 1;
            ids.push(number);
            place += 1;
            Some(place - 1)
        })
        .collect()
}
