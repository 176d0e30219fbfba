//! One file of the spool: its name, its header, and what a look through it finds.

use std::path::{Path, PathBuf};

use super::record::{self, Parsed};
use crate::{Error, Result};

/// Bytes before the first record of a segment.
pub(super) const HEADER_BYTES: usize = 24;
const MAGIC: [u8; 8] = *b"SLSPOOL1";

/// A mark is kept for one record in this many, for seeking, and for one a second, for the age of the oldest record.
const RECORDS_A_MARK: u64 = 32;
const MARK_EVERY_NS: i64 = 1_000_000_000;

/// Where a record lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    pub(super) sequence: u64,
    pub(super) time_ns: i64,
    pub(super) offset: u64,
}

/// What is known of a segment without opening its file again.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    /// Sequence that its first record has or would have.
    pub(super) first: u64,
    /// Sequence of its last record; `first - 1` when it is empty.
    pub(super) last: u64,
    /// Where its last good record ends.
    pub(super) end: u64,
    /// Sequences in `first..=last` that are not there: inclusive ranges, in order.
    pub(super) gaps: Vec<(u64, u64)>,
    pub(super) marks: Vec<Mark>,
}

/// No sequence gets here; one that says so was not written by a spool.
const END: u64 = 1 << 62;

/// What was wrong with a segment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Damage {
    pub(super) regions: u64,
    pub(super) bytes: u64,
    /// Bytes behind the last good record.
    pub(super) tail_bytes: u64,
}

/// The name of the segment whose first record is `first`.
pub(super) fn path_of(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}.spool"))
}

/// The first sequence that a segment's name tells.
pub(super) fn first_of(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?.strip_suffix(".spool")?;
    (name.len() == 20).then(|| name.parse().ok()).flatten()
}

/// The header of a new segment.
pub(super) fn header(first: u64) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(&MAGIC);
    header[8..16].copy_from_slice(&first.to_le_bytes());
    let checksum = crc32c::crc32c(&header[..16]);
    header[16..20].copy_from_slice(&checksum.to_le_bytes());
    header
}

impl Segment {
    /// A segment without records.
    pub(super) fn new(dir: &Path, first: u64) -> Self {
        Self {
            path: path_of(dir, first),
            first,
            last: first.saturating_sub(1),
            end: HEADER_BYTES as u64,
            gaps: Vec::new(),
            marks: Vec::new(),
        }
    }

    /// Looks through a segment's file, over broken places too.
    pub(super) fn scan(path: &Path, first: u64) -> Result<(Self, Damage)> {
        let bytes = fs_err::read(path).map_err(Error::io("read a segment of the spool"))?;
        let mut segment = Self::new(Path::new(""), first);
        path.clone_into(&mut segment.path);
        let mut damage = Damage::default();
        let mut at = HEADER_BYTES;
        if bytes.get(..HEADER_BYTES) != Some(&header(first)[..]) {
            damage.regions += 1;
            at = 0;
        }
        // A header that is short or wrong may still be followed by good records.
        while at < bytes.len() {
            match record::parse(&bytes, at) {
                Parsed::Good(record) if record.sequence > segment.last && record.sequence < END => {
                    segment.note(
                        record.sequence,
                        record.time_ns,
                        at as u64,
                        record.end as u64,
                    );
                    at = record.end;
                }
                Parsed::Good(_) | Parsed::Short(_) | Parsed::Broken => {
                    let Some(next) = record::resync(&bytes, at + 1) else {
                        break;
                    };
                    if at >= HEADER_BYTES {
                        damage.regions += 1;
                        damage.bytes += (next - at) as u64;
                    }
                    at = next;
                }
            }
        }
        damage.tail_bytes = (bytes.len() as u64).saturating_sub(segment.end);
        if damage.tail_bytes > 0 {
            damage.regions += 1;
            damage.bytes += damage.tail_bytes;
        }
        Ok((segment, damage))
    }

