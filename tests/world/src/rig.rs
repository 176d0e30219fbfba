//! The skeleton: 53 bones, where their joints lie in a body, and which bones move which vertex.

use std::collections::HashMap;

use serde::Deserialize;

use crate::assets::Files;
use crate::body::mean;
use crate::error::{Error, Result};
use crate::math::V3;
use crate::meshfile::{Mesh, Triangle};

/// Up to four bones and their shares.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Binding {
    /// Bone numbers.
    pub bones: [u8; 4],
    /// Shares, summing to one.
    pub shares: [f32; 4],
}

/// Bones in an order in which parents come first, and the weights of the base mesh.
#[derive(Debug)]
pub struct Rig {
    /// Bone names.
    pub names: Vec<String>,
    /// The parent of each bone.
    pub parents: Vec<Option<usize>>,
    heads: Vec<Vec<u32>>,
    tails: Vec<Vec<u32>>,
    /// Weights of each base vertex.
    weights: Vec<Vec<(u8, f32)>>,
    index: HashMap<String, usize>,
}

#[derive(Deserialize)]
struct Bone {
    parent: String,
    head: Place,
    tail: Place,
}

#[derive(Deserialize)]
struct Place {
    strategy: String,
    cube_name: Option<String>,
    vertex_index: Option<u32>,
    vertex_indices: Option<Vec<u32>>,
}

#[derive(Deserialize)]
struct Weights {
    weights: HashMap<String, Vec<(f32, f32)>>,
}

/// Where the joints of one body lie.
#[derive(Debug, Clone)]
pub struct Joints {
    /// Where each bone starts.
    pub heads: Vec<V3>,
    /// Where each bone ends.
    pub tails: Vec<V3>,
}

impl Rig {
    /// Reads rig and weights.
    ///
    /// # Errors
    /// The files do not fit the base mesh.
    pub fn load(files: &Files, base: &Mesh) -> Result<Self> {
        let name = "rig.game_engine.json";
        let bones: HashMap<String, Bone> =
            serde_json::from_slice(files.bytes("body/rigs/standard/rig.game_engine.json")?)
                .map_err(|e| Error::asset(name, e.to_string()))?;
        let weights: Weights =
            serde_json::from_slice(files.bytes("body/rigs/standard/weights.game_engine.json")?)
                .map_err(|e| Error::asset("weights.game_engine.json", e.to_string()))?;
        let mut left: Vec<&String> = bones.keys().collect();
        left.sort();
        let mut names: Vec<String> = Vec::new();
        while !left.is_empty() {
            let before = left.len();
            left.retain(|bone| {
                let parent = &bones[*bone].parent;
                let is_ready = parent.is_empty() || names.contains(parent);
                if is_ready {
                    names.push((*bone).clone());
                }
                !is_ready
            });
            if left.len() == before {
                return Err(Error::asset(name, "a bone has no parent"));
            }
        }
        let index: HashMap<String, usize> = names
            .iter()
            .enumerate()
            .map(|(i, n)| (n.clone(), i))
            .collect();
        let place = |p: &Place| -> Result<Vec<u32>> {
            match (
                p.strategy.as_str(),
                &p.cube_name,
                p.vertex_index,
                &p.vertex_indices,
            ) {
                ("CUBE", Some(cube), _, _) => {
                    let triangles = base
                        .groups
                        .get(cube)
                        .ok_or_else(|| Error::asset(name, format!("no cube {cube}")))?;
                    let mut members: Vec<u32> = triangles.iter().flatten().copied().collect();
                    members.sort_unstable();
                    members.dedup();
                    Ok(members)
                }
                ("VERTEX", _, Some(vertex), _) => Ok(vec![vertex]),
                (_, _, _, Some(vertices)) => Ok(vertices.clone()),
                _ => Err(Error::asset(name, format!("strategy {}", p.strategy))),
            }
        };
        let (mut heads, mut tails, mut parents) = (Vec::new(), Vec::new(), Vec::new());
        for bone in &names {
            heads.push(place(&bones[bone].head)?);
            tails.push(place(&bones[bone].tail)?);
            parents.push(index.get(&bones[bone].parent).copied());
        }
        let mut table = vec![Vec::new(); base.vertices.len()];
        for (bone, name) in names.iter().enumerate() {
            for (vertex, weight) in weights.weights.get(name).into_iter().flatten() {
                if let Some(list) = table.get_mut(*vertex as usize) {
                    list.push((bone as u8, *weight));
                }
            }
        }
        for list in &mut table {
            let total: f32 = list.iter().map(|(_, w)| w).sum();
            if total <= 0.0 {
                list.push((0, 1.0));
            } else {
                list.iter_mut().for_each(|(_, w)| *w /= total);
            }
        }
        Ok(Self {
            names,
            parents,
            heads,
            tails,
            weights: table,
            index,
        })
    }

