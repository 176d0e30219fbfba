//! What can go wrong with models before they run.

use std::path::PathBuf;

/// Each message is one line: which model or file, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read or written; the message names its path.
    #[error("{0}")]
    Io(#[from] std::io::Error),

    /// No library of ONNX Runtime was found.
    #[error(
        "no onnx runtime library was found, looked at {looked_at}; run `make`, or name one by `onnxruntime` under [models] or by SIGHTLINE_ONNXRUNTIME"
    )]
    RuntimeMissing {
        /// Every place, in order.
        looked_at: String,
    },

    /// A library was found and cannot be used.
    #[error(
        "onnx runtime library `{path}` cannot be used: {reason}; version 1.24 or later is needed"
    )]
    RuntimeUnusable {
        /// The library.
        path: PathBuf,
        /// What the loader says, on one line.
        reason: String,
    },

    /// The manifest or a card is not what it should be.
    #[error("`{path}`: {reason}")]
    Document {
        /// The file.
        path: PathBuf,
        /// Which key, what it holds, what would be right.
        reason: String,
    },

    /// No model of that name.
    #[error("model `{name}` is unknown, expected one of {known}")]
    UnknownModel {
        /// The name.
        name: String,
        /// All names that would do.
        known: String,
    },

    /// A model's folder is missing.
    #[error("model `{name}` is not installed in `{folder}`; run `sightline models fetch {name}`")]
    NotInstalled {
        /// The model.
        name: String,
        /// Where it was looked for.
        folder: PathBuf,
    },

    /// A file has neither been found nor fetched.
    #[error("{0}")]
    Unreachable(Box<Unreachable>),

    /// A file is not the one whose digest is pinned.
    #[error("model `{name}`: {what} has sha256 {found}, the manifest says {expected}")]
    Digest {
        /// The model.
        name: String,
        /// Which file, at which step.
        what: String,
        /// The digest found.
        found: String,
        /// The digest pinned.
        expected: String,
    },

    /// A file cannot be mended.
    #[error("model `{name}`: {source}")]
    Mend {
        /// The model.
        name: String,
        /// Why not.
        source: sightline_reid::mend::Error,
    },

    /// A task this build cannot run.
    #[error("model `{name}`: task `{task}` cannot be run by this build")]
    Task {
        /// The model.
        name: String,
        /// Its task.
        task: String,
    },

    /// An option out of range.
    #[error("{0}")]
    Option(String),

    /// The detector refuses.
    #[error("{0}")]
    Detector(#[from] sightline_detector::Error),

    /// The encoder refuses.
    #[error("{0}")]
    Encoder(#[from] sightline_reid::Error),
}

/// A file that has neither been found nor fetched.
#[derive(Debug, thiserror::Error)]
#[error(
    "model `{name}`: file `{file}` (sha256 {sha256}) is {mirror}, and {url} cannot be fetched: {reason}; bring it here by other means and put it into a folder that SIGHTLINE_MODEL_MIRROR names"
)]
pub struct Unreachable {
    /// The model.
    pub name: String,
    /// Name of the file at its address.
    pub file: String,
    /// Its digest.
    pub sha256: String,
    /// What the mirror had to say.
    pub mirror: String,
    /// The address.
    pub url: String,
    /// Why the address did not answer, on one line.
    pub reason: String,
}

/// Puts the several lines of a foreign message on one.
pub(super) fn one_line(message: &impl std::fmt::Display) -> String {
    let text = message.to_string();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
