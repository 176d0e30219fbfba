//! The whole sink, killed and restarted.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use super::*;
use crate::event::testing::{coverage, sighting};
use crate::search::{Filter, QueryKind};
use crate::store::VectorSpec;
use crate::{Error, Event};

const LONG: Duration = Duration::from_secs(120);

fn options() -> SinkOptions {
    let spec = VectorSpec {
        name: "appearance".into(),
        dimension: 4,
        model: "m@0123456789ab".into(),
    };
    SinkOptions {
        flush_after: Duration::from_millis(30),
        ..SinkOptions::new(StoreOptions::new(vec![spec]))
    }
}

fn event(number: u32) -> Event {
    Event::Sighting(Box::new(sighting(
        "gate-2",
        1_000_000_000,
        number / 5,
        number % 5,
    )))
}

#[test]
fn what_is_appended_is_found_after_a_drain() {
    let dir = tempfile::tempdir().unwrap();
    let sink = Sink::open(dir.path(), options()).unwrap();
    let writer = sink.writer();
    let mut last = 0;
    for number in 0..50 {
        last = writer.append(&event(number)).unwrap();
    }
    writer
        .append(&Event::Coverage(coverage(
            "gate-2",
            1_000_000_000,
            9_000_000_000,
            true,
        )))
        .unwrap();
    writer.wait_safe(last, LONG).unwrap();
    sink.drain(LONG).unwrap();
    let status = sink.status();
    let counts = sink.store_status().unwrap();
    assert_eq!((counts.exemplars, counts.tracklets), (50, 10));
    assert_eq!((status.spool.records, status.trouble), (0, None));
    let query = Query {
        kind: QueryKind::Time,
        filter: Filter::default(),
        limit: 100,
    };
    let answer = sink.search(&query).unwrap();
    assert_eq!(
        (answer.hits.len(), answer.searched, answer.why_empty),
        (10, 10, None)
    );
    assert_eq!(answer.coverage[0].indexed_to_ns, Some(9_000_000_000));
    assert!(answer.hits[0].thumbnail.as_ref().unwrap().exists());
    sink.close().unwrap();
    // The writer is still there, and neither keeps the store open nor writes to it.
    assert!(matches!(
        writer.append(&event(0)),
        Err(Error::Closed { .. })
    ));
    let sink = Sink::open(dir.path(), options()).unwrap();
    assert!(sink.recovery().is_clean());
    assert_eq!(sink.search(&query).unwrap().hits, answer.hits);
}

#[test]
fn searches_go_on_while_events_come_in() {
    let dir = tempfile::tempdir().unwrap();
    let sink = Sink::open(dir.path(), options()).unwrap();
    let writer = sink.writer();
    let feeder = std::thread::spawn(move || {
        (0..2_000).for_each(|number| assert!(writer.append(&event(number)).is_ok()));
    });
    let query = Query {
        kind: QueryKind::Time,
        filter: Filter::default(),
        limit: 10,
    };
    while !feeder.is_finished() {
        sink.search(&query).unwrap();
    }
    feeder.join().unwrap();
    sink.drain(LONG).unwrap();
    assert_eq!(sink.store_status().unwrap().exemplars, 2_000);
}

const CHILD: &str = "SIGHTLINE_SINK_TEST_CHILD";

/// Not a test of its own: the process that is killed. It prints each sequence that is safe.
#[test]
fn child_that_appends_until_it_is_killed() {
    let Ok(dir) = std::env::var(CHILD) else {
        return;
    };
    let sink = Sink::open(dir, options()).unwrap();
    let writer = sink.writer();
    let first = sink.status().spool.appended as u32;
    for number in first.. {
        let sequence = writer.append(&event(number)).unwrap();
        if number % 7 == 0 {
            writer.wait_safe(sequence, LONG).unwrap();
            println!("\nsafe {sequence}");
        }
    }
}

#[test]
fn killed_at_any_moment_every_safe_record_is_in_the_store_exactly_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut safe = 0;
    for round in 0_u64..8 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "flow::tests::child_that_appends_until_it_is_killed",
                "--nocapture",
            ])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The moment is told by progress, not by a clock: some more records each time.
        let mut to_go = 5 + (round * 37) % 60;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            if let Some(sequence) = line.unwrap().strip_prefix("safe ") {
                safe = sequence.parse().unwrap();
                to_go -= 1;
                if to_go == 0 {
                    break;
                }
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(to_go, 0, "the child died by itself");
    }
    let sink = Sink::open(dir.path(), options()).unwrap();
    sink.drain(LONG).unwrap();
    let status = sink.status();
    assert!(status.spool.safe >= safe, "{safe} {status:?}");
    assert_eq!((status.spool.broken, status.spool.dropped.records), (0, 0));
    // Sequence n carries event n - 1, in every round: so there is one point a sequence.
    let count = status.spool.appended;
    let counts = sink.store_status().unwrap();
    assert_eq!(
        (counts.exemplars, counts.tracklets),
        (count, count.div_ceil(5))
    );
    let other = tempfile::tempdir().unwrap();
    let straight = Store::open(other.path(), &options().store).unwrap();
    let events: Vec<_> = (0..count as u32)
        .map(|number| (u64::from(number) + 1, event(number)))
        .collect();
    straight.apply(&events).unwrap();
    assert_eq!(sink.digest().unwrap(), straight.digest().unwrap());
}

