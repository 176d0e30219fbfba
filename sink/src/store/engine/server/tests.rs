//! The contract on a server, and what each of its faults comes to.

use std::io::Write as _;

use super::stand_in::{Fault, StandIn};
use super::*;
use crate::error::Reaction;
use crate::store::crops::Crops;
use crate::store::engine::TRACKLETS;
use crate::store::engine::suite::{holds, specs};
use std::time::Duration;
use tonic::Code;

pub(super) fn options(server: &StandIn) -> ServerOptions {
    ServerOptions {
        site: Some("site".into()),
        limits: ServerLimits {
            attempt: Duration::from_secs(20),
            call: Duration::from_secs(60),
        },
        ..ServerOptions::new(server.url())
    }
}

pub(super) fn open(options: &ServerOptions) -> Result<Server> {
    let wanted = Wanted::Any("a-store".into());
    let (server, _) = Server::open(Client::new(options)?, &specs(), &TRACKLETS, 1000, &wanted)?;
    Ok(server)
}

pub(super) fn point(number: u128) -> Point {
    Point {
        id: Uuid::from_u128(number),
        vectors: vec![("appearance".into(), vec![1.0, 0.0, 0.0, 0.0])],
        payload: Map::from_iter([
            ("site".to_owned(), "site".into()),
            ("revision".to_owned(), 1.into()),
        ]),
    }
}

pub(super) fn count(server: &Server) -> u64 {
    server.count(&Where::default()).unwrap()
}

#[test]
fn the_stand_in_keeps_the_contract() {
    let server = StandIn::start();
    let options = ServerOptions {
        site: None,
        ..options(&server)
    };
    holds(|| Box::new(open(&options).unwrap()));
}

/// With a server of one's own: `SIGHTLINE_QDRANT_URL=http://127.0.0.1:6334`, and its key in `SIGHTLINE_QDRANT_KEY`.
#[test]
fn a_real_server_keeps_the_contract() {
    let Ok(url) = std::env::var("SIGHTLINE_QDRANT_URL") else {
        let mut out = std::io::stderr();
        writeln!(
            out,
            "SKIPPED a_real_server_keeps_the_contract: SIGHTLINE_QDRANT_URL is not set"
        )
        .ok();
        return;
    };
    let options = ServerOptions {
        api_key: std::env::var("SIGHTLINE_QDRANT_KEY").ok(),
        prefix: format!("sightline-test-{}", std::process::id()),
        ..ServerOptions::new(url)
    };
    /// Takes its collection away, whatever comes.
    struct Gone(Arc<Client>, String);
    impl Drop for Gone {
        fn drop(&mut self) {
            let request = proto::DeleteCollection::from(format!("{}-1", self.1));
            self.0.call("delete a collection", &request).ok();
        }
    }
    let client = Client::new(&options).unwrap();
    let gone = Gone(client, options.collection(TRACKLETS.name));
    holds(|| Box::new(open(&options).unwrap()));
    drop(gone);
}

#[test]
fn what_fails_for_a_while_is_tried_again_and_comes_to_the_same() {
    let faults = [
        Fault::Refuse(Code::Unavailable, "going down"),
        Fault::Refuse(Code::DeadlineExceeded, "too slow"),
        Fault::Refuse(Code::Aborted, "try again"),
        Fault::Refuse(Code::Internal, "shard is being moved"),
        Fault::Busy(0),
        Fault::Lose,
        Fault::OnlyTakeIn,
        Fault::Slow(Duration::from_millis(30)),
    ];
    let stand_in = StandIn::start();
    let server = open(&options(&stand_in)).unwrap();
    for (number, fault) in (1..).zip(faults) {
        stand_in.fail("upsert", &[fault, fault]);
        server.upsert(vec![point(number)]).unwrap();
        assert_eq!(u128::from(count(&server)), number, "{fault:?}");
    }
    assert_eq!(server.client.counts().lost, 2);
    for call in ["count", "query", "scroll", "get", "delete", "set_payload"] {
        stand_in.fail(call, &[Fault::Refuse(Code::Unavailable, "going down")]);
    }
    let before = stand_in.calls("query");
    server
        .search(
            "appearance",
            &[1.0, 0.0, 0.0, 0.0],
            &Where::default(),
            3,
            true,
        )
        .unwrap();
    assert_eq!(stand_in.calls("query"), before + 2);
    assert_eq!(server.every(&Where::default()).unwrap().len(), 8);
    let person = Map::from_iter([("person".to_owned(), Value::from("p"))]);
    stand_in.fail("set_payload", &[Fault::OnlyTakeIn]);
    server.set_payload(Uuid::from_u128(1), person).unwrap();
    assert_eq!(
        server.retrieve(&[Uuid::from_u128(1)], false).unwrap()[0].payload["person"],
        "p"
    );
    stand_in.fail("delete", &[Fault::OnlyTakeIn]);
    server.delete_ids(&[Uuid::from_u128(1)]).unwrap();
    assert_eq!(count(&server), 7);
}

