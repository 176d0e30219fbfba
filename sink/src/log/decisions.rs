//! What was decided of persons, as those read it who keep tracks: all of it, from the beginning of what the log holds.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::Message as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;

use super::ear::{Ear, is_final};
use super::options::LogOptions;
use super::topics::Topic;
use super::whole::{self, Next, reader};
use crate::persons::wire::{self, PersonMessage};
use crate::{Error, Result};

const DOING: &str = "read what was decided of persons";

const GROUP: &str = "sightline-persons";

/// Reads decisions.
pub(super) struct Decisions {
    consumer: BaseConsumer<Ear>,
    options: LogOptions,
    partitions: i32,
    /// When the end of each partition was reached last; nothing came since where it is `true`.
    ends: BTreeMap<i32, (Instant, bool)>,
    heard: Instant,
}

impl Decisions {
    /// Begins where `next` says, and elsewhere at the beginning.
    pub(super) fn open(options: &LogOptions, next: &Next, limit: Duration) -> Result<Self> {
        let mut config = reader(options, GROUP);
        config
            .set("enable.partition.eof", "true")
            // Of what was begun and given up nothing is read.
            .set("isolation.level", "read_committed");
        let (consumer, partitions) =
            whole::open(&config, options, Topic::Persons, next, (DOING, limit))?;
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
        self.ends.len() == self.partitions as usize
            && self.ends.values().all(|(_, is_there)| *is_there)
    }

    /// Whether the end of each partition was reached since then, though more may have come.
    pub(super) fn reached_end_since(&self, then: Instant) -> bool {
        let mut ends = self.ends.values();
        self.ends.len() == self.partitions as usize
            && ends.all(|(at, is_there)| *is_there || *at >= then)
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
