//! Threads that end with the value that holds them.

use std::fmt;
use std::thread::JoinHandle;

use crate::{Error, Result};

/// Threads of one owner: told to stop and waited for, at the latest when this value goes.
pub(crate) struct Threads {
    owner: &'static str,
    tell: Box<dyn Fn() + Send + Sync>,
    running: Vec<JoinHandle<()>>,
}

impl Threads {
    /// `tell` makes every thread end soon.
    pub(crate) fn new(owner: &'static str, tell: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            owner,
            tell: Box::new(tell),
            running: Vec::new(),
        }
    }

    pub(crate) fn spawn(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> Result<()> {
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(run)
            .map_err(Error::io(format!("start a thread of the {}", self.owner)))?;
        self.running.push(thread);
        Ok(())
    }

    pub(crate) fn stop(&mut self) {
        (self.tell)();
        for thread in self.running.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the {} had panicked", self.owner);
            }
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Threads {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} threads of the {}", self.running.len(), self.owner)
    }
}
