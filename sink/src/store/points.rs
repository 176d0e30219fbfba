//! Sightings and tracks as points of the engine, and back.
//!
//! A tracklet is a join: of two states the higher revision holds, of two sizes the larger, of two best
//! crops the better one (the earlier one when they are equal). So neither order nor repeats matter.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::engine::Point;

use crate::event::{NamedVector, Sighting};
use crate::{Error, Result, SightingId, TrackId};

/// The payload of a sighting's point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ExemplarPayload {
    pub(crate) track: TrackId,
    pub(crate) sequence: u32,
    pub(crate) site: String,
    pub(crate) camera: String,
    /// Filters compare numbers as 64-bit floats, which hold microseconds exactly and nanoseconds not.
    pub(crate) capture_us: i64,
    pub(crate) capture_ns: i64,
    pub(crate) clock_error_ns: Option<i64>,
    pub(crate) bbox: [f32; 4],
    pub(crate) size: f32,
    pub(crate) quality: f32,
    pub(crate) is_end: bool,
    /// Name of the crop.
    pub(crate) crop: Option<String>,
}

/// The payload of a track's point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TrackletPayload {
    pub(crate) track: TrackId,
    pub(crate) revision: u32,
    pub(crate) site: String,
    pub(crate) camera: String,
    pub(crate) start_us: i64,
    pub(crate) end_us: i64,
    pub(crate) duration_us: i64,
    pub(crate) start_ns: i64,
    pub(crate) end_ns: i64,
    pub(crate) detections: u32,
    pub(crate) has_ended: bool,
    pub(crate) best_quality: f32,
    /// Height of the tallest stored box, as a fraction of the picture's height.
    pub(crate) size: f32,
    pub(crate) best: Best,
    /// Written by association alone.
    #[serde(default)]
    pub(crate) person: Option<String>,
}

/// The track's best sighting: what is shown of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Best {
    pub(crate) sequence: u32,
    pub(crate) quality: f32,
    pub(crate) capture_ns: i64,
    pub(crate) bbox: [f32; 4],
    pub(crate) crop: Option<String>,
}

/// A track as it is known from some sightings.
#[derive(Debug, Clone)]
pub(super) struct Tracklet {
    pub(super) payload: TrackletPayload,
    pub(super) vectors: Vec<NamedVector>,
}

impl ExemplarPayload {
    pub(super) fn of(sighting: &Sighting, crop: Option<String>) -> Self {
        Self {
            track: sighting.track,
            sequence: sighting.sequence,
            site: sighting.site.clone(),
            camera: sighting.camera.clone(),
            capture_us: sighting.capture_ns / 1000,
            capture_ns: sighting.capture_ns,
            clock_error_ns: sighting.clock_error_ns,
            bbox: sighting.bbox,
            size: height(sighting.bbox),
            quality: sighting.quality,
            is_end: sighting.is_end,
            crop,
        }
    }
}

impl Tracklet {
    pub(super) fn of(sighting: &Sighting, crop: Option<String>) -> Self {
        let state = &sighting.state;
        let payload = TrackletPayload {
            track: sighting.track,
            revision: state.revision,
            site: sighting.site.clone(),
            camera: sighting.camera.clone(),
            start_us: state.start_ns / 1000,
            end_us: state.end_ns / 1000,
            duration_us: (state.end_ns - state.start_ns) / 1000,
            start_ns: state.start_ns,
            end_ns: state.end_ns,
            detections: state.detections,
            has_ended: state.has_ended,
            best_quality: state.best_quality,
            size: height(sighting.bbox),
            best: Best {
                sequence: sighting.sequence,
                quality: sighting.quality,
                capture_ns: sighting.capture_ns,
                bbox: sighting.bbox,
                crop,
            },
            person: None,
        };
        Self {
            payload,
            vectors: state.vectors.clone(),
        }
    }

    /// Takes in another sighting of the same track.
    pub(super) fn join(&mut self, other: Self) {
        let (size, best) = joined(&self.payload, &other.payload);
        if other.payload.revision >= self.payload.revision {
            *self = other;
        }
        (self.payload.size, self.payload.best) = (size, best);
    }
}

/// The larger size and the better crop of two states of a track.
pub(super) fn joined(a: &TrackletPayload, b: &TrackletPayload) -> (f32, Best) {
    // A crop beats none; then the quality counts, then the earlier sighting.
    let rank = |best: &Best| {
        (
            best.crop.is_some(),
            best.quality,
            std::cmp::Reverse(best.sequence),
        )
    };
    let is_b_better =
        rank(&b.best).partial_cmp(&rank(&a.best)) == Some(std::cmp::Ordering::Greater);
    (
        a.size.max(b.size),
        if is_b_better {
            b.best.clone()
        } else {
            a.best.clone()
        },
    )
}

fn height([_, y0, _, y1]: [f32; 4]) -> f32 {
    y1 - y0
}

/// Builds a point from a payload and vectors, which are normalised.
pub(super) fn point(id: Uuid, vectors: &[NamedVector], payload: &impl Serialize) -> Result<Point> {
    let vectors = vectors.iter().map(|vector| {
        let values: Vec<f32> = vector.values.iter().map(|value| value.to_f32()).collect();
        (vector.name.clone(), normalised(&values))
    });
    Ok(Point {
        id,
        vectors: vectors.collect(),
        payload: to_map(payload)?,
    })
}

/// The vector of length 1 in the same direction.
pub(crate) fn normalised(values: &[f32]) -> Vec<f32> {
    let length = values
        .iter()
        .map(|value| f64::from(*value).powi(2))
        .sum::<f64>()
        .sqrt();
    if length == 0.0 {
        return values.to_vec();
    }
    values
        .iter()
        .map(|value| (f64::from(*value) / length) as f32)
        .collect()
}

pub(super) fn to_json(payload: &impl Serialize) -> Result<Value> {
    serde_json::to_value(payload).map_err(|error| Error::Event {
        what: format!("it has no json form: {error}"),
    })
}

fn to_map(payload: &impl Serialize) -> Result<Map<String, Value>> {
    match to_json(payload)? {
        Value::Object(map) => Ok(map),
        _ => Err(Error::Event {
            what: "its json form is no object".to_owned(),
        }),
    }
}

/// Reads a payload back.
pub(crate) fn from_payload<T: serde::de::DeserializeOwned>(
    payload: Map<String, Value>,
) -> Result<T> {
    serde_json::from_value(Value::Object(payload)).map_err(|error| Error::Corrupt {
        path: "index".into(),
        what: format!("a point holds what no sightline writes: {error}"),
    })
}

/// The id of a sighting's point.
pub(super) fn exemplar_id(id: SightingId) -> Uuid {
    id.uuid()
}
