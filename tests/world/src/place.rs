//! A place: ground, walls and clutter, seen by casting rays.

use crate::light::Light;
use crate::math::{V3, add, cross, dot, mix, scale, sub, unit};
use crate::texture::Surface;

/// A solid that stands in the place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Solid {
    /// Its form.
    pub form: Form,
    /// Its surface.
    pub surface: Surface,
    /// Whether people must walk round it.
    pub blocks: bool,
}

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

/// An area of ground with a surface of its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Patch {
    /// Centre on the plan.
    pub centre: [f32; 2],
    /// Half sizes before the turn.
    pub half: [f32; 2],
    /// Turn, radians.
    pub turn: f32,
    /// Surface.
    pub surface: Surface,
}

/// A whole place.
#[derive(Debug, Clone)]
pub struct Place {
    /// The ground where no patch lies.
    pub ground: Surface,
    /// Areas, later ones above earlier ones.
    pub patches: Vec<Patch>,
    /// Solids.
    pub solids: Vec<Solid>,
    /// Colour of the sky at the horizon, linear, exposed.
    pub horizon: V3,
    /// Light.
    pub light: Light,
}

/// What a ray meets.
#[derive(Debug, Clone, Copy)]
pub struct Hit {
    /// Parameter along the ray.
    pub t: f32,
    /// Normal.
    pub normal: V3,
    /// Coordinates along the surface.
    pub uv: [f32; 2],
    /// Which solid; none for the ground.
    pub solid: Option<usize>,
}

/// One pixel of a place.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen {
    /// Linear colour, exposed.
    pub colour: V3,
    /// Parameter along the ray: the depth for rays of a camera.
    pub depth: f32,
    /// Where.
    pub point: V3,
    /// Share of the sun that falls here, times what the sun adds to the colour: what a shadow takes away.
    pub sun_share: f32,
}

/// Depth of the sky.
pub const SKY: f32 = 1e6;

