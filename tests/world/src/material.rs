//! What surfaces look like: weave, pattern, folds, and which part of the person they are.

use crate::math::V3;
use crate::noise::{noise, noise_gradient};

/// What a surface belongs to: the person's part map is made of these.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Face, hands, bare limbs.
    Skin,
    /// Hair of the head.
    Hair,
    /// Outer garment of the upper body, or a dress as a whole.
    Top,
    /// What an open jacket or suit shows below.
    Inner,
    /// Trousers, skirt, shorts.
    Bottom,
    /// Socks and tights.
    Socks,
    /// Shoes.
    Shoes,
    /// Backpack with its straps.
    Backpack,
    /// Bag worn over a shoulder.
    ShoulderBag,
    /// Bag in a hand.
    HandBag,
    /// Wheeled suitcase.
    Suitcase,
    /// Umbrella.
    Umbrella,
    /// Cap or hat.
    Hat,
    /// Scarf.
    Scarf,
    /// Glasses.
    Glasses,
    /// Hands.
    Hands,
}

/// How colour lies on a surface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pattern {
    /// One colour.
    #[default]
    Plain,
    /// Stripes round the body.
    Stripes,
    /// Stripes along the body.
    VerticalStripes,
    /// Checks.
    Checks,
    /// A print on the chest.
    Print,
    /// Strands of hair.
    Hair,
    /// Dots.
    Dots,
    /// The second colour below a line.
    Block,
    /// A seam down the front.
    Seam,
    /// Washed-out denim.
    Denim,
    /// Quilting.
    Quilted,
}

/// One surface. Colours are linear; lengths are decimetres of the canonical pose.
#[derive(Debug, Clone, Copy)]
pub struct Material {
    /// Which part.
    pub part: Part,
    /// Which pattern.
    pub pattern: Pattern,
    /// First colour.
    pub first: V3,
    /// Second colour.
    pub second: V3,
    /// Repeats a decimetre.
    pub frequency: f32,
    /// Share of the first colour's counterpart.
    pub duty: f32,
    /// Height of folds.
    pub bump: f32,
    /// Folds a decimetre.
    pub bump_frequency: f32,
    /// Shine.
    pub shine: f32,
    /// Closer to the camera by this much, so that what lies above wins over what lies below.
    pub bias: f32,
    /// Shifts the noise.
    pub seed: f32,
    /// Unevenness of the dye.
    pub mottle: f32,
    /// Centre height of a print or line; until a person is built, a fraction from pelvis to neck.
    pub line: f32,
    /// Half size of a print.
    pub radius: f32,
    /// Light that wraps round.
    pub wrap: f32,
    /// Half width of a front seam.
    pub seam: f32,
    /// Upper end of seam or wash, like `line`.
    pub top: f32,
    /// Lower end of the wash, like `line`.
    pub bottom: f32,
}

impl Material {
    /// A plain surface of one sRGB colour.
    #[must_use]
    pub fn plain(part: Part, rgb: [f32; 3]) -> Self {
        let colour = linear(rgb);
        Self {
            part,
            pattern: Pattern::Plain,
            first: colour,
            second: colour,
            frequency: 1.0,
            duty: 0.5,
            bump: 0.0,
            bump_frequency: 0.7,
            shine: 0.02,
            bias: 0.0,
            seed: 0.0,
            mottle: 0.0,
            line: 0.0,
            radius: 0.5,
            wrap: 0.0,
            seam: 0.0,
            top: 0.0,
            bottom: 0.0,
        }
    }

    /// The colour at canonical point `c` with canonical normal `n`.
    #[must_use]
    pub fn colour(&self, c: V3, n: V3) -> V3 {
        let across = if n[0].abs() > n[2].abs() { c[2] } else { c[0] };
        let cycle = |v: f32| {
            let f = v * self.frequency;
            f - f.floor()
        };
        let on = |is: bool| if is { 1.0_f32 } else { 0.0 };
        let t = match self.pattern {
            Pattern::Plain => 0.0,
            Pattern::Stripes => on(cycle(c[1]) < self.duty),
            Pattern::VerticalStripes => on(cycle(across) < self.duty),
            Pattern::Checks => {
                0.5 * on(cycle(c[1]) < self.duty) + 0.5 * on(cycle(across) < self.duty)
            }
            Pattern::Print => {
                let is_inside = n[2] > 0.2
                    && c[0].abs() < self.radius
                    && (c[1] - self.line).abs() < self.radius * 0.45;
                on(is_inside && noise(c[0] * 9.0 + self.seed, c[1] * 9.0, 3.0) > 0.35)
            }
            Pattern::Hair => {
                let strand = 0.6 * noise(c[0] * 14.0, c[1] * 1.2, c[2] * 14.0 + self.seed)
                    + 0.4 * noise(c[0] * 30.0, c[1] * 2.0, c[2] * 30.0);
                ((strand - 0.25) * 1.6).clamp(0.0, 1.0)
            }
            Pattern::Dots => {
                let (u, v) = (cycle(across) - 0.5, cycle(c[1]) - 0.5);
                on(u * u + v * v < self.duty * self.duty)
            }
            Pattern::Block => on(c[1] < self.line),
            Pattern::Seam => on(n[2] > 0.0 && c[0].abs() < self.seam && c[1] < self.top),
            Pattern::Denim => {
                let q = (c[1] - self.bottom) / (self.top - self.bottom + 1e-6);
                0.75 * (n[2].abs() * 1.6 - 0.5).clamp(0.0, 1.0)
                    * (1.2 - 2.4 * (q - 0.5).abs()).clamp(0.0, 1.0)
                    * (0.4 + noise(c[0] * 2.0 + self.seed, c[1] * 2.0, c[2] * 2.0)).clamp(0.0, 1.0)
            }
            Pattern::Quilted => {
                if cycle(c[1]) < 0.1 {
                    0.22
                } else {
                    0.0
                }
            }
        };
        let mut shade = 1.0;
        if self.mottle > 0.0 {
            let broad = noise(c[0] * 1.1 + self.seed, c[1] * 0.6, c[2] * 1.1);
            let fine = noise(c[0] * 13.0 + self.seed, c[1] * 13.0, c[2] * 13.0);
            shade -= self.mottle * (broad * 0.5 + fine * 0.5 - 0.5);
        }
        std::array::from_fn(|i| (self.first[i] * (1.0 - t) + self.second[i] * t) * shade)
    }

