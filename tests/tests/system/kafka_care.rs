//! The day it is needed: a queue that nobody takes, a bad disk, messages that nobody can index.

use std::path::Path;
use std::time::Duration;

use fs_err as fs;
use serde_json::Value;
use sightline::config::{Config, Purpose};
use sightline_sink::{
    Event, NamedVector, Publisher, PublisherOptions, Sighting, SightingId, TrackId, TrackState, f16,
};
use sightline_tests::broker::Broker;
use sightline_tests::program::{free_port, models_are_here, run_badly, run_well};
use tempfile::TempDir;

const EVENTS: u32 = 40;

/// A sighting with a kind of vector that no site has.
fn foreign(number: u32) -> Event {
    let start_ns = 1_700_000_000_000_000_000 + i64::from(number) * 1_000_000_000;
    let track = TrackId::derive("site", "gate", start_ns, number);
    let vectors = vec![NamedVector {
        name: "gait".into(),
        model: "somebody@0123456789ab".into(),
        values: vec![f16::from_f32(0.5); 256],
    }];
    Event::Sighting(Box::new(Sighting {
        id: SightingId::derive(track, 0),
        track,
        site: "site".into(),
        camera: "gate".into(),
        capture_ns: start_ns,
        clock_error_ns: None,
        bbox: [0.1, 0.2, 0.3, 0.7],
        quality: 0.5,
        sequence: 0,
        vectors: vectors.clone(),
        crop: None,
        state: TrackState {
            start_ns,
            end_ns: start_ns,
            detections: 1,
            revision: 0,
            vectors,
            best_quality: 0.5,
            has_ended: false,
        },
        is_end: false,
    }))
}

fn configuration(folder: &Path, name: &str, address: &str) -> String {
    let path = folder.join(format!("{name}.toml"));
    let text = format!(
        "[store]\nfolder = \"{name}\"\n[models]\nintra_threads = 2\nproviders = [\"cpu\"]\n[observe]\nlisten = \"127.0.0.1:0\"\n\
         [kafka]\nbrokers = [\"{address}\"]\nsecurity = \"plaintext\"\npartitions = 3\nreplication = 1\nmin_insync_replicas = 1\n"
    );
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn options(config: &str) -> PublisherOptions {
    let config = Config::load(Path::new(config), Purpose::Site).unwrap();
    PublisherOptions::new(config.kafka.to_log_options())
}

#[test]
fn a_queue_is_looked_at_and_mended_and_dead_letters_are_tried_again() {
    let test = "a_queue_is_looked_at_and_mended_and_dead_letters_are_tried_again";
    let folder = TempDir::new().unwrap();
    if !models_are_here(test) {
        return;
    }
    let Some(broker) = Broker::start(test) else {
        return;
    };
    let away = configuration(folder.path(), "edge", &format!("127.0.0.1:{}", free_port()));
    run_badly(
        &["spool", "status", "--config", &away],
        2,
        &["there is no spool"],
    );

    // Nobody takes what the box has.
    let box_folder = folder.path().join("edge");
    let publisher = Publisher::open(&box_folder, options(&away)).unwrap();
    for number in 0..EVENTS {
        publisher.writer().append(&foreign(number)).unwrap();
    }
    let unsent = publisher.drain(Duration::from_millis(500)).unwrap_err();
    assert!(unsent.to_string().contains("40"), "{unsent}");
    let look = |what: &str| run_well(&["spool", what, "--config", &away, "--json"]).json();
    let status = look("status");
    assert_eq!(
        (&status["waiting"], &status["is_held"]),
        (&40.into(), &true.into())
    );
    publisher.close().unwrap();
    let whole = look("check");
    assert_eq!(
        (&whole["waiting"], &whole["broken"], &whole["is_held"]),
        (&40.into(), &0.into(), &false.into())
    );
    let lines = |from: &str| -> Vec<Value> {
        let said = run_well(&["spool", "cat", "--config", &away, "--from", from]);
        let lines = said.stdout.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let all = lines("1");
    assert_eq!(all.len(), 40);
    let second = SightingId::derive(
        TrackId::derive("site", "gate", 1_700_000_001_000_000_000, 1),
        0,
    );
    assert!(
        all[1].to_string().contains(&second.to_string()),
        "{}",
        all[1]
    );
    assert_eq!(
        (lines("31").len(), &lines("31")[0]["sequence"]),
        (10, &31.into())
    );

    // A bad disk.
    let segment = whole["segments"][0]["path"].as_str().unwrap();
    let mut bytes = fs::read(segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    fs::write(segment, bytes).unwrap();
    let said = run_badly(
        &["spool", "check", "--config", &away],
        2,
        &["is damaged", "spool repair"],
    );
    assert!(said.stdout.contains("1 broken places"), "{}", said.stdout);
    let said = run_well(&["spool", "repair", "--config", &away]).stdout;
    assert!(
        said.contains("39 whole records") && said.contains("1 records missing"),
        "{said}"
    );
    let mended = look("status");
    assert_eq!(
        (&mended["waiting"], &mended["broken"]),
        (&39.into(), &1.into())
    );

    // The log is there; what the site cannot index is laid down with its reason.
    let site = configuration(folder.path(), "site", broker.address());
    run_well(&["topics", "create", "--config", &site]);
    let publisher = Publisher::open(&box_folder, options(&site)).unwrap();
    publisher.drain(Duration::from_secs(60)).unwrap();
    publisher.close().unwrap();
    let sent = look("status");
    assert_eq!((&sent["waiting"], &sent["broken"]), (&0.into(), &1.into()));
    let indexed = || run_well(&["index", "--config", &site, "--catch-up", "--json"]).json();
    let dead = |all: &[&str]| {
        let arguments = [&["dead", "list", "--config", &site, "--json"], all].concat();
        let letters = run_well(&arguments).json();
        letters.as_array().unwrap().clone()
    };
    assert_eq!(dead(&[]).len(), 0);
    let first = indexed();
    assert_eq!(
        (&first["dead"], &first["sightings"]),
        (&39.into(), &0.into())
    );
    let letters = dead(&[]);
    assert_eq!(letters.len(), 39);
    let reason = letters[0]["reason"].as_str().unwrap();
    assert!(
        reason.contains("`gait` is not one of this store"),
        "{reason}"
    );
    let origin = letters[0]["origin"].as_str().unwrap();
    assert!(origin.starts_with("sightline.sightings.v1/"), "{origin}");
    let listed = run_well(&["dead", "list", "--config", &site]).stdout;
    assert!(listed.ends_with("39 dead letters\n"), "{listed}");

    // Nothing has changed since, so they come back.
    let again = run_well(&["dead", "retry", "--config", &site]).stdout;
    assert!(again.starts_with("39 messages sent back"), "{again}");
    assert_eq!((dead(&[]).len(), dead(&["--all"]).len()), (0, 39));
    assert_eq!(indexed()["dead"], 39);
    assert_eq!((dead(&[]).len(), dead(&["--all"]).len()), (39, 78));
}
