//! A look at a spool from outside, while a process has it open or not. Nothing is changed.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Dropped;
use super::open::list;
use super::position::PositionFile;
use super::record::{self, Parsed};
use super::segment::{self, Segment};
use crate::event::{self, Event};
use crate::{Error, Result};

/// What lies in a spool's folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// The segments, oldest first.
    pub segments: Vec<SegmentInspection>,
    /// Records up to this sequence are done with; none when the file that says so cannot be read.
    pub acknowledged: Option<u64>,
    /// Records that wait.
    pub waiting: u64,
    /// What was given up for want of room.
    pub dropped: Dropped,
    /// Records that were lost to broken bytes or could not be understood, as counted so far.
    pub broken: u64,
    /// Whether a process has the spool open; the end of its newest segment may be half written then.
    pub is_held: bool,
}

/// One segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SegmentInspection {
    /// Its file.
    pub path: PathBuf,
    /// Sequences of its first and last record.
    pub first: u64,
    /// Sequence of its last record; `first - 1` when it is empty.
    pub last: u64,
    /// Good records.
    pub records: u64,
    /// Bytes up to the end of the last good record.
    pub bytes: u64,
    /// Stretches of bytes that are no record.
    pub broken_regions: u64,
    /// Their bytes, those behind the last good record among them.
    pub broken_bytes: u64,
    /// Sequences that are missing between good records: inclusive ranges.
    pub missing: Vec<(u64, u64)>,
}

impl Inspection {
    /// Looks at the spool in `dir`.
    ///
    /// # Errors
    ///
    /// When the folder or a segment cannot be read.
    pub fn of(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = dir.as_ref();
        let path = dir.join("position");
        let position = PositionFile::peek(&path);
        let mut segments = Vec::new();
        for first in list(dir)? {
            let (found, damage) = Segment::scan(&segment::path_of(dir, first), first)?;
            segments.push(SegmentInspection {
                records: found.count(found.first, found.last),
                path: found.path,
                first: found.first,
                last: found.last,
                bytes: found.end,
                broken_regions: damage.regions,
                broken_bytes: damage.bytes,
                missing: found.gaps,
            });
        }
        let (acknowledged, known) = (
            position.map(|it| it.acknowledged),
            position.unwrap_or_default(),
        );
        let mut inspection = Self {
            segments,
            acknowledged,
            waiting: 0,
            dropped: Dropped {
                records: known.dropped_records,
                bytes: known.dropped_bytes,
                newest_from: known.dropped_from,
                newest_to: known.dropped_through,
            },
            broken: known.broken,
            is_held: PositionFile::is_held(&path),
        };
        inspection.waiting = inspection.count_waiting(acknowledged.unwrap_or(0));
        Ok(inspection)
    }

    /// Whether nothing is damaged. Records that are gone stay so: a gap is there until all of its segment was taken.
    pub fn is_clean(&self) -> bool {
        let is_whole =
            |segment: &SegmentInspection| segment.broken_regions == 0 && segment.missing.is_empty();
        self.acknowledged.is_some() && self.segments.iter().all(is_whole)
    }

    fn count_waiting(&self, acknowledged: u64) -> u64 {
        let waits = self
            .segments
            .iter()
            .filter(|segment| segment.last > acknowledged);
        waits
            .map(|segment| {
                let from = segment.first.max(acknowledged + 1);
                let missing = segment
                    .missing
                    .iter()
                    .map(|(first, last)| (last + 1).saturating_sub(*first.max(&from)));
                (segment.last + 1 - from).saturating_sub(missing.sum())
            })
            .sum()
    }
}

/// Hands every good record of a spool from sequence `from` on to `each`, with its sequence: the event, or why it
/// cannot be understood. Reads what is on disk, safe or not, whoever has the spool open.
///
/// # Errors
///
/// When a segment cannot be read; what `each` returns.
pub fn read_records<E: From<Error>>(
    dir: impl AsRef<Path>,
    from: u64,
    mut each: impl FnMut(u64, Result<Event>) -> Result<(), E>,
) -> Result<(), E> {
    let dir = dir.as_ref();
    for first in list(dir)? {
        let path = segment::path_of(dir, first);
        let bytes = fs_err::read(&path).map_err(Error::io("read a segment of the spool"))?;
        let mut at = segment::HEADER_BYTES.min(bytes.len());
        while at < bytes.len() {
            if let Parsed::Good(record) = record::parse(&bytes, at) {
                at = record.end;
                if record.sequence >= from {
                    let payload = bytes.get(record.payload_at..record.end).unwrap_or_default();
                    each(record.sequence, event::decode(payload))?;
                }
            } else if let Some(next) = record::resync(&bytes, at + 1) {
                at = next;
            } else {
                break;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Spool;
    use crate::event::testing::sighting;
    use crate::spool::Limits;

    #[test]
    fn a_spool_is_looked_at_while_it_is_open_and_when_it_is_broken() {
        let dir = tempfile::tempdir().unwrap();
        let limits = Limits {
            max_bytes: 1 << 30,
            segment_bytes: 70_000,
            ..Limits::default()
        };
        let (spool, _) = Spool::open(dir.path(), limits).unwrap();
        for number in 0..300 {
            let seen = sighting("gate-2", 1_000, number / 5, number % 5);
            spool.append(&Event::Sighting(Box::new(seen))).unwrap();
        }
        spool.sync().unwrap();
        spool.acknowledge(10).unwrap();
        let look = Inspection::of(dir.path()).unwrap();
        assert!(
            look.is_clean() && look.is_held && look.segments.len() > 1,
            "{look:?}"
        );
        assert_eq!((look.acknowledged, look.waiting), (Some(10), 290));
        let mut read = Vec::new();
        read_records::<Error>(dir.path(), 295, |sequence, event| {
            read.push((sequence, event?.time_ns()));
            Ok(())
        })
        .unwrap();
        assert_eq!(read.len(), 6);
        assert_eq!(read[0].0, 295);
        drop(spool);
        let newest = look.segments.last().unwrap().path.clone();
        let mut bytes = fs_err::read(&newest).unwrap();
        bytes[segment::HEADER_BYTES + 40] ^= 1;
        bytes.extend_from_slice(b"torn");
        fs_err::write(&newest, bytes).unwrap();
        let look = Inspection::of(dir.path()).unwrap();
        assert!(!look.is_clean() && !look.is_held);
        assert_eq!(look.segments.last().unwrap().broken_regions, 2);
        let mut count = 0;
        read_records::<Error>(dir.path(), 1, |_, _| {
            count += 1;
            Ok(())
        })
        .unwrap();
        assert_eq!(count, 299);
        let (_, recovery) = Spool::open(dir.path(), limits).unwrap();
        assert_eq!(
            (recovery.missing_records(), recovery.broken_regions),
            (1, 2)
        );
    }
}
