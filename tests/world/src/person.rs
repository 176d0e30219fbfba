//! One person as a mesh: skin, clothes, hair and things carried, bound to the skeleton and ready to be posed.

use std::collections::BTreeMap;

use crate::accessory::{Accessory, Wearer};
use crate::body::{Library, SKIN_VERTICES, Shape};
use crate::error::Result;
use crate::garment::{Cut, Garment, Slot, Source, compact, fit};
use crate::material::{Material, Part, linear};
use crate::math::{V3, add, dot, scale, sub};
use crate::meshfile::Triangle;
use crate::pose::{Action, Manner, Pose, Solved, solve};
use crate::rig::{Binding, BoneMatrix, Joints, skin};

/// Hair of the head and face.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hair {
    /// Mesh name; none is a shaved head.
    pub style: Option<&'static str>,
    /// sRGB 0..255.
    pub rgb: [f32; 3],
    /// Whether the scalp is bare.
    pub is_bald: bool,
    /// Beard, 0..1.
    pub beard: f32,
}

/// Everything that a person is built from.
#[derive(Debug, Clone)]
pub struct Outline {
    /// Body.
    pub shape: Shape,
    /// sRGB of the skin.
    pub skin: [f32; 3],
    /// Hair.
    pub hair: Hair,
    /// Clothes, inner first.
    pub garments: Vec<Garment>,
    /// Things carried and worn.
    pub accessories: Vec<Accessory>,
    /// How the person moves.
    pub manner: Manner,
}

/// A person ready to be posed.
#[derive(Debug)]
pub struct Person {
    /// Vertices at rest, decimetres.
    pub vertices: Vec<V3>,
    /// Their bones.
    pub bindings: Vec<Binding>,
    /// Triangles.
    pub triangles: Vec<Triangle>,
    /// Material of each triangle.
    pub surface: Vec<u16>,
    /// Materials.
    pub materials: Vec<Material>,
    /// Colour factor of each vertex.
    pub tint: Vec<V3>,
    /// Signed distance to where its garment is cut, decimetres; below zero is not drawn.
    pub clip: Vec<f32>,
    /// Position in the canonical pose: the space of patterns.
    pub canonical: Vec<V3>,
    /// Normal in the canonical pose.
    pub canonical_normal: Vec<V3>,
    /// Light from all around, 0..1.
    pub ambient: Vec<f32>,
    /// Joints at rest.
    pub joints: Joints,
    /// Shares of each foot's bones, to find soles.
    pub manner: Manner,
}

struct Builder<'a> {
    library: &'a Library,
    canonical_bones: Vec<BoneMatrix>,
    arm: [bool; 64],
    points: BTreeMap<&'static str, V3>,
    person: Person,
}

/// Where a vertex lies along the limbs.
#[derive(Clone, Copy)]
struct Along {
    sleeve: f32,
    leg: f32,
}

