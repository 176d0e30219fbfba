//! Execution providers: what a network runs on, and what happens when that is missing.

use crate::error::{Error, one_line};
use ort::ep::{self, ExecutionProvider as _, ExecutionProviderDispatch};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// What a network runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Provider {
    /// NVIDIA TensorRT; builds an engine on first use.
    TensorRt,
    /// NVIDIA CUDA.
    Cuda,
    /// Intel OpenVINO.
    OpenVino,
    /// The processor.
    Cpu,
    /// The first of TensorRT, CUDA and OpenVINO that works here, else the processor.
    Auto,
}

impl Provider {
    /// The name in a configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TensorRt => "tensorrt",
            Self::Cuda => "cuda",
            Self::OpenVino => "openvino",
            Self::Cpu => "cpu",
            Self::Auto => "auto",
        }
    }

    /// Whether the loaded ONNX Runtime was compiled with this provider; never a promise that it works.
    pub(crate) fn check_compiled_in(self) -> Result<(), Error> {
        let found = match self {
            Self::TensorRt => ep::TensorRT::is_available(),
            Self::Cuda => ep::CUDA::is_available(),
            Self::OpenVino => ep::OpenVINO::is_available(),
            Self::Cpu | Self::Auto => Ok(true),
        };
        match found {
            Ok(true) => Ok(()),
            Ok(false) => {
                Err(self.missing("the loaded onnx runtime library has it not compiled in"))
            }
            Err(fault) => Err(self.missing(fault)),
        }
    }

    pub(crate) fn missing(self, reason: impl fmt::Display) -> Error {
        Error::ProviderMissing {
            provider: self.name(),
            reason: one_line(reason),
        }
    }

    /// The registration that fails loudly, or nothing for [`Provider::Auto`].
    pub(crate) fn dispatch(self, engine_cache: Option<&Path>) -> Option<ExecutionProviderDispatch> {
        let dispatch = match self {
            Self::TensorRt => {
                let provider = ep::TensorRT::default();
                let provider = match engine_cache {
                    Some(folder) => provider
                        .with_engine_cache(true)
                        .with_engine_cache_path(folder.display())
                        .with_timing_cache(true)
                        .with_timing_cache_path(folder.display()),
                    None => provider,
                };
                provider.build()
            }
            Self::Cuda => ep::CUDA::default().build(),
            Self::OpenVino => ep::OpenVINO::default().build(),
            // Without its arena the runtime asks the kernel for the memory of every layer of every picture.
            Self::Cpu => ep::CPU::default().with_arena_allocator(true).build(),
            Self::Auto => return None,
        };
        Some(dispatch.error_on_failure())
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
        .ok_or_else(|| Error::UnknownProvider {
            name: name.to_owned(),
        })
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_provider_is_refused_with_the_names_that_exist() {
        let message = "gpu".parse::<Provider>().unwrap_err().to_string();
        for name in ["`gpu`", "tensorrt", "cuda", "openvino", "cpu", "auto"] {
            assert!(message.contains(name), "{message}");
        }
    }

    #[test]
    fn names_are_read_back() {
        for provider in [
            Provider::TensorRt,
            Provider::Cuda,
            Provider::OpenVino,
            Provider::Cpu,
            Provider::Auto,
        ] {
            assert_eq!(provider.name().parse::<Provider>().unwrap(), provider);
        }
    }
}
