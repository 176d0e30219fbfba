//! Which store a group indexes into: said with each offset that it commits.
//!
//! Offsets say "indexed up to here", and that is true of one store alone. A second embedded store in the same group would
//! get a part of the partitions; one that comes later would begin in the middle. Both are silent holes, so both are refused.

use std::path::Path;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use super::lanes::Place;
use super::look::Look;
use super::options::LogOptions;
use crate::store::Store;
use crate::{Error, Result};

/// Stands before what a store says of itself; offsets by something else have other words, or none.
const MARK: &str = "sightline-store ";

/// What a store says of itself with each commit: `sightline-store ID HOST:FOLDER`.
pub(super) fn words(store: &Store) -> String {
    let host = fs_err::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let folder = absolute(store.dir());
    format!("{MARK}{} {}:{folder}", store.identity(), host.trim())
}

/// Refuses a group that indexes into another store.
pub(super) fn check(look: &Look, store: &Store, options: &LogOptions) -> Result<()> {
    let other = look.owners().find_map(|owner| {
        let said = owner.strip_prefix(MARK)?;
        let (identity, place) = said.split_once(' ').unwrap_or((said, ""));
        (identity != store.identity()).then(|| place.to_owned())
    });
    match other {
        None => Ok(()),
        Some(other) => Err(Error::GroupTaken {
            brokers: options.brokers.join(","),
            group: options.group(),
            other,
        }),
    }
}

/// Says of partitions that nobody has claimed that they go into this store, before the first event does.
pub(super) fn take<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    look: &Look,
    mine: impl Iterator<Item = Place>,
    words: &str,
    options: &LogOptions,
) -> Result<()> {
    let failed = |error: KafkaError| options.error("claim partitions", &error);
    let mut list = TopicPartitionList::new();
    for place in mine {
        if let Some(next) = look.unclaimed(place) {
            let topic = options.topic(place.topic);
            let mut part = list.add_partition(&topic, place.partition);
            part.set_offset(Offset::Offset(next)).map_err(failed)?;
            part.set_metadata(words);
        }
    }
    if list.count() == 0 {
        return Ok(());
    }
    consumer.commit(&list, CommitMode::Sync).map_err(failed)
}

fn absolute(dir: &Path) -> String {
    let path = std::path::absolute(dir).unwrap_or_else(|_| dir.to_path_buf());
    path.display().to_string()
}
