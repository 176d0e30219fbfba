//! Tracks in, persons out: online, in event time, the same for the same tracks.
//!
//! Sightings wait until the watermark has passed them and are then taken in the order of their times, so that
//! the order in which they came does not matter. Each one may change what is known of its track; what then
//! speaks for another arrangement of persons is done ([`settle`](super::settle)), and said as events.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::event::{Assigned, PersonEvent};
use super::evidence::Evidence;
use super::options::{AssociationCounts, AssociationOptions};
use super::person::Person;
use super::track::{Looks, Track};
use super::transit::{Transit, WalkingTime};
use super::waiting::Waiting;
use super::word::{Feedback, Verdict, Words};
use crate::event::{Event, Sighting};
use crate::{PersonId, Result, SightingId, TrackId};

/// Decisions are looked at again until a track's end lies this far back.
pub(super) const REVISIT_NS: i64 = 60_000_000_000;

/// Tracks of a person that are remembered when they are compared no more; what the store holds of older ones says whose
/// they are as well.
const MOST_RETIRED: usize = 512;

/// Most tracks that came when they were too old to be compared and that are remembered.
const MOST_BELATED: usize = 4096;

/// Events may be this far ahead of the clock: beyond it the clock that stamped them is wrong.
const MOST_AHEAD_NS: i64 = 300_000_000_000;

/// Whether a time is so far ahead of the clock that what is of it is not taken in: what is right would be too old to be joined
/// for as long.
pub(crate) fn is_too_far_ahead(time_ns: i64, clock_ns: i64) -> bool {
    time_ns.saturating_sub(clock_ns) > MOST_AHEAD_NS
}

/// How often recent decisions are looked at again.
const SWEEP_NS: i64 = 15_000_000_000;

/// The state that a restart must find again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(super) tracks: BTreeMap<TrackId, Track>,
    #[serde(with = "super::listed")]
    pub(super) persons: BTreeMap<PersonId, Person>,
    /// Whose each track is, tracks let go of included while their person has others.
    pub(super) person_of: BTreeMap<TrackId, PersonId>,
    pub(super) transit: Transit,
    pub(super) waiting: Waiting,
    /// Tracks that ended and taught what they could of ways and zones.
    pub(super) learned: BTreeSet<TrackId>,
    pub(super) by_end: BTreeSet<(i64, TrackId)>,
    pub(super) newest_ns: i64,
    pub(super) now_ns: i64,
    pub(super) swept_ns: i64,
    pub(super) revision: u64,
    pub(super) counts: AssociationCounts,
    pub(super) words: Words,
    /// Tracks that were let go of as soon as they came, and what more comes of them is known already; the oldest first.
    #[serde(default)]
    pub(super) belated: Vec<TrackId>,
}

/// The one writer of a site's persons.
#[derive(Debug)]
pub struct Associator {
    pub(super) options: AssociationOptions,
    pub(super) evidence: Evidence,
    pub(super) state: State,
    /// Tracks whose person changed since events were last said, with the person before.
    pub(super) changed: BTreeMap<TrackId, Option<PersonId>>,
    /// Candidates by looks.
    pub(super) centres: super::centres::Centres,
    /// Tracks that are compared no more, each with one of which somebody said that it is another person.
    pub(super) apart: Vec<(TrackId, TrackId)>,
}

impl Associator {
    /// A site of which nothing was seen yet.
    ///
    /// # Errors
    ///
    /// When the map makes no sense.
    pub fn new(options: AssociationOptions) -> Result<Self> {
        options.map.check()?;
        Ok(Self {
            evidence: Evidence::new(options.map.clone(), options.calibration),
            options,
            state: State {
                tracks: BTreeMap::new(),
                persons: BTreeMap::new(),
                person_of: BTreeMap::new(),
                transit: Transit::default(),
                waiting: Waiting::default(),
                learned: BTreeSet::new(),
                by_end: BTreeSet::new(),
                newest_ns: i64::MIN,
                now_ns: i64::MIN,
                swept_ns: i64::MIN,
                revision: 0,
                counts: AssociationCounts::default(),
                words: Words::default(),
                belated: Vec::new(),
            },
            changed: BTreeMap::new(),
            centres: super::centres::Centres::default(),
            apart: Vec::new(),
        })
    }

