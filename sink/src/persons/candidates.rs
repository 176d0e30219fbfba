//! Who a track could belong to: a bounded list, found by looks and by time.

use super::associator::Associator;
use super::vectors::normalised;
use crate::{PersonId, TrackId};

/// Candidates by looks, and by being seen last.
const BY_LOOKS: usize = 16;
const BY_TIME: usize = 8;

impl Associator {
    /// Computes a person's centre again; it is gone when the person is.
    pub(super) fn recentre(&mut self, id: PersonId) {
        self.evidence.person_changed(id);
        let Some(person) = self.state.persons.get(&id) else {
            self.centres.remove(id);
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
        self.centres.set(id, normalised(&sum), last_ns);
    }

    /// Persons to whom a track could belong, its own left out, in the order of their ids.
    pub(super) fn candidates(&self, track: TrackId) -> Vec<PersonId> {
        let Some(this) = self.state.tracks.get(&track) else {
            return Vec::new();
        };
        let own = self.person_of(track);
        let oldest_ns = this.start_ns.saturating_sub(self.options.window_ns);
        let mut ids = self
            .centres
            .nearest_by_looks(this, BY_LOOKS, oldest_ns, own);
        let by_time = self
            .centres
            .nearest_by_time(this.start_ns, BY_TIME, oldest_ns, own);
        ids.extend(by_time);
        let said = self.state.words.same_as(track);
        let said = said.into_iter().filter_map(|other| self.person_of(other));
        ids.extend(said.filter(|person| Some(*person) != own));
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}
