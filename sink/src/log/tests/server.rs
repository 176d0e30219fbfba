//! Several indexers on one Qdrant server: what was in the log is in it once, whatever fails in between.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::{Map, Value};
use tempfile::TempDir;
use tonic::Code;
use uuid::Uuid;

use super::*;
use crate::store::engine::server::stand_in::{Fault, StandIn};
use crate::store::engine::{Engine, Where};
use crate::store::{Forget, ServerLimits, ServerOptions, StoreOptions};
use crate::{Error, Reaction};

const FULL: Fault = Fault::Refuse(
    Code::Internal,
    "Service internal error: No space left on device",
);

pub(super) fn on_server(server: &StandIn) -> StoreOptions {
    StoreOptions {
        server: Some(ServerOptions {
            limits: ServerLimits {
                attempt: Duration::from_secs(2),
                call: Duration::from_secs(3),
            },
            ..ServerOptions::new(server.url())
        }),
        ..store_options()
    }
}

/// An indexer of the group: a store in a folder of its own, and its receiver.
struct Indexer {
    dir: TempDir,
    store: Arc<Store>,
    receiver: Receiver,
}

impl Indexer {
    fn start(dir: TempDir, options: &StoreOptions, log: &LogOptions) -> Self {
        let store = Arc::new(Store::open(dir.path(), options).unwrap());
        let receiver = receive(&store, log);
        Self {
            dir,
            store,
            receiver,
        }
    }

    fn stop(self) -> TempDir {
        self.receiver.close().unwrap();
        self.dir
    }

    fn is_in_trouble(&self) -> bool {
        self.receiver.status().trouble.is_some()
    }
}

type Points = BTreeMap<Uuid, (Map<String, Value>, Vec<(String, Vec<f32>)>)>;

fn points(engine: &dyn Engine) -> Points {
    let mut all = Points::new();
    engine
        .pages(&Where::default(), true, &mut |found| {
            for point in found {
                let twice = all.insert(point.id, (point.payload, point.vectors));
                assert!(twice.is_none(), "{} is there twice", point.id);
            }
            Ok(())
        })
        .unwrap();
    all
}

/// Asserts that the server holds what these events make without log and server, point by point, that one of the folders
/// has each picture, and that each answers for all cameras.
fn assert_server_holds(stores: &[&Store], events: &[Event]) {
    let dir = tempfile::tempdir().unwrap();
    let embedded = Store::open(dir.path(), &store_options()).unwrap();
    let numbered: Vec<_> = (1..).zip(events.iter().cloned()).collect();
    embedded.apply(&numbered).unwrap();
    for store in stores {
        let exemplars = points(store.index().exemplars.as_ref());
        assert_eq!(exemplars.len() as u64, sightings(events));
        assert!(exemplars == points(embedded.index().exemplars.as_ref()));
        assert!(
            points(store.index().tracklets.as_ref()) == points(embedded.index().tracklets.as_ref())
        );
        assert_covers(store, events);
        for (payload, _) in exemplars.values() {
            let name = payload["crop"].as_str().unwrap();
            let is_there = |store: &&Store| store.crops().find(name).is_some();
            assert!(stores.iter().any(is_there), "picture {name} lies nowhere");
        }
    }
}

/// A track of which one indexer has a picture and the other has none, if there is one.
fn a_picture_of(one: &Indexer, other: &Indexer) -> Option<(TrackId, String)> {
    let pictures = points(one.store.index().exemplars.as_ref());
    let mut pictures = pictures.values().map(|(payload, _)| {
        let track = serde_json::from_value(payload["track"].clone()).unwrap();
        (track, payload["crop"].as_str().unwrap().to_owned())
    });
    let is_its = |(_, name): &(TrackId, String)| {
        let has = |indexer: &Indexer| indexer.store.crops().find(name).is_some();
        has(one) && !has(other)
    };
    pictures.find(is_its)
}

