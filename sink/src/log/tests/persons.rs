//! Tracks joined by processes of their own: whoever does it, and however often another one goes on, the same persons.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::event::testing::vector;
use crate::log::associate::{AssociateStatus, Associating, AssociatingOptions};
use crate::log::decisions::Decisions;
use crate::log::whole::Next;
use crate::persons::tests::walks::{crowd, in_time};
use crate::persons::wire::{PersonBody, PersonMessage};
use crate::persons::{Associator, PersonEvent, Verdict};
use crate::{AssociationOptions, Forget, PersonId, SightingId};

/// A site of people who walk past cameras, in the order of time.
fn site(name: &str, seed: u64, people: u32) -> Vec<Event> {
    let mut events = in_time(&crowd(seed, people));
    for event in &mut events {
        let Event::Sighting(sighting) = event else {
            continue;
        };
        let state = &mut sighting.state;
        sighting.site = name.to_owned();
        sighting.track = TrackId::derive(name, &sighting.track.to_string(), 1, 0);
        sighting.id = SightingId::derive(sighting.track, sighting.sequence);
        for vectors in [&mut sighting.vectors, &mut state.vectors] {
            for held in vectors {
                let values: Vec<f32> = held.values[..4]
                    .iter()
                    .map(|value| value.to_f32())
                    .collect();
                *held = vector("appearance", "m@0123456789ab", &values);
            }
        }
    }
    events
}

/// Events of several sites, mixed by time.
fn sites(names: &[&str], people: u32) -> Vec<Event> {
    let mut events: Vec<Event> = (1..)
        .zip(names)
        .flat_map(|(seed, name)| site(name, seed, people))
        .collect();
    events.sort_by_key(Event::time_ns);
    events
}

fn association() -> AssociationOptions {
    AssociationOptions::default()
}

fn start(log: &LogOptions) -> Associating {
    let model = Some("m@0123456789ab".to_owned());
    Associating::start(AssociatingOptions::new(log.clone(), association(), model)).unwrap()
}

fn with_service(log: &LogOptions) -> LogOptions {
    LogOptions {
        association: Association::Service,
        ..log.clone()
    }
}

fn begin_service(test: &str) -> Option<(Broker, LogOptions)> {
    let broker = Broker::start(test)?;
    let log = with_service(&log_options(&broker.address));
    create_topics(&log, LONG).unwrap();
    Some((broker, log))
}

/// What one process alone makes of the tracks of each site.
fn persons_alone(events: &[Event]) -> BTreeMap<TrackId, PersonId> {
    let mut of_site: BTreeMap<String, (Associator, Vec<PersonEvent>)> = BTreeMap::new();
    for event in events {
        let Event::Sighting(sighting) = event else {
            continue;
        };
        let (associator, said) = of_site
            .entry(sighting.site.clone())
            .or_insert_with(|| (Associator::new(association()).unwrap(), Vec::new()));
        associator.take(event, said);
    }
    let mut persons = BTreeMap::new();
    for (mut associator, mut said) in of_site.into_values() {
        associator.finish(&mut said);
        for event in said {
            if let PersonEvent::PersonAssigned(assigned) = event {
                persons.insert(assigned.track, assigned.person);
            }
        }
    }
    persons
}

/// Everything that was decided, in the order of each site.
fn decisions(log: &LogOptions) -> Vec<PersonMessage> {
    let mut next = Next::new();
    let mut reader = Decisions::open(log, &next, LONG).unwrap();
    let mut all = Vec::new();
    while !reader.is_at_end() {
        all.append(&mut reader.next(1000, &mut next).unwrap());
        std::thread::sleep(Duration::from_millis(1));
    }
    all
}

/// Asserts that of each site every revision was given once, and in order, and that nobody told anything of a track that
/// was not its last word.
fn assert_one_voice(told: &[PersonMessage]) {
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    let mut persons: BTreeMap<TrackId, PersonId> = BTreeMap::new();
    for message in told {
        if let PersonBody::Assigned(assigned) = &message.body {
            let before = last.entry(&message.site).or_default();
            assert_eq!(assigned.revision, *before + 1, "of {}", message.site);
            *before = assigned.revision;
            let known = persons.insert(assigned.track, assigned.person);
            assert_eq!(known, assigned.previous, "of {}", assigned.track);
        }
    }
}

fn persons_in(store: &Store, events: &[Event]) -> BTreeMap<TrackId, Option<PersonId>> {
    let tracks: BTreeSet<TrackId> = events.iter().map(track_of).collect();
    tracks
        .into_iter()
        .map(|track| (track, store.person_of(track)))
        .collect()
}

/// Whose tracks are by what is searched: the tracklets themselves.
fn persons_searched(store: &Store) -> BTreeMap<TrackId, PersonId> {
    let query = crate::Query {
        kind: crate::QueryKind::Time,
        filter: crate::Filter::default(),
        limit: 1_000,
    };
    let hits = store.search(&query).unwrap().hits.into_iter();
    hits.filter_map(|hit| Some((hit.track, hit.person?.parse().unwrap())))
        .collect()
}

