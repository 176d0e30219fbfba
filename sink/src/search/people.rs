//! Persons in place of tracks: each is compared over all of its views, as if they were one long track, and by its best track.

use std::collections::{HashMap, HashSet};

use super::answer::Hit;
use super::moment::Moment;
use super::probe::{Probe, vector_of};
use super::query::Filter;
use super::rank::{Candidate, TRACKS_A_CALL, add_best, similarity_of};
use crate::store::engine::Condition;
use crate::store::points::{TrackletPayload, from_payload};
use crate::{Result, TrackId};

/// What is known of a person's looks against what is looked for.
#[derive(Default)]
struct Views {
    /// Sum of the means of its tracks, each as much as its best crop is worth.
    sum: Vec<f32>,
    /// Cosine to its best sighting of all.
    best: Option<f32>,
}

/// The persons of ranked tracks, each at its best track and with the similarity of all its tracks that pass the filter,
/// or of that track alone where that is more, best first; a track without a person stands for itself. Without a probe the order stays.
pub(super) fn of_tracks(
    store: &Moment<'_>,
    filter: &Filter,
    probe: Option<&Probe>,
    tracks: Vec<Hit>,
) -> Result<Vec<Hit>> {
    let mut seen = HashSet::new();
    let mut hits: Vec<Hit> = tracks
        .into_iter()
        .filter(|hit| {
            hit.person
                .as_ref()
                .is_none_or(|person| seen.insert(person.clone()))
        })
        .collect();
    let Some(probe) = probe else {
        return Ok(hits);
    };
    let views = views(store, filter, probe, seen.into_iter().collect())?;
    for hit in &mut hits {
        if let Some(views) = hit.person.as_ref().and_then(|person| views.get(person)) {
            // A wrong join, or a track that shows two people, must not sink the one that fits.
            let best_track = hit.similarity.unwrap_or(-1.0);
            hit.similarity = Some(views.similarity(probe).max(best_track));
        }
    }
    let similarity = |hit: &Hit| hit.similarity.unwrap_or(-1.0);
    hits.sort_by(|a, b| {
        similarity(b)
            .total_cmp(&similarity(a))
            .then(a.track.cmp(&b.track))
    });
    Ok(hits)
}

/// Everything that was seen of these persons.
fn views(
    store: &Moment<'_>,
    filter: &Filter,
    probe: &Probe,
    mut persons: Vec<String>,
) -> Result<HashMap<String, Views>> {
    // The order of a set is another one each time, and sums of floats depend on theirs.
    persons.sort_unstable();
    let mut views: HashMap<String, Views> = HashMap::new();
    let of_persons = filter
        .for_tracklets()
        .and(Condition::any("person", &persons));
    let ids: Vec<_> = store
        .tracklets()
        .every(&of_persons)?
        .into_iter()
        .map(|found| found.id)
        .collect();
    for ids in ids.chunks(TRACKS_A_CALL) {
        let mut candidates: HashMap<TrackId, Candidate> = HashMap::new();
        for record in store.tracklets().retrieve(ids, true)? {
            let payload: TrackletPayload = from_payload(record.payload)?;
            if !filter.passes(&payload) || probe.without.contains(&payload.track) {
                continue;
            }
            let Some(person) = payload.person.clone() else {
                continue;
            };
            let weight = payload.best_quality;
            let views = views.entry(person).or_default();
            if let Some(mean) = vector_of(record.vectors, &probe.name) {
                views.sum.resize(mean.len(), 0.0);
                for (sum, value) in views.sum.iter_mut().zip(mean) {
                    *sum += value * weight;
                }
            }
            let candidate = Candidate {
                payload,
                to_mean: None,
                best: None,
            };
            candidates.insert(candidate.payload.track, candidate);
        }
        let mut waiting: Vec<_> = candidates.keys().copied().collect();
        waiting.sort_unstable();
        let of_exemplars = filter.for_exemplars();
        add_best(
            store,
            filter,
            probe,
            &of_exemplars,
            waiting,
            &mut candidates,
        )?;
        for candidate in candidates.into_values() {
            let best = candidate.best.map(|(cosine, _)| cosine);
            if let (Some(cosine), Some(person)) = (best, candidate.payload.person)
                && let Some(views) = views.get_mut(&person)
            {
                views.best = Some(views.best.map_or(cosine, |known| known.max(cosine)));
            }
        }
    }
    Ok(views)
}

impl Views {
    fn similarity(&self, probe: &Probe) -> f32 {
        let length = self.sum.iter().map(|value| value * value).sum::<f32>();
        let to_mean = (length > 0.0).then(|| {
            let dot: f32 = self.sum.iter().zip(&probe.values).map(|(a, b)| a * b).sum();
            dot / length.sqrt()
        });
        similarity_of(to_mean, self.best)
    }
}
