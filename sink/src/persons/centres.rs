//! What persons look like and when they were last seen, so that those nearest to a track are found fast.
//!
//! The mean looks lie in eight bits beside one another: one pass over them says of nearly all that they are too far off,
//! since how much eight bits can be wrong is known of each. The few that are left are compared in full, so those that come
//! out are the same, to the last one, as if all had been.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::hash::BuildHasherDefault;

use super::glances::Glances;
use super::pairs::Spread;
use super::track::Track;
use super::vectors::dot;
use crate::PersonId;

/// How far a product of vectors of length 1 in 32-bit numbers may be off what it would be in exact ones.
const ROUNDING: f32 = 1e-4;

/// The id before all others.
const LEAST: PersonId = PersonId::from_uuid(uuid::Uuid::nil());

/// The persons who are compared.
#[derive(Debug, Default)]
pub(super) struct Centres {
    /// In no order; beside each the looks in `bytes`.
    rows: Vec<Row>,
    looks: Vec<Vec<f32>>,
    bytes: Vec<i8>,
    /// Values of a vector; 0 until there is one.
    dimension: usize,
    at: HashMap<PersonId, usize, BuildHasherDefault<Spread>>,
    by_time: BTreeSet<(i64, PersonId)>,
    glances: RefCell<Glances>,
}

/// A person: its looks are `bytes * scale`, and no more than `error` away from it.
#[derive(Debug, Clone, Copy)]
struct Row {
    id: PersonId,
    last_ns: i64,
    scale: f32,
    /// Infinite for looks that are not of the dimension of the others.
    error: f32,
}

impl Centres {
    /// Sets what a person looks like, a vector of length 1 or an empty one, and when it was last seen.
    pub(super) fn set(&mut self, id: PersonId, look: Vec<f32>, last_ns: i64) {
        if self.dimension == 0 {
            self.dimension = look.len();
            self.bytes.resize(self.rows.len() * look.len(), 0);
        }
        let row = Row {
            id,
            last_ns,
            scale: 0.0,
            error: f32::INFINITY,
        };
        let at = match self.at.get(&id) {
            Some(&at) => {
                self.by_time.remove(&(self.rows[at].last_ns, id));
                self.rows[at] = row;
                self.looks[at] = look;
                at
            }
            None => {
                self.at.insert(id, self.rows.len());
                self.rows.push(row);
                self.looks.push(look);
                self.bytes.resize(self.rows.len() * self.dimension, 0);
                self.rows.len() - 1
            }
        };
        self.by_time.insert((last_ns, id));
        let look = &self.looks[at];
        if self.dimension > 0 && look.len() == self.dimension {
            let bytes = &mut self.bytes[at * self.dimension..][..look.len()];
            let (scale, error) = to_bytes(look, bytes);
            self.rows[at].scale = scale;
            self.rows[at].error = error;
        }
        self.glances.get_mut().changed(at, self.rows.len());
    }

    pub(super) fn remove(&mut self, id: PersonId) {
        let Some(at) = self.at.remove(&id) else {
            return;
        };
        let gone = self.rows.swap_remove(at);
        self.by_time.remove(&(gone.last_ns, id));
        self.looks.swap_remove(at);
        let last = self.rows.len() * self.dimension;
        if let Some(moved) = self.rows.get(at) {
            self.at.insert(moved.id, at);
            self.bytes
                .copy_within(last..last + self.dimension, at * self.dimension);
        }
        self.bytes.truncate(last);
        self.glances.get_mut().changed(at, self.rows.len());
    }

