//! How old a live frame is when each stage is done with it: tells which stage keeps sightings from being searchable.

use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::histogram::Histogram;
use super::labels::StageLabel;
use super::metrics::put;
use super::names;

/// Time since capture when a frame, or what came of it, leaves a stage; in the order of the stages.
#[derive(Debug)]
pub struct StageAges {
    /// Received, decoded and timed.
    pub ingest: Histogram,
    /// Taken out of the mailbox.
    pub mailbox: Histogram,
    /// Looked at by the detector.
    pub detect: Histogram,
    /// Followed, its crops chosen and embedded.
    pub follow: Histogram,
    /// A sighting of it appended to the spool.
    pub spool: Histogram,
}

impl StageAges {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let family = Family::<StageLabel, Histogram>::new_with_constructor(Histogram::of_ages);
        put(registry, names::STAGE_AGE, &family);
        let of = |stage: &str| {
            let stage = stage.to_owned();
            family.get_or_create(&StageLabel { stage }).clone()
        };
        Self {
            ingest: of("ingest"),
            mailbox: of("mailbox"),
            detect: of("detect"),
            follow: of("follow"),
            spool: of("spool"),
        }
    }
}