    pub(super) fn restored(options: AssociationOptions, state: State) -> Result<Self> {
        let mut associator = Self::new(options)?;
        associator.state = state;
        let ids: Vec<PersonId> = associator.state.persons.keys().copied().collect();
        ids.iter().for_each(|id| associator.recentre(*id));
        associator.note_apart();
        Ok(associator)
    }

    pub(super) fn state(&self) -> &State {
        &self.state
    }

    /// Takes in an event and adds what was decided to `decisions`.
    pub fn take(&mut self, event: &Event, decisions: &mut Vec<PersonEvent>) {
        match event {
            Event::Sighting(sighting) => {
                let time_ns = sighting.capture_ns;
                if time_ns < self.watermark_ns() {
                    self.state.counts.late += 1;
                    self.process(sighting, decisions);
                    return;
                }
                if !self.state.waiting.insert(sighting) {
                    self.state.counts.repeated += 1;
                }
                self.state.newest_ns = self.state.newest_ns.max(time_ns);
            }
            Event::Coverage(coverage) => {
                self.state.newest_ns = self.state.newest_ns.max(coverage.to_ns);
            }
            // Whoever holds the tracks says which they are.
            Event::Forgotten(_) => return,
        }
        let watermark_ns = self.watermark_ns();
        while let Some(sighting) = self.state.waiting.before(watermark_ns) {
            self.process(&sighting, decisions);
        }
    }

    /// Whether an event is not to be taken in: see [`is_too_far_ahead`]. Counts sightings of which that is so.
    pub(crate) fn is_ahead(&mut self, event: &Event, clock_ns: i64) -> bool {
        let (time_ns, camera) = match event {
            Event::Sighting(sighting) => (sighting.capture_ns, &sighting.camera),
            Event::Coverage(coverage) => (coverage.to_ns, &coverage.camera),
            Event::Forgotten(_) => return false,
        };
        if !is_too_far_ahead(time_ns, clock_ns) {
            return false;
        }
        let ahead_ns = time_ns.saturating_sub(clock_ns);
        if matches!(event, Event::Sighting(_)) {
            let ahead = &mut self.state.counts.ahead;
            *ahead += 1;
            if ahead.is_power_of_two() {
                tracing::warn!(
                    camera,
                    sightings = *ahead,
                    ahead_s = ahead_ns / 1_000_000_000,
                    "sightings are ahead of the clock and join nobody; set the clock of the camera's box, or of this machine"
                );
            }
        }
        true
    }

    /// Takes in what still waits and looks at every decision again: nothing more will come.
    pub fn finish(&mut self, decisions: &mut Vec<PersonEvent>) {
        self.settle_all(decisions);
        self.learn_from(|_| true);
    }

    /// Takes in what still waits and looks at every decision again.
    fn settle_all(&mut self, decisions: &mut Vec<PersonEvent>) {
        while let Some(sighting) = self.state.waiting.before(i64::MAX) {
            self.process(&sighting, decisions);
        }
        self.evidence.turn();
        let all = self.in_order_of_start(|_| true);
        self.settle(all);
        self.say(decisions);
    }

    /// Takes on what tracks look like by another model, after everything that waits was compared by the former one. Views
    /// of which nothing is known by it go, so that two models never meet.
    pub(super) fn relook(
        &mut self,
        decisions: &mut Vec<PersonEvent>,
        mut looks: impl FnMut(&[TrackId], &[SightingId]) -> Result<Looks>,
    ) -> Result<()> {
        const AT_ONCE: usize = 64;
        self.settle_all(decisions);
        self.learn_from(|track| track.has_ended);
        let mut tracks: Vec<&mut Track> = self.state.tracks.values_mut().collect();
        for some in tracks.chunks_mut(AT_ONCE) {
            let ids: Vec<TrackId> = some.iter().map(|track| track.id).collect();
            let views = some.iter().flat_map(|track| &track.exemplars);
            let views: Vec<SightingId> = views.map(|view| view.sighting).collect();
            let mut looks = looks(&ids, &views)?;
            for track in some {
                track.relook(&mut looks);
            }
        }
        self.evidence.turn();
        // The former model's vectors may be of another dimension.
        self.centres = super::centres::Centres::default();
        let persons: Vec<PersonId> = self.state.persons.keys().copied().collect();
        persons.into_iter().for_each(|person| self.recentre(person));
        Ok(())
    }

