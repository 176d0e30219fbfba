//! Counts of the store for the metrics.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Result, anyhow};
use sightline_sink::StoreStatus;

use crate::observe::{Metrics, ToldOfStore};

/// How often the store is counted.
const EVERY: Duration = Duration::from_secs(5);

/// Counts the store on a thread of its own: a server that is slow or away holds up neither the loop that feeds the watchdog nor
/// anything else, and the metrics keep what was counted last.
pub struct Counting {
    stop: SyncSender<()>,
    thread: JoinHandle<()>,
}

impl Counting {
    /// Starts the thread, which asks `count`.
    ///
    /// # Errors
    /// When the machine refuses another thread.
    pub fn start(
        metrics: Arc<Metrics>,
        count: impl Fn() -> Result<StoreStatus> + Send + 'static,
    ) -> Result<Self> {
        let (stop, stopped) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("count".to_owned())
            .spawn(move || {
                let mut told = ToldOfStore::default();
                loop {
                    match count() {
                        Ok(status) => metrics.store.take_over(&status, &mut told),
                        Err(error) => tracing::debug!(
                            error = format!("{error:#}"),
                            "the store cannot be counted now"
                        ),
                    }
                    match stopped.recv_timeout(EVERY) {
                        Err(RecvTimeoutError::Timeout) => {}
                        Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
                    }
                }
            })?;
        Ok(Self { stop, thread })
    }

    /// Waits until nothing is asked any more, at most as long as a server has for its answers.
    ///
    /// # Errors
    /// When the thread panicked.
    pub fn stop(self) -> Result<()> {
        drop(self.stop);
        self.thread
            .join()
            .map_err(|_| anyhow!("the thread that counts the store panicked; this is a bug"))
    }
}
