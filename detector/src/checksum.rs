//! SHA-256 of model files, each hashed once as long as it does not change.

use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{LazyLock, Mutex, PoisonError};

/// What tells one state of a file from another without reading it.
#[derive(PartialEq, Eq, Hash, Clone, Copy)]
struct Stamp {
    device: u64,
    inode: u64,
    size_bytes: u64,
    modified_s: i64,
    modified_ns: i64,
    changed_s: i64,
    changed_ns: i64,
}

/// Several sessions load one file (one a thread), and a file for a GPU takes a second to hash.
static KNOWN: LazyLock<Mutex<HashMap<Stamp, String>>> = LazyLock::new(Mutex::default);

/// More models than a process ever holds; beyond it hashes are taken again.
const MOST_KNOWN: usize = 64;

/// SHA-256 of a file in lowercase hex.
pub(crate) fn sha256_hex(path: &Path) -> io::Result<String> {
    let mut file = fs_err::File::open(path)?;
    let metadata = file.metadata()?;
    let stamp = Stamp {
        device: metadata.dev(),
        inode: metadata.ino(),
        size_bytes: metadata.size(),
        modified_s: metadata.mtime(),
        modified_ns: metadata.mtime_nsec(),
        changed_s: metadata.ctime(),
        changed_ns: metadata.ctime_nsec(),
    };
    // The map is whole even if a thread died holding it: entries are only added.
    if let Some(known) = KNOWN
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&stamp)
    {
        return Ok(known.clone());
    }
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
    }
    let digest: String = hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if known.len() < MOST_KNOWN {
        known.insert(stamp, digest.clone());
    }
    Ok(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_is_hashed_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.onnx");
        fs_err::write(&path, b"abc").unwrap();
        let first = sha256_hex(&path).unwrap();
        assert_eq!(
            first,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(sha256_hex(&path).unwrap(), first);
        fs_err::write(&path, b"abcd").unwrap();
        assert_eq!(
            sha256_hex(&path).unwrap(),
            "88d4266fd4e6338d13b845fcf289579d209c897823b9217da3e161936f031589"
        );
    }
}
