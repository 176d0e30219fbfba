//! What speaks for two tracks being one person: looks, time, place, and what rules it out.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use serde::{Deserialize, Serialize};

use super::map::{Relation, SiteMap};
use super::pairs::{Compared, Pairs, Spread};
use super::person::Worth;
use super::track::Track;
use super::transit::{Passage, Transit, seconds};
use super::vectors::dot;
use super::zones::Cell;
use crate::PersonId;

/// From similarity to log odds: a logistic curve, fitted to pairs of tracks of which it was known who they are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Log odds for each unit of similarity.
    pub slope: f64,
    /// Similarity at which looks speak neither for nor against.
    pub even: f64,
    /// Whether it was fitted to the model in use; otherwise probabilities are not calibrated.
    pub is_fitted: bool,
}

impl Default for Calibration {
    /// A cautious curve that holds for no model in particular.
    fn default() -> Self {
        Self {
            slope: 18.0,
            even: 0.30,
            is_fitted: false,
        }
    }
}

/// Looks can make a join this many times likelier or unlikelier at most (log).
const MOST_APPEARANCE: f64 = 9.0;

/// Time and place can speak this much against a join at most (log), short of ruling it out.
const MOST_AGAINST: f64 = 8.0;

/// Two tracks of one camera may overlap in time by this much: the tracker's hesitation at a change of tracks.
const TOLERANCE_S: f64 = 0.4;

/// Walking speed, metres a second.
const WALK_M_S: f64 = 1.25;

/// Faster than this nobody goes, metres a second.
const MOST_M_S: f64 = 7.0;

/// Least log odds by time of two tracks whose places at the same time are known.
const PLACED: f64 = -1.0;

/// Standard error of a place on the ground, metres, and the share of the ground that a person could be on.
const PLACE_ERROR_M: f64 = 1.0;
const GROUND_M2: f64 = 150.0;

/// Two places at once: this far apart they are two people, metres.
const TWO_PLACES_M: f64 = 5.0;

/// What does not change unless one of the two tracks does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pair {
    /// Cosine of the looks; none where one of the two has no vector.
    pub(crate) similarity: Option<f32>,
    /// Log odds by looks alone.
    pub(crate) appearance: f64,
    /// They cannot be one person.
    pub(crate) is_ruled_out: bool,
    /// Log ratio by place: on the ground at the same time, or in the picture of one camera.
    place: f64,
    /// Seconds to walk from the earlier one's exit to the later one's entry.
    walk_s: Option<f64>,
    /// Where somebody went out of the one picture and came into the other.
    through: [Option<Cell>; 2],
    /// Both stand where they do at the same time: how long anybody takes says nothing more.
    is_placed: bool,
}

impl Pair {
    /// The way from the one track to the other.
    pub(crate) fn passage<'t>(&self, earlier: &'t Track, later: &'t Track) -> Passage<'t> {
        Passage {
            left: &earlier.camera,
            entered: &later.camera,
            gap_s: seconds(earlier.end_ns, later.start_ns),
            spread_s: clocks_s(earlier, later),
            walk_s: self.walk_s,
            through: self.through,
        }
    }
}

/// What links a track to the one before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// Log odds by the time it took, the cameras between which it was, and where it went out and came in.
    pub transit: f64,
    /// Log odds by place.
    pub place: f64,
}

impl Link {
    pub(crate) fn total(&self) -> f64 {
        (self.transit + self.place).max(-MOST_AGAINST)
    }
}

/// Compares tracks, and remembers what it found.
#[derive(Debug)]
pub(crate) struct Evidence {
    pub(crate) map: SiteMap,
    pub(crate) calibration: Calibration,
    pairs: RefCell<Pairs>,
    /// Counts the changes to the time and to what is known of tracks, walking times and words: links of an earlier moment
    /// are stale.
    moment: u64,
    /// Counts what was taught of zones: what they said of a pair before is stale.
    lessons: u32,
    /// What persons are worth by themselves at this moment.
    alone: RefCell<HashMap<PersonId, Option<Worth>, BuildHasherDefault<Spread>>>,
}

impl Evidence {
    pub(crate) fn new(map: SiteMap, calibration: Calibration) -> Self {
        Self {
            map,
            calibration,
            pairs: RefCell::default(),
            moment: 1,
            lessons: 1,
            alone: RefCell::default(),
        }
    }

    /// The time, or what is known of tracks, walking times and words, is another one now.
    pub(crate) fn turn(&mut self) {
        self.moment += 1;
        self.alone.get_mut().clear();
    }

    /// More is known of where people go out and come in.
    pub(crate) fn taught(&mut self) {
        self.lessons = self.lessons.wrapping_add(1).max(1);
        self.turn();
    }

    /// A person has other tracks now.
    pub(crate) fn person_changed(&mut self, person: PersonId) {
        self.alone.get_mut().remove(&person);
    }

