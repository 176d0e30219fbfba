//! The long test: every fault at random, for as long as wanted, from a seed that is printed.

use std::collections::BTreeSet;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{BaseProducer, Producer as _};
use rustix::process::Signal;

use super::disks::Disk;
use super::index_faults::produce;
use super::server::on_server;
use super::*;
use crate::Error;
use crate::store::Forget;
use crate::store::engine::server::stand_in::{Fault, StandIn};

/// Numbers from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }
}

fn say(words: &str) {
    std::io::Write::write_all(
        &mut std::io::stderr(),
        format!("soak: {words}\n").as_bytes(),
    )
    .ok();
}

/// Faults that there are.
const FAULTS: u64 = 13;

/// The faults that `SIGHTLINE_SOAK_FAULTS` names by their numbers, with commas between; all without it.
fn wanted() -> Vec<u64> {
    match std::env::var("SIGHTLINE_SOAK_FAULTS") {
        Ok(named) => named
            .split(',')
            .map(|number| number.trim().parse().unwrap())
            .collect(),
        Err(_) => (0..FAULTS).collect(),
    }
}

/// Writes what the program says, and each fault, to the file that `SIGHTLINE_SOAK_LOG` names.
fn keep_log() {
    if let Ok(path) = std::env::var("SIGHTLINE_SOAK_LOG") {
        tracing_subscriber::fmt()
            .with_env_filter("info,sightline_sink=debug")
            .with_ansi(false)
            .with_writer(std::sync::Mutex::new(fs_err::File::create(path).unwrap()))
            .init();
    }
}

/// Room on the disk under the spool, KiB.
const ROOM: u32 = 512 * 1_024;

/// Sightings of a camera whose clock has jumped to another day: three tracks of three.
fn of_another_day(round: u32, day: i64) -> Vec<Event> {
    let numbers = 0..9;
    numbers
        .map(|number| {
            Event::Sighting(Box::new(sighting(
                "gate-1",
                day * 24 * 3600 * S + i64::from(number / 3) * 6 * S,
                900_000 + 10 * round + number / 3,
                number % 3,
            )))
        })
        .collect()
}

/// A fault of the server that holds the vectors.
fn of_server(dice: &mut Dice) -> Fault {
    match dice.below(6) {
        0 => Fault::Refuse(tonic::Code::Unavailable, "going down"),
        1 => Fault::Refuse(
            tonic::Code::Internal,
            "Service internal error: No space left on device",
        ),
        2 => Fault::Busy(1),
        3 => Fault::Slow(Duration::from_millis(dice.below(4_000))),
        4 => Fault::Lose,
        _ => Fault::OnlyTakeIn,
    }
}

