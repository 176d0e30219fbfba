//! Heartbeats of all cameras, for an indexer whose store others write to as well.
//!
//! The partitions of sightings are shared among such indexers, and the points lie with a server. What each camera watched lies with each
//! indexer, and each answers for all cameras: so each reads all heartbeats, outside the group, and keeps how far it came beside its store.

use std::time::Duration;

use rdkafka::Message as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};

use super::ear::{Ear, is_final};
use super::lanes::{Arrival, Judge, Place, arrival};
use super::options::LogOptions;
use super::topics::Topic;
use super::whole::{self, Next, reader};
use crate::Result;

const DOING: &str = "read heartbeats";

const GROUP: &str = "sightline-heartbeats";

/// Reads heartbeats.
pub(super) struct Heartbeats {
    consumer: BaseConsumer<Ear>,
    options: LogOptions,
    partitions: i32,
}

impl Heartbeats {
    /// Begins where `next` says, and elsewhere at the beginning.
    pub(super) fn open(options: &LogOptions, next: &Next, limit: Duration) -> Result<Self> {
        let config = reader(options, GROUP);
        let (consumer, partitions) =
            whole::open(&config, options, Topic::Coverage, next, (DOING, limit))?;
        Ok(Self {
            consumer,
            options: options.clone(),
            partitions,
        })
    }

    /// All partitions of heartbeats.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> + use<> {
        let topic = Topic::Coverage;
        (0..self.partitions).map(move |partition| Place { topic, partition })
    }

    /// The next one; none when nothing came.
    pub(super) fn next(&self, judge: Judge<'_>) -> Result<Option<Arrival>> {
        match self.consumer.poll(Duration::ZERO) {
            None => Ok(None),
            Some(Ok(message)) => {
                let place = Place {
                    topic: Topic::Coverage,
                    partition: message.partition(),
                };
                Ok(Some(arrival(place, &message, judge).1))
            }
            Some(Err(error)) if is_final(&error) => {
                let why = self.consumer.context().why();
                Err(self.options.heard(DOING, &error, why))
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "heartbeats cannot be read now; trying on");
                Ok(None)
            }
        }
    }
}
