//! Whether the process does its work (`/live`), and whether it can be relied upon (`/ready`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::metrics::Metrics;
use super::progress::Progress;

/// A camera whose newest frame is older has no frame path.
const FRAME_AGE: Duration = Duration::from_secs(10);

/// What start-up reaches and the cameras keep up.
#[derive(Debug)]
pub struct Health {
    metrics: Arc<Metrics>,
    progress: Progress,
    are_models_loaded: AtomicBool,
    is_store_open: AtomicBool,
    cameras_expected: AtomicUsize,
}

impl Health {
    /// Nothing is loaded, nothing is open, no camera is expected.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>, progress: Progress) -> Self {
        Self {
            metrics,
            progress,
            are_models_loaded: AtomicBool::new(false),
            is_store_open: AtomicBool::new(false),
            cameras_expected: AtomicUsize::new(0),
        }
    }

    /// Says whether the models are loaded.
    pub fn set_models_loaded(&self, are_loaded: bool) {
        self.are_models_loaded.store(are_loaded, Ordering::Release);
    }

    /// Says whether the store is open.
    pub fn set_store_open(&self, is_open: bool) {
        self.is_store_open.store(is_open, Ordering::Release);
    }

    /// Says how many cameras are enabled.
    pub fn set_cameras_expected(&self, count: usize) {
        self.cameras_expected.store(count, Ordering::Release);
    }

    /// What keeps the process from being relied upon; empty if nothing does.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        if !self.are_models_loaded.load(Ordering::Acquire) {
            missing.push("models are not loaded".to_owned());
        }
        if !self.is_store_open.load(Ordering::Acquire) {
            missing.push("the store is not open".to_owned());
        }
        let expected = self.cameras_expected.load(Ordering::Acquire);
        if expected > 0 && self.metrics.cameras_alive(FRAME_AGE) == 0 {
            let age_s = FRAME_AGE.as_secs();
            missing.push(format!(
                "none of {expected} cameras delivered a frame in the last {age_s} s"
            ));
        }
        missing
    }

    /// The stages that are stuck, one line each; empty if the process does its work.
    #[must_use]
    pub fn stuck(&self) -> Vec<String> {
        let line = |stage: super::progress::Stuck| {
            format!(
                "{}: {} waiting, no progress for {:.1} s",
                stage.stage,
                stage.waiting,
                stage.since.as_secs_f64()
            )
        };
        self.progress.stuck().into_iter().map(line).collect()
    }

    pub(super) fn render_metrics(&self) -> Result<String, std::fmt::Error> {
        self.metrics.render(&self.progress)
    }
}

#[cfg(test)]
mod tests {
    use super::super::clock::fake::FakeClock;
    use super::*;

    #[test]
    fn readiness_names_what_is_missing_and_is_lost_with_the_last_camera() {
        let time = FakeClock::default();
        let metrics = Arc::new(Metrics::new(time.clock()));
        let health = Health::new(Arc::clone(&metrics), Progress::new(time.clock()));
        assert_eq!(
            health.missing(),
            ["models are not loaded", "the store is not open"]
        );
        health.set_models_loaded(true);
        health.set_store_open(true);
        assert!(
            health.missing().is_empty(),
            "without cameras nothing else is needed"
        );
        health.set_cameras_expected(2);
        assert_eq!(
            health.missing(),
            ["none of 2 cameras delivered a frame in the last 10 s"]
        );
        metrics.camera("gate-2").frame_arrived();
        assert!(health.missing().is_empty());
        time.advance(FRAME_AGE + Duration::from_nanos(1));
        assert_eq!(health.missing().len(), 1);
    }
}
