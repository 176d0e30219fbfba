//! What the stages tell about themselves while they run; metrics, the watchdog and tests listen.

use std::sync::Arc;

use sightline_sink::Event;

use super::outcome::Outcome;
use crate::ingest::Frame;

/// Listens to the stages. Called from their threads, so every method returns at once.
pub trait Observer: Send + Sync {
    /// A stage goes round; the watchdog wants to see it.
    fn alive(&self, stage: &str);
    /// A frame was taken up.
    fn arrived(&self, frame: &Frame);
    /// The detector has looked at a batch.
    fn detected(&self, batch: &[Arc<Frame>]);
    /// The motion gate left a still picture of this camera out.
    fn skipped(&self, camera: &str);
    /// A frame was followed, or a camera ended.
    fn followed(&self, camera: &str, outcome: &Outcome);
    /// An event is in the spool under this sequence.
    fn spooled(&self, event: &Event, sequence: u64);
    /// An event could not be written and is gone.
    fn lost(&self, event: &Event, error: &anyhow::Error);
}
