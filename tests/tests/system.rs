//! Whole-system tests, in one binary, because each binary links the whole stack again.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "system/bad_files.rs"]
mod bad_files;
#[path = "system/baseline.rs"]
mod baseline;
#[path = "system/box_live.rs"]
mod box_live;
#[path = "system/box_replay.rs"]
mod box_replay;
#[path = "system/compose.rs"]
mod compose;
#[path = "system/evaluate.rs"]
mod evaluate;
#[path = "system/explain.rs"]
mod explain;
#[path = "system/foreign.rs"]
mod foreign;
#[path = "system/forget.rs"]
mod forget;
#[path = "system/kafka.rs"]
mod kafka;
#[path = "system/kafka_care.rs"]
mod kafka_care;
#[path = "system/kafka_persons.rs"]
mod kafka_persons;
#[path = "system/live.rs"]
mod live;
#[path = "system/live_faults.rs"]
mod live_faults;
#[path = "system/migrate.rs"]
mod migrate;
#[path = "system/recordings.rs"]
mod recordings;
#[path = "system/report.rs"]
mod report;
#[path = "system/rooms.rs"]
mod rooms;
#[path = "system/teach.rs"]
mod teach;
#[path = "system/text_search.rs"]
mod text_search;
#[path = "system/units.rs"]
mod units;
#[path = "system/watch.rs"]
mod watch;
