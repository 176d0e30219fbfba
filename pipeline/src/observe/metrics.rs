//! The registry and the handles into it. A handle is made once; using it is a few atomic operations.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Metric, Registry};
use sightline_console::{Audit, AuditEvent, LogAudit};
use sightline_sink::log::{AssociateStatus, ReceiveStatus};
use sightline_sink::{IndexNews, Migration};

use super::clock::MonotonicClock;
use super::histogram::Histogram;
use super::labels::{CameraLabel, DropLabels, QueryLabels, StageLabel};
use super::limit::LogLimit;
use super::memory::Memory;
use super::names::{self, Name};
use super::progress::Progress;
use super::queues::QueueDepths;
use super::stage_ages::StageAges;
use super::store_metrics::StoreMetrics;
use crate::ingest::DropReason;
use crate::track::TrackerCounts;

/// A gauge of seconds.
pub type Seconds = Gauge<f64, AtomicU64>;

/// Metrics without a camera, and the makers of those with one.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    clock: MonotonicClock,
    families: Families,
    cameras: RwLock<BTreeMap<String, Arc<CameraMetrics>>>,
    /// Time of one detector batch.
    pub detect_seconds: Histogram,
    /// Pictures in one detector batch.
    pub detect_batch: Histogram,
    /// Time of the tracker a frame.
    pub track_seconds: Histogram,
    /// Time to choose crops a frame.
    pub select_seconds: Histogram,
    /// Time of one encoder batch.
    pub embed_seconds: Histogram,
    /// Crops in one encoder batch.
    pub embed_batch: Histogram,
    /// Crops whose vector was remembered.
    pub embed_recalled: Counter,
    /// Time of one group of records to disk.
    pub spool_seconds: Histogram,
    /// Records in the spool that are not indexed yet.
    pub spool_records: Gauge,
    /// Bytes of the spool on disk.
    pub spool_bytes: Gauge,
    /// Records dropped for room.
    pub spool_dropped: Counter,
    /// Records lost to damage.
    pub spool_broken: Counter,
    /// Age of the oldest record that waits in the spool.
    pub spool_oldest: Seconds,
    /// What the log does on an edge box and where it is indexed.
    pub log: LogMetrics,
    /// What joining tracks does, where that is a process of its own.
    pub association: AssociationMetrics,
    /// Time of one upsert.
    pub index_seconds: Histogram,
    /// Sightings refused because their track is forgotten.
    pub index_forgotten: Counter,
    /// What the store says of itself.
    pub store: StoreMetrics,
    /// Sightings that are there by the models that the store moves to.
    pub migration_done: Gauge,
    /// Sightings that are not yet.
    pub migration_left: Gauge,
    /// Pictures embedded a second for it.
    pub migration_rate: Seconds,
    /// Time from capture to being searchable.
    pub capture_to_indexed: Histogram,
    /// Time from capture to the end of each stage before that.
    pub stage_age: StageAges,
    /// What waits between the stages.
    pub queues: QueueDepths,
    pub(super) index_behind_log: LogLimit,
    pub(super) spool_dropped_log: LogLimit,
}

#[derive(Debug, Default)]
struct Families {
    frames: Family<CameraLabel, Counter>,
    dropped: Family<DropLabels, Counter>,
    clock_error: Family<CameraLabel, Seconds>,
    reconnects: Family<CameraLabel, Counter>,
    main_missed: Family<CameraLabel, Counter>,
    abandoned: Family<CameraLabel, Counter>,
    frame_age: Family<CameraLabel, Seconds>,
    skipped: Family<CameraLabel, Counter>,
    tracks_active: Family<CameraLabel, Gauge>,
    tracks: Family<CameraLabel, Counter>,
    recognised: Family<CameraLabel, Counter>,
    taken_apart: Family<CameraLabel, Counter>,
    tracker_refused: Family<DropLabels, Counter>,
    crops: Family<CameraLabel, Counter>,
    watermark: Family<CameraLabel, Seconds>,
    stuck: Family<StageLabel, Gauge>,
    queries: Family<QueryLabels, Counter>,
    resident: Gauge,
    peak_resident: Gauge,
}

