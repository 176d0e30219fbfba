//! A store moves to another model while people search and cameras go on, and whatever happens meanwhile.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::event::testing::{sighting, vector};
use crate::store::engine::server::stand_in::{Fault, StandIn};
use crate::store::tests::{digest_of, events, options};
use crate::store::*;
use crate::{AssociationOptions, Event, Filter, QueryKind, TrackId};

pub(super) const MODEL: &str = "n@ba9876543210";

pub(super) fn target() -> Vec<VectorSpec> {
    vec![VectorSpec {
        name: "appearance".into(),
        dimension: 32,
        model: MODEL.into(),
    }]
}

/// What a picture looks like to the new model.
fn look(picture: &[u8]) -> Vec<f32> {
    let hash = Sha256::digest(picture);
    hash.iter().map(|byte| f32::from(*byte) - 127.5).collect()
}

/// The new model. It counts its pictures, and can fail.
#[derive(Default)]
pub(super) struct Fake {
    pictures: AtomicU64,
    fails_after: Option<u64>,
}

impl Fake {
    pub(super) fn count(&self) -> u64 {
        self.pictures.load(Ordering::Relaxed)
    }
}

impl Embed for &Fake {
    fn embed(
        &mut self,
        kind: &VectorSpec,
        pictures: &[Vec<u8>],
    ) -> Result<Vec<Option<Vec<f32>>>, String> {
        assert_eq!(*kind, target()[0]);
        let before = self
            .pictures
            .fetch_add(pictures.len() as u64, Ordering::Relaxed);
        if self.fails_after.is_some_and(|most| before >= most) {
            return Err("out of memory".into());
        }
        Ok(pictures.iter().map(|picture| Some(look(picture))).collect())
    }
}

/// Both models, as a process has them that moves its store while cameras send by the old one.
pub(super) struct Both;

impl Embed for Both {
    fn embed(
        &mut self,
        kind: &VectorSpec,
        pictures: &[Vec<u8>],
    ) -> Result<Vec<Option<Vec<f32>>>, String> {
        let rows = pictures.iter();
        Ok(rows
            .map(|picture| Some(look(picture)[..kind.dimension].to_vec()))
            .collect())
    }
}

/// Runs a test on an index in a folder, and on a server.
pub(super) fn on_both(test: impl Fn(&StoreOptions, &Path)) {
    let dir = tempfile::tempdir().unwrap();
    test(&options(), dir.path());
    let server = StandIn::start();
    let dir = tempfile::tempdir().unwrap();
    let on_server = StoreOptions {
        server: Some(ServerOptions::new(server.url())),
        ..options()
    };
    test(&on_server, dir.path());
}

pub(super) fn moved(options: &StoreOptions) -> StoreOptions {
    StoreOptions {
        vectors: target(),
        ..options.clone()
    }
}

pub(super) fn search(store: &Store, model: &str, values: Vec<f32>) -> Vec<TrackId> {
    let query = Query {
        kind: QueryKind::Vector {
            name: "appearance".into(),
            model: model.into(),
            values,
        },
        filter: Filter::default(),
        limit: 100,
    };
    let answer = store.search(&query).unwrap();
    answer.hits.iter().map(|hit| hit.track).collect()
}

pub(super) fn of(event: &(u64, Event)) -> &crate::Sighting {
    match &event.1 {
        Event::Sighting(sighting) => sighting,
        other => panic!("no sighting: {other:?}"),
    }
}

pub(super) fn finds_its_own(store: &Store, all: &[(u64, Event)]) {
    for event in all {
        let sighting = of(event);
        let found = search(store, MODEL, look(sighting.crop.as_ref().unwrap()));
        assert_eq!(found[0], sighting.track, "sighting {}", sighting.id);
    }
}

fn track(ordinal: u32) -> TrackId {
    let camera = ["gate-1", "gate-2"][ordinal as usize % 2];
    TrackId::derive("site", camera, 1_000_000_000, ordinal)
}

pub(super) const ALWAYS: &dyn Fn() -> bool = &|| true;

/// Says yes so often.
fn so_often(times: u64) -> impl Fn() -> bool {
    let left = AtomicU64::new(times);
    move || {
        let one_less = |left: u64| left.checked_sub(1);
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
            .is_ok()
    }
}

