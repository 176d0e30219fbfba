//! Sentences ask for pictures: the protocol of CUHK-PEDES.

use ndarray::ArrayRef2;
use serde::Serialize;

use super::images::check;
use super::rank::{nearest_first, score};
use super::{ImageScores, QueryScore};
use crate::error::EvalError;

/// Measures over all sentences.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TextScores {
    /// Share of sentences whose person comes first.
    pub r1: f64,
    /// Share of sentences whose person is among the first five.
    pub r5: f64,
    /// Share of sentences whose person is among the first ten.
    pub r10: f64,
    /// Mean average precision.
    pub map: f64,
    /// Mean inverse negative penalty.
    pub minp: f64,
    /// Sentences that were scored.
    pub queries: usize,
    /// Sentences about nobody in the gallery; they are not scored.
    pub unanswerable: usize,
    /// Each sentence, in its order; none where it is unanswerable.
    #[serde(skip)]
    pub each: Vec<Option<QueryScore>>,
}

/// Scores distances sentences x pictures, smaller is nearer, by the person that each is about (Li et al., "Person search with natural
/// language description", CVPR 2017, section 5.1).
///
/// Every picture of the person is right, whichever it was that the sentence described. Equal distances rank in the order of the
/// gallery.
///
/// # Errors
/// Sizes differ, a distance is not a number, or no sentence has an answer.
pub fn rank_texts(
    distances: &ArrayRef2<f64>,
    sentence_ids: &[i64],
    picture_ids: &[i64],
) -> Result<TextScores, EvalError> {
    let ranks = [1, 5, 10];
    check(distances, sentence_ids.len(), picture_ids.len(), &ranks)?;
    let each = distances
        .rows()
        .into_iter()
        .zip(sentence_ids)
        .map(|(row, id)| {
            let order = nearest_first(&row.to_vec());
            score(order.into_iter().map(|at| picture_ids[at] == *id))
        });
    let scores = ImageScores::of(each.collect(), &ranks)?;
    Ok(TextScores {
        r1: scores.cmc[&1],
        r5: scores.cmc[&5],
        r10: scores.cmc[&10],
        map: scores.map,
        minp: scores.minp,
        queries: scores.queries,
        unanswerable: scores.unanswerable,
        each: scores.each,
    })
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn every_picture_of_the_person_is_right() {
        let distances = array![[0.3, 0.1, 0.2], [0.3, 0.1, 0.2], [0.0, 0.0, 0.0]];
        let scores = rank_texts(&distances, &[1, 2, 9], &[1, 2, 1]).unwrap();
        assert_eq!((scores.r1, scores.r5), (0.5, 1.0));
        assert_eq!((scores.queries, scores.unanswerable), (2, 1));
        assert!((scores.map - f64::midpoint(1.0, (0.5 + 2.0 / 3.0) / 2.0)).abs() < 1e-12);
    }
}
