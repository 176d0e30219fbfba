//! What people see who search while a store moves to another model, and whether anything gets lost that comes meanwhile.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::tests::{ALWAYS, Both, Fake, MODEL, finds_its_own, moved, on_both, search, target};
use crate::store::tests::events;
use crate::store::*;
use crate::{Event, Filter, QueryKind};

const OLD: &str = "m@0123456789ab";

#[test]
fn queries_find_no_less_while_a_store_moves() {
    on_both(|options, dir| {
        let store = Store::open(dir, options).unwrap();
        let all = events(40, 3);
        store.apply(&all).unwrap();
        let asked = vec![1.0, 0.2, 0.5, 0.25];
        let whole = search(&store, OLD, asked.clone());
        assert_eq!(whole.len(), 40);
        let is_over = AtomicBool::new(false);
        let rounds = AtomicU64::new(0);
        std::thread::scope(|scope| {
            let people = scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    assert_eq!(search(&store, OLD, asked.clone()), whole);
                    rounds.fetch_add(1, Ordering::Relaxed);
                }
            });
            store.begin_migration(&target()).unwrap();
            let model = Fake::default();
            // Each step waits for a question, so that there are questions in all of it.
            let step = || {
                let before = rounds.load(Ordering::Relaxed);
                while rounds.load(Ordering::Relaxed) == before && !people.is_finished() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                !people.is_finished()
            };
            let status = store.migrate(&mut &model, None, &step).unwrap();
            is_over.store(true, Ordering::Relaxed);
            people.join().unwrap();
            assert_eq!((status.done, status.left), (120, 0));
        });
        assert!(rounds.load(Ordering::Relaxed) >= 5);
    });
}

/// Asks by whichever model the store is by, as whoever holds both does it; how many tracks are found.
fn found_by_either(store: &Store) -> usize {
    for _ in 0..2 {
        let kind = store.index().vectors[0].clone();
        let values = vec![1.0; kind.dimension];
        let answer = store.search(&Query {
            kind: QueryKind::Vector {
                name: kind.name,
                model: kind.model,
                values,
            },
            filter: Filter::default(),
            limit: 1_000,
        });
        match answer {
            Ok(answer) => return answer.hits.len(),
            // It moved between the two steps; the console holds a lock over both.
            Err(Error::Query { what }) => assert!(what.contains("by model"), "{what}"),
            Err(error) => panic!("{error}"),
        }
    }
    panic!("it moved twice");
}

#[test]
fn a_store_moves_in_its_place_while_people_search_and_cameras_send_by_the_old_model() {
    on_both(|options, dir| {
        let store = Store::open(dir, options).unwrap();
        let all = events(40, 3);
        let (before, meanwhile) = all.split_at(60);
        store.apply(before).unwrap();
        let whole = found_by_either(&store);
        assert_eq!(whole, 20);
        store.begin_migration(&target()).unwrap();
        let (is_over, has_moved) = (AtomicBool::new(false), AtomicBool::new(false));
        let asked = AtomicU64::new(0);
        let embedder = Embedder::new(Box::new(Both));
        let embedded = std::thread::scope(|scope| {
            let people = scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let found = found_by_either(&store);
                    assert!(found >= whole, "{found} of {whole}");
                    asked.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(2));
                }
            });
            let cameras = scope.spawn(|| {
                let mut embedded = 0;
                for (number, batch) in meanwhile.chunks(10).enumerate() {
                    // Half of it is sent when the store has moved.
                    while number >= 3 && !has_moved.load(Ordering::Relaxed) {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    let (applied, anew) = store
                        .apply_embedding(batch, Some(&embedder), &mut None)
                        .unwrap();
                    assert_eq!((applied.sightings, applied.refused), (10, 0));
                    embedded += anew;
                }
                embedded
            });
            let model = Fake::default();
            store.migrate(&mut &model, None, ALWAYS).unwrap();
            store.switch(&mut &model).unwrap();
            has_moved.store(true, Ordering::Relaxed);
            let embedded = cameras.join().unwrap();
            let before = asked.load(Ordering::Relaxed);
            while asked.load(Ordering::Relaxed) < before + 2 && !people.is_finished() {
                std::thread::sleep(Duration::from_millis(1));
            }
            is_over.store(true, Ordering::Relaxed);
            people.join().unwrap();
            embedded
        });
        assert!(
            embedded >= 30,
            "{embedded} came by the old model afterwards"
        );
        assert_eq!(store.status().unwrap().exemplars, 120);
        assert_eq!(store.verify().unwrap().faults, Vec::<String>::new());
        assert!(store.migration().is_none() && !dir.join("migration.json").exists());
        assert!(!dir.join("index").exists(), "the old index is gone");
        drop(store);
        assert!(Store::is_by(dir, &moved(options)).unwrap());
        assert!(!Store::is_by(dir, options).unwrap());
        finds_its_own(&Store::open(dir, &moved(options)).unwrap(), &all);
    });
}

#[test]
fn what_was_embedded_for_a_batch_that_the_disk_refused_is_embedded_again_after_a_move() {
    on_both(|options, dir| {
        let store = Store::open(dir, options).unwrap();
        let all = events(4, 2);
        store.apply(&all[..4]).unwrap();
        store.begin_migration(&target()).unwrap();
        let model = Fake::default();
        store.migrate(&mut &model, None, ALWAYS).unwrap();
        // A third model's sightings were embedded for the old one, and then could not be written.
        let mut by_third = all[4..].to_vec();
        for (_, event) in &mut by_third {
            if let Event::Sighting(sighting) = event {
                let of_state = &mut sighting.state.vectors;
                for vector in sighting.vectors.iter_mut().chain(of_state) {
                    vector.model = "third@0123456789ab".into();
                }
            }
        }
        let embedder = Embedder::new(Box::new(Both));
        let mut embedded = None;
        store
            .apply_embedding(&by_third, Some(&embedder), &mut embedded)
            .unwrap();
        assert!(embedded.is_some());
        store.switch(&mut &model).unwrap();
        let (applied, anew) = store
            .apply_embedding(&by_third, Some(&embedder), &mut embedded)
            .unwrap();
        assert_eq!((applied.sightings, applied.refused, anew), (4, 0, 4));
        finds_its_own(&store, &all);
        assert!(search(&store, MODEL, vec![1.0; 32]).len() == 4);
    });
}
