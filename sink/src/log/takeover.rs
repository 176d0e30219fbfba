//! What a process does before it joins the tracks of a partition: it makes again what was known of it.
//!
//! With each commit stands where the last outlines lie. From these, the sightings before them and the messages after
//! them the same association comes out as the one that was here before decided with; what was decided since is in the
//! log already, and is told again only where it differs.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::{Message as _, Offset, TopicPartitionList};

use super::ear::{Ear, is_final};
use super::options::LogOptions;
use super::partition::{Came, Joining, Known, Mark, Partition, Taken};
use super::topics::Topic;
use crate::event::ForgottenSet;
use crate::persons::Outline;
use crate::persons::wire::{self, Part, PersonBody, PersonMessage};
use crate::{Error, Result};

const DOING: &str = "take a partition over";

/// Longest wait for a message or an end.
const LIMIT: Duration = Duration::from_secs(20);

/// Time between two looks at whether a transaction has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What the group knows of a partition.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Committed {
    /// The first message that nobody has taken in; none: nobody has taken in any.
    pub(super) next: Option<i64>,
    pub(super) mark: Option<Mark>,
}

/// What came of it.
pub(super) struct TakenOver {
    pub(super) partition: Partition,
    /// Decisions that readers do not know yet.
    pub(super) told: Vec<PersonMessage>,
    /// Of these, those that correct what they know.
    pub(super) corrections: u64,
}

/// Takes a partition over.
///
/// # Errors
///
/// When the log cannot be read, or what another process told is not all there yet; nothing was done then.
pub(super) fn take_over(
    options: &LogOptions,
    joining: &Joining,
    forgotten: &ForgottenSet,
    partition: i32,
    committed: Committed,
) -> Result<TakenOver> {
    let place = (Topic::Persons, partition);
    let from = committed.mark.map_or(0, |mark| mark.outline);
    let mut known = Known::default();
    let mut outlines = Outlines::default();
    wait_for_transactions(options, place)?;
    let begin = read(options, place, from, i64::MAX, |_, payload| {
        // What cannot be read was not told by us.
        if let Some(Ok(message)) = payload.map(wire::decode) {
            note(message, committed.mark, &mut known, &mut outlines);
        }
    })?;
    let mut held = match committed.mark {
        None => Partition::new(joining, 0),
        Some(mark) => match outlines.whole(mark.sites) {
            Some(outlines) => {
                for outline in outlines.values() {
                    for (track, person) in outline.assigned() {
                        known.persons.entry(track).or_insert(person);
                    }
                }
                refill(options, joining, partition, mark, outlines)?
            }
            None if begin > mark.outline => {
                tracing::error!(
                    partition,
                    "what was known of persons has left the log; tracks from before are joined no more"
                );
                Partition::new(joining, committed.next.unwrap_or(0))
            }
            None => {
                let what = format!("what is known of partition {partition} is not all there yet");
                return Err(options.failed(DOING, what));
            }
        },
    };
    // What was decided of this is known, and comes out again.
    let (mut again, mut taken) = (Vec::new(), Taken::default());
    let place = (Topic::Tracks, partition);
    let end = committed.next.unwrap_or(0);
    read(options, place, held.next(), end, |came, payload| {
        if let Some(Ok(message)) = payload.map(wire::decode_track) {
            // What was refused is refused again.
            drop(held.take(came, message, forgotten, &mut again, &mut taken));
        }
    })?;
    let mut told = Vec::new();
    let corrections = match committed.next {
        Some(next) => {
            held.go_on_at(next);
            held.correct(&known, &mut told)
        }
        None => {
            held.go_on_after(&known);
            0
        }
    };
    held.forget(forgotten, &mut told);
    Ok(TakenOver {
        partition: held,
        told,
        corrections,
    })
}

fn refill(
    options: &LogOptions,
    joining: &Joining,
    partition: i32,
    mark: Mark,
    outlines: BTreeMap<String, Outline>,
) -> Result<Partition> {
    let mut refilling = Partition::refilling(joining, mark, outlines);
    let place = (Topic::Tracks, partition);
    read(options, place, mark.begin, mark.through, |came, payload| {
        if let Some(Ok(message)) = payload.map(wire::decode_track) {
            refilling.take(came, message);
        }
    })?;
    let (held, missing) = refilling.done()?;
    if missing > 0 {
        tracing::warn!(
            partition,
            tracks = missing,
            "tracks have left the log that are young enough to be compared: they keep their persons and are compared no more"
        );
    }
    Ok(held)
}

