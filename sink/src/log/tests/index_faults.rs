//! Faults between the log and the store.

use std::sync::atomic::{AtomicBool, Ordering};

use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use super::*;
use crate::log::message::outgoing;

/// Not a test of its own: the indexer that is killed. It says how far it is.
#[test]
fn child_indexer_that_is_killed() {
    let Some((dir, log)) = given() else {
        return;
    };
    let options = ReceiverOptions {
        batch_records: 50,
        flush_after: Duration::from_millis(30),
        ..ReceiverOptions::new(log)
    };
    let receiver = Receiver::start(open_store(&dir), options).unwrap();
    let mut told = 0;
    loop {
        let indexed = receiver.status().indexing.events;
        if indexed > told {
            say(&indexed.to_string());
            told = indexed;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn an_indexer_killed_at_any_moment_indexes_everything_once() {
    let test = "an_indexer_killed_at_any_moment_indexes_everything_once";
    let Some((broker, log)) = begin(test) else {
        return;
    };
    let (edge, site) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let publisher = publish(edge.path(), &log);
    let kills: usize = std::env::var("SIGHTLINE_KILLS").map_or(8, |text| text.parse().unwrap());
    let events = events(kills as u32 * 600);
    for (round, part) in events.chunks(600).enumerate() {
        append(&publisher.writer(), part);
        let name = "index_faults::child_indexer_that_is_killed";
        let mut child = Child::start(name, site.path(), &broker.address);
        // The moment is told by progress: another number of events each time.
        let enough = 1 + (round * 131) % 400;
        child.hear_until(|words| words.parse::<usize>().unwrap() >= enough);
    }
    publisher.drain(LONG).unwrap();
    let store = open_store(site.path());
    let receiver = receive(&store, &log);
    receiver.catch_up(LONG).unwrap();
    let status = receiver.status();
    assert_eq!((status.dead, status.lost), (0, 0));
    receiver.close().unwrap();
    assert_holds(&store, &events);
}

#[test]
fn two_indexers_that_join_and_leave_under_load_index_everything_once() {
    join_and_leave(
        "two_indexers_that_join_and_leave_under_load_index_everything_once",
        GroupProtocol::Classic,
    );
}

#[test]
fn the_brokers_own_group_protocol_does_as_well() {
    join_and_leave(
        "the_brokers_own_group_protocol_does_as_well",
        GroupProtocol::Consumer,
    );
}

fn join_and_leave(test: &str, protocol: GroupProtocol) {
    let Some(broker) = Broker::start(test) else {
        return;
    };
    let mut log = log_options(&broker.address);
    log.group_protocol = protocol;
    if protocol == GroupProtocol::Consumer {
        // There the broker says how often members give a sign of life.
        log.properties.remove("session.timeout.ms");
        log.properties.remove("heartbeat.interval.ms");
    }
    create_topics(&log, LONG).unwrap();
    let (edge, site) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (publisher, store) = (publish(edge.path(), &log), open_store(site.path()));
    let events = events(6_000);
    let writer = publisher.writer();
    let is_over = AtomicBool::new(false);
    let first = receive(&store, &log);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for part in events.chunks(50) {
                append(&writer, part);
                std::thread::sleep(Duration::from_millis(50));
            }
            is_over.store(true, Ordering::Release);
        });
        let mut times = 0;
        while !is_over.load(Ordering::Acquire) || times < 2 {
            let second = receive(&store, &log);
            until("the second gets a part", || second.status().partitions > 0);
            until("the first keeps a part", || first.status().partitions < 8);
            second.close().unwrap();
            until("the first has all again", || first.status().partitions == 8);
            times += 1;
        }
    });
    publisher.drain(LONG).unwrap();
    first.catch_up(LONG).unwrap();
    let status = first.status();
    assert_eq!((status.dead, status.lost, status.behind), (0, 0, 0));
    first.close().unwrap();
    assert_holds(&store, &events);
}

pub(super) fn produce(
    producer: &BaseProducer,
    topic: &str,
    key: &str,
    value: Option<&[u8]>,
    headers: OwnedHeaders,
) {
    let mut record = BaseRecord::to(topic).key(key).headers(headers);
    record.payload = value;
    producer.send(record).map_err(|(error, _)| error).unwrap();
}

