//! What grounds, walls and street furniture look like.

use crate::material::linear;
use crate::math::{V3, lerp};
use crate::noise::noise;

/// Kinds of surface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finish {
    /// Dark, fine-grained.
    Asphalt,
    /// Slabs with joints.
    Paving,
    /// Lawn.
    Grass,
    /// Large tiles of a hall.
    Tiles,
    /// Brick wall.
    Brick,
    /// Bare concrete.
    Concrete,
    /// Painted wall with windows.
    Windows,
    /// Smooth paint.
    Paint,
    /// Hedge or crown of a tree.
    Foliage,
    /// Planks.
    Wood,
}

/// A surface with its colour, sRGB 0..255.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Surface {
    /// Kind.
    pub finish: Finish,
    /// Main colour, linear.
    pub colour: V3,
    /// Shifts the noise.
    pub seed: f32,
}

impl Surface {
    /// A surface of one sRGB colour.
    #[must_use]
    pub fn new(finish: Finish, rgb: [f32; 3], seed: f32) -> Self {
        Self {
            finish,
            colour: linear(rgb),
            seed,
        }
    }

    /// The linear colour at `p` (metres) with coordinates `u, v` along the surface and normal `n`.
    #[must_use]
    pub fn at(&self, u: f32, v: f32, p: V3, n: V3) -> V3 {
        let s = self.seed;
        let grain = |f: f32| noise(u * f + s, v * f, s * 0.37 + n[2]);
        let broad = 0.88 + 0.24 * grain(0.7);
        let k = match self.finish {
            Finish::Asphalt => {
                broad * (0.86 + 0.28 * grain(38.0)) * lerp(1.0, 0.8, smooth_spot(grain(0.31)))
            }
            Finish::Paving => {
                let (i, j) = ((u / 0.6).floor(), (v / 0.6).floor());
                let (a, b) = (u / 0.6 - i, v / 0.6 - j);
                let joint = if a < 0.035 || b < 0.035 { 0.68 } else { 1.0 };
                let slab = 0.9 + 0.2 * noise(i * 1.7 + s + 0.5, j * 1.7 + 0.5, 0.5);
                joint * slab * (0.93 + 0.14 * grain(21.0)) * broad
            }
            Finish::Tiles => {
                let (a, b) = ((u / 1.2).rem_euclid(1.0), (v / 1.2).rem_euclid(1.0));
                let joint = if a < 0.012 || b < 0.012 { 0.75 } else { 1.0 };
                joint * (0.97 + 0.06 * grain(9.0)) * lerp(0.95, 1.05, grain(0.5))
            }
            Finish::Grass => broad * (0.62 + 0.76 * grain(16.0)) * (0.85 + 0.3 * grain(3.0)),
            Finish::Brick => {
                let row = (v / 0.085).floor();
                let shift = if row.rem_euclid(2.0) < 1.0 { 0.0 } else { 0.5 };
                let x = u / 0.25 + shift;
                let (a, b) = (x - x.floor(), v / 0.085 - row);
                if a < 0.05 || b < 0.14 {
                    1.35
                } else {
                    0.8 + 0.4 * noise(x.floor() * 1.3 + s + 0.5, row * 1.3 + 0.5, 0.5)
                }
            }
            Finish::Concrete => broad * (0.92 + 0.16 * grain(14.0)),
            Finish::Windows => {
                let (a, b) = ((u / 2.4).rem_euclid(1.0), (p[2] / 3.0).rem_euclid(1.0));
                if (0.2..0.8).contains(&a) && (0.3..0.82).contains(&b) {
                    let is_frame = !(0.23..0.77).contains(&a)
                        || !(0.34..0.79).contains(&b)
                        || (a - 0.5).abs() < 0.012;
                    if is_frame {
                        1.5
                    } else {
                        0.16 + 0.2
                            * noise((u / 2.4).floor() + s, (p[2] / 3.0).floor() + 0.5, b * 1.5)
                    }
                } else {
                    0.95 + 0.1 * grain(6.0)
                }
            }
            Finish::Paint => 0.98 + 0.04 * grain(3.0),
            Finish::Foliage => {
                0.45 + 0.9
                    * noise(p[0] * 9.0 + s, p[1] * 9.0, p[2] * 9.0)
                    * (0.6 + 0.6 * noise(p[0] * 2.0, p[1] * 2.0 + s, p[2] * 2.0))
            }
            Finish::Wood => {
                let gap = if (v / 0.12).rem_euclid(1.0) < 0.1 {
                    0.45
                } else {
                    1.0
                };
                gap * (0.85 + 0.3 * noise(u * 1.5, v * 22.0, s))
            }
        };
        self.colour.map(|c| c * k)
    }
}

fn smooth_spot(x: f32) -> f32 {
    crate::math::smooth(0.62, 0.75, x)
}
