//! Frame rates, and the cap that thins a stream out without losing its rhythm.

use super::Error;

/// Frames a second: above 0, at most 1000.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct FrameRate(f64);

impl FrameRate {
    /// Checks a rate in frames a second.
    ///
    /// # Errors
    /// [`Error::FrameRate`] when it is not above 0 and at most 1000.
    pub fn try_new(frames_per_second: f64) -> Result<Self, Error> {
        if frames_per_second > 0.0 && frames_per_second <= 1000.0 {
            Ok(Self(frames_per_second))
        } else {
            Err(Error::FrameRate {
                value: frames_per_second,
            })
        }
    }

    /// Frames a second.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }

    /// When frame `sequence` is due, in nanoseconds after frame 0.
    #[must_use]
    pub fn offset_ns(self, sequence: u64) -> i64 {
        // A double holds every nanosecond of the first 104 days exactly.
        (sequence as f64 * 1e9 / self.0).round() as i64
    }
}

/// Keeps at most a set number of frames a second, by time alone: the same times give the same choice.
///
/// Time is cut into slots of one frame of the cap; the first frame of each slot is kept. A quarter of a slot of slack
/// keeps a stream whose own rate is the cap whole although its times jitter.
#[derive(Debug, Clone)]
pub struct RateCap {
    rate: FrameRate,
    last_slot: Option<i64>,
}

impl RateCap {
    /// A cap of `rate` frames a second.
    #[must_use]
    pub fn new(rate: FrameRate) -> Self {
        Self {
            rate,
            last_slot: None,
        }
    }

    /// Whether the frame at `time_ns` is kept.
    pub fn admits(&mut self, time_ns: i64) -> bool {
        let slot = (time_ns as f64 * self.rate.0 / 1e9 + 0.25).floor() as i64;
        // A clock that jumped back starts a new count rather than blinding the camera until it has caught up.
        let admitted = self
            .last_slot
            .is_none_or(|last| slot > last || slot < last - 1);
        if admitted {
            self.last_slot = Some(slot);
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kept(source_fps: f64, cap_fps: f64, frames: u64) -> Vec<u64> {
        let source = FrameRate::try_new(source_fps).unwrap();
        let mut cap = RateCap::new(FrameRate::try_new(cap_fps).unwrap());
        (0..frames)
            .filter(|&n| cap.admits(source.offset_ns(n)))
            .collect()
    }

    #[test]
    fn a_cap_at_half_the_rate_keeps_every_second_frame() {
        assert_eq!(kept(10.0, 5.0, 8), vec![0, 2, 4, 6]);
    }

    #[test]
    fn a_cap_at_or_above_the_rate_keeps_all() {
        assert_eq!(kept(29.97, 29.97, 500).len(), 500);
        assert_eq!(kept(12.5, 25.0, 100).len(), 100);
    }

    #[test]
    fn a_clock_that_jumps_back_does_not_blind_the_camera() {
        let mut cap = RateCap::new(FrameRate::try_new(5.0).unwrap());
        assert!(cap.admits(3_600_000_000_000));
        assert!(cap.admits(0));
        assert!(!cap.admits(100_000_000));
    }

    #[test]
    fn impossible_rates_are_refused() {
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, 1001.0] {
            assert!(FrameRate::try_new(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_more_frames_than_the_cap_allows(source in 1.0f64..120.0, cap in 0.5f64..60.0) {
            let seconds = 10u64;
            let kept = kept(source, cap, (source * seconds as f64) as u64);
            prop_assert!(kept.len() as f64 <= cap * seconds as f64 + 2.0);
            let expected = source.min(cap) * seconds as f64;
            prop_assert!(kept.len() as f64 >= expected * 0.5 - 2.0);
        }
    }
}
