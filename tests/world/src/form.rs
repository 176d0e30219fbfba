//! Forms of solids: where rays meet them, and how near one can walk.

use crate::math::{V3, add, dot, scale, sub, unit};

/// Forms of solids, metres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Form {
    /// A box turned about the vertical.
    Box {
        /// Centre.
        centre: V3,
        /// Half sizes before the turn.
        half: V3,
        /// Turn, radians.
        turn: f32,
    },
    /// An upright cylinder.
    Cylinder {
        /// Foot.
        foot: V3,
        /// Radius.
        radius: f32,
        /// Height.
        height: f32,
    },
    /// An ellipsoid.
    Ball {
        /// Centre.
        centre: V3,
        /// Half sizes.
        half: V3,
    },
}

impl Form {
    /// The nearest meeting of a ray with this form, beyond `t_min`.
    pub(crate) fn meet(
        &self,
        origin: V3,
        direction: V3,
        t_min: f32,
    ) -> Option<(f32, V3, [f32; 2])> {
        match *self {
            Self::Box { centre, half, turn } => {
                let (s, c) = turn.sin_cos();
                let into = |v: V3| [v[0] * c + v[1] * s, v[1] * c - v[0] * s, v[2]];
                let (o, d) = (into(sub(origin, centre)), into(direction));
                let (mut near, mut far, mut axis) = (f32::MIN, f32::MAX, 0);
                for i in 0..3 {
                    let inverse = 1.0
                        / if d[i].abs() < 1e-9 {
                            1e-9_f32.copysign(d[i])
                        } else {
                            d[i]
                        };
                    let (a, b) = ((-half[i] - o[i]) * inverse, (half[i] - o[i]) * inverse);
                    let (a, b) = (a.min(b), a.max(b));
                    if a > near {
                        (near, axis) = (a, i);
                    }
                    far = far.min(b);
                }
                if near > far || near < t_min {
                    return None;
                }
                let p = add(o, scale(d, near));
                let mut n = [0.0; 3];
                n[axis] = -d[axis].signum();
                let normal = [n[0] * c - n[1] * s, n[0] * s + n[1] * c, n[2]];
                let uv = match axis {
                    0 => [p[1], p[2] + half[2]],
                    1 => [p[0], p[2] + half[2]],
                    _ => [p[0], p[1]],
                };
                Some((near, normal, uv))
            }
            Self::Cylinder {
                foot,
                radius,
                height,
            } => {
                let (ox, oy) = (origin[0] - foot[0], origin[1] - foot[1]);
                let a = direction[0] * direction[0] + direction[1] * direction[1];
                let b = ox * direction[0] + oy * direction[1];
                let c = ox * ox + oy * oy - radius * radius;
                let disc = b * b - a * c;
                if a < 1e-12 || disc < 0.0 {
                    return None;
                }
                let t = (-b - disc.sqrt()) / a;
                let z = origin[2] + t * direction[2] - foot[2];
                if t > t_min && (0.0..=height).contains(&z) {
                    let (x, y) = (ox + t * direction[0], oy + t * direction[1]);
                    return Some((t, [x / radius, y / radius, 0.0], [y.atan2(x) * radius, z]));
                }
                // The lid.
                if direction[2].abs() > 1e-9 {
                    let t = (foot[2] + height - origin[2]) / direction[2];
                    let (x, y) = (ox + t * direction[0], oy + t * direction[1]);
                    if t > t_min && direction[2] < 0.0 && x * x + y * y <= radius * radius {
                        return Some((t, [0.0, 0.0, 1.0], [x, y]));
                    }
                }
                None
            }
            Self::Ball { centre, half } => {
                let o: V3 = std::array::from_fn(|i| (origin[i] - centre[i]) / half[i]);
                let d: V3 = std::array::from_fn(|i| direction[i] / half[i]);
                let (a, b, c) = (dot(d, d), dot(o, d), dot(o, o) - 1.0);
                let disc = b * b - a * c;
                if disc < 0.0 {
                    return None;
                }
                let t = (-b - disc.sqrt()) / a;
                if t < t_min {
                    return None;
                }
                let p = add(o, scale(d, t));
                let normal = unit(std::array::from_fn(|i| p[i] / half[i]));
                Some((t, normal, [p[0] * half[0], p[2] * half[2]]))
            }
        }
    }

    /// A circle on the plan that holds the form: centre and radius.
    #[must_use]
    pub fn footprint(&self) -> ([f32; 2], f32) {
        match *self {
            Self::Box { centre, half, .. } => (
                [centre[0], centre[1]],
                (half[0] * half[0] + half[1] * half[1]).sqrt(),
            ),
            Self::Cylinder { foot, radius, .. } => ([foot[0], foot[1]], radius),
            Self::Ball { centre, half } => ([centre[0], centre[1]], half[0].max(half[1])),
        }
    }

    /// Distance on the plan from a point to the form, negative inside.
    #[must_use]
    pub fn distance(&self, p: [f32; 2]) -> f32 {
        match *self {
            Self::Box { centre, half, turn } => {
                let (s, c) = turn.sin_cos();
                let (x, y) = (p[0] - centre[0], p[1] - centre[1]);
                let (a, b) = (
                    (x * c + y * s).abs() - half[0],
                    (y * c - x * s).abs() - half[1],
                );
                let (out_a, out_b) = (a.max(0.0), b.max(0.0));
                (out_a * out_a + out_b * out_b).sqrt() + a.max(b).min(0.0)
            }
            Self::Cylinder { foot, radius, .. } => flat(p, foot) - radius,
            Self::Ball { centre, half } => flat(p, centre) - half[0].max(half[1]),
        }
    }

    /// A ball round the form, to pass over it quickly.
    pub(crate) fn ball(&self) -> (V3, f32) {
        match *self {
            Self::Box { centre, half, .. } => (centre, dot(half, half).sqrt()),
            Self::Cylinder {
                foot,
                radius,
                height,
            } => (
                add(foot, [0.0, 0.0, height / 2.0]),
                radius.hypot(height / 2.0),
            ),
            Self::Ball { centre, half } => (centre, half[0].max(half[1]).max(half[2])),
        }
    }
}

/// Distance on the plan.
fn flat(p: [f32; 2], q: V3) -> f32 {
    let (x, y) = (p[0] - q[0], p[1] - q[1]);
    (x * x + y * y).sqrt()
}
