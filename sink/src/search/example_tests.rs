//! Searches by right and wrong examples, and single tracks against a vector.

use super::tests::{DIMENSION, Numbers, by_vector, store_of, world};
use super::*;
use crate::TrackId;

#[test]
fn right_and_wrong_examples_steer_a_search_and_are_no_hits() {
    let sightings = world(50);
    let dir = tempfile::tempdir().unwrap();
    let store = store_of(dir.path(), &sightings);
    let mut tracks: Vec<_> = sightings.iter().map(|one| one.track).collect();
    tracks.dedup();
    let ask = |also: Option<Vec<f32>>, like: &[TrackId], unlike: &[TrackId]| {
        let direction = |values| Direction {
            model: "m@0123456789ab".into(),
            values,
        };
        store.search(&Query {
            kind: QueryKind::Examples {
                name: "appearance".into(),
                also: also.map(direction),
                like: like.to_vec(),
                unlike: unlike.to_vec(),
            },
            filter: Filter::default(),
            limit: 100,
        })
    };
    let hits = |answer: &Answer| -> Vec<_> {
        let hits = answer.hits.iter();
        hits.map(|hit| (hit.track, hit.similarity.unwrap()))
            .collect()
    };
    // One right track alone is a search by that track.
    let by_track = store.search(&Query {
        kind: QueryKind::Track {
            track: tracks[0],
            name: "appearance".into(),
        },
        filter: Filter::default(),
        limit: 100,
    });
    let alone = ask(None, &tracks[..1], &[]).unwrap();
    for (one, other) in hits(&by_track.unwrap()).iter().zip(hits(&alone)) {
        assert!(one.0 == other.0 && (one.1 - other.1).abs() < 1e-5);
    }
    // A wrong one is no hit and pushes its own likes down.
    let wrong = alone.hits[0].track;
    let pushed = ask(None, &tracks[..1], &[wrong]).unwrap();
    assert_eq!(pushed.hits.len(), 48);
    let near_wrong = ask(None, &[wrong], &[]).unwrap();
    let mut next = near_wrong.hits.iter().map(|hit| hit.track);
    let next = next.find(|track| *track != tracks[0]).unwrap();
    let of = |answer: &Answer| hits(answer).iter().find(|hit| hit.0 == next).unwrap().1;
    assert!(of(&pushed) < of(&alone));
    // Beside a description, one that is right draws it near, and wrong ones alone are left out and nothing more.
    let look = sightings[3].state.vectors[0].values.clone();
    let look: Vec<f32> = look.iter().map(|value| value.to_f32()).collect();
    let plain = store
        .search(&by_vector(look.clone(), Filter::default(), 100))
        .unwrap();
    let without = ask(Some(look.clone()), &[], &[tracks[5]]).unwrap();
    let kept: Vec<_> = hits(&plain)
        .into_iter()
        .filter(|hit| hit.0 != tracks[5])
        .collect();
    assert_eq!(without.hits.len(), kept.len());
    for (one, other) in hits(&without).iter().zip(&kept) {
        assert!(one.0 == other.0 && (one.1 - other.1).abs() < 1e-5);
    }
    let drawn = ask(Some(look.clone()), &[wrong], &[]).unwrap();
    assert!(of(&drawn) > of(&plain));
    let nobody: &[TrackId] = &[];
    for (also, like, unlike, message) in [
        (None, nobody, &tracks[..1], "nothing to look for"),
        (Some(vec![0.0; DIMENSION]), nobody, nobody, "direction"),
        (Some(look), nobody, &[tracks[0]; 41][..], "41 examples"),
    ] {
        let refused = ask(also, like, unlike).unwrap_err().to_string();
        assert!(refused.contains(message), "{refused}");
    }
    let strange = TrackId::derive("x", "y", 1, 0);
    let empty = ask(None, &[strange], &[]).unwrap();
    assert!(empty.why_empty.unwrap().contains("is not in the store"));
}

#[test]
fn a_track_is_as_near_to_a_vector_as_the_hit_that_it_is() {
    let sightings = world(60);
    let dir = tempfile::tempdir().unwrap();
    let store = store_of(dir.path(), &sightings);
    let look = Numbers(7).vector();
    let answer = store
        .search(&by_vector(look.clone(), Filter::default(), 100))
        .unwrap();
    let mut tracks: Vec<_> = answer.hits.iter().map(|hit| hit.track).collect();
    tracks.push(TrackId::derive("x", "y", 1, 0));
    let near = store
        .similarities("appearance", "m@0123456789ab", &look, &tracks)
        .unwrap();
    for (hit, near) in answer.hits.iter().zip(&near) {
        assert!((hit.similarity.unwrap() - near.unwrap()).abs() < 1e-5);
    }
    assert_eq!((near.len(), near.last()), (61, Some(&None)));
    assert!(
        store
            .similarities("appearance", "n@1", &look, &tracks)
            .is_err()
    );
}
