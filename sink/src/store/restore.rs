//! A backup into a store again, but for what is forgotten.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::PoisonError;

use serde::Serialize;

use super::backup::{Backup, copy, files_in, read_points};
use super::engine::{Engine, Point};
use super::forgotten::entries_of;
use super::generation::current_index;
use super::points::{ExemplarPayload, TrackletPayload, from_payload};
use super::remove::Pictures;
use super::{Store, StoreOptions};
use crate::event::{Forgotten, MAX_FORGOTTEN};
use crate::{Error, Result, TrackId};

/// Points written at once.
const AT_ONCE: usize = 500;

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Restored {
    /// What the backup holds.
    pub backup: Backup,
    /// Points of sightings that were written.
    pub exemplars: u64,
    /// Points of tracks that were written.
    pub tracklets: u64,
    /// Points that stayed away, since their track is forgotten.
    pub forgotten: u64,
    /// Whether the store is the one that the backup was made of, digest by digest.
    pub is_same: bool,
}

impl Store {
    /// Restores a backup into the store in `to`, which must hold no points; its record of what is forgotten stays,
    /// and is held against everything that comes. A dry run looks at the backup and at the place alone.
    ///
    /// # Errors
    ///
    /// As [`Backup::verify`] and [`Store::open`]; [`Error::Query`] when there are points in the store already.
    pub fn restore(
        from: &Path,
        to: &Path,
        options: &StoreOptions,
        is_dry_run: bool,
    ) -> Result<Restored> {
        let backup = Backup::verify(from)?;
        let mut restored = Restored {
            backup,
            exemplars: 0,
            tracklets: 0,
            forgotten: 0,
            is_same: false,
        };
        restored.backup.check_vectors(from, options)?;
        let index = current_index(to)?;
        let places = ["crops", "coverage", "persons"].map(|name| to.join(name));
        for place in [index].into_iter().chain(places) {
            if !files_in(&place)?.is_empty() {
                return Err(Error::Query {
                    what: format!(
                        "{} holds something already; move it away, and leave `forgotten` where it is",
                        place.display()
                    ),
                });
            }
        }
        if is_dry_run {
            return Ok(restored);
        }
        for name in ["crops", "coverage", "persons"] {
            for file in files_in(&from.join(name))? {
                copy(&from.join(name).join(&file), &to.join(name).join(&file))?;
            }
        }
        // The key goes along where there is none, so that old lists and new ones have one signer.
        if !to.join("forgotten/key.pk8").exists() {
            for file in files_in(&from.join("forgotten"))? {
                if file != "book" && file != "done" {
                    copy(
                        &from.join("forgotten").join(&file),
                        &to.join("forgotten").join(&file),
                    )?;
                }
            }
        }
        let store = Self::open(to, options)?;
        store.take_backup(from, &mut restored)?;
        Ok(restored)
    }

    fn take_backup(&self, from: &Path, restored: &mut Restored) -> Result<()> {
        let index = self.index();
        let status = self.status()?;
        if status.exemplars + status.tracklets > 0 {
            return Err(Error::Query {
                what: format!(
                    "there are {} tracks in the store already, expected none",
                    status.tracklets
                ),
            });
        }
        for entry in entries_of(&from.join("forgotten/book"))? {
            self.forgotten.add_unless_known(&entry)?;
        }
        let mut forgotten = BTreeSet::new();
        read_points(&from.join("tracklets"), |point| {
            let track: TrackletPayload = from_payload(point.payload)?;
            let is_within = |known: &TrackletPayload| {
                self.forgotten
                    .has_time([&known.site, &known.camera], [known.start_ns, known.end_ns])
            };
            if self.forgotten.has(track.track) || is_within(&track) {
                forgotten.insert(track.track);
            }
            Ok(())
        })?;
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let all: Vec<TrackId> = forgotten.iter().copied().collect();
        for tracks in all.chunks(MAX_FORGOTTEN) {
            self.forgotten.add_unless_known(&Forgotten {
                at_ns: restored.backup.at_ns,
                tracks: tracks.to_vec(),
                stretches: Vec::new(),
                pictures: Vec::new(),
            })?;
        }
        let mut writes = Writes::new(index.exemplars.as_ref(), &forgotten);
        read_points(&from.join("exemplars"), |point| {
            let payload: ExemplarPayload = from_payload(point.payload.clone())?;
            writes.put(point, payload.track)
        })?;
        (restored.exemplars, restored.forgotten) = writes.finish()?;
        let mut writes = Writes::new(index.tracklets.as_ref(), &forgotten);
        read_points(&from.join("tracklets"), |point| {
            let payload: TrackletPayload = from_payload(point.payload.clone())?;
            writes.put(point, payload.track)
        })?;
        let (tracklets, skipped) = writes.finish()?;
        restored.tracklets = tracklets;
        restored.forgotten += skipped;
        if !forgotten.is_empty() {
            self.remove_left(from, &forgotten)?;
        }
        self.forgotten.finish()?;
        self.flush_held()?;
        restored.is_same = self.digest()? == restored.backup.digest;
        Ok(())
    }

    /// Takes out what the folders of the backup brought along of tracks that are forgotten.
    fn remove_left(&self, from: &Path, forgotten: &BTreeSet<TrackId>) -> Result<()> {
        let mut theirs = BTreeSet::new();
        let mut others = BTreeSet::new();
        read_points(&from.join("exemplars"), |point| {
            let payload: ExemplarPayload = from_payload(point.payload)?;
            let names = if forgotten.contains(&payload.track) {
                &mut theirs
            } else {
                &mut others
            };
            names.extend(payload.crop);
            Ok(())
        })?;
        for name in theirs.difference(&others) {
            self.crops.remove(name, None)?;
        }
        self.remove_tracks(forgotten, Pictures::LookAtAll).map(drop)
    }
}

/// Points on their way into an engine.
struct Writes<'a> {
    engine: &'a dyn Engine,
    without: &'a BTreeSet<TrackId>,
    waiting: Vec<Point>,
    written: u64,
    skipped: u64,
}

impl<'a> Writes<'a> {
    fn new(engine: &'a dyn Engine, without: &'a BTreeSet<TrackId>) -> Self {
        Self {
            engine,
            without,
            waiting: Vec::with_capacity(AT_ONCE),
            written: 0,
            skipped: 0,
        }
    }

    fn put(&mut self, point: Point, track: TrackId) -> Result<()> {
        if self.without.contains(&track) {
            self.skipped += 1;
            return Ok(());
        }
        self.waiting.push(point);
        if self.waiting.len() == AT_ONCE {
            self.send()?;
        }
        Ok(())
    }

    fn send(&mut self) -> Result<()> {
        self.written += self.waiting.len() as u64;
        self.engine.upsert(std::mem::take(&mut self.waiting))
    }

    /// Points written, and points left out.
    fn finish(mut self) -> Result<(u64, u64)> {
        self.send()?;
        Ok((self.written, self.skipped))
    }
}
