//! Who a track could belong to: a bounded list, found by looks and by time.

use std::collections::BTreeMap;

use super::associator::Associator;
use super::vectors::{dot, normalised};
use crate::{PersonId, TrackId};

/// Candidates by looks, and by being seen last.
const BY_LOOKS: usize = 16;
const BY_TIME: usize = 8;

/// The mean looks of each person, and when it was last seen.
#[derive(Debug, Default)]
pub(super) struct Centres {
    of: BTreeMap<PersonId, Centre>,
}

#[derive(Debug)]
struct Centre {
    look: Vec<f32>,
    last_ns: i64,
}

impl Associator {
    /// Computes a person's centre again; it is gone when the person is.
    pub(super) fn recentre(&mut self, id: PersonId) {
        let Some(person) = self.state.persons.get(&id) else {
            self.centres.of.remove(&id);
            return;
        };
        let mut sum: Vec<f32> = Vec::new();
        let mut last_ns = i64::MIN;
        for track in person
            .tracks
            .iter()
            .filter_map(|id| self.state.tracks.get(id))
        {
            last_ns = last_ns.max(track.end_ns);
            if sum.len() < track.mean.len() {
                sum.resize(track.mean.len(), 0.0);
            }
            for (sum, value) in sum.iter_mut().zip(&track.mean) {
                *sum += value * track.weight.max(0.1);
            }
        }
        let look = normalised(&sum);
        self.centres.of.insert(id, Centre { look, last_ns });
    }

    /// Persons to whom a track could belong, its own left out, in the order of their ids.
    pub(super) fn candidates(&self, track: TrackId) -> Vec<PersonId> {
        let Some(this) = self.state.tracks.get(&track) else {
            return Vec::new();
        };
        let own = self.person_of(track);
        let oldest_ns = this.start_ns.saturating_sub(self.options.window_ns);
        let mut by_looks: Vec<(f32, PersonId)> = Vec::new();
        let mut by_time: Vec<(i64, PersonId)> = Vec::new();
        for (id, centre) in &self.centres.of {
            if Some(*id) == own || centre.last_ns < oldest_ns {
                continue;
            }
            by_looks.push((dot(&centre.look, &this.mean), *id));
            by_time.push((centre.last_ns.abs_diff(this.start_ns) as i64, *id));
        }
        if by_looks.len() > BY_LOOKS {
            by_looks.select_nth_unstable_by(BY_LOOKS, |a, b| {
                b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1))
            });
            by_looks.truncate(BY_LOOKS);
        }
        if by_time.len() > BY_TIME {
            by_time.select_nth_unstable(BY_TIME);
            by_time.truncate(BY_TIME);
        }
        let mut ids: Vec<PersonId> = by_looks
            .into_iter()
            .map(|(_, id)| id)
            .chain(by_time.into_iter().map(|(_, id)| id))
            .collect();
        let said = self.state.words.same_as(track);
        let said = said.into_iter().filter_map(|other| self.person_of(other));
        ids.extend(said.filter(|person| Some(*person) != own));
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}
