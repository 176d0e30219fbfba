//! Taking tracks out of the store: points, pictures and associations.

use std::collections::{BTreeMap, BTreeSet};

use super::Store;
use super::crops;
use super::engine::{Condition, Where};
use super::points::{ExemplarPayload, TrackletPayload, from_payload};
use crate::event::PictureHash;
use crate::{Result, TrackId};

/// Tracks that are taken out at once.
const AT_ONCE: usize = 256;

/// What was taken out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Removed {
    /// Points of tracks.
    pub(super) tracklets: u64,
    /// Points of sightings.
    pub(super) sightings: u64,
    /// Pictures, by their sha256.
    pub(super) pictures: BTreeSet<String>,
    /// Pictures that stay, since another track shows the same.
    pub(super) pictures_kept: u64,
    /// Tracks that were known to association.
    pub(super) associations: u64,
}

impl Removed {
    pub(super) fn add(&mut self, other: Self) {
        self.tracklets += other.tracklets;
        self.sightings += other.sightings;
        self.pictures.extend(other.pictures);
        self.pictures_kept += other.pictures_kept;
        self.associations += other.associations;
    }
}

/// How sure it has to be that no other track shows a picture that goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pictures {
    /// Every point is looked at.
    LookAtAll,
    /// A picture goes if no later one was the same: for the oldest tracks, which go first.
    ByTime,
}

impl Store {
    /// Takes tracks out. The caller holds the writer's lock.
    pub(super) fn remove_tracks(
        &self,
        tracks: &BTreeSet<TrackId>,
        pictures: Pictures,
    ) -> Result<Removed> {
        let mut removed = Removed::default();
        let all: Vec<TrackId> = tracks.iter().copied().collect();
        for some in all.chunks(AT_ONCE) {
            removed.add(self.remove_some(some, pictures)?);
        }
        removed.associations = self.remove_persons(tracks)?;
        Ok(removed)
    }

    fn remove_some(&self, tracks: &[TrackId], mode: Pictures) -> Result<Removed> {
        let index = self.index();
        let of_tracks = of_tracks(tracks);
        let mut removed = Removed::default();
        let mut pictures: BTreeMap<String, i64> = BTreeMap::new();
        for found in index.exemplars.every(&of_tracks)? {
            let payload: ExemplarPayload = from_payload(found.payload)?;
            removed.sightings += 1;
            if let Some(name) = payload.crop {
                let newest_ns = pictures.entry(name).or_insert(payload.capture_ns);
                *newest_ns = payload.capture_ns.max(*newest_ns);
            }
        }
        let ids: Vec<_> = tracks.iter().map(TrackId::tracklet_point).collect();
        for found in index.tracklets.retrieve(&ids, false)? {
            let payload: TrackletPayload = from_payload(found.payload)?;
            removed.tracklets += 1;
            if let Some(name) = payload.best.crop {
                pictures.entry(name).or_insert(payload.best.capture_ns);
            }
        }
        // Pictures go last: a crash in between leaves points that name them, and all of it is done again.
        let shared = match mode {
            Pictures::LookAtAll => self.pictures_of_others(tracks, &pictures)?,
            Pictures::ByTime => BTreeSet::new(),
        };
        for (name, newest_ns) in pictures {
            let newest_ns = (mode == Pictures::ByTime).then_some(newest_ns);
            if shared.contains(&name) {
                removed.pictures_kept += 1;
            } else if self.crops.remove(&name, newest_ns)? {
                removed.pictures.insert(name);
            }
        }
        if let Some(next) = self.next() {
            next.generation.exemplars.delete(&of_tracks)?;
            next.generation.tracklets.delete_ids(&ids)?;
        }
        index.exemplars.delete(&of_tracks)?;
        index.tracklets.delete_ids(&ids)?;
        Ok(removed)
    }

    /// Pictures that points of these tracks name, whoever has them.
    pub(super) fn pictures_of(&self, tracks: &[TrackId]) -> Result<Vec<PictureHash>> {
        let index = self.index();
        let mut names = BTreeSet::new();
        for some in tracks.chunks(AT_ONCE) {
            for found in index.exemplars.every(&of_tracks(some))? {
                let payload: ExemplarPayload = from_payload(found.payload)?;
                names.extend(payload.crop);
            }
            let ids: Vec<_> = some.iter().map(TrackId::tracklet_point).collect();
            for found in index.tracklets.retrieve(&ids, false)? {
                let payload: TrackletPayload = from_payload(found.payload)?;
                names.extend(payload.best.crop);
            }
        }
        Ok(names
            .iter()
            .filter_map(|name| crops::hash_of(name))
            .collect())
    }

    /// Takes out pictures of forgotten tracks that lie here, as far as no other track shows the same. The points that named
    /// them may be gone: somebody else took them out, who does not have the pictures. The caller holds the writer's lock.
    pub(super) fn remove_pictures(&self, hashes: &[PictureHash]) -> Result<()> {
        let index = self.index();
        let names = hashes.iter().map(crops::name_of);
        let here: Vec<String> = names.filter(|it| self.crops.find(it).is_some()).collect();
        if here.is_empty() {
            return Ok(());
        }
        let of_these = Where::all_of(vec![Condition::any("crop", &here)]);
        let mut shown = BTreeSet::new();
        for found in index.exemplars.every(&of_these)? {
            let payload: ExemplarPayload = from_payload(found.payload)?;
            if !self.forgotten.has(payload.track) {
                shown.extend(payload.crop);
            }
        }
        for name in here.iter().filter(|name| !shown.contains(*name)) {
            self.crops.remove(name, None)?;
        }
        self.crops.flush()
    }

    /// Those of the pictures that other tracks show too.
    fn pictures_of_others(
        &self,
        tracks: &[TrackId],
        pictures: &BTreeMap<String, i64>,
    ) -> Result<BTreeSet<String>> {
        let index = self.index();
        if pictures.is_empty() {
            return Ok(BTreeSet::new());
        }
        let names: Vec<&String> = pictures.keys().collect();
        let others = index.exemplars.every(&Where {
            must: vec![Condition::any("crop", &names)],
            must_not: vec![Condition::any("track", tracks)],
        })?;
        let names = others.into_iter().map(|found| {
            let payload: ExemplarPayload = from_payload(found.payload)?;
            Ok(payload.crop.unwrap_or_default())
        });
        names.collect()
    }
}

/// Points of these tracks.
pub(super) fn of_tracks(tracks: &[TrackId]) -> Where {
    Where::all_of(vec![Condition::any("track", tracks)])
}
