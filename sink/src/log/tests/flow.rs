//! Without faults: spool to log to store.

use super::*;
use crate::Error;

#[test]
fn what_is_sent_is_indexed_as_if_there_were_no_log() {
    let Some(broker) = Broker::start("what_is_sent_is_indexed_as_if_there_were_no_log") else {
        return;
    };
    let log = log_options(&broker.address);
    // Nothing is there yet: refused by name, and nothing is made by itself.
    let missing = require_topics(&log, LONG).unwrap_err();
    assert!(matches!(missing, Error::LogPromise { .. }), "{missing}");
    assert!(
        missing.to_string().contains("sightline.sightings.v1"),
        "{missing}"
    );
    assert!(
        create_topics(&log, LONG)
            .unwrap()
            .iter()
            .all(|(_, is_new)| *is_new)
    );
    assert!(
        create_topics(&log, LONG)
            .unwrap()
            .iter()
            .all(|(_, is_new)| !is_new)
    );
    require_topics(&log, LONG).unwrap();
    let mut wants_more = log.clone();
    wants_more.topics.retention_hours = 48;
    wants_more.topics.partitions = 8;
    wants_more.topics.replication = 2;
    let broken = require_topics(&wants_more, LONG).unwrap_err().to_string();
    for words in [
        "at least 48 h",
        "at least 8 partitions",
        "at least 2 copies",
    ] {
        assert!(broken.contains(words), "{broken}");
    }

    let (edge, site) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let events = events(3_000);
    let publisher = publish(edge.path(), &log);
    append(&publisher.writer(), &events);
    publisher.drain(LONG).unwrap();
    let status = publisher.status();
    assert_eq!((status.send.sent, status.send.refused), (3_000, 0));
    assert_eq!((status.spool.records, status.send.trouble), (0, None));
    publisher.close().unwrap();

    let store = open_store(site.path());
    let receiver = receive(&store, &log);
    receiver.catch_up(LONG).unwrap();
    let status = receiver.status();
    assert_eq!((status.dead, status.lost, status.behind), (0, 0, 0));
    assert_eq!((status.trouble.as_ref(), status.partitions), (None, 8));
    receiver.close().unwrap();
    assert_holds(&store, &events);

    // Somebody who comes later begins at the beginning; somebody who comes back goes on.
    let receiver = receive(&store, &log);
    receiver.catch_up(LONG).unwrap();
    assert_eq!(receiver.status().indexing.events, 0);
    drop(receiver);
    let (other, mut late) = (tempfile::tempdir().unwrap(), log.clone());
    late.group = "late".to_owned();
    let late_store = open_store(other.path());
    let receiver = receive(&late_store, &late);
    receiver.catch_up(LONG).unwrap();
    receiver.close().unwrap();
    assert_holds(&late_store, &events);
}
