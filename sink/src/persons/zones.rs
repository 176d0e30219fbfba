//! Where in a picture people come in and go out, by the camera that they come from or go to.
//!
//! A place is where somebody was heading: where they would stand half a second after their track ended, or stood half a
//! second before it began, in one of [`CELLS`] cells of the picture. So it tells directions too. What is held against each
//! other is how often people who go from one camera to another go out by a cell, and how often anybody does; and the same
//! for coming in. Before anything was learned the two are the same, and a place says nothing, unless the map names zones.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::bits;
use super::map::SiteMap;
use super::transit::{PRIOR_JOINS, Passage};

/// Inner edges of the cells, as shares of the picture. The outer ones are thin: whoever is heading out of it.
const COLUMNS: [f32; 4] = [0.05, 0.35, 0.65, 0.95];
const ROWS: [f32; 3] = [0.35, 0.65, 0.95];

/// Cells of a picture, row by row.
const CELLS: usize = (COLUMNS.len() + 1) * (ROWS.len() + 1);

/// Share of those who walk a way who use the zones that the map names for it.
const BY_ZONE: f64 = 0.85;

/// Places can make a join this many times likelier or unlikelier at most (log): a cell that few use is soon full of one join.
const MOST_ZONES: f64 = 4.0;

/// Share of the joins of a way that a proposed zone holds at least, and share of the picture that it covers at most.
const HELD: f64 = 0.8;
const MOST_COVERED: f32 = 0.5;

/// A part of a picture: a polygon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<[f64; 2]>", into = "Vec<[f64; 2]>")]
pub struct Zone {
    corners: Vec<[f64; 2]>,
    /// The part of each cell that lies in it: asked for each pair of tracks, so it is told once.
    covered: [f64; CELLS],
}

impl Zone {
    /// Its corners, as shares of the picture's width and height.
    pub fn corners(&self) -> &[[f64; 2]] {
        &self.corners
    }
}

impl From<Vec<[f64; 2]>> for Zone {
    fn from(corners: Vec<[f64; 2]>) -> Self {
        let mut covered = [0.0; CELLS];
        for (index, part) in covered.iter_mut().enumerate() {
            *part = covered_part(&corners, index);
        }
        Self { corners, covered }
    }
}

impl From<Zone> for Vec<[f64; 2]> {
    fn from(zone: Zone) -> Self {
        zone.corners
    }
}

/// A cell of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell(u8);

impl Cell {
    /// The cell of a point, as shares of the picture's width and height; points beside it belong to its border.
    pub(crate) fn of([x, y]: [f32; 2]) -> Self {
        let column = COLUMNS.partition_point(|edge| *edge <= x);
        let row = ROWS.partition_point(|edge| *edge <= y);
        Self((row * (COLUMNS.len() + 1) + column) as u8)
    }

    fn all() -> impl Iterator<Item = Self> {
        (0..CELLS as u8).map(Self)
    }

    fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// How many people used each cell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Uses {
    #[serde(with = "bits")]
    total: f64,
    #[serde(with = "bits::all")]
    cells: [f64; CELLS],
}

impl Uses {
    fn count(&mut self, cell: Option<Cell>, probability: f64) {
        if let Some(count) = cell.and_then(|cell| self.cells.get_mut(cell.index())) {
            *count += probability;
            self.total += probability;
        }
    }

    /// The share of a cell, where `guess` of it counts for so many uses.
    fn share(&self, cell: Cell, guess: f64, worth: f64) -> f64 {
        let count = self.cells.get(cell.index()).copied().unwrap_or(0.0);
        (worth * guess + count) / (worth + self.total)
    }

    /// The smallest rectangle of cells in which most of the uses lie: left, top, right, bottom as shares of the picture.
    /// None where they lie everywhere, or there are none.
    fn rectangle(&self) -> Option<[f32; 4]> {
        let columns = COLUMNS.len() + 1;
        let (across, down) = (spans(&COLUMNS), spans(&ROWS));
        let mut smallest: Option<(f32, [f32; 4])> = None;
        for (left, right) in &across {
            for (top, bottom) in &down {
                let held: f64 = (top.0..=bottom.0)
                    .flat_map(|row| (left.0..=right.0).map(move |column| row * columns + column))
                    .filter_map(|index| self.cells.get(index))
                    .sum();
                let area = (right.1 - left.1) * (bottom.1 - top.1);
                let is_smaller = smallest.is_none_or(|(smallest, _)| area < smallest);
                if held > 0.0 && held >= HELD * self.total && area <= MOST_COVERED && is_smaller {
                    smallest = Some((area, [left.1, top.1, right.1, bottom.1]));
                }
            }
        }
        smallest.map(|(_, rectangle)| rectangle)
    }
}

/// An index of a column or a row, and the edge on the side that is meant.
type Edge = (usize, f32);

/// All ranges of columns or rows, with their edges.
fn spans(inner: &[f32]) -> Vec<(Edge, Edge)> {
    (0..=inner.len())
        .flat_map(|from| (from..=inner.len()).map(move |to| (from, to)))
        .map(|(from, to)| ((from, edge(inner, from)), (to, edge(inner, to + 1))))
        .collect()
}