#[test]
fn two_indexers_on_one_server_index_everything_once_whatever_fails_on_the_way() {
    let test = "two_indexers_on_one_server_index_everything_once_whatever_fails_on_the_way";
    let Some((_broker, log)) = begin(test) else {
        return;
    };
    let server = StandIn::start();
    let options = on_server(&server);
    let edge = tempfile::tempdir().unwrap();
    let publisher = publish(edge.path(), &log);
    let events = events(3_000);
    let send = |part: Range<usize>| {
        append(&publisher.writer(), &events[part]);
        publisher.drain(LONG).unwrap();
    };
    let [first, second] =
        [(); 2].map(|()| Indexer::start(tempfile::tempdir().unwrap(), &options, &log));
    assert_eq!(first.store.identity(), second.store.identity());
    until("both have a part", || {
        let has_part = |it: &Indexer| (1..4).contains(&it.receiver.status().partitions);
        has_part(&first) && has_part(&second)
    });

    // What is accepted and lost, refused, put off, slow, or only taken in.
    let unavailable = Fault::Refuse(Code::Unavailable, "going down");
    let mut faults = vec![Fault::Lose; 3];
    faults.extend([Fault::Busy(0), unavailable, Fault::OnlyTakeIn, Fault::Lose]);
    faults.extend([Fault::Slow(Duration::from_millis(200)), unavailable]);
    server.fail("upsert", &faults);
    server.fail("get", &[unavailable, Fault::Busy(0)]);
    send(0..600);
    first.receiver.catch_up(LONG).unwrap();
    second.receiver.catch_up(LONG).unwrap();
    let lost = |it: &Indexer| it.store.status().unwrap().lost;
    assert!(lost(&first) + lost(&second) > 0, "nothing was lost");
    assert_server_holds(&[&first.store, &second.store], &events[..600]);

    // Away: nothing is acknowledged that is not there.
    let resume = server.stop();
    send(600..1_500);
    // One of the two may have heartbeats alone.
    until("somebody says that it is away", || {
        first.is_in_trouble() || second.is_in_trouble()
    });
    let waiting = sightings(&events[600..1_500]);
    until("all that came meanwhile waits in the log", || {
        first.receiver.status().behind >= waiting
    });
    let server = resume();
    first.receiver.catch_up(LONG).unwrap();
    second.receiver.catch_up(LONG).unwrap();
    assert_server_holds(&[&first.store, &second.store], &events[..1_500]);

    // Full for a while.
    server.fail("upsert", &[FULL; 6]);
    send(1_500..2_100);
    until("somebody says that it is full", || {
        first.is_in_trouble() || second.is_in_trouble()
    });

    // One leaves in the middle of it and comes back, with the other at work.
    let folder = second.stop();
    until("the first has everything", || {
        first.receiver.status().partitions == 4
    });
    server.fail("upsert", &[Fault::Lose, unavailable]);
    send(2_100..2_700);
    let second = Indexer::start(folder, &options, &log);
    until("the second has a part again", || {
        second.receiver.status().partitions > 0
    });
    server.fail("upsert", &[Fault::OnlyTakeIn, Fault::Lose]);
    send(2_700..3_000);
    for indexer in [&first, &second] {
        indexer.receiver.catch_up(LONG).unwrap();
        let status = indexer.receiver.status();
        let counts = (status.dead, status.lost, status.behind, status.failure);
        assert_eq!(counts, (0, 0, 0, None));
    }
    assert_server_holds(&[&first.store, &second.store], &events);

    // Each forgets a track of the other, whose picture lies with that one.
    let mut gone = Vec::new();
    for (asked, owner) in [(&first, &second), (&second, &first)] {
        let Some((track, picture)) = a_picture_of(owner, asked) else {
            continue;
        };
        let forget = Forget::Track(track);
        let report = asked.receiver.forget(&forget, 77, false, LONG).unwrap();
        assert!(
            report.sightings > 0 && report.proof.found == 0,
            "{report:?}"
        );
        gone.push(track);
        until("the picture is gone where it lies", || {
            owner.store.crops().find(&picture).is_none()
        });
    }
    assert!(!gone.is_empty(), "nobody has a picture alone");
    let left = without(&events, &gone);
    assert_server_holds(&[&first.store, &second.store], &left);
    drop((first.stop(), second.stop()));
}

#[test]
fn a_server_that_is_begun_anew_is_another_store_for_the_group() {
    let test = "a_server_that_is_begun_anew_is_another_store_for_the_group";
    let Some((_broker, log)) = begin(test) else {
        return;
    };
    let server = StandIn::start();
    let options = on_server(&server);
    let edge = tempfile::tempdir().unwrap();
    let publisher = publish(edge.path(), &log);
    let events = events(300);
    append(&publisher.writer(), &events);
    publisher.drain(LONG).unwrap();
    let first = Indexer::start(tempfile::tempdir().unwrap(), &options, &log);
    first.receiver.catch_up(LONG).unwrap();
    let folder = first.stop();
    server.empty();
    let error = Store::open(folder.path(), &options).unwrap_err();
    assert_eq!(error.reaction(), Reaction::Configuration, "{error}");

    // As the line says; and with another name of the group everything comes again.
    fs_err::remove_file(folder.path().join("server")).unwrap();
    let again = Indexer::start(folder, &options, &log);
    until("the group is refused", || {
        again.receiver.status().failure.is_some()
    });
    let error = again.receiver.take_failure().unwrap();
    assert!(matches!(error, Error::GroupTaken { .. }), "{error}");
    assert_eq!(again.store.status().unwrap().exemplars, 0);
    let Indexer {
        dir,
        store,
        receiver,
    } = again;
    drop((store, receiver));
    let own = LogOptions {
        group: "own".to_owned(),
        ..log
    };
    let again = Indexer::start(dir, &options, &own);
    again.receiver.catch_up(LONG).unwrap();
    assert_server_holds(&[&again.store], &events);
    again.stop();
}
