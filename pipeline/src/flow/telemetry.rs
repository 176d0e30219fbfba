//! The stages' observer in a running box: metrics, heartbeats, and how long a sighting takes to be searchable.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sightline_sink::log::PublisherStatus;
use sightline_sink::{Event, IndexNews, Searchable, SinkStatus, SpoolStatus};

use super::observer::Observer;
use super::outcome::Outcome;
use super::timing::StageTimes;
use crate::ingest::{CameraStatus, DropReason, Frame, LiveSpec};
use crate::observe::events::{FrameDropped, IndexBehind, SpoolBroken, SpoolDropped};
use crate::observe::{CameraMetrics, Heartbeat, Metrics, Progress};

/// A stage that goes round every fifth of a second and has not for this long is stuck.
const STAGE_DEADLINE: Duration = Duration::from_secs(30);
/// Longest time in which nothing of what is spooled is indexed or sent although nothing stands in the way.
const INDEX_DEADLINE: Duration = Duration::from_secs(600);
/// What is spooled should be searchable long before it is this old.
const BEHIND_NS: i64 = 10_000_000_000;
/// Sightings between spool and index whose times are remembered; beyond it the oldest is not timed.
const TIMED: usize = 65_536;

/// Turns what stages and cameras tell into metrics.
pub struct Telemetry {
    metrics: Arc<Metrics>,
    stages: HashMap<String, Heartbeat>,
    /// Beats while what is spooled gets on its way, or it is known why it does not.
    index: Heartbeat,
    cameras: RwLock<HashMap<String, Arc<CameraMetrics>>>,
    /// Spool sequence and capture time of sightings that are not searchable yet.
    waiting: Mutex<VecDeque<(u64, i64)>>,
    /// What was told so far: drops by camera and reason, reconnects, spool drops and breaks.
    told: Mutex<Told>,
}

#[derive(Default)]
struct ToldOfCamera {
    frames: u64,
    dropped: [u64; 4],
    reconnects: u64,
    main_missed: u64,
    abandoned: u64,
}

#[derive(Default)]
struct Told {
    cameras: HashMap<String, ToldOfCamera>,
    acknowledged: u64,
    spool_dropped: u64,
    spool_broken: u64,
    sent: u64,
    refused: u64,
    forgotten: u64,
    ahead: u64,
}

impl Telemetry {
    /// An observer whose heartbeats the watchdog sees; stage times go into the histograms too.
    pub fn new(
        metrics: Arc<Metrics>,
        progress: &Progress,
        times: &StageTimes,
        followers: usize,
    ) -> Self {
        let connect =
            |time: &super::timing::StageTime,
             metrics: &Arc<Metrics>,
             pick: fn(&Metrics) -> &crate::observe::histogram::Histogram| {
                let metrics = metrics.clone();
                time.listen(move |_, wall| pick(&metrics).observe(wall));
            };
        for time in [&times.embed, &times.joint] {
            let metrics = metrics.clone();
            time.listen(move |crops, wall| {
                metrics.embed_seconds.observe(wall);
                metrics
                    .embed_batch
                    .observe_count(usize::try_from(crops).unwrap_or(usize::MAX));
            });
        }
        let heard = metrics.clone();
        times.recalled.listen(move |crops, _| {
            heard.embed_recalled.inc_by(crops);
        });
        connect(&times.detect, &metrics, |m| &m.detect_seconds);
        connect(&times.track, &metrics, |m| &m.track_seconds);
        connect(&times.select, &metrics, |m| &m.select_seconds);
        Self {
            metrics,
            stages: (0..followers)
                .map(|worker| format!("follow-{worker}"))
                .chain(["detect", "record"].map(str::to_owned))
                .map(|name| (name.clone(), progress.always(name, STAGE_DEADLINE)))
                .collect(),
            index: progress.always("index", INDEX_DEADLINE),
            cameras: RwLock::default(),
            waiting: Mutex::default(),
            told: Mutex::default(),
        }
    }

    /// The metrics of a camera; made once a camera.
    pub fn camera(&self, name: &str) -> Arc<CameraMetrics> {
        let known = self
            .cameras
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned();
        known.unwrap_or_else(|| {
            let made = self.metrics.camera(name);
            let mut cameras = self.cameras.write().unwrap_or_else(PoisonError::into_inner);
            cameras.insert(name.to_owned(), made.clone());
            made
        })
    }

