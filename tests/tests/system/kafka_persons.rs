//! Several indexers, and processes of their own that join tracks into persons.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;
use rustix::process::Signal;
use sightline_tests::broker::Broker;
use sightline_tests::footage::{self, VTEST};
use sightline_tests::program::{Running, models_are_here, run_badly, run_well, until};
use tempfile::TempDir;

const LONG: Duration = Duration::from_secs(180);

struct Site<'f> {
    folder: &'f Path,
    address: &'f str,
}

impl Site<'_> {
    /// A configuration of this site with a store of its own, with Kafka unless it stands alone.
    fn configuration(&self, site: &str, name: &str, kafka: Option<&str>) -> String {
        let address = self.address;
        let kafka = kafka.map_or(String::new(), |more| {
            format!(
                "[kafka]\nbrokers = [\"{address}\"]\nsecurity = \"plaintext\"\npartitions = 3\nreplication = 1\nmin_insync_replicas = 1\n{more}\n\
                 [kafka.properties]\n\"session.timeout.ms\" = \"3000\"\n\"heartbeat.interval.ms\" = \"500\"\n"
            )
        });
        let path = self.folder.join(format!("{name}.toml"));
        let text = format!(
            "site = \"{site}\"\n[store]\nfolder = \"{name}\"\n[models]\nintra_threads = 2\ntext_search = false\nproviders = [\"cpu\"]\n\
             [observe]\nlisten = \"127.0.0.1:0\"\n{kafka}"
        );
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

/// Whose each track is, by what a search says; a track without a person would be missing.
fn persons(arguments: &[&str]) -> BTreeMap<String, String> {
    let limit = ["search", "--limit", "1000", "--json"];
    let found = run_well(&[&limit[..], arguments].concat()).json();
    let hits = found["hits"].as_array().unwrap().iter();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("nobody").to_owned();
    hits.map(|hit| (text(&hit["track"]), text(&hit["person"])))
        .collect()
}

fn has_taken_over(log: &Path) -> bool {
    let words = fs::read_to_string(log).unwrap_or_default();
    words.contains("a partition is joined here")
}

#[test]
fn behind_kafka_every_track_has_one_person_however_often_those_who_join_are_killed() {
    let test = "behind_kafka_every_track_has_one_person_however_often_those_who_join_are_killed";
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
    let input = input.to_str().unwrap();
    let site = Site {
        folder: folder.path(),
        address: broker.address(),
    };
    let service = "association = \"service\"";
    let joining = site.configuration("north", "joining", Some(service));

    // Where the indexers join, nobody else does; without its topics nothing begins.
    let own = site.configuration("north", "own", Some(""));
    run_badly(
        &["associate", "--config", &own],
        78,
        &["kafka.association", "service"],
    );
    let words = ["sightline.tracks.v1", "sightline topics create"];
    run_badly(&["associate", "--config", &joining], 78, &words);
    let made = run_well(&["topics", "create", "--config", &joining]).stdout;
    assert!(made.contains("sightline.persons.v1: made"), "{made}");

    let mut alone: BTreeMap<String, String> = BTreeMap::new();
    let logs: [PathBuf; 2] = ["one.log", "other.log"].map(|name| folder.path().join(name));
    let start = |log: &Path| Running::start(&["associate", "--config", &joining], log);
    let mut running = [start(&logs[0]), start(&logs[1])];
    for (round, name) in ["north", "south"].into_iter().enumerate() {
        let by_itself = site.configuration(name, &format!("{name}-alone"), None);
        run_well(&["replay", input, "--config", &by_itself]);
        alone.append(&mut persons(&["--config", &by_itself]));
        until("both take part", LONG, || {
            logs.iter().all(|log| has_taken_over(log)).then_some(())
        });
        let edge = site.configuration(name, &format!("{name}-edge"), Some(service));
        let mut sending = Running::start(
            &["replay", input, "--config", &edge],
            &folder.path().join("edge.log"),
        );
        // In the middle of it, as far as it has come.
        std::thread::sleep(Duration::from_millis(1500));
        running[round].signal(Signal::KILL);
        running[round].wait(LONG);
        fs::remove_file(&logs[round]).unwrap();
        running[round] = start(&logs[round]);
        assert_eq!(sending.wait(LONG), Some(0));
    }
    for (process, log) in running.iter_mut().zip(&logs) {
        process.signal(Signal::TERM);
        let words = || fs::read_to_string(log).unwrap_or_default();
        assert_eq!(process.wait(LONG), Some(0), "{}", words());
    }
    let joined = run_well(&["associate", "--config", &joining, "--catch-up", "--json"]).json();
    assert_eq!(
        (&joined["partitions"], &joined["dead"]),
        (&3.into(), &0.into())
    );

    // Two indexers, each of which has everything: the same persons as without Kafka.
    assert!(
        alone.len() >= 10 && alone.values().all(|person| person != "nobody"),
        "{alone:?}"
    );
    let mut digests = Vec::new();
    for name in ["first", "second"] {
        let group = format!("{service}\ngroup = \"{name}\"");
        let indexer = site.configuration("north", name, Some(&group));
        let indexed = run_well(&["index", "--config", &indexer, "--catch-up", "--json"]).json();
        digests.push(indexed["digest"].clone());
        assert_eq!(persons(&["--config", &indexer]), alone, "{name}");
    }
    assert_eq!(digests[0], digests[1]);

    // A person is shown, and a word goes by the indexer that runs.
    let group = format!("{service}\ngroup = \"first\"");
    let indexer = site.configuration("north", "first", Some(&group));
    let (track, person) = alone.first_key_value().unwrap();
    let refused = ["person", "join", person.as_str()];
    let other = alone.values().find(|id| *id != person).unwrap();
    let config = ["--config", indexer.as_str()];
    run_badly(
        &[&refused[..], &[other.as_str()], &config[..]].concat(),
        2,
        &["others join the tracks"],
    );
    let mut indexing = Running::start(
        &["index", "--config", &indexer],
        &folder.path().join("index.log"),
    );
    let socket = folder.path().join("first/api.sock");
    let socket = socket.to_str().unwrap();
    until("the indexer answers", LONG, || {
        Path::new(socket).exists().then_some(())
    });
    let shown = || run_well(&["person", "show", person, "--api", socket, "--json"]).json();
    until("the indexer knows its persons", LONG, || {
        let visits = shown()["visits"].as_array().unwrap().clone();
        visits
            .iter()
            .any(|visit| visit["track"] == track.as_str())
            .then_some(())
    });
    indexing.signal(Signal::TERM);
    assert_eq!(indexing.wait(LONG), Some(0));
}