#[test]
fn a_newer_state_that_was_lost_is_sent_again() {
    let stand_in = StandIn::start();
    let server = open(&options(&stand_in)).unwrap();
    server.upsert(vec![point(1)]).unwrap();
    let mut newer = point(1);
    newer.payload.insert("revision".into(), 2.into());
    stand_in.fail("upsert", &[Fault::Lose]);
    server.upsert(vec![newer.clone()]).unwrap();
    assert_eq!(
        server.retrieve(&[newer.id], false).unwrap()[0].payload,
        newer.payload
    );
}

#[test]
fn what_cannot_help_is_said_at_once() {
    let stand_in = StandIn::start();
    let server = open(&options(&stand_in)).unwrap();
    let cases = [
        (
            Fault::Refuse(Code::InvalidArgument, "Wrong input"),
            Reaction::Configuration,
        ),
        (
            Fault::Refuse(Code::PermissionDenied, "forbidden"),
            Reaction::Configuration,
        ),
        (
            Fault::Refuse(Code::Unimplemented, "what?"),
            Reaction::Configuration,
        ),
        (
            Fault::Refuse(
                Code::Internal,
                "Service internal error: No space left on device",
            ),
            Reaction::Transient,
        ),
    ];
    for (fault, reaction) in cases {
        let before = stand_in.calls("upsert");
        stand_in.fail("upsert", &[fault]);
        let error = server.upsert(vec![point(1)]).unwrap_err();
        assert_eq!(error.reaction(), reaction, "{error}");
        assert!(error.to_string().contains(&stand_in.url()), "{error}");
        assert_eq!(stand_in.calls("upsert"), before + 1, "{error}");
    }
    assert_eq!(count(&server), 0);
}

#[test]
fn a_server_that_does_not_answer_costs_no_more_than_the_deadline() {
    let stand_in = StandIn::start();
    let mut short = options(&stand_in);
    short.limits = ServerLimits {
        attempt: Duration::from_millis(200),
        call: Duration::from_millis(900),
    };
    let server = open(&short).unwrap();
    let hang = Fault::Slow(Duration::from_secs(600));
    stand_in.fail("count", &[hang; 20]);
    let error = server.count(&Where::default()).unwrap_err();
    assert_eq!(error.reaction(), Reaction::Transient);
    assert!(error.to_string().contains("tried again"), "{error}");
    assert!(stand_in.calls("count") >= 2);
}

#[test]
fn a_server_that_goes_away_and_comes_back_is_found_again() {
    let stand_in = StandIn::start();
    let server = Arc::new(open(&options(&stand_in)).unwrap());
    server.upsert(vec![point(1)]).unwrap();
    let resume = stand_in.stop();
    let writer = Arc::clone(&server);
    let writing = std::thread::spawn(move || writer.upsert(vec![point(2)]));
    while server.client.counts().retries == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let _stand_in = resume();
    writing.join().unwrap().unwrap();
    assert_eq!(count(&server), 2);
}

#[test]
fn a_large_write_goes_in_bounded_messages() {
    let stand_in = StandIn::start();
    let server = open(&options(&stand_in)).unwrap();
    stand_in.fail("upsert", &[Fault::Lose, Fault::Busy(0), Fault::OnlyTakeIn]);
    server.upsert((1..=1000).map(point).collect()).unwrap();
    assert_eq!(count(&server), 1000);
    // Eight messages, and one more for each fault.
    assert_eq!(
        stand_in.calls("upsert"),
        1000_u64.div_ceil(POINTS_A_MESSAGE as u64) + 3
    );
}