    /// Those who look most like a track, of equal ones those with the lower ids; in no order. Nobody who was last seen
    /// before `oldest_ns`, nor `but`.
    pub(super) fn nearest_by_looks(
        &self,
        track: &Track,
        most: usize,
        oldest_ns: i64,
        but: Option<PersonId>,
    ) -> Vec<PersonId> {
        let mut nearest: Vec<(f32, PersonId)> = self
            .maybe_nearest(track, most, oldest_ns, but)
            .into_iter()
            .map(|at| (dot(&self.looks[at], &track.mean), self.rows[at].id))
            .collect();
        if nearest.len() > most {
            nearest.select_nth_unstable_by(most, |a, b| {
                b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1))
            });
            nearest.truncate(most);
        }
        nearest.into_iter().map(|(_, id)| id).collect()
    }

    /// Rows among which the nearest are.
    fn maybe_nearest(
        &self,
        track: &Track,
        most: usize,
        oldest_ns: i64,
        but: Option<PersonId>,
    ) -> Vec<usize> {
        let is_asked = |row: &Row| Some(row.id) != but && row.last_ns >= oldest_ns;
        if self.dimension == 0 || track.mean.len() != self.dimension {
            let rows = self.rows.iter().enumerate();
            return rows
                .filter_map(|(at, row)| is_asked(row).then_some(at))
                .collect();
        }
        let finer = Finer::of(&track.mean);
        let mut glances = self.glances.borrow_mut();
        let products = glances.products(track.id, &track.mean, self.rows.len(), |at| {
            let bytes = &self.bytes[at * self.dimension..][..self.dimension];
            finer.product(bytes) * self.rows[at].scale
        });
        // What each reaches at least; the least of the `most` highest of these is what the others must be able to reach.
        let mut highest = Highest::new(most);
        let mut reach: Vec<(f32, usize)> = Vec::new();
        for (at, (row, product)) in self.rows.iter().zip(products).enumerate() {
            let error = row.error + finer.error + ROUNDING;
            if product + error >= highest.least && is_asked(row) {
                reach.push((product + error, at));
                highest.add(product - error);
            }
        }
        reach.retain(|(reach, _)| *reach >= highest.least);
        reach.into_iter().map(|(_, at)| at).collect()
    }

    /// Those last seen nearest in time, of equal ones those with the lower ids. Nobody who was last seen before
    /// `oldest_ns`, nor `but`.
    pub(super) fn nearest_by_time(
        &self,
        time_ns: i64,
        most: usize,
        oldest_ns: i64,
        but: Option<PersonId>,
    ) -> Vec<PersonId> {
        let asked = |(last_ns, id): &(i64, PersonId)| {
            (Some(*id) != but).then_some((last_ns.abs_diff(time_ns), *id))
        };
        // Some of each side, and whoever is as far off as the last of these.
        let some = |side: &mut dyn Iterator<Item = (u64, PersonId)>| {
            let mut nearest: Vec<(u64, PersonId)> = Vec::with_capacity(2 * most);
            for (distance, id) in side {
                if nearest.len() >= most && nearest.last().is_some_and(|last| last.0 < distance) {
                    break;
                }
                nearest.push((distance, id));
            }
            nearest
        };
        let middle = (time_ns.max(oldest_ns), LEAST);
        let mut later = self.by_time.range(middle..).filter_map(asked);
        let mut nearest = some(&mut later);
        if oldest_ns < time_ns {
            let from = (oldest_ns, LEAST);
            let mut earlier = self.by_time.range(from..middle).rev().filter_map(asked);
            nearest.extend(some(&mut earlier));
        }
        nearest.sort_unstable();
        nearest.truncate(most);
        nearest.into_iter().map(|(_, id)| id).collect()
    }
}

/// A vector in eight bits a value; its scale, and how far off it is.
fn to_bytes(look: &[f32], bytes: &mut [i8]) -> (f32, f32) {
    let largest = look
        .iter()
        .fold(0.0_f32, |most, value| most.max(value.abs()));
    if largest == 0.0 {
        bytes.fill(0);
        return (0.0, 0.0);
    }
    let scale = largest / 127.0;
    let mut off = 0.0_f64;
    for (byte, value) in bytes.iter_mut().zip(look) {
        *byte = (value / scale).round().clamp(-127.0, 127.0) as i8;
        off += (f64::from(*value) - f64::from(*byte) * f64::from(scale)).powi(2);
    }
    (scale, off.sqrt() as f32)
}

/// A vector in sixteen bits a value, fewer where a product could be too large.
struct Finer {
    values: Vec<i16>,
    scale: f32,
    error: f32,
}

impl Finer {
    fn of(look: &[f32]) -> Self {
        let largest = look
            .iter()
            .fold(0.0_f32, |most, value| most.max(value.abs()));
        let most = (i32::MAX as usize / (127 * look.len().max(1))).min(32_000) as f32;
        let scale = (largest / most).max(f32::MIN_POSITIVE);
        let values: Vec<i16> = look
            .iter()
            .map(|value| (value / scale).round().clamp(-most, most) as i16)
            .collect();
        let off = values.iter().zip(look).map(|(finer, value)| {
            (f64::from(*value) - f64::from(*finer) * f64::from(scale)).powi(2)
        });
        let error = off.sum::<f64>().sqrt() as f32;
        // The other vector, in eight bits, is of a length near 1.
        Self {
            values,
            scale,
            error: 1.5 * error,
        }
    }

