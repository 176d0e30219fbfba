//! The folder of crops: each picture once, named by its sha256, bounded by bytes and by age.
//!
//! Which crops are left depends only on which were ever written, not on the order: whatever is older
//! than something that had to go is not taken in any more.

use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use fs_err::File;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::options::CropLimits;
use crate::clock::now_ns;
use crate::event::PictureHash;
use crate::{Error, Result};

const TIME: &str = "set the time of a crop";

/// How the folder of crops stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct CropStatus {
    /// Crops that are there.
    pub crops: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Crops that went, or were not taken in, because of the bounds; since the store was opened.
    pub removed: u64,
}

#[derive(Debug)]
pub(crate) struct Crops {
    dir: PathBuf,
    limits: CropLimits,
    shelf: Mutex<Shelf>,
}

#[derive(Debug, Default)]
struct Shelf {
    /// By time, then name: the first ones go first.
    by_age: BTreeMap<(i64, String), u64>,
    times_ns: HashMap<String, i64>,
    bytes: u64,
    removed: u64,
    newest_ns: i64,
    /// The newest crop that had to go; nothing at or before it is taken in.
    floor: Option<(i64, String)>,
    is_floor_unsaved: bool,
}

impl Crops {
    pub(super) fn open(dir: &Path, limits: CropLimits) -> Result<Self> {
        let what = "open the folder of crops";
        fs_err::create_dir_all(dir).map_err(Error::io(what))?;
        let mut shelf = Shelf {
            floor: read_floor(&dir.join("floor")),
            ..Shelf::default()
        };
        for group in fs_err::read_dir(dir).map_err(Error::io(what))? {
            let group = group.map_err(Error::io(what))?;
            if !group.file_type().map_err(Error::io(what))?.is_dir() {
                continue;
            }
            for entry in fs_err::read_dir(group.path()).map_err(Error::io(what))? {
                let entry = entry.map_err(Error::io(what))?;
                let name = entry.file_name().to_string_lossy().into_owned();
                let Some(hash) = name.strip_suffix(".jpg") else {
                    // A crash came before the rename.
                    fs_err::remove_file(entry.path()).map_err(Error::io(what))?;
                    continue;
                };
                let metadata = entry.metadata().map_err(Error::io(what))?;
                let modified = metadata.modified().map_err(Error::io(what))?;
                let age = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
                shelf.put(
                    hash,
                    i64::try_from(age.as_nanos()).unwrap_or(i64::MAX),
                    metadata.len(),
                );
            }
        }
        Ok(Self {
            dir: dir.to_path_buf(),
            limits,
            shelf: Mutex::new(shelf),
        })
    }

    /// The name that a crop has, whether it is there or not.
    pub(in crate::store) fn name(jpeg: &[u8]) -> String {
        name_of(&Sha256::digest(jpeg).into())
    }

    /// Stores a crop taken at `capture_ns`, and keeps the bounds. Says whether it was new. One at a time puts and removes
    /// crops, whoever holds the store's writing; others may look for them meanwhile.
    pub(super) fn put(&self, name: &str, jpeg: &[u8], capture_ns: i64) -> Result<bool> {
        let mut shelf = self.lock();
        let key = (capture_ns, name.to_owned());
        let oldest_ns = self.oldest_allowed_ns(shelf.newest_ns);
        if shelf.floor.as_ref().is_some_and(|floor| key <= *floor) || capture_ns < oldest_ns {
            shelf.removed += 1;
            return Ok(false);
        }
        let known_ns = shelf.times_ns.get(name).copied();
        drop(shelf);
        let is_whole =
            || fs_err::metadata(self.path(name)).is_ok_and(|file| file.len() == jpeg.len() as u64);
        let is_new = known_ns.is_none() || !is_whole();
        if is_new {
            self.write(name, jpeg, capture_ns)?;
        } else if known_ns.is_some_and(|known_ns| known_ns < capture_ns) {
            let file = File::options().write(true).open(self.path(name));
            set_time(&file.map_err(Error::io(TIME))?, capture_ns)?;
        }
        let mut shelf = self.lock();
        shelf.put(name, capture_ns, jpeg.len() as u64);
        self.keep_bounds(&mut shelf)?;
        Ok(is_new)
    }

    /// Where a crop lies, if it is still there.
    pub(crate) fn find(&self, name: &str) -> Option<PathBuf> {
        self.lock()
            .times_ns
            .contains_key(name)
            .then(|| self.path(name))
    }

    /// Deletes a crop; false when it was not there. With `newest_ns` only if no later picture was the same.
    pub(super) fn remove(&self, name: &str, newest_ns: Option<i64>) -> Result<bool> {
        let mut shelf = self.lock();
        let known_ns = shelf.times_ns.get(name).copied();
        if known_ns.is_some_and(|known_ns| newest_ns.is_some_and(|newest_ns| known_ns > newest_ns))
        {
            return Ok(false);
        }
        self.delete(&mut shelf, name)?;
        Ok(known_ns.is_some())
    }

