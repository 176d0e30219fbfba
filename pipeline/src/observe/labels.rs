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
