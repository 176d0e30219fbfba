//! What is forgotten never comes back; what is too old goes.

use std::time::Duration;

use proptest::prelude::*;

use super::tests::{digest_of, events, options};
use super::*;
use crate::event::testing::sighting;
use crate::event::{Forgotten, Stretch};
use crate::{AssociationOptions, Event, TrackId};

fn track(ordinal: u32) -> TrackId {
    let camera = ["gate-1", "gate-2"][ordinal as usize % 2];
    TrackId::derive("site", camera, 1_000_000_000, ordinal)
}

fn without(all: &[(u64, Event)], gone: &[TrackId]) -> Vec<(u64, Event)> {
    let stays = |event: &Event| !matches!(event, Event::Sighting(sighting) if gone.contains(&sighting.track));
    all.iter()
        .filter(|(_, event)| stays(event))
        .cloned()
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]
    #[test]
    fn whatever_is_written_after_a_track_was_forgotten_it_does_not_come_back(
        before in Just(events(4, 4)).prop_shuffle(),
        seen in 0_usize..=16,
        again in Just(events(4, 4)).prop_shuffle(),
        gone in 0_u32..4,
        by_event: bool,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), &options()).unwrap();
        store.apply(&before[..seen]).unwrap();
        if by_event {
            let word = Forgotten { at_ns: 9, tracks: vec![track(gone)], stretches: Vec::new(), pictures: Vec::new() };
            store.apply(&[(1, Event::Forgotten(word))]).unwrap();
        } else {
            let report = store.forget(&Forget::Track(track(gone)), 9, false).unwrap();
            prop_assert_eq!(report.proof.found, 0);
        }
        let applied = store.apply(&again).unwrap();
        prop_assert_eq!(applied.forgotten, 4);
        let never = digest_of(&[&without(&again, &[track(gone)])]);
        prop_assert_eq!(store.digest().unwrap(), never.clone());
        drop(store);
        let store = Store::open(dir.path(), &options()).unwrap();
        store.apply(&before).unwrap();
        prop_assert_eq!(store.digest().unwrap(), never);
    }

    #[test]
    fn a_track_that_was_in_a_forgotten_time_goes_whole_in_any_order(
        order in Just(events(4, 4)).prop_shuffle(),
        seen in 0_usize..=16,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), &options()).unwrap();
        store.apply(&order[..seen]).unwrap();
        // The third sighting of each track and what comes after it: the ones before are outside.
        let stretch = Stretch {
            site: None,
            camera: "gate-1".into(),
            from_ns: 3_000_000_000,
            to_ns: 9_000_000_000,
        };
        store.forget(&Forget::Camera(stretch), 9, false).unwrap();
        for one in &order {
            store.apply(std::slice::from_ref(one)).unwrap();
        }
        let never = digest_of(&[&without(&order, &[track(0), track(2)])]);
        prop_assert_eq!(store.digest().unwrap(), never);
    }
}

#[test]
fn a_camera_of_the_same_name_at_another_site_keeps_its_tracks() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), &options()).unwrap();
    let here = events(4, 2);
    let mut there = here.clone();
    for (_, event) in &mut there {
        let Event::Sighting(sighting) = event else {
            panic!("a sighting");
        };
        sighting.site = "other".to_owned();
        sighting.track = TrackId::derive("other", &sighting.track.to_string(), 1, 0);
        sighting.id = crate::SightingId::derive(sighting.track, sighting.sequence);
    }
    let stretch = |site: Option<&str>| {
        Forget::Camera(Stretch {
            site: site.map(str::to_owned),
            camera: "gate-1".into(),
            from_ns: 0,
            to_ns: i64::MAX,
        })
    };
    store.apply(&here).unwrap();
    // Only one site has such a camera, so it is meant; what comes of the other one later stays.
    store.forget(&stretch(None), 9, false).unwrap();
    store.apply(&there).unwrap();
    store.apply(&here).unwrap();
    let left = [&without(&here, &[track(0), track(2)])[..], &there].concat();
    assert_eq!(store.digest().unwrap(), digest_of(&[&left]));

    let both = tempfile::tempdir().unwrap();
    let store = Store::open(both.path(), &options()).unwrap();
    store.apply(&[&here[..], &there].concat()).unwrap();
    let unsure = store
        .forget(&stretch(None), 9, true)
        .unwrap_err()
        .to_string();
    assert!(
        unsure.contains("other") && unsure.contains("site"),
        "{unsure}"
    );
    store.forget(&stretch(Some("site")), 9, false).unwrap();
    assert_eq!(store.digest().unwrap(), digest_of(&[&left]));
    // After a restart, and for a consumer that hears of it in the log, too.
    drop(store);
    let store = Store::open(both.path(), &options()).unwrap();
    store.apply(&[&here[..], &there].concat()).unwrap();
    assert_eq!(store.digest().unwrap(), digest_of(&[&left]));
}

#[test]
fn a_picture_that_another_track_shows_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), &options()).unwrap();
    let mut all = events(2, 2);
    let (Event::Sighting(first), Event::Sighting(other)) = (all[0].1.clone(), &mut all[2].1) else {
        panic!("sightings");
    };
    other.crop = first.crop.clone();
    store.apply(&all).unwrap();
    let dry = store.forget(&Forget::Track(track(0)), 9, true).unwrap();
    assert_eq!((dry.tracklets, dry.sightings), (1, 2));
    assert_eq!(
        store.status().unwrap().exemplars,
        4,
        "a dry run does nothing"
    );
    let report = store.forget(&Forget::Track(track(0)), 9, false).unwrap();
    assert_eq!((report.tracklets, report.sightings), (1, 2));
    assert_eq!((report.pictures.len(), report.pictures_kept), (1, 1));
    assert!(report.proof.searches > 0 && report.proof.looked_up > 0);
    let name = Crops::name(first.crop.as_ref().unwrap());
    assert!(store.crops.find(&name).is_some());
    // Asked for again: nothing is left to do, and nothing is wrong.
    let again = store.forget(&Forget::Track(track(0)), 10, false).unwrap();
    assert_eq!((again.tracklets, again.pictures.len()), (0, 0));
}

