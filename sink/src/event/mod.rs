//! What travels into the store: sightings of people, heartbeats of cameras, and what is to be forgotten.
//!
//! These are the types that the rest of the system holds; the generated wire types stay in [`wire`].
//! Both directions check the same rules, so whatever can be written can be read back.

pub(crate) mod check;
mod forgotten;
pub(crate) mod wire;

use bytes::Bytes;
use half::f16;

pub use forgotten::{Forgotten, MAX_FORGOTTEN, MAX_FORGOTTEN_PICTURES, PictureHash, Stretch};
pub(crate) use forgotten::{ForgottenSet, Reason};
pub use wire::{decode, encode};

use crate::{SightingId, TrackId};

/// The version of the schema that this build writes and reads.
pub const SCHEMA_VERSION: u32 = 1;

/// Largest event in its encoded form, in bytes.
pub const MAX_EVENT_BYTES: usize = 64 * 1024;

/// Largest JPEG crop, in bytes.
pub const MAX_CROP_BYTES: usize = 12 * 1024;

/// Largest number of values in one vector.
pub const MAX_DIMENSION: usize = 4096;

/// Largest number of vectors in one list.
pub const MAX_VECTORS: usize = 8;

/// Longest name of a site, a camera, a vector or a model, in bytes.
pub const MAX_NAME_BYTES: usize = 128;

/// One thing that happened at a camera.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Somebody was seen.
    Sighting(Box<Sighting>),
    /// A camera says what it watched.
    Coverage(Coverage),
    /// Somebody is to be forgotten.
    Forgotten(Forgotten),
}

impl Event {
    /// The time of the event: of the picture, of the end of the interval, or of the word. Unix time in ns.
    pub fn time_ns(&self) -> i64 {
        match self {
            Self::Sighting(sighting) => sighting.capture_ns,
            Self::Coverage(coverage) => coverage.to_ns,
            Self::Forgotten(forgotten) => forgotten.at_ns,
        }
    }

    /// The camera it happened at; empty for what is to be forgotten, which may be about many.
    pub fn camera(&self) -> &str {
        match self {
            Self::Sighting(sighting) => &sighting.camera,
            Self::Coverage(coverage) => &coverage.camera,
            Self::Forgotten(_) => "",
        }
    }
}

/// One selected crop of a track, or the track's end, with the state of the whole track so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Sighting {
    /// [`SightingId::derive`] of `track` and `sequence`; anything else is refused.
    pub id: SightingId,
    /// The track it belongs to.
    pub track: TrackId,
    /// The site of the camera.
    pub site: String,
    /// The camera.
    pub camera: String,
    /// When the picture was taken, Unix time in ns, not negative.
    pub capture_ns: i64,
    /// The camera's clock minus ours in ns; `None` when it was never measured.
    pub clock_error_ns: Option<i64>,
    /// Left, top, right, bottom, as fractions of the picture: `0 <= x0 < x1 <= 1`, likewise y.
    pub bbox: [f32; 4],
    /// How good the crop is, 0 to 1.
    pub quality: f32,
    /// Counts the sightings of the track from 0.
    pub sequence: u32,
    /// Vectors of this crop, one a name. Empty on an end without a crop.
    pub vectors: Vec<NamedVector>,
    /// The crop as JPEG, at most [`MAX_CROP_BYTES`].
    pub crop: Option<Bytes>,
    /// The track so far.
    pub state: TrackState,
    /// Whether this is the last sighting of its track.
    pub is_end: bool,
}

/// A vector with the name of its kind and of the model that made it.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedVector {
    /// The kind: `appearance` or `joint`.
    pub name: String,
    /// The model: `<name>@<first 12 hex digits of its sha256>`.
    pub model: String,
    /// 1 to [`MAX_DIMENSION`] finite values that are not all zero; need not be normalised.
    pub values: Vec<f16>,
}

/// A track's whole state at one of its sightings.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackState {
    /// Capture time of the first detection, Unix time in ns.
    pub start_ns: i64,
    /// Capture time of the newest detection, Unix time in ns, not before `start_ns`.
    pub end_ns: i64,
    /// Detections so far.
    pub detections: u32,
    /// Equals the sequence of the sighting that carries it. Of two states the higher one holds.
    pub revision: u32,
    /// Quality-weighted means of the track's vectors, one a name.
    pub vectors: Vec<NamedVector>,
    /// Quality of the best crop so far, 0 to 1.
    pub best_quality: f32,
    /// Whether the track is over.
    pub has_ended: bool,
}

