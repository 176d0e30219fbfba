//! What can go wrong between a model folder and its detections.

use std::path::PathBuf;

/// Everything this crate refuses, each with what is wrong, where, and what to do.
///
/// All variants but [`Error::Planes`], [`Error::Inference`] and [`Error::OutputShape`] arise while a
/// model is loaded and are faults of configuration; those three concern one batch.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The model folder has no readable `model.toml`.
    #[error("model folder `{}` has no readable card `model.toml`, fetch the model or correct the folder", folder.display())]
    CardUnreadable {
        /// The model folder.
        folder: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The card is not TOML or a field has the wrong type.
    #[error("model card `{}`: {reason}", path.display())]
    CardSyntax {
        /// The card.
        path: PathBuf,
        /// Line and cause, in one line.
        reason: String,
    },
    /// A field of the card has a value that no detector can use.
    #[error("model card `{}`: {key} is {found}, expected {expected}", path.display())]
    CardValue {
        /// The card.
        path: PathBuf,
        /// Dotted name of the field.
        key: &'static str,
        /// The value in the card.
        found: String,
        /// What would be right.
        expected: String,
    },
    /// The card is there, the model file is not.
    #[error("model file `{}` cannot be read, run `sightline models fetch` or put the file there", path.display())]
    ModelUnreadable {
        /// The model file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The model file is not the one that the card describes.
    #[error("model file `{}` has sha256 {found}, its card says {expected}, fetch the model again", path.display())]
    Checksum {
        /// The model file.
        path: PathBuf,
        /// Checksum in the card.
        expected: String,
        /// Checksum of the file.
        found: String,
    },
    /// ONNX Runtime refused the file or an option.
    #[error("model file `{}` was refused by onnx runtime: {reason}", path.display())]
    Session {
        /// The model file.
        path: PathBuf,
        /// What ONNX Runtime said, in one line.
        reason: String,
    },
    /// The network has other inputs or outputs than its card says.
    #[error("model file `{}`: {what} is {found}, its card says {expected}, correct the card or the file", path.display())]
    ModelShape {
        /// The model file.
        path: PathBuf,
        /// Which input or output.
        what: String,
        /// What the card leads one to expect.
        expected: String,
        /// What the network declares.
        found: String,
    },
    /// A name that is no execution provider.
    #[error(
        "execution provider `{name}` unknown, expected `tensorrt`, `cuda`, `openvino`, `cpu` or `auto`"
    )]
    UnknownProvider {
        /// The name as given.
        name: String,
    },
    /// A provider was asked for by name and cannot be used here.
    #[error(
        "execution provider `{provider}` is not usable here: {reason}, install it or ask for `auto`"
    )]
    ProviderMissing {
        /// The provider.
        provider: &'static str,
        /// Why, in one line.
        reason: String,
    },
    /// An option outside its range.
    #[error("detector option {key} is {found}, expected {expected}")]
    BadOption {
        /// Name of the option.
        key: &'static str,
        /// Its value.
        found: String,
        /// What would be right.
        expected: &'static str,
    },
    /// A picture whose planes do not fit together.
    #[error("picture {index} of the batch: {reason}")]
    Planes {
        /// Position in the slice handed in.
        index: usize,
        /// What does not fit.
        reason: String,
    },
    /// More pictures than the batch tensor holds were handed to one stage.
    #[error("{found} pictures were handed to a batch of at most {limit}")]
    BatchTooLarge {
        /// Pictures handed in.
        found: usize,
        /// Pictures a batch holds.
        limit: usize,
    },
    /// The network failed on a batch.
    #[error("model `{model}` failed on a batch of {batch}: {reason}")]
    Inference {
        /// Model id.
        model: String,
        /// Pictures in the batch.
        batch: usize,
        /// What ONNX Runtime said, in one line.
        reason: String,
    },
    /// The network gave an output whose shape its family does not have.
    #[error("model `{model}`: output `{output}` came out as {found}, expected {expected}")]
    OutputShape {
        /// Model id.
        model: String,
        /// Name of the output.
        output: String,
        /// What the family prescribes.
        expected: String,
        /// The shape that came out.
        found: String,
    },
}

/// Folds a message of a foreign library into one line.
pub(crate) fn one_line(message: impl std::fmt::Display) -> String {
    message
        .to_string()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_is_one_line_without_a_full_stop() {
        let messages = [
            Error::UnknownProvider { name: "gpu".into() }.to_string(),
            Error::Session {
                path: "m.onnx".into(),
                reason: one_line("first\nsecond\t third"),
            }
            .to_string(),
        ];
        for message in messages {
            assert!(
                !message.contains('\n') && !message.ends_with('.'),
                "{message}"
            );
        }
    }
}
