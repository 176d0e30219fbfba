//! Caps, hats, scarves, hoods and glasses.

use crate::accessory::{Made, Wearer, surface};
use crate::error::Result;
use crate::garment::{FEDORA, fit};
use crate::material::Part;
use crate::math::{V3, add, apply, rotation, sub};
use crate::solid::Shape;

impl Wearer<'_> {
    /// Lowest and highest corner of the scalp.
    fn scalp(&self) -> (V3, V3) {
        let (mut low, mut high) = ([f32::MAX; 3], [f32::MIN; 3]);
        for (v, is) in self.body.iter().zip(&self.library.face.scalp) {
            if *is {
                for i in 0..3 {
                    low[i] = low[i].min(v[i]);
                    high[i] = high[i].max(v[i]);
                }
            }
        }
        (low, high)
    }

    pub(crate) fn cap(&self, rgb: [f32; 3]) -> Vec<Made> {
        let (low, high) = self.scalp();
        let centre = [
            0.0,
            low[1] * 0.45 + high[1] * 0.55 - 0.15,
            (low[2] + high[2]) / 2.0,
        ];
        let half = [
            (high[0] - low[0]) / 2.0,
            high[1] - centre[1],
            (high[2] - low[2]) / 2.0,
        ];
        let crown = Shape::rounded(
            centre,
            [half[0] * 1.14, half[1] * 1.14, half[2] * 1.1],
            16,
            0.9,
        )
        .above(centre[1] - 0.12);
        let mut cloth = surface(Part::Hat, rgb, 0.0, 0.03);
        cloth.bias = 0.14;
        let mut visor = Shape::default();
        for i in 0..12 {
            let (s, c) = (-1.15 + 2.3 * i as f32 / 11.0_f32).sin_cos();
            let inner = [
                s * half[0] * 1.1,
                centre[1] - 0.02,
                centre[2] + c * half[2] * 1.08,
            ];
            visor.vertices.push(inner);
            visor
                .vertices
                .push(add(inner, [s * 0.15, -0.22, 0.75 * c.max(0.0).sqrt()]));
        }
        for i in 0..11_u32 {
            visor.triangles.push([2 * i, 2 * i + 1, 2 * i + 2]);
            visor.triangles.push([2 * i + 2, 2 * i + 1, 2 * i + 3]);
        }
        vec![
            self.rigid(crown, "head", cloth),
            self.rigid(visor, "head", cloth),
        ]
    }

    pub(crate) fn beanie(&self, rgb: [f32; 3]) -> Vec<Made> {
        let (low, high) = self.scalp();
        let centre = [
            0.0,
            low[1] * 0.5 + high[1] * 0.5 - 0.2,
            (low[2] + high[2]) / 2.0 - 0.05,
        ];
        let half = [
            (high[0] - low[0]) / 2.0,
            high[1] - centre[1],
            (high[2] - low[2]) / 2.0,
        ];
        let mut crown = Shape::rounded(
            centre,
            [half[0] * 1.16, half[1] * 1.24, half[2] * 1.12],
            16,
            0.95,
        )
        .above(centre[1] - 0.05);
        let rim = add(centre, [0.0, 0.05, 0.0]);
        crown.join(&Shape::ring(
            rim,
            [half[0] * 1.1, half[2] * 1.06],
            [0.12, 0.26],
            28,
        ));
        let mut wool = surface(Part::Hat, rgb, 0.25, 0.0);
        (wool.bias, wool.bump_frequency) = (0.18, 2.4);
        vec![self.rigid(crown, "head", wool)]
    }

    pub(crate) fn hat(&self, rgb: [f32; 3]) -> Result<Vec<Made>> {
        let piece = fit(self.library, FEDORA, self.body, 0.05)?;
        let mut felt = surface(Part::Hat, rgb, 0.0, 0.02);
        felt.bias = 0.16;
        let shape = Shape {
            vertices: piece.vertices,
            triangles: piece.triangles,
        };
        Ok(vec![self.rigid(shape, "head", felt)])
    }

    /// Centre and half widths of the neck's hull at a height.
    fn neck(&self, height: f32) -> (V3, [f32; 2]) {
        let joint = self.head_of("neck_01");
        let (mut low, mut high) = ([f32::MAX; 2], [f32::MIN; 2]);
        for v in &self.body[..crate::body::SKIN_VERTICES] {
            if (v[1] - height).abs() < 0.22 && v[0].abs() < 0.95 && (v[2] - joint[2]).abs() < 1.3 {
                for (i, value) in [v[0], v[2]].into_iter().enumerate() {
                    low[i] = low[i].min(value);
                    high[i] = high[i].max(value);
                }
            }
        }
        let centre = [0.0, height, (low[1] + high[1]) / 2.0];
        (centre, [(high[0] - low[0]) / 2.0, (high[1] - low[1]) / 2.0])
    }

    pub(crate) fn scarf(&self, rgb: [f32; 3]) -> Result<Vec<Made>> {
        let joint = self.head_of("neck_01");
        let (centre, half) = self.neck(joint[1] + 0.12);
        let mut wool = surface(Part::Scarf, rgb, 0.35, 0.0);
        (wool.bump_frequency, wool.bias) = (1.6, 0.3);
        let mut ring = Shape::ring(
            add(centre, [0.0, 0.05, 0.0]),
            [half[0] + 0.16, half[1] + 0.16],
            [0.3, 0.42],
            30,
        );
        ring.join(&Shape::ring(
            add(centre, [0.0, -0.35, 0.06]),
            [half[0] + 0.34, half[1] + 0.3],
            [0.3, 0.32],
            30,
        ));
        let hull = self.hull()?;
        let (mut points, mut normals) = (Vec::new(), Vec::new());
        for i in 0..9 {
            let y = centre[1] - 0.3 - 0.42 * i as f32;
            let front = hull
                .iter()
                .filter(|p| (p[1] - y).abs() < 0.35 && (p[0] - 0.45).abs() < 0.4)
                .map(|p| p[2])
                .fold(f32::MIN, f32::max);
            if front > -2.0 {
                points.push([0.42, y, front.max(centre[2] + half[1] * 0.8) + 0.2]);
                normals.push([0.0, 0.15, 1.0]);
            }
        }
        let mut made = vec![self.rigid(ring, "neck_01", wool)];
        if points.len() > 2 {
            made.push(self.rigid(
                Shape::band(&points, &normals, [1.0, 0.0, 0.0], 0.45, 0.14),
                "spine_03",
                wool,
            ));
        }
        Ok(made)
    }

    pub(crate) fn hood(&self, rgb: [f32; 3]) -> Result<Vec<Made>> {
        let joint = self.head_of("neck_01");
        let (centre, half) = self.neck(joint[1] + 0.1);
        let mut cloth = surface(Part::Top, rgb, 0.3, 0.0);
        cloth.bias = 0.2;
        let collar = Shape::ring(
            add(centre, [0.0, 0.1, -0.2]),
            [half[0] + 0.28, half[1] + 0.24],
            [0.26, 0.4],
            28,
        );
        let sack = Shape::rounded(
            add(centre, [0.0, -0.45, -half[1] - 0.45]),
            [half[0] + 0.5, 0.75, 0.42],
            10,
            0.75,
        );
        let turn = rotation([1.0, 0.0, 0.0], 14.0);
        let pivot = add(centre, [0.0, 0.0, 0.0]);
        let sack = sack.placed(&turn, sub(pivot, apply(&turn, pivot)));
        Ok(vec![
            self.rigid(collar, "spine_03", cloth),
            self.rigid(sack, "spine_03", cloth),
        ])
    }

    pub(crate) fn glasses(&self, rgb: [f32; 3], is_dark: bool) -> Vec<Made> {
        let eye = crate::body::mean(self.body, &self.library.face.eye);
        let front = eye[2] + 0.32;
        let mut frame = Shape::default();
        let mut lenses = Shape::default();
        for sign in [1.0_f32, -1.0] {
            let centre = [sign * eye[0].abs(), eye[1] - 0.02, front];
            let rim: Vec<V3> = (0..=14)
                .map(|i| {
                    let (s, c) = (std::f32::consts::TAU * i as f32 / 14.0).sin_cos();
                    add(centre, [0.27 * c, 0.21 * s, -0.05 * c.abs()])
                })
                .collect();
            frame.join(&Shape::rod(&rim, 0.035, 5));
            let temple = [
                add(centre, [sign * 0.27, 0.05, -0.05]),
                [sign * 0.80, eye[1] + 0.05, eye[2] - 0.95],
            ];
            frame.join(&Shape::rod(&temple, 0.035, 5));
            if is_dark {
                lenses.join(&Shape::rounded(centre, [0.26, 0.2, 0.03], 8, 0.9));
            }
        }
        let bridge = [
            [-0.1, eye[1] + 0.05, front + 0.02],
            [0.1, eye[1] + 0.05, front + 0.02],
        ];
        frame.join(&Shape::rod(&bridge, 0.035, 5));
        let mut plastic = surface(Part::Glasses, rgb, 0.0, 0.15);
        plastic.bias = 0.06;
        let mut made = vec![self.rigid(frame, "head", plastic)];
        if is_dark {
            made.push(self.rigid(lenses, "head", plastic));
        }
        made
    }
}
