//! What can be wrong with what is to be measured.

use std::path::{Path, PathBuf};

/// A fault of an evaluation: what, where, and what would be right.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// A file could not be read; the source names it.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A line is not of its format.
    #[error("`{}` line {line}: {what}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong, and what was expected.
        what: String,
    },
    /// A file or folder as a whole is not what was asked for.
    #[error("`{}` {what}", path.display())]
    Path {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong, and what was expected.
        what: String,
    },
    /// Numbers that do not fit together.
    #[error("{what}")]
    Input {
        /// What is wrong, and what was expected.
        what: String,
    },
}

impl EvalError {
    pub(crate) fn line(path: &Path, line: usize, what: impl Into<String>) -> Self {
        Self::Line {
            path: path.to_owned(),
            line,
            what: what.into(),
        }
    }

    pub(crate) fn path(path: &Path, what: impl Into<String>) -> Self {
        Self::Path {
            path: path.to_owned(),
            what: what.into(),
        }
    }

    pub(crate) fn input(what: impl Into<String>) -> Self {
        Self::Input { what: what.into() }
    }
}

/// Puts text of a file into an error line: control characters and length cannot break it.
pub(crate) fn shown(text: &str) -> String {
    const MOST_CHARS: usize = 40;
    let mut out: String = text
        .chars()
        .take(MOST_CHARS)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(MOST_CHARS).is_some() {
        out.push_str("...");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_on_one_short_line() {
        let text = shown(&"a\n\u{1b}[31m".repeat(100));
        assert!(!text.contains('\n') && !text.contains('\u{1b}'));
        assert!(text.len() < 200);
    }
}
