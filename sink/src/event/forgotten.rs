//! What is to be gone and never to come back.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use super::Sighting;
use crate::TrackId;

/// Most tracks and stretches in one event, so that it stays below the largest size.
pub const MAX_FORGOTTEN: usize = 3000;

/// Most pictures in one event, for the same reason: of one that names nothing else.
pub const MAX_FORGOTTEN_PICTURES: usize = 1500;

/// Tracks, by id or by camera and time, that every writer refuses from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgotten {
    /// When it was asked for, Unix time in ns.
    pub at_ns: i64,
    /// These tracks.
    pub tracks: Vec<TrackId>,
    /// Every track that was seen in these.
    pub stretches: Vec<Stretch>,
    /// Pictures of forgotten tracks, by their sha256. Points on a server name those that lie with somebody else, and are
    /// gone when that one hears of it.
    pub pictures: Vec<PictureHash>,
}

/// The sha256 of a picture.
pub type PictureHash = [u8; 32];

/// A time of a camera, both ends included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// The camera's site; none: cameras of this name of every site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// The camera.
    pub camera: String,
    /// Start, Unix time in ns.
    pub from_ns: i64,
    /// End, Unix time in ns, not before `from_ns`.
    pub to_ns: i64,
}

impl Stretch {
    /// Whether the track of a sighting was seen in it, as far as that sighting knows.
    pub fn covers(&self, sighting: &Sighting) -> bool {
        let state = &sighting.state;
        let start_ns = state.start_ns.min(sighting.capture_ns);
        let end_ns = state.end_ns.max(sighting.capture_ns);
        self.camera == sighting.camera && self.has_time(&sighting.site, start_ns, end_ns)
    }

    /// Whether a track that the camera of this name at a site saw from a time to another falls under it.
    pub(crate) fn has_time(&self, site: &str, start_ns: i64, end_ns: i64) -> bool {
        self.site.as_deref().is_none_or(|its| its == site)
            && start_ns <= self.to_ns
            && end_ns >= self.from_ns
    }
}

/// Why a sighting is not to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Its track is forgotten.
    Track,
    /// Its camera's time is forgotten, and its track by itself is not known to be.
    Stretch,
}

/// Everything that is forgotten, to hold sightings against.
#[derive(Debug, Default)]
pub(crate) struct ForgottenSet {
    tracks: HashSet<TrackId>,
    /// By camera.
    stretches: BTreeMap<String, Vec<Stretch>>,
}

impl ForgottenSet {
    /// Takes in what is forgotten from now on.
    pub(crate) fn note(&mut self, forgotten: &Forgotten) {
        self.tracks.extend(&forgotten.tracks);
        for stretch in &forgotten.stretches {
            let of_camera = self.stretches.entry(stretch.camera.clone()).or_default();
            if !of_camera.contains(stretch) {
                of_camera.push(stretch.clone());
            }
        }
    }

    /// What of it is not in the set yet; none when all is.
    pub(crate) fn new_in(&self, forgotten: &Forgotten) -> Option<Forgotten> {
        let mut new = forgotten.clone();
        // They are looked for each time, and cost nothing once they are gone.
        new.pictures.clear();
        new.tracks.retain(|track| !self.tracks.contains(track));
        new.stretches.retain(|stretch| {
            let known = self.stretches.get(&stretch.camera);
            known.is_none_or(|known| !known.contains(stretch))
        });
        (!new.tracks.is_empty() || !new.stretches.is_empty()).then_some(new)
    }

    /// Whether a sighting must not be written, and why.
    pub(crate) fn refuses(&self, sighting: &Sighting) -> Option<Reason> {
        if self.tracks.contains(&sighting.track) {
            return Some(Reason::Track);
        }
        let stretches = self.stretches.get(&sighting.camera)?;
        let is_covered = stretches.iter().any(|stretch| stretch.covers(sighting));
        is_covered.then_some(Reason::Stretch)
    }

    /// Whether a track is in the set.
    pub(crate) fn has(&self, track: TrackId) -> bool {
        self.tracks.contains(&track)
    }

    /// Whether a track that a site's camera saw from a time to another falls under what is forgotten of that camera.
    pub(crate) fn has_time(&self, [site, camera]: [&str; 2], [start_ns, end_ns]: [i64; 2]) -> bool {
        let mut stretches = self.stretches.get(camera).into_iter().flatten();
        stretches.any(|stretch| stretch.has_time(site, start_ns, end_ns))
    }

    /// Tracks that are in the set.
    pub(crate) fn tracks(&self) -> usize {
        self.tracks.len()
    }

    /// Tracks and stretches.
    pub(crate) fn len(&self) -> usize {
        self.tracks.len() + self.stretches.values().map(Vec::len).sum::<usize>()
    }
}
