//! What of a place can matter to one view: solids it may show, solids whose shadows it may show, solids that stand on ground it shows.

use crate::lens::View;
use crate::math::{V3, dot, scale, sub, unit};
use crate::place::{Hit, Place};

/// A ball round a solid.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ball {
    pub(crate) centre: V3,
    pub(crate) squared: f32,
    pub(crate) number: usize,
}

/// A circle on the plan round a solid that blocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Foot {
    pub(crate) centre: [f32; 2],
    pub(crate) squared: f32,
    pub(crate) number: usize,
}

/// How near to a solid the ground is darker, metres.
pub(crate) const CORNER_M: f32 = 0.7;

/// The solids that pass.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sieve {
    pub(crate) seen: Vec<Ball>,
    pub(crate) shading: Vec<Ball>,
    pub(crate) feet: Vec<Foot>,
}

fn balls(place: &Place) -> impl Iterator<Item = (Ball, f32)> + '_ {
    place.solids.iter().enumerate().map(|(number, solid)| {
        let (centre, radius) = solid.form.ball();
        let squared = radius * radius;
        (
            Ball {
                centre,
                squared,
                number,
            },
            radius,
        )
    })
}

fn feet(place: &Place) -> impl Iterator<Item = Foot> + '_ {
    let blocking = place.solids.iter().enumerate().filter(|(_, s)| s.blocks);
    blocking.map(|(number, solid)| {
        let (centre, reach) = solid.form.footprint();
        Foot {
            centre,
            squared: (reach + CORNER_M) * (reach + CORNER_M),
            number,
        }
    })
}

impl Sieve {
    /// Lets everything pass.
    pub(crate) fn open(place: &Place) -> Self {
        let all: Vec<Ball> = balls(place).map(|(b, _)| b).collect();
        Self {
            seen: all.clone(),
            shading: all,
            feet: feet(place).collect(),
        }
    }

    /// Keeps what a view may show; what shades it is not known yet.
    pub(crate) fn before(place: &Place, view: &View) -> Self {
        let (w, h) = (view.width as f32, view.height as f32);
        let axis = unit(view.ray(w / 2.0, h / 2.0));
        let corners = [(0.0, 0.0), (w, 0.0), (0.0, h), (w, h)];
        let least = corners
            .iter()
            .map(|(u, v)| dot(unit(view.ray(*u, *v)), axis))
            .fold(1.0, f32::min);
        // A little wider than the corners: a lens may bend outwards between them.
        let half = least.clamp(-1.0, 1.0).acos() * 1.05 + 0.01;
        let seen = balls(place)
            .filter(|(ball, radius)| {
                let to = sub(ball.centre, view.eye);
                let far = dot(to, to).sqrt();
                far <= *radius
                    || (dot(to, axis) / far).clamp(-1.0, 1.0).acos()
                        <= half + (radius / far).min(1.0).asin()
            })
            .map(|(ball, _)| ball)
            .collect();
        Self {
            seen,
            ..Self::default()
        }
    }

    /// Adds what can shade or darken any of these points.
    pub(crate) fn shade(&mut self, place: &Place, points: impl Iterator<Item = V3>) {
        let towards = unit(place.light.towards);
        let flat = |p: V3| sub(p, scale(towards, dot(p, towards)));
        let (mut low, mut high) = ([f32::MAX; 3], [f32::MIN; 3]);
        let (mut west, mut east) = ([f32::MAX; 2], [f32::MIN; 2]);
        for p in points {
            let q = flat(p);
            for i in 0..3 {
                (low[i], high[i]) = (low[i].min(q[i]), high[i].max(q[i]));
            }
            for i in 0..2 {
                (west[i], east[i]) = (west[i].min(p[i]), east[i].max(p[i]));
            }
        }
        self.shading = balls(place)
            .filter(|(ball, radius)| {
                let (q, r) = (flat(ball.centre), radius + 0.05);
                (0..3).all(|i| q[i] + r >= low[i] && q[i] - r <= high[i])
            })
            .map(|(ball, _)| ball)
            .collect();
        self.feet = feet(place)
            .filter(|f| {
                let r = f.squared.sqrt();
                (0..2).all(|i| f.centre[i] + r >= west[i] && f.centre[i] - r <= east[i])
            })
            .collect();
    }
}

