//! Our measures against those of trackeval 1.3.0 and motmetrics 1.4.0, as `golden/tracking.py` wrote them down.

use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};
use sightline_eval::read::{GroundTruth, MotPair, Observation};
use sightline_eval::read::{parse_ground_truth, parse_scene, parse_tracks, read_pair};
use sightline_eval::tracking::{
    Counts, Scores, WorldScores, clear_by_motmetrics, measure_mot_scene, measure_scene,
    measure_sequence,
};

const TOLERANCE: f64 = 1e-6;

fn golden(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    serde_json::from_str(&fs_err::read_to_string(path).unwrap()).unwrap()
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

fn parse(truth: &str, tracks: &str) -> (GroundTruth, Vec<Observation>) {
    (
        parse_ground_truth(truth.as_bytes(), "gt.txt".as_ref()).unwrap(),
        parse_tracks(tracks.as_bytes(), "tracks.txt".as_ref()).unwrap(),
    )
}

/// A score by the name that trackeval gives it.
fn by_trackeval_name(scores: &Scores, field: &str) -> f64 {
    match field {
        "MOTA" => scores.mota,
        "MOTP" => scores.motp,
        "IDSW" => scores.id_switches as f64,
        "Frag" => scores.fragments as f64,
        "CLR_TP" => scores.true_positives as f64,
        "CLR_FP" => scores.false_positives as f64,
        "CLR_FN" => scores.false_negatives as f64,
        "MT" => scores.mostly_tracked as f64,
        "PT" => scores.partly_tracked as f64,
        "ML" => scores.mostly_lost as f64,
        "IDF1" => scores.idf1,
        "IDP" => scores.idp,
        "IDR" => scores.idr,
        "IDTP" => scores.id_true_positives as f64,
        "IDFP" => scores.id_false_positives as f64,
        "IDFN" => scores.id_false_negatives as f64,
        "HOTA" => scores.hota,
        "DetA" => scores.deta,
        "AssA" => scores.assa,
        "LocA" => scores.loca,
        "DetRe" => scores.detre,
        "DetPr" => scores.detpr,
        "AssRe" => scores.assre,
        "AssPr" => scores.asspr,
        other => panic!("{other} is unknown"),
    }
}

fn check(fields: &Value, expected: &Value, what: &str, value: impl Fn(&str) -> f64) {
    let (fields, expected) = (list(fields), list(expected));
    assert_eq!(fields.len(), expected.len());
    for (field, expected) in fields.iter().zip(expected) {
        let field = field.as_str().unwrap();
        let (found, expected) = (value(field), expected.as_f64().unwrap());
        assert!(
            (found - expected).abs() <= TOLERANCE,
            "{what}: {field} is {found}, expected {expected}"
        );
    }
}

/// Both evaluators on one sequence; gives what was counted.
fn check_sequence(
    golden: &Value,
    case: &Value,
    what: &str,
    (truth, tracks): &(GroundTruth, Vec<Observation>),
) -> Counts {
    let counts = measure_sequence(truth, tracks).unwrap();
    let scores = counts.scores();
    check(
        &golden["fields"]["trackeval"],
        &case["trackeval"],
        what,
        |field| by_trackeval_name(&scores, field),
    );
    if !case["motmetrics"].is_null() {
        let clear = clear_by_motmetrics(truth, tracks).unwrap();
        let what = format!("{what} (motmetrics)");
        check(
            &golden["fields"]["motmetrics"],
            &case["motmetrics"],
            &what,
            |field| match field {
                "mota" => clear.mota(),
                "motp" => clear.motp(),
                "num_switches" => clear.id_switches as f64,
                "num_fragmentations" => clear.fragments as f64,
                "num_detections" => clear.true_positives as f64,
                "num_false_positives" => clear.false_positives as f64,
                "num_misses" => clear.false_negatives as f64,
                "mostly_tracked" => clear.mostly_tracked as f64,
                "partially_tracked" => clear.partly_tracked as f64,
                "mostly_lost" => clear.mostly_lost as f64,
                "idf1" => scores.idf1,
                "idp" => scores.idp,
                "idr" => scores.idr,
                other => panic!("{other} is unknown"),
            },
        );
    }
    counts
}

/// What both languages made must be the same to the byte, else nothing below means anything.
fn check_hash(case: &Value, (truth, tracks): &(String, String)) {
    let hash: String = Sha256::digest(format!("{truth}\0{tracks}"))
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(hash, text(case, "hash"), "seed {}", case["seed"]);
}

#[test]
fn hand_made_cases_equal_the_published_evaluators() {
    let golden = golden("tracking.json");
    let cases = list(&golden["hand_made"]);
    assert!(cases.len() >= 25);
    for case in cases {
        let files = parse(text(case, "truth"), text(case, "tracks"));
        check_sequence(&golden, case, text(case, "title"), &files);
    }
}

#[test]
fn random_cases_equal_the_published_evaluators_alone_and_together() {
    let golden = golden("tracking.json");
    let cases = list(&golden["random"]);
    assert_eq!(cases.len(), 200);
    let mut all = Counts::default();
    for case in cases {
        let made = crate::made::mot_case(case["seed"].as_u64().unwrap());
        check_hash(case, &made);
        let files = parse(&made.0, &made.1);
        all.add(&check_sequence(
            &golden,
            case,
            &format!("seed {}", case["seed"]),
            &files,
        ));
    }
    let scores = all.scores();
    check(
        &golden["fields"]["trackeval"],
        &golden["combined"],
        "combined",
        |field| by_trackeval_name(&scores, field),
    );
}

#[test]
fn random_scenes_equal_the_published_evaluators_by_boxes_and_in_the_world() {
    let golden = golden("tracking.json");
    let cases = list(&golden["scenes"]);
    assert_eq!(cases.len(), 40);
    for case in cases {
        let made = crate::made::scene_case(case["seed"].as_u64().unwrap());
        check_hash(case, &made);
        let [truth, tracks] = [&made.0, &made.1]
            .map(|text| parse_scene(text.as_bytes(), "scene.txt".as_ref()).unwrap());
        let counts = measure_scene(&truth, &tracks).unwrap();
        let scores = counts.boxes.scores();
        let what = format!("scene {}", case["seed"]);
        check(
            &golden["fields"]["trackeval"],
            &case["boxes"],
            &what,
            |field| by_trackeval_name(&scores, field),
        );
        let WorldScores {
            hota,
            deta,
            assa,
            loca,
        } = counts.world_scores().unwrap();
        for (found, expected) in [hota, deta, assa, loca].iter().zip(list(&case["world"])) {
            let expected = expected.as_f64().unwrap();
            assert!(
                (found - expected).abs() <= TOLERANCE,
                "{what}: {found}, expected {expected}"
            );
        }
    }
}

#[test]
fn a_scene_of_one_camera_is_a_sequence() {
    for seed in 0..20 {
        let made = crate::made::mot_case(seed);
        let files = parse(&made.0, &made.1);
        let alone = measure_sequence(&files.0, &files.1).unwrap();
        let scene = measure_mot_scene(&[files]).unwrap();
        assert_eq!(scene.boxes, alone);
        assert_eq!(scene.world, None);
    }
}

#[test]
fn sample_sequences_of_motmetrics_equal_the_published_evaluators() {
    let Some(folder) = std::env::var_os("SIGHTLINE_FOOTAGE") else {
        println!(
            "SKIPPED sample_sequences_of_motmetrics_equal_the_published_evaluators: SIGHTLINE_FOOTAGE is not set"
        );
        return;
    };
    let golden = golden("samples.json");
    let mut all = Counts::default();
    for case in list(&golden["sequences"]) {
        let [truth, tracks] =
            ["truth_sha256", "tracks_sha256"].map(|key| find(Path::new(&folder), text(case, key)));
        let (Some(truth), Some(tracks)) = (truth, tracks) else {
            println!(
                "SKIPPED {}: not below SIGHTLINE_FOOTAGE; it comes with the Python package motmetrics 1.4.0",
                text(case, "name")
            );
            return;
        };
        let name = text(case, "name").to_owned();
        let files = read_pair(&MotPair {
            name,
            truth,
            tracks,
        })
        .unwrap();
        all.add(&check_sequence(&golden, case, text(case, "name"), &files));
    }
    let scores = all.scores();
    check(
        &golden["fields"]["trackeval"],
        &golden["combined"],
        "combined",
        |field| by_trackeval_name(&scores, field),
    );
}

fn find(folder: &Path, sha256: &str) -> Option<PathBuf> {
    for entry in fs_err::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_text = path.extension().is_some_and(|ending| ending == "txt");
        let found = if path.is_dir() {
            find(&path, sha256)
        } else {
            let hash = is_text.then(|| Sha256::digest(fs_err::read(&path).unwrap()));
            let hex = hash.map(|hash| hash.iter().map(|b| format!("{b:02x}")).collect::<String>());
            (hex.as_deref() == Some(sha256)).then_some(path)
        };
        if found.is_some() {
            return found;
        }
    }
    None
}
