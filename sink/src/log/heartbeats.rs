//! Heartbeats of all cameras, for an indexer whose store others write to as well.
//!
//! The partitions of sightings are shared among such indexers, and the points lie with a server. What each camera watched lies with each
//! indexer, and each answers for all cameras: so each reads all heartbeats, outside the group, and keeps how far it came beside its store.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::{Message as _, Offset, TopicPartitionList};

use super::ear::{Ear, is_final};
use super::lanes::{Arrival, Judge, Place, arrival};
use super::options::LogOptions;
use super::topics::Topic;
use crate::Result;

const DOING: &str = "read heartbeats";

/// Nobody joins this group; the client wants a name.
const GROUP: &str = "sightline-heartbeats";

/// Next offset of each partition.
pub(super) type Next = BTreeMap<i32, i64>;

/// Reads heartbeats.
pub(super) struct Heartbeats {
    consumer: BaseConsumer<Ear>,
    options: LogOptions,
    partitions: i32,
}

impl Heartbeats {
    /// Begins where `next` says, and elsewhere at the beginning.
    pub(super) fn open(options: &LogOptions, next: &Next, limit: Duration) -> Result<Self> {
        let failed = |error: KafkaError| options.error(DOING, &error);
        let mut config = options.client();
        config
            .set("group.id", format!("{}{GROUP}", options.prefix))
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest");
        let consumer: BaseConsumer<Ear> =
            config.create_with_context(Ear::default()).map_err(failed)?;
        let name = options.topic(Topic::Coverage);
        let metadata = consumer.fetch_metadata(Some(&name), limit);
        let metadata =
            metadata.map_err(|error| options.heard(DOING, &error, consumer.context().why()))?;
        let found = metadata.topics().first();
        let partitions = found.map_or(0, |found| found.partitions().len());
        let partitions = i32::try_from(partitions).unwrap_or(i32::MAX);
        let mut list = TopicPartitionList::new();
        for partition in 0..partitions {
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
