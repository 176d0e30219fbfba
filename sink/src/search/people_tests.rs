//! Searches for persons against brute force over all of their sightings.

use std::collections::{BTreeMap, HashSet};

use serde_json::Map;

use super::tests::{DIMENSION, Numbers, by_vector, store_of, world};
use super::*;
use crate::{Sighting, TrackId};

/// Tracks in the order of their first sighting.
fn tracks_of(sightings: &[Sighting]) -> Vec<TrackId> {
    let mut seen = HashSet::new();
    let tracks = sightings.iter().map(|sighting| sighting.track);
    tracks.filter(|track| seen.insert(*track)).collect()
}

fn cosine(a: &[f64], b: &[f32]) -> f64 {
    let dot: f64 = a.iter().zip(b).map(|(a, b)| a * f64::from(*b)).sum();
    let aa: f64 = a.iter().map(|a| a * a).sum();
    let bb: f64 = b.iter().map(|b| f64::from(*b).powi(2)).sum();
    dot / (aa * bb).sqrt()
}

fn unit(values: &[half::f16]) -> Vec<f64> {
    let values: Vec<f64> = values.iter().map(|value| value.to_f64()).collect();
    let length = values.iter().map(|value| value * value).sum::<f64>().sqrt();
    values.iter().map(|value| value / length).collect()
}

/// By the definition: the mean of two cosines, to the mean of the tracks' means, by the quality of their best crops, and to
/// the best sighting of all; or that of the best track by itself, if that is more.
fn brute_force(
    sightings: &[Sighting],
    camera: Option<&str>,
    person_of: impl Fn(TrackId) -> String,
    probe: &[f32],
) -> Vec<(String, f64)> {
    let mut newest: BTreeMap<TrackId, &Sighting> = BTreeMap::new();
    let mut bests: BTreeMap<String, f64> = BTreeMap::new();
    let mut best_of_tracks: BTreeMap<TrackId, f64> = BTreeMap::new();
    for sighting in sightings {
        if camera.is_some_and(|camera| camera != sighting.camera) {
            continue;
        }
        let known = newest.entry(sighting.track).or_insert(sighting);
        if sighting.sequence > known.sequence {
            *known = sighting;
        }
        let found = cosine(&unit(&sighting.vectors[0].values), probe);
        let best = bests.entry(person_of(sighting.track)).or_insert(-1.0);
        *best = best.max(found);
        let best = best_of_tracks.entry(sighting.track).or_insert(-1.0);
        *best = best.max(found);
    }
    let mut sums: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let mut alone: BTreeMap<String, f64> = BTreeMap::new();
    for (track, sighting) in newest {
        let mean = unit(&sighting.state.vectors[0].values);
        let of_track = (cosine(&mean, probe) + best_of_tracks[&track]) / 2.0;
        let best = alone.entry(person_of(track)).or_insert(-1.0);
        *best = best.max(of_track);
        let sum = sums
            .entry(person_of(track))
            .or_insert_with(|| vec![0.0; DIMENSION]);
        for (sum, value) in sum.iter_mut().zip(mean) {
            *sum += value * f64::from(sighting.state.best_quality);
        }
    }
    let mut ranked: Vec<(String, f64)> = sums
        .into_iter()
        .map(|(person, sum)| {
            let pooled = (cosine(&sum, probe) + bests[&person]) / 2.0;
            let similarity = pooled.max(alone[&person]);
            (person, similarity)
        })
        .collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    ranked
}

#[test]
fn persons_are_ranked_over_all_their_views() {
    let sightings = world(120);
    let dir = tempfile::tempdir().unwrap();
    let store = store_of(dir.path(), &sightings);
    let tracks = tracks_of(&sightings);
    // Every fourth track is nobody's, the others are thirty persons'.
    let number = |track: TrackId| tracks.iter().position(|it| *it == track).unwrap();
    let person_of = |track: TrackId| match number(track) {
        number if number % 4 == 3 => track.to_string(),
        number => format!("person-{}", number % 30),
    };
    for track in &tracks {
        if number(*track) % 4 != 3 {
            let fields = Map::from_iter([("person".to_owned(), person_of(*track).into())]);
            store
                .index()
                .tracklets
                .set_payload(track.tracklet_point(), fields)
                .unwrap();
        }
    }
    let mut numbers = Numbers(11);
    for camera in [None, Some("b")] {
        let probe = numbers.vector();
        let filter = Filter {
            cameras: camera.map(str::to_owned).into_iter().collect(),
            ..Filter::default()
        };
        let answer = store
            .search_persons(&by_vector(probe.clone(), filter, 60))
            .unwrap();
        let expected = brute_force(&sightings, camera, person_of, &probe);
        assert_eq!(answer.persons, Some(expected.len() as u64));
        assert_eq!(answer.hits.len(), expected.len());
        assert!(answer.is_exact);
        for ((hit, rank), (person, similarity)) in answer.hits.iter().zip(1..).zip(&expected) {
            let found = f64::from(hit.similarity.unwrap());
            assert!(
                (found - similarity).abs() < 2e-3,
                "{person} {found} {similarity}"
            );
            assert_eq!(hit.rank, rank);
            assert!(camera.is_none_or(|camera| camera == hit.camera));
        }
        let found: HashSet<String> = answer
            .hits
            .iter()
            .map(|hit| hit.person.clone().unwrap_or_else(|| hit.track.to_string()))
            .collect();
        assert_eq!(
            found,
            expected.into_iter().map(|(person, _)| person).collect()
        );
    }
    // A short answer is not said to have looked at everybody, and its best is the best.
    let probe = numbers.vector();
    let few = store
        .search_persons(&by_vector(probe.clone(), Filter::default(), 2))
        .unwrap();
    let best = &brute_force(&sightings, None, person_of, &probe)[0];
    assert_eq!(few.hits.len(), 2);
    assert!(!few.is_exact && few.searched == 120);
    assert_eq!(person_of(few.hits[0].track), best.0);
    // By time, each person once, at its newest track.
    let newest = Query {
        kind: QueryKind::Time,
        filter: Filter::default(),
        limit: 100,
    };
    let newest = store.search_persons(&newest).unwrap();
    assert_eq!(
        newest.hits.len(),
        tracks
            .iter()
            .map(|track| person_of(*track))
            .collect::<HashSet<_>>()
            .len()
    );
    assert!(newest.hits.is_sorted_by_key(|hit| -hit.start_ns));
}
