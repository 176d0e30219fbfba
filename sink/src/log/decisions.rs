//! What was decided of persons, as those read it who keep tracks: all of it, from the beginning of what the log holds.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::{Message as _, Offset, TopicPartitionList};

use super::ear::{Ear, is_final};
use super::options::LogOptions;
use super::topics::Topic;
use crate::persons::wire::{self, PersonMessage};
use crate::{Error, Result};

const DOING: &str = "read what was decided of persons";

/// Nobody joins this group; the client wants a name.
const GROUP: &str = "sightline-persons";

/// Next offset to read, by partition.
pub(super) type Next = BTreeMap<i32, i64>;

/// Reads decisions.
pub(super) struct Decisions {
    consumer: BaseConsumer<Ear>,
    options: LogOptions,
    partitions: usize,
    /// When the end of each partition was reached last; nothing came since where it is `true`.
    ends: BTreeMap<i32, (Instant, bool)>,
    heard: Instant,
}

impl Decisions {
    /// Begins where `next` says, and elsewhere at the beginning.
    pub(super) fn open(options: &LogOptions, next: &Next, limit: Duration) -> Result<Self> {
        let failed = |error: KafkaError| options.error(DOING, &error);
        let mut config = options.client();
        config
            .set("group.id", format!("{}{GROUP}", options.prefix))
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            // Of what was begun and given up nothing is read.
            .set("isolation.level", "read_committed")
            .set("auto.offset.reset", "earliest");
        let consumer: BaseConsumer<Ear> =
            config.create_with_context(Ear::default()).map_err(failed)?;
        let name = options.topic(Topic::Persons);
        let metadata = consumer.fetch_metadata(Some(&name), limit);
        let metadata =
            metadata.map_err(|error| options.heard(DOING, &error, consumer.context().why()))?;
        let found = metadata.topics().first();
        let partitions = found.map_or(0, |found| found.partitions().len());
        let mut list = TopicPartitionList::new();
        for partition in 0..i32::try_from(partitions).unwrap_or(i32::MAX) {
            let from = next
                .get(&partition)
                .map_or(Offset::Beginning, |next| Offset::Offset(*next));
            list.add_partition_offset(&name, partition, from)
                .map_err(failed)?;
        }
        consumer.assign(&list).map_err(failed)?;
        Ok(Self {
            consumer,
            options: options.clone(),
            partitions,
            ends: BTreeMap::new(),
            heard: Instant::now(),
        })
    }

    /// What came since, at most so many, and where to go on after it.
    pub(super) fn next(&mut self, most: usize, next: &mut Next) -> Result<Vec<PersonMessage>> {
        let mut messages = Vec::new();
        while messages.len() < most {
            match self.consumer.poll(Duration::ZERO) {
                None => break,
                Some(Ok(message)) => {
                    self.heard = Instant::now();
                    let (partition, offset) = (message.partition(), message.offset());
                    if let Some((_, is_there)) = self.ends.get_mut(&partition) {
                        *is_there = false;
                    }
                    next.insert(partition, offset + 1);
                    match message.payload().map(wire::decode) {
                        Some(Ok(message)) => messages.push(message),
                        Some(Err(error)) => {
                            tracing::error!(partition, offset, %error, "a decision cannot be read");
                        }
                        None => tracing::error!(partition, offset, "a decision is empty"),
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    self.heard = Instant::now();
                    self.ends.insert(partition, (self.heard, true));
                }
                Some(Err(error)) if is_final(&error) => {
                    return Err(self.options.error(DOING, &error));
                }
                Some(Err(error)) => {
                    tracing::debug!(%error, "decisions cannot be read now; trying on");
                    break;
                }
            }
        }
        Ok(messages)
    }

    /// Whether everything was read that was there when it was last looked at.
    pub(super) fn is_at_end(&self) -> bool {
        self.ends.len() == self.partitions && self.ends.values().all(|(_, is_there)| *is_there)
    }

    /// Whether the end of each partition was reached since then, though more may have come.
    pub(super) fn reached_end_since(&self, then: Instant) -> bool {
        let mut ends = self.ends.values();
        self.ends.len() == self.partitions && ends.all(|(at, is_there)| *is_there || *at >= then)
    }

    /// An error when nothing was heard for so long.
    pub(super) fn require_heard(&self, limit: Duration) -> Result<(), Error> {
        if self.heard.elapsed() <= limit {
            return Ok(());
        }
        let what = format!("nothing came for {} s", limit.as_secs());
        let why = self.consumer.context().why();
        Err(self.options.failed(DOING, why.unwrap_or(what)))
    }
}
