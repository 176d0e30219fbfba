//! Arithmetic on stretches of time that are in order and apart from one another.

use super::answer::Interval;

/// What lies between intervals, inside a range.
pub(super) fn gaps(intervals: &[Interval], from_ns: i64, to_ns: i64) -> Vec<Interval> {
    let mut gaps = Vec::new();
    let mut at = from_ns;
    for interval in intervals {
        if interval.from_ns > at {
            gaps.push(Interval {
                from_ns: at,
                to_ns: interval.from_ns,
            });
        }
        at = at.max(interval.to_ns);
    }
    if at < to_ns {
        gaps.push(Interval { from_ns: at, to_ns });
    }
    gaps
}

/// What is left of intervals without a range.
pub(super) fn without(intervals: &[Interval], from_ns: i64, to_ns: i64) -> Vec<Interval> {
    let mut left = Vec::with_capacity(intervals.len() + 1);
    for interval in intervals {
        if interval.to_ns <= from_ns || interval.from_ns >= to_ns {
            left.push(*interval);
            continue;
        }
        if interval.from_ns < from_ns {
            left.push(Interval {
                from_ns: interval.from_ns,
                to_ns: from_ns,
            });
        }
        if interval.to_ns > to_ns {
            left.push(Interval {
                from_ns: to_ns,
                to_ns: interval.to_ns,
            });
        }
    }
    left
}
