//! Sentences find people: the demo's scene, its people described by the words of its ground truth.

use std::collections::BTreeMap;
use std::path::Path;

use fs_err as fs;
use serde_json::Value;
use sightline_tests::program::{checkout, models_are_here, run_badly, run_well};
use tempfile::TempDir;

/// The scene begins at 09:00:00 and has ten frames a second.
const START: &str = "2026-03-02T09:00:";

struct Person {
    id: u64,
    /// Whoever wears the same: a sentence about clothes is right about all of them.
    alike: u64,
    captions: Vec<String>,
}

fn people() -> Vec<Person> {
    let path = checkout().join("tests/world/demo/ground_truth/descriptions.json");
    let list: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let person = |it: &Value| {
        let id = it["id"].as_u64().unwrap();
        let captions = it["captions"].as_array().unwrap().iter();
        Person {
            id,
            alike: it["alike"].as_u64().unwrap_or(id),
            captions: captions
                .map(|text| text.as_str().unwrap().to_owned())
                .collect(),
        }
    };
    list.as_array().unwrap().iter().map(person).collect()
}

/// Boxes of the ground truth of one camera by frame: person, left, top, right, bottom as shares of the picture.
fn truth(camera: &str) -> BTreeMap<u64, Vec<(u64, [f64; 4])>> {
    let path = checkout().join(format!("tests/world/demo/ground_truth/{camera}/gt/gt.txt"));
    let mut frames: BTreeMap<u64, Vec<_>> = BTreeMap::new();
    for line in fs::read_to_string(path).unwrap().lines() {
        let row: Vec<f64> = line
            .split(',')
            .map(|value| value.parse().unwrap())
            .collect();
        let [x, y, w, h] = [
            row[2] / 640.0,
            row[3] / 360.0,
            row[4] / 640.0,
            row[5] / 360.0,
        ];
        let boxes = frames.entry(row[0] as u64).or_default();
        boxes.push((row[1] as u64, [x, y, x + w, y + h]));
    }
    frames
}

fn overlap(a: [f64; 4], b: [f64; 4]) -> f64 {
    let side = |low: usize| (a[low + 2].min(b[low + 2]) - a[low].max(b[low])).max(0.0);
    let area = |it: [f64; 4]| (it[2] - it[0]) * (it[3] - it[1]);
    let shared = side(0) * side(1);
    shared / (area(a) + area(b) - shared)
}

/// Whom a hit shows: the person whose box lies where its best picture was cut.
fn shown(hit: &Value, truth: &BTreeMap<u64, Vec<(u64, [f64; 4])>>) -> Option<u64> {
    let seconds = hit["best"]
        .as_str()?
        .strip_prefix(START)?
        .strip_suffix('Z')?;
    let frame = (seconds.parse::<f64>().ok()? * 10.0).round() as u64 + 1;
    let bbox: Vec<f64> = hit["bbox"]
        .as_array()?
        .iter()
        .filter_map(Value::as_f64)
        .collect();
    let bbox = bbox.try_into().ok()?;
    let best = truth
        .get(&frame)?
        .iter()
        .map(|(id, it)| (*id, overlap(bbox, *it)));
    let (id, shared) = best.max_by(|a, b| a.1.total_cmp(&b.1))?;
    (shared > 0.4).then_some(id)
}

fn search(words: &[&str], store: &Path) -> Value {
    let mut line = vec!["search"];
    line.extend(words);
    line.extend([
        "--store",
        store.to_str().unwrap(),
        "--limit",
        "100",
        "--json",
    ]);
    run_well(&line).json()
}