fn open_following(dir: &std::path::Path) -> Arc<Store> {
    let options = crate::store::StoreOptions {
        follows_persons: true,
        ..store_options()
    };
    Arc::new(Store::open(dir, &options).unwrap())
}

/// Not a test of its own: the process that joins and is killed. It says how far it is.
#[test]
fn child_associator_that_is_killed() {
    let Some((_, log)) = given() else {
        return;
    };
    let model = Some("m@0123456789ab".to_owned());
    let mut options = AssociatingOptions::new(with_service(&log), association(), model);
    options.batch_records = 20;
    let associating = Associating::start(options).unwrap();
    let mut told = AssociateStatus::default();
    loop {
        let now = associating.status();
        if (now.decisions, now.partitions) != (told.decisions, told.partitions) {
            say(&format!("{} {}", now.partitions, now.decisions));
            told = now;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn killed_at_any_moment_and_taken_over_by_another_the_persons_are_those_of_one_process_alone() {
    let test =
        "killed_at_any_moment_and_taken_over_by_another_the_persons_are_those_of_one_process_alone";
    let Some((broker, log)) = begin_service(test) else {
        return;
    };
    let (edge, one, other) = (
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
    );
    let publisher = publish(edge.path(), &log);
    let events = sites(&["north", "south", "east", "west"], 24);
    // Two indexers, each with everything; one comes when all is done.
    let first_store = open_following(one.path());
    let first = receive(&first_store, &log);
    let parts = 5;
    for (round, part) in events.chunks(events.len().div_ceil(parts)).enumerate() {
        append(&publisher.writer(), part);
        let name = "persons::child_associator_that_is_killed";
        // The second goes on where the first is killed, and is killed in its turn.
        let mut killed = Child::start(name, edge.path(), &broker.address);
        let enough = 1 + (round * 37) % 30;
        killed.hear_until(|words| {
            let decisions = words.split(' ').nth(1).unwrap();
            decisions.parse::<usize>().unwrap() >= enough
        });
        let mut second = Child::start(name, edge.path(), &broker.address);
        second.hear_until(|words| !words.starts_with("0 "));
        drop(killed);
        second.hear_until(|words| words.starts_with("4 "));
    }
    publisher.drain(LONG).unwrap();
    let last = start(&log);
    last.finish(LONG).unwrap();
    let status = last.status();
    assert_eq!(
        (status.partitions, status.corrections),
        (4, 0),
        "{status:?}"
    );
    assert_eq!(
        (status.dead, status.trouble, status.failure),
        (0, None, None)
    );
    last.close();

    let told = decisions(&log);
    assert_one_voice(&told);
    let alone = persons_alone(&events);
    let known: BTreeMap<TrackId, Option<PersonId>> = alone
        .iter()
        .map(|(track, id)| (*track, Some(*id)))
        .collect();
    first.catch_up(LONG).unwrap();
    until("the first indexer knows all persons", || {
        persons_in(&first_store, &events) == known
    });
    assert_eq!(persons_searched(&first_store), alone);
    assert_eq!(first.status().persons.waiting, 0);
    let mut late = log.clone();
    late.group = "late".to_owned();
    let other_store = open_following(other.path());
    let receiver = receive(&other_store, &late);
    receiver.catch_up(LONG).unwrap();
    assert_eq!(persons_searched(&other_store), alone);
    assert_eq!(other_store.digest().unwrap(), first_store.digest().unwrap());
    let persons: BTreeSet<PersonId> = alone.values().copied().collect();
    for person in persons {
        let record = other_store.person(person).unwrap();
        assert!(
            record
                .tracks
                .iter()
                .all(|known| alone[&known.track] == person)
        );
    }
}

#[test]
fn a_word_and_a_forgetting_reach_those_who_join_and_come_back() {
    let test = "a_word_and_a_forgetting_reach_those_who_join_and_come_back";
    let Some((_broker, log)) = begin_service(test) else {
        return;
    };
    let (edge, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let publisher = publish(edge.path(), &log);
    let events = sites(&["north"], 12);
    append(&publisher.writer(), &events);
    publisher.drain(LONG).unwrap();
    let joining = start(&log);
    joining.finish(LONG).unwrap();
    let store = open_following(dir.path());
    let receiver = receive(&store, &log);
    receiver.catch_up(LONG).unwrap();
    let before = persons_searched(&store);
    assert_eq!(before, persons_alone(&events));

    // Two tracks of two persons that are one, somebody says.
    let mut spans: BTreeMap<TrackId, (i64, i64)> = BTreeMap::new();
    for event in &events {
        if let Event::Sighting(sighting) = event {
            let span = spans.entry(sighting.track).or_insert((i64::MAX, 0));
            let state = &sighting.state;
            *span = (span.0.min(state.start_ns), span.1.max(state.end_ns));
        }
    }
    // Nobody is in two places at once, whatever somebody says.
    let is_after = |one: &TrackId, other: &TrackId| spans[one].1 + 5 * S < spans[other].0;
    let mut pairs = before
        .iter()
        .flat_map(|one| before.iter().map(move |other| (one, other)));
    let is_two = |persons: &[&PersonId; 2]| persons[0] != persons[1];
    let ((track, _), (other, _)) = pairs
        .find(|((one, a), (other, b))| is_two(&[a, b]) && is_after(one, other))
        .unwrap();
    let pair = [*track, *other];
    assert!(
        store.say_words(&[pair], Verdict::Same).is_err(),
        "others join"
    );
    let unknown = TrackId::derive("north", "nowhere", 1, 1);
    let pairs = [pair, [*track, unknown]];
    assert_eq!(receiver.say_words(&pairs, Verdict::Same, LONG).unwrap(), 1);
    until("the two are one person", || {
        let now = persons_searched(&store);
        now[track] == now[other]
    });
    until("the word is kept", || {
        !store.feedback(0, 9).unwrap().is_empty()
    });
    let (said, _) = store.feedback(0, 9).unwrap().remove(0);
    assert_eq!((said.verdict, said.was_same), (Verdict::Same, false));
    joining.close();

    // It stands where another process goes on, and what is forgotten meanwhile is not known there.
    let asked = Forget::Track(*other);
    receiver.forget(&asked, 5, false, LONG).unwrap();
    let joining = start(&log);
    joining.finish(LONG).unwrap();
    let last_of: BTreeMap<TrackId, PersonId> = decisions(&log)
        .into_iter()
        .filter_map(|message| match message.body {
            PersonBody::Assigned(assigned) => Some((assigned.track, assigned.person)),
            _ => None,
        })
        .collect();
    receiver.catch_up(LONG).unwrap();
    until("whose tracks are is what was decided", || {
        let mut decided = last_of.clone();
        decided.remove(other);
        persons_searched(&store) == decided
    });
    assert_eq!(store.person_of(*other), None);
    assert!(store.feedback(0, 9).unwrap().is_empty());
    // A word about what is not there any more is refused where it is heard.
    assert_eq!(receiver.say_words(&[pair], Verdict::Same, LONG).unwrap(), 0);
    // Once more from the beginning: a store that comes back follows what holds.
    receiver.close().unwrap();
    drop(store);
    let store = open_following(dir.path());
    let receiver = receive(&store, &log);
    receiver.catch_up(LONG).unwrap();
    assert_eq!(store.person_of(*other), None);
    assert!(store.person_of(*track).is_some());
}

#[test]
fn decisions_wait_for_their_tracks_and_poison_goes_to_the_dead_letters() {
    let test = "decisions_wait_for_their_tracks_and_poison_goes_to_the_dead_letters";
    let Some((_broker, log)) = begin_service(test) else {
        return;
    };
    // Where the indexers join nobody else does.
    let indexers = LogOptions {
        association: Association::Indexer,
        ..log.clone()
    };
    let wrong = AssociatingOptions::new(indexers, association(), None);
    assert!(Associating::start(wrong).is_err());
    let mut short = log.clone();
    short.topics.retention_hours = 1;
    let wrong = AssociatingOptions::new(short, association(), None);
    let error = Associating::start(wrong).unwrap_err().to_string();
    assert!(error.contains("retention_hours"), "{error}");
    let (edge, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let publisher = publish(edge.path(), &log);
    let events = sites(&["north"], 6);
    append(&publisher.writer(), &events);
    publisher.drain(LONG).unwrap();
    let mut forgotten = message::outgoing(
        0,
        &Event::Forgotten(crate::Forgotten {
            at_ns: 1,
            tracks: vec![TrackId::derive("a", "b", 1, 1)],
            stretches: Vec::new(),
            pictures: Vec::new(),
        }),
    )
    .unwrap();
    forgotten.topic = Topic::Tracks;
    let forwarder = dead::Forwarder::connect(&log).unwrap();
    forwarder.send_event(forgotten).unwrap();
    forwarder.confirm(LONG).unwrap();
    let joining = start(&log);
    joining.finish(LONG).unwrap();
    assert_eq!(joining.status().dead, 1);
    let letters = dead_letters(&log, true, LONG).unwrap();
    assert_eq!(letters.len(), 1);
    assert!(letters[0].origin.contains("sightline.tracks.v1"));

    // The decisions are there before the tracks.
    let store = open_following(dir.path());
    let told = decisions(&log);
    let alone = persons_alone(&events);
    store.hear_persons(told.clone()).unwrap();
    // The session ended before it could write them, and the next one hears nothing new.
    store.hear_persons(told).unwrap();
    store.write_followed().unwrap();
    assert_eq!(store.followed_counts().waiting, alone.len() as u64);
    let numbered: Vec<_> = (1..).zip(events).collect();
    for part in numbered.chunks(7) {
        store.apply(part).unwrap();
    }
    assert_eq!(store.followed_counts().waiting, 0);
    assert_eq!(persons_searched(&store), alone);
}
