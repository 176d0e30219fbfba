//! The wardrobe room as loaded: base body, shape targets, outfits and hair, and the body of one person made from them.

use std::collections::{BTreeMap, HashMap};

use crate::assets::Files;
use crate::error::{Error, Result};
use crate::math::{V3, add, scale, sub};
use crate::meshfile::{Fit, Mesh, Target, Triangle, components, read_fit, read_obj, read_target};
use crate::rig::Rig;

/// Vertices below this number are skin; the rest is helper geometry.
pub const SKIN_VERTICES: usize = 13_380;

/// An outfit or a head of hair: its mesh, how it hangs on the body, and how it falls into parts.
#[derive(Debug)]
pub struct Outfit {
    /// The mesh.
    pub mesh: Mesh,
    /// The fit.
    pub fit: Fit,
    /// Connected component of each vertex, by size.
    pub component: Vec<usize>,
    /// Island of each triangle in texture space, by size: sleeves, fronts, back, collar.
    pub island: Vec<usize>,
}

/// Everything that people are made of. Load it once; it is never changed.
#[derive(Debug)]
pub struct Library {
    /// The base mesh with its helpers.
    pub base: Mesh,
    /// Skeleton and skin weights.
    pub rig: Rig,
    /// Marks on the face of the unmorphed head.
    pub face: FaceMask,
    targets: HashMap<String, Target>,
    outfits: BTreeMap<String, Outfit>,
}

/// Which base vertices are lips, brows, beard and scalp.
#[derive(Debug)]
pub struct FaceMask {
    /// Lips.
    pub lips: Vec<bool>,
    /// Brows.
    pub brows: Vec<bool>,
    /// The scalp under hair.
    pub scalp: Vec<bool>,
    /// Cheeks, chin and upper lip.
    pub beard: Vec<bool>,
    /// The left eye's centre vertex set.
    pub eye: Vec<u32>,
}

/// The macro values of a body, each 0..1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    /// 0 female, 1 male.
    pub gender: f32,
    /// 0 child of about ten, 0.5 at 25, 1 at 90.
    pub age: f32,
    /// 0.5 average.
    pub muscle: f32,
    /// 0.5 average.
    pub weight: f32,
    /// 0.5 average; not linear in metres.
    pub height: f32,
    /// Shares of the african, asian and caucasian shapes.
    pub origin: [f32; 3],
    /// 0.5 average.
    pub cup: f32,
}

impl Library {
    /// Parses all files.
    ///
    /// # Errors
    /// A file cannot be parsed.
    pub fn load(files: &Files) -> Result<Self> {
        let base = read_obj("base.obj", &files.text("body/3dobjs/base.obj")?)?;
        if base.vertices.len() < SKIN_VERTICES {
            return Err(Error::asset("base.obj", "too few vertices"));
        }
        let rig = Rig::load(files, &base)?;
        let mut targets = HashMap::new();
        for name in files.names("body/targets/") {
            let short = name
                .trim_start_matches("body/targets/")
                .trim_end_matches(".target")
                .to_owned();
            targets.insert(short, read_target(name, &files.text(name)?)?);
        }
        let mut outfits = BTreeMap::new();
        for name in files
            .names("clothes/")
            .into_iter()
            .chain(files.names("hair/"))
        {
            let Some(stem) = name.strip_suffix(".mhclo") else {
                continue;
            };
            let mesh = read_obj(name, &files.text(&format!("{stem}.obj"))?)?;
            let fit = read_fit(name, &files.text(name)?)?;
            if fit.references.len() != mesh.vertices.len() {
                return Err(Error::asset(name, "fit and mesh differ in vertices"));
            }
            let component = components(&mesh.triangles, mesh.vertices.len());
            let corners = mesh
                .texture_triangles
                .iter()
                .flatten()
                .max()
                .map_or(0, |m| *m as usize + 1);
            let labels = components(&mesh.texture_triangles, corners);
            let island = mesh
                .texture_triangles
                .iter()
                .map(|t| labels[t[0] as usize])
                .collect();
            let short = stem.rsplit('/').next().unwrap_or(stem).to_owned();
            outfits.insert(
                short,
                Outfit {
                    mesh,
                    fit,
                    component,
                    island,
                },
            );
        }
        let face = FaceMask::find(&base)?;
        Ok(Self {
            base,
            rig,
            face,
            targets,
            outfits,
        })
    }

    /// An outfit by name.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn outfit(&self, name: &str) -> Result<&Outfit> {
        self.outfits
            .get(name)
            .ok_or_else(|| Error::asset(name, "no such outfit"))
    }

    /// The triangles of a group of the base mesh.
    ///
    /// # Errors
    /// There is no such group.
    pub fn group(&self, name: &str) -> Result<&[Triangle]> {
        self.base
            .groups
            .get(name)
            .map(Vec::as_slice)
            .ok_or_else(|| Error::asset("base.obj", format!("no group {name}")))
    }

    /// The base mesh, helpers included, in one person's shape.
    #[must_use]
    pub fn morph(&self, shape: &Shape) -> Vec<V3> {
        let mut vertices = self.base.vertices.clone();
        for (name, weight) in shape.weights() {
            let Some(target) = self.targets.get(&name) else {
                continue;
            };
            for (vertex, offset) in target {
                let v = &mut vertices[*vertex as usize];
                *v = add(*v, scale(*offset, weight));
            }
        }
        vertices
    }
}

