//! Frame by frame: whom each track shows, and what was found of the truth.

use std::collections::{BTreeMap, HashMap};

use sightline_eval::read::{Observation, Role};
use sightline_sink::TrackId;

use super::{FoundShare, Run};
use crate::report::mtmc::BoxRow;

/// Overlap from which a box counts as that of a person.
const LEAST_OVERLAP: f64 = 0.5;
/// Heights of boxes that are told apart, pixels; crowds, people in the picture; light, mean luma of the box.
const HEIGHTS_PX: [f64; 4] = [0.0, 50.0, 100.0, 200.0];
const CROWDS: [usize; 3] = [1, 4, 8];
const LIGHTS: [u8; 4] = [0, 40, 80, 120];

/// What is known of a track after the run.
#[derive(Default)]
pub(super) struct Known {
    /// Frames by identity.
    pub(super) votes: BTreeMap<u64, u64>,
    pub(super) camera: usize,
    pub(super) first: u64,
    pub(super) last: u64,
}

impl Known {
    pub(super) fn identity(&self) -> Option<u64> {
        most(&self.votes)
    }

    pub(super) fn frames(&self) -> u64 {
        self.votes.values().sum()
    }
}

/// The identity with most frames.
pub(super) fn most(votes: &BTreeMap<u64, u64>) -> Option<u64> {
    let votes = votes.iter();
    let most = votes.max_by_key(|(id, frames)| (**frames, std::cmp::Reverse(**id)));
    most.map(|(id, _)| *id)
}

/// Frames by identity of all tracks of each person.
pub(super) fn shown(
    known: &BTreeMap<TrackId, Known>,
    person: &dyn Fn(TrackId) -> u64,
) -> BTreeMap<u64, BTreeMap<u64, u64>> {
    let mut shown: BTreeMap<u64, BTreeMap<u64, u64>> = BTreeMap::new();
    for (track, known) in known {
        let of_person = shown.entry(person(*track)).or_default();
        for (identity, frames) in &known.votes {
            *of_person.entry(*identity).or_default() += frames;
        }
    }
    shown
}

/// Which identity each track shows, frame by frame, and what was found of the truth.
pub(super) fn vote(run: &Run<'_>) -> (BTreeMap<TrackId, Known>, Vec<FoundShare>) {
    let mut known: BTreeMap<TrackId, Known> = BTreeMap::new();
    let mut frames: HashMap<(usize, u64), Vec<&BoxRow>> = HashMap::new();
    for row in run.boxes {
        let track = known.entry(row.track).or_insert_with(|| Known {
            camera: row.camera,
            first: row.frame,
            ..Known::default()
        });
        track.first = track.first.min(row.frame);
        track.last = track.last.max(row.frame);
        frames.entry((row.camera, row.frame)).or_default().push(row);
    }
    let mut by_height = [[0_u64; 2]; HEIGHTS_PX.len()];
    let mut by_crowd = [[0_u64; 2]; CROWDS.len()];
    let mut by_light = [[0_u64; 2]; LIGHTS.len()];
    for (camera, truth) in run.truths.iter().enumerate() {
        let mut by_frame: BTreeMap<u32, Vec<&Observation>> = BTreeMap::new();
        for (observation, role) in truth.observations.iter().zip(&truth.roles) {
            if *role == Role::Counted {
                by_frame
                    .entry(observation.frame)
                    .or_default()
                    .push(observation);
            }
        }
        for (frame, people) in by_frame {
            let rows = frames.get(&(camera, u64::from(frame) - 1));
            for person in &people {
                let nearest = rows.into_iter().flatten().max_by(|a, b| {
                    let of = |row: &BoxRow| overlap(row.left_top_width_height(), person.bbox);
                    of(a).total_cmp(&of(b))
                });
                let nearest = nearest.filter(|row| {
                    overlap(row.left_top_width_height(), person.bbox) >= LEAST_OVERLAP
                });
                if let Some(track) = nearest.and_then(|row| known.get_mut(&row.track)) {
                    *track.votes.entry(person.id).or_default() += 1;
                }
                let is_found = u64::from(nearest.is_some());
                let height = HEIGHTS_PX.partition_point(|least| *least <= person.bbox[3]);
                let crowd = CROWDS.partition_point(|least| *least <= people.len());
                let light = run.light.get(&(camera, frame, person.id));
                let light = light.map(|code| {
                    LIGHTS
                        .partition_point(|least| least <= code)
                        .saturating_sub(1)
                });
                for count in [
                    by_height.get_mut(height.saturating_sub(1)),
                    by_crowd.get_mut(crowd.saturating_sub(1)),
                    light.and_then(|bin| by_light.get_mut(bin)),
                ]
                .into_iter()
                .flatten()
                {
                    count[0] += 1;
                    count[1] += is_found;
                }
            }
        }
    }
    let share = |by, from, [boxes, found]: [u64; 2]| FoundShare {
        by,
        from,
        boxes,
        found: found as f64 / boxes.max(1) as f64,
    };
    let heights = HEIGHTS_PX.iter().zip(by_height);
    let crowds = CROWDS.iter().zip(by_crowd);
    let lights = LIGHTS.iter().zip(by_light);
    let found = heights
        .map(|(from, count)| share("height", *from, count))
        .chain(crowds.map(|(from, count)| share("crowd", *from as f64, count)))
        .chain(lights.map(|(from, count)| share("light", f64::from(*from), count)))
        .filter(|share| share.boxes > 0)
        .collect();
    (known, found)
}

fn overlap(a: [f64; 4], b: [f64; 4]) -> f64 {
    let width = (a[0] + a[2]).min(b[0] + b[2]) - a[0].max(b[0]);
    let height = (a[1] + a[3]).min(b[1] + b[3]) - a[1].max(b[1]);
    let both = width.max(0.0) * height.max(0.0);
    both / (a[2] * a[3] + b[2] * b[3] - both).max(1e-9)
}
