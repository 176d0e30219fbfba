//! How long to wait before a camera is tried again.

use std::time::Duration;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// The bounds of the wait between two attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackoffLimits {
    /// The longest first wait.
    pub base: Duration,
    /// The longest wait ever.
    pub cap: Duration,
    /// A camera that was watched this long is healthy again: the next wait starts from `base`.
    pub healthy_after: Duration,
}

impl Default for BackoffLimits {
    fn default() -> Self {
        Self {
            base: Duration::from_millis(500),
            cap: Duration::from_secs(30),
            healthy_after: Duration::from_secs(10),
        }
    }
}

/// Exponential backoff with full jitter: each wait is drawn evenly from zero to the current limit, which doubles up to
/// the cap. After a power cut a hundred cameras are then not all asked in the same instant.
#[derive(Debug)]
pub(super) struct Backoff {
    limits: BackoffLimits,
    attempts: u32,
    rng: ChaCha8Rng,
}

impl Backoff {
    pub(super) fn new(limits: BackoffLimits, rng: ChaCha8Rng) -> Self {
        Self {
            limits,
            attempts: 0,
            rng,
        }
    }

    /// The next wait in nanoseconds.
    pub(super) fn next_wait_ns(&mut self) -> i64 {
        let limit = self.limit();
        self.attempts = self.attempts.saturating_add(1);
        let limit_ns = i64::try_from(limit.as_nanos()).unwrap_or(i64::MAX - 1);
        self.rng.random_range(0..=limit_ns)
    }

    /// Says how long the camera was watched before it failed.
    pub(super) fn watched_for(&mut self, watched_ns: i64) {
        if i128::from(watched_ns) >= self.limits.healthy_after.as_nanos().cast_signed() {
            self.attempts = 0;
        }
    }

    fn limit(&self) -> Duration {
        let factor = 1u32.checked_shl(self.attempts).unwrap_or(u32::MAX);
        self.limits.base.saturating_mul(factor).min(self.limits.cap)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn backoff(seed: u64) -> Backoff {
        Backoff::new(BackoffLimits::default(), ChaCha8Rng::seed_from_u64(seed))
    }

    #[test]
    fn waits_stay_under_a_doubling_limit_and_its_cap() {
        for seed in 0..50 {
            let mut backoff = backoff(seed);
            for attempt in 0..80u32 {
                let limit = (0.5 * 2f64.powi(attempt.min(40) as i32)).min(30.0) * 1e9;
                let wait = backoff.next_wait_ns();
                assert!((0..=limit as i64).contains(&wait), "{attempt}: {wait}");
            }
        }
    }

    #[test]
    fn jitter_is_full_and_differs_between_cameras() {
        let tenth: Vec<i64> = (0..200)
            .map(|seed| {
                let mut backoff = backoff(seed);
                (0..9).for_each(|_| {
                    backoff.next_wait_ns();
                });
                backoff.next_wait_ns()
            })
            .collect();
        assert!(tenth.iter().any(|&wait| wait < 3_000_000_000));
        assert!(tenth.iter().any(|&wait| wait > 27_000_000_000));
    }

    #[test]
    fn the_same_seed_waits_the_same() {
        let waits =
            |mut backoff: Backoff| (0..20).map(|_| backoff.next_wait_ns()).collect::<Vec<_>>();
        assert_eq!(waits(backoff(7)), waits(backoff(7)));
    }

    #[test]
    fn only_a_camera_that_was_healthy_starts_over() {
        let mut backoff = backoff(1);
        (0..10).for_each(|_| {
            backoff.next_wait_ns();
        });
        backoff.watched_for(9_000_000_000);
        assert_eq!(backoff.limit(), Duration::from_secs(30));
        backoff.watched_for(10_000_000_000);
        assert_eq!(backoff.limit(), Duration::from_millis(500));
    }
}