/// `make soak`; without `SIGHTLINE_SOAK_SECONDS` there is nothing to do.
#[test]
fn every_fault_at_random_for_as_long_as_wanted() {
    let Ok(seconds) = std::env::var("SIGHTLINE_SOAK_SECONDS") else {
        return;
    };
    let lasts = Duration::from_secs(seconds.parse().unwrap());
    let wanted = wanted();
    keep_log();
    let seed = std::env::var("SIGHTLINE_SOAK_SEED").map_or_else(
        |_| {
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap()
                .as_nanos() as u64
                | 1
        },
        |text| text.parse().unwrap(),
    );
    say(&format!(
        "seed {seed}: SIGHTLINE_SOAK_SEED={seed} does the same again"
    ));
    let Some(broker) = Broker::start("every_fault_at_random_for_as_long_as_wanted") else {
        return;
    };
    let mut dice = Dice(seed);
    let log = log_options(&broker.address);
    create_topics(&log, LONG).unwrap();
    let (edge, site) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let disk = Disk::mount("the soak's full disk", edge.path(), ROOM);
    let mut publisher = publish(edge.path(), &log);
    let mut store = open_store(site.path());
    let mut receivers = vec![receive(&store, &log)];
    // The same log once more, into a store whose vectors lie on a server.
    let remote = LogOptions {
        group: "soak-on-a-server".to_owned(),
        ..log.clone()
    };
    let (server, elsewhere) = (StandIn::start(), tempfile::tempdir().unwrap());
    let on_server = on_server(&server);
    let server_store = Arc::new(Store::open(elsewhere.path(), &on_server).unwrap());
    let server_receiver = receive(&server_store, &remote);
    let mut server = Some(server);
    let mut jumped: Vec<Event> = Vec::new();
    let (begin, mut number, mut faults) = (Instant::now(), 0_u32, 0_u32);
    let mut gone = Vec::new();
    let producer: BaseProducer = log.client().create().unwrap();
    let (mut poison, mut repeats) = (0_usize, 0_u64);
    while begin.elapsed() < lasts {
        for _ in 0..dice.below(3_000) {
            publisher.writer().append(&event(number)).unwrap();
            number += 1;
        }
        let fault = wanted[dice.below(wanted.len() as u64) as usize];
        tracing::info!(faults, fault, receivers = receivers.len(), "a fault");
        match fault {
            0 => {
                broker.kill();
                std::thread::sleep(Duration::from_millis(dice.below(3_000)));
                broker.restart();
            }
            1 => {
                broker.signal(Signal::STOP);
                std::thread::sleep(Duration::from_millis(dice.below(70_000)));
                broker.signal(Signal::CONT);
            }
            2 => {
                receivers.clear();
                drop(store);
                store = open_store(site.path());
                receivers.push(receive(&store, &log));
            }
            3 => receivers.push(receive(&store, &log)),
            4 if receivers.len() > 1 => {
                let at = dice.below(receivers.len() as u64) as usize;
                receivers.remove(at).close().unwrap();
            }
            5 => {
                let writer = publisher.writer();
                let appended = u64::from(number) + repeats + jumped.len() as u64;
                if appended > 0 {
                    writer.wait_safe(appended, LONG).unwrap();
                }
                drop(publisher);
                publisher = publish(edge.path(), &log);
            }
            6 if number > 0 => {
                let seen = event(dice.below(u64::from(number)) as u32);
                if matches!(seen, Event::Sighting(_)) {
                    let asked = Forget::Track(track_of(&seen));
                    let at_ns = i64::from(faults) + 1;
                    receivers[0].forget(&asked, at_ns, false, LONG).unwrap();
                    gone.push(track_of(&seen));
                }
            }
            7 => {
                for _ in 0..1 + dice.below(5) {
                    let nonsense = vec![dice.below(256) as u8; 1 + dice.below(900_000) as usize];
                    produce(
                        &producer,
                        &log.topic(Topic::Sightings),
                        "poison",
                        Some(&nonsense),
                        OwnedHeaders::new(),
                    );
                    poison += 1;
                    if number > 0 {
                        let again = event(dice.below(u64::from(number)) as u32);
                        publisher.writer().append(&again).unwrap();
                        repeats += 1;
                    }
                }
                producer.flush(LONG).unwrap();
            }
            8 => {
                let many: Vec<Fault> = (0..1 + dice.below(6))
                    .map(|_| of_server(&mut dice))
                    .collect();
                if let Some(server) = &server {
                    server.fail("upsert", &many);
                }
            }
            9 => {
                let back = server.take().map(StandIn::stop);
                std::thread::sleep(Duration::from_millis(dice.below(5_000)));
                server = back.map(|back| back());
            }
            10 => {
                let some = of_another_day(faults, 400 + dice.below(20_000) as i64);
                append(&publisher.writer(), &some);
                jumped.extend(some);
            }
            11 => {
                if let Some(disk) = &disk {
                    disk.resize(disk.used() + 64);
                    for _ in 0..dice.below(2_000) {
                        match publisher.writer().append(&event(number)) {
                            Ok(_) => number += 1,
                            Err(Error::SpoolFull { .. }) => {
                                std::thread::sleep(Duration::from_millis(1));
                            }
                            Err(error) => panic!("{error}"),
                        }
                    }
                    disk.resize(ROOM);
                }
            }
            _ => std::thread::sleep(Duration::from_millis(dice.below(2_000))),
        }
        receivers.truncate(3);
        faults += 1;
        if faults % 10 == 0 {
            publisher.drain(LONG).unwrap();
            receivers[0].catch_up(LONG).unwrap();
            server_receiver.catch_up(LONG).unwrap();
            let expected = without(&[events(number), jumped.clone()].concat(), &gone);
            assert_holds(&store, &expected);
            assert_holds(&server_store, &expected);
            let seconds = begin.elapsed().as_secs();
            say(&format!(
                "{faults} faults, {number} events, {seconds} s: all there once"
            ));
        }
    }
    publisher.drain(LONG).unwrap();
    receivers[0].catch_up(LONG).unwrap();
    for receiver in receivers {
        assert_eq!(receiver.status().lost, 0);
        receiver.close().unwrap();
    }
    server_receiver.catch_up(LONG).unwrap();
    assert_eq!(server_receiver.status().lost, 0);
    server_receiver.close().unwrap();
    let expected = without(&[events(number), jumped].concat(), &gone);
    assert_holds(&store, &expected);
    assert_holds(&server_store, &expected);
    drop((publisher, server));
    let letters = dead_letters(&log, true, LONG).unwrap();
    let origins: BTreeSet<_> = letters.iter().map(|letter| &letter.origin).collect();
    assert_eq!(origins.len(), poison, "each once or more often");
}
