//! One box, live: the program watches an RTSP camera that goes away and comes back, while it is searched.

use fs_err as fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use sightline_tests::footage::{self, VTEST};
use sightline_tests::program::{
    Running, checkout, free_port, get, models_are_here, run_well, until,
};
use sightline_tests::rtsp::{Codec, Options, RtspServer, Scene, Stream};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(90);

fn search(store: &Path) -> Value {
    run_well(&[
        "search",
        "--store",
        store.to_str().unwrap(),
        "--limit",
        "100",
        "--json",
    ])
    .json()
}

#[test]
fn a_live_camera_is_searchable_while_it_runs_and_its_absence_is_told() {
    let test = "a_live_camera_is_searchable_while_it_runs_and_its_absence_is_told";
    if !models_are_here(test) {
        return;
    }
    let Some(file) = footage::find(test, VTEST).unwrap() else {
        return;
    };
    let folder = TempDir::new().unwrap();
    let camera = RtspServer::start(Options::new(Stream {
        scene: Scene::File(file),
        codec: Codec::H264,
    }))
    .unwrap();
    let store = folder.path().join("store");
    let config = folder.path().join("box.toml");
    let port = free_port();
    let written = |extra: &str| {
        format!(
            "site = \"square\"\n[store]\nfolder = \"{}\"\n[observe]\nlisten = \"127.0.0.1:{port}\"\nformat = \"text\"\n\
             [models]\nfolder = \"{}\"\n[defaults]\nstall_after_ms = 1500\nreconnect_max_ms = 500\n\
             [cameras.gate]\nurl = \"{}\"\nfps_cap = 5.0\n{extra}",
            store.display(),
            checkout().join(".sightline/models").display(),
            camera.url()
        )
    };
    fs::write(&config, written("")).unwrap();
    let log = folder.path().join("log");
    let mut running = Running::start(&["run", "--config", config.to_str().unwrap()], &log);
    let told = || fs::read_to_string(&log).unwrap_or_default();

    until("it is ready", PATIENCE, || {
        (get(port, "/ready")?.0 == 200).then_some(())
    });
    until("people are searchable", PATIENCE, || {
        assert!(running.is_running(), "{}", told());
        let answer = search(&store);
        (answer["hits"].as_array()?.len() >= 2).then_some(())
    });
    let (_, metrics) = get(port, "/metrics").unwrap();
    for name in [
        "sightline_ingest_frames_total",
        "sightline_capture_to_indexed_seconds",
    ] {
        assert!(metrics.contains(name), "{metrics}");
    }

    // The process that holds the store forgets on request, while it watches.
    let gone = search(&store)["hits"][0]["track"]
        .as_str()
        .unwrap()
        .to_owned();
    let went = run_well(&[
        "forget",
        "--store",
        store.to_str().unwrap(),
        "--track",
        &gone,
        "--json",
    ])
    .json();
    assert_eq!(
        (&went["tracks"][0], &went["found"]),
        (&gone.as_str().into(), &0.into())
    );
    let answer = search(&store);
    let hits = answer["hits"].as_array().unwrap();
    assert!(
        hits.iter().all(|hit| hit["track"] != gone.as_str()),
        "{answer}"
    );
    until("it is counted", PATIENCE, || {
        let (_, metrics) = get(port, "/metrics")?;
        metrics
            .contains("sightline_store_forgotten_tracks 1")
            .then_some(())
    });

    camera.hang_up().unwrap();
    camera.refuse();
    until("the camera is told to be blind", PATIENCE, || {
        let answer = search(&store);
        let blind = answer["coverage"][0]["blind"].as_array()?.len();
        (blind >= 1).then_some(())
    });
    camera.come_back().unwrap();
    let before = search(&store)["coverage"][0]["frames_seen"]
        .as_u64()
        .unwrap();
    until("it watches again", PATIENCE, || {
        let seen = search(&store)["coverage"][0]["frames_seen"].as_u64()?;
        (seen > before + 5).then_some(())
    });

    fs::write(&config, "nonsense = 1\n").unwrap();
    running.signal(Signal::HUP);
    until("a bad configuration is refused", PATIENCE, || {
        told().contains("nonsense").then_some(())
    });
    assert!(running.is_running(), "the old configuration stays in force");
    fs::write(&config, written("enabled = false\n")).unwrap();
    running.signal(Signal::HUP);
    until("a changed configuration is taken", PATIENCE, || {
        (get(port, "/ready")?.0 == 200 && camera.clients() == 0).then_some(())
    });

    running.signal(Signal::TERM);
    assert_eq!(running.wait(PATIENCE), Some(0), "{}", told());
    assert!(!told().contains("panicked"), "{}", told());
    assert!(
        !search(&store)["hits"].as_array().unwrap().is_empty(),
        "the store outlives the process"
    );
}