    /// Forgets a camera that a reload took out.
    pub fn forget_camera(&self, name: &str) {
        self.cameras
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(name);
        self.metrics.forget_camera(name);
    }

    /// Takes over what a camera counted itself.
    pub fn poll_camera(&self, spec: &LiveSpec, status: &CameraStatus) {
        let camera = self.camera(&spec.camera);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let told = told.cameras.entry(spec.camera.to_string()).or_default();
        for ((told, now), reason) in told
            .dropped
            .iter_mut()
            .zip(status.counts.dropped)
            .zip(DropReason::ALL)
        {
            for _ in *told..now {
                FrameDropped {
                    camera: &camera,
                    reason,
                }
                .emit();
            }
            *told = now;
        }
        camera
            .frames
            .inc_by(status.counts.frames.saturating_sub(told.frames));
        told.frames = status.counts.frames;
        camera
            .reconnects
            .inc_by(status.counts.reconnects.saturating_sub(told.reconnects));
        told.reconnects = status.counts.reconnects;
        let main_missed = status.main.as_ref().map_or(0, |main| main.missed);
        camera
            .main_missed
            .inc_by(main_missed.saturating_sub(told.main_missed));
        told.main_missed = main_missed;
        camera
            .abandoned
            .inc_by(status.counts.abandoned.saturating_sub(told.abandoned));
        told.abandoned = status.counts.abandoned;
        if let Some(error_ns) = status.clock_error_ns {
            camera.clock_error.set(error_ns as f64 / 1e9);
        }
    }

    /// Takes over how the sink stands; `now_ns` is the wall clock.
    pub fn poll_sink(&self, status: &SinkStatus, now_ns: i64) {
        let age_ns = self.poll_spool(&status.spool, status.trouble.is_some(), now_ns);
        if age_ns > BEHIND_NS {
            IndexBehind {
                metrics: &self.metrics,
                age: Duration::from_nanos(age_ns.unsigned_abs()),
                records: status.spool.records,
            }
            .emit();
        }
        let metrics = &self.metrics;
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let forgotten = status.applied.forgotten;
        metrics
            .index_forgotten
            .inc_by(forgotten.saturating_sub(told.forgotten));
        let ahead = status.applied.ahead;
        let new = ahead.saturating_sub(told.ahead);
        metrics.association.ahead.inc_by(new);
        (told.forgotten, told.ahead) = (forgotten, ahead);
    }

    /// Takes over what is new of the index.
    pub fn index_news(&self, mut news: IndexNews) {
        // The index knows cameras of years ago; only those that are watched have metrics here.
        let cameras = self.cameras.read().unwrap_or_else(PoisonError::into_inner);
        news.watermarks_ns
            .retain(|camera, _| cameras.contains_key(camera));
        drop(cameras);
        self.metrics.index_news(&news);
    }

    /// Takes over how the spool and the way to the log stand.
    pub fn poll_log(&self, status: &PublisherStatus, now_ns: i64) {
        let trouble = status.sync_trouble.is_some() || status.send.trouble.is_some();
        self.poll_spool(&status.spool, trouble, now_ns);
        let (log, send) = (&self.metrics.log, &status.send);
        log.in_flight
            .set(i64::try_from(send.in_flight).unwrap_or(i64::MAX));
        log.trouble.set(i64::from(send.trouble.is_some()));
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        log.sent.inc_by(send.sent.saturating_sub(told.sent));
        log.refused
            .inc_by(send.refused.saturating_sub(told.refused));
        (told.sent, told.refused) = (send.sent, send.refused);
        self.metrics
            .index_forgotten
            .inc_by(send.forgotten.saturating_sub(told.forgotten));
        told.forgotten = send.forgotten;
        drop(told);
        // What has left for the log is searchable elsewhere, and not known here.
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// Returns the age of the oldest record that waits, ns.
    fn poll_spool(&self, status: &SpoolStatus, has_trouble: bool, now_ns: i64) -> i64 {
        let metrics = &self.metrics;
        let count = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        metrics.spool_records.set(count(status.records));
        metrics.spool_bytes.set(count(status.bytes));
        let age_ns = status.oldest_ns.map_or(0, |oldest_ns| now_ns - oldest_ns);
        let age_ns = age_ns.max(0);
        metrics.spool_oldest.set(age_ns as f64 / 1e9);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if has_trouble || status.records == 0 || status.acknowledged != told.acknowledged {
            self.index.beat();
        }
        told.acknowledged = status.acknowledged;
        let dropped = status.dropped.records;
        if dropped > told.spool_dropped {
            SpoolDropped {
                metrics,
                records: dropped - told.spool_dropped,
            }
            .emit();
            told.spool_dropped = dropped;
        }
        if status.broken > told.spool_broken {
            let records = status.broken - told.spool_broken;
            SpoolBroken {
                metrics,
                records,
                place: "the spool",
            }
            .emit();
            told.spool_broken = status.broken;
        }
        age_ns
    }

    /// A group of records took this long to be safe.
    pub fn synced(&self, time: Duration) {
        self.metrics.spool_seconds.observe(time);
    }

    /// Parts of the spool became searchable.
    pub fn searchable(&self, news: &[Searchable]) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for Searchable { through, at_ns } in news {
            while waiting.front().is_some_and(|(waits, _)| waits <= through) {
                if let Some((_, capture_ns)) = waiting.pop_front() {
                    let age = &self.metrics.capture_to_indexed;
                    age.observe_between(capture_ns, *at_ns);
                }
            }
        }
    }
}

