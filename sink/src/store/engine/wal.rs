//! Keeps the engine's own log short.
//!
//! The engine appends to a write-ahead log, never reads it back, and never shortens it. It needs the
//! newest parts, which carry the numbering on; the older ones are deleted. A deleted part stays mapped
//! in the engine until it is closed, so its blocks are given back by punching them out first.

use std::path::{Path, PathBuf};

use fs_err::File;
use rustix::fs::{FallocateFlags, fallocate};

use crate::{Error, Result};

/// Closed parts of the log that are kept.
pub(super) const KEPT: usize = 2;

/// Deletes all closed parts of the log but the newest.
pub(super) fn trim(dir: &Path) -> Result<()> {
    let what = "shorten the index's log";
    let closed = closed(dir)?;
    let surplus = closed.len().saturating_sub(KEPT);
    // Oldest first: a crash on the way leaves no hole in the numbering.
    for (_, path) in closed.into_iter().take(surplus) {
        let file = File::options()
            .write(true)
            .open(&path)
            .map_err(Error::io(what))?;
        let len = file.metadata().map_err(Error::io(what))?.len();
        fs_err::remove_file(&path).map_err(Error::io(what))?;
        let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        if let Err(error) = fallocate(file.file(), punch, 0, len) {
            tracing::debug!(%error, "blocks of the index's log come back when it is closed");
        }
    }
    Ok(())
}

/// The closed parts of the log by the number of their first entry.
pub(super) fn closed(dir: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let what = "list the index's log";
    let mut closed: Vec<(u64, PathBuf)> = Vec::new();
    for entry in fs_err::read_dir(dir).map_err(Error::io(what))? {
        let path = entry.map_err(Error::io(what))?.path();
        let start = path
            .file_name()
            .and_then(|name| name.to_str()?.strip_prefix("closed-")?.parse().ok());
        closed.extend(start.map(|start: u64| (start, path)));
    }
    closed.sort_unstable();
    Ok(closed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_closed_parts_but_the_newest_go() {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            "closed-0",
            "closed-90",
            "closed-100",
            "closed-1000",
            "open-3",
            "first-index",
        ] {
            fs_err::write(dir.path().join(name), b"x").unwrap();
        }
        trim(dir.path()).unwrap();
        let mut left: Vec<_> = fs_err::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["closed-100", "closed-1000", "first-index", "open-3"]);
    }
}
