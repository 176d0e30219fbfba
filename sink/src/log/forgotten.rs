//! What is to be forgotten, told to everybody by a topic of its own.
//!
//! It has one partition and keeps everything. Whoever writes sightings, to a store or to the log, reads it from the
//! beginning before the first of them, and goes on reading: so what is forgotten is refused by every indexer, by one
//! that begins anew years later, and by a box that held it in its spool through an outage.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::{Message as _, Offset, TopicPartitionList};

use super::dead::Forwarder;
use super::ear::{Ear, is_final};
use super::message::{event_of, outgoing};
use super::options::LogOptions;
use super::topics::Topic;
use super::whole::reader;
use crate::event::Forgotten;
use crate::{Error, Event, Result};

const DOING: &str = "read what is forgotten";

/// Longest time that reading all of it may take: well below what a supervisor waits for a sign of life.
const MOST: Duration = Duration::from_secs(300);

const GROUP: &str = "sightline-forgotten";

/// Reads what is to be forgotten, from the beginning on.
pub(super) struct Feed {
    consumer: BaseConsumer<Ear>,
    options: LogOptions,
    name: String,
    /// Offset of the next message.
    next: i64,
}

impl Feed {
    /// Begins, and reads all that there is; fails when nothing comes for `limit`, or not all of it for [`MOST`].
    pub(super) fn open(options: &LogOptions, limit: Duration) -> Result<(Self, Vec<Forgotten>)> {
        let mut config = reader(options, GROUP);
        if !options.properties.contains_key("fetch.wait.max.ms") {
            // Nothing comes for days: one question in some seconds is enough, and it is answered at once.
            config.set("fetch.wait.max.ms", "5000");
        }
        let consumer: BaseConsumer<Ear> = config
            .create_with_context(Ear::default())
            .map_err(|error| options.error(DOING, &error))?;
        let mut feed = Self {
            consumer,
            options: options.clone(),
            name: options.topic(Topic::Forgotten),
            next: 0,
        };
        let found = feed.consumer.fetch_watermarks(&feed.name, 0, limit);
        let (begin, end) = found.map_err(|error| feed.failed(&error))?;
        feed.next = begin;
        let mut from = TopicPartitionList::new();
        from.add_partition_offset(&feed.name, 0, Offset::Offset(begin))
            .map_err(|error| feed.failed(&error))?;
        feed.consumer
            .assign(&from)
            .map_err(|error| feed.failed(&error))?;
        let mut known = Vec::new();
        let begin = Instant::now();
        let mut heard = begin;
        while feed.next < end {
            let before = feed.next;
            known.extend(feed.next_within(Duration::from_millis(100))?);
            if feed.next > before {
                heard = Instant::now();
            }
            if heard.elapsed() > limit || begin.elapsed() > MOST {
                let (seconds, left) = (begin.elapsed().as_secs(), end - feed.next);
                let what = format!("{left} entries had not come after {seconds} s");
                return Err(options.failed(DOING, what));
            }
        }
        Ok((feed, known))
    }

    /// What came since; none when nothing did.
    pub(super) fn next(&mut self) -> Result<Option<Forgotten>> {
        self.next_within(Duration::ZERO)
    }

    /// Whether everything before this offset was read.
    pub(super) fn has_read(&self, end: i64) -> bool {
        end <= self.next
    }

    fn next_within(&mut self, wait: Duration) -> Result<Option<Forgotten>> {
        let message = match self.consumer.poll(wait) {
            None => return Ok(None),
            Some(Ok(message)) => message,
            Some(Err(error)) if is_final(&error) => return Err(self.failed(&error)),
            Some(Err(error)) => {
                tracing::debug!(%error, "what is forgotten cannot be read now; trying on");
                return Ok(None);
            }
        };
        self.next = message.offset() + 1;
        match event_of(message.payload()) {
            Ok(Event::Forgotten(forgotten)) => Ok(Some(forgotten)),
            Ok(_) => Err("no entry of that kind".to_owned()),
            Err(reason) => Err(reason),
        }
        .or_else(|reason| {
            let (topic, offset) = (&self.name, message.offset());
            tracing::error!(
                topic,
                offset,
                reason,
                "what is to be forgotten cannot be read"
            );
            Ok(None)
        })
    }

    fn failed(&self, error: &KafkaError) -> Error {
        self.options
            .heard(DOING, error, self.consumer.context().why())
    }
}

/// Tells everybody what is to be forgotten; when this returns, the log has it safe.
pub(super) fn tell(options: &LogOptions, entries: &[Forgotten], limit: Duration) -> Result<()> {
    let forwarder = Forwarder::connect(options)?;
    for entry in entries {
        forwarder.send_event(outgoing(0, &Event::Forgotten(entry.clone()))?)?;
    }
    forwarder.confirm(limit)
}