#[test]
fn sites_that_share_a_collection_do_not_see_one_another() {
    let stand_in = StandIn::start();
    let here = open(&options(&stand_in)).unwrap();
    let mut there = options(&stand_in);
    there.site = Some("harbour".into());
    let there = open(&there).unwrap();
    here.upsert(vec![point(1), point(2)]).unwrap();
    assert_eq!((count(&here), count(&there)), (2, 0));
    let looks = [1.0, 0.0, 0.0, 0.0];
    assert!(
        there
            .search("appearance", &looks, &Where::default(), 9, true)
            .unwrap()
            .is_empty()
    );
    there
        .delete(&Where::all_of(vec![Condition::at_least("revision", 0)]))
        .unwrap();
    assert_eq!(count(&here), 2);
}

#[test]
fn a_store_on_a_server_holds_finds_and_forgets_the_same_as_one_in_a_folder() {
    use crate::store::tests::{digest_of, events, options as store_options};
    use crate::store::{Forget, Store};
    let stand_in = StandIn::start();
    let dir = tempfile::tempdir().unwrap();
    let mut on_server = store_options();
    on_server.server = Some(options(&stand_in));
    let store = Store::open(dir.path(), &on_server).unwrap();
    let all = events(4, 4);
    stand_in.fail("upsert", &[Fault::Lose, Fault::Busy(0)]);
    store.apply(&all[8..]).unwrap();
    store.apply(&all[4..12]).unwrap();
    store.apply(&all).unwrap();
    store.flush().unwrap();
    assert_eq!(store.digest().unwrap(), digest_of(&[&all]));
    let status = store.status().unwrap();
    assert_eq!(
        (status.exemplars, status.tracklets, status.lost),
        (16, 4, 8)
    );
    assert!(status.retries >= 2);

    let folder = tempfile::tempdir().unwrap();
    let embedded = Store::open(folder.path(), &store_options()).unwrap();
    embedded.apply(&all).unwrap();
    let crate::Event::Sighting(asked) = &all[5].1 else {
        panic!("a sighting");
    };
    let values = asked.vectors[0].values.iter().map(|value| value.to_f32());
    let query = crate::Query {
        kind: crate::QueryKind::Vector {
            name: "appearance".into(),
            model: "m@0123456789ab".into(),
            values: values.collect(),
        },
        filter: crate::Filter {
            cameras: vec!["gate-2".into()],
            ..crate::Filter::default()
        },
        limit: 3,
    };
    let order = |store: &Store| -> Vec<_> {
        let answer = store.search(&query).unwrap();
        assert!(answer.is_exact && answer.hits[0].thumbnail.is_some());
        answer.hits.iter().map(|hit| hit.track).collect()
    };
    assert_eq!(order(&store), order(&embedded));

    let report = store.forget(&Forget::Track(asked.track), 9, false).unwrap();
    assert_eq!(
        (report.tracklets, report.sightings, report.pictures.len()),
        (1, 4, 4)
    );
    embedded
        .forget(&Forget::Track(asked.track), 9, false)
        .unwrap();
    assert_eq!(store.apply(&all).unwrap().forgotten, 4);
    assert_eq!(store.digest().unwrap(), embedded.digest().unwrap());
    drop(store);
    let store = Store::open(dir.path(), &on_server).unwrap();
    assert_eq!(store.digest().unwrap(), embedded.digest().unwrap());
    drop((store, embedded));

    // Points are never looked for where they are not.
    let error = Store::open(dir.path(), &store_options()).unwrap_err();
    assert!(error.to_string().contains("on a server"), "{error}");
    let error = Store::open(folder.path(), &on_server).unwrap_err();
    assert!(error.to_string().contains("backup"), "{error}");
    let mut elsewhere = on_server;
    elsewhere.server.as_mut().unwrap().prefix = "other".into();
    let error = Store::open(dir.path(), &elsewhere).unwrap_err();
    assert!(error.to_string().contains("sightline-…"), "{error}");
}

