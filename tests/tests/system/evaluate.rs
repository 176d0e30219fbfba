//! `sightline eval`: files in, measures out.

use std::path::Path;

use serde_json::Value;
use sightline_tests::program::{run_badly, run_well};
use tempfile::TempDir;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    }
    folder
}

fn eval<'a>(what: &'a str, truth: &'a Path, tracks: &'a Path) -> Vec<&'a str> {
    let [truth, tracks] = [truth, tracks].map(|path| path.to_str().unwrap());
    vec!["eval", what, "--gt", truth, "--tracks", tracks]
}

fn json(what: &str, truth: &Path, tracks: &Path) -> Value {
    let mut arguments = eval(what, truth, tracks);
    arguments.push("--json");
    run_well(&arguments).json()
}

/// Person 1 for four frames, tracked as 7, 7, 8, 8: numbers worked out by hand.
const TRUTH: &str =
    "1,1,10,10,40,80,1,1,1\n2,1,10,10,40,80,1,1,1\n3,1,10,10,40,80,1,1,1\n4,1,10,10,40,80,1,1,1\n";
const SWITCHED: &str = "1,7,10,10,40,80,1,-1,-1,-1\n2,7,10,10,40,80,1,-1,-1,-1\n3,8,10,10,40,80,1,-1,-1,-1\n4,8,10,10,40,80,1,-1,-1,-1\n";

#[test]
fn tracks_of_a_file_and_of_a_folder_are_measured() {
    let truth = folder(&[("gate/gt/gt.txt", TRUTH), ("yard/gt/gt.txt", TRUTH)]);
    let tracks = folder(&[
        ("gate.txt", SWITCHED),
        ("yard.txt", ""),
        ("more.txt", SWITCHED),
    ]);
    let gate = [
        truth.path().join("gate/gt/gt.txt"),
        tracks.path().join("gate.txt"),
    ];
    let one = json("mot", &gate[0], &gate[1]);
    for (name, expected) in [
        ("mota", 0.75),
        ("motp", 1.0),
        ("idf1", 0.5),
        ("idp", 0.5),
        ("idr", 0.5),
        ("hota", 0.5_f64.sqrt()),
        ("deta", 1.0),
        ("assa", 0.5),
        ("loca", 1.0),
        ("id_switches", 1.0),
        ("fragments", 0.0),
    ] {
        let found = one[name].as_f64().unwrap();
        assert!(
            (found - expected).abs() < 1e-9,
            "{name}: {found}, expected {expected}"
        );
    }
    assert_eq!(one["sequences"][0]["name"], "gate");
    assert_eq!(one["by_motmetrics"]["id_switches"], 1);

    let both = json("mot", truth.path(), tracks.path());
    assert_eq!(both["false_negatives"], 4);
    assert_eq!(both["mota"].as_f64().unwrap(), 3.0 / 8.0);
    assert_eq!(both["sequences"][1]["mota"], 0.0);
    assert_eq!(both["left_out"], serde_json::json!(["more"]));

    let said = run_well(&eval("mot", truth.path(), tracks.path()));
    assert!(
        said.stdout.contains("0.7071") && said.stdout.contains("yard"),
        "{said:?}"
    );
    assert!(
        said.stderr.contains("`more` have no ground truth"),
        "{said:?}"
    );
}

/// One person on two cameras, in whom the second camera sees somebody else; where he stands is the same.
const SCENE: &str = "1 1 0 10 10 40 80 2.0 3.0\n1 1 1 10 10 40 80 2.0 3.0\n2 1 0 10 10 40 80 2.0 3.0\n2 1 1 10 10 40 80 2.0 3.0\n";

#[test]
fn persons_of_a_scene_are_measured_over_all_cameras() {
    let parted = SCENE.replace("2 1 0", "2 2 0").replace("2 1 1", "2 2 1");
    let files = folder(&[("truth.txt", SCENE), ("parted.txt", &parted)]);
    let path = |name: &str| files.path().join(name);
    let same = json("mtmc", &path("truth.txt"), &path("truth.txt"));
    assert_eq!(
        [&same["idf1"], &same["hota"], &same["world"]["hota"]],
        [1.0; 3]
    );
    let parted = json("mtmc", &path("truth.txt"), &path("parted.txt"));
    assert_eq!(parted["idf1"], 0.5);
    assert_eq!(parted["id_switches"], 0);
    assert!(parted["world"]["hota"].as_f64().unwrap() < 1.0);
    assert_eq!(parted["scenes"][0]["name"], "truth");

    let cameras = folder(&[("one.txt", TRUTH), ("two.txt", TRUTH)]);
    let other = TRUTH.replace(",1,10", ",2,10");
    let tracks = folder(&[("one.txt", TRUTH), ("two.txt", &other)]);
    let joined = json("mtmc", cameras.path(), tracks.path());
    assert_eq!([&joined["idf1"], &joined["mota"]], [0.5, 1.0]);
    assert!(joined["world"].is_null());
}

#[test]
fn files_that_cannot_be_measured_are_refused_in_one_line() {
    let files = folder(&[
        ("truth.txt", TRUTH),
        ("torn.txt", "1,1,10,10\n"),
        ("nobody.txt", "1,1,10,10,40,80,0,1,1\n"),
        ("scene.txt", SCENE),
        ("empty/readme", ""),
    ]);
    let path = |name: &str| files.path().join(name);
    for (what, truth, tracks, words) in [
        (
            "mot",
            "truth.txt",
            "torn.txt",
            &["torn.txt` line 1", "width"][..],
        ),
        ("mot", "torn.txt", "truth.txt", &["torn.txt` line 1"]),
        ("mot", "none.txt", "truth.txt", &["none.txt"]),
        ("mot", "empty", "empty", &["empty` has no sequences"]),
        (
            "mot",
            "nobody.txt",
            "truth.txt",
            &["has no box that counts"],
        ),
        ("mtmc", "truth.txt", "truth.txt", &["which is one camera"]),
        (
            "mtmc",
            "scene.txt",
            "truth.txt",
            &["in the form of MOTChallenge"],
        ),
    ] {
        run_badly(&eval(what, &path(truth), &path(tracks)), 2, words);
    }
}