/// Handles of one camera.
#[derive(Debug)]
pub struct CameraMetrics {
    name: String,
    clock: MonotonicClock,
    /// When the newest frame came; `i64::MIN` before the first.
    newest_ns: AtomicI64,
    /// Frames that the camera delivered.
    pub frames: Counter,
    dropped: [Counter; DropReason::ALL.len()],
    pub(super) dropped_log: [LogLimit; DropReason::ALL.len()],
    /// The camera's clock less ours.
    pub clock_error: Seconds,
    /// Attempts to open it again.
    pub reconnects: Counter,
    /// Frames whose crops came from the detection stream, since the main stream had none of their moment.
    pub main_missed: Counter,
    /// Pipelines that did not stop and were left behind.
    pub abandoned: Counter,
    /// Pictures the motion gate kept from the detector.
    pub detect_skipped: Counter,
    /// Confirmed tracks in the picture now.
    pub tracks_active: Gauge,
    /// Confirmed tracks that have ended.
    pub tracks: Counter,
    /// Lost tracks that were recognised.
    pub tracks_recognised: Counter,
    /// Tracks that had come to show somebody else.
    pub tracks_taken_apart: Counter,
    /// What the tracker did not take in, for each of [`TrackerCounts::REASONS`].
    pub tracker_refused: [Counter; TrackerCounts::REASONS.len()],
    /// Crops chosen.
    pub crops: Counter,
    /// Unix time, in seconds, up to which the index is complete.
    pub watermark: Seconds,
}

/// Handles of the log.
#[derive(Debug, Default)]
pub struct LogMetrics {
    /// Events that are safe in the log.
    pub sent: Counter,
    /// Events that the log refuses for good.
    pub refused: Counter,
    /// Events on their way.
    pub in_flight: Gauge,
    /// 1 while nothing can be sent or read.
    pub trouble: Gauge,
    /// Events taken into the store.
    pub indexed: Counter,
    /// Messages that wait for the indexers.
    pub behind: Gauge,
    /// Partitions of this indexer.
    pub partitions: Gauge,
    /// Sightings by other models, embedded anew.
    pub embedded: Counter,
    /// Messages that went to the dead letters.
    pub dead: Counter,
    /// Messages that left the log unread.
    pub lost: Counter,
    /// Decisions of others about persons.
    pub persons_taken: Counter,
    /// Tracks that are not here yet and whose person is known.
    pub persons_waiting: Gauge,
    /// Tracks whose decision was let go of.
    pub persons_dropped: Counter,
}

/// Handles of the process that joins tracks.
#[derive(Debug, Default)]
pub struct AssociationMetrics {
    events: Counter,
    decisions: Counter,
    behind: Gauge,
    partitions: Gauge,
    sites: Gauge,
    late: Gauge,
    forgotten: Counter,
    /// Sightings that are minutes ahead of the clock; where the store joins tracks itself, those of the store.
    pub ahead: Counter,
    by_others: Counter,
    words_refused: Counter,
    dead: Counter,
    takeovers: Counter,
    corrections: Counter,
}

pub(super) fn put<M: Metric + Clone>(registry: &mut Registry, name: Name, metric: &M) {
    registry.register(name.registered(), name.help, metric.clone());
}

fn time_histogram(registry: &mut Registry, name: Name) -> Histogram {
    let histogram = Histogram::of_times();
    put(registry, name, &histogram);
    histogram
}

fn age_histogram(registry: &mut Registry, name: Name) -> Histogram {
    let histogram = Histogram::of_ages();
    put(registry, name, &histogram);
    histogram
}

fn count_histogram(registry: &mut Registry, name: Name) -> Histogram {
    let histogram = Histogram::of_counts();
    put(registry, name, &histogram);
    histogram
}

impl Families {
    fn register(&self, registry: &mut Registry) {
        put(registry, names::INGEST_FRAMES, &self.frames);
        put(registry, names::INGEST_FRAMES_DROPPED, &self.dropped);
        put(registry, names::INGEST_CLOCK_ERROR, &self.clock_error);
        put(registry, names::INGEST_RECONNECTS, &self.reconnects);
        put(registry, names::INGEST_MAIN_MISSED, &self.main_missed);
        put(registry, names::INGEST_ABANDONED, &self.abandoned);
        put(registry, names::INGEST_FRAME_AGE, &self.frame_age);
        put(registry, names::DETECT_SKIPPED, &self.skipped);
        put(registry, names::TRACKS_ACTIVE, &self.tracks_active);
        put(registry, names::TRACKS, &self.tracks);
        put(registry, names::TRACKS_RECOGNISED, &self.recognised);
        put(registry, names::TRACKS_TAKEN_APART, &self.taken_apart);
        put(registry, names::TRACK_REFUSED, &self.tracker_refused);
        put(registry, names::SELECT_CROPS, &self.crops);
        put(registry, names::INDEX_WATERMARK, &self.watermark);
        put(registry, names::STAGE_STUCK, &self.stuck);
        put(registry, names::API_QUERIES, &self.queries);
        put(registry, names::RESIDENT_BYTES, &self.resident);
        put(registry, names::PEAK_RESIDENT_BYTES, &self.peak_resident);
    }
}