#[test]
fn a_store_moves_to_another_model_and_nothing_else_changes() {
    on_both(|options, dir| {
        let store = Store::open(dir, options).unwrap();
        let all = events(20, 3);
        store.apply(&all).unwrap();
        let before = store.status().unwrap();
        let digest = store.digest().unwrap();
        let plan = store.migration_plan(&target()).unwrap();
        assert_eq!((plan.done, plan.left, plan.tracks_left), (0, 60, 20));
        assert!(
            !dir.join("migration.json").exists(),
            "a plan changes nothing"
        );
        assert!(store.migration().is_none());

        store.begin_migration(&target()).unwrap();
        let model = Fake::default();
        let status = store.migrate(&mut &model, None, ALWAYS).unwrap();
        assert_eq!((status.done, status.left, status.tracks_left), (60, 0, 0));
        assert_eq!((status.without_picture, status.unreadable), (0, 0));
        assert_eq!(model.count(), 60);
        assert_eq!(
            store.digest().unwrap(),
            digest,
            "what is searched is as it was"
        );

        store.switch(&mut &model).unwrap();
        assert_eq!(model.count(), 60, "nothing is embedded twice");
        assert_eq!(store.status().unwrap().exemplars, before.exemplars);
        assert_eq!(store.status().unwrap().tracklets, before.tracklets);
        assert!(store.verify().unwrap().faults.is_empty());
        finds_its_own(&store, &all);
        let old = vec![1.0, 0.0, 0.0, 0.0];
        let error = store.similarities("appearance", "m@0123456789ab", &old, &[track(0)]);
        assert!(error.unwrap_err().to_string().contains("by `n@"));
        drop(store);

        let error = Store::open(dir, options).unwrap_err();
        assert!(matches!(error, Error::Mismatch { .. }), "{error}");
        let store = Store::open(dir, &moved(options)).unwrap();
        finds_its_own(&store, &all);
        assert!(store.migration().is_none());
        assert!(!dir.join("migration.json").exists());
        assert!(!dir.join("index").exists(), "the old index is gone");
        let error = store.migration_plan(&target()).unwrap_err().to_string();
        assert!(error.contains("already"), "{error}");
        // And back again.
        store.begin_migration(&options.vectors).unwrap();
        let mut back = Both;
        store.migrate(&mut back, None, ALWAYS).unwrap();
        store.switch(&mut back).unwrap();
        drop(store);
        let store = Store::open(dir, options).unwrap();
        assert_eq!(store.status().unwrap().exemplars, before.exemplars);
        assert_eq!(search(&store, "m@0123456789ab", old).len(), 20);
    });
}

#[test]
fn a_migration_that_was_killed_goes_on_and_embeds_no_picture_twice() {
    on_both(|options, dir| {
        let all = events(40, 3);
        let store = Store::open(dir, options).unwrap();
        store.apply(&all).unwrap();
        store.flush().unwrap();
        store.begin_migration(&target()).unwrap();
        drop(store);
        let model = Fake::default();
        let mut runs = 0;
        loop {
            let store = Store::open(dir, options).unwrap();
            store.begin_migration(&target()).unwrap();
            let before = model.count();
            assert_eq!(store.migration_plan(&target()).unwrap().done, before);
            // Two rounds of eight tracks, and then it is killed: nothing is flushed that the round did not flush.
            let status = store.migrate(&mut &model, None, &so_often(2)).unwrap();
            assert_eq!(status.done, model.count());
            runs += 1;
            if status.left == 0 && status.tracks_left == 0 {
                store.switch(&mut &model).unwrap();
                finds_its_own(&store, &all);
                break;
            }
            assert_eq!(model.count(), before + 48);
        }
        assert_eq!((runs, model.count()), (3, 120));
    });
}

