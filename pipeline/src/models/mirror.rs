//! A folder on this machine, looked in before any address; files are taken by their digest, never by their name.

use std::path::{Path, PathBuf};

use super::Error;

/// Deepest folder that is looked into.
const MAX_DEPTH: usize = 16;

/// Most entries that are looked at; a mirror is not a home folder.
const MAX_ENTRIES: usize = 200_000;

/// The file of that length and digest below `root`, at any depth.
///
/// # Errors
/// [`Error::Io`] if a folder or a file of the right length cannot be read, [`Error::Option`] if the folder is too large.
pub(super) fn find(root: &Path, bytes: u64, sha256: &str) -> Result<Option<PathBuf>, Error> {
    let mut folders = vec![(root.to_path_buf(), 0)];
    let mut seen = 0;
    while let Some((folder, depth)) = folders.pop() {
        for entry in fs_err::read_dir(&folder)? {
            seen += 1;
            if seen > MAX_ENTRIES {
                let reason = format!(
                    "SIGHTLINE_MODEL_MIRROR `{}` holds more than {MAX_ENTRIES} files, name a smaller folder",
                    root.display()
                );
                return Err(Error::Option(reason));
            }
            let path = entry?.path();
            // A link to nothing is no file of ours.
            let Ok(metadata) = fs_err::metadata(&path) else {
                continue;
            };
            if metadata.is_dir() && depth < MAX_DEPTH {
                folders.push((path, depth + 1));
            } else if metadata.is_file()
                && metadata.len() == bytes
                && sightline_reid::card::sha256_of_file(&path)? == sha256
            {
                return Ok(Some(path));
            }
        }
    }
    Ok(None)
}