    /// The height of folds at a canonical point, and its gradient.
    #[must_use]
    pub fn folds(&self, c: V3) -> (f32, V3) {
        let (f, s) = (self.bump_frequency, self.seed);
        let [x, y, z] = c;
        if self.pattern == Pattern::Quilted {
            let q = (y * self.frequency).rem_euclid(1.0);
            let arch = (q * (1.0 - q)).max(1e-3).sqrt();
            let k = 1.1 * 2.0 * f / self.frequency / (self.bump + 0.01) * 0.9;
            let slope = k * (1.0 - 2.0 * q) / (2.0 * arch) * self.frequency;
            let (n, g) = noise_gradient(x * f * 2.0 + s, y * f, z * f * 2.0);
            let e = 0.5;
            return (
                k * arch + e * n,
                [
                    e * g[0] * f * 2.0,
                    slope.clamp(-6.0, 6.0) + e * g[1] * f,
                    e * g[2] * f * 2.0,
                ],
            );
        }
        let h = 0.5 * f;
        let (w, gw) = noise_gradient(x * h + s, y * h, z * h);
        let (w, gw) = (w * 1.2, [gw[0] * h * 1.2, gw[1] * h * 1.2, gw[2] * h * 1.2]);
        let mut value = 0.0;
        let mut slope = [0.0; 3];
        let (n, g) = noise_gradient(x * f * 1.2 + w + s, y * f * 0.5 + w, z * f * 1.2);
        value += 0.8 * n;
        let along_warp = g[0] + g[1];
        let own = [g[0] * f * 1.2, g[1] * f * 0.5, g[2] * f * 1.2];
        for i in 0..3 {
            slope[i] += 0.8 * (own[i] + along_warp * gw[i]);
        }
        let (n, g) = noise_gradient(x * f * 0.7 + y * f * 0.5 + s, y * f * 2.2 + w, z * f * 0.7);
        value += 0.45 * n;
        let own = [
            g[0] * f * 0.7,
            g[0] * f * 0.5 + g[1] * f * 2.2,
            g[2] * f * 0.7,
        ];
        for i in 0..3 {
            slope[i] += 0.45 * (own[i] + g[1] * gw[i]);
        }
        let k = f * 3.4;
        let (n, g) = noise_gradient(x * k, y * k + s, z * k);
        value += 0.18 * n;
        for i in 0..3 {
            slope[i] += 0.18 * g[i] * k;
        }
        (value, slope)
    }
}

/// sRGB 0..255 to linear 0..1.
#[must_use]
pub fn linear(rgb: [f32; 3]) -> V3 {
    rgb.map(|v| {
        let c = v / 255.0;
        if c <= 0.04045 {
            c / 12.92
        } else {
            ((c + 0.055) / 1.055).powf(2.4)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_of_folds_agrees_with_differences() {
        for pattern in [Pattern::Plain, Pattern::Quilted] {
            let mut m = Material::plain(Part::Top, [120.0; 3]);
            (m.pattern, m.bump, m.seed) = (pattern, 0.3, 7.3);
            let c = [0.83, 2.31, -0.42];
            let (_, g) = m.folds(c);
            for axis in 0..3 {
                let (mut a, mut b) = (c, c);
                a[axis] += 2e-3;
                b[axis] -= 2e-3;
                let d = (m.folds(a).0 - m.folds(b).0) / 4e-3;
                assert!(
                    (g[axis] - d).abs() < 0.02 + 0.02 * d.abs(),
                    "{pattern:?} axis {axis}: {} against {d}",
                    g[axis]
                );
            }
        }
    }

    #[test]
    fn white_is_one_and_black_is_zero() {
        assert_eq!(linear([0.0; 3]), [0.0; 3]);
        assert!((linear([255.0; 3])[1] - 1.0).abs() < 1e-5);
    }
}
