//! Execution providers, in order of wish.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use ort::ep::{CUDA, ExecutionProvider, OpenVINO, TensorRT};
use ort::session::builder::SessionBuilder;

use crate::Error;
use crate::error::one_line;

/// Where a model runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Provider {
    /// NVIDIA GPU, engines compiled for it.
    TensorRt,
    /// NVIDIA GPU.
    Cuda,
    /// Intel CPU, GPU or NPU.
    OpenVino,
    /// Any CPU.
    Cpu,
    /// The first of the above that can be had; the CPU always can.
    Auto,
}

impl Provider {
    /// The word for it in a configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TensorRt => "tensorrt",
            Self::Cuda => "cuda",
            Self::OpenVino => "openvino",
            Self::Cpu => "cpu",
            Self::Auto => "auto",
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Provider {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        [
            Self::TensorRt,
            Self::Cuda,
            Self::OpenVino,
            Self::Cpu,
            Self::Auto,
        ]
        .into_iter()
        .find(|provider| provider.name() == name)
        .ok_or_else(|| Error::UnknownProvider { name: name.into() })
    }
}

/// How an encoder is to be loaded.
#[derive(Debug, Clone)]
pub struct Options {
    /// Execution providers in order of wish; one that is named and missing is an error, `auto` takes what there is.
    pub providers: Vec<Provider>,
    /// Threads inside one operator; fixed, so that a replay gives the same bits.
    pub intra_threads: usize,
    /// Room in the batch tensor; memory is taken once for this many crops.
    pub max_batch: usize,
    /// Where TensorRT and OpenVINO keep compiled engines; nowhere if absent.
    pub engine_cache: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            providers: vec![Provider::Auto],
            intra_threads: 1,
            max_batch: 8,
            engine_cache: None,
        }
    }
}

/// Registers the wished providers and says which were taken, best first.
///
/// A list without `cpu` and `auto` also forbids ONNX Runtime to put single nodes on the CPU in silence.
pub(crate) fn register(
    mut builder: SessionBuilder,
    model: &str,
    options: &Options,
) -> Result<(SessionBuilder, Vec<Provider>), Error> {
    if options.providers.is_empty() {
        return Err(Error::Option {
            model: model.into(),
            reason: "no execution provider is named, expected at least one, for example `auto`"
                .into(),
        });
    }
    let mut taken = Vec::new();
    for &wish in &options.providers {
        match wish {
            Provider::Cpu => taken.push(Provider::Cpu),
            Provider::Auto => {
                for provider in [Provider::TensorRt, Provider::Cuda, Provider::OpenVino] {
                    match register_one(provider, &mut builder, options) {
                        Ok(()) => taken.push(provider),
                        Err(reason) => tracing::debug!(model, %provider, reason, "not taken"),
                    }
                }
                taken.push(Provider::Cpu);
            }
            provider => {
                register_one(provider, &mut builder, options).map_err(|reason| {
                    Error::MissingProvider {
                        model: model.into(),
                        provider: provider.name(),
                        reason,
                    }
                })?;
                taken.push(provider);
            }
        }
    }
    if !taken.contains(&Provider::Cpu) {
        builder = builder
            .with_disable_cpu_fallback()
            .map_err(|error| Error::Option {
                model: model.into(),
                reason: one_line(&error),
            })?;
    }
    Ok((builder, taken))
}

/// Registers one provider that is not the CPU; the message says why it cannot be had.
fn register_one(
    provider: Provider,
    builder: &mut SessionBuilder,
    options: &Options,
) -> Result<(), String> {
    let cache = options
        .engine_cache
        .as_ref()
        .map(|folder| folder.display().to_string());
    match provider {
        Provider::TensorRt => {
            let mut wanted = TensorRT::default();
            if let Some(folder) = &cache {
                wanted = wanted
                    .with_engine_cache(true)
                    .with_engine_cache_path(folder)
                    .with_timing_cache(true)
                    .with_timing_cache_path(folder);
            }
            append(&wanted, builder)
        }
        Provider::Cuda => append(&CUDA::default(), builder),
        Provider::OpenVino => {
            let mut wanted = OpenVINO::default();
            if let Some(folder) = &cache {
                wanted = wanted.with_cache_dir(folder);
            }
            append(&wanted, builder)
        }
        Provider::Cpu | Provider::Auto => Ok(()),
    }
}

fn append<E: ExecutionProvider>(wanted: &E, builder: &mut SessionBuilder) -> Result<(), String> {
    let is_compiled_in = E::is_available().map_err(|error| one_line(&error))?;
    if !is_compiled_in {
        return Err("the loaded onnx runtime library was built without it".into());
    }
    wanted.register(builder).map_err(|error| one_line(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_provider_is_read_back_from_its_name() {
        for name in ["tensorrt", "cuda", "openvino", "cpu", "auto"] {
            assert_eq!(name.parse::<Provider>().unwrap().to_string(), name);
        }
    }

    #[test]
    fn an_unknown_provider_is_refused_with_the_known_ones() {
        let error = "gpu".parse::<Provider>().unwrap_err().to_string();
        assert!(
            error.contains("`gpu`") && error.contains("`openvino`"),
            "{error}"
        );
    }
}
