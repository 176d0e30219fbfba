//! Things worn and carried that no mesh exists for: built from simple shapes on one body.

use crate::body::Library;
use crate::error::Result;
use crate::garment::{FEDORA, compact, fit};
use crate::material::{Material, Part};
use crate::math::{V3, add, align, apply, dot, length, rotation, scale, sub, unit};
use crate::pose::{Action, Manner, Pose, solve};
use crate::rig::{Binding, BoneMatrix, Joints};
use crate::solid::Shape;

/// Something worn or carried; colours are sRGB 0..255, `side` is 0 left, 1 right.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs, reason = "the fields are explained above")]
pub enum Accessory {
    /// On the back, straps over both shoulders.
    Backpack { rgb: [f32; 3] },
    /// On the hip, strap over a shoulder (across the chest where `is_across`).
    ShoulderBag { rgb: [f32; 3], side: usize, is_across: bool },
    /// In a hand.
    HandBag { rgb: [f32; 3], side: usize },
    /// On wheels, pulled behind.
    Suitcase { rgb: [f32; 3], side: usize },
    /// Open, held up.
    Umbrella { rgb: [f32; 3], side: usize },
    /// With a visor.
    Cap { rgb: [f32; 3] },
    /// Knitted, close to the head.
    Beanie { rgb: [f32; 3] },
    /// With a brim all round.
    Hat { rgb: [f32; 3] },
    /// Round the neck, one end hanging.
    Scarf { rgb: [f32; 3] },
    /// Framed, or dark.
    Glasses { rgb: [f32; 3], is_dark: bool },
    /// The hood of a hoodie, down on the back; takes the top's surface.
    Hood { rgb: [f32; 3] },
}

/// Who wears it.
#[derive(Debug)]
pub struct Wearer<'a> {
    /// Meshes and rig.
    pub library: &'a Library,
    /// The body at rest.
    pub body: &'a [V3],
    /// Its joints.
    pub joints: &'a Joints,
    /// How it moves.
    pub manner: Manner,
}

/// A finished piece, at rest.
#[derive(Debug)]
pub struct Made {
    /// Mesh.
    pub shape: Shape,
    /// Bones.
    pub bindings: Vec<Binding>,
    /// Surface.
    pub material: Material,
}

fn surface(part: Part, rgb: [f32; 3], bump: f32, shine: f32) -> Material {
    let mut m = Material::plain(part, rgb);
    (m.bump, m.shine, m.mottle) = (bump, shine, 0.12);
    m
}

impl Accessory {
    /// Builds the meshes on a body.
    ///
    /// # Errors
    /// The library lacks a mesh.
    pub fn make(&self, w: &Wearer<'_>) -> Result<Vec<Made>> {
        Ok(match *self {
            Self::Backpack { rgb } => w.backpack(rgb)?,
            Self::ShoulderBag { rgb, side, is_across } => w.shoulder_bag(rgb, side, is_across)?,
            Self::HandBag { rgb, side } => w.hand_bag(rgb, side),
            Self::Suitcase { rgb, side } => w.suitcase(rgb, side),
            Self::Umbrella { rgb, side } => w.umbrella(rgb, side),
            Self::Cap { rgb } => w.cap(rgb),
            Self::Beanie { rgb } => w.beanie(rgb),
            Self::Hat { rgb } => w.hat(rgb)?,
            Self::Scarf { rgb } => w.scarf(rgb)?,
            Self::Glasses { rgb, is_dark } => w.glasses(rgb, is_dark),
            Self::Hood { rgb } => w.hood(rgb)?,
        })
    }
}

