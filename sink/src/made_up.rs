//! Made-up sightings of the usual size, for measurements: the same each time.

use half::f16;

use crate::event::TrackState;
use crate::store::VectorSpec;
use crate::{Bytes, NamedVector, Sighting, SightingId, TrackId};

/// Values of a vector.
pub(crate) const DIMENSION: usize = 512;

/// Name of the vectors.
pub(crate) const VECTOR: &str = "appearance";

/// The model that has made them.
pub(crate) const MODEL: &str = "bench@000000000000";

/// Directions in which looks differ: vectors of a real encoder fill a small part of their space.
const LATENT: usize = 64;

/// Numbers that look random.
pub(crate) struct Numbers(u64);

/// Looks of people: many of one person, near to each other.
pub(crate) struct Looks {
    /// From [`LATENT`] directions to [`DIMENSION`] values.
    directions: Vec<f32>,
}

/// What a store for them is made for.
pub(crate) fn spec() -> VectorSpec {
    VectorSpec {
        name: VECTOR.to_owned(),
        dimension: DIMENSION,
        model: MODEL.to_owned(),
    }
}

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        let mut numbers = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        // The first ones of near seeds are alike.
        for _ in 0..4 {
            numbers.bits();
        }
        numbers
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// From 0 to 1, 1 excluded.
    pub(crate) fn share(&mut self) -> f64 {
        (self.bits() >> 40) as f64 / (1_u64 << 24) as f64
    }

    /// Around 0, with deviation 1: near enough to a normal distribution.
    fn around_zero(&mut self) -> f32 {
        let sum: f64 = (0..6).map(|_| self.share()).sum();
        ((sum - 3.0) * std::f64::consts::SQRT_2) as f32
    }
}

impl Looks {
    pub(crate) fn new() -> Self {
        let mut numbers = Numbers::new(7);
        let directions = (0..LATENT * DIMENSION).map(|_| numbers.around_zero());
        Self {
            directions: directions.collect(),
        }
    }

    /// The `look`th look of a person.
    pub(crate) fn of(&self, person: u32, look: u32) -> Vec<f32> {
        let mut of_person = Numbers::new(u64::from(person) << 20 | 0xf_ffff);
        let mut of_look = Numbers::new(u64::from(person) << 20 | u64::from(look));
        let mut values = vec![0.0; DIMENSION];
        for direction in self.directions.chunks_exact(DIMENSION) {
            let weight = of_person.around_zero() + 0.6 * of_look.around_zero();
            for (value, part) in values.iter_mut().zip(direction) {
                *value += weight * part;
            }
        }
        for value in &mut values {
            *value += of_look.around_zero();
        }
        values
    }
}

/// A picture of this many bytes, as far as anybody looks.
pub(crate) fn picture(numbers: &mut Numbers, bytes: usize) -> Bytes {
    let mut picture = vec![0xff, 0xd8, 0xff, 0xe0];
    picture.extend((4..bytes.saturating_sub(2)).map(|_| (numbers.bits() >> 24) as u8));
    picture.extend_from_slice(&[0xff, 0xd9]);
    Bytes::from(picture)
}

/// What there is to say of a sighting.
pub(crate) struct Seen<'v> {
    pub(crate) camera: String,
    /// Number of its track on that camera.
    pub(crate) ordinal: u32,
    /// Number in its track.
    pub(crate) sequence: u32,
    pub(crate) start_ns: i64,
    pub(crate) capture_ns: i64,
    pub(crate) values: &'v [f32],
    pub(crate) crop: Option<Bytes>,
}

/// Makes a sighting, which is all that is known of its track.
pub(crate) fn sighting(seen: Seen<'_>) -> Sighting {
    let Seen {
        camera, sequence, ..
    } = seen;
    let track = TrackId::derive("bench", &camera, seen.start_ns, seen.ordinal);
    let vectors = vec![NamedVector {
        name: VECTOR.to_owned(),
        model: MODEL.to_owned(),
        values: seen.values.iter().copied().map(f16::from_f32).collect(),
    }];
    Sighting {
        id: SightingId::derive(track, sequence),
        track,
        site: "bench".to_owned(),
        camera,
        capture_ns: seen.capture_ns,
        clock_error_ns: None,
        bbox: [0.1, 0.2, 0.3, 0.7],
        quality: 0.5,
        sequence,
        vectors: vectors.clone(),
        crop: seen.crop,
        state: TrackState {
            start_ns: seen.start_ns,
            end_ns: seen.capture_ns,
            detections: sequence + 1,
            revision: sequence,
            vectors,
            best_quality: 0.5,
            has_ended: false,
        },
        is_end: false,
    }
}
