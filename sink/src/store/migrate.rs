//! A change of models while people search: other models make another generation of the index from the stored pictures.
//!
//! The old generation is searched and written to as before. Beside it the new one grows, track by track; what changes
//! meanwhile is noted and done again, what is deleted is deleted in both. What is there already is the progress: a
//! migration that was killed looks at both generations and goes on with what is missing. When nothing is left, the new
//! one takes the place of the old in one step ([`Store::switch`]).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use uuid::Uuid;

use super::Store;
use super::engine::{Engine, Found, Point, Where};
use super::generation::{Generation, Note};
use super::options::{StoreOptions, VectorSpec, sorted};
use super::points::{ExemplarPayload, TrackletPayload, from_payload, normalised};
use super::remove::of_tracks;
use crate::{Error, Result, TrackId};

/// Points read at once.
const PAGE: usize = 500;

/// Tracks that are done at once; a kill costs no more than their pictures' time.
const TRACKS_AT_ONCE: usize = 8;

/// Pictures that are embedded at once.
const PICTURES_AT_ONCE: usize = 32;

/// Least weight of a picture in the mean of its track.
const LEAST_QUALITY: f32 = 1e-3;

/// How long a pause lasts before somebody is asked whether to go on.
const SHORT: Duration = Duration::from_millis(20);

