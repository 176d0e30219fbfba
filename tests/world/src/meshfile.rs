//! Reads the text formats of `MakeHuman`: `.obj` meshes, `.mhclo` fits and `.target` shapes.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::math::V3;

/// A triangle by vertex numbers.
pub type Triangle = [u32; 3];

/// A mesh as its file has it, polygons cut into fans.
#[derive(Debug, Default)]
pub struct Mesh {
    /// Vertices, decimetres.
    pub vertices: Vec<V3>,
    /// All triangles.
    pub triangles: Vec<Triangle>,
    /// The same triangles by texture-coordinate numbers.
    pub texture_triangles: Vec<Triangle>,
    /// Triangles by group name.
    pub groups: BTreeMap<String, Vec<Triangle>>,
}

/// Reads an `.obj` text.
///
/// # Errors
/// A number is not a number, or a face names no vertex.
pub fn read_obj(name: &str, text: &str) -> Result<Mesh> {
    let mut mesh = Mesh::default();
    let mut group = String::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("v") => mesh.vertices.push(three(name, &mut words)?),
            Some("g" | "o") => words.next().unwrap_or_default().clone_into(&mut group),
            Some("f") => {
                let mut corners = Vec::with_capacity(4);
                for word in words {
                    let mut parts = word.split('/');
                    let vertex: u32 = number(name, parts.next().unwrap_or_default())?;
                    let texture: u32 = parts.next().and_then(|t| t.parse().ok()).unwrap_or(1);
                    if vertex == 0 || texture == 0 {
                        return Err(Error::asset(name, "a face counts from 0"));
                    }
                    corners.push((vertex - 1, texture - 1));
                }
                for i in 1..corners.len().saturating_sub(1) {
                    let (a, b, c) = (corners[0], corners[i], corners[i + 1]);
                    mesh.triangles.push([a.0, b.0, c.0]);
                    mesh.texture_triangles.push([a.1, b.1, c.1]);
                    mesh.groups
                        .entry(group.clone())
                        .or_default()
                        .push([a.0, b.0, c.0]);
                }
            }
            _ => {}
        }
    }
    let count = mesh.vertices.len() as u32;
    if mesh.triangles.iter().flatten().any(|v| *v >= count) {
        return Err(Error::asset(
            name,
            "a face names a vertex that is not there",
        ));
    }
    Ok(mesh)
}

/// How a garment hangs on the body: each of its vertices from three of the body's.
#[derive(Debug, Default)]
pub struct Fit {
    /// Body vertices.
    pub references: Vec<Triangle>,
    /// Their weights.
    pub weights: Vec<V3>,
    /// Offsets, decimetres on the body of reference.
    pub offsets: Vec<V3>,
    /// Per axis: two body vertices and their distance on the body of reference.
    pub scales: [Option<(u32, u32, f32)>; 3],
    /// Body vertices that the garment covers.
    pub covered: Vec<u32>,
}

/// Reads an `.mhclo` text.
///
/// # Errors
/// A number is not a number.
pub fn read_fit(name: &str, text: &str) -> Result<Fit> {
    let mut fit = Fit::default();
    let mut mode = ' ';
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let Some(first) = words.first().filter(|w| !w.starts_with('#')) else {
            continue;
        };
        let is_number = first.bytes().all(|b| b.is_ascii_digit());
        match *first {
            "x_scale" | "y_scale" | "z_scale" if words.len() == 4 => {
                let axis = usize::from(first.as_bytes()[0] - b'x');
                fit.scales[axis] = Some((
                    number(name, words[1])?,
                    number(name, words[2])?,
                    number(name, words[3])?,
                ));
            }
            "verts" => mode = 'v',
            "delete_verts" => mode = 'd',
            _ if mode == 'v' && is_number && words.len() == 1 => {
                let vertex = number(name, first)?;
                fit.references.push([vertex; 3]);
                fit.weights.push([1.0, 0.0, 0.0]);
                fit.offsets.push([0.0; 3]);
            }
            _ if mode == 'v' && is_number && words.len() >= 9 => {
                fit.references.push([
                    number(name, words[0])?,
                    number(name, words[1])?,
                    number(name, words[2])?,
                ]);
                fit.weights
                    .push(three(name, &mut words[3..6].iter().copied())?);
                fit.offsets
                    .push(three(name, &mut words[6..9].iter().copied())?);
            }
            _ if mode == 'd' && first.as_bytes()[0].is_ascii_digit() => {
                covered(name, &line.replace('-', " - "), &mut fit.covered)?;
            }
            _ => {}
        }
    }
    Ok(fit)
}

