//! FastestDet and YOLOX on real frames, against references of `testdata/reference_detections.py`.

use crate::support::{
    committed_card, environment, find, golden, model_folder, on_cpu, sha256_hex, sha256_in,
};
use ndarray::{ArrayView2, ArrayView4};
use serde_json::Value;
use sightline_detector::{BBox, Color, Detection, Detector, Options, Planes, Tiling};
use std::path::Path;
use std::process::Command;

const FOOTAGE: &str = "SIGHTLINE_FOOTAGE";
const MODELS: &str = "SIGHTLINE_MODEL_MIRROR";
const WIDTH: usize = 768;
const HEIGHT: usize = 576;
const FRAME_BYTES: usize = WIDTH * HEIGHT * 3 / 2;

/// The frames of the golden file, decoded by GStreamer into I420, with their golden entry.
fn frames(test: &str) -> Option<Vec<(Vec<u8>, Value)>> {
    let golden = golden("detections.json");
    let video = find(test, FOOTAGE, golden["video_sha256"].as_str().unwrap())?;
    let entries = golden["frames"].as_array().unwrap().clone();
    let last = entries
        .iter()
        .map(|e| e["index"].as_u64().unwrap())
        .max()
        .unwrap();
    // The end of stream races with the last frames: a few more are asked for than are used.
    let raw = decode(&video, last as usize + 20);
    let frames = entries.into_iter().map(|entry| {
        let index = entry["index"].as_u64().unwrap() as usize;
        let frame = raw[index * FRAME_BYTES..(index + 1) * FRAME_BYTES].to_vec();
        if sha256_hex(&frame) != entry["i420_sha256"].as_str().unwrap() {
            eprintln!("{test}: this decoder's frame {index} differs from the reference's, boxes may differ a little");
        }
        (frame, entry)
    });
    Some(frames.collect())
}

fn decode(video: &Path, frames: usize) -> Vec<u8> {
    let raw = tempfile::NamedTempFile::new().unwrap();
    let pipeline = format!(
        "filesrc location={} ! decodebin ! videoconvert ! video/x-raw,format=I420 ! identity eos-after={frames} ! filesink location={}",
        video.display(),
        raw.path().display()
    );
    let status = Command::new("gst-launch-1.0")
        .arg("-q")
        .args(pipeline.split(' '))
        .status()
        .expect("gst-launch-1.0 is part of the build's packages");
    assert!(status.success());
    fs_err::read(raw.path()).unwrap()
}

fn planes(i420: &[u8]) -> Planes<'_> {
    let (y, chroma) = i420.split_at(WIDTH * HEIGHT);
    let (u, v) = chroma.split_at(WIDTH * HEIGHT / 4);
    let half = (HEIGHT / 2, WIDTH / 2);
    Planes::I420 {
        y: ArrayView2::from_shape((HEIGHT, WIDTH), y).unwrap(),
        u: ArrayView2::from_shape(half, u).unwrap(),
        v: ArrayView2::from_shape(half, v).unwrap(),
        color: Color::default(),
    }
}

fn load(test: &str, name: &str, options: &Options) -> Option<Detector> {
    let card = committed_card(name);
    let model = find(test, MODELS, &sha256_in(&card))?;
    let folder = model_folder(&card, &model);
    Some(Detector::load(environment(), folder.path(), options).unwrap())
}

fn detections(golden: &Value) -> Vec<Detection> {
    let number = |value: &Value| value.as_f64().unwrap() as f32;
    golden
        .as_array()
        .unwrap()
        .iter()
        .map(|d| Detection {
            bbox: BBox::new(number(&d[0]), number(&d[1]), number(&d[2]), number(&d[3])),
            score: number(&d[4]),
        })
        .collect()
}

/// Each of `sure` must be near one of `others`; scores this close to the threshold may fall below it.
fn assert_covered(sure: &[Detection], others: &[Detection], threshold: f32, iou: f32, score: f32) {
    for one in sure.iter().filter(|one| one.score >= threshold + score) {
        let is_near = others.iter().any(|other| {
            other.bbox.iou(&one.bbox) >= iou && (other.score - one.score).abs() <= score
        });
        assert!(is_near, "{one:?} is not among {others:?}");
    }
}

/// Runs a model on the golden frames and compares input and boxes with both references.
fn assert_golden(test: &str, name: &str, key: &str, threshold: f32) {
    let unsuppressed = Options {
        score_threshold: Some(threshold),
        nms_iou: Some(1.0),
        ..on_cpu()
    };
    let (Some(frames), Some(mut detector)) = (frames(test), load(test, name, &unsuppressed)) else {
        return;
    };
    for (frame, golden) in &frames {
        let golden = &golden[key];
        let found = detector.detect(&[planes(frame)]).unwrap().remove(0);
        let mut defined = detections(&golden["defined"]);
        assert!(!defined.is_empty());
        assert_covered(&found, &defined, threshold, 0.97, 0.003);
        assert_covered(&defined, &found, threshold, 0.97, 0.003);
        // The usual way converts at full size and resizes with another filter; of a part of somebody, which
        // suppression would take away, the box then moves by a few pixels.
        let usual = detections(&golden["usual"]);
        assert_covered(&found, &usual, threshold, 0.5, 0.15);
        assert_covered(&usual, &found, threshold, 0.5, 0.15);
        sightline_detector::suppress(&mut defined, 0, detector.card().output.nms_iou.unwrap());
        assert_eq!(defined, detections(&golden["kept"]));
        assert_grid(&detector, golden["grid"].as_array().unwrap());
        assert_eq!(detector.non_finite_total(), 0);
    }
}

