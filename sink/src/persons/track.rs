//! What association knows of a track, gathered from its sightings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::map::{Ground, SiteMap};
use super::vectors;
use super::zones::Cell;
use crate::event::{NamedVector, Sighting};
use crate::{SightingId, TrackId};

/// Sightings of a track whose vectors are kept: the best by quality.
const EXEMPLARS: usize = 6;

/// Places of a track that are kept; beyond it every other one goes, so that the whole way stays.
const PLACES: usize = 48;

/// Name of the vector that tells people apart.
pub(crate) const APPEARANCE: &str = "appearance";

/// One view of a track.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Exemplar {
    pub(crate) sighting: SightingId,
    pub(crate) quality: f32,
    /// Of length 1.
    #[serde(with = "vectors::hex")]
    pub(crate) vector: Vec<f32>,
}

/// What tracks and sightings look like by a model: vectors of length 1.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    pub(crate) tracks: BTreeMap<TrackId, Vec<f32>>,
    pub(crate) sightings: BTreeMap<SightingId, Vec<f32>>,
}

/// Where a track was at a time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) time_ns: i64,
    /// Left, top, right, bottom, as fractions of the picture.
    pub(crate) bbox: [f32; 4],
}

/// A track as association sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Track {
    pub(crate) id: TrackId,
    /// Empty in what was kept before sites were.
    #[serde(default)]
    pub(crate) site: String,
    pub(crate) camera: String,
    pub(crate) start_ns: i64,
    pub(crate) end_ns: i64,
    /// Highest revision taken in.
    pub(crate) revision: u32,
    /// Sightings taken in, in order.
    sequences: Vec<u32>,
    pub(crate) detections: u32,
    pub(crate) has_ended: bool,
    /// Half the width within which the camera's clock is trusted.
    pub(crate) clock_error_ns: i64,
    /// In order of time.
    pub(crate) places: Vec<Place>,
    /// Best first.
    pub(crate) exemplars: Vec<Exemplar>,
    /// Of length 1; empty while nothing was embedded.
    #[serde(with = "vectors::hex")]
    pub(crate) mean: Vec<f32>,
    /// Sum of the qualities of all crops.
    pub(crate) weight: f32,
    /// Vectors or places changed: what was computed of the track before is stale.
    pub(crate) version: u32,
}

impl Track {
    /// Whether another track is of another site.
    pub(crate) fn is_elsewhere(&self, other: &Self) -> bool {
        !self.site.is_empty() && !other.site.is_empty() && self.site != other.site
    }

    pub(crate) fn of(sighting: &Sighting) -> Self {
        let mut track = Self {
            id: sighting.track,
            site: sighting.site.clone(),
            camera: sighting.camera.clone(),
            start_ns: sighting.state.start_ns,
            end_ns: sighting.state.end_ns,
            revision: 0,
            sequences: Vec::new(),
            detections: 0,
            has_ended: false,
            clock_error_ns: 0,
            places: Vec::new(),
            exemplars: Vec::new(),
            mean: Vec::new(),
            weight: 0.0,
            version: 0,
        };
        track.take(sighting);
        track
    }

    /// Takes in a sighting; false when it is known. Any order gives the same track, but for places that no
    /// longer fit.
    pub(crate) fn take(&mut self, sighting: &Sighting) -> bool {
        let state = &sighting.state;
        match self.sequences.binary_search(&sighting.sequence) {
            Ok(_) => return false,
            Err(at) => self.sequences.insert(at, sighting.sequence),
        }
        if state.revision >= self.revision {
            self.revision = state.revision;
            self.detections = state.detections;
            if let Some(mean) = appearance(&state.vectors) {
                self.mean = mean;
            }
        }
        self.end_ns = self.end_ns.max(state.end_ns);
        self.has_ended |= state.has_ended;
        if let Some(error) = sighting.clock_error_ns {
            self.clock_error_ns = error.saturating_abs();
        }
        self.place(Place {
            time_ns: sighting.capture_ns,
            bbox: sighting.bbox,
        });
        if let Some(vector) = appearance(&sighting.vectors) {
            self.weight += sighting.quality;
            self.exemplars.push(Exemplar {
                sighting: sighting.id,
                quality: sighting.quality,
                vector,
            });
            self.exemplars.sort_by(|a, b| {
                let by_quality = b.quality.total_cmp(&a.quality);
                by_quality.then_with(|| a.sighting.cmp(&b.sighting))
            });
            self.exemplars.truncate(EXEMPLARS);
        }
        self.version += 1;
        true
    }

