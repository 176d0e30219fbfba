//! What another machine needs to go on where this one stopped: everything but the sightings, which the log holds.
//!
//! Association is a function of what it takes in, in its order. So an outline, and the sightings that are in the log
//! from its first one on, make the same association again, to the last decision.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::associator::{Associator, State};
use super::options::{AssociationCounts, AssociationOptions};
use super::person::Person;
use super::track::Track;
use super::transit::Transit;
use super::waiting::Waiting;
use super::word::Words;
use crate::event::{ForgottenSet, Sighting};
use crate::{PersonId, Result, TrackId};

/// A site's association without its sightings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outline {
    /// Tracks that are compared, and where in the log each began.
    tracks: Vec<(TrackId, i64)>,
    /// Where in the log tracks began of which everything waits.
    awaited: Vec<(TrackId, i64)>,
    persons: Vec<Person>,
    transit: Transit,
    learned: BTreeSet<TrackId>,
    newest_ns: i64,
    now_ns: i64,
    swept_ns: i64,
    revision: u64,
    counts: AssociationCounts,
    words: Words,
    #[serde(default)]
    belated: Vec<TrackId>,
}

impl Outline {
    /// The first message of the log that is needed beside it; none where none is.
    pub(crate) fn begins_at(&self) -> Option<i64> {
        let all = self.tracks.iter().chain(&self.awaited);
        all.map(|(_, offset)| *offset).min()
    }

    /// Whose each track is.
    pub(crate) fn assigned(&self) -> impl Iterator<Item = (TrackId, PersonId)> + '_ {
        self.persons.iter().flat_map(|person| {
            let tracks = person.retired.iter().chain(&person.tracks);
            tracks.map(|track| (*track, person.id))
        })
    }
}

impl Associator {
    /// Everything but the sightings. `first` says where in the log each track began, and is rid of those that are of no
    /// use any more.
    pub(crate) fn outline(&self, first: &mut BTreeMap<TrackId, i64>) -> Outline {
        let state = &self.state;
        let waiting = state.waiting.tracks();
        first.retain(|track, _| state.tracks.contains_key(track) || waiting.contains(track));
        let (tracks, awaited) = first
            .iter()
            .map(|(track, offset)| (*track, *offset))
            .partition(|(track, _)| state.tracks.contains_key(track));
        Outline {
            tracks,
            awaited,
            persons: state.persons.values().cloned().collect(),
            transit: state.transit.clone(),
            learned: state.learned.clone(),
            newest_ns: state.newest_ns,
            now_ns: state.now_ns,
            swept_ns: state.swept_ns,
            revision: state.revision,
            counts: state.counts,
            words: state.words.clone(),
            belated: state.belated.clone(),
        }
    }
}

/// An association that is being made again from its outline and the log.
pub(crate) struct Refill {
    outline: Outline,
    tracks: BTreeMap<TrackId, Option<Track>>,
    waiting: Waiting,
    first: BTreeMap<TrackId, i64>,
}

impl Refill {
    pub(crate) fn of(outline: Outline) -> Self {
        let all = outline.tracks.iter().chain(&outline.awaited);
        Self {
            tracks: outline.tracks.iter().map(|(id, _)| (*id, None)).collect(),
            waiting: Waiting::default(),
            first: all.copied().collect(),
            outline,
        }
    }

    /// Takes in what the log holds before the outline, in its order.
    pub(crate) fn take(&mut self, offset: i64, sighting: &Sighting, lateness_ns: i64) {
        let id = sighting.track;
        if self.first.get(&id).is_none_or(|first| offset < *first) {
            return;
        }
        let watermark_ns = self.outline.newest_ns.saturating_sub(lateness_ns);
        if sighting.capture_ns >= watermark_ns {
            self.waiting.insert(sighting);
            return;
        }
        match self.tracks.get_mut(&id) {
            Some(Some(track)) => {
                track.take(sighting);
            }
            Some(none) => *none = Some(Track::of(sighting)),
            None => {}
        }
    }