    /// The product with a vector in eight bits, but for that one's scale.
    fn product(&self, bytes: &[i8]) -> f32 {
        let pairs = bytes.iter().zip(&self.values);
        // It cannot be too large (see `of`); checks would keep the compiler from taking many at once.
        let sum = pairs.fold(0_i32, |sum, (a, b)| {
            sum.wrapping_add(i32::from(*a).wrapping_mul(i32::from(*b)))
        });
        sum as f32 * self.scale
    }
}

/// The highest of some numbers.
struct Highest {
    /// The lowest first.
    numbers: Vec<f32>,
    /// The lowest of them once there are as many as are wanted, no bound until then.
    least: f32,
    most: usize,
}

impl Highest {
    fn new(most: usize) -> Self {
        Self {
            numbers: Vec::with_capacity(most + 1),
            least: f32::NEG_INFINITY,
            most,
        }
    }

    fn add(&mut self, number: f32) {
        if number <= self.least {
            return;
        }
        let at = self.numbers.partition_point(|held| *held < number);
        self.numbers.insert(at, number);
        if self.numbers.len() > self.most {
            self.numbers.remove(0);
        }
        if self.numbers.len() == self.most {
            self.least = self.numbers.first().copied().unwrap_or(self.least);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::vectors::normalised;
    use super::*;
    use crate::TrackId;
    use crate::event::testing::sighting;

    fn person(number: i64) -> PersonId {
        PersonId::derive(TrackId::derive("s", "c", number, 0))
    }

    fn asked(number: i64, look: &[f32]) -> Track {
        let mut track = Track::of(&sighting("a", number, 3, 0));
        track.mean = normalised(look);
        track
    }

    /// What is asked for, by comparing all.
    fn by_comparing<K: Ord + Copy>(
        all: &[(PersonId, Vec<f32>, i64)],
        (most, oldest_ns, but): (usize, i64, Option<PersonId>),
        key: impl Fn(&[f32], i64) -> K,
    ) -> Vec<PersonId> {
        let mut keys: Vec<(K, PersonId)> = all
            .iter()
            .filter(|(id, _, last_ns)| Some(*id) != but && *last_ns >= oldest_ns)
            .map(|(id, look, last_ns)| (key(look, *last_ns), *id))
            .collect();
        keys.sort_unstable();
        let mut ids: Vec<PersonId> = keys.into_iter().take(most).map(|(_, id)| id).collect();
        ids.sort_unstable();
        ids
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn those_nearest_are_the_same_as_if_all_were_compared(
            steps in proptest::collection::vec(
                (0_i64..40, 0_i64..20, proptest::option::weighted(0.8, proptest::collection::vec(-4_i8..5, 20))), 1..150),
            looks in proptest::collection::vec(proptest::collection::vec(-4_i8..5, 20), 1..6),
            most in 1_usize..10,
        ) {
            let value = |value: &i8| f32::from(*value);
            let mut centres = Centres::default();
            let mut all: Vec<(PersonId, Vec<f32>, i64)> = Vec::new();
            for (step, (number, last_ns, look)) in steps.iter().enumerate() {
                let id = person(*number);
                all.retain(|(other, ..)| *other != id);
                match look {
                    // Some have no looks, some those of another model, many equal ones.
                    Some(look) => {
                        let length = match number % 8 { 0 => 0, 1 => 12, _ => 20 };
                        let look = normalised(&look[..length].iter().map(value).collect::<Vec<_>>());
                        centres.set(id, look.clone(), *last_ns);
                        all.push((id, look, *last_ns));
                    }
                    None => centres.remove(id),
                }
                let look: Vec<f32> = looks[step % looks.len()].iter().map(value).collect();
                let track = asked((step % looks.len()) as i64, &look);
                let (time_ns, oldest_ns, but) = (step as i64 % 23, step as i64 % 9, Some(person(step as i64 % 40)));
                let mut found = centres.nearest_by_looks(&track, most, oldest_ns, but);
                found.sort_unstable();
                let order = |look: &[f32], _| {
                    // As total_cmp orders, the highest first.
                    let bits = dot(look, &track.mean).to_bits() as i32;
                    std::cmp::Reverse(bits ^ (((bits >> 31) as u32) >> 1) as i32)
                };
                prop_assert_eq!(found, by_comparing(&all, (most, oldest_ns, but), order));
                let mut found = centres.nearest_by_time(time_ns, most, oldest_ns, but);
                found.sort_unstable();
                let order = |_: &[f32], last_ns: i64| last_ns.abs_diff(time_ns);
                prop_assert_eq!(found, by_comparing(&all, (most, oldest_ns, but), order));
            }
        }
    }
}
