//! Of two states of a point the newer one stays, whoever writes when.

use std::time::Duration;

use super::stand_in::{Fault, StandIn};
use super::tests::{open, options, point};
use super::*;

fn state(number: u128, revision: i64, by: &str) -> Point {
    let mut point = point(number);
    point.payload.insert("revision".into(), revision.into());
    point.payload.insert("by".into(), by.into());
    point
}

/// Revision and writer of a point.
fn held(server: &Server, number: u128) -> (i64, String) {
    let found = server.retrieve(&[Uuid::from_u128(number)], true).unwrap();
    let payload = &found[0].payload;
    let by = payload["by"].as_str().unwrap();
    (payload["revision"].as_i64().unwrap(), by.to_owned())
}

#[test]
fn an_older_state_is_never_written_over_a_newer_one() {
    let stand_in = StandIn::start();
    let (one, other) = (
        open(&options(&stand_in)).unwrap(),
        open(&options(&stand_in)).unwrap(),
    );
    one.upsert((1..=3).map(|number| state(number, 5, "one")).collect())
        .unwrap();
    let calls = stand_in.calls("upsert");
    // One message, of which each point has its own condition.
    other
        .upsert(vec![
            state(1, 3, "other"),
            state(2, 5, "other"),
            state(3, 6, "other"),
            state(4, 1, "other"),
        ])
        .unwrap();
    assert_eq!(stand_in.calls("upsert"), calls + 1);
    let expected = [(5, "one"), (5, "other"), (6, "other"), (1, "other")];
    for (number, (revision, by)) in (1..).zip(expected) {
        assert_eq!(held(&other, number), (revision, by.to_owned()), "{number}");
    }
    assert_eq!(other.client.counts(), ClientCounts::default());
}

#[test]
fn a_newer_state_that_comes_before_the_look_is_not_taken_for_a_loss() {
    let stand_in = StandIn::start();
    let (one, other) = (
        open(&options(&stand_in)).unwrap(),
        open(&options(&stand_in)).unwrap(),
    );
    // The first writer looks late for what it wrote.
    stand_in.fail("get", &[Fault::Slow(Duration::from_secs(2))]);
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| one.upsert(vec![state(1, 3, "one"), state(2, 3, "one")]));
        while stand_in.calls("get") == 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
        other.upsert(vec![state(1, 5, "other")]).unwrap();
        writing.join().unwrap().unwrap();
    });
    assert_eq!(held(&one, 1), (5, "other".to_owned()));
    assert_eq!(held(&one, 2), (3, "one".to_owned()));
    assert_eq!(one.client.counts().lost, 0);
    assert_eq!(stand_in.calls("upsert"), 2, "nothing was sent again");
}

#[test]
fn an_indexer_that_was_held_up_changes_nothing_of_what_came_after() {
    use crate::store::Store;
    use crate::store::tests::{digest_of, events, options as store_options};
    let stand_in = StandIn::start();
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut on_server = store_options();
    on_server.server = Some(options(&stand_in));
    let open = |dir: &tempfile::TempDir| Store::open(dir.path(), &on_server).unwrap();
    let (late, next) = (open(&folders[0]), open(&folders[1]));
    let all = events(1, 4);
    // It has read the track, which is not there yet, and stops before it writes it. The first message is its sighting's.
    stand_in.fail("upsert", &[Fault::Slow(Duration::ZERO)]);
    stand_in.fail("upsert", &[Fault::Slow(Duration::from_secs(2))]);
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| late.apply(&all[..1]));
        while stand_in.calls("upsert") < 2 {
            std::thread::sleep(Duration::from_millis(2));
        }
        next.apply(&all).unwrap();
        writing.join().unwrap().unwrap();
    });
    assert_eq!(next.digest().unwrap(), digest_of(&[&all]));
    assert_eq!(
        (late.status().unwrap().lost, next.status().unwrap().lost),
        (0, 0)
    );
}

#[test]
fn a_search_is_asked_for_as_it_was_measured() {
    let stand_in = StandIn::start();
    let server = open(&options(&stand_in)).unwrap();
    let ask = |filter: &Where, limit, is_exact| {
        let looks = [1.0, 0.0, 0.0, 0.0];
        server
            .search("appearance", &looks, filter, limit, is_exact)
            .unwrap();
        stand_in.last_search().unwrap()
    };
    let asked = ask(&Where::default(), 10, false);
    assert_eq!((asked.hnsw_ef, asked.exact), (Some(256), Some(false)));
    let quantization = asked.quantization.unwrap();
    assert_eq!(
        (
            quantization.ignore,
            quantization.rescore,
            quantization.oversampling
        ),
        (Some(false), Some(true), Some(3.0))
    );
    assert_eq!(asked.acorn, None, "the whole graph is walked");
    let of_camera = Where::all_of(vec![Condition::is("camera", &"gate-1")]);
    let asked = ask(&of_camera, 1000, true);
    assert_eq!((asked.hnsw_ef, asked.exact), (Some(1000), Some(true)));
    let acorn = asked.acorn.unwrap();
    assert_eq!(
        (acorn.enable, acorn.max_selectivity),
        (Some(true), Some(1.0))
    );
}
