//! One person's way: the best picture of each visit, a timeline over the cameras, and the way on the map.

use sightline_sink::SiteMap;
use sightline_sink::persons::map::Ground;

use super::canvas::{Canvas, LARGE, Rgb, SMALL, track_color};
use super::table::clock;

const BACKGROUND: Rgb = [24, 26, 30];
const BRIGHT: Rgb = [235, 235, 235];
const DIM: Rgb = [150, 155, 160];
const LINE: Rgb = [60, 64, 70];
const BLIND: Rgb = [70, 40, 40];
const WIDTH_PX: u32 = 1080;
const MARGIN_PX: u32 = 12;
const LABELS_PX: u32 = 130;
const CROP_PX: [u32; 2] = [64, 128];
const GAP_PX: u32 = 11;
const ROW_PX: u32 = 26;
const MAP_PX: u32 = 420;

/// Visits whose pictures are shown.
pub const MOST_PICTURES: usize = 14;

/// One visit as it is drawn.
#[derive(Clone, Debug)]
pub struct DrawnVisit {
    /// The camera.
    pub camera: String,
    /// First and last time it was seen, Unix time in ns.
    pub start_ns: i64,
    /// See `start_ns`.
    pub end_ns: i64,
    /// Where it was when its picture was taken: left, top, right, bottom, as shares of the picture.
    pub bbox: [f32; 4],
    /// Its picture.
    pub crop: Option<Canvas>,
    /// Short words about its join.
    pub words: String,
}

/// Draws the way of a person; `blind` are stretches in which a camera was not watched.
pub fn draw(
    title: &str,
    visits: &[DrawnVisit],
    blind: &[(String, i64, i64)],
    map: &SiteMap,
) -> Canvas {
    let mut cameras: Vec<&str> = visits.iter().map(|visit| visit.camera.as_str()).collect();
    cameras.extend(blind.iter().map(|(camera, ..)| camera.as_str()));
    cameras.sort_unstable();
    cameras.dedup();
    let stations = stations(visits, map);
    let pictures_top = 2 * MARGIN_PX + 18;
    let lines_top = pictures_top + CROP_PX[1] + 44;
    let map_top = lines_top + ROW_PX * cameras.len() as u32 + 30;
    let map_px = if stations.len() > 1 { MAP_PX } else { 0 };
    let mut canvas = Canvas::new(WIDTH_PX, map_top + map_px + MARGIN_PX, BACKGROUND);
    canvas.text(12, 12, title, &LARGE, BRIGHT);
    pictures(&mut canvas, pictures_top, visits);
    timeline(&mut canvas, lines_top, &cameras, visits, blind);
    if map_px > 0 {
        plan(&mut canvas, map_top, &stations, map);
    }
    canvas
}

fn pictures(canvas: &mut Canvas, top: u32, visits: &[DrawnVisit]) {
    for (place, visit) in visits.iter().take(MOST_PICTURES).enumerate() {
        let left = (MARGIN_PX + place as u32 * (CROP_PX[0] + GAP_PX)).cast_signed();
        let top = top.cast_signed();
        let [width, height] = CROP_PX;
        match &visit.crop {
            Some(crop) => canvas.paste(left, top, &crop.scaled_into(width, height)),
            None => canvas.outline(left, top, width, height, 1, LINE),
        }
        canvas.fill(left, top, 3, height, track_color(place + 1));
        let below = top.saturating_add_unsigned(height) + 3;
        let room = width + GAP_PX - 2;
        let camera = format!("{} {}", place + 1, visit.camera);
        canvas.label(left, below, &camera, room, BRIGHT);
        canvas.label(left, below + 12, &clock(visit.start_ns), room, DIM);
        canvas.label(left, below + 24, &visit.words, room, DIM);
    }
}

fn timeline(
    canvas: &mut Canvas,
    top: u32,
    cameras: &[&str],
    visits: &[DrawnVisit],
    blind: &[(String, i64, i64)],
) {
    let Some(from_ns) = visits.iter().map(|visit| visit.start_ns).min() else {
        return;
    };
    let to_ns = visits
        .iter()
        .map(|visit| visit.end_ns)
        .max()
        .unwrap_or(from_ns);
    let span = (to_ns - from_ns).max(1) as f64;
    let left = MARGIN_PX + LABELS_PX;
    let width = f64::from(WIDTH_PX - left - MARGIN_PX);
    let x_at = |time_ns: i64| {
        let share = ((time_ns - from_ns) as f64 / span).clamp(0.0, 1.0);
        left.cast_signed() + (share * width) as i32
    };
    for (row, camera) in cameras.iter().enumerate() {
        let y = (top + row as u32 * ROW_PX).cast_signed();
        canvas.label(12, y + 6, camera, LABELS_PX - 6, BRIGHT);
        canvas.fill(left.cast_signed(), y + 11, width as u32, 1, LINE);
        let bar = |canvas: &mut Canvas, from_ns: i64, to_ns: i64, color: Rgb| {
            let (x0, x1) = (x_at(from_ns), x_at(to_ns));
            canvas.fill(x0, y + 3, x1.abs_diff(x0).max(2), 17, color);
            x0
        };
        for (_, from_ns, to_ns) in blind.iter().filter(|(of, ..)| of == camera) {
            bar(canvas, *from_ns, *to_ns, BLIND);
        }
        for (place, visit) in visits.iter().enumerate() {
            if visit.camera == *camera {
                let color = track_color(place + 1);
                let x = bar(canvas, visit.start_ns, visit.end_ns, color);
                canvas.text(x + 2, y + 6, &(place + 1).to_string(), &SMALL, BACKGROUND);
            }
        }
    }
    let below = (top + cameras.len() as u32 * ROW_PX + 4).cast_signed();
    canvas.text(left.cast_signed(), below, &clock(from_ns), &SMALL, DIM);
    let right = (WIDTH_PX - MARGIN_PX).cast_signed() - 66;
    canvas.text(right, below, &clock(to_ns), &SMALL, DIM);
}

