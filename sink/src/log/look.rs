//! A look at the log: where it begins and ends, and what the group has committed.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use super::lanes::Place;
use super::options::LogOptions;
use super::topics::Topic;
use super::whole::Next;
use crate::{Error, Result};

/// Offsets of one partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Span {
    begin: i64,
    end: i64,
    /// Everything before it is indexed and durable, whoever did it.
    committed: Option<i64>,
    /// What was said with that; empty where nothing was.
    owner: String,
}

/// All partitions at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Look {
    /// The cluster; none where it does not say.
    pub(super) cluster: Option<String>,
    pub(super) spans: BTreeMap<Place, Span>,
}

impl Span {
    /// The first message that is not indexed.
    fn position(&self) -> i64 {
        match self.committed {
            // A commit beyond the end was made before the log began anew.
            Some(committed) if committed <= self.end => committed.max(self.begin),
            _ => self.begin,
        }
    }
}

impl Look {
    /// Asks the brokers.
    pub(super) fn take<C: ConsumerContext>(
        consumer: &BaseConsumer<C>,
        options: &LogOptions,
        limit: Duration,
    ) -> Result<Self> {
        const DOING: &str = "ask where the log ends";
        let failed = |error: KafkaError| options.error(DOING, &error);
        let mut spans = BTreeMap::new();
        let mut list = TopicPartitionList::new();
        for topic in [Topic::Sightings, Topic::Coverage] {
            let name = options.topic(topic);
            let metadata = consumer
                .fetch_metadata(Some(&name), limit)
                .map_err(failed)?;
            let partitions = metadata
                .topics()
                .first()
                .map_or(0, |found| found.partitions().len());
            if partitions == 0 {
                return Err(Error::LogPromise {
                    brokers: options.brokers.join(","),
                    what: format!("topic `{name}` is not there any more"),
                });
            }
            for partition in 0..partitions as i32 {
                list.add_partition(&name, partition);
                spans.insert(Place { topic, partition }, Span::default());
            }
        }
        // First what is committed, then the ends: so that the difference is never too small.
        let committed = consumer
            .committed_offsets(list.clone(), limit)
            .map_err(failed)?;
        let ask = |offset: Offset| {
            let mut asked = list.clone();
            asked.set_all_offsets(offset).map_err(failed)?;
            consumer.offsets_for_times(asked, limit).map_err(failed)
        };
        let (begins, ends) = (ask(Offset::Beginning)?, ask(Offset::End)?);
        for (place, span) in &mut spans {
            let name = options.topic(place.topic);
            let of = |list: &TopicPartitionList| {
                let part = list.find_partition(&name, place.partition)?;
                match (part.error(), part.offset()) {
                    (Ok(()), Offset::Offset(offset)) => Some(offset),
                    _ => None,
                }
            };
            let unknown =
                || options.failed(DOING, format!("no answer about {name}/{}", place.partition));
            span.begin = of(&begins).ok_or_else(unknown)?;
            span.end = of(&ends).ok_or_else(unknown)?;
            span.committed = of(&committed);
            if span.committed.is_some()
                && let Some(part) = committed.find_partition(&name, place.partition)
            {
                part.metadata().clone_into(&mut span.owner);
            }
        }
        Ok(Self {
            cluster: consumer.client().fetch_cluster_id(limit),
            spans,
        })
    }

    /// What was said with each commit.
    pub(super) fn owners(&self) -> impl Iterator<Item = &str> + '_ {
        let owners = self.spans.values().map(|span| span.owner.as_str());
        owners.filter(|owner| !owner.is_empty())
    }

    /// What the group would index next of a partition that nobody said anything of.
    pub(super) fn unclaimed(&self, place: Place) -> Option<i64> {
        let span = self.spans.get(&place)?;
        span.owner.is_empty().then(|| span.position())
    }

    /// Takes as indexed of a topic what is before `next`, whatever the group says of it.
    pub(super) fn set_indexed(&mut self, topic: Topic, next: &Next) {
        for (place, span) in &mut self.spans {
            if place.topic == topic {
                span.committed = next.get(&place.partition).copied();
            }
        }
    }

    /// Partitions of a topic.
    pub(super) fn partitions(&self, topic: Topic) -> usize {
        let places = self.spans.keys();
        places.filter(|place| place.topic == topic).count()
    }

    /// Messages that nobody of the group has committed.
    pub(super) fn behind(&self) -> u64 {
        self.spans
            .values()
            .map(|span| (span.end - span.position()).max(0) as u64)
            .sum()
    }

    /// Messages of a partition from `next` on; of one that was not read yet, from what is not indexed on.
    pub(super) fn left(&self, place: Place, next: Option<i64>) -> i64 {
        self.spans.get(&place).map_or(0, |span| {
            let next = next.filter(|next| *next <= span.end);
            (span.end - next.unwrap_or(span.position()).max(span.begin)).max(0)
        })
    }

    /// Whether all sightings that were in the log at `earlier` are committed now.
    pub(super) fn has_passed(&self, earlier: &Self) -> bool {
        let of_sightings = |(place, _): &(&Place, &Span)| place.topic == Topic::Sightings;
        let mut sightings = earlier.spans.iter().filter(of_sightings);
        sightings.all(|(place, then)| self.is_past(*place, then))
    }

    /// Whether everything that was in the log at `earlier` is committed now.
    pub(super) fn has_committed(&self, earlier: &Self) -> bool {
        let mut spans = earlier.spans.iter();
        spans.all(|(place, then)| self.is_past(*place, then))
    }

    fn is_past(&self, place: Place, then: &Span) -> bool {
        self.spans.get(&place).is_some_and(|now| {
            // What has left the log meanwhile will not be indexed any more.
            now.position() >= then.end.min(now.end)
        })
    }

    /// Of each partition: where it begins, what the group would index next, where it ends.
    pub(super) fn spans(&self) -> impl Iterator<Item = (Place, [i64; 3])> + '_ {
        self.spans
            .iter()
            .map(|(place, span)| (*place, [span.begin, span.position(), span.end]))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn look(begin: i64, end: i64, committed: Option<i64>) -> Look {
        let place = Place {
            topic: Topic::Sightings,
            partition: 0,
        };
        let span = Span {
            begin,
            end,
            committed,
            owner: String::new(),
        };
        Look {
            cluster: None,
            spans: BTreeMap::from([(place, span)]),
        }
    }

    #[test]
    fn what_is_left_counts_from_the_commit_or_from_the_beginning() {
        assert_eq!(look(0, 10, None).behind(), 10);
        assert_eq!(look(0, 10, Some(4)).behind(), 6);
        assert_eq!(look(7, 10, Some(4)).behind(), 3);
        assert_eq!(look(10, 10, None).behind(), 0);
        // The log began anew after the commit.
        assert_eq!(look(0, 3, Some(50)).behind(), 3);
    }

    #[test]
    fn a_look_is_passed_when_all_that_was_there_is_committed() {
        let then = look(0, 10, Some(2));
        assert!(!look(0, 12, Some(9)).has_passed(&then));
        assert!(look(0, 12, Some(10)).has_passed(&then));
        // What was there is gone: nothing is left to wait for.
        assert!(look(0, 0, Some(10)).has_passed(&then));
        assert!(!look(0, 10, None).has_passed(&then));
        assert!(look(5, 5, None).has_passed(&look(0, 5, None)));
    }
}
