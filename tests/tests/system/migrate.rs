//! A store moves to another model while people search it, and is killed on the way.

use fs_err as fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use sightline_tests::footage::{self, VTEST};
use sightline_tests::program::{
    Running, checkout, free_port, get, models_are_here, run_badly, run_well, until,
};
use sightline_tests::rtsp::{Codec, Options, RtspServer, Scene, Stream};
use tempfile::TempDir;

const LONG: Duration = Duration::from_secs(120);

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn hits(config: &Path, more: &[&str]) -> Vec<Value> {
    let mut line = vec![
        "search",
        "--config",
        text(config),
        "--limit",
        "100",
        "--json",
    ];
    line.extend(more);
    run_well(&line).json()["hits"].as_array().unwrap().clone()
}

fn metric(port: u16, name: &str) -> Option<f64> {
    let (_, page) = get(port, "/metrics")?;
    let line = page
        .lines()
        .find(|line| line.starts_with(&format!("{name} ")))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The same network under another name is another model, whose rows are known. It lies in `models` of the folder.
fn other_model(folder: &Path) {
    let other = folder.join("models/appearance-two");
    fs::create_dir_all(&other).unwrap();
    let shipped = checkout().join("models/appearance");
    fs::copy(shipped.join("model.onnx"), other.join("model.onnx")).unwrap();
    let card = fs::read_to_string(shipped.join("model.toml")).unwrap();
    let card = card.replace("name = \"appearance\"", "name = \"appearance-two\"");
    fs::write(other.join("model.toml"), card).unwrap();
}

#[test]
fn a_store_moves_to_another_model_while_people_search_and_after_a_kill() {
    let test = "a_store_moves_to_another_model_while_people_search_and_after_a_kill";
    let folder = TempDir::new().unwrap();
    if !models_are_here(test) {
        return;
    }
    let Some(from) = footage::find(test, VTEST).unwrap() else {
        return;
    };
    let input = folder.path().join("square.mp4");
    footage::excerpt(&from, 200, &input).unwrap();
    other_model(folder.path());

    let (store, port) = (folder.path().join("store"), free_port());
    let configure = |name: &str, appearance: &str| {
        let path = folder.path().join(name);
        let models = folder.path().join("models");
        let words = format!(
            "[store]\nfolder = \"{}\"\n[observe]\nlisten = \"127.0.0.1:{port}\"\n[models]\nfolder = \"{}\"\nappearance = \"{appearance}\"\n",
            store.display(),
            models.display()
        );
        fs::write(&path, words).unwrap();
        path
    };
    let old = configure("old.toml", "appearance");
    let new = configure("new.toml", "appearance-two");
    run_well(&[
        "replay",
        text(&input),
        "--config",
        text(&old),
        "--store",
        text(&store),
    ]);
    let before = hits(&old, &[]);
    let with_picture = |hit: &&Value| hit["thumbnail"].is_string();
    let asked = before.iter().find(with_picture).unwrap();
    let crop = folder.path().join("crop.jpg");
    fs::copy(asked["thumbnail"].as_str().unwrap(), &crop).unwrap();
    let by_crop = hits(&old, &["--image", text(&crop)]);
    assert_eq!(by_crop[0]["track"], asked["track"]);

    let line = |more: &[&'static str]| {
        let mut line = vec!["store", "migrate", "--config", text(&old)];
        line.extend(["--appearance", "appearance-two"]);
        line.extend(more);
        line.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let said = |more: &[&'static str]| {
        let line = line(more);
        run_well(&line.iter().map(String::as_str).collect::<Vec<_>>()).json()
    };
    let plan = said(&["--dry-run", "--json"]);
    let all = plan["left"].as_u64().unwrap();
    assert!(
        all > 10 && plan["done"] == 0 && plan["moved"] == false,
        "{plan}"
    );
    assert!(
        !store.join("migration.json").exists(),
        "a dry run changes nothing"
    );
    run_badly(
        &["search", "--config", text(&new)],
        2,
        &["sightline store migrate"],
    );

    // Slowly, so that there is a middle to be killed in.
    let slow = line(&["--most-per-second", "1"]);
    let slow: Vec<&str> = slow.iter().map(String::as_str).collect();
    let mut moving = Running::start(&slow, &folder.path().join("log"));
    let done = until("some are done", LONG, || {
        assert!(
            moving.is_running(),
            "{}",
            fs::read_to_string(folder.path().join("log")).unwrap()
        );
        metric(port, "sightline_store_migration_done_sightings").filter(|done| *done > 0.0)
    });
    assert!(metric(port, "sightline_store_migration_left_sightings") > Some(0.0));
    assert_eq!(hits(&old, &[]), before, "it answers in place of the box");
    assert_eq!(hits(&old, &["--image", text(&crop)]), by_crop);
    moving.signal(Signal::KILL);
    moving.wait(LONG);
    assert_eq!(hits(&old, &["--image", text(&crop)]), by_crop);

    let plan = said(&["--dry-run", "--json"]);
    let kept = plan["done"].as_u64().unwrap();
    assert!(kept as f64 >= done && kept < all, "{plan}");
    // Forgotten on the way, and not back afterwards.
    let gone = before
        .iter()
        .rfind(|hit| hit["track"] != asked["track"])
        .unwrap();
    let gone = gone["track"].as_str().unwrap();
    run_well(&["forget", "--track", gone, "--config", text(&old)]);
    let moved = said(&["--json"]);
    assert_eq!(moved["moved"], true, "{moved}");
    assert_eq!(
        (&moved["left"], &moved["unreadable"]),
        (&Value::from(0), &Value::from(0))
    );

    let tracks = |hits: &[Value]| -> Vec<String> {
        let tracks = hits
            .iter()
            .map(|hit| hit["track"].as_str().unwrap().to_owned());
        tracks.filter(|track| track != gone).collect()
    };
    run_badly(&["search", "--config", text(&old)], 2, &["appearance-two"]);
    let after = hits(&new, &[]);
    assert_eq!(tracks(&after), tracks(&before));
    assert_eq!(after.len(), before.len() - 1);
    let by_new = hits(&new, &["--image", text(&crop)]);
    assert_eq!(by_new[0]["track"], asked["track"]);
    assert_eq!(by_new.len(), by_crop.len() - 1, "found by looks as before");
    run_well(&["store", "verify", "--config", text(&new)]);
    run_badly(
        &[
            "store",
            "migrate",
            "--config",
            text(&old),
            "--appearance",
            "appearance-two",
        ],
        2,
        &["already"],
    );
}

#[test]
fn a_box_moves_its_store_beside_its_cameras_and_no_question_fails() {
    let test = "a_box_moves_its_store_beside_its_cameras_and_no_question_fails";
    if !models_are_here(test) {
        return;
    }
    let Some(file) = footage::find(test, VTEST).unwrap() else {
        return;
    };
    let folder = TempDir::new().unwrap();
    other_model(folder.path());
    let camera = RtspServer::start(Options::new(Stream {
        scene: Scene::File(file),
        codec: Codec::H264,
    }))
    .unwrap();
    let (store, port) = (folder.path().join("store"), free_port());
    let configure = |name: &str, models: &str| {
        let path = folder.path().join(name);
        let words = format!(
            "[store]\nfolder = \"{}\"\n[observe]\nlisten = \"127.0.0.1:{port}\"\nformat = \"text\"\n\
             [models]\nfolder = \"{}\"\n{models}[cameras.gate]\nurl = \"{}\"\nfps_cap = 5.0\n",
            store.display(),
            folder.path().join("models").display(),
            camera.url()
        );
        fs::write(&path, words).unwrap();
        path
    };
    let next = "[migrate]\nappearance = \"appearance-two\"\nmost_per_second = 50\n";
    let moving = configure("moving.toml", next);
    let new = configure("new.toml", "appearance = \"appearance-two\"\n");
    let log = folder.path().join("log");
    let told = || fs::read_to_string(&log).unwrap_or_default();
    let is_by_new = || store.join("generation").exists();
    let mut running = Running::start(&["run", "--config", text(&moving)], &log);
    // By time and by looks, all the way through.
    let mut asked_afterwards = 0;
    let mut found = 0;
    until("it has moved, and more came since", LONG, || {
        assert!(running.is_running(), "{}", told());
        metric(port, "sightline_store_migration_done_sightings")?;
        let by_time = hits(&moving, &[]);
        assert!(by_time.len() >= found, "{} of {found}", by_time.len());
        found = by_time.len();
        let with_picture = by_time.iter().find(|hit| hit["thumbnail"].is_string())?;
        let track = with_picture["track"].as_str().unwrap();
        hits(&moving, &["--track", track]);
        let crop = folder.path().join("crop.jpg");
        fs::copy(with_picture["thumbnail"].as_str().unwrap(), &crop).unwrap();
        assert!(!hits(&moving, &["--image", text(&crop)]).is_empty());
        asked_afterwards += u32::from(is_by_new());
        (told().contains("the store is by the new models") && asked_afterwards > 3).then_some(())
    });
    running.signal(Signal::TERM);
    assert_eq!(running.wait(LONG), Some(0), "{}", told());
    assert!(!store.join("index").exists() && !store.join("migration.json").exists());
    let page = told();
    assert!(!page.contains("refused by the store"), "{page}");

    // Whether somebody has changed the configuration since or not.
    let before = hits(&moving, &[]);
    assert!(before.len() >= found);
    assert_eq!(hits(&new, &[]), before);
    for (config, name) in [(&moving, "again"), (&new, "new")] {
        run_well(&["store", "verify", "--config", text(config)]);
        let log = folder.path().join(name);
        let told = || fs::read_to_string(&log).unwrap_or_default();
        let mut running = Running::start(&["run", "--config", text(config)], &log);
        until("it runs on", LONG, || {
            assert!(running.is_running(), "{}", told());
            told().contains("watching").then_some(())
        });
        running.signal(Signal::TERM);
        assert_eq!(running.wait(LONG), Some(0), "{}", told());
    }
}
