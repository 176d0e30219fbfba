//! A change of models while people search: other models make another generation of the index from the stored pictures.
//!
//! The old generation is searched and written to as before. Beside it the new one grows, track by track; what changes
//! meanwhile is noted and done again, what is deleted is deleted in both. What is there already is the progress: a
//! migration that was killed looks at both generations and goes on with what is missing. When nothing is left, the new
//! one takes the place of the old in one step ([`Store::switch`]).

mod embed;
#[cfg(test)]
mod search_tests;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::atomic::Ordering;
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

/// Takes the step that it is given, at a moment that suits; see [`Store::switch_when`].
pub type When<'w> = &'w mut dyn FnMut(&mut dyn FnMut() -> Result<()>) -> Result<()>;

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
    pub(super) generation: Arc<Generation>,
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
    pub(super) fn new(generation: Arc<Generation>, note: Note) -> Self {
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

    /// Does the next few tracks; what fails is to be done again. None when nothing is left.
    fn do_some<T>(&self, step: impl FnOnce(&[TrackId]) -> Result<T>) -> Result<Option<T>> {
        let mut work = self.work();
        let mut taken = Vec::with_capacity(TRACKS_AT_ONCE);
        while taken.len() < TRACKS_AT_ONCE
            && let Some(track) = work.todo.pop_first()
        {
            taken.push(track);
        }
        drop(work);
        if taken.is_empty() {
            return Ok(None);
        }
        let ids: Vec<TrackId> = taken.iter().map(|(track, _)| *track).collect();
        let done = step(&ids);
        if done.is_err() {
            self.note_changed(taken);
        }
        done.map(Some)
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
        let generation = next.as_ref().map(|next| next.generation.as_ref());
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
        let generation = Arc::new(self.place.open_next(&note)?);
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
            let done = next.do_some(|tracks| {
                let pictures = self.migrate_tracks(&next, tracks, embed)?;
                // What is not durable is not there after a kill.
                next.flush().map(|()| pictures)
            })?;
            let Some(pictures) = done else {
                break;
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

    /// Embeds the little that may be left, and lets the new generation take the place of the old, which goes. Writing waits
    /// for it; a search that is under way ends by the old models, and one that begins afterwards is by the new ones. A kill
    /// at any moment leaves the one or the other, and the next opening by the right models ends what is left to do.
    ///
    /// # Errors
    ///
    /// As [`Store::migrate`]; the old generation is searched then.
    pub fn switch(&self, embed: &mut dyn Embed) -> Result<()> {
        self.switch_when(embed, &mut |step| step())
    }

    /// As [`Store::switch`]. `when` is given the one step after which searches are by the new models, and takes it when it suits
    /// those who ask; it is short.
    ///
    /// # Errors
    ///
    /// As [`Store::switch`], and that of `when`.
    pub fn switch_when(&self, embed: &mut dyn Embed, when: When<'_>) -> Result<()> {
        self.settle_persons()?;
        if self.is_shared() {
            // Others write to the same collections, and nobody noted what.
            self.next_or_refuse()?.work().is_scanned = false;
        }
        // Nearly all of it while others write on.
        self.migrate(embed, None, &|| true)?;
        let old = self.exchange(embed, when)?;
        if !is_free(&old) {
            tracing::warn!("somebody reads the old index still; it is deleted at the next start");
            return Ok(());
        }
        drop(old);
        let is_done = !self.must_relook.load(Ordering::Relaxed);
        if let Err(error) = self.flush().and_then(|()| self.clear_away(is_done)) {
            tracing::warn!(%error, "the old index is deleted at the next start");
        }
        Ok(())
    }

    /// Puts the new generation in the place of the old one, while nobody writes. Gives the old one.
    fn exchange(&self, embed: &mut dyn Embed, when: When<'_>) -> Result<Arc<Generation>> {
        let _models = self.models.write().unwrap_or_else(PoisonError::into_inner);
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let next = self.next_or_refuse()?;
        // What waits for association has the old models' vectors.
        self.settle_persons_held()?;
        let mut put = |tracks: &[TrackId]| {
            let made = self.made_of(&next, tracks, embed)?;
            self.put_made(&next, tracks, made)
        };
        while next.do_some(&mut put)?.is_some() {}
        self.flush_held()?;
        let mut old = None;
        when(&mut || {
            old = Some(self.take_place(&next)?);
            Ok(())
        })?;
        let old = old.ok_or_else(|| Error::Query {
            what: "the step to the new models was not taken".to_owned(),
        })?;
        *self.next.write().unwrap_or_else(PoisonError::into_inner) = None;
        self.must_relook.store(true, Ordering::Relaxed);
        tracing::info!(generation = next.note.to, "the store moved to other models");
        if let Err(error) = self.relook_if_due() {
            tracing::warn!(%error, "association takes nothing in until it knows what its tracks look like by the new models");
        }
        Ok(old)
    }

    /// From here on the new generation is searched. Gives the old one.
    fn take_place(&self, next: &Next) -> Result<Arc<Generation>> {
        let old = self.put_in_place(Arc::clone(&next.generation));
        // A server is asked by an alias: whoever asks by the old models has to be done before it leads elsewhere. Questions
        // wait meanwhile, so an index in a folder, whose files stay, is waited for afterwards.
        if self.is_shared() && !is_free(&old) {
            tracing::warn!(
                "somebody reads the old index for long, and the store moves nevertheless"
            );
        }
        if let Err(error) = self.place.switch(&next.note) {
            self.put_in_place(old);
            return Err(error);
        }
        Ok(old)
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

    fn put_in_place(&self, generation: Arc<Generation>) -> Arc<Generation> {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *index, generation)
    }

    /// The old generation, which nobody has open any more, goes; with `is_done` nothing else is left to do.
    pub(super) fn clear_away(&self, is_done: bool) -> Result<()> {
        if let Some(note) = self.place.note()? {
            self.place.delete(note.from)?;
        }
        if is_done {
            self.place.strike_note()?;
        }
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
        let index = self.index();
        StoreOptions::new(to.to_vec()).check()?;
        if sorted(to) == sorted(&index.vectors) {
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
        let index = self.index();
        Migration {
            from: index.vectors.clone(),
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

/// Waits until nobody else reads a generation; false when that takes long.
fn is_free(generation: &Arc<Generation>) -> bool {
    const LONG: Duration = Duration::from_secs(30);
    let begin = Instant::now();
    while Arc::strong_count(generation) > 1 {
        if begin.elapsed() >= LONG {
            return false;
        }
        std::thread::sleep(SHORT);
    }
    true
}
