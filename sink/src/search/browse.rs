//! Tracks by time, and a track as a hit.

use super::answer::Hit;
use super::moment::Moment;
use super::query::Filter;
use crate::Result;
use crate::store::engine::Order;
use crate::store::points::{ExemplarPayload, TrackletPayload, from_payload};

/// The newest tracks that pass.
pub(super) fn browse(store: &Moment<'_>, filter: &Filter, limit: usize) -> Result<Vec<Hit>> {
    let mut fetch = limit;
    loop {
        let newest = Order {
            by: "start_us",
            is_falling: true,
        };
        let points = store
            .tracklets()
            .ordered(&filter.for_tracklets(), newest, fetch)?;
        let found = points.len();
        let mut tracks: Vec<TrackletPayload> = points
            .into_iter()
            .map(|point| from_payload(point.payload))
            .collect::<Result<_>>()?;
        tracks.retain(|track| filter.passes(track));
        if tracks.len() >= limit || found < fetch {
            tracks.sort_by_key(|track| (std::cmp::Reverse(track.start_ns), track.track));
            tracks.truncate(limit);
            return Ok(tracks
                .into_iter()
                .map(|payload| hit(store, payload, None, None))
                .collect());
        }
        // Rounding to microseconds let some in that do not pass.
        fetch *= 2;
    }
}

/// A track as it is shown; its rank is given later.
pub(super) fn hit(
    store: &Moment<'_>,
    track: TrackletPayload,
    best: Option<(f32, ExemplarPayload)>,
    similarity: Option<f32>,
) -> Hit {
    let shown = best
        .map(|(_, sighting)| (sighting.crop, sighting.capture_ns, sighting.bbox))
        .filter(|(crop, _, _)| crop.is_some())
        .unwrap_or((track.best.crop, track.best.capture_ns, track.best.bbox));
    Hit {
        track: track.track,
        site: track.site,
        camera: track.camera,
        start_ns: track.start_ns,
        end_ns: track.end_ns,
        rank: 0,
        similarity,
        score: None,
        thumbnail: shown.0.and_then(|crop| store.crops().find(&crop)),
        person: track.person,
        best_ns: shown.1,
        bbox: shown.2,
        detections: track.detections,
        has_ended: track.has_ended,
    }
}
