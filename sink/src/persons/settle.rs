//! Finding the arrangement of tracks into persons that is worth most, one improvement at a time.
//!
//! A track may move to another person, drive out those of its tracks that it cannot share a person with, or
//! begin a person of its own; two persons may become one; a person may fall apart before or after one of its
//! tracks. Only what is better by a margin is done, so the worth rises with every step, the search ends, and
//! readers do not see ids flicker.

use std::collections::{BTreeSet, VecDeque};

use super::associator::Associator;
use super::event::{Join, PersonEvent, RunnerUp};
use super::person::{Judge, Person, Worth};
use crate::{PersonId, TrackId};

/// What a change must be better by.
const MARGIN: f64 = 0.25;

/// Changes in one go, by track that is looked at: a bound that is never met unless something is wrong.
const MOST_CHANGES: usize = 16;

/// Most tracks that are driven out for one.
const MOST_DRIVEN_OUT: usize = 2;

/// How often what looks and ways say is beside the point, since the track, or the person that it joins, shows two people:
/// of the 120 surest of 195 joins of six films three are wrong (docs/accuracy.md). It is in what is told, and decides nothing.
const LAPSE: f64 = 0.02;

/// A change to the arrangement.
#[derive(Debug, Clone, PartialEq)]
enum Change {
    /// The track begins a person of its own.
    Alone,
    /// The track goes to a person, and these leave it.
    Move(PersonId, Vec<TrackId>),
    /// The track's person and this one are the same, and these leave both.
    Merge(PersonId, Vec<TrackId>),
    /// The track's person ends before its track at this place.
    Split(usize),
}

