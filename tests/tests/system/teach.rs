//! What a site and its people teach: the ways between cameras, and words on pairs of tracks.

use fs_err as fs;
use serde_json::Value;
use sightline_tests::program::{checkout, models_are_here, run_badly, run_well};
use tempfile::TempDir;

#[test]
fn a_site_is_learned_and_peoples_words_are_taken_out() {
    if !models_are_here("a_site_is_learned_and_peoples_words_are_taken_out") {
        return;
    }
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let demo = checkout().join("tests/world/demo");
    let manifest = ["square-north", "square-east"].map(|camera| {
        format!(
            "[[cameras]]\nid = \"{camera}\"\nfile = {:?}\nstart = \"2026-03-02T09:00:00Z\"\nfps = 10.0\n",
            demo.join(format!("{camera}.mp4"))
        )
    });
    fs::write(path("two.toml"), manifest.concat()).unwrap();
    let store = path("store");
    run_well(&["replay", &path("two.toml"), "--store", &store]);

    // The two views overlap, and people walk from one to the other; a join is counted once it is sure and a minute old,
    // or when the replay ends.
    let learn = |more: &[&str]| {
        let mut line = vec!["site", "learn", "--store", &store, "--joins", "1"];
        line.extend(more);
        run_well(&line)
    };
    let ways = learn(&["--json"]).json();
    let said = learn(&["--png", &path("ways.png")]).stdout;
    assert_ne!(ways.as_array().unwrap().len(), 0, "no way was learned");
    let proposed = ways.as_array().unwrap().iter();
    let proposed = proposed.filter(|way| way["is_proposed"] == true).count();
    assert_eq!(said.matches("[[map.ways]]").count(), proposed, "{said}");
    assert!(fs::metadata(path("ways.png")).unwrap().len() > 1000);

    let hits = run_well(&["search", "--store", &store, "--limit", "100", "--json"]).json();
    // A track that was seen too badly has no picture to take out.
    let pictured = |person: &str| {
        let shown = run_well(&["person", "show", person, "--store", &store, "--json"]).json();
        let visits = shown["visits"].as_array().unwrap().clone();
        visits.iter().all(|visit| visit["thumbnail"].is_string())
    };
    let mut persons: Vec<&str> = hits["hits"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|hit| hit["person"].as_str())
        .collect();
    persons.dedup();
    let one = *persons.iter().find(|id| pictured(id)).unwrap();
    let other = persons.iter().find(|id| **id != one && pictured(id));
    let other = *other.unwrap();
    let visits = |person: &str| {
        let shown = run_well(&["person", "show", person, "--store", &store, "--json"]).json();
        shown["visits"].as_array().unwrap().len()
    };
    let visits = visits(one) + visits(other);
    run_well(&["person", "join", one, other, "--store", &store]);
    let held = |person: &str| {
        let shown = run_well(&["person", "show", person, "--store", &store, "--json"]).json();
        shown["person"].as_str().unwrap().to_owned()
    };
    assert_eq!(held(one), held(other), "they are one person now");
    let out = path("said");
    let export = ["feedback", "export", "--store", &store, "--out", &out];
    // The two, and each person's visits in a row.
    assert!(
        run_well(&export)
            .stdout
            .starts_with(&format!("{} pairs", visits - 1))
    );
    let lines = fs::read_to_string(path("said/pairs.jsonl")).unwrap();
    let pairs: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(pairs.len(), visits - 1);
    for pair in pairs {
        assert_eq!(pair["verdict"], "same");
        for file in pair["files"].as_array().unwrap() {
            let picture = fs::read(path(&format!("said/{}", file.as_str().unwrap()))).unwrap();
            assert_eq!(picture[..2], [0xff, 0xd8]);
        }
    }
    run_badly(&export, 2, &["expected a new folder"]);
}
