//! `replay --eval`: a report with everything in it, the same however many threads worked.

use fs_err as fs;
use serde_json::{Value, json};
use sightline_tests::footage;
use sightline_tests::program::{checkout, models_are_here, run_badly, run_well};
use tempfile::TempDir;

/// Frames of each camera.
const FRAMES: u32 = 150;

#[test]
fn a_report_tells_what_looks_and_sentences_find_and_does_not_depend_on_the_workers() {
    if !models_are_here(
        "a_report_tells_what_looks_and_sentences_find_and_does_not_depend_on_the_workers",
    ) {
        return;
    }
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let demo = checkout().join("tests/world/demo");
    let manifest = ["square-north", "square-east"].map(|camera| {
        let video = folder.path().join(format!("{camera}.mp4"));
        footage::excerpt(&demo.join(format!("{camera}.mp4")), FRAMES, &video).unwrap();
        let truth = fs::read_to_string(demo.join(format!("ground_truth/{camera}/gt/gt.txt"))).unwrap();
        let is_shown = |line: &&str| line.split(',').next().unwrap().parse::<u32>().unwrap() <= FRAMES;
        let truth: Vec<&str> = truth.lines().filter(is_shown).collect();
        fs::write(path(&format!("{camera}.txt")), truth.join("\n")).unwrap();
        format!(
            "[[cameras]]\nid = \"{camera}\"\nfile = \"{camera}.mp4\"\nstart = \"2026-03-02T09:00:00Z\"\nfps = 10.0\nground_truth = \"{camera}.txt\"\n"
        )
    });
    fs::write(path("two.toml"), manifest.concat()).unwrap();
    let descriptions = fs::read_to_string(demo.join("ground_truth/descriptions.json")).unwrap();
    let people: Vec<Value> = serde_json::from_str(&descriptions).unwrap();
    let mut sentences: Vec<Value> = people
        .iter()
        .map(|person| json!({ "text": person["captions"][0], "identities": [person["id"]] }))
        .collect();
    sentences.push(json!({ "text": "A knight in shining armour.", "identities": [] }));
    fs::write(path("sentences.json"), json!(sentences).to_string()).unwrap();

    let report = |name: &str, workers: &str| -> Value {
        let eval = format!("--eval={}", path(name));
        run_well(&[
            "replay",
            &path("two.toml"),
            "--store",
            &path(&format!("{name}-store")),
            &eval,
            "--sentences",
            &path("sentences.json"),
            "--workers",
            workers,
            "--json",
        ]);
        let text = fs::read_to_string(path(&format!("{name}/report.json"))).unwrap();
        serde_json::from_str(&text).unwrap()
    };
    let one = report("one", "1");
    report("other", "2");
    let compare = [
        "eval",
        "compare",
        &path("one/report.json"),
        &path("other/report.json"),
    ];
    let compared = run_well(&[&compare[..], &["--json"]].concat()).json();
    assert_eq!(compared["same_hash"], true, "{compared}");
    assert_eq!(compared["measures"], json!([]), "{compared}");
    assert!(compared["equal"].as_u64().unwrap() > 50, "{compared}");
    let said = run_well(&compare).stdout;
    assert!(
        said.starts_with("events, tracks, persons and scores are the same"),
        "{said}"
    );

    let text = &one["text"];
    let counted = ["sentences", "unanswerable", "absent"].map(|key| text[key].as_u64().unwrap());
    assert_eq!(counted.iter().sum::<u64>(), 29, "{text}");
    assert!(counted[0] >= 5 && counted[2] == 1, "{text}");
    let share = |value: &Value| value.as_f64().is_some_and(|it| (0.0..=1.0).contains(&it));
    assert!(
        share(&text["persons"]["r1"]) && share(&text["tracks"]["r5"]),
        "{text}"
    );
    assert!(
        share(&text["false_alarms"]) && share(&text["hits"]["expected_error"]),
        "{text}"
    );
    let reid = &one["reid"];
    assert!(
        reid["queries"].as_u64().unwrap() > 0 && share(&reid["map"]),
        "{reid}"
    );
    let by_light = one["found"].as_array().unwrap().iter();
    assert!(by_light.filter(|it| it["by"] == "light").count() > 0);
    let page = fs::read_to_string(path("one/report.html")).unwrap();
    for part in [
        "<h2>Sentences</h2>",
        "<h2>By looks alone</h2>",
        "<td>light<td>",
    ] {
        assert!(page.contains(part), "{part}");
    }

    fs::write(path("bad.json"), "[{\"sentence\": \"a man\"}]").unwrap();
    let eval = format!("--eval={}", path("bad"));
    run_badly(
        &[
            "replay",
            &path("two.toml"),
            "--store",
            &path("bad-store"),
            &eval,
            "--sentences",
            &path("bad.json"),
        ],
        2,
        &["bad.json", "no list of sentences"],
    );
}
