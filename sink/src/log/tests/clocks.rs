//! Clocks that jump, on an edge box.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use super::*;

const DAY: i64 = 24 * 3600;

/// Events that the box whose clock is set sends: so often so many.
const SENT: (u32, u32) = (9, 250);

/// Not a test of its own: a box, and its indexer, whose clock somebody sets. It says how far it is, and what time it is.
#[test]
fn child_box_whose_clock_is_set() {
    let Some((dir, log)) = given() else {
        return;
    };
    let store = open_store(&dir.join("site"));
    let (publisher, receiver) = (publish(&dir.join("edge"), &log), receive(&store, &log));
    for part in events(SENT.0 * SENT.1).chunks(SENT.1 as usize) {
        for some in part.chunks(25) {
            append(&publisher.writer(), some);
            std::thread::sleep(Duration::from_millis(50));
        }
        publisher.drain(LONG).unwrap();
        receiver.catch_up(LONG).unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        // Now it is set, and the next part comes.
        say(&format!("at {}", now.as_secs()));
    }
    receiver.close().unwrap();
    publisher.close().unwrap();
    say("all is indexed");
}

#[test]
fn a_box_whose_clock_is_set_ahead_and_back_sends_and_indexes_on() {
    let test = "a_box_whose_clock_is_set_ahead_and_back_sends_and_indexes_on";
    let Some(library) = library_that_fakes_time() else {
        let words = format!("SKIPPED {test}: no libfaketime\n");
        std::io::Write::write_all(&mut std::io::stderr(), words.as_bytes()).ok();
        return;
    };
    let Some((broker, _)) = begin(test) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let clock = dir.path().join("clock");
    let set = |by_s: i64| {
        let part = dir.path().join("clock.part");
        fs_err::write(&part, format!("{by_s:+}")).unwrap();
        fs_err::rename(&part, &clock).unwrap();
    };
    set(0);
    let environment = [
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        // As on a machine whose clock is set: what counts on steadily, and the times of files, stay as they are.
        ("DONT_FAKE_MONOTONIC", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("NO_FAKE_STAT", "1"),
        ("FAKE_UTIME", "0"),
    ];
    let name = "clocks::child_box_whose_clock_is_set";
    let mut child = Child::start_with(name, dir.path(), &broker.address, &environment);
    let jumps_s = [30 * DAY, -400 * DAY, 0, 3600, -3600, 20_000 * DAY, 5];
    let mut next = jumps_s.iter().copied();
    let (mut least_s, mut most_s) = (i64::MAX, i64::MIN);
    child.hear_until(|words| {
        let Some(said) = words.strip_prefix("at ") else {
            return words == "all is indexed";
        };
        let real = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let off_s = said.parse::<i64>().unwrap() - real.as_secs() as i64;
        (least_s, most_s) = (off_s.min(least_s), off_s.max(most_s));
        if let Some(by_s) = next.next() {
            set(by_s);
        }
        false
    });
    assert!(
        least_s < -399 * DAY && most_s > 19_999 * DAY,
        "{least_s} {most_s}"
    );
    assert_holds(
        &open_store(&dir.path().join("site")),
        &events(SENT.0 * SENT.1),
    );
}

/// `libfaketime` for programs with threads, where the system has it.
fn library_that_fakes_time() -> Option<PathBuf> {
    let machines = fs_err::read_dir("/usr/lib").ok()?;
    let mut paths = machines.filter_map(|machine| {
        let path = machine.ok()?.path().join("faketime/libfaketimeMT.so.1");
        path.exists().then_some(path)
    });
    paths.next()
}

#[test]
fn events_whose_own_times_jump_are_all_indexed_in_order_per_track() {
    let test = "events_whose_own_times_jump_are_all_indexed_in_order_per_track";
    let Some((_broker, log)) = begin(test) else {
        return;
    };
    let (edge, site) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // A day and more into the future, back to 1970, forth again; each time some tracks and a heartbeat.
    let mut events = Vec::new();
    for (at, days) in [400, 430, 399, 0, 20_000, 401].into_iter().enumerate() {
        let from_ns = days * DAY * S;
        for number in 0..60 {
            let (track, sequence) = (number / 5, number % 5);
            let ordinal = at as u32 * 100 + track;
            let camera = format!("gate-{}", track % 3);
            events.push(Event::Sighting(Box::new(sighting(
                &camera,
                from_ns + i64::from(track) * S,
                ordinal,
                sequence,
            ))));
        }
        for camera in ["gate-0", "gate-1", "gate-2"] {
            let heartbeat = coverage(camera, from_ns, from_ns + 60 * S, true);
            events.push(Event::Coverage(heartbeat));
        }
    }
    let publisher = publish(edge.path(), &log);
    append(&publisher.writer(), &events);
    publisher.drain(LONG).unwrap();
    let store = open_store(site.path());
    let receiver = receive(&store, &log);
    receiver.catch_up(LONG).unwrap();
    let status = receiver.status();
    assert_eq!((status.dead, status.lost, status.trouble), (0, 0, None));
    assert_eq!(status.applied.stale, 0, "in order per track");
    assert_eq!(status.applied.coverage, 18);
    receiver.close().unwrap();
    assert_holds_points(&store, &events);
}
