//! What is known of persons by those who do not join tracks themselves: they follow the decisions of those who do.
//!
//! Decisions may come in any order and any number of times: of two about a track the one of the higher revision holds.
//! Nothing of it is kept on disk but people's words; whoever starts reads what the log holds from its beginning.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::book::{PersonRecord, PersonTrack, strike};
use super::event::Join;
use super::renamed::Renamed;
use super::transit::WalkingTime;
use super::wire::{PersonBody, PersonMessage};
use super::word::{self, Feedback, MOST_WORDS, Verdict};
use crate::{Error, PersonId, Result, TrackId};

const WHAT: &str = "write the record of persons";

/// Tracks that are known at most; beyond it those that were decided first are let go of. The store keeps whose they are.
const MOST_TRACKS: usize = 500_000;

/// What was followed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct FollowCounts {
    /// Decisions that were new.
    pub taken: u64,
    /// Decisions that were known, or older than what was.
    pub stale: u64,
    /// Tracks whose person is known and that are not in the store yet.
    pub waiting: u64,
    /// Tracks that were let go of, since there were too many.
    pub dropped: u64,
}

#[derive(Debug, Clone, PartialEq)]
struct Held {
    person: PersonId,
    revision: u64,
    at_ns: i64,
    join: Option<Join>,
    /// Place in the list of sites.
    site: usize,
}

/// The persons that others told of.
#[derive(Debug)]
pub(crate) struct Followed {
    dir: PathBuf,
    sites: Vec<String>,
    tracks: BTreeMap<TrackId, Held>,
    of_person: BTreeMap<PersonId, BTreeSet<TrackId>>,
    by_time: BTreeSet<(i64, TrackId)>,
    renamed: Renamed,
    ways: BTreeMap<String, Vec<WalkingTime>>,
    said: HashSet<([TrackId; 2], Verdict, i64)>,
    /// Known here and not in the store.
    waiting: BTreeSet<TrackId>,
    counts: FollowCounts,
    most_tracks: usize,
}

