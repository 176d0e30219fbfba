//! One person as a mesh: skin, clothes, hair and things carried, bound to the skeleton and ready to be posed.

use std::collections::BTreeMap;

use crate::accessory::{Accessory, Wearer};
use crate::body::{Library, Shape};
use crate::dressing::{Builder, moved};
use crate::error::Result;
use crate::garment::{Cut, Garment};
use crate::material::Material;
use crate::math::V3;
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

impl Person {
    /// Morphs, dresses and binds one person.
    ///
    /// # Errors
    /// The library lacks a mesh that the outline names.
    pub fn build(library: &Library, outline: &Outline) -> Result<Self> {
        let body = library.morph(&outline.shape);
        let joints = library.rig.joints(&body);
        let manner = Manner {
            lean: 0.0,
            abduct: 5.0,
            elbow: 6.0,
            ..Manner::default()
        };
        let canonical = solve(&library.rig, &joints, &Pose::new(Action::Stand, manner));
        let mut points = BTreeMap::new();
        for name in [
            "upperarm_l",
            "lowerarm_l",
            "hand_l",
            "upperarm_r",
            "lowerarm_r",
            "hand_r",
            "thigh_l",
            "calf_l",
            "foot_l",
            "pelvis",
            "neck_01",
            "head",
        ] {
            let bone = library.rig.bone(name);
            points.insert(name, moved(&canonical.bones[bone], joints.heads[bone]));
        }
        let mut arm = [false; 64];
        for (i, name) in library.rig.names.iter().enumerate() {
            let stem = name.split('_').next().unwrap_or_default();
            arm[i] = [
                "upperarm", "lowerarm", "hand", "thumb", "index", "middle", "ring", "pinky",
            ]
            .contains(&stem);
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
        let mut builder = Builder {
            library,
            canonical_bones: canonical.bones,
            arm,
            points,
            person,
        };
        let hidden = builder.clothes(outline, &body)?;
        builder.skin(outline, &body, &hidden)?;
        builder.hair(outline, &body)?;
        let wearer = Wearer {
            library,
            body: &body,
            joints: &joints,
            manner: outline.manner,
        };
        for accessory in &outline.accessories {
            for part in accessory.make(&wearer)? {
                let tint = vec![[1.0; 3]; part.shape.vertices.len()];
                builder.add(
                    part.shape.vertices,
                    part.bindings,
                    &part.shape.triangles,
                    part.material,
                    tint,
                    Cut::default(),
                );
            }
        }
        let mut person = builder.person;
        crate::body::normals(
            &person.canonical,
            &person.triangles,
            &mut person.canonical_normal,
        );
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
