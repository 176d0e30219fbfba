//! Opening a spool: finding its segments, repairing the tail, counting what is gone.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use fs_err::File;
use serde::Serialize;

use super::bound::{create_segment, sync_dir};
use super::position::PositionFile;
use super::segment::{self, Segment};
use super::{Inner, Limits, Spool, State};
use crate::event::MAX_EVENT_BYTES;
use crate::{Error, Result};

/// What [`Spool::open`] found and mended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Recovery {
    /// Good records that are there.
    pub records: u64,
    /// Segments that are there.
    pub segments: u64,
    /// Stretches of bytes that are no record, the torn tail among them.
    pub broken_regions: u64,
    /// Their bytes.
    pub broken_bytes: u64,
    /// Sequences that are missing between good records and were never acknowledged: inclusive ranges.
    pub missing: Vec<(u64, u64)>,
    /// Segments without a record that were deleted.
    pub empty_segments: u64,
    /// The file of positions could not be read: everything that is there will come again.
    pub is_position_lost: bool,
}

impl Recovery {
    /// Whether anything was wrong.
    pub fn is_clean(&self) -> bool {
        self.broken_regions == 0 && self.missing.is_empty() && !self.is_position_lost
    }

    /// Sequences that are missing.
    pub fn missing_records(&self) -> u64 {
        self.missing.iter().map(|(from, to)| to - from + 1).sum()
    }
}

pub(super) fn open(dir: &Path, limits: Limits) -> Result<(Spool, Recovery)> {
    check_limits(limits)?;
    fs_err::create_dir_all(dir).map_err(Error::io("make the spool's folder"))?;
    let (mut position_file, mut position, is_position_lost) =
        PositionFile::open(&dir.join("position"))?;
    let mut recovery = Recovery {
        is_position_lost,
        ..Recovery::default()
    };
    let mut segments = VecDeque::new();
    // What was dropped may have been deleted already; its numbers are never used again.
    let mut next_sequence = position.acknowledged.max(position.dropped_through) + 1;
    for first in list(dir)? {
        let path = segment::path_of(dir, first);
        let (mut found, damage) = Segment::scan(&path, first)?;
        next_sequence = next_sequence.max(first).max(found.last + 1);
        let is_done = found.last <= position.dropped_through.max(position.acknowledged);
        if found.last < first || is_done {
            if found.last < first {
                recovery.empty_segments += 1;
                recovery.broken_regions += damage.regions;
                recovery.broken_bytes += damage.bytes;
            }
            fs_err::remove_file(&path).map_err(Error::io("delete a segment of the spool"))?;
            continue;
        }
        recovery.broken_regions += damage.regions;
        recovery.broken_bytes += damage.bytes;
        if damage.tail_bytes > 0 {
            cut_tail(&path, found.end)?;
        }
        found.end = found.end.max(segment::HEADER_BYTES as u64);
        segments.push_back(found);
    }
    recovery.missing = missing(
        &segments,
        position.acknowledged.max(position.dropped_through),
    );
    recovery.records = segments.iter().map(|s| s.count(s.first, s.last)).sum();
    let newly_missing = missing_since(&recovery, position.broken_through);
    if newly_missing > 0 {
        position.broken += newly_missing;
        position.broken_through = recovery.missing.last().map_or(0, |range| range.1);
        position_file.write(&position)?;
    }
    let active = match segments.back() {
        Some(last) if last.last + 1 == next_sequence => reopen(last)?,
        // Its first sequence stands in its name, so that no number is used again.
        Some(_) | None => {
            let segment = Segment::new(dir, next_sequence);
            let file =
                create_segment(&segment).map_err(Error::io("make a segment of the spool"))?;
            segments.push_back(segment);
            file
        }
    };
    sync_dir(dir)?;
    let safe_end = segments.back().map_or(0, |last| last.end);
    recovery.segments = segments.len() as u64;
    let state = State {
        segments,
        active: Arc::new(active),
        safe_sequence: next_sequence - 1,
        safe_end,
        unsafe_bytes: Vec::new(),
        must_rewrite: false,
        next_sequence,
        position,
        position_file,
        scratch: Vec::new(),
    };
    let inner = Inner {
        dir: dir.to_path_buf(),
        limits,
        state: Mutex::new(state),
        sync: Mutex::new(()),
        more_is_safe: Condvar::new(),
    };
    Ok((
        Spool {
            inner: Arc::new(inner),
        },
        recovery,
    ))
}

/// Opens the last segment to go on with it; a crash may have left what is in it unsynced. Going on
/// with it rather than making a new one lets a spool open on a full disk.
fn reopen(last: &Segment) -> Result<File> {
    let what = "open the newest segment of the spool";
    let file = File::options()
        .read(true)
        .write(true)
        .open(&last.path)
        .map_err(Error::io(what))?;
    file.sync_all().map_err(Error::io(what))?;
    Ok(file)
}

fn check_limits(limits: Limits) -> Result<()> {
    // A segment holds at least one event of the largest size, with its headers.
    let smallest = MAX_EVENT_BYTES as u64 + 1024;
    let what = if limits.segment_bytes < smallest {
        format!(
            "{} bytes, expected at least {smallest}",
            limits.segment_bytes
        )
    } else if limits.max_bytes / 2 < limits.segment_bytes {
        format!(
            "{} bytes is more than half of the spool's bound",
            limits.segment_bytes
        )
    } else {
        return Ok(());
    };
    Err(Error::Options {
        name: "segment_bytes",
        what,
    })
}

/// First sequences of the segments in a folder, in order.
pub(super) fn list(dir: &Path) -> Result<Vec<u64>> {
    let what = "list the spool's folder";
    let mut firsts = Vec::new();
    for entry in fs_err::read_dir(dir).map_err(Error::io(what))? {
        let path = entry.map_err(Error::io(what))?.path();
        firsts.extend(segment::first_of(&path));
    }
    firsts.sort_unstable();
    Ok(firsts)
}

fn cut_tail(path: &Path, end: u64) -> Result<()> {
    let what = "cut the torn end of a segment of the spool";
    let file = File::options()
        .write(true)
        .open(path)
        .map_err(Error::io(what))?;
    file.set_len(end)
        .and_then(|()| file.sync_all())
        .map_err(Error::io(what))
}

/// Sequences above `done` that are in no segment, though a later one is.
fn missing(segments: &VecDeque<Segment>, done: u64) -> Vec<(u64, u64)> {
    let mut ranges = Vec::new();
    let mut expected = done + 1;
    for segment in segments {
        if segment.first > expected {
            ranges.push((expected, segment.first - 1));
        }
        let gaps = segment.gaps.iter().filter(|gap| gap.1 > done);
        ranges.extend(gaps.map(|gap| (gap.0.max(done + 1), gap.1)));
        expected = expected.max(segment.last + 1);
    }
    ranges
}

fn missing_since(recovery: &Recovery, counted_through: u64) -> u64 {
    let uncounted = recovery
        .missing
        .iter()
        .filter(|range| range.1 > counted_through);
    uncounted
        .map(|range| range.1 - range.0.max(counted_through + 1) + 1)
        .sum()
}
