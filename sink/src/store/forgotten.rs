//! The record of what is forgotten: every writer holds what it writes against it, for ever.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use fs_err::File;

use crate::event::{self, Event, Forgotten, ForgottenSet, Reason, Sighting};
use crate::spool::record::{self, Parsed};
use crate::{Error, Result, TrackId};

/// Most tracks and stretches that are remembered; beyond it no more are taken.
const MOST: usize = 2_000_000;

const WHAT: &str = "write the record of what is forgotten";

/// What is forgotten, on disk and in memory.
#[derive(Debug)]
pub(super) struct ForgottenBook {
    dir: PathBuf,
    pages: Mutex<Pages>,
}

#[derive(Debug)]
struct Pages {
    set: ForgottenSet,
    file: File,
    bytes: u64,
    entries: u64,
    /// Entries up to here are gone from the store.
    done: u64,
    /// The others, found when the book was opened.
    unfinished: Vec<Forgotten>,
}

impl ForgottenBook {
    pub(super) fn open(dir: &Path) -> Result<Self> {
        let what = "open the record of what is forgotten";
        fs_err::create_dir_all(dir).map_err(Error::io(what))?;
        let path = dir.join("book");
        let file = File::options()
            .read(true)
            .append(true)
            .create(true)
            .open(&path)
            .map_err(Error::io(what))?;
        let bytes = fs_err::read(&path).map_err(Error::io(what))?;
        let mut pages = Pages {
            set: ForgottenSet::default(),
            file,
            bytes: 0,
            entries: 0,
            done: read_done(&dir.join("done"))?,
            unfinished: Vec::new(),
        };
        let (entries, at) = read(&path, &bytes)?;
        for forgotten in entries {
            pages.note(&forgotten);
            if pages.entries > pages.done {
                pages.unfinished.push(forgotten);
            }
        }
        if at < bytes.len() {
            pages.file.set_len(at as u64).map_err(Error::io(what))?;
        }
        pages.bytes = at as u64;
        Ok(Self {
            dir: dir.to_path_buf(),
            pages: Mutex::new(pages),
        })
    }

    /// Writes an entry down; it stands from now on, whatever happens.
    pub(super) fn add(&self, forgotten: &Forgotten) -> Result<()> {
        let payload = event::encode(&Event::Forgotten(forgotten.clone()))?;
        let mut pages = self.lock();
        let pages = &mut *pages;
        if pages.set.len() + forgotten.tracks.len() + forgotten.stretches.len() > MOST {
            return Err(Error::Query {
                what: format!(
                    "{MOST} tracks are forgotten already, and no more are remembered; forget by camera and time"
                ),
            });
        }
        let mut entry = Vec::new();
        record::write(&mut entry, pages.entries + 1, forgotten.at_ns, &payload);
        let written = pages
            .file
            .write_all(&entry)
            .and_then(|()| pages.file.sync_data());
        if let Err(error) = written {
            // Half an entry would stand before the next one.
            pages.file.set_len(pages.bytes).map_err(Error::io(WHAT))?;
            return Err(Error::io(WHAT)(error));
        }
        pages.bytes += entry.len() as u64;
        pages.note(forgotten);
        Ok(())
    }

    /// As [`ForgottenBook::add`], but for what stands in the book already.
    pub(super) fn add_unless_known(&self, forgotten: &Forgotten) -> Result<()> {
        let new = self.lock().set.new_in(forgotten);
        new.map_or(Ok(()), |new| self.add(&new))
    }

    /// Whether all of it stands in the book, and is gone from the store.
    pub(super) fn is_done(&self, forgotten: &Forgotten) -> bool {
        let pages = self.lock();
        pages.done == pages.entries && pages.set.new_in(forgotten).is_none()
    }

    /// Everything in the book so far is gone from the store.
    pub(super) fn finish(&self) -> Result<()> {
        let mut pages = self.lock();
        if pages.done == pages.entries {
            return Ok(());
        }
        let part = self.dir.join("done.part");
        let mut file = File::create(&part).map_err(Error::io(WHAT))?;
        file.write_all(format!("{}\n", pages.entries).as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(Error::io(WHAT))?;
        fs_err::rename(&part, self.dir.join("done")).map_err(Error::io(WHAT))?;
        pages.done = pages.entries;
        Ok(())
    }

    /// Entries that may not be gone from the store yet, because a process ended in between.
    pub(super) fn take_unfinished(&self) -> Vec<Forgotten> {
        std::mem::take(&mut self.lock().unfinished)
    }

    /// Whether a sighting must not be written, and why.
    pub(super) fn refuses(&self, sighting: &Sighting) -> Option<Reason> {
        self.lock().set.refuses(sighting)
    }

    /// Whether a track is in the book.
    pub(super) fn has(&self, track: TrackId) -> bool {
        self.lock().set.has(track)
    }

    /// Whether a track that a camera saw from a time to another falls under what is forgotten of that camera.
    pub(super) fn has_time(&self, camera: [&str; 2], times_ns: [i64; 2]) -> bool {
        self.lock().set.has_time(camera, times_ns)
    }

    /// Tracks that are in the book.
    pub(super) fn tracks(&self) -> u64 {
        self.lock().set.tracks() as u64
    }

    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    fn note(&mut self, forgotten: &Forgotten) {
        self.entries += 1;
        self.set.note(forgotten);
    }
}

/// The entries of a book that is not open.
pub(super) fn entries_of(path: &Path) -> Result<Vec<Forgotten>> {
    match fs_err::read(path) {
        Ok(bytes) => Ok(read(path, &bytes)?.0),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Error::io("read the record of what is forgotten")(error)),
    }
}

