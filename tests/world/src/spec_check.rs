//! What scene files may say: every key with its range.

use crate::error::{Error, Result};
use crate::spec::{Camera, FURNITURE, Scene};

/// A scene file being checked.
pub(crate) struct Check<'a> {
    /// Stands in errors.
    pub(crate) file: &'a str,
}

impl Check<'_> {
    fn range(&self, key: &str, value: f32, low: f32, high: f32) -> Result<()> {
        if value.is_finite() && (low..=high).contains(&value) {
            return Ok(());
        }
        self.refuse(format!("`{key}` is {value}, expected {low} to {high}"))
    }

    fn refuse(&self, what: String) -> Result<()> {
        Err(Error::Scene {
            file: self.file.to_owned(),
            what,
        })
    }

    fn colour(&self, key: &str, rgb: [f32; 3]) -> Result<()> {
        for (n, c) in rgb.iter().enumerate() {
            self.range(&format!("{key}.rgb[{n}]"), *c, 0.0, 255.0)?;
        }
        Ok(())
    }

    fn inside(&self, key: &str, p: [f32; 2], size: [f32; 2], margin: f32) -> Result<()> {
        self.range(&format!("{key}[0]"), p[0], 0.0 - margin, size[0] + margin)?;
        self.range(&format!("{key}[1]"), p[1], 0.0 - margin, size[1] + margin)
    }
}

impl Scene {
    pub(crate) fn check(&self, c: &Check<'_>) -> Result<()> {
        c.range("duration_s", self.duration_s, 1.0, 3600.0)?;
        c.range("fps", self.fps, 1.0, 60.0)?;
        if self.start.parse::<jiff::Timestamp>().is_err() {
            c.refuse(format!(
                "`start` is `{}`, expected a time like 2026-03-02T09:00:00Z",
                self.start
            ))?;
        }
        c.range("difficulty", self.difficulty, 0.0, 1.0)?;
        c.range("sun_azimuth_deg", self.sun_azimuth_deg, -360.0, 360.0)?;
        c.colour("plan", self.plan.rgb)?;
        let size = self.plan.size_m;
        c.range("plan.size_m[0]", size[0], 4.0, 200.0)?;
        c.range("plan.size_m[1]", size[1], 4.0, 200.0)?;
        for (i, w) in self.walls.iter().enumerate() {
            c.inside(&format!("walls[{i}].from"), w.from, size, 60.0)?;
            c.inside(&format!("walls[{i}].to"), w.to, size, 60.0)?;
            c.range(&format!("walls[{i}].height_m"), w.height_m, 0.1, 60.0)?;
            c.range(
                &format!("walls[{i}].thickness_m"),
                w.thickness_m,
                0.02,
                30.0,
            )?;
            c.colour(&format!("walls[{i}]"), w.rgb)?;
        }
        for (i, a) in self.areas.iter().enumerate() {
            c.inside(&format!("areas[{i}].at"), a.at, size, 60.0)?;
            c.range(&format!("areas[{i}].size_m[0]"), a.size_m[0], 0.02, 400.0)?;
            c.range(&format!("areas[{i}].size_m[1]"), a.size_m[1], 0.02, 400.0)?;
            c.range(&format!("areas[{i}].turn_deg"), a.turn_deg, -360.0, 360.0)?;
            c.colour(&format!("areas[{i}]"), a.rgb)?;
        }
        for (i, f) in self.furniture.iter().enumerate() {
            if !FURNITURE.contains(&f.kind.as_str()) {
                c.refuse(format!(
                    "`furniture[{i}].kind` is `{}`, expected one of {}",
                    f.kind,
                    FURNITURE.join(", ")
                ))?;
            }
            c.inside(&format!("furniture[{i}].at"), f.at, size, 60.0)?;
            c.range(
                &format!("furniture[{i}].turn_deg"),
                f.turn_deg,
                -360.0,
                360.0,
            )?;
        }
        if self.gates.len() < 2 {
            c.refuse(format!(
                "`gates` has {}, expected at least 2",
                self.gates.len()
            ))?;
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
            c.refuse(format!(
                "`people.sitting` is {}, expected at most the {benches} benches and the {} people",
                p.sitting, p.count
            ))?;
        }
        if self.cameras.is_empty() {
            c.refuse("`cameras` is empty, expected at least one".to_owned())?;
        }
        for (i, k) in self.cameras.iter().enumerate() {
            k.check(c, i)?;
            c.inside(&format!("cameras[{i}].at"), k.at, size, 60.0)?;
            if self.cameras[..i].iter().any(|other| other.id == k.id) {
                c.refuse(format!(
                    "`cameras[{i}].id` is `{}` again, expected every id once",
                    k.id
                ))?;
            }
        }
        Ok(())
    }
}

impl Camera {
    fn check(&self, c: &Check<'_>, i: usize) -> Result<()> {
        let is_plain = |ch: char| ch.is_ascii_alphanumeric() || ch == '-' || ch == '_';
        if self.id.is_empty() || !self.id.chars().all(is_plain) {
            c.refuse(format!(
                "`cameras[{i}].id` is `{}`, expected letters, digits, - and _",
                self.id
            ))?;
        }
        let key = |name: &str| format!("cameras[{i}].{name}");
        c.range(&key("height_m"), self.height_m, 1.0, 30.0)?;
        c.range(&key("yaw_deg"), self.yaw_deg, -360.0, 360.0)?;
        c.range(&key("pitch_deg"), self.pitch_deg, -10.0, 80.0)?;
        c.range(&key("view_deg"), self.view_deg, 15.0, 120.0)?;
        c.range(&key("width"), self.width as f32, 64.0, 3840.0)?;
        c.range(&key("height"), self.height as f32, 64.0, 2160.0)?;
        if self.width % 2 == 1 || self.height % 2 == 1 {
            c.refuse(format!(
                "`cameras[{i}].width` and `height` are {} and {}, expected even numbers",
                self.width, self.height
            ))?;
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
        c.range(
            &key("bitrate_kbps"),
            self.bitrate_kbps as f32,
            50.0,
            50_000.0,
        )?;
        c.range(&key("dropped"), self.dropped, 0.0, 0.5)?;
        c.range(
            &key("clock_skew_ms"),
            self.clock_skew_ms,
            -60_000.0,
            60_000.0,
        )
    }
}
