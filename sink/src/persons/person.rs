//! Persons as sets of tracks, and what a set is worth.
//!
//! The worth of a set is the log of how much likelier it is that its tracks are one person than that each is
//! somebody else. Looks count once for each track beyond the first: the sum over all pairs, divided by half
//! the number of tracks. Time and place count from each track to the likeliest one of those before it. A set
//! in which anything is ruled out is worth nothing at all.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::evidence::{Evidence, Link, Pair};
use super::track::Track;
use super::transit::Transit;
use super::word::{Verdict, WORTH, Words};
use crate::{PersonId, TrackId};

/// Tracks that are compared at once: of persons who have more, those nearest to the seam.
const MOST_COMPARED: usize = 24;

/// Tracks before a track that it may follow on.
const MOST_BEFORE: usize = 6;

/// A person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Person {
    pub(crate) id: PersonId,
    /// When the track began that the id is of, Unix time in ns; 0 as an earlier build wrote it.
    #[serde(default)]
    pub(crate) since_ns: i64,
    /// In order of start.
    pub(crate) tracks: Vec<TrackId>,
    /// Tracks that are too old to be compared, as they were let go of.
    pub(crate) retired: Vec<TrackId>,
}

impl Person {
    /// When the track began that the id is of, and the id.
    pub(crate) fn founded(&self) -> (i64, PersonId) {
        (self.since_ns, self.id)
    }
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

    fn plus(self, other: Self) -> Self {
        Self {
            appearance: self.appearance + other.appearance,
            transit: self.transit + other.transit,
            place: self.place + other.place,
            word: self.word + other.word,
        }
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

/// Tracks of two sets that could be one person, those nearest to one another, in order of start.
pub(crate) struct Seam<'a> {
    one: Vec<&'a Track>,
    other: Vec<&'a Track>,
}

impl Seam<'_> {
    /// Without these tracks of its one side; none when nothing of that is left.
    pub(crate) fn without(&self, gone: &[TrackId]) -> Option<Self> {
        let one = self.one.iter().copied();
        let one: Vec<_> = one.filter(|track| !gone.contains(&track.id)).collect();
        let other = self.other.clone();
        (!one.is_empty()).then_some(Self { one, other })
    }
}

impl<'a> Judge<'a> {
    /// Sorts tracks by their start.
    pub(crate) fn sort(&self, tracks: &mut [TrackId]) {
        tracks.sort_by_key(|id| (self.tracks.get(id).map(|track| track.start_ns), *id));
    }