    /// Deletes the crops taken before a time; says how many.
    pub(super) fn remove_before(&self, time_ns: i64) -> Result<u64> {
        let mut shelf = self.lock();
        let mut removed = 0;
        while let Some((key, _)) = shelf.by_age.first_key_value()
            && key.0 < time_ns
        {
            let name = key.1.clone();
            self.delete(&mut shelf, &name)?;
            removed += 1;
        }
        Ok(removed)
    }

    /// Makes everything written so far durable.
    pub(super) fn flush(&self) -> Result<()> {
        let what = "sync the folder of crops";
        let mut shelf = self.lock();
        if let (true, Some((time_ns, name))) = (shelf.is_floor_unsaved, &shelf.floor) {
            let (part, path) = (self.dir.join("floor.part"), self.dir.join("floor"));
            fs_err::write(&part, format!("{time_ns} {name}\n")).map_err(Error::io(what))?;
            fs_err::rename(&part, &path).map_err(Error::io(what))?;
            shelf.is_floor_unsaved = false;
        }
        drop(shelf);
        let dir = File::open(&self.dir).map_err(Error::io(what))?;
        // One call for hundreds of small files.
        rustix::fs::syncfs(dir.file()).map_err(|error| Error::io(what)(error.into()))
    }

    pub(super) fn status(&self) -> CropStatus {
        let shelf = self.lock();
        CropStatus {
            crops: shelf.by_age.len() as u64,
            bytes: shelf.bytes,
            removed: shelf.removed,
        }
    }

    /// Names of all crops, in order.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.lock().times_ns.keys().cloned().collect();
        names.sort_unstable();
        names
    }

    fn write(&self, name: &str, jpeg: &[u8], capture_ns: i64) -> Result<()> {
        let what = "write a crop";
        let path = self.path(name);
        // Half of one under its own name would have the time of the kill that left it, and make all older ones too old.
        let part = path.with_extension("part");
        let mut file = match File::create(&part) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                // The first one of its group.
                fs_err::create_dir_all(path.parent().unwrap_or(&self.dir))
                    .and_then(|()| File::create(&part))
            }
            made => made,
        }
        .map_err(Error::io(what))?;
        file.write_all(jpeg).map_err(Error::io(what))?;
        set_time(&file, capture_ns)?;
        drop(file);
        fs_err::rename(&part, &path).map_err(Error::io(what))
    }

    /// Deletes a crop's file, and what is known of it.
    fn delete(&self, shelf: &mut Shelf, name: &str) -> Result<()> {
        match fs_err::remove_file(self.path(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("delete a crop")(error));
            }
            Ok(()) | Err(_) => {}
        }
        shelf.take(name);
        Ok(())
    }

    fn keep_bounds(&self, shelf: &mut Shelf) -> Result<()> {
        let oldest_ns = self.oldest_allowed_ns(shelf.newest_ns);
        while let Some(((time_ns, name), _)) = shelf.by_age.first_key_value() {
            if shelf.bytes <= self.limits.max_bytes && *time_ns >= oldest_ns {
                break;
            }
            let (time_ns, name) = (*time_ns, name.clone());
            self.delete(shelf, &name)?;
            shelf.removed += 1;
            shelf.floor = Some((time_ns, name));
            shelf.is_floor_unsaved = true;
        }
        Ok(())
    }

    fn oldest_allowed_ns(&self, newest_ns: i64) -> i64 {
        let max_age_ns = i64::try_from(self.limits.max_age.as_nanos()).unwrap_or(i64::MAX);
        newest_ns.saturating_sub(max_age_ns)
    }

    fn path(&self, name: &str) -> PathBuf {
        Self::path_in(&self.dir, name)
    }

    /// Where a crop lies in a folder of crops.
    pub(super) fn path_in(dir: &Path, name: &str) -> PathBuf {
        let group = name.get(..2).unwrap_or("00");
        dir.join(group).join(format!("{name}.jpg"))
    }

    fn lock(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    /// Notes a crop; of two times the newer one holds.
    fn put(&mut self, name: &str, time_ns: i64, bytes: u64) {
        let known_ns = self.times_ns.get(name).copied();
        if known_ns.is_some_and(|known_ns| known_ns >= time_ns) {
            return;
        }
        self.take(name);
        self.by_age.insert((time_ns, name.to_owned()), bytes);
        self.times_ns.insert(name.to_owned(), time_ns);
        self.bytes += bytes;
        // A camera whose clock is ahead shall not make everybody else's pictures old.
        self.newest_ns = self.newest_ns.max(time_ns.min(now_ns()));
    }

    fn take(&mut self, name: &str) {
        if let Some(time_ns) = self.times_ns.remove(name)
            && let Some(bytes) = self.by_age.remove(&(time_ns, name.to_owned()))
        {
            self.bytes -= bytes;
        }
    }
}

/// The name of the crop with this sha256.
pub(super) fn name_of(hash: &PictureHash) -> String {
    use std::fmt::Write as _;
    hash.iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a string cannot fail.
            write!(text, "{byte:02x}").unwrap_or_default();
            text
        })
}

