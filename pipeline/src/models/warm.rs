//! Sessions built before they are needed: a TensorRT engine takes minutes the first time.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Instant;

use ort::environment::Environment;
use serde::Serialize;

use super::card::Task;
use super::network::{LoadOptions, Network, installed, test_picture};
use super::{Error, ModelFolders};
use crate::config::Provider;

/// What sessions will look like when they are needed; engines fit no others.
#[derive(Debug, Clone)]
pub struct WarmOptions {
    /// Execution providers in order of wish.
    pub providers: Vec<Provider>,
    /// Threads inside one operator.
    pub intra_threads: NonZeroUsize,
    /// Room in the detector's batch.
    pub detect_batch: NonZeroUsize,
    /// Room in an encoder's batch.
    pub embed_batch: NonZeroUsize,
    /// `engine_cache` under `[models]`: the folder that holds all engines.
    pub engine_cache: Option<PathBuf>,
}

/// What was done for one model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WarmReport {
    /// The model.
    pub name: String,
    /// Name and digest as they stand on the wire.
    pub model_id: String,
    /// Providers it ran on.
    pub providers: Vec<&'static str>,
    /// Where its engines are now; null where nothing was built that could be kept.
    pub engine_folder: Option<PathBuf>,
    /// Time for loading and for one run at batch 1 and at the largest.
    pub seconds: f64,
    /// What this means, in words.
    pub note: String,
}

/// Loads the installed models called `names` (none: all that are installed) and runs each once.
///
/// # Errors
/// [`Error::NotInstalled`], [`Error::Io`] if the cache cannot be made, and whatever loading and running give.
pub fn warm(
    names: &[String],
    folders: &ModelFolders,
    environment: &Environment,
    options: &WarmOptions,
) -> Result<Vec<WarmReport>, Error> {
    let mut reports = Vec::new();
    for (folder, card) in installed(names, folders)? {
        let start = Instant::now();
        let is_kept = options
            .providers
            .iter()
            .any(|provider| *provider != Provider::Cpu);
        let cache = match &options.engine_cache {
            Some(root) if is_kept => {
                let cache = engine_folder(root, &card.sha256)?;
                fs_err::create_dir_all(&cache)?;
                Some(cache)
            }
            _ => None,
        };
        let load = LoadOptions {
            providers: options.providers.clone(),
            intra_threads: options.intra_threads,
            max_batch: match card.task {
                Task::Detect => options.detect_batch,
                Task::EmbedImage | Task::EmbedText => options.embed_batch,
            },
            engine_cache: cache.clone(),
        };
        let mut network = Network::load(environment, &folder, &card, &load)?;
        let picture = test_picture(network.picture_size());
        for batch in [1, network.max_batch()] {
            network.preprocess(&picture.view(), batch)?;
            network.run()?;
        }
        let providers = network.providers();
        let is_built = providers
            .iter()
            .any(|name| matches!(*name, "tensorrt" | "openvino"));
        let engine_folder = cache.filter(|_| is_built);
        let note = match (&engine_folder, is_built) {
            (Some(_), _) => "engines are built and kept".into(),
            (None, true) => {
                "engines were built and not kept: engine_cache under [models] is not set".into()
            }
            (None, false) => format!(
                "nothing to build on {}: loaded and run once",
                providers.join(", ")
            ),
        };
        reports.push(WarmReport {
            model_id: card.model_id(),
            name: card.name,
            providers,
            engine_folder,
            seconds: start.elapsed().as_secs_f64(),
            note,
        });
    }
    Ok(reports)
}

/// Folder for a model's engines below `root`: an engine is of use with one model file, driver and GPU only.
///
/// # Errors
/// [`Error::Io`] if the driver is there and does not tell its version.
pub fn engine_folder(root: &Path, model_sha256: &str) -> Result<PathBuf, Error> {
    let machine = describe_gpu(Path::new("/proc/driver/nvidia"))?;
    let digits = model_sha256.get(..12).unwrap_or(model_sha256);
    Ok(root.join(digits).join(machine))
}

/// Driver version and GPU names as one name of a folder; `no-gpu` without the driver.
fn describe_gpu(driver: &Path) -> Result<String, Error> {
    let version = match fs_err::read_to_string(driver.join("version")) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok("no-gpu".into()),
        Err(error) => return Err(error.into()),
    };
    // "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Sun Jul 27 ..."
    let is_version =
        |word: &&str| word.contains('.') && word.starts_with(|c: char| c.is_ascii_digit());
    let mut parts = vec![
        version
            .split_whitespace()
            .find(is_version)
            .unwrap_or("unknown")
            .to_string(),
    ];
    if let Ok(gpus) = fs_err::read_dir(driver.join("gpus")) {
        let mut models = Vec::new();
        for gpu in gpus {
            let text = fs_err::read_to_string(gpu?.path().join("information"))?;
            let model = text.lines().find_map(|line| line.strip_prefix("Model:"));
            models.push(model.unwrap_or("unknown").trim().to_string());
        }
        models.sort();
        parts.append(&mut models);
    }
    let is_safe = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    let name: String = parts
        .join("-")
        .chars()
        .map(|c| if is_safe(c) { c } else { '-' })
        .collect();
    Ok(name.trim_start_matches('.').to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_are_keyed_by_model_driver_and_gpu() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(describe_gpu(root.path()).unwrap(), "no-gpu");
        let gpu = root.path().join("gpus/0000:01:00.0");
        fs_err::create_dir_all(&gpu).unwrap();
        let version = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Sun Jul 27 07:15:41 UTC 2025\n";
        fs_err::write(root.path().join("version"), version).unwrap();
        fs_err::write(gpu.join("information"), "Model: \t\t NVIDIA L4\nIRQ: 1\n").unwrap();
        assert_eq!(describe_gpu(root.path()).unwrap(), "580.65.06-nvidia-l4");
        let one = engine_folder(root.path(), &"a".repeat(64)).unwrap();
        let other = engine_folder(root.path(), &"b".repeat(64)).unwrap();
        assert_ne!(one, other);
    }
}