impl Person {
    /// Morphs, dresses and binds one person.
    ///
    /// # Errors
    /// The library lacks a mesh that the outline names.
    pub fn build(library: &Library, outline: &Outline) -> Result<Self> {
        let body = library.morph(&outline.shape);
        let joints = library.rig.joints(&body);
        let manner = Manner { lean: 0.0, abduct: 5.0, elbow: 6.0, ..Manner::default() };
        let canonical = solve(&library.rig, &joints, &Pose::new(Action::Stand, manner));
        let mut points = BTreeMap::new();
        for name in [
            "upperarm_l", "lowerarm_l", "hand_l", "upperarm_r", "lowerarm_r", "hand_r", "thigh_l", "calf_l", "foot_l", "pelvis",
            "neck_01", "head",
        ] {
            let bone = library.rig.bone(name);
            points.insert(name, moved(&canonical.bones[bone], joints.heads[bone]));
        }
        let mut arm = [false; 64];
        for (i, name) in library.rig.names.iter().enumerate() {
            let stem = name.split('_').next().unwrap_or_default();
            arm[i] = ["upperarm", "lowerarm", "hand", "thumb", "index", "middle", "ring", "pinky"].contains(&stem);
        }
        let person = Self {
            vertices: Vec::new(),
            bindings: Vec::new(),
            triangles: Vec::new(),
            surface: Vec::new(),
            materials: Vec::new(),
            tint: Vec::new(),
            clip: Vec::new(),
            canonical: Vec::new(),
            canonical_normal: Vec::new(),
            ambient: Vec::new(),
            joints: joints.clone(),
            manner: outline.manner,
        };
        let mut builder = Builder { library, canonical_bones: canonical.bones, arm, points, person };
        let hidden = builder.clothes(outline, &body)?;
        builder.skin(outline, &body, &hidden)?;
        builder.hair(outline, &body)?;
        let wearer = Wearer { library, body: &body, joints: &joints, manner: outline.manner };
        for accessory in &outline.accessories {
            for part in accessory.make(&wearer)? {
                let tint = vec![[1.0; 3]; part.shape.vertices.len()];
                builder.add(part.shape.vertices, part.bindings, &part.shape.triangles, part.material, tint, Cut::default());
            }
        }
        let mut person = builder.person;
        crate::body::normals(&person.canonical, &person.triangles, &mut person.canonical_normal);
        person.ambient = crate::shadow::ambient(library, &person);
        Ok(person)
    }

    /// The bones of a pose, and how far to lift the person so that the lowest sole touches the ground.
    #[must_use]
    pub fn solve(&self, library: &Library, pose: &Pose) -> (Solved, f32) {
        let solved = solve(&library.rig, &self.joints, pose);
        let lift = -solved.lowest();
        (solved, lift)
    }

    /// Moves all vertices by bone matrices.
    pub fn posed(&self, bones: &[BoneMatrix], out: &mut Vec<V3>) {
        skin(&self.vertices, &self.bindings, bones, out);
    }
}

fn moved(m: &BoneMatrix, p: V3) -> V3 {
    std::array::from_fn(|i| m[i][0] * p[0] + m[i][1] * p[1] + m[i][2] * p[2] + m[i][3])
}

/// 0 at `a`, 1 at `b`, 2 at `d` along a limb.
fn limb(p: V3, a: V3, b: V3, d: V3) -> f32 {
    let u = sub(b, a);
    let t = dot(sub(p, a), u) / dot(u, u);
    let w = sub(d, b);
    let s = dot(sub(p, b), w) / dot(w, w);
    if t < 1.0 { t } else { 1.0 + s.clamp(0.0, 3.0) }
}

fn clip(along: Along, cut: Cut) -> f32 {
    let mut k: f32 = 9.0;
    if let Some(sleeve) = cut.sleeve {
        k = k.min((sleeve - along.sleeve) * 2.8);
    }
    if let Some(hem) = cut.hem {
        k = k.min((hem - along.leg) * 4.2);
    }
    if let Some(waist) = cut.waist {
        k = k.min((along.leg - waist) * 4.2);
    }
    k
}

