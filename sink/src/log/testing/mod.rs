//! What tests against a real broker have in common: the broker, a made-up site, both ends of the log, and
//! processes that are killed.

mod broker;
mod child;
mod secure;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) use broker::Broker;
pub(super) use child::{Child, given, say};
pub(super) use secure::{PASSWORD, Secure};

use super::{
    LogOptions, Publisher, PublisherOptions, Receiver, ReceiverOptions, TopicOptions, create_topics,
};
use crate::event::testing::{coverage, sighting};
use crate::store::{Store, StoreOptions, VectorSpec};
use crate::{Event, Writer};

/// Longest wait for anything: a fault of liveness, not a measurement.
pub(super) const LONG: Duration = Duration::from_secs(240);

pub(super) const S: i64 = 1_000_000_000;

const CAMERAS: u32 = 3;
const A_TRACK: u32 = 5;

/// The `number`th event of a made-up site: sightings of some cameras, and now and then a heartbeat.
pub(super) fn event(number: u32) -> Event {
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

pub(super) fn events(count: u32) -> Vec<Event> {
    (0..count).map(event).collect()
}

pub(super) fn sightings(events: &[Event]) -> u64 {
    let is_sighting = |event: &&Event| matches!(event, Event::Sighting(_));
    events.iter().filter(is_sighting).count() as u64
}

pub(super) fn store_options() -> StoreOptions {
    StoreOptions::new(vec![VectorSpec {
        name: "appearance".into(),
        dimension: 4,
        model: "m@0123456789ab".into(),
    }])
}

pub(super) fn log_options(address: &str) -> LogOptions {
    let mut options = LogOptions::new(vec![address.to_owned()]);
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

/// A broker with its topics, and the options of both ends; none, said loudly, where there can be no broker.
pub(super) fn begin(test: &str) -> Option<(Broker, LogOptions)> {
    let broker = Broker::start(test)?;
    let log = log_options(&broker.address);
    create_topics(&log, LONG).unwrap();
    Some((broker, log))
}

pub(super) fn publish(dir: &Path, log: &LogOptions) -> Publisher {
    Publisher::open(dir, PublisherOptions::new(log.clone())).unwrap()
}

pub(super) fn receive(store: &Arc<Store>, log: &LogOptions) -> Receiver {
    let options = ReceiverOptions {
        flush_after: Duration::from_millis(100),
        ..ReceiverOptions::new(log.clone())
    };
    Receiver::start(Arc::clone(store), options).unwrap()
}

pub(super) fn open_store(dir: &Path) -> Arc<Store> {
    Arc::new(Store::open(dir, &store_options()).unwrap())
}

pub(super) fn append(writer: &Writer, events: &[Event]) {
    for event in events {
        writer.append(event).unwrap();
    }
}

/// Asks again and again until it is so.
pub(super) fn until(what: &str, mut is_met: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !is_met() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