impl Fit {
    /// Where a garment's vertices lie on a body.
    #[must_use]
    pub fn on(&self, body: &[V3]) -> Vec<V3> {
        let mut factor = [1.0; 3];
        for (axis, scale) in self.scales.iter().enumerate() {
            if let Some((a, b, distance)) = scale {
                factor[axis] = (body[*a as usize][axis] - body[*b as usize][axis]).abs() / distance;
            }
        }
        self.references
            .iter()
            .zip(&self.weights)
            .zip(&self.offsets)
            .map(|((r, w), o)| {
                let mut p = [o[0] * factor[0], o[1] * factor[1], o[2] * factor[2]];
                for (vertex, weight) in r.iter().zip(w) {
                    p = add(p, scale(body[*vertex as usize], *weight));
                }
                p
            })
            .collect()
    }
}

impl Shape {
    fn weights(&self) -> BTreeMap<String, f32> {
        let genders = between(self.gender, &["female", "male"]);
        let ages = between(self.age, &["child", "young", "old"]);
        let muscles = between(self.muscle, &["minmuscle", "averagemuscle", "maxmuscle"]);
        let weights = between(self.weight, &["minweight", "averageweight", "maxweight"]);
        let heights = between(self.height, &["minheight", "", "maxheight"]);
        let cups = between(self.cup, &["mincup", "averagecup", "maxcup"]);
        let total: f32 = self.origin.iter().sum();
        let mut out: BTreeMap<String, f32> = BTreeMap::new();
        for (g, wg) in &genders {
            for (a, wa) in &ages {
                for (n, wn) in ["african", "asian", "caucasian"].iter().zip(self.origin) {
                    *out.entry(format!("macrodetails/{n}-{g}-{a}")).or_default() +=
                        wg * wa * wn / total;
                }
                for (m, wm) in &muscles {
                    for (w, ww) in &weights {
                        let k = wg * wa * wm * ww;
                        *out.entry(format!("macrodetails/universal-{g}-{a}-{m}-{w}"))
                            .or_default() += k;
                        for (h, wh) in heights.iter().filter(|(h, _)| !h.is_empty()) {
                            let name = format!("macrodetails/height/{g}-{a}-averagemuscle-{w}-{h}");
                            *out.entry(name).or_default() += k * wh;
                        }
                        for (c, wc) in &cups {
                            *out.entry(format!("breast/{g}-{a}-{m}-{w}-{c}-averagefirmness"))
                                .or_default() += k * wc;
                        }
                    }
                }
            }
        }
        out.retain(|_, weight| *weight > 1e-4);
        out
    }
}

/// Linear weights between equally spaced anchors on 0..1.
fn between<'a>(value: f32, anchors: &[&'a str]) -> Vec<(&'a str, f32)> {
    let last = anchors.len() - 1;
    let t = value.clamp(0.0, 1.0) * last as f32;
    let i = (t as usize).min(last - 1);
    let share = t - i as f32;
    vec![(anchors[i], 1.0 - share), (anchors[i + 1], share)]
}

/// The macro height for a deviation in metres from the mean (man 1.75 m, woman 1.61 m).
#[must_use]
pub fn height_value(deviation_m: f32) -> f32 {
    0.5 + if deviation_m > 0.0 {
        deviation_m / 1.45
    } else {
        deviation_m / 0.74
    }
}

impl FaceMask {
    fn find(base: &Mesh) -> Result<Self> {
        let members = |name: &str| -> Result<Vec<u32>> {
            let triangles = base
                .groups
                .get(name)
                .ok_or_else(|| Error::asset("base.obj", format!("no group {name}")))?;
            let mut vertices: Vec<u32> = triangles.iter().flatten().copied().collect();
            vertices.sort_unstable();
            vertices.dedup();
            Ok(vertices)
        };
        let eye_members = members("helper-l-eye")?;
        let eye = mean(&base.vertices, &eye_members);
        let (mut lips, mut brows, mut scalp, mut beard) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (i, v) in base.vertices.iter().enumerate() {
            let (x, y, z) = (v[0].abs(), v[1], v[2]);
            let head = i < SKIN_VERTICES && y > 5.9 && x < 1.2;
            let is_lip = head && x < 0.25 && (y - 6.655).abs() < 0.085 - 0.2 * x && z > 1.3;
            let brow_height = eye[1] + 0.23 - 0.15 * (x - eye[0]).abs();
            lips.push(is_lip);
            brows.push(
                head && (x - eye[0]).abs() < 0.25 && (y - brow_height).abs() < 0.05 && z > eye[2],
            );
            let cheek = if x > 0.55 { 7.08 } else { 6.83 };
            beard.push(head && y < cheek && y > 6.02 && z > 0.45 && !is_lip);
            let back = ((0.9 - z) / 0.9).clamp(0.0, 1.0);
            scalp.push(head && y > eye[1] + 0.62 - 0.55 * back - 0.8 * (0.2 - z).clamp(0.0, 0.9));
        }
        Ok(Self {
            lips,
            brows,
            scalp,
            beard,
            eye: eye_members,
        })
    }
}

/// The mean of some vertices.
#[must_use]
pub fn mean(vertices: &[V3], members: &[u32]) -> V3 {
    let sum = members
        .iter()
        .fold([0.0; 3], |sum, i| add(sum, vertices[*i as usize]));
    scale(sum, 1.0 / members.len().max(1) as f32)
}

/// Vertex normals: the area-weighted mean of the triangles around.
pub fn normals(vertices: &[V3], triangles: &[Triangle], out: &mut Vec<V3>) {
    out.clear();
    out.resize(vertices.len(), [0.0; 3]);
    for t in triangles {
        let (a, b, c) = (
            vertices[t[0] as usize],
            vertices[t[1] as usize],
            vertices[t[2] as usize],
        );
        let n = crate::math::cross(sub(b, a), sub(c, a));
        for corner in t {
            let v = &mut out[*corner as usize];
            *v = add(*v, n);
        }
    }
    for v in out.iter_mut() {
        *v = crate::math::unit(*v);
    }
}
