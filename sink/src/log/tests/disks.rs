//! Disks that fill up while the log flows.

use std::path::Path;
use std::process::Command;

use super::*;
use crate::Error;
use crate::event::testing::jpeg;

/// A file system of so many KiB at a folder; unmounted with this value.
pub(super) struct Disk<'d>(&'d Path);

impl<'d> Disk<'d> {
    /// None, said loudly, where nothing can be mounted.
    pub(super) fn mount(test: &str, dir: &'d Path, kib: u32) -> Option<Self> {
        fs_err::create_dir_all(dir).unwrap();
        if mount(dir, &format!("size={kib}k")) {
            return Some(Self(dir));
        }
        let words = format!("SKIPPED {test}: cannot mount a tmpfs here\n");
        std::io::Write::write_all(&mut std::io::stderr(), words.as_bytes()).ok();
        None
    }

    pub(super) fn resize(&self, kib: u32) {
        assert!(mount(self.0, &format!("remount,size={kib}k")));
    }

    /// What lies on it, KiB.
    pub(super) fn used(&self) -> u32 {
        let used = Command::new("du").arg("-sk").arg(self.0).output();
        let used = String::from_utf8(used.unwrap().stdout).unwrap();
        used.split_whitespace().next().unwrap().parse().unwrap()
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(self.0).status().ok();
    }
}

fn mount(dir: &Path, options: &str) -> bool {
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", options, "tmpfs"])
        .arg(dir)
        .status();
    mounted.is_ok_and(|status| status.success())
}

/// Sightings with pictures of 3 kB.
fn with_pictures(count: u32) -> Vec<Event> {
    let mut events = events(count);
    for (number, event) in events.iter_mut().enumerate() {
        if let Event::Sighting(sighting) = event {
            sighting.crop = Some(jpeg(number as u64, 3_000));
        }
    }
    events
}

#[test]
fn a_disk_that_fills_up_under_the_spool_refuses_what_is_new_and_loses_nothing_that_was_taken() {
    let test =
        "a_disk_that_fills_up_under_the_spool_refuses_what_is_new_and_loses_nothing_that_was_taken";
    let Some((broker, log)) = begin(test) else {
        return;
    };
    let (edge, site) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let Some(disk) = Disk::mount(test, edge.path(), 1_024) else {
        return;
    };
    let mut options = PublisherOptions::new(log.clone());
    options.spool = crate::spool::Limits {
        max_bytes: 64 << 20,
        segment_bytes: 100_000,
        ..crate::spool::Limits::default()
    };
    let publisher = Publisher::open(edge.path(), options).unwrap();
    let writer = publisher.writer();
    let events = with_pictures(1_500);
    let mut taken = Vec::new();
    let mut refused = 0;
    for (number, event) in events.iter().enumerate() {
        // It flows; then the log is away and the disk fills up; then the log is back.
        match number {
            200 => {
                publisher.drain(LONG).unwrap();
                broker.kill();
            }
            1_000 => {
                broker.restart();
                publisher.drain(LONG).unwrap();
            }
            _ => {}
        }
        match writer.append(event) {
            Ok(_) => taken.push(event.clone()),
            Err(Error::SpoolFull { .. }) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(refused > 100, "{refused}: the disk never filled up");
    assert_eq!(taken.last(), events.last(), "with room again it goes on");
    publisher.drain(LONG).unwrap();
    let status = publisher.status();
    assert_eq!((status.spool.broken, status.spool.dropped.records), (0, 0));
    assert_eq!(status.send.sent, taken.len() as u64);
    publisher.close().unwrap();
    drop(disk);
    let store = open_store(site.path());
    let receiver = receive(&store, &log);
    receiver.catch_up(LONG).unwrap();
    receiver.close().unwrap();
    assert_holds_points(&store, &taken);
}

#[test]
fn a_disk_that_fills_up_under_the_pictures_is_told_and_with_room_again_everything_is_indexed() {
    let test =
        "a_disk_that_fills_up_under_the_pictures_is_told_and_with_room_again_everything_is_indexed";
    let Some((_broker, log)) = begin(test) else {
        return;
    };
    let (edge, site) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let crops = site.path().join("crops");
    let Some(disk) = Disk::mount(test, &crops, 2_048) else {
        return;
    };
    let (publisher, store) = (publish(edge.path(), &log), open_store(site.path()));
    let receiver = receive(&store, &log);
    let events = with_pictures(1_500);
    append(&publisher.writer(), &events[..300]);
    publisher.drain(LONG).unwrap();
    receiver.catch_up(LONG).unwrap();
    append(&publisher.writer(), &events[300..]);
    publisher.drain(LONG).unwrap();
    until("the indexer says that the disk is full", || {
        let trouble = receiver.status().trouble;
        trouble.is_some_and(|text| text.contains("No space left") && text.contains("crop"))
    });
    // What is searchable is searchable, and nothing that was not written counts as indexed.
    let behind = receiver.status();
    assert!(behind.failure.is_none() && !behind.is_level, "{behind:?}");
    let late = receiver.catch_up(Duration::from_millis(500)).unwrap_err();
    assert!(late.to_string().contains("No space left"), "{late}");
    disk.resize(64 * 1_024);
    receiver.catch_up(LONG).unwrap();
    let status = receiver.status();
    assert_eq!((status.dead, status.lost, status.trouble), (0, 0, None));
    receiver.close().unwrap();
    assert_holds(&store, &events);
    assert_eq!(store.status().unwrap().crops.crops, sightings(&events));
    drop((store, disk));
}

/// Not a test of its own: an indexer whose whole disk fills up. It says how far it is.
#[test]
fn child_indexer_on_a_small_disk() {
    let Some((dir, log)) = given() else {
        return;
    };
    let receiver = receive(&open_store(&dir), &log);
    loop {
        let status = receiver.status();
        let trouble = status.trouble.unwrap_or_default();
        say(&format!("{} {} {trouble}", status.is_level, status.behind));
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_disk_that_fills_up_under_the_whole_store_costs_nothing_once_there_is_room() {
    let test = "a_disk_that_fills_up_under_the_whole_store_costs_nothing_once_there_is_room";
    let Some((broker, log)) = begin(test) else {
        return;
    };
    let (edge, site) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let Some(disk) = Disk::mount(test, site.path(), 512 * 1_024) else {
        return;
    };
    // The engine reserves room in large pieces; how much is left for the rest is made small here.
    let publisher = publish(edge.path(), &log);
    let events = with_pictures(3_000);
    append(&publisher.writer(), &events[..300]);
    publisher.drain(LONG).unwrap();
    let store = open_store(site.path());
    let receiver = receive(&store, &log);
    receiver.catch_up(LONG).unwrap();
    receiver.close().unwrap();
    drop(store);
    disk.resize(disk.used() + 2_048);
    append(&publisher.writer(), &events[300..]);
    publisher.drain(LONG).unwrap();
    // A process that the full disk ends is one that is killed; it must not get to the end.
    for _ in 0..3 {
        let name = "disks::child_indexer_on_a_small_disk";
        let mut child = Child::start(name, site.path(), &broker.address);
        for _ in 0..100 {
            let Some(words) = child.hear() else {
                break;
            };
            assert!(!words.starts_with("true"), "the disk never filled up");
        }
    }
    disk.resize(1_024 * 1_024);
    let store = open_store(site.path());
    let receiver = receive(&store, &log);
    receiver.catch_up(LONG).unwrap();
    let status = receiver.status();
    assert_eq!((status.dead, status.lost, status.trouble), (0, 0, None));
    receiver.close().unwrap();
    assert_holds(&store, &events);
    drop((store, disk));
}