/// The sha256 that a crop is named by; none for what is no such name.
pub(super) fn hash_of(name: &str) -> Option<PictureHash> {
    let mut hash = PictureHash::default();
    if name.len() != 2 * hash.len() || !name.is_ascii() {
        return None;
    }
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&name[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(hash)
}

/// The capture time is the file's time, so that its age survives a restart.
fn set_time(file: &File, capture_ns: i64) -> Result<()> {
    // Events before 1970 are refused.
    let time = UNIX_EPOCH + Duration::from_nanos(capture_ns.unsigned_abs());
    file.file().set_modified(time).map_err(Error::io(TIME))
}

/// A floor that cannot be read costs nothing but a few crops that are kept longer.
fn read_floor(path: &Path) -> Option<(i64, String)> {
    let text = fs_err::read_to_string(path).ok()?;
    let (time_ns, name) = text.trim().split_once(' ')?;
    Some((time_ns.parse().ok()?, name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::testing::jpeg;

    fn limits(max_bytes: u64, max_age_ns: u64) -> CropLimits {
        CropLimits {
            max_bytes,
            max_age: Duration::from_nanos(max_age_ns),
        }
    }

    fn put(crops: &Crops, time_ns: i64, len: usize) -> String {
        let bytes = jpeg(time_ns as u64 + 7, len);
        let name = Crops::name(&bytes);
        crops.put(&name, &bytes, time_ns).unwrap();
        name
    }

    #[test]
    fn the_oldest_crops_go_first_and_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let crops = Crops::open(dir.path(), limits(1000, u64::MAX)).unwrap();
        let names: Vec<_> = [30, 10, 20, 40]
            .iter()
            .map(|time| put(&crops, *time, 400))
            .collect();
        assert_eq!(
            crops.status(),
            CropStatus {
                crops: 2,
                bytes: 800,
                removed: 2
            }
        );
        let left: Vec<_> = names
            .iter()
            .map(|name| crops.find(name).is_some())
            .collect();
        assert_eq!(left, [true, false, false, true]);
        crops.flush().unwrap();
        drop(crops);
        let crops = Crops::open(dir.path(), limits(1000, u64::MAX)).unwrap();
        assert_eq!((crops.status().crops, crops.status().bytes), (2, 800));
        put(&crops, 15, 100);
        assert_eq!(crops.status().crops, 2, "older than one that had to go");
    }

    #[test]
    fn crops_from_before_a_time_go_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let crops = Crops::open(dir.path(), CropLimits::default()).unwrap();
        let [first, second, third] = [10, 20, 30].map(|time| put(&crops, time, 100));
        assert_eq!(crops.remove_before(20).unwrap(), 1);
        assert_eq!(crops.remove_before(20).unwrap(), 0);
        assert!(crops.find(&first).is_none() && !crops.path(&first).exists());
        assert!(crops.find(&second).is_some() && crops.find(&third).is_some());
        assert_eq!(crops.status().bytes, 200);
    }

    #[test]
    fn crops_beyond_the_age_go() {
        let dir = tempfile::tempdir().unwrap();
        let crops = Crops::open(dir.path(), limits(u64::MAX, 100)).unwrap();
        let old = put(&crops, 50, 100);
        let new = put(&crops, 151, 100);
        assert_eq!((crops.find(&old), crops.find(&new).is_some()), (None, true));
    }

    #[test]
    fn a_picture_from_the_future_makes_no_other_one_old() {
        let dir = tempfile::tempdir().unwrap();
        const DAY_NS: i64 = 24 * 3600 * 1_000_000_000;
        let crops = Crops::open(dir.path(), limits(u64::MAX, 30 * DAY_NS as u64)).unwrap();
        let now = put(&crops, now_ns(), 100);
        let ahead = put(&crops, now_ns() + 3650 * DAY_NS, 100);
        let after = put(&crops, now_ns(), 101);
        let is_there = |name: &String| crops.find(name).is_some();
        assert!([now, ahead, after].iter().all(is_there));
    }

    #[test]
    fn the_same_picture_is_stored_once_under_its_hash() {
        let dir = tempfile::tempdir().unwrap();
        let crops = Crops::open(dir.path(), CropLimits::default()).unwrap();
        let bytes = jpeg(1, 500);
        let name = Crops::name(&bytes);
        assert!(crops.put(&name, &bytes, 5).unwrap());
        assert!(!crops.put(&name, &bytes, 9).unwrap());
        assert_eq!(crops.status().crops, 1);
        assert_eq!(
            hash_of(&name).map(|hash| name_of(&hash)),
            Some(name.clone())
        );
        assert_eq!((hash_of("ab"), hash_of(&"x".repeat(64))), (None, None));
        let path = crops.find(&name).unwrap();
        assert_eq!(fs_err::read(&path).unwrap(), bytes);
        assert!(path.ends_with(format!("{}/{name}.jpg", &name[..2])));
        fs_err::write(&path, b"torn").unwrap();
        assert!(
            crops.put(&name, &bytes, 9).unwrap(),
            "a torn crop is written again"
        );
    }
}
