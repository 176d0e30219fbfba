//! What a user may set about following people.

use serde::{Deserialize, Serialize};

use super::kalman::KalmanNoise;

/// Settings of a [`Tracker`](super::Tracker). Times are seconds of capture time, sizes are relative to the boxes, so one
/// set serves every frame rate and resolution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrackerConfig {
    /// Detections of at least this score take part in the first association and may start a track.
    pub high_score: f32,
    /// Detections from here up to `high_score` only continue tracks that nothing better was found for; lower ones are ignored.
    pub low_score: f32,
    /// A detection starts a track from this score on.
    pub birth_score: f32,
    /// A track is confirmed when it was seen in this many frames.
    pub confirm_hits: u32,
    /// A tentative track ends when it was not seen for this long, in seconds.
    pub tentative_buffer_s: f64,
    /// A confirmed track that is out of sight is continued by position alone for this long, in seconds.
    pub lost_buffer_s: f64,
    /// A confirmed track whose look is known can be recognised for this long, in seconds; never shorter than `lost_buffer_s`.
    pub recognition_buffer_s: f64,
    /// A lost track's speed halves in this time, in seconds.
    pub lost_speed_half_life_s: f64,
    /// A detection that shares this much (IoU) with one already matched starts no track: it is the same person, found twice.
    pub duplicate_iou: f32,
    /// Tracks remembered at most; beyond it no new track is born, and the refusal is counted.
    pub most_tracks: usize,
    /// Noise of the motion model.
    pub noise: KalmanNoise,
    /// How boxes are compared.
    pub association: AssociationConfig,
    /// How looks are compared.
    pub appearance: AppearanceConfig,
}

impl Default for TrackerConfig {
    fn default() -> Self {
        Self {
            high_score: 0.5,
            low_score: 0.1,
            birth_score: 0.6,
            confirm_hits: 2,
            tentative_buffer_s: 0.25,
            lost_buffer_s: 1.5,
            recognition_buffer_s: 10.0,
            lost_speed_half_life_s: 1.0,
            duplicate_iou: 0.7,
            most_tracks: 1000,
            noise: KalmanNoise::default(),
            association: AssociationConfig::default(),
            appearance: AppearanceConfig::default(),
        }
    }
}

/// How a track's predicted box and a detection are compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AssociationConfig {
    /// Each box grows by this share of its size on every side before boxes are compared (C-BIoU), in the first rounds.
    pub buffer: f32,
    /// The same in the last round, for tracks and detections that are still alone.
    pub wide_buffer: f32,
    /// Exponent of the overlap of the two height intervals, which multiplies the IoU (Hybrid-SORT); 0 leaves it out.
    pub height_exponent: f32,
    /// How much a detection's score counts in the first round: 0 not at all, 1 multiplies the similarity by it.
    pub score_weight: f32,
    /// Weight of the angle between where a track was heading and where a detection would take it (OC-SORT).
    pub heading_weight: f32,
    /// Headings are measured over this time, in seconds.
    pub heading_span_s: f64,
    /// Least similarity in the first round.
    pub first_similarity: f32,
    /// Least similarity in the second round, where low-score detections continue tracks.
    pub low_similarity: f32,
    /// Least similarity in the last round, with the wide buffer.
    pub wide_similarity: f32,
    /// Least similarity for a tentative track.
    pub tentative_similarity: f32,
    /// What it costs to leave a track alone, where a perfect pair costs 0: more pairs up more tracks, less the surer ones only.
    pub alone_cost: f32,
    /// Whether the motion of a track found again is computed anew along a straight line over the gap (OC-SORT).
    pub is_gap_replayed: bool,
    /// Whether the last round also compares with where a track was last seen, not only with where it should be (OC-SORT).
    pub is_last_seen_tried: bool,
    /// A measurement of score s counts as `1 + doubt * (1 - s)` times as noisy.
    pub doubt: f32,
}

impl Default for AssociationConfig {
    fn default() -> Self {
        Self {
            buffer: 0.15,
            wide_buffer: 0.5,
            height_exponent: 1.0,
            score_weight: 0.5,
            heading_weight: 0.1,
            heading_span_s: 0.3,
            first_similarity: 0.3,
            low_similarity: 0.3,
            wide_similarity: 0.3,
            tentative_similarity: 0.25,
            alone_cost: 0.9,
            is_gap_replayed: true,
            is_last_seen_tried: false,
            doubt: 1.0,
        }
    }
}

/// How the looks of tracks and detections enter. All of it is idle while the appearance function returns nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AppearanceConfig {
    /// Crops asked for at most per frame; 0 turns appearance off.
    pub budget_per_frame: usize,
    /// A detection is contested when its two best similarities, or those of one of its tracks, lie closer than this.
    pub contest_margin: f32,
    /// How much one unit of cosine moves a similarity.
    pub weight: f32,
    /// The cosine that speaks neither for nor against the same person; depends on the model.
    pub neutral_cosine: f32,
    /// Share of the old vector that is kept when a new one is learnt.
    pub memory: f32,
    /// A crop is learnt when at least this share of it is not hidden by people in front.
    pub least_visible: f32,
    /// A confirmed track in full sight is looked at this often, in seconds.
    pub check_s: f64,
    /// And this often while it may have come to show somebody else.
    pub doubted_check_s: f64,
    /// A crop whose cosine with the track's look is lower is doubted; depends on the model.
    pub doubted_cosine: f32,
    /// So many doubted crops decide: their mean is of the same person seen otherwise, or of another one.
    pub doubted_looks: u32,
    /// Of another one, when its cosine with the track's look is lower than this; depends on the model.
    pub other_cosine: f32,
    /// Least cosine for a lost track to be recognised in a new one.
    pub recognition_cosine: f32,
    /// And it must lead the second best by this much.
    pub recognition_margin: f32,
    /// Fastest that a lost person is believed to have moved, in box heights per second.
    pub fastest_heights_per_s: f32,
}

impl Default for AppearanceConfig {
    fn default() -> Self {
        Self {
            budget_per_frame: 4,
            contest_margin: 0.35,
            weight: 1.0,
            neutral_cosine: 0.6,
            memory: 0.8,
            least_visible: 0.7,
            check_s: 0.5,
            doubted_check_s: 0.15,
            doubted_cosine: 0.55,
            doubted_looks: 3,
            other_cosine: 0.4,
            recognition_cosine: 0.75,
            recognition_margin: 0.05,
            fastest_heights_per_s: 1.5,
        }
    }
}

impl From<&crate::config::TrackConfig> for TrackerConfig {
    /// The `[track]` section of a configuration file; what it does not name keeps its tuned value.
    fn from(section: &crate::config::TrackConfig) -> Self {
        let tuned = Self::default();
        Self {
            high_score: section.high_score.get(),
            low_score: section.low_score.get(),
            birth_score: section.birth_score.get(),
            confirm_hits: section.confirm_frames.get(),
            lost_buffer_s: section.lost_seconds,
            recognition_buffer_s: section.recognise_seconds.max(section.lost_seconds),
            appearance: AppearanceConfig {
                budget_per_frame: if section.use_appearance {
                    section.appearance_budget_per_frame as usize
                } else {
                    0
                },
                ..tuned.appearance
            },
            ..tuned
        }
    }
}
