//! Finding and ranking tracks.
//!
//! Two lists are merged: the nearest tracklet means and the nearest sightings. A track that is in
//! neither list can be no better than the last of both; as soon as enough candidates beat that bound
//! the ranking is final, otherwise both lists are made longer.

use std::collections::HashMap;

use super::answer::{Answer, Hit};
use super::browse::{browse, hit};
use super::moment::Moment;
use super::people;
use super::probe::{Probe, mean_of, of_examples, probe, vector_of};
use super::query::{Filter, MAX_LIMIT, Query, QueryKind};
use super::why;
use crate::store::Store;
use crate::store::engine::{Condition, Where};
use crate::store::points::{ExemplarPayload, TrackletPayload, from_payload};
use crate::{Result, TrackId};

/// Up to this many tracks in question all of them are compared, without lists.
const COMPARE_ALL: u64 = 1_000;

/// Tracks whose sightings are asked for at once.
pub(super) const TRACKS_A_CALL: usize = 256;

/// Tracks that are ranked for each person that is wanted: persons are seen more than once.
const TRACKS_A_PERSON: usize = 10;

/// A track that may be a hit.
pub(super) struct Candidate {
    pub(super) payload: TrackletPayload,
    pub(super) to_mean: Option<f32>,
    pub(super) best: Option<(f32, ExemplarPayload)>,
}

/// Ranked tracks, before anything is said about them.
struct Ranked {
    hits: Vec<Hit>,
    searched: u64,
    is_exact: bool,
    /// What they were compared with; none when browsing.
    probe: Option<Probe>,
    /// Why nothing could be compared.
    is_unknown: Option<String>,
}

/// Answers a query with tracks.
pub(crate) fn answer(store: &Store, query: &Query) -> Result<Answer> {
    let store = &Moment::of(store);
    query.check()?;
    let ranked = rank(store, query, query.limit)?;
    said(store, query, ranked, None)
}

/// Answers a query with persons, each by the track that fits best.
pub(crate) fn persons(store: &Store, query: &Query) -> Result<Answer> {
    let store = &Moment::of(store);
    query.check()?;
    let wanted = query.limit.saturating_mul(TRACKS_A_PERSON).min(MAX_LIMIT);
    let mut ranked = rank(store, query, wanted)?;
    let tracks = ranked.hits.len() as u64;
    let left_out = ranked.probe.as_ref().map_or(0, |it| it.without.len());
    let is_whole = tracks + left_out as u64 >= ranked.searched;
    ranked.is_exact &= is_whole;
    ranked.hits = people::of_tracks(store, &query.filter, ranked.probe.as_ref(), ranked.hits)?;
    let persons = ranked.hits.len() as u64;
    let persons = if is_whole {
        persons
    } else {
        ranked.searched * persons / tracks.max(1)
    };
    ranked.hits.truncate(query.limit);
    said(store, query, ranked, Some(persons))
}

fn rank(store: &Moment<'_>, query: &Query, limit: usize) -> Result<Ranked> {
    let filter = &query.filter;
    let searched = store.tracklets().count(&filter.for_tracklets())?;
    let probe = match &query.kind {
        QueryKind::Time => {
            return Ok(Ranked {
                hits: browse(store, filter, limit)?,
                searched,
                is_exact: true,
                probe: None,
                is_unknown: None,
            });
        }
        QueryKind::Vector {
            name,
            model,
            values,
        } => Ok(probe(
            store,
            name,
            Some(model.as_str()),
            values,
            Vec::new(),
        )?),
        QueryKind::Track { track, name } => match mean_of(store, *track, name)? {
            Ok(values) => Ok(probe(store, name, None, &values, vec![*track])?),
            Err(reason) => Err(reason),
        },
        QueryKind::Examples {
            name,
            also,
            like,
            unlike,
        } => of_examples(store, name, also.as_ref(), like, unlike)?,
    };
    Ok(match probe {
        Ok(probe) => {
            let (hits, is_exact) = nearest(store, filter, &probe, searched, limit)?;
            Ranked {
                hits,
                searched,
                is_exact,
                probe: Some(probe),
                is_unknown: None,
            }
        }
        Err(reason) => Ranked {
            hits: Vec::new(),
            searched,
            is_exact: true,
            probe: None,
            is_unknown: Some(reason),
        },
    })
}

