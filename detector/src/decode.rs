//! What the adapters share: the view of an output, and the guard before a box is believed.

use crate::bbox::{BBox, Detection};
use crate::letterbox::Letterbox;

/// One picture's part of one output of the network.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Output<'a> {
    /// Shape without the batch.
    pub(crate) shape: &'a [usize],
    /// Row-major values, as many as the shape says.
    pub(crate) values: &'a [f32],
}

/// Takes candidates in pixels of the network and keeps those that can be boxes of the frame.
pub(crate) struct Sink<'a> {
    pub(crate) letterbox: Letterbox,
    pub(crate) score_threshold: f32,
    pub(crate) found: &'a mut Vec<Detection>,
    /// Candidates with a score or an edge that is not a finite number.
    pub(crate) non_finite: u64,
}

impl Sink<'_> {
    /// Whether a score is worth decoding its box; counts scores that are not numbers.
    #[inline]
    pub(crate) fn admits(&mut self, score: f32) -> bool {
        if score.is_nan() {
            self.non_finite += 1;
        }
        score >= self.score_threshold
    }

    /// Maps a box to the frame; drops it when it is not finite or has no area inside the frame.
    pub(crate) fn push(&mut self, score: f32, bbox: BBox) {
        if !score.is_finite() || !bbox.is_finite() {
            self.non_finite += 1;
            return;
        }
        let bbox = self.letterbox.to_frame(bbox);
        if bbox.area() > 0.0 {
            self.found.push(Detection {
                bbox,
                score: score.clamp(0.0, 1.0),
            });
        }
    }
}

#[inline]
pub(crate) fn sigmoid(value: f32) -> f32 {
    1.0 / (1.0 + (-value).exp())
}