    /// Takes somebody's word on two tracks, which stands from now on. None when one of the tracks is not known
    /// any more, or no more words are taken.
    pub fn say_word(
        &mut self,
        [a, b]: [TrackId; 2],
        verdict: Verdict,
        decisions: &mut Vec<PersonEvent>,
    ) -> Option<Feedback> {
        let (a, b) = (a.min(b), a.max(b));
        let (one, other) = (self.state.tracks.get(&a)?, self.state.tracks.get(&b)?);
        let (earlier, later) = super::person::in_order(one, other);
        let feedback = Feedback {
            tracks: [a, b],
            verdict,
            cameras: [one.camera.clone(), other.camera.clone()],
            similarity: self.evidence.pair(earlier, later).similarity,
            was_same: self.person_of(a) == self.person_of(b),
            at_ns: self.state.now_ns,
        };
        if a == b || one.is_elsewhere(other) || !self.state.words.say(a, b, verdict) {
            return None;
        }
        self.take_back([a, b], verdict);
        self.note_apart();
        self.evidence.turn();
        self.settle(vec![a, b]);
        self.say(decisions);
        Some(feedback)
    }

    /// Lets go of what was said of tracks that are compared no more and stands against a newer word: nobody could take it back.
    fn take_back(&mut self, [a, b]: [TrackId; 2], verdict: Verdict) {
        let with_retired = |track: TrackId| -> Vec<TrackId> {
            let retired = self.person_of(track).map(|person| self.retired_of(person));
            let retired = retired.unwrap_or_default().iter().copied();
            std::iter::once(track).chain(retired).collect()
        };
        let [of_a, of_b] = [a, b].map(with_retired);
        let pairs = match verdict {
            Verdict::Same => vec![(&of_a, &of_b)],
            Verdict::Different => vec![(&of_a, &of_a), (&of_b, &of_b)],
        };
        for (some, others) in pairs {
            for one in some {
                let words = self.state.words.about(*one);
                let against: Vec<TrackId> = words
                    .filter(|(other, said)| *said != verdict && others.contains(other))
                    .map(|(other, _)| other)
                    .collect();
                for other in against {
                    self.state.words.take_back(*one, other);
                }
            }
        }
    }

    /// Notes anew which tracks that are compared no more are said to be somebody else than others: few, and asked for often.
    pub(super) fn note_apart(&mut self) {
        let tracks = &self.state.tracks;
        let apart = self.state.words.different();
        self.apart = apart.filter(|(one, _)| !tracks.contains_key(one)).collect();
    }

    /// Up to this time all sightings were taken in, Unix time in ns.
    pub fn watermark_ns(&self) -> i64 {
        self.state
            .newest_ns
            .saturating_sub(self.options.lateness_ns)
    }

    /// Whose a track is, as of now.
    pub fn person_of(&self, track: TrackId) -> Option<PersonId> {
        self.state.person_of.get(&track).copied()
    }

    /// The tracks of a person in order of their starts, those let go of first.
    pub fn tracks_of(&self, person: PersonId) -> Vec<TrackId> {
        let person = self.state.persons.get(&person);
        person.map_or_else(Vec::new, |person| {
            person
                .retired
                .iter()
                .chain(&person.tracks)
                .copied()
                .collect()
        })
    }

    /// What was learned of the ways between cameras.
    pub fn walking_times(&self) -> Vec<WalkingTime> {
        self.state.transit.learned()
    }

    /// What was counted.
    pub fn counts(&self) -> AssociationCounts {
        self.state.counts
    }

