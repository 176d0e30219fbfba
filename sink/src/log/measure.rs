//! What the log costs against the bare clients under it: `sightline bench --log`.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::producer::Producer as _;
use serde::Serialize;

use super::message::outgoing;
use super::options::{Association, LogOptions};
use super::publisher::{Publisher, PublisherOptions};
use super::receiver::{Receiver, ReceiverOptions};
use super::{delete_topics, producer, topics};
use crate::made_up::{self, Numbers, Seen};
use crate::spool::{Limits, Spool};
use crate::store::engine::{PAGE, Point, Where};
use crate::store::{Store, StoreOptions};
use crate::{Error, Event, Result};

/// Longest time of one part.
const LIMIT: Duration = Duration::from_secs(600);
/// Events a second while latency is measured, and for how long.
const LIVE: (u32, Duration) = (500, Duration::from_secs(20));
const CROP_BYTES: usize = 7_000;
const A_TRACK: u32 = 8;

/// Events a second, and latencies, of one run on one machine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LogRates {
    /// Events in each part.
    pub events: u32,
    /// Bytes of one, encoded.
    pub event_bytes: usize,
    /// A bare idempotent producer with the same settings, messages made before.
    pub producer_per_second: f64,
    /// From a full spool into the log, acknowledged.
    pub spool_to_log_per_second: f64,
    /// The engine's own upserts of the same points in batches, made before, durable once: no pictures, no look at what is known.
    pub upsert_per_second: f64,
    /// Events into the store in the same batches, pictures and all, made durable once: what the log's end adds to.
    pub store_per_second: f64,
    /// From the start of an indexer until it has its partitions.
    pub join_seconds: f64,
    /// From the log into the store, committed, once it has them.
    pub log_to_store_per_second: f64,
    /// After an outage: from a full spool through the log into the store, both ends at work at a time.
    pub catch_up_per_second: f64,
    /// Events a second while latency was measured.
    pub live_per_second: u32,
    /// From the append to the spool until it is searchable, ms: half of the events were quicker.
    pub latency_p50_ms: f64,
    /// 99 of 100 events were quicker, ms.
    pub latency_p99_ms: f64,
}

/// Measures on topics of its own, which it makes and removes, with scratch files in `dir`.
///
/// # Errors
///
/// When the log or the disk refuses, or a part takes longer than ten minutes.
pub fn measure_log(options: &LogOptions, dir: &Path, events: u32) -> Result<LogRates> {
    let mut options = options.clone();
    options.prefix = format!("{}bench-{}-", options.prefix, std::process::id());
    // One message an event, as the floor has it; what association would be sent beside it is no part of this flow.
    options.association = Association::Indexer;
    let floor = LogOptions {
        prefix: format!("{}floor-", options.prefix),
        ..options.clone()
    };
    topics::create_topics(&options, LIMIT)?;
    let measured =
        topics::create_topics(&floor, LIMIT).and_then(|_| measure(&options, &floor, dir, events));
    let removed = delete_topics(&floor, LIMIT).and_then(|()| delete_topics(&options, LIMIT));
    let measured = measured?;
    removed.map(|()| measured)
}

fn measure(options: &LogOptions, floor: &LogOptions, dir: &Path, count: u32) -> Result<LogRates> {
    let all: Vec<Event> = (0..count).map(event).collect();
    let rate = |begin: Instant| f64::from(count) / begin.elapsed().as_secs_f64();

    let messages = (1..).zip(&all).map(|(at, event)| outgoing(at, event));
    let messages = messages.collect::<Result<Vec<_>>>()?;
    let event_bytes = messages.first().map_or(0, |message| message.value.len());
    let producer = producer::producer(floor)?;
    let begin = Instant::now();
    for message in messages {
        producer::send_bare(&producer, floor, message)?;
    }
    let flushed = producer.flush(LIMIT);
    flushed.map_err(|error| floor.error("send", &error))?;
    let producer_per_second = rate(begin);
    drop(producer);

    let edge = dir.join("edge");
    fill(&edge, &all)?;
    let publisher = Publisher::open(&edge, PublisherOptions::new(options.clone()))?;
    let begin = Instant::now();
    publisher.drain(LIMIT)?;
    let spool_to_log_per_second = rate(begin);
    publisher.close()?;

    let store_options = StoreOptions::new(vec![made_up::spec()]);
    let numbered: Vec<_> = (1..).zip(all).collect();
    let through = Store::open(dir.join("through"), &store_options)?;
    let begin = Instant::now();
    for batch in numbered.chunks(PAGE) {
        through.apply(batch)?;
    }
    through.flush()?;
    let store_per_second = rate(begin);
    drop(numbered);
    let bare = Store::open(dir.join("bare"), &store_options)?;
    let upsert_per_second = f64::from(count) / upsert(&through, &bare)?.as_secs_f64();
    drop((through, bare));

    let store = Arc::new(Store::open(dir.join("site"), &store_options)?);
    let begin = Instant::now();
    let receiver = Receiver::start(store, ReceiverOptions::new(options.clone()))?;
    while receiver.status().partitions == 0 && begin.elapsed() < LIMIT {
        std::thread::sleep(Duration::from_millis(1));
    }
    let join_seconds = begin.elapsed().as_secs_f64();
    let begin = Instant::now();
    receiver.catch_up(LIMIT)?;
    let log_to_store_per_second = rate(begin);

    let later: Vec<Event> = (count..2 * count).map(event).collect();
    fill(&edge, &later)?;
    drop(later);
    let begin = Instant::now();
    let publisher = Publisher::open(&edge, PublisherOptions::new(options.clone()))?;
    publisher.drain(LIMIT)?;
    receiver.catch_up(LIMIT)?;
    let catch_up_per_second = rate(begin);

    let (latency_p50_ms, latency_p99_ms) = latencies(&publisher, &receiver, 2 * count)?;
    publisher.close()?;
    receiver.close()?;
    Ok(LogRates {
        events: count,
        event_bytes,
        producer_per_second,
        spool_to_log_per_second,
        upsert_per_second,
        store_per_second,
        join_seconds,
        log_to_store_per_second,
        catch_up_per_second,
        live_per_second: LIVE.0,
        latency_p50_ms,
        latency_p99_ms,
    })
}

