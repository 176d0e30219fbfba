//! Scene files: TOML as written, then checked once; after that every value is valid.

use std::path::Path;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::light::Weather;
use crate::spec_check::Check;
use crate::texture::Finish;

/// A scene file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    /// Name, for file headers.
    pub name: String,
    /// How long, seconds.
    pub duration_s: f32,
    /// Frames a second of all cameras.
    pub fps: f32,
    /// Capture time of the first frame, RFC 3339.
    pub start: String,
    /// Light.
    pub weather: Weather,
    /// Direction of the sun, degrees from +x towards +y.
    #[serde(default)]
    pub sun_azimuth_deg: f32,
    /// 0 easy to 1 very hard to tell people apart.
    #[serde(default = "half")]
    pub difficulty: f32,
    /// The floor plan.
    pub plan: Plan,
    /// Walls.
    #[serde(default)]
    pub walls: Vec<Wall>,
    /// Areas of ground.
    #[serde(default)]
    pub areas: Vec<Area>,
    /// Benches, trees, cars.
    #[serde(default)]
    pub furniture: Vec<Furniture>,
    /// Where people come in and leave.
    pub gates: Vec<Gate>,
    /// The crowd.
    pub people: People,
    /// Cameras.
    pub cameras: Vec<Camera>,
}

/// The floor.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// From the origin, metres.
    pub size_m: [f32; 2],
    /// Ground.
    pub ground: Finish,
    /// Its colour, sRGB.
    #[serde(default = "ground")]
    pub rgb: [f32; 3],
}

/// A straight wall.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wall {
    /// One end, metres.
    pub from: [f32; 2],
    /// The other end.
    pub to: [f32; 2],
    /// Height.
    #[serde(default = "three")]
    pub height_m: f32,
    /// Thickness.
    #[serde(default = "third")]
    pub thickness_m: f32,
    /// Surface.
    pub finish: Finish,
    /// Colour, sRGB.
    pub rgb: [f32; 3],
}

/// A rectangle of other ground.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Area {
    /// Centre, metres.
    pub at: [f32; 2],
    /// Size, metres.
    pub size_m: [f32; 2],
    /// Turn.
    #[serde(default)]
    pub turn_deg: f32,
    /// Surface.
    pub finish: Finish,
    /// Colour, sRGB.
    pub rgb: [f32; 3],
}

/// A piece of furniture.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Furniture {
    /// Kind.
    pub kind: String,
    /// Where, metres.
    pub at: [f32; 2],
    /// Turn.
    #[serde(default)]
    pub turn_deg: f32,
}

/// Kinds of furniture.
pub const FURNITURE: [&str; 10] = [
    "pole", "tree", "bin", "bench", "car", "hedge", "sign", "bollard", "pillar", "box",
];

/// A gate.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// Name.
    pub name: String,
    /// Where, metres.
    pub at: [f32; 2],
}

/// The crowd.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct People {
    /// How many identities.
    pub count: usize,
    /// Walking speed, metres a second.
    #[serde(default = "speeds")]
    pub speed_m_s: [f32; 2],
    /// Share that walks in groups.
    #[serde(default = "fifth")]
    pub grouped: f32,
    /// Share that pauses on the way.
    #[serde(default = "third")]
    pub pausing: f32,
    /// Share that leaves and comes back.
    #[serde(default = "third")]
    pub returning: f32,
    /// Share that runs.
    #[serde(default)]
    pub running: f32,
    /// How many sit on benches all the time.
    #[serde(default)]
    pub sitting: usize,
    /// Share of children.
    #[serde(default)]
    pub children: f32,
}

/// A camera.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Camera {
    /// Id: the file's name and the manifest's.
    pub id: String,
    /// Where on the plan, metres.
    pub at: [f32; 2],
    /// Height above the ground.
    pub height_m: f32,
    /// Direction, degrees from +x towards +y.
    pub yaw_deg: f32,
    /// Downwards.
    pub pitch_deg: f32,
    /// Horizontal field of view.
    #[serde(default = "view")]
    pub view_deg: f32,
    /// Width, pixels.
    #[serde(default = "width")]
    pub width: usize,
    /// Height, pixels.
    #[serde(default = "height")]
    pub height: usize,
    /// Radial distortion.
    #[serde(default)]
    pub distortion: [f32; 2],
    /// Channel gains.
    #[serde(default = "ones")]
    pub white_balance: [f32; 3],
    /// Gain.
    #[serde(default = "one")]
    pub exposure: f32,
    /// Saturation.
    #[serde(default = "one")]
    pub saturation: f32,
    /// In-camera sharpening.
    #[serde(default)]
    pub sharpen: f32,
    /// Blur, pixels.
    #[serde(default = "half")]
    pub blur_px: f32,
    /// Noise.
    #[serde(default = "noise")]
    pub noise: f32,
    /// Motion blur, pixels.
    #[serde(default)]
    pub motion_blur_px: f32,
    /// Rain.
    #[serde(default)]
    pub rain: f32,
    /// Shrinks the picture and blows it up again.
    #[serde(default = "one")]
    pub shrink: f32,
    /// Video, kilobits a second.
    #[serde(default = "kbps")]
    pub bitrate_kbps: u32,
    /// Share of frames that are lost.
    #[serde(default)]
    pub dropped: f32,
    /// How far its clock is ahead.
    #[serde(default)]
    pub clock_skew_ms: f32,
    /// A picture to stand in for the rendered background, relative to the scene file (PNG or JPEG of the camera's size).
    pub background: Option<String>,
}

fn half() -> f32 {
    0.5
}
fn one() -> f32 {
    1.0
}
fn ones() -> [f32; 3] {
    [1.0; 3]
}
fn three() -> f32 {
    3.0
}
fn third() -> f32 {
    0.3
}
fn fifth() -> f32 {
    0.2
}
fn noise() -> f32 {
    0.01
}
fn view() -> f32 {
    70.0
}
fn width() -> usize {
    640
}
fn height() -> usize {
    360
}
fn kbps() -> u32 {
    300
}
fn speeds() -> [f32; 2] {
    [0.9, 1.6]
}
fn ground() -> [f32; 3] {
    [140.0, 136.0, 128.0]
}

impl Scene {
    /// Reads and checks a scene file.
    ///
    /// # Errors
    /// One line: the file, the key, its value and what is allowed.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs_err::read_to_string(path)?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// Parses and checks the text of a scene file; `file` stands in errors.
    ///
    /// # Errors
    /// One line: the file, the key, its value and what is allowed.
    pub fn parse(file: &str, text: &str) -> Result<Self> {
        let scene: Self = toml::from_str(text).map_err(|e| {
            let line = e
                .span()
                .map_or(1, |s| text[..s.start].matches('\n').count() + 1);
            Error::Scene {
                file: format!("{file}:{line}"),
                what: e.message().replace('\n', " "),
            }
        })?;
        scene.check(&Check { file })?;
        Ok(scene)
    }
}
