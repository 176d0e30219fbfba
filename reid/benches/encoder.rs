//! The stages of the 0267 encoder: preparation of a crop, and inference by batch and threads.
//!
//! `SIGHTLINE_MODEL_MIRROR=DIR SIGHTLINE_ONNXRUNTIME=FILE cargo bench -p sightline-reid --bench encoder`

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a bench fails by panic and says aloud what it skips"
)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ndarray::{Array2, Array3};
use ort::environment::Environment;
use sightline_reid::mend::{self, Mend};
use sightline_reid::{Color, Crop, ImageEncoder, Options, Planes, Provider, card};

/// The 0267 model as published.
const PUBLISHED: &str = "ca531dc7b2f0efabc6d26b128dbf6a5e9c7b634339acdb36d11476f999f2c186";
const BATCHES: [usize; 4] = [1, 4, 8, 16];

fn find(root: &Path) -> Option<PathBuf> {
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if card::sha256_of_file(&path).unwrap() == PUBLISHED {
                return Some(path);
            }
        }
    }
    None
}

/// A folder with the mended model and its committed card.
fn model_folder(mirror: &Path) -> tempfile::TempDir {
    let published = fs_err::read(find(mirror).unwrap()).unwrap();
    let mended = mend::apply(&published, &[Mend::InstanceNorm, Mend::DynamicBatch]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join("model.onnx"), mended).unwrap();
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("models");
    let card = models.join("person-reid-0267/model.toml");
    fs_err::copy(card, folder.path().join("model.toml")).unwrap();
    folder
}

fn load(environment: &Environment, folder: &Path, intra_threads: usize) -> ImageEncoder {
    let options = Options {
        providers: vec![Provider::Cpu],
        intra_threads,
        max_batch: 16,
        engine_cache: None,
    };
    ImageEncoder::load(environment, folder, &options).unwrap()
}

fn stages(criterion: &mut Criterion) {
    let variable = std::env::var_os;
    let (Some(mirror), Some(library)) = (
        variable("SIGHTLINE_MODEL_MIRROR"),
        variable("SIGHTLINE_ONNXRUNTIME"),
    ) else {
        eprintln!("SKIPPED encoder: SIGHTLINE_MODEL_MIRROR or SIGHTLINE_ONNXRUNTIME is not set");
        return;
    };
    let environment = ort::init_from(Path::new(&library))
        .unwrap()
        .build()
        .unwrap();
    let folder = model_folder(Path::new(&mirror));
    let value = |row: usize, column: usize| u8::try_from((row * 7 + column * 3) % 251).unwrap();
    let luma = Array2::from_shape_fn((1080, 1920), |(row, column)| value(row, column));
    let half = Array2::from_shape_fn((540, 960), |(row, column)| value(column, row));
    let pair = Array3::from_shape_fn((540, 960, 2), |(row, column, at)| value(column + at, row));
    let rgb = Array3::from_shape_fn((1080, 1920, 3), |(row, column, at)| value(row + at, column));
    let color = Color::default();
    let i420 = Planes::I420 {
        y: luma.view(),
        u: half.view(),
        v: half.view(),
        color,
    };
    let pictures = [
        ("i420", i420),
        (
            "nv12",
            Planes::Nv12 {
                y: luma.view(),
                uv: pair.view(),
                color,
            },
        ),
        ("rgb", Planes::Rgb(rgb.view())),
    ];
    let person = |planes| Crop {
        planes,
        x0: 700.3,
        y0: 311.7,
        x1: 790.9,
        y1: 531.2,
    };

    let mut group = criterion.benchmark_group("preprocess");
    let mut encoder = load(&environment, folder.path(), 1);
    for (name, planes) in pictures {
        group.bench_function(name, |bencher| {
            bencher.iter(|| encoder.preprocess(&[person(planes)]).unwrap());
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("run");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(3));
    for threads in [1, 2] {
        let mut encoder = load(&environment, folder.path(), threads);
        for batch in BATCHES {
            encoder.preprocess(&vec![person(i420); batch]).unwrap();
            group.throughput(Throughput::Elements(batch as u64));
            group.bench_function(
                BenchmarkId::new(format!("threads-{threads}"), batch),
                |bencher| {
                    bencher.iter(|| encoder.run().unwrap());
                },
            );
        }
    }
    group.finish();
}

criterion_group!(encoder, stages);
criterion_main!(encoder);
