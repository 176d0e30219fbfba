//! What is known about a scene, in the formats that evaluators read.

use std::fmt::Write as _;

use serde::Serialize;

use crate::captions::{Evidence, describe};
use crate::dice::Dice;
use crate::identity::{Group, HairWords};
use crate::item::Item;
use crate::material::Part;
use crate::stage::Stage;

/// One person in one frame of one camera.
#[derive(Debug, Clone)]
pub struct Row {
    /// Frame of the file, from 1 (lost frames are not counted).
    pub frame: usize,
    /// Frame of the scene, from 0.
    pub time_index: usize,
    /// Identity, from 1.
    pub id: usize,
    /// Box of the whole silhouette: x0, y0, x1, y1; may reach beyond the picture.
    pub full: [f32; 4],
    /// Box of what is seen.
    pub seen: [f32; 4],
    /// Share of the silhouette that is seen.
    pub visibility: f32,
    /// On the plan, metres.
    pub at: [f32; 2],
}

/// `MOTChallenge` ground truth: frame, id, x, y, w, h, 1, class 1 (pedestrian), visibility. Boxes are whole, pixels count from 1.
#[must_use]
pub fn mot(rows: &[Row]) -> String {
    let mut rows: Vec<&Row> = rows.iter().collect();
    rows.sort_by_key(|r| (r.frame, r.id));
    let mut out = String::new();
    for r in rows {
        let [x0, y0, x1, y1] = r.full;
        let line = writeln!(
            out,
            "{},{},{:.2},{:.2},{:.2},{:.2},1,1,{:.4}",
            r.frame,
            r.id,
            x0 + 1.0,
            y0 + 1.0,
            x1 - x0,
            y1 - y0,
            r.visibility
        );
        debug_assert!(line.is_ok());
    }
    out
}

/// `seqinfo.ini` beside `gt/`.
#[must_use]
pub fn sequence(name: &str, fps: f32, frames: usize, width: usize, height: usize) -> String {
    format!(
        "[Sequence]\nname={name}\nimDir=img1\nframeRate={fps}\nseqLength={frames}\nimWidth={width}\nimHeight={height}\nimExt=.jpg\n"
    )
}

/// AI City Challenge 2024, track 1: camera id, object id, frame id, x, y, w, h (whole pixels of what is seen, inside the picture), x and y in the world.
#[must_use]
pub fn ai_city(cameras: &[Vec<Row>]) -> String {
    let mut out = String::new();
    for (number, rows) in cameras.iter().enumerate() {
        for r in rows {
            let [x0, y0, x1, y1] = r.seen;
            let (x, y) = (x0.floor(), y0.floor());
            let line = writeln!(
                out,
                "{} {} {} {} {} {} {} {:.3} {:.3}",
                number + 1,
                r.id,
                r.frame - 1,
                x,
                y,
                x1.ceil() - x,
                y1.ceil() - y,
                r.at[0],
                r.at[1]
            );
            debug_assert!(line.is_ok());
        }
    }
    out
}

#[derive(Serialize)]
struct Calibration {
    id: String,
    number: usize,
    width: usize,
    height: usize,
    /// World metres (x, y on the plan, z up) to pixels, without distortion.
    projection_matrix: [[f64; 4]; 3],
    /// Plan metres to pixels, without distortion.
    homography_matrix: [[f64; 3]; 3],
    intrinsic_matrix: [[f64; 3]; 3],
    /// Factor 1 + k1 r^2 + k2 r^4 on the normalised radius.
    radial_distortion: [f32; 2],
    position_m: [f32; 3],
    /// Rows: right, down, forward.
    rotation: [[f32; 3]; 3],
    clock_skew_ms: f32,
}

/// Calibration of all cameras, JSON.
///
/// # Errors
/// A number is not finite.
pub fn calibration(stage: &Stage) -> serde_json::Result<Vec<u8>> {
    let list: Vec<Calibration> = stage
        .views
        .iter()
        .zip(&stage.scene.cameras)
        .enumerate()
        .map(|(number, (view, camera))| {
            let p = view.matrix();
            Calibration {
                id: camera.id.clone(),
                number: number + 1,
                width: view.width,
                height: view.height,
                projection_matrix: p,
                homography_matrix: std::array::from_fn(|r| [p[r][0], p[r][1], p[r][3]]),
                intrinsic_matrix: [
                    [f64::from(view.focal), 0.0, f64::from(view.centre[0])],
                    [0.0, f64::from(view.focal), f64::from(view.centre[1])],
                    [0.0, 0.0, 1.0],
                ],
                radial_distortion: view.distortion,
                position_m: view.eye,
                rotation: [view.right, view.up.map(|v| -v), view.back.map(|v| -v)],
                clock_skew_ms: camera.clock_skew_ms,
            }
        })
        .collect();
    serde_json::to_vec_pretty(&list)
}

#[derive(Serialize)]
struct Described {
    id: usize,
    group: Group,
    is_old: bool,
    hair: HairWords,
    items: Vec<Item>,
    /// Sentences for searching: true of the person, whatever a single view may hide.
    captions: Vec<String>,
    absent: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alike: Option<usize>,
}

/// One description set per identity, JSON.
///
/// # Errors
/// A number is not finite.
pub fn descriptions(stage: &Stage) -> serde_json::Result<Vec<u8>> {
    let list: Vec<Described> = stage
        .cast
        .iter()
        .zip(&stage.plans)
        .map(|(cast, plan)| {
            let who = &cast.identity;
            // Told as if every part were seen plainly, without what changes from view to view.
            let share = who
                .items
                .iter()
                .map(|i| (i.part, 0.2))
                .chain([(Part::Hair, 0.1)])
                .collect();
            let action = if plan.seat.is_some() {
                "sit"
            } else if plan.is_running {
                "run"
            } else {
                "walk"
            };
            let evidence = Evidence {
                share,
                height_px: 300.0,
                action,
                view: "front",
                false_colours: Vec::new(),
                is_coloured: true,
            };
            let mut captions = Vec::new();
            let mut absent = Vec::new();
            for k in 0..3 {
                let told = describe(
                    who,
                    &evidence,
                    &mut Dice::new(&[stage.seed, 0xde5c, who.number as u64, k]),
                );
                captions.extend(told.captions.into_iter().filter(|c| !speaks_of_view(c)));
                absent = told.absent;
            }
            captions.sort();
            captions.dedup();
            captions.truncate(6);
            Described {
                id: who.number,
                group: who.group,
                is_old: who.is_old,
                hair: who.hair,
                items: who.items.clone(),
                captions,
                absent,
                alike: who.alike,
            }
        })
        .collect();
    serde_json::to_vec_pretty(&list)
}

fn speaks_of_view(caption: &str) -> bool {
    ["facing the camera", "seen from", "in profile"]
        .iter()
        .any(|w| caption.contains(w))
}

/// `time_ns,person,x_m,y_m,heading_deg` of everybody at every frame.
#[must_use]
pub fn positions(stage: &Stage, start_ns: i64) -> String {
    let mut out = String::from("time_ns,id,x_m,y_m,heading_deg\n");
    for frame in 0..stage.frames() {
        let time = start_ns + (frame as f64 * 1e9 / f64::from(stage.scene.fps)).round() as i64;
        for (i, moment) in stage.moments[frame].iter().enumerate() {
            if let Some(m) = moment {
                let p = m.placement;
                let line = writeln!(
                    out,
                    "{time},{},{:.3},{:.3},{:.1}",
                    i + 1,
                    p.position[0],
                    p.position[1],
                    p.heading.to_degrees()
                );
                debug_assert!(line.is_ok());
            }
        }
    }
    out
}
