//! The DETR family on tiny random networks with the published output contracts.

use crate::support::{drawn, environment, golden, model_folder, on_cpu, testdata};
use ndarray::Array3;
use sightline_detector::{Detection, Detector, Error, Options, Planes};
use std::num::NonZeroUsize;

fn card(name: &str, outputs: &str, extra: &str) -> String {
    let golden = golden("detr.json");
    format!(
        r#"
        name = "{name}"
        task = "detect"
        family = "detr"
        file = "model.onnx"
        sha256 = {sha256}
        [input]
        name = "images"
        width = 32
        height = 32
        colors = "rgb"
        scale = 0.003921569
        resize = "stretch"
        batch = "dynamic"
        {extra}
        [output]
        names = {outputs}
        person_class = {person}
        score_threshold = {threshold}
        "#,
        sha256 = golden["models"][name],
        person = golden["person_class"],
        threshold = golden["threshold"],
    )
}

const RAW: &str = r#"["pred_logits", "pred_boxes"]"#;
const DEPLOYED: &str = r#"["labels", "boxes", "scores"]"#;

fn load(name: &str, outputs: &str, extra: &str, max_batch: usize) -> Result<Detector, Error> {
    let folder = model_folder(
        &card(name, outputs, extra),
        &testdata(&format!("{name}.onnx")),
    );
    let options = Options {
        max_batch: NonZeroUsize::new(max_batch).unwrap(),
        ..on_cpu()
    };
    Detector::load(environment(), folder.path(), &options)
}

fn pictures() -> Vec<Array3<u8>> {
    golden("detr.json")["pictures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|size| {
            let [width, height, seed] =
                std::array::from_fn(|at| size[at].as_u64().unwrap() as usize);
            let channels: Vec<_> = (0..3).map(|s| drawn(width, height, seed + s)).collect();
            Array3::from_shape_fn((height, width, 3), |(y, x, c)| channels[c][[y, x]])
        })
        .collect()
}

fn assert_golden(found: &[Vec<Detection>], tolerance_px: f32, tolerance_score: f32) {
    let golden = golden("detr.json");
    let expected = golden["detections"].as_array().unwrap();
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        let expected = expected.as_array().unwrap();
        assert_eq!(found.len(), expected.len(), "{found:?} is not {expected:?}");
        for (found, expected) in found.iter().zip(expected) {
            let value = |at: usize| expected[at].as_f64().unwrap() as f32;
            let edges = [found.bbox.x0, found.bbox.y0, found.bbox.x1, found.bbox.y1];
            for (at, edge) in edges.into_iter().enumerate() {
                assert!(
                    (edge - value(at)).abs() < tolerance_px,
                    "{found:?} is not {expected}"
                );
            }
            assert!(
                (found.score - value(4)).abs() < tolerance_score,
                "{found:?} is not {expected}"
            );
        }
    }
}

fn detect(detector: &mut Detector, pictures: &[Array3<u8>]) -> Vec<Vec<Detection>> {
    let planes: Vec<_> = pictures.iter().map(|p| Planes::Rgb(p.view())).collect();
    detector.detect(&planes).unwrap()
}

#[test]
fn raw_logits_and_boxes_are_decoded_as_the_reference_does() {
    let mut detector = load("tiny_detr_raw", RAW, "", 2).unwrap();
    assert_eq!(detector.input_shape(), [2, 3, 32, 32]);
    let found = detect(&mut detector, &pictures());
    assert_golden(&found, 0.5, 0.005);
    assert!(found.iter().all(|of_picture| !of_picture.is_empty()));
}

#[test]
fn deployed_labels_boxes_and_scores_are_decoded_as_the_reference_does() {
    let extra = r#"sizes_name = "orig_target_sizes""#;
    let mut detector = load("tiny_detr_deployed", DEPLOYED, extra, 3).unwrap();
    assert_golden(&detect(&mut detector, &pictures()), 0.5, 0.005);
}

#[test]
fn half_precision_gives_the_same_detections_to_its_precision() {
    let mut detector = load("tiny_detr_raw_fp16", RAW, r#"precision = "fp16""#, 3).unwrap();
    assert_golden(&detect(&mut detector, &pictures()), 1.5, 0.01);
}

#[test]
fn the_batch_a_picture_is_in_does_not_change_its_detections() {
    let pictures = pictures();
    let mut one = load("tiny_detr_raw", RAW, "", 1).unwrap();
    let mut two = load("tiny_detr_raw", RAW, "", 2).unwrap();
    let mut many = load("tiny_detr_raw", RAW, "", 8).unwrap();
    let alone = detect(&mut one, &pictures);
    assert_eq!(detect(&mut two, &pictures), alone);
    assert_eq!(detect(&mut many, &pictures), alone);
    let reversed: Vec<_> = pictures.iter().rev().cloned().collect();
    let mut back = detect(&mut two, &reversed);
    back.reverse();
    assert_eq!(back, alone);
    assert_eq!(detect(&mut many, &[]), Vec::<Vec<Detection>>::new());
}

#[test]
fn a_card_of_half_precision_over_a_full_precision_file_is_refused() {
    let fault = load("tiny_detr_raw", RAW, r#"precision = "fp16""#, 1)
        .err()
        .unwrap();
    assert!(matches!(fault, Error::ModelShape { .. }), "{fault}");
}

#[test]
fn outputs_in_the_wrong_order_are_refused() {
    let swapped = r#"["pred_boxes", "pred_logits"]"#;
    let fault = load("tiny_detr_raw", swapped, "", 1)
        .err()
        .unwrap()
        .to_string();
    assert!(
        fault.contains("pred_logits") && fault.contains("[queries, 4]"),
        "{fault}"
    );
}

#[test]
fn a_stage_asked_for_more_than_its_batch_says_so() {
    let pictures = pictures();
    let planes: Vec<_> = pictures.iter().map(|p| Planes::Rgb(p.view())).collect();
    let mut detector = load("tiny_detr_raw", RAW, "", 2).unwrap();
    assert!(matches!(
        detector.preprocess(&planes),
        Err(Error::BatchTooLarge { found: 3, limit: 2 })
    ));
    detector.preprocess(&planes[..1]).unwrap();
    detector.infer().unwrap();
    let mut found = Vec::new();
    detector.decode(0, &mut found).unwrap();
    assert!(matches!(
        detector.decode(1, &mut found),
        Err(Error::BatchTooLarge { .. })
    ));
}