/// The wall clock, Unix time in ns.
fn wall_ns() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    since_1970.map_or(0, |time| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX))
}

impl Observer for Telemetry {
    fn alive(&self, stage: &str) {
        if let Some(heartbeat) = self.stages.get(stage) {
            heartbeat.beat();
        }
    }

    fn arrived(&self, frame: &Frame) {
        self.camera(&frame.camera).frame_arrived();
        let ages = &self.metrics.stage_age;
        if let Some(decoded_ns) = frame.decoded_ns {
            ages.ingest.observe_between(frame.capture_ns, decoded_ns);
        }
        ages.mailbox.observe_between(frame.capture_ns, wall_ns());
    }

    fn detected(&self, batch: &[Arc<Frame>]) {
        if batch.is_empty() {
            return;
        }
        self.metrics.detect_batch.observe_count(batch.len());
        let now_ns = wall_ns();
        for frame in batch {
            let age = &self.metrics.stage_age.detect;
            age.observe_between(frame.capture_ns, now_ns);
        }
    }

    fn skipped(&self, camera: &str) {
        self.camera(camera).detect_skipped.inc();
    }

    fn followed(&self, camera: &str, outcome: &Outcome) {
        let camera = self.camera(camera);
        let sightings = outcome
            .events
            .iter()
            .filter(|event| matches!(event, Event::Sighting(s) if !s.is_end));
        camera.crops.inc_by(sightings.count() as u64);
        camera.tracks.inc_by(outcome.ended.len() as u64);
        let counts = &outcome.tracker;
        camera.tracks_recognised.inc_by(counts.recognised);
        camera.tracks_taken_apart.inc_by(counts.taken_apart);
        for (refused, count) in camera.tracker_refused.iter().zip(counts.refused()) {
            refused.inc_by(count);
        }
        // A track that was just confirmed brings its boxes of earlier frames along.
        let now = outcome
            .boxes
            .iter()
            .filter(|seen| seen.sequence == outcome.sequence);
        camera
            .tracks_active
            .set(i64::try_from(now.count()).unwrap_or(i64::MAX));
        if !outcome.is_end {
            let age = &self.metrics.stage_age.follow;
            age.observe_between(outcome.capture_ns, wall_ns());
        }
    }

    fn spooled(&self, event: &Event, sequence: u64) {
        // The end of a track bears the time of its last picture and is told seconds later: it would pass for a delay.
        if let Event::Sighting(sighting) = event
            && !sighting.is_end
        {
            let age = &self.metrics.stage_age.spool;
            age.observe_between(sighting.capture_ns, wall_ns());
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.len() == TIMED {
                waiting.pop_front();
            }
            waiting.push_back((sequence, sighting.capture_ns));
        }
    }

    fn lost(&self, event: &Event, error: &anyhow::Error) {
        self.metrics.spool_dropped.inc();
        tracing::error!(
            camera = event.camera(),
            error = format!("{error:#}"),
            "an event could not be spooled and is lost"
        );
    }
}
