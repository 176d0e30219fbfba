//! Retention: the oldest tracks go, for age or for room, and their pictures with them.

use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Serialize;

use super::Store;
use super::engine::{Condition, Order, Where};
use super::points::{ExemplarPayload, TrackletPayload, from_payload};
use super::remove::Pictures;
use crate::Result;
use crate::clock::now_ns;

/// Tracks that go at once; searches and writing go on in between.
const AT_ONCE: usize = 64;

/// The track that ended first, first.
const BY_END: Order = Order {
    by: "end_us",
    is_falling: false,
};

const BY_CAPTURE: Order = Order {
    by: "capture_us",
    is_falling: false,
};

/// What a point takes besides its vectors and its picture: payload, ids, indexes. Measured on stores of the demo.
const POINT_BYTES: u64 = 1024;

/// How long tracks are kept. Without bounds: for ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// Tracks that ended longer ago than this go.
    pub max_age: Option<Duration>,
    /// Most bytes of points and pictures as [`Store::bytes`] reckons them; beyond it the oldest tracks go.
    pub max_bytes: Option<u64>,
}

/// What went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Expired {
    /// Tracks.
    pub tracks: u64,
    /// Their sightings.
    pub sightings: u64,
    /// Their pictures.
    pub pictures: u64,
}

impl Store {
    /// Takes out the tracks that are too old, or too many. Ages are reckoned from `now_ns`, and from the newest
    /// track where that is none: then the same events leave the same tracks, whenever it is done.
    ///
    /// # Errors
    ///
    /// When the disk or the engine refuses; what is left goes the next time.
    pub fn expire(&self, now_ns: Option<i64>) -> Result<Expired> {
        let retention = self.options.retention;
        let mut expired = Expired::default();
        if let Some(max_age) = retention.max_age {
            // Not kept beyond this line: a move waits for whoever reads the old index, and this waits for the move.
            let newest = self.index().tracklets.ordered(
                &Where::default(),
                Order {
                    is_falling: true,
                    ..BY_END
                },
                1,
            )?;
            let newest = newest.into_iter().next();
            let newest = newest.map(|found| from_payload::<TrackletPayload>(found.payload));
            let newest = newest.transpose()?;
            let from_ns = now_ns.or(newest.map(|track| track.end_ns));
            let max_age_ns = i64::try_from(max_age.as_nanos()).unwrap_or(i64::MAX);
            let oldest_ns = from_ns.map_or(i64::MIN, |ns| ns.saturating_sub(max_age_ns));
            while self.expire_some(Some(oldest_ns), &mut expired)? {}
        }
        if self.is_shared() && retention != Retention::default() {
            expired.pictures += self.expire_left_pictures()?;
        }
        if let Some(max_bytes) = retention.max_bytes {
            while self.bytes()? > max_bytes && self.expire_some(None, &mut expired)? {}
        }
        if expired.tracks + expired.pictures > 0 {
            tracing::info!(
                tracks = expired.tracks,
                sightings = expired.sightings,
                pictures = expired.pictures,
                "tracks went for age or room"
            );
            self.flush()?;
        }
        Ok(expired)
    }

    /// Takes out own pictures of tracks that another writer of the same points took out: those from before the oldest sighting.
    fn expire_left_pictures(&self) -> Result<u64> {
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let index = self.index();
        let oldest = index
            .exemplars
            .ordered(&Where::default(), BY_CAPTURE, 1)?
            .into_iter()
            .next();
        let Some(oldest) = oldest else {
            return Ok(0);
        };
        let oldest: ExemplarPayload = from_payload(oldest.payload)?;
        self.crops.remove_before(oldest.capture_ns)
    }

    /// As [`Store::expire`], by the clock of now; what fails is told, and due again the next time.
    pub(crate) fn expire_by_clock(&self) {
        if let Err(error) = self.expire(Some(now_ns())) {
            tracing::warn!(%error, "tracks that are too old could not be taken out, trying again");
        }
    }

    /// Bytes of points and pictures: vectors and pictures as they are, and 1 KiB a point for what goes with it. The
    /// engine's files are larger while they hold room to grow, and points that were replaced.
    ///
    /// # Errors
    ///
    /// When the engine refuses to count.
    pub fn bytes(&self) -> Result<u64> {
        let index = self.index();
        let points =
            index.exemplars.count(&Where::default())? + index.tracklets.count(&Where::default())?;
        let values: usize = index.vectors.iter().map(|spec| spec.dimension).sum();
        let point_bytes = (values * size_of::<f32>()) as u64 + POINT_BYTES;
        Ok(points * point_bytes + self.crops.status().bytes)
    }

    /// Takes out the tracks that ended first; with `oldest_ns` only those that ended before it. Says whether any did.
    fn expire_some(&self, oldest_ns: Option<i64>, expired: &mut Expired) -> Result<bool> {
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let index = self.index();
        let filter = Where::all_of(
            // Rounded up; what is not older by nanoseconds is left out below.
            oldest_ns
                .map(|ns| Condition::at_most("end_us", ns.div_euclid(1000)))
                .into_iter()
                .collect(),
        );
        let mut tracks = BTreeSet::new();
        for found in index.tracklets.ordered(&filter, BY_END, AT_ONCE)? {
            let payload: TrackletPayload = from_payload(found.payload)?;
            if oldest_ns.is_none_or(|ns| payload.end_ns < ns) {
                tracks.insert(payload.track);
            }
        }
        if tracks.is_empty() {
            return Ok(false);
        }
        let removed = self.remove_tracks(&tracks, Pictures::ByTime)?;
        expired.tracks += removed.tracklets;
        expired.sightings += removed.sightings;
        expired.pictures += removed.pictures.len() as u64;
        self.expired.fetch_add(removed.tracklets, Ordering::Relaxed);
        Ok(true)
    }
}
