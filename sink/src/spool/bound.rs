//! Segments as they come and go: begun when one is full, deleted when done with or given up.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use fs_err::File;

use super::position::Position;
use super::segment::{self, Segment};
use super::{Inner, State};
use crate::{Error, Result};

impl Inner {
    /// Begins a new segment, if the active one still ends at `expected_end`, and keeps the bound.
    pub(super) fn roll(&self, expected_end: u64) -> Result<()> {
        let _guard = self.lock_sync();
        let mut state = self.lock();
        if state.active_end() != expected_end || !state.unsafe_bytes.is_empty() {
            return Ok(());
        }
        self.keep_bound(&mut state)?;
        let segment = Segment::new(&self.dir, state.next_sequence);
        let file = create_segment(&segment).map_err(|error| self.write_error(error))?;
        sync_dir(&self.dir)?;
        state.active = Arc::new(file);
        state.safe_end = segment.end;
        state.segments.push_back(segment);
        Ok(())
    }

    /// Gives up the oldest segments until a full new one fits under the bound, and leaves the disk the room it is to
    /// keep.
    fn keep_bound(&self, state: &mut State) -> Result<()> {
        loop {
            let is_full = state.bytes() + self.limits.segment_bytes > self.limits.max_bytes;
            let Some(oldest) = state.segments.front() else {
                break;
            };
            if !is_full && (state.segments.len() == 1 || self.has_room()?) {
                break;
            }
            let from = oldest.first.max(state.position.acknowledged + 1);
            let records = oldest.count(from, oldest.last);
            let (bytes, last, path) = (oldest.end, oldest.last, oldest.path.clone());
            if records > 0 {
                // Counted durably before it goes: after a crash in between it is deleted, not counted again.
                let mut position = state.position;
                position.dropped_through = last;
                position.dropped_records += records;
                position.dropped_bytes += bytes;
                position.dropped_from = from;
                state.position_file.write(&position)?;
                state.position = position;
                tracing::warn!(
                    from,
                    to = last,
                    records,
                    bytes,
                    is_full,
                    "spool is at its bound or the disk nearly full, its oldest records are given up"
                );
            }
            fs_err::remove_file(&path).map_err(Error::io("delete a segment of the spool"))?;
            state.segments.pop_front();
        }
        Ok(())
    }

    /// Whether the disk has room for a full segment beside what is to stay free.
    fn has_room(&self) -> Result<bool> {
        if self.limits.keep_free_bytes == 0 {
            return Ok(true);
        }
        let disk = rustix::fs::statvfs(&self.dir)
            .map_err(|error| Error::io("ask for the room on the spool's disk")(error.into()))?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        Ok(free
            >= self
                .limits
                .keep_free_bytes
                .saturating_add(self.limits.segment_bytes))
    }

    pub(super) fn acknowledge(&self, sequence: u64) -> Result<()> {
        let mut state = self.lock();
        let sequence = sequence.min(state.safe_sequence);
        if sequence <= state.position.acknowledged {
            return Ok(());
        }
        let position = Position {
            acknowledged: sequence,
            ..state.position
        };
        state.position_file.write(&position)?;
        state.position = position;
        delete_done(&mut state).map(drop)
    }

    pub(super) fn discard(&self, sync: impl Fn() -> Result<()>) -> Result<u64> {
        /// Somebody may append between the sync and the roll; then it is tried again.
        const ATTEMPTS: usize = 100;
        let before = self.lock().segments.back().map(|segment| segment.first);
        for _ in 0..ATTEMPTS {
            let state = self.lock();
            let is_new = state.segments.back().map(|segment| segment.first) != before;
            let end = state.active_end();
            drop(state);
            if is_new || end <= segment::HEADER_BYTES as u64 {
                break;
            }
            sync()?;
            self.roll(end)?;
        }
        delete_done(&mut self.lock())
    }
}

/// Deletes the segments that hold only what is done with; the one that is written to stays.
fn delete_done(state: &mut State) -> Result<u64> {
    let mut deleted = 0;
    while state.segments.len() > 1 {
        let Some(oldest) = state.segments.front() else {
            break;
        };
        if oldest.last > state.position.acknowledged {
            break;
        }
        fs_err::remove_file(&oldest.path).map_err(Error::io("delete a segment of the spool"))?;
        state.segments.pop_front();
        deleted += 1;
    }
    Ok(deleted)
}

/// Makes the file of an empty segment; leaves none behind when there is no room for its header.
pub(super) fn create_segment(segment: &Segment) -> std::io::Result<File> {
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&segment.path)?;
    let written = file
        .file()
        .write_all_at(&segment::header(segment.first), 0)
        .and_then(|()| file.sync_all());
    if let Err(error) = written {
        fs_err::remove_file(&segment.path)?;
        return Err(error);
    }
    Ok(file)
}

/// Makes the names in a folder durable.
pub(super) fn sync_dir(dir: &Path) -> Result<()> {
    let opened = File::open(dir).map_err(Error::io("open the spool's folder"))?;
    opened
        .sync_all()
        .map_err(Error::io("sync the spool's folder"))
}
