//! Garments: which pieces of which outfit make them, and how they are cut.

use crate::body::{Library, Outfit};
use crate::error::Result;
use crate::material::Material;
use crate::math::{V3, add, scale};
use crate::meshfile::Triangle;
use crate::rig::Binding;

/// Where a garment's mesh comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Source {
    /// Pieces of an outfit: connected components by size, then islands of the texture by size (empty = all).
    Outfit {
        /// Outfit name.
        name: &'static str,
        /// Components; empty for all.
        components: &'static [usize],
        /// Islands; empty for all.
        islands: &'static [usize],
    },
    /// The base mesh's helper skirt.
    Skirt,
}

/// What a garment covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// Upper body.
    Top,
    /// Lower body.
    Bottom,
    /// Feet.
    Feet,
}

/// Where a garment is cut off, along limbs: sleeves shoulder 0, elbow 1, wrist 2; legs hip 0, knee 1, ankle 2.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Cut {
    /// Sleeves end here.
    pub sleeve: Option<f32>,
    /// Legs or skirt end here.
    pub hem: Option<f32>,
    /// Legs begin here (trousers under a coat).
    pub waist: Option<f32>,
}

/// One piece of clothing.
#[derive(Debug, Clone, Copy)]
pub struct Garment {
    /// Mesh.
    pub source: Source,
    /// What it covers.
    pub slot: Slot,
    /// Surface; heights still as fractions from pelvis to neck.
    pub material: Material,
    /// Cuts.
    pub cut: Cut,
    /// Pushed out along its normals, decimetres.
    pub inflate: f32,
    /// Width of a skirt at the knee, 1 = as it hangs.
    pub flare: f32,
}

impl Garment {
    /// A garment without cuts or bulk.
    #[must_use]
    pub fn new(source: Source, slot: Slot, material: Material) -> Self {
        Self {
            source,
            slot,
            material,
            cut: Cut::default(),
            inflate: 0.0,
            flare: 1.0,
        }
    }
}

/// A garment's mesh on one body, in the rest pose.
#[derive(Debug, Default)]
pub struct Piece {
    /// Vertices.
    pub vertices: Vec<V3>,
    /// Their bones.
    pub bindings: Vec<Binding>,
    /// Triangles.
    pub triangles: Vec<Triangle>,
    /// Body vertices that it may hide.
    pub covered: Vec<u32>,
}

/// Fits the chosen pieces of an outfit to a body.
///
/// # Errors
/// The library lacks the outfit.
pub fn fit(library: &Library, source: Source, body: &[V3], inflate: f32) -> Result<Piece> {
    match source {
        Source::Skirt => {
            let triangles = library.group("helper-skirt")?;
            let (members, triangles) = compact(triangles, body.len());
            Ok(Piece {
                vertices: members.iter().map(|v| body[*v as usize]).collect(),
                bindings: members
                    .iter()
                    .map(|v| library.rig.blend([*v; 3], [1.0, 0.0, 0.0]))
                    .collect(),
                triangles,
                covered: Vec::new(),
            })
        }
        Source::Outfit {
            name,
            components,
            islands,
        } => {
            let outfit = library.outfit(name)?;
            let mut piece = pieces(library, outfit, components, islands, body);
            if inflate != 0.0 {
                let mut normals = Vec::new();
                crate::body::normals(&piece.vertices, &piece.triangles, &mut normals);
                for (v, n) in piece.vertices.iter_mut().zip(&normals) {
                    *v = add(*v, scale(*n, inflate));
                }
            }
            Ok(piece)
        }
    }
}

fn pieces(
    library: &Library,
    outfit: &Outfit,
    components: &[usize],
    islands: &[usize],
    body: &[V3],
) -> Piece {
    let chosen: Vec<Triangle> = outfit
        .mesh
        .triangles
        .iter()
        .zip(&outfit.island)
        .filter(|(t, island)| {
            (components.is_empty() || components.contains(&outfit.component[t[0] as usize]))
                && (islands.is_empty() || islands.contains(island))
        })
        .map(|(t, _)| *t)
        .collect();
    let (members, triangles) = compact(&chosen, outfit.mesh.vertices.len());
    let all = outfit.fit.on(body);
    Piece {
        vertices: members.iter().map(|v| all[*v as usize]).collect(),
        bindings: members
            .iter()
            .map(|v| {
                library.rig.blend(
                    outfit.fit.references[*v as usize],
                    outfit.fit.weights[*v as usize],
                )
            })
            .collect(),
        triangles,
        covered: outfit.fit.covered.clone(),
    }
}