/// Every file under a folder.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs_err::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push(path);
        }
    }
    files
}

#[test]
fn no_file_holds_what_is_forgotten_and_the_list_of_it_is_signed() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options();
    options.store.persons = Some(crate::AssociationOptions::default());
    let sink = Sink::open(dir.path(), options.clone()).unwrap();
    let writer = sink.writer();
    let mut numbers: Vec<u32> = (0..50).collect();
    numbers.rotate_left(20);
    for number in &numbers {
        writer.append(&event(*number)).unwrap();
    }
    sink.drain(LONG).unwrap();
    sink.settle_persons().unwrap();
    let Event::Sighting(gone) = event(17) else {
        panic!("a sighting");
    };
    // In each form in which a part of the store writes it: the engine's files and its log, the record of persons, the
    // spool, the folder of crops.
    let values = crate::store::points::normalised(
        &gone.vectors[0]
            .values
            .iter()
            .map(|value| value.to_f32())
            .collect::<Vec<_>>(),
    );
    let f32s = |encode: fn(&f32) -> Vec<u8>| values.iter().flat_map(encode).collect::<Vec<u8>>();
    let needles = [
        f32s(|value| value.to_le_bytes().to_vec()),
        f32s(|value| [&[0xfa], &value.to_be_bytes()[..]].concat()),
        f32s(|value| format!("{:08x}", value.to_bits()).into_bytes()),
        gone.vectors[0]
            .values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect(),
        gone.crop.as_ref().unwrap()[20..60].to_vec(),
    ];
    let holders = |needle: &[u8]| -> Vec<PathBuf> {
        let holds = |path: &PathBuf| {
            let bytes = fs_err::read(path).unwrap();
            bytes.windows(needle.len()).any(|window| window == needle)
        };
        files(dir.path()).into_iter().filter(holds).collect()
    };
    for needle in &needles {
        assert!(
            !holders(needle).is_empty(),
            "{needle:02x?} is nowhere to begin with"
        );
    }
    let asked = Forget::Track(gone.track);
    let report = sink.forget(&asked, 77, false, LONG).unwrap();
    assert_eq!(
        (report.tracklets, report.sightings, report.pictures.len()),
        (1, 5, 5)
    );
    assert_eq!((report.spool_segments, report.spool_records), (1, 0));
    assert_eq!((report.associations, report.leaves_log_ns), (1, 77));
    for needle in &needles {
        assert_eq!(holders(needle), [] as [PathBuf; 0], "{needle:02x?}");
    }
    let list = report.list.clone().unwrap();
    crate::store::verify_list(&list).unwrap();
    assert!(
        fs_err::read_to_string(&list)
            .unwrap()
            .contains(&gone.track.to_string())
    );
    // The same recording comes once more: nothing of it comes back, and the rest is as it was.
    let digest = sink.digest().unwrap();
    for number in 0..50 {
        writer.append(&event(number)).unwrap();
    }
    sink.drain(LONG).unwrap();
    assert_eq!(sink.digest().unwrap(), digest);
    assert_eq!(sink.status().applied.forgotten, 5);
    let again = sink.forget(&asked, 78, false, LONG).unwrap();
    assert_eq!((again.sightings, again.spool_records), (0, 0));
    for needle in &needles[..2] {
        assert_eq!(holders(needle), [] as [PathBuf; 0]);
    }
    sink.close().unwrap();
    let sink = Sink::open(dir.path(), options).unwrap();
    assert_eq!(sink.digest().unwrap(), digest);
}

#[test]
fn tracks_that_are_too_old_by_the_clock_go_by_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options();
    options.store.retention.max_age = Some(Duration::from_secs(24 * 3600));
    options.expire_every = Some(Duration::from_millis(10));
    let sink = Sink::open(dir.path(), options).unwrap();
    // Seen in 1970.
    sink.writer().append(&event(0)).unwrap();
    sink.drain(LONG).unwrap();
    let deadline = Instant::now() + LONG;
    while sink.store_status().unwrap().expired == 0 {
        assert!(Instant::now() < deadline, "it never went");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(sink.store_status().unwrap().exemplars, 0);
    sink.close().unwrap();
}
