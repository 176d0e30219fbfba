//! What can go wrong between an asker and the store, and which HTTP status says so.

use std::io;
use std::path::PathBuf;

/// What a text query gets until a model that reads text is installed.
pub const TEXT_NOT_INSTALLED: &str = "text search needs the joint model, which is off or not installed; search by --image or --track";

/// Everything this crate can fail with; each message is one line.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request is not what the API takes.
    #[error("{0}")]
    BadRequest(String),
    /// Something asked for by name is not there.
    #[error("{0}")]
    NotFound(String),
    /// A query that needs a feature this installation lacks.
    #[error("{0}")]
    NotInstalled(String),
    /// Every place in a queue is taken.
    #[error("{0}")]
    Busy(String),
    /// An answer took longer than its deadline.
    #[error("{0}")]
    TooSlow(String),
    /// The body is larger than the bound.
    #[error("request body is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The bound.
        limit_bytes: usize,
    },
    /// The path is known, the method is not.
    #[error("{0}")]
    MethodNotAllowed(String),
    /// The store or the encoder failed while answering.
    #[error("{0}")]
    Store(String),
    /// A socket could not be made, served or removed.
    #[error("socket `{}`: cannot {what}: {source}", path.display())]
    Socket {
        /// Where the socket is or should be.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// A socket path that no kernel call can take.
    #[error("socket `{}`: {reason}", path.display())]
    SocketPath {
        /// The path.
        path: PathBuf,
        /// What is wrong with it and what would be right.
        reason: String,
    },
    /// A living process serves the socket already.
    #[error("socket `{}`: {holder} listens there already; stop it, or choose another path", path.display())]
    InUse {
        /// The path.
        path: PathBuf,
        /// Which process, as far as the kernel tells.
        holder: String,
    },
    /// A group that is to own the socket does not exist.
    #[error("group `{group}` is not in /etc/group; create it, or give its number")]
    NoSuchGroup {
        /// The group as configured.
        group: String,
    },
    /// The client found no server.
    #[error("nobody listens at `{}`; is `sightline run` or `sightline replay` up with this store?", path.display())]
    NobodyListens {
        /// The path.
        path: PathBuf,
    },
    /// The client may not open the socket.
    #[error("permission denied at `{}`: {hint}", path.display())]
    Denied {
        /// The path.
        path: PathBuf,
        /// Which group may, and how to join it.
        hint: String,
    },
    /// The server answered with an error of its own.
    #[error("{message}")]
    Answered {
        /// HTTP status.
        status: u16,
        /// Its one line.
        message: String,
    },
    /// The server's answer makes no sense.
    #[error("answer from `{}`: {reason}", path.display())]
    Protocol {
        /// The path.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl Error {
    /// The HTTP status an error is answered with.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::BadRequest(_) => 400,
            Self::NotFound(_) => 404,
            Self::MethodNotAllowed(_) => 405,
            Self::TooLarge { .. } => 413,
            Self::NotInstalled(_) => 501,
            Self::Busy(_) => 503,
            Self::TooSlow(_) => 504,
            Self::Answered { status, .. } => *status,
            _ => 500,
        }
    }

    /// The error a text query gets until a model that reads text is installed.
    #[must_use]
    pub fn text_not_installed() -> Self {
        Self::NotInstalled(TEXT_NOT_INSTALLED.to_owned())
    }
}

/// Puts a message of somebody else on one line of printable characters, at most 400 of them.
pub(crate) fn one_line(message: &str) -> String {
    const MOST_CHARACTERS: usize = 400;
    let mut line = String::with_capacity(message.len().min(MOST_CHARACTERS));
    for character in message.chars().take(MOST_CHARACTERS) {
        line.push(if character.is_control() {
            ' '
        } else {
            character
        });
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_with_line_breaks_becomes_one_bounded_line() {
        let line = one_line(&format!("first\nsecond\r\n\u{1b}[31m{}", "x".repeat(1000)));
        assert!(line.starts_with("first second   [31m"), "{line}");
        assert!(line.chars().count() <= 400);
        assert!(!line.chars().any(char::is_control));
    }
}