/// The vertices that triangles use, in order, and the triangles renumbered.
#[must_use]
pub fn compact(triangles: &[Triangle], count: usize) -> (Vec<u32>, Vec<Triangle>) {
    let mut number = vec![u32::MAX; count];
    for v in triangles.iter().flatten() {
        number[*v as usize] = 0;
    }
    let mut members = Vec::new();
    for (v, n) in number.iter_mut().enumerate() {
        if *n == 0 {
            *n = members.len() as u32;
            members.push(v as u32);
        }
    }
    let renumbered = triangles
        .iter()
        .map(|t| t.map(|v| number[v as usize]))
        .collect();
    (members, renumbered)
}

macro_rules! outfit {
    ($name:ident, $doc:literal, $outfit:literal, $components:expr) => {
        outfit!($name, $doc, $outfit, $components, &[]);
    };
    ($name:ident, $doc:literal, $outfit:literal, $components:expr, $islands:expr) => {
        #[doc = $doc]
        pub const $name: Source = Source::Outfit {
            name: $outfit,
            components: $components,
            islands: $islands,
        };
    };
}
outfit!(TEE_FITTED, "A fitted T-shirt.", "female_casualsuit01", &[0]);
outfit!(
    TEE_SHORT,
    "A short T-shirt.",
    "female_casualsuit02",
    &[1, 2]
);
outfit!(
    BLOUSE,
    "A long-sleeved blouse.",
    "female_elegantsuit01",
    &[0]
);
outfit!(PULLOVER, "A sweater.", "male_casualsuit02", &[0]);
outfit!(
    OPEN_SHIRT,
    "A shirt with an open collar.",
    "male_casualsuit03",
    &[0]
);
outfit!(TEE, "A T-shirt.", "male_casualsuit04", &[1]);
outfit!(
    JACKET,
    "An open jacket with its collar.",
    "male_casualsuit05",
    &[0]
);
outfit!(
    JACKET_SHIRT,
    "The shirt below the open jacket.",
    "male_casualsuit05",
    &[2]
);
outfit!(TEE_LOOSE, "A loose T-shirt.", "male_casualsuit06", &[0]);
outfit!(
    TEE_LOOSE_BODY,
    "The loose T-shirt without sleeves.",
    "male_casualsuit06",
    &[],
    &[0, 1]
);
outfit!(
    TEE_LOOSE_SLEEVES,
    "The sleeves of the loose T-shirt.",
    "male_casualsuit06",
    &[],
    &[4, 5]
);
outfit!(
    COLLAR_SHIRT,
    "A collared shirt.",
    "male_casualsuit01",
    &[],
    &[1, 3, 4, 5]
);
outfit!(
    SUIT_JACKET,
    "A suit jacket.",
    "male_elegantsuit01",
    &[0],
    &[
        0, 1, 2, 3, 4, 5, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22
    ]
);
outfit!(
    SUIT_SHIRT,
    "Shirt front and collar of a suit.",
    "male_elegantsuit01",
    &[0],
    &[6, 10]
);
outfit!(SUIT_TROUSERS, "Suit trousers.", "male_elegantsuit01", &[1]);
outfit!(TROUSERS, "Straight trousers.", "male_casualsuit02", &[1]);
outfit!(TROUSERS_SLIM, "Slim trousers.", "female_casualsuit01", &[1]);
outfit!(SHORTS_SHORT, "Short shorts.", "female_casualsuit02", &[0]);
outfit!(LEGGINGS, "Leggings.", "female_sportsuit01", &[1]);
outfit!(
    PENCIL_SKIRT,
    "A short pencil skirt.",
    "female_elegantsuit01",
    &[1]
);
outfit!(SHOES_1, "Shoes.", "shoes01", &[0, 1]);
outfit!(SHOES_2, "Shoes.", "shoes02", &[0, 1]);
outfit!(SHOES_3, "Shoes.", "shoes03", &[0, 1]);
outfit!(SOCKS_1, "Socks.", "shoes01", &[2, 3]);
outfit!(SOCKS_2, "Socks.", "shoes02", &[2, 3]);
outfit!(SOCKS_3, "Socks.", "shoes03", &[2, 3]);
outfit!(FEDORA, "A hat with a brim.", "fedora", &[]);
