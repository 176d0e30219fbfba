//! Histograms with fixed buckets of atomics: observing takes no lock and no memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// Upper bounds of the buckets of a time, in ns: 0.1 ms to 10 s.
const TIME_BOUNDS_NS: &[u64] = &[
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];
/// Upper bounds of the buckets of an age, in ns: 25 ms to 30 s, closest where a live system should be.
const AGE_BOUNDS_NS: &[u64] = &[
    25_000_000,
    50_000_000,
    100_000_000,
    150_000_000,
    200_000_000,
    300_000_000,
    400_000_000,
    500_000_000,
    600_000_000,
    700_000_000,
    800_000_000,
    900_000_000,
    1_000_000_000,
    1_500_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
    30_000_000_000,
];
/// Upper bounds of the buckets of a batch size.
const COUNT_BOUNDS: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128];

#[derive(Debug)]
struct Cells {
    bounds: &'static [u64],
    /// Units in one unit shown: 1e9 for nanoseconds shown as seconds.
    units: f64,
    /// One a bound, and one above all.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// A histogram of times or sizes. Clones share their cells.
#[derive(Debug, Clone)]
pub struct Histogram(Arc<Cells>);

impl Histogram {
    fn new(bounds: &'static [u64], units: f64) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self(Arc::new(Cells {
            bounds,
            units,
            counts,
            sum: AtomicU64::new(0),
        }))
    }

    /// Of times, shown in seconds, with buckets from 0.1 ms to 10 s.
    #[must_use]
    pub fn of_times() -> Self {
        Self::new(TIME_BOUNDS_NS, 1e9)
    }

    /// Of ages since capture, shown in seconds, with buckets from 25 ms to 30 s.
    #[must_use]
    pub fn of_ages() -> Self {
        Self::new(AGE_BOUNDS_NS, 1e9)
    }

    /// Of batch sizes, with buckets from 1 to 128.
    #[must_use]
    pub fn of_counts() -> Self {
        Self::new(COUNT_BOUNDS, 1.0)
    }

    /// Counts one time.
    pub fn observe(&self, time: Duration) {
        self.add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Counts the time from `from_ns` to `to_ns`, both Unix time in ns; none where the clock was set back between them.
    pub fn observe_between(&self, from_ns: i64, to_ns: i64) {
        self.add(u64::try_from(to_ns.saturating_sub(from_ns)).unwrap_or(0));
    }

    /// Counts one size.
    pub fn observe_count(&self, count: usize) {
        self.add(count as u64);
    }

    fn add(&self, value: u64) {
        let bucket = self.0.bounds.partition_point(|&bound| bound < value);
        self.0.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.0.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// How many were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0
            .counts
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .sum()
    }
}

impl TypedMetric for Histogram {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Histogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let shown = |value: u64| value as f64 / self.0.units;
        let bounds = self
            .0
            .bounds
            .iter()
            .map(|&bound| shown(bound))
            .chain([f64::INFINITY]);
        let counts = self
            .0
            .counts
            .iter()
            .map(|count| count.load(Ordering::Relaxed));
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        // The total is taken from the same reading, so that it never disagrees with its buckets.
        let count = buckets.iter().map(|(_, count)| count).sum();
        encoder.encode_histogram::<NoLabelSet>(
            shown(self.0.sum.load(Ordering::Relaxed)),
            count,
            &buckets,
            None,
        )
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    fn shown(histogram: &Histogram) -> String {
        let mut registry = Registry::default();
        registry.register("x", "help", histogram.clone());
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn a_time_falls_into_the_bucket_whose_bound_it_does_not_pass() {
        let histogram = Histogram::of_times();
        histogram.observe(Duration::from_micros(100));
        histogram.observe(Duration::from_nanos(100_001));
        histogram.observe(Duration::from_secs(60));
        let text = shown(&histogram);
        assert!(text.contains("x_bucket{le=\"0.0001\"} 1\n"), "{text}");
        assert!(text.contains("x_bucket{le=\"0.00025\"} 2\n"), "{text}");
        assert!(text.contains("x_bucket{le=\"10.0\"} 2\n"), "{text}");
        assert!(text.contains("x_bucket{le=\"+Inf\"} 3\n"), "{text}");
        assert!(
            text.contains("x_count 3\n") && text.contains("x_sum 60.0002"),
            "{text}"
        );
    }

    #[test]
    fn sizes_are_shown_as_they_are() {
        let histogram = Histogram::of_counts();
        histogram.observe_count(8);
        histogram.observe_count(9);
        let text = shown(&histogram);
        assert!(
            text.contains("x_bucket{le=\"8.0\"} 1\n") && text.contains("x_bucket{le=\"16.0\"} 2\n"),
            "{text}"
        );
        assert!(text.contains("x_sum 17.0\n"), "{text}");
    }
}
