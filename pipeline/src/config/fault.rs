//! What is wrong with a configuration: every fault of a file, each on one line.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::secret::HIDDEN;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read; the message names it.
    #[error("cannot read the configuration: {0}; check the path and who may read it")]
    Unreadable(std::io::Error),
    /// The file was read, and is wrong.
    #[error(transparent)]
    Faulty(#[from] Faults),
}

/// All faults of one file, in the order of its lines; never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Faults {
    /// The file they are in.
    pub file: PathBuf,
    /// The faults.
    pub faults: Vec<Fault>,
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Line in the file, from 1; absent for a key that is missing altogether.
    pub line: Option<usize>,
    /// The key with its tables, `cameras.gate-2.transport`.
    pub key: String,
    /// The value as it was written, or `[hidden]`.
    pub value: Option<String>,
    /// What is wrong, naming camera, key and value.
    pub problem: String,
    /// What would be right.
    pub expected: Option<String>,
    /// What to do.
    pub hint: Option<String>,
}

impl Faults {
    /// Sorts the faults by line; `None` when there are none.
    #[must_use]
    pub fn of(file: &Path, mut faults: Vec<Fault>) -> Option<Self> {
        faults.sort_by(|a, b| {
            (a.line.unwrap_or(usize::MAX), &a.key).cmp(&(b.line.unwrap_or(usize::MAX), &b.key))
        });
        (!faults.is_empty()).then(|| Self {
            file: file.to_owned(),
            faults,
        })
    }

    /// One line a fault, `FILE:LINE: PROBLEM, expected X; HINT [KEY]`.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        let file = shown(&self.file.to_string_lossy());
        self.faults.iter().map(move |fault| match fault.line {
            Some(line) => format!("{file}:{line}: {fault}"),
            None => format!("{file}: {fault}"),
        })
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, line) in self.lines().enumerate() {
            if index > 0 {
                writeln!(out)?;
            }
            out.write_str(&line)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.problem)?;
        if let Some(expected) = &self.expected {
            write!(out, ", expected {expected}")?;
        }
        if let Some(hint) = &self.hint {
            write!(out, "; {hint}")?;
        }
        if !self.key.is_empty() {
            write!(out, " [{}]", self.key)?;
        }
        Ok(())
    }
}

/// Where a value stands: its tables and its key, outermost first.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct KeyPath(Vec<String>);

impl KeyPath {
    pub(super) fn of(steps: &[&str]) -> Self {
        Self(steps.iter().map(|step| (*step).to_owned()).collect())
    }

    pub(super) fn join(&self, step: &str) -> Self {
        let mut steps = self.0.clone();
        steps.push(step.to_owned());
        Self(steps)
    }

    pub(super) fn steps(&self) -> &[String] {
        &self.0
    }

    pub(super) fn last(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }

    /// Values below a key with this word in it are never repeated, whatever they turn out to be.
    pub(super) fn is_secret(&self) -> bool {
        self.0.iter().any(|step| {
            let step = step.to_ascii_lowercase();
            ["pass", "secret", "token", "credential", "pwd"]
                .iter()
                .any(|word| step.contains(word))
        })
    }

    /// "camera `gate-2`: " where that helps, else nothing.
    pub(super) fn subject(&self) -> String {
        match self.0.as_slice() {
            [table, index, _, ..] if table == "cameras" && index.starts_with('[') => {
                format!("recording {index}: ")
            }
            [table, id, _, ..] if table == "cameras" => format!("camera `{}`: ", shown(id)),
            _ => String::new(),
        }
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            let is_bare = !step.is_empty()
                && step
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
            let is_index = step.starts_with('[');
            if index > 0 && !is_index {
                out.write_str(".")?;
            }
            if is_bare || is_index {
                out.write_str(step)?;
            } else {
                write!(out, "\"{}\"", shown(step))?;
            }
        }
        Ok(())
    }
}

/// Text of others made fit for one line of ours: control characters escaped, long text cut.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 80;
    let mut line = String::new();
    for (count, letter) in text.chars().enumerate() {
        if count == LONGEST {
            line.push('…');
            break;
        }
        if letter.is_control()
            || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}')
        {
            line.extend(letter.escape_default());
        } else {
            line.push(letter);
        }
    }
    line
}

/// A value as a fault may show it.
pub(super) fn shown_value(path: &KeyPath, written: &str) -> String {
    if path.is_secret() {
        return HIDDEN.to_owned();
    }
    match written.split_once("://") {
        // An address may carry a password in any place, also in the wrong one.
        Some((scheme, _)) => format!("{}://{HIDDEN}", shown(scheme)),
        None if matches!(path.last(), "url" | "detect_url") => HIDDEN.to_owned(),
        None => shown(written),
    }
}

/// "`a`, `b` or `c`".
pub(super) fn one_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [head @ .., last] => format!("{} or {last}", head.join(", ")),
    }
}

/// The candidate that differs least from `text`, if one is near enough to be meant.
pub(super) fn nearest<'a>(
    text: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let most = (text.chars().count() / 3).clamp(1, 3);
    candidates
        .map(|candidate| (distance(text, candidate), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Damerau's edit distance (neighbours may swap) of two short texts.
fn distance(a: &str, b: &str) -> usize {
    const LONGEST: usize = 64;
    let (a, b): (Vec<char>, Vec<char>) = (
        a.chars().take(LONGEST).collect(),
        b.chars().take(LONGEST).collect(),
    );
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut next = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            next[j] = (row[j] + 1).min(next[j - 1] + 1).min(row[j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                next[j] = next[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swapped_neighbours_are_one_edit() {
        assert_eq!(distance("tpc", "tcp"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(
            nearest("tpc", ["tcp", "udp", "tls"].into_iter()),
            Some("tcp")
        );
        assert_eq!(nearest("zzzz", ["tcp", "udp"].into_iter()), None);
    }

    #[test]
    fn hostile_text_stays_on_one_line() {
        assert_eq!(shown("a\nb\u{202e}"), "a\\nb\\u{202e}");
        assert!(shown(&"x".repeat(500)).chars().count() <= 81);
    }

    #[test]
    fn keys_that_need_quotes_get_them() {
        assert_eq!(
            KeyPath::of(&["cameras", "a.b", "masks", "[0]"]).to_string(),
            "cameras.\"a.b\".masks[0]"
        );
    }
}
