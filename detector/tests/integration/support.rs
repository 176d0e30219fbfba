//! What the tests share: the runtime, files found by their checksum, model folders, pictures.

use ort::environment::Environment;
use sha2::{Digest, Sha256};
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The one environment of this process.
pub fn environment() -> &'static Environment {
    static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let library = runtime_library();
        ort::init_from(&library)
            .unwrap_or_else(|fault| panic!("{}: {fault}", library.display()))
            .build()
            .unwrap()
    })
}

fn runtime_library() -> PathBuf {
    if let Some(path) = std::env::var_os("SIGHTLINE_ONNXRUNTIME") {
        return path.into();
    }
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .filter_map(|folder| fs_err::read_dir(folder.join(".sightline/onnxruntime")).ok())
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .find(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.starts_with("libonnxruntime.so")
        })
        .expect("no .sightline/onnxruntime/libonnxruntime.so* above the crate: run `make`, or set SIGHTLINE_ONNXRUNTIME to the file")
}

/// The file with this checksum at any depth of the folder that `variable` names; prints why it is absent.
pub fn find(test: &str, variable: &str, sha256: &str) -> Option<PathBuf> {
    let Some(root) = std::env::var_os(variable) else {
        skipped(test, &format!("{variable} is not set"));
        return None;
    };
    let mut folders = vec![PathBuf::from(root)];
    while let Some(folder) = folders.pop() {
        let mut entries: Vec<_> = fs_err::read_dir(&folder)
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                folders.push(path);
            } else if sha256_hex(&fs_err::read(&path).unwrap()) == sha256 {
                return Some(path);
            }
        }
    }
    skipped(
        test,
        &format!("no file with sha256 {sha256} under {variable}"),
    );
    None
}

/// Says so past the capture of the test harness, which would swallow it.
fn skipped(test: &str, reason: &str) {
    let line = format!("SKIPPED {test}: {reason}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

/// A model folder with the card given and the file beside it.
pub fn model_folder(card: &str, model: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join("model.toml"), card).unwrap();
    fs_err::copy(model, folder.path().join("model.onnx")).unwrap();
    folder
}

/// The committed card of a model.
pub fn committed_card(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../models")
        .join(name)
        .join("model.toml");
    fs_err::read_to_string(path).unwrap()
}

pub fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata")
        .join(name)
}

pub fn golden(name: &str) -> serde_json::Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    serde_json::from_slice(&fs_err::read(path).unwrap()).unwrap()
}

/// The `sha256` a card names.
pub fn sha256_in(card: &str) -> String {
    let line = card
        .lines()
        .find(|line| line.starts_with("sha256"))
        .unwrap();
    line.split('"').nth(1).unwrap().to_owned()
}

/// Options on the processor with one thread, so that results do not hang on the machine.
pub fn on_cpu() -> sightline_detector::Options {
    sightline_detector::Options {
        providers: vec![sightline_detector::Provider::Cpu],
        intra_threads: NonZeroUsize::MIN,
        ..Default::default()
    }
}

/// The picture of `testdata/*.py`, drawn by the same formula.
pub fn drawn(width: usize, height: usize, seed: usize) -> ndarray::Array2<u8> {
    ndarray::Array2::from_shape_fn((height, width), |(y, x)| {
        let wave = (x * 3 + y * 2 + seed * 31) % 256;
        let detail = (x * y + seed) % 29 * 3;
        let squares = ((x / 8) ^ (y / 8)) * 11;
        ((wave + detail + squares) % 256) as u8
    })
}
