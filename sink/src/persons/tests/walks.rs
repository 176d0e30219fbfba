//! Walks past cameras, and what sightings they give.

use crate::event::testing::vector;
use crate::event::{Event, Sighting, TrackState};
use crate::{SightingId, TrackId};

pub(crate) const S: i64 = 1_000_000_000;

/// One track: who, where, when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Walk {
    pub(crate) who: u32,
    pub(crate) camera: usize,
    pub(crate) start_ns: i64,
    pub(crate) seconds: i64,
}

const CAMERAS: [&str; 4] = ["a", "b", "c", "d"];

fn look(who: u32, noise: u32) -> Vec<f32> {
    let mut state = u64::from(who).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    let mut values: Vec<f32> = (0..32).map(|_| next()).collect();
    values[(noise % 32) as usize] += 0.1;
    values
}

pub(crate) fn track_of(walk: &Walk) -> TrackId {
    TrackId::derive("site", CAMERAS[walk.camera], walk.start_ns, walk.who)
}

/// The sightings of a walk: one a second, and the end.
fn sightings(walk: &Walk) -> Vec<Event> {
    let track = track_of(walk);
    let one = |sequence: u32, at_s: i64, is_end: bool| {
        let vectors = vec![vector("appearance", "m@0", &look(walk.who, sequence))];
        let x = 0.1 + 0.02 * (at_s % 30) as f32;
        Event::Sighting(Box::new(Sighting {
            id: SightingId::derive(track, sequence),
            track,
            site: "site".into(),
            camera: CAMERAS[walk.camera].into(),
            capture_ns: walk.start_ns + at_s * S,
            clock_error_ns: None,
            bbox: [x, 0.4, x + 0.1, 0.9],
            quality: 0.8,
            sequence,
            vectors: if is_end { Vec::new() } else { vectors },
            crop: None,
            state: TrackState {
                start_ns: walk.start_ns,
                end_ns: walk.start_ns + at_s * S,
                detections: 10 * sequence + 1,
                revision: sequence,
                vectors: vec![vector("appearance", "m@0", &look(walk.who, 0))],
                best_quality: 0.8,
                has_ended: is_end,
            },
            is_end,
        }))
    };
    let mut all: Vec<Event> = (0..walk.seconds)
        .map(|at| one(at as u32, at, false))
        .collect();
    all.push(one(walk.seconds as u32, walk.seconds, true));
    all
}

/// People who walk past the cameras in turn, now and then turning back; nobody is anywhere twice at once.
pub(crate) fn crowd(seed: u64, people: u32) -> Vec<Walk> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) % below
    };
    let mut walks = Vec::new();
    for who in 0..people {
        let mut time_ns = next(240) as i64 * S + i64::from(who);
        let mut camera = next(4) as usize;
        for _ in 0..=next(4) {
            let seconds = 3 + next(10) as i64;
            walks.push(Walk {
                who,
                camera,
                start_ns: time_ns,
                seconds,
            });
            time_ns += (seconds + 2 + next(20) as i64) * S;
            camera = if next(2) == 0 {
                (camera + 1) % 4
            } else {
                (camera + 3) % 4
            };
        }
    }
    walks
}

pub(crate) fn in_time(walks: &[Walk]) -> Vec<Event> {
    let mut events: Vec<Event> = walks.iter().flat_map(sightings).collect();
    events.sort_by_key(Event::time_ns);
    events
}