impl Associator {
    fn judge(&self) -> Judge<'_> {
        Judge {
            tracks: &self.state.tracks,
            evidence: &self.evidence,
            transit: &self.state.transit,
            words: &self.state.words,
            now_ns: self.state.now_ns,
        }
    }

    /// Improves the arrangement around these tracks until nothing is better.
    pub(super) fn settle(&mut self, tracks: Vec<TrackId>) {
        let mut left = MOST_CHANGES * tracks.len().max(4);
        let asked: BTreeSet<TrackId> = tracks.iter().copied().collect();
        let mut queued = asked.clone();
        let mut queue: VecDeque<TrackId> = tracks.into();
        while let Some(track) = queue.pop_front() {
            queued.remove(&track);
            let Some(change) = self.best_change(track) else {
                continue;
            };
            if left == 0 {
                tracing::debug!(%track, "persons were left before they were settled");
                return;
            }
            left -= 1;
            for affected in self.apply(track, change) {
                if (self.is_recent(affected) || asked.contains(&affected))
                    && queued.insert(affected)
                {
                    queue.push_back(affected);
                }
            }
        }
    }

    fn set_of(&self, person: PersonId) -> &[TrackId] {
        let person = self.state.persons.get(&person);
        person.map_or(&[], |person| &person.tracks)
    }

    pub(super) fn retired_of(&self, person: PersonId) -> &[TrackId] {
        let person = self.state.persons.get(&person);
        person.map_or(&[], |person| &person.retired)
    }

    /// Whether somebody said that a track is one person with one that is compared no more, and with whom it is: then it stays.
    fn is_bound(&self, track: TrackId) -> bool {
        let words = &self.state.words;
        !words.is_empty()
            && words.same_as(track).iter().any(|other| {
                !self.state.tracks.contains_key(other)
                    && self.person_of(*other) == self.person_of(track)
            })
    }

    /// Persons who are said to be somebody else than this one, by words of which one track is compared no more; and those who
    /// are said so of this track.
    fn said_apart(&self, own: PersonId, track: TrackId) -> [BTreeSet<PersonId>; 2] {
        let mut apart = [BTreeSet::new(), BTreeSet::new()];
        for (retired, other) in &self.apart {
            let (Some(one), Some(two)) = (self.person_of(*retired), self.person_of(*other)) else {
                continue;
            };
            if one == own || two == own {
                apart[0].insert(if one == own { two } else { one });
            }
            if *other == track {
                apart[1].insert(one);
            }
        }
        apart
    }

    fn best_change(&self, track: TrackId) -> Option<Change> {
        let judge = self.judge();
        let own = self.person_of(track)?;
        let set = self.set_of(own);
        let [kept_from, alone_from] = self.said_apart(own, track);
        let is_bound = self.is_bound(track);
        let rest: Vec<TrackId> = set
            .iter()
            .copied()
            .filter(|other| *other != track)
            .collect();
        // What has come to hold what is ruled out must change at any price.
        let total = |worth: Option<Worth>| worth.map_or(-1e3, |worth| worth.total());
        let seam = judge.seam(&rest, &[track]);
        let leaving = total(judge.apart(&seam)) - total(judge.joined(&seam));
        let mut best: Option<(f64, Change)> = None;
        let mut offer = |gain: f64, change: Change| {
            if gain > MARGIN && best.as_ref().is_none_or(|(most, _)| gain > *most) {
                best = Some((gain, change));
            }
        };
        if !rest.is_empty() {
            if !is_bound {
                offer(leaving, Change::Alone);
            }
            let at = set.iter().position(|other| *other == track).unwrap_or(0);
            for cut in [at, at + 1] {
                if cut == 0 || cut >= set.len() {
                    continue;
                }
                let (before, after) = set.split_at(cut);
                if after.iter().any(|later| self.is_bound(*later)) {
                    continue;
                }
                let seam = judge.seam(before, after);
                if let Some(apart) = judge.apart(&seam) {
                    let gain = apart.total() - total(judge.joined(&seam));
                    offer(gain, Change::Split(cut));
                }
            }
        }
        for candidate in self.candidates(track) {
            let other = self.set_of(candidate);
            let are_two = kept_from.contains(&candidate);
            if !are_two && let Some((gain, leaving)) = judge.said_union(set, other) {
                offer(gain, Change::Merge(candidate, leaving));
            }
            // Where it is the last that is compared, those that are not go along.
            let is_kept = if rest.is_empty() {
                are_two
            } else {
                is_bound || alone_from.contains(&candidate)
            };
            if is_kept {
                continue;
            }
            let seam = judge.seam(other, &[track]);
            let clashing = judge.clashing(&seam);
            if clashing.len() > MOST_DRIVEN_OUT || clashing.iter().any(|it| self.is_bound(*it)) {
                continue;
            }
            let Some(staying) = seam.without(&clashing) else {
                continue;
            };
            let Some(before) = judge.apart_from((candidate, other.len()), &seam) else {
                continue;
            };
            let drawn = judge
                .joined(&staying)
                .map(|after| after.total() - before.total());
            if let Some(drawn) = drawn {
                offer(leaving + drawn, Change::Move(candidate, clashing.clone()));
            }
            // Where the track itself is not drawn, its person is not either.
            let is_drawn = drawn.is_some_and(|drawn| drawn > 0.0);
            if !rest.is_empty() && !are_two && clashing.is_empty() && is_drawn {
                let seam = judge.seam(set, other);
                if let (Some(apart), Some(after)) = (judge.apart(&seam), judge.joined(&seam)) {
                    let gain = after.total() - apart.total();
                    if gain > MARGIN && !judge.clash(set, other) {
                        offer(gain, Change::Merge(candidate, Vec::new()));
                    }
                }
            }
        }
        best.map(|(_, change)| change)
    }

    /// Does it, and names the tracks for which other things may be better now.
    fn apply(&mut self, track: TrackId, change: Change) -> Vec<TrackId> {
        let Some(own) = self.person_of(track) else {
            return Vec::new();
        };
        let Some(mut person) = self.state.persons.remove(&own) else {
            return Vec::new();
        };
        self.recentre(own);
        let mut affected: Vec<TrackId> = person.tracks.clone();
        let founded = [person.founded()];
        match change {
            Change::Alone => {
                person.tracks.retain(|other| *other != track);
                self.put_alone(vec![track]);
                self.put_back(person.tracks, person.retired, &founded);
            }
            Change::Split(cut) => {
                let after = person.tracks.split_off(cut);
                self.put_back(person.tracks, person.retired, &founded);
                self.put_back(after, Vec::new(), &[]);
            }
            Change::Move(to, driven_out) => {
                let Some(mut other) = self.state.persons.remove(&to) else {
                    self.put_back(person.tracks, person.retired, &founded);
                    return affected;
                };
                self.recentre(to);
                affected.extend(&other.tracks);
                let mut both = vec![other.founded()];
                person.tracks.retain(|id| *id != track);
                if person.tracks.is_empty() {
                    // With the last track that is compared goes whoever it was.
                    both.extend(founded);
                    other.retired.append(&mut person.retired);
                } else {
                    self.put_back(person.tracks, person.retired, &founded);
                }
                other.tracks.retain(|id| !driven_out.contains(id));
                other.tracks.push(track);
                self.put_back(other.tracks, other.retired, &both);
                self.put_alone(driven_out);
            }
            Change::Merge(with, leaving) => {
                let Some(other) = self.state.persons.remove(&with) else {
                    self.put_back(person.tracks, person.retired, &founded);
                    return affected;
                };
                self.recentre(with);
                affected.extend(&other.tracks);
                let both = [founded[0], other.founded()];
                person.tracks.extend(other.tracks);
                person.tracks.retain(|id| !leaving.contains(id));
                person.retired.extend(other.retired);
                self.put_back(person.tracks, person.retired, &both);
                self.put_alone(leaving);
            }
        }
        affected
    }

    /// Lets go of tracks as if they had never been, and settles the persons that they leave. Says how many were known.
    pub(super) fn forget(
        &mut self,
        tracks: &BTreeSet<TrackId>,
        decisions: &mut Vec<PersonEvent>,
    ) -> u64 {
        let state = &mut self.state;
        state.waiting.forget(tracks);
        state.words.forget(tracks);
        state.learned.retain(|track| !tracks.contains(track));
        state.belated.retain(|track| !tracks.contains(track));
        self.note_apart();
        self.evidence.turn();
        let state = &mut self.state;
        let mut known = 0;
        let mut left: BTreeSet<PersonId> = BTreeSet::new();
        for id in tracks {
            if let Some(track) = state.tracks.remove(id) {
                state.by_end.remove(&(track.end_ns, *id));
            }
            if let Some(person) = state.person_of.remove(id) {
                known += 1;
                left.insert(person);
            }
        }
        let mut others = Vec::new();
        for id in left {
            let Some(person) = self.state.persons.remove(&id) else {
                continue;
            };
            self.recentre(id);
            let founded = [person.founded()];
            let stays = |track: &TrackId| !tracks.contains(track);
            let compared: Vec<TrackId> = person.tracks.into_iter().filter(stays).collect();
            let retired: Vec<TrackId> = person.retired.into_iter().filter(stays).collect();
            if compared.is_empty() {
                // As when its last track is let go of for age.
                for track in retired {
                    self.state.person_of.remove(&track);
                    self.state.words.let_go(track);
                }
                continue;
            }
            others.extend(&compared);
            self.put_back(compared, retired, &founded);
        }
        self.settle(others);
        self.say(decisions);
        known
    }

    /// Makes a person of tracks. Its id is that of its first track; once some of them are compared no more, that of the
    /// person `before` that began first and whose first track is among them, so that ids stay.
    fn put_back(
        &mut self,
        mut tracks: Vec<TrackId>,
        retired: Vec<TrackId>,
        before: &[(i64, PersonId)],
    ) {
        self.judge().sort(&mut tracks);
        let Some(first) = tracks.first() else {
            return;
        };
        let start = self.state.tracks.get(first).map(|track| track.start_ns);
        let own = (start.unwrap_or_default(), PersonId::derive(*first));
        let (since_ns, id) = match retired.first() {
            None => own,
            Some(oldest) => {
                let all = retired.iter().chain(&tracks);
                let founders: BTreeSet<PersonId> =
                    all.map(|track| PersonId::derive(*track)).collect();
                let held = before.iter().filter(|(_, id)| founders.contains(id));
                held.min().copied().unwrap_or_else(|| {
                    let since_ns = before.iter().map(|(since_ns, _)| *since_ns).min();
                    (since_ns.unwrap_or(own.0), PersonId::derive(*oldest))
                })
            }
        };
        self.put(Person {
            id,
            since_ns,
            tracks,
            retired,
        });
    }

    /// Makes a person of each of these tracks.
    fn put_alone(&mut self, tracks: Vec<TrackId>) {
        for track in tracks {
            self.put_back(vec![track], Vec::new(), &[]);
        }
    }

    /// Why a track belongs to its person; none for the person's first track.
    pub fn explain(&self, track: TrackId) -> Option<Join> {
        let mut join = self.weigh(track)?;
        if join.word <= 0.0 {
            join.probability *= 1.0 - LAPSE;
        }
        Some(join)
    }

    /// As [`Associator::explain`], with the probability that holds if every track shows one person alone.
    pub(super) fn weigh(&self, track: TrackId) -> Option<Join> {
        let judge = self.judge();
        let person = self.person_of(track)?;
        let rest: Vec<TrackId> = self
            .set_of(person)
            .iter()
            .copied()
            .filter(|other| *other != track)
            .collect();
        let follows = judge.follows(&rest, track)?;
        let worth = judge.gain(&rest, track)?;
        let log_odds = worth.total();
        let mut runner_up: Option<RunnerUp> = None;
        let mut others = 0.0;
        for candidate in self.candidates(track) {
            let Some(worth) = judge.gain_of(candidate, self.set_of(candidate), track) else {
                continue;
            };
            let total = worth.total();
            others += total.min(50.0).exp();
            if runner_up.is_none_or(|best| total > best.log_odds) {
                runner_up = Some(RunnerUp {
                    person: candidate,
                    log_odds: total,
                });
            }
        }
        let this = log_odds.min(50.0).exp();
        Some(Join {
            log_odds,
            probability: this / (1.0 + this + others),
            is_calibrated: self.options.calibration.is_fitted,
            appearance: worth.appearance,
            transit: worth.transit,
            place: worth.place,
            word: worth.word,
            follows,
            runner_up,
        })
    }
}
