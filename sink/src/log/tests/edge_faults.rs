//! Faults between the spool and the log.

use rustix::process::Signal;

use super::*;
use crate::Error;

#[test]
fn a_broker_that_is_killed_and_comes_back_costs_nothing() {
    let Some((broker, log)) = begin("a_broker_that_is_killed_and_comes_back_costs_nothing") else {
        return;
    };
    let (edge, site) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let events = events(6_000);
    let (publisher, store) = (publish(edge.path(), &log), open_store(site.path()));
    let receiver = receive(&store, &log);
    for part in events.chunks(2_000) {
        append(&publisher.writer(), part);
        let sent = publisher.status().send.sent;
        until("some is sent", || publisher.status().send.sent > sent + 200);
        broker.kill();
        append(&publisher.writer(), &[]);
        broker.restart();
    }
    publisher.drain(LONG).unwrap();
    receiver.catch_up(LONG).unwrap();
    let status = receiver.status();
    assert_eq!((status.dead, status.lost), (0, 0));
    assert_eq!(publisher.status().send.refused, 0);
    receiver.close().unwrap();
    assert_holds(&store, &events);
}

#[test]
fn while_a_broker_stands_still_the_spool_grows_and_afterwards_it_is_drained_in_order() {
    let test = "while_a_broker_stands_still_the_spool_grows_and_afterwards_it_is_drained_in_order";
    let Some((broker, log)) = begin(test) else {
        return;
    };
    let (edge, site) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let events = events(3_000);
    let (publisher, store) = (publish(edge.path(), &log), open_store(site.path()));
    let receiver = receive(&store, &log);
    append(&publisher.writer(), &events[..1_000]);
    publisher.drain(LONG).unwrap();
    receiver.catch_up(LONG).unwrap();
    broker.signal(Signal::STOP);
    append(&publisher.writer(), &events[1_000..]);
    until("the indexer says that the log is not well", || {
        receiver.status().trouble.is_some()
    });
    assert_eq!(publisher.status().spool.records, 2_000);
    let late = publisher.drain(Duration::from_millis(10)).unwrap_err();
    assert!(matches!(late, Error::Deadline { .. }), "{late}");
    broker.signal(Signal::CONT);
    publisher.drain(LONG).unwrap();
    receiver.catch_up(LONG).unwrap();
    let status = receiver.status();
    assert_eq!((status.dead, status.lost, status.trouble), (0, 0, None));
    receiver.close().unwrap();
    assert_holds(&store, &events);
}

#[test]
fn a_broker_that_comes_back_with_an_empty_disk_is_told_and_what_is_lost_is_counted() {
    let test = "a_broker_that_comes_back_with_an_empty_disk_is_told_and_what_is_lost_is_counted";
    let Some((broker, log)) = begin(test) else {
        return;
    };
    let (edge, site) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let events = events(2_100);
    let (publisher, store) = (publish(edge.path(), &log), open_store(site.path()));
    let receiver = receive(&store, &log);
    append(&publisher.writer(), &events[..900]);
    publisher.drain(LONG).unwrap();
    receiver.catch_up(LONG).unwrap();
    // The indexer sees 600 more come into the log, and none of them can be indexed any more.
    append(&publisher.writer(), &events[900..1_500]);
    publisher.drain(LONG).unwrap();
    receiver.catch_up(LONG).unwrap();
    receiver.close().unwrap();
    append(&publisher.writer(), &events[1_500..1_800]);
    publisher.drain(LONG).unwrap();
    let receiver = {
        let options = ReceiverOptions {
            // It reads, and never gets as far as to commit.
            flush_after: LONG,
            ..ReceiverOptions::new(log.clone())
        };
        Receiver::start(Arc::clone(&store), options).unwrap()
    };
    until("the indexer sees what there is", || {
        receiver.status().behind == 300
    });
    broker.kill();
    drop(receiver);
    let kept = store.status().unwrap().exemplars;
    broker.empty_disk();
    broker.restart();

    let receiver = receive(&store, &log);
    append(&publisher.writer(), &events[1_800..]);
    until("the box says what is wrong", || {
        let send = publisher.status().send;
        send.is_promise_broken && send.trouble.is_some_and(|text| text.contains("not there"))
    });
    until("the site says what is wrong", || {
        let trouble = receiver.status().trouble;
        trouble.is_some_and(|text| text.contains("sightline.sightings.v1"))
    });
    assert_eq!(
        publisher.status().spool.records,
        300,
        "nothing of it is given up"
    );
    create_topics(&log, LONG).unwrap();
    publisher.drain(LONG).unwrap();
    receiver.catch_up(LONG).unwrap();
    assert_eq!(
        receiver.status().lost,
        300,
        "as many as were in the log and not committed"
    );
    receiver.close().unwrap();
    // What had been read before the fault is there as well: counting them as lost is the careful side.
    assert_eq!(
        store.status().unwrap().exemplars,
        kept + sightings(&events[1_800..])
    );
    assert!(kept >= sightings(&events[..1_500]));
}