/// Where the person was at each visit, in metres: its feet where the camera is calibrated, else the camera.
fn stations(visits: &[DrawnVisit], map: &SiteMap) -> Vec<(usize, Ground)> {
    visits
        .iter()
        .enumerate()
        .filter_map(|(place, visit)| {
            let camera = map.cameras.get(&visit.camera)?;
            let feet = map.ground(&visit.camera, visit.bbox);
            Some((place, feet.or(camera.position)?))
        })
        .collect()
}

fn plan(canvas: &mut Canvas, top: u32, stations: &[(usize, Ground)], map: &SiteMap) {
    let cameras = map.cameras.iter();
    let cameras: Vec<(&str, Ground)> = cameras
        .filter_map(|(id, camera)| Some((id.as_str(), camera.position?)))
        .collect();
    let points = stations
        .iter()
        .map(|(_, at)| *at)
        .chain(cameras.iter().map(|(_, at)| *at));
    let (mut least, mut most) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
    for point in points {
        for axis in 0..2 {
            least[axis] = least[axis].min(point[axis]);
            most[axis] = most[axis].max(point[axis]);
        }
    }
    let room = [f64::from(WIDTH_PX) - 120.0, f64::from(MAP_PX) - 60.0];
    let scale =
        (room[0] / (most[0] - least[0]).max(1.0)).min(room[1] / (most[1] - least[1]).max(1.0));
    // North is up, as on the plan.
    let at = |point: Ground| {
        let x = 40.0 + (point[0] - least[0]) * scale;
        let y = f64::from(MAP_PX) - 30.0 - (point[1] - least[1]) * scale;
        [x as i32, top.cast_signed() + y as i32]
    };
    canvas.outline(12, top.cast_signed(), WIDTH_PX - 24, MAP_PX, 1, LINE);
    for (id, position) in cameras {
        let [x, y] = at(position);
        canvas.outline(x - 4, y - 4, 9, 9, 1, DIM);
        canvas.text(x + 8, y - 5, id, &SMALL, DIM);
    }
    for pair in stations.windows(2) {
        canvas.line(at(pair[0].1), at(pair[1].1), 2, LINE);
    }
    for (place, point) in stations {
        let [x, y] = at(*point);
        canvas.fill(x - 5, y - 5, 11, 11, track_color(place + 1));
        canvas.text(x + 8, y - 5, &(place + 1).to_string(), &SMALL, BRIGHT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visit(camera: &str, at_s: i64) -> DrawnVisit {
        DrawnVisit {
            camera: camera.into(),
            start_ns: at_s * 1_000_000_000,
            end_ns: (at_s + 5) * 1_000_000_000,
            bbox: [0.4, 0.2, 0.5, 0.8],
            crop: Some(Canvas::new(32, 64, [200, 10, 10])),
            words: "92%".into(),
        }
    }

    #[test]
    fn a_way_shows_pictures_bars_and_the_map_where_there_is_one() {
        let visits = [visit("a", 0), visit("b", 20)];
        let blind = [("c".to_owned(), 5_000_000_000, 9_000_000_000)];
        let without = draw("p", &visits, &blind, &SiteMap::default());
        let has = |canvas: &Canvas, color: Rgb| {
            canvas.pixels().chunks_exact(3).any(|pixel| pixel == color)
        };
        assert!(has(&without, [200, 10, 10]), "pictures");
        assert!(
            has(&without, track_color(2)) && has(&without, BLIND),
            "bars"
        );
        let mut map = SiteMap::default();
        for (id, x) in [("a", 0.0), ("b", 10.0)] {
            let place = sightline_sink::persons::CameraPlace {
                position: Some([x, 2.0]),
                homography: None,
                ..Default::default()
            };
            map.cameras.insert(id.into(), place);
        }
        let with = draw("p", &visits, &blind, &map);
        assert_eq!(with.height(), without.height() + MAP_PX);
        assert!(draw("nobody", &[], &[], &map).height() > 0);
    }
}
