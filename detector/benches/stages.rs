//! Preprocessing and decoding on their own, with FastestDet's card and file.
//!
//! Needs `SIGHTLINE_ONNXRUNTIME` (the library's file) and `SIGHTLINE_FASTESTDET` (its model folder).
#![expect(clippy::unwrap_used, reason = "a bench has nobody to report to")]

use criterion::{Criterion, criterion_group, criterion_main};
use ndarray::{Array2, Array3};
use sightline_detector::{Color, Detector, GateOptions, MotionGate, Options, Planes, Provider};

fn stages(criterion: &mut Criterion) {
    let (Ok(library), Ok(folder)) = (
        std::env::var("SIGHTLINE_ONNXRUNTIME"),
        std::env::var("SIGHTLINE_FASTESTDET"),
    ) else {
        #[expect(clippy::print_stderr, reason = "a skipped bench says so")]
        {
            eprintln!("SKIPPED stages: SIGHTLINE_ONNXRUNTIME or SIGHTLINE_FASTESTDET is not set");
        }
        return;
    };
    let environment = ort::init_from(library).unwrap().build().unwrap();
    let options = Options {
        providers: vec![Provider::Cpu],
        score_threshold: Some(0.3),
        ..Options::default()
    };
    let mut detector = Detector::load(&environment, folder.as_ref(), &options).unwrap();
    for (name, width, height) in [
        ("576p", 768, 576),
        ("1080p", 1920, 1080),
        ("4k", 3840, 2160),
    ] {
        let code = |y: usize, x: usize| (x * 3 + y * 2 + x * y % 29) as u8;
        let y = Array2::from_shape_fn((height, width), |(y, x)| code(y, x));
        let uv = Array3::from_shape_fn((height / 2, width / 2, 2), |(y, x, c)| code(y, x + c));
        let (u, v) = (
            y.slice(ndarray::s![..height / 2, ..width / 2]),
            y.slice(ndarray::s![height / 2.., width / 2..]),
        );
        let color = Color::default();
        let i420 = Planes::I420 {
            y: y.view(),
            u,
            v,
            color,
        };
        let nv12 = Planes::Nv12 {
            y: y.view(),
            uv: uv.view(),
            color,
        };
        criterion.bench_function(&format!("preprocess i420 {name}"), |bench| {
            bench.iter(|| detector.preprocess(&[i420]).unwrap());
        });
        criterion.bench_function(&format!("preprocess nv12 {name}"), |bench| {
            bench.iter(|| detector.preprocess(&[nv12]).unwrap());
        });
        let mut gate = MotionGate::new(GateOptions::default());
        criterion.bench_function(&format!("motion gate {name}"), |bench| {
            bench.iter(|| gate.should_detect(y.view(), 0));
        });
    }
    detector.infer().unwrap();
    let mut found = Vec::new();
    criterion.bench_function("decode", |bench| {
        bench.iter(|| detector.decode(0, &mut found).unwrap());
    });
}

criterion_group!(benches, stages);
criterion_main!(benches);
