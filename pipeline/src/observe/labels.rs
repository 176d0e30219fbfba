//! Labels of metrics.

use prometheus_client::encoding::EncodeLabelSet;

/// Label `camera`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct CameraLabel {
    pub(super) camera: String,
}

/// Labels `camera` and `reason`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct DropLabels {
    pub(super) camera: String,
    pub(super) reason: &'static str,
}

/// Label `queue`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct QueueLabel {
    pub(super) queue: &'static str,
}

/// Label `stage`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct StageLabel {
    pub(super) stage: String,
}

/// Labels `kind` and `status`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct QueryLabels {
    pub(super) kind: &'static str,
    pub(super) status: u16,
}

/// Why a frame was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// A newer frame came before this one was looked at.
    Overtaken,
    /// Above the camera's frame-rate cap.
    RateCap,
    /// The decoder gave something that is no picture.
    Corrupt,
    /// The detector failed on it.
    Failed,
}

impl DropReason {
    /// All reasons, in the order of their counters.
    pub const ALL: [Self; 4] = [Self::Overtaken, Self::RateCap, Self::Corrupt, Self::Failed];

    /// The label's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Overtaken => "overtaken",
            Self::RateCap => "rate_cap",
            Self::Corrupt => "corrupt",
            Self::Failed => "failed",
        }
    }
}