/// Compares means over an 8 x 8 grid of the content of the batch tensor, as codes.
fn assert_grid(detector: &Detector, expected: &[Value]) {
    let input = &detector.card().input;
    let batch = ArrayView4::from_shape(detector.input_shape(), detector.batch()).unwrap();
    // A letterboxed 4:3 frame leaves the lower quarter to padding.
    let is_stretched = input.resize == sightline_detector::Resize::Stretch;
    let height = input.height as usize * if is_stretched { 4 } else { 3 } / 4;
    let (cell_y, cell_x) = (height / 8, input.width as usize / 8);
    let mut expected = expected.iter().map(|value| value.as_f64().unwrap());
    for channel in 0..3 {
        for row in 0..8 {
            for column in 0..8 {
                let cell = batch.slice(ndarray::s![
                    0,
                    channel,
                    row * cell_y..(row + 1) * cell_y,
                    column * cell_x..(column + 1) * cell_x
                ]);
                let mean = f64::from(cell.mean().unwrap() / input.scale);
                let expected = expected.next().unwrap();
                assert!(
                    (mean - expected).abs() < 0.5,
                    "cell {channel},{row},{column} has mean {mean}, not {expected}"
                );
            }
        }
    }
}

#[test]
fn fastestdet_finds_what_the_reference_finds() {
    assert_golden(
        "fastestdet_finds_what_the_reference_finds",
        "fastestdet",
        "fastestdet",
        0.5,
    );
}

#[test]
fn yolox_finds_what_the_reference_finds() {
    assert_golden(
        "yolox_finds_what_the_reference_finds",
        "yolox-nano",
        "yolox",
        0.3,
    );
}

#[test]
fn a_network_fixed_at_one_takes_many_pictures_in_order() {
    const TEST: &str = "a_network_fixed_at_one_takes_many_pictures_in_order";
    let (Some(frames), Some(mut detector)) = (frames(TEST), load(TEST, "fastestdet", &on_cpu()))
    else {
        return;
    };
    assert_eq!(detector.max_batch(), 1);
    let pictures: Vec<_> = frames.iter().map(|(frame, _)| planes(frame)).collect();
    let together = detector.detect(&pictures).unwrap();
    for (picture, found) in pictures.iter().zip(&together) {
        assert_eq!(&detector.detect(&[*picture]).unwrap()[0], found);
    }
    assert_ne!(together[0], together[1]);
}

#[test]
fn rows_with_padding_give_the_same_boxes_as_rows_without() {
    const TEST: &str = "rows_with_padding_give_the_same_boxes_as_rows_without";
    let (Some(frames), Some(mut detector)) = (frames(TEST), load(TEST, "fastestdet", &on_cpu()))
    else {
        return;
    };
    let tight = planes(&frames[0].0);
    let Planes::I420 { y, u, v, color } = tight else {
        unreachable!()
    };
    let padded = |plane: ArrayView2<'_, u8>| {
        let mut wide = ndarray::Array2::from_elem((plane.nrows(), plane.ncols() + 13), 255);
        wide.slice_mut(ndarray::s![.., ..plane.ncols()])
            .assign(&plane);
        wide
    };
    let (wide_y, wide_u, wide_v) = (padded(y), padded(u), padded(v));
    let cut = ndarray::s![.., ..-13];
    let strided = Planes::I420 {
        y: wide_y.slice(cut),
        u: wide_u.slice(cut),
        v: wide_v.slice(cut),
        color,
    };
    let found = detector.detect(&[tight, strided]).unwrap();
    assert_eq!(found[0], found[1]);
    assert!(!found[0].is_empty());
}

#[test]
fn tiles_find_the_distant_people_that_the_whole_picture_misses() {
    const TEST: &str = "tiles_find_the_distant_people_that_the_whole_picture_misses";
    let tiled = Options {
        tiling: Some(Tiling {
            columns: 2,
            rows: 2,
            overlap: 0.25,
        }),
        ..on_cpu()
    };
    let (Some(frames), Some(mut whole), Some(mut tiles)) = (
        frames(TEST),
        load(TEST, "yolox-nano", &on_cpu()),
        load(TEST, "yolox-nano", &tiled),
    ) else {
        return;
    };
    let pictures: Vec<_> = frames.iter().map(|(frame, _)| planes(frame)).collect();
    let (coarse, fine) = (
        whole.detect(&pictures).unwrap(),
        tiles.detect(&pictures).unwrap(),
    );
    let count = |found: &[Vec<Detection>]| found.iter().map(Vec::len).sum::<usize>();
    assert!(count(&fine) > count(&coarse), "{fine:?} against {coarse:?}");
    for (coarse, fine) in coarse.iter().zip(&fine) {
        for person in coarse.iter().filter(|d| d.score >= 0.6) {
            assert!(
                fine.iter().any(|f| f.bbox.iou(&person.bbox) > 0.5),
                "{person:?} got lost in {fine:?}"
            );
        }
        for (i, a) in fine.iter().enumerate() {
            assert!(fine[..i].iter().all(|b| a.bbox.iou(&b.bbox) <= 0.5));
        }
    }
}
