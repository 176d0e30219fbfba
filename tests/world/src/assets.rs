//! Finds the files that people are made of: by sha256, at any depth of a folder, packed or plain.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};

/// The manifest that is compiled in: names, sources, hashes.
pub const MANIFEST: &str = include_str!("../assets.toml");
/// The variable that names the folder to search.
pub const VARIABLE: &str = "SIGHTLINE_PEOPLE";

#[derive(Deserialize)]
struct Manifest {
    file: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    sha256: String,
    bytes: u64,
    packed_sha256: Option<String>,
    packed_bytes: Option<u64>,
}

/// The bytes of every file in the manifest, by name.
#[derive(Debug)]
pub struct Files(HashMap<String, Vec<u8>>);

impl Files {
    /// Reads the folder named by `SIGHTLINE_PEOPLE`.
    ///
    /// # Errors
    /// The variable is not set, the folder is not readable, or files are missing from it.
    pub fn from_environment() -> Result<Self> {
        let folder = std::env::var_os(VARIABLE).ok_or(Error::NoPeople)?;
        Self::from_folder(Path::new(&folder))
    }

    /// Reads `folder`, at any depth; a file is recognised by its size first and its sha256 then, never by its name.
    ///
    /// # Errors
    /// The folder is not readable, or files are missing from it.
    pub fn from_folder(folder: &Path) -> Result<Self> {
        let manifest: Manifest =
            toml::from_str(MANIFEST).map_err(|e| Error::asset("assets.toml", e.to_string()))?;
        let mut sizes: HashMap<u64, ()> = HashMap::new();
        let mut wanted: HashMap<&str, &Entry> = HashMap::new();
        for entry in &manifest.file {
            sizes.insert(entry.bytes, ());
            wanted.insert(&entry.sha256, entry);
            if let (Some(hash), Some(size)) = (&entry.packed_sha256, entry.packed_bytes) {
                sizes.insert(size, ());
                wanted.insert(hash, entry);
            }
        }
        let mut found = HashMap::new();
        for path in files_below(folder)? {
            let size = fs_err::metadata(&path)?.len();
            if !sizes.contains_key(&size) {
                continue;
            }
            let bytes = fs_err::read(&path)?;
            if let Some(entry) = wanted.get(hex(&bytes).as_str()) {
                found.insert(entry.name.clone(), unpacked(&entry.name, bytes)?);
            }
        }
        let missing: Vec<&str> = manifest
            .file
            .iter()
            .map(|e| e.name.as_str())
            .filter(|name| !found.contains_key(*name))
            .collect();
        match missing.first() {
            None => Ok(Self(found)),
            Some(first) => Err(Error::MissingAssets {
                folder: folder.display().to_string(),
                found: found.len(),
                wanted: manifest.file.len(),
                first: (*first).to_owned(),
            }),
        }
    }

    /// The bytes of one file.
    ///
    /// # Errors
    /// The manifest has no such name.
    pub fn bytes(&self, name: &str) -> Result<&[u8]> {
        self.0
            .get(name)
            .map(Vec::as_slice)
            .ok_or_else(|| Error::asset(name, "not in assets.toml"))
    }

    /// The text of one file.
    ///
    /// # Errors
    /// The manifest has no such name.
    pub fn text(&self, name: &str) -> Result<std::borrow::Cow<'_, str>> {
        Ok(String::from_utf8_lossy(self.bytes(name)?))
    }

    /// The names that start with `prefix`, in order.
    #[must_use]
    pub fn names(&self, prefix: &str) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .0
            .keys()
            .map(String::as_str)
            .filter(|n| n.starts_with(prefix))
            .collect();
        names.sort_unstable();
        names
    }
}

fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut folders, mut files) = (vec![folder.to_path_buf()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.is_file() {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn unpacked(name: &str, bytes: Vec<u8>) -> Result<Vec<u8>> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(bytes.as_slice())
        .read_to_end(&mut plain)
        .map_err(|e| Error::asset(name, format!("gzip: {e}")))?;
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_folder_is_refused_with_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let error = Files::from_folder(folder.path()).unwrap_err().to_string();
        assert!(error.contains("holds 0 of 187 files"), "{error}");
        assert!(!error.contains('\n'));
    }
}
