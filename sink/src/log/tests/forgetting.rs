//! What is forgotten stays so, wherever it comes by.

use super::*;
use crate::Stretch;
use crate::store::{Forget, verify_list};

/// Files of a spool that hold these bytes.
fn holders(dir: &std::path::Path, needle: &[u8]) -> usize {
    let files = fs_err::read_dir(dir.join("spool")).unwrap();
    let bytes = files.map(|file| fs_err::read(file.unwrap().path()).unwrap());
    bytes
        .filter(|bytes| bytes.windows(needle.len()).any(|part| part == needle))
        .count()
}

#[test]
fn what_a_site_forgets_is_refused_by_every_indexer_a_new_one_from_the_beginning_and_every_spool() {
    let test = "what_a_site_forgets_is_refused_by_every_indexer_a_new_one_from_the_beginning_and_every_spool";
    let Some((broker, log)) = begin(test) else {
        return;
    };
    let other_log = LogOptions {
        group: "another".to_owned(),
        ..log.clone()
    };
    let dirs: [_; 4] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
    let [edge, site, other_site, late_site] = dirs.each_ref().map(tempfile::TempDir::path);
    let events = events(900);
    let gone = track_of(&events[0]);
    let mut of_gone = events
        .iter()
        .filter(|event| is_of(event, |s| s.track == gone));
    let Some(Event::Sighting(first)) = of_gone.next() else {
        panic!("a sighting");
    };
    let picture = first.crop.as_ref().unwrap()[20..60].to_vec();

    // Two sites of one log, and a box that has sent half of everything.
    let publisher = publish(edge, &log);
    append(&publisher.writer(), &events[..1]);
    append(&publisher.writer(), &events[300..]);
    publisher.drain(LONG).unwrap();
    assert_eq!(
        holders(edge, &picture),
        1,
        "done with, and still on the disk"
    );
    let (store, other_store) = (open_store(site), open_store(other_site));
    let receiver = receive(&store, &log);
    let other = receive(&other_store, &other_log);
    other.catch_up(LONG).unwrap();

    let asked = Forget::Track(gone);
    let dry = receiver.forget(&asked, 77, true, LONG).unwrap();
    assert_eq!((dry.sightings, dry.is_dry_run), (1, true));
    let report = receiver.forget(&asked, 77, false, LONG).unwrap();
    assert_eq!((report.tracklets, report.sightings), (1, 1));
    // 24 h by the topic, as long again for the file it lies in, and the brokers' own periods.
    assert_eq!(report.leaves_log_ns, 77 + 49 * 3600 * S);
    verify_list(report.list.unwrap()).unwrap();
    other.catch_up(LONG).unwrap();
    until("the box's disk is clear of it", || {
        holders(edge, &picture) == 0
    });

    // The rest of that track, and all of it once more: from the box's spool after an outage, too.
    broker.kill();
    append(&publisher.writer(), &events);
    broker.restart();
    publisher.drain(LONG).unwrap();
    let refused = events
        .iter()
        .filter(|event| is_of(event, |s| s.track == gone));
    assert!(publisher.status().send.forgotten >= refused.count() as u64);
    until("the box's disk is clear of it again", || {
        holders(edge, &picture) == 0
    });
    let left = without(&events, &[gone]);
    for (receiver, store) in [(&receiver, &store), (&other, &other_store)] {
        receiver.catch_up(LONG).unwrap();
        assert_eq!(receiver.status().trouble, None);
        assert_holds_points(store, &left);
    }

    // Somebody who begins years later sees the one message that had gone into the log before.
    let late_log = LogOptions {
        group: "late".to_owned(),
        ..log.clone()
    };
    let late_store = open_store(late_site);
    let late = receive(&late_store, &late_log);
    late.catch_up(LONG).unwrap();
    assert_eq!(late.status().applied.forgotten, 1);
    late.close().unwrap();
    assert_holds_points(&late_store, &left);

    // A time of a camera: whoever came into it goes whole, also what was indexed before that was known.
    let stretch = Stretch {
        site: None,
        camera: "gate-1".to_owned(),
        from_ns: 62 * S,
        to_ns: 63 * S,
    };
    let asked = Forget::Camera(stretch.clone());
    let report = receiver.forget(&asked, 78, false, LONG).unwrap();
    assert!(!report.tracks.is_empty());
    let mut tracks: Vec<_> = events
        .iter()
        .filter(|event| is_of(event, |sighting| stretch.covers(sighting)))
        .map(track_of)
        .collect();
    tracks.push(gone);
    other.catch_up(LONG).unwrap();
    let left = without(&events, &tracks);
    assert_holds_points(&store, &left);
    assert_holds_points(&other_store, &left);
    // A track that nobody knew: its beginning is before that time, and the box sends word instead of its end.
    let walker =
        |sequence| Event::Sighting(Box::new(sighting("gate-1", 60 * S, 900_000, sequence)));
    append(&publisher.writer(), &(0..5).map(walker).collect::<Vec<_>>());
    publisher.drain(LONG).unwrap();
    for (receiver, store) in [(&receiver, &store), (&other, &other_store)] {
        receiver.catch_up(LONG).unwrap();
        assert_holds_points(store, &left);
    }
    assert!(
        publisher.status().send.forgotten >= 3,
        "{:?}",
        publisher.status().send
    );
    receiver.close().unwrap();
    other.close().unwrap();
}

#[test]
fn what_cannot_be_told_is_not_forgotten_and_can_be_asked_for_again() {
    let test = "what_cannot_be_told_is_not_forgotten_and_can_be_asked_for_again";
    let Some((broker, log)) = begin(test) else {
        return;
    };
    let (edge, site) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let events = events(300);
    let (publisher, store) = (publish(edge.path(), &log), open_store(site.path()));
    append(&publisher.writer(), &events);
    publisher.drain(LONG).unwrap();
    let receiver = receive(&store, &log);
    receiver.catch_up(LONG).unwrap();
    let asked = Forget::Track(track_of(&events[0]));
    broker.kill();
    let refused = receiver.forget(&asked, 7, false, Duration::from_secs(5));
    assert!(refused.is_err(), "{refused:?}");
    assert_holds_points(&store, &events);
    broker.restart();
    receiver.forget(&asked, 8, false, LONG).unwrap();
    assert_holds_points(&store, &without(&events, &[track_of(&events[0])]));
    receiver.close().unwrap();
}