fn note(message: PersonMessage, mark: Option<Mark>, known: &mut Known, outlines: &mut Outlines) {
    let PersonMessage { site, body } = message;
    let revision = match body {
        PersonBody::Assigned(assigned) => {
            known.persons.insert(assigned.track, assigned.person);
            assigned.revision
        }
        PersonBody::Rename { revision, .. } => revision,
        PersonBody::Outline(part) => {
            if mark.is_some_and(|mark| mark.through == part.through) {
                outlines.take(site, part);
            }
            return;
        }
        PersonBody::Said(_) | PersonBody::Ways(_) => return,
    };
    let last = known.revisions.entry(site).or_default();
    *last = revision.max(*last);
}

/// Outlines from their parts.
#[derive(Debug, Default)]
struct Outlines {
    of_site: BTreeMap<String, BTreeMap<u32, Part>>,
}

impl Outlines {
    fn take(&mut self, site: String, part: Part) {
        self.of_site
            .entry(site)
            .or_default()
            .insert(part.index, part);
    }

    /// All of them; none while some are missing.
    fn whole(self, sites: usize) -> Option<BTreeMap<String, Outline>> {
        let mut whole = BTreeMap::new();
        for (site, parts) in self.of_site {
            let count = parts.first_key_value()?.1.count as usize;
            let json: Vec<u8> = parts.values().flat_map(|part| part.json.clone()).collect();
            if parts.len() != count {
                return None;
            }
            match serde_json::from_slice(&json) {
                Ok(outline) => whole.insert(site, outline),
                Err(error) => {
                    tracing::error!(site, %error, "an outline cannot be read");
                    return None;
                }
            };
        }
        (whole.len() == sites).then_some(whole)
    }
}

/// Waits until everything that is in a partition now is either told or given up.
///
/// A commit becomes visible in one partition after the other: that of the group's offsets may say that messages were taken in while what
/// was decided of them cannot be read yet. Whoever went on then would tell of its tracks as if nobody had.
fn wait_for_transactions(options: &LogOptions, (topic, partition): (Topic, i32)) -> Result<()> {
    let name = options.topic(topic);
    let end = |consumer: &_| Ok::<_, Error>(watermarks(options, consumer, &name, partition)?.1);
    let written = end(&reader(options, "read_uncommitted")?)?;
    let (told, begin) = (reader(options, "read_committed")?, Instant::now());
    while end(&told)? < written {
        if begin.elapsed() > LIMIT {
            let what = format!("a transaction of partition {partition} of `{name}` does not end");
            return Err(options.failed(DOING, what));
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    Ok(())
}

/// Reads a partition from `from` on to before `end`, or to its end as it is now. Says where it begins.
fn read(
    options: &LogOptions,
    (topic, partition): (Topic, i32),
    from: i64,
    end: i64,
    mut each: impl FnMut(Came, Option<&[u8]>),
) -> Result<i64> {
    let failed = |error: KafkaError| options.error(DOING, &error);
    let name = options.topic(topic);
    let consumer = reader(options, "read_committed")?;
    let (begin, last) = watermarks(options, &consumer, &name, partition)?;
    let from = from.max(begin);
    if from >= end.min(last) {
        return Ok(begin);
    }
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&name, partition, Offset::Offset(from))
        .map_err(failed)?;
    consumer.assign(&list).map_err(failed)?;
    let mut heard = Instant::now();
    loop {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                heard = Instant::now();
                if message.offset() >= end {
                    return Ok(begin);
                }
                each(Came::of(&message), message.payload());
                if message.offset() + 1 >= end {
                    return Ok(begin);
                }
            }
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(begin),
            Some(Err(error)) if is_final(&error) => return Err(failed(error)),
            Some(Err(error)) => {
                tracing::debug!(%error, "a partition cannot be read now; trying on");
            }
            None if heard.elapsed() > LIMIT => {
                let seconds = LIMIT.as_secs();
                let what = format!("nothing came of `{name}` for {seconds} s");
                return Err(options.failed(DOING, what));
            }
            None => {}
        }
    }
}

/// Reads without being a member of the group.
fn reader(options: &LogOptions, isolation: &str) -> Result<BaseConsumer<Ear>> {
    let mut config = options.client();
    config
        .set("group.id", options.association_group())
        .set("isolation.level", isolation)
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "earliest");
    let made = config.create_with_context(Ear::default());
    made.map_err(|error| options.error(DOING, &error))
}

/// Where a partition begins, and where what this consumer may read of it ends.
fn watermarks(
    options: &LogOptions,
    consumer: &BaseConsumer<Ear>,
    name: &str,
    partition: i32,
) -> Result<(i64, i64)> {
    let watermarks = consumer.fetch_watermarks(name, partition, LIMIT);
    watermarks.map_err(|error| options.heard(DOING, &error, consumer.context().why()))
}
