//! Persons in the store: sightings go through association, and its decisions into the tracklets' payloads.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Map;
use uuid::Uuid;

use super::Store;
use super::engine::{Condition, Engine, Where};
use super::points::{TrackletPayload, exemplar_id, from_payload};
use crate::event::Event;
use crate::persons::{
    APPEARANCE, AssociationCounts, Feedback, Join, Looks, PersonBook, PersonEvent, Verdict,
    WalkingTime,
};
use crate::{Error, PersonId, PersonRecord, Result, SightingId, TrackId};

impl Store {
    /// Takes events through association, and writes whose each track is. Says how many sightings were left out, since they
    /// are ahead of the clock.
    pub(super) fn associate<'e>(&self, events: impl Iterator<Item = &'e Event>) -> Result<u64> {
        self.relook_if_due()?;
        let Some(mut book) = self.book_of_persons() else {
            return self.write_persons_of(events).map(|()| 0);
        };
        let mut ahead = 0;
        let mut decisions = Vec::new();
        let mut repeated: BTreeMap<TrackId, PersonId> = BTreeMap::new();
        for event in events {
            let known = match event {
                Event::Sighting(sighting) => book.person_of(sighting.track),
                Event::Coverage(_) | Event::Forgotten(_) => None,
            };
            let is_taken = book.take(event, &mut decisions)?;
            ahead += u64::from(!is_taken && matches!(event, Event::Sighting(_)));
            // A tracklet that was lost with its last flush is here again, and nothing new is decided of it.
            if let (Event::Sighting(sighting), Some(person)) = (event, known) {
                repeated.insert(sighting.track, person);
            }
        }
        let mut writes = repeated;
        writes.extend(latest(&decisions));
        // What is decided now is newer than what was known before the batch.
        for (track, person) in &mut writes {
            *person = book.person_of(*track).unwrap_or(*person);
        }
        drop(book);
        self.write_persons(writes)?;
        Ok(ahead)
    }

    /// Takes in what association still holds back, and settles every person: no sighting will come for now.
    /// Makes it durable.
    ///
    /// # Errors
    ///
    /// When the disk or the engine refuses.
    pub fn settle_persons(&self) -> Result<()> {
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.settle_persons_held()
    }

    /// As [`Store::settle_persons`]. The caller holds the writer's lock.
    pub(super) fn settle_persons_held(&self) -> Result<()> {
        let Some(mut book) = self.book_of_persons() else {
            return Ok(());
        };
        let mut decisions = Vec::new();
        book.finish(&mut decisions)?;
        drop(book);
        self.write_persons(latest(&decisions))?;
        self.index().tracklets.flush()
    }

    /// Takes somebody's word on pairs of tracks: they are one person, or they are not. It stands from now on. Says of how
    /// many; of none where association is off, and not of those of which one track is not compared any more.
    ///
    /// # Errors
    ///
    /// When the disk or the engine refuses.
    pub fn say_words(&self, pairs: &[[TrackId; 2]], verdict: Verdict) -> Result<u64> {
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let index = self.index();
        let Some(mut book) = self.book_of_persons() else {
            if self.follows_persons() {
                return Err(Error::Query {
                    what: "others join the tracks of this store into persons; a word on two tracks goes to the process that indexes, by its socket"
                        .to_owned(),
                });
            }
            return Ok(0);
        };
        let mut decisions = Vec::new();
        let taken = book.say_words(pairs, verdict, &mut decisions)?;
        drop(book);
        self.write_persons(latest(&decisions))?;
        index.tracklets.flush()?;
        Ok(taken)
    }

    /// A person with its tracks and the reasons of their joins; an id that was renamed leads to the one that
    /// holds. None when there is none, or association is off.
    pub fn person(&self, id: PersonId) -> Option<PersonRecord> {
        if let Some(followed) = self.followed() {
            return followed.person(id);
        }
        self.book_of_persons()?.person(id)
    }

    /// The id that holds for a person whose id may have been renamed, also where none of its tracks is compared any
    /// more.
    pub fn current_person(&self, id: PersonId) -> PersonId {
        if let Some(followed) = self.followed() {
            return followed.current(id);
        }
        self.book_of_persons().map_or(id, |book| book.current(id))
    }

    /// Whose a track is, as of now; none where association is off.
    pub fn person_of(&self, track: TrackId) -> Option<PersonId> {
        if let Some(followed) = self.followed() {
            return followed.person_of(track);
        }
        self.book_of_persons()?.person_of(track)
    }

    /// Why a track belongs to its person, as of now; none for the person's first track.
    pub fn join_of(&self, track: TrackId) -> Option<Join> {
        if let Some(followed) = self.followed() {
            return followed.join_of(track);
        }
        self.book_of_persons()?.join_of(track)
    }

    /// What association counted; none where it is off.
    pub fn association(&self) -> Option<AssociationCounts> {
        Some(self.book_of_persons()?.counts())
    }

    /// What association learned of the ways between cameras.
    pub fn walking_times(&self) -> Vec<WalkingTime> {
        if let Some(followed) = self.followed() {
            return followed.walking_times();
        }
        self.book_of_persons()
            .map(|book| book.walking_times())
            .unwrap_or_default()
    }

    /// Takes tracks out of association. Says how many it knew.
    pub(super) fn remove_persons(&self, tracks: &BTreeSet<TrackId>) -> Result<u64> {
        let mut decisions = Vec::new();
        let Some(mut book) = self.book_of_persons() else {
            let known = match self.followed() {
                Some(mut followed) => followed.forget(tracks)?,
                None => 0,
            };
            // Association is off, and what it wrote when it was on lies there still.
            let dir = self.dir.join("persons");
            if !dir.join("log").exists() {
                return Ok(known);
            }
            let mut book = PersonBook::open(dir, crate::AssociationOptions::default())?;
            return Ok(known.max(book.forget(tracks, &mut decisions)?));
        };
        let known = book.forget(tracks, &mut decisions)?;
        drop(book);
        self.write_persons(latest(&decisions))?;
        Ok(known)
    }

    /// Tells association what its tracks look like by the models that the store moved to, before it is given anything by them.
    pub(super) fn relook_if_due(&self) -> Result<()> {
        if self.must_relook.load(Ordering::Relaxed) {
            self.relook_persons()?;
            self.must_relook.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    fn relook_persons(&self) -> Result<()> {
        let index = self.index();
        let looks = |tracks: &[TrackId], sightings: &[SightingId]| -> Result<Looks> {
            let points: Vec<_> = tracks.iter().map(TrackId::tracklet_point).collect();
            let mut of_tracks = looks_of(index.tracklets.as_ref(), &points)?;
            let points: Vec<_> = sightings.iter().copied().map(exemplar_id).collect();
            let mut of_sightings = looks_of(index.exemplars.as_ref(), &points)?;
            let tracks = tracks.iter().filter_map(|track| {
                let look = of_tracks.remove(&track.tracklet_point());
                look.map(|look| (*track, look))
            });
            let sightings = sightings.iter().filter_map(|sighting| {
                let look = of_sightings.remove(&exemplar_id(*sighting));
                look.map(|look| (*sighting, look))
            });
            Ok(Looks {
                tracks: tracks.collect(),
                sightings: sightings.collect(),
            })
        };
        let mut decisions = Vec::new();
        let Some(mut book) = self.book_of_persons() else {
            // Association is off, and may be switched on again.
            let dir = self.dir.join("persons");
            if !dir.join("log").exists() {
                return Ok(());
            }
            let mut book = PersonBook::open(dir, crate::AssociationOptions::default())?;
            return book.relook(&mut decisions, looks);
        };
        book.relook(&mut decisions, looks)?;
        drop(book);
        self.write_persons(latest(&decisions)).map(drop)
    }

    /// Every track that belongs to a person now; an id that was renamed leads to the one that holds.
    pub(super) fn tracks_of(&self, person: PersonId) -> Result<BTreeSet<TrackId>> {
        let index = self.index();
        let person = self.current_person(person);
        let record = self.person(person);
        let compared = record.into_iter().flat_map(|record| record.tracks);
        let mut tracks: BTreeSet<TrackId> = compared.map(|known| known.track).collect();
        let filter = Where::all_of(vec![Condition::is("person", &person)]);
        for found in index.tracklets.every(&filter)? {
            let payload: TrackletPayload = from_payload(found.payload)?;
            tracks.insert(payload.track);
        }
        Ok(tracks)
    }

    /// What people said of pairs of tracks, from the `after`th (from 0) on, at most so many, each with the names of
    /// the two tracks' best crops where they have them. Nothing where association is off.
    ///
    /// # Errors
    ///
    /// When the disk or the engine refuses.
    pub fn feedback(
        &self,
        after: usize,
        most: usize,
    ) -> Result<Vec<(Feedback, [Option<String>; 2])>> {
        let said = match (self.book_of_persons(), self.followed()) {
            (Some(book), _) => book.feedback(after, most)?,
            (None, Some(followed)) => followed.feedback(after, most)?,
            (None, None) => return Ok(Vec::new()),
        };
        let tracks: BTreeSet<TrackId> = said.iter().flat_map(|pair| pair.tracks).collect();
        let points: Vec<Uuid> = tracks.iter().map(TrackId::tracklet_point).collect();
        let mut crops: HashMap<TrackId, String> = HashMap::with_capacity(points.len());
        for record in self.index().tracklets.retrieve(&points, false)? {
            let payload: TrackletPayload = from_payload(record.payload)?;
            crops.extend(payload.best.crop.map(|crop| (payload.track, crop)));
        }
        let said = said.into_iter();
        let with_crops = said.map(|pair| {
            let of_pair = pair.tracks.map(|track| crops.get(&track).cloned());
            (pair, of_pair)
        });
        Ok(with_crops.collect())
    }

    /// Writes again what was decided since the last snapshot: the engine may have lost it.
    pub(super) fn regain_persons(&self) -> Result<()> {
        let Some(mut book) = self.book_of_persons() else {
            return Ok(());
        };
        let decisions = book.take_regained();
        let writes: BTreeMap<TrackId, PersonId> = latest(&decisions)
            .into_keys()
            .filter_map(|track| Some((track, book.person_of(track)?)))
            .collect();
        drop(book);
        self.write_persons(writes).map(drop)
    }

    pub(super) fn flush_persons(&self) -> Result<()> {
        self.book_of_persons()
            .map_or(Ok(()), |mut book| book.flush())
    }

    fn book_of_persons(&self) -> Option<MutexGuard<'_, PersonBook>> {
        let book = self.persons.as_ref()?;
        Some(book.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn persons_due(&self) -> MutexGuard<'_, BTreeMap<TrackId, PersonId>> {
        self.persons_due
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the person of tracklets that are there and have another. Says which are not there. What was decided is decided once:
    /// what cannot be written now is written with what comes next.
    pub(super) fn write_persons(
        &self,
        writes: BTreeMap<TrackId, PersonId>,
    ) -> Result<Vec<TrackId>> {
        let index = self.index();
        const AT_ONCE: usize = 256;
        let mut missing = Vec::new();
        let mut due = self.persons_due();
        due.extend(writes);
        while !due.is_empty() {
            let some = due.iter().take(AT_ONCE);
            let some: Vec<_> = some.map(|(track, person)| (*track, *person)).collect();
            let ids: Vec<_> = some
                .iter()
                .map(|(track, _)| track.tracklet_point())
                .collect();
            let mut held: BTreeMap<TrackId, Option<String>> = BTreeMap::new();
            for found in index.tracklets.retrieve(&ids, false)? {
                let payload: TrackletPayload = from_payload(found.payload)?;
                held.insert(payload.track, payload.person);
            }
            for (track, person) in some {
                let person = person.to_string();
                let is_there = held.get(&track);
                if is_there.is_some_and(|held| held.as_ref() != Some(&person)) {
                    let fields = Map::from_iter([("person".to_owned(), person.into())]);
                    index
                        .tracklets
                        .set_payload(track.tracklet_point(), fields)?;
                    if let Some(next) = self.next() {
                        next.note_changed([(track, 0)]);
                    }
                }
                if is_there.is_none() {
                    missing.push(track);
                }
                due.remove(&track);
            }
        }
        Ok(missing)
    }
}

/// The vectors that tell people apart, of these points.
fn looks_of(engine: &dyn Engine, points: &[Uuid]) -> Result<HashMap<Uuid, Vec<f32>>> {
    let mut looks = HashMap::with_capacity(points.len());
    for found in engine.retrieve(points, true)? {
        let mut vectors = found.vectors.into_iter();
        if let Some((_, values)) = vectors.find(|(name, _)| name == APPEARANCE) {
            looks.insert(found.id, values);
        }
    }
    Ok(looks)
}

fn latest(decisions: &[PersonEvent]) -> BTreeMap<TrackId, PersonId> {
    let assigned = decisions.iter().filter_map(|decision| match decision {
        PersonEvent::PersonAssigned(assigned) => Some((assigned.track, assigned.person)),
        PersonEvent::Rename { .. } => None,
    });
    assigned.collect()
}

/// Opens the record of persons, where persons are wanted.
pub(super) fn open(
    dir: &std::path::Path,
    options: Option<&crate::AssociationOptions>,
) -> Result<Option<Mutex<PersonBook>>, Error> {
    options
        .map(|options| PersonBook::open(dir.join("persons"), options.clone()).map(Mutex::new))
        .transpose()
}
