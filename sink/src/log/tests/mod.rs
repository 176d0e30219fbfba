//! The log against a real broker: what goes in comes out once, whatever happens on the way.
//!
//! Each test has a broker of its own. Two oracles hold in all of them. Conservation: in the end the store
//! is, bit for bit, the one that the same events make without a log, and what is not in it is counted.
//! Liveness: it gets there by itself after the fault has ended.

mod clocks;
mod disks;
mod doors;
mod edge_faults;
mod flow;
mod forgetting;
mod groups;
mod index_faults;
mod models;
mod persons;
mod server;
mod soak;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::testing::*;
use super::*;
use crate::event::testing::{coverage, sighting};
use crate::store::Store;
use crate::{Event, Sighting, TrackId};

/// The store that these events make without a log.
fn digest_of(events: &[Event]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), &store_options()).unwrap();
    let events: Vec<_> = (1..).zip(events.iter().cloned()).collect();
    store.apply(&events).unwrap();
    store.digest().unwrap()
}

/// Asserts that the store holds each of these events once, and nothing else; coverage too.
fn assert_holds(store: &Store, events: &[Event]) {
    assert_holds_points(store, events);
    assert_covers(store, events);
}

/// Asserts that the store answers for each camera up to its last heartbeat, without a gap.
fn assert_covers(store: &Store, events: &[Event]) {
    let mut heartbeats: BTreeMap<&str, i64> = BTreeMap::new();
    for event in events {
        if let Event::Coverage(coverage) = event {
            let newest_ns = heartbeats.entry(&coverage.camera).or_default();
            *newest_ns = coverage.to_ns.max(*newest_ns);
        }
    }
    for camera in store.coverage(&[], None, None) {
        assert_eq!(
            camera.indexed_to_ns,
            heartbeats.remove(camera.camera.as_str())
        );
        assert!(camera.blind.is_empty(), "{camera:?}");
    }
    assert!(heartbeats.is_empty(), "{heartbeats:?}");
}

/// Asserts that the store holds each sighting of these events once, and no other.
fn assert_holds_points(store: &Store, events: &[Event]) {
    assert_eq!(store.status().unwrap().exemplars, sightings(events));
    assert_eq!(store.digest().unwrap(), digest_of(events));
}

fn is_of(event: &Event, is_meant: impl Fn(&Sighting) -> bool) -> bool {
    matches!(event, Event::Sighting(sighting) if is_meant(sighting))
}

fn track_of(event: &Event) -> TrackId {
    match event {
        Event::Sighting(sighting) => sighting.track,
        Event::Coverage(_) | Event::Forgotten(_) => panic!("a sighting"),
    }
}

/// These events but for those of some tracks.
fn without(events: &[Event], tracks: &[TrackId]) -> Vec<Event> {
    let is_left = |event: &&Event| !is_of(event, |sighting| tracks.contains(&sighting.track));
    events.iter().filter(is_left).cloned().collect()
}
