//! The newest pictures of a camera's main stream, for crops of people who were found on its detection stream.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Pictures kept: more than half a second of 25 frames a second, by when a detection asks for its picture.
const MOST_PICTURES: usize = 16;
/// Bytes kept: sixteen pictures of 1080p take half of that, of 4K there are seven.
const MOST_BYTES: usize = 96 << 20;
/// A picture taken further away than this shows people elsewhere: somebody who walks moves by 14 cm.
const FARTHEST_NS: i64 = 100_000_000;

/// The newest pictures by capture time. A new one takes the place of the oldest when there is no room.
#[derive(Debug)]
pub(in crate::ingest) struct MainStream<T> {
    pictures: Mutex<VecDeque<Kept<T>>>,
    used: AtomicU64,
    missed: AtomicU64,
}

#[derive(Debug)]
struct Kept<T> {
    capture_ns: i64,
    bytes: usize,
    picture: Arc<T>,
}

impl<T> Default for MainStream<T> {
    fn default() -> Self {
        Self {
            pictures: Mutex::default(),
            used: AtomicU64::new(0),
            missed: AtomicU64::new(0),
        }
    }
}

impl<T> MainStream<T> {
    /// Takes the newest picture, of so many bytes.
    pub(in crate::ingest) fn put(&self, capture_ns: i64, bytes: usize, picture: T) {
        let mut pictures = self.lock();
        let held: usize = pictures.iter().map(|kept| kept.bytes).sum();
        let mut room = MOST_BYTES.saturating_sub(held);
        while pictures.len() >= MOST_PICTURES || bytes > room {
            let Some(oldest) = pictures.pop_front() else {
                break;
            };
            room += oldest.bytes;
        }
        pictures.push_back(Kept {
            capture_ns,
            bytes,
            picture: Arc::new(picture),
        });
    }

    /// The picture taken at that moment, or near enough to it; counts whether there was one.
    pub(in crate::ingest) fn nearest(&self, capture_ns: i64) -> Option<Arc<T>> {
        let distance_ns = |kept: &Kept<T>| kept.capture_ns.saturating_sub(capture_ns).abs();
        let found = self
            .lock()
            .iter()
            .min_by_key(|kept| distance_ns(kept))
            .filter(|kept| distance_ns(kept) <= FARTHEST_NS)
            .map(|kept| Arc::clone(&kept.picture));
        let counter = match found {
            Some(_) => &self.used,
            None => &self.missed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    /// Pictures that were asked for and there, and that were asked for and not there.
    pub(super) fn counts(&self) -> [u64; 2] {
        [&self.used, &self.missed].map(|counter| counter.load(Ordering::Relaxed))
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Kept<T>>> {
        self.pictures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    #[test]
    fn the_picture_of_the_moment_is_found_and_a_distant_one_is_not() {
        let stream = MainStream::default();
        for at in [0, 40, 80] {
            stream.put(at * MS, 1, at);
        }
        assert_eq!(stream.nearest(50 * MS).as_deref(), Some(&40));
        assert_eq!(stream.nearest(180 * MS).as_deref(), Some(&80));
        assert_eq!(stream.nearest(181 * MS), None);
        assert_eq!(stream.counts(), [2, 1]);
    }

    #[test]
    fn the_oldest_goes_when_there_are_too_many_or_they_are_too_large() {
        let stream = MainStream::default();
        for at in 0..40 {
            stream.put(at, 1, at);
        }
        assert_eq!(stream.lock().len(), MOST_PICTURES);
        assert_eq!(stream.nearest(0).as_deref(), Some(&24));
        stream.put(40, MOST_BYTES, 40);
        assert_eq!(stream.lock().len(), 1, "it alone has room");
        stream.put(41, 2 * MOST_BYTES, 41);
        assert_eq!(stream.nearest(0).as_deref(), Some(&41));
    }
}