impl Followed {
    /// Begins in the folder of the store's persons.
    ///
    /// # Errors
    ///
    /// When the disk refuses, or what people said cannot be read.
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        fs_err::create_dir_all(dir).map_err(Error::io(WHAT))?;
        let said = word::read(&feedback_file(dir), 0, MOST_WORDS)?;
        Ok(Self {
            dir: dir.to_path_buf(),
            sites: Vec::new(),
            tracks: BTreeMap::new(),
            of_person: BTreeMap::new(),
            by_time: BTreeSet::new(),
            renamed: Renamed::default(),
            ways: BTreeMap::new(),
            said: said.iter().map(mark).collect(),
            waiting: BTreeSet::new(),
            counts: FollowCounts::default(),
            most_tracks: MOST_TRACKS,
        })
    }

    /// Takes in what was told; a track whose person is another one now.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub(crate) fn take(&mut self, message: PersonMessage) -> Result<Option<TrackId>> {
        let PersonMessage { site, body } = message;
        match body {
            PersonBody::Assigned(assigned) => {
                let track = assigned.track;
                let known = self.tracks.get(&track);
                if known.is_some_and(|known| known.revision >= assigned.revision) {
                    self.counts.stale += 1;
                    return Ok(None);
                }
                self.counts.taken += 1;
                self.let_go(track);
                let held = Held {
                    person: assigned.person,
                    revision: assigned.revision,
                    at_ns: assigned.at_ns,
                    join: assigned.join,
                    site: self.site(site),
                };
                self.by_time.insert((held.at_ns, track));
                let of_person = self.of_person.entry(held.person).or_default();
                of_person.insert(track);
                self.tracks.insert(track, held);
                self.bound();
                Ok(Some(track))
            }
            PersonBody::Rename {
                from, to, revision, ..
            } => {
                if self.renamed.insert(from, revision, to) {
                    self.counts.taken += 1;
                } else {
                    self.counts.stale += 1;
                }
                Ok(None)
            }
            PersonBody::Said(said) => self.note(&said).map(|()| None),
            PersonBody::Ways(ways) => {
                self.ways.insert(site, ways);
                Ok(None)
            }
            PersonBody::Outline(_) => Ok(None),
        }
    }

    fn site(&mut self, site: String) -> usize {
        let known = self.sites.iter().position(|known| *known == site);
        known.unwrap_or_else(|| {
            self.sites.push(site);
            self.sites.len() - 1
        })
    }

    fn bound(&mut self) {
        while self.tracks.len() > self.most_tracks
            && let Some((_, oldest)) = self.by_time.first().copied()
        {
            self.let_go(oldest);
            self.waiting.remove(&oldest);
            self.counts.dropped += 1;
        }
    }

    fn let_go(&mut self, track: TrackId) {
        let Some(held) = self.tracks.remove(&track) else {
            return;
        };
        self.by_time.remove(&(held.at_ns, track));
        if let Some(tracks) = self.of_person.get_mut(&held.person) {
            tracks.remove(&track);
            if tracks.is_empty() {
                self.of_person.remove(&held.person);
            }
        }
    }

    fn note(&mut self, said: &Feedback) -> Result<()> {
        if self.said.len() >= MOST_WORDS || self.said.contains(&mark(said)) {
            self.counts.stale += 1;
            return Ok(());
        }
        word::append(&feedback_file(&self.dir), std::slice::from_ref(said))?;
        self.said.insert(mark(said));
        self.counts.taken += 1;
        Ok(())
    }

    /// Says which of these tracks, whose persons are known, the store has not.
    pub(crate) fn note_missing(&mut self, missing: impl IntoIterator<Item = TrackId>) {
        self.waiting.extend(missing);
    }

    /// A track of which the store has something; whose it is.
    pub(crate) fn arrived(&mut self, track: TrackId) -> Option<PersonId> {
        self.waiting.remove(&track);
        self.person_of(track)
    }

    pub(crate) fn person_of(&self, track: TrackId) -> Option<PersonId> {
        self.tracks.get(&track).map(|held| held.person)
    }

    pub(crate) fn join_of(&self, track: TrackId) -> Option<Join> {
        self.tracks.get(&track)?.join
    }

    /// The site that a track is of.
    pub(crate) fn site_of(&self, track: TrackId) -> Option<&str> {
        let held = self.tracks.get(&track)?;
        self.sites.get(held.site).map(String::as_str)
    }

    /// A person with the reasons of its joins; an id that was renamed leads to the one that holds.
    pub(crate) fn person(&self, id: PersonId) -> Option<PersonRecord> {
        let person = self.current(id);
        let tracks = self.of_person.get(&person)?.iter();
        let mut tracks: Vec<_> = tracks
            .filter_map(|track| Some((self.tracks.get(track)?, *track)))
            .collect();
        tracks.sort_by_key(|(held, track)| (held.at_ns, *track));
        let tracks = tracks.into_iter().map(|(held, track)| PersonTrack {
            track,
            join: held.join,
        });
        Some(PersonRecord {
            person,
            tracks: tracks.collect(),
        })
    }

    /// The id that holds for a person whose id may have been renamed.
    pub(crate) fn current(&self, id: PersonId) -> PersonId {
        let is_held = |person| self.of_person.contains_key(&person);
        self.renamed.current(id, is_held)
    }

    /// What was learned of the ways between cameras, of all sites.
    pub(crate) fn walking_times(&self) -> Vec<WalkingTime> {
        self.ways.values().flatten().cloned().collect()
    }

    /// What was said, from the `after`th pair (from 0) on, at most so many.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub(crate) fn feedback(&self, after: usize, most: usize) -> Result<Vec<Feedback>> {
        word::read(&feedback_file(&self.dir), after, most)
    }

    /// Lets go of tracks as if they had never been. Says how many were known.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub(crate) fn forget(&mut self, tracks: &BTreeSet<TrackId>) -> Result<u64> {
        let mut known = 0;
        for track in tracks {
            known += u64::from(self.tracks.contains_key(track));
            self.let_go(*track);
            self.waiting.remove(track);
        }
        let gone: BTreeSet<PersonId> = tracks.iter().copied().map(PersonId::derive).collect();
        self.renamed.forget(&gone);
        self.said
            .retain(|(pair, ..)| pair.iter().all(|track| !tracks.contains(track)));
        strike(&feedback_file(&self.dir), tracks)?;
        Ok(known)
    }

    pub(crate) fn counts(&self) -> FollowCounts {
        FollowCounts {
            waiting: self.waiting.len() as u64,
            ..self.counts
        }
    }
}