#[test]
fn a_server_that_is_full_or_away_keeps_events_in_the_spool_and_loses_none() {
    use crate::event::testing::sighting;
    use crate::flow::{Sink, SinkOptions};
    let stand_in = StandIn::start();
    let dir = tempfile::tempdir().unwrap();
    let mut store_options = crate::store::tests::options();
    store_options.server = Some(ServerOptions {
        limits: ServerLimits {
            attempt: Duration::from_secs(2),
            call: Duration::from_secs(2),
        },
        ..options(&stand_in)
    });
    let sink = Sink::open(
        dir.path(),
        SinkOptions {
            flush_after: Duration::from_millis(10),
            batch_records: 20,
            ..SinkOptions::new(store_options)
        },
    )
    .unwrap();
    let full = Fault::Refuse(
        Code::Internal,
        "Service internal error: No space left on device",
    );
    stand_in.fail("upsert", &[full; 3]);
    let writer = sink.writer();
    for number in 0..100 {
        let event = sighting("gate-1", 1_000_000_000, number / 5, number % 5);
        writer
            .append(&crate::Event::Sighting(Box::new(event)))
            .unwrap();
    }
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while sink.status().trouble.is_none() {
        assert!(std::time::Instant::now() < deadline, "no trouble was told");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(
        sink.status().spool.records > 0,
        "nothing is acknowledged that is not there"
    );
    sink.drain(Duration::from_secs(120)).unwrap();
    let status = sink.status();
    let counts = sink.store_status().unwrap();
    assert_eq!((counts.exemplars, counts.tracklets), (100, 20));
    assert_eq!((status.spool.records, status.trouble), (0, None));

    let resume = stand_in.stop();
    for number in 100..200 {
        let event = sighting("gate-1", 1_000_000_000, number / 5, number % 5);
        writer
            .append(&crate::Event::Sighting(Box::new(event)))
            .unwrap();
    }
    // Nobody can be asked how many points there are, but how the sink stands is known, and what waits says why.
    assert!(sink.store_status().is_err() && sink.status().spool.records > 0);
    let is_told = |error: Error| error.to_string().contains("qdrant");
    while !is_told(sink.drain(Duration::from_millis(500)).unwrap_err()) {
        assert!(std::time::Instant::now() < deadline, "no trouble was told");
    }
    let _stand_in = resume();
    sink.drain(Duration::from_secs(120)).unwrap();
    let status = sink.status();
    let counts = sink.store_status().unwrap();
    assert_eq!((counts.exemplars, counts.tracklets), (200, 40));
    assert_eq!((status.spool.records, status.trouble), (0, None));
    sink.close().unwrap();
}

#[test]
fn pictures_of_the_forgotten_go_from_every_disk_also_where_the_points_are_gone_already() {
    use crate::Event;
    use crate::store::tests::{digest_of, events, options as store_options};
    use crate::store::{Forget, Store};
    let stand_in = StandIn::start();
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut on_server = store_options();
    on_server.server = Some(options(&stand_in));
    let open = |dir: &tempfile::TempDir| Store::open(dir.path(), &on_server).unwrap();
    let (one, other) = (open(&folders[0]), open(&folders[1]));
    // The track moved from the one to the other in its middle.
    let all = events(3, 4);
    let of_track = |number: usize| -> Vec<_> { all[4 * number..4 * number + 4].to_vec() };
    let (gone, left) = (of_track(0), of_track(1));
    one.apply(&gone[..2]).unwrap();
    other.apply(&gone[2..]).unwrap();
    other.apply(&left).unwrap();
    let picture = |event: &(u64, Event)| match &event.1 {
        Event::Sighting(sighting) => Crops::name(sighting.crop.as_ref().unwrap()),
        Event::Coverage(_) | Event::Forgotten(_) => panic!("a sighting"),
    };
    let Event::Sighting(first) = &gone[0].1 else {
        panic!("a sighting");
    };
    let mut told = Vec::new();
    let asked = Forget::Track(first.track);
    one.forget_telling(&asked, 9, false, |entries| {
        told.extend(entries.to_vec());
        Ok(())
    })
    .unwrap();
    assert!(
        gone[..2]
            .iter()
            .all(|it| one.crops().find(&picture(it)).is_none())
    );
    assert!(
        gone[2..]
            .iter()
            .all(|it| other.crops().find(&picture(it)).is_some())
    );
    assert_eq!(
        other.index().exemplars.count(&Where::default()).unwrap(),
        4,
        "its points are gone"
    );
    let told: Vec<_> = told
        .into_iter()
        .map(|it| (0, Event::Forgotten(it)))
        .collect();
    // As each start does it, from the beginning of the topic.
    for _ in 0..2 {
        other.apply(&told).unwrap();
        assert!(
            gone.iter()
                .all(|it| other.crops().find(&picture(it)).is_none())
        );
        assert!(
            left.iter()
                .all(|it| other.crops().find(&picture(it)).is_some())
        );
    }
    assert_eq!(other.digest().unwrap(), digest_of(&[&left]));
    assert_eq!(other.apply(&gone).unwrap().forgotten, 4);
}
