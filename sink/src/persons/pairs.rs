//! What was found of pairs of tracks, kept for those that are looked at again soon.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::evidence::{Link, Pair};
use crate::TrackId;

/// Pairs of a generation. More would be found again more seldom, and each look would take longer: few enough of them lie
/// in the processor's own memory.
const GENERATION: usize = 1 << 15;

/// A pair, with the versions of the two tracks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Compared {
    pub(super) versions: (u32, u32),
    pub(super) pair: Pair,
    /// What links the two, and at which moment.
    pub(super) link: (u64, Link),
    /// What the places say at which somebody went out and came in, and after how many lessons.
    pub(super) zones: (u32, f64),
}

type Generation = HashMap<(TrackId, TrackId), Compared, BuildHasherDefault<Spread>>;

/// Pairs in two generations: whatever is asked for is of the young one from then on, and when that is full, it is the old
/// one, and the old one is forgotten.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    young: Generation,
    old: Generation,
}

impl Pairs {
    pub(super) fn get(&mut self, key: (TrackId, TrackId)) -> Option<Compared> {
        if let Some(known) = self.young.get(&key) {
            return Some(*known);
        }
        let known = self.old.remove(&key)?;
        self.insert(key, known);
        Some(known)
    }

    /// Notes what was found of a pair that was asked for just now.
    pub(super) fn note(&mut self, key: (TrackId, TrackId), found: Compared) {
        if let Some(known) = self.young.get_mut(&key) {
            *known = found;
        }
    }

    pub(super) fn insert(&mut self, key: (TrackId, TrackId), compared: Compared) {
        if self.young.len() >= GENERATION {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.young.insert(key, compared);
    }

    #[cfg(test)]
    pub(super) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}

/// Ids are spread evenly already; whoever could choose them to collide would have to break SHA-1 for it.
#[derive(Default)]
pub(crate) struct Spread(u64);

impl Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(23) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_usize(&mut self, _: usize) {
        // The length of an id says nothing.
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }
}
