//! Scene files: TOML as written, then checked once; after that every value is valid.

use std::path::Path;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::light::Weather;
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
pub const FURNITURE: [&str; 10] = ["pole", "tree", "bin", "bench", "car", "hedge", "sign", "bollard", "pillar", "box"];

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

struct Check<'a> {
    file: &'a str,
}

impl Check<'_> {
    fn range(&self, key: &str, value: f32, low: f32, high: f32) -> Result<()> {
        if value.is_finite() && (low..=high).contains(&value) {
            return Ok(());
        }
        self.refuse(format!("`{key}` is {value}, expected {low} to {high}"))
    }

    fn refuse(&self, what: String) -> Result<()> {
        Err(Error::Scene { file: self.file.to_owned(), what })
    }

    fn inside(&self, key: &str, p: [f32; 2], size: [f32; 2], margin: f32) -> Result<()> {
        self.range(&format!("{key}[0]"), p[0], -margin, size[0] + margin)?;
        self.range(&format!("{key}[1]"), p[1], -margin, size[1] + margin)
    }
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
            let line = e.span().map_or(1, |s| text[..s.start].matches('\n').count() + 1);
            Error::Scene { file: format!("{file}:{line}"), what: e.message().replace('\n', " ") }
        })?;
        scene.check(&Check { file })?;
        Ok(scene)
    }

    fn check(&self, c: &Check<'_>) -> Result<()> {
        c.range("duration_s", self.duration_s, 1.0, 3600.0)?;
        c.range("fps", self.fps, 1.0, 60.0)?;
        if self.start.parse::<jiff::Timestamp>().is_err() {
            c.refuse(format!("`start` is `{}`, expected a time like 2026-03-02T09:00:00Z", self.start))?;
        }
        c.range("difficulty", self.difficulty, 0.0, 1.0)?;
        let size = self.plan.size_m;
        c.range("plan.size_m[0]", size[0], 4.0, 200.0)?;
        c.range("plan.size_m[1]", size[1], 4.0, 200.0)?;
        for (i, w) in self.walls.iter().enumerate() {
            c.inside(&format!("walls[{i}].from"), w.from, size, 60.0)?;
            c.inside(&format!("walls[{i}].to"), w.to, size, 60.0)?;
            c.range(&format!("walls[{i}].height_m"), w.height_m, 0.1, 60.0)?;
            c.range(&format!("walls[{i}].thickness_m"), w.thickness_m, 0.02, 30.0)?;
        }
        for (i, f) in self.furniture.iter().enumerate() {
            if !FURNITURE.contains(&f.kind.as_str()) {
                c.refuse(format!("`furniture[{i}].kind` is `{}`, expected one of {}", f.kind, FURNITURE.join(", ")))?;
            }
            c.inside(&format!("furniture[{i}].at"), f.at, size, 60.0)?;
        }
        if self.gates.len() < 2 {
            c.refuse(format!("`gates` has {}, expected at least 2", self.gates.len()))?;
        }
        for (i, g) in self.gates.iter().enumerate() {
            c.inside(&format!("gates[{i}].at"), g.at, size, 0.0)?;
        }
        let p = &self.people;
        c.range("people.count", p.count as f32, 1.0, 500.0)?;
        c.range("people.speed_m_s[0]", p.speed_m_s[0], 0.3, 3.0)?;
        c.range("people.speed_m_s[1]", p.speed_m_s[1], p.speed_m_s[0], 3.0)?;
        for (key, value) in [
            ("people.grouped", p.grouped),
            ("people.pausing", p.pausing),
            ("people.returning", p.returning),
            ("people.running", p.running),
            ("people.children", p.children),
        ] {
            c.range(key, value, 0.0, 1.0)?;
        }
        let benches = self.furniture.iter().filter(|f| f.kind == "bench").count();
        if p.sitting > benches || p.sitting > p.count {
            c.refuse(format!("`people.sitting` is {}, expected at most the {benches} benches and the {} people", p.sitting, p.count))?;
        }
        if self.cameras.is_empty() {
            c.refuse("`cameras` is empty, expected at least one".to_owned())?;
        }
        for (i, k) in self.cameras.iter().enumerate() {
            k.check(c, i)?;
            if self.cameras[..i].iter().any(|other| other.id == k.id) {
                c.refuse(format!("`cameras[{i}].id` is `{}` again, expected every id once", k.id))?;
            }
        }
        Ok(())
    }
}

impl Camera {
    fn check(&self, c: &Check<'_>, i: usize) -> Result<()> {
        let is_plain = |ch: char| ch.is_ascii_alphanumeric() || ch == '-' || ch == '_';
        if self.id.is_empty() || !self.id.chars().all(is_plain) {
            c.refuse(format!("`cameras[{i}].id` is `{}`, expected letters, digits, - and _", self.id))?;
        }
        let key = |name: &str| format!("cameras[{i}].{name}");
        c.range(&key("height_m"), self.height_m, 1.0, 30.0)?;
        c.range(&key("pitch_deg"), self.pitch_deg, -10.0, 80.0)?;
        c.range(&key("view_deg"), self.view_deg, 15.0, 120.0)?;
        c.range(&key("width"), self.width as f32, 64.0, 3840.0)?;
        c.range(&key("height"), self.height as f32, 64.0, 2160.0)?;
        if self.width % 2 == 1 || self.height % 2 == 1 {
            c.refuse(format!("`cameras[{i}].width` and `height` are {} and {}, expected even numbers", self.width, self.height))?;
        }
        c.range(&key("distortion[0]"), self.distortion[0], -0.3, 0.3)?;
        c.range(&key("distortion[1]"), self.distortion[1], -0.1, 0.1)?;
        for (n, gain) in self.white_balance.iter().enumerate() {
            c.range(&key(&format!("white_balance[{n}]")), *gain, 0.5, 2.0)?;
        }
        c.range(&key("exposure"), self.exposure, 0.1, 4.0)?;
        c.range(&key("saturation"), self.saturation, 0.0, 2.0)?;
        c.range(&key("sharpen"), self.sharpen, 0.0, 2.0)?;
        c.range(&key("blur_px"), self.blur_px, 0.0, 5.0)?;
        c.range(&key("noise"), self.noise, 0.0, 0.2)?;
        c.range(&key("motion_blur_px"), self.motion_blur_px, 0.0, 20.0)?;
        c.range(&key("rain"), self.rain, 0.0, 0.3)?;
        c.range(&key("shrink"), self.shrink, 1.0, 8.0)?;
        c.range(&key("bitrate_kbps"), self.bitrate_kbps as f32, 50.0, 50_000.0)?;
        c.range(&key("dropped"), self.dropped, 0.0, 0.5)?;
        c.range(&key("clock_skew_ms"), self.clock_skew_ms, -60_000.0, 60_000.0)
    }
}