/// Puts events into a spool that nobody sends.
fn fill(edge: &Path, events: &[Event]) -> Result<()> {
    let (spool, _) = Spool::open(edge.join("spool"), Limits::default())?;
    for event in events {
        spool.append(event)?;
    }
    spool.sync().map(|_| ())
}

/// Upserts the points of a store into an empty one, bare; says how long that takes.
fn upsert(from: &Store, into: &Store) -> Result<Duration> {
    let mut took = Duration::ZERO;
    let (from, into) = (from.index(), into.index());
    for (from, into) in [
        (&from.exemplars, &into.exemplars),
        (&from.tracklets, &into.tracklets),
    ] {
        from.pages(&Where::default(), true, &mut |page| {
            let points = page.into_iter().map(|found| Point {
                id: found.id,
                vectors: found.vectors,
                payload: found.payload,
            });
            let points = points.collect();
            let begin = Instant::now();
            into.upsert(points)?;
            took += begin.elapsed();
            Ok(())
        })?;
        let begin = Instant::now();
        into.flush()?;
        took += begin.elapsed();
    }
    Ok(took)
}

/// Appends at a steady rate, and looks how long each event takes to be searchable.
fn latencies(publisher: &Publisher, receiver: &Receiver, from: u32) -> Result<(f64, f64)> {
    let writer = publisher.writer();
    let count = LIVE.0 * LIVE.1.as_secs() as u32;
    let before = receiver.status().indexing.events;
    let begin = Instant::now();
    let mut appended = Vec::with_capacity(count as usize);
    let mut took = Vec::with_capacity(count as usize);
    while took.len() < count as usize {
        let now = begin.elapsed();
        if now > LIMIT {
            return Err(Error::Deadline {
                path: "bench".into(),
                what: "live events were not indexed".to_owned(),
                limit_ms: LIMIT.as_millis() as u64,
            });
        }
        let due = ((now.as_secs_f64() * f64::from(LIVE.0)) as u32 + 1).min(count);
        while appended.len() < due as usize {
            let number = from + appended.len() as u32;
            writer.append(&event(number))?;
            appended.push(Instant::now());
        }
        // One partition may be ahead of another by a batch, which this counts as if they came in order.
        let indexed = (receiver.status().indexing.events - before) as usize;
        while took.len() < indexed.min(appended.len()) {
            took.push(appended[took.len()].elapsed().as_secs_f64() * 1e3);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    took.sort_by(f64::total_cmp);
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    Ok((at(0.5), at(0.99)))
}

/// A sighting of the usual size.
fn event(number: u32) -> Event {
    let (nth, sequence) = (number / A_TRACK, number % A_TRACK);
    let start_ns = i64::from(nth) * 100_000_000;
    let mut numbers = Numbers::new(u64::from(number));
    let values = (0..made_up::DIMENSION).map(|_| numbers.share() as f32 - 0.5);
    Event::Sighting(Box::new(made_up::sighting(Seen {
        camera: format!("bench-{}", nth % 16),
        ordinal: nth,
        sequence,
        start_ns,
        capture_ns: start_ns + i64::from(sequence) * 1_000_000_000,
        values: &values.collect::<Vec<_>>(),
        crop: Some(made_up::picture(&mut numbers, CROP_BYTES)),
    })))
}
