//! One camera's past: the stretches that were watched, those known to be blind, the frames in them.
//!
//! Adding the same heartbeat again changes nothing: only the part of it that was not yet known counts.

use serde::{Deserialize, Serialize};

use super::answer::{CameraCoverage, Interval};
use super::interval::{gaps, without};
use crate::Coverage;

/// Without a heartbeat for this long a camera counts as not watched; a shorter gap is bridged.
pub const SILENCE_NS: i64 = 30_000_000_000;

/// Stretches closer than this are stored as one: heartbeats count from frame to frame, so they nearly touch.
const JOIN_NS: i64 = 2_000_000_000;

/// Longest stretch stored as one, so that frames can be told for a part of a day.
const LONGEST_NS: i64 = 15 * 60 * 1_000_000_000;

/// Most stretches kept a camera: half a year of [`LONGEST_NS`]. The oldest go first.
const MAX_STRETCHES: usize = 17_520;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Stretch {
    from_ns: i64,
    to_ns: i64,
    seen: u64,
    dropped: u64,
}

/// What is known of one camera.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Timeline {
    /// In order, apart from one another.
    watched: Vec<Stretch>,
    /// Known to be blind; in order, apart from one another.
    blind: Vec<Stretch>,
    /// Up to here every event of the camera is in the index.
    pub(super) indexed_to_ns: Option<i64>,
    clock_error_ns: Option<i64>,
    /// Stretches that went because there were more than [`MAX_STRETCHES`].
    forgotten: u64,
}

impl Timeline {
    /// Takes in a heartbeat.
    pub(super) fn add(&mut self, coverage: &Coverage) {
        let heartbeat = Stretch {
            from_ns: coverage.from_ns,
            to_ns: coverage.to_ns,
            seen: coverage.frames_seen,
            dropped: coverage.frames_dropped,
        };
        let stretches = if coverage.watched {
            &mut self.watched
        } else {
            &mut self.blind
        };
        for piece in unknown_parts(stretches, heartbeat) {
            insert(stretches, piece);
        }
        if stretches.len() > MAX_STRETCHES {
            let excess = stretches.len() - MAX_STRETCHES;
            stretches.drain(..excess);
            self.forgotten += excess as u64;
        }
        if self
            .indexed_to_ns
            .is_none_or(|known_ns| coverage.to_ns >= known_ns)
        {
            self.indexed_to_ns = Some(coverage.to_ns);
            self.clock_error_ns = coverage.clock_error_ns.or(self.clock_error_ns);
        }
    }

    /// The first moment anything is known of.
    pub(super) fn first_ns(&self) -> Option<i64> {
        let firsts = [self.watched.first(), self.blind.first()];
        firsts
            .into_iter()
            .flatten()
            .map(|stretch| stretch.from_ns)
            .min()
    }

    /// What was watched and what was not between two moments. The time after the last heartbeat is
    /// blind if it is longer than [`SILENCE_NS`]; otherwise it is merely not indexed yet.
    pub(super) fn answer(
        &self,
        site: &str,
        camera: &str,
        from_ns: i64,
        to_ns: i64,
    ) -> CameraCoverage {
        let mut watched: Vec<Interval> = Vec::new();
        let (mut seen, mut dropped) = (0, 0);
        for stretch in overlapping(&self.watched, from_ns, to_ns) {
            let part = Interval {
                from_ns: stretch.from_ns.max(from_ns),
                to_ns: stretch.to_ns.min(to_ns),
            };
            seen += share(
                stretch.seen,
                part.to_ns - part.from_ns,
                stretch.to_ns - stretch.from_ns,
            );
            dropped += share(
                stretch.dropped,
                part.to_ns - part.from_ns,
                stretch.to_ns - stretch.from_ns,
            );
            match watched.last_mut() {
                Some(last) if part.from_ns - last.to_ns <= SILENCE_NS => last.to_ns = part.to_ns,
                _ => watched.push(part),
            }
        }
        self.bridge_edges(&mut watched, from_ns, to_ns);
        for stretch in overlapping(&self.blind, from_ns, to_ns) {
            watched = without(&watched, stretch.from_ns, stretch.to_ns);
        }
        let mut blind = gaps(&watched, from_ns, to_ns);
        let silent_since_ns = self.indexed_to_ns.unwrap_or(from_ns);
        if let Some(last) = blind.last().copied()
            && last.to_ns == to_ns
            && to_ns > silent_since_ns
            && to_ns - silent_since_ns <= SILENCE_NS
        {
            blind.pop();
            let known = Interval {
                from_ns: last.from_ns,
                to_ns: silent_since_ns,
            };
            blind.extend((known.from_ns < known.to_ns).then_some(known));
        }
        CameraCoverage {
            site: site.to_owned(),
            camera: camera.to_owned(),
            watched,
            blind,
            frames_seen: seen,
            frames_dropped: dropped,
            indexed_to_ns: self.indexed_to_ns,
            clock_error_ns: self.clock_error_ns,
        }
    }

