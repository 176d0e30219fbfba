//! The measures that every change is held against: the demo scene, played through the whole flow with the shipped models.

use fs_err as fs;
use serde_json::{Value, json};
use sightline_tests::program::{checkout, models_are_here, run_badly, run_well};
use tempfile::TempDir;

#[test]
fn no_measure_of_the_demo_scene_falls_below_its_baseline() {
    if !models_are_here("no_measure_of_the_demo_scene_falls_below_its_baseline") {
        return;
    }
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let of_checkout = |name: &str| checkout().join(name).to_str().unwrap().to_owned();
    let sentences = path("sentences.json");
    fs::write(&sentences, sentences_about(&checkout().join("tests/world/demo"))).unwrap();
    let manifest = of_checkout("tests/world/demo/manifest.toml");
    let config = of_checkout("configs/replay.toml");
    let baseline = of_checkout("tests/world/benchmark/demo.gate.toml");
    let (store, eval) = (path("store"), format!("--eval={}", path("report")));
    let said = run_well(&[
        "replay", &manifest, "--config", &config, "--store", &store, &eval, "--sentences",
        &sentences, "--gate", &baseline, "--json",
    ]);

    // A gate that asks for more than there is must not be passed: otherwise the one above says nothing.
    let text = fs::read_to_string(path("report/report.json")).unwrap();
    let report: Value = serde_json::from_str(&text).unwrap();
    let idf1 = report["persons"]["idf1"].as_f64().unwrap();
    assert!((0.0..1.0).contains(&idf1), "{}", said.stderr);
}

/// The first caption of everybody, and some of people who are not there.
fn sentences_about(scene: &std::path::Path) -> String {
    let descriptions = fs::read_to_string(scene.join("ground_truth/descriptions.json")).unwrap();
    let people: Vec<Value> = serde_json::from_str(&descriptions).unwrap();
    let there = people
        .iter()
        .map(|person| json!({ "text": person["captions"][0], "identities": [person["id"]] }));
    let absent = [
        "A knight in shining armour.",
        "A child in a yellow raincoat with a red umbrella.",
        "A woman in a wedding dress.",
        "A man in a pink tracksuit with an orange suitcase.",
    ]
    .map(|text| json!({ "text": text, "identities": [] }));
    Value::Array(there.chain(absent).collect()).to_string()
}