impl Metrics {
    /// A registry of its own with everything in it.
    #[must_use]
    pub fn new(clock: MonotonicClock) -> Self {
        let mut registry = Registry::default();
        let families = Families::default();
        families.register(&mut registry);
        let metrics = Self {
            detect_seconds: time_histogram(&mut registry, names::DETECT_SECONDS),
            detect_batch: count_histogram(&mut registry, names::DETECT_BATCH),
            track_seconds: time_histogram(&mut registry, names::TRACK_SECONDS),
            select_seconds: time_histogram(&mut registry, names::SELECT_SECONDS),
            embed_seconds: time_histogram(&mut registry, names::EMBED_SECONDS),
            embed_batch: count_histogram(&mut registry, names::EMBED_BATCH),
            embed_recalled: Counter::default(),
            spool_seconds: time_histogram(&mut registry, names::SPOOL_SECONDS),
            index_seconds: time_histogram(&mut registry, names::INDEX_SECONDS),
            capture_to_indexed: age_histogram(&mut registry, names::CAPTURE_TO_INDEXED),
            stage_age: StageAges::register(&mut registry),
            queues: QueueDepths::register(&mut registry),
            spool_records: Gauge::default(),
            spool_bytes: Gauge::default(),
            spool_dropped: Counter::default(),
            spool_broken: Counter::default(),
            spool_oldest: Seconds::default(),
            log: LogMetrics::default(),
            association: AssociationMetrics::default(),
            index_forgotten: Counter::default(),
            store: StoreMetrics::default(),
            migration_done: Gauge::default(),
            migration_left: Gauge::default(),
            migration_rate: Seconds::default(),
            index_behind_log: LogLimit::default(),
            spool_dropped_log: LogLimit::default(),
            cameras: RwLock::default(),
            registry: Registry::default(),
            clock,
            families,
        };
        put(
            &mut registry,
            names::EMBED_RECALLED,
            &metrics.embed_recalled,
        );
        put(&mut registry, names::SPOOL_RECORDS, &metrics.spool_records);
        put(&mut registry, names::SPOOL_BYTES, &metrics.spool_bytes);
        put(&mut registry, names::SPOOL_DROPPED, &metrics.spool_dropped);
        put(&mut registry, names::SPOOL_BROKEN, &metrics.spool_broken);
        put(&mut registry, names::SPOOL_OLDEST, &metrics.spool_oldest);
        metrics.log.register(&mut registry);
        metrics.association.register(&mut registry);
        put(
            &mut registry,
            names::INDEX_FORGOTTEN,
            &metrics.index_forgotten,
        );
        metrics.store.register(&mut registry);
        put(
            &mut registry,
            names::MIGRATION_DONE,
            &metrics.migration_done,
        );
        put(
            &mut registry,
            names::MIGRATION_LEFT,
            &metrics.migration_left,
        );
        put(
            &mut registry,
            names::MIGRATION_RATE,
            &metrics.migration_rate,
        );
        Self {
            registry,
            ..metrics
        }
    }

    /// Takes over how a move to other models stands.
    pub fn take_migration(&self, status: &Migration) {
        let count = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.migration_done.set(count(status.done));
        self.migration_left.set(count(status.left));
        self.migration_rate.set(status.per_second);
    }

    /// The handles of a camera, made at the first call.
    #[must_use]
    pub fn camera(&self, name: &str) -> Arc<CameraMetrics> {
        let mut cameras = self.cameras.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(camera) = cameras.get(name) {
            return Arc::clone(camera);
        }
        let camera = Arc::new(self.make_camera(name));
        cameras.insert(name.to_owned(), Arc::clone(&camera));
        camera
    }

    fn make_camera(&self, name: &str) -> CameraMetrics {
        let label = CameraLabel {
            camera: name.to_owned(),
        };
        let families = &self.families;
        CameraMetrics {
            name: name.to_owned(),
            clock: self.clock.clone(),
            newest_ns: AtomicI64::new(i64::MIN),
            frames: families.frames.get_or_create_owned(&label),
            dropped: DropReason::ALL.map(|reason| {
                let labels = DropLabels {
                    camera: name.to_owned(),
                    reason: reason.as_str(),
                };
                families.dropped.get_or_create_owned(&labels)
            }),
            dropped_log: Default::default(),
            clock_error: families.clock_error.get_or_create_owned(&label),
            reconnects: families.reconnects.get_or_create_owned(&label),
            main_missed: families.main_missed.get_or_create_owned(&label),
            abandoned: families.abandoned.get_or_create_owned(&label),
            detect_skipped: families.skipped.get_or_create_owned(&label),
            tracks_active: families.tracks_active.get_or_create_owned(&label),
            tracks: families.tracks.get_or_create_owned(&label),
            tracks_recognised: families.recognised.get_or_create_owned(&label),
            tracks_taken_apart: families.taken_apart.get_or_create_owned(&label),
            tracker_refused: TrackerCounts::REASONS.map(|reason| {
                let camera = name.to_owned();
                families
                    .tracker_refused
                    .get_or_create_owned(&DropLabels { camera, reason })
            }),
            crops: families.crops.get_or_create_owned(&label),
            watermark: families.watermark.get_or_create_owned(&label),
        }
    }

