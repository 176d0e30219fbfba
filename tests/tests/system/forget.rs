//! What is forgotten is gone: found by nobody, and never back, whatever is replayed.

use fs_err as fs;
use std::path::Path;

use serde_json::Value;
use sightline_tests::footage::{self, VTEST};
use sightline_tests::program::{models_are_here, run_badly, run_well};
use tempfile::TempDir;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn search(store: &Path, more: &[&str]) -> Vec<Value> {
    let mut line = vec!["search", "--store", text(store), "--limit", "100", "--json"];
    line.extend(more);
    let answer = run_well(&line).json();
    answer["hits"].as_array().unwrap().clone()
}

fn tracks(hits: &[Value]) -> Vec<&str> {
    hits.iter()
        .map(|hit| hit["track"].as_str().unwrap())
        .collect()
}

#[test]
fn a_forgotten_track_is_found_by_nobody_and_no_replay_brings_it_back() {
    let test = "a_forgotten_track_is_found_by_nobody_and_no_replay_brings_it_back";
    let folder = TempDir::new().unwrap();
    if !models_are_here(test) {
        return;
    }
    let Some(from) = footage::find(test, VTEST).unwrap() else {
        return;
    };
    let input = folder.path().join("square.mp4");
    footage::excerpt(&from, 100, &input).unwrap();
    let store = folder.path().join("store");
    let replay = || run_well(&["replay", text(&input), "--store", text(&store), "--json"]).json();
    replay();
    let before = search(&store, &[]);
    let with_picture = |hit: &&Value| hit["thumbnail"].is_string() && hit["person"].is_string();
    let gone = before.iter().find(with_picture).unwrap();
    let (track, person) = (
        gone["track"].as_str().unwrap(),
        gone["person"].as_str().unwrap(),
    );
    let stored = gone["thumbnail"].as_str().unwrap();
    let crop = folder.path().join("crop.jpg");
    fs::copy(stored, &crop).unwrap();
    let by_crop = search(&store, &["--image", text(&crop)]);
    assert_eq!(by_crop[0]["track"], track, "its own crop finds it first");

    let forget = |more: &[&str]| {
        let mut line = vec!["forget", "--store", text(&store), "--json"];
        line.extend(more);
        run_well(&line).json()
    };
    let would = forget(&["--track", track, "--dry-run"]);
    assert_eq!(
        (&would["dry_run"], &would["tracks"][0]),
        (&Value::Bool(true), &Value::from(track))
    );
    assert_eq!(search(&store, &[]), before, "a dry run changes nothing");
    let went = forget(&["--track", track]);
    assert!(went["points"].as_u64().unwrap() >= 2, "{went}");
    assert!(went["pictures"].as_u64().unwrap() >= 1, "{went}");
    assert_eq!(
        (&went["found"], &went["spool_records"]),
        (&Value::from(0), &Value::from(0))
    );
    assert!(went["searches"].as_u64().unwrap() >= 1, "{went}");
    assert!(!Path::new(stored).exists());
    let list = Path::new(went["list"].as_str().unwrap());
    sightline_sink::store::verify_list(list).unwrap();
    let openssl = std::process::Command::new("openssl")
        .args(["pkeyutl", "-verify", "-pubin", "-rawin"])
        .arg("-inkey")
        .arg(list.with_file_name("key.pub.pem"))
        .arg("-in")
        .arg(list)
        .arg("-sigfile")
        .arg(list.with_extension("json.sig"))
        .status()
        .unwrap();
    assert!(openssl.success(), "the manual's way to check a list");

    // A picture is compared with the tracks that have one, a list has all of them.
    let others = |hits: &[Value], before: &[Value]| {
        assert!(!tracks(hits).contains(&track), "it is found");
        assert_eq!(hits.len(), before.len() - 1);
    };
    others(&search(&store, &["--image", text(&crop)]), &by_crop);
    others(&search(&store, &[]), &before);
    replay();
    others(&search(&store, &["--image", text(&crop)]), &by_crop);
    others(&search(&store, &[]), &before);
    if let Some(other) = before
        .iter()
        .find(|hit| hit["person"] == person && hit["track"] != track)
    {
        assert!(tracks(&search(&store, &[])).contains(&other["track"].as_str().unwrap()));
    }

    // A backup of now does not bring it back either, and one of what is left is the store again.
    let (backup, again) = (folder.path().join("backup"), folder.path().join("again"));
    run_well(&["store", "backup", text(&backup), "--store", text(&store)]);
    run_well(&["store", "verify", text(&backup)]);
    let back = run_well(&[
        "store",
        "restore",
        text(&backup),
        "--store",
        text(&again),
        "--json",
    ]);
    assert_eq!(back.json()["is_same"], true, "{back:?}");
    run_well(&["store", "verify", "--store", text(&again)]);
    others(&search(&again, &["--image", text(&crop)]), &by_crop);

    // Everything that is left, by camera and time; a replay of it comes to nothing.
    let time = |hit: &Value, key: &str| hit[key].as_str().unwrap().to_owned();
    let first = before.iter().map(|hit| time(hit, "start")).min().unwrap();
    let last = before.iter().map(|hit| time(hit, "end")).max().unwrap();
    let camera = gone["camera"].as_str().unwrap();
    let went = forget(&["--camera", camera, "--from", &first, "--to", &last]);
    assert_eq!(went["tracks"].as_array().unwrap().len(), before.len() - 1);
    replay();
    assert_eq!(search(&store, &[]), [] as [Value; 0]);
    run_badly(
        &["forget", "--store", text(&store), "--person", person],
        2,
        &["has no tracks"],
    );
}

#[test]
fn tracks_go_when_they_are_older_than_the_configuration_keeps_them() {
    let test = "tracks_go_when_they_are_older_than_the_configuration_keeps_them";
    let folder = TempDir::new().unwrap();
    if !models_are_here(test) {
        return;
    }
    let Some(from) = footage::find(test, VTEST).unwrap() else {
        return;
    };
    let input = folder.path().join("square.mp4");
    footage::excerpt(&from, 40, &input).unwrap();
    let manifest = folder.path().join("two-days.toml");
    let recording = |camera: &str, day: u32| {
        format!(
            "[[cameras]]\nid = \"{camera}\"\nfile = \"square.mp4\"\nstart = \"2026-03-{day:02}T10:00:00Z\"\n"
        )
    };
    fs::write(&manifest, recording("old", 1) + &recording("new", 9)).unwrap();
    let store = folder.path().join("store");
    let config = folder.path().join("box.toml");
    let models = sightline_tests::program::checkout().join(".sightline/models");
    let written = format!(
        "[retention]\nage_days = 3\n[models]\nfolder = \"{}\"\n",
        models.display()
    );
    fs::write(&config, written).unwrap();
    run_well(&[
        "replay",
        text(&manifest),
        "--config",
        text(&config),
        "--store",
        text(&store),
    ]);
    let hits = search(&store, &[]);
    assert!(!hits.is_empty());
    assert!(hits.iter().all(|hit| hit["camera"] == "new"), "{hits:?}");
}
