//! Light of a place: sun, sky, ground, and how much of it the camera takes.

use crate::math::{V3, unit};

/// One lighting. Colours are linear; `exposure` lets a white garment on an upright body land near 0.85.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Light {
    /// Towards the sun (or the lamp).
    pub towards: V3,
    /// Sun.
    pub sun: V3,
    /// From above.
    pub sky: V3,
    /// From below.
    pub ground: V3,
    /// Factor of the camera.
    pub exposure: f32,
}

/// Kinds of light.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weather {
    /// Clear sky at midday.
    Sunny,
    /// Overcast.
    Cloudy,
    /// Low sun.
    Warm,
    /// Lamps of a hall.
    Indoor,
    /// Street lamps.
    Night,
}

impl Weather {
    /// All kinds.
    pub const ALL: [Self; 5] = [
        Self::Sunny,
        Self::Cloudy,
        Self::Warm,
        Self::Indoor,
        Self::Night,
    ];

    /// The light of this weather with the sun at `azimuth` (radians from +x to +y).
    #[must_use]
    pub fn light(self, azimuth: f32) -> Light {
        let (height, sun, sky, ground, exposure) = match self {
            Self::Sunny => (
                1.07_f32,
                [2.0, 1.88, 1.68],
                [0.78, 0.86, 1.02],
                [0.52, 0.49, 0.45],
                0.72,
            ),
            Self::Cloudy => (
                1.28,
                [0.5, 0.5, 0.5],
                [1.0, 1.04, 1.10],
                [0.46, 0.45, 0.43],
                1.04,
            ),
            Self::Warm => (
                0.5,
                [2.1, 1.65, 1.2],
                [0.78, 0.80, 0.88],
                [0.52, 0.47, 0.42],
                0.70,
            ),
            Self::Indoor => (
                1.4,
                [0.8, 0.77, 0.70],
                [0.85, 0.82, 0.78],
                [0.52, 0.50, 0.46],
                1.14,
            ),
            Self::Night => (
                1.15,
                [1.1, 0.92, 0.62],
                [0.20, 0.22, 0.30],
                [0.18, 0.16, 0.14],
                1.05,
            ),
        };
        let (s, c) = azimuth.sin_cos();
        let towards = unit([c * height.cos(), s * height.cos(), height.sin()]);
        Light {
            towards,
            sun,
            sky,
            ground,
            exposure,
        }
    }
}

/// Linear light to sRGB 0..1 with a soft knee at 0.8, by table.
#[derive(Debug)]
pub struct Tone(Vec<f32>);

impl Default for Tone {
    fn default() -> Self {
        let curve = |root: f32| {
            let light = root * root;
            let l = if light > 0.8 {
                0.8 + 0.2 * (1.0 - (-(light - 0.8) / 0.2).exp())
            } else {
                light
            };
            if l <= 0.003_130_8 {
                12.92 * l
            } else {
                1.055 * l.powf(1.0 / 2.4) - 0.055
            }
        };
        Self((0..=2049).map(|i| curve(i as f32 / 1024.0)).collect())
    }
}

impl Tone {
    /// sRGB of a linear value; above 4 it stays white.
    #[inline]
    #[must_use]
    pub fn map(&self, light: f32) -> f32 {
        let x = light.clamp(0.0, 4.0).sqrt() * 1024.0;
        let i = x as usize;
        let t = x - i as f32;
        self.0[i] + (self.0[i + 1] - self.0[i]) * t
    }
}