#[test]
fn a_sentence_finds_the_person_it_describes() {
    let test = "a_sentence_finds_the_person_it_describes";
    if !models_are_here(test) {
        return;
    }
    let folder = TempDir::new().unwrap();
    let store = folder.path().join("store");
    let camera = "square-east";
    let manifest = folder.path().join("manifest.toml");
    let video = checkout().join(format!("tests/world/demo/{camera}.mp4"));
    let lines = format!(
        "[[cameras]]\nid = \"{camera}\"\nfile = {video:?}\nstart = \"{START}00Z\"\nfps = 10.0\n"
    );
    fs::write(&manifest, lines).unwrap();
    run_well(&[
        "replay",
        manifest.to_str().unwrap(),
        "--store",
        store.to_str().unwrap(),
        "--json",
    ]);

    let (truth, people) = (truth(camera), people());
    let alike = |id: u64| {
        people
            .iter()
            .find(|person| person.id == id)
            .map(|person| person.alike)
    };
    let all = search(&["a person"], &store);
    let seen: Vec<_> = all["hits"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|hit| alike(shown(hit, &truth)?))
        .collect();
    let (mut ranks, mut chance) = (Vec::new(), 0.0);
    for person in people.iter().filter(|person| seen.contains(&person.alike)) {
        let longest = person
            .captions
            .iter()
            .max_by_key(|text| text.len())
            .unwrap();
        let answer = search(&[longest], &store);
        let hits = answer["hits"].as_array().unwrap();
        assert_eq!(
            hits.len(),
            seen.len().max(hits.len()),
            "every track is compared"
        );
        let is_right = |hit: &Value| shown(hit, &truth).and_then(alike) == Some(person.alike);
        ranks.push(hits.iter().position(is_right).unwrap() + 1);
        chance += seen.iter().filter(|it| **it == person.alike).count() as f64 / seen.len() as f64;
    }
    let share = |most: usize| {
        ranks.iter().filter(|rank| **rank <= most).count() as f64 / ranks.len() as f64
    };
    let (first, five) = (share(1), share(5));
    let by_chance = chance / ranks.len() as f64;
    let words = format!(
        "{} sentences over {} tracks: first {first:.2}, first five {five:.2}, by chance {by_chance:.2}",
        ranks.len(),
        seen.len()
    );
    std::io::Write::write_all(&mut std::io::stderr(), format!("{words}\n").as_bytes()).ok();
    assert!(ranks.len() >= 10, "{words}");
    assert!(first >= FIRST && five >= FIVE, "{words}: {ranks:?}");

    // Words and a picture together, denials, and what cannot be asked.
    let crop = all["hits"][0]["thumbnail"].as_str().unwrap();
    let both = search(&["a person", "--image", crop], &store);
    assert_eq!(both["hits"][0]["track"], all["hits"][0]["track"]);
    let plain = search(&["a woman with a backpack"], &store);
    let without = search(&["a woman without a backpack"], &store);
    let same = search(&["a woman", "--not", "backpack"], &store);
    assert_ne!(plain["hits"], without["hits"]);
    assert_eq!(without["hits"], same["hits"]);
    let said = search(&["a woman who isn't carrying a backpack"], &store);
    assert_eq!(without["hits"], said["hits"]);
    let note = said["notes"][0].as_str().unwrap();
    assert_eq!(note, "looked for `a woman`, without: backpack");
    assert_eq!(without["calibrated"], false);
    let why = without["why_uncalibrated"].as_str().unwrap();
    assert!(why.contains("deny nothing"), "{why}");

    // Each clause by itself, and examples that steer.
    let clauses = |hit: &Value| -> Vec<(String, f64)> {
        let list = hit["clauses"].as_array().unwrap().iter();
        list.map(|it| {
            (
                it["text"].as_str().unwrap().to_owned(),
                it["score"].as_f64().unwrap(),
            )
        })
        .collect()
    };
    for hit in plain["hits"].as_array().unwrap() {
        let found = clauses(hit);
        let names: Vec<_> = found.iter().map(|it| it.0.as_str()).collect();
        assert_eq!(names, ["woman", "backpack"]);
        assert!(
            found.iter().all(|it| (0.0..=1.0).contains(&it.1)),
            "{found:?}"
        );
    }
    let named = clauses(&without["hits"][0]);
    let names: Vec<_> = named.iter().map(|it| it.0.as_str()).collect();
    assert_eq!(names, ["woman", "no backpack"]);
    let ids: Vec<&str> = plain["hits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hit| hit["track"].as_str().unwrap())
        .collect();
    let words = [
        "a woman with a backpack",
        "--like",
        ids[1],
        "--unlike",
        ids[0],
    ];
    let steered = search(&words, &store);
    let hits = steered["hits"].as_array().unwrap();
    assert_eq!(hits.len(), ids.len() - 2);
    assert!(
        hits.iter()
            .all(|hit| hit["track"] != ids[0] && hit["track"] != ids[1])
    );
    assert!(
        steered["why_uncalibrated"]
            .as_str()
            .unwrap()
            .contains("examples")
    );
    let alike = search(&["--like", ids[1]], &store);
    assert_eq!(alike["hits"].as_array().unwrap().len(), ids.len() - 1);
    let long = "a woman in a coat ".repeat(100);
    let cut = search(&[&long], &store);
    assert!(
        cut["notes"][0].as_str().unwrap().contains("left out"),
        "{}",
        cut["notes"]
    );
    let store = store.to_str().unwrap();
    run_badly(&["search", "  ", "--store", store], 2, &["text: is empty"]);
    run_badly(
        &["search", "--unlike", ids[0], "--store", store],
        2,
        &["unlike: ", "nothing says what is looked for"],
    );
    run_badly(
        &["search", "?!", "--store", store],
        2,
        &["text: has no word"],
    );
}

/// What the shipped pair reaches here, less a few sentences.
const FIRST: f64 = 0.75;
const FIVE: f64 = 0.9;
