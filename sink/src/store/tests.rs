//! The store: order and repeats, models, locks, damage.

use proptest::prelude::*;

use super::*;
use crate::Event;
use crate::event::Sighting;
use crate::event::testing::{coverage, sighting, vector};

pub(crate) fn options() -> StoreOptions {
    StoreOptions::new(vec![VectorSpec {
        name: "appearance".into(),
        dimension: 4,
        model: "m@0123456789ab".into(),
    }])
}

pub(super) fn events(tracks: u32, sightings: u32) -> Vec<(u64, Event)> {
    let mut events = Vec::new();
    for track in 0..tracks {
        for sequence in 0..sightings {
            let camera = ["gate-1", "gate-2"][track as usize % 2];
            let mut sighting = sighting(camera, 1_000_000_000, track, sequence);
            sighting.bbox[3] = 0.4 + ((track * 7 + sequence * 5) % 10) as f32 * 0.05;
            events.push((events.len() as u64 + 1, Event::Sighting(Box::new(sighting))));
        }
    }
    events
}

pub(super) fn digest_of(batches: &[&[(u64, Event)]]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), &options()).unwrap();
    for batch in batches {
        store.apply(batch).unwrap();
    }
    store.flush().unwrap();
    store.digest().unwrap()
}

#[test]
fn what_was_flushed_is_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), &options()).unwrap();
    let applied = store.apply(&events(5, 3)).unwrap();
    assert_eq!(
        (applied.sightings, applied.tracklets, applied.crops),
        (15, 5, 15)
    );
    store.flush().unwrap();
    let (digest, status) = (store.digest().unwrap(), store.status().unwrap());
    assert_eq!(
        (status.exemplars, status.tracklets, status.crops.crops),
        (15, 5, 15)
    );
    drop(store);
    let store = Store::open(dir.path(), &options()).unwrap();
    assert_eq!(store.digest().unwrap(), digest);
    assert_eq!(store.status().unwrap(), status);
    store.optimize().unwrap();
    assert_eq!(store.digest().unwrap(), digest);
    assert_ne!(
        digest,
        digest_of(&[&events(5, 2)]),
        "a digest tells stores apart"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn any_order_with_any_repeats_gives_the_same_store(
        order in Just(events(4, 4)).prop_shuffle(),
        repeats in proptest::collection::vec(any::<prop::sample::Index>(), 0..20),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let mut all = order;
        for index in repeats {
            let again = index.get(&all).clone();
            all.push(again);
        }
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(all.len())).collect();
        cuts.sort_unstable();
        let mut batches: Vec<&[(u64, Event)]> = Vec::new();
        let mut from = 0;
        for cut in cuts.into_iter().chain([all.len()]) {
            batches.push(&all[from..cut]);
            from = cut;
        }
        static STRAIGHT: std::sync::OnceLock<String> = std::sync::OnceLock::new();
        let straight = STRAIGHT.get_or_init(|| digest_of(&[&events(4, 4)]));
        prop_assert_eq!(&digest_of(&batches), straight);
    }
}

#[test]
fn a_sighting_by_another_model_is_refused_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), &options()).unwrap();
    let spoil = |change: fn(&mut Sighting)| {
        let mut sighting = sighting("gate-1", 5, 0, 0);
        change(&mut sighting);
        (1, Event::Sighting(Box::new(sighting)))
    };
    let bad = [
        spoil(|s| s.vectors[0].model = "other@0".into()),
        spoil(|s| s.state.vectors[0].name = "joint".into()),
        spoil(|s| s.vectors[0] = vector("appearance", "m@0123456789ab", &[1.0, 2.0])),
    ];
    let applied = store.apply(&bad).unwrap();
    assert_eq!((applied.refused, applied.sightings), (3, 0));
    assert_eq!(store.status().unwrap(), StoreStatus::default());
}