    /// The number of the bone `name`; bone 0 for an unknown name, which no caller uses.
    #[must_use]
    pub fn bone(&self, name: &str) -> usize {
        self.index.get(name).copied().unwrap_or(0)
    }

    /// Where the joints of a body lie.
    #[must_use]
    pub fn joints(&self, body: &[V3]) -> Joints {
        Joints {
            heads: self.heads.iter().map(|m| mean(body, m)).collect(),
            tails: self.tails.iter().map(|m| mean(body, m)).collect(),
        }
    }

    /// All weights of a base vertex.
    #[must_use]
    pub fn weights(&self, vertex: u32) -> &[(u8, f32)] {
        &self.weights[vertex as usize]
    }

    /// The binding of a point that hangs on three base vertices.
    #[must_use]
    pub fn blend(&self, references: Triangle, shares: V3) -> Binding {
        let mut sum = [0.0_f32; 64];
        let clipped = shares.map(|s| s.max(0.0));
        let total = clipped.iter().sum::<f32>().max(1e-9);
        for (vertex, share) in references.iter().zip(clipped) {
            for (bone, weight) in self.weights(*vertex) {
                sum[usize::from(*bone)] += weight * share / total;
            }
        }
        strongest(&sum)
    }
}

/// The four strongest of a dense weight vector, normalised.
#[must_use]
pub fn strongest(dense: &[f32; 64]) -> Binding {
    let mut binding = Binding::default();
    for (bone, weight) in dense.iter().enumerate().filter(|(_, w)| **w > 0.0) {
        let mut carried = (bone as u8, *weight);
        for slot in 0..4 {
            if carried.1 > binding.shares[slot] {
                let old = (binding.bones[slot], binding.shares[slot]);
                (binding.bones[slot], binding.shares[slot]) = carried;
                carried = old;
            }
        }
    }
    let total: f32 = binding.shares.iter().sum::<f32>().max(1e-9);
    binding.shares = binding.shares.map(|s| s / total);
    binding
}

impl Binding {
    /// Where its bones carry a vertex.
    #[inline]
    #[must_use]
    pub fn carry(&self, v: V3, bones: &[BoneMatrix]) -> V3 {
        let mut m = [[0.0_f32; 4]; 3];
        for (bone, share) in self.bones.iter().zip(self.shares) {
            if share > 0.0 {
                let from = &bones[usize::from(*bone)];
                for (row, source) in m.iter_mut().zip(from) {
                    for (value, s) in row.iter_mut().zip(source) {
                        *value += share * s;
                    }
                }
            }
        }
        let point = |r: &[f32; 4]| r[0] * v[0] + r[1] * v[1] + r[2] * v[2] + r[3];
        [point(&m[0]), point(&m[1]), point(&m[2])]
    }

    /// Bound to one bone alone.
    #[must_use]
    pub fn rigid(bone: usize) -> Self {
        Self {
            bones: [bone as u8, 0, 0, 0],
            shares: [1.0, 0.0, 0.0, 0.0],
        }
    }

    /// The share of the bones for which `is_member` holds.
    #[must_use]
    pub fn share(&self, is_member: impl Fn(usize) -> bool) -> f32 {
        self.bones
            .iter()
            .zip(self.shares)
            .filter(|(b, _)| is_member(usize::from(**b)))
            .map(|(_, s)| s)
            .sum()
    }
}

/// Where a bone takes what hangs on it: rows of rotation and the shift.
pub type BoneMatrix = [[f32; 4]; 3];

/// Moves vertices by their bindings.
pub fn skin(vertices: &[V3], bindings: &[Binding], bones: &[BoneMatrix], out: &mut Vec<V3>) {
    out.clear();
    out.extend(
        vertices
            .iter()
            .zip(bindings)
            .map(|(v, b)| b.carry(*v, bones)),
    );
}