fn said(store: &Moment<'_>, query: &Query, ranked: Ranked, persons: Option<u64>) -> Result<Answer> {
    let Ranked {
        mut hits,
        searched,
        is_exact,
        is_unknown,
        ..
    } = ranked;
    for (index, hit) in hits.iter_mut().enumerate() {
        hit.rank = index as u32 + 1;
    }
    let filter = &query.filter;
    let book = store.book();
    let coverage = book.answer(
        &filter.cameras,
        filter.site.as_deref(),
        filter.from_ns,
        filter.to_ns,
    );
    let why_empty = match (hits.is_empty(), is_unknown) {
        (false, _) => None,
        (true, Some(reason)) => Some(reason),
        (true, None) => Some(why::empty(store, query, &coverage, searched)?),
    };
    Ok(Answer {
        hits,
        coverage,
        why_empty,
        searched,
        persons,
        is_exact,
    })
}

fn nearest(
    store: &Moment<'_>,
    filter: &Filter,
    probe: &Probe,
    searched: u64,
    limit: usize,
) -> Result<(Vec<Hit>, bool)> {
    let (tracklets, exemplars) = (store.tracklets(), store.exemplars());
    let (of_tracklets, of_exemplars) = (filter.for_tracklets(), filter.for_exemplars());
    let is_exact =
        tracklets.is_exact_for(searched) && exemplars.is_exact_for(exemplars.count(&of_exemplars)?);
    if searched == 0 {
        return Ok((Vec::new(), is_exact));
    }
    let mut fetch = if searched <= COMPARE_ALL {
        // One more than there are, so that a whole list is known to be whole.
        searched as usize + 1
    } else {
        (4 * limit).max(128)
    };
    loop {
        let mut candidates: HashMap<TrackId, Candidate> = HashMap::new();
        let means = tracklets.search(&probe.name, &probe.values, &of_tracklets, fetch, is_exact)?;
        let least_mean = (means.len() >= fetch)
            .then(|| means.last().map(|point| point.score))
            .flatten();
        for point in means {
            let payload: TrackletPayload = from_payload(point.payload)?;
            let candidate = Candidate {
                payload,
                to_mean: Some(point.score),
                best: None,
            };
            candidates.insert(candidate.payload.track, candidate);
        }
        // Tracks without a mean of this kind are found by their sightings alone.
        let is_complete = least_mean.is_none() && candidates.len() as u64 == searched;
        let found = exemplars.search(&probe.name, &probe.values, &of_exemplars, fetch, is_exact)?;
        let least_best = (found.len() >= fetch)
            .then(|| found.last().map(|point| point.score))
            .flatten();
        let mut bests: HashMap<TrackId, (f32, ExemplarPayload)> = HashMap::new();
        for point in found {
            let payload: ExemplarPayload = from_payload(point.payload)?;
            if filter.passes_exemplar(&payload) {
                // Best first, so the first of a track is its best.
                bests.entry(payload.track).or_insert((point.score, payload));
            }
        }
        if !is_complete {
            let is_new = |track: &&TrackId| !candidates.contains_key(track);
            let tracks: Vec<_> = bests.keys().filter(is_new).copied().collect();
            add_tracks(store, probe, &tracks, &mut candidates)?;
        }
        candidates.retain(|track, candidate| {
            filter.passes(&candidate.payload) && !probe.without.contains(track)
        });
        for (track, best) in bests {
            if let Some(candidate) = candidates.get_mut(&track) {
                candidate.best = Some(best);
            }
        }
        if let Some(least_best) = least_best {
            let waiting = undecided(&candidates, least_best, limit);
            add_best(
                store,
                filter,
                probe,
                &of_exemplars,
                waiting,
                &mut candidates,
            )?;
        }
        let mut ranked: Vec<(f32, Candidate)> = candidates
            .into_values()
            .map(|candidate| (candidate.similarity(), candidate))
            .collect();
        ranked.sort_by(|a, b| {
            b.0.total_cmp(&a.0)
                .then(a.1.payload.track.cmp(&b.1.payload.track))
        });
        // What is in neither list has at most the least of each; where a list is whole, it has nothing there.
        let bound = match (least_mean, least_best) {
            (Some(mean), Some(best)) => {
                Some((mean + best) / 2.0).map(|half| half.max(mean).max(best))
            }
            (Some(mean), None) => Some(mean),
            (None, best) => best.filter(|_| !is_complete),
        };
        let is_final = bound.is_none_or(|bound| {
            ranked.len() >= limit && ranked.get(limit - 1).is_some_and(|last| last.0 >= bound)
        });
        if is_final || fetch as u64 >= exemplars.count(&Where::default())?.max(searched) {
            ranked.truncate(limit);
            let hits = ranked
                .into_iter()
                .map(|(similarity, candidate)| {
                    hit(store, candidate.payload, candidate.best, Some(similarity))
                })
                .collect();
            return Ok((hits, is_exact));
        }
        fetch = fetch.saturating_mul(4);
    }
}

