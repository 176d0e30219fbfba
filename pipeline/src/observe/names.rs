//! The name of every metric, as Prometheus shows it: `sightline_<stage>_<noun>_<unit>`.
//!
//! Dashboards and alerts hold on to these names, so they change with a note in the changelog only.
//! `prometheus-client` adds `_total` to counters by itself: register those without it
//! ([`registered`]).

/// Frames that were decoded; label `camera`.
pub const INGEST_FRAMES_TOTAL: &str = "sightline_ingest_frames_total";
/// Frames that were dropped; labels `camera`, `reason`.
pub const INGEST_FRAMES_DROPPED_TOTAL: &str = "sightline_ingest_frames_dropped_total";
/// The camera's clock minus ours, seconds; label `camera`.
pub const INGEST_CLOCK_ERROR_SECONDS: &str = "sightline_ingest_clock_error_seconds";
/// Times that a camera was opened again; label `camera`.
pub const INGEST_RECONNECTS_TOTAL: &str = "sightline_ingest_reconnects_total";
/// Time of one call of the detector (histogram).
pub const DETECT_SECONDS: &str = "sightline_detect_seconds";
/// Pictures in one call of the detector (histogram).
pub const DETECT_BATCH_PICTURES: &str = "sightline_detect_batch_pictures";
/// Tracks that are followed now; label `camera`.
pub const TRACK_TRACKS_ACTIVE: &str = "sightline_track_tracks_active";
/// Crops that were chosen for embedding; label `camera`.
pub const SELECT_CROPS_TOTAL: &str = "sightline_select_crops_total";
/// Time of one call of an encoder (histogram).
pub const EMBED_SECONDS: &str = "sightline_embed_seconds";
/// Records that wait in the spool.
pub const SPOOL_RECORDS: &str = "sightline_spool_records";
/// Bytes that wait in the spool.
pub const SPOOL_BYTES: &str = "sightline_spool_bytes";
/// Records that the spool dropped; label `reason`.
pub const SPOOL_DROPPED_TOTAL: &str = "sightline_spool_dropped_total";
/// Time of one write to the index (histogram).
pub const INDEX_SECONDS: &str = "sightline_index_seconds";
/// Unix time up to which the index is complete; label `camera`.
pub const INDEX_WATERMARK_SECONDS: &str = "sightline_index_watermark_seconds";
/// From capture to the index (histogram).
pub const CAPTURE_TO_INDEXED_SECONDS: &str = "sightline_capture_to_indexed_seconds";
/// Entries of a queue between two stages; label `queue`.
pub const QUEUE_DEPTH: &str = "sightline_queue_depth";

/// All of them.
pub const ALL: [&str; 16] = [
    INGEST_FRAMES_TOTAL,
    INGEST_FRAMES_DROPPED_TOTAL,
    INGEST_CLOCK_ERROR_SECONDS,
    INGEST_RECONNECTS_TOTAL,
    DETECT_SECONDS,
    DETECT_BATCH_PICTURES,
    TRACK_TRACKS_ACTIVE,
    SELECT_CROPS_TOTAL,
    EMBED_SECONDS,
    SPOOL_RECORDS,
    SPOOL_BYTES,
    SPOOL_DROPPED_TOTAL,
    INDEX_SECONDS,
    INDEX_WATERMARK_SECONDS,
    CAPTURE_TO_INDEXED_SECONDS,
    QUEUE_DEPTH,
];

/// Those of [`ALL`] that are histograms, which Prometheus shows as `_bucket`, `_sum` and `_count`.
pub const HISTOGRAMS: [&str; 5] = [
    DETECT_SECONDS,
    DETECT_BATCH_PICTURES,
    EMBED_SECONDS,
    INDEX_SECONDS,
    CAPTURE_TO_INDEXED_SECONDS,
];

/// The name under which a metric is registered with `prometheus-client`.
#[must_use]
pub fn registered(name: &str) -> &str {
    name.strip_suffix("_total").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_metric_of_the_dashboard_is_one_of_ours_and_every_one_of_ours_is_shown() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/grafana.json");
        let text = fs_err::read_to_string(path).unwrap();
        let dashboard: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut shown = BTreeSet::new();
        for panel in dashboard["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                shown.extend(metrics_in(target["expr"].as_str().unwrap()));
            }
        }
        for variable in dashboard["templating"]["list"].as_array().unwrap() {
            shown.extend(metrics_in(variable["query"].as_str().unwrap_or_default()));
        }
        assert_eq!(shown, ALL.iter().map(ToString::to_string).collect());
    }

    /// The metrics in a PromQL expression, histograms by their own name.
    fn metrics_in(expression: &str) -> Vec<String> {
        expression
            .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
            .filter(|word| word.starts_with("sightline_"))
            .map(|word| {
                ["_bucket", "_sum", "_count"]
                    .iter()
                    .find_map(|part| {
                        word.strip_suffix(part)
                            .filter(|name| HISTOGRAMS.contains(name))
                    })
                    .unwrap_or(word)
                    .to_owned()
            })
            .collect()
    }

    #[test]
    fn names_follow_the_rule() {
        for name in ALL {
            assert!(name.starts_with("sightline_"), "{name}");
            assert!(
                name.bytes()
                    .all(|letter| letter.is_ascii_lowercase() || letter == b'_'),
                "{name}"
            );
        }
        assert_eq!(registered(INGEST_FRAMES_TOTAL), "sightline_ingest_frames");
        assert_eq!(registered(QUEUE_DEPTH), QUEUE_DEPTH);
    }
}