fn feedback_file(dir: &Path) -> PathBuf {
    dir.join("feedback.jsonl")
}

fn mark(said: &Feedback) -> ([TrackId; 2], Verdict, i64) {
    (said.tracks, said.verdict, said.at_ns)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::wire::tests::any_message;
    use super::*;

    type Known = (
        BTreeMap<TrackId, (PersonId, u64)>,
        Renamed,
        BTreeSet<[TrackId; 2]>,
    );

    fn known(followed: &Followed) -> Known {
        let tracks = followed.tracks.iter();
        (
            tracks
                .map(|(track, held)| (*track, (held.person, held.revision)))
                .collect(),
            followed.renamed.clone(),
            followed.said.iter().map(|(pair, ..)| *pair).collect(),
        )
    }

    fn follow(messages: &[PersonMessage]) -> (tempfile::TempDir, Followed) {
        let dir = tempfile::tempdir().unwrap();
        let mut followed = Followed::open(dir.path()).unwrap();
        for message in messages {
            followed.take(message.clone()).unwrap();
        }
        (dir, followed)
    }

    /// One writer gives each revision once.
    fn of_one_writer(messages: Vec<PersonMessage>) -> Vec<PersonMessage> {
        (1..)
            .zip(messages)
            .map(|(number, mut message)| {
                match &mut message.body {
                    PersonBody::Assigned(assigned) => assigned.revision = number,
                    PersonBody::Rename { revision, .. } => *revision = number,
                    _ => {}
                }
                message
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn in_whatever_order_and_however_often_decisions_come_the_same_is_known(
            messages in proptest::collection::vec(any_message(), 1..60).prop_map(of_one_writer),
            order in proptest::collection::vec(any::<prop::sample::Index>(), 0..60), seed in any::<u64>()
        ) {
            let (_dir, once) = follow(&messages);
            let mut again = messages.clone();
            again.extend(order.iter().map(|at| messages[at.index(messages.len())].clone()));
            let mut state = seed | 1;
            again.sort_by_cached_key(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                state >> 32
            });
            let (dir, shuffled) = follow(&again);
            prop_assert_eq!(known(&shuffled), known(&once));
            for (person, tracks) in &shuffled.of_person {
                let record = shuffled.person(*person).unwrap();
                prop_assert_eq!(record.tracks.len(), tracks.len());
                prop_assert!(tracks.iter().all(|track| shuffled.person_of(*track) == Some(*person)));
            }
            // What people said outlives the process, and is there once.
            let mut restarted = Followed::open(dir.path()).unwrap();
            let said = restarted.feedback(0, 1000).unwrap().len();
            for message in &messages {
                restarted.take(message.clone()).unwrap();
            }
            prop_assert_eq!(restarted.feedback(0, 1000).unwrap().len(), said);
            prop_assert_eq!(known(&restarted), known(&once));
        }

        #[test]
        fn what_is_forgotten_is_nowhere_and_what_is_too_much_goes_by_age(
            messages in proptest::collection::vec(any_message(), 1..60).prop_map(of_one_writer)
        ) {
            let (dir, mut followed) = follow(&messages);
            let all: BTreeSet<TrackId> = followed.tracks.keys().copied().collect();
            let some: BTreeSet<TrackId> = all.iter().copied().step_by(2).collect();
            prop_assert_eq!(followed.forget(&some).unwrap(), some.len() as u64);
            prop_assert!(some.iter().all(|track| followed.person_of(*track).is_none()));
            let text = fs_err::read_to_string(dir.path().join("feedback.jsonl")).unwrap_or_default();
            prop_assert!(some.iter().all(|track| !text.contains(&track.to_string())));
            followed.most_tracks = 3;
            followed.bound();
            prop_assert!(followed.tracks.len() <= 3);
            prop_assert_eq!(followed.tracks.len(), followed.by_time.len());
            prop_assert_eq!(followed.of_person.values().map(BTreeSet::len).sum::<usize>(), followed.tracks.len());
        }
    }
}
