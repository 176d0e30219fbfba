//! What is refused when a model is loaded, and how the message reads.

use crate::support::{environment, golden, model_folder, on_cpu, testdata};
use ndarray::{Array2, Array3};
use sightline_detector::{Color, Detector, Error, Options, Planes, Provider};

fn sha256() -> String {
    golden("detr.json")["models"]["tiny_detr_raw"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn card() -> String {
    format!(
        r#"name = "tiny"
task = "detect"
family = "detr"
file = "model.onnx"
sha256 = "{}"
[input]
name = "images"
width = 32
height = 32
colors = "rgb"
scale = 0.003921569
resize = "stretch"
batch = "dynamic"
[output]
names = ["pred_logits", "pred_boxes"]
person_class = 1
score_threshold = 0.5
"#,
        sha256()
    )
}

fn load_card(card: &str) -> Result<Detector, Error> {
    load_with(card, &on_cpu())
}

fn load_with(card: &str, options: &Options) -> Result<Detector, Error> {
    let folder = model_folder(card, &testdata("tiny_detr_raw.onnx"));
    Detector::load(environment(), folder.path(), options)
}

/// Loads with one piece of the card changed; the message must hold all of `words` in one line.
fn assert_refused(from: &str, to: &str, words: &[&str]) {
    let card = card();
    assert!(card.contains(from));
    let message = load_card(&card.replace(from, to))
        .err()
        .expect("refused")
        .to_string();
    for word in words {
        assert!(message.contains(word), "`{word}` is not in: {message}");
    }
    assert!(
        !message.contains('\n') && !message.ends_with('.'),
        "{message}"
    );
}

#[test]
fn the_unchanged_card_is_taken_and_gives_the_id_on_the_wire() {
    let detector = load_card(&card()).unwrap();
    assert_eq!(detector.model_id(), format!("tiny@{}", &sha256()[..12]));
    assert_eq!(detector.provider(), Provider::Cpu);
}

#[test]
fn a_folder_without_a_card_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let fault = Detector::load(environment(), folder.path(), &on_cpu())
        .err()
        .unwrap();
    assert!(matches!(fault, Error::CardUnreadable { .. }));
    assert!(
        fault.to_string().contains(folder.path().to_str().unwrap()),
        "{fault}"
    );
}

#[test]
fn a_card_without_its_model_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join("model.toml"), card()).unwrap();
    let fault = Detector::load(environment(), folder.path(), &on_cpu())
        .err()
        .unwrap();
    assert!(matches!(fault, Error::ModelUnreadable { .. }));
    assert!(fault.to_string().contains("model.onnx"), "{fault}");
}

#[test]
fn a_file_with_another_checksum_is_refused_with_both() {
    let wrong = "0".repeat(64);
    assert_refused(&sha256(), &wrong, &[&wrong, &sha256(), "model.onnx"]);
}

#[test]
fn a_file_that_is_no_network_is_refused() {
    let junk = tempfile::NamedTempFile::new().unwrap();
    fs_err::write(junk.path(), b"not an onnx file").unwrap();
    let card = card().replace(&sha256(), &crate::support::sha256_hex(b"not an onnx file"));
    let folder = model_folder(&card, junk.path());
    let fault = Detector::load(environment(), folder.path(), &on_cpu())
        .err()
        .unwrap();
    assert!(matches!(fault, Error::Session { .. }), "{fault}");
    assert!(!fault.to_string().contains('\n'));
}

#[test]
fn other_shapes_than_the_card_says_are_refused_with_both() {
    assert_refused("width = 32", "width = 64", &["images", "32, 32", "32, 64"]);
    assert_refused(
        r#"name = "images""#,
        r#"name = "pixels""#,
        &["pixels", "images"],
    );
    assert_refused("pred_boxes", "boxes", &["`boxes`", "absent", "pred_boxes"]);
    assert_refused(
        "person_class = 1",
        "person_class = 5",
        &["[queries, 6 or more]"],
    );
    assert_refused(
        r#"resize = "stretch""#,
        "resize = \"stretch\"\nsizes_name = \"orig_target_sizes\"",
        &["set of inputs", "orig_target_sizes"],
    );
}

