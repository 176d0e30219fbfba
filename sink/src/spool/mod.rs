//! The spool: a durable, bounded queue of events on the machine's own disk.
//!
//! Records lie in append-only segments, each record with its length and CRC32C. [`Spool::append`]
//! writes, [`Spool::sync`] makes everything written so far *safe* (one fsync for many records), and a
//! [`Reader`] hands out what is safe, never more: so nothing can be indexed that the spool might
//! still lose. [`Spool::acknowledge`] says what is done with; whole segments of it are deleted.
//! Beyond its bound in bytes the spool gives up its oldest segment, and counts what was in it.

mod bound;
mod inspect;
#[cfg(test)]
mod model;
mod open;
mod position;
mod reader;
pub(crate) mod record;
mod segment;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use fs_err::File;
use serde::Serialize;

pub use inspect::{Inspection, SegmentInspection, read_records};
pub use open::Recovery;
pub use reader::Reader;

use crate::event::{self, Event};
use crate::{Error, Result};
use position::{Position, PositionFile};
use segment::Segment;

/// Written and not yet safe bytes beyond which an append makes them safe itself first.
const MAX_UNSAFE_BYTES: usize = 4 * 1024 * 1024;

/// Bounds of a [`Spool`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes on disk; beyond it the oldest segment goes. At least twice `segment_bytes`.
    pub max_bytes: u64,
    /// Bytes that stay free on the disk: the oldest segments go before a new one would take them. The newest one
    /// stays, whatever else fills the disk.
    pub keep_free_bytes: u64,
    /// Bytes after which a new segment is begun; the unit in which space is given back.
    pub segment_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 4 << 30,
            keep_free_bytes: 0,
            segment_bytes: 16 << 20,
        }
    }
}

/// Records that were given up because the spool had reached its bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// How many were given up since the spool was made.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// First sequence of the newest drop; 0 when there was none.
    pub newest_from: u64,
    /// Last sequence of the newest drop; 0 when there was none.
    pub newest_to: u64,
}

/// How a [`Spool`] stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct SpoolStatus {
    /// Records that wait to be acknowledged.
    pub records: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Time of the oldest record that waits (or of one at most 31 before it), Unix time in ns.
    pub oldest_ns: Option<i64>,
    /// Highest sequence written.
    pub appended: u64,
    /// Highest sequence that is safe.
    pub safe: u64,
    /// Highest sequence that is done with.
    pub acknowledged: u64,
    /// What was given up for want of room.
    pub dropped: Dropped,
    /// Records that were lost to broken bytes or could not be understood, since the spool was made.
    pub broken: u64,
}

/// A durable, bounded queue of events. Clones are handles of the same spool.
#[derive(Debug, Clone)]
pub struct Spool {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    limits: Limits,
    state: Mutex<State>,
    /// Held during an fsync and while a segment is changed, before `state`.
    sync: Mutex<()>,
    /// Told when more is safe.
    more_is_safe: Condvar,
}

#[derive(Debug)]
struct State {
    /// Oldest first; the last one is written to.
    segments: VecDeque<Segment>,
    active: Arc<File>,
    /// Everything up to here is safe.
    safe_sequence: u64,
    /// Where the safe part of the active segment ends.
    safe_end: u64,
    /// The bytes from `safe_end` on. A failed fsync may lose them in the kernel; from here they are written again.
    unsafe_bytes: Vec<u8>,
    must_rewrite: bool,
    next_sequence: u64,
    position: Position,
    position_file: PositionFile,
    scratch: Vec<u8>,
}

impl Spool {
    /// Opens the spool in `dir`, which is made if it is missing, and repairs what a crash left.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read or written, when another process has it open, or when `limits`
    /// make no sense. Broken records are no error: they are counted in [`Recovery`].
    pub fn open(dir: impl AsRef<Path>, limits: Limits) -> Result<(Self, Recovery)> {
        open::open(dir.as_ref(), limits)
    }

    /// Writes an event and returns its sequence, which counts from 1. It is safe after the next
    /// [`Spool::sync`].
    ///
    /// # Errors
    ///
    /// [`Error::Event`] when the event breaks a rule; [`Error::SpoolFull`] when the disk has no room:
    /// nothing was written then, and a later call works when there is room again.
    pub fn append(&self, event: &Event) -> Result<u64> {
        let payload = event::encode(event)?;
        let record_bytes = (record::HEADER_BYTES + payload.len()) as u64;
        let mut state = loop {
            let state = self.inner.lock();
            let active_end = state.active_end();
            let is_full = active_end > segment::HEADER_BYTES as u64
                && active_end + record_bytes > self.inner.limits.segment_bytes;
            if is_full && state.unsafe_bytes.is_empty() {
                drop(state);
                self.inner.roll(active_end)?;
            } else if is_full || state.unsafe_bytes.len() > MAX_UNSAFE_BYTES {
                drop(state);
                self.sync()?;
            } else {
                break state;
            }
        };
        let sequence = state.next_sequence;
        let (offset, active) = (state.active_end(), Arc::clone(&state.active));
        let mut scratch = std::mem::take(&mut state.scratch);
        scratch.clear();
        record::write(&mut scratch, sequence, event.time_ns(), &payload);
        let written = active.file().write_all_at(&scratch, offset);
        if let Err(error) = written {
            // What was half written is cut off; if even that fails, the next append overwrites it.
            if let Err(cut) = active.set_len(offset) {
                tracing::warn!(error = %cut, "spool could not cut a half written record");
            }
            state.scratch = scratch;
            return Err(self.inner.write_error(error));
        }
        let end = offset + record_bytes;
        if let Some(segment) = state.segments.back_mut() {
            segment.note(sequence, event.time_ns(), offset, end);
        }
        state.unsafe_bytes.extend_from_slice(&scratch);
        state.scratch = scratch;
        state.next_sequence = sequence + 1;
        Ok(sequence)
    }

