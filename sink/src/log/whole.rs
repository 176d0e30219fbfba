//! Readers of a whole topic, outside any group: each of them gets all of it.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::ear::Ear;
use super::options::LogOptions;
use super::topics::Topic;
use crate::Result;

/// Next offset to read, by partition.
pub(super) type Next = BTreeMap<i32, i64>;

/// How such a reader is set up. Nobody joins the group: the client wants a name, and what was done with may be noted under it.
pub(super) fn reader(options: &LogOptions, group: &str) -> ClientConfig {
    let mut config = options.client();
    config
        .set("group.id", format!("{}{group}", options.prefix))
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest");
    config
}

/// Begins where `next` says, and elsewhere at the beginning; says how many partitions there are.
pub(super) fn open(
    config: &ClientConfig,
    options: &LogOptions,
    topic: Topic,
    next: &Next,
    (doing, limit): (&'static str, Duration),
) -> Result<(BaseConsumer<Ear>, i32)> {
    let failed = |error: KafkaError| options.error(doing, &error);
    let consumer: BaseConsumer<Ear> = config.create_with_context(Ear::default()).map_err(failed)?;
    let name = options.topic(topic);
    let metadata = consumer.fetch_metadata(Some(&name), limit);
    let metadata =
        metadata.map_err(|error| options.heard(doing, &error, consumer.context().why()))?;
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
    Ok((consumer, partitions))
}
