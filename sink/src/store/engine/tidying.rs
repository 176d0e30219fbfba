//! Graphs, and room again after deletions: segments that the engine builds anew beside everything else.

use std::collections::HashMap;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use qdrant_edge::{CountRequest, EdgeOptimizersConfig, PointId, PointOperations, UpdateOperation};
use serde_json::Map;
use uuid::Uuid;

use super::changed::{Changed, Fate};
use super::embedded::{Embedded, LOG_SEGMENT_BYTES};
use super::translate::only;
use super::{Engine as _, PAGE, wal};
use crate::{Error, Result};

/// Most points of segments that are made one: what building one graph takes at most.
const SEGMENT_POINTS: usize = 100_000;

impl Embedded {
    /// Builds graphs and clears away replaced points where that is due. Everything else goes on meanwhile, but for
    /// [`Engine::scrub`], and for moments in which segments are exchanged.
    pub(super) fn build_anew(&self) -> Result<bool> {
        let _building = self.building();
        self.choose_graphs()?;
        self.begin(&mut self.changes())?;
        let built = self.guarded("optimize", || self.shard.optimize());
        self.settle(&mut self.changes(), built)
    }

    /// Segments that have deleted points are written anew, and the engine's log is filled with nothing until its
    /// parts that may hold them are gone. Waits until graphs that are being built are there, and everybody else waits for it.
    pub(super) fn clear_deleted(&self) -> Result<()> {
        const NOTHING: usize = LOG_SEGMENT_BYTES / 64;
        const MOST_ENTRIES: usize = 256;
        let log = self.path.join("wal");
        let _building = self.building();
        let mut changes = self.changes();
        let last = wal::closed(&log)?
            .last()
            .map_or(-1, |(start, _)| i128::from(*start));
        let usual = self.shard.config().optimizers.clone();
        self.begin(&mut changes)?;
        let cleared = self.guarded("clear away deleted points", || {
            self.shard.set_optimizers_config(EdgeOptimizersConfig {
                deleted_threshold: Some(0.0),
                vacuum_min_vector_number: Some(0),
                ..usual.clone()
            })?;
            let cleared = self.shard.optimize();
            self.shard.set_optimizers_config(usual)?;
            cleared
        });
        self.settle(&mut changes, cleared)?;
        for _ in 0..MOST_ENTRIES {
            // The part that was open when this began has to be among those that go.
            let parts = wal::closed(&log)?;
            if parts
                .iter()
                .filter(|(start, _)| i128::from(*start) > last)
                .count()
                > wal::KEPT
            {
                break;
            }
            self.guarded("fill the index's log", || {
                let nobody = vec![PointId::Uuid(Uuid::nil()); NOTHING];
                self.shard.update(UpdateOperation::PointOperation(
                    PointOperations::DeletePoints { ids: nobody },
                ))
            })?;
        }
        drop(changes);
        self.flush()
    }

    /// Graphs are built from half of the size on from which searches need them: they are there then, and the first
    /// segment that gets one has not grown beyond all bounds.
    pub(super) fn choose_graphs(&self) -> Result<()> {
        let bytes_a_point = self.dimension * size_of::<f32>();
        let kilobytes = |points: usize| (points * bytes_a_point / 1024).max(1);
        let is_small = self.is_exact_for(self.points().saturating_mul(2));
        let wanted = EdgeOptimizersConfig {
            default_segment_number: Some(4),
            max_segment_size: Some(kilobytes(SEGMENT_POINTS)),
            indexing_threshold: Some(if is_small {
                usize::MAX / 4096
            } else {
                kilobytes(self.graph_points)
            }),
            ..EdgeOptimizersConfig::default()
        };
        if self.shard.config().optimizers == wanted {
            return Ok(());
        }
        self.guarded("configure", || self.shard.set_optimizers_config(wanted))
    }

    /// From now on changes are noted.
    fn begin(&self, changes: &mut Option<Changed>) -> Result<()> {
        if changes.is_none() {
            *changes = Some(Changed::begin(&self.path)?);
        }
        Ok(())
    }

    /// Segments were built anew, or could not be.
    fn settle(&self, changes: &mut Option<Changed>, built: Result<bool>) -> Result<bool> {
        let Some(changed) = changes else {
            return built;
        };
        if built.is_err() {
            // The engine goes back to the old segments without what was replaced and deleted in them meanwhile.
            changed.keep_for_good();
            if let Err(error) = self.mend(changed.fates()) {
                tracing::warn!(%error, "the index is put right when it is opened again");
            }
            return built;
        }
        if !changed.is_for_good() {
            self.flush_held()?;
            changed.end()?;
            *changes = None;
        }
        built
    }

    /// Of points that were written the newest version stays, points that were deleted go.
    pub(super) fn mend(&self, fates: &HashMap<Uuid, Fate>) -> Result<()> {
        /// Points that are written again where one of them is there twice.
        const FEW: usize = 16;
        let of = |wanted: Fate| -> Vec<Uuid> {
            let of_fate = fates.iter().filter(|(_, fate)| **fate == wanted);
            of_fate.map(|(id, _)| *id).collect()
        };
        for ids in of(Fate::Deleted).chunks(PAGE) {
            self.remove(ids)?;
        }
        for ids in of(Fate::Written).chunks(FEW) {
            let found = self.retrieve(ids, false)?;
            let versions = self.guarded("count", || {
                let filter = Some(only(ids)?);
                self.shard.count(CountRequest {
                    filter,
                    exact: true,
                })
            })?;
            if versions > found.len() {
                // Any change of a point takes its older versions away.
                let ids: Vec<Uuid> = found.into_iter().map(|point| point.id).collect();
                self.set_fields(&ids, Map::new())?;
            }
        }
        Ok(())
    }

    /// The caller holds the lock of changes.
    pub(super) fn flush_held(&self) -> Result<()> {
        const ATTEMPTS: u32 = 20;
        const PAUSE: Duration = Duration::from_millis(10);
        // What the engine's flush panics with in the moment in which segments are exchanged.
        const EXCHANGED: &str = "segment holder lock acquired";
        let mut attempt = 0;
        loop {
            // Waits until segments that are being exchanged are.
            self.points();
            let flushed = self.guarded("flush", || {
                self.shard.flush();
                Ok(())
            });
            match flushed {
                Err(Error::Engine { what, .. })
                    if what.contains(EXCHANGED) && attempt < ATTEMPTS =>
                {
                    attempt += 1;
                    std::thread::sleep(PAUSE);
                }
                flushed => return flushed,
            }
        }
    }

    fn building(&self) -> MutexGuard<'_, ()> {
        self.building.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "tidying_tests.rs"]
mod tests;