    /// Takes note of a record that lies at `offset..end`.
    pub(super) fn note(&mut self, sequence: u64, time_ns: i64, offset: u64, end: u64) {
        if sequence > self.last + 1 {
            self.gaps.push((self.last + 1, sequence - 1));
        }
        let is_marked = self.marks.last().is_none_or(|mark| {
            sequence - mark.sequence >= RECORDS_A_MARK
                || time_ns.saturating_sub(mark.time_ns) >= MARK_EVERY_NS
        });
        if is_marked {
            self.marks.push(Mark {
                sequence,
                time_ns,
                offset,
            });
        }
        self.last = sequence;
        self.end = end;
    }

    /// How many of its records lie in `from..=to`.
    pub(super) fn count(&self, from: u64, to: u64) -> u64 {
        let (from, to) = (from.max(self.first), to.min(self.last));
        if from > to {
            return 0;
        }
        let missing: u64 = self
            .gaps
            .iter()
            .map(|gap| (gap.1.min(to) + 1).saturating_sub(gap.0.max(from)))
            .sum();
        to - from + 1 - missing
    }

    /// The last mark at or before `sequence`, or else the first one.
    pub(super) fn mark(&self, sequence: u64) -> Option<Mark> {
        let after = self.marks.partition_point(|mark| mark.sequence <= sequence);
        self.marks.get(after.saturating_sub(1)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_segment(path: &Path, sequences: &[u64]) -> Vec<u8> {
        let mut bytes = header(5).to_vec();
        for sequence in sequences {
            record::write(
                &mut bytes,
                *sequence,
                *sequence as i64 * 10,
                &[*sequence as u8; 40],
            );
        }
        fs_err::write(path, &bytes).unwrap();
        bytes
    }

    #[test]
    fn the_age_of_a_record_is_told_to_a_second_however_seldom_they_come() {
        const SECOND: i64 = 1_000_000_000;
        let mut segment = Segment::new(Path::new(""), 1);
        for sequence in 1..=40 {
            let at = sequence * 100;
            segment.note(sequence, sequence as i64 * 2 * SECOND, at, at + 100);
        }
        assert_eq!(segment.mark(25).unwrap().time_ns, 50 * SECOND);
        let mut busy = Segment::new(Path::new(""), 1);
        for sequence in 1..=4000 {
            busy.note(
                sequence,
                sequence as i64 * SECOND / 1000,
                sequence * 100,
                sequence * 100 + 100,
            );
        }
        assert_eq!(
            busy.marks.len(),
            125,
            "one in 32, as they come close together"
        );
    }

    #[test]
    fn a_broken_record_costs_itself_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = path_of(dir.path(), 5);
        let mut bytes = write_segment(&path, &[5, 6, 7, 8]);
        bytes[HEADER_BYTES + 68 + 30] ^= 1;
        fs_err::write(&path, &bytes).unwrap();
        let (segment, damage) = Segment::scan(&path, first_of(&path).unwrap()).unwrap();
        assert_eq!((segment.first, segment.last), (5, 8));
        assert_eq!(segment.gaps, [(6, 6)]);
        assert_eq!(
            damage,
            Damage {
                regions: 1,
                bytes: 68,
                tail_bytes: 0
            }
        );
        assert_eq!((segment.count(0, 100), segment.count(6, 7)), (3, 1));
    }

    #[test]
    fn a_cut_tail_and_a_spoiled_header_keep_what_lies_between() {
        let dir = tempfile::tempdir().unwrap();
        let path = path_of(dir.path(), 5);
        let mut bytes = write_segment(&path, &[5, 6, 7]);
        bytes[3] = 0;
        bytes.truncate(bytes.len() - 1);
        fs_err::write(&path, &bytes).unwrap();
        let (segment, damage) = Segment::scan(&path, 5).unwrap();
        assert_eq!((segment.first, segment.last), (5, 6));
        assert_eq!((damage.regions, damage.tail_bytes), (2, 67));
    }

    #[test]
    fn an_empty_file_is_a_segment_without_records() {
        let dir = tempfile::tempdir().unwrap();
        let path = path_of(dir.path(), 5);
        fs_err::write(&path, b"").unwrap();
        let (segment, damage) = Segment::scan(&path, 5).unwrap();
        assert_eq!(
            (segment.last, segment.count(0, 9), damage.regions),
            (4, 0, 1)
        );
    }
}
