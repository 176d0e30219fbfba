//! The log against a real broker: what goes in comes out once, whatever happens on the way.
//!
//! Each test has a broker of its own. Two oracles hold in all of them. Conservation: in the end the store
//! is, bit for bit, the one that the same events make without a log, and what is not in it is counted.
//! Liveness: it gets there by itself after the fault has ended.

mod broker;
mod edge_faults;
mod flow;
mod index_faults;
mod soak;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::event::testing::{coverage, sighting};
use crate::store::{Store, StoreOptions, VectorSpec};
use crate::{Event, Writer};
use broker::Broker;

/// Longest wait for anything: a fault of liveness, not a measurement.
const LONG: Duration = Duration::from_secs(240);

const CAMERAS: u32 = 3;
const A_TRACK: u32 = 5;
const S: i64 = 1_000_000_000;

/// The `number`th event of a made-up site: sightings of some cameras, and now and then a heartbeat.
fn event(number: u32) -> Event {
    let camera = format!("gate-{}", number % CAMERAS);
    let turn = number / CAMERAS;
    if turn % 10 == 9 {
        let from_ns = i64::from(turn / 10) * 10 * S;
        return Event::Coverage(coverage(&camera, from_ns, from_ns + 10 * S, true));
    }
    let nth = turn / 10 * 9 + turn % 10;
    let (track, sequence) = (nth / A_TRACK, nth % A_TRACK);
    Event::Sighting(Box::new(sighting(
        &camera,
        i64::from(track) * 6 * S,
        number % CAMERAS * 100_000 + track,
        sequence,
    )))
}

fn events(count: u32) -> Vec<Event> {
    (0..count).map(event).collect()
}

fn store_options() -> StoreOptions {
    StoreOptions::new(vec![VectorSpec {
        name: "appearance".into(),
        dimension: 4,
        model: "m@0123456789ab".into(),
    }])
}

fn log_options(broker: &Broker) -> LogOptions {
    let mut options = LogOptions::new(vec![broker.address.clone()]);
    options.topics = TopicOptions {
        partitions: 4,
        replication: 1,
        min_insync_replicas: 1,
        retention_hours: 24,
    };
    // A dead member is noticed soon, and a topic that is gone as well.
    for (name, value) in [
        ("topic.metadata.propagation.max.ms", "3000"),
        ("session.timeout.ms", "3000"),
        ("heartbeat.interval.ms", "500"),
        ("reconnect.backoff.max.ms", "500"),
    ] {
        options.properties.insert(name.to_owned(), value.to_owned());
    }
    options
}

fn publish(dir: &Path, log: &LogOptions) -> Publisher {
    Publisher::open(dir, PublisherOptions::new(log.clone())).unwrap()
}

fn receive(store: &Arc<Store>, log: &LogOptions) -> Receiver {
    let options = ReceiverOptions {
        flush_after: Duration::from_millis(100),
        ..ReceiverOptions::new(log.clone())
    };
    Receiver::start(Arc::clone(store), options).unwrap()
}

fn open_store(dir: &Path) -> Arc<Store> {
    Arc::new(Store::open(dir, &store_options()).unwrap())
}

fn append(writer: &Writer, events: &[Event]) {
    for event in events {
        writer.append(event).unwrap();
    }
}

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
    let status = store.status().unwrap();
    let sightings = events
        .iter()
        .filter(|event| matches!(event, Event::Sighting(_)))
        .count();
    assert_eq!(status.exemplars, sightings as u64);
    assert_eq!(store.digest().unwrap(), digest_of(events));
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

/// Asks again and again until it is so.
fn until(what: &str, mut is_met: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + LONG;
    while !is_met() {
        assert!(
            std::time::Instant::now() < deadline,
            "waited in vain: {what}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