impl Builder<'_> {
    fn along(&self, canonical: &[V3], bindings: &[Binding]) -> Vec<Along> {
        let p = &self.points;
        canonical
            .iter()
            .zip(bindings)
            .map(|(c, b)| {
                let is_arm = b.share(|bone| self.arm[bone]) > 0.5;
                let sleeve = if !is_arm {
                    -1.0
                } else if c[0] > 0.0 {
                    limb(*c, p["upperarm_l"], p["lowerarm_l"], p["hand_l"])
                } else {
                    limb(*c, p["upperarm_r"], p["lowerarm_r"], p["hand_r"])
                };
                let (hip, knee, ankle) = (p["thigh_l"][1], p["calf_l"][1], p["foot_l"][1]);
                let mut leg = (hip - c[1]) / (hip - knee);
                if leg >= 1.0 {
                    leg = 1.0 + (knee - c[1]) / (knee - ankle);
                }
                Along { sleeve, leg }
            })
            .collect()
    }

    fn add(
        &mut self,
        vertices: Vec<V3>,
        bindings: Vec<Binding>,
        triangles: &[Triangle],
        material: Material,
        tint: Vec<V3>,
        cut: Cut,
    ) -> std::ops::Range<usize> {
        let mut canonical = Vec::new();
        skin(&vertices, &bindings, &self.canonical_bones, &mut canonical);
        let along = self.along(&canonical, &bindings);
        let first = self.person.vertices.len();
        let p = &mut self.person;
        p.clip.extend(along.iter().map(|a| clip(*a, cut)));
        p.triangles.extend(triangles.iter().map(|t| t.map(|v| v + first as u32)));
        p.surface.extend(std::iter::repeat_n(p.materials.len() as u16, triangles.len()));
        p.materials.push(material);
        p.vertices.extend(vertices);
        p.bindings.extend(bindings);
        p.tint.extend(tint);
        p.canonical.extend(canonical);
        first..p.vertices.len()
    }

    /// Adds the clothes and says which vertices of the body they hide.
    fn clothes(&mut self, outline: &Outline, body: &[V3]) -> Result<Vec<bool>> {
        let body_bindings: Vec<Binding> =
            (0..SKIN_VERTICES as u32).map(|v| self.library.rig.blend([v; 3], [1.0, 0.0, 0.0])).collect();
        let mut canonical = Vec::new();
        skin(&body[..SKIN_VERTICES], &body_bindings, &self.canonical_bones, &mut canonical);
        let along = self.along(&canonical, &body_bindings);
        let (low, high) = (self.points["pelvis"][1], self.points["neck_01"][1]);
        let mut hidden = vec![false; SKIN_VERTICES];
        for garment in &outline.garments {
            let mut piece = fit(self.library, garment.source, body, garment.inflate)?;
            if garment.source == Source::Skirt && (garment.flare - 1.0).abs() > 1e-3 {
                self.widen(&mut piece.vertices, &piece.bindings, garment.flare);
            }
            let tint = vec![[1.0; 3]; piece.vertices.len()];
            let range = self.add(piece.vertices, piece.bindings, &piece.triangles, garment.material, tint, garment.cut);
            let p = &mut self.person;
            let shown = range.clone().filter(|v| p.clip[*v] > 0.0).map(|v| p.canonical[v][1]);
            let (mut bottom, mut top) = (f32::MAX, f32::MIN);
            for y in shown {
                (bottom, top) = (bottom.min(y), top.max(y));
            }
            if let Some(m) = p.materials.last_mut() {
                for height in [&mut m.line, &mut m.top, &mut m.bottom] {
                    *height = if garment.slot == Slot::Feet { bottom + 0.32 + *height * 4.0 } else { low + *height * (high - low) };
                }
            }
            for v in piece.covered.iter().map(|v| *v as usize).filter(|v| *v < SKIN_VERTICES) {
                let (c, a) = (canonical[v], along[v]);
                let is_arm = a.sleeve > -1.0;
                let is_below = match garment.slot {
                    Slot::Top => c[1] > bottom + 0.25 || is_arm,
                    Slot::Bottom => c[1] < top - 0.25 && !is_arm,
                    Slot::Feet => true,
                };
                hidden[v] |= is_below && clip(a, garment.cut) > 0.3;
            }
        }
        Ok(hidden)
    }

    fn widen(&self, vertices: &mut [V3], bindings: &[Binding], flare: f32) {
        let mut canonical = Vec::new();
        skin(vertices, bindings, &self.canonical_bones, &mut canonical);
        let along = self.along(&canonical, bindings);
        let centre = scale(vertices.iter().fold([0.0; 3], |s, v| add(s, *v)), 1.0 / vertices.len().max(1) as f32);
        for (v, a) in vertices.iter_mut().zip(along) {
            let k = 1.0 + (flare - 1.0) * a.leg.clamp(0.0, 2.0) * 0.5;
            v[0] = centre[0] + (v[0] - centre[0]) * k;
            v[2] = centre[2] + (v[2] - centre[2]) * k;
        }
    }

    fn skin(&mut self, outline: &Outline, body: &[V3], hidden: &[bool]) -> Result<()> {
        let is_hidden = |v: u32| hidden.get(v as usize).copied().unwrap_or(false);
        let shown: Vec<Triangle> =
            self.library.group("body")?.iter().filter(|t| !t.iter().all(|v| is_hidden(*v))).copied().collect();
        let (members, triangles) = compact(&shown, body.len());
        let face = &self.library.face;
        let (skin_colour, hair_colour) = (linear(outline.skin), linear(outline.hair.rgb));
        let over = |share: f32| -> V3 {
            std::array::from_fn(|i| (hair_colour[i] * share + skin_colour[i] * (1.0 - share)) / skin_colour[i].max(1e-3))
        };
        let lips: V3 = std::array::from_fn(|i| linear([168.0, 92.0, 88.0])[i] / linear([222.0, 176.0, 150.0])[i]);
        let brows: V3 = std::array::from_fn(|i| 0.35 + 0.65 * (hair_colour[i] / skin_colour[i].max(1e-3)).clamp(0.0, 1.0));
        let tint = members
            .iter()
            .map(|v| {
                let v = *v as usize;
                if face.lips[v] {
                    lips
                } else if face.brows[v] {
                    brows
                } else if face.scalp[v] && !outline.hair.is_bald {
                    over(if outline.hair.style.is_some() { 0.9 } else { 0.7 })
                } else if face.beard[v] && outline.hair.beard > 0.0 {
                    over(outline.hair.beard)
                } else {
                    [1.0; 3]
                }
            })
            .collect();
        let mut material = Material::plain(Part::Skin, outline.skin);
        (material.shine, material.wrap, material.mottle) = (0.05, 0.15, 0.06);
        let bindings = members.iter().map(|v| self.library.rig.blend([*v; 3], [1.0, 0.0, 0.0])).collect();
        let vertices = members.iter().map(|v| body[*v as usize]).collect();
        self.add(vertices, bindings, &triangles, material, tint, Cut::default());
        for eye in ["helper-l-eye", "helper-r-eye"] {
            let (members, triangles) = compact(self.library.group(eye)?, body.len());
            let mut material = Material::plain(Part::Skin, [70.0, 60.0, 56.0]);
            (material.shine, material.bias) = (0.2, -0.02);
            let bindings = vec![Binding::rigid(self.library.rig.bone("head")); members.len()];
            let tint = vec![[1.0; 3]; members.len()];
            self.add(members.iter().map(|v| body[*v as usize]).collect(), bindings, &triangles, material, tint, Cut::default());
        }
        Ok(())
    }

    fn hair(&mut self, outline: &Outline, body: &[V3]) -> Result<()> {
        let Some(name) = outline.hair.style else { return Ok(()) };
        let piece = fit(self.library, Source::Outfit { name, components: &[], islands: &[] }, body, 0.0)?;
        let rig = &self.library.rig;
        let (head, chest) = (rig.bone("head"), rig.bone("spine_03"));
        let neck = self.person.joints.heads[rig.bone("neck_01")][1];
        // Below the neck, long hair follows the back.
        let bindings = piece
            .vertices
            .iter()
            .map(|v| {
                let t = ((neck - v[1]) / 1.5).clamp(0.0, 0.75);
                Binding { bones: [head as u8, chest as u8, 0, 0], shares: [1.0 - t, t, 0.0, 0.0] }
            })
            .collect();
        let mut material = Material::plain(Part::Hair, outline.hair.rgb.map(|c| c * 0.72));
        material.pattern = crate::material::Pattern::Hair;
        material.second = linear(outline.hair.rgb.map(|c| (c * 1.15 + 5.0).min(255.0)));
        (material.shine, material.bias, material.wrap) = (0.1, 0.04, 0.25);
        let tint = vec![[1.0; 3]; piece.vertices.len()];
        self.add(piece.vertices, bindings, &piece.triangles, material, tint, Cut::default());
        Ok(())
    }
}
