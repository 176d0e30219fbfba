//! Searches against brute force, and what empty answers say.

use std::collections::HashMap;

use super::*;
use crate::event::testing::{coverage, sighting, vector};
use crate::store::{Store, StoreOptions, VectorSpec};
use crate::{Event, Sighting, TrackId};

pub(super) const DIMENSION: usize = 16;
const S: i64 = 1_000_000_000;

/// Numbers that look random and are the same each time.
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1_u64 << 24) as f32
    }

    pub(super) fn vector(&mut self) -> Vec<f32> {
        (0..DIMENSION).map(|_| self.next() - 0.5).collect()
    }
}

fn options() -> StoreOptions {
    StoreOptions::new(vec![VectorSpec {
        name: "appearance".into(),
        dimension: DIMENSION,
        model: "m@0123456789ab".into(),
    }])
}

/// Tracks of 1 to 6 sightings on four cameras over a quarter of an hour.
pub(super) fn world(tracks: u32) -> Vec<Sighting> {
    let mut numbers = Numbers(88_172_645_463_325_252);
    let mut sightings = Vec::new();
    for ordinal in 0..tracks {
        let camera = ["a", "b", "c", "d"][(numbers.next() * 4.0) as usize];
        let birth_ns = (numbers.next() * 900.0) as i64 * S + 17;
        let look = numbers.vector();
        let count = 1 + (numbers.next() * 6.0) as u32;
        let gap_s = 1 + (numbers.next() * 20.0) as i64;
        for sequence in 0..count {
            let mut one = sighting(camera, birth_ns, ordinal, sequence);
            let mut vary = |by: f32| -> Vec<f32> {
                look.iter()
                    .map(|value| value + by * (numbers.next() - 0.5))
                    .collect()
            };
            one.vectors = vec![vector("appearance", "m@0123456789ab", &vary(0.4))];
            one.state.vectors = vec![vector("appearance", "m@0123456789ab", &vary(0.1))];
            one.capture_ns = birth_ns + i64::from(sequence) * gap_s * S;
            one.state.end_ns = one.capture_ns;
            one.bbox[3] = 0.3 + numbers.next() * 0.6;
            one.crop = None;
            sightings.push(one);
        }
    }
    sightings
}

pub(super) fn store_of(dir: &std::path::Path, sightings: &[Sighting]) -> Store {
    let store = Store::open(dir, &options()).unwrap();
    let events: Vec<_> = sightings
        .iter()
        .enumerate()
        .map(|(index, sighting)| {
            (
                index as u64 + 1,
                Event::Sighting(Box::new(sighting.clone())),
            )
        })
        .collect();
    for batch in events.chunks(500) {
        store.apply(batch).unwrap();
    }
    store
}

fn cosine(a: &[f32], b: &[half::f16]) -> f64 {
    let (mut dot, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (f64::from(*a), b.to_f64());
        (dot, aa, bb) = (dot + a * b, aa + a * a, bb + b * b);
    }
    dot / (aa * bb).sqrt()
}

/// The ranking by the definition: filter tracks, mean of best sighting in time and track mean.
fn brute_force(
    sightings: &[Sighting],
    filter: &Filter,
    probe: Option<&[f32]>,
) -> Vec<(TrackId, f64)> {
    let mut tracks: HashMap<TrackId, Vec<&Sighting>> = HashMap::new();
    for sighting in sightings {
        tracks.entry(sighting.track).or_default().push(sighting);
    }
    let mut ranked: Vec<(TrackId, f64)> = Vec::new();
    for (track, sightings) in tracks {
        let last = sightings.iter().max_by_key(|s| s.sequence).unwrap();
        let state = &last.state;
        let size = sightings
            .iter()
            .map(|s| s.bbox[3] - s.bbox[1])
            .fold(0.0, f32::max);
        let length_ns = state.end_ns - state.start_ns;
        let passes = (filter.cameras.is_empty() || filter.cameras.contains(&last.camera))
            && filter.from_ns.is_none_or(|from| state.end_ns >= from)
            && filter.to_ns.is_none_or(|to| state.start_ns <= to)
            && filter.min_duration_ns.is_none_or(|min| length_ns >= min)
            && filter.max_duration_ns.is_none_or(|max| length_ns <= max)
            && filter.min_size.is_none_or(|min| size >= min);
        if !passes {
            continue;
        }
        let Some(probe) = probe else {
            ranked.push((track, state.start_ns as f64));
            continue;
        };
        let to_mean = cosine(probe, &state.vectors[0].values);
        let best = sightings
            .iter()
            .filter(|s| filter.from_ns.is_none_or(|from| s.capture_ns >= from))
            .filter(|s| filter.to_ns.is_none_or(|to| s.capture_ns <= to))
            .map(|s| cosine(probe, &s.vectors[0].values))
            .max_by(f64::total_cmp);
        ranked.push((track, best.map_or(to_mean, |best| (best + to_mean) / 2.0)));
    }
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    ranked
}

