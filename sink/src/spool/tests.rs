//! The spool: bounds, damage, readers, a full disk.

use super::*;
use crate::event::Sighting;
use crate::event::testing::{jpeg, sighting};

pub(super) const SMALL: Limits = Limits {
    max_bytes: 400 * 1024,
    segment_bytes: 67 * 1024,
    keep_free_bytes: 0,
};

pub(super) fn event(number: u32) -> Event {
    Event::Sighting(Box::new(Sighting {
        crop: Some(jpeg(
            u64::from(number),
            2_000 + (number as usize * 37) % 9_000,
        )),
        ..sighting("gate-2", 1_000_000, number, 0)
    }))
}

pub(super) fn open(dir: &Path) -> (Spool, Recovery) {
    Spool::open(dir, SMALL).unwrap()
}

pub(super) fn read_all(spool: &Spool, from: u64) -> Vec<(u64, Event)> {
    let mut reader = spool.reader(from);
    std::iter::from_fn(|| reader.try_next().unwrap()).collect()
}

pub(super) fn sequences(spool: &Spool) -> Vec<u64> {
    read_all(spool, 0)
        .into_iter()
        .map(|(sequence, _)| sequence)
        .collect()
}

/// The newest segment with a record in it, and its bytes.
pub(super) fn last_segment(dir: &Path) -> (PathBuf, Vec<u8>) {
    let mut paths: Vec<_> = fs_err::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| segment::first_of(path).is_some())
        .filter(|path| fs_err::metadata(path).unwrap().len() > segment::HEADER_BYTES as u64)
        .collect();
    paths.sort();
    let path = paths.pop().unwrap();
    let bytes = fs_err::read(&path).unwrap();
    (path, bytes)
}

#[test]
fn nothing_is_read_before_it_is_safe() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, recovery) = open(dir.path());
    assert!(recovery.is_clean());
    assert_eq!(spool.append(&event(1)).unwrap(), 1);
    assert_eq!(spool.append(&event(2)).unwrap(), 2);
    assert_eq!(read_all(&spool, 0), []);
    assert_eq!(spool.sync().unwrap(), 2);
    assert_eq!(read_all(&spool, 0), [(1, event(1)), (2, event(2))]);
    assert_eq!(read_all(&spool, 2), [(2, event(2))]);
}

#[test]
fn what_is_acknowledged_does_not_come_again_and_gives_its_room_back() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    for number in 0..40 {
        spool.append(&event(number)).unwrap();
    }
    spool.sync().unwrap();
    let before = spool.status();
    assert_eq!((before.records, before.appended), (40, 40));
    assert_eq!(before.oldest_ns, Some(1_000_000));
    spool.acknowledge(39).unwrap();
    let after = spool.status();
    assert!(after.bytes < before.bytes / 2, "{after:?}");
    assert_eq!((after.records, after.acknowledged), (1, 39));
    drop(spool);
    let (spool, _) = open(dir.path());
    assert_eq!(spool.status().records, 1);
    assert_eq!(
        read_all(&spool, spool.status().acknowledged + 1),
        [(40, event(39))]
    );
    spool.acknowledge(40).unwrap();
    drop(spool);
    let (spool, _) = open(dir.path());
    assert_eq!(
        spool.append(&event(50)).unwrap(),
        41,
        "numbers are never used twice"
    );
}

#[test]
fn beyond_the_bound_the_oldest_go_and_are_counted_across_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    for number in 0..200 {
        spool.append(&event(number)).unwrap();
    }
    spool.sync().unwrap();
    let status = spool.status();
    assert!(status.bytes <= SMALL.max_bytes, "{status:?}");
    let left = sequences(&spool);
    assert_eq!(left, (left[0]..=200).collect::<Vec<_>>());
    assert_eq!(status.dropped.records, 200 - left.len() as u64);
    assert_eq!(status.dropped.newest_to, left[0] - 1);
    drop(spool);
    let (spool, recovery) = open(dir.path());
    assert!(recovery.is_clean(), "{recovery:?}");
    assert_eq!(spool.status().dropped, status.dropped);
}

