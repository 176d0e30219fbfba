//! What a folder notes of the server that holds its points, so that they are never looked for elsewhere than before.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::engine::server::ServerOptions;
use super::generation::current_index;
use crate::{Error, Result};

/// Name of the file in the store's folder.
pub(super) const FILE: &str = "server";

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Noted {
    /// What the names of the collections begin with.
    pub(super) prefix: String,
    /// What the collections say of themselves: they are these, and not others by the same names.
    pub(super) store: String,
}

impl Noted {
    /// What is noted in a folder; none where its points lie in it, or nowhere yet.
    pub(super) fn read(dir: &Path) -> Result<Option<Self>> {
        let path = file(dir);
        let text = match fs_err::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("look where the store's points lie")(error)),
        };
        let noted = serde_json::from_slice(&text).map_err(|error| Error::Corrupt {
            path,
            what: error.to_string(),
        })?;
        Ok(Some(noted))
    }
}

/// Where it is noted.
pub(super) fn file(dir: &Path) -> PathBuf {
    dir.join(FILE)
}

/// Refuses a folder whose points lie elsewhere than where they are asked for.
pub(super) fn check_place(dir: &Path, server: Option<&ServerOptions>) -> Result<()> {
    let mismatch = |what: String| {
        Err(Error::Mismatch {
            path: dir.to_path_buf(),
            what,
        })
    };
    match (Noted::read(dir)?, server) {
        (Some(noted), Some(server)) if noted.prefix == server.prefix => Ok(()),
        (Some(noted), _) => mismatch(format!(
            "its points lie on a server, in collections `{}-…`, and other ones are asked for",
            noted.prefix
        )),
        (None, Some(_)) if current_index(dir)?.exists() => mismatch(
            "its points lie in it, not on a server; to move them, `sightline store backup` and `restore`".to_owned(),
        ),
        (None, _) => Ok(()),
    }
}
