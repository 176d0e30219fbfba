//! Every metric of the program and what it says. `docs/metrics.md` lists the same, and a test compares them.

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name {
    /// As it stands in `/metrics`; counters end in `_total`.
    pub name: &'static str,
    /// What it says.
    pub help: &'static str,
}

impl Name {
    /// The name as the registry takes it, which adds `_total` to counters itself.
    #[must_use]
    pub fn registered(self) -> &'static str {
        self.name.strip_suffix("_total").unwrap_or(self.name)
    }
}

macro_rules! names {
    ($($constant:ident = $name:literal, $help:literal;)*) => {
        $(#[doc = $help] pub const $constant: Name = Name { name: $name, help: $help };)*
        /// All of them.
        pub const ALL: &[Name] = &[$($constant),*];
    };
}

names! {
    INGEST_FRAMES = "sightline_ingest_frames_total", "Frames that a camera delivered";
    INGEST_FRAMES_DROPPED = "sightline_ingest_frames_dropped_total", "Frames that nobody looked at, by reason";
    INGEST_CLOCK_ERROR = "sightline_ingest_clock_error_seconds", "The camera's clock less ours";
    INGEST_RECONNECTS = "sightline_ingest_reconnects_total", "Attempts to open a camera again";
    INGEST_MAIN_MISSED = "sightline_ingest_main_missed_total", "Frames whose crops came from the detection stream, since the main stream had none of their moment";
    INGEST_ABANDONED = "sightline_ingest_abandoned_total", "Pipelines of a camera that did not stop and were left behind";
    INGEST_FRAME_AGE = "sightline_ingest_frame_age_seconds", "Time since the camera's newest frame, at the moment of reading";
    DETECT_SECONDS = "sightline_detect_seconds", "Time of one detector batch";
    DETECT_BATCH = "sightline_detect_batch_pictures", "Pictures in one detector batch";
    DETECT_SKIPPED = "sightline_detect_skipped_total", "Pictures the motion gate kept from the detector";
    TRACK_SECONDS = "sightline_track_seconds", "Time of the tracker a frame";
    TRACKS_ACTIVE = "sightline_track_tracks_active", "Confirmed tracks in the picture now";
    TRACKS = "sightline_track_tracks_total", "Confirmed tracks that have ended";
    TRACKS_RECOGNISED = "sightline_track_recognised_total", "Tracks that were lost and recognised by their look";
    TRACKS_TAKEN_APART = "sightline_track_taken_apart_total", "Tracks that had come to show somebody else, and were ended there";
    TRACK_REFUSED = "sightline_track_refused_total", "What the tracker did not take in, by reason: detections that are no box, late frames, births beyond the most tracks";
    SELECT_SECONDS = "sightline_select_seconds", "Time to choose crops a frame";
    SELECT_CROPS = "sightline_select_crops_total", "Crops chosen to be embedded";
    EMBED_SECONDS = "sightline_embed_seconds", "Time of one encoder batch";
    EMBED_BATCH = "sightline_embed_batch_crops", "Crops in one encoder batch";
    EMBED_RECALLED = "sightline_embed_recalled_crops_total", "Crops whose vector was remembered: the same pixels had been embedded before";
    SPOOL_SECONDS = "sightline_spool_seconds", "Time of one group of records to disk, fsync included";
    SPOOL_RECORDS = "sightline_spool_records", "Records in the spool that are not indexed yet";
    SPOOL_BYTES = "sightline_spool_bytes", "Bytes of the spool on disk";
    SPOOL_DROPPED = "sightline_spool_dropped_total", "Records dropped from the old end for room";
    SPOOL_BROKEN = "sightline_spool_broken_total", "Records lost to damage on disk";
    SPOOL_OLDEST = "sightline_spool_oldest_seconds", "Age of the oldest record that waits in the spool; 0 when none does";
    LOG_SENT = "sightline_log_sent_total", "Events that were sent and are safe in the log";
    LOG_REFUSED = "sightline_log_refused_total", "Events that the log refuses whatever is done, and that are lost";
    LOG_IN_FLIGHT = "sightline_log_in_flight", "Events on their way to the log";
    LOG_TROUBLE = "sightline_log_trouble", "1 while the log cannot be written, or cannot be read";
    INDEX_EVENTS = "sightline_index_events_total", "Events of the log that were taken into the store";
    INDEX_BEHIND = "sightline_index_behind_messages", "Messages in the log that the indexers have not indexed yet";
    INDEX_PARTITIONS = "sightline_index_partitions", "Partitions of the log that this indexer reads";
    INDEX_EMBEDDED = "sightline_index_embedded_total", "Sightings by other models, embedded anew by the store's";
    INDEX_DEAD = "sightline_index_dead_total", "Messages that went to the dead letters";
    INDEX_LOST = "sightline_index_lost_total", "Messages, at least, that left the log before anybody indexed them";
    PERSONS_TAKEN = "sightline_persons_taken_total", "Decisions of `sightline associate` that this indexer took in";
    PERSONS_WAITING = "sightline_persons_waiting_tracks", "Tracks whose person is known and that are not in the store yet";
    PERSONS_DROPPED = "sightline_persons_dropped_total", "Tracks whose decision was let go of, since there were too many; the store keeps whose they are";
    ASSOCIATE_EVENTS = "sightline_associate_events_total", "Messages that this process took in to join tracks";
    ASSOCIATE_DECISIONS = "sightline_associate_decisions_total", "Decisions about persons that this process told";
    ASSOCIATE_BEHIND = "sightline_associate_behind_messages", "Messages of its partitions that this process has not taken in yet";
    ASSOCIATE_PARTITIONS = "sightline_associate_partitions", "Partitions that this process joins";
    ASSOCIATE_SITES = "sightline_associate_sites", "Sites that this process joins";
    ASSOCIATE_LATE = "sightline_associate_late_sightings", "Sightings of its sites that came after the watermark and were joined out of order";
    ASSOCIATE_FORGOTTEN = "sightline_associate_forgotten_total", "Sightings that were not joined because their track is forgotten";
    ASSOCIATE_AHEAD = "sightline_associate_ahead_total", "Sightings whose tracks join nobody, since they are minutes ahead of the clock: of this machine's, or the log's where the process joins from it";
    ASSOCIATE_OTHERS = "sightline_associate_other_models_total", "Sightings by another model than this process compares by: joined by time and place alone";
    ASSOCIATE_REFUSED_WORDS = "sightline_associate_refused_words_total", "Words of people about tracks that are not compared any more";
    ASSOCIATE_DEAD = "sightline_associate_dead_total", "Messages that could not be joined and went to the dead letters";
    ASSOCIATE_TAKEOVERS = "sightline_associate_takeovers_total", "Partitions that this process took over";
    ASSOCIATE_CORRECTIONS = "sightline_associate_corrections_total", "Decisions that had to correct what another process had told, as after a change of the configuration";
    INDEX_SECONDS = "sightline_index_seconds", "Time of one upsert into the index";
    INDEX_WATERMARK = "sightline_index_watermark_seconds", "Unix time up to which the index is complete";
    INDEX_FORGOTTEN = "sightline_index_forgotten_total", "Sightings that were refused, or not sent, because their track is forgotten";
    STORE_FORGOTTEN = "sightline_store_forgotten_tracks", "Tracks that are forgotten, and refused from then on";
    STORE_EXPIRED = "sightline_store_expired_total", "Tracks that went for age or room";
    STORE_RETRIES = "sightline_store_retries_total", "Calls to the vector server that were made again";
    STORE_RESENT = "sightline_store_resent_total", "Points that the vector server accepted, did not hold, and was sent again";
    MIGRATION_DONE = "sightline_store_migration_done_sightings", "Sightings that the store has by the models that it moves to";
    MIGRATION_LEFT = "sightline_store_migration_left_sightings", "Sightings that are to be embedded by the models that the store moves to";
    MIGRATION_RATE = "sightline_store_migration_pictures_per_second", "Pictures embedded a second by the models that the store moves to";
    CAPTURE_TO_INDEXED = "sightline_capture_to_indexed_seconds", "Time from capture of a frame to its sighting being searchable";
    QUEUE_DEPTH = "sightline_queue_depth", "Items that wait in a queue, or for room in it";
    STAGE_AGE = "sightline_stage_age_seconds", "Time since capture when a live frame, or what came of it, leaves a stage";
    STAGE_STUCK = "sightline_stage_stuck", "1 while a stage has work waiting and made no progress within its deadline";
    API_QUERIES = "sightline_api_queries_total", "Questions asked of the query API, by kind and status";
    RESIDENT_BYTES = "sightline_process_resident_bytes", "Memory of the process that is in RAM";
    PEAK_RESIDENT_BYTES = "sightline_process_resident_peak_bytes", "The most memory the process ever had in RAM";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_well_formed() {
        let distinct: HashSet<_> = ALL.iter().map(|name| name.name).collect();
        assert_eq!(distinct.len(), ALL.len());
        for name in ALL {
            let is_letter = |c: char| c.is_ascii_lowercase() || c == '_';
            assert!(
                name.name.starts_with("sightline_") && name.name.chars().all(is_letter),
                "{}",
                name.name
            );
        }
    }

    #[test]
    fn the_manual_lists_every_metric() {
        let manual = include_str!("../../../docs/metrics.md");
        for name in ALL {
            assert!(
                manual.contains(&format!("`{}`", name.name)),
                "{} is missing in docs/metrics.md",
                name.name
            );
        }
    }

    #[test]
    fn every_metric_of_the_dashboard_is_one_of_ours_and_every_one_of_ours_is_shown() {
        let text = include_str!("../../../configs/grafana.json");
        let dashboard: serde_json::Value = serde_json::from_str(text).unwrap();
        let mut shown = HashSet::new();
        for panel in dashboard["panels"].as_array().unwrap() {
            let mut names = HashSet::new();
            for target in panel["targets"].as_array().into_iter().flatten() {
                let name = target["refId"].as_str().unwrap();
                assert!(names.insert(name), "{}: twice {name}", panel["title"]);
                shown.extend(metrics_in(target["expr"].as_str().unwrap()));
            }
        }
        for variable in dashboard["templating"]["list"].as_array().unwrap() {
            shown.extend(metrics_in(variable["query"].as_str().unwrap_or_default()));
        }
        let ours: HashSet<String> = ALL.iter().map(|name| name.name.to_owned()).collect();
        let unknown: Vec<_> = shown.difference(&ours).collect();
        let missing: Vec<_> = ours.difference(&shown).collect();
        assert!(
            unknown.is_empty() && missing.is_empty(),
            "unknown {unknown:?}, not shown {missing:?}"
        );
    }

    /// The metrics in a PromQL expression, histograms by their own name.
    fn metrics_in(expression: &str) -> Vec<String> {
        let words =
            expression.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        let is_ours = |word: &str| ALL.iter().any(|name| name.name == word);
        words
            .filter(|word| word.starts_with("sightline_"))
            .map(|word| {
                let histogram = ["_bucket", "_sum", "_count"]
                    .iter()
                    .find_map(|part| word.strip_suffix(part));
                histogram
                    .filter(|name| is_ours(name))
                    .unwrap_or(word)
                    .to_owned()
            })
            .collect()
    }
}
