//! Partitions side by side, merged in order of time.
//!
//! Whoever reads many partitions gets them in lumps: minutes of one, then minutes of another. Association
//! waits some seconds for late events, no minutes; so of all partitions the oldest event goes first.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::Message as _;
use rdkafka::consumer::ConsumerContext;
use rdkafka::consumer::base_consumer::PartitionQueue;
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
    /// The next one, and its time.
    waiting: Option<(i64, Arrival)>,
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
    /// Takes over what is assigned now; `came` has the queues of what came since the last time. False when one has none.
    pub(super) fn assign(
        &mut self,
        assigned: &[Place],
        mut came: BTreeMap<Place, PartitionQueue<C>>,
    ) -> bool {
        // What came may have been here before: what still waits of that was read, and perhaps indexed, by others.
        self.lanes
            .retain(|lane| assigned.contains(&lane.place) && !came.contains_key(&lane.place));
        for place in assigned {
            if let Some(queue) = came.remove(place) {
                self.lanes.push(Lane {
                    place: *place,
                    queue,
                    waiting: None,
                    is_at_end: false,
                });
            }
        }
        self.lanes.len() == assigned.len()
    }

    pub(super) fn places(&self) -> impl Iterator<Item = Place> + '_ {
        self.lanes.iter().map(|lane| lane.place)
    }

    /// Some partition may have more, which is not here yet.
    pub(super) fn is_waiting(&self) -> bool {
        self.unknown_since.is_some()
    }

    /// The oldest message of all wanted partitions; none when there is none, or an older one may be on its way.
    ///
    /// # Errors
    ///
    /// What the client says of a partition.
    pub(super) fn next(
        &mut self,
        is_wanted: impl Fn(Place) -> bool,
        judge: Judge<'_>,
    ) -> Result<Option<Arrival>, KafkaError> {
        let mut is_known = true;
        for lane in self.lanes.iter_mut().filter(|lane| is_wanted(lane.place)) {
            lane.fill(judge)?;
            is_known &= lane.is_at_end || lane.waiting.is_some();
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
            .filter(|lane| is_wanted(lane.place))
            .filter_map(|lane| Some((lane.waiting.as_ref()?.0, lane)))
            .min_by_key(|(time_ns, lane)| (*time_ns, lane.place));
        Ok(oldest.and_then(|(_, lane)| Some(lane.waiting.take()?.1)))
    }
}

impl<C: ConsumerContext + 'static> Lane<C> {
    fn fill(&mut self, judge: Judge<'_>) -> Result<(), KafkaError> {
        while self.waiting.is_none() {
            match self.queue.poll(Duration::ZERO) {
                None => return Ok(()),
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    self.is_at_end = true;
                    return Ok(());
                }
                Some(Err(error)) => return Err(error),
                Some(Ok(message)) => {
                    self.is_at_end = false;
                    self.waiting = Some(arrival(self.place, &message, judge));
                }
            }
        }
        Ok(())
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
