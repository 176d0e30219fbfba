//! Several machines: an edge box sends to Kafka, a site indexes, and people search there.

use std::path::Path;
use std::time::Duration;

use fs_err as fs;
use rustix::process::Signal;
use sightline_tests::broker::Broker;
use sightline_tests::footage::{self, VTEST};
use sightline_tests::program::{Running, models_are_here, run_badly, run_well, until};
use tempfile::TempDir;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A configuration with a store of its own; with Kafka where an address is given.
fn configuration(folder: &Path, name: &str, kafka: Option<&str>) -> String {
    let path = folder.join(format!("{name}.toml"));
    let kafka = kafka.map_or(String::new(), |address| {
        format!(
            "[kafka]\nbrokers = [\"{address}\"]\nsecurity = \"plaintext\"\npartitions = 3\nreplication = 1\nmin_insync_replicas = 1\n"
        )
    });
    let text = format!(
        "[store]\nfolder = \"{name}\"\n[models]\nintra_threads = 2\nproviders = [\"cpu\"]\n[observe]\nlisten = \"127.0.0.1:0\"\n{kafka}"
    );
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn what_an_edge_box_sends_is_found_where_the_site_indexes_it() {
    let test = "what_an_edge_box_sends_is_found_where_the_site_indexes_it";
    let folder = TempDir::new().unwrap();
    if !models_are_here(test) {
        return;
    }
    let (Some(from), Some(broker)) = (footage::find(test, VTEST).unwrap(), Broker::start(test))
    else {
        return;
    };
    let input = folder.path().join("square.mp4");
    footage::excerpt(&from, 120, &input).unwrap();
    let alone = configuration(folder.path(), "alone", None);
    let edge = configuration(folder.path(), "edge", Some(broker.address()));
    let site = configuration(folder.path(), "site", Some(broker.address()));

    // Without topics nothing starts, and the words say what to do.
    let words = ["sightline.sightings.v1", "sightline topics create"];
    run_badly(&["replay", text(&input), "--config", &edge], 78, &words);
    run_badly(&["index", "--config", &site], 78, &words);
    run_badly(
        &["topics", "check", "--config", &site],
        2,
        &["4 of 4 topics"],
    );
    run_badly(&["topics", "check", "--config", &alone], 78, &["no kafka"]);
    let made = run_well(&["topics", "create", "--config", &edge]).stdout;
    assert!(made.contains("sightline.dead.v1: made"), "{made}");
    let checks = run_well(&["topics", "check", "--config", &edge, "--json"]).json();
    assert_eq!(checks[0]["partitions"], 3, "{checks}");
    assert_eq!(
        checks[0]["problems"].as_array().unwrap().len(),
        0,
        "{checks}"
    );

    let embedded = run_well(&["replay", text(&input), "--config", &alone, "--json"]).json();
    let sent = run_well(&["replay", text(&input), "--config", &edge, "--json"]).json();
    assert_eq!(sent["sightings"], embedded["sightings"]);
    assert!(
        sent.get("digest").is_none() && sent.get("persons").is_none(),
        "{sent}"
    );
    run_badly(&["search", "--config", &edge], 2, &["`sightline index`"]);
    // What is sent twice is there once.
    run_well(&["replay", text(&input), "--config", &edge, "--json"]);

    let indexed = run_well(&["index", "--config", &site, "--catch-up", "--json"]).json();
    assert_eq!(indexed["digest"], embedded["digest"], "{indexed}");
    assert_eq!(indexed["tracklets"], embedded["tracklets"], "{indexed}");
    assert_eq!((&indexed["dead"], &indexed["lost"]), (&0.into(), &0.into()));

    let tracks = |config: &str| {
        let all = run_well(&["search", "--config", config, "--limit", "100", "--json"]).json();
        let hits = all["hits"].as_array().unwrap();
        let tracks: Vec<_> = hits.iter().map(|hit| hit["track"].clone()).collect();
        (tracks, all["coverage"].clone())
    };
    let expected = tracks(&alone);
    assert!(expected.0.len() >= 5, "{expected:?}");
    assert_eq!(tracks(&site), expected);

    // The same from a service that goes on indexing.
    let mut service = Running::start(
        &["index", "--config", &site],
        &folder.path().join("index.log"),
    );
    let socket = folder.path().join("site/api.sock");
    until("the site answers", Duration::from_secs(120), || {
        socket.exists().then_some(())
    });
    let api = run_well(&["search", "--api", text(&socket), "--limit", "100", "--json"]).json();
    assert_eq!(api["hits"].as_array().unwrap().len(), expected.0.len());
    service.signal(Signal::TERM);
    let log = || fs::read_to_string(folder.path().join("index.log")).unwrap_or_default();
    assert_eq!(service.wait(Duration::from_secs(60)), Some(0), "{}", log());
}