#[test]
fn what_was_written_down_before_a_kill_is_gone_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), &options()).unwrap();
    store.apply(&events(3, 2)).unwrap();
    store.flush().unwrap();
    let stretch = Stretch {
        site: None,
        camera: "gate-2".into(),
        from_ns: 0,
        to_ns: i64::MAX,
    };
    let word = Forgotten {
        at_ns: 5,
        tracks: vec![track(0)],
        stretches: vec![stretch],
        pictures: Vec::new(),
    };
    store.forgotten.add(&word).unwrap();
    drop(store);
    let store = Store::open(dir.path(), &options()).unwrap();
    let never = digest_of(&[&without(&events(3, 2), &[track(0), track(1)])]);
    assert_eq!(store.digest().unwrap(), never);
    assert_eq!(store.status().unwrap().forgotten, 2);
}

#[test]
fn a_person_loses_the_track_that_is_forgotten_and_keeps_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options();
    options.persons = Some(AssociationOptions::default());
    let store = Store::open(dir.path(), &options).unwrap();
    let all: Vec<(u64, Event)> = (0..3_i64)
        .map(|n| {
            // Twenty seconds apart, and all of one look.
            let mut one = sighting("gate-1", 1_000_000_000 + n * 20_000_000_000, 0, 0);
            one.is_end = true;
            one.state.has_ended = true;
            (1, Event::Sighting(Box::new(one)))
        })
        .collect();
    store.apply(&all).unwrap();
    store.settle_persons().unwrap();
    let tracks: Vec<TrackId> = all
        .iter()
        .map(|(_, event)| match event {
            Event::Sighting(sighting) => sighting.track,
            _ => panic!("a sighting"),
        })
        .collect();
    let person = store.person_of(tracks[0]).unwrap();
    assert_eq!(
        store.person(person).unwrap().tracks.len(),
        3,
        "one person to begin with"
    );
    let report = store.forget(&Forget::Track(tracks[0]), 9, false).unwrap();
    assert_eq!(report.associations, 1);
    assert_eq!(store.person_of(tracks[0]), None);
    let left = store.person_of(tracks[1]).unwrap();
    assert_eq!(store.person(left).unwrap().tracks.len(), 2);
    for name in ["snapshot.json", "log", "decisions.jsonl"] {
        let text = fs_err::read(dir.path().join("persons").join(name)).unwrap();
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(!text.contains(&tracks[0].to_string()), "{name}");
    }
    let report = store.forget(&Forget::Person(left), 10, false).unwrap();
    assert_eq!((report.tracks.len(), report.associations), (2, 2));
    assert_eq!(store.status().unwrap().exemplars, 0);
    let error = store.forget(&Forget::Person(left), 11, false).unwrap_err();
    assert!(error.to_string().contains("no tracks"), "{error}");
}

fn kept(
    retention: Retention,
    all: &[(u64, Event)],
    now_ns: Option<i64>,
) -> (Vec<TrackId>, StoreStatus) {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options();
    options.retention = retention;
    let store = Store::open(dir.path(), &options).unwrap();
    store.apply(all).unwrap();
    store.expire(now_ns).unwrap();
    let tracks = store.index().tracklets.every(&Where::default()).unwrap();
    let mut tracks: Vec<TrackId> = tracks
        .into_iter()
        .map(|found| {
            points::from_payload::<points::TrackletPayload>(found.payload)
                .unwrap()
                .track
        })
        .collect();
    tracks.sort_unstable();
    (tracks, store.status().unwrap())
}

#[test]
fn tracks_beyond_the_age_or_the_room_go_with_their_pictures_oldest_first() {
    let births_s = [10, 20, 30, 40, 50];
    let all: Vec<(u64, Event)> = births_s
        .iter()
        .map(|s| {
            (
                1,
                Event::Sighting(Box::new(sighting("gate-1", s * 1_000_000_000, 0, 0))),
            )
        })
        .collect();
    let of = |births_s: &[i64]| {
        let mut tracks: Vec<TrackId> = births_s
            .iter()
            .map(|s| sighting("gate-1", s * 1_000_000_000, 0, 0).track)
            .collect();
        tracks.sort_unstable();
        tracks
    };
    let age = |seconds| Retention {
        max_age: Some(Duration::from_secs(seconds)),
        ..Retention::default()
    };
    let (left, status) = kept(age(20), &all, None);
    assert_eq!(left, of(&[30, 40, 50]), "exactly as old as allowed stays");
    assert_eq!(
        (status.expired, status.exemplars, status.crops.crops),
        (2, 3, 3)
    );
    assert_eq!(kept(age(20), &all, Some(65_000_000_000)).0, of(&[50]));
    assert_eq!(
        kept(Retention::default(), &all, Some(i64::MAX)).0,
        of(&births_s)
    );
    let one = 2 * (16 + 1024) + 300;
    let room = Retention {
        max_bytes: Some(one * 5),
        ..Retention::default()
    };
    assert_eq!(kept(room, &all, None).1.expired, 0);
    let room = Retention {
        max_bytes: Some(0),
        ..Retention::default()
    };
    let (left, status) = kept(room, &all, None);
    assert_eq!(
        (left.len(), status.exemplars, status.crops.bytes),
        (0, 0, 0)
    );
}