    /// Makes everything written so far safe and returns the highest safe sequence.
    ///
    /// # Errors
    ///
    /// When the disk refuses; what was safe before stays so, and the next call tries again with
    /// everything that is not.
    pub fn sync(&self) -> Result<u64> {
        let guard = self.inner.lock_sync();
        let state = self.inner.lock();
        let len = state.unsafe_bytes.len();
        if len == 0 {
            return Ok(state.safe_sequence);
        }
        let (target, active) = (state.next_sequence - 1, Arc::clone(&state.active));
        if state.must_rewrite {
            let written = active
                .file()
                .write_all_at(&state.unsafe_bytes, state.safe_end);
            written.map_err(|error| self.inner.write_error(error))?;
        }
        drop(state);
        let synced = active.sync_data();
        let mut state = self.inner.lock();
        if let Err(error) = synced {
            state.must_rewrite = true;
            return Err(self.inner.write_error(error));
        }
        state.must_rewrite = false;
        state.unsafe_bytes.drain(..len);
        state.safe_end += len as u64;
        state.safe_sequence = target;
        drop(state);
        drop(guard);
        self.inner.more_is_safe.notify_all();
        Ok(target)
    }

    /// A reader of what is safe, from sequence `from` on (0 and 1: from the oldest).
    pub fn reader(&self, from: u64) -> Reader {
        Reader::new(Arc::clone(&self.inner), from)
    }

    /// Says durably that everything up to `sequence` is done with, and deletes what holds nothing
    /// else. A lower sequence than before changes nothing.
    ///
    /// # Errors
    ///
    /// When the disk refuses; records may then come again after a restart.
    pub fn acknowledge(&self, sequence: u64) -> Result<()> {
        self.inner.acknowledge(sequence)
    }

    /// Deletes what is done with, down to the last record if all of it is: a segment that is written to is closed
    /// first. Says how many segments went.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn discard(&self) -> Result<u64> {
        self.inner.discard(|| self.sync().map(drop))
    }

    /// How the spool stands.
    pub fn status(&self) -> SpoolStatus {
        self.inner.status()
    }
}

impl State {
    fn active_end(&self) -> u64 {
        self.segments
            .back()
            .map_or(segment::HEADER_BYTES as u64, |segment| segment.end)
    }

    fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.end).sum()
    }

    fn count(&self, from: u64, to: u64) -> u64 {
        self.segments
            .iter()
            .map(|segment| segment.count(from, to))
            .sum()
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under this lock leaves at most a record that was written and not noted: it is overwritten.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_sync(&self) -> MutexGuard<'_, ()> {
        self.sync.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_error(&self, error: std::io::Error) -> Error {
        let is_full = matches!(
            error.kind(),
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
        );
        if is_full {
            return Error::SpoolFull {
                path: self.dir.clone(),
            };
        }
        Error::Io {
            what: format!("write to the spool `{}`", self.dir.display()),
            source: error,
        }
    }

    /// Counts records up to `through` that could not be read or understood, once.
    fn note_broken(&self, records: u64, through: u64) {
        let mut state = self.lock();
        if through <= state.position.broken_through {
            return;
        }
        state.position.broken += records;
        state.position.broken_through = through;
        let position = state.position;
        if let Err(error) = state.position_file.write(&position) {
            tracing::warn!(%error, "spool could not store its count of broken records");
        }
    }

    fn status(&self) -> SpoolStatus {
        let state = self.lock();
        let position = state.position;
        let appended = state.next_sequence - 1;
        let records = state.count(position.acknowledged + 1, appended);
        let oldest_ns = (records > 0)
            .then(|| {
                let waits = state
                    .segments
                    .iter()
                    .find(|s| s.last > position.acknowledged)?;
                waits
                    .mark(position.acknowledged + 1)
                    .map(|mark| mark.time_ns)
            })
            .flatten();
        SpoolStatus {
            records,
            bytes: state.bytes(),
            oldest_ns,
            appended,
            safe: state.safe_sequence,
            acknowledged: position.acknowledged,
            dropped: Dropped {
                records: position.dropped_records,
                bytes: position.dropped_bytes,
                newest_from: position.dropped_from,
                newest_to: position.dropped_through,
            },
            broken: position.broken,
        }
    }
}
