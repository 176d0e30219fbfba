//! Which points changed while the engine built segments anew.
//!
//! Changes go on meanwhile, but that a point of such a segment was replaced or deleted the engine keeps in memory alone until the
//! new segment is there, and it never reads its own log back. Killed in between, it would show the replaced one beside the new one
//! and the deleted one again. So each change is noted here before it is made, and put right when the collection is opened.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use fs_err::File;
use uuid::Uuid;

use crate::{Error, Result};

const FILE: &str = "changed";
const WHAT: &str = "note what changes while the index is tidied";

/// Bytes of a note: what became of a point, and its id.
const NOTE_BYTES: usize = 17;

/// What became of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It was written: of several versions the newest holds.
    Written,
    /// It was deleted.
    Deleted,
}

/// The notes of a collection. Each point is noted once, so they are bounded by the collection.
#[derive(Debug)]
pub(super) struct Changed {
    path: PathBuf,
    file: File,
    fates: HashMap<Uuid, Fate>,
    /// Segments could not be built: what the engine keeps in memory may stay there until it is opened again.
    is_for_good: bool,
}

impl Changed {
    /// Begins to note; `dir` is the collection's folder.
    pub(super) fn begin(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        let file = File::options().create(true).append(true).open(&path);
        let begun = Self {
            file: file.map_err(Error::io(WHAT))?,
            path,
            fates: HashMap::new(),
            is_for_good: false,
        };
        begun.sync_folder()?;
        Ok(begun)
    }

    /// What a process noted and did not put right; none when there is nothing.
    pub(super) fn left_in(dir: &Path) -> Result<Option<HashMap<Uuid, Fate>>> {
        let bytes = match fs_err::read(dir.join(FILE)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io(WHAT)(error)),
        };
        // A torn note at the end is of a change that was never made.
        let (notes, _) = bytes.as_chunks::<NOTE_BYTES>();
        let fates = notes.iter().map(|[fate, id @ ..]| {
            let fate = match fate {
                b'w' => Fate::Written,
                b'd' => Fate::Deleted,
                other => {
                    return Err(Error::Corrupt {
                        path: dir.join(FILE),
                        what: format!("it has a note of kind {other}"),
                    });
                }
            };
            Ok((Uuid::from_bytes(*id), fate))
        });
        fates.collect::<Result<_>>().map(Some)
    }

    /// Notes what is about to be done to points.
    pub(super) fn note(&mut self, ids: impl IntoIterator<Item = Uuid>, fate: Fate) -> Result<()> {
        let kind = match fate {
            Fate::Written => b'w',
            Fate::Deleted => b'd',
        };
        let mut notes = Vec::new();
        for id in ids {
            if self.fates.insert(id, fate) != Some(fate) {
                notes.push(kind);
                notes.extend_from_slice(id.as_bytes());
            }
        }
        self.file.write_all(&notes).map_err(Error::io(WHAT))
    }

    pub(super) fn fates(&self) -> &HashMap<Uuid, Fate> {
        &self.fates
    }

    /// Makes the notes durable.
    pub(super) fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(Error::io(WHAT))
    }

    /// They are needed until the collection is opened again.
    pub(super) fn keep_for_good(&mut self) {
        self.is_for_good = true;
    }

    pub(super) fn is_for_good(&self) -> bool {
        self.is_for_good
    }

    /// Everything that was noted is durable in the collection.
    pub(super) fn end(&self) -> Result<()> {
        fs_err::remove_file(&self.path).map_err(Error::io(WHAT))?;
        // Old notes must not come back: what they say was deleted may have been written again.
        self.sync_folder()
    }

    fn sync_folder(&self) -> Result<()> {
        let dir = self.path.parent().unwrap_or(Path::new("."));
        let dir = File::open(dir).map_err(Error::io(WHAT))?;
        dir.sync_all().map_err(Error::io(WHAT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_point_the_last_fate_holds_and_a_torn_note_is_none() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Changed::left_in(dir.path()).unwrap(), None);
        let id = Uuid::from_u128;
        let mut changed = Changed::begin(dir.path()).unwrap();
        changed.note([id(1), id(2)], Fate::Written).unwrap();
        changed.note([id(2), id(3)], Fate::Deleted).unwrap();
        changed.note([id(3)], Fate::Written).unwrap();
        changed.note([id(3)], Fate::Written).unwrap();
        let file = dir.path().join(FILE);
        let len = fs_err::metadata(&file).unwrap().len();
        assert_eq!(
            len,
            5 * NOTE_BYTES as u64,
            "what is known is not noted again"
        );
        drop(changed);

        let mut changed = Changed::begin(dir.path()).unwrap();
        changed.note([id(4)], Fate::Deleted).unwrap();
        let torn = File::options().write(true).open(&file).unwrap();
        torn.set_len(len + 9).unwrap();
        let expected = HashMap::from([
            (id(1), Fate::Written),
            (id(2), Fate::Deleted),
            (id(3), Fate::Written),
        ]);
        assert_eq!(Changed::left_in(dir.path()).unwrap(), Some(expected));
        changed.end().unwrap();
        assert_eq!(Changed::left_in(dir.path()).unwrap(), None);
    }

    #[test]
    fn notes_that_nobody_wrote_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs_err::write(dir.path().join(FILE), [b'x'; NOTE_BYTES]).unwrap();
        let error = Changed::left_in(dir.path()).unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    }
}
