//! Films a scene: every camera's video with its ground truth, the manifest and the map.

use std::path::Path;

use rayon::prelude::*;
use serde::Serialize;

use crate::body::Library;
use crate::canvas::{Appearance, Canvas};
use crate::dice::Dice;
use crate::error::{Error, Result};
use crate::light::Tone;
use crate::photo::bytes;
use crate::plan_map::draw_map;
use crate::stage::{Stage, photo};
use crate::truth::{Row, ai_city, calibration, descriptions, mot, positions, sequence};
use crate::video::Video;

/// What `sightline replay` takes.
#[derive(Debug, Serialize)]
pub struct Manifest {
    /// Cameras.
    pub cameras: Vec<Entry>,
}

/// A camera of the manifest.
#[derive(Debug, Serialize)]
pub struct Entry {
    /// Id.
    pub id: String,
    /// Video, relative to the manifest.
    pub file: String,
    /// Time of its first frame by its own clock, RFC 3339.
    pub start: String,
    /// Frames a second.
    pub fps: f32,
    /// `MOTChallenge` ground truth, relative to the manifest.
    pub ground_truth: String,
}

/// What was filmed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Summary {
    /// Cameras.
    pub cameras: usize,
    /// Frames of all cameras.
    pub frames: usize,
    /// Rows of ground truth.
    pub boxes: usize,
    /// Bytes of video.
    pub video_bytes: u64,
}

/// Pictures taken together before they go to the encoder in order.
const BATCH: usize = 24;
/// People of whom less is seen than this many samples are left out of the ground truth.
const LEAST_SAMPLES: u32 = 8;

/// Films all cameras under `out`. `folder` is where the scene file lies, for backgrounds.
///
/// # Errors
/// Files cannot be written, or the video pipeline fails.
pub fn film(library: &Library, stage: &Stage, folder: &Path, out: &Path) -> Result<Summary> {
    fs_err::create_dir_all(out)?;
    let start: jiff::Timestamp =
        stage
            .scene
            .start
            .parse()
            .map_err(|e: jiff::Error| Error::Scene {
                file: stage.scene.name.clone(),
                what: format!("`start`: {e}"),
            })?;
    let mut manifest = Manifest {
        cameras: Vec::new(),
    };
    let mut truths = Vec::new();
    let mut summary = Summary::default();
    for (number, camera) in stage.scene.cameras.iter().enumerate() {
        let file = format!("{}.mp4", camera.id);
        let rows = shoot(
            library,
            stage,
            number,
            folder,
            &out.join(&file),
            &mut summary,
        )?;
        let truth = out.join("ground_truth").join(&camera.id);
        fs_err::create_dir_all(truth.join("gt"))?;
        fs_err::write(truth.join("gt/gt.txt"), mot(&rows.rows))?;
        fs_err::write(
            truth.join("seqinfo.ini"),
            sequence(
                &camera.id,
                stage.scene.fps,
                rows.kept.len(),
                camera.width,
                camera.height,
            ),
        )?;
        let skew =
            jiff::SignedDuration::from_micros((f64::from(camera.clock_skew_ms) * 1e3) as i64);
        let first = rows.kept.first().copied().unwrap_or(0);
        let offset = |frame: usize| {
            jiff::SignedDuration::from_nanos(
                (frame as f64 * 1e9 / f64::from(stage.scene.fps)).round() as i64,
            )
        };
        let clock = |frame: usize| (start + skew + offset(frame)).as_nanosecond();
        let mut times = String::from("frame,scene_frame,clock_ns,true_ns\n");
        for (i, frame) in rows.kept.iter().enumerate() {
            times += &format!(
                "{},{frame},{},{}\n",
                i + 1,
                clock(*frame),
                (start + offset(*frame)).as_nanosecond()
            );
        }
        fs_err::write(truth.join("times.csv"), times)?;
        manifest.cameras.push(Entry {
            id: camera.id.clone(),
            file,
            start: (start + skew + offset(first)).to_string(),
            fps: stage.scene.fps,
            ground_truth: format!("ground_truth/{}/gt/gt.txt", camera.id),
        });
        summary.cameras += 1;
        summary.boxes += rows.rows.len();
        truths.push(rows.rows);
    }
    fs_err::write(out.join("ground_truth/ai_city_2024.txt"), ai_city(&truths))?;
    fs_err::write(
        out.join("ground_truth/calibration.json"),
        calibration(stage).map_err(std::io::Error::other)?,
    )?;
    fs_err::write(
        out.join("ground_truth/descriptions.json"),
        descriptions(stage).map_err(std::io::Error::other)?,
    )?;
    let start_ns = i64::try_from(start.as_nanosecond()).unwrap_or(i64::MAX);
    fs_err::write(
        out.join("ground_truth/positions.csv"),
        positions(stage, start_ns),
    )?;
    fs_err::write(out.join("map.png"), draw_map(stage).png()?)?;
    fs_err::write(
        out.join("manifest.toml"),
        toml::to_string(&manifest).map_err(std::io::Error::other)?,
    )?;
    Ok(summary)
}