#[test]
fn what_comes_while_a_store_moves_gets_both() {
    on_both(|options, dir| {
        let all = events(30, 4);
        let (before, after) = all.split_at(60);
        let store = Store::open(dir, options).unwrap();
        store.apply(before).unwrap();
        store.begin_migration(&target()).unwrap();
        let model = Fake::default();
        store.migrate(&mut &model, None, &so_often(1)).unwrap();
        // New tracks, repeats, and late sightings of tracks that were done already.
        store.apply(after).unwrap();
        let mut late = sighting("gate-1", 1_000_000_000, 0, 9);
        late.state.revision = 0;
        let late = (999, Event::Sighting(Box::new(late)));
        store.apply(&[late.clone(), before[0].clone()]).unwrap();
        assert!(store.migration().unwrap().left >= 60);
        assert_eq!(search(&store, "m@0123456789ab", vec![1.0; 4]).len(), 30);
        let status = store.migrate(&mut &model, None, ALWAYS).unwrap();
        assert_eq!((status.done, status.left, status.tracks_left), (121, 0, 0));
        assert_eq!(model.count(), 121);
        // Once more, between the last look and the switch.
        let newest = (
            1000,
            Event::Sighting(Box::new(sighting("gate-1", 7, 77, 0))),
        );
        store.apply(std::slice::from_ref(&newest)).unwrap();
        store.switch(&mut &model).unwrap();
        assert_eq!(store.status().unwrap().exemplars, 122);
        finds_its_own(&store, &all);
        finds_its_own(&store, &[late, newest]);
        // The state of a track is the one that was searched before.
        let mut by_new = sighting("gate-1", 1_000_000_000, 0, 10);
        for vectors in [&mut by_new.vectors, &mut by_new.state.vectors] {
            *vectors = vec![vector("appearance", MODEL, &[0.5; 32])];
        }
        let applied = store
            .apply(&[(1001, Event::Sighting(Box::new(by_new)))])
            .unwrap();
        assert_eq!((applied.sightings, applied.tracklets), (1, 1));
        assert_eq!(store.apply(before).unwrap().refused, 60, "by the old model");
    });
}

#[test]
fn what_is_forgotten_while_a_store_moves_does_not_come_back() {
    on_both(|options, dir| {
        let all = events(24, 3);
        let store = Store::open(dir, options).unwrap();
        store.apply(&all).unwrap();
        store.begin_migration(&target()).unwrap();
        let model = Fake::default();
        store.migrate(&mut &model, None, &so_often(1)).unwrap();
        let done: Vec<u32> = (0..24).filter(|n| is_in_next(&store, track(*n))).collect();
        let not_yet = (0..24).find(|n| !done.contains(n)).unwrap();
        for ordinal in [done[0], not_yet] {
            let report = store
                .forget(&Forget::Track(track(ordinal)), 9, false)
                .unwrap();
            assert_eq!((report.sightings, report.proof.found), (3, 0));
            assert!(!is_in_next(&store, track(ordinal)));
        }
        // A process that does not migrate deletes in both too.
        drop(store);
        let store = Store::open(dir, options).unwrap();
        store
            .forget(&Forget::Track(track(done[1])), 9, false)
            .unwrap();
        assert!(!is_in_next(&store, track(done[1])));
        store.apply(&all).unwrap();
        store.migrate(&mut &model, None, ALWAYS).unwrap();
        store.switch(&mut &model).unwrap();
        let status = store.status().unwrap();
        assert_eq!((status.exemplars, status.tracklets), (63, 21));
        let gone = [track(done[0]), track(done[1]), track(not_yet)];
        for event in all.iter().filter(|event| gone.contains(&of(event).track)) {
            let found = search(&store, MODEL, look(of(event).crop.as_ref().unwrap()));
            assert_eq!(found.len(), 21);
            assert!(!found.contains(&of(event).track));
        }
        assert!(store.verify().unwrap().faults.is_empty());
    });
}

fn is_in_next(store: &Store, track: TrackId) -> bool {
    let next = store.next().unwrap();
    let of_track = Where::all_of(vec![engine::Condition::is("track", &track)]);
    let points = [track.tracklet_point()];
    let tracklets = next.generation.tracklets.retrieve(&points, false).unwrap();
    !tracklets.is_empty() || next.generation.exemplars.count(&of_track).unwrap() > 0
}

