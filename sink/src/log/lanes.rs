//! Partitions side by side, merged in order of time.
//!
//! Whoever reads many partitions gets them in lumps: minutes of one, then minutes of another. Association
//! waits some seconds for late events, no minutes; so of all partitions the oldest event goes first.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::Message as _;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, OwnedMessage};

use super::message::event_of;
use super::topics::Topic;
use crate::{Event, Result};

/// Longest wait for a partition that may have something older.
const PATIENCE: Duration = Duration::from_millis(100);

/// Where a message lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) topic: Topic,
    pub(super) partition: i32,
}

/// A message as it came.
pub(super) struct Arrival {
    pub(super) place: Place,
    pub(super) offset: i64,
    pub(super) what: What,
}

/// What a message holds.
pub(super) enum What {
    /// An event that the store can take.
    Event(Event),
    /// Nothing that the store can take, and why.
    Dead(Box<OwnedMessage>, String),
}

/// Says why the store cannot take an event; none when it can.
pub(super) type Judge<'j> = &'j dyn Fn(&Event) -> Option<String>;

struct Lane<C: ConsumerContext + 'static> {
    place: Place,
    queue: PartitionQueue<C>,
    waiting: VecDeque<(i64, Arrival)>,
    /// Everything that was there when last asked has been taken.
    is_at_end: bool,
}

/// The partitions of this reader.
pub(super) struct Lanes<C: ConsumerContext + 'static> {
    lanes: Vec<Lane<C>>,
    /// Since when it is not known whether some partition has something older.
    unknown_since: Option<Instant>,
}

impl<C: ConsumerContext + 'static> Default for Lanes<C> {
    fn default() -> Self {
        Self {
            lanes: Vec::new(),
            unknown_since: None,
        }
    }
}

impl<C: ConsumerContext + 'static> Lanes<C> {
    /// Takes over what is assigned now.
    pub(super) fn assign(&mut self, consumer: &Arc<BaseConsumer<C>>, assigned: &[(Place, String)]) {
        self.lanes
            .retain(|lane| assigned.iter().any(|(place, _)| *place == lane.place));
        for (place, name) in assigned {
            if self.lanes.iter().any(|lane| lane.place == *place) {
                continue;
            }
            if let Some(queue) = consumer.split_partition_queue(name, place.partition) {
                self.lanes.push(Lane {
                    place: *place,
                    queue,
                    waiting: VecDeque::new(),
                    is_at_end: false,
                });
            }
        }
    }

    pub(super) fn places(&self) -> impl Iterator<Item = Place> + '_ {
        self.lanes.iter().map(|lane| lane.place)
    }

    /// Some partition may have more, which is not here yet.
    pub(super) fn is_waiting(&self) -> bool {
        self.unknown_since.is_some()
    }

    /// Takes a message that came before its partition was split off.
    pub(super) fn hold(&mut self, place: Place, message: &BorrowedMessage<'_>, judge: Judge<'_>) {
        if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.place == place) {
            lane.take(message, judge);
        }
    }

    /// The oldest message of all; none when there is none, or an older one may be on its way.
    ///
    /// # Errors
    ///
    /// What the client says of a partition.
    pub(super) fn next(&mut self, judge: Judge<'_>) -> Result<Option<Arrival>, KafkaError> {
        let mut is_known = true;
        for lane in &mut self.lanes {
            lane.fill(judge)?;
            is_known &= lane.is_at_end || !lane.waiting.is_empty();
        }
        if is_known {
            self.unknown_since = None;
        } else if self
            .unknown_since
            .get_or_insert_with(Instant::now)
            .elapsed()
            < PATIENCE
        {
            return Ok(None);
        }
        let oldest = self
            .lanes
            .iter_mut()
            .filter_map(|lane| Some((lane.waiting.front()?.0, lane)))
            .min_by_key(|(time_ns, lane)| (*time_ns, lane.place));
        Ok(oldest.and_then(|(_, lane)| Some(lane.waiting.pop_front()?.1)))
    }
}

impl<C: ConsumerContext + 'static> Lane<C> {
    fn fill(&mut self, judge: Judge<'_>) -> Result<(), KafkaError> {
        while self.waiting.is_empty() {
            match self.queue.poll(Duration::ZERO) {
                None => return Ok(()),
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    self.is_at_end = true;
                    return Ok(());
                }
                Some(Err(error)) => return Err(error),
                Some(Ok(message)) => {
                    let arrival = arrival(self.place, &message, judge);
                    self.is_at_end = false;
                    self.waiting.push_back(arrival);
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, message: &BorrowedMessage<'_>, judge: Judge<'_>) {
        self.is_at_end = false;
        self.waiting.push_back(arrival(self.place, message, judge));
    }
}

/// A message as it came, and its time.
pub(super) fn arrival(
    place: Place,
    message: &BorrowedMessage<'_>,
    judge: Judge<'_>,
) -> (i64, Arrival) {
    let found = event_of(message.payload()).and_then(|event| {
        let is_at_home = match event {
            Event::Sighting(_) => place.topic == Topic::Sightings,
            Event::Coverage(_) => place.topic == Topic::Coverage,
            Event::Forgotten(_) => place.topic == Topic::Forgotten,
        };
        if !is_at_home {
            return Err("the event does not belong to this topic".to_owned());
        }
        match judge(&event) {
            Some(reason) => Err(reason),
            None => Ok(event),
        }
    });
    let (time_ns, what) = match found {
        Ok(event) => (event.time_ns(), What::Event(event)),
        // It goes at once: it holds nothing that would have to keep its turn.
        Err(reason) => (i64::MIN, What::Dead(Box::new(message.detach()), reason)),
    };
    let offset = message.offset();
    let arrival = Arrival {
        place,
        offset,
        what,
    };
    (time_ns, arrival)
}
