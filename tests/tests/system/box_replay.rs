//! One box, recordings: the program from its command line to its answers.

use fs_err as fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use sightline_tests::footage::{self, Made, VTEST};
use sightline_tests::program::{
    Running, checkout, models_are_here, run, run_badly, run_well, until,
};
use tempfile::TempDir;

/// The first frames of the square with people, as an H.264 file.
fn square(test: &str, frames: u32, folder: &Path) -> Option<PathBuf> {
    let from = footage::find(test, VTEST).unwrap()?;
    let to = folder.join("square.mp4");
    footage::excerpt(&from, frames, &to).unwrap();
    Some(to)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn replay(input: &Path, store: &Path) -> Value {
    run_well(&["replay", text(input), "--store", text(store), "--json"]).json()
}

#[test]
fn a_recording_becomes_tracks_that_are_found_by_track_and_by_picture() {
    let test = "a_recording_becomes_tracks_that_are_found_by_track_and_by_picture";
    let folder = TempDir::new().unwrap();
    if !models_are_here(test) {
        return;
    }
    let Some(input) = square(test, 120, folder.path()) else {
        return;
    };
    let store = folder.path().join("store");
    let (mot, events) = (
        folder.path().join("mot"),
        folder.path().join("events.jsonl"),
    );
    let (video, sheet) = (
        folder.path().join("seen.mp4"),
        folder.path().join("sheet.png"),
    );
    let said = run_well(&[
        "replay",
        text(&input),
        "--store",
        text(&store),
        "--mot",
        text(&mot),
        "--jsonl",
        text(&events),
        "--video",
        text(&video),
        "--sheet",
        text(&sheet),
        "--json",
    ]);
    let summary = said.json();
    assert_eq!(summary["frames"], 120);
    assert!(summary["detections"].as_u64().unwrap() > 300, "{summary}");
    let tracks = summary["tracks"].as_u64().unwrap();
    assert!((5..=25).contains(&tracks), "{summary}");
    assert_eq!(
        summary["tracklets"].as_u64().unwrap(),
        tracks,
        "every track is searchable: {summary}"
    );
    assert!(
        summary["sightings"].as_u64().unwrap() >= tracks / 2,
        "{summary}"
    );

    let rows = fs::read_to_string(mot.join("square.txt")).unwrap();
    let numbers: std::collections::BTreeSet<&str> = rows
        .lines()
        .map(|row| row.split(',').nth(1).unwrap())
        .collect();
    assert_eq!(numbers.len() as u64, tracks);
    let lines: Vec<Value> = fs::read_to_string(&events)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let ends = lines
        .iter()
        .filter(|line| line["event"] == "track_end")
        .count() as u64;
    assert_eq!(ends, tracks);
    assert!(lines.iter().any(|line| line["event"] == "coverage"));
    assert!(fs::metadata(&video).unwrap().len() > 20_000);
    assert_eq!(&fs::read(&sheet).unwrap()[1..4], b"PNG");

    let all = run_well(&[
        "search",
        "--store",
        text(&store),
        "--limit",
        "100",
        "--json",
    ])
    .json();
    let hits = all["hits"].as_array().unwrap();
    assert_eq!(hits.len() as u64, tracks);
    assert!(
        all["coverage"][0]["watched"].as_array().unwrap().len() == 1,
        "{all}"
    );
    let pictured = hits
        .iter()
        .find(|hit| hit["thumbnail"].is_string())
        .unwrap();
    let (track, picture) = (
        pictured["track"].as_str().unwrap(),
        pictured["thumbnail"].as_str().unwrap(),
    );
    let by_picture = run_well(&[
        "search",
        "--store",
        text(&store),
        "--image",
        picture,
        "--json",
    ])
    .json();
    let best = &by_picture["hits"][0];
    assert_eq!(best["track"], track, "a track's own crop finds it first");
    assert!(best["similarity"].as_f64().unwrap() > 0.8, "{best}");
    assert!(best["score"].is_null() && by_picture["calibrated"] == false);
    let by_track = run_well(&[
        "search",
        "--store",
        text(&store),
        "--track",
        track,
        "--json",
    ])
    .json();
    assert!(
        by_track["hits"]
            .as_array()
            .unwrap()
            .iter()
            .all(|hit| hit["track"] != track)
    );
}

#[test]
fn the_same_recording_gives_the_same_store_also_after_kill_9() {
    let test = "the_same_recording_gives_the_same_store_also_after_kill_9";
    let folder = TempDir::new().unwrap();
    if !models_are_here(test) {
        return;
    }
    let Some(input) = square(test, 60, folder.path()) else {
        return;
    };
    let whole = replay(&input, &folder.path().join("whole"));
    let broken = folder.path().join("broken");
    let log = folder.path().join("log");
    let mut killed = Running::start(&["replay", text(&input), "--store", text(&broken)], &log);
    until("something is spooled", Duration::from_secs(60), || {
        let spooled = fs::read_dir(broken.join("spool"))
            .ok()?
            .flatten()
            .any(|entry| entry.metadata().is_ok_and(|metadata| metadata.len() > 4096));
        (spooled || !killed.is_running()).then_some(())
    });
    // Who holds the store answers for it, also a replay.
    let socket = broken.join("api.sock");
    until("it answers while it works", Duration::from_secs(60), || {
        let answer = run(&["search", "--api", text(&socket), "--json"]);
        (answer.status == Some(0) || !killed.is_running()).then_some(())
    });
    assert!(killed.is_running(), "it ended before it was asked");
    killed.signal(Signal::KILL);
    killed.wait(Duration::from_secs(20));
    // Again in the same store: while it opens, while it loads its models, in mid-work.
    for after in [100, 600, 1500, 2500].map(Duration::from_millis) {
        let mut killed = Running::start(&["replay", text(&input), "--store", text(&broken)], &log);
        std::thread::sleep(after);
        killed.signal(Signal::KILL);
        killed.wait(Duration::from_secs(20));
    }
    let again = replay(&input, &broken);
    assert_eq!(again["digest"], whole["digest"], "killed and run again");
    let twice = replay(&input, &folder.path().join("whole"));
    assert_eq!(twice["digest"], whole["digest"], "run twice into one store");
}

#[test]
fn bad_input_is_refused_in_one_line_that_names_it() {
    let test = "bad_input_is_refused_in_one_line_that_names_it";
    if !models_are_here(test) {
        return;
    }
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    let store = at("store");
    fs::write(at("empty.mp4"), b"").unwrap();
    fs::write(
        at("words.mp4"),
        b"these are words, not pictures".repeat(100),
    )
    .unwrap();
    fs::write(at("bad.toml"), "site = \"x\"\nnonsense = 3\n").unwrap();
    for name in ["missing.mp4", "empty.mp4", "words.mp4"] {
        run_badly(
            &["replay", text(&at(name)), "--store", text(&store)],
            2,
            &[name],
        );
    }
    run_badly(
        &["search", "--store", text(&at("no-store"))],
        2,
        &["no-store", "no store"],
    );
    run_badly(
        &[
            "search",
            "a woman in a red coat",
            "--store",
            text(&at("no-store")),
        ],
        2,
        &[],
    );
    let said = run(&["check", text(&at("bad.toml"))]);
    assert_eq!(said.status, Some(78), "{said:?}");
    assert!(
        said.stderr.contains("nonsense") && said.stderr.contains("bad.toml"),
        "{said:?}"
    );
}

#[test]
fn a_video_without_people_gives_an_answer_that_says_so() {
    let test = "a_video_without_people_gives_an_answer_that_says_so";
    if !models_are_here(test) {
        return;
    }
    let folder = TempDir::new().unwrap();
    let (input, store) = (
        folder.path().join("nobody.mp4"),
        folder.path().join("store"),
    );
    Made::small(20)
        .record("x264enc tune=zerolatency ! h264parse ! mp4mux", &input)
        .unwrap();
    let summary = replay(&input, &store);
    assert_eq!(
        (summary["frames"].as_u64(), summary["tracks"].as_u64()),
        (Some(20), Some(0))
    );
    let answer = run_well(&["search", "--store", text(&store), "--json"]).json();
    assert!(answer["hits"].as_array().unwrap().is_empty());
    assert!(!answer["why_empty"].as_str().unwrap().is_empty());
    let answer = run_well(&["search", "a man", "--store", text(&store), "--json"]).json();
    assert!(answer["hits"].as_array().unwrap().is_empty());
    assert!(!answer["why_empty"].as_str().unwrap().is_empty());
    // Without the pair there are no vectors that a sentence could be compared with.
    let config = folder.path().join("pictures.toml");
    let lines = "[models]\ntext_search = false\n[store]\nfolder = \"pictures\"\n";
    fs::write(&config, lines).unwrap();
    let pictures = folder.path().join("pictures");
    run_well(&[
        "replay",
        text(&input),
        "--config",
        text(&config),
        "--store",
        text(&pictures),
    ]);
    let asked = ["search", "a man", "--config", text(&config)];
    let words = run_badly(&asked, 2, &["joint model"]);
    let asked = ["search", "a man", "--store", text(&pictures)];
    run_badly(&asked, 2, &["no vector `joint`", "text_search = false"]);
    assert!(words.stdout.is_empty());
}

#[test]
fn another_file_than_the_cards_is_refused_before_anything_runs() {
    let test = "another_file_than_the_cards_is_refused_before_anything_runs";
    if !models_are_here(test) {
        return;
    }
    let folder = TempDir::new().unwrap();
    let models = folder.path().join("models");
    for name in ["detector", "appearance"] {
        fs::create_dir_all(models.join(name)).unwrap();
        for file in ["model.toml", "model.onnx"] {
            let from = checkout().join("models").join(name).join(file);
            fs::copy(from, models.join(name).join(file)).unwrap();
        }
    }
    let file = models.join("detector/model.onnx");
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, bytes).unwrap();
    let config = folder.path().join("box.toml");
    fs::write(
        &config,
        format!("[models]\nfolder = \"{}\"\n", models.display()),
    )
    .unwrap();
    let video = folder.path().join("nobody.mp4");
    Made::small(5)
        .record("x264enc tune=zerolatency ! h264parse ! mp4mux", &video)
        .unwrap();
    let store = folder.path().join("store");
    run_badly(
        &[
            "replay",
            text(&video),
            "--config",
            text(&config),
            "--store",
            text(&store),
        ],
        2,
        &["detector", "sha256"],
    );
    assert!(!store.exists(), "nothing starts half");
}
