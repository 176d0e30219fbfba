//! A Qdrant server behind the indexers of a group: what was in the log is in it once.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::store::engine::server::stand_in::StandIn;
use crate::store::engine::{Engine, Where};
use crate::store::{ServerLimits, ServerOptions, StoreOptions};
use crate::{Error, Reaction};

fn on_server(server: &StandIn) -> StoreOptions {
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

/// Asserts that the server holds what these events make without log and server, point by point, and that one of the folders
/// has each picture.
fn assert_server_holds(stores: &[&Store], events: &[Event]) {
    let dir = tempfile::tempdir().unwrap();
    let embedded = Store::open(dir.path(), &store_options()).unwrap();
    let numbered: Vec<_> = (1..).zip(events.iter().cloned()).collect();
    embedded.apply(&numbered).unwrap();
    for store in stores {
        let exemplars = points(store.exemplars());
        assert_eq!(exemplars.len() as u64, sightings(events));
        assert!(exemplars == points(embedded.exemplars()));
        assert!(points(store.tracklets()) == points(embedded.tracklets()));
        for (payload, _) in exemplars.values() {
            let name = payload["crop"].as_str().unwrap();
            let is_there = |store: &&Store| store.crops().find(name).is_some();
            assert!(stores.iter().any(is_there), "picture {name} lies nowhere");
        }
    }
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
