//! Pictures ask for pictures: the protocol of Market-1501.

use std::collections::BTreeMap;

use ndarray::ArrayRef2;
use serde::Serialize;

use super::rank::{nearest_first, score};
use super::{JUNK, Label};
use crate::error::EvalError;

/// How well one query did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct QueryScore {
    /// Place of the first right answer, from 1.
    pub first_rank: usize,
    /// Mean precision over the right places.
    pub average_precision: f64,
    /// Number of right ones over the place of the last of them: 1 when all stand in front.
    pub inverse_negative_penalty: f64,
}

/// Measures over all queries that have an answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ImageScores {
    /// Share of queries whose first right answer is among the first k, by k.
    pub cmc: BTreeMap<usize, f64>,
    /// Mean average precision.
    pub map: f64,
    /// Mean inverse negative penalty.
    pub minp: f64,
    /// Queries that were scored.
    pub queries: usize,
    /// Queries without a right picture in the gallery; they are not scored.
    pub unanswerable: usize,
    /// Each query, in its order; none where it is unanswerable.
    #[serde(skip)]
    pub each: Vec<Option<QueryScore>>,
}

/// Scores distances `queries` x `gallery`, smaller is nearer (Zheng et al. 2015, section 3.4, as in the Market-1501 protocol).
///
/// For each query, gallery pictures of the same person by the same camera are taken out, and so is junk. Equal distances rank in
/// the order of the gallery. `ranks` are the k of the CMC curve; a k beyond the gallery is allowed.
///
/// # Errors
/// Sizes differ, a distance is not a number, a rank is 0, or no query has an answer.
pub fn rank_images(
    distances: &ArrayRef2<f64>,
    queries: &[Label],
    gallery: &[Label],
    ranks: &[usize],
) -> Result<ImageScores, EvalError> {
    check(distances, queries.len(), gallery.len(), ranks)?;
    let mut each = Vec::with_capacity(queries.len());
    for (row, query) in distances.rows().into_iter().zip(queries) {
        let kept = ranked_for(&row.to_vec(), query, gallery);
        each.push(score(kept.map(|at| gallery[at].id == query.id)));
    }
    ImageScores::of(each, ranks)
}

/// Places of the gallery for one query, from near to far, without those that do not count: junk, and the same person by the same
/// camera. `distances` has one number for each of the gallery.
pub fn ranked_for<'l>(
    distances: &[f64],
    query: &'l Label,
    gallery: &'l [Label],
) -> impl Iterator<Item = usize> + use<'l> {
    nearest_first(distances).into_iter().filter(move |&at| {
        let label = gallery[at];
        label.id != JUNK && (label.id != query.id || label.camera != query.camera)
    })
}

impl ImageScores {
    /// The means over queries, of which each has its own score or none.
    ///
    /// # Errors
    /// No query has a score.
    pub fn of(each: Vec<Option<QueryScore>>, ranks: &[usize]) -> Result<Self, EvalError> {
        let scored: Vec<&QueryScore> = each.iter().flatten().collect();
        if scored.is_empty() {
            return Err(EvalError::input(
                "no query has a right answer in the gallery, so there is nothing to measure",
            ));
        }
        let mean = |value: &dyn Fn(&QueryScore) -> f64| {
            scored.iter().map(|score| value(score)).sum::<f64>() / scored.len() as f64
        };
        let cmc = ranks.iter().map(|&k| {
            let share = mean(&|score| f64::from(u8::from(score.first_rank <= k)));
            (k, share)
        });
        Ok(Self {
            cmc: cmc.collect(),
            map: mean(&|score| score.average_precision),
            minp: mean(&|score| score.inverse_negative_penalty),
            queries: scored.len(),
            unanswerable: each.len() - scored.len(),
            each,
        })
    }
}

pub(crate) fn check(
    distances: &ArrayRef2<f64>,
    queries: usize,
    gallery: usize,
    ranks: &[usize],
) -> Result<(), EvalError> {
    if distances.dim() != (queries, gallery) {
        let (rows, columns) = distances.dim();
        return Err(EvalError::input(format!(
            "distances are {rows} x {columns}, expected {queries} queries x {gallery} gallery entries"
        )));
    }
    if let Some(((row, column), _)) = distances.indexed_iter().find(|(_, value)| value.is_nan()) {
        return Err(EvalError::input(format!(
            "distance of query {row} to gallery entry {column} is not a number"
        )));
    }
    if ranks.contains(&0) {
        return Err(EvalError::input(
            "rank 0 does not exist, ranks begin with 1",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    fn label(id: i64, camera: u32) -> Label {
        Label { id, camera }
    }

    #[test]
    fn the_same_camera_and_junk_do_not_count() {
        let distances = array![[0.1, 0.2, 0.3, 0.4, 0.5]];
        let gallery = [
            label(7, 1),
            label(JUNK, 2),
            label(3, 2),
            label(7, 2),
            label(7, 3),
        ];
        let scores = rank_images(&distances, &[label(7, 1)], &gallery, &[1, 2]).unwrap();
        assert_eq!(scores.cmc, BTreeMap::from([(1, 0.0), (2, 1.0)]));
        let expected = (1.0 / 2.0 + 2.0 / 3.0) / 2.0;
        assert!((scores.map - expected).abs() < 1e-12);
        assert!((scores.minp - 2.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn a_query_without_an_answer_is_counted_apart() {
        let distances = array![[0.1, 0.2], [0.1, 0.2]];
        let gallery = [label(7, 2), label(8, 1)];
        let queries = [label(7, 1), label(8, 1)];
        let scores = rank_images(&distances, &queries, &gallery, &[1]).unwrap();
        assert_eq!((scores.queries, scores.unanswerable), (1, 1));
        assert_eq!(scores.cmc[&1], 1.0);
    }

    #[test]
    fn what_cannot_be_ranked_is_refused() {
        let labels = [label(1, 1), label(1, 2)];
        for (distances, ranks, expected) in [
            (array![[0.0, 1.0]], 1, "are 1 x 2, expected 2 queries x 2"),
            (
                array![[0.0, 1.0], [f64::NAN, 1.0]],
                1,
                "query 1 to gallery entry 0",
            ),
            (array![[0.0, 1.0], [0.0, 1.0]], 0, "rank 0"),
        ] {
            let error = rank_images(&distances, &labels, &labels, &[ranks]).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
        let lonely = rank_images(&array![[0.0]], &labels[..1], &labels[..1], &[1]);
        assert!(lonely.is_err());
    }
}