/// Makes vectors of pictures by the models that a store moves to.
pub trait Embed {
    /// One vector a picture (JPEG) for a kind of vectors, in order; none for a picture that cannot be read.
    ///
    /// # Errors
    ///
    /// One line, when the model itself fails.
    fn embed(
        &mut self,
        vector: &str,
        pictures: &[Vec<u8>],
    ) -> Result<Vec<Option<Vec<f32>>>, String>;
}

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
    /// As [`Store::migration_plan`]; when several sites share the collections; when the disk or the engine refuses.
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
        // What a process left that died while it gave one up.
        self.place.delete(note.to)?;
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
            self.flush()?;
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

    /// What the new generation holds and the old one does not hold any more, goes.
    fn take_out_strays(&self, next: &Next) -> Result<()> {
        for (old, new) in [
            (&self.exemplars, &next.generation.exemplars),
            (&self.tracklets, &next.generation.tracklets),
        ] {
            every_page(new.as_ref(), &Where::default(), false, |points| {
                let ids: Vec<Uuid> = points.iter().map(|point| point.id).collect();
                let strays = missing(old.as_ref(), &ids)?;
                if strays.is_empty() {
                    return Ok(());
                }
                let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
                // It may have come meanwhile.
                let strays = missing(old.as_ref(), &strays)?;
                if strays.is_empty() {
                    return Ok(());
                }
                new.delete_ids(&strays)
            })?;
        }
        Ok(())
    }

    /// Which tracks the new generation lacks, or has otherwise.
    fn look_for_work(
        &self,
        to: &[VectorSpec],
        next: Option<&Generation>,
        work: &mut Work,
    ) -> Result<()> {
        let all = Where::default();
        every_page(self.exemplars.as_ref(), &all, false, |points| {
            let ids: Vec<Uuid> = points.iter().map(|point| point.id).collect();
            let lacking: HashSet<Uuid> = match next {
                Some(next) => missing(next.exemplars.as_ref(), &ids)?
                    .into_iter()
                    .collect(),
                None => ids.into_iter().collect(),
            };
            let mut bare = Vec::new();
            for point in points {
                let sighting: ExemplarPayload = from_payload(point.payload)?;
                match sighting.crop {
                    Some(name) if self.crops.find(&name).is_some() => {}
                    Some(_) => work.without_picture += 1,
                    None => bare.push(point.id),
                }
                if lacking.contains(&point.id) {
                    *work.todo.entry(sighting.track).or_default() += 1;
                } else {
                    work.done += 1;
                }
            }
            // The end of a track has no picture, and no vector that could be lost.
            for point in self.exemplars.retrieve(&bare, true)? {
                let mut names = point.vectors.iter().map(|(name, _)| name);
                if names.any(|name| !self.stays(to, name)) {
                    work.without_picture += 1;
                }
            }
            Ok(())
        })?;
        every_page(self.tracklets.as_ref(), &all, false, |points| {
            let ids: Vec<Uuid> = points.iter().map(|point| point.id).collect();
            let held = match next {
                Some(next) => next.tracklets.retrieve(&ids, false)?,
                None => Vec::new(),
            };
            let held: HashMap<Uuid, _> = held
                .into_iter()
                .map(|point| (point.id, point.payload))
                .collect();
            for point in points {
                if held.get(&point.id) != Some(&point.payload) {
                    let track: TrackletPayload = from_payload(point.payload)?;
                    work.todo.entry(track.track).or_default();
                }
            }
            Ok(())
        })
    }

    /// Brings tracks into the new generation as they are now. Says how many pictures were embedded.
    fn migrate_tracks(
        &self,
        next: &Next,
        tracks: &BTreeMap<TrackId, u64>,
        embed: &mut dyn Embed,
    ) -> Result<u64> {
        let tracks: Vec<TrackId> = tracks.keys().copied().collect();
        let of_tracks = of_tracks(&tracks);
        let mut sightings = Vec::new();
        every_page(self.exemplars.as_ref(), &of_tracks, true, |points| {
            sightings.extend(points);
            Ok(())
        })?;
        let ids: Vec<Uuid> = sightings.iter().map(|point| point.id).collect();
        let lacking: HashSet<Uuid> = missing_of_many(next.generation.exemplars.as_ref(), &ids)?;
        sightings.retain(|point| lacking.contains(&point.id));
        let mut made = Vec::with_capacity(sightings.len());
        let (mut pictures, mut unreadable) = (0, 0);
        let mut rest = sightings.into_iter().peekable();
        while rest.peek().is_some() {
            let some: Vec<Found> = rest.by_ref().take(PICTURES_AT_ONCE).collect();
            let embedded = self.embed_some(next, some, embed)?;
            pictures += embedded.pictures;
            unreadable += embedded.unreadable;
            made.extend(embedded.points);
        }
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        // Whatever was deleted meanwhile stays away.
        let ids: Vec<Uuid> = made.iter().map(|point| point.id).collect();
        let gone = missing_of_many(self.exemplars.as_ref(), &ids)?;
        made.retain(|point| !gone.contains(&point.id));
        let done = made.len() as u64;
        next.generation.exemplars.upsert(made)?;
        self.write_tracklets(next, &tracks)?;
        let mut work = next.work();
        work.done += done;
        work.unreadable += unreadable;
        Ok(pictures)
    }

    /// Sightings as they are in the new generation: vectors of models that stay are taken along.
    fn embed_some(
        &self,
        next: &Next,
        sightings: Vec<Found>,
        embed: &mut dyn Embed,
    ) -> Result<Embedded> {
        let mut pictures = Vec::new();
        let mut of_picture = Vec::new();
        let mut points = Vec::with_capacity(sightings.len());
        for found in sightings {
            let sighting: ExemplarPayload = from_payload(found.payload.clone())?;
            let path = sighting.crop.and_then(|name| self.crops.find(&name));
            // It may go by the bounds at any moment.
            if let Some(picture) = path.and_then(|path| fs_err::read(path).ok()) {
                pictures.push(picture);
                of_picture.push(points.len());
            }
            points.push(Point {
                id: found.id,
                vectors: self.that_stay(next, found.vectors),
                payload: found.payload,
            });
        }
        let mut unread = BTreeSet::new();
        for spec in self.that_change(next) {
            if pictures.is_empty() {
                break;
            }
            let rows = embed
                .embed(&spec.name, &pictures)
                .map_err(|what| Error::Embed {
                    vector: spec.name.clone(),
                    what,
                })?;
            if rows.len() != pictures.len() {
                return Err(Error::Embed {
                    vector: spec.name.clone(),
                    what: format!("{} vectors for {} pictures", rows.len(), pictures.len()),
                });
            }
            for (row, at) in rows.into_iter().zip(&of_picture) {
                match row {
                    Some(values) => {
                        let values = checked(spec, &values)?;
                        points[*at].vectors.push((spec.name.clone(), values));
                    }
                    None => {
                        unread.insert(*at);
                    }
                }
            }
        }
        for at in &unread {
            let sighting = points[*at].id;
            tracing::warn!(%sighting, "the picture of a sighting cannot be read, so that it gets no new vector");
        }
        Ok(Embedded {
            points,
            pictures: pictures.len() as u64,
            unreadable: unread.len() as u64,
        })
    }

    /// Writes tracks with the means of their sightings in the new generation. The caller holds the writer's lock.
    fn write_tracklets(&self, next: &Next, tracks: &[TrackId]) -> Result<()> {
        let mut means: HashMap<(TrackId, String), Vec<f32>> = HashMap::new();
        let of_tracks = of_tracks(tracks);
        let changed: Vec<&VectorSpec> = self.that_change(next).collect();
        every_page(
            next.generation.exemplars.as_ref(),
            &of_tracks,
            true,
            |points| {
                for point in points {
                    let sighting: ExemplarPayload = from_payload(point.payload)?;
                    let weight = sighting.quality.max(LEAST_QUALITY);
                    for (name, values) in point.vectors {
                        if !changed.iter().any(|spec| spec.name == name) {
                            continue;
                        }
                        let sum = means.entry((sighting.track, name)).or_default();
                        sum.resize(values.len(), 0.0);
                        for (sum, value) in sum.iter_mut().zip(values) {
                            *sum += weight * value;
                        }
                    }
                }
                Ok(())
            },
        )?;
        let ids: Vec<Uuid> = tracks.iter().map(TrackId::tracklet_point).collect();
        let mut points = Vec::with_capacity(tracks.len());
        for found in self.tracklets.retrieve(&ids, true)? {
            let track: TrackletPayload = from_payload(found.payload.clone())?;
            let mut vectors = self.that_stay(next, found.vectors);
            for spec in &changed {
                let mean = means.remove(&(track.track, spec.name.clone()));
                let mean = mean.map(|sum| normalised(&sum));
                // Of length nothing where the sightings cancel out.
                if let Some(mean) = mean.filter(|mean| mean.iter().any(|value| *value != 0.0)) {
                    vectors.push((spec.name.clone(), mean));
                }
            }
            points.push(Point {
                id: found.id,
                vectors,
                payload: found.payload,
            });
        }
        // A server tells points apart by their revision, which may be the same with other vectors.
        let held = next.generation.tracklets.retrieve(&ids, false)?;
        let held: Vec<Uuid> = held.into_iter().map(|point| point.id).collect();
        if !held.is_empty() {
            next.generation.tracklets.delete_ids(&held)?;
        }
        next.generation.tracklets.upsert(points)
    }

    /// The kinds of vectors that have to be made.
    fn that_change<'a>(&'a self, next: &'a Next) -> impl Iterator<Item = &'a VectorSpec> {
        let specs = next.note.vectors.iter();
        specs.filter(|spec| !self.options.vectors.contains(spec))
    }

    /// Those of a point's vectors that are as they were.
    fn that_stay(&self, next: &Next, vectors: Vec<(String, Vec<f32>)>) -> Vec<(String, Vec<f32>)> {
        let vectors = vectors.into_iter();
        let that_stay = vectors.filter(|(name, _)| self.stays(&next.note.vectors, name));
        that_stay.collect()
    }

    /// Whether a kind of vectors is by the same model before and after.
    fn stays(&self, to: &[VectorSpec], name: &str) -> bool {
        let mut specs = to.iter();
        specs.any(|spec| spec.name == name && self.options.vectors.contains(spec))
    }
}

