//! Things worn and carried that no mesh exists for: built from simple shapes on one body.

use crate::body::Library;
use crate::error::Result;
use crate::garment::compact;
use crate::material::{Material, Part};
use crate::math::{V3, add, align, dot, length, rotation, scale, sub, unit};
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
    ShoulderBag {
        rgb: [f32; 3],
        side: usize,
        is_across: bool,
    },
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

pub(crate) fn surface(part: Part, rgb: [f32; 3], bump: f32, shine: f32) -> Material {
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
            Self::ShoulderBag {
                rgb,
                side,
                is_across,
            } => w.shoulder_bag(rgb, side, is_across)?,
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
    pub(crate) fn head_of(&self, bone: &str) -> V3 {
        self.joints.heads[self.library.rig.bone(bone)]
    }

    pub(crate) fn rigid(&self, shape: Shape, bone: &str, material: Material) -> Made {
        let bindings = vec![Binding::rigid(self.library.rig.bone(bone)); shape.vertices.len()];
        Made {
            shape,
            bindings,
            material,
        }
    }

    /// The points of the helper tights: a smooth hull of the dressed body.
    pub(crate) fn hull(&self) -> Result<Vec<V3>> {
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
        bag.join(&Shape::rounded(
            add(centre, [0.0, -tall * 0.22, -0.75]),
            [1.0, tall * 0.3, 0.35],
            10,
            0.35,
        ));
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
            let reach = near
                .iter()
                .filter(|(a, _)| (a - turn).abs() < 0.3)
                .map(|(_, r)| *r)
                .fold(f32::MIN, f32::max);
            if reach > 0.0 {
                let normal = [0.0, turn.sin(), turn.cos()];
                let shift = x.signum() * inward * (-turn).max(0.0);
                points.push(add(
                    [x + shift, centre[0], centre[1]],
                    scale(normal, reach + 0.12),
                ));
                normals.push(normal);
            }
        }
        Shape::band(&points, &normals, [1.0, 0.0, 0.0], 0.2, 0.12)
    }

    fn shoulder_bag(&self, rgb: [f32; 3], side: usize, is_across: bool) -> Result<Vec<Made>> {
        let hull = self.hull()?;
        let sign = if side == 0 { 1.0 } else { -1.0 };
        let (hip, neck, shoulder) = (
            self.head_of("thigh_l"),
            self.head_of("neck_01"),
            self.head_of("upperarm_l"),
        );
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
        Ok(vec![
            self.rigid(bag, "pelvis", leather),
            self.blended(strap, band),
        ])
    }

    /// Bound by height: chest above, pelvis below.
    fn blended(&self, shape: Shape, material: Material) -> Made {
        let (chest, pelvis) = (
            self.library.rig.bone("spine_03"),
            self.library.rig.bone("pelvis"),
        );
        let (low, high) = (self.head_of("pelvis")[1], self.head_of("spine_03")[1] + 0.8);
        let bindings = shape
            .vertices
            .iter()
            .map(|v| {
                let t = ((v[1] - low) / (high - low)).clamp(0.0, 1.0);
                Binding {
                    bones: [chest as u8, pelvis as u8, 0, 0],
                    shares: [t, 1.0 - t, 0.0, 0.0],
                }
            })
            .collect();
        Made {
            shape,
            bindings,
            material,
        }
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
        let manner = Manner {
            lean: 2.0,
            ..self.manner
        };
        solve(
            &self.library.rig,
            self.joints,
            &Pose::new(Action::Stand, manner),
        )
        .bones
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
        (
            bone,
            std::array::from_fn(|i| {
                m[i][0] * rest[0] + m[i][1] * rest[1] + m[i][2] * rest[2] + m[i][3]
            }),
        )
    }

    fn umbrella(&self, rgb: [f32; 3], side: usize) -> Vec<Made> {
        let bones = self.holding();
        let (bone, hand) = self.hand_in(&bones, side);
        let top = add(hand, [0.0, 7.2, -0.6]);
        let stick = Shape::rod(&[add(hand, [0.0, -0.8, 0.05]), hand, top], 0.07, 6);
        let canopy = Shape::dome([0.0; 3], [5.0, 5.0], 1.7, 8, 0.16)
            .placed(&rotation([1.0, 0.0, 0.0], -5.0), top);
        let name = ["hand_l", "hand_r"][side];
        let mut metal = surface(Part::Umbrella, [70.0, 70.0, 74.0], 0.0, 0.2);
        metal.mottle = 0.0;
        vec![
            self.rigid(
                Self::taken_back(canopy, &bones[bone]),
                name,
                surface(Part::Umbrella, rgb, 0.05, 0.08),
            ),
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
        case.join(&Shape::rod(
            &[[-0.75, tall, 0.0], [0.75, tall, 0.0]],
            0.1,
            6,
        ));
        for x in [-1.4, 1.4] {
            case.join(&Shape::rounded([x, 0.0, -0.7], [0.14, 0.34, 0.34], 7, 1.0));
        }
        vec![self.rigid(
            case.placed(&turn, foot),
            "Root",
            surface(Part::Suitcase, rgb, 0.04, 0.2),
        )]
    }
}

fn mix_half(a: V3, b: V3) -> V3 {
    scale(add(a, b), 0.5)
}