    /// The association as it was when the outline was made, and where in the log its tracks began. What the log does not
    /// hold any more is compared no more, as if it were too old; how many tracks that is.
    ///
    /// # Errors
    ///
    /// When the map makes no sense.
    pub(crate) fn done(
        self,
        options: AssociationOptions,
    ) -> Result<(Associator, BTreeMap<TrackId, i64>, usize)> {
        let Self {
            mut outline,
            tracks: found,
            waiting,
            mut first,
        } = self;
        let wanted = found.len();
        let mut tracks = BTreeMap::new();
        for (id, track) in found {
            match track {
                Some(track) => {
                    tracks.insert(id, track);
                }
                None => {
                    first.remove(&id);
                }
            }
        }
        let missing = wanted - tracks.len();
        let mut persons = BTreeMap::new();
        let mut person_of = BTreeMap::new();
        for mut person in outline.persons {
            let (known, gone) = person
                .tracks
                .into_iter()
                .partition(|track| tracks.contains_key(track));
            person.tracks = known;
            let is_shorter = !Vec::is_empty(&gone);
            person.retired.extend::<Vec<TrackId>>(gone);
            // As when its last track is let go of for age.
            if is_shorter && person.tracks.is_empty() {
                let gone = person.retired.into_iter();
                gone.for_each(|track| outline.words.let_go(track));
                continue;
            }
            let all = person.retired.iter().chain(&person.tracks);
            person_of.extend(all.map(|track| (*track, person.id)));
            persons.insert(person.id, person);
        }
        // One that stands in no person cannot be compared: a torn outline.
        tracks.retain(|id, _| person_of.contains_key(id));
        let state = State {
            by_end: tracks
                .values()
                .map(|track| (track.end_ns, track.id))
                .collect(),
            tracks,
            persons,
            person_of,
            transit: outline.transit,
            waiting,
            learned: outline.learned,
            newest_ns: outline.newest_ns,
            now_ns: outline.now_ns,
            swept_ns: outline.swept_ns,
            revision: outline.revision,
            counts: outline.counts,
            words: outline.words,
            belated: outline.belated,
        };
        Ok((Associator::restored(options, state)?, first, missing))
    }
}

impl Associator {
    /// Goes on with higher revisions than this one.
    pub(crate) fn go_on_after(&mut self, revision: u64) {
        self.state.revision = self.state.revision.max(revision);
    }

    /// What differs from what readers know, as decisions.
    pub(crate) fn differing(
        &mut self,
        known: &BTreeMap<TrackId, PersonId>,
        decisions: &mut Vec<super::PersonEvent>,
    ) {
        self.changed = self
            .state
            .person_of
            .iter()
            .map(|(track, person)| (track, person, known.get(track)))
            .filter(|(_, person, known)| *known != Some(person))
            .map(|(track, _, known)| (*track, known.copied()))
            .collect();
        self.say(decisions);
    }

    /// The revision of the last decision.
    pub(crate) fn revision(&self) -> u64 {
        self.state.revision
    }

    /// Tracks of this site of which something is held here and that are to be forgotten.
    pub(crate) fn to_forget(&self, site: &str, forgotten: &ForgottenSet) -> BTreeSet<TrackId> {
        let state = &self.state;
        let known = state.person_of.keys().copied();
        let by_id = known.filter(|track| forgotten.has(*track));
        let tracks = state.tracks.values();
        let by_time = tracks
            .filter(|track| {
                forgotten.has_time([site, &track.camera], [track.start_ns, track.end_ns])
            })
            .map(|track| track.id);
        let waiting = state.waiting.sightings();
        let awaited = waiting
            .filter(|sighting| forgotten.refuses(sighting).is_some())
            .map(|sighting| sighting.track);
        let belated = state.belated.iter().copied();
        let belated = belated.filter(|track| forgotten.has(*track));
        let by_id = by_id.chain(belated);
        by_id.chain(by_time).chain(awaited).collect()
    }