#[test]
fn tracks_that_expire_while_a_store_moves_go_from_both() {
    let mut bounded = options();
    bounded.retention.max_age = Some(Duration::from_secs(5));
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), &bounded).unwrap();
    store.apply(&events(8, 3)).unwrap();
    store.begin_migration(&target()).unwrap();
    let model = Fake::default();
    store.migrate(&mut &model, None, ALWAYS).unwrap();
    let late = sighting("gate-1", 60_000_000_000, 50, 0);
    store
        .apply(&[(99, Event::Sighting(Box::new(late)))])
        .unwrap();
    assert_eq!(store.expire(None).unwrap().tracks, 8);
    store.switch(&mut &model).unwrap();
    let status = store.status().unwrap();
    assert_eq!((status.exemplars, status.tracklets), (1, 1));
}

#[test]
fn a_kill_around_the_switch_leaves_the_one_or_the_other() {
    on_both(|options, dir| {
        let all = events(10, 2);
        let store = Store::open(dir, options).unwrap();
        store.apply(&all).unwrap();
        store.begin_migration(&target()).unwrap();
        let model = Fake::default();
        store.migrate(&mut &model, None, ALWAYS).unwrap();
        store.flush().unwrap();
        // Before it: the old one is searched, the new one waits.
        drop(store);
        let store = Store::open(dir, options).unwrap();
        assert_eq!(search(&store, "m@0123456789ab", vec![1.0; 4]).len(), 10);
        // After it: the new one is, though nothing else was done yet.
        store.place.switch(&store.next().unwrap().note).unwrap();
        drop(store);
        assert!(matches!(
            Store::open(dir, options),
            Err(Error::Mismatch { .. })
        ));
        for _ in 0..2 {
            let store = Store::open(dir, &moved(options)).unwrap();
            finds_its_own(&store, &all);
            assert!(store.migration().is_none());
            assert!(!dir.join("index").exists() && !dir.join("migration.json").exists());
        }
        assert_eq!(model.count(), 20);
    });
}

#[test]
fn a_migration_can_be_given_up_and_begun_again() {
    on_both(|options, dir| {
        let store = Store::open(dir, options).unwrap();
        store.apply(&events(20, 2)).unwrap();
        let digest = store.digest().unwrap();
        store.begin_migration(&target()).unwrap();
        let model = Fake::default();
        store.migrate(&mut &model, None, &so_often(1)).unwrap();
        let mut other = target();
        other[0].model = "third@1".into();
        let error = store.begin_migration(&other).unwrap_err().to_string();
        assert!(error.contains(MODEL), "{error}");
        store.abandon_migration().unwrap();
        let store = Store::open(dir, options).unwrap();
        assert!(store.migration().is_none());
        assert_eq!(store.digest().unwrap(), digest);
        assert!(!dir.join("index-2").exists());
        store.begin_migration(&other).unwrap();
        // It dies while it gives up.
        let note = store.next().unwrap().note.clone();
        let text = serde_json::to_string(&note)
            .unwrap()
            .replace("false", "true");
        drop(store);
        fs_err::write(dir.join("migration.json"), text).unwrap();
        let store = Store::open(dir, options).unwrap();
        assert!(store.migration().is_none() && !dir.join("index-2").exists());
        store.begin_migration(&target()).unwrap();
        assert_eq!(store.migrate(&mut &model, None, ALWAYS).unwrap().left, 0);
        store.switch(&mut &model).unwrap();
    });
}

/// A model that gives fewer values than it should.
struct Short;

impl Embed for Short {
    fn embed(
        &mut self,
        _: &VectorSpec,
        pictures: &[Vec<u8>],
    ) -> Result<Vec<Option<Vec<f32>>>, String> {
        Ok(vec![Some(vec![1.0; 4]); pictures.len()])
    }
}

