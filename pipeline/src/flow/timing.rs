//! What each stage costs: how often it worked, how long, and how much of a core it took.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// Hears of each call, on how many things it worked and how long.
type Listener = Box<dyn Fn(u64, Duration) + Send + Sync>;

/// The time one stage has taken so far. Counting is a few atomic additions; any thread may do it.
#[derive(Default)]
pub struct StageTime {
    listener: OnceLock<Listener>,
    items: AtomicU64,
    calls: AtomicU64,
    wall_ns: AtomicU64,
    cpu_ns: AtomicU64,
}

impl StageTime {
    /// Runs `work` on `items` things and counts what it took of the clock and of this thread's CPU time.
    pub fn measure<T>(&self, items: u64, work: impl FnOnce() -> T) -> T {
        let (wall, cpu_ns) = (Instant::now(), thread_cpu_ns());
        let result = work();
        self.add(
            items,
            u64::try_from(wall.elapsed().as_nanos()).unwrap_or(u64::MAX),
            thread_cpu_ns().saturating_sub(cpu_ns),
        );
        result
    }

    /// Tells every call's items and time to `listener` as well; only the first listener is heard.
    pub fn listen(&self, listener: impl Fn(u64, Duration) + Send + Sync + 'static) {
        if self.listener.set(Box::new(listener)).is_err() {
            tracing::warn!("a stage has a listener already");
        }
    }

    /// Counts time that was measured elsewhere.
    pub fn add(&self, items: u64, wall_ns: u64, cpu_ns: u64) {
        if let Some(listener) = self.listener.get() {
            listener(items, Duration::from_nanos(wall_ns));
        }
        self.items.fetch_add(items, Ordering::Relaxed);
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.wall_ns.fetch_add(wall_ns, Ordering::Relaxed);
        self.cpu_ns.fetch_add(cpu_ns, Ordering::Relaxed);
    }

    /// The sums so far.
    pub fn report(&self, stage: &'static str) -> StageReport {
        let items = self.items.load(Ordering::Relaxed);
        let wall_ns = self.wall_ns.load(Ordering::Relaxed);
        let per_item = |ns: u64| {
            if items == 0 {
                0.0
            } else {
                ns as f64 / items as f64 / 1e6
            }
        };
        let cpu_ns = self.cpu_ns.load(Ordering::Relaxed);
        StageReport {
            stage,
            items,
            calls: self.calls.load(Ordering::Relaxed),
            wall_seconds: wall_ns as f64 / 1e9,
            cpu_seconds: cpu_ns as f64 / 1e9,
            wall_ms_per_item: per_item(wall_ns),
            cpu_ms_per_item: per_item(cpu_ns),
        }
    }
}

/// The stages of the flow, in the order data passes through them.
#[derive(Default)]
pub struct StageTimes {
    /// Crop, resize and colour conversion of whole pictures, an item a picture.
    pub preprocess: StageTime,
    /// The detector's network and its decoding, an item a picture.
    pub detect: StageTime,
    /// Camera motion and association, an item a picture, without the crops embedded for it.
    pub track: StageTime,
    /// Crop quality and the choice of crops, an item a picture.
    pub select: StageTime,
    /// The encoder with its preprocessing, an item a crop.
    pub embed: StageTime,
    /// The encoder of the image-text pair with its preprocessing, an item a crop.
    pub joint: StageTime,
    /// Crops of both encoders whose vector was remembered, an item a crop; it took no time.
    pub recalled: StageTime,
    /// Encoding events and crops and writing them to the spool, an item an event.
    pub spool: StageTime,
    /// Taking events into the vector store, an item an event.
    pub index: StageTime,
}

impl StageTimes {
    /// All stages in order.
    pub fn report(&self) -> Vec<StageReport> {
        [
            ("preprocess", &self.preprocess),
            ("detect", &self.detect),
            ("track", &self.track),
            ("select", &self.select),
            ("embed", &self.embed),
            ("embed-joint", &self.joint),
            ("spool", &self.spool),
            ("index", &self.index),
        ]
        .map(|(name, time)| time.report(name))
        .into()
    }
}

/// What one stage took.
#[derive(Clone, Debug, Serialize)]
pub struct StageReport {
    /// Name of the stage.
    pub stage: &'static str,
    /// Pictures, crops or events, as the stage counts.
    pub items: u64,
    /// How often it was called.
    pub calls: u64,
    /// Time by the clock.
    pub wall_seconds: f64,
    /// CPU time of the calling thread; a network's own threads are not in it.
    pub cpu_seconds: f64,
    /// `wall_seconds` an item, in ms.
    pub wall_ms_per_item: f64,
    /// `cpu_seconds` an item, in ms.
    pub cpu_ms_per_item: f64,
}

/// CPU time of the calling thread, ns.
pub fn thread_cpu_ns() -> u64 {
    cpu_ns(ClockId::ThreadCPUTime)
}

/// CPU time of the whole process, ns.
pub fn process_cpu_ns() -> u64 {
    cpu_ns(ClockId::ProcessCPUTime)
}

fn cpu_ns(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    time.tv_sec
        .unsigned_abs()
        .saturating_mul(1_000_000_000)
        .saturating_add(time.tv_nsec.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_counted_with_its_items() {
        let time = StageTime::default();
        let sum = time.measure(3, || (0..100_000_u64).fold(0_u64, u64::wrapping_add));
        assert_eq!(sum, 4_999_950_000);
        let report = time.report("detect");
        assert_eq!((report.items, report.calls), (3, 1));
        assert!(report.wall_seconds > 0.0 && report.wall_ms_per_item > 0.0);
        assert_eq!(StageTimes::default().report().len(), 8);
    }
}
