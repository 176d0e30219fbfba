//! The one error type of this crate.

use std::path::PathBuf;

use crate::embedding::ModelId;

/// What can go wrong between a model folder and a vector; each message names what, where and what to do, in one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read or written; the message names its path.
    #[error("{0}")]
    Io(#[from] std::io::Error),

    /// The model card is not what this crate understands.
    #[error("model card `{path}`: {reason}")]
    Card {
        /// Path of the card.
        path: PathBuf,
        /// What is wrong, and what would be right.
        reason: String,
    },

    /// The model file is not the one its card describes.
    #[error(
        "model file `{path}`: sha256 is {found}, its card says {expected}; fetch it again with `sightline models fetch`"
    )]
    Checksum {
        /// Path of the model file.
        path: PathBuf,
        /// The digest in the card, lowercase hex.
        expected: String,
        /// The digest of the file, lowercase hex.
        found: String,
    },

    /// A vocabulary that is none.
    #[error("vocabulary `{path}`: {reason}")]
    Vocabulary {
        /// Path of the vocabulary.
        path: PathBuf,
        /// What is wrong, and what would be right.
        reason: String,
    },

    /// ONNX Runtime refuses the model file.
    #[error("model `{model}`: onnx runtime cannot load `{path}`: {reason}")]
    Load {
        /// Name of the model.
        model: String,
        /// Path of the model file.
        path: PathBuf,
        /// What ONNX Runtime says, on one line.
        reason: String,
    },

    /// Inputs or outputs of the model differ from what its card says.
    #[error("model `{model}`: {what} is {found}, its card says {expected}")]
    Mismatch {
        /// Name of the model.
        model: String,
        /// Which input or output, and which property of it.
        what: String,
        /// What the model file has.
        found: String,
        /// What the card promises.
        expected: String,
    },

    /// A word that names no execution provider.
    #[error(
        "execution provider `{name}` is unknown, expected `tensorrt`, `cuda`, `openvino`, `cpu` or `auto`"
    )]
    UnknownProvider {
        /// The word.
        name: String,
    },

    /// An execution provider that was asked for by name and cannot be had.
    #[error(
        "model `{model}`: execution provider `{provider}` was asked for and is not available: {reason}; install an onnx runtime with it, or ask for `auto` or `cpu`"
    )]
    MissingProvider {
        /// Name of the model.
        model: String,
        /// Name of the provider.
        provider: &'static str,
        /// Why not, on one line.
        reason: String,
    },

    /// An option that cannot be met.
    #[error("model `{model}`: {reason}")]
    Option {
        /// Name of the model.
        model: String,
        /// Which option, and what would be right.
        reason: String,
    },

    /// A crop that cannot be read.
    #[error("crop {index} of the batch: {reason}")]
    Crop {
        /// Position in the slice of crops, from 0.
        index: usize,
        /// What is wrong with it.
        reason: String,
    },

    /// Planes that do not belong together.
    #[error("picture planes: {reason}")]
    Planes {
        /// What is wrong with them.
        reason: String,
    },

    /// More crops in one batch than there is room for.
    #[error("a batch of {count} crops is more than the {max} this encoder was loaded for")]
    BatchTooLarge {
        /// Crops handed in.
        count: usize,
        /// Room in the batch.
        max: usize,
    },

    /// The model ran and gave something that is no vector.
    #[error("model `{model}`: row {row} of its output {reason}; the model file is not usable")]
    BadOutput {
        /// Name or id of the model.
        model: String,
        /// Row of the batch, from 0.
        row: usize,
        /// What is wrong with the row.
        reason: &'static str,
    },

    /// ONNX Runtime failed while running the model.
    #[error("model `{model}`: inference failed: {reason}")]
    Run {
        /// Name of the model.
        model: String,
        /// What ONNX Runtime says, on one line.
        reason: String,
    },

    /// Two vectors of different models were about to meet.
    #[error(
        "vectors of models `{left}` and `{right}` cannot be compared; embed both with one model"
    )]
    OtherModel {
        /// Model of the first vector.
        left: ModelId,
        /// Model of the second vector.
        right: ModelId,
    },

    /// A vector that has no direction or another length than its model gives.
    #[error("vector of model `{model}`: {reason}")]
    Vector {
        /// Model of the vector.
        model: ModelId,
        /// What is wrong with it.
        reason: String,
    },

    /// A model id that is not `<name>@<12 hex>`.
    #[error("model id `{text}` is not of the form `name@0123456789ab`")]
    ModelId {
        /// The text.
        text: String,
    },

    /// An ONNX file that cannot be mended.
    #[error("{0}")]
    Mend(#[from] crate::mend::Error),
}

/// Puts the several lines of a foreign message on one.
pub(crate) fn one_line(message: &impl std::fmt::Display) -> String {
    let text = message.to_string();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