#[test]
fn a_store_of_another_model_or_dimension_is_refused_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(dir.path(), &options()).unwrap());
    let mut other = options();
    other.vectors[0].model = "new@1".into();
    let error = Store::open(dir.path(), &other).unwrap_err();
    assert!(matches!(error, Error::Mismatch { .. }));
    let text = error.to_string();
    assert!(
        text.contains("m@0123456789ab") && text.contains("new@1") && !text.contains('\n'),
        "{text}"
    );
    let mut wider = options();
    wider.vectors[0].dimension = 8;
    assert!(matches!(
        Store::open(dir.path(), &wider),
        Err(Error::Mismatch { .. })
    ));
    Store::open(dir.path(), &options()).unwrap();
}

#[test]
fn a_second_holder_is_refused_and_told_who_holds_it() {
    let dir = tempfile::tempdir().unwrap();
    let _held = Store::open(dir.path(), &options()).unwrap();
    let text = Store::open(dir.path(), &options()).unwrap_err().to_string();
    assert!(
        text.contains(&format!("pid {}", std::process::id())),
        "{text}"
    );
}

#[test]
fn a_corrupt_store_is_refused_with_its_path() {
    let spoilers: [fn(&Path); 3] = [
        |dir| fs_err::write(dir.join("index/store.json"), b"{").unwrap(),
        |dir| fs_err::remove_file(dir.join("index/store.json")).unwrap(),
        |dir| {
            let segments = dir.join("index/tracklets/segments");
            for entry in fs_err::read_dir(segments).unwrap() {
                let path = entry.unwrap().path().join("segment.json");
                fs_err::write(path, b"rubbish").unwrap();
            }
        },
    ];
    for spoil in spoilers {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), &options()).unwrap();
        store.apply(&events(2, 2)).unwrap();
        drop(store);
        spoil(dir.path());
        let error = Store::open(dir.path(), &options()).unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("index") && !text.contains('\n'), "{text}");
    }
}

#[test]
fn the_engines_log_stays_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let mut wide = options();
    wide.vectors[0].dimension = 1024;
    let store = Store::open(dir.path(), &wide).unwrap();
    let values: Vec<f32> = (0..1024).map(|value| 1.0 + value as f32).collect();
    for round in 0..12 {
        let batch: Vec<_> = (0..300)
            .map(|ordinal| {
                let mut sighting = sighting("gate-1", 5, ordinal, round);
                sighting.crop = None;
                sighting.vectors = vec![vector("appearance", "m@0123456789ab", &values)];
                sighting.state.vectors = sighting.vectors.clone();
                (1, Event::Sighting(Box::new(sighting)))
            })
            .collect();
        store.apply(&batch).unwrap();
        store.flush().unwrap();
    }
    for name in ["exemplars", "tracklets"] {
        let log = dir.path().join("index").join(name).join("wal");
        let bytes: u64 = fs_err::read_dir(log)
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .sum();
        assert!(bytes <= 40 << 20, "{name}: {bytes}");
    }
    let digest = store.digest().unwrap();
    drop(store);
    let store = Store::open(dir.path(), &wide).unwrap();
    assert_eq!(store.digest().unwrap(), digest);
    // Numbering goes on after the old parts of the log are gone: a newer state is still taken.
    let mut newer = sighting("gate-1", 5, 0, 12);
    newer.vectors = vec![vector("appearance", "m@0123456789ab", &values)];
    newer.state.vectors = newer.vectors.clone();
    store
        .apply(&[(1, Event::Sighting(Box::new(newer)))])
        .unwrap();
    assert_ne!(store.digest().unwrap(), digest);
}

#[test]
fn heartbeats_reach_the_record_of_coverage() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), &options()).unwrap();
    let beat = Event::Coverage(coverage("gate-1", 0, 5_000_000_000, true));
    assert_eq!(store.apply(&[(1, beat)]).unwrap().coverage, 1);
    store.flush().unwrap();
    drop(store);
    let store = Store::open(dir.path(), &options()).unwrap();
    let answer = store.coverage(&[], None, None);
    assert_eq!(
        (answer.len(), answer[0].indexed_to_ns),
        (1, Some(5_000_000_000))
    );
}