    /// Takes on its looks by another model; views without one go.
    pub(crate) fn relook(&mut self, looks: &mut Looks) {
        self.mean = looks.tracks.remove(&self.id).unwrap_or_default();
        self.exemplars.retain_mut(|exemplar| {
            let look = looks.sightings.remove(&exemplar.sighting);
            look.map(|vector| exemplar.vector = vector).is_some()
        });
        self.version += 1;
    }

    /// Whether a sighting was taken in.
    pub(crate) fn has(&self, sequence: u32) -> bool {
        self.sequences.binary_search(&sequence).is_ok()
    }

    fn place(&mut self, place: Place) {
        let at = self
            .places
            .partition_point(|known| known.time_ns < place.time_ns);
        if self
            .places
            .get(at)
            .is_some_and(|known| known.time_ns == place.time_ns)
        {
            return;
        }
        self.places.insert(at, place);
        if self.places.len() > PLACES {
            let last = self.places.len() - 1;
            let mut index = 0;
            self.places.retain(|_| {
                index += 1;
                index == 1 || index > last || index % 2 == 0
            });
        }
    }

    pub(crate) fn entry(&self) -> Option<&Place> {
        self.places.first()
    }

    pub(crate) fn exit(&self) -> Option<&Place> {
        self.places.last()
    }

    /// Where the person was heading for when the track began, backwards, and when it ended.
    pub(crate) fn in_and_out(&self) -> [Option<Cell>; 2] {
        let places = self.places.iter();
        [
            self.entry()
                .map(|here| heading(places.clone(), here, self.start_ns)),
            self.exit()
                .map(|here| heading(places.rev(), here, self.end_ns)),
        ]
    }

    /// The box at a time within the track's life, between the two known ones around it.
    pub(crate) fn bbox_at(&self, time_ns: i64) -> Option<[f32; 4]> {
        let after = self.places.partition_point(|place| place.time_ns < time_ns);
        let (Some(before), Some(next)) = (
            self.places.get(after.saturating_sub(1)),
            self.places.get(after).or(self.places.last()),
        ) else {
            return None;
        };
        let span = next.time_ns - before.time_ns;
        if span <= 0 {
            return Some(before.bbox);
        }
        let share = ((time_ns - before.time_ns) as f64 / span as f64).clamp(0.0, 1.0) as f32;
        let mut bbox = before.bbox;
        for (value, to) in bbox.iter_mut().zip(next.bbox) {
            *value += (to - *value) * share;
        }
        Some(bbox)
    }

    /// Where the track was on the ground at a time, and the distance in time to the nearest known place.
    pub(crate) fn ground_at(&self, map: &SiteMap, time_ns: i64) -> Option<(Ground, i64)> {
        let ground = map.ground(&self.camera, self.bbox_at(time_ns)?)?;
        let distance = self
            .places
            .iter()
            .map(|place| place.time_ns.abs_diff(time_ns))
            .min()
            .unwrap_or(u64::MAX);
        Some((ground, i64::try_from(distance).unwrap_or(i64::MAX)))
    }
}