    fn process(&mut self, sighting: &Sighting, decisions: &mut Vec<PersonEvent>) {
        let id = sighting.track;
        let state = &mut self.state;
        state.counts.sightings += 1;
        state.now_ns = state.now_ns.max(sighting.capture_ns);
        let is_new_look = sighting.sequence.is_power_of_two() || sighting.sequence == 0;
        let is_new = !state.tracks.contains_key(&id);
        if is_new && (state.person_of.contains_key(&id) || state.belated.contains(&id)) {
            // It was let go of; a word about it that late changes nothing.
            state.counts.repeated += 1;
            return;
        }
        let oldest_ns = state.now_ns.saturating_sub(self.options.window_ns);
        if is_new && sighting.state.end_ns < oldest_ns {
            self.take_belated(id, decisions);
            return;
        }
        match state.tracks.entry(id) {
            std::collections::btree_map::Entry::Occupied(mut known) => {
                let track = known.get_mut();
                if track.has(sighting.sequence) {
                    state.counts.repeated += 1;
                    return;
                }
                state.by_end.remove(&(track.end_ns, id));
                track.take(sighting);
                state.by_end.insert((track.end_ns, id));
            }
            std::collections::btree_map::Entry::Vacant(place) => {
                let track = place.insert(Track::of(sighting));
                state.by_end.insert((track.end_ns, id));
                state.transit.birth(&track.camera, track.start_ns);
                state.counts.tracks += 1;
            }
        }
        self.evidence.turn();
        if is_new {
            self.found(id);
        } else if let Some(person) = self.person_of(id) {
            self.recentre(person);
        }
        if is_new || is_new_look || sighting.is_end {
            let mut look_at = vec![id];
            if sighting.is_end {
                // Whoever is beside it may have been waiting for what is known now.
                let beside = self.person_of(id).map(|person| self.tracks_of(person));
                let beside = beside.into_iter().flatten();
                look_at.extend(beside.filter(|other| self.is_recent(*other)));
            }
            self.settle(look_at);
        }
        self.sweep();
        // Said before anything is let go of: this track may be.
        self.say(decisions);
        self.retire();
        let state = &self.state;
        if !state.tracks.contains_key(&id) && !state.person_of.contains_key(&id) {
            self.note_belated(id);
        }
    }

    /// A track that comes when it is too old to be compared is a person of its own.
    fn take_belated(&mut self, track: TrackId, decisions: &mut Vec<PersonEvent>) {
        let state = &mut self.state;
        state.counts.tracks += 1;
        state.counts.retired += 1;
        state.counts.decisions += 1;
        state.revision += 1;
        decisions.push(PersonEvent::PersonAssigned(Assigned {
            track,
            person: PersonId::derive(track),
            previous: None,
            revision: state.revision,
            at_ns: state.now_ns,
            join: None,
        }));
        self.note_belated(track);
    }

    fn note_belated(&mut self, track: TrackId) {
        self.state.belated.push(track);
        if self.state.belated.len() > MOST_BELATED {
            self.state.belated.remove(0);
        }
    }

    /// Whether a track ended so lately that its decision is looked at again.
    pub(super) fn is_recent(&self, track: TrackId) -> bool {
        let since_ns = self.state.now_ns.saturating_sub(REVISIT_NS);
        let track = self.state.tracks.get(&track);
        track.is_some_and(|track| track.end_ns >= since_ns)
    }

    /// Makes a person of a track.
    pub(super) fn found(&mut self, track: TrackId) {
        let start = self.state.tracks.get(&track).map(|track| track.start_ns);
        self.put(Person {
            id: PersonId::derive(track),
            since_ns: start.unwrap_or_default(),
            tracks: vec![track],
            retired: Vec::new(),
        });
    }

    /// Puts a person in its place, under its id; the tracks know it then.
    pub(super) fn put(&mut self, person: Person) {
        let id = person.id;
        for track in person.retired.iter().chain(&person.tracks) {
            let before = self.state.person_of.insert(*track, id);
            if before != Some(id) {
                self.changed.entry(*track).or_insert(before);
            }
        }
        self.state.persons.insert(id, person);
        self.recentre(id);
    }

    pub(super) fn in_order_of_start(&self, is_wanted: impl Fn(&Track) -> bool) -> Vec<TrackId> {
        let mut tracks: Vec<_> = self
            .state
            .tracks
            .values()
            .filter(|track| is_wanted(track))
            .map(|track| (track.start_ns, track.id))
            .collect();
        tracks.sort_unstable();
        tracks.into_iter().map(|(_, id)| id).collect()
    }

    /// Looks at recent decisions again, and learns from those that will not be looked at any more.
    fn sweep(&mut self) {
        let now_ns = self.state.now_ns;
        if now_ns < self.state.swept_ns.saturating_add(SWEEP_NS) {
            return;
        }
        self.state.swept_ns = now_ns;
        let since_ns = now_ns - REVISIT_NS;
        let recent: Vec<TrackId> = self
            .state
            .by_end
            .range((since_ns, TrackId::least())..)
            .map(|(_, track)| *track)
            .collect();
        self.settle(recent);
        self.learn_from(|track| track.has_ended && track.end_ns < since_ns);
    }