    /// What all tracks of a person are worth; `worth` finds it where it is not known at this moment.
    pub(crate) fn alone(
        &self,
        person: PersonId,
        worth: impl FnOnce() -> Option<Worth>,
    ) -> Option<Worth> {
        if let Some(known) = self.alone.borrow().get(&person) {
            return *known;
        }
        let found = worth();
        self.alone.borrow_mut().insert(person, found);
        found
    }

    /// Forgets every pair.
    #[cfg(test)]
    pub(crate) fn forget_all(&mut self) {
        self.pairs.get_mut().clear();
        self.turn();
    }

    /// Two tracks, the earlier one first.
    pub(crate) fn pair(&self, earlier: &Track, later: &Track) -> Pair {
        self.compared(earlier, later).pair
    }

    fn compared(&self, earlier: &Track, later: &Track) -> Compared {
        let key = (earlier.id, later.id);
        let versions = (earlier.version, later.version);
        let mut pairs = self.pairs.borrow_mut();
        if let Some(known) = pairs.get(key)
            && known.versions == versions
        {
            return known;
        }
        let compared = Compared {
            versions,
            pair: self.compare(earlier, later),
            link: (0, Link::default()),
            zones: (0, 0.0),
        };
        pairs.insert(key, compared);
        compared
    }

    /// What time and place say of `later` following on `earlier`, and the pair of them.
    pub(crate) fn link(
        &self,
        transit: &Transit,
        earlier: &Track,
        later: &Track,
        now_ns: i64,
    ) -> (Pair, Link) {
        let mut known = self.compared(earlier, later);
        let pair = known.pair;
        if known.link.0 == self.moment {
            return (pair, known.link.1);
        }
        let way = pair.passage(earlier, later);
        if known.zones.0 != self.lessons {
            known.zones = (self.lessons, transit.by_zones(&self.map, &way));
        }
        let floor = if pair.is_placed {
            PLACED
        } else {
            -MOST_AGAINST
        };
        let time = transit.log_ratio(&self.map, &way, now_ns);
        let link = Link {
            transit: (time + known.zones.1).max(floor),
            place: pair.place.max(-MOST_AGAINST),
        };
        known.link = (self.moment, link);
        let mut pairs = self.pairs.borrow_mut();
        pairs.note((earlier.id, later.id), known);
        (pair, link)
    }

    fn compare(&self, earlier: &Track, later: &Track) -> Pair {
        let similarity = similarity(earlier, later);
        let appearance = similarity.map_or(0.0, |similarity| {
            let log_odds = self.calibration.slope * (f64::from(similarity) - self.calibration.even);
            (log_odds * trust(earlier).min(trust(later))).clamp(-MOST_APPEARANCE, MOST_APPEARANCE)
        });
        let mut pair = Pair {
            similarity,
            appearance,
            is_ruled_out: false,
            place: 0.0,
            walk_s: None,
            through: [None; 2],
            is_placed: false,
        };
        if earlier.is_elsewhere(later) {
            // A store may hold several sites: cameras of the same name are others there.
            pair.is_ruled_out = true;
            return pair;
        }
        let overlap_s = seconds(later.start_ns, earlier.end_ns.min(later.end_ns));
        let is_together = overlap_s > TOLERANCE_S + clocks_s(earlier, later);
        match self.map.relation(&earlier.camera, &later.camera) {
            Relation::Same if is_together => pair.is_ruled_out = true,
            Relation::Same => pair.place = continuity(earlier, later),
            Relation::Apart
            | Relation::Neighbours {
                overlaps: false, ..
            } if is_together => pair.is_ruled_out = true,
            _ if is_together => self.at_once(earlier, later, &mut pair),
            _ => {
                pair.through = through(earlier, later);
                self.on_the_way(earlier, later, &mut pair);
            }
        }
        pair
    }

    /// Both are seen at once by two cameras: do they stand at the same place?
    fn at_once(&self, earlier: &Track, later: &Track, pair: &mut Pair) {
        const NEAR_NS: i64 = 1_500_000_000;
        let until_ns = earlier.end_ns.min(later.end_ns);
        let mut distances: Vec<f64> = earlier
            .places
            .iter()
            .chain(&later.places)
            .map(|place| place.time_ns)
            .filter(|time_ns| (later.start_ns..=until_ns).contains(time_ns))
            .filter_map(|time_ns| {
                let (a, from_a) = earlier.ground_at(&self.map, time_ns)?;
                let (b, from_b) = later.ground_at(&self.map, time_ns)?;
                (from_a <= NEAR_NS && from_b <= NEAR_NS).then(|| (a[0] - b[0]).hypot(a[1] - b[1]))
            })
            .collect();
        distances.sort_by(f64::total_cmp);
        let Some(&median_m) = distances.get(distances.len() / 2) else {
            return;
        };
        let samples = distances.len();
        pair.is_placed = true;
        pair.is_ruled_out = samples >= 2 && median_m > TWO_PLACES_M;
        pair.place = by_distance(median_m, PLACE_ERROR_M, GROUND_M2, 0.02);
    }