/// The entries in the bytes of a book, and where the last of them ends.
fn read(path: &Path, bytes: &[u8]) -> Result<(Vec<Forgotten>, usize)> {
    let (mut entries, mut at) = (Vec::new(), 0);
    while let Parsed::Good(found) = record::parse(bytes, at) {
        let payload = bytes.get(found.payload_at..found.end).unwrap_or_default();
        let Ok(Event::Forgotten(forgotten)) = event::decode(payload) else {
            return Err(corrupt(path, at));
        };
        entries.push(forgotten);
        at = found.end;
    }
    // A torn end was never confirmed; good entries behind it say that this is no torn end.
    if at < bytes.len() && record::resync(bytes, at + 1).is_some() {
        return Err(corrupt(path, at));
    }
    Ok((entries, at))
}

fn corrupt(path: &Path, at: usize) -> Error {
    Error::Corrupt {
        path: path.to_path_buf(),
        what: format!("the entry at byte {at} cannot be read, so what is forgotten is not known"),
    }
}

/// Without the file nothing is known to be gone, and everything is removed once more.
fn read_done(path: &Path) -> Result<u64> {
    match fs_err::read_to_string(path) {
        Ok(text) => Ok(text.trim().parse().unwrap_or(0)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(Error::io("open the record of what is forgotten")(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stretch;
    use crate::event::testing::sighting;

    fn entry(tracks: &[u32], stretches: &[(i64, i64)]) -> Forgotten {
        let stretches = stretches.iter().map(|(from_ns, to_ns)| Stretch {
            site: None,
            camera: "gate-1".into(),
            from_ns: *from_ns,
            to_ns: *to_ns,
        });
        Forgotten {
            at_ns: 7,
            tracks: tracks
                .iter()
                .map(|ordinal| sighting("gate-1", 1_000, *ordinal, 0).track)
                .collect(),
            stretches: stretches.collect(),
            pictures: Vec::new(),
        }
    }

    #[test]
    fn what_was_written_down_stands_after_a_restart_and_a_torn_end() {
        let dir = tempfile::tempdir().unwrap();
        let book = ForgottenBook::open(dir.path()).unwrap();
        book.add(&entry(&[1], &[])).unwrap();
        book.finish().unwrap();
        book.add(&entry(&[2], &[(50, 60)])).unwrap();
        drop(book);
        let path = dir.path().join("book");
        let mut bytes = fs_err::read(&path).unwrap();
        let whole = bytes.len();
        bytes.extend_from_slice(&[0xf5, b'S', b'L', 0xb1, 9]);
        fs_err::write(&path, &bytes).unwrap();
        let book = ForgottenBook::open(dir.path()).unwrap();
        assert_eq!(fs_err::metadata(&path).unwrap().len(), whole as u64);
        assert_eq!(book.take_unfinished(), [entry(&[2], &[(50, 60)])]);
        let reason = |ordinal, birth_ns| book.refuses(&sighting("gate-1", birth_ns, ordinal, 0));
        assert_eq!(reason(1, 1_000), Some(Reason::Track));
        assert_eq!(reason(2, 1_000), Some(Reason::Track));
        assert_eq!(reason(3, 1_000), None);
        assert_eq!(reason(3, 50), Some(Reason::Stretch));
        assert_eq!(reason(3, 61), None);
        assert_eq!(book.refuses(&sighting("gate-2", 55, 3, 0)), None);
    }

    #[test]
    fn a_book_that_is_broken_in_the_middle_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let book = ForgottenBook::open(dir.path()).unwrap();
        book.add(&entry(&[1], &[])).unwrap();
        book.add(&entry(&[2], &[])).unwrap();
        drop(book);
        let path = dir.path().join("book");
        let mut bytes = fs_err::read(&path).unwrap();
        bytes[30] ^= 1;
        fs_err::write(&path, &bytes).unwrap();
        let error = ForgottenBook::open(dir.path()).unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    }
}
