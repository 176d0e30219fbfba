//! What operators are told: each event is one struct, and gives the log line and the metric together.

use std::time::Duration;

use super::metrics::{CameraMetrics, Metrics};
use super::progress::Stuck;
use crate::ingest::DropReason;

/// A frame that nobody looked at.
#[derive(Debug)]
pub struct FrameDropped<'a> {
    /// Whose.
    pub camera: &'a CameraMetrics,
    /// Why.
    pub reason: DropReason,
}

impl FrameDropped<'_> {
    /// Counts it; the log gets one line in ten seconds. Frames above the rate cap are meant to go and get none.
    pub fn emit(&self) {
        let total = self.camera.count_dropped(self.reason).get();
        if self.reason == DropReason::RateCap {
            return;
        }
        if let Some(suppressed) =
            self.camera.dropped_log[self.reason as usize].admit(self.camera.now_ns())
        {
            tracing::warn!(
                camera = self.camera.name(),
                reason = self.reason.as_str(),
                total,
                suppressed,
                "frames dropped"
            );
        }
    }
}

/// The spool gave up its oldest records for room.
#[derive(Debug)]
pub struct SpoolDropped<'a> {
    /// Where it is counted.
    pub metrics: &'a Metrics,
    /// How many records.
    pub records: u64,
}

impl SpoolDropped<'_> {
    /// Counts it and tells it, at most every ten seconds.
    pub fn emit(&self) {
        let total = self.metrics.spool_dropped.inc_by(self.records) + self.records;
        if let Some(suppressed) = self.metrics.spool_dropped_log.admit(self.metrics.now_ns()) {
            tracing::error!(
                records = self.records,
                total,
                suppressed,
                "the spool is full: its oldest sightings were dropped; give it room, or look why the index is behind"
            );
        }
    }
}

/// The spool found records that disk damage took.
#[derive(Debug)]
pub struct SpoolBroken<'a> {
    /// Where it is counted.
    pub metrics: &'a Metrics,
    /// How many records.
    pub records: u64,
    /// Which file, and where in it.
    pub place: &'a str,
}

impl SpoolBroken<'_> {
    /// Counts it and tells it.
    pub fn emit(&self) {
        self.metrics.spool_broken.inc_by(self.records);
        tracing::error!(
            records = self.records,
            place = self.place,
            "broken records in the spool were left out"
        );
    }
}

/// What is spooled waits longer than it should to become searchable.
#[derive(Debug)]
pub struct IndexBehind<'a> {
    /// Whose limit for lines is used.
    pub metrics: &'a Metrics,
    /// Age of the oldest record that is not indexed.
    pub age: Duration,
    /// Records that wait.
    pub records: u64,
}

impl IndexBehind<'_> {
    /// Tells it, at most every ten seconds.
    pub fn emit(&self) {
        if let Some(suppressed) = self.metrics.index_behind_log.admit(self.metrics.now_ns()) {
            tracing::warn!(
                age_s = self.age.as_secs_f64(),
                records = self.records,
                suppressed,
                "the index is behind"
            );
        }
    }
}

/// A stage has work and does none of it.
#[derive(Debug)]
pub struct StageStuck<'a> {
    /// Which, and since when.
    pub stuck: &'a Stuck,
}

impl StageStuck<'_> {
    /// Tells it. `sightline_stage_stuck` shows it on reading.
    pub fn emit(&self) {
        let Stuck {
            stage,
            since,
            waiting,
        } = self.stuck;
        tracing::error!(
            stage,
            since_s = since.as_secs_f64(),
            waiting,
            "a stage is stuck; the watchdog is not fed"
        );
    }
}

/// A changed configuration was taken, or refused and the old one kept.
#[derive(Debug)]
pub struct ConfigReloaded<'a> {
    /// Why it was refused; none if it was taken.
    pub refused: Option<&'a str>,
}

impl ConfigReloaded<'_> {
    /// Tells it.
    pub fn emit(&self) {
        match self.refused {
            None => tracing::info!("configuration reloaded"),
            Some(reason) => tracing::error!(reason, "configuration refused, the old one stays"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::clock::fake::FakeClock;
    use super::super::progress::Progress;
    use super::*;

    #[test]
    fn an_event_moves_its_metric_every_time() {
        let time = FakeClock::default();
        let metrics = Metrics::new(time.clock());
        let camera = metrics.camera("gate-2");
        for _ in 0..3 {
            FrameDropped {
                camera: &camera,
                reason: DropReason::Corrupt,
            }
            .emit();
        }
        SpoolDropped {
            metrics: &metrics,
            records: 7,
        }
        .emit();
        SpoolBroken {
            metrics: &metrics,
            records: 2,
            place: "0001.seg at 4096",
        }
        .emit();
        let text = metrics.render(&Progress::new(time.clock())).unwrap();
        for line in [
            "sightline_ingest_frames_dropped_total{camera=\"gate-2\",reason=\"corrupt\"} 3\n",
            "sightline_spool_dropped_total 7\n",
            "sightline_spool_broken_total 2\n",
        ] {
            assert!(text.contains(line), "{line} is missing in {text}");
        }
    }
}
