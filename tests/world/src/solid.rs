//! Simple shapes that bags, hats and umbrellas are made of.

use crate::math::{M3, V3, add, apply, cross, scale, sub, unit};
use crate::meshfile::Triangle;

/// A bare mesh.
#[derive(Debug, Default, Clone)]
pub struct Shape {
    /// Vertices.
    pub vertices: Vec<V3>,
    /// Triangles.
    pub triangles: Vec<Triangle>,
}

impl Shape {
    /// A box with rounded edges: a superellipsoid; `exponent` 1 is an ellipsoid, .3 a box.
    #[must_use]
    pub fn rounded(centre: V3, half: V3, rings: usize, exponent: f32) -> Self {
        let bend = |a: f32| a.signum() * a.abs().powf(exponent);
        let around = 2 * rings;
        let mut shape = Self::default();
        for i in 0..rings {
            let u = std::f32::consts::PI * (i as f32 / (rings - 1) as f32 - 0.5);
            for j in 0..around {
                let v = std::f32::consts::TAU * j as f32 / around as f32 - std::f32::consts::PI;
                let p = [
                    bend(u.cos()) * bend(v.cos()) * half[0],
                    bend(u.sin()) * half[1],
                    bend(u.cos()) * bend(v.sin()) * half[2],
                ];
                shape.vertices.push(add(p, centre));
            }
        }
        shape.grid(rings, around, true);
        shape
    }

    /// A flat band along points: `half_width` to both sides along `side`, `thickness` along the normals.
    #[must_use]
    pub fn band(points: &[V3], normals: &[V3], side: V3, half_width: f32, thickness: f32) -> Self {
        let mut shape = Self::default();
        for (p, n) in points.iter().zip(normals) {
            let (s, t) = (scale(side, half_width), scale(*n, thickness));
            shape.vertices.extend([
                sub(*p, s),
                add(sub(*p, s), t),
                add(add(*p, s), t),
                add(*p, s),
            ]);
        }
        shape.grid(points.len(), 4, true);
        shape
    }

    /// A round rod along points.
    #[must_use]
    pub fn rod(points: &[V3], radius: f32, around: usize) -> Self {
        let mut shape = Self::default();
        for (i, p) in points.iter().enumerate() {
            let (a, b) = (
                points[i.saturating_sub(1)],
                points[(i + 1).min(points.len() - 1)],
            );
            let along = unit(sub(b, a));
            let other = if along[1].abs() < 0.9 {
                [0.0, 1.0, 0.0]
            } else {
                [1.0, 0.0, 0.0]
            };
            let u = unit(cross(along, other));
            let v = cross(along, u);
            for j in 0..around {
                let (s, c) = (std::f32::consts::TAU * j as f32 / around as f32).sin_cos();
                shape
                    .vertices
                    .push(add(*p, add(scale(u, c * radius), scale(v, s * radius))));
            }
        }
        shape.grid(points.len(), around, true);
        shape
    }

    /// A ring lying across +y: an elliptic torus.
    #[must_use]
    pub fn ring(centre: V3, radius: [f32; 2], tube: [f32; 2], around: usize) -> Self {
        let sides = 10;
        let mut shape = Self::default();
        for i in 0..=around {
            let (s, c) = (std::f32::consts::TAU * i as f32 / around as f32).sin_cos();
            for j in 0..sides {
                let (t, d) = (std::f32::consts::TAU * j as f32 / sides as f32).sin_cos();
                let out = d * tube[0];
                shape.vertices.push(add(
                    centre,
                    [s * (radius[0] + out), t * tube[1], c * (radius[1] + out)],
                ));
            }
        }
        shape.grid(around + 1, sides, true);
        shape
    }

    /// A round dome, apex up, open below: umbrella or crown of a cap.
    #[must_use]
    pub fn dome(apex: V3, radius: [f32; 2], depth: f32, panels: usize, scallop: f32) -> Self {
        let (rings, around) = (7, panels * 4);
        let mut shape = Self::default();
        for i in 0..rings {
            let a = i as f32 / (rings - 1) as f32;
            let out = (a * std::f32::consts::FRAC_PI_2).sin();
            let down = 1.0 - (a * std::f32::consts::FRAC_PI_2).cos();
            for j in 0..around {
                let turn = std::f32::consts::TAU * j as f32 / around as f32;
                let within = (j % 4) as f32 / 4.0;
                let lift = scallop * a * (std::f32::consts::PI * within).sin();
                let (s, c) = turn.sin_cos();
                let r = out * (1.0 - lift * 0.5);
                shape.vertices.push(add(
                    apex,
                    [
                        s * r * radius[0],
                        -depth * down + lift * depth * 0.4,
                        c * r * radius[1],
                    ],
                ));
            }
        }
        shape.grid(rings, around, true);
        shape
    }

    fn grid(&mut self, rows: usize, columns: usize, is_closed: bool) {
        let wide = if is_closed { columns } else { columns - 1 };
        for i in 0..rows.saturating_sub(1) {
            for j in 0..wide {
                let k = (j + 1) % columns;
                let at = |r: usize, c: usize| (r * columns + c) as u32;
                self.triangles.push([at(i, j), at(i + 1, j), at(i, k)]);
                self.triangles.push([at(i, k), at(i + 1, j), at(i + 1, k)]);
            }
        }
    }

    /// Turned and moved.
    #[must_use]
    pub fn placed(mut self, turn: &M3, shift: V3) -> Self {
        for v in &mut self.vertices {
            *v = add(apply(turn, *v), shift);
        }
        self
    }

    /// Without the triangles that have a corner below `height`.
    #[must_use]
    pub fn above(mut self, height: f32) -> Self {
        let vertices = &self.vertices;
        self.triangles
            .retain(|t| t.iter().all(|v| vertices[*v as usize][1] >= height));
        self
    }

    /// Adds another shape.
    pub fn join(&mut self, other: &Self) {
        let first = self.vertices.len() as u32;
        self.vertices.extend(&other.vertices);
        self.triangles
            .extend(other.triangles.iter().map(|t| t.map(|v| v + first)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_name_only_vertices_that_exist() {
        let shapes = [
            Shape::rounded([0.0; 3], [1.0, 2.0, 1.0], 8, 0.4),
            Shape::band(
                &[[0.0; 3], [0.0, 1.0, 0.0]],
                &[[0.0, 0.0, 1.0]; 2],
                [1.0, 0.0, 0.0],
                0.2,
                0.1,
            ),
            Shape::rod(&[[0.0; 3], [0.0, 1.0, 0.0]], 0.1, 6),
            Shape::ring([0.0; 3], [1.0, 1.0], [0.2, 0.2], 16),
            Shape::dome([0.0; 3], [4.0, 4.0], 1.5, 8, 0.2),
        ];
        for s in shapes {
            assert!(!s.triangles.is_empty());
            assert!(
                s.triangles
                    .iter()
                    .flatten()
                    .all(|v| (*v as usize) < s.vertices.len())
            );
        }
    }
}
