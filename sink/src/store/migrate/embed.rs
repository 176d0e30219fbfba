//! The work of a change of models: what is left to do, and pictures made into vectors by the new models.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::PoisonError;

use uuid::Uuid;

use super::{Next, Work};
use crate::store::Store;
use crate::store::engine::{Found, Point, Where};
use crate::store::generation::Generation;
use crate::store::options::VectorSpec;
use crate::store::points::{ExemplarPayload, TrackletPayload, from_payload, normalised};
use crate::store::remove::of_tracks;
use crate::{Error, Result, TrackId};

/// Pictures that are embedded at once.
pub(in crate::store) const PICTURES_AT_ONCE: usize = 32;

/// Least weight of a picture in the mean of its track.
pub(in crate::store) const LEAST_QUALITY: f32 = 1e-3;

/// Makes vectors of pictures by the models that a store moves to.
pub trait Embed {
    /// One vector a picture (JPEG) of this kind and by its model, in order; none for a picture that cannot be read.
    ///
    /// # Errors
    ///
    /// One line, when the model is not at hand, or fails.
    fn embed(
        &mut self,
        kind: &VectorSpec,
        pictures: &[Vec<u8>],
    ) -> Result<Vec<Option<Vec<f32>>>, String>;
}

impl Store {
    /// What the new generation holds and the old one does not hold any more, goes.
    pub(super) fn take_out_strays(&self, next: &Next) -> Result<()> {
        let index = self.index();
        for (old, new) in [
            (&index.exemplars, &next.generation.exemplars),
            (&index.tracklets, &next.generation.tracklets),
        ] {
            new.pages(&Where::default(), false, &mut |points| {
                let ids: Vec<Uuid> = points.iter().map(|point| point.id).collect();
                let strays: Vec<Uuid> = old.missing(&ids)?.into_iter().collect();
                if strays.is_empty() {
                    return Ok(());
                }
                let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
                // It may have come meanwhile.
                let strays: Vec<Uuid> = old.missing(&strays)?.into_iter().collect();
                if strays.is_empty() {
                    return Ok(());
                }
                new.delete_ids(&strays)
            })?;
        }
        Ok(())
    }

    /// Which tracks the new generation lacks, or has otherwise.
    pub(super) fn look_for_work(
        &self,
        to: &[VectorSpec],
        next: Option<&Generation>,
        work: &mut Work,
    ) -> Result<()> {
        let index = self.index();
        let all = Where::default();
        index.exemplars.pages(&all, false, &mut |points| {
            let ids: Vec<Uuid> = points.iter().map(|point| point.id).collect();
            let lacking: HashSet<Uuid> = match next {
                Some(next) => next.exemplars.missing(&ids)?,
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
            for point in index.exemplars.retrieve(&bare, true)? {
                let mut names = point.vectors.iter().map(|(name, _)| name);
                if names.any(|name| !self.stays(to, name)) {
                    work.without_picture += 1;
                }
            }
            Ok(())
        })?;
        index.tracklets.pages(&all, false, &mut |points| {
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
    pub(super) fn migrate_tracks(
        &self,
        next: &Next,
        tracks: &[TrackId],
        embed: &mut dyn Embed,
    ) -> Result<u64> {
        let made = self.made_of(next, tracks, embed)?;
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.put_made(next, tracks, made)
    }

    /// The sightings of tracks that the new generation lacks, as they are in it.
    pub(super) fn made_of(
        &self,
        next: &Next,
        tracks: &[TrackId],
        embed: &mut dyn Embed,
    ) -> Result<Embedded> {
        let mut sightings = Vec::new();
        self.index()
            .exemplars
            .pages(&of_tracks(tracks), true, &mut |points| {
                sightings.extend(points);
                Ok(())
            })?;
        let ids: Vec<Uuid> = sightings.iter().map(|point| point.id).collect();
        let lacking = next.generation.exemplars.missing(&ids)?;
        sightings.retain(|point| lacking.contains(&point.id));
        let mut made = Embedded::default();
        let mut rest = sightings.into_iter().peekable();
        while rest.peek().is_some() {
            let some: Vec<Found> = rest.by_ref().take(PICTURES_AT_ONCE).collect();
            let embedded = self.embed_some(next, some, embed)?;
            made.pictures += embedded.pictures;
            made.unreadable += embedded.unreadable;
            made.points.extend(embedded.points);
        }
        Ok(made)
    }

    /// Writes what was made of tracks, and their means. The caller holds the writer's lock.
    pub(super) fn put_made(
        &self,
        next: &Next,
        tracks: &[TrackId],
        mut made: Embedded,
    ) -> Result<u64> {
        // Whatever was deleted meanwhile stays away.
        let ids: Vec<Uuid> = made.points.iter().map(|point| point.id).collect();
        let gone = self.index().exemplars.missing(&ids)?;
        made.points.retain(|point| !gone.contains(&point.id));
        let done = made.points.len() as u64;
        next.generation.exemplars.upsert(made.points)?;
        self.write_tracklets(next, tracks)?;
        let mut work = next.work();
        work.done += done;
        work.unreadable += made.unreadable;
        Ok(made.pictures)
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
            let rows = embed.embed(spec, &pictures).map_err(|what| Error::Embed {
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
        let index = self.index();
        let mut means: HashMap<(TrackId, String), Vec<f32>> = HashMap::new();
        let of_tracks = of_tracks(tracks);
        let changed: Vec<&VectorSpec> = self.that_change(next).collect();
        let exemplars = next.generation.exemplars.as_ref();
        exemplars.pages(&of_tracks, true, &mut |points| {
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
        })?;
        let ids: Vec<Uuid> = tracks.iter().map(TrackId::tracklet_point).collect();
        let mut points = Vec::with_capacity(tracks.len());
        for found in index.tracklets.retrieve(&ids, true)? {
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
    fn that_change<'a>(&self, next: &'a Next) -> impl Iterator<Item = &'a VectorSpec> + use<'a> {
        let index = self.index();
        let specs = next.note.vectors.iter();
        specs.filter(move |spec| !index.vectors.contains(spec))
    }

    /// Those of a point's vectors that are as they were.
    fn that_stay(&self, next: &Next, vectors: Vec<(String, Vec<f32>)>) -> Vec<(String, Vec<f32>)> {
        let vectors = vectors.into_iter();
        let that_stay = vectors.filter(|(name, _)| self.stays(&next.note.vectors, name));
        that_stay.collect()
    }

    /// Whether a kind of vectors is by the same model before and after.
    fn stays(&self, to: &[VectorSpec], name: &str) -> bool {
        let index = self.index();
        let mut specs = to.iter();
        specs.any(|spec| spec.name == name && index.vectors.contains(spec))
    }
}

/// Sightings with their new vectors.
#[derive(Debug, Default)]
pub(super) struct Embedded {
    points: Vec<Point>,
    pictures: u64,
    unreadable: u64,
}

/// A vector that fits, of length one.
pub(in crate::store) fn checked(spec: &VectorSpec, values: &[f32]) -> Result<Vec<f32>> {
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