fn filters() -> Vec<Filter> {
    let all = Filter::default;
    vec![
        all(),
        Filter {
            cameras: vec!["b".into()],
            ..all()
        },
        Filter {
            cameras: vec!["a".into(), "d".into()],
            ..all()
        },
        Filter {
            from_ns: Some(300 * S),
            to_ns: Some(520 * S),
            ..all()
        },
        Filter {
            from_ns: Some(300 * S + 17),
            to_ns: Some(300 * S + 17),
            ..all()
        },
        Filter {
            min_duration_ns: Some(20 * S),
            max_duration_ns: Some(40 * S),
            ..all()
        },
        Filter {
            min_size: Some(0.6),
            ..all()
        },
        Filter {
            cameras: vec!["c".into()],
            from_ns: Some(200 * S),
            min_duration_ns: Some(10 * S),
            min_size: Some(0.5),
            ..all()
        },
    ]
}

/// The filter as the index knows it: hits are checked to the nanosecond, the count is not.
fn in_microseconds(filter: &Filter) -> Filter {
    Filter {
        from_ns: filter.from_ns.map(|ns| ns / 1000 * 1000),
        to_ns: filter.to_ns.map(|ns| ns / 1000 * 1000 + 999),
        ..filter.clone()
    }
}

pub(super) fn by_vector(values: Vec<f32>, filter: Filter, limit: usize) -> Query {
    let kind = QueryKind::Vector {
        name: "appearance".into(),
        model: "m@0123456789ab".into(),
        values,
    };
    Query {
        kind,
        filter,
        limit,
    }
}

#[test]
fn every_filter_finds_exactly_what_brute_force_finds() {
    // Enough tracks that lists are needed, and not all are compared.
    let sightings = world(2_500);
    let dir = tempfile::tempdir().unwrap();
    let store = store_of(dir.path(), &sightings);
    let mut numbers = Numbers(7);
    for filter in filters() {
        for limit in [1, 10, 60] {
            let values = numbers.vector();
            let expected = brute_force(&sightings, &filter, Some(&values));
            let answer = store
                .search(&by_vector(values, filter.clone(), limit))
                .unwrap();
            assert!(answer.is_exact);
            let compared = brute_force(&sightings, &in_microseconds(&filter), None).len();
            assert_eq!(answer.searched, compared as u64, "{filter:?}");
            assert_eq!(answer.hits.len(), limit.min(expected.len()), "{filter:?}");
            for (hit, (track, similarity)) in answer.hits.iter().zip(&expected) {
                let found = f64::from(hit.similarity.unwrap());
                // Ties within rounding may change places; anything else may not.
                assert!(
                    (found - similarity).abs() < 1e-4,
                    "{filter:?} {found} {similarity}"
                );
                let is_tie = expected
                    .iter()
                    .any(|e| e.0 == hit.track && (e.1 - similarity).abs() < 1e-4);
                assert!(hit.track == *track || is_tie, "{filter:?}");
            }
        }
    }
}

