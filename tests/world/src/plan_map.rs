//! The scene from above: walls, furniture, cameras with what they see, and everybody's routes.

use embedded_graphics::pixelcolor::{Rgb888, RgbColor as _};

use crate::form::Form;
use crate::sheet::Drawing;
use crate::stage::Stage;

const PX_PER_M: f32 = 22.0;
const MARGIN_M: f32 = 2.5;

/// Draws the map.
#[must_use]
pub fn draw_map(stage: &Stage) -> Drawing {
    let size = stage.scene.plan.size_m;
    let (w, h) = (
        ((size[0] + 2.0 * MARGIN_M) * PX_PER_M) as usize,
        ((size[1] + 2.0 * MARGIN_M) * PX_PER_M) as usize,
    );
    let mut map = Drawing::new(w, h);
    let at = |p: [f32; 2]| {
        [
            (p[0] + MARGIN_M) * PX_PER_M,
            h as f32 - (p[1] + MARGIN_M) * PX_PER_M,
        ]
    };
    for y in 0..h {
        for x in 0..w {
            let p = [
                x as f32 / PX_PER_M - MARGIN_M,
                (h - y) as f32 / PX_PER_M - MARGIN_M,
            ];
            let is_inside = (0.0..=size[0]).contains(&p[0]) && (0.0..=size[1]).contains(&p[1]);
            let mut colour: [u8; 3] = if is_inside {
                [238, 238, 234]
            } else {
                [214, 214, 210]
            };
            for solid in &stage.place.solids {
                if solid.form.distance(p) <= 0.0 {
                    colour = match (solid.form, solid.blocks) {
                        (Form::Ball { .. }, _) => [186, 214, 170],
                        (_, true) => [92, 92, 98],
                        (_, false) => colour,
                    };
                }
            }
            let watched = stage.views.iter().filter(|v| {
                let clear = v.project([p[0], p[1], 0.0]).filter(|(u, w, z)| {
                    *z < 40.0
                        && *u >= 0.0
                        && *w >= 0.0
                        && *u < v.width as f32
                        && *w < v.height as f32
                });
                clear.is_some_and(|_| {
                    let d = crate::math::sub([p[0], p[1], 0.05], v.eye);
                    stage
                        .place
                        .meet(v.eye, d, 0.0)
                        .is_none_or(|hit| hit.t > 0.99)
                })
            });
            // Each camera that sees the spot tints it.
            let count = if (x + y).is_multiple_of(2) {
                watched.count() as u8
            } else {
                0
            };
            colour[2] = colour[2].saturating_sub(count.saturating_mul(26));
            map.dot(x as i32, y as i32, colour);
        }
    }
    for (i, _) in stage.cast.iter().enumerate() {
        let colour = hue(i as f32 * 0.618);
        let mut before: Option<[f32; 2]> = None;
        for row in &stage.moments {
            let here = row[i].map(|m| [m.placement.position[0], m.placement.position[1]]);
            if let (Some(a), Some(b)) = (before, here) {
                map.line(at(a), at(b), colour);
            } else if let Some(b) = here {
                let p = at(b);
                map.write(
                    p[0] as usize + 3,
                    p[1] as usize,
                    &format!("{}", i + 1),
                    Rgb888::new(colour[0], colour[1], colour[2]),
                );
            }
            before = here;
        }
    }
    for (view, camera) in stage.views.iter().zip(&stage.scene.cameras) {
        let p = at(camera.at);
        for dx in -4..=4 {
            for dy in -4..=4 {
                map.dot(p[0] as i32 + dx, p[1] as i32 + dy, [200, 30, 30]);
            }
        }
        let half = (camera.view_deg / 2.0).to_radians();
        let yaw = camera.yaw_deg.to_radians();
        for side in [-half, half] {
            let end = [
                camera.at[0] + 6.0 * (yaw + side).cos(),
                camera.at[1] + 6.0 * (yaw + side).sin(),
            ];
            map.line(p, at(end), [200, 30, 30]);
        }
        map.write(
            (p[0] + 7.0).max(0.0) as usize,
            (p[1] + 3.0).max(0.0) as usize,
            &format!("{} {:.1} m", camera.id, view.eye[2]),
            Rgb888::RED,
        );
    }
    for gate in &stage.scene.gates {
        let p = at(gate.at);
        map.write(
            p[0].max(8.0) as usize - 8,
            p[1] as usize,
            &format!("[{}]", gate.name),
            Rgb888::BLUE,
        );
    }
    map
}

fn hue(t: f32) -> [u8; 3] {
    let channel = |shift: f32| {
        let x = ((t + shift).rem_euclid(1.0) * 6.0 - 3.0).abs() - 1.0;
        (x.clamp(0.0, 1.0) * 190.0) as u8 + 10
    };
    [channel(0.0), channel(1.0 / 3.0), channel(2.0 / 3.0)]
}