/// Not a test of its own: the edge that is killed. It says how far it is safe, and how much it has sent.
#[test]
fn child_edge_that_sends_until_it_is_killed() {
    let Some((dir, log)) = given() else {
        return;
    };
    let publisher = publish(&dir, &log);
    let writer = publisher.writer();
    for number in publisher.status().spool.appended as u32.. {
        let sequence = writer.append(&event(number)).unwrap();
        if number % 20 == 0 {
            writer.wait_safe(sequence, LONG).unwrap();
            say(&format!("{sequence} {}", publisher.status().send.sent));
        }
    }
}

#[test]
fn an_edge_killed_between_spool_and_log_sends_the_rest_and_nothing_counts_twice() {
    let test = "an_edge_killed_between_spool_and_log_sends_the_rest_and_nothing_counts_twice";
    let Some((broker, log)) = begin(test) else {
        return;
    };
    let (edge, site) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut safe = 0;
    for round in 0_u64..6 {
        let name = "edge_faults::child_edge_that_sends_until_it_is_killed";
        let mut child = Child::start(name, edge.path(), &broker.address);
        // The moment is told by progress: some more records each time, and some of them sent.
        let mut to_go = 4 + (round * 37) % 23;
        child.hear_until(|words| {
            let (sequence, sent) = words.split_once(' ').unwrap();
            safe = sequence.parse().unwrap();
            let has_sent = sent != "0" || round % 2 == 0;
            to_go = if has_sent { to_go - 1 } else { to_go };
            to_go == 0
        });
    }
    let publisher = publish(edge.path(), &log);
    publisher.drain(LONG).unwrap();
    let spool = publisher.status().spool;
    assert!(spool.safe >= safe, "{safe} {spool:?}");
    assert_eq!((spool.broken, spool.dropped.records), (0, 0));
    publisher.close().unwrap();
    let store = open_store(site.path());
    let receiver = receive(&store, &log);
    receiver.catch_up(LONG).unwrap();
    receiver.close().unwrap();
    // Sequence n carries event n - 1, in every round.
    assert_holds(&store, &events(spool.appended as u32));
}

#[test]
fn a_backlog_beyond_the_spools_bound_is_counted_and_the_rest_is_sent() {
    let test = "a_backlog_beyond_the_spools_bound_is_counted_and_the_rest_is_sent";
    let Some((broker, log)) = begin(test) else {
        return;
    };
    broker.kill();
    let (edge, site) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut options = PublisherOptions::new(log.clone());
    options.spool = crate::spool::Limits {
        max_bytes: 600_000,
        segment_bytes: 100_000,
        ..crate::spool::Limits::default()
    };
    options.most_per_second = Some(2_000);
    let publisher = Publisher::open(edge.path(), options).unwrap();
    let events = events(2_000);
    append(&publisher.writer(), &events);
    let dropped = publisher.status().spool.dropped;
    assert!(dropped.records > 0, "{dropped:?}");
    broker.restart();
    let begin = std::time::Instant::now();
    publisher.drain(LONG).unwrap();
    let status = publisher.status();
    assert_eq!(status.spool.dropped, dropped);
    assert_eq!(status.send.sent + dropped.records, events.len() as u64);
    let least = Duration::from_millis((status.send.sent.saturating_sub(200)) / 2);
    assert!(begin.elapsed() >= least, "the rate cap holds");
    let store = open_store(site.path());
    let receiver = receive(&store, &log);
    receiver.catch_up(LONG).unwrap();
    receiver.close().unwrap();
    assert_eq!(
        store.status().unwrap().exemplars,
        sightings(&events[dropped.newest_to as usize..])
    );
}
