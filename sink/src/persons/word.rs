//! What people said: their word stands, whatever the evidence says, and is what the next curve is fitted to.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::TrackId;

/// Most pairs that are remembered; beyond it no more are taken.
pub(crate) const MOST_WORDS: usize = 100_000;

/// What somebody's word is worth in log odds: more than all evidence together.
pub(crate) const WORTH: f64 = 1000.0;

/// What somebody said of two tracks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// They are one person.
    Same,
    /// They are two.
    Different,
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
