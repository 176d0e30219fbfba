//! From what is asked to the vector that is looked for.

use super::moment::Moment;
use super::query::Direction;
use crate::store::points::normalised;
use crate::{Error, Result, TrackId};

/// How far tracks that are right draw the query, and how far tracks that are wrong push it away, against a description of length one
/// (docs/accuracy.md has what each gains). A wrong track fits most of what was asked for: without a right one to set against it,
/// any push made answers worse, so it is left out and nothing more.
const LIKE_WEIGHT: f32 = 2.0;
const UNLIKE_WEIGHT: f32 = 0.5;

/// A vector to look for, normalised.
pub(super) struct Probe {
    pub(super) name: String,
    pub(super) values: Vec<f32>,
    /// No hits: the tracks that ask.
    pub(super) without: Vec<TrackId>,
}

/// A vector of the store's own kind, checked against it.
pub(super) fn probe(
    store: &Moment<'_>,
    name: &str,
    model: Option<&str>,
    values: &[f32],
    without: Vec<TrackId>,
) -> Result<Probe> {
    let specs = store.vectors();
    let refused = |what: String| Err(Error::Query { what });
    let Some(spec) = specs.iter().find(|spec| spec.name == name) else {
        let names: Vec<_> = specs.iter().map(|spec| spec.name.as_str()).collect();
        return refused(format!(
            "no vector `{name}` in this store, expected {}",
            names.join(" or ")
        ));
    };
    if let Some(model) = model
        && model != spec.model
    {
        return refused(format!(
            "vector `{name}` is by model `{model}`, the store's are by `{}`",
            spec.model
        ));
    }
    if values.len() != spec.dimension {
        return refused(format!(
            "vector `{name}` has {} values, expected {}",
            values.len(),
            spec.dimension
        ));
    }
    Ok(Probe {
        name: name.to_owned(),
        values: normalised(values),
        without,
    })
}

/// A track's mean vector, or why there is none.
pub(super) fn mean_of(
    store: &Moment<'_>,
    track: TrackId,
    name: &str,
) -> Result<Result<Vec<f32>, String>> {
    let records = store
        .tracklets()
        .retrieve(&[track.tracklet_point()], true)?;
    let Some(record) = records.into_iter().next() else {
        return Ok(Err(format!("track {track} is not in the store")));
    };
    Ok(vector_of(record.vectors, name).ok_or(format!("track {track} has no vector `{name}`")))
}

/// One of a point's vectors.
pub(super) fn vector_of(vectors: Vec<(String, Vec<f32>)>, name: &str) -> Option<Vec<f32>> {
    let mut vectors = vectors.into_iter();
    vectors
        .find(|(kind, _)| kind == name)
        .map(|(_, values)| values)
}

/// What right and wrong tracks, and a description where there is one, look for together; or why nothing.
pub(super) fn of_examples(
    store: &Moment<'_>,
    name: &str,
    also: Option<&Direction>,
    like: &[TrackId],
    unlike: &[TrackId],
) -> Result<Result<Probe, String>> {
    let without: Vec<_> = like.iter().chain(unlike).copied().collect();
    let mut values = match also {
        Some(also) => {
            probe(
                store,
                name,
                Some(also.model.as_str()),
                &also.values,
                Vec::new(),
            )?
            .values
        }
        None => Vec::new(),
    };
    let has_description = !values.is_empty();
    match centre(store, name, like)? {
        Ok(Some(right)) if has_description => add(&mut values, &right, LIKE_WEIGHT),
        Ok(Some(right)) => values = right,
        Ok(None) => {}
        Err(reason) => return Ok(Err(reason)),
    }
    match centre(store, name, unlike)? {
        Ok(Some(wrong)) if !like.is_empty() => add(&mut values, &wrong, -UNLIKE_WEIGHT),
        Ok(_) => {}
        Err(reason) => return Ok(Err(reason)),
    }
    if values.iter().all(|value| *value == 0.0) {
        let what = "the examples cancel out, expected other tracks to be wrong than are right";
        return Err(Error::Query { what: what.into() });
    }
    Ok(Ok(probe(store, name, None, &values, without)?))
}

fn add(values: &mut [f32], other: &[f32], weight: f32) {
    for (value, other) in values.iter_mut().zip(other) {
        *value += weight * other;
    }
}

/// The mean of tracks' vectors, of length one; none of no tracks.
fn centre(
    store: &Moment<'_>,
    name: &str,
    tracks: &[TrackId],
) -> Result<Result<Option<Vec<f32>>, String>> {
    let mut sum: Vec<f32> = Vec::new();
    for track in tracks {
        match mean_of(store, *track, name)? {
            Ok(values) if sum.is_empty() => sum = normalised(&values),
            Ok(values) => add(&mut sum, &normalised(&values), 1.0),
            Err(reason) => return Ok(Err(reason)),
        }
    }
    Ok(Ok((!sum.is_empty()).then(|| normalised(&sum))))
}