fn covered(name: &str, line: &str, into: &mut Vec<u32>) -> Result<()> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut i = 0;
    while i < words.len() {
        let from: u32 = number(name, words[i])?;
        if words.get(i + 1) == Some(&"-") && i + 2 < words.len() {
            into.extend(from..=number(name, words[i + 2])?);
            i += 3;
        } else {
            into.push(from);
            i += 1;
        }
    }
    Ok(())
}

/// A shape target: which vertices move, and by how much.
pub type Target = Vec<(u32, V3)>;

/// Reads a `.target` text.
///
/// # Errors
/// A number is not a number.
pub fn read_target(name: &str, text: &str) -> Result<Target> {
    let mut target = Vec::new();
    for line in text
        .lines()
        .filter(|l| !l.starts_with('#') && !l.trim().is_empty())
    {
        let mut words = line.split_whitespace();
        let vertex = number(name, words.next().unwrap_or_default())?;
        target.push((vertex, three(name, &mut words)?));
    }
    Ok(target)
}

/// Labels the connected components of triangles, largest component = 0 (ties by first member).
#[must_use]
pub fn components(triangles: &[Triangle], count: usize) -> Vec<usize> {
    let mut parent: Vec<usize> = (0..count).collect();
    fn root(parent: &mut [usize], mut i: usize) -> usize {
        while parent[i] != i {
            parent[i] = parent[parent[i]];
            i = parent[i];
        }
        i
    }
    for t in triangles {
        for pair in [(t[0], t[1]), (t[1], t[2])] {
            let (a, b) = (
                root(&mut parent, pair.0 as usize),
                root(&mut parent, pair.1 as usize),
            );
            if a != b {
                parent[a.max(b)] = a.min(b);
            }
        }
    }
    let roots: Vec<usize> = (0..count).map(|i| root(&mut parent, i)).collect();
    let mut sizes: BTreeMap<usize, usize> = BTreeMap::new();
    for r in &roots {
        *sizes.entry(*r).or_default() += 1;
    }
    let mut order: Vec<(usize, usize)> = sizes.into_iter().collect();
    order.sort_by_key(|(first, size)| (std::cmp::Reverse(*size), *first));
    let rank: BTreeMap<usize, usize> = order
        .iter()
        .enumerate()
        .map(|(rank, (first, _))| (*first, rank))
        .collect();
    roots.iter().map(|r| rank[r]).collect()
}

fn number<T: std::str::FromStr>(name: &str, word: &str) -> Result<T> {
    word.parse()
        .map_err(|_| Error::asset(name, format!("`{word}` is not a number")))
}

fn three<'a>(name: &str, words: &mut impl Iterator<Item = &'a str>) -> Result<V3> {
    let mut out = [0.0; 3];
    for value in &mut out {
        *value = number(name, words.next().unwrap_or_default())?;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quad_becomes_two_triangles_of_its_group() {
        let mesh = read_obj(
            "t",
            "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\ng flat\nf 1/1 2/1 3/1 4/1\n",
        )
        .unwrap();
        assert_eq!(mesh.groups["flat"], vec![[0, 1, 2], [0, 2, 3]]);
    }

    #[test]
    fn a_face_beyond_the_vertices_is_refused() {
        assert!(
            read_obj("t", "v 0 0 0\nf 1 2 3\n")
                .unwrap_err()
                .to_string()
                .contains("not there")
        );
    }

    #[test]
    fn keywords_between_verts_and_data_are_passed_over() {
        let fit = read_fit(
            "t",
            "verts 0\nmaterial x.mhmat\n7\n1 2 3 .2 .3 .5 0 0 .1\ndelete_verts\n4 6 - 8\n",
        )
        .unwrap();
        assert_eq!(fit.references, vec![[7; 3], [1, 2, 3]]);
        assert_eq!(fit.covered, vec![4, 6, 7, 8]);
    }

    #[test]
    fn the_largest_component_comes_first() {
        assert_eq!(components(&[[0, 1, 1], [2, 3, 4]], 5), vec![1, 1, 0, 0, 0]);
    }
}
