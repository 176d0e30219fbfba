//! What can go wrong in this room, each said in one line: what, where, what to do.

use std::path::PathBuf;

/// A failure of the sink.
///
/// [`Error::reaction`] says what the caller should do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An event that breaks the schema's rules; it is refused on the way in and on the way out.
    #[error("event refused: {what}")]
    Event {
        /// Which field, its value, what was expected.
        what: String,
    },

    /// The operating system refused an operation on a file; the text names the path.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// The system's answer, which names the path.
        source: std::io::Error,
    },

    /// No room under the spool. What is already safe stays safe; try again when there is room.
    #[error(
        "spool `{path}`: no space left on its disk, free some or lower the spool's bound; nothing that was safe is lost"
    )]
    SpoolFull {
        /// The spool's folder.
        path: PathBuf,
    },

    /// The store is held by another process.
    #[error("store `{path}` is held by {holder}: stop it, or ask it over its socket")]
    Held {
        /// The store's folder.
        path: PathBuf,
        /// Who holds it: pid and what it said of itself.
        holder: String,
    },

    /// The store was made for other models or dimensions.
    #[error(
        "store `{path}`: {what}: use the models it was made with, `sightline store migrate`, or another folder"
    )]
    Mismatch {
        /// The store's folder.
        path: PathBuf,
        /// What differs.
        what: String,
    },

    /// The store's files cannot be trusted.
    #[error(
        "store `{path}` is corrupt: {what}: restore it, or move it away and replay the recordings"
    )]
    Corrupt {
        /// The file or folder.
        path: PathBuf,
        /// What was found.
        what: String,
    },

    /// The vector engine failed.
    #[error("store `{path}`: {doing} failed: {what}")]
    Engine {
        /// The engine's folder.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// The engine's words.
        what: String,
    },

    /// A server failed, or refused.
    #[error("qdrant `{url}`: {doing} failed: {what}")]
    Server {
        /// Its address.
        url: String,
        /// What was being done.
        doing: &'static str,
        /// The server's words, or the network's.
        what: String,
        /// Whether it may pass.
        reaction: Reaction,
    },

    /// Something was found after it had been forgotten.
    #[error(
        "store `{path}`: {what}, though it was forgotten: ask again, and report it if that does not help"
    )]
    NotForgotten {
        /// The store's folder.
        path: PathBuf,
        /// What was found.
        what: String,
    },

    /// Pictures could not be embedded anew.
    #[error("`{vector}` vectors of stored pictures: {what}: the store goes on with its old models")]
    Embed {
        /// The kind of vector.
        vector: String,
        /// The model's words, or what is wrong with what it gave.
        what: String,
    },

    /// A query that cannot be answered as it stands.
    #[error("query refused: {what}")]
    Query {
        /// What is wrong and what would be right.
        what: String,
    },

    /// Options that make no sense.
    #[error("option `{name}`: {what}")]
    Options {
        /// The option.
        name: &'static str,
        /// What is wrong and what would be right.
        what: String,
    },

    /// The log refused something or could not be reached.
    #[error("kafka at {brokers}: {doing} failed: {what}")]
    Log {
        /// The brokers that were asked.
        brokers: String,
        /// What was being done.
        doing: &'static str,
        /// The client's words.
        what: String,
    },

    /// The log's topics would lose what they are given.
    #[error("kafka at {brokers} breaks the promise that nothing is lost: {what}")]
    LogPromise {
        /// The brokers that were asked.
        brokers: String,
        /// Each topic with what is wrong.
        what: String,
    },

    /// Another store indexes for the same consumer group.
    #[error(
        "kafka at {brokers}: group `{group}` indexes into another store, {other}: this one would hold a part only; give each store a `group` of its own, and it reads everything"
    )]
    GroupTaken {
        /// The brokers that were asked.
        brokers: String,
        /// The group.
        group: String,
        /// What the other one said of itself.
        other: String,
    },

    /// The sink takes no more events.
    #[error("sink takes no more events: {what}")]
    Closed {
        /// Why.
        what: String,
    },

    /// A deadline passed.
    #[error("sink `{path}`: {what} within {limit_ms} ms")]
    Deadline {
        /// The store's folder.
        path: PathBuf,
        /// What did not happen.
        what: String,
        /// The deadline given.
        limit_ms: u64,
    },
}

/// What a caller should do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// The set-up is wrong: stop, and do not restart until a person changed something.
    Configuration,
    /// It may pass: try again after a while.
    Transient,
    /// This one piece of data is bad: drop it, count it, go on.
    Data,
}

/// `Result` of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// What the caller should do about this error.
    pub fn reaction(&self) -> Reaction {
        match self {
            Self::Server { reaction, .. } => *reaction,
            Self::Event { .. } | Self::Query { .. } => Reaction::Data,
            Self::Mismatch { .. }
            | Self::Embed { .. }
            | Self::Corrupt { .. }
            | Self::Options { .. }
            | Self::LogPromise { .. }
            | Self::GroupTaken { .. } => Reaction::Configuration,
            Self::Io { .. }
            | Self::SpoolFull { .. }
            | Self::Held { .. }
            | Self::Engine { .. }
            | Self::Log { .. }
            | Self::NotForgotten { .. }
            | Self::Closed { .. }
            | Self::Deadline { .. } => Reaction::Transient,
        }
    }

    /// Wraps an error of the file system with what was being done.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
