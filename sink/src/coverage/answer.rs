//! Coverage as it comes with an answer.

use serde::{Deserialize, Serialize};

/// A stretch of time, Unix time in ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// Its start.
    pub from_ns: i64,
    /// Its end.
    pub to_ns: i64,
}

/// What one camera saw of the time in question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CameraCoverage {
    /// Its site.
    pub site: String,
    /// The camera.
    pub camera: String,
    /// When it was watched.
    pub watched: Vec<Interval>,
    /// When it was not: known blindness, and silences longer than [`super::SILENCE_NS`].
    pub blind: Vec<Interval>,
    /// Frames looked at, estimated by time where only a part of a stretch is asked for.
    pub frames_seen: u64,
    /// Frames that came and were dropped, likewise.
    pub frames_dropped: u64,
    /// Up to here everything of the camera is searchable; `None` when nothing is.
    pub indexed_to_ns: Option<i64>,
    /// The camera's clock minus ours, as last measured, in ns.
    pub clock_error_ns: Option<i64>,
}

/// Says in words what an operator should know of a camera's coverage:
/// `gate-2 blind 14:02:10 to 14:09:31; indexed up to 14:31:07`.
///
/// `format_time` turns Unix time in ns into the reader's local time.
pub fn describe(coverage: &CameraCoverage, format_time: impl Fn(i64) -> String) -> String {
    const MOST_TOLD: usize = 3;
    let mut text = coverage.camera.clone();
    if coverage.blind.is_empty() {
        text.push_str(" watched throughout");
    }
    for (index, blind) in coverage.blind.iter().take(MOST_TOLD).enumerate() {
        text.push_str(if index == 0 { " blind " } else { ", " });
        text.push_str(&format_time(blind.from_ns));
        text.push_str(" to ");
        text.push_str(&format_time(blind.to_ns));
    }
    if coverage.blind.len() > MOST_TOLD {
        text.push_str(&format!(
            " and {} more times",
            coverage.blind.len() - MOST_TOLD
        ));
    }
    if coverage.frames_dropped > 0 {
        let (dropped, all) = (
            coverage.frames_dropped,
            coverage.frames_dropped.saturating_add(coverage.frames_seen),
        );
        text.push_str(&format!("; {dropped} of {all} frames dropped"));
    }
    match coverage.indexed_to_ns {
        Some(time_ns) => text.push_str(&format!("; indexed up to {}", format_time(time_ns))),
        None => text.push_str("; nothing indexed yet"),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coverage(blind: &[(i64, i64)], frames_dropped: u64) -> CameraCoverage {
        CameraCoverage {
            site: "site".into(),
            camera: "gate-2".into(),
            watched: vec![],
            blind: blind
                .iter()
                .map(|b| Interval {
                    from_ns: b.0,
                    to_ns: b.1,
                })
                .collect(),
            frames_seen: 90,
            frames_dropped,
            indexed_to_ns: Some(99),
            clock_error_ns: None,
        }
    }

    #[test]
    fn coverage_reads_as_a_sentence() {
        let say = |coverage| describe(&coverage, |time_ns| format!("t{time_ns}"));
        assert_eq!(
            say(coverage(&[(1, 2)], 0)),
            "gate-2 blind t1 to t2; indexed up to t99"
        );
        assert_eq!(
            say(coverage(&[], 10)),
            "gate-2 watched throughout; 10 of 100 frames dropped; indexed up to t99"
        );
        let often = [(1, 2), (3, 4), (5, 6), (7, 8), (9, 10)];
        assert_eq!(
            say(coverage(&often, 0)),
            "gate-2 blind t1 to t2, t3 to t4, t5 to t6 and 2 more times; indexed up to t99"
        );
    }
}