    /// Takes a camera that is no longer configured out of `/metrics`.
    pub fn forget_camera(&self, name: &str) {
        self.cameras
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(name);
        let label = CameraLabel {
            camera: name.to_owned(),
        };
        let families = &self.families;
        for counters in [
            &families.frames,
            &families.reconnects,
            &families.main_missed,
            &families.abandoned,
            &families.skipped,
            &families.tracks,
            &families.recognised,
            &families.taken_apart,
            &families.crops,
        ] {
            counters.remove(&label);
        }
        for gauges in [
            &families.clock_error,
            &families.frame_age,
            &families.watermark,
        ] {
            gauges.remove(&label);
        }
        families.tracks_active.remove(&label);
        for reason in TrackerCounts::REASONS {
            let camera = name.to_owned();
            families
                .tracker_refused
                .remove(&DropLabels { camera, reason });
        }
        for reason in DropReason::ALL {
            families.dropped.remove(&DropLabels {
                camera: name.to_owned(),
                reason: reason.as_str(),
            });
        }
    }

    /// Cameras whose newest frame is no older than `age`.
    #[must_use]
    pub fn cameras_alive(&self, age: Duration) -> usize {
        let cameras = self.cameras.read().unwrap_or_else(PoisonError::into_inner);
        cameras
            .values()
            .filter(|camera| camera.frame_age().is_some_and(|newest| newest <= age))
            .count()
    }

    /// Takes over what is new of the index.
    pub fn index_news(&self, news: &IndexNews) {
        for time in &news.write_times {
            self.index_seconds.observe(*time);
        }
        for (camera, indexed_to_ns) in &news.watermarks_ns {
            let seconds = *indexed_to_ns as f64 / 1e9;
            self.camera(camera).watermark.set(seconds);
        }
    }

    pub(super) fn now_ns(&self) -> i64 {
        self.clock.now_ns()
    }