    /// Where two sets would be sewn together. Of small sets it is all of them; of larger ones so many of each side that
    /// what a track is worth to a person does not depend on how often that person came by.
    pub(crate) fn seam(&self, one: &[TrackId], other: &[TrackId]) -> Seam<'a> {
        let half = MOST_COMPARED / 2;
        let of_one = half.max(MOST_COMPARED.saturating_sub(other.len()));
        let of_other = half.max(MOST_COMPARED.saturating_sub(one.len()));
        let (one, other) = (self.known(one), self.known(other));
        Seam {
            one: self.nearest(&one, &other, of_one),
            other: self.nearest(&other, &one, of_other),
        }
    }

    /// What both sides of a seam are worth by themselves; none when something in one of them is ruled out.
    pub(crate) fn apart(&self, seam: &Seam<'_>) -> Option<Worth> {
        Some(self.worth(&seam.one)?.plus(self.worth(&seam.other)?))
    }

    /// As [`Judge::apart`], where the one side is of a person who has so many tracks.
    pub(crate) fn apart_from(
        &self,
        (person, tracks): (PersonId, usize),
        seam: &Seam<'_>,
    ) -> Option<Worth> {
        if seam.one.len() < tracks {
            return self.apart(seam);
        }
        let one = self.evidence.alone(person, || self.worth(&seam.one));
        Some(one?.plus(self.worth(&seam.other)?))
    }

    /// What both sides of a seam are worth as one person; none when something is ruled out.
    pub(crate) fn joined(&self, seam: &Seam<'_>) -> Option<Worth> {
        let mut both: Vec<&Track> = seam.one.iter().chain(&seam.other).copied().collect();
        both.sort_unstable_by_key(|track| (track.start_ns, track.id));
        self.worth(&both)
    }

    /// What a track adds to a set that it is not in.
    pub(crate) fn gain(&self, set: &[TrackId], track: TrackId) -> Option<Worth> {
        let seam = self.seam(set, &[track]);
        Some(self.joined(&seam)?.minus(self.apart(&seam)?))
    }

    /// What a track adds to a person, of whom these are the tracks, and to whom it does not belong.
    pub(crate) fn gain_of(
        &self,
        person: PersonId,
        set: &[TrackId],
        track: TrackId,
    ) -> Option<Worth> {
        let seam = self.seam(set, &[track]);
        let apart = self.apart_from((person, set.len()), &seam);
        Some(self.joined(&seam)?.minus(apart?))
    }

    /// The tracks of the one side of a seam that cannot be one person with any of the other side.
    pub(crate) fn clashing(&self, seam: &Seam<'_>) -> Vec<TrackId> {
        let clashes = seam.one.iter().filter(|one| {
            let mut others = seam.other.iter();
            others.any(|other| self.is_ruled_out(one, other))
        });
        clashes.map(|one| one.id).collect()
    }

    /// Whether any track of the one set cannot be one person with any of the other, those far from the seam too.
    pub(crate) fn clash(&self, one: &[TrackId], other: &[TrackId]) -> bool {
        let (one, other) = (self.known(one), self.known(other));
        let mut pairs = one.iter().flat_map(|a| other.iter().map(move |b| (*a, *b)));
        pairs.any(|(a, b)| self.is_ruled_out(a, b))
    }

    /// What it is worth that two sets are one person of whom somebody said so, and which tracks leave for it: those that
    /// are ruled out and of which nothing was said. None where nothing was said, or what was said contradicts itself.
    pub(crate) fn said_union(
        &self,
        one: &[TrackId],
        other: &[TrackId],
    ) -> Option<(f64, Vec<TrackId>)> {
        if !self.are_said_same(one, other) {
            return None;
        }
        let before = self.apart(&self.seam(one, other))?;
        let ways = [(one, other), (other, one)].into_iter();
        let unions = ways.filter_map(|(leaving, staying)| {
            let gone = self.in_the_way(leaving, staying)?;
            let without = |set: &[TrackId]| -> Vec<TrackId> {
                set.iter()
                    .copied()
                    .filter(|id| !gone.contains(id))
                    .collect()
            };
            let after = self.joined(&self.seam(&without(leaving), &without(staying)))?;
            Some((after.total() - before.total(), gone))
        });
        unions.max_by(|a, b| a.0.total_cmp(&b.0))
    }

    fn are_said_same(&self, one: &[TrackId], other: &[TrackId]) -> bool {
        !self.words.is_empty()
            && one.iter().any(|track| {
                let same = self.words.same_as(*track);
                same.iter().any(|with| other.contains(with))
            })
    }

    /// Of two sets, one of which is sooner parted with, the tracks of which nothing was said and that cannot be one person
    /// with others. None where such others are of the same person by what was said.
    fn in_the_way(&self, leaving: &[TrackId], staying: &[TrackId]) -> Option<Vec<TrackId>> {
        let stands = |track: &Track| !self.words.same_as(track.id).is_empty();
        let (leaving, staying) = (self.known(leaving), self.known(staying));
        let mut gone = BTreeSet::new();
        for one in &leaving {
            for other in &staying {
                if gone.contains(&one.id) || gone.contains(&other.id) {
                    continue;
                }
                if self.is_ruled_out(one, other) {
                    let leaves = [one, other].into_iter().find(|track| !stands(track))?;
                    gone.insert(leaves.id);
                }
            }
        }
        Some(gone.into_iter().collect())
    }

    /// The track of a set that a track follows on.
    pub(crate) fn follows(&self, set: &[TrackId], track: TrackId) -> Option<TrackId> {
        let seam = self.seam(set, &[track]);
        let this = seam.other.first()?;
        let before: Vec<&Track> = seam
            .one
            .iter()
            .copied()
            .filter(|other| {
                other.id != track && (other.start_ns, other.id) < (this.start_ns, this.id)
            })
            .collect();
        Some(self.predecessor(&before, this)?.0)
    }

    /// The worth of some tracks in order of start; none when something is ruled out.
    fn worth(&self, compared: &[&Track]) -> Option<Worth> {
        let mut worth = Worth::default();
        let mut looks = 0.0;
        for (index, later) in compared.iter().enumerate() {
            let (long_before, before) = compared[..index].split_at(first_before(index));
            for earlier in long_before {
                let pair = self.evidence.pair(earlier, later);
                if self.is_impossible(earlier, later, &pair) {
                    return None;
                }
                worth.word += self.said_worth(earlier, later);
                looks += pair.appearance;
            }
            let mut likeliest: Option<(TrackId, Link)> = None;
            for earlier in before {
                let (pair, link) = self
                    .evidence
                    .link(self.transit, earlier, later, self.now_ns);
                if self.is_impossible(earlier, later, &pair) {
                    return None;
                }
                worth.word += self.said_worth(earlier, later);
                looks += pair.appearance;
                let following = (earlier.id, link);
                if likeliest.is_none_or(|likeliest| likelier(&likeliest, &following).is_lt()) {
                    likeliest = Some(following);
                }
            }
            if let Some((_, link)) = likeliest {
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

    fn said_worth(&self, a: &Track, b: &Track) -> f64 {
        if self.words.of(a.id, b.id) == Some(Verdict::Same) {
            WORTH
        } else {
            0.0
        }
    }

    fn is_ruled_out(&self, a: &Track, b: &Track) -> bool {
        let (a, b) = in_order(a, b);
        self.is_impossible(a, b, &self.evidence.pair(a, b))
    }

    /// By what was said of the two, else by evidence, against which words by way of other tracks stand.
    fn is_impossible(&self, a: &Track, b: &Track, pair: &Pair) -> bool {
        match self.words.of(a.id, b.id) {
            Some(verdict) => verdict == Verdict::Different,
            None => pair.is_ruled_out && !self.words.link(a.id, b.id),
        }
    }

    fn predecessor(&self, before: &[&Track], later: &Track) -> Option<(TrackId, Link)> {
        before[first_before(before.len())..]
            .iter()
            .map(|earlier| {
                let (_, link) = self
                    .evidence
                    .link(self.transit, earlier, later, self.now_ns);
                (earlier.id, link)
            })
            .max_by(likelier)
    }

    fn known(&self, set: &[TrackId]) -> Vec<&'a Track> {
        set.iter().filter_map(|id| self.tracks.get(id)).collect()
    }

    /// Those of a set that lie nearest in time to any of another set, and before them those of which something was
    /// said together with one of it.
    fn nearest(&self, set: &[&'a Track], to: &[&Track], most: usize) -> Vec<&'a Track> {
        if set.len() <= most {
            return set.to_vec();
        }
        let said: BTreeSet<TrackId> = if self.words.is_empty() {
            BTreeSet::new()
        } else {
            let about = to.iter().flat_map(|track| self.words.about(track.id));
            about.map(|(other, _)| other).collect()
        };
        // Ends of all that began no later: what is nearest before a time is the latest of them.
        let mut latest_ns = i64::MIN;
        let ends: Vec<i64> = to
            .iter()
            .map(|track| {
                latest_ns = latest_ns.max(track.end_ns);
                latest_ns
            })
            .collect();
        let gap_ns = |track: &Track| {
            let after = to.partition_point(|other| other.start_ns <= track.end_ns);
            let next = to
                .get(after)
                .map_or(i64::MAX, |next| next.start_ns.saturating_sub(track.end_ns));
            let before = after.checked_sub(1).and_then(|last| ends.get(last));
            let before = before.map_or(i64::MAX, |end_ns| track.start_ns.saturating_sub(*end_ns));
            next.min(before).max(0)
        };
        let mut nearest: Vec<_> = set
            .iter()
            .map(|track| {
                let key = (
                    !said.contains(&track.id),
                    gap_ns(track),
                    std::cmp::Reverse(track.start_ns),
                    track.id,
                );
                (key, *track)
            })
            .collect();
        nearest.select_nth_unstable_by_key(most, |(key, _)| *key);
        nearest.truncate(most);
        nearest.sort_unstable_by_key(|(_, track)| (track.start_ns, track.id));
        nearest.into_iter().map(|(_, track)| track).collect()
    }
}

/// The first of so many tracks that the next one may follow on.
fn first_before(count: usize) -> usize {
    count.saturating_sub(MOST_BEFORE)
}

fn likelier(a: &(TrackId, Link), b: &(TrackId, Link)) -> Ordering {
    let by_odds = a.1.total().total_cmp(&b.1.total());
    by_odds.then(a.0.cmp(&b.0))
}

/// The one that began first, first.
pub(crate) fn in_order<'t>(a: &'t Track, b: &'t Track) -> (&'t Track, &'t Track) {
    if (a.start_ns, a.id) <= (b.start_ns, b.id) {
        (a, b)
    } else {
        (b, a)
    }
}
