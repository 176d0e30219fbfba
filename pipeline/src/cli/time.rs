//! Points in time as people write them: RFC 3339, `14:00` (today, here), `-2h` (before now).

use jiff::{Span, Timestamp, Zoned, civil};

/// A time that nobody could mean.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0}, expected RFC 3339 (`2026-03-01T14:00:00Z`), a time of today (`14:00`) or a time ago (`-2h`, `-30m`, `-1d`)"
)]
pub struct TimeFault(&'static str);

/// Unix nanoseconds of what is written in `text`, seen from `now` and its time zone.
///
/// # Errors
/// Says what is not understood; a time of day that a change of clocks left out is refused.
pub fn parse_time(text: &str, now: &Zoned) -> Result<i64, TimeFault> {
    let text = text.trim();
    let instant = if let Some(ago) = text.strip_prefix('-') {
        before(ago, now)?
    } else if let Ok(instant) = text.parse::<Timestamp>() {
        instant
    } else if let Some(time) = time_of_day(text) {
        if now.time_zone().is_unknown() {
            return Err(TimeFault(
                "this machine's time zone is not known, so a time of today means nothing",
            ));
        }
        now.time_zone()
            .to_ambiguous_zoned(now.date().to_datetime(time))
            // A time that happens twice is taken the first time it happens: nothing is missed by `--from`.
            .compatible()
            .ok()
            .filter(|zoned| zoned.time() == time)
            .ok_or(TimeFault(
                "this time of day does not exist today: the clocks change",
            ))?
            .timestamp()
    } else if text.parse::<civil::DateTime>().is_ok() {
        return Err(TimeFault("a date and time need an offset, `Z` or `+01:00`"));
    } else {
        return Err(TimeFault("not a time"));
    };
    i64::try_from(instant.as_nanosecond()).map_err(|_| TimeFault("a time outside 1678 to 2262"))
}

/// [`parse_time`] at this moment, for the command line.
pub(super) fn parse_time_now(text: &str) -> Result<i64, TimeFault> {
    parse_time(text, &Zoned::now())
}

fn time_of_day(text: &str) -> Option<civil::Time> {
    let is_clock = text.contains(':')
        && text
            .chars()
            .all(|letter| letter.is_ascii_digit() || letter == ':');
    is_clock.then(|| text.parse().ok()).flatten()
}

fn before(ago: &str, now: &Zoned) -> Result<Timestamp, TimeFault> {
    const FAULT: TimeFault = TimeFault("not a time ago");
    let unit_at = ago
        .find(|letter: char| !letter.is_ascii_digit())
        .ok_or(FAULT)?;
    let (count, unit) = ago.split_at(unit_at);
    let count: i64 = count.parse().map_err(|_| FAULT)?;
    let span = match unit {
        "s" => Span::new().try_seconds(count),
        "m" => Span::new().try_minutes(count),
        "h" => Span::new().try_hours(count),
        "d" => Span::new().try_days(count),
        _ => return Err(FAULT),
    };
    // On the calendar of the place: `-1d` is the same time of day yesterday, also when the clocks changed.
    let then = span
        .and_then(|span| now.checked_sub(span))
        .map_err(|_| FAULT)?;
    Ok(then.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-21T15:30:00+00:00[+00:00]";

    fn at(text: &str) -> Result<String, TimeFault> {
        at_from(text, NOW)
    }

    fn at_from(text: &str, now: &str) -> Result<String, TimeFault> {
        let ns = parse_time(text, &now.parse().unwrap())?;
        Ok(Timestamp::from_nanosecond(i128::from(ns))
            .unwrap()
            .to_string())
    }

    #[test]
    fn the_three_ways_of_writing_are_understood() {
        assert_eq!(at("2026-03-01T14:00:00Z").unwrap(), "2026-03-01T14:00:00Z");
        assert_eq!(
            at("2026-03-01T14:00:00.25+01:00").unwrap(),
            "2026-03-01T13:00:00.25Z"
        );
        assert_eq!(at("14:00").unwrap(), "2026-11-21T14:00:00Z");
        assert_eq!(at("14:00:07").unwrap(), "2026-11-21T14:00:07Z");
        assert_eq!(at("-2h").unwrap(), "2026-11-21T13:30:00Z");
        assert_eq!(at("-30m").unwrap(), "2026-11-21T15:00:00Z");
        assert_eq!(at("-1d").unwrap(), "2026-11-20T15:30:00Z");
        assert_eq!(at("-90s").unwrap(), "2026-11-21T15:28:30Z");
    }

    #[test]
    fn a_time_of_day_is_local() {
        let now = "2026-11-21T15:30:00+02:00[+02:00]";
        assert_eq!(at_from("14:00", now).unwrap(), "2026-11-21T12:00:00Z");
    }

    #[test]
    fn a_time_that_a_change_of_clocks_leaves_out_is_refused_and_one_that_comes_twice_is_the_first()
    {
        let zone = jiff::tz::TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let spring: Zoned = civil::date(2026, 3, 29)
            .at(12, 0, 0, 0)
            .to_zoned(zone.clone())
            .unwrap();
        let autumn: Zoned = civil::date(2026, 10, 25)
            .at(12, 0, 0, 0)
            .to_zoned(zone)
            .unwrap();
        assert!(
            parse_time("02:30", &spring)
                .unwrap_err()
                .to_string()
                .contains("clocks change")
        );
        let first = parse_time("02:30", &autumn).unwrap();
        assert_eq!(
            first,
            parse_time("2026-10-25T02:30:00+02:00", &autumn).unwrap()
        );
    }

    #[test]
    fn nonsense_is_refused_with_examples() {
        for text in [
            "",
            "-",
            "-h",
            "-2",
            "-2w",
            "25:00",
            "yesterday",
            "2026-03-01",
            "2026-03-01T14:00:00",
            "-99999999999999h",
            "9999-01-01T00:00:00Z",
        ] {
            let fault = at(text).unwrap_err().to_string();
            assert!(fault.contains("-30m"), "{text}: {fault}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,24}") {
            let _outcome = at(&text);
        }
    }
}
