//! The measures that every change is held against: the demo scene, played through the whole flow with the shipped models.

use fs_err as fs;
use serde_json::{Value, json};
use sightline_tests::program::{checkout, models_are_here, run_well};
use tempfile::TempDir;

/// People who are not on the demo scene.
const ABSENT: [&str; 4] = [
    "A knight in shining armour.",
    "A child in a yellow raincoat with a red umbrella.",
    "A woman in a wedding dress.",
    "A man in a pink tracksuit with an orange suitcase.",
];

#[test]
fn no_measure_of_the_demo_scene_falls_below_its_baseline() {
    if !models_are_here("no_measure_of_the_demo_scene_falls_below_its_baseline") {
        return;
    }
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let of_checkout = |name: &str| checkout().join(name).to_str().unwrap().to_owned();
    let descriptions = of_checkout("tests/world/demo/ground_truth/descriptions.json");
    let people: Vec<Value> =
        serde_json::from_str(&fs::read_to_string(descriptions).unwrap()).unwrap();
    let there = people
        .iter()
        .map(|person| json!({ "text": person["captions"][0], "identities": [person["id"]] }));
    let absent = ABSENT.map(|text| json!({ "text": text, "identities": [] }));
    let sentences = Value::Array(there.chain(absent).collect());
    fs::write(path("sentences.json"), sentences.to_string()).unwrap();

    run_well(&[
        "replay",
        &of_checkout("tests/world/demo/manifest.toml"),
        "--config",
        &of_checkout("configs/replay.toml"),
        "--store",
        &path("store"),
        &format!("--eval={}", path("report")),
        "--sentences",
        &path("sentences.json"),
        "--gate",
        &of_checkout("tests/world/benchmark/demo.gate.toml"),
    ]);
    assert!(fs::metadata(path("report/report.html")).unwrap().len() > 10_000);
}
