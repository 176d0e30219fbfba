//! Makes appended events safe, a group at a time.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Shared;

/// Time between attempts when the disk refuses.
const RETRY: Duration = Duration::from_millis(200);

pub(super) fn run(shared: &Shared) {
    // How long an idle thread sleeps at most.
    const IDLE: Duration = Duration::from_millis(500);
    while !shared.must_stop() {
        let safe = shared.spool.status().safe;
        let is_waiting = |shared: &Shared| shared.appended.load(Ordering::Acquire) > safe;
        let woke = shared.wait_until(Instant::now() + IDLE, |shared, _| {
            shared.must_stop() || is_waiting(shared)
        });
        if !woke || shared.must_stop() {
            continue;
        }
        // Others may join the group, up to a number or a time.
        let full = safe + shared.options.sync_records;
        shared.wait_until(Instant::now() + shared.options.sync_after, |shared, _| {
            shared.must_stop()
                || shared.is_draining.load(Ordering::Acquire)
                || shared.appended.load(Ordering::Acquire) >= full
        });
        let synced = shared.spool.sync();
        shared.progress().sync_trouble = synced.as_ref().err().map(ToString::to_string);
        shared.changed.notify_all();
        if let Err(error) = synced {
            tracing::warn!(%error, "spool could not be synced, trying again");
            shared.pause(RETRY);
        }
    }
}