#[test]
fn a_truncated_record_is_dropped_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    (0..3).for_each(|number| assert!(spool.append(&event(number)).is_ok()));
    spool.sync().unwrap();
    drop(spool);
    let (path, bytes) = last_segment(dir.path());
    fs_err::write(&path, &bytes[..bytes.len() - 5]).unwrap();
    let (spool, recovery) = open(dir.path());
    assert_eq!((recovery.records, recovery.broken_regions), (2, 1));
    assert_eq!(sequences(&spool), [1, 2]);
    drop(spool);
    assert!(
        open(dir.path()).1.is_clean(),
        "a repaired tail is clean the next time"
    );
}

#[test]
fn a_checksum_broken_record_is_skipped_and_counted_once() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    (0..4).for_each(|number| assert!(spool.append(&event(number)).is_ok()));
    spool.sync().unwrap();
    drop(spool);
    let (path, mut bytes) = last_segment(dir.path());
    bytes[segment::HEADER_BYTES + 2_500] ^= 0x40;
    fs_err::write(&path, &bytes).unwrap();
    for _ in 0..2 {
        let (spool, recovery) = open(dir.path());
        assert_eq!(recovery.missing.len(), 1, "{recovery:?}");
        assert_eq!(sequences(&spool).len(), 3);
        assert_eq!(spool.status().broken, 1);
    }
}

#[test]
fn a_record_that_breaks_while_the_spool_is_open_is_skipped_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    (0..4).for_each(|number| assert!(spool.append(&event(number)).is_ok()));
    spool.sync().unwrap();
    let (path, mut bytes) = last_segment(dir.path());
    bytes[segment::HEADER_BYTES + 2_500] ^= 0x40;
    fs_err::write(&path, &bytes).unwrap();
    assert_eq!(sequences(&spool).len(), 3);
    assert_eq!(sequences(&spool).len(), 3);
    assert_eq!(spool.status().broken, 1);
}

#[test]
fn zero_length_files_and_rubbish_are_no_obstacle() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    spool.append(&event(1)).unwrap();
    spool.sync().unwrap();
    drop(spool);
    fs_err::write(segment::path_of(dir.path(), 9), b"").unwrap();
    fs_err::write(segment::path_of(dir.path(), 12), vec![0; 5000]).unwrap();
    fs_err::write(dir.path().join("position"), b"rubbish").unwrap();
    fs_err::write(dir.path().join("notes.txt"), b"not ours").unwrap();
    let (spool, recovery) = open(dir.path());
    assert!(recovery.is_position_lost);
    assert_eq!((recovery.records, recovery.empty_segments >= 2), (1, true));
    assert_eq!(spool.append(&event(2)).unwrap(), 12);
    spool.sync().unwrap();
    assert_eq!(sequences(&spool), [1, 12]);
}

#[test]
fn limits_that_make_no_sense_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let too_small = Limits {
        max_bytes: 1 << 20,
        segment_bytes: 1000,
        keep_free_bytes: 0,
    };
    let too_few = Limits {
        max_bytes: 100_000,
        segment_bytes: 90_000,
        keep_free_bytes: 0,
    };
    for limits in [too_small, too_few] {
        let error = Spool::open(dir.path(), limits).unwrap_err();
        assert!(error.to_string().contains("segment_bytes"), "{error}");
    }
}

