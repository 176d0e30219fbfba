//! A scene of several cameras: identities are the same on all of them.
//!
//! Boxes are compared within their camera. Identity measures and HOTA go over all cameras as if each were a stretch of one
//! recording (Ristani et al. 2016, section 3; AI City Challenge). CLEAR goes camera by camera and adds up, since no order of
//! time leads from a frame of one camera to a frame of the next.
//!
//! Where files say where people stand, AI City 2024 is measured as well: each identity once in a frame, at the first place that
//! the file gives, by distance on the ground.

use std::collections::{BTreeMap, HashSet};

use super::alignment::Alignment;
use super::hota::{self, HotaCounts};
use super::{Counts, WorldScores};
use crate::error::EvalError;
use crate::read::{GroundTruth, Observation, SceneRow};

/// What was counted in a scene.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SceneCounts {
    /// By box overlap, camera by camera.
    pub boxes: Counts,
    /// By place in the world, where both files have places.
    pub world: Option<HotaCounts>,
}

impl SceneCounts {
    /// HOTA by place.
    #[must_use]
    pub fn world_scores(&self) -> Option<WorldScores> {
        self.world.as_ref().map(WorldScores::of)
    }
}

/// Measures a scene whose rows carry their camera.
///
/// # Errors
/// Boxes overlap so much that the pairs do not fit into memory.
pub fn measure_scene(truth: &[SceneRow], tracks: &[SceneRow]) -> Result<SceneCounts, EvalError> {
    let mut cameras: BTreeMap<u32, (Vec<Observation>, Vec<Observation>)> = BTreeMap::new();
    for row in truth {
        cameras
            .entry(row.camera)
            .or_default()
            .0
            .push(row.observation);
    }
    for row in tracks {
        cameras
            .entry(row.camera)
            .or_default()
            .1
            .push(row.observation);
    }
    let mut alignment = Alignment::default();
    for (truth, tracks) in cameras.into_values() {
        alignment.add_boxes(&GroundTruth::all_counted(truth), &tracks)?;
    }
    let boxes = Counts::of(&alignment)?;
    let world = match (places(truth), places(tracks)) {
        (Some(truth), Some(tracks)) => {
            let mut alignment = Alignment::default();
            alignment.add_places(&truth, &tracks)?;
            Some(hota::count(&alignment))
        }
        _ => None,
    };
    Ok(SceneCounts { boxes, world })
}

/// Measures a scene of one MOTChallenge file a camera.
///
/// # Errors
/// As [`measure_scene`].
pub fn measure_mot_scene(
    cameras: &[(GroundTruth, Vec<Observation>)],
) -> Result<SceneCounts, EvalError> {
    let mut alignment = Alignment::default();
    for (truth, tracks) in cameras {
        alignment.add_boxes(truth, tracks)?;
    }
    Ok(SceneCounts {
        boxes: Counts::of(&alignment)?,
        world: None,
    })
}

/// Each identity once a frame; none when rows do not say where. An empty file says of nobody where he is.
fn places(rows: &[SceneRow]) -> Option<Vec<(u32, u64, [f64; 2])>> {
    let mut seen = HashSet::with_capacity(rows.len());
    let all: Option<Vec<_>> = rows
        .iter()
        .map(|row| {
            let Observation { frame, id, .. } = row.observation;
            row.world.map(|place| (frame, id, place))
        })
        .collect();
    all.map(|mut all| {
        all.retain(|&(frame, id, _)| seen.insert((frame, id)));
        all
    })
}
