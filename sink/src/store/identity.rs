//! Which store this is: so that what was indexed into one is not taken for indexed into another.

use std::path::Path;

use fs_err::File;
use ring::rand::{SecureRandom as _, SystemRandom};
use uuid::Uuid;

use crate::{Error, Result};

/// Name of the file in the store's folder.
const FILE: &str = "id";

const WHAT: &str = "keep the store's own name";

/// What only this store is called, looked for before its index is made: an index that is made anew is another store.
pub(super) fn of(dir: &Path) -> Result<String> {
    let path = dir.join(FILE);
    if has_index(dir)? {
        match fs_err::read_to_string(&path) {
            Ok(text) => return Ok(text.trim().to_owned()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io(WHAT)(error)),
        }
    }
    let id = fresh()?;
    let part = path.with_extension("part");
    fs_err::write(&part, &id).map_err(Error::io(WHAT))?;
    File::open(&part)
        .and_then(|file| file.sync_all())
        .and_then(|()| fs_err::rename(&part, &path))
        .map_err(Error::io(WHAT))?;
    Ok(id)
}

/// A name that no store has.
pub(super) fn fresh() -> Result<String> {
    let mut bytes = [0; 16];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Error::io(WHAT)(std::io::Error::other("the system has no random numbers")))?;
    Ok(Uuid::from_bytes(bytes).simple().to_string())
}

/// Whether there is an index of any generation.
fn has_index(dir: &Path) -> Result<bool> {
    for entry in fs_err::read_dir(dir).map_err(Error::io(WHAT))? {
        let name = entry.map_err(Error::io(WHAT))?.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("index") && !name.ends_with(".part") {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_keeps_its_name_as_long_as_its_index() {
        let dir = tempfile::tempdir().unwrap();
        let name = || of(dir.path()).unwrap();
        let before = name();
        assert_eq!(before.len(), 32);
        fs_err::create_dir(dir.path().join("index.part")).unwrap();
        assert_ne!(name(), before, "no index was made for it");
        fs_err::create_dir(dir.path().join("index")).unwrap();
        let first = name();
        assert_eq!(name(), first);
        // Another generation of the same.
        fs_err::rename(dir.path().join("index"), dir.path().join("index-2")).unwrap();
        assert_eq!(name(), first);
        fs_err::remove_dir(dir.path().join("index-2")).unwrap();
        assert_ne!(name(), first);
    }
}
