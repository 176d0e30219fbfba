//! A change of models while people search: other models make another generation of the index from the stored pictures.
//!
//! The old generation is searched and written to as before. Beside it the new one grows, track by track; what changes
//! meanwhile is noted and done again, what is deleted is deleted in both. What is there already is the progress: a
//! migration that was killed looks at both generations and goes on with what is missing. When nothing is left, the new
//! one takes the place of the old in one step ([`Store::switch`]).

mod embed;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

pub use embed::Embed;
pub(super) use embed::{LEAST_QUALITY, PICTURES_AT_ONCE, checked};

use super::Store;
use super::generation::{Generation, Note};
use super::options::{StoreOptions, VectorSpec, sorted};
use crate::{Error, Result, TrackId};

/// Tracks that are done at once; a kill costs no more than their pictures' time.
const TRACKS_AT_ONCE: usize = 8;

/// How long a pause lasts before somebody is asked whether to go on.
const SHORT: Duration = Duration::from_millis(20);

/// How a migration stands, or what one would be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Migration {
    /// The kinds of vectors that are searched, each with its model.
    pub from: Vec<VectorSpec>,
    /// The kinds of vectors that are made.
    pub to: Vec<VectorSpec>,
    /// Sightings that are in the new generation.
    pub done: u64,
    /// Sightings that are not yet.
    pub left: u64,
    /// Their tracks, and those whose state changed meanwhile.
    pub tracks_left: u64,
    /// Sightings with a vector whose picture went by the bounds, or never came. They keep their time and place, and get
    /// no new vector.
    pub without_picture: u64,
    /// Sightings whose picture could not be read, since the store was opened. As those without.
    pub unreadable: u64,
    /// Pictures embedded a second, over the time since it was begun or gone on with.
    pub per_second: f64,
}

/// The generation that is made, and what is left to do.
#[derive(Debug)]
pub(super) struct Next {
    pub(super) generation: Generation,
    pub(super) note: Note,
    work: Mutex<Work>,
}

#[derive(Debug, Default)]
struct Work {
    /// Both generations were looked at, so that `todo` is everything.
    is_scanned: bool,
    /// Tracks with the number of their sightings that are to be embedded.
    todo: BTreeMap<TrackId, u64>,
    done: u64,
    without_picture: u64,
    unreadable: u64,
    embedded: u64,
    seconds: f64,
}

impl Next {
    pub(super) fn new(generation: Generation, note: Note) -> Self {
        Self {
            generation,
            note,
            work: Mutex::default(),
        }
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that tracks changed in the generation that is searched.
    pub(super) fn note_changed(&self, tracks: impl IntoIterator<Item = (TrackId, u64)>) {
        let mut work = self.work();
        for (track, sightings) in tracks {
            *work.todo.entry(track).or_default() += sightings;
        }
    }

    fn take(&self, most: usize) -> BTreeMap<TrackId, u64> {
        let mut work = self.work();
        let mut taken = BTreeMap::new();
        while taken.len() < most
            && let Some((track, sightings)) = work.todo.pop_first()
        {
            taken.insert(track, sightings);
        }
        taken
    }

    pub(super) fn flush(&self) -> Result<()> {
        self.generation.exemplars.flush()?;
        self.generation.tracklets.flush()
    }
}

impl Store {
    /// What a move to other models would be; nothing is changed.
    ///
    /// # Errors
    ///
    /// [`Error::Query`] when the store is by these models already, or moves to others; when the engine refuses.
    pub fn migration_plan(&self, to: &[VectorSpec]) -> Result<Migration> {
        self.check_target(to)?;
        let next = self.next();
        let generation = next.as_ref().map(|next| &next.generation);
        let mut work = Work::default();
        self.look_for_work(to, generation, &mut work)?;
        Ok(self.status_of(to, &work))
    }

    /// Begins to move to other models, or goes on where it was. From now on whatever is deleted is deleted in both
    /// generations. [`Store::migrate`] does the work.
    ///
    /// # Errors
    ///
    /// As [`Store::migration_plan`]; when several sites share the collections, or another process moves them already; when
    /// the disk or the engine refuses.
    pub fn begin_migration(&self, to: &[VectorSpec]) -> Result<()> {
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.check_target(to)?;
        let shared = self.options.server.as_ref();
        if shared.is_some_and(|server| server.site.is_some()) {
            return Err(Error::Query {
                what: "several sites share the collections, and one of them cannot move them to other models: back up, and restore into collections of the site's own".to_owned(),
            });
        }
        if self.next().is_some() {
            return Ok(());
        }
        let note = Note::new(self.place.current()?, to);
        self.place.claim(&note)?;
        self.place.write_note(&note)?;
        let generation = self.place.open_next(&note)?;
        let mut next = self.next.write().unwrap_or_else(PoisonError::into_inner);
        *next = Some(Arc::new(Next::new(generation, note)));
        Ok(())
    }

