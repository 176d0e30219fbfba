//! What people said: their word stands, whatever the evidence says, and is what the next curve is fitted to.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{Error, Result, TrackId};

/// Most pairs that are remembered; beyond it no more are taken.
pub(crate) const MOST_WORDS: usize = 100_000;

/// What somebody's word is worth in log odds: more than all evidence together.
pub(crate) const WORTH: f64 = 1000.0;

/// What somebody said of two tracks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// They are one person.
    Same,
    /// They are two.
    Different,
}

/// Somebody's word on its way to those who join tracks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) site: String,
    pub(crate) tracks: [TrackId; 2],
    pub(crate) verdict: Verdict,
}

/// One pair as it is exported for training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Feedback {
    /// The two tracks, the lower id first.
    pub tracks: [TrackId; 2],
    /// What was said.
    pub verdict: Verdict,
    /// Their cameras.
    pub cameras: [String; 2],
    /// Cosine of their looks; none where one has no vector.
    pub similarity: Option<f32>,
    /// Whether association had them as one person until then.
    pub was_same: bool,
    /// Event time, Unix time in ns.
    pub at_ns: i64,
}

/// Reads what was said from line `after` (0 is the first) on, at most so many pairs.
///
/// # Errors
///
/// When the file cannot be read, or a line of it is none of ours.
pub(crate) fn read(path: &Path, after: usize, most: usize) -> Result<Vec<Feedback>> {
    let what = "read what people said of tracks";
    let file = match fs_err::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io(what)(error)),
    };
    let lines = BufReader::new(file).lines().enumerate();
    lines
        .skip(after)
        .take(most)
        .map(|(number, line)| {
            let line = line.map_err(Error::io(what))?;
            serde_json::from_str(&line).map_err(|error| Error::Corrupt {
                path: path.to_path_buf(),
                what: format!("line {} is no word on two tracks: {error}", number + 1),
            })
        })
        .collect()
}

/// What was said, by pair, the lower id first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Words(#[serde(with = "super::listed")] BTreeMap<(TrackId, TrackId), Verdict>);

impl Words {
    pub(crate) fn of(&self, a: TrackId, b: TrackId) -> Option<Verdict> {
        // Nearly always nothing was said.
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&(a.min(b), a.max(b))).copied()
    }

    /// Takes a word; false when there is no more room.
    pub(crate) fn say(&mut self, a: TrackId, b: TrackId, verdict: Verdict) -> bool {
        let key = (a.min(b), a.max(b));
        if self.0.len() >= MOST_WORDS && !self.0.contains_key(&key) {
            return false;
        }
        self.0.insert(key, verdict);
        true
    }

    /// Lets go of what was said of these tracks.
    pub(crate) fn forget(&mut self, tracks: &BTreeSet<TrackId>) {
        self.0
            .retain(|(a, b), _| !tracks.contains(a) && !tracks.contains(b));
    }

    /// Tracks that are the same person as this one.
    pub(crate) fn same_as(&self, track: TrackId) -> Vec<TrackId> {
        let same = self
            .0
            .iter()
            .filter(|(_, verdict)| **verdict == Verdict::Same);
        let other = same.filter_map(|((a, b), _)| match (*a == track, *b == track) {
            (true, _) => Some(*b),
            (_, true) => Some(*a),
            _ => None,
        });
        other.collect()
    }
}
