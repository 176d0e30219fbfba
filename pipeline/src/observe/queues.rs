//! What waits between the stages of a running box: the queue that stays full stands before the slowest one.

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::labels::QueueLabel;
use super::metrics::put;
use super::names;

/// Items that wait. Clones are the same one.
pub type Depth = Gauge;

/// Items that wait before each stage. Clones share their counts.
#[derive(Clone, Debug, Default)]
pub struct QueueDepths {
    /// Cameras whose newest picture waits for the detector.
    pub mailbox: Depth,
    /// Pictures with their detections.
    pub follow: Depth,
    /// Requests to the encoders.
    pub embed: Depth,
    /// Events on their way to the spool.
    pub record: Depth,
}

impl QueueDepths {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let family = Family::<QueueLabel, Depth>::default();
        put(registry, names::QUEUE_DEPTH, &family);
        let of = |queue| family.get_or_create(&QueueLabel { queue }).clone();
        Self {
            mailbox: of("mailbox"),
            follow: of("follow"),
            embed: of("embed"),
            record: of("record"),
        }
    }
}
