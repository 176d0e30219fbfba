//! Which store a group indexes into.

use rdkafka::Message as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _, DefaultConsumerContext};

use super::*;
use crate::log::group;
use crate::log::receiver::Shared;
use crate::log::topics::Topic;
use crate::{Error, Reaction};

/// What a receiver of another store in the same group ends with.
fn refusal(receiver: &Receiver) -> Error {
    until("the other store is refused", || {
        receiver.status().failure.is_some()
    });
    let error = receiver.take_failure().unwrap();
    assert_eq!(error.reaction(), Reaction::Configuration, "{error}");
    assert!(matches!(error, Error::GroupTaken { .. }), "{error}");
    error
}

#[test]
fn a_second_embedded_store_in_a_group_is_refused_whenever_it_comes() {
    let test = "a_second_embedded_store_in_a_group_is_refused_whenever_it_comes";
    let Some((_broker, log)) = begin(test) else {
        return;
    };
    let (edge, site, other) = (
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
    );
    let events = events(900);
    let publisher = publish(edge.path(), &log);
    let store = open_store(site.path());
    // On one folder the second process does not even open the store.
    let held = Store::open(site.path(), &store_options()).unwrap_err();
    assert!(matches!(held, Error::Held { .. }), "{held}");

    // Beside one that has indexed nothing yet, since there is nothing.
    let receiver = receive(&store, &log);
    until("the first has all partitions", || {
        receiver.status().partitions == 8
    });
    receiver.catch_up(LONG).unwrap();
    let other_store = open_store(other.path());
    let second = receive(&other_store, &log);
    let line = refusal(&second).to_string();
    for words in [
        "group `sightline-index`",
        &site.path().display().to_string(),
        "a `group` of its own",
    ] {
        assert!(line.contains(words), "{line}");
    }
    drop(second);

    // While the first works, and after it has ended: the offsets are still its own.
    append(&publisher.writer(), &events);
    publisher.drain(LONG).unwrap();
    refusal(&receive(&other_store, &log));
    receiver.catch_up(LONG).unwrap();
    let status = receiver.status();
    assert_eq!(
        (status.partitions, status.failure, status.trouble),
        (8, None, None)
    );
    receiver.close().unwrap();
    refusal(&receive(&other_store, &log));
    assert_eq!(other_store.status().unwrap().exemplars, 0);
    assert_holds(&store, &events);

    // The same store comes back; the other one has everything with a group of its own.
    let receiver = receive(&store, &log);
    receiver.catch_up(LONG).unwrap();
    assert_eq!(receiver.status().indexing.events, 0);
    receiver.close().unwrap();
    let own = LogOptions {
        group: "own".to_owned(),
        ..log.clone()
    };
    let receiver = receive(&other_store, &own);
    receiver.catch_up(LONG).unwrap();
    receiver.close().unwrap();
    assert_holds(&other_store, &events);
}

#[test]
fn a_store_that_is_made_anew_does_not_begin_in_the_middle() {
    let test = "a_store_that_is_made_anew_does_not_begin_in_the_middle";
    let Some((_broker, log)) = begin(test) else {
        return;
    };
    let (edge, site) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let publisher = publish(edge.path(), &log);
    append(&publisher.writer(), &events(300));
    publisher.drain(LONG).unwrap();
    let receiver = receive(&open_store(site.path()), &log);
    receiver.catch_up(LONG).unwrap();
    receiver.close().unwrap();
    fs_err::remove_dir_all(site.path().join("index")).unwrap();
    refusal(&receive(&open_store(site.path()), &log));
}

/// A thread that gets no turn between its partitions' coming and its reading them.
#[test]
fn what_comes_before_partitions_are_looked_at_lies_in_their_own_queues() {
    let test = "what_comes_before_partitions_are_looked_at_lies_in_their_own_queues";
    let Some((_broker, log)) = begin(test) else {
        return;
    };
    let (edge, site) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let events = events(600);
    let publisher = publish(edge.path(), &log);
    append(&publisher.writer(), &events);
    publisher.drain(LONG).unwrap();
    let topic = log.topic(Topic::Sightings);
    let wait_idle = |is_assigned: &mut dyn FnMut() -> bool| {
        until("partitions come", is_assigned);
        // Time for all of them to be fetched.
        std::thread::sleep(Duration::from_secs(2));
    };

    // Without queues of their own: the loss that this is about.
    let mut plain = group::member(&log, "another");
    plain.set("enable.partition.eof", "false");
    let plain: BaseConsumer<DefaultConsumerContext> = plain.create().unwrap();
    plain.subscribe(&[&topic]).unwrap();
    wait_idle(&mut || {
        assert!(plain.poll(Duration::ZERO).is_none(), "asked at once");
        plain.assignment().unwrap().count() > 0
    });
    assert!(
        plain.poll(Duration::ZERO).is_some(),
        "in the queue of all, before whatever comes to queues made now"
    );
    drop(plain);

    let shared = Shared::new(
        open_store(site.path()),
        ReceiverOptions::new(log.clone()),
        None,
    );
    let consumer = group::consumer(&log, &shared.unwrap()).unwrap();
    consumer.subscribe(&[&topic]).unwrap();
    wait_idle(&mut || {
        assert!(consumer.poll(Duration::ZERO).is_none(), "nothing else");
        consumer.assignment().unwrap().count() > 0
    });
    assert!(consumer.poll(Duration::ZERO).is_none(), "nor now");
    let queues = std::mem::take(&mut consumer.context().shift().queues);
    let mut read = 0;
    for queue in queues.values() {
        let mut next = 0;
        while let Some(Ok(message)) = queue.poll(Duration::ZERO) {
            assert_eq!(message.offset(), next, "from the first on, in order");
            next += 1;
        }
        read += next as u64;
    }
    assert_eq!(read, sightings(&events));
}

/// A commit that never ends holds the consumer, as a broker that goes at the wrong moment may leave it.
#[test]
fn a_member_that_is_held_by_a_commit_without_an_answer_gives_its_partitions_back() {
    let test = "a_member_that_is_held_by_a_commit_without_an_answer_gives_its_partitions_back";
    let Some((_broker, log)) = begin(test) else {
        return;
    };
    let site = tempfile::tempdir().unwrap();
    let store = open_store(site.path());
    let shared = Shared::new(Arc::clone(&store), ReceiverOptions::new(log.clone()), None);
    let consumer = group::consumer(&log, &shared.unwrap()).unwrap();
    let topics = [log.topic(Topic::Sightings), log.topic(Topic::Coverage)];
    consumer
        .subscribe(&topics.each_ref().map(String::as_str))
        .unwrap();
    until("partitions come", || {
        assert!(consumer.poll(Duration::ZERO).is_none(), "there is nothing");
        consumer.assignment().unwrap().count() == 8
    });
    drop(std::mem::take(&mut consumer.context().shift().queues));
    let held = Arc::clone(&consumer);
    let (end, ended) = std::sync::mpsc::sync_channel::<()>(0);
    let commit = std::thread::spawn(move || {
        let lock = held.context().commit_lock();
        assert!(lock.is_some());
        ended.recv().unwrap_err();
    });

    // Nobody asks it for anything any more; its client goes on saying that it lives.
    let other = receive(&store, &log);
    until("the other one looks", || other.status().looks > 0);
    std::thread::sleep(Duration::from_secs(15));
    assert_eq!(other.status().partitions, 0);
    group::leave(&consumer);
    drop(consumer);
    until("the other one has all partitions", || {
        other.status().partitions == 8
    });
    other.close().unwrap();
    drop(end);
    commit.join().unwrap();
}
