//! What the tests of models share: the runtime, files by digest, model folders, pictures and expected rows.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ndarray::{Array2, Array4, ArrayView3};
use ort::environment::Environment;
use sightline_reid::{Error, ImageEncoder, Options, Planes, Provider, card};

/// The 0267 model as published.
pub const PERSON_PUBLISHED: &str =
    "ca531dc7b2f0efabc6d26b128dbf6a5e9c7b634339acdb36d11476f999f2c186";
/// The same, mended by somebody else's script.
pub const PERSON_BY_SCRIPT: &str =
    "aac91e8c5b14384b9fc2fc646a07768ee24ecb769abb3376ff4eb3f8dc8a5fa1";
/// FastestDet as published.
pub const FASTESTDET: &str = "31cb14c017fce347cb4c846ec62fdf00d76bb3beecdf4be21e7116ac67feb880";
/// OSNet x0.25, whose file takes any batch.
pub const OSNET: &str = "61b2604171ef9d58d21758626f83b35a253c3d7123976523a6e03068c3c95d7b";

/// The one environment of this process.
pub fn environment() -> &'static Environment {
    static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let library = runtime_library();
        ort::init_from(&library).unwrap().build().unwrap()
    })
}

fn runtime_library() -> PathBuf {
    if let Ok(path) = std::env::var("SIGHTLINE_ONNXRUNTIME") {
        return path.into();
    }
    for folder in Path::new(env!("CARGO_MANIFEST_DIR")).ancestors() {
        let Ok(entries) = fs_err::read_dir(folder.join(".sightline/onnxruntime")) else {
            continue;
        };
        let mut libraries: Vec<_> = entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.to_string_lossy().contains("libonnxruntime.so"))
            .collect();
        libraries.sort();
        if let Some(library) = libraries.pop() {
            return library;
        }
    }
    panic!(
        "no .sightline/onnxruntime/libonnxruntime.so*: run `make`, or set SIGHTLINE_ONNXRUNTIME"
    );
}

/// The file with this digest in the folder that `variable` names, at any depth; none if the variable is not set.
pub fn find(test: &str, variable: &str, sha256: &str) -> Option<PathBuf> {
    let Ok(root) = std::env::var(variable) else {
        std::io::Write::write_all(
            &mut std::io::stderr(),
            format!("SKIPPED {test}: {variable} is not set\n").as_bytes(),
        )
        .ok();
        return None;
    };
    let mut folders = vec![PathBuf::from(&root)];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if card::sha256_of_file(&path).unwrap() == sha256 {
                return Some(path);
            }
        }
    }
    panic!("{test}: no file with sha256 {sha256} under {variable}={root}");
}

/// The golden file of that name.
pub fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

/// Rows of a golden `.npy` file of `D` columns.
pub fn golden_rows(name: &str, dimension: usize) -> Array2<f32> {
    let bytes = fs_err::read(golden(name)).unwrap();
    let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let (chunks, rest) = bytes[header..].as_chunks::<4>();
    assert!(rest.is_empty());
    let values: Vec<f32> = chunks
        .iter()
        .map(|chunk| f32::from_le_bytes(*chunk))
        .collect();
    Array2::from_shape_vec((values.len() / dimension, dimension), values).unwrap()
}

/// The pictures `make.py` calls by the same name.
#[allow(clippy::cast_precision_loss)]
pub fn pictures(count: usize, height: usize, width: usize) -> Array4<f32> {
    Array4::from_shape_fn((count, 3, height, width), |(n, c, y, x)| {
        // 13 - n stays positive for the few pictures in use.
        ((x * (7 + n) + y * (13 - n) + c * 31 + (x * y) / 17 + n * 101) % 256) as f32
    })
}

/// A model card in text.
pub struct CardText {
    pub width: usize,
    pub height: usize,
    pub input: &'static str,
    pub output: &'static str,
    pub dimension: usize,
    pub batch: &'static str,
    pub precision: &'static str,
    pub normalisation: &'static str,
}

/// Pictures as they are.
pub const PLAIN: &str = "scale = 1\nmean = [0, 0, 0]\nstd = [1, 1, 1]";

/// The tiny networks of `make.py`.
pub const TINY: CardText = CardText {
    width: 16,
    height: 32,
    input: "data",
    output: "embedding",
    dimension: 6,
    batch: "\"dynamic\"",
    precision: "fp32",
    normalisation: PLAIN,
};

/// The 0267 model.
pub const PERSON: CardText = CardText {
    width: 128,
    height: 256,
    input: "data",
    output: "reid_embedding",
    dimension: 256,
    ..TINY
};

/// Puts a card beside the bytes of a model, in a folder of its own.
pub fn model_folder(card: &CardText, model: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join("model.onnx"), model).unwrap();
    let text = format!(
        "name = \"under-test\"\ntask = \"embed-image\"\nfamily = \"any\"\nfile = \"model.onnx\"\nsha256 = \"{}\"\n\
         licence = \"none\"\nsource = \"a test\"\n\
         [input]\nname = \"{}\"\nwidth = {}\nheight = {}\ncolors = \"rgb\"\nlayout = \"nchw\"\n{}\n\
         resize = \"stretch\"\nbatch = {}\nprecision = \"{}\"\n\
         [output]\nnames = [\"{}\"]\nvector = \"appearance\"\ndimension = {}\n",
        card::sha256_of_bytes(model),
        card.input,
        card.width,
        card.height,
        card.normalisation,
        card.batch,
        card.precision,
        card.output,
        card.dimension,
    );
    fs_err::write(folder.path().join("model.toml"), text).unwrap();
    folder
}

/// Options of a test: one thread on the CPU, room for four.
pub fn options() -> Options {
    Options {
        providers: vec![Provider::Cpu],
        max_batch: 4,
        ..Options::default()
    }
}

/// Loads a model with a card of its own.
pub fn load(card: &CardText, model: &[u8]) -> Result<ImageEncoder, Error> {
    let folder = model_folder(card, model);
    ImageEncoder::load(environment(), folder.path(), &options())
}

/// Largest difference of two tables of the same shape.
pub fn largest_difference(left: &Array2<f32>, right: &Array2<f32>) -> f32 {
    assert_eq!(left.dim(), right.dim());
    left.iter()
        .zip(right)
        .fold(0.0, |largest: f32, (left, right)| {
            // NaN must not pass for a small difference.
            if (left - right).is_nan() {
                f32::INFINITY
            } else {
                largest.max((left - right).abs())
            }
        })
}

/// A grey-free picture of H x W x 3 bytes.
pub fn coloured_bytes(height: usize, width: usize) -> Vec<u8> {
    (0..height * width * 3)
        .map(|index| {
            let (pixel, channel) = (index / 3, index % 3);
            let (y, x) = (pixel / width, pixel % width);
            u8::try_from((x * 3 + y * (channel + 1) + channel * 40) % 251).unwrap()
        })
        .collect()
}

/// A view of such bytes.
pub fn rgb(bytes: &[u8], height: usize, width: usize) -> Planes<'_> {
    Planes::Rgb(ArrayView3::from_shape((height, width, 3), bytes).unwrap())
}
