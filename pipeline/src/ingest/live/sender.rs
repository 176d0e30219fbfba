//! The camera's own clock, as its RTCP sender reports tell it, and how far it is from ours.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Seconds from the NTP epoch (1900) to the unix epoch (1970).
const NTP_TO_UNIX_S: i64 = 2_208_988_800;
/// Pictures between the network and the end of the decoder; more than any decoder holds back.
const KEPT: usize = 128;
/// Weight of one more picture in the smoothed clock error: settles within a few seconds, ignores single delays.
const SMOOTHING: f64 = 1.0 / 32.0;

/// Pairs the presentation time of each picture with the sender's wall clock, from the network to the decoder's end.
///
/// The clock error is the sender's capture time minus our wall clock when a picture's first packet reached the socket: it
/// includes the way through the network and the camera's encoder, which make it less, and leaves out our own buffering.
#[derive(Debug, Default)]
pub(super) struct SenderClock {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    times: VecDeque<Pair>,
    error_ns: Option<f64>,
}

#[derive(Debug, Clone, Copy)]
struct Pair {
    pts_ns: u64,
    capture_ns: i64,
}

impl SenderClock {
    /// Notes that the picture at `pts_ns` was taken at `capture_ns` by the sender's clock and arrived at `arrival_ns` by
    /// ours, both unix nanoseconds. Every packet of a picture may call this; the first one counts.
    pub(super) fn record(&self, pts_ns: u64, capture_ns: i64, arrival_ns: i64) {
        let mut inner = self.lock();
        if inner.times.back().is_some_and(|last| last.pts_ns == pts_ns) {
            return;
        }
        if inner.times.len() == KEPT {
            inner.times.pop_front();
        }
        inner.times.push_back(Pair { pts_ns, capture_ns });
        let sample = capture_ns.saturating_sub(arrival_ns) as f64;
        inner.error_ns = Some(match inner.error_ns {
            // A camera that was just set to the right time is a new clock, not a late picture.
            Some(error) if (sample - error).abs() < 10e9 => error + (sample - error) * SMOOTHING,
            _ => sample,
        });
    }

    /// When the picture at `pts_ns` was taken, by the sender's clock.
    pub(super) fn capture_ns(&self, pts_ns: u64) -> Option<i64> {
        let inner = self.lock();
        let exact = inner.times.iter().rev().find(|pair| pair.pts_ns == pts_ns);
        let pair = exact.or_else(|| inner.times.back())?;
        // Decoders may round a presentation time; the two clocks run alike over that distance.
        let apart = i64::try_from(i128::from(pts_ns) - i128::from(pair.pts_ns)).ok()?;
        Some(pair.capture_ns.saturating_add(apart))
    }

    /// The smoothed clock error, the sender's clock minus ours, once a sender report came.
    pub(super) fn error_ns(&self) -> Option<i64> {
        self.lock().error_ns.map(|error| error.round() as i64)
    }

    /// Forgets the pictures of a connection that ended; presentation times start anew with the next.
    pub(super) fn restart(&self) {
        let mut inner = self.lock();
        inner.times.clear();
        inner.error_ns = None;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Unix nanoseconds of an NTP time in nanoseconds.
pub(super) fn unix_from_ntp_ns(ntp_ns: u64) -> Option<i64> {
    i64::try_from(i128::from(ntp_ns) - i128::from(NTP_TO_UNIX_S) * 1_000_000_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn a_picture_gets_the_time_of_its_own_packets() {
        let clock = SenderClock::default();
        for n in 0..10 {
            let capture_ns = 5_000 * SECOND + n * 40_000_000;
            clock.record((n * 40_000_000).cast_unsigned(), capture_ns, capture_ns);
        }
        // A picture that the decoder held back while later ones arrived.
        assert_eq!(
            clock.capture_ns(120_000_000),
            Some(5_000 * SECOND + 120_000_000)
        );
        assert_eq!(
            clock.capture_ns(120_000_007),
            Some(5_000 * SECOND + 120_000_007)
        );
    }

    #[test]
    fn without_sender_reports_there_is_no_time_and_no_error() {
        let clock = SenderClock::default();
        assert_eq!((clock.capture_ns(0), clock.error_ns()), (None, None));
    }

    #[test]
    fn the_error_is_smoothed_over_single_late_pictures() {
        let clock = SenderClock::default();
        for n in 0..200i64 {
            let late = if n == 199 { SECOND } else { 0 };
            let capture_ns = n * 40_000_000;
            clock.record(
                n.cast_unsigned(),
                capture_ns,
                capture_ns + 30_000_000 + late,
            );
        }
        let error = clock.error_ns().unwrap();
        assert!((-70_000_000..-30_000_000).contains(&error), "{error}");
    }

    #[test]
    fn a_camera_that_was_set_right_is_believed_at_once() {
        let clock = SenderClock::default();
        clock.record(0, -3_600 * SECOND, 0);
        assert_eq!(clock.error_ns(), Some(-3_600 * SECOND), "an hour slow");
        clock.record(1, 0, 0);
        assert_eq!(clock.error_ns(), Some(0));
    }

    #[test]
    fn the_ntp_epoch_is_1900() {
        assert_eq!(unix_from_ntp_ns(2_208_988_800_000_000_000), Some(0));
        assert_eq!(
            unix_from_ntp_ns(4_004_247_359_870_342_999),
            Some(1_795_258_559_870_342_999)
        );
    }
}