/// Where a column or a row begins; the one before it ends there.
fn edge(inner: &[f32], index: usize) -> f32 {
    match index.checked_sub(1) {
        None => 0.0,
        Some(before) => inner.get(before).copied().unwrap_or(1.0),
    }
}

/// Both ends of tracks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Ends {
    left_by: Uses,
    entered_by: Uses,
}

/// What was learned of where people come in and go out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Zones {
    /// Of all tracks, by camera.
    cameras: BTreeMap<String, Ends>,
    /// Of those who go from one camera to another, by the camera left and by the camera entered.
    ways: BTreeMap<String, BTreeMap<String, Ends>>,
}

impl Zones {
    /// Counts a track, whoever it shows.
    pub(crate) fn count(&mut self, camera: &str, [entered_by, left_by]: [Option<Cell>; 2]) {
        let ends = self.cameras.entry(camera.to_owned()).or_default();
        ends.left_by.count(left_by, 1.0);
        ends.entered_by.count(entered_by, 1.0);
    }

    /// Counts a join that was settled, with the probability that it is right.
    pub(crate) fn learn(&mut self, way: &Passage<'_>, probability: f64) {
        let left = self.ways.entry(way.left.to_owned()).or_default();
        let ends = left.entry(way.entered.to_owned()).or_default();
        let [left_by, entered_by] = way.through;
        ends.left_by.count(left_by, probability);
        ends.entered_by.count(entered_by, probability);
    }

    /// How much likelier the two places are for somebody who goes this way than for anybody, log. As one factor for each end:
    /// where people come in is taken not to depend on where they went out.
    pub(crate) fn log_ratio(&self, map: &SiteMap, way: &Passage<'_>) -> f64 {
        let known = self.ways.get(way.left).and_then(|to| to.get(way.entered));
        let [left_zone, entered_zone] = map.zones_between(way.left, way.entered);
        let [left_by, entered_by] = way.through;
        let one =
            |cell: Option<Cell>, camera: &str, zone: Option<&Zone>, side: fn(&Ends) -> &Uses| {
                let Some(cell) = cell else {
                    return 1.0;
                };
                let all = self.cameras.get(camera).map(side);
                let anybody = anybody(all, cell);
                let guess = zone.map_or(anybody, |zone| through(zone, all, cell));
                let known = known.map(side);
                known.map_or(guess, |uses| uses.share(cell, guess, PRIOR_JOINS)) / anybody
            };
        let left = one(left_by, way.left, left_zone, |ends| &ends.left_by);
        let entered = one(entered_by, way.entered, entered_zone, |ends| {
            &ends.entered_by
        });
        (left * entered).ln().clamp(-MOST_ZONES, MOST_ZONES)
    }

    /// Where most of those who go this way go out, and come in: see [`Uses::rectangle`].
    pub(crate) fn rectangles(&self, left: &str, entered: &str) -> [Option<[f32; 4]>; 2] {
        let ends = self.ways.get(left).and_then(|to| to.get(entered));
        ends.map_or([None; 2], |ends| {
            [ends.left_by.rectangle(), ends.entered_by.rectangle()]
        })
    }
}

/// The share of a cell among all tracks of a camera; a guess counts as one track in each.
fn anybody(all: Option<&Uses>, cell: Cell) -> f64 {
    let guess = 1.0 / CELLS as f64;
    all.map_or(guess, |uses| uses.share(cell, guess, CELLS as f64))
}

/// The share of a cell among those who use a zone.
fn through(zone: &Zone, all: Option<&Uses>, cell: Cell) -> f64 {
    let share = anybody(all, cell);
    let inside = |cell: Cell, share: f64| share * zone.covered.get(cell.index()).unwrap_or(&0.0);
    let whole: f64 = Cell::all()
        .map(|cell| inside(cell, anybody(all, cell)))
        .sum();
    if whole <= 0.0 {
        return share;
    }
    BY_ZONE * inside(cell, share) / whole + (1.0 - BY_ZONE) * share
}

/// The part of a cell that lies in a polygon, by a grid of points.
fn covered_part(polygon: &[[f64; 2]], cell: usize) -> f64 {
    const SIDE: usize = 6;
    let columns = COLUMNS.len() + 1;
    let bounds =
        |inner: &[f32], index: usize| [index, index + 1].map(|at| f64::from(edge(inner, at)));
    let [left, right] = bounds(&COLUMNS, cell % columns);
    let [top, bottom] = bounds(&ROWS, cell / columns);
    let at =
        |from: f64, to: f64, step: usize| from + (to - from) * (step as f64 + 0.5) / SIDE as f64;
    let points = (0..SIDE * SIDE)
        .map(|point| [at(left, right, point % SIDE), at(top, bottom, point / SIDE)]);
    let inside = points.filter(|point| contains(polygon, *point)).count();
    inside as f64 / (SIDE * SIDE) as f64
}

