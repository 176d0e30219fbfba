//! Persons as sets of tracks, and what a set is worth.
//!
//! The worth of a set is the log of how much likelier it is that its tracks are one person than that each is
//! somebody else. Looks count once for each track beyond the first: the sum over all pairs, divided by half
//! the number of tracks. Time and place count from each track to the likeliest one of those before it. A set
//! in which anything is ruled out is worth nothing at all.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::evidence::{Evidence, Link};
use super::track::Track;
use super::transit::Transit;
use super::word::{Verdict, WORTH, Words};
use crate::{PersonId, TrackId};

/// Tracks that are kept of a person for comparison: the latest.
const MOST_COMPARED: usize = 24;

/// Tracks before a track that it may follow on.
const MOST_BEFORE: usize = 6;

/// A person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Person {
    pub(crate) id: PersonId,
    /// In order of start.
    pub(crate) tracks: Vec<TrackId>,
    /// Tracks that are too old to be compared.
    pub(crate) retired: Vec<TrackId>,
}

/// What is needed to judge a set of tracks.
pub(crate) struct Judge<'a> {
    pub(crate) tracks: &'a BTreeMap<TrackId, Track>,
    pub(crate) evidence: &'a Evidence,
    pub(crate) transit: &'a Transit,
    pub(crate) words: &'a Words,
    pub(crate) now_ns: i64,
}

/// The parts of what joining a track to a person is worth.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Worth {
    pub(crate) appearance: f64,
    pub(crate) transit: f64,
    pub(crate) place: f64,
    pub(crate) word: f64,
}

impl Worth {
    pub(crate) fn total(&self) -> f64 {
        self.appearance + self.transit + self.place + self.word
    }

    fn minus(self, other: Self) -> Self {
        Self {
            appearance: self.appearance - other.appearance,
            transit: self.transit - other.transit,
            place: self.place - other.place,
            word: self.word - other.word,
        }
    }
}

impl<'a> Judge<'a> {
    /// Sorts tracks by their start.
    pub(crate) fn sort(&self, tracks: &mut [TrackId]) {
        tracks.sort_by_key(|id| (self.tracks.get(id).map(|track| track.start_ns), *id));
    }

    /// The worth of a set in order of start; none when something is ruled out.
    pub(crate) fn worth(&self, set: &[TrackId]) -> Option<Worth> {
        let compared = self.compared(set);
        let mut worth = Worth::default();
        let mut looks = 0.0;
        for (index, later) in compared.iter().enumerate() {
            for earlier in &compared[..index] {
                let pair = self.evidence.pair(earlier, later);
                match self.words.of(earlier.id, later.id) {
                    Some(Verdict::Same) => worth.word += WORTH,
                    Some(Verdict::Different) => return None,
                    None if pair.is_ruled_out => return None,
                    None => {}
                }
                looks += pair.appearance;
            }
            if let Some((_, link)) = self.predecessor(&compared[..index], later) {
                // The floor holds for the sum; what it cuts off is taken from the way.
                worth.place += link.place;
                worth.transit += link.total() - link.place;
            }
        }
        if compared.len() > 1 {
            worth.appearance = 2.0 * looks / compared.len() as f64;
        }
        Some(worth)
    }

    /// What a track adds to a set that it is not in.
    pub(crate) fn gain(&self, set: &[TrackId], track: TrackId) -> Option<Worth> {
        let mut with = set.to_vec();
        with.push(track);
        self.sort(&mut with);
        Some(self.worth(&with)?.minus(self.worth(set)?))
    }

    /// The tracks of a set with which a track cannot be one person.
    pub(crate) fn ruled_out(&self, set: &[TrackId], track: TrackId) -> Vec<TrackId> {
        let Some(this) = self.tracks.get(&track) else {
            return Vec::new();
        };
        let clashes = self.compared(set).into_iter().filter(|other| {
            let (a, b) = in_order(this, other);
            match self.words.of(a.id, b.id) {
                Some(verdict) => verdict == Verdict::Different,
                None => self.evidence.pair(a, b).is_ruled_out,
            }
        });
        clashes.map(|other| other.id).collect()
    }

    /// The track of a set that a track follows on.
    pub(crate) fn follows(&self, set: &[TrackId], track: TrackId) -> Option<TrackId> {
        let this = self.tracks.get(&track)?;
        let before: Vec<&Track> = self
            .compared(set)
            .into_iter()
            .filter(|other| {
                other.id != track && (other.start_ns, other.id) < (this.start_ns, this.id)
            })
            .collect();
        Some(self.predecessor(&before, this)?.0)
    }

    fn predecessor(&self, before: &[&Track], later: &Track) -> Option<(TrackId, Link)> {
        let latest = before.len().saturating_sub(MOST_BEFORE);
        before[latest..]
            .iter()
            .map(|earlier| {
                let link = self
                    .evidence
                    .link(self.transit, earlier, later, self.now_ns);
                (earlier.id, link)
            })
            .max_by(|a, b| a.1.total().total_cmp(&b.1.total()).then(a.0.cmp(&b.0)))
    }

    fn compared(&self, set: &[TrackId]) -> Vec<&'a Track> {
        let latest = set.len().saturating_sub(MOST_COMPARED);
        set[latest..]
            .iter()
            .filter_map(|id| self.tracks.get(id))
            .collect()
    }
}

/// The one that began first, first.
pub(crate) fn in_order<'t>(a: &'t Track, b: &'t Track) -> (&'t Track, &'t Track) {
    if (a.start_ns, a.id) <= (b.start_ns, b.id) {
        (a, b)
    } else {
        (b, a)
    }
}