#[test]
fn repeats_disorder_and_poison_leave_the_store_as_it_should_be_and_the_poison_in_the_dead_letters()
{
    let test = "repeats_disorder_and_poison_leave_the_store_as_it_should_be_and_the_poison_in_the_dead_letters";
    let Some((_broker, log)) = begin(test) else {
        return;
    };
    let events = events(1_200);
    let [sightings, coverage_topic] =
        [Topic::Sightings, Topic::Coverage].map(|topic| log.topic(topic));
    // Everything twice, in any order at all.
    let mut order: Vec<usize> = (0..2 * events.len()).map(|at| at % events.len()).collect();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for at in (1..order.len()).rev() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        order.swap(at, (state >> 33) as usize % (at + 1));
    }
    let mut client = log.client();
    client.set("message.max.bytes", "1048000");
    let producer: BaseProducer = client.create().unwrap();
    let mut stranger = sighting("gate-9", 5, 1, 0);
    for vector in stranger
        .vectors
        .iter_mut()
        .chain(&mut stranger.state.vectors)
    {
        vector.model = "other@ba9876543210".to_owned();
    }
    let stranger = outgoing(1, &Event::Sighting(Box::new(stranger)))
        .unwrap()
        .value;
    let misplaced = outgoing(1, &Event::Coverage(coverage("gate-1", 1, 2, true)))
        .unwrap()
        .value;
    let flood = vec![b'x'; 1_040_000];
    let poison: [(&str, Option<&[u8]>, &str); 6] = [
        (&sightings, None, "no value"),
        (&sightings, Some(b"nonsense"), "not a message of the schema"),
        (&coverage_topic, Some(b"\x12\x00"), "schema_version is 0"),
        (
            &sightings,
            Some(&stranger),
            "is by model `other@ba9876543210`",
        ),
        (
            &sightings,
            Some(&misplaced),
            "does not belong to this topic",
        ),
        // More than a client of ours sends, and as much as brokers take by default.
        (&sightings, Some(&flood), "at most 65536"),
    ];
    for (turn, at) in order.into_iter().enumerate() {
        let message = outgoing(turn as u64 + 1, &events[at]).unwrap();
        let topic = log.topic(message.topic);
        produce(
            &producer,
            &topic,
            &message.key,
            Some(&message.value),
            message.headers,
        );
        if turn % 400 == 200
            && let Some((topic, value, _)) = poison.get(turn / 400)
        {
            produce(&producer, topic, "poison", *value, OwnedHeaders::new());
        }
        producer.poll(Duration::ZERO);
    }
    producer.flush(LONG).unwrap();

    let site = tempfile::tempdir().unwrap();
    let store = open_store(site.path());
    let receiver = receive(&store, &log);
    receiver.catch_up(LONG).unwrap();
    let status = receiver.status();
    assert_eq!((status.dead, status.lost), (6, 0));
    let taken = status.applied.sightings + status.applied.coverage + status.dead;
    assert_eq!(taken, 2 * events.len() as u64 + 6, "in = indexed + dead");
    // Heartbeats of one camera came in any order as well, which coverage does not mind.
    assert_holds(&store, &events);

    let letters = dead_letters(&log, false, LONG).unwrap();
    assert_eq!(letters.len(), 6);
    for (topic, _, reason) in poison {
        let found = letters
            .iter()
            .filter(|letter| letter.reason.contains(reason));
        assert_eq!(found.clone().count(), 1, "{reason}: {letters:?}");
        assert!(
            found.clone().all(|letter| letter.origin.starts_with(topic)),
            "{letters:?}"
        );
    }
    let cut: Vec<_> = letters.iter().filter(|letter| letter.is_cut).collect();
    assert_eq!(cut.len(), 1, "{letters:?}");
    assert_eq!(cut[0].bytes, flood.len());
    // Poison that is tried again is dead again, with where it came from now; what no event can be is not tried.
    assert_eq!(retry_dead_letters(&log, LONG).unwrap(), 5);
    until("all five are dead again", || receiver.status().dead == 11);
    receiver.catch_up(LONG).unwrap();
    assert_eq!(dead_letters(&log, false, LONG).unwrap().len(), 5);
    assert_eq!(dead_letters(&log, true, LONG).unwrap().len(), 11);
    receiver.close().unwrap();
    assert_holds(&store, &events);
}