/// Whether a point lies in a polygon, by the number of sides to the right of it.
fn contains(polygon: &[[f64; 2]], [x, y]: [f64; 2]) -> bool {
    let mut is_inside = false;
    let Some(mut before) = polygon.last() else {
        return false;
    };
    for corner in polygon {
        let ([x0, y0], [x1, y1]) = (*before, *corner);
        if (y0 > y) != (y1 > y) && x < x0 + (y - y0) / (y1 - y0) * (x1 - x0) {
            is_inside = !is_inside;
        }
        before = corner;
    }
    is_inside
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::persons::map::{CameraPlace, Way};

    const DOOR: [f32; 2] = [0.02, 0.7];
    const STAIRS: [f32; 2] = [0.8, 0.4];

    fn way(out: [f32; 2], back_in: [f32; 2]) -> Passage<'static> {
        Passage {
            left: "a",
            entered: "b",
            gap_s: 5.0,
            spread_s: 0.0,
            walk_s: None,
            through: [Some(Cell::of(out)), Some(Cell::of(back_in))],
        }
    }

    #[test]
    fn before_anything_is_known_places_say_nothing() {
        let ratio = Zones::default().log_ratio(&SiteMap::default(), &way(DOOR, STAIRS));
        assert!(ratio.abs() < 1e-12, "{ratio}");
    }

    #[test]
    fn who_leaves_by_the_door_that_leads_there_is_likelier_to_have_gone_there() {
        let mut zones = Zones::default();
        for _ in 0..30 {
            for cell in [DOOR, STAIRS] {
                let cell = Some(Cell::of(cell));
                zones.count("a", [cell, cell]);
                zones.count("b", [cell, cell]);
            }
            zones.learn(&way(DOOR, STAIRS), 0.9);
        }
        let map = SiteMap::default();
        let [right, wrong_door, wrong_way] = [(DOOR, STAIRS), (STAIRS, STAIRS), (STAIRS, DOOR)]
            .map(|(out, back_in)| zones.log_ratio(&map, &way(out, back_in)).exp());
        assert!(
            right > 2.0 && wrong_door < 1.0 && wrong_way < 0.2,
            "{right} {wrong_door} {wrong_way}"
        );
        let [out, back_in] = zones.rectangles("a", "b");
        assert_eq!(out, Some([0.0, 0.65, 0.05, 0.95]));
        assert_eq!(back_in, Some([0.65, 0.35, 0.95, 0.65]));
        assert_eq!(zones.rectangles("b", "a"), [None, None]);
    }

    #[test]
    fn zones_of_the_map_hold_in_both_directions_before_anybody_walked() {
        let mut map = SiteMap::default();
        let door = vec![[0.0, 0.5], [0.2, 0.5], [0.2, 1.0], [0.0, 1.0]];
        let stairs = vec![[0.6, 0.3], [1.0, 0.3], [1.0, 0.7], [0.6, 0.7]];
        for (camera, name, zone) in [("a", "door", door), ("b", "stairs", stairs)] {
            let place = CameraPlace {
                zones: [(name.to_owned(), Zone::from(zone))].into(),
                ..CameraPlace::default()
            };
            map.cameras.insert(camera.to_owned(), place);
        }
        map.ways.push(Way {
            between: ["a".into(), "b".into()],
            overlaps: false,
            seconds: None,
            zones: Some(["door".into(), "stairs".into()]),
        });
        map.check().unwrap();
        let zones = Zones::default();
        assert!(zones.log_ratio(&map, &way(DOOR, STAIRS)).exp() > 5.0);
        assert!(zones.log_ratio(&map, &way(STAIRS, DOOR)).exp() < 0.1);
        let back = Passage {
            left: "b",
            entered: "a",
            ..way(STAIRS, DOOR)
        };
        assert!(zones.log_ratio(&map, &back).exp() > 5.0);
    }

    proptest! {
        #[test]
        fn shares_of_all_cells_sum_to_one(
            counts in prop::collection::vec((0..CELLS as u8, 0.0..1.0), 0..60),
            corners in prop::collection::vec((0.0..1.0, 0.0..1.0), 3..8),
        ) {
            let mut uses = Uses::default();
            for (cell, probability) in counts {
                uses.count(Some(Cell(cell)), probability);
            }
            let corners: Vec<[f64; 2]> = corners.into_iter().map(|(x, y)| [x, y]).collect();
            let zone = Zone::from(corners);
            let anybody: Vec<f64> = Cell::all().map(|cell| anybody(Some(&uses), cell)).collect();
            let through = |cell| uses.share(cell, through(&zone, Some(&uses), cell), PRIOR_JOINS);
            for all in [anybody, Cell::all().map(through).collect()] {
                prop_assert!((all.iter().sum::<f64>() - 1.0).abs() < 1e-9);
                prop_assert!(all.iter().all(|share| *share > 0.0));
            }
        }

        #[test]
        fn any_point_has_a_cell(x in any::<f32>(), y in any::<f32>()) {
            prop_assert!(Cell::of([x, y]).index() < CELLS);
        }
    }
}
