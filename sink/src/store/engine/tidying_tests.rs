use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::*;
use crate::store::engine::{Condition, Found, Point, TRACKLETS, Where};
use crate::store::options::VectorSpec;

const DIMENSION: usize = 32;

fn specs() -> Vec<VectorSpec> {
    vec![VectorSpec {
        name: "appearance".to_owned(),
        dimension: DIMENSION,
        model: "m@0123456789ab".to_owned(),
    }]
}

fn id(number: u32) -> Uuid {
    Uuid::from_u128(u128::from(number) << 64 | 7)
}

fn look(number: u32) -> Vec<f32> {
    let mut bits = u64::from(number) + 1;
    let values = (0..DIMENSION).map(|_| {
        bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (bits >> 40) as f32 / (1 << 24) as f32 - 0.5
    });
    crate::store::points::normalised(&values.collect::<Vec<_>>())
}

fn point(number: u32, revision: u32) -> Point {
    let payload = json!({ "camera": format!("gate-{}", number % 3), "revision": revision });
    let Value::Object(payload) = payload else {
        panic!("an object");
    };
    Point {
        id: id(number),
        vectors: vec![("appearance".to_owned(), look(number))],
        payload,
    }
}

fn open(dir: &Path) -> Embedded {
    let mut engine = Embedded::open(dir, &specs(), 10).unwrap();
    engine.graph_points = 2_000;
    engine
}

fn revisions(found: &[Found]) -> Vec<u64> {
    let revision = |point: &Found| point.payload["revision"].as_u64().unwrap();
    found.iter().map(revision).collect()
}

/// How often the point is there, in whatever version.
fn times(engine: &Embedded, number: u32) -> usize {
    let request = || {
        let filter = Some(only(&[id(number)])?);
        engine.shard.count(CountRequest {
            filter,
            exact: true,
        })
    };
    engine.guarded("count", request).unwrap()
}

fn is_building(dir: &Path) -> bool {
    fs_err::read_dir(dir.join("temp_segments")).is_ok_and(|mut entries| entries.next().is_some())
}

#[test]
fn everything_goes_on_while_a_graph_is_built() {
    const POINTS: u32 = 6_000;
    const LIMIT: Duration = Duration::from_secs(900);
    let dir = tempfile::tempdir().unwrap();
    Embedded::create(dir.path(), &specs(), &TRACKLETS).unwrap();
    let engine = open(dir.path());
    for from in (0..POINTS).step_by(500) {
        let some = (from..from + 500).map(|number| point(number, 0));
        engine.upsert(some.collect()).unwrap();
    }
    engine.flush().unwrap();
    let is_built = AtomicBool::new(false);
    let mut rounds = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Whatever comes of it, nobody shall wait for ever.
            let built = engine.optimize();
            is_built.store(true, Ordering::Release);
            assert!(built.unwrap(), "there was a graph to build");
        });
        let begin = Instant::now();
        while !is_built.load(Ordering::Acquire) {
            assert!(begin.elapsed() < LIMIT, "the graph is not built");
            let was_building = is_building(dir.path());
            // One of the segment that is built anew is replaced, one changed and one deleted, and one is new.
            let first = rounds * 3;
            engine
                .upsert(vec![point(first, 1), point(POINTS + rounds, 0)])
                .unwrap();
            let fields = Map::from_iter([("revision".to_owned(), Value::from(2))]);
            engine.set_payload(id(first + 1), fields).unwrap();
            engine.delete_ids(&[id(first + 2)]).unwrap();
            engine.flush().unwrap();
            let nearest = engine.search("appearance", &look(first), &Where::default(), 1, true);
            assert_eq!(revisions(&nearest.unwrap()), [1]);
            // Both ends of the round lie in the same build.
            if was_building && is_building(dir.path()) && !is_built.load(Ordering::Acquire) {
                rounds += 1;
                if rounds > 200 {
                    break;
                }
            }
        }
    });
    assert!(rounds > 0, "nothing was done while the graph was built");
    let holds = |engine: &Embedded| {
        for round in 0..rounds {
            let first = round * 3;
            let found = engine.retrieve(&[id(first), id(first + 1)], false).unwrap();
            assert_eq!(revisions(&found), [1, 2]);
            let there = [first, first + 1, first + 2].map(|number| times(engine, number));
            assert_eq!(there, [1, 1, 0]);
        }
    };
    holds(&engine);
    assert_eq!(Changed::left_in(dir.path()).unwrap(), None);
    assert!(engine.shard.info().indexed_vectors_count > 0);
    drop(engine);
    holds(&open(dir.path()));
}

/// The only segment of a collection.
fn segment(dir: &Path) -> PathBuf {
    let mut entries = fs_err::read_dir(dir.join("segments")).unwrap();
    let segment = entries.next().unwrap().unwrap().path();
    assert!(entries.next().is_none());
    segment
}

fn copy(from: &Path, to: &Path) {
    fs_err::create_dir_all(to).unwrap();
    for entry in fs_err::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs_err::copy(entry.path(), &to).unwrap();
        }
    }
}

#[test]
fn what_a_killed_process_had_not_built_is_put_right() {
    // Two segments: an old one with everything, and a new one with what was written after. So a kill leaves it.
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    Embedded::create(dir.path(), &specs(), &TRACKLETS).unwrap();
    let engine = open(dir.path());
    engine
        .upsert((0..100).map(|number| point(number, 0)).collect())
        .unwrap();
    drop(engine);
    copy(dir.path(), other.path());
    let engine = open(other.path());
    engine
        .upsert((0..20).map(|number| point(number, 1)).collect())
        .unwrap();
    let rest: Vec<Uuid> = (20..100).map(id).collect();
    engine.delete_ids(&rest).unwrap();
    drop(engine);
    let new = dir
        .path()
        .join("segments")
        .join(Uuid::from_u128(5).to_string());
    copy(&segment(other.path()), &new);
    fs_err::remove_dir_all(dir.path().join("wal")).unwrap();
    copy(&other.path().join("wal"), &dir.path().join("wal"));
    let half_built = dir.path().join("temp_segments").join("x");
    fs_err::create_dir_all(&half_built).unwrap();
    let all = Where::default();
    {
        let engine = open(dir.path());
        assert_eq!(engine.count(&all).unwrap(), 120, "the state of a kill");
    }
    let mut changed = Changed::begin(dir.path()).unwrap();
    changed.note((0..20).map(id), Fate::Written).unwrap();
    changed
        .note([id(3), id(50), id(200)], Fate::Deleted)
        .unwrap();
    changed.note([id(60), id(201)], Fate::Written).unwrap();
    drop(changed);

    let engine = open(dir.path());
    assert!(!half_built.exists());
    assert_eq!(Changed::left_in(dir.path()).unwrap(), None);
    assert_eq!(engine.count(&all).unwrap(), 98);
    let gate = Where::all_of(vec![Condition::is("camera", &"gate-0")]);
    assert_eq!(
        engine.count(&gate).unwrap(),
        33,
        "34 of which number 3 went"
    );
    for number in 0..100 {
        let found = engine.retrieve(&[id(number)], false).unwrap();
        let expected: &[u64] = match number {
            3 | 50 => &[],
            0..20 => &[1],
            _ => &[0],
        };
        assert_eq!(revisions(&found), expected, "{number}");
    }
    drop(engine);
    assert_eq!(open(dir.path()).count(&all).unwrap(), 98);
}