/// Sightings with their new vectors.
struct Embedded {
    points: Vec<Point>,
    pictures: u64,
    unreadable: u64,
}

/// A vector that fits, of length one.
fn checked(spec: &VectorSpec, values: &[f32]) -> Result<Vec<f32>> {
    let refused = |what: String| {
        Err(Error::Embed {
            vector: spec.name.clone(),
            what,
        })
    };
    if values.len() != spec.dimension {
        return refused(format!(
            "a vector has {} values, expected {}",
            values.len(),
            spec.dimension
        ));
    }
    let is_direction =
        values.iter().all(|value| value.is_finite()) && values.iter().any(|value| *value != 0.0);
    if !is_direction {
        return refused("a vector is zero or not finite".to_owned());
    }
    Ok(normalised(values))
}

/// Hands on every point that passes a filter, page by page.
fn every_page(
    engine: &dyn Engine,
    filter: &Where,
    with_vectors: bool,
    mut take: impl FnMut(Vec<Found>) -> Result<()>,
) -> Result<()> {
    let mut from = None;
    loop {
        let (points, next) = engine.page(filter, from, PAGE, with_vectors)?;
        take(points)?;
        match next {
            Some(next) => from = Some(next),
            None => return Ok(()),
        }
    }
}

/// Which of these points are not there.
fn missing(engine: &dyn Engine, ids: &[Uuid]) -> Result<Vec<Uuid>> {
    let held = engine.retrieve(ids, false)?;
    let held: HashSet<Uuid> = held.into_iter().map(|point| point.id).collect();
    let ids = ids.iter().copied();
    Ok(ids.filter(|id| !held.contains(id)).collect())
}

fn missing_of_many(engine: &dyn Engine, ids: &[Uuid]) -> Result<HashSet<Uuid>> {
    let mut lacking = HashSet::new();
    for some in ids.chunks(PAGE) {
        lacking.extend(missing(engine, some)?);
    }
    Ok(lacking)
}