impl Place {
    /// What a ray meets first, of the ground and these solids.
    pub(crate) fn first(
        &self,
        among: &[Ball],
        origin: V3,
        direction: V3,
        t_min: f32,
    ) -> Option<Hit> {
        let mut best: Option<Hit> = None;
        if direction[2] < -1e-6 {
            let t = -origin[2] / direction[2];
            if t > t_min {
                best = Some(Hit {
                    t,
                    normal: [0.0, 0.0, 1.0],
                    uv: [origin[0] + direction[0] * t, origin[1] + direction[1] * t],
                    solid: None,
                });
            }
        }
        let inverse = 1.0 / dot(direction, direction);
        for ball in among
            .iter()
            .filter(|b| b.is_met(origin, direction, inverse))
        {
            let form = &self.solids[ball.number].form;
            if let Some((t, normal, uv)) = form.meet(origin, direction, t_min)
                && best.is_none_or(|b| t < b.t)
            {
                best = Some(Hit {
                    t,
                    normal,
                    uv,
                    solid: Some(ball.number),
                });
            }
        }
        best
    }

    /// Whether any of these solids stands between a point and the sun.
    pub(crate) fn is_shaded(&self, among: &[Ball], point: V3) -> bool {
        let towards = self.light.towards;
        let from = crate::math::add(point, scale(towards, 0.02));
        let inverse = 1.0 / dot(towards, towards);
        among
            .iter()
            .filter(|b| b.is_met(from, towards, inverse))
            .any(|b| {
                let form = &self.solids[b.number].form;
                form.meet(from, towards, 1e-3).is_some()
            })
    }
}

impl Ball {
    #[inline]
    fn is_met(&self, origin: V3, direction: V3, inverse_square: f32) -> bool {
        let to = sub(self.centre, origin);
        let along = dot(to, direction) * inverse_square;
        let off = sub(to, scale(direction, along));
        dot(off, off) <= self.squared && (along >= 0.0 || dot(to, to) <= self.squared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::Dice;
    use crate::light::Weather;

    #[test]
    fn what_is_sifted_out_changes_no_pixel() {
        for seed in 0..12 {
            let mut dice = Dice::new(&[seed]);
            let place = crate::scenery::draw(&mut dice, Weather::Sunny, 2.0);
            let turn = dice.range(-3.0, 3.0);
            let mut view = View::new([9.0, 2.0, 3.5], turn, 0.2, 0.7, 64, 48);
            view.distortion = [-0.1, 0.0];
            let open = Sieve::open(&place);
            let mut sieve = Sieve::before(&place, &view);
            let rays: Vec<V3> = (0..48 * 64)
                .map(|i| view.ray((i % 64) as f32 + 0.5, (i / 64) as f32 + 0.5))
                .collect();
            let meet = |s: &Sieve, d: V3| place.first(&s.seen, view.eye, d, 0.05);
            let point =
                |d: &V3| meet(&open, *d).map(|h| crate::math::add(view.eye, scale(*d, h.t)));
            sieve.shade(&place, rays.iter().filter_map(point));
            assert!(sieve.seen.len() < open.seen.len());
            for d in rays {
                let (a, b) = (meet(&open, d), meet(&sieve, d));
                assert_eq!(a.map(|h| (h.t, h.solid)), b.map(|h| (h.t, h.solid)));
                let (c, e) = (
                    place.appear(&open, view.eye, d, a),
                    place.appear(&sieve, view.eye, d, b),
                );
                assert_eq!(c.colour, e.colour);
            }
        }
    }
}
