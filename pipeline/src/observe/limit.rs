//! Keeps a flood of one event from flooding the log: one line every ten seconds, with the number it stands for.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

const INTERVAL_NS: i64 = 10_000_000_000;

/// The limit of one kind of line. Two atomics; asking takes no lock.
#[derive(Debug)]
pub struct LogLimit {
    next_ns: AtomicI64,
    suppressed: AtomicU64,
}

impl Default for LogLimit {
    fn default() -> Self {
        Self {
            next_ns: AtomicI64::new(i64::MIN),
            suppressed: AtomicU64::new(0),
        }
    }
}

impl LogLimit {
    /// Whether to write the line now; if so, how many events were kept quiet since the last one.
    pub fn admit(&self, now_ns: i64) -> Option<u64> {
        let next_ns = self.next_ns.load(Ordering::Relaxed);
        let after_ns = now_ns.saturating_add(INTERVAL_NS);
        let is_due = now_ns >= next_ns
            && self
                .next_ns
                .compare_exchange(next_ns, after_ns, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if is_due {
            Some(self.suppressed.swap(0, Ordering::Relaxed))
        } else {
            self.suppressed.fetch_add(1, Ordering::Relaxed);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_line_an_interval_and_none_of_it_is_uncounted() {
        let limit = LogLimit::default();
        let told: Vec<u64> = (0..25)
            .filter_map(|second| limit.admit(second * 1_000_000_000))
            .collect();
        assert_eq!(told, [0, 9, 9]);
        assert_eq!(limit.admit(60_000_000_000), Some(4));
    }
}
