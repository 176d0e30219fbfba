//! How long people take from one camera to the next, as a density that begins with a guess and is learned.
//!
//! The gap between two tracks is the start of the later one less the end of the earlier one; it is negative
//! where both see the person at once. Its density for each ordered pair of cameras is a Dirichlet mixture:
//! the guess (from the map, where there is one) counts like [`PRIOR_JOINS`] joins, and each join that was
//! settled with confidence adds itself. What it is held against is the rate at which tracks begin on the
//! later camera anyway: on a busy camera the same gap says less.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::bits;
use super::map::{Relation, SiteMap};
use super::zones::{Cell, Zones};

/// Upper ends of the bins of gaps, seconds; the last bin is open.
const EDGES_S: [f64; 15] = [
    -4.0, -1.0, 0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 4096.0,
];

const BINS: usize = EDGES_S.len() + 1;

/// Width that the two open bins are taken to have, seconds.
const OPEN_BIN_S: [f64; 2] = [16.0, 4096.0];

/// Joins that the guess counts for.
pub(super) const PRIOR_JOINS: f64 = 8.0;

/// Half-life of what was counted, seconds of event time.
const HALF_LIFE_S: f64 = 4.0 * 3600.0;

/// Tracks and seconds that the guess of a camera's rate of births counts for.
const PRIOR_BIRTHS: (f64, f64) = (2.0, 20.0);

/// Share of the births on a camera that are somebody who was not seen before.
const NEWCOMERS: f64 = 0.5;

/// What is learned of walking times.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Transit {
    /// By the camera left.
    pairs: BTreeMap<String, Left>,
    births: BTreeMap<String, Births>,
    /// Where people come in and go out; of none as an earlier build wrote it.
    #[serde(default)]
    zones: Zones,
    /// First event time ever seen.
    since_ns: Option<i64>,
}

/// What was learned of those who left a camera.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Left {
    /// Joins to all cameras.
    #[serde(with = "bits")]
    total: f64,
    /// By the camera entered.
    to: BTreeMap<String, Learned>,
}

/// Joins by their gap, and how many there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Learned {
    #[serde(with = "bits")]
    total: f64,
    #[serde(with = "bits::all")]
    bins: [f64; BINS],
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Births {
    /// Decayed to `at_ns`.
    #[serde(with = "bits")]
    count: f64,
    at_ns: i64,
}

impl Transit {
    /// Counts a track that begins.
    pub(crate) fn birth(&mut self, camera: &str, start_ns: i64) {
        let since = self.since_ns.get_or_insert(start_ns);
        *since = (*since).min(start_ns);
        let births = self.births.entry(camera.to_owned()).or_default();
        if start_ns > births.at_ns && births.count > 0.0 {
            births.count *= decay(seconds(births.at_ns, start_ns));
        }
        births.count += 1.0;
        births.at_ns = births.at_ns.max(start_ns);
    }

    /// Counts where a track that ended came in and went out, whoever it shows.
    pub(crate) fn ends(&mut self, camera: &str, in_and_out: [Option<Cell>; 2]) {
        self.zones.count(camera, in_and_out);
    }

    /// Counts a join that was settled, with the probability that it is right.
    pub(crate) fn learn(&mut self, way: &Passage<'_>, probability: f64) {
        let left = self.pairs.entry(way.left.to_owned()).or_default();
        let learned = left.to.entry(way.entered.to_owned()).or_default();
        if let Some(count) = learned.bins.get_mut(bin(way.gap_s)) {
            *count += probability;
            learned.total += probability;
            left.total += probability;
        }
        self.zones.learn(way, probability);
    }

    /// What was learned, by camera left and camera entered.
    pub(crate) fn learned(&self) -> Vec<WalkingTime> {
        let mut all = Vec::new();
        for (left, Left { to, .. }) in &self.pairs {
            for (entered, learned) in to {
                let Learned { total: joins, bins } = *learned;
                let mut so_far = 0.0;
                let bin_of = |share: f64| {
                    let mut so_far = 0.0;
                    bins.iter().position(|count| {
                        so_far += count;
                        so_far >= share * joins
                    })
                };
                let quantile = |share: f64| EDGES_S.get(bin_of(share)?).copied();
                let least = bin_of(0.1).and_then(|at| EDGES_S.get(at.checked_sub(1)?).copied());
                for count in bins.iter().take(bin(0.0)) {
                    so_far += count;
                }
                let [leave_by, enter_by] = self.zones.rectangles(left, entered);
                all.push(WalkingTime {
                    left: left.clone(),
                    entered: entered.clone(),
                    joins,
                    at_once: so_far / joins.max(1e-9),
                    at_least_s: least,
                    at_most_s: [quantile(0.1), quantile(0.5), quantile(0.9)],
                    leave_by,
                    enter_by,
                });
            }
        }
        all
    }

