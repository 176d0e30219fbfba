//! What was backed up comes back, and only what may.

use super::tests::{digest_of, events, options};
use super::*;
use crate::event::Stretch;
use crate::event::testing::coverage;
use crate::{AssociationOptions, Event, TrackId};

fn track(ordinal: u32) -> TrackId {
    let camera = ["gate-1", "gate-2"][ordinal as usize % 2];
    TrackId::derive("site", camera, 1_000_000_000, ordinal)
}

fn with_persons() -> StoreOptions {
    StoreOptions {
        persons: Some(AssociationOptions::default()),
        ..options()
    }
}

/// A store with four tracks, and its backup beside it.
fn backed_up(dir: &Path) -> (Store, PathBuf, Backup) {
    let store = Store::open(dir.join("store"), &with_persons()).unwrap();
    store.apply(&events(4, 4)).unwrap();
    let beat = Event::Coverage(coverage("gate-1", 0, 5_000_000_000, true));
    store.apply(&[(1, beat)]).unwrap();
    store.settle_persons().unwrap();
    let to = dir.join("backup");
    let dry = store.backup(&to, 7, true).unwrap();
    assert!(!to.exists(), "a dry run writes nothing");
    let backup = store.backup(&to, 7, false).unwrap();
    assert_eq!(
        (dry.exemplars, dry.digest),
        (backup.exemplars, backup.digest.clone())
    );
    (store, to, backup)
}

#[test]
fn a_backup_comes_back_as_the_same_store() {
    let dir = tempfile::tempdir().unwrap();
    let (store, from, backup) = backed_up(dir.path());
    assert_eq!(
        (backup.exemplars, backup.tracklets, backup.crops),
        (16, 4, 16)
    );
    assert_eq!(Backup::verify(&from).unwrap(), backup);
    assert!(
        store.backup(&from, 8, false).is_err(),
        "nothing is written over"
    );
    let to = dir.path().join("again");
    let dry = Store::restore(&from, &to, &with_persons(), true).unwrap();
    assert!((dry.exemplars, to.exists()) == (0, false));
    let restored = Store::restore(&from, &to, &with_persons(), false).unwrap();
    assert_eq!(
        (restored.exemplars, restored.tracklets, restored.forgotten),
        (16, 4, 0)
    );
    assert!(restored.is_same);
    let again = Store::open(&to, &with_persons()).unwrap();
    assert_eq!(again.digest().unwrap(), store.digest().unwrap());
    assert_eq!(again.person_of(track(1)), store.person_of(track(1)));
    assert_eq!(
        again.coverage(&[], None, None),
        store.coverage(&[], None, None)
    );
    assert_eq!(again.verify().unwrap().faults, [] as [String; 0]);
    // What comes again changes nothing.
    again.apply(&events(4, 4)).unwrap();
    assert_eq!(again.digest().unwrap(), store.digest().unwrap());
    drop(again);
    let error = Store::restore(&from, &to, &with_persons(), false).unwrap_err();
    assert!(
        error.to_string().contains("holds something already"),
        "{error}"
    );
}

#[test]
fn what_was_forgotten_before_or_after_the_backup_does_not_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().join("store"), &with_persons()).unwrap();
    store.apply(&events(4, 4)).unwrap();
    let from = dir.path().join("backup");
    store.forget(&Forget::Track(track(0)), 5, false).unwrap();
    store.backup(&from, 7, false).unwrap();
    store.forget(&Forget::Track(track(2)), 8, false).unwrap();
    let stretch = Stretch {
        site: None,
        camera: "gate-2".into(),
        from_ns: 2_000_000_000,
        to_ns: 2_500_000_000,
    };
    store.forget(&Forget::Camera(stretch), 9, false).unwrap();
    drop(store);
    // The store is lost, but for what is forgotten.
    let to = dir.path().join("again");
    fs_err::create_dir_all(to.join("forgotten")).unwrap();
    for name in ["book", "done"] {
        let kept = dir.path().join("store/forgotten").join(name);
        fs_err::copy(kept, to.join("forgotten").join(name)).unwrap();
    }
    let restored = Store::restore(&from, &to, &with_persons(), false).unwrap();
    assert_eq!(
        (restored.exemplars, restored.tracklets, restored.forgotten),
        (0, 0, 15)
    );
    assert!(!restored.is_same);
    let again = Store::open(&to, &with_persons()).unwrap();
    again.apply(&events(4, 4)).unwrap();
    assert_eq!(again.digest().unwrap(), digest_of(&[&[]]));
    assert_eq!(again.person_of(track(1)), None);
    assert_eq!(again.status().unwrap().crops.crops, 0);
}

