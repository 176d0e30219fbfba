//! What every engine keeps, whichever it is.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Condition, Engine, Order, Point, TRACKLETS, Where};
use crate::store::VectorSpec;

pub(crate) fn specs() -> Vec<VectorSpec> {
    let spec = |name: &str, dimension| VectorSpec {
        name: name.into(),
        dimension,
        model: "m@0123456789ab".into(),
    };
    vec![spec("appearance", 4), spec("joint", 3)]
}

fn point(number: u32) -> Point {
    let angle = number as f32 * 0.1;
    let payload = json!({
        "site": "site", "camera": format!("gate-{}", number % 3), "person": null,
        "start_us": 1_700_000_000_000_000_i64 + i64::from(number), "end_us": 5, "duration_us": 7,
        "size": 0.25, "revision": 0, "number": number,
    });
    let Value::Object(payload) = payload else {
        panic!("an object");
    };
    let mut vectors = vec![(
        "appearance".to_owned(),
        vec![angle.cos(), angle.sin(), 0.0, 0.0],
    )];
    // Some have one kind alone.
    if number.is_multiple_of(2) {
        vectors.push(("joint".to_owned(), vec![0.0, angle.cos(), angle.sin()]));
    }
    Point {
        id: Uuid::from_u128(u128::from(number) << 64 | 7),
        vectors,
        payload,
    }
}

fn numbers(found: &[super::Found]) -> Vec<u64> {
    found
        .iter()
        .map(|point| point.payload["number"].as_u64().unwrap())
        .collect()
}

/// `make` gives an empty collection of [`TRACKLETS`] for [`specs`].
pub(crate) fn holds(make: impl FnOnce() -> Box<dyn Engine>) {
    let engine = make();
    let all = Where::default();
    assert_eq!(engine.count(&all).unwrap(), 0);
    engine.upsert((0..300).map(point).collect()).unwrap();
    engine.upsert((0..10).map(point).collect()).unwrap();
    engine.flush().unwrap();
    assert_eq!(
        engine.count(&all).unwrap(),
        300,
        "a repeat is the same point"
    );

    let ids = [point(4).id, point(5).id, Uuid::from_u128(99)];
    let mut found = engine.retrieve(&ids, true).unwrap();
    found.sort_by_key(|point| point.id);
    assert_eq!(numbers(&found), [4, 5], "what is not there is left out");
    assert_eq!(found[0].payload, point(4).payload);
    let names = |at: usize| {
        let names = found[at].vectors.iter().map(|(name, _)| name.as_str());
        names.collect::<BTreeSet<_>>()
    };
    assert_eq!(names(0), BTreeSet::from(["appearance", "joint"]));
    assert_eq!(names(1), BTreeSet::from(["appearance"]));
    let (_, values) = &found[1].vectors[0];
    for (held, sent) in values.iter().zip(&point(5).vectors[0].1) {
        assert!((held - sent).abs() < 1e-6);
    }
    assert!(
        engine
            .retrieve(&ids, false)
            .unwrap()
            .iter()
            .all(|point| point.vectors.is_empty())
    );

    let looks = &point(20).vectors[0].1;
    let nearest = engine.search("appearance", looks, &all, 3, true).unwrap();
    assert_eq!(numbers(&nearest)[0], 20);
    assert!((nearest[0].score - 1.0).abs() < 1e-5 && nearest[0].score > nearest[1].score);
    let camera = Where::all_of(vec![Condition::is("camera", &"gate-1")]);
    let nearest = engine
        .search("appearance", looks, &camera, 300, true)
        .unwrap();
    assert_eq!(nearest.len(), 100);
    assert!(numbers(&nearest).iter().all(|number| number % 3 == 1));
    let joint = &point(20).vectors[1].1;
    let of_joint = engine.search("joint", joint, &all, 400, true).unwrap();
    assert_eq!(
        of_joint.len(),
        150,
        "points without the vector are not compared"
    );

    let first = 1_700_000_000_000_000_i64;
    let cases = [
        (
            vec![Condition::any("camera", &["gate-0", "gate-2"])],
            vec![],
            200,
        ),
        (
            vec![Condition::at_least("start_us", first + 290)],
            vec![],
            10,
        ),
        (
            vec![Condition::at_most("start_us", first + 9)],
            vec![Condition::is("camera", &"gate-0")],
            6,
        ),
        (
            vec![Condition::Range("size", Some(0.2), Some(0.3))],
            vec![],
            300,
        ),
        (vec![Condition::is("camera", &"gate-9")], vec![], 0),
        // A field without an index.
        (
            vec![Condition::Range("number", Some(7.0), Some(8.0))],
            vec![],
            2,
        ),
    ];
    for (must, must_not, count) in cases {
        let filter = Where { must, must_not };
        assert_eq!(engine.count(&filter).unwrap(), count, "{filter:?}");
        assert_eq!(
            engine.every(&filter).unwrap().len() as u64,
            count,
            "{filter:?}"
        );
    }
    let order = |is_falling| Order {
        by: "start_us",
        is_falling,
    };
    assert_eq!(
        numbers(&engine.ordered(&camera, order(true), 3).unwrap()),
        [298, 295, 292]
    );
    assert_eq!(
        numbers(&engine.ordered(&camera, order(false), 3).unwrap()),
        [1, 4, 7]
    );

    let (mut pages, mut from, mut seen) = (0, None, BTreeSet::new());
    loop {
        let (found, next) = engine.page(&all, from, 130, true).unwrap();
        assert!(found.iter().all(|point| !point.vectors.is_empty()));
        seen.extend(numbers(&found));
        pages += 1;
        match next {
            Some(next) => from = Some(next),
            None => break,
        }
    }
    assert_eq!((pages, seen.len()), (3, 300));

    let person = Map::from_iter([("person".to_owned(), Value::from("p"))]);
    engine.set_payload(point(6).id, person).unwrap();
    let of_person = Where::all_of(vec![Condition::is("person", &"p")]);
    assert_eq!(numbers(&engine.every(&of_person).unwrap()), [6]);
    let mut newer = point(6);
    newer.payload.insert("revision".into(), 3.into());
    engine.upsert(vec![newer]).unwrap();
    assert_eq!(
        engine.count(&of_person).unwrap(),
        0,
        "a point is replaced whole"
    );

    engine.delete(&camera).unwrap();
    assert_eq!(engine.count(&all).unwrap(), 200);
    engine.delete_ids(&[point(0).id, point(1).id]).unwrap();
    assert_eq!(engine.count(&all).unwrap(), 199);
    assert!(
        engine.delete(&all).is_err(),
        "nothing says that all shall go"
    );
    engine.scrub().unwrap();
    engine.optimize().unwrap();
    engine.flush().unwrap();
    assert_eq!(engine.count(&all).unwrap(), 199);
    assert!(engine.is_exact_for(10));
}

#[test]
fn the_embedded_engine_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    holds(|| {
        super::embedded::Embedded::create(dir.path(), &specs(), &TRACKLETS).unwrap();
        Box::new(super::embedded::Embedded::open(dir.path(), &specs(), 1000).unwrap())
    });
}
