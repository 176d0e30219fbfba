//! Vectors of the crops that were embedded last, found by their pixels: the frozen picture of a camera, or a picture that
//! is asked for again, costs no second run of the network.

use std::collections::HashMap;

use ndarray::{ArrayView1, ArrayViewMut1};

/// SHA-256 of a crop's pixels at the model's size, and of how they are read.
pub(crate) type Key = [u8; 32];

/// A bounded number of vectors; the oldest goes for a new one. What is found is not younger for it: whatever repeats comes
/// again soon, and is embedded once more after so many others.
pub(crate) struct Memory {
    /// Where the vector of a crop lies.
    places: HashMap<Key, usize>,
    /// Whose vector lies where.
    keys: Vec<Key>,
    /// Rows of `dimension` values.
    values: Vec<f32>,
    dimension: usize,
    capacity: usize,
    /// Where the next one goes.
    next: usize,
}

impl Memory {
    /// Takes all of its memory now: room for `capacity` vectors of `dimension` values.
    pub(crate) fn new(capacity: usize, dimension: usize) -> Self {
        Self {
            places: HashMap::with_capacity(capacity),
            keys: Vec::with_capacity(capacity),
            values: Vec::with_capacity(capacity * dimension),
            dimension,
            capacity,
            next: 0,
        }
    }

    /// Copies the vector of a crop that was embedded before; false when it is not known.
    pub(crate) fn recall(&self, key: &Key, mut row: ArrayViewMut1<'_, f32>) -> bool {
        let Some(place) = self.places.get(key) else {
            return false;
        };
        let values = &self.values[place * self.dimension..][..self.dimension];
        row.assign(&ArrayView1::from(values));
        true
    }

    /// Keeps a vector in the place of the oldest one.
    pub(crate) fn keep(&mut self, key: Key, row: &ArrayView1<'_, f32>) {
        if self.capacity == 0 || self.places.contains_key(&key) {
            return;
        }
        if self.keys.len() < self.capacity {
            self.keys.push(key);
            self.values.extend(row);
        } else {
            let gone = std::mem::replace(&mut self.keys[self.next], key);
            self.places.remove(&gone);
            let from = self.next * self.dimension;
            for (value, new) in self.values[from..][..self.dimension].iter_mut().zip(row) {
                *value = *new;
            }
        }
        self.places.insert(key, self.next);
        self.next = (self.next + 1) % self.capacity;
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array1;
    use proptest::prelude::*;

    use super::*;

    fn key(of: u8) -> Key {
        [of; 32]
    }

    fn recalled(memory: &Memory, of: u8) -> Option<Vec<f32>> {
        let mut row = Array1::zeros(memory.dimension);
        memory
            .recall(&key(of), row.view_mut())
            .then(|| row.to_vec())
    }

    proptest! {
        /// Against a list of what was kept last.
        #[test]
        fn the_last_ones_are_known_and_no_others(
            capacity in 0_usize..6,
            crops in prop::collection::vec(0_u8..12, 0..60),
        ) {
            let mut memory = Memory::new(capacity, 2);
            let mut last: Vec<u8> = Vec::new();
            for crop in crops {
                memory.keep(key(crop), &Array1::from_elem(2, f32::from(crop)).view());
                if !last.contains(&crop) {
                    last.push(crop);
                    last.drain(..last.len().saturating_sub(capacity));
                }
                for of in 0..12 {
                    let known = last.contains(&of).then(|| vec![f32::from(of); 2]);
                    prop_assert_eq!(recalled(&memory, of), known);
                }
                prop_assert!(memory.places.len() <= capacity);
            }
        }
    }
}