    /// Natural log of: the density of the gap for one person who goes from `left` to `entered`, over the
    /// rate of newcomers there. `spread_s` widens it by what the clocks are not sure of.
    pub(crate) fn log_ratio(&self, map: &SiteMap, way: &Passage<'_>, now_ns: i64) -> f64 {
        let density = self.density(map, way);
        let ratio = self.next_camera(map, way.left, way.entered) * density;
        (ratio / (NEWCOMERS * self.rate(way.entered, now_ns))).ln()
    }

    /// What the places say at which somebody goes out and comes in: see [`Zones::log_ratio`].
    pub(crate) fn by_zones(&self, map: &SiteMap, way: &Passage<'_>) -> f64 {
        self.zones.log_ratio(map, way)
    }

    /// Density of the gap, per second.
    pub(crate) fn density(&self, map: &SiteMap, way: &Passage<'_>) -> f64 {
        let relation = map.relation(way.left, way.entered);
        let learned = self
            .pairs
            .get(way.left)
            .and_then(|left| left.to.get(way.entered));
        let total = learned.map_or(0.0, |learned| learned.total);
        let at = |gap_s: f64| {
            let guess = guessed(relation, gap_s, way.walk_s);
            let counted = learned.map_or(0.0, |learned| {
                let index = bin(gap_s);
                learned.bins.get(index).copied().unwrap_or(0.0) / width_s(index)
            });
            (PRIOR_JOINS * guess + counted) / (PRIOR_JOINS + total)
        };
        let spread_s = way.spread_s.max(0.2);
        let density =
            (at(way.gap_s - spread_s) + 2.0 * at(way.gap_s) + at(way.gap_s + spread_s)) / 4.0;
        density.max(1e-9)
    }

    /// How likely the next camera after `left` is `entered`.
    fn next_camera(&self, map: &SiteMap, left: &str, entered: &str) -> f64 {
        let others = self.births.len().saturating_sub(1).max(1) as f64;
        let guess = match map.relation(left, entered) {
            Relation::Same => 0.35,
            Relation::Unknown => 0.6 / others,
            Relation::Neighbours { .. } => {
                let ways = map.ways.iter();
                let count = ways.filter(|way| way.between.iter().any(|id| id == left));
                0.6 / (count.count().max(1) as f64)
            }
            Relation::Apart => 0.1 / others,
        };
        let counted = self.pairs.get(left);
        let all = counted.map_or(0.0, |left| left.total);
        let this = counted
            .and_then(|left| left.to.get(entered))
            .map_or(0.0, |learned| learned.total);
        (PRIOR_JOINS * guess + this) / (PRIOR_JOINS + all)
    }

    /// Tracks that begin on a camera, per second.
    fn rate(&self, camera: &str, now_ns: i64) -> f64 {
        let watched_s = self.since_ns.map_or(0.0, |since| seconds(since, now_ns));
        let tau_s = HALF_LIFE_S / std::f64::consts::LN_2;
        let effective_s = tau_s * (1.0 - (-watched_s / tau_s).exp());
        let count = self.births.get(camera).map_or(0.0, |births| {
            births.count * decay(seconds(births.at_ns, now_ns))
        });
        (count + PRIOR_BIRTHS.0) / (effective_s + PRIOR_BIRTHS.1)
    }
}

/// What was learned of the way between two cameras.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WalkingTime {
    /// The camera that people left.
    pub left: String,
    /// The camera that they entered.
    pub entered: String,
    /// Joins that were counted.
    pub joins: f64,
    /// Share of them in which both cameras saw the person at once.
    pub at_once: f64,
    /// Seconds that nine tenths of them took at least, to the lower end of a bin; none below the first one.
    pub at_least_s: Option<f64>,
    /// Seconds that a tenth, half and nine tenths of them took at most, to the upper end of a bin; none
    /// beyond the last one.
    pub at_most_s: [Option<f64>; 3],
    /// Where four fifths of them went out of the one picture: left, top, right, bottom of the place that they were heading for,
    /// as shares of it. None where it was all over the picture.
    #[serde(default)]
    pub leave_by: Option<[f32; 4]>,
    /// Where they came into the other picture.
    #[serde(default)]
    pub enter_by: Option<[f32; 4]>,
}

/// From a track to the next one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Passage<'a> {
    pub(crate) left: &'a str,
    pub(crate) entered: &'a str,
    /// Start of the later less end of the earlier track, seconds.
    pub(crate) gap_s: f64,
    /// What both clocks are not sure of, seconds.
    pub(crate) spread_s: f64,
    /// How long walking from the one's exit to the other's entry takes, where that can be told.
    pub(crate) walk_s: Option<f64>,
    /// Where they went out of the one picture and came into the other; of none where both saw them at once, or both are one
    /// camera.
    pub(crate) through: [Option<Cell>; 2],
}