/// How near tracks are to a vector, by the measure that hits are ranked by, over all their sightings; none for a track that is not
/// there or has no such vector.
pub(crate) fn similarities(
    store: &Store,
    name: &str,
    model: &str,
    values: &[f32],
    tracks: &[TrackId],
) -> Result<Vec<Option<f32>>> {
    let store = &Moment::of(store);
    let probe = probe(store, name, Some(model), values, Vec::new())?;
    let mut candidates = HashMap::new();
    add_tracks(store, &probe, tracks, &mut candidates)?;
    let mut waiting: Vec<_> = candidates.keys().copied().collect();
    waiting.sort_unstable();
    add_best(
        store,
        &Filter::default(),
        &probe,
        &Where::default(),
        waiting,
        &mut candidates,
    )?;
    let similarity = |track: &TrackId| {
        let candidate: &Candidate = candidates.get(track)?;
        let is_compared = candidate.to_mean.is_some() || candidate.best.is_some();
        is_compared.then(|| candidate.similarity())
    };
    Ok(tracks.iter().map(similarity).collect())
}

impl Candidate {
    pub(super) fn similarity(&self) -> f32 {
        let to_best = self.best.as_ref().map(|(similarity, _)| *similarity);
        similarity_of(self.to_mean, to_best)
    }
}

/// The measure that hits are ranked by, from the cosines to the mean vector and to the best sighting.
pub(super) fn similarity_of(to_mean: Option<f32>, to_best: Option<f32>) -> f32 {
    match (to_mean, to_best) {
        (Some(mean), Some(best)) => (mean + best) / 2.0,
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => -1.0,
    }
}

/// Adds tracks that only the list of sightings found.
fn add_tracks(
    store: &Moment<'_>,
    probe: &Probe,
    tracks: &[TrackId],
    candidates: &mut HashMap<TrackId, Candidate>,
) -> Result<()> {
    let ids: Vec<_> = tracks.iter().map(TrackId::tracklet_point).collect();
    for record in store.tracklets().retrieve(&ids, true)? {
        let payload: TrackletPayload = from_payload(record.payload)?;
        let mean = vector_of(record.vectors, &probe.name);
        let to_mean = mean.map(|mean| mean.iter().zip(&probe.values).map(|(a, b)| a * b).sum());
        candidates.insert(
            payload.track,
            Candidate {
                payload,
                to_mean,
                best: None,
            },
        );
    }
    Ok(())
}

/// Candidates without a known best sighting that may still be among the first `limit`: the best
/// sighting of each is at most `least_best`.
fn undecided(
    candidates: &HashMap<TrackId, Candidate>,
    least_best: f32,
    limit: usize,
) -> Vec<TrackId> {
    let mut decided: Vec<f32> = candidates
        .values()
        .filter(|c| c.best.is_some())
        .map(Candidate::similarity)
        .collect();
    decided.sort_by(|a, b| b.total_cmp(a));
    let needed = decided.get(limit - 1).copied().unwrap_or(f32::NEG_INFINITY);
    let mut waiting: Vec<TrackId> = candidates
        .iter()
        .filter(|(_, candidate)| candidate.best.is_none())
        .filter(|(_, candidate)| {
            let most = candidate
                .to_mean
                .map_or(least_best, |mean| mean.max((mean + least_best) / 2.0));
            most >= needed
        })
        .map(|(track, _)| *track)
        .collect();
    waiting.sort_unstable();
    waiting
}

/// Finds the best sighting of each candidate that waits for it.
pub(super) fn add_best(
    store: &Moment<'_>,
    filter: &Filter,
    probe: &Probe,
    of_exemplars: &Where,
    mut waiting: Vec<TrackId>,
    candidates: &mut HashMap<TrackId, Candidate>,
) -> Result<()> {
    while !waiting.is_empty() {
        let (now, _) = waiting.split_at(waiting.len().min(TRACKS_A_CALL));
        let now = now.to_vec();
        let of_now = of_exemplars.clone().and(Condition::any("track", &now));
        let limit = now.len() * 16;
        let found = store
            .exemplars()
            .search(&probe.name, &probe.values, &of_now, limit, true)?;
        let is_all = found.len() < limit;
        for point in found {
            let payload: ExemplarPayload = from_payload(point.payload)?;
            if let Some(candidate) = candidates.get_mut(&payload.track)
                && candidate.best.is_none()
                && filter.passes_exemplar(&payload)
            {
                candidate.best = Some((point.score, payload));
            }
        }
        // Best first: a track that was seen at all is done; the others are asked for again, unless
        // there was nothing more.
        waiting.retain(|track| {
            let is_done = candidates
                .get(track)
                .is_none_or(|candidate| candidate.best.is_some());
            !(is_done || is_all && now.contains(track))
        });
    }
    Ok(())
}
