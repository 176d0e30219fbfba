//! The mailbox between cameras and the flow: per camera the newest item, nothing older.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Holds at most one item a camera. When it is full, the new item takes the old one's place: live, an old picture is
/// worth less than a new one. The giver learns of it and counts.
///
/// The taker gets the camera that was served longest ago first, so that under overload all get their turn.
#[derive(Debug)]
pub struct Latest<T> {
    inner: Mutex<Inner<T>>,
    ready: Condvar,
}

#[derive(Debug)]
struct Inner<T> {
    slots: Vec<Slot<T>>,
    turn: u64,
    is_closed: bool,
}

#[derive(Debug)]
struct Slot<T> {
    item: Option<T>,
    served: u64,
}

impl<T> Latest<T> {
    /// An empty mailbox for `cameras` cameras.
    #[must_use]
    pub fn new(cameras: usize) -> Self {
        let slots = (0..cameras).map(|_| Slot {
            item: None,
            served: 0,
        });
        Self {
            inner: Mutex::new(Inner {
                slots: slots.collect(),
                turn: 0,
                is_closed: false,
            }),
            ready: Condvar::new(),
        }
    }

    /// Puts the newest item of a camera; gives back the one that nobody took. An item for a camera that has no slot, or
    /// after closing, comes back itself.
    pub fn put(&self, camera_index: usize, item: T) -> Option<T> {
        let mut inner = self.lock();
        if inner.is_closed {
            return Some(item);
        }
        let Some(slot) = inner.slots.get_mut(camera_index) else {
            return Some(item);
        };
        let superseded = slot.item.replace(item);
        drop(inner);
        self.ready.notify_one();
        superseded
    }

    /// Takes up to `max` items, at most one a camera, into `batch`; waits up to `timeout` for the first. Returns how
    /// many it took.
    pub fn take(&self, batch: &mut Vec<T>, max: usize, timeout: Duration) -> usize {
        let until = Instant::now() + timeout;
        let mut inner = self.lock();
        while !inner.is_closed && inner.slots.iter().all(|slot| slot.item.is_none()) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return 0;
            }
            inner = self
                .ready
                .wait_timeout(inner, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        let mut taken = 0;
        while taken < max {
            let turn = inner.turn + 1;
            let waiting = inner.slots.iter_mut().filter(|slot| slot.item.is_some());
            let Some(slot) = waiting.min_by_key(|slot| slot.served) else {
                break;
            };
            slot.served = turn;
            batch.extend(slot.item.take());
            inner.turn = turn;
            taken += 1;
        }
        taken
    }

    /// Adds a slot for one more camera; returns its index.
    pub fn add(&self) -> usize {
        let mut inner = self.lock();
        let served = inner.turn;
        inner.slots.push(Slot { item: None, served });
        inner.slots.len() - 1
    }

    /// Forgets a camera's item; returns whether there was one.
    pub fn clear(&self, camera_index: usize) -> bool {
        let mut inner = self.lock();
        inner
            .slots
            .get_mut(camera_index)
            .is_some_and(|slot| slot.item.take().is_some())
    }

    /// Takes no more items and wakes the taker; what is there can still be taken.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.ready.notify_all();
    }

    /// Items waiting, for the queue-depth metric.
    #[must_use]
    pub fn depth(&self) -> usize {
        let inner = self.lock();
        inner.slots.iter().filter(|s| s.item.is_some()).count()
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    #[test]
    fn the_newest_item_takes_the_place_of_the_older_one() {
        let mailbox = Latest::new(1);
        assert_eq!(mailbox.put(0, 1), None);
        assert_eq!(mailbox.put(0, 2), Some(1));
        let mut batch = Vec::new();
        assert_eq!(mailbox.take(&mut batch, 4, NOW), 1);
        assert_eq!(batch, vec![2]);
    }

    #[test]
    fn the_camera_served_longest_ago_goes_first() {
        let mailbox = Latest::new(3);
        let mut served = Vec::new();
        for _ in 0..3 {
            // All cameras are ready all the time, the taker manages one at a time: overload.
            (0..3).for_each(|camera| {
                mailbox.put(camera, camera);
            });
            mailbox.take(&mut served, 1, NOW);
        }
        assert_eq!(served, vec![0, 1, 2]);
    }

    #[test]
    fn a_batch_holds_at_most_one_item_a_camera() {
        let mailbox = Latest::new(3);
        (0..3).for_each(|camera| {
            mailbox.put(camera, camera);
        });
        let mut batch = Vec::new();
        assert_eq!(mailbox.take(&mut batch, 8, NOW), 3);
        assert_eq!(mailbox.take(&mut batch, 8, NOW), 0);
    }

    #[test]
    fn closing_wakes_the_taker_and_keeps_what_is_there() {
        let mailbox = std::sync::Arc::new(Latest::<u8>::new(1));
        let taker = std::thread::spawn({
            let mailbox = std::sync::Arc::clone(&mailbox);
            move || mailbox.take(&mut Vec::new(), 1, Duration::from_secs(600))
        });
        mailbox.close();
        assert_eq!(taker.join().unwrap(), 0);
        assert_eq!(mailbox.put(0, 9), Some(9));
    }
}