fn guessed(relation: Relation, gap_s: f64, walk_s: Option<f64>) -> f64 {
    // Share seen by both at once; then a near and a far log-normal: median, spread of the log, share.
    let (overlap, near, far): (f64, _, _) = match relation {
        Relation::Same => (0.0, (2.5, 1.2, 0.75), (120.0, 1.5)),
        Relation::Unknown => (0.2, (10.0, 1.1, 0.7), (150.0, 1.4)),
        Relation::Neighbours { overlaps, seconds } => {
            let overlap = if overlaps { 0.6 } else { 0.01 };
            let near = seconds.map_or((8.0, 1.1, 0.8), |[least, most]| {
                let (least, most) = (least.max(0.5), most.max(1.0));
                (
                    (least * most).sqrt(),
                    ((most / least).ln() / 3.0).max(0.4),
                    0.85,
                )
            });
            (overlap, near, (150.0, 1.4))
        }
        Relation::Apart => (0.0, (60.0, 1.2, 0.5), (300.0, 1.4)),
    };
    if gap_s < 0.0 {
        // Tracks that overlap do so by some seconds; how many says little.
        return (overlap / 10.0).max(1e-6);
    }
    let gap_s = gap_s.max(0.05);
    let (near, far) = match walk_s {
        Some(walk_s) => (
            (walk_s.max(0.6), 0.55, 0.85),
            (walk_s.max(0.6) * 8.0 + 20.0, 1.4),
        ),
        None => (near, far),
    };
    let (median, spread, share) = near;
    let density =
        share * log_normal(gap_s, median, spread) + (1.0 - share) * log_normal(gap_s, far.0, far.1);
    (1.0 - overlap) * density
}

fn log_normal(x: f64, median: f64, spread: f64) -> f64 {
    let z = (x / median).ln() / spread;
    (-0.5 * z * z).exp() / (x * spread * (2.0 * std::f64::consts::PI).sqrt())
}

fn bin(gap_s: f64) -> usize {
    EDGES_S.partition_point(|edge| *edge <= gap_s)
}

fn width_s(bin: usize) -> f64 {
    match bin {
        0 => OPEN_BIN_S[0],
        _ if bin < EDGES_S.len() => EDGES_S[bin] - EDGES_S[bin - 1],
        _ => OPEN_BIN_S[1],
    }
}

fn decay(seconds: f64) -> f64 {
    (-(seconds.max(0.0) / HALF_LIFE_S) * std::f64::consts::LN_2).exp()
}

pub(crate) fn seconds(from_ns: i64, to_ns: i64) -> f64 {
    to_ns.saturating_sub(from_ns) as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(gap_s: f64) -> Passage<'static> {
        Passage {
            left: "a",
            entered: "b",
            gap_s,
            spread_s: 0.0,
            walk_s: None,
            through: [None; 2],
        }
    }

    #[test]
    fn what_people_do_moves_the_density_to_where_they_do_it() {
        let map = SiteMap::default();
        let mut transit = Transit::default();
        transit.birth("a", 0);
        transit.birth("b", 0);
        let before = [40.0, 5.0, -2.0].map(|gap| transit.density(&map, &way(gap)));
        for _ in 0..50 {
            transit.learn(&way(45.0), 1.0);
        }
        let after = [40.0, 5.0, -2.0].map(|gap| transit.density(&map, &way(gap)));
        assert!(after[0] > 3.0 * before[0], "{before:?} {after:?}");
        assert!(after[1] < before[1] / 3.0 && after[2] < before[2] / 3.0);
        let learned = &transit.learned()[0];
        assert!((learned.joins - 50.0).abs() < 1e-9 && learned.at_once == 0.0);
        assert_eq!(learned.at_most_s, [Some(64.0); 3]);
    }

    #[test]
    fn densities_sum_to_one() {
        let map = SiteMap::default();
        let mut transit = Transit::default();
        for (gap, times) in [(-2.0, 5), (3.0, 20), (100.0, 2)] {
            (0..times).for_each(|_| transit.learn(&way(gap), 1.0));
        }
        let (mut sum, step) = (0.0, 0.05);
        let mut gap = -10.0;
        while gap < 9000.0 {
            sum += transit.density(&map, &way(gap)) * step;
            gap += step;
        }
        assert!((sum - 1.0).abs() < 0.05, "{sum}");
    }

    #[test]
    fn on_a_busy_camera_the_same_gap_says_less() {
        let map = SiteMap::default();
        let (mut quiet, mut busy) = (Transit::default(), Transit::default());
        for second in 0..100 {
            if second % 20 == 0 {
                quiet.birth("b", second * 1_000_000_000);
            }
            busy.birth("b", second * 1_000_000_000);
        }
        let now_ns = 100_000_000_000;
        assert!(
            quiet.log_ratio(&map, &way(5.0), now_ns)
                > 1.0 + busy.log_ratio(&map, &way(5.0), now_ns)
        );
    }

    #[test]
    fn a_map_rules_out_overlap_where_it_knows_of_none() {
        let mut map = SiteMap::default();
        let transit = Transit::default();
        let unknown = transit.density(&map, &way(-3.0));
        map.ways.push(super::super::map::Way {
            between: ["a".into(), "b".into()],
            overlaps: false,
            seconds: Some([4.0, 9.0]),
            zones: None,
        });
        assert!(transit.density(&map, &way(-3.0)) < unknown / 5.0);
        assert!(transit.density(&map, &way(6.0)) > 3.0 * transit.density(&map, &way(60.0)));
    }
}