    /// Learns from tracks that are over and of which it did not yet. Whoever stands somewhere sends no sighting for minutes:
    /// that nothing was heard of a track is not its end.
    fn learn_from(&mut self, is_over: impl Fn(&Track) -> bool) {
        let State {
            by_end,
            learned,
            tracks,
            transit,
            ..
        } = &mut self.state;
        let left: Vec<TrackId> = by_end
            .iter()
            .map(|(_, track)| *track)
            .filter(|track| !learned.contains(track) && tracks.get(track).is_some_and(&is_over))
            .collect();
        if left.is_empty() {
            return;
        }
        learned.extend(&left);
        for track in left.iter().filter_map(|track| tracks.get(track)) {
            transit.ends(&track.camera, track.in_and_out());
        }
        self.evidence.taught();
        for track in left {
            self.learn(track);
        }
    }

    /// Counts the way by which a track came, if that is quite sure.
    fn learn(&mut self, track: TrackId) {
        const SURE: f64 = 0.8;
        let Some(join) = self.weigh(track).filter(|join| join.probability > SURE) else {
            return;
        };
        let State {
            tracks, transit, ..
        } = &mut self.state;
        if let (Some(earlier), Some(later)) = (tracks.get(&join.follows), tracks.get(&track)) {
            let way = self.evidence.pair(earlier, later).passage(earlier, later);
            transit.learn(&way, join.probability);
            self.evidence.taught();
        }
    }

    /// Lets go of tracks that are too old or too many.
    fn retire(&mut self) {
        let retired = self.state.counts.retired;
        self.retire_due();
        if self.state.counts.retired != retired && !self.state.words.is_empty() {
            self.note_apart();
        }
    }

    fn retire_due(&mut self) {
        let oldest_ns = self.state.now_ns.saturating_sub(self.options.window_ns);
        while let Some(&(end_ns, track)) = self.state.by_end.first() {
            let is_due = end_ns < oldest_ns || self.state.tracks.len() > self.options.most_tracks;
            if !is_due {
                return;
            }
            self.state.by_end.pop_first();
            self.state.tracks.remove(&track);
            self.state.learned.remove(&track);
            self.evidence.turn();
            self.state.counts.retired += 1;
            let id = self.person_of(track);
            let person = id.and_then(|id| Some((id, self.state.persons.get_mut(&id)?)));
            let Some((id, person)) = person else {
                self.state.words.let_go(track);
                continue;
            };
            // What was said of it holds for its person, as long as that has tracks that are compared.
            person.tracks.retain(|other| *other != track);
            person.retired.push(track);
            // Somebody who comes by all day must not weigh more every day.
            while person.retired.len() > MOST_RETIRED {
                // The one that the id is of stays, so that the id does.
                let is_founder = person.retired.first().map(|it| PersonId::derive(*it)) == Some(id);
                let oldest = person.retired.remove(usize::from(is_founder));
                self.state.person_of.remove(&oldest);
                self.state.words.let_go(oldest);
            }
            if person.tracks.is_empty() {
                let gone = self.state.persons.remove(&id);
                for track in gone.into_iter().flat_map(|person| person.retired) {
                    self.state.person_of.remove(&track);
                    self.state.words.let_go(track);
                }
            }
            self.recentre(id);
        }
    }

    /// Says what changed since the last time.
    pub(super) fn say(&mut self, decisions: &mut Vec<PersonEvent>) {
        let at_ns = self.state.now_ns;
        // Where the tracks of persons went that are no more: how many, and whether the one with the person's id is there.
        let mut gone: BTreeMap<PersonId, BTreeMap<PersonId, (bool, usize)>> = BTreeMap::new();
        for (track, previous) in std::mem::take(&mut self.changed) {
            let Some(person) = self.person_of(track) else {
                continue;
            };
            if previous == Some(person) {
                continue;
            }
            if let Some(from) = previous
                && !self.state.persons.contains_key(&from)
            {
                let (has_founder, count) = gone.entry(from).or_default().entry(person).or_default();
                *has_founder |= PersonId::derive(track) == from;
                *count += 1;
            }
            self.state.revision += 1;
            self.state.counts.decisions += 1;
            decisions.push(PersonEvent::PersonAssigned(Assigned {
                track,
                person,
                previous,
                revision: self.state.revision,
                at_ns,
                join: self.explain(track),
            }));
        }
        for (from, to) in gone {
            let most = to.into_iter().max_by_key(|(person, (has_founder, count))| {
                (*count, *has_founder, std::cmp::Reverse(*person))
            });
            if let Some((to, _)) = most {
                self.state.counts.decisions += 1;
                decisions.push(PersonEvent::Rename { from, to, at_ns });
            }
        }
    }
}
