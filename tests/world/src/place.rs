//! A place: ground, walls and clutter, seen by casting rays.

use crate::form::Form;
use crate::light::Light;
use crate::math::{V3, add, dot, mix, scale, unit};
use crate::sieve::{CORNER_M, Sieve};
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

impl Place {
    /// What a ray meets first.
    #[must_use]
    pub fn meet(&self, origin: V3, direction: V3, t_min: f32) -> Option<Hit> {
        self.first(&Sieve::open(self).seen, origin, direction, t_min)
    }

    /// Whether the sun reaches a point.
    #[must_use]
    pub fn sunlit(&self, point: V3) -> bool {
        !self.is_shaded(&Sieve::open(self).shading, point)
    }

    /// The colour of what a camera's ray meets, or of the sky.
    pub(crate) fn appear(
        &self,
        sieve: &Sieve,
        origin: V3,
        direction: V3,
        hit: Option<Hit>,
    ) -> Seen {
        let light = &self.light;
        let Some(hit) = hit else {
            let height = unit(direction)[2].max(0.0);
            let blue = [0.75, 0.88, 1.08];
            let colour = mix(
                self.horizon,
                std::array::from_fn(|i| self.horizon[i] * blue[i]),
                (height * 2.0).min(1.0),
            );
            return Seen {
                colour,
                depth: SKY,
                point: add(origin, scale(direction, 1e3)),
                sun_share: 0.0,
            };
        };
        let point = add(origin, scale(direction, hit.t));
        let albedo = match hit.solid {
            Some(number) => self.solids[number]
                .surface
                .at(hit.uv[0], hit.uv[1], point, hit.normal),
            None => self.ground_at([point[0], point[1]]),
        };
        let facing = dot(hit.normal, light.towards).max(0.0);
        let sun = if facing > 0.0
            && !self.is_shaded(&sieve.shading, add(point, scale(hit.normal, 0.01)))
        {
            facing
        } else {
            0.0
        };
        let up = 0.5 + 0.5 * hit.normal[2];
        // Corners are darker: near the ground for walls, near solids for the ground.
        let mut open: f32 = if hit.solid.is_some() {
            0.62 + 0.38 * (point[2] / 0.9).clamp(0.0, 1.0)
        } else {
            1.0
        };
        if hit.solid.is_none() {
            for foot in &sieve.feet {
                let (dx, dy) = (point[0] - foot.centre[0], point[1] - foot.centre[1]);
                if dx * dx + dy * dy > foot.squared {
                    continue;
                }
                let form = &self.solids[foot.number].form;
                let d = form.distance([point[0], point[1]]);
                if d < CORNER_M {
                    open = open.min(0.55 + 0.45 * (d / CORNER_M).clamp(0.0, 1.0));
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
        Seen {
            colour: mix(colour, self.horizon, fade),
            depth: hit.t,
            point,
            sun_share: share,
        }
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
        self.ground
            .at(p[0], p[1], [p[0], p[1], 0.0], [0.0, 0.0, 1.0])
    }

    /// The nearest solid that blocks the way: distance on the plan.
    #[must_use]
    pub fn clearance(&self, p: [f32; 2]) -> f32 {
        self.solids
            .iter()
            .filter(|s| s.blocks)
            .map(|s| s.form.distance(p))
            .fold(f32::MAX, f32::min)
    }
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
            solids: vec![Solid {
                form,
                surface,
                blocks: true,
            }],
            horizon: [0.8; 3],
            light: Weather::Sunny.light(0.0),
        }
    }

    #[test]
    fn a_box_stops_a_ray_at_its_face() {
        let p = place(Form::Box {
            centre: [5.0, 0.0, 1.0],
            half: [1.0, 1.0, 1.0],
            turn: 0.0,
        });
        let hit = p.meet([0.0, 0.0, 1.0], [1.0, 0.0, 0.0], 0.0).unwrap();
        assert!((hit.t - 4.0).abs() < 1e-5 && hit.normal[0] < -0.99);
        assert!((p.clearance([3.0, 0.0]) - 1.0).abs() < 1e-5 && p.clearance([5.0, 0.0]) < 0.0);
    }

    #[test]
    fn a_cylinder_throws_a_shadow() {
        let p = place(Form::Cylinder {
            foot: [0.0; 3],
            radius: 0.5,
            height: 4.0,
        });
        assert!(!p.sunlit([-1.0, 0.0, 0.0]) && p.sunlit([1.0, 0.0, 0.0]));
    }
}
