//! Repairs of published ONNX files that do not run as they are.
//!
//! A mend edits the file at the level of protobuf fields: what it does not understand it copies byte for byte, so that
//! the result depends on nothing but the input, and its digest can be pinned in a manifest. Input may be hostile: every
//! length is checked, nothing recurses, and memory stays within a small multiple of the file.
//!
//! # Layout
//!
//! - `wire`: protobuf fields, read and written
//! - `tensor`: constants of a graph
//! - `graph`: nodes and inputs of an ONNX graph, and edits of them
//! - `instance_norm`: the mend of that name
//! - `dynamic_batch`: the mend of that name

mod dynamic_batch;
mod graph;
mod instance_norm;
mod tensor;
mod wire;

use std::fmt;
use std::str::FromStr;

/// A repair, by the name it bears in a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mend {
    /// `instance-norm`: `MeanVarianceNormalization` over height and width, which divides by zero on flat planes, becomes
    /// `InstanceNormalization` with scale 1, bias 0 and epsilon 1e-5.
    InstanceNorm,
    /// `dynamic-batch`: a graph that was exported for one picture takes any number of them.
    ///
    /// Whether a graph allows it cannot be proven from the file: run the result at batch 1 and 4 and compare.
    DynamicBatch,
}

impl Mend {
    /// Its name in a manifest.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::InstanceNorm => "instance-norm",
            Self::DynamicBatch => "dynamic-batch",
        }
    }
}

impl fmt::Display for Mend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Mend {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        [Self::InstanceNorm, Self::DynamicBatch]
            .into_iter()
            .find(|mend| mend.name() == name)
            .ok_or_else(|| Error::UnknownMend { name: name.into() })
    }
}

/// Why an ONNX file cannot be mended.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A word that names no mend.
    #[error("mend `{name}` is unknown, expected `instance-norm` or `dynamic-batch`")]
    UnknownMend {
        /// The word.
        name: String,
    },
    /// The bytes are no protobuf message.
    #[error("onnx file: {reason} in {message}; the file is cut short or is no onnx file")]
    Wire {
        /// The message being read.
        message: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The graph is not one this tool knows how to handle.
    #[error("onnx file: {reason}")]
    Graph {
        /// What is wrong with it.
        reason: String,
    },
    /// There is nothing for the mend to do, so it is the wrong mend or the wrong file.
    #[error("mend `{mend}`: {reason}")]
    Nothing {
        /// The mend.
        mend: Mend,
        /// What it looked for.
        reason: &'static str,
    },
    /// A node cannot be mended.
    #[error("mend `{mend}`: node `{node}`: {reason}")]
    Node {
        /// The mend.
        mend: Mend,
        /// Name of the node, or of its first output.
        node: String,
        /// Why not.
        reason: String,
    },
}

/// Applies `mends` in order to the bytes of an ONNX file.
///
/// # Errors
/// [`Error`] says which node or message cannot be handled; nothing is half mended.
pub fn apply(model: &[u8], mends: &[Mend]) -> Result<Vec<u8>, Error> {
    let mut bytes = model.to_vec();
    for mend in mends {
        bytes = match mend {
            Mend::InstanceNorm => instance_norm::apply(&bytes)?,
            Mend::DynamicBatch => dynamic_batch::apply(&bytes)?,
        };
    }
    Ok(bytes)
}