    /// Forgets tracks; see [`Associator::to_forget`].
    pub(crate) fn forget_tracks(
        &mut self,
        tracks: &BTreeSet<TrackId>,
        decisions: &mut Vec<super::PersonEvent>,
    ) {
        self.forget(tracks, decisions);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{PersonEvent, Verdict};
    use super::*;
    use crate::event::Event;
    use crate::persons::tests::walks::{crowd, in_time};

    /// Goes on from the outline of `associator` and the part of the log before it.
    fn taken_over(
        associator: &Associator,
        first: &mut BTreeMap<TrackId, i64>,
        log: &[Event],
    ) -> (Associator, BTreeMap<TrackId, i64>) {
        let text = serde_json::to_vec(&associator.outline(first)).unwrap();
        let outline: Outline = serde_json::from_slice(&text).unwrap();
        let begin = outline.begins_at().unwrap_or(log.len() as i64);
        let mut refill = Refill::of(outline);
        for (offset, event) in (0..).zip(log).skip(begin as usize) {
            if let Event::Sighting(sighting) = event {
                refill.take(offset, sighting, associator.options.lateness_ns);
            }
        }
        let (again, first, missing) = refill.done(associator.options.clone()).unwrap();
        assert_eq!(missing, 0);
        (again, first)
    }

    fn note(first: &mut BTreeMap<TrackId, i64>, offset: usize, event: &Event) {
        if let Event::Sighting(sighting) = event {
            first.entry(sighting.track).or_insert(offset as i64);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn whoever_takes_over_decides_the_same_whenever_it_does(
            seed in 1_u64..1000, people in 2_u32..14, moves in proptest::collection::vec(0.0_f64..1.0, 1..4),
            window_s in prop_oneof![Just(30_i64), Just(7200)],
        ) {
            let log = in_time(&crowd(seed, people));
            let options = AssociationOptions {
                window_ns: window_s * 1_000_000_000,
                ..AssociationOptions::default()
            };
            let moves: BTreeSet<usize> = moves.iter().map(|at| (at * log.len() as f64) as usize).collect();
            let (mut alone, mut moved) = (Associator::new(options.clone()).unwrap(), Associator::new(options).unwrap());
            let (mut said, mut said_moved): (Vec<PersonEvent>, Vec<PersonEvent>) = Default::default();
            let mut first = BTreeMap::new();
            for (offset, event) in log.iter().enumerate() {
                if moves.contains(&offset) {
                    (moved, first) = taken_over(&moved, &mut first, &log[..offset]);
                    prop_assert_eq!(&moved.state, &alone.state);
                }
                note(&mut first, offset, event);
                alone.take(event, &mut said);
                moved.take(event, &mut said_moved);
                if offset == log.len() / 2 {
                    let tracks: Vec<TrackId> = alone.state.tracks.keys().copied().take(2).collect();
                    if let [a, b] = tracks[..] {
                        alone.say_word([a, b], Verdict::Same, &mut said);
                        moved.say_word([a, b], Verdict::Same, &mut said_moved);
                    }
                }
            }
            alone.finish(&mut said);
            moved.finish(&mut said_moved);
            prop_assert_eq!(said, said_moved);
        }
    }

    #[test]
    fn what_the_log_does_not_hold_any_more_keeps_its_person_and_is_compared_no_more() {
        let log = in_time(&crowd(3, 6));
        let mut associator = Associator::new(AssociationOptions::default()).unwrap();
        let mut said = Vec::new();
        let mut first = BTreeMap::new();
        for (offset, event) in log.iter().enumerate() {
            note(&mut first, offset, event);
            associator.take(event, &mut said);
        }
        let mut refill = Refill::of(associator.outline(&mut first));
        let half = log.len() / 2;
        for (offset, event) in log.iter().enumerate().skip(half) {
            if let Event::Sighting(sighting) = event {
                refill.take(offset as i64, sighting, associator.options.lateness_ns);
            }
        }
        let (mut again, _, missing) = refill.done(associator.options.clone()).unwrap();
        assert!(missing > 0);
        for track in again.state.tracks.keys() {
            assert_eq!(again.person_of(*track), associator.person_of(*track));
        }
        // Readers know the same, so nothing is said again; what they know otherwise is.
        let mut known = again.state.person_of.clone();
        let mut more = Vec::new();
        again.differing(&known, &mut more);
        assert_eq!(more, []);
        let (track, person) = known.pop_first().unwrap();
        again.go_on_after(1_000);
        again.differing(&known, &mut more);
        let [PersonEvent::PersonAssigned(told)] = &more[..] else {
            panic!("{more:?}");
        };
        assert_eq!(
            (told.track, told.person, told.revision),
            (track, person, 1_001)
        );
    }
}