/// A camera's heartbeat: an interval, and whether it was watched.
///
/// Consecutive heartbeats of a camera touch or leave a gap, and never overlap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// The site of the camera.
    pub site: String,
    /// The camera.
    pub camera: String,
    /// Start of the interval, Unix time in ns.
    pub from_ns: i64,
    /// End of the interval, Unix time in ns, not before `from_ns`.
    pub to_ns: i64,
    /// Frames that were looked at in it.
    pub frames_seen: u64,
    /// Frames that came and were dropped in it.
    pub frames_dropped: u64,
    /// The camera's clock minus ours in ns; `None` when it was never measured.
    pub clock_error_ns: Option<i64>,
    /// Highest spool sequence written before this event.
    pub spooled_sequence: Option<u64>,
    /// `false` when the camera is known to have been blind.
    pub watched: bool,
}

#[cfg(test)]
pub(crate) mod testing {
    //! Events for tests, by hand and by chance.

    use proptest::prelude::*;

    use super::*;

    /// A JPEG by its first bytes, with a body that depends on `seed`.
    pub(crate) fn jpeg(seed: u64, len: usize) -> Bytes {
        let mut bytes = vec![0xff, 0xd8, 0xff, 0xe0];
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        while bytes.len() < len.max(6) - 2 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.push((state >> 24) as u8);
        }
        bytes.extend_from_slice(&[0xff, 0xd9]);
        Bytes::from(bytes)
    }

    pub(crate) fn vector(name: &str, model: &str, values: &[f32]) -> NamedVector {
        NamedVector {
            name: name.to_owned(),
            model: model.to_owned(),
            values: values.iter().copied().map(f16::from_f32).collect(),
        }
    }

    /// The `sequence`th sighting of the `ordinal`th track born at `birth_ns`, with a 4-d vector.
    pub(crate) fn sighting(camera: &str, birth_ns: i64, ordinal: u32, sequence: u32) -> Sighting {
        let track = TrackId::derive("site", camera, birth_ns, ordinal);
        let angle = (ordinal as f32) * 0.7 + (sequence as f32) * 0.01;
        let values = [
            angle.cos(),
            angle.sin(),
            0.5,
            0.25 + (sequence as f32) * 0.001,
        ];
        let vectors = vec![vector("appearance", "m@0123456789ab", &values)];
        Sighting {
            id: SightingId::derive(track, sequence),
            track,
            site: "site".to_owned(),
            camera: camera.to_owned(),
            capture_ns: birth_ns + i64::from(sequence) * 1_000_000_000,
            clock_error_ns: Some(-5),
            bbox: [0.1, 0.2, 0.3, 0.7],
            quality: 0.5 + (sequence % 5) as f32 * 0.1,
            sequence,
            vectors: vectors.clone(),
            crop: Some(jpeg(
                birth_ns as u64 ^ u64::from(ordinal * 1000 + sequence),
                300,
            )),
            state: TrackState {
                start_ns: birth_ns,
                end_ns: birth_ns + i64::from(sequence) * 1_000_000_000,
                detections: sequence + 1,
                revision: sequence,
                vectors,
                best_quality: 0.9,
                has_ended: false,
            },
            is_end: false,
        }
    }

    pub(crate) fn coverage(camera: &str, from_ns: i64, to_ns: i64, watched: bool) -> Coverage {
        Coverage {
            site: "site".to_owned(),
            camera: camera.to_owned(),
            from_ns,
            to_ns,
            frames_seen: if watched { 100 } else { 0 },
            frames_dropped: 3,
            clock_error_ns: None,
            spooled_sequence: None,
            watched,
        }
    }

    fn name() -> impl Strategy<Value = String> {
        proptest::string::string_regex("[a-zä][a-z0-9@._-]{0,20}").unwrap()
    }

    fn values(dimension: usize) -> impl Strategy<Value = Vec<f16>> {
        proptest::collection::vec(-100.0_f32..100.0, dimension)
            .prop_map(|values| values.into_iter().map(f16::from_f32).collect::<Vec<_>>())
            .prop_filter("not all zero", |values| {
                values.iter().any(|v| v.to_f32() != 0.0)
            })
    }

    fn vectors() -> impl Strategy<Value = Vec<NamedVector>> {
        proptest::collection::btree_map(name(), (name(), (1_usize..40).prop_flat_map(values)), 0..3)
            .prop_map(|map| {
                map.into_iter()
                    .map(|(name, (model, values))| NamedVector {
                        name,
                        model,
                        values,
                    })
                    .collect()
            })
    }

    fn any_sighting() -> impl Strategy<Value = Sighting> {
        let place = (
            name(),
            name(),
            0..i64::MAX / 2,
            0..i64::MAX / 4,
            any::<u32>(),
            any::<u32>(),
        );
        let look = (
            (0.0_f32..0.5, 0.0_f32..0.5, 0.001_f32..0.5, 0.001_f32..0.5),
            0.0_f32..=1.0,
            0.0_f32..=1.0,
            proptest::option::of(any::<i64>()),
            proptest::option::of((any::<u64>(), 6_usize..2000)),
        );
        (
            place,
            look,
            vectors(),
            vectors(),
            any::<(u32, bool, bool)>(),
        )
            .prop_map(
                |(place, look, vectors, means, (detections, is_end, has_ended))| {
                    let (site, camera, start_ns, span_ns, ordinal, sequence) = place;
                    let ((x0, y0, w, h), quality, best_quality, clock_error_ns, crop) = look;
                    let track = TrackId::derive(&site, &camera, start_ns, ordinal);
                    Sighting {
                        id: SightingId::derive(track, sequence),
                        track,
                        site,
                        camera,
                        capture_ns: start_ns + span_ns,
                        clock_error_ns,
                        bbox: [x0, y0, x0 + w, y0 + h],
                        quality,
                        sequence,
                        vectors,
                        crop: crop.map(|(seed, len)| jpeg(seed, len)),
                        state: TrackState {
                            start_ns,
                            end_ns: start_ns + span_ns,
                            detections,
                            revision: sequence,
                            vectors: means,
                            best_quality,
                            has_ended,
                        },
                        is_end,
                    }
                },
            )
    }

    fn any_coverage() -> impl Strategy<Value = Coverage> {
        let times = (0..i64::MAX / 2, 0..i64::MAX / 4);
        (
            name(),
            name(),
            times,
            any::<(u64, u64, Option<i64>, Option<u64>, bool)>(),
        )
            .prop_map(|(site, camera, (from_ns, span_ns), rest)| Coverage {
                site,
                camera,
                from_ns,
                to_ns: from_ns + span_ns,
                frames_seen: rest.0,
                frames_dropped: rest.1,
                clock_error_ns: rest.2,
                spooled_sequence: rest.3,
                watched: rest.4,
            })
    }

    fn any_forgotten() -> impl Strategy<Value = Forgotten> {
        let stretch =
            (name(), 0..i64::MAX / 2, 0..i64::MAX / 4).prop_map(|(camera, from_ns, span_ns)| {
                Stretch {
                    site: Some("north".into()),
                    camera,
                    from_ns,
                    to_ns: from_ns + span_ns,
                }
            });
        let track = any::<u128>().prop_map(|id| TrackId::from_uuid(uuid::Uuid::from_u128(id)));
        (
            0..i64::MAX,
            proptest::collection::vec(track, 1..20),
            proptest::collection::vec(stretch, 0..5),
            proptest::collection::vec(any::<PictureHash>(), 0..5),
        )
            .prop_map(|(at_ns, tracks, stretches, pictures)| Forgotten {
                at_ns,
                tracks,
                stretches,
                pictures,
            })
    }

    /// Any event that keeps the rules.
    pub(crate) fn any_event() -> impl Strategy<Value = Event> {
        prop_oneof![
            any_sighting().prop_map(|sighting| Event::Sighting(Box::new(sighting))),
            any_coverage().prop_map(Event::Coverage),
            any_forgotten().prop_map(Event::Forgotten),
        ]
    }
}