#[test]
fn a_card_of_another_family_is_refused() {
    let card = card()
        .replace(r#""detr""#, r#""yolox""#)
        .replace(r#"["pred_logits", "pred_boxes"]"#, r#"["pred_logits"]"#)
        .replace(
            "score_threshold",
            "strides = [8]\nnms_iou = 0.5\nscore_threshold",
        );
    let message = load_card(&card).err().unwrap().to_string();
    assert!(
        message.contains("pred_logits") && message.contains("[16, 7 or more]"),
        "{message}"
    );
}

#[test]
fn fields_out_of_range_are_refused_by_name() {
    assert_refused(
        r#"task = "detect""#,
        r#"task = "embed-image""#,
        &["task", "embed-image", "`detect`"],
    );
    assert_refused(r#""detr""#, r#""ssd""#, &["line 3", "ssd"]);
    assert_refused(
        r#""model.onnx""#,
        r#""../model.onnx""#,
        &["file", "../model.onnx"],
    );
    assert_refused(&sha256(), "ABC", &["sha256", "64 lowercase hex digits"]);
    assert_refused("width = 32", "width = 0", &["input.width is 0"]);
    assert_refused(
        "batch = \"dynamic\"",
        "batch = 4",
        &["input.batch is 4", "1 or `dynamic`"],
    );
    assert_refused("scale = 0.003921569", "scale = 0.0", &["input.scale"]);
    assert_refused(
        "score_threshold = 0.5",
        "score_threshold = 1.5",
        &["output.score_threshold is 1.5"],
    );
    assert_refused(
        "score_threshold = 0.5",
        "score_threshold = nan",
        &["output.score_threshold"],
    );
    assert_refused("width = 32\n", "", &["width"]);
    assert_refused("name = \"tiny\"", "name = \"tiny", &["line 1"]);
}

#[test]
fn a_provider_asked_for_and_missing_is_an_error_and_auto_is_not() {
    for provider in [Provider::Cuda, Provider::TensorRt, Provider::OpenVino] {
        let asked = Options {
            providers: vec![provider],
            ..on_cpu()
        };
        // Where the library has the provider and the machine its device, there is nothing to refuse.
        if let Err(fault) = load_with(&card(), &asked) {
            assert!(matches!(fault, Error::ProviderMissing { .. }), "{fault}");
            assert!(fault.to_string().contains(provider.name()), "{fault}");
        }
    }
    let auto = Options {
        providers: vec![Provider::Auto],
        ..on_cpu()
    };
    assert_ne!(
        load_with(&card(), &auto).unwrap().provider(),
        Provider::Auto
    );
}

#[test]
fn options_out_of_range_are_refused() {
    for options in [
        Options {
            providers: vec![],
            ..on_cpu()
        },
        Options {
            score_threshold: Some(f32::NAN),
            ..on_cpu()
        },
        Options {
            nms_iou: Some(1.5),
            ..on_cpu()
        },
    ] {
        assert!(matches!(
            load_with(&card(), &options),
            Err(Error::BadOption { .. })
        ));
    }
}

#[test]
fn a_picture_that_does_not_fit_is_named_and_the_detector_goes_on() {
    let mut detector = load_card(&card()).unwrap();
    let good = Array3::<u8>::zeros((48, 64, 3));
    let (y, small) = (Array2::<u8>::zeros((48, 64)), Array2::<u8>::zeros((10, 10)));
    let bad = Planes::I420 {
        y: y.view(),
        u: small.view(),
        v: small.view(),
        color: Color::default(),
    };
    let fault = detector
        .detect(&[Planes::Rgb(good.view()), bad])
        .unwrap_err();
    assert!(matches!(fault, Error::Planes { index: 1, .. }), "{fault}");
    assert_eq!(
        detector.detect(&[Planes::Rgb(good.view())]).unwrap().len(),
        1
    );
}

#[test]
fn portrait_4k_and_single_pixel_pictures_stay_within_their_frames() {
    let mut detector = load_card(&card()).unwrap();
    for (width, height) in [(2160, 3840), (3840, 2160), (1, 1), (1, 700), (63, 1)] {
        let picture =
            Array3::from_shape_fn((height, width, 3), |(y, x, c)| (x * 7 + y * 3 + c) as u8);
        for found in &detector.detect(&[Planes::Rgb(picture.view())]).unwrap()[0] {
            let b = found.bbox;
            assert!(b.x0 >= 0.0 && b.y0 >= 0.0 && b.x1 <= width as f32 && b.y1 <= height as f32);
            assert!(b.area() > 0.0);
        }
    }
}
