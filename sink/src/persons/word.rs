//! What people said: their word stands, whatever the evidence says, and is what the next curve is fitted to.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;

use fs_err::File;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Error, Result, TrackId};

/// Most pairs that are remembered at once; beyond it no more are taken.
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
    let file = match File::open(path) {
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

/// Writes down what was said, and makes it durable.
///
/// # Errors
///
/// When the disk refuses; nothing of it stands there then.
pub(crate) fn append(path: &Path, said: &[Feedback]) -> Result<()> {
    let what = "write what people said of tracks";
    let mut lines = Vec::new();
    for one in said {
        serde_json::to_writer(&mut lines, one).map_err(|error| Error::io(what)(error.into()))?;
        lines.push(b'\n');
    }
    let mut options = File::options();
    let file = options.append(true).create(true).open(path);
    let mut file = file.map_err(Error::io(what))?;
    let end = file.metadata().map_err(Error::io(what))?.len();
    append_whole(&mut file, end, &lines).map_err(Error::io(what))
}

/// Appends to a file that ends at `end`, and makes it durable: all of it or, on a disk that is full, nothing.
pub(super) fn append_whole(file: &mut File, end: u64, bytes: &[u8]) -> std::io::Result<()> {
    let written = file.write_all(bytes).and_then(|()| file.sync_data());
    if written.is_err() {
        // Half of it would stand before what comes next.
        file.set_len(end)?;
    }
    written
}

/// What was said, by pair; each stands there from both sides, so that what was said of one track stands together.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Words(BTreeMap<(TrackId, TrackId), Verdict>);

impl Words {
    pub(crate) fn of(&self, a: TrackId, b: TrackId) -> Option<Verdict> {
        // Nearly always nothing was said.
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&(a, b)).copied()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes a word; false when there is no more room.
    pub(crate) fn say(&mut self, a: TrackId, b: TrackId, verdict: Verdict) -> bool {
        if self.0.len() >= 2 * MOST_WORDS && !self.0.contains_key(&(a, b)) {
            return false;
        }
        self.0.insert((a, b), verdict);
        self.0.insert((b, a), verdict);
        true
    }

    /// Lets go of what was said of these tracks.
    pub(crate) fn forget(&mut self, tracks: &BTreeSet<TrackId>) {
        self.0
            .retain(|(a, b), _| !tracks.contains(a) && !tracks.contains(b));
    }

    /// Lets go of what was said of a track that is compared no more.
    pub(crate) fn let_go(&mut self, track: TrackId) {
        let others: Vec<TrackId> = self.about(track).map(|(other, _)| other).collect();
        for other in others {
            self.0.remove(&(track, other));
            self.0.remove(&(other, track));
        }
    }

    /// Lets go of what was said of a pair.
    pub(crate) fn take_back(&mut self, a: TrackId, b: TrackId) {
        self.0.remove(&(a, b));
        self.0.remove(&(b, a));
    }

    /// Pairs that are two people, each from both sides.
    pub(crate) fn different(&self) -> impl Iterator<Item = (TrackId, TrackId)> + '_ {
        let different = self.0.iter();
        let different = different.filter(|(_, verdict)| **verdict == Verdict::Different);
        different.map(|(pair, _)| *pair)
    }

    /// The other tracks of the pairs of which this one is one, and what was said.
    pub(crate) fn about(&self, track: TrackId) -> impl Iterator<Item = (TrackId, Verdict)> + '_ {
        let from = self.0.range((track, TrackId::least())..);
        let own = from.take_while(move |((one, _), _)| *one == track);
        own.map(|((_, other), verdict)| (*other, *verdict))
    }

    /// Tracks that are the same person as this one.
    pub(crate) fn same_as(&self, track: TrackId) -> Vec<TrackId> {
        let about = self.about(track);
        let same = about.filter(|(_, verdict)| *verdict == Verdict::Same);
        same.map(|(other, _)| other).collect()
    }

    /// Whether two tracks are one person by what was said, be it by way of others.
    pub(crate) fn link(&self, a: TrackId, b: TrackId) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let mut reached = BTreeSet::from([a]);
        let mut next = vec![a];
        while let Some(track) = next.pop() {
            if track == b {
                return true;
            }
            next.extend(
                self.same_as(track)
                    .into_iter()
                    .filter(|it| reached.insert(*it)),
            );
        }
        false
    }
}

impl Serialize for Words {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().filter(|((a, b), _)| a < b))
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let said = Vec::<((TrackId, TrackId), Verdict)>::deserialize(deserializer)?;
        let both = said
            .into_iter()
            .flat_map(|((a, b), verdict)| [((a, b), verdict), ((b, a), verdict)]);
        Ok(Self(both.collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_from_both_sides_and_go_with_their_tracks() {
        let [a, b, c, d] = [1, 2, 3, 4].map(|n| TrackId::derive("s", "c", n, 0));
        let mut words = Words::default();
        assert!(words.say(b, a, Verdict::Same) && words.say(b, c, Verdict::Same));
        assert!(words.say(c, d, Verdict::Different));
        assert_eq!(words.of(a, b), Some(Verdict::Same));
        assert_eq!(words.of(d, c), Some(Verdict::Different));
        assert!(words.link(a, c) && words.link(c, a) && !words.link(a, d));
        let text = serde_json::to_string(&words).unwrap();
        assert_eq!(serde_json::from_str::<Words>(&text).unwrap(), words);
        words.let_go(b);
        assert_eq!(words.about(a).count(), 0);
        assert!(!words.link(a, c));
        words.forget(&BTreeSet::from([d]));
        assert!(words.is_empty());
        // Room that was let go of is room again.
        for n in 0..MOST_WORDS as i64 {
            let other = TrackId::derive("s", "c", 10 + n, 0);
            assert!(words.say(a, other, Verdict::Different));
        }
        assert!(!words.say(b, c, Verdict::Same));
        words.let_go(a);
        assert!(words.say(b, c, Verdict::Same));
    }
}
