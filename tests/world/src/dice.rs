//! Chance that repeats: every entity (person, camera, crop) owns a `ChaCha` stream keyed by what it is, so order and threads do not matter.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A deterministic source of chance.
#[derive(Debug, Clone)]
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// The stream of the entity named by `keys`, for example `[seed, PERSON, number]`.
    #[must_use]
    pub fn new(keys: &[u64]) -> Self {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for key in keys {
            state = splitmix(state ^ splitmix(*key));
        }
        Self(ChaCha8Rng::seed_from_u64(state))
    }

    /// Uniform in 0..1.
    pub fn unit(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 / 16_777_216.0
    }

    /// Uniform between `low` and `high`.
    pub fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// A whole number below `count`; 0 where `count` is 0.
    pub fn below(&mut self, count: usize) -> usize {
        ((u64::from(self.0.next_u32()) * count as u64) >> 32) as usize
    }

    /// True with probability `p`.
    pub fn chance(&mut self, p: f32) -> bool {
        self.unit() < p
    }

    /// Normal with mean and deviation, cut at three deviations.
    pub fn normal(&mut self, mean: f32, deviation: f32) -> f32 {
        let (u, v) = (self.unit().max(1e-7), self.unit());
        let z = (-2.0 * u.ln()).sqrt() * (std::f32::consts::TAU * v).cos();
        mean + deviation * z.clamp(-3.0, 3.0)
    }

    /// One of `items`, which must not be empty.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// One of `items` by weight; the list must not be empty.
    pub fn weighted<'a, T>(&mut self, items: &'a [(T, f32)]) -> &'a T {
        let total: f32 = items.iter().map(|(_, weight)| weight).sum();
        let mut left = self.unit() * total;
        for (item, weight) in items {
            left -= weight;
            if left < 0.0 {
                return item;
            }
        }
        &items[items.len() - 1].0
    }

    /// 64 fresh bits, to key a further stream.
    pub fn key(&mut self) -> u64 {
        self.0.next_u64()
    }
}

fn splitmix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_keys_give_the_same_stream_and_others_another() {
        let draw = |keys: &[u64]| {
            let mut dice = Dice::new(keys);
            (0..8).map(|_| dice.below(1000)).collect::<Vec<_>>()
        };
        assert_eq!(draw(&[1, 2]), draw(&[1, 2]));
        assert_ne!(draw(&[1, 2]), draw(&[2, 1]));
    }

    #[test]
    fn weights_are_followed() {
        let mut dice = Dice::new(&[5]);
        let often = (0..2000)
            .filter(|_| *dice.weighted(&[("a", 3.0), ("b", 1.0)]) == "a")
            .count();
        assert!((1400..1600).contains(&often), "{often}");
    }
}
