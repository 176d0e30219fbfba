//! Without faults: spool to log to store.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_executor::block_on;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;

use super::*;
use crate::Error;
use crate::store::Forget;

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

    // The same key would go to another partition, and what is forgotten be read in no order.
    let mut split = log.clone();
    split.prefix = "split-".to_owned();
    let name = split.topic(Topic::Forgotten);
    make_topic(&split, &name, 2);
    create_topics(&split, LONG).unwrap();
    let broken = require_topics(&split, LONG).unwrap_err().to_string();
    assert!(broken.contains("expected 1 partition,"), "{broken}");

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

fn make_topic(log: &LogOptions, name: &str, partitions: i32) {
    let admin: AdminClient<DefaultClientContext> = log.client().create().unwrap();
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1))
        .set("retention.ms", "-1")
        .set("message.timestamp.type", "LogAppendTime");
    let made = block_on(admin.create_topics(&[topic], &AdminOptions::new())).unwrap();
    made.into_iter().for_each(|made| drop(made.unwrap()));
}

/// Sets a flag when it goes, however that comes about.
struct Flag<'f>(&'f AtomicBool);

impl Drop for Flag<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[test]
fn what_is_in_the_log_is_waited_for_and_forgotten_while_boxes_go_on_sending() {
    let test = "what_is_in_the_log_is_waited_for_and_forgotten_while_boxes_go_on_sending";
    let Some((_broker, log)) = begin(test) else {
        return;
    };
    let (edge, site) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (publisher, store) = (publish(edge.path(), &log), open_store(site.path()));
    let receiver = Receiver::start(Arc::clone(&store), ReceiverOptions::new(log.clone())).unwrap();
    let (writer, is_over) = (publisher.writer(), AtomicBool::new(false));
    let gone = track_of(&event(0));
    let count = std::thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let mut number = 0;
            while !is_over.load(Ordering::Acquire) {
                writer.append(&event(number)).unwrap();
                number += 1;
                std::thread::sleep(Duration::from_millis(10));
            }
            number
        });
        let over = Flag(&is_over);
        for _ in 0..3 {
            let sent = publisher.status().send.sent;
            receiver.catch_up(LONG).unwrap();
            assert!(receiver.status().indexing.events >= sent);
        }
        until("the log is not empty", || receiver.status().behind > 0);
        let report = receiver
            .forget(&Forget::Track(gone), 7, false, LONG)
            .unwrap();
        assert_eq!(report.tracklets, 1);
        drop(over);
        sending.join().unwrap()
    });
    publisher.drain(LONG).unwrap();
    receiver.catch_up(LONG).unwrap();
    let status = receiver.status();
    assert_eq!((status.behind, status.trouble), (0, None));
    receiver.close().unwrap();
    assert_holds(&store, &without(&events(count), &[gone]));
}

#[test]
fn more_heartbeats_than_may_wait_hold_up_nothing() {
    let test = "more_heartbeats_than_may_wait_hold_up_nothing";
    let Some((_broker, log)) = begin(test) else {
        return;
    };
    let (edge, site) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // A night without people: all heartbeats are older than the first sighting.
    let all = events(6_000);
    let is_coverage = |event: &&Event| matches!(event, Event::Coverage(_));
    let mut events: Vec<Event> = all.iter().filter(is_coverage).cloned().collect();
    assert!(events.len() > 500, "{}", events.len());
    let latest = all.iter().rfind(|event| !is_coverage(event)).unwrap();
    events.push(latest.clone());
    let publisher = publish(edge.path(), &log);
    append(&publisher.writer(), &events);
    publisher.drain(LONG).unwrap();
    let store = open_store(site.path());
    let receiver = receive(&store, &log);
    receiver.catch_up(Duration::from_secs(120)).unwrap();
    receiver.close().unwrap();
    assert_holds(&store, &events);
}

#[test]
fn an_indexer_takes_out_what_is_too_old() {
    let Some((_broker, log)) = begin("an_indexer_takes_out_what_is_too_old") else {
        return;
    };
    let (edge, site) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let publisher = publish(edge.path(), &log);
    append(&publisher.writer(), &events(100));
    publisher.drain(LONG).unwrap();
    let mut options = store_options();
    options.retention.max_age = Some(Duration::from_secs(3600));
    let store = Arc::new(Store::open(site.path(), &options).unwrap());
    let options = ReceiverOptions {
        expire_every: Some(Duration::from_millis(10)),
        ..ReceiverOptions::new(log)
    };
    let receiver = Receiver::start(Arc::clone(&store), options).unwrap();
    receiver.catch_up(LONG).unwrap();
    // These times are those of 1970.
    until("all of it is gone", || {
        let status = store.status().unwrap();
        status.expired > 0 && (status.tracklets, status.exemplars) == (0, 0)
    });
    receiver.close().unwrap();
}
