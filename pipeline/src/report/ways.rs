//! A site as it was learned: its cameras and the ways between them.

use std::collections::BTreeMap;

use sightline_sink::SiteMap;
use sightline_sink::persons::map::Ground;

use super::canvas::{Canvas, LARGE, Rgb, SMALL, track_color};

const BACKGROUND: Rgb = [24, 26, 30];
const BRIGHT: Rgb = [235, 235, 235];
const DIM: Rgb = [150, 155, 160];
const FAINT: Rgb = [60, 64, 70];
const SIDE_PX: u32 = 900;
const TOP_PX: f64 = 60.0;
const MARGIN_PX: f64 = 110.0;
const LETTER_PX: i32 = 6;

/// A way as it is drawn.
#[derive(Clone, Debug)]
pub struct DrawnWay {
    /// The two cameras.
    pub between: [String; 2],
    /// What stands beside it.
    pub words: String,
    /// What stands beside it near each of the two cameras.
    pub ends: [Option<String>; 2],
    /// Whether both cameras see a person at once.
    pub overlaps: bool,
    /// Whether it rests on enough.
    pub is_sure: bool,
}

/// Draws cameras where the map has them, the others on a circle, and the ways between them: overlapping views with a thick
/// line, what rests on too little with a faint one.
pub fn draw(ways: &[DrawnWay], map: &SiteMap) -> Canvas {
    let mut canvas = Canvas::new(SIDE_PX, SIDE_PX, BACKGROUND);
    canvas.text(12, 12, "ways between cameras", &LARGE, BRIGHT);
    let places = places(ways, map);
    for way in ways {
        let [Some(a), Some(b)] = way.between.each_ref().map(|id| places.get(id.as_str())) else {
            continue;
        };
        let color = if way.is_sure { DIM } else { FAINT };
        canvas.line(*a, *b, if way.overlaps { 5 } else { 2 }, color);
    }
    // Words after all lines, so that none is crossed out.
    for way in ways {
        let [Some(a), Some(b)] = way.between.each_ref().map(|id| places.get(id.as_str())) else {
            continue;
        };
        let color = if way.is_sure { BRIGHT } else { DIM };
        let mut put = |words: &str, share: f64| {
            let [x, y] = [0, 1].map(|axis| {
                let (from, to) = (f64::from(a[axis]), f64::from(b[axis]));
                (from + (to - from) * share) as i32
            });
            let width = LETTER_PX * words.len() as i32;
            let (x, y) = (x - width / 2, y - 6);
            canvas.fill(x - 2, y - 1, width.unsigned_abs() + 4, 13, BACKGROUND);
            canvas.text(x, y, words, &SMALL, color);
        };
        put(&way.words, 0.5);
        for (end, share) in way.ends.iter().zip([0.2, 0.8]) {
            if let Some(end) = end {
                put(end, share);
            }
        }
    }
    for (number, (id, [x, y])) in places.iter().enumerate() {
        canvas.fill(x - 7, y - 7, 15, 15, track_color(number + 1));
        let width = LETTER_PX * id.len() as i32;
        canvas.text(x - width / 2, y + 12, id, &SMALL, BRIGHT);
    }
    canvas
}

/// Where each camera is drawn, pixels.
fn places<'a>(ways: &'a [DrawnWay], map: &'a SiteMap) -> BTreeMap<&'a str, [i32; 2]> {
    let mut grounds: BTreeMap<&str, Option<Ground>> = map
        .cameras
        .iter()
        .map(|(id, camera)| (id.as_str(), camera.position))
        .collect();
    for id in ways.iter().flat_map(|way| &way.between) {
        grounds.entry(id).or_default();
    }
    let is_placed = !grounds.is_empty() && grounds.values().all(Option::is_some);
    let count = grounds.len().max(1) as f64;
    let points: Vec<(&str, Ground)> = grounds
        .into_iter()
        .enumerate()
        .map(|(number, (id, ground))| {
            let turn = std::f64::consts::TAU * number as f64 / count;
            // One camera without a place makes the whole plan a circle: half a plan misleads.
            let circle = [turn.sin(), turn.cos()];
            (id, ground.filter(|_| is_placed).unwrap_or(circle))
        })
        .collect();
    let (mut least, mut most) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
    for (_, point) in &points {
        for axis in 0..2 {
            least[axis] = least[axis].min(point[axis]);
            most[axis] = most[axis].max(point[axis]);
        }
    }
    let room = f64::from(SIDE_PX) - 2.0 * MARGIN_PX;
    let widest = (most[0] - least[0]).max(most[1] - least[1]).max(1e-6);
    let scale = (room - TOP_PX) / widest;
    points
        .into_iter()
        .map(|(id, [x, y])| {
            // North is up, as on a plan.
            let x = MARGIN_PX + (x - least[0]) * scale;
            let y = TOP_PX + MARGIN_PX + (most[1] - y) * scale;
            (id, [x as i32, y as i32])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ways() -> Vec<DrawnWay> {
        [["a", "b"], ["b", "c"]]
            .map(|between| DrawnWay {
                between: between.map(str::to_owned),
                words: "12 joins, half within 8 s".into(),
                ends: [None, Some("by the left".into())],
                overlaps: between[0] == "a",
                is_sure: true,
            })
            .to_vec()
    }

    #[test]
    fn cameras_and_ways_are_drawn_with_and_without_a_map() {
        let has = |canvas: &Canvas, color: Rgb| {
            canvas.pixels().chunks_exact(3).any(|pixel| pixel == color)
        };
        let circle = draw(&ways(), &SiteMap::default());
        assert!(has(&circle, DIM) && has(&circle, track_color(3)));
        let mut map = SiteMap::default();
        for (id, x) in [("a", 0.0), ("b", 10.0), ("c", 30.0)] {
            let place = sightline_sink::persons::CameraPlace {
                position: Some([x, 0.0]),
                homography: None,
                ..Default::default()
            };
            map.cameras.insert(id.into(), place);
        }
        let ways = ways();
        let at = places(&ways, &map);
        assert_eq!(at["a"][1], at["c"][1]);
        assert!(at["b"][0] - at["a"][0] < at["c"][0] - at["b"][0]);
        map.cameras.remove("b");
        assert_ne!(places(&ways, &map)["a"][1], places(&ways, &map)["c"][1]);
        assert!(draw(&[], &SiteMap::default()).height() > 0);
    }
}