#[test]
fn a_model_that_fails_costs_nothing_that_was_there() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), &options()).unwrap();
    let all = events(20, 2);
    store.apply(&all).unwrap();
    let digest = store.digest().unwrap();
    let error = store
        .migrate(&mut Both, None, ALWAYS)
        .unwrap_err()
        .to_string();
    assert!(error.contains("does not move"), "{error}");
    store.begin_migration(&target()).unwrap();
    let broken = Fake {
        fails_after: Some(16),
        ..Fake::default()
    };
    let error = store.migrate(&mut &broken, None, ALWAYS).unwrap_err();
    assert!(error.to_string().contains("out of memory"), "{error}");
    let error = store
        .migrate(&mut Short, None, ALWAYS)
        .unwrap_err()
        .to_string();
    assert!(error.contains("4 values, expected 32"), "{error}");
    assert_eq!(store.digest().unwrap(), digest);
    let sound = Fake::default();
    let status = store.migrate(&mut &sound, None, ALWAYS).unwrap();
    assert_eq!((status.done, status.left, sound.count()), (40, 0, 24));
    store.switch(&mut &sound).unwrap();
    finds_its_own(&store, &all);
}

#[test]
fn sightings_without_a_picture_keep_their_time_and_place() {
    let mut few = options();
    few.crops.max_bytes = 300 * 10 + 299;
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), &few).unwrap();
    store.apply(&events(8, 2)).unwrap();
    let plan = store.migration_plan(&target()).unwrap();
    assert_eq!((plan.left, plan.without_picture), (16, 6));
    // The end of a track loses nothing; a vector that came without its picture is lost.
    for (ordinal, has_vector) in [(0, false), (1, true)] {
        let mut bare = sighting(
            ["gate-1", "gate-2"][ordinal],
            1_000_000_000,
            ordinal as u32,
            2,
        );
        bare.crop = None;
        if !has_vector {
            bare.vectors.clear();
        }
        store
            .apply(&[(99, Event::Sighting(Box::new(bare)))])
            .unwrap();
    }
    let plan = store.migration_plan(&target()).unwrap();
    assert_eq!((plan.left, plan.without_picture), (18, 7));
    store.begin_migration(&target()).unwrap();
    let model = Fake::default();
    let status = store.migrate(&mut &model, None, ALWAYS).unwrap();
    assert_eq!(
        (status.done, status.without_picture, model.count()),
        (18, 7, 10)
    );
    store.switch(&mut &model).unwrap();
    let status = store.status().unwrap();
    assert_eq!((status.exemplars, status.tracklets), (18, 8));
    let by_time = Query {
        kind: QueryKind::Time,
        filter: Filter::default(),
        limit: 100,
    };
    assert_eq!(store.search(&by_time).unwrap().hits.len(), 8);
    assert!(store.verify().unwrap().faults.is_empty());
}

#[test]
fn a_budget_bounds_pictures_a_second() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), &options()).unwrap();
    store.apply(&events(20, 2)).unwrap();
    store.begin_migration(&target()).unwrap();
    let begin = std::time::Instant::now();
    let model = Fake::default();
    let budget = NonZeroU32::new(100);
    let status = store.migrate(&mut &model, budget, ALWAYS).unwrap();
    assert!(begin.elapsed() >= Duration::from_millis(400));
    assert!(
        status.per_second > 0.0 && status.per_second <= 100.0,
        "{status:?}"
    );
}

#[test]
fn a_shared_collection_is_not_moved_by_one_of_its_sites() {
    let server = StandIn::start();
    let dir = tempfile::tempdir().unwrap();
    let mut shared = options();
    shared.server = Some(ServerOptions {
        site: Some("site".into()),
        ..ServerOptions::new(server.url())
    });
    let store = Store::open(dir.path(), &shared).unwrap();
    let error = store.begin_migration(&target()).unwrap_err().to_string();
    assert!(error.contains("several sites"), "{error}");
    assert!(store.migration().is_none() && !dir.path().join("migration.json").exists());
}

#[test]
fn one_of_several_processes_moves_the_collections_that_they_share() {
    let server = StandIn::start();
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let on_server = StoreOptions {
        server: Some(ServerOptions::new(server.url())),
        ..options()
    };
    let all = events(6, 2);
    let (before, meanwhile) = all.split_at(8);
    let store = Store::open(ours.path(), &on_server).unwrap();
    let other = Store::open(theirs.path(), &on_server).unwrap();
    store.apply(before).unwrap();
    store.begin_migration(&target()).unwrap();
    let error = other.begin_migration(&target()).unwrap_err().to_string();
    assert!(error.contains("another process moves"), "{error}");
    assert!(other.migration().is_none() && !theirs.path().join("migration.json").exists());
    let model = Fake::default();
    store.migrate(&mut &model, None, ALWAYS).unwrap();
    // Nobody tells the one that moves them.
    other.apply(meanwhile).unwrap();
    store.switch(&mut &model).unwrap();
    assert_eq!(store.status().unwrap().exemplars, 12);
    // Its pictures lie with the other one.
    finds_its_own(&store, before);
    assert!(
        other.apply(before).is_err(),
        "vectors of two models never meet"
    );
}