#[test]
fn a_disk_that_is_nearly_full_takes_the_oldest_segments_counted_and_leaves_the_newest() {
    let dir = tempfile::tempdir().unwrap();
    let nowhere_near = Limits {
        max_bytes: 64 << 20,
        keep_free_bytes: 1 << 60,
        ..SMALL
    };
    let (spool, _) = Spool::open(dir.path(), nowhere_near).unwrap();
    for number in 0..200 {
        spool.append(&event(number)).unwrap();
        spool.sync().unwrap();
    }
    let status = spool.status();
    assert!(status.bytes <= 2 * SMALL.segment_bytes, "{status:?}");
    assert!(status.records > 0);
    assert_eq!(status.records + status.dropped.records, 200);
    let kept: Vec<u64> = (status.dropped.records + 1..=200).collect();
    assert_eq!(sequences(&spool), kept);
}

#[test]
fn a_reader_in_another_thread_sees_every_record_in_order() {
    const RECORDS: u32 = 300;
    let dir = tempfile::tempdir().unwrap();
    let large = Limits {
        max_bytes: 64 << 20,
        ..SMALL
    };
    let (spool, _) = Spool::open(dir.path(), large).unwrap();
    let mut reader = spool.reader(0);
    let acknowledger = spool.clone();
    let thread = std::thread::spawn(move || {
        let mut seen = Vec::new();
        while seen.len() < RECORDS as usize {
            assert!(reader.wait(std::time::Duration::from_secs(60)));
            while let Some((sequence, _)) = reader.try_next().unwrap() {
                seen.push(sequence);
                acknowledger.acknowledge(sequence).unwrap();
            }
        }
        seen
    });
    for number in 0..RECORDS {
        spool.append(&event(number)).unwrap();
        if number % 7 == 0 {
            spool.sync().unwrap();
        }
    }
    spool.sync().unwrap();
    assert_eq!(
        thread.join().unwrap(),
        (1..=u64::from(RECORDS)).collect::<Vec<_>>()
    );
    assert_eq!(spool.status().records, 0);
}

#[test]
fn a_full_disk_is_a_clear_error_loses_nothing_safe_and_passes() {
    let dir = tempfile::tempdir().unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"])
        .arg(dir.path())
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        std::io::Write::write_all(&mut std::io::stderr(), b"SKIPPED a_full_disk_is_a_clear_error_loses_nothing_safe_and_passes: cannot mount a tmpfs here\n").ok();
        return;
    }
    let outcome = std::panic::catch_unwind(|| fill_and_free(dir.path()));
    let unmounted = std::process::Command::new("umount")
        .arg("-l")
        .arg(dir.path())
        .status();
    assert!(unmounted.unwrap().success());
    outcome.unwrap();
}

fn fill_and_free(dir: &Path) {
    let spool_dir = dir.join("spool");
    let wide = Limits {
        max_bytes: 64 << 20,
        segment_bytes: 67 * 1024,
        keep_free_bytes: 0,
    };
    let (spool, _) = Spool::open(&spool_dir, wide).unwrap();
    let mut appended = 0;
    let error = loop {
        match spool.append(&event(appended)) {
            Ok(_) => appended += 1,
            Err(error) => break error,
        }
        spool.sync().unwrap();
        assert!(appended < 1000, "the disk never filled up");
    };
    assert!(matches!(error, Error::SpoolFull { .. }), "{error}");
    assert!(error.to_string().contains("no space left"), "{error}");
    assert_eq!(error.reaction(), crate::Reaction::Transient);
    assert_eq!(sequences(&spool).len(), appended as usize);
    drop(spool);
    // A full disk does not keep the spool shut.
    let (spool, recovery) = Spool::open(&spool_dir, wide).unwrap();
    assert_eq!(recovery.records, u64::from(appended));
    assert!(matches!(
        (0..100).try_for_each(|number| spool.append(&event(number)).map(drop)),
        Err(Error::SpoolFull { .. })
    ));
    // An acknowledgement works on a full disk, and is what frees it.
    spool.acknowledge(u64::from(appended)).unwrap();
    let next = spool.append(&event(7)).unwrap();
    spool.sync().unwrap();
    assert!(read_all(&spool, next).contains(&(next, event(7))));
}
