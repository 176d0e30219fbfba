//! Takes what is safe in the spool into the store, and acknowledges what is durable there.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::{IndexingTime, Shared};
use crate::spool::Reader;
use crate::{Event, Result};

/// First and longest time between attempts when the store refuses.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// How long an idle thread sleeps at most.
const IDLE: Duration = Duration::from_millis(20);

/// When a piece of indexing began.
struct Begin {
    wall: Instant,
    cpu_ns: u64,
}

impl Begin {
    fn now() -> Self {
        Self {
            wall: Instant::now(),
            cpu_ns: thread_cpu_ns(),
        }
    }

    fn count(&self, time: &mut IndexingTime, events: u64) {
        time.events += events;
        time.calls += 1;
        time.wall_ns += u64::try_from(self.wall.elapsed().as_nanos()).unwrap_or(u64::MAX);
        time.cpu_ns += thread_cpu_ns().saturating_sub(self.cpu_ns);
    }
}

fn thread_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// Read and not yet applied.
struct Batch {
    events: Vec<(u64, Event)>,
    /// The same where some were by other models than the store's, and were embedded anew.
    embedded: Option<Vec<(u64, Event)>>,
}

/// Applied and not yet acknowledged.
struct Pending {
    through: u64,
    since: Option<Instant>,
}

pub(super) fn run(shared: &Shared) {
    let acknowledged = shared.intake.spool.status().acknowledged;
    let mut reader = shared.intake.spool.reader(acknowledged + 1);
    let mut pending = Pending {
        through: acknowledged,
        since: None,
    };
    let mut batch = Batch {
        events: Vec::with_capacity(shared.options.batch_records),
        embedded: None,
    };
    let mut delay = RETRY.0;
    while !shared.intake.must_stop() {
        match step(shared, &mut reader, &mut batch, &mut pending) {
            Ok(()) => {
                delay = RETRY.0;
                shared.progress().index_trouble = None;
            }
            Err(error) => {
                tracing::warn!(%error, waiting = batch.events.len(), "indexing failed, trying again");
                shared.progress().index_trouble = Some(error.to_string());
                shared.intake.pause(delay);
                delay = (delay * 2).min(RETRY.1);
            }
        }
    }
    // What was applied is made durable if that is possible; otherwise it comes again.
    if pending.since.is_some()
        && let Err(error) = acknowledge(shared, &mut pending)
    {
        tracing::warn!(%error, "the last events will be indexed again at the next start");
    }
}

fn step(
    shared: &Shared,
    reader: &mut Reader,
    batch: &mut Batch,
    pending: &mut Pending,
) -> Result<()> {
    while batch.events.len() < shared.options.batch_records {
        let Some(next) = reader.try_next()? else {
            break;
        };
        batch.events.push(next);
    }
    let is_idle = batch.events.is_empty();
    if let Some((last, _)) = batch.events.last() {
        let last = *last;
        let begin = Begin::now();
        let (applied, embedded) = shared.store.apply_embedding(
            &batch.events,
            shared.embed.as_ref(),
            &mut batch.embedded,
        )?;
        let events = batch.events.len() as u64;
        batch.events.clear();
        batch.embedded = None;
        pending.through = last;
        pending.since.get_or_insert_with(Instant::now);
        let mut progress = shared.progress();
        progress.applied.add(applied);
        progress.embedded += embedded;
        begin.count(&mut progress.indexing, events);
        progress.searchable_now(last);
        drop(progress);
        shared.intake.notify();
    } else if pending.since.is_none() && reader.position() > pending.through + 1 {
        // Only broken records since: there is nothing to flush, and they are done with.
        pending.through = reader.position() - 1;
        pending.since = Some(Instant::now());
    }
    let is_draining = shared.intake.is_draining();
    let is_due = pending.since.is_some_and(|since| {
        since.elapsed() >= shared.options.flush_after || (is_idle && is_draining)
    });
    if is_due {
        acknowledge(shared, pending)?;
    }
    if is_idle {
        reader.wait(IDLE);
    }
    Ok(())
}

fn acknowledge(shared: &Shared, pending: &mut Pending) -> Result<()> {
    let begin = Begin::now();
    shared.store.flush()?;
    shared.intake.spool.acknowledge(pending.through)?;
    begin.count(&mut shared.progress().indexing, 0);
    pending.since = None;
    shared.intake.notify();
    Ok(())
}

/// Takes out what is too old or too much, now and then.
pub(super) fn expire(shared: &Shared) {
    let Some(every) = shared.options.expire_every else {
        return;
    };
    while !shared.intake.must_stop() {
        shared.store.expire_by_clock();
        shared.intake.pause(every);
    }
}

/// Tidies the index now and then, beside indexing and searching.
pub(super) fn tidy(shared: &Shared) {
    const LOOK_EVERY: Duration = Duration::from_secs(2);
    let mut done = 0;
    while !shared.intake.must_stop() {
        shared.intake.pause(LOOK_EVERY);
        let sightings = shared.progress().applied.sightings;
        if sightings < done + shared.options.optimize_records || shared.intake.must_stop() {
            continue;
        }
        done = sightings;
        let started = Instant::now();
        match shared.store.optimize() {
            Ok(was_due) => {
                tracing::debug!(
                    was_due,
                    seconds = started.elapsed().as_secs_f32(),
                    "index tidied"
                );
            }
            Err(error) => tracing::warn!(%error, "index could not be tidied"),
        }
    }
}