#[test]
fn browsing_gives_the_newest_first_under_every_filter() {
    let sightings = world(300);
    let dir = tempfile::tempdir().unwrap();
    let store = store_of(dir.path(), &sightings);
    for filter in filters() {
        let expected = brute_force(&sightings, &filter, None);
        let query = Query {
            kind: QueryKind::Time,
            filter,
            limit: 40,
        };
        let answer = store.search(&query).unwrap();
        let starts: Vec<_> = answer.hits.iter().map(|hit| hit.start_ns).collect();
        let expected: Vec<_> = expected.iter().take(40).map(|e| e.1 as i64).collect();
        assert_eq!(starts, expected);
        let ranks: Vec<_> = answer.hits.iter().map(|hit| hit.rank as usize).collect();
        assert_eq!(ranks, (1..=expected.len()).collect::<Vec<_>>());
    }
}

#[test]
fn a_track_finds_its_likes_and_not_itself() {
    let sightings = world(50);
    let dir = tempfile::tempdir().unwrap();
    let store = store_of(dir.path(), &sightings);
    let track = sightings[0].track;
    let kind = QueryKind::Track {
        track,
        name: "appearance".into(),
    };
    let answer = store
        .search(&Query {
            kind,
            filter: Filter::default(),
            limit: 100,
        })
        .unwrap();
    assert_eq!(answer.hits.len(), 49);
    assert!(answer.hits.iter().all(|hit| hit.track != track));
    let strange = TrackId::derive("x", "y", 1, 0);
    let kind = QueryKind::Track {
        track: strange,
        name: "appearance".into(),
    };
    let answer = store
        .search(&Query {
            kind,
            filter: Filter::default(),
            limit: 5,
        })
        .unwrap();
    assert!(answer.why_empty.unwrap().contains("is not in the store"));
}

#[test]
fn a_vector_of_another_model_never_meets_the_stores() {
    let dir = tempfile::tempdir().unwrap();
    let store = store_of(dir.path(), &world(3));
    let mut query = by_vector(vec![1.0; DIMENSION], Filter::default(), 5);
    let QueryKind::Vector { model, .. } = &mut query.kind else {
        panic!()
    };
    *model = "n@1".into();
    let text = store.search(&query).unwrap_err().to_string();
    assert!(
        text.contains("`n@1`") && text.contains("m@0123456789ab"),
        "{text}"
    );
    let short = by_vector(vec![1.0; 3], Filter::default(), 5);
    assert!(
        store
            .search(&short)
            .unwrap_err()
            .to_string()
            .contains("expected 16")
    );
}

#[test]
fn an_empty_answer_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), &options()).unwrap();
    let why = |filter: Filter| {
        let query = Query {
            kind: QueryKind::Time,
            filter,
            limit: 5,
        };
        store.search(&query).unwrap().why_empty.unwrap_or_default()
    };
    let all = Filter::default;
    assert_eq!(why(all()), "nothing is indexed yet");
    let beats = [
        coverage("a", 0, 100 * S, true),
        coverage("b", 0, 100 * S, false),
        coverage("a", 200 * S, 300 * S, true),
    ];
    let beats: Vec<_> = beats
        .into_iter()
        .map(|beat| (1, Event::Coverage(beat)))
        .collect();
    store.apply(&beats).unwrap();
    let at = |camera: &str, from: i64, to: i64| Filter {
        cameras: vec![camera.into()],
        from_ns: Some(from * S),
        to_ns: Some(to * S),
        ..Filter::default()
    };
    assert!(why(at("z", 0, 50)).contains("no camera `z` is known; known are `a`, `b`"));
    assert_eq!(why(at("b", 0, 50)), "not watched at that time: `b`");
    assert_eq!(
        why(at("a", 0, 50)),
        "watched throughout, and nobody was seen"
    );
    assert!(why(at("a", 0, 150)).contains("not watched throughout"));
    let one = sighting("a", 10 * S, 0, 0);
    let mut one = Sighting { crop: None, ..one };
    one.vectors.clear();
    one.state.vectors.clear();
    store.apply(&[(9, Event::Sighting(Box::new(one)))]).unwrap();
    let long = Filter {
        min_duration_ns: Some(S),
        ..at("a", 0, 50)
    };
    assert!(why(long).contains("1 tracks at that place and time, none passes"));
    assert_eq!(why(at("a", 0, 50)), "");
}
