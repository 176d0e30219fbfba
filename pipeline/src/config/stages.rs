//! The sections about the flow: one a stage, in the order in which data passes through them.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::machine::at_least_one;
use super::values::{Fraction, Millis};
use crate::track::TrackerConfig;

/// `[detect]`: pictures to boxes of pedestrians.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DetectConfig {
    /// Least score of a box that is passed on. Absent: what the detector's card says.
    pub score_threshold: Option<Fraction>,
    /// Overlap (IoU) above which the weaker of two boxes is dropped. Absent: what the card says.
    pub nms_iou: Option<Fraction>,
    /// Most pictures in one call of the network, over all cameras.
    #[schemars(range(max = 256))]
    pub max_batch: NonZeroU32,
    /// Cut the picture into overlapping tiles for people far away.
    pub tiling: TilingConfig,
    /// Skip pictures in which nothing moved.
    pub motion_gate: MotionGateConfig,
}

impl Default for DetectConfig {
    fn default() -> Self {
        Self {
            score_threshold: None,
            nms_iou: None,
            max_batch: at_least_one(8),
            tiling: TilingConfig::default(),
            motion_gate: MotionGateConfig::default(),
        }
    }
}

/// `[detect.tiling]`: each tile costs one more picture in the batch. The whole picture is looked at as well, for people close by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TilingConfig {
    /// Tiles beside one another; 1 means that the width is not cut.
    #[schemars(range(max = 8))]
    pub columns: NonZeroU32,
    /// Tiles above one another; 1 means that the height is not cut.
    #[schemars(range(max = 8))]
    pub rows: NonZeroU32,
    /// Share of a tile's side that it has in common with its neighbour.
    #[schemars(range(max = 0.5))]
    pub overlap: Fraction,
}

impl Default for TilingConfig {
    fn default() -> Self {
        Self {
            columns: at_least_one(1),
            rows: at_least_one(1),
            overlap: Fraction::saturating(0.2),
        }
    }
}

/// `[detect.motion_gate]`: a still picture is not given to the detector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MotionGateConfig {
    /// Use the gate. Live only: replay looks at every picture.
    pub enabled: bool,
    /// A picture is looked at this often even when nothing moves, in milliseconds.
    #[schemars(range(min = 100, max = 60_000))]
    pub look_anyway_ms: Millis,
}

impl Default for MotionGateConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            look_anyway_ms: Millis(1000),
        }
    }
}

/// `[track]`: boxes to tracks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrackConfig {
    /// Score from which a box is matched in the first round.
    pub high_score: Fraction,
    /// Score from which a box is matched in the second round; weaker ones are dropped.
    pub low_score: Fraction,
    /// Score from which an unmatched box begins a track.
    pub birth_score: Fraction,
    /// Frames in a row that confirm a track.
    #[schemars(range(max = 100))]
    pub confirm_frames: NonZeroU32,
    /// Seconds for which a track without boxes is continued by position alone.
    #[schemars(range(min = 0.0, max = 60.0))]
    pub lost_seconds: f64,
    /// Seconds for which a track whose look is known can be recognised when the person comes back.
    #[schemars(range(min = 0.0, max = 600.0))]
    pub recognise_seconds: f64,
    /// Use looks: to tell people apart who are close to each other, to know somebody again, and to see that a track has come to
    /// show somebody else.
    pub use_appearance: bool,
    /// Most crops embedded in one frame of one camera for that.
    #[schemars(range(max = 64))]
    pub appearance_budget_per_frame: u32,
    /// Correct for a camera that moves.
    pub use_camera_motion: bool,
}

impl Default for TrackConfig {
    fn default() -> Self {
        let tracker = TrackerConfig::default();
        Self {
            high_score: Fraction::saturating(tracker.high_score),
            low_score: Fraction::saturating(tracker.low_score),
            birth_score: Fraction::saturating(tracker.birth_score),
            confirm_frames: at_least_one(tracker.confirm_hits),
            lost_seconds: tracker.lost_buffer_s,
            recognise_seconds: tracker.recognition_buffer_s,
            use_appearance: true,
            appearance_budget_per_frame: u32::try_from(tracker.appearance.budget_per_frame)
                .unwrap_or(u32::MAX),
            use_camera_motion: true,
        }
    }
}

/// `[select]`: tracks to the few crops worth embedding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SelectConfig {
    /// Most crops of one track in one second.
    #[schemars(range(min = 0.01, max = 30.0))]
    pub per_track_per_second: f32,
    /// Most crops of one track in its whole life.
    #[schemars(range(max = 1000))]
    pub max_kept: NonZeroU32,
    /// Least height of a person, in pixels of the frame.
    #[schemars(range(min = 8, max = 4096))]
    pub min_height_px: u32,
    /// Least quality of a crop, from size, sharpness, truncation and overlap with others.
    pub min_quality: Fraction,
    /// A crop is kept when its quality is this much better than the best so far, or its view is new.
    pub better_by: Fraction,
    /// Cosine similarity to the kept crops below which a view is new.
    pub new_view_below: Fraction,
}

impl Default for SelectConfig {
    fn default() -> Self {
        Self {
            per_track_per_second: 1.0,
            max_kept: at_least_one(16),
            min_height_px: 48,
            min_quality: Fraction::saturating(0.2),
            better_by: Fraction::saturating(0.1),
            new_view_below: Fraction::saturating(0.85),
        }
    }
}

/// `[embed]`: crops to vectors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EmbedConfig {
    /// Most crops in one call of the network, over all cameras.
    #[schemars(range(max = 256))]
    pub max_batch: NonZeroU32,
    /// Longest wait for a fuller batch, in milliseconds. What is there while the encoder works is a batch in any case; waiting
    /// beyond that makes every sighting later. Live only: replay has batches of its own.
    #[schemars(range(max = 1000))]
    pub batch_wait_ms: Millis,
    /// Vectors of the last crops that each encoder keeps, so that the same pixels are embedded once, as those of a camera whose
    /// picture is frozen; 0 for none. Live only: in a replay they would depend on what other cameras show.
    #[schemars(range(max = 65536))]
    pub remembered: u32,
}

impl Default for EmbedConfig {
    fn default() -> Self {
        Self {
            max_batch: at_least_one(8),
            batch_wait_ms: Millis(0),
            remembered: 1024,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_that_the_tracker_was_tuned_to() {
        assert_eq!(
            TrackerConfig::from(&TrackConfig::default()),
            TrackerConfig::default()
        );
    }

    #[test]
    fn without_appearance_the_tracker_asks_for_no_crop() {
        let config = TrackConfig {
            use_appearance: false,
            ..TrackConfig::default()
        };
        assert_eq!(TrackerConfig::from(&config).appearance.budget_per_frame, 0);
    }
}
