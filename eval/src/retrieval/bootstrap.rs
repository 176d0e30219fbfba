//! How far a mean may be trusted: percentile bootstrap over queries (Efron and Tibshirani, "An introduction to the bootstrap", 1993,
//! section 13.3).

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::error::EvalError;

/// An interval that holds the true mean with the confidence asked for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// Mean of the values.
    pub mean: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Mean of `values` with its interval at `confidence` (between 0 and 1) from `rounds` samples drawn with this seed: the same
/// arguments give the same interval on every machine.
///
/// # Errors
/// There are no values, one is not finite, or the other arguments make no sense.
pub fn bootstrap(
    values: &[f64],
    confidence: f64,
    rounds: usize,
    seed: u64,
) -> Result<Interval, EvalError> {
    if values.is_empty() || values.iter().any(|value| !value.is_finite()) {
        return Err(EvalError::input(
            "an interval needs at least one value, and all of them finite",
        ));
    }
    let is_possible = confidence > 0.0 && confidence < 1.0 && (100..=1_000_000).contains(&rounds);
    if !is_possible {
        return Err(EvalError::input(format!(
            "confidence {confidence} over {rounds} rounds is not possible, expected between 0 and 1 over 100 to 1000000"
        )));
    }
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let count = values.len() as f64;
    let mut means: Vec<f64> = (0..rounds)
        .map(|_| {
            let drawn = (0..values.len()).map(|_| values[dice.random_range(0..values.len())]);
            drawn.sum::<f64>() / count
        })
        .collect();
    means.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| means[((share * (rounds - 1) as f64).round() as usize).min(rounds - 1)];
    let tail = (1.0 - confidence) / 2.0;
    Ok(Interval {
        mean: values.iter().sum::<f64>() / count,
        low: at(tail),
        high: at(1.0 - tail),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_that_of_a_coin_and_the_same_every_time() {
        let coin: Vec<f64> = (0..1000).map(|n| f64::from(n % 2)).collect();
        let interval = bootstrap(&coin, 0.95, 2000, 7).unwrap();
        // Two standard errors of a fair coin thrown 1000 times: 1.96 x 0.0158.
        assert!((interval.low - 0.469).abs() < 0.004, "{interval:?}");
        assert!((interval.high - 0.531).abs() < 0.004, "{interval:?}");
        assert_eq!(interval, bootstrap(&coin, 0.95, 2000, 7).unwrap());
        assert_ne!(interval, bootstrap(&coin, 0.95, 2000, 8).unwrap());
    }

    #[test]
    fn equal_values_have_no_spread() {
        let interval = bootstrap(&[0.25; 9], 0.9, 100, 1).unwrap();
        assert_eq!([interval.low, interval.mean, interval.high], [0.25; 3]);
    }

    #[test]
    fn what_has_no_interval_is_refused() {
        assert!(bootstrap(&[], 0.95, 1000, 1).is_err());
        assert!(bootstrap(&[f64::NAN], 0.95, 1000, 1).is_err());
        assert!(bootstrap(&[1.0], 1.0, 1000, 1).is_err());
        assert!(bootstrap(&[1.0], 0.95, 0, 1).is_err());
    }
}
