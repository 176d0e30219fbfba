//! The signed list of what went: written beside the store, for whoever asks later.
//!
//! The signature covers the file byte by byte, so that common tools can check it:
//! `openssl pkeyutl -verify -pubin -inkey key.pub.pem -rawin -in LIST.json -sigfile LIST.json.sig`.

use std::io::Write;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fs_err::File;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::{Error, Result};

const WHAT: &str = "write the list of what was forgotten";

/// What stands before an Ed25519 key in its common form (RFC 8410).
const PUBLIC_KEY_HEAD: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// Writes and signs a list; gives its path. `dir` holds the key too, which is made when it is missing.
pub(super) fn write(dir: &Path, name: &str, list: &[u8]) -> Result<PathBuf> {
    let key = key(dir)?;
    let path = dir.join(format!("{name}.json"));
    let signature = key.sign(list);
    write_durably(&path.with_extension("json.sig"), signature.as_ref(), 0o640)?;
    write_durably(&path, list, 0o640)?;
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(Error::io(WHAT))?;
    Ok(path)
}

/// Checks a list against its signature and the public key beside it.
///
/// # Errors
///
/// [`Error::Corrupt`] when it was changed.
pub fn verify_list(path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let read = |path: &Path| fs_err::read(path).map_err(Error::io("read a list"));
    let corrupt = |what: &str| Error::Corrupt {
        path: path.to_path_buf(),
        what: what.to_owned(),
    };
    let list = read(path)?;
    let signature = read(&path.with_extension("json.sig"))?;
    let pem = read(&path.with_file_name("key.pub.pem"))?;
    let text: String = String::from_utf8_lossy(&pem)
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    let der = STANDARD.decode(text).unwrap_or_default();
    let key = der
        .strip_prefix(&PUBLIC_KEY_HEAD)
        .ok_or_else(|| corrupt("its public key cannot be read"))?;
    UnparsedPublicKey::new(&ED25519, key)
        .verify(&list, &signature)
        .map_err(|_| {
            corrupt("its signature does not fit: it was changed, or signed by another key")
        })
}

fn key(dir: &Path) -> Result<Ed25519KeyPair> {
    let path = dir.join("key.pk8");
    let unusable = |what: &str| Error::Corrupt {
        path: path.clone(),
        what: what.to_owned(),
    };
    let document = match fs_err::read(&path) {
        Ok(document) => document,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
                .map_err(|_| unusable("the system gave no random numbers for a key"))?;
            write_durably(&path, document.as_ref(), 0o600)?;
            document.as_ref().to_vec()
        }
        Err(error) => return Err(Error::io(WHAT)(error)),
    };
    let key = Ed25519KeyPair::from_pkcs8(&document)
        .map_err(|_| unusable("it is no Ed25519 key in PKCS#8"))?;
    let public = dir.join("key.pub.pem");
    if !public.exists() {
        let mut der = PUBLIC_KEY_HEAD.to_vec();
        der.extend_from_slice(key.public_key().as_ref());
        let text = STANDARD.encode(der);
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n");
        write_durably(&public, pem.as_bytes(), 0o644)?;
    }
    Ok(key)
}

fn write_durably(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    let part = PathBuf::from(name);
    // What a crash left may have another mode.
    match fs_err::remove_file(&part) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::io(WHAT)(error));
        }
        Ok(()) | Err(_) => {}
    }
    let mut options = File::options();
    options.write(true).create_new(true).mode(mode);
    let mut file = options.open(&part).map_err(Error::io(WHAT))?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(Error::io(WHAT))?;
    fs_err::rename(&part, path).map_err(Error::io(WHAT))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_list_that_was_changed_does_not_pass() {
        let dir = tempfile::tempdir().unwrap();
        let path = write(dir.path(), "one", b"{\"tracks\":[]}\n").unwrap();
        let other = write(dir.path(), "two", b"{}\n").unwrap();
        verify_list(&path).unwrap();
        verify_list(&other).unwrap();
        let mode = |name: &str| {
            let metadata = fs_err::metadata(dir.path().join(name)).unwrap();
            metadata.permissions().mode() & 0o777
        };
        assert_eq!(mode("key.pk8"), 0o600);
        fs_err::write(&path, b"{\"tracks\":[ ]}\n").unwrap();
        assert!(matches!(verify_list(&path), Err(Error::Corrupt { .. })));
        verify_list(&other).unwrap();
    }
}