#[test]
fn a_backup_that_was_changed_or_not_finished_is_refused() {
    let spoilers: [fn(&Path); 6] = [
        |dir| fs_err::remove_file(dir.join("backup.json")).unwrap(),
        |dir| fs_err::write(dir.join("backup.json"), "{}").unwrap(),
        |dir| fs_err::remove_file(dir.join("tracklets")).unwrap(),
        |dir| {
            let mut bytes = fs_err::read(dir.join("exemplars")).unwrap();
            let at = bytes.len() / 2;
            bytes[at] ^= 1;
            fs_err::write(dir.join("exemplars"), bytes).unwrap();
        },
        |dir| {
            let name = &backup::files_in(&dir.join("crops")).unwrap()[0];
            fs_err::write(dir.join("crops").join(name), "torn").unwrap();
        },
        |dir| {
            let name = &backup::files_in(&dir.join("crops")).unwrap()[0];
            fs_err::remove_file(dir.join("crops").join(name)).unwrap();
        },
    ];
    let dir = tempfile::tempdir().unwrap();
    let (store, whole, _) = backed_up(dir.path());
    drop(store);
    for (number, spoil) in spoilers.into_iter().enumerate() {
        let spoiled = dir.path().join(format!("spoiled-{number}"));
        for file in backup::files_in(&whole).unwrap() {
            backup::copy(&whole.join(&file), &spoiled.join(&file)).unwrap();
        }
        spoil(&spoiled);
        let to = dir.path().join(format!("to-{number}"));
        let error = Store::restore(&spoiled, &to, &with_persons(), false).unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "{number}: {error}");
        assert!(!to.exists(), "{number}: nothing is written of a bad backup");
    }
    let mut other = with_persons();
    other.vectors[0].model = "new@1".into();
    let error = Store::restore(&whole, &dir.path().join("other"), &other, false).unwrap_err();
    assert!(matches!(error, Error::Mismatch { .. }), "{error}");
}

#[test]
fn a_picture_that_no_point_names_stays_out_of_a_backup() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _, whole) = backed_up(dir.path());
    let stray = dir.path().join("stray");
    let jpeg = b"of a track that another store held";
    fs_err::write(&stray, jpeg).unwrap();
    let name = backup::hash_of(&stray).unwrap();
    assert!(store.crops.put(&name, jpeg, 2_000_000_000).unwrap());
    let to = dir.path().join("second");
    let backup = store.backup(&to, 8, false).unwrap();
    assert_eq!(
        (backup.crops, backup.crop_bytes),
        (whole.crops, whole.crop_bytes)
    );
    assert_eq!(Backup::verify(&to).unwrap(), backup);
}

#[test]
fn a_look_at_a_store_names_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _, _) = backed_up(dir.path());
    let whole = store.verify().unwrap();
    assert_eq!((whole.exemplars, whole.tracklets, whole.crops), (16, 4, 16));
    assert_eq!((whole.faults.len(), whole.crops_gone), (0, 0));
    let name = store.crops.names().remove(3);
    fs_err::write(store.crops.find(&name).unwrap(), "torn").unwrap();
    store
        .index()
        .tracklets
        .delete_ids(&[track(3).tracklet_point()])
        .unwrap();
    let faults = store.verify().unwrap().faults;
    assert_eq!(faults.len(), 5, "{faults:?}");
    assert!(
        faults.iter().any(|fault| fault.contains(&name)),
        "{faults:?}"
    );
    assert!(
        faults.iter().any(|fault| fault.contains("its track")),
        "{faults:?}"
    );
}