/// Half a second beyond a time: the cell that somebody is heading for who is at `here`, by the nearest of the other places
/// that is not of nearly the same moment. Somebody of whom none is known, or one that is too long ago, is taken to stand.
fn heading<'a>(mut places: impl Iterator<Item = &'a Place>, here: &Place, end_ns: i64) -> Cell {
    const AHEAD_S: f32 = 0.5;
    const FARTHEST_S: f32 = 2.0;
    const LEAST_S: f32 = 0.15;
    const MOST_S: f32 = 6.0;
    let feet = |bbox: [f32; 4]| [(bbox[0] + bbox[2]) / 2.0, bbox[3]];
    let between_s = |a: i64, b: i64| a.abs_diff(b) as f32 / 1e9;
    let mut point = feet(here.bbox);
    let apart_s = |then: &Place| between_s(then.time_ns, here.time_ns);
    let then = places.find(|then| apart_s(then) >= LEAST_S);
    if let Some(then) = then.filter(|then| apart_s(then) <= MOST_S) {
        let ahead_s = (between_s(here.time_ns, end_ns) + AHEAD_S).min(FARTHEST_S);
        for (value, from) in point.iter_mut().zip(feet(then.bbox)) {
            *value += (*value - from) / apart_s(then) * ahead_s;
        }
    }
    Cell::of(point)
}

fn appearance(vectors: &[NamedVector]) -> Option<Vec<f32>> {
    let vector = vectors.iter().find(|vector| vector.name == APPEARANCE)?;
    let values: Vec<f32> = vector.values.iter().map(|value| value.to_f32()).collect();
    Some(vectors::normalised(&values))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::testing::sighting;

    #[test]
    fn a_track_is_the_same_in_whatever_order_its_sightings_come() {
        let all: Vec<_> = (0..20).map(|n| sighting("a", 1_000, 3, n)).collect();
        let gather = |order: &mut dyn Iterator<Item = &Sighting>| {
            let mut track = Track::of(order.next().unwrap());
            order.for_each(|sighting| assert!(track.take(sighting)));
            track
        };
        let forward = gather(&mut all.iter());
        let mut backward = gather(&mut all.iter().rev());
        assert!((forward.weight - backward.weight).abs() < 1e-4);
        backward.weight = forward.weight;
        assert_eq!(forward, backward);
        assert_eq!(forward.exemplars.len(), EXEMPLARS);
        assert_eq!(forward.revision, 19);
    }

    #[test]
    fn a_long_track_keeps_its_whole_way_in_few_places() {
        let mut track = Track::of(&sighting("a", 1_000, 3, 0));
        for n in 1..1000 {
            track.take(&sighting("a", 1_000, 3, n));
        }
        assert!(!track.take(&sighting("a", 1_000, 3, 7)), "a repeat");
        assert!(track.places.len() <= PLACES);
        assert_eq!(track.entry().unwrap().time_ns, 1_000);
        assert_eq!(track.exit().unwrap().time_ns, 1_000 + 999 * 1_000_000_000);
    }

    #[test]
    fn a_track_comes_from_where_it_was_heading_away_and_goes_where_it_was_heading() {
        // From the left edge to the right one, the feet at three quarters of the height.
        let mut track = Track::of(&sighting("a", 0, 3, 0));
        for (n, left) in [(0, 0.0), (1, 0.3), (2, 0.6), (3, 0.85)] {
            let mut at = sighting("a", 0, 3, n);
            at.bbox = [left, 0.2, left + 0.1, 0.75];
            if n == 0 {
                track = Track::of(&at);
            } else {
                track.take(&at);
            }
        }
        let cells = [[0.0, 0.75], [1.0, 0.75]].map(|point| Some(Cell::of(point)));
        assert_eq!(track.in_and_out(), cells);
        // Two places of nearly the same moment tell no direction: the one before them does.
        let last = *track.exit().unwrap();
        track.place(Place {
            time_ns: last.time_ns + 40_000_000,
            ..last
        });
        assert_eq!(track.in_and_out()[1], cells[1]);
    }

    #[test]
    fn between_two_places_the_way_is_straight() {
        let mut track = Track::of(&sighting("a", 0, 3, 0));
        let mut later = sighting("a", 0, 3, 2);
        later.bbox = [0.3, 0.2, 0.5, 0.7];
        track.take(&later);
        let middle = track.bbox_at(1_000_000_000).unwrap();
        assert!((middle[0] - 0.2).abs() < 1e-6 && (middle[2] - 0.4).abs() < 1e-6);
        assert_eq!(track.bbox_at(-5), Some([0.1, 0.2, 0.3, 0.7]));
        assert_eq!(track.bbox_at(9_000_000_000), Some([0.3, 0.2, 0.5, 0.7]));
    }
}
