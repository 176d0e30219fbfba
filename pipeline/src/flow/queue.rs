//! A bounded queue between two stages that tells how much waits in it.

use std::sync::mpsc::{self, RecvError, RecvTimeoutError, SendError, sync_channel};
use std::time::Duration;

use crate::observe::Depth;

/// A queue of at most `bound` items, and as many more as there are senders that wait for room; `depth` counts all of them.
pub(super) fn queue<T>(bound: usize, depth: &Depth) -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = sync_channel(bound);
    let sender = Sender {
        items: sender,
        depth: depth.clone(),
    };
    let receiver = Receiver {
        items: receiver,
        depth: depth.clone(),
    };
    (sender, receiver)
}

/// Puts items in.
pub(super) struct Sender<T> {
    items: mpsc::SyncSender<T>,
    depth: Depth,
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self {
            items: self.items.clone(),
            depth: self.depth.clone(),
        }
    }
}

impl<T> Sender<T> {
    /// Waits for room.
    ///
    /// # Errors
    /// When nobody takes items any more.
    pub(super) fn send(&self, item: T) -> Result<(), SendError<T>> {
        self.depth.inc();
        self.items.send(item).inspect_err(|_| {
            self.depth.dec();
        })
    }
}

/// Takes items out.
pub(super) struct Receiver<T> {
    items: mpsc::Receiver<T>,
    depth: Depth,
}

impl<T> Receiver<T> {
    /// Waits for an item.
    ///
    /// # Errors
    /// When there is none and nobody is left who could send one.
    pub(super) fn recv(&self) -> Result<T, RecvError> {
        let item = self.items.recv()?;
        self.depth.dec();
        Ok(item)
    }

    /// Waits for an item, at most `limit`.
    ///
    /// # Errors
    /// When none came, or nobody is left who could send one.
    pub(super) fn recv_timeout(&self, limit: Duration) -> Result<T, RecvTimeoutError> {
        let item = self.items.recv_timeout(limit)?;
        self.depth.dec();
        Ok(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_depth_is_what_waits() {
        let depth = Depth::default();
        let (sender, receiver) = queue(4, &depth);
        sender.send(1).unwrap();
        sender.clone().send(2).unwrap();
        assert_eq!(depth.get(), 2);
        assert_eq!(receiver.recv(), Ok(1));
        assert_eq!(receiver.recv_timeout(Duration::ZERO), Ok(2));
        assert_eq!(depth.get(), 0);
        assert_eq!(
            receiver.recv_timeout(Duration::ZERO),
            Err(RecvTimeoutError::Timeout)
        );
        drop(receiver);
        assert!(sender.send(3).is_err());
        assert_eq!(depth.get(), 0);
    }
}