    /// Embeds what is left, with at most so many pictures a second, until nothing is left or `go_on` says no. Searches
    /// and writing go on meanwhile. Says how it stands then.
    ///
    /// # Errors
    ///
    /// [`Error::Query`] without a migration; when a model fails, or the disk or the engine refuses. What was done is
    /// done.
    pub fn migrate(
        &self,
        embed: &mut dyn Embed,
        most_per_second: Option<NonZeroU32>,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Migration> {
        let next = self.next_or_refuse()?;
        if !next.work().is_scanned {
            self.take_out_strays(&next)?;
            let mut found = Work::default();
            self.look_for_work(&next.note.vectors, Some(&next.generation), &mut found)?;
            let mut work = next.work();
            // What changed while it was looked at is noted already.
            for (track, sightings) in found.todo {
                work.todo.entry(track).or_insert(sightings);
            }
            (work.done, work.without_picture) = (found.done, found.without_picture);
            work.is_scanned = true;
        }
        while go_on() {
            let begin = Instant::now();
            let tracks = next.take(TRACKS_AT_ONCE);
            if tracks.is_empty() {
                break;
            }
            // What is not durable is not there after a kill.
            let pictures = match self
                .migrate_tracks(&next, &tracks, embed)
                .and_then(|pictures| next.flush().map(|()| pictures))
            {
                Ok(pictures) => pictures,
                Err(error) => {
                    next.note_changed(tracks);
                    return Err(error);
                }
            };
            if let Some(most) = most_per_second {
                let due = Duration::from_secs_f64(pictures as f64 / f64::from(most.get()));
                while go_on() && begin.elapsed() < due {
                    std::thread::sleep(SHORT.min(due.saturating_sub(begin.elapsed())));
                }
            }
            let mut work = next.work();
            work.embedded += pictures;
            work.seconds += begin.elapsed().as_secs_f64();
        }
        let work = next.work();
        Ok(self.status_of(&next.note.vectors, &work))
    }

    /// How the migration stands, as far as it has been looked at; none when there is none.
    pub fn migration(&self) -> Option<Migration> {
        let next = self.next()?;
        let work = next.work();
        Some(self.status_of(&next.note.vectors, &work))
    }

    /// Embeds the little that may be left, and lets the new generation take the place of the old, which goes. Gives
    /// the store by its new models. A kill at any moment leaves the one or the other, and the next opening by the
    /// right models ends what is left to do.
    ///
    /// # Errors
    ///
    /// As [`Store::migrate`]; the old generation is searched then.
    pub fn switch(self, embed: &mut dyn Embed) -> Result<Self> {
        // What waits for association has the old model's vectors.
        self.settle_persons()?;
        if self.is_shared() {
            // Others write to the same collections, and nobody noted what.
            self.next_or_refuse()?.work().is_scanned = false;
        }
        self.migrate(embed, None, &|| true)?;
        let next = self.next_or_refuse()?;
        let note = next.note.clone();
        {
            let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            let left = next.work().todo.len();
            if left > 0 {
                return Err(Error::Query {
                    what: format!("{left} tracks changed while the store was to move; ask again"),
                });
            }
            self.flush_held()?;
            self.place.switch(&note)?;
        }
        let options = StoreOptions {
            vectors: note.vectors,
            ..self.options.clone()
        };
        let dir = self.dir.clone();
        drop((next, self));
        Self::open(dir, &options)
    }

    /// Gives a migration up: what was made goes.
    ///
    /// # Errors
    ///
    /// [`Error::Query`] without one; when the disk or the server refuses, and then the next opening does the rest.
    pub fn abandon_migration(self) -> Result<()> {
        let next = self.next_or_refuse()?;
        let mut note = next.note.clone();
        note.is_abandoned = true;
        self.place.write_note(&note)?;
        let to_close = self
            .next
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop((next, to_close));
        self.place.delete(note.to)?;
        self.place.strike_note()
    }

    /// What is left to do after the new generation took its place: persons are told of the new looks, the old
    /// generation goes.
    pub(super) fn finish_switch(&self, note: &Note) -> Result<()> {
        self.relook_persons()?;
        self.flush()?;
        self.place.delete(note.from)?;
        self.place.strike_note()?;
        tracing::info!(generation = note.to, "the store moved to other models");
        Ok(())
    }

    pub(super) fn next(&self) -> Option<Arc<Next>> {
        let next = self.next.read().unwrap_or_else(PoisonError::into_inner);
        next.clone()
    }

    fn next_or_refuse(&self) -> Result<Arc<Next>> {
        self.next().ok_or_else(|| Error::Query {
            what: "the store does not move to other models".to_owned(),
        })
    }

    fn check_target(&self, to: &[VectorSpec]) -> Result<()> {
        StoreOptions::new(to.to_vec()).check()?;
        if sorted(to) == sorted(&self.options.vectors) {
            return Err(Error::Query {
                what: "the store is by these models already".to_owned(),
            });
        }
        match self.next() {
            Some(next) if sorted(&next.note.vectors) != sorted(to) => {
                let models = next.note.vectors.iter().map(|spec| spec.model.as_str());
                let models: Vec<_> = models.collect();
                Err(Error::Query {
                    what: format!(
                        "the store moves to {} already; go on with these, or give it up first",
                        models.join(" and ")
                    ),
                })
            }
            _ => Ok(()),
        }
    }

    fn status_of(&self, to: &[VectorSpec], work: &Work) -> Migration {
        Migration {
            from: self.options.vectors.clone(),
            to: to.to_vec(),
            done: work.done,
            left: work.todo.values().sum(),
            tracks_left: work.todo.len() as u64,
            without_picture: work.without_picture,
            unreadable: work.unreadable,
            per_second: if work.seconds > 0.0 {
                work.embedded as f64 / work.seconds
            } else {
                0.0
            },
        }
    }
}
