//! One query against a ranked gallery.

use super::QueryScore;

/// Scores one ranking: `is_right` tells of each place, best first, whether the right person stands there. None when nobody right
/// is in the ranking.
///
/// Average precision is the mean, over right places, of the share of right ones up to there (Zheng et al., "Scalable person
/// re-identification", ICCV 2015, section 3.4). The inverse negative penalty is the number of right ones over the place of the
/// last of them (Ye et al., "Deep learning for person re-identification: a survey and outlook", TPAMI 2021, section 4.3, equations
/// (16) and (17)).
pub(crate) fn score(is_right: impl Iterator<Item = bool>) -> Option<QueryScore> {
    let (mut right, mut precision_sum) = (0usize, 0.0);
    let (mut first, mut last) = (None, 0);
    for (place, _) in is_right.enumerate().filter(|&(_, is_right)| is_right) {
        right += 1;
        last = place + 1;
        first.get_or_insert(last);
        precision_sum += right as f64 / last as f64;
    }
    first.map(|first_rank| QueryScore {
        first_rank,
        average_precision: precision_sum / right as f64,
        inverse_negative_penalty: right as f64 / last as f64,
    })
}

/// Places of a row of distances from near to far; equal distances stay in their order.
#[must_use]
pub fn nearest_first(distances: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..distances.len()).collect();
    order.sort_by(|&one, &other| distances[one].total_cmp(&distances[other]));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ranking_is_scored_by_its_right_places() {
        let scored = score([false, true, false, true].into_iter()).unwrap();
        assert_eq!(scored.first_rank, 2);
        assert_eq!(scored.average_precision, 0.5);
        assert_eq!(scored.inverse_negative_penalty, 0.5);
        assert_eq!(score([false; 3].into_iter()), None);
        assert_eq!(score([true; 3].into_iter()).unwrap().average_precision, 1.0);
    }

    #[test]
    fn equal_distances_stay_in_order() {
        assert_eq!(nearest_first(&[2.0, 1.0, 2.0, 1.0, -0.5]), [4, 1, 3, 0, 2]);
    }
}