    /// One is seen after the other: can the way be walked in the time?
    fn on_the_way(&self, earlier: &Track, later: &Track, pair: &mut Pair) {
        let (Some(exit), Some(entry)) = (earlier.exit(), later.entry()) else {
            return;
        };
        let (Some(a), Some(b)) = (
            self.map.ground(&earlier.camera, exit.bbox),
            self.map.ground(&later.camera, entry.bbox),
        ) else {
            return;
        };
        let distance_m = (a[0] - b[0]).hypot(a[1] - b[1]);
        let time_s = seconds(exit.time_ns, entry.time_ns) + clocks_s(earlier, later);
        pair.is_ruled_out = distance_m - 3.0 > MOST_M_S * time_s.max(0.0);
        // The density is of the gap between the tracks; the places are those of the first and last crop.
        let outside_s =
            seconds(exit.time_ns, earlier.end_ns) + seconds(later.start_ns, entry.time_ns);
        pair.walk_s = Some((distance_m / WALK_M_S - outside_s).max(0.0));
    }
}

/// Where the earlier track went out of its picture and the later one came into its own.
fn through(earlier: &Track, later: &Track) -> [Option<Cell>; 2] {
    let ([_, out], [back_in, _]) = (earlier.in_and_out(), later.in_and_out());
    [out, back_in]
}

/// Half of what both clocks are not sure of, seconds.
fn clocks_s(a: &Track, b: &Track) -> f64 {
    (a.clock_error_ns + b.clock_error_ns) as f64 / 1e9
}

/// How far the looks of a track can be trusted, 0 to 1: with more and better crops further.
pub(crate) fn trust(track: &Track) -> f64 {
    let weight = f64::from(track.weight);
    0.3 + 0.7 * (weight / (weight + 0.6))
}

/// Cosine of the looks: of the means, and of the best two pairs of views.
fn similarity(a: &Track, b: &Track) -> Option<f32> {
    if a.mean.is_empty() || b.mean.is_empty() {
        return None;
    }
    let of_means = dot(&a.mean, &b.mean);
    let mut best = [f32::MIN; 2];
    for x in &a.exemplars {
        for y in &b.exemplars {
            let cosine = dot(&x.vector, &y.vector);
            if cosine > best[0] {
                best = [cosine, best[0]];
            } else if cosine > best[1] {
                best[1] = cosine;
            }
        }
    }
    let of_views = match best {
        [f32::MIN, _] => return Some(of_means),
        [one, f32::MIN] => one,
        [one, two] => (one + two) / 2.0,
    };
    Some(0.7 * of_means + 0.3 * of_views)
}

/// One camera lost somebody and found somebody: near enough, and of the same height in the picture?
fn continuity(earlier: &Track, later: &Track) -> f64 {
    let (Some(exit), Some(entry)) = (earlier.exit(), later.entry()) else {
        return 0.0;
    };
    let height = |bbox: [f32; 4]| f64::from(bbox[3] - bbox[1]).max(0.01);
    let (h0, h1) = (height(exit.bbox), height(entry.bbox));
    let mean_height = (h0 * h1).sqrt();
    // Pictures are about 16 to 9; a fraction of the width is that much longer.
    let dx =
        f64::from(exit.bbox[0] + exit.bbox[2] - entry.bbox[0] - entry.bbox[2]) / 2.0 * (16.0 / 9.0);
    let dy = f64::from(exit.bbox[3] - entry.bbox[3]);
    let distance = dx.hypot(dy) / mean_height;
    let gap_s = seconds(exit.time_ns, entry.time_ns).max(0.0);
    // People go about three quarters of their height in a second, and may turn.
    let error = (0.4 + 0.55 * gap_s).min(6.0);
    let picture = (16.0 / 9.0) / (mean_height * mean_height);
    let place = by_distance(distance, error, picture.max(12.0), 0.08);
    let size = (h0 / h1).ln() / (0.2 + 0.1 * gap_s).min(0.8);
    (place - 0.25 * size * size).max(-3.0)
}

/// Log ratio of a distance under a normal error, with a share of places that are just wrong, against a place
/// anywhere on an area.
fn by_distance(distance: f64, error: f64, area: f64, wrong: f64) -> f64 {
    let z = distance / error;
    let nearest = (area / (2.0 * std::f64::consts::PI * error * error)).max(1.0);
    ((1.0 - wrong) * nearest * (-0.5 * z * z).exp() + wrong).ln()
}