    /// Everything as OpenMetrics text; what is measured on reading (ages, memory, stuck stages) is measured now.
    ///
    /// # Errors
    /// If a metric cannot be written as text.
    pub fn render(&self, progress: &Progress) -> Result<String, std::fmt::Error> {
        let cameras = self.cameras.read().unwrap_or_else(PoisonError::into_inner);
        for (name, camera) in cameras.iter() {
            if let Some(age) = camera.frame_age() {
                let label = CameraLabel {
                    camera: name.clone(),
                };
                self.families
                    .frame_age
                    .get_or_create_owned(&label)
                    .set(age.as_secs_f64());
            }
        }
        drop(cameras);
        // Stages that were removed must not stay.
        self.families.stuck.clear();
        for (stage, is_stuck) in progress.states() {
            self.families
                .stuck
                .get_or_create_owned(&StageLabel { stage })
                .set(i64::from(is_stuck));
        }
        match Memory::read() {
            Ok(memory) => {
                self.families
                    .resident
                    .set(memory.resident_bytes.cast_signed());
                self.families
                    .peak_resident
                    .set(memory.peak_resident_bytes.cast_signed());
            }
            Err(error) => tracing::debug!(%error, "memory cannot be read"),
        }
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl LogMetrics {
    fn register(&self, registry: &mut Registry) {
        put(registry, names::LOG_SENT, &self.sent);
        put(registry, names::LOG_REFUSED, &self.refused);
        put(registry, names::LOG_IN_FLIGHT, &self.in_flight);
        put(registry, names::LOG_TROUBLE, &self.trouble);
        put(registry, names::INDEX_EVENTS, &self.indexed);
        put(registry, names::INDEX_BEHIND, &self.behind);
        put(registry, names::INDEX_PARTITIONS, &self.partitions);
        put(registry, names::INDEX_EMBEDDED, &self.embedded);
        put(registry, names::INDEX_DEAD, &self.dead);
        put(registry, names::INDEX_LOST, &self.lost);
        put(registry, names::PERSONS_TAKEN, &self.persons_taken);
        put(registry, names::PERSONS_WAITING, &self.persons_waiting);
        put(registry, names::PERSONS_DROPPED, &self.persons_dropped);
    }

    /// Takes over how indexing stands; the first `told` of each count were taken over before.
    pub fn take_over(&self, now: &ReceiveStatus, told: &mut ReceiveStatus) {
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.trouble.set(i64::from(now.trouble.is_some()));
        self.behind.set(gauge(now.behind));
        self.partitions.set(gauge(now.partitions as u64));
        let more = |now: u64, told: u64| now.saturating_sub(told);
        self.indexed
            .inc_by(more(now.indexing.events, told.indexing.events));
        self.embedded.inc_by(more(now.embedded, told.embedded));
        self.dead.inc_by(more(now.dead, told.dead));
        self.lost.inc_by(more(now.lost, told.lost));
        let (persons, before) = (now.persons, told.persons);
        self.persons_taken.inc_by(more(persons.taken, before.taken));
        self.persons_waiting.set(gauge(persons.waiting));
        self.persons_dropped
            .inc_by(more(persons.dropped, before.dropped));
        told.clone_from(now);
    }
}

impl AssociationMetrics {
    fn register(&self, registry: &mut Registry) {
        put(registry, names::ASSOCIATE_EVENTS, &self.events);
        put(registry, names::ASSOCIATE_DECISIONS, &self.decisions);
        put(registry, names::ASSOCIATE_BEHIND, &self.behind);
        put(registry, names::ASSOCIATE_PARTITIONS, &self.partitions);
        put(registry, names::ASSOCIATE_SITES, &self.sites);
        put(registry, names::ASSOCIATE_LATE, &self.late);
        put(registry, names::ASSOCIATE_FORGOTTEN, &self.forgotten);
        put(registry, names::ASSOCIATE_AHEAD, &self.ahead);
        put(registry, names::ASSOCIATE_OTHERS, &self.by_others);
        put(
            registry,
            names::ASSOCIATE_REFUSED_WORDS,
            &self.words_refused,
        );
        put(registry, names::ASSOCIATE_DEAD, &self.dead);
        put(registry, names::ASSOCIATE_TAKEOVERS, &self.takeovers);
        put(registry, names::ASSOCIATE_CORRECTIONS, &self.corrections);
    }

    /// Takes over how joining stands; the first `told` of each count were taken over before.
    pub fn take_over(&self, now: &AssociateStatus, told: &mut AssociateStatus) {
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.behind.set(gauge(now.behind));
        self.partitions.set(gauge(now.partitions as u64));
        self.sites.set(gauge(now.sites as u64));
        self.late.set(gauge(now.late));
        for (counter, now, told) in [
            (&self.events, now.events, told.events),
            (&self.decisions, now.decisions, told.decisions),
            (&self.forgotten, now.forgotten, told.forgotten),
            (&self.ahead, now.ahead, told.ahead),
            (&self.by_others, now.by_others, told.by_others),
            (&self.words_refused, now.words_refused, told.words_refused),
            (&self.dead, now.dead, told.dead),
            (&self.takeovers, now.takeovers, told.takeovers),
            (&self.corrections, now.corrections, told.corrections),
        ] {
            counter.inc_by(now.saturating_sub(told));
        }
        told.clone_from(now);
    }
}

impl CameraMetrics {
    /// Name of the camera.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A frame came.
    pub fn frame_arrived(&self) {
        self.newest_ns.store(self.clock.now_ns(), Ordering::Relaxed);
    }

    /// Time since the newest frame; none before the first.
    #[must_use]
    pub fn frame_age(&self) -> Option<Duration> {
        let newest_ns = self.newest_ns.load(Ordering::Relaxed);
        let age_ns = self.clock.now_ns().saturating_sub(newest_ns);
        (newest_ns != i64::MIN).then(|| Duration::from_nanos(u64::try_from(age_ns).unwrap_or(0)))
    }

    pub(super) fn count_dropped(&self, reason: DropReason) -> &Counter {
        let counter = &self.dropped[reason as usize];
        counter.inc();
        counter
    }

    pub(super) fn now_ns(&self) -> i64 {
        self.clock.now_ns()
    }
}

/// The audit of the query API: its line in the log, and its count.
impl Audit for Metrics {
    fn record(&self, event: &AuditEvent) {
        let labels = QueryLabels {
            kind: event.kind,
            status: event.status,
        };
        self.families.queries.get_or_create_owned(&labels).inc();
        LogAudit.record(event);
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
