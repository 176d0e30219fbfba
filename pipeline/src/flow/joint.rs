//! The vectors that sentences are compared with: one a sighting, and their mean over a track.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Result;
use sightline_detector::BBox;
use sightline_sink::{NamedVector, TrackId};

use super::Embedder;
use crate::ingest::Frame;
use crate::select::WeightedMean;

/// Joint vectors of one camera's tracks; nothing where text search is off.
pub(super) struct JointViews {
    embedder: Option<Embedder>,
    means: HashMap<TrackId, WeightedMean>,
}

/// One sighting's vector, and its track's mean with it.
pub(super) struct JointView {
    pub(super) vector: NamedVector,
    pub(super) mean: NamedVector,
}

impl JointViews {
    pub(super) fn new(embedder: Option<Embedder>) -> Self {
        Self {
            embedder,
            means: HashMap::new(),
        }
    }

    /// Vectors of crops of a frame, each of a track and of a quality; as many as crops, or none at all.
    pub(super) fn look(
        &mut self,
        frame: &Arc<Frame>,
        crops: &[(TrackId, BBox, f32)],
    ) -> Result<Vec<JointView>> {
        let Some(embedder) = &self.embedder else {
            return Ok(Vec::new());
        };
        let boxes: Vec<BBox> = crops.iter().map(|(_, bbox, _)| *bbox).collect();
        let rows = embedder.embed(frame, &boxes)?;
        let views = crops.iter().zip(rows.outer_iter()).map(|(crop, row)| {
            let (track, _, quality) = crop;
            let mean = self.means.entry(*track).or_default();
            let vector = row.to_vec();
            mean.add(&vector, *quality);
            JointView {
                vector: embedder.named(&vector),
                mean: embedder.named(mean.mean()),
            }
        });
        Ok(views.collect())
    }

    /// The mean of a track that ended, which is forgotten.
    pub(super) fn end(&mut self, track: TrackId) -> Option<NamedVector> {
        let mean = self.means.remove(&track)?;
        let embedder = self.embedder.as_ref()?;
        (mean.count() > 0).then(|| embedder.named(mean.mean()))
    }
}
