//! A camera's geometry: where it stands, how it projects, and how its lens bends.

use crate::math::{V3, add, cross, dot, scale, sub, unit};

/// A pinhole camera with radial distortion; world in metres, z up; pixels from the upper left corner.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// Optical centre.
    pub eye: V3,
    /// To the right of the picture.
    pub right: V3,
    /// To the top of the picture.
    pub up: V3,
    /// Away from what is looked at.
    pub back: V3,
    /// Focal length, pixels.
    pub focal: f32,
    /// Principal point, pixels.
    pub centre: [f32; 2],
    /// Radial distortion: a factor `1 + k1 r^2 + k2 r^4` on the normalised radius r; negative k1 is a barrel.
    pub distortion: [f32; 2],
    /// Width, pixels.
    pub width: usize,
    /// Height, pixels.
    pub height: usize,
}

impl View {
    /// A camera at `eye` that looks along `yaw` (radians from +x to +y) and down by `pitch` (radians), with a horizontal field of view.
    #[must_use]
    pub fn new(
        eye: V3,
        yaw: f32,
        pitch: f32,
        field_of_view: f32,
        width: usize,
        height: usize,
    ) -> Self {
        let (sy, cy) = yaw.sin_cos();
        let (sp, cp) = pitch.sin_cos();
        let forward = [cy * cp, sy * cp, -sp];
        let back = scale(forward, -1.0);
        let right = unit(cross(forward, [0.0, 0.0, 1.0]));
        let up = cross(back, right);
        let focal = width as f32 / 2.0 / (field_of_view / 2.0).tan();
        Self {
            eye,
            right,
            up,
            back,
            focal,
            centre: [width as f32 / 2.0, height as f32 / 2.0],
            distortion: [0.0; 2],
            width,
            height,
        }
    }

    /// The same camera through a window of its picture: `x0, y0` becomes the corner, everything is `zoom` times larger.
    #[must_use]
    pub fn window(&self, x0: f32, y0: f32, zoom: f32, width: usize, height: usize) -> Self {
        Self {
            focal: self.focal * zoom,
            centre: [(self.centre[0] - x0) * zoom, (self.centre[1] - y0) * zoom],
            width,
            height,
            ..*self
        }
    }

    /// Where a point appears, and its depth along the axis in metres; none behind the camera.
    #[inline]
    #[must_use]
    pub fn project(&self, p: V3) -> Option<(f32, f32, f32)> {
        let q = sub(p, self.eye);
        let z = -dot(q, self.back);
        if z < 0.05 {
            return None;
        }
        let (x, y) = (dot(q, self.right) / z, -dot(q, self.up) / z);
        // Beyond the radius where a barrel folds back, the picture shows nothing.
        let r2 = (x * x + y * y).min(4.0);
        let k = 1.0 + r2 * (self.distortion[0] + r2 * self.distortion[1]);
        Some((
            self.centre[0] + self.focal * x * k,
            self.centre[1] + self.focal * y * k,
            z,
        ))
    }

    /// The ray through a pixel position: its direction has length one along the axis, so a parameter along it is the depth.
    #[must_use]
    pub fn ray(&self, u: f32, v: f32) -> V3 {
        let (xd, yd) = (
            (u - self.centre[0]) / self.focal,
            (v - self.centre[1]) / self.focal,
        );
        let (mut x, mut y) = (xd, yd);
        if self.distortion != [0.0; 2] {
            for _ in 0..8 {
                let r2 = (x * x + y * y).min(4.0);
                let k = 1.0 + r2 * (self.distortion[0] + r2 * self.distortion[1]);
                let next = (xd / k, yd / k);
                if next == (x, y) {
                    break;
                }
                (x, y) = next;
            }
        }
        add(
            add(scale(self.right, x), scale(self.up, -y)),
            scale(self.back, -1.0),
        )
    }

    /// The world point on the ground under a pixel; none above the horizon.
    #[must_use]
    pub fn ground(&self, u: f32, v: f32) -> Option<V3> {
        let d = self.ray(u, v);
        if d[2] >= -1e-4 {
            return None;
        }
        Some(add(self.eye, scale(d, -self.eye[2] / d[2])))
    }

    /// The 3 x 4 projection matrix (no distortion), world metres to pixels times depth.
    #[must_use]
    pub fn matrix(&self) -> [[f64; 4]; 3] {
        let rows = [self.right, scale(self.up, -1.0), scale(self.back, -1.0)];
        let k = [
            [f64::from(self.focal), 0.0, f64::from(self.centre[0])],
            [0.0, f64::from(self.focal), f64::from(self.centre[1])],
            [0.0, 0.0, 1.0],
        ];
        let mut out = [[0.0; 4]; 3];
        for (row, k) in out.iter_mut().zip(&k) {
            for (axis, r) in rows.iter().enumerate() {
                let shift = -f64::from(dot(*r, self.eye));
                for column in 0..3 {
                    row[column] += k[axis] * f64::from(r[column]);
                }
                row[3] += k[axis] * shift;
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_ray_comes_back_to_its_pixel(u in 20.0_f32..620.0, v in 20.0_f32..340.0, k1 in -0.2_f32..0.1, pitch in 0.1_f32..0.9) {
            let mut view = View::new([2.0, -3.0, 4.0], 0.7, pitch, 1.3, 640, 360);
            view.distortion = [k1, 0.01];
            let p = add(view.eye, scale(view.ray(u, v), 7.5));
            let (a, b, z) = view.project(p).unwrap();
            prop_assert!((a - u).abs() < 0.05 && (b - v).abs() < 0.05, "{a} {b} for {u} {v}");
            prop_assert!((z - 7.5).abs() < 1e-3);
        }
    }

    #[test]
    fn the_matrix_agrees_with_the_projection() {
        let view = View::new([1.0, 2.0, 5.0], -0.4, 0.5, 1.1, 640, 360);
        let p = [8.0, -1.0, 0.7];
        let (u, v, z) = view.project(p).unwrap();
        let m = view.matrix();
        let h: Vec<f64> = m
            .iter()
            .map(|r| {
                r[0] * f64::from(p[0]) + r[1] * f64::from(p[1]) + r[2] * f64::from(p[2]) + r[3]
            })
            .collect();
        assert!(
            (h[0] / h[2] - f64::from(u)).abs() < 1e-2
                && (h[1] / h[2] - f64::from(v)).abs() < 1e-2
                && (h[2] - f64::from(z)).abs() < 1e-3
        );
    }
}