#[test]
fn a_server_that_loses_what_is_made_is_sent_it_again() {
    let server = StandIn::start();
    let dir = tempfile::tempdir().unwrap();
    let on_server = StoreOptions {
        server: Some(ServerOptions::new(server.url())),
        ..options()
    };
    let store = Store::open(dir.path(), &on_server).unwrap();
    let all = events(10, 2);
    store.apply(&all).unwrap();
    store.begin_migration(&target()).unwrap();
    server.fail("upsert", &[Fault::Lose, Fault::OnlyTakeIn, Fault::Lose]);
    let model = Fake::default();
    store.migrate(&mut &model, None, ALWAYS).unwrap();
    // The answer to the switch is lost on its way, so that it is asked for again.
    server.fail(
        "update_aliases",
        &[Fault::Refuse(tonic::Code::Unavailable, "going down")],
    );
    store.switch(&mut &model).unwrap();
    finds_its_own(&store, &all);
    assert!(server.made("sightline-tracklets-1").is_none(), "it is gone");
    assert!(server.made("sightline-tracklets-2").is_some());
}

#[test]
fn persons_stay_who_they_are_and_go_on_by_the_new_looks() {
    on_both(|options, dir| {
        let with_persons = StoreOptions {
            persons: Some(AssociationOptions::default()),
            ..options.clone()
        };
        let all = events(6, 4);
        let store = Store::open(dir, &with_persons).unwrap();
        store.apply(&all).unwrap();
        store.begin_migration(&target()).unwrap();
        let model = Fake::default();
        store.migrate(&mut &model, None, ALWAYS).unwrap();
        store.switch(&mut &model).unwrap();
        let persons: Vec<_> = (0..6).map(|n| store.person_of(track(n))).collect();
        assert!(persons.iter().all(Option::is_some));
        for (ordinal, person) in (0..6).zip(&persons) {
            let of_person = Filter {
                person: *person,
                ..Filter::default()
            };
            let query = Query {
                kind: QueryKind::Time,
                filter: of_person,
                limit: 100,
            };
            let hits = store.search(&query).unwrap().hits;
            assert!(hits.iter().any(|hit| hit.track == track(ordinal)));
        }
        drop(store);
        let store = Store::open(dir, &moved(&with_persons)).unwrap();
        assert_eq!(
            (0..6)
                .map(|n| store.person_of(track(n)))
                .collect::<Vec<_>>(),
            persons
        );
        let snapshot = fs_err::read_to_string(dir.join("persons/snapshot.json")).unwrap();
        let digits = |values: usize| {
            let wanted = 8 * values;
            let texts = snapshot.split('"').filter(|text| text.len() == wanted);
            texts
                .filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()))
                .count()
        };
        assert_eq!(digits(4), 0, "no look by the old model is left");
        assert!(digits(32) >= 6);
    });
}

#[test]
fn a_store_that_does_not_move_is_as_it_always_was() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), &options()).unwrap();
    store.apply(&events(4, 4)).unwrap();
    assert_eq!(store.digest().unwrap(), digest_of(&[&events(4, 4)]));
    assert!(dir.path().join("index").is_dir() && !dir.path().join("generation").exists());
    drop(store);
    // An index that nobody points to is no reason to begin with an empty one.
    fs_err::write(dir.path().join("generation"), "2\n").unwrap();
    let error = Store::open(dir.path(), &options()).unwrap_err().to_string();
    assert!(error.contains("generation"), "{error}");
    fs_err::write(dir.path().join("generation"), "two").unwrap();
    assert!(Store::open(dir.path(), &options()).is_err());
}