    /// A short gap at the edge of the range is bridged like one inside it.
    fn bridge_edges(&self, watched: &mut Vec<Interval>, from_ns: i64, to_ns: i64) {
        let before = self
            .watched
            .iter()
            .rev()
            .find(|stretch| stretch.to_ns < from_ns);
        let after = self.watched.iter().find(|stretch| stretch.from_ns > to_ns);
        if let Some(first) = watched.first_mut() {
            if before.is_some_and(|before| first.from_ns - before.to_ns <= SILENCE_NS) {
                first.from_ns = from_ns;
            }
        } else if let (Some(before), Some(after)) = (before, after)
            && after.from_ns - before.to_ns <= SILENCE_NS
        {
            watched.push(Interval { from_ns, to_ns });
        }
        if let Some(last) = watched.last_mut()
            && after.is_some_and(|after| after.from_ns - last.to_ns <= SILENCE_NS)
        {
            last.to_ns = to_ns;
        }
    }
}

/// `count * part / whole`, all of it when the whole has no length.
fn share(count: u64, part_ns: i64, whole_ns: i64) -> u64 {
    if whole_ns <= 0 || part_ns >= whole_ns {
        return count;
    }
    // The quotient is not above `count`.
    (u128::from(count) * part_ns.max(0) as u128 / whole_ns as u128) as u64
}

fn overlapping(stretches: &[Stretch], from_ns: i64, to_ns: i64) -> &[Stretch] {
    let begin = stretches.partition_point(|stretch| stretch.to_ns < from_ns);
    let end = stretches.partition_point(|stretch| stretch.from_ns <= to_ns);
    stretches.get(begin..end).unwrap_or_default()
}

/// The parts of a heartbeat that no stretch covers, each with its share of the frames.
fn unknown_parts(stretches: &[Stretch], heartbeat: Stretch) -> Vec<Stretch> {
    let known: Vec<Interval> = overlapping(stretches, heartbeat.from_ns, heartbeat.to_ns)
        .iter()
        .map(|stretch| Interval {
            from_ns: stretch.from_ns,
            to_ns: stretch.to_ns,
        })
        .collect();
    if heartbeat.from_ns == heartbeat.to_ns {
        return if known.is_empty() {
            vec![heartbeat]
        } else {
            Vec::new()
        };
    }
    let whole_ns = heartbeat.to_ns - heartbeat.from_ns;
    gaps(&known, heartbeat.from_ns, heartbeat.to_ns)
        .into_iter()
        .map(|gap| Stretch {
            from_ns: gap.from_ns,
            to_ns: gap.to_ns,
            seen: share(heartbeat.seen, gap.to_ns - gap.from_ns, whole_ns),
            dropped: share(heartbeat.dropped, gap.to_ns - gap.from_ns, whole_ns),
        })
        .collect()
}