impl Form {
    /// The nearest meeting of a ray with this form, beyond `t_min`.
    fn meet(&self, origin: V3, direction: V3, t_min: f32) -> Option<(f32, V3, [f32; 2])> {
        match *self {
            Self::Box { centre, half, turn } => {
                let (s, c) = turn.sin_cos();
                let into = |v: V3| [v[0] * c + v[1] * s, v[1] * c - v[0] * s, v[2]];
                let (o, d) = (into(sub(origin, centre)), into(direction));
                let (mut near, mut far, mut axis) = (f32::MIN, f32::MAX, 0);
                for i in 0..3 {
                    let inverse = 1.0 / if d[i].abs() < 1e-9 { 1e-9_f32.copysign(d[i]) } else { d[i] };
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
            Self::Cylinder { foot, radius, height } => {
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
            Self::Box { centre, half, .. } => ([centre[0], centre[1]], half[0].hypot(half[1])),
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
                let (a, b) = ((x * c + y * s).abs() - half[0], (y * c - x * s).abs() - half[1]);
                a.max(0.0).hypot(b.max(0.0)) + a.max(b).min(0.0)
            }
            Self::Cylinder { foot, radius, .. } => (p[0] - foot[0]).hypot(p[1] - foot[1]) - radius,
            Self::Ball { centre, half } => (p[0] - centre[0]).hypot(p[1] - centre[1]) - half[0].max(half[1]),
        }
    }

    /// A ball round the form, to pass over it quickly.
    fn ball(&self) -> (V3, f32) {
        match *self {
            Self::Box { centre, half, .. } => (centre, dot(half, half).sqrt()),
            Self::Cylinder { foot, radius, height } => (add(foot, [0.0, 0.0, height / 2.0]), radius.hypot(height / 2.0)),
            Self::Ball { centre, half } => (centre, half[0].max(half[1]).max(half[2])),
        }
    }
}

impl Place {
    /// What a ray meets first.
    #[must_use]
    pub fn meet(&self, origin: V3, direction: V3, t_min: f32) -> Option<Hit> {
        let mut best: Option<Hit> = None;
        if direction[2] < -1e-6 {
            let t = -origin[2] / direction[2];
            if t > t_min {
                let p = add(origin, scale(direction, t));
                best = Some(Hit { t, normal: [0.0, 0.0, 1.0], uv: [p[0], p[1]], solid: None });
            }
        }
        let squared = dot(direction, direction);
        for (number, solid) in self.solids.iter().enumerate() {
            let (centre, radius) = solid.form.ball();
            let to = sub(centre, origin);
            let along = dot(to, direction) / squared;
            let off = sub(to, scale(direction, along));
            if dot(off, off) > radius * radius || (along < 0.0 && dot(to, to) > radius * radius) {
                continue;
            }
            if let Some((t, normal, uv)) = solid.form.meet(origin, direction, t_min)
                && best.is_none_or(|b| t < b.t)
            {
                best = Some(Hit { t, normal, uv, solid: Some(number) });
            }
        }
        best
    }

    /// Whether the sun reaches a point.
    #[must_use]
    pub fn sunlit(&self, point: V3) -> bool {
        let from = add(point, scale(self.light.towards, 0.02));
        self.meet(from, self.light.towards, 1e-3).is_none()
    }

    /// The colour of what a camera's ray meets.
    #[must_use]
    pub fn see(&self, origin: V3, direction: V3) -> Seen {
        let light = &self.light;
        let Some(hit) = self.meet(origin, direction, 0.05) else {
            let height = unit(direction)[2].max(0.0);
            let blue = [0.75, 0.88, 1.08];
            let colour = mix(self.horizon, std::array::from_fn(|i| self.horizon[i] * blue[i]), (height * 2.0).min(1.0));
            return Seen { colour, depth: SKY, point: add(origin, scale(direction, 1e3)), sun_share: 0.0 };
        };
        let point = add(origin, scale(direction, hit.t));
        let albedo = match hit.solid {
            Some(number) => self.solids[number].surface.at(hit.uv[0], hit.uv[1], point, hit.normal),
            None => self.ground_at([point[0], point[1]]),
        };
        let facing = dot(hit.normal, light.towards).max(0.0);
        let sun = if facing > 0.0 && self.sunlit(add(point, scale(hit.normal, 0.01))) { facing } else { 0.0 };
        let up = 0.5 + 0.5 * hit.normal[2];
        // Corners are darker: near the ground for walls, near solids for the ground.
        let mut open: f32 = if hit.solid.is_some() { 0.62 + 0.38 * (point[2] / 0.9).clamp(0.0, 1.0) } else { 1.0 };
        if hit.solid.is_none() {
            for solid in self.solids.iter().filter(|s| s.form.ball().0[2] - s.form.ball().1 < 0.6) {
                let d = solid.form.distance([point[0], point[1]]);
                if d < 0.7 {
                    open = open.min(0.55 + 0.45 * (d / 0.7).clamp(0.0, 1.0));
                }
            }
        }
        let mut share = 0.0;
        let colour = std::array::from_fn(|i| {
            let ambient = (light.ground[i] * (1.0 - up) + light.sky[i] * up) * open;
            let direct = light.sun[i] * sun;
            share += direct / (ambient + direct).max(1e-6) / 3.0;
            albedo[i] * (ambient + direct) * light.exposure
        });
        // Far things fade a little into the horizon.
        let fade = (hit.t / 220.0).min(0.5);
        Seen { colour: mix(colour, self.horizon, fade), depth: hit.t, point, sun_share: share }
    }

    fn ground_at(&self, p: [f32; 2]) -> V3 {
        for patch in self.patches.iter().rev() {
            let (s, c) = patch.turn.sin_cos();
            let (x, y) = (p[0] - patch.centre[0], p[1] - patch.centre[1]);
            let (u, v) = (x * c + y * s, y * c - x * s);
            if u.abs() <= patch.half[0] && v.abs() <= patch.half[1] {
                return patch.surface.at(u, v, [p[0], p[1], 0.0], [0.0, 0.0, 1.0]);
            }
        }
        self.ground.at(p[0], p[1], [p[0], p[1], 0.0], [0.0, 0.0, 1.0])
    }

    /// The nearest solid that blocks the way: distance on the plan.
    #[must_use]
    pub fn clearance(&self, p: [f32; 2]) -> f32 {
        self.solids.iter().filter(|s| s.blocks).map(|s| s.form.distance(p)).fold(f32::MAX, f32::min)
    }
}

/// The direction across a form's side: used to lay things along walls.
#[must_use]
pub fn across(direction: V3) -> V3 {
    unit(cross(direction, [0.0, 0.0, 1.0]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::light::Weather;
    use crate::texture::Finish;

    fn place(form: Form) -> Place {
        let surface = Surface::new(Finish::Paint, [200.0; 3], 0.0);
        Place {
            ground: surface,
            patches: vec![],
            solids: vec![Solid { form, surface, blocks: true }],
            horizon: [0.8; 3],
            light: Weather::Sunny.light(0.0),
        }
    }

    #[test]
    fn a_box_stops_a_ray_at_its_face() {
        let p = place(Form::Box { centre: [5.0, 0.0, 1.0], half: [1.0, 1.0, 1.0], turn: 0.0 });
        let hit = p.meet([0.0, 0.0, 1.0], [1.0, 0.0, 0.0], 0.0).unwrap();
        assert!((hit.t - 4.0).abs() < 1e-5 && hit.normal[0] < -0.99);
        assert!((p.clearance([3.0, 0.0]) - 1.0).abs() < 1e-5 && p.clearance([5.0, 0.0]) < 0.0);
    }

    #[test]
    fn a_cylinder_throws_a_shadow() {
        let p = place(Form::Cylinder { foot: [0.0; 3], radius: 0.5, height: 4.0 });
        assert!(!p.sunlit([-1.0, 0.0, 0.0]) && p.sunlit([1.0, 0.0, 0.0]));
    }
}