/// A picture and who appears in it, by number in the cast.
pub type Taken = (Vec<u8>, Vec<(usize, Appearance)>);

struct Rows {
    rows: Vec<Row>,
    /// Frames of the scene that the camera did not lose.
    kept: Vec<usize>,
}

/// One frame as a camera takes it: picture and appearances with identity numbers.
pub fn frame(
    library: &Library,
    stage: &Stage,
    camera: usize,
    number: usize,
    backdrop: &crate::backdrop::Backdrop,
    canvas: &mut Canvas,
    tone: &Tone,
) -> Taken {
    let view = &stage.views[camera];
    let (actors, numbers) = stage.actors(library, number, view);
    let seen = canvas.draw(&stage.place, view, backdrop, &actors, tone, 256);
    let mut dice = Dice::new(&[stage.seed, 0xf1, camera as u64, number as u64]);
    let mut rgb = std::mem::take(&mut canvas.rgb);
    photo(&stage.scene.cameras[camera]).take(&mut rgb, view.width, view.width, &mut dice);
    let picture = bytes(&rgb);
    canvas.rgb = rgb;
    (
        picture,
        seen.into_iter().map(|a| (numbers[a.actor], a)).collect(),
    )
}

fn shoot(
    library: &Library,
    stage: &Stage,
    camera: usize,
    folder: &Path,
    file: &Path,
    summary: &mut Summary,
) -> Result<Rows> {
    let settings = &stage.scene.cameras[camera];
    let backdrop = stage.backdrop(camera, folder)?;
    let mut lost = Dice::new(&[stage.seed, 0x105, camera as u64]);
    let kept: Vec<usize> = (0..stage.frames())
        .filter(|_| !lost.chance(settings.dropped))
        .collect();
    let mut video = Video::create(
        file,
        settings.width,
        settings.height,
        stage.scene.fps,
        settings.bitrate_kbps,
    )?;
    let first = kept.first().copied().unwrap_or(0);
    let mut rows = Vec::new();
    for (batch, numbers) in kept.chunks(BATCH).enumerate() {
        let pictures: Vec<Taken> = numbers
            .par_iter()
            .map_init(
                || (Canvas::default(), Tone::default()),
                |(canvas, tone), number| {
                    frame(library, stage, camera, *number, &backdrop, canvas, tone)
                },
            )
            .collect();
        for (i, (picture, seen)) in pictures.into_iter().enumerate() {
            let (number, index) = (numbers[i], batch * BATCH + i);
            video.push(number - first, picture)?;
            for (who, a) in seen {
                if let (Some(seen), true) = (a.seen, a.visible >= LEAST_SAMPLES) {
                    let at = stage.moments[number][who].map_or([0.0; 2], |m| {
                        [m.placement.position[0], m.placement.position[1]]
                    });
                    rows.push(Row {
                        frame: index + 1,
                        time_index: number,
                        id: who + 1,
                        full: a.full,
                        seen,
                        visibility: a.visibility(),
                        at,
                    });
                }
            }
        }
        summary.frames += numbers.len();
    }
    video.finish()?;
    summary.video_bytes += fs_err::metadata(file)?.len();
    Ok(Rows { rows, kept })
}