/// Inserts a stretch that overlaps none, joined with a neighbour where that stays short.
fn insert(stretches: &mut Vec<Stretch>, piece: Stretch) {
    let at = stretches.partition_point(|stretch| stretch.from_ns < piece.from_ns);
    stretches.insert(at, piece);
    for left in [at, at.wrapping_sub(1)] {
        let Some([a, b]) = stretches
            .get(left..)
            .and_then(|rest| rest.first_chunk::<2>())
        else {
            continue;
        };
        if b.from_ns - a.to_ns > JOIN_NS || b.to_ns - a.from_ns > LONGEST_NS {
            continue;
        }
        let joined = Stretch {
            from_ns: a.from_ns,
            to_ns: b.to_ns.max(a.to_ns),
            seen: a.seen.saturating_add(b.seen),
            dropped: a.dropped.saturating_add(b.dropped),
        };
        stretches.splice(left..left + 2, [joined]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::testing::coverage;

    const S: i64 = 1_000_000_000;

    type Seconds = Vec<(i64, i64)>;

    fn timeline(heartbeats: &[(i64, i64, bool)]) -> Timeline {
        let mut timeline = Timeline::default();
        for (from_s, to_s, watched) in heartbeats {
            timeline.add(&coverage("gate-2", from_s * S, to_s * S, *watched));
        }
        timeline
    }

    fn seconds(intervals: &[Interval]) -> Vec<(i64, i64)> {
        intervals
            .iter()
            .map(|interval| (interval.from_ns / S, interval.to_ns / S))
            .collect()
    }

    fn answer(heartbeats: &[(i64, i64, bool)], from_s: i64, to_s: i64) -> (Seconds, Seconds) {
        let answer = timeline(heartbeats).answer("site", "gate-2", from_s * S, to_s * S);
        (seconds(&answer.watched), seconds(&answer.blind))
    }

    #[test]
    fn touching_heartbeats_are_one_stretch_with_all_frames() {
        let timeline = timeline(&[(0, 5, true), (5, 10, true), (10, 15, true)]);
        assert_eq!(timeline.watched.len(), 1);
        let answer = timeline.answer("site", "gate-2", 0, 15 * S);
        assert_eq!((answer.frames_seen, answer.frames_dropped), (300, 9));
        assert_eq!(answer.indexed_to_ns, Some(15 * S));
        let part = timeline.answer("site", "gate-2", 0, 5 * S);
        assert_eq!((part.frames_seen, part.frames_dropped), (100, 3));
    }

    #[test]
    fn a_silence_of_thirty_seconds_is_bridged_and_a_longer_one_is_blind() {
        assert_eq!(
            answer(&[(0, 10, true), (40, 50, true)], 0, 50),
            (vec![(0, 50)], vec![])
        );
        assert_eq!(
            answer(&[(0, 10, true), (41, 50, true)], 0, 50),
            (vec![(0, 10), (41, 50)], vec![(10, 41)])
        );
    }

    #[test]
    fn a_known_blindness_is_told_however_short() {
        assert_eq!(
            answer(&[(0, 10, true), (10, 12, false), (12, 20, true)], 0, 20),
            (vec![(0, 10), (12, 20)], vec![(10, 12)])
        );
    }

    #[test]
    fn time_after_the_last_heartbeat_is_blind_only_when_it_is_long() {
        assert_eq!(answer(&[(0, 10, true)], 0, 40), (vec![(0, 10)], vec![]));
        assert_eq!(
            answer(&[(0, 10, true)], 0, 41),
            (vec![(0, 10)], vec![(10, 41)])
        );
        assert_eq!(
            answer(&[(0, 10, true), (10, 20, false)], 0, 40),
            (vec![(0, 10)], vec![(10, 20)])
        );
    }

    #[test]
    fn a_range_inside_a_bridged_gap_is_watched() {
        let heartbeats = [(0, 10, true), (30, 40, true)];
        assert_eq!(answer(&heartbeats, 15, 20), (vec![(15, 20)], vec![]));
        assert_eq!(answer(&heartbeats, 15, 35), (vec![(15, 35)], vec![]));
        assert_eq!(answer(&heartbeats, 5, 20), (vec![(5, 20)], vec![]));
    }

    #[test]
    fn a_day_of_heartbeats_stays_compact() {
        let mut timeline = Timeline::default();
        for index in 0..17_280 {
            timeline.add(&coverage(
                "gate-2",
                index * 5 * S,
                (index + 1) * 5 * S,
                true,
            ));
        }
        assert_eq!(timeline.watched.len(), 96);
    }

    proptest! {
        #[test]
        fn repeats_change_nothing_and_order_changes_no_count(
            lengths in proptest::collection::vec((1_i64..20, any::<bool>()), 1..40),
            order in proptest::collection::vec(any::<prop::sample::Index>(), 0..120),
        ) {
            let mut at = 0;
            let heartbeats: Vec<_> = lengths
                .iter()
                .map(|(length, watched)| {
                    let from = at;
                    at += length;
                    coverage("gate-2", from * S, at * S, *watched)
                })
                .collect();
            let mut straight = Timeline::default();
            heartbeats.iter().for_each(|heartbeat| straight.add(heartbeat));
            let mut shuffled = Timeline::default();
            for index in &order {
                shuffled.add(index.get(&heartbeats));
            }
            heartbeats.iter().rev().for_each(|heartbeat| shuffled.add(heartbeat));
            let (a, b) = (straight.answer("s", "c", 0, at * S), shuffled.answer("s", "c", 0, at * S));
            prop_assert_eq!(&a.watched, &b.watched);
            prop_assert_eq!(&a.blind, &b.blind);
            prop_assert_eq!(a.frames_seen, heartbeats.iter().map(|h| h.frames_seen).sum::<u64>());
        }
    }
}
