//! Whether probabilities hold: what was called 70% certain should be right 70 times in a hundred.

use serde::Serialize;

use crate::error::EvalError;

/// One bar of a reliability diagram.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ReliabilityBin {
    /// Least probability in it.
    pub low: f64,
    /// Greatest probability in it.
    pub high: f64,
    /// Mean probability.
    pub confidence: f64,
    /// Share that was right.
    pub accuracy: f64,
    /// Answers in it.
    pub count: usize,
}

/// How far probabilities are from what happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calibration {
    /// Expected calibration error: mean over answers of how far their bin's accuracy is from its confidence.
    pub expected_error: f64,
    /// The farthest that any bin is off.
    pub greatest_error: f64,
    /// Mean squared difference of probability and outcome (Brier 1950).
    pub brier: f64,
    /// Bins from low to high.
    pub bins: Vec<ReliabilityBin>,
}

/// Sorts answers by probability into `bins` bins of equal mass and compares each bin's mean with what happened (Guo et al., "On
/// calibration of modern neural networks", ICML 2017, equation (3); bins of equal mass as in Nguyen and O'Connor, EMNLP 2015).
///
/// When the count does not divide, the first bins hold one more. Equal probabilities stay in one bin, the lower one, so that the
/// order of the answers does not matter; bins that this empties are left out.
///
/// # Errors
/// There are no answers, lengths differ, or something is no probability.
pub fn calibration(
    probabilities: &[f64],
    is_right: &[bool],
    bins: usize,
) -> Result<Calibration, EvalError> {
    let count = probabilities.len();
    if count == 0 || count != is_right.len() || bins == 0 {
        return Err(EvalError::input(format!(
            "{count} probabilities, {} outcomes and {bins} bins make no diagram, expected as many outcomes as probabilities",
            is_right.len()
        )));
    }
    if let Some(bad) = probabilities.iter().find(|p| !(0.0..=1.0).contains(*p)) {
        return Err(EvalError::input(format!("{bad} is no probability")));
    }
    let mut answers: Vec<(f64, bool)> = probabilities
        .iter()
        .copied()
        .zip(is_right.iter().copied())
        .collect();
    answers.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut list = Vec::with_capacity(bins);
    let (mut start, mut planned) = (0, 0);
    for bin in 0..bins {
        planned += count / bins + usize::from(bin < count % bins);
        let mut end = planned.max(start);
        while end > start && end < count && answers[end].0 == answers[end - 1].0 {
            end += 1;
        }
        if end > start {
            list.push(ReliabilityBin::of(&answers[start..end]));
        }
        start = end;
    }
    let off = |bin: &ReliabilityBin| (bin.accuracy - bin.confidence).abs();
    let expected = list
        .iter()
        .map(|bin| off(bin) * bin.count as f64)
        .sum::<f64>();
    let squares = answers
        .iter()
        .map(|&(p, is_right)| (p - f64::from(u8::from(is_right))).powi(2));
    Ok(Calibration {
        expected_error: expected / count as f64,
        greatest_error: list.iter().map(off).fold(0.0, f64::max),
        brier: squares.sum::<f64>() / count as f64,
        bins: list,
    })
}

impl ReliabilityBin {
    fn of(answers: &[(f64, bool)]) -> Self {
        let count = answers.len();
        let right = answers.iter().filter(|answer| answer.1).count();
        Self {
            low: answers[0].0,
            high: answers[count - 1].0,
            confidence: answers.iter().map(|answer| answer.0).sum::<f64>() / count as f64,
            accuracy: right as f64 / count as f64,
            count,
        }
    }
}

/// How often something was claimed where nothing is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FalseAlarms {
    /// Questions about nobody whose best answer reached the threshold.
    pub alarms: usize,
    /// Questions about nobody.
    pub questions: usize,
    /// Share of the one in the other.
    pub rate: f64,
}

/// False alarms at a threshold, from the best score that each question about nobody got; none where it got no answer.
///
/// # Errors
/// There are no questions, or a number is not one.
pub fn false_alarms(best_scores: &[Option<f64>], threshold: f64) -> Result<FalseAlarms, EvalError> {
    let is_bad = best_scores.iter().flatten().any(|score| score.is_nan());
    if best_scores.is_empty() || is_bad || threshold.is_nan() {
        return Err(EvalError::input(
            "a false-alarm rate needs at least one question about nobody, and scores that are numbers",
        ));
    }
    let alarms = best_scores
        .iter()
        .flatten()
        .filter(|&&score| score >= threshold)
        .count();
    let questions = best_scores.len();
    Ok(FalseAlarms {
        alarms,
        questions,
        rate: alarms as f64 / questions as f64,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn probabilities_that_hold_have_no_error() {
        let probabilities: Vec<f64> = (0..100).map(|n| if n < 50 { 0.2 } else { 0.8 }).collect();
        let outcomes: Vec<bool> = (0..100).map(|n| !(10..60).contains(&n)).collect();
        let measured = calibration(&probabilities, &outcomes, 10).unwrap();
        assert_eq!(measured.bins.len(), 2);
        assert!(measured.expected_error < 1e-12 && measured.greatest_error < 1e-12);
        assert!((measured.brier - 0.16).abs() < 1e-12);
    }

    #[test]
    fn sure_and_wrong_is_the_greatest_error() {
        let measured = calibration(&[1.0, 0.0], &[false, true], 10).unwrap();
        assert_eq!(measured.expected_error, 1.0);
        assert_eq!(measured.bins.len(), 2);
    }

    #[test]
    fn the_threshold_itself_is_an_alarm() {
        let counted = false_alarms(&[Some(0.5), Some(0.49), None, Some(0.9)], 0.5).unwrap();
        assert_eq!(
            (counted.alarms, counted.questions, counted.rate),
            (2, 4, 0.5)
        );
        assert!(false_alarms(&[], 0.5).is_err());
        assert!(false_alarms(&[Some(f64::NAN)], 0.5).is_err());
    }

    #[test]
    fn what_is_no_probability_is_refused() {
        for (p, outcomes) in [
            (vec![1.5], vec![true]),
            (vec![f64::NAN], vec![true]),
            (vec![0.5], vec![]),
            (vec![], vec![]),
        ] {
            assert!(calibration(&p, &outcomes, 10).is_err());
        }
    }

    proptest! {
        #[test]
        fn every_answer_is_in_one_bin_and_their_order_does_not_matter(
            answers in prop::collection::vec((0u8..40, any::<bool>()), 1..200),
            bins in 1usize..15,
        ) {
            let split = |list: &[(u8, bool)]| -> (Vec<f64>, Vec<bool>) {
                list.iter().map(|&(p, is_right)| (f64::from(p) / 40.0, is_right)).unzip()
            };
            let (probabilities, outcomes) = split(&answers);
            let measured = calibration(&probabilities, &outcomes, bins).unwrap();
            prop_assert_eq!(measured.bins.iter().map(|bin| bin.count).sum::<usize>(), answers.len());
            prop_assert!(measured.bins.len() <= bins);
            prop_assert!(measured.bins.windows(2).all(|two| two[0].high < two[1].low));
            let mut turned = answers;
            turned.reverse();
            let (probabilities, outcomes) = split(&turned);
            let again = calibration(&probabilities, &outcomes, bins).unwrap();
            prop_assert!((again.expected_error - measured.expected_error).abs() < 1e-12);
        }
    }
}
