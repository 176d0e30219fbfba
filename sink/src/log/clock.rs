//! A machine's clock that is set back.
//!
//! The client's own threads wait until a time by that clock, as the C library does it: a wait of a tenth of a second that was
//! begun before the clock was set back by an hour lasts an hour. So nobody here waits in the client, and when the clock was
//! set back there is a fresh client, whose waits are right. A clock that is set ahead ends waits early, which does no harm.

use std::time::{Duration, Instant, SystemTime};

use super::options::LogOptions;
use crate::Result;

/// A clock that is set back by less only makes waits that much longer.
const LEAST: Duration = Duration::from_secs(1);

/// The machine's clock and one that is never set, at one moment.
pub(super) struct Clock {
    wall: SystemTime,
    monotonic: Instant,
}

impl Clock {
    pub(super) fn now() -> Self {
        Self {
            wall: SystemTime::now(),
            monotonic: Instant::now(),
        }
    }

    /// Fails once after the clock was set back since the last call.
    pub(super) fn check(&mut self, options: &LogOptions, doing: &'static str) -> Result<()> {
        let before = std::mem::replace(self, Self::now());
        let by = self.set_back_since(&before);
        if by < LEAST {
            return Ok(());
        }
        let seconds = by.as_secs();
        Err(options.failed(
            doing,
            format!(
                "the clock of this machine was set back by {seconds} s, so the client is made anew"
            ),
        ))
    }

    fn set_back_since(&self, before: &Self) -> Duration {
        let passed = self.monotonic.saturating_duration_since(before.monotonic);
        let expected = before.wall.checked_add(passed).unwrap_or(before.wall);
        // An error: it is later than expected.
        expected.duration_since(self.wall).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn only_a_clock_that_is_set_back_is_told_and_once() {
        let options = LogOptions::new(vec!["127.0.0.1:1".to_owned()]);
        let mut clock = Clock::now();
        assert!(clock.check(&options, "send").is_ok());
        clock.wall += HOUR;
        let told = clock.check(&options, "send").unwrap_err().to_string();
        assert!(told.contains("set back by"), "{told}");
        assert!(clock.check(&options, "send").is_ok());
        clock.wall -= HOUR;
        assert!(clock.check(&options, "send").is_ok(), "it was set ahead");
    }

    #[test]
    fn time_that_passes_is_no_jump() {
        let before = Clock::now();
        let after = Clock {
            wall: before.wall + HOUR,
            monotonic: before.monotonic + HOUR,
        };
        assert_eq!(after.set_back_since(&before), Duration::ZERO);
        let back = Clock {
            wall: before.wall,
            monotonic: before.monotonic + HOUR,
        };
        assert_eq!(back.set_back_since(&before), HOUR);
    }
}
