//! Sink's answers as what goes over the wire.

use std::path::Path;

use sightline_sink as sink;

use crate::ask::PictureDigest;
use crate::time::UtcTime;
use crate::wire::{CameraCoverage, Hit, Interval, NOT_CALIBRATED, SearchResponse};

pub(super) fn response_from(answer: sink::Answer) -> SearchResponse {
    // Scores come all or none, from one table.
    let is_calibrated = answer.hits.iter().any(|hit| hit.score.is_some());
    SearchResponse {
        hits: answer.hits.into_iter().map(Hit::from).collect(),
        coverage: answer
            .coverage
            .into_iter()
            .map(CameraCoverage::from)
            .collect(),
        why_empty: answer.why_empty,
        searched: answer.searched,
        is_exact: answer.is_exact,
        calibrated: is_calibrated,
        calibration: (!is_calibrated).then(|| NOT_CALIBRATED.to_owned()),
        why_uncalibrated: None,
        notes: Vec::new(),
    }
}

impl From<sink::Hit> for Hit {
    fn from(hit: sink::Hit) -> Self {
        let digest = hit
            .thumbnail
            .as_deref()
            .and_then(Path::file_stem)
            .and_then(|stem| stem.to_str());
        Self {
            track: hit.track.to_string(),
            site: hit.site,
            camera: hit.camera,
            start: UtcTime::from_unix_ns(hit.start_ns),
            end: UtcTime::from_unix_ns(hit.end_ns),
            rank: hit.rank,
            score: hit.score.map(f64::from),
            similarity: hit.similarity.map(f64::from),
            thumbnail_sha256: digest
                .filter(|stem| PictureDigest::new(stem).is_ok())
                .map(str::to_owned),
            thumbnail: hit
                .thumbnail
                .as_ref()
                .map(|path| path.display().to_string()),
            person: hit.person,
            best: UtcTime::from_unix_ns(hit.best_ns),
            bbox: hit.bbox,
            detections: hit.detections,
            has_ended: hit.has_ended,
            clauses: Vec::new(),
        }
    }
}

impl From<sink::CameraCoverage> for CameraCoverage {
    fn from(coverage: sink::CameraCoverage) -> Self {
        let intervals = |stretches: Vec<sink::Interval>| {
            stretches
                .into_iter()
                .map(|stretch| Interval {
                    start: UtcTime::from_unix_ns(stretch.from_ns),
                    end: UtcTime::from_unix_ns(stretch.to_ns),
                })
                .collect()
        };
        #[expect(
            clippy::cast_precision_loss,
            reason = "seconds with nine digits are enough for a clock error"
        )]
        let clock_error_s = coverage
            .clock_error_ns
            .map(|error_ns| error_ns as f64 / 1e9);
        Self {
            site: coverage.site,
            camera: coverage.camera,
            watched: intervals(coverage.watched),
            blind: intervals(coverage.blind),
            frames_seen: coverage.frames_seen,
            frames_dropped: coverage.frames_dropped,
            indexed_to: coverage.indexed_to_ns.map(UtcTime::from_unix_ns),
            clock_error_s,
        }
    }
}
