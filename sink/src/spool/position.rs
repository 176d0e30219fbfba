//! What is done with and what was given up, kept beside the segments.
//!
//! Two slots of fixed size are written in turn, in place: a torn write spoils one of them and the
//! other still holds, and a full disk cannot stop an acknowledgement, which is what frees room.

use std::fs::TryLockError;
use std::os::unix::fs::FileExt;
use std::path::Path;

use fs_err::File;

use crate::{Error, Result};

/// Distance between the slots: a block, so that one torn block spoils one slot.
const SLOT_BYTES: usize = 4096;
const FIELDS: usize = 9;
const MAGIC: u64 = u64::from_le_bytes(*b"SLPOSIT1");

/// The persistent counters of a spool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Position {
    /// Records up to this sequence are done with.
    pub(super) acknowledged: u64,
    /// Segments that end at or before this sequence were given up and are to be deleted.
    pub(super) dropped_through: u64,
    /// Records given up before they were acknowledged.
    pub(super) dropped_records: u64,
    /// Their bytes.
    pub(super) dropped_bytes: u64,
    /// First sequence of the newest drop.
    pub(super) dropped_from: u64,
    /// Records lost to broken bytes, and records that could be read and made no sense.
    pub(super) broken: u64,
    /// Up to this sequence what is missing has been counted.
    pub(super) broken_through: u64,
}

/// The file that holds a [`Position`]. Holding it open keeps other processes out of the spool.
#[derive(Debug)]
pub(super) struct PositionFile {
    file: File,
    generation: u64,
}

impl PositionFile {
    /// Opens or makes the file; also returns what it holds and whether it had to be given up.
    pub(super) fn open(path: &Path) -> Result<(Self, Position, bool)> {
        let describe = || format!("open the spool's position `{}`", path.display());
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(Error::io(describe()))?;
        match file.file().try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Held {
                    path: path.to_path_buf(),
                    holder: "another process".to_owned(),
                });
            }
            Err(TryLockError::Error(source)) => {
                return Err(Error::Io {
                    what: describe(),
                    source,
                });
            }
        }
        let mut bytes = Vec::with_capacity(2 * SLOT_BYTES);
        let len = file.metadata().map_err(Error::io(describe()))?.len();
        bytes.resize(len.min(2 * SLOT_BYTES as u64) as usize, 0);
        file.file()
            .read_exact_at(&mut bytes, 0)
            .map_err(Error::io(describe()))?;
        let newest = newest(&bytes);
        let is_broken = newest.is_none() && !bytes.is_empty();
        let (generation, position) = newest.unwrap_or_default();
        let mut opened = Self { file, generation };
        if newest.is_none() || bytes.len() < 2 * SLOT_BYTES {
            // Both slots are laid out at once, so that later writes never need new blocks.
            opened.write(&position)?;
            opened.write(&position)?;
        }
        Ok((opened, position, is_broken))
    }

    /// What a file holds, whoever has it open; none when it is not there or cannot be read.
    pub(super) fn peek(path: &Path) -> Option<Position> {
        let bytes = fs_err::read(path).ok()?;
        newest(&bytes).map(|(_, position)| position)
    }

    /// Whether a process has the file open as a spool.
    pub(super) fn is_held(path: &Path) -> bool {
        let Ok(file) = File::open(path) else {
            return false;
        };
        let is_held = matches!(file.file().try_lock_shared(), Err(TryLockError::WouldBlock));
        if !is_held && let Err(error) = file.file().unlock() {
            tracing::debug!(%error, "spool's position was not unlocked");
        }
        is_held
    }

    /// Writes `position` durably.
    pub(super) fn write(&mut self, position: &Position) -> Result<()> {
        let generation = self.generation + 1;
        let mut slot = vec![0; SLOT_BYTES];
        let fields: [u64; FIELDS] = [
            MAGIC,
            generation,
            position.acknowledged,
            position.dropped_through,
            position.dropped_records,
            position.dropped_bytes,
            position.dropped_from,
            position.broken,
            position.broken_through,
        ];
        for (target, field) in slot.chunks_mut(8).zip(fields) {
            target.copy_from_slice(&field.to_le_bytes());
        }
        let checksum = crc32c::crc32c(&slot[..FIELDS * 8]);
        slot[FIELDS * 8..FIELDS * 8 + 4].copy_from_slice(&checksum.to_le_bytes());
        let at = (generation % 2) * SLOT_BYTES as u64;
        let what = "write the spool's position";
        self.file
            .file()
            .write_all_at(&slot, at)
            .map_err(Error::io(what))?;
        self.file.sync_data().map_err(Error::io(what))?;
        self.generation = generation;
        Ok(())
    }
}

impl Drop for PositionFile {
    fn drop(&mut self) {
        // Closing is not enough: a child that is just being started holds a copy of the file for a moment.
        if let Err(error) = self.file.file().unlock() {
            tracing::debug!(%error, "spool's position was not unlocked");
        }
    }
}

fn newest(bytes: &[u8]) -> Option<(u64, Position)> {
    bytes
        .chunks(SLOT_BYTES)
        .filter_map(read_slot)
        .max_by_key(|(generation, _)| *generation)
}

fn read_slot(slot: &[u8]) -> Option<(u64, Position)> {
    let body = slot.get(..FIELDS * 8)?;
    let checksum = slot.get(FIELDS * 8..)?.first_chunk::<4>()?;
    if crc32c::crc32c(body) != u32::from_le_bytes(*checksum) {
        return None;
    }
    let mut fields = [0; FIELDS];
    for (field, bytes) in fields.iter_mut().zip(body.as_chunks::<8>().0) {
        *field = u64::from_le_bytes(*bytes);
    }
    let [
        magic,
        generation,
        acknowledged,
        dropped_through,
        records,
        bytes,
        from,
        broken,
        counted,
    ] = fields;
    (magic == MAGIC).then_some((
        generation,
        Position {
            acknowledged,
            dropped_through,
            dropped_records: records,
            dropped_bytes: bytes,
            dropped_from: from,
            broken,
            broken_through: counted,
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_slot_leaves_the_one_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("position");
        let (mut file, position, is_broken) = PositionFile::open(&path).unwrap();
        assert_eq!((position, is_broken), (Position::default(), false));
        for acknowledged in [5, 6] {
            file.write(&Position {
                acknowledged,
                ..position
            })
            .unwrap();
        }
        let newest_at = (file.generation % 2) as usize * SLOT_BYTES;
        drop(file);
        let mut bytes = fs_err::read(&path).unwrap();
        bytes[newest_at + 20] ^= 1;
        fs_err::write(&path, &bytes).unwrap();
        let (file, position, is_broken) = PositionFile::open(&path).unwrap();
        assert_eq!((position.acknowledged, is_broken), (5, false));
        drop(file);
        bytes.fill(7);
        fs_err::write(&path, &bytes).unwrap();
        let (_, position, is_broken) = PositionFile::open(&path).unwrap();
        assert_eq!((position, is_broken), (Position::default(), true));
    }

    #[test]
    fn a_second_opener_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("position");
        let _held = PositionFile::open(&path).unwrap();
        assert!(matches!(PositionFile::open(&path), Err(Error::Held { .. })));
    }
}
