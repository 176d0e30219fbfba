//! Points in time: nanoseconds inside, RFC 3339 in UTC on the wire.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::Error;

/// A point in time, in nanoseconds since 1970-01-01 UTC; RFC 3339 in UTC wherever it is text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UtcTime(i64);

impl UtcTime {
    /// Takes unix nanoseconds.
    #[must_use]
    pub const fn from_unix_ns(unix_ns: i64) -> Self {
        Self(unix_ns)
    }

    /// Unix nanoseconds.
    #[must_use]
    pub const fn unix_ns(self) -> i64 {
        self.0
    }
}

impl fmt::Display for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(timestamp) => fmt::Display::fmt(&timestamp, f),
            // Cannot be: 64 bits of nanoseconds end in the year 2262.
            Err(_) => write!(f, "{} ns since 1970", self.0),
        }
    }
}

impl FromStr for UtcTime {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || {
            let shown = crate::error::one_line(text);
            Error::BadRequest(format!(
                "time `{shown}` is not RFC 3339, expected for example `2026-03-01T14:00:00Z`"
            ))
        };
        // Nobody writes a longer one; the parser behind this also takes forms that RFC 3339 does not have.
        if text.len() > 40 || text.contains('[') {
            return Err(wrong());
        }
        let timestamp: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
        let unix_ns = i64::try_from(timestamp.as_nanosecond()).map_err(|_| {
            Error::BadRequest(format!(
                "time `{text}` is out of range, expected a year from 1678 to 2261"
            ))
        })?;
        Ok(Self(unix_ns))
    }
}

impl Serialize for UtcTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for UtcTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = UtcTime;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time as RFC 3339 text")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<UtcTime, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn another_offset_is_read_and_utc_is_written() {
        let time: UtcTime = "2026-03-01T15:00:00.25+01:00".parse().unwrap();
        assert_eq!(time.to_string(), "2026-03-01T14:00:00.25Z");
        assert_eq!(time.unix_ns(), 1_772_373_600_250_000_000);
    }

    #[test]
    fn a_text_that_is_no_time_or_out_of_range_is_refused_with_the_text() {
        for bad in [
            "",
            "14:00",
            "yesterday",
            "2026-03-01",
            "2026-03-01T14:00:00",
            "2500-01-01T00:00:00Z",
            "2026-03-01T14:00:00Z[UTC]",
        ] {
            let error = bad.parse::<UtcTime>().unwrap_err();
            assert_eq!(error.status(), 400, "{bad}");
            assert!(error.to_string().contains(&format!("`{bad}`")), "{error}");
        }
    }

    proptest! {
        #[test]
        fn every_time_survives_its_text(unix_ns in any::<i64>()) {
            let time = UtcTime::from_unix_ns(unix_ns);
            prop_assert_eq!(time.to_string().parse::<UtcTime>().unwrap(), time);
        }
    }
}
