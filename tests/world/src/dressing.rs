//! Puts clothes, skin and hair onto a body and hides what is below.

use std::collections::BTreeMap;

use crate::body::{Library, SKIN_VERTICES};
use crate::error::Result;
use crate::garment::{Cut, Slot, Source, compact, fit};
use crate::material::{Material, Part, linear};
use crate::math::{V3, add, dot, scale, sub};
use crate::meshfile::Triangle;
use crate::person::{Outline, Person};
use crate::rig::{Binding, BoneMatrix, skin};

/// A person in the making.
pub(crate) struct Builder<'a> {
    pub(crate) library: &'a Library,
    pub(crate) canonical_bones: Vec<BoneMatrix>,
    pub(crate) arm: [bool; 64],
    pub(crate) points: BTreeMap<&'static str, V3>,
    pub(crate) person: Person,
}

/// Where a vertex lies along the limbs.
#[derive(Clone, Copy)]
pub(crate) struct Along {
    pub(crate) sleeve: f32,
    pub(crate) leg: f32,
}

pub(crate) fn moved(m: &BoneMatrix, p: V3) -> V3 {
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

    pub(crate) fn add(
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
        p.triangles
            .extend(triangles.iter().map(|t| t.map(|v| v + first as u32)));
        p.surface.extend(std::iter::repeat_n(
            p.materials.len() as u16,
            triangles.len(),
        ));
        p.materials.push(material);
        p.vertices.extend(vertices);
        p.bindings.extend(bindings);
        p.tint.extend(tint);
        p.canonical.extend(canonical);
        first..p.vertices.len()
    }

    /// Adds the clothes and says which vertices of the body they hide.
    pub(crate) fn clothes(&mut self, outline: &Outline, body: &[V3]) -> Result<Vec<bool>> {
        let body_bindings: Vec<Binding> = (0..SKIN_VERTICES as u32)
            .map(|v| self.library.rig.blend([v; 3], [1.0, 0.0, 0.0]))
            .collect();
        let mut canonical = Vec::new();
        skin(
            &body[..SKIN_VERTICES],
            &body_bindings,
            &self.canonical_bones,
            &mut canonical,
        );
        let along = self.along(&canonical, &body_bindings);
        let (low, high) = (self.points["pelvis"][1], self.points["neck_01"][1]);
        let mut hidden = vec![false; SKIN_VERTICES];
        for garment in &outline.garments {
            let mut piece = fit(self.library, garment.source, body, garment.inflate)?;
            if garment.source == Source::Skirt && (garment.flare - 1.0).abs() > 1e-3 {
                self.widen(&mut piece.vertices, &piece.bindings, garment.flare);
            }
            let tint = vec![[1.0; 3]; piece.vertices.len()];
            let range = self.add(
                piece.vertices,
                piece.bindings,
                &piece.triangles,
                garment.material,
                tint,
                garment.cut,
            );
            let p = &mut self.person;
            let shown = range
                .clone()
                .filter(|v| p.clip[*v] > 0.0)
                .map(|v| p.canonical[v][1]);
            let (mut bottom, mut top) = (f32::MAX, f32::MIN);
            for y in shown {
                (bottom, top) = (bottom.min(y), top.max(y));
            }
            if let Some(m) = p.materials.last_mut() {
                for height in [&mut m.line, &mut m.top, &mut m.bottom] {
                    *height = if garment.slot == Slot::Feet {
                        bottom + 0.32 + *height * 4.0
                    } else {
                        low + *height * (high - low)
                    };
                }
            }
            for v in piece
                .covered
                .iter()
                .map(|v| *v as usize)
                .filter(|v| *v < SKIN_VERTICES)
            {
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
        let centre = scale(
            vertices.iter().fold([0.0; 3], |s, v| add(s, *v)),
            1.0 / vertices.len().max(1) as f32,
        );
        for (v, a) in vertices.iter_mut().zip(along) {
            let k = 1.0 + (flare - 1.0) * a.leg.clamp(0.0, 2.0) * 0.5;
            v[0] = centre[0] + (v[0] - centre[0]) * k;
            v[2] = centre[2] + (v[2] - centre[2]) * k;
        }
    }

    pub(crate) fn skin(&mut self, outline: &Outline, body: &[V3], hidden: &[bool]) -> Result<()> {
        let is_hidden = |v: u32| hidden.get(v as usize).copied().unwrap_or(false);
        let shown: Vec<Triangle> = self
            .library
            .group("body")?
            .iter()
            .filter(|t| !t.iter().all(|v| is_hidden(*v)))
            .copied()
            .collect();
        let (members, triangles) = compact(&shown, body.len());
        let face = &self.library.face;
        let (skin_colour, hair_colour) = (linear(outline.skin), linear(outline.hair.rgb));
        let over = |share: f32| -> V3 {
            std::array::from_fn(|i| {
                (hair_colour[i] * share + skin_colour[i] * (1.0 - share)) / skin_colour[i].max(1e-3)
            })
        };
        let lips: V3 = std::array::from_fn(|i| {
            linear([168.0, 92.0, 88.0])[i] / linear([222.0, 176.0, 150.0])[i]
        });
        let brows: V3 = std::array::from_fn(|i| {
            0.35 + 0.65 * (hair_colour[i] / skin_colour[i].max(1e-3)).clamp(0.0, 1.0)
        });
        let tint = members
            .iter()
            .map(|v| {
                let v = *v as usize;
                if face.lips[v] {
                    lips
                } else if face.brows[v] {
                    brows
                } else if face.scalp[v] && !outline.hair.is_bald {
                    over(if outline.hair.style.is_some() {
                        0.9
                    } else {
                        0.7
                    })
                } else if face.beard[v] && outline.hair.beard > 0.0 {
                    over(outline.hair.beard)
                } else {
                    [1.0; 3]
                }
            })
            .collect();
        let mut material = Material::plain(Part::Skin, outline.skin);
        (material.shine, material.wrap, material.mottle) = (0.05, 0.15, 0.06);
        let bindings = members
            .iter()
            .map(|v| self.library.rig.blend([*v; 3], [1.0, 0.0, 0.0]))
            .collect();
        let vertices = members.iter().map(|v| body[*v as usize]).collect();
        let first = self.person.triangles.len();
        self.add(
            vertices,
            bindings,
            &triangles,
            material,
            tint,
            Cut::default(),
        );
        self.name_hands(first, material);
        for eye in ["helper-l-eye", "helper-r-eye"] {
            let (members, triangles) = compact(self.library.group(eye)?, body.len());
            let mut material = Material::plain(Part::Skin, [70.0, 60.0, 56.0]);
            (material.shine, material.bias) = (0.2, -0.02);
            let bindings = vec![Binding::rigid(self.library.rig.bone("head")); members.len()];
            let tint = vec![[1.0; 3]; members.len()];
            self.add(
                members.iter().map(|v| body[*v as usize]).collect(),
                bindings,
                &triangles,
                material,
                tint,
                Cut::default(),
            );
        }
        Ok(())
    }

    /// Hands are a part of their own: they lie before clothes without being skin that shows through them.
    fn name_hands(&mut self, first: usize, material: Material) {
        const STEMS: [&str; 6] = ["hand", "thumb", "index", "middle", "ring", "pinky"];
        let stems = self
            .library
            .rig
            .names
            .iter()
            .map(|n| n.split('_').next().unwrap_or_default());
        let is_hand: Vec<bool> = stems.map(|stem| STEMS.contains(&stem)).collect();
        let p = &mut self.person;
        let number = p.materials.len() as u16;
        p.materials.push(Material {
            part: Part::Hands,
            ..material
        });
        for (triangle, surface) in p.triangles[first..].iter().zip(&mut p.surface[first..]) {
            let share = |v: u32| {
                p.bindings[v as usize].share(|bone| is_hand.get(bone).copied().unwrap_or(false))
            };
            if triangle.iter().all(|v| share(*v) > 0.4) {
                *surface = number;
            }
        }
    }

    pub(crate) fn hair(&mut self, outline: &Outline, body: &[V3]) -> Result<()> {
        let Some(name) = outline.hair.style else {
            return Ok(());
        };
        let piece = fit(
            self.library,
            Source::Outfit {
                name,
                components: &[],
                islands: &[],
            },
            body,
            0.0,
        )?;
        let rig = &self.library.rig;
        let (head, chest) = (rig.bone("head"), rig.bone("spine_03"));
        let neck = self.person.joints.heads[rig.bone("neck_01")][1];
        // Below the neck, long hair follows the back.
        let bindings = piece
            .vertices
            .iter()
            .map(|v| {
                let t = ((neck - v[1]) / 1.5).clamp(0.0, 0.75);
                Binding {
                    bones: [head as u8, chest as u8, 0, 0],
                    shares: [1.0 - t, t, 0.0, 0.0],
                }
            })
            .collect();
        let mut material = Material::plain(Part::Hair, outline.hair.rgb.map(|c| c * 0.72));
        material.pattern = crate::material::Pattern::Hair;
        material.second = linear(outline.hair.rgb.map(|c| (c * 1.15 + 5.0).min(255.0)));
        (material.shine, material.bias, material.wrap) = (0.1, 0.04, 0.25);
        let tint = vec![[1.0; 3]; piece.vertices.len()];
        self.add(
            piece.vertices,
            bindings,
            &piece.triangles,
            material,
            tint,
            Cut::default(),
        );
        Ok(())
    }
}