impl Wearer<'_> {
    fn head_of(&self, bone: &str) -> V3 {
        self.joints.heads[self.library.rig.bone(bone)]
    }

    fn rigid(&self, shape: Shape, bone: &str, material: Material) -> Made {
        let bindings = vec![Binding::rigid(self.library.rig.bone(bone)); shape.vertices.len()];
        Made { shape, bindings, material }
    }

    /// The points of the helper tights: a smooth hull of the dressed body.
    fn hull(&self) -> Result<Vec<V3>> {
        let (members, _) = compact(self.library.group("helper-tights")?, self.body.len());
        Ok(members.iter().map(|v| self.body[*v as usize]).collect())
    }

    fn backpack(&self, rgb: [f32; 3]) -> Result<Vec<Made>> {
        let hull = self.hull()?;
        let (neck, waist) = (self.head_of("neck_01"), self.head_of("spine_02"));
        let tall = neck[1] - waist[1];
        let back = hull
            .iter()
            .filter(|p| p[0].abs() < 1.0 && p[1] > waist[1] && p[1] < neck[1] - 0.3)
            .map(|p| p[2])
            .fold(f32::MAX, f32::min);
        let centre = [0.0, waist[1] + tall * 0.42, back - 0.62];
        let cloth = surface(Part::Backpack, rgb, 0.25, 0.03);
        let mut bag = Shape::rounded(centre, [1.35, tall * 0.62, 0.85], 12, 0.35);
        bag.join(&Shape::rounded(add(centre, [0.0, -tall * 0.22, -0.75]), [1.0, tall * 0.3, 0.35], 10, 0.35));
        let mut made = vec![self.rigid(bag, "spine_03", cloth)];
        for side in [1.0, -1.0] {
            let strap = self.strap(&hull, side * 0.95, [centre[1] + 0.2, centre[2] + 1.6], 0.25);
            let mut cloth = cloth;
            cloth.bias = 0.24;
            made.push(self.rigid(strap, "spine_03", cloth));
        }
        Ok(made)
    }

    /// A band over the shoulder at `x`, round `centre` (height, depth).
    fn strap(&self, hull: &[V3], x: f32, centre: [f32; 2], inward: f32) -> Shape {
        let near: Vec<(f32, f32)> = hull
            .iter()
            .filter(|p| (p[0] - x).abs() < 0.3)
            .map(|p| {
                let (y, z) = (p[1] - centre[0], p[2] - centre[1]);
                (y.atan2(z), y.hypot(z))
            })
            .collect();
        let (mut points, mut normals) = (Vec::new(), Vec::new());
        for i in 0..16 {
            let turn = -0.75 + 3.15 * i as f32 / 15.0;
            let reach = near.iter().filter(|(a, _)| (a - turn).abs() < 0.3).map(|(_, r)| *r).fold(f32::MIN, f32::max);
            if reach > 0.0 {
                let normal = [0.0, turn.sin(), turn.cos()];
                let shift = x.signum() * inward * (-turn).max(0.0);
                points.push(add([x + shift, centre[0], centre[1]], scale(normal, reach + 0.12)));
                normals.push(normal);
            }
        }
        Shape::band(&points, &normals, [1.0, 0.0, 0.0], 0.2, 0.12)
    }

    fn shoulder_bag(&self, rgb: [f32; 3], side: usize, is_across: bool) -> Result<Vec<Made>> {
        let hull = self.hull()?;
        let sign = if side == 0 { 1.0 } else { -1.0 };
        let (hip, neck, shoulder) = (self.head_of("thigh_l"), self.head_of("neck_01"), self.head_of("upperarm_l"));
        let outer = hull
            .iter()
            .filter(|p| (p[1] - hip[1] - 0.4).abs() < 0.5)
            .map(|p| p[0].abs())
            .fold(0.0, f32::max);
        let centre = [sign * (outer + 0.42), hip[1] + 0.1, -0.25];
        let leather = surface(Part::ShoulderBag, rgb, 0.1, 0.1);
        let bag = Shape::rounded(centre, [0.4, 0.95, 1.25], 10, 0.35);
        // The strap runs in the plane through bag and shoulder, laid on the hull's outside.
        let from = if is_across { -sign } else { sign };
        let over = [from * shoulder[0].abs() * 0.52, neck[1] + 0.1, 0.0];
        let up = unit(sub(over, [centre[0], centre[1], 0.0]));
        let middle = mix_half([centre[0], centre[1] + 0.7, 0.0], over);
        let out = unit([-up[1], up[0], 0.0]);
        let out = if out[1] < 0.0 { scale(out, -1.0) } else { out };
        let mut points = Vec::new();
        let mut normals = Vec::new();
        let half = length(sub(over, middle));
        for i in 0..=28 {
            let turn = std::f32::consts::TAU * i as f32 / 28.0;
            let direction = add(scale(up, turn.cos()), [0.0, 0.0, turn.sin()]);
            // How far the hull reaches in this direction within the strap's plane.
            let reach = hull
                .iter()
                .filter(|p| p[0].abs() < shoulder[0].abs() * 0.8 || p[1] < shoulder[1] - 1.2)
                .map(|p| sub(*p, middle))
                .filter(|d| dot(*d, out).abs() < 0.35)
                .map(|d| {
                    let (a, b) = (dot(d, up), d[2]);
                    (a, b, length([a, b, 0.0]))
                })
                .filter(|(a, b, r)| *r > 0.2 && (a / r * turn.cos() + b / r * turn.sin()) > 0.965)
                .map(|(_, _, r)| r)
                .fold(0.0, f32::max);
            let reach = (reach + 0.2).clamp(0.9, half + 0.35);
            points.push(add(middle, scale(direction, reach)));
            normals.push(direction);
        }
        let strap = Shape::band(&points, &normals, out, 0.14, 0.08);
        let mut band = leather;
        band.bias = 0.26;
        Ok(vec![self.rigid(bag, "pelvis", leather), self.blended(strap, band)])
    }

    /// Bound by height: chest above, pelvis below.
    fn blended(&self, shape: Shape, material: Material) -> Made {
        let (chest, pelvis) = (self.library.rig.bone("spine_03"), self.library.rig.bone("pelvis"));
        let (low, high) = (self.head_of("pelvis")[1], self.head_of("spine_03")[1] + 0.8);
        let bindings = shape
            .vertices
            .iter()
            .map(|v| {
                let t = ((v[1] - low) / (high - low)).clamp(0.0, 1.0);
                Binding { bones: [chest as u8, pelvis as u8, 0, 0], shares: [t, 1.0 - t, 0.0, 0.0] }
            })
            .collect();
        Made { shape, bindings, material }
    }

    fn hand_bag(&self, rgb: [f32; 3], side: usize) -> Vec<Made> {
        let name = ["hand_l", "hand_r"][side];
        let bone = self.library.rig.bone(name);
        let (hand, wrist) = (self.joints.tails[bone], self.joints.heads[bone]);
        let along = unit(sub(wrist, self.head_of(["lowerarm_l", "lowerarm_r"][side])));
        let turn = align([0.0, -1.0, 0.0], along);
        let mut bag = Shape::rounded([0.0; 3], [0.5, 1.0, 1.3], 10, 0.3);
        let handle: Vec<V3> = (0..=10)
            .map(|i| {
                let a = std::f32::consts::PI * i as f32 / 10.0;
                [0.0, 0.9 + 0.75 * a.sin(), 0.6 * a.cos()]
            })
            .collect();
        bag.join(&Shape::rod(&handle, 0.08, 6));
        let bag = bag.placed(&turn, add(hand, scale(along, 1.5)));
        vec![self.rigid(bag, name, surface(Part::HandBag, rgb, 0.06, 0.14))]
    }

    /// The bone matrices of standing with the arms busy as they will be.
    fn holding(&self) -> Vec<BoneMatrix> {
        let manner = Manner { lean: 2.0, ..self.manner };
        solve(&self.library.rig, self.joints, &Pose::new(Action::Stand, manner)).bones
    }

    /// A shape given in the holding pose, taken back to rest.
    fn taken_back(mut shape: Shape, bone: &BoneMatrix) -> Shape {
        for v in &mut shape.vertices {
            let d = [v[0] - bone[0][3], v[1] - bone[1][3], v[2] - bone[2][3]];
            *v = std::array::from_fn(|i| bone[0][i] * d[0] + bone[1][i] * d[1] + bone[2][i] * d[2]);
        }
        shape
    }

    fn hand_in(&self, bones: &[BoneMatrix], side: usize) -> (usize, V3) {
        let bone = self.library.rig.bone(["hand_l", "hand_r"][side]);
        let rest = crate::math::mix(self.joints.heads[bone], self.joints.tails[bone], 0.8);
        let m = &bones[bone];
        (bone, std::array::from_fn(|i| m[i][0] * rest[0] + m[i][1] * rest[1] + m[i][2] * rest[2] + m[i][3]))
    }

    fn umbrella(&self, rgb: [f32; 3], side: usize) -> Vec<Made> {
        let bones = self.holding();
        let (bone, hand) = self.hand_in(&bones, side);
        let top = add(hand, [0.0, 7.2, -0.6]);
        let stick = Shape::rod(&[add(hand, [0.0, -0.8, 0.05]), hand, top], 0.07, 6);
        let canopy = Shape::dome([0.0; 3], [5.0, 5.0], 1.7, 8, 0.16).placed(&rotation([1.0, 0.0, 0.0], -5.0), top);
        let name = ["hand_l", "hand_r"][side];
        let mut metal = surface(Part::Umbrella, [70.0, 70.0, 74.0], 0.0, 0.2);
        metal.mottle = 0.0;
        vec![
            self.rigid(Self::taken_back(canopy, &bones[bone]), name, surface(Part::Umbrella, rgb, 0.05, 0.08)),
            self.rigid(Self::taken_back(stick, &bones[bone]), name, metal),
        ]
    }

    fn suitcase(&self, rgb: [f32; 3], side: usize) -> Vec<Made> {
        let bones = self.holding();
        let (_, hand) = self.hand_in(&bones, side);
        let floor = self.joints.tails[self.library.rig.bone("ball_l")][1] - 0.22;
        // Leaning towards the hand, wheels on the floor behind.
        let foot = [hand[0], floor + 0.35, hand[2] - 3.6];
        let lean = unit(sub(hand, foot));
        let turn = align([0.0, 1.0, 0.0], lean);
        let mut case = Shape::rounded([0.0, 2.9, 0.0], [1.9, 2.8, 1.05], 10, 0.25);
        for x in [-0.7, 0.7] {
            let rod = [[x, 5.4, 0.0], [x, length(sub(hand, foot)) - 0.1, 0.0]];
            case.join(&Shape::rod(&rod, 0.07, 5));
        }
        let tall = length(sub(hand, foot)) - 0.1;
        case.join(&Shape::rod(&[[-0.75, tall, 0.0], [0.75, tall, 0.0]], 0.1, 6));
        for x in [-1.4, 1.4] {
            case.join(&Shape::rounded([x, 0.0, -0.7], [0.14, 0.34, 0.34], 7, 1.0));
        }
        vec![self.rigid(case.placed(&turn, foot), "Root", surface(Part::Suitcase, rgb, 0.04, 0.2))]
    }

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

    fn cap(&self, rgb: [f32; 3]) -> Vec<Made> {
        let (low, high) = self.scalp();
        let centre = [0.0, low[1] * 0.45 + high[1] * 0.55 - 0.15, (low[2] + high[2]) / 2.0];
        let half = [(high[0] - low[0]) / 2.0, high[1] - centre[1], (high[2] - low[2]) / 2.0];
        let crown = Shape::rounded(centre, [half[0] * 1.14, half[1] * 1.14, half[2] * 1.1], 16, 0.9).above(centre[1] - 0.12);
        let mut cloth = surface(Part::Hat, rgb, 0.0, 0.03);
        cloth.bias = 0.14;
        let mut visor = Shape::default();
        for i in 0..12 {
            let (s, c) = (-1.15 + 2.3 * i as f32 / 11.0_f32).sin_cos();
            let inner = [s * half[0] * 1.1, centre[1] - 0.02, centre[2] + c * half[2] * 1.08];
            visor.vertices.push(inner);
            visor.vertices.push(add(inner, [s * 0.15, -0.22, 0.75 * c.max(0.0).sqrt()]));
        }
        for i in 0..11_u32 {
            visor.triangles.push([2 * i, 2 * i + 1, 2 * i + 2]);
            visor.triangles.push([2 * i + 2, 2 * i + 1, 2 * i + 3]);
        }
        vec![self.rigid(crown, "head", cloth), self.rigid(visor, "head", cloth)]
    }

    fn beanie(&self, rgb: [f32; 3]) -> Vec<Made> {
        let (low, high) = self.scalp();
        let centre = [0.0, low[1] * 0.5 + high[1] * 0.5 - 0.2, (low[2] + high[2]) / 2.0 - 0.05];
        let half = [(high[0] - low[0]) / 2.0, high[1] - centre[1], (high[2] - low[2]) / 2.0];
        let mut crown = Shape::rounded(centre, [half[0] * 1.16, half[1] * 1.24, half[2] * 1.12], 16, 0.95).above(centre[1] - 0.05);
        let rim = add(centre, [0.0, 0.05, 0.0]);
        crown.join(&Shape::ring(rim, [half[0] * 1.1, half[2] * 1.06], [0.12, 0.26], 28));
        let mut wool = surface(Part::Hat, rgb, 0.25, 0.0);
        (wool.bias, wool.bump_frequency) = (0.18, 2.4);
        vec![self.rigid(crown, "head", wool)]
    }

    fn hat(&self, rgb: [f32; 3]) -> Result<Vec<Made>> {
        let piece = fit(self.library, FEDORA, self.body, 0.05)?;
        let mut felt = surface(Part::Hat, rgb, 0.0, 0.02);
        felt.bias = 0.16;
        let shape = Shape { vertices: piece.vertices, triangles: piece.triangles };
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

    fn scarf(&self, rgb: [f32; 3]) -> Result<Vec<Made>> {
        let joint = self.head_of("neck_01");
        let (centre, half) = self.neck(joint[1] + 0.12);
        let mut wool = surface(Part::Scarf, rgb, 0.35, 0.0);
        (wool.bump_frequency, wool.bias) = (1.6, 0.3);
        let mut ring = Shape::ring(add(centre, [0.0, 0.05, 0.0]), [half[0] + 0.16, half[1] + 0.16], [0.3, 0.42], 30);
        ring.join(&Shape::ring(add(centre, [0.0, -0.35, 0.06]), [half[0] + 0.34, half[1] + 0.3], [0.3, 0.32], 30));
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
            made.push(self.rigid(Shape::band(&points, &normals, [1.0, 0.0, 0.0], 0.45, 0.14), "spine_03", wool));
        }
        Ok(made)
    }

    fn hood(&self, rgb: [f32; 3]) -> Result<Vec<Made>> {
        let joint = self.head_of("neck_01");
        let (centre, half) = self.neck(joint[1] + 0.1);
        let mut cloth = surface(Part::Top, rgb, 0.3, 0.0);
        cloth.bias = 0.2;
        let collar = Shape::ring(add(centre, [0.0, 0.1, -0.2]), [half[0] + 0.28, half[1] + 0.24], [0.26, 0.4], 28);
        let sack = Shape::rounded(add(centre, [0.0, -0.45, -half[1] - 0.45]), [half[0] + 0.5, 0.75, 0.42], 10, 0.75);
        let turn = rotation([1.0, 0.0, 0.0], 14.0);
        let pivot = add(centre, [0.0, 0.0, 0.0]);
        let sack = sack.placed(&turn, sub(pivot, apply(&turn, pivot)));
        Ok(vec![self.rigid(collar, "spine_03", cloth), self.rigid(sack, "spine_03", cloth)])
    }

    fn glasses(&self, rgb: [f32; 3], is_dark: bool) -> Vec<Made> {
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
            let temple = [add(centre, [sign * 0.27, 0.05, -0.05]), [sign * 0.80, eye[1] + 0.05, eye[2] - 0.95]];
            frame.join(&Shape::rod(&temple, 0.035, 5));
            if is_dark {
                lenses.join(&Shape::rounded(centre, [0.26, 0.2, 0.03], 8, 0.9));
            }
        }
        let bridge = [[-0.1, eye[1] + 0.05, front + 0.02], [0.1, eye[1] + 0.05, front + 0.02]];
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

fn mix_half(a: V3, b: V3) -> V3 {
    scale(add(a, b), 0.5)
}
