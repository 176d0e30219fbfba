//! The wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix time in ns; 0 where the clock stands before 1970.
pub(crate) fn now_ns() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    since_1970.map_or(0, |time| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX))
}
