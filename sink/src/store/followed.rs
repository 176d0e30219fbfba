//! Persons in a store whose tracks others join: what they decide goes into the tracklets' payloads.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Store;
use crate::event::Event;
use crate::persons::wire::{PersonBody, PersonMessage};
use crate::persons::{FollowCounts, Followed, Verdict, Word};
use crate::{PersonId, Result, TrackId};

impl Store {
    /// Whether others join tracks into persons.
    pub(crate) fn follows_persons(&self) -> bool {
        self.followed.is_some()
    }

    /// Whether tracks are joined into persons here.
    pub(crate) fn associates(&self) -> bool {
        self.persons.is_some()
    }

    /// Takes in what others decided; it is due to be written then.
    pub(crate) fn hear_persons(&self, messages: Vec<PersonMessage>) -> Result<()> {
        let Some(mut followed) = self.followed() else {
            return Ok(());
        };
        let mut changed = BTreeMap::new();
        for message in messages {
            // It may have been told before its track was forgotten.
            let is_forgotten = match &message.body {
                PersonBody::Assigned(assigned) => self.forgotten.has(assigned.track),
                PersonBody::Said(said) => {
                    said.tracks.iter().any(|track| self.forgotten.has(*track))
                }
                PersonBody::Rename { .. } | PersonBody::Ways(_) | PersonBody::Outline(_) => false,
            };
            let taken = if is_forgotten {
                Ok(None)
            } else {
                followed.take(message)
            };
            // It is known from now on, so it is told as new no more.
            if let Ok(Some(track)) = taken
                && let Some(person) = followed.person_of(track)
            {
                changed.insert(track, person);
            }
            if let Err(error) = taken {
                self.persons_due().extend(changed);
                return Err(error);
            }
        }
        self.persons_due().extend(changed);
        Ok(())
    }

    /// Writes what is due; tracks that are not in the store yet wait until they come.
    pub(crate) fn write_followed(&self) -> Result<()> {
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.write_persons_noting(BTreeMap::new())
    }

    /// Writes whose the tracks of these sightings are. The caller holds the writer's lock.
    pub(super) fn write_persons_of<'e>(
        &self,
        events: impl Iterator<Item = &'e Event>,
    ) -> Result<()> {
        let Some(mut followed) = self.followed() else {
            return Ok(());
        };
        let mut writes = BTreeMap::new();
        for event in events {
            if let Event::Sighting(sighting) = event
                && let Some(person) = followed.arrived(sighting.track)
            {
                writes.insert(sighting.track, person);
            }
        }
        drop(followed);
        self.write_persons_noting(writes)
    }

    fn write_persons_noting(&self, writes: BTreeMap<TrackId, PersonId>) -> Result<()> {
        let missing = self.write_persons(writes)?;
        if let Some(mut followed) = self.followed() {
            followed.note_missing(missing);
        }
        Ok(())
    }

    /// What was followed; zeros where nothing is.
    pub(crate) fn followed_counts(&self) -> FollowCounts {
        self.followed()
            .map_or_else(FollowCounts::default, |followed| followed.counts())
    }

    /// Somebody's word for those who join tracks; none when a track is not known, or the two are of two sites.
    pub(crate) fn word_to_others(&self, tracks: [TrackId; 2], verdict: Verdict) -> Option<Word> {
        let followed = self.followed()?;
        let [one, other] = tracks;
        let site = followed.site_of(one)?;
        let is_good = one != other && followed.site_of(other) == Some(site);
        is_good.then(|| Word {
            site: site.to_owned(),
            tracks,
            verdict,
        })
    }

    pub(super) fn followed(&self) -> Option<MutexGuard<'_, Followed>> {
        let followed = self.followed.as_ref()?;
        Some(followed.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Begins to follow, where that is wanted.
pub(super) fn open(dir: &Path, is_wanted: bool) -> Result<Option<Mutex<Followed>>> {
    is_wanted
        .then(|| Followed::open(&dir.join("persons")).map(Mutex::new))
        .transpose()
}
