//! One process at a time holds a store.

use std::io::{Read, Seek, Write};
use std::path::Path;

use fs_err::File;

use crate::{Error, Result};

/// Held as long as the store is open; the kernel lets go of it when the process dies.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock of the store in `dir`, and notes in it who holds it.
    pub(super) fn take(dir: &Path) -> Result<Self> {
        let what = "lock the store";
        let path = dir.join("lock");
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(Error::io(what))?;
        match file.file().try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let read = file
                    .read_to_string(&mut holder)
                    .map(|_| holder.trim().to_owned());
                let holder = read.ok().filter(|holder| !holder.is_empty());
                return Err(Error::Held {
                    path: dir.to_path_buf(),
                    holder: holder.unwrap_or_else(|| "another process".to_owned()),
                });
            }
            Err(std::fs::TryLockError::Error(source)) => {
                return Err(Error::Io {
                    what: what.to_owned(),
                    source,
                });
            }
        }
        let command: Vec<_> = std::env::args_os().take(2).collect();
        let command: Vec<_> = command.iter().map(|part| part.to_string_lossy()).collect();
        let note = format!("pid {} ({})\n", std::process::id(), command.join(" "));
        file.set_len(0).map_err(Error::io(what))?;
        file.rewind()
            .and_then(|()| file.write_all(note.as_bytes()))
            .map_err(Error::io(what))?;
        Ok(Self { file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough: a child that is just being started holds a copy of the file for a moment.
        if let Err(error) = self.file.file().unlock() {
            tracing::debug!(%error, "store was not unlocked");
        }
    }
}
