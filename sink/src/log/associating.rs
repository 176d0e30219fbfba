//! One life of a process that joins tracks: messages in, decisions out, both committed at once.
//!
//! Decisions and offsets are one transaction of the log, tied to the membership in the group. So what was decided of a
//! message is told if and only if the message counts as taken in, and one that was cut off and comes back can tell
//! nothing of what others join by now.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, Rebalance};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, DeliveryResult};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{ClientContext, Message as _, Offset, TopicPartitionList};

use super::associate::Shared;
use super::clock::Clock;
use super::dead::Forwarder;
use super::ear::{self, is_final};
use super::forgotten::Feed;
use super::group::member;
use super::lanes::Place;
use super::message::of_decision;
use super::options::LogOptions;
use super::partition::{Came, Mark, Partition, Taken};
use super::producer::BATCH_BYTES;
use super::takeover::{Committed, take_over};
use super::topics::{Topic, require_topics};
use crate::event::ForgottenSet;
use crate::persons::wire::{PersonBody, PersonMessage, decode_track};
use crate::{Error, Result};

/// Longest wait for an answer of the brokers.
const ASK_LIMIT: Duration = Duration::from_secs(10);

/// Longest wait for a transaction.
const COMMIT_LIMIT: Duration = Duration::from_secs(30);

/// After this time the brokers give a transaction up whose process is gone; until then its partitions stand still.
const TRANSACTION_MS: &str = "10000";

/// Time that goes into one transaction at most.
const BATCH_TIME: Duration = Duration::from_millis(200);

/// How long an idle thread sleeps.
const IDLE: Duration = Duration::from_millis(5);

/// Time between two looks at how much is left.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Joins until it is told to stop; begins anew after every fault.
pub(super) fn run(shared: &Arc<Shared>) {
    shared
        .standing
        .live("joining tracks", || Session::begin(shared)?.run());
}

/// Hears when partitions come and go.
#[derive(Default)]
struct Context {
    has_changed: Mutex<bool>,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, words: &str) {
        ear::note(level, facility, words);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "what the client says of itself");
    }
}

impl ConsumerContext for Context {
    // Nothing is owed to the group: whatever was taken in is committed before the next poll.
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, _: &Rebalance<'_>) {
        *self
            .has_changed
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = true;
    }
}

/// Notes where the first part of each partition's outlines lies.
#[derive(Default)]
struct Told {
    outlines: Mutex<BTreeMap<i32, i64>>,
}

impl Told {
    fn outlines(&self) -> MutexGuard<'_, BTreeMap<i32, i64>> {
        self.outlines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Told {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, words: &str) {
        ear::note(level, facility, words);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "what the client says of itself");
    }
}

impl ProducerContext for Told {
    /// Whether it is an outline.
    type DeliveryOpaque = Box<bool>;

    fn delivery(&self, result: &DeliveryResult<'_>, is_outline: Box<bool>) {
        match result {
            Ok(message) if *is_outline => {
                let mut outlines = self.outlines();
                let first = outlines
                    .entry(message.partition())
                    .or_insert(message.offset());
                *first = message.offset().min(*first);
            }
            Ok(_) => {}
            // The transaction fails then, and says why.
            Err((error, _)) => tracing::debug!(%error, "a decision was not taken"),
        }
    }
}

struct Session<'s> {
    shared: &'s Arc<Shared>,
    // First of those that hold on to the log, so that what is open is given up before the group is left.
    producer: BaseProducer<Told>,
    consumer: BaseConsumer<Context>,
    forwarder: Forwarder,
    feed: Feed,
    forgotten: ForgottenSet,
    partitions: BTreeMap<i32, Held>,
    clock: Clock,
    looked: Instant,
}

/// A partition of this process.
struct Held {
    partition: Partition,
    /// Not in the log yet.
    told: Vec<PersonMessage>,
    is_at_end: bool,
    is_uncommitted: bool,
}

impl<'s> Session<'s> {
    fn begin(shared: &'s Arc<Shared>) -> Result<Self> {
        let options = &shared.options.log;
        require_topics(options, ASK_LIMIT)?;
        let (feed, known) = Feed::open(options, ASK_LIMIT)?;
        let mut forgotten = ForgottenSet::default();
        known.iter().for_each(|entry| forgotten.note(entry));
        let producer = producer(shared)?;
        let consumer: BaseConsumer<Context> = member(options, &options.association_group())
            .create_with_context(Context::default())
            .map_err(|error| options.error("connect", &error))?;
        require_room(options, &consumer)?;
        consumer
            .subscribe(&[&options.topic(Topic::Tracks)])
            .map_err(|error| options.error("subscribe", &error))?;
        Ok(Self {
            shared,
            producer,
            consumer,
            forwarder: Forwarder::connect(options)?,
            feed,
            forgotten,
            partitions: BTreeMap::new(),
            clock: Clock::now(),
            looked: Instant::now(),
        })
    }

    fn run(&mut self) -> Result<()> {
        loop {
            let is_last = self.shared.standing.must_stop();
            while let Some(entry) = self.feed.next()? {
                self.forgotten.note(&entry);
                for held in self.partitions.values_mut() {
                    let before = held.told.len();
                    held.partition.forget(&self.forgotten, &mut held.told);
                    held.is_uncommitted |= held.told.len() > before;
                    held.is_uncommitted |= held.partition.is_outline_due();
                }
            }
            let moved = !is_last && self.gather()?;
            if self.shared.is_finishing() && self.is_at_end() && !moved {
                for held in self.partitions.values_mut() {
                    held.partition.finish(&mut held.told);
                    held.is_uncommitted = true;
                }
                self.commit()?;
                self.shared.has_finished();
            }
            self.commit()?;
            if is_last {
                return Ok(());
            }
            self.look_if_due()?;
            self.clock.check(&self.shared.options.log, "join tracks")?;
            if !moved {
                std::thread::sleep(IDLE);
            }
        }
    }

    fn is_at_end(&self) -> bool {
        !self.partitions.is_empty() && self.partitions.values().all(|held| held.is_at_end)
    }

    /// Takes in a batch. Says whether there was any.
    fn gather(&mut self) -> Result<bool> {
        let begin = Instant::now();
        let mut count = 0;
        let mut has_dead = false;
        let most = self.shared.options.batch_records;
        while count < most && begin.elapsed() < BATCH_TIME {
            let polled = match self.consumer.poll(Duration::ZERO) {
                None => None,
                Some(Ok(message)) => Some(Ok(Arrived::of(&message))),
                Some(Err(KafkaError::PartitionEOF(partition))) => Some(Err(partition)),
                Some(Err(error)) => {
                    let is_final = is_final(&error);
                    let error = self.shared.options.log.error("read", &error);
                    if is_final {
                        return Err(error);
                    }
                    self.shared.standing.complain(&error);
                    None
                }
            };
            self.take_assignment()?;
            match polled {
                None => break,
                Some(Ok(arrived)) => {
                    has_dead |= self.take(&arrived)?;
                    count += 1;
                }
                Some(Err(ended)) => {
                    if let Some(held) = self.partitions.get_mut(&ended) {
                        held.is_at_end = true;
                    }
                }
            }
        }
        if has_dead {
            self.forwarder.confirm(ASK_LIMIT)?;
        }
        Ok(count > 0)
    }

    /// Takes one message in; whether it went to the dead letters.
    fn take(&mut self, arrived: &Arrived) -> Result<bool> {
        let Some(held) = self.partitions.get_mut(&arrived.partition) else {
            return Ok(false);
        };
        held.is_at_end = false;
        if arrived.offset < held.partition.next() {
            return Ok(false);
        }
        held.is_uncommitted = true;
        let mut taken = Taken::default();
        let payload = arrived.message.payload().unwrap_or_default();
        let outcome = match decode_track(payload) {
            Ok(message) => held.partition.take(
                Came::of(&arrived.message),
                message,
                &self.forgotten,
                &mut held.told,
                &mut taken,
            ),
            Err(error) => {
                held.partition.go_on_at(arrived.offset + 1);
                Err(error.to_string())
            }
        };
        let mut status = self.shared.standing.status();
        status.events += 1;
        status.sightings += taken.sightings;
        status.forgotten += taken.forgotten;
        status.ahead += taken.ahead;
        status.by_others += taken.by_others;
        status.words += taken.words;
        status.words_refused += taken.words_refused;
        status.dead += u64::from(outcome.is_err());
        drop(status);
        let Err(reason) = outcome else {
            return Ok(false);
        };
        let place = Place {
            topic: Topic::Tracks,
            partition: arrived.partition,
        };
        self.forwarder
            .lay_down(place, arrived.offset, &arrived.message, &reason)?;
        Ok(true)
    }

    /// Takes over what is assigned now, and lets go of what is not.
    fn take_assignment(&mut self) -> Result<()> {
        let has_changed = {
            let context = self.consumer.context();
            let mut flag = context
                .has_changed
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *flag)
        };
        if !has_changed {
            return Ok(());
        }
        let options = &self.shared.options.log;
        let failed = |error: KafkaError| options.error("share partitions", &error);
        let assignment = self.consumer.assignment().map_err(failed)?;
        let assigned: Vec<i32> = assignment
            .elements()
            .iter()
            .map(TopicPartitionListElem::partition)
            .collect();
        self.partitions
            .retain(|partition, _| assigned.contains(partition));
        let fresh: Vec<i32> = assigned
            .into_iter()
            .filter(|partition| !self.partitions.contains_key(partition))
            .collect();
        if !fresh.is_empty() {
            let committed = self.committed(&fresh)?;
            for (partition, committed) in committed {
                let begin = Instant::now();
                let joining = &self.shared.options.joining;
                let taken = take_over(options, joining, &self.forgotten, partition, committed)?;
                tracing::info!(
                    partition,
                    sites = taken.partition.sites(),
                    corrections = taken.corrections,
                    seconds = begin.elapsed().as_secs_f64(),
                    "a partition is joined here from now on"
                );
                let mut status = self.shared.standing.status();
                status.takeovers += 1;
                status.corrections += taken.corrections;
                drop(status);
                let held = Held {
                    is_uncommitted: !taken.told.is_empty(),
                    partition: taken.partition,
                    told: taken.told,
                    is_at_end: false,
                };
                self.partitions.insert(partition, held);
            }
        }
        self.shared.standing.status().partitions = self.partitions.len();
        Ok(())
    }

    /// What the group knows of partitions.
    fn committed(&self, partitions: &[i32]) -> Result<Vec<(i32, Committed)>> {
        let options = &self.shared.options.log;
        let failed = |error: KafkaError| options.error("ask what was taken in", &error);
        let name = options.topic(Topic::Tracks);
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition(&name, *partition);
        }
        // Waits for what another one has under way.
        let known = self
            .consumer
            .committed_offsets(list, COMMIT_LIMIT)
            .map_err(failed)?;
        let mut all = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let found = known
                .find_partition(&name, *partition)
                .ok_or_else(|| options.failed("ask what was taken in", "no answer".to_owned()))?;
            found.error().map_err(failed)?;
            let committed = match found.offset() {
                Offset::Offset(next) => Committed {
                    next: Some(next),
                    mark: Mark::read(found.metadata()),
                },
                _ => Committed::default(),
            };
            all.push((*partition, committed));
        }
        Ok(all)
    }

    /// Tells what was decided and commits what was taken in, all or nothing.
    fn commit(&mut self) -> Result<()> {
        if !self.partitions.values().any(|held| held.is_uncommitted) {
            return Ok(());
        }
        let result = self.transact();
        if result.is_err()
            && let Err(error) = self.producer.abort_transaction(ASK_LIMIT)
        {
            tracing::debug!(%error, "a transaction could not be given up; the brokers do it after a while");
        }
        result
    }

    fn transact(&mut self) -> Result<()> {
        const DOING: &str = "tell what was decided";
        let options = &self.shared.options.log;
        let failed = |error: KafkaError| options.error(DOING, &error);
        let metadata = self
            .consumer
            .group_metadata()
            .ok_or_else(|| options.failed(DOING, "no member of the group".to_owned()))?;
        self.producer.begin_transaction().map_err(failed)?;
        self.producer.context().outlines().clear();
        let mut marks: BTreeMap<i32, Mark> = BTreeMap::new();
        let mut decisions = 0;
        for (partition, held) in &mut self.partitions {
            if !held.is_uncommitted {
                continue;
            }
            for message in &held.told {
                send(&self.producer, options, *partition, message)?;
                let is_decision = matches!(
                    message.body,
                    PersonBody::Assigned(_) | PersonBody::Rename { .. }
                );
                decisions += u64::from(is_decision);
            }
            if held.partition.is_outline_due() {
                // After the decisions that they contain.
                let (messages, mark) = held.partition.outlines()?;
                for message in &messages {
                    send(&self.producer, options, *partition, message)?;
                }
                marks.insert(*partition, mark);
            }
        }
        self.producer.flush(COMMIT_LIMIT).map_err(failed)?;
        let lies = self.producer.context().outlines().clone();
        for (partition, mark) in &mut marks {
            mark.outline = *lies
                .get(partition)
                .ok_or_else(|| options.failed(DOING, "an outline was not taken".to_owned()))?;
        }
        let mut list = TopicPartitionList::new();
        let name = options.topic(Topic::Tracks);
        for (partition, held) in &self.partitions {
            if !held.is_uncommitted {
                continue;
            }
            let mut part = list.add_partition(&name, *partition);
            part.set_offset(Offset::Offset(held.partition.next()))
                .map_err(failed)?;
            let mark = marks.get(partition).copied().or(held.partition.mark());
            if let Some(mark) = mark {
                part.set_metadata(mark.words());
            }
        }
        self.producer
            .send_offsets_to_transaction(&list, &metadata, COMMIT_LIMIT)
            .map_err(failed)?;
        self.producer
            .commit_transaction(COMMIT_LIMIT)
            .map_err(failed)?;
        for (partition, held) in &mut self.partitions {
            if std::mem::take(&mut held.is_uncommitted) {
                held.told.clear();
            }
            if let Some(mark) = marks.get(partition) {
                held.partition.outlined(*mark);
            }
        }
        let mut status = self.shared.standing.status();
        status.decisions += decisions;
        status.trouble = None;
        Ok(())
    }

    /// Sees how much is left.
    fn look_if_due(&mut self) -> Result<()> {
        if self.looked.elapsed() < LOOK_EVERY {
            return Ok(());
        }
        self.looked = Instant::now();
        let options = &self.shared.options.log;
        let name = options.topic(Topic::Tracks);
        let mut behind = 0;
        for (partition, held) in &self.partitions {
            match self.consumer.fetch_watermarks(&name, *partition, ASK_LIMIT) {
                Ok((_, end)) => behind += (end - held.partition.next()).max(0).unsigned_abs(),
                Err(error) => {
                    self.shared
                        .standing
                        .complain(&options.error("ask where the log ends", &error));
                    return Ok(());
                }
            }
        }
        let held = self.partitions.values();
        let mut status = self.shared.standing.status();
        status.behind = behind;
        status.sites = held.clone().map(|held| held.partition.sites()).sum();
        status.late = held.map(|held| held.partition.late()).sum();
        status.is_level = behind == 0 && !self.partitions.is_empty();
        if status.is_level {
            status.trouble = None;
        }
        drop(status);
        self.shared.standing.notify();
        Ok(())
    }
}

/// A message as it came.
struct Arrived {
    partition: i32,
    offset: i64,
    message: rdkafka::message::OwnedMessage,
}

impl Arrived {
    fn of(message: &BorrowedMessage<'_>) -> Self {
        Self {
            partition: message.partition(),
            offset: message.offset(),
            message: message.detach(),
        }
    }
}

fn producer(shared: &Shared) -> Result<BaseProducer<Told>> {
    let options = &shared.options.log;
    let mut config = options.client();
    config
        .set("transactional.id", shared.transactional_id())
        .set("transaction.timeout.ms", TRANSACTION_MS)
        .set("enable.idempotence", "true")
        .set("acks", "all");
    for (name, value) in [
        ("compression.type", "zstd"),
        ("linger.ms", "5"),
        ("batch.size", BATCH_BYTES),
    ] {
        if !options.properties.contains_key(name) {
            config.set(name, value);
        }
    }
    let failed = |error: KafkaError| options.error("begin transactions", &error);
    let producer: BaseProducer<Told> = config
        .create_with_context(Told::default())
        .map_err(failed)?;
    producer.init_transactions(COMMIT_LIMIT).map_err(failed)?;
    Ok(producer)
}

fn send(
    producer: &BaseProducer<Told>,
    options: &LogOptions,
    partition: i32,
    message: &PersonMessage,
) -> Result<()> {
    let is_outline = matches!(message.body, PersonBody::Outline(_));
    let sequence = match &message.body {
        PersonBody::Assigned(assigned) => assigned.revision,
        PersonBody::Rename { revision, .. } => *revision,
        PersonBody::Said(_) | PersonBody::Ways(_) | PersonBody::Outline(_) => 0,
    };
    let message = of_decision(message, sequence)?;
    let topic = options.topic(message.topic);
    let mut record = BaseRecord::with_opaque_to(&topic, Box::new(is_outline))
        .partition(partition)
        .key(&message.key)
        .payload(&message.value)
        .headers(message.headers);
    let deadline = Instant::now() + COMMIT_LIMIT;
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((error, again))
                if error.rdkafka_error_code()
                    == Some(rdkafka::error::RDKafkaErrorCode::QueueFull)
                    && Instant::now() < deadline =>
            {
                record = again;
                producer.poll(Duration::from_millis(5));
            }
            Err((error, _)) => return Err(options.error("tell what was decided", &error)),
        }
    }
}

/// What is decided of a partition goes into the one of the same number.
fn require_room(options: &LogOptions, consumer: &BaseConsumer<Context>) -> Result<()> {
    let partitions = |topic| {
        let name = options.topic(topic);
        let metadata = consumer.fetch_metadata(Some(&name), ASK_LIMIT);
        let metadata = metadata.map_err(|error| options.error("look at the topics", &error))?;
        let found = metadata.topics().first();
        Ok::<_, Error>(found.map_or(0, |found| found.partitions().len()))
    };
    let (tracks, persons) = (partitions(Topic::Tracks)?, partitions(Topic::Persons)?);
    if persons < tracks {
        return Err(Error::LogPromise {
            brokers: options.brokers.join(","),
            what: format!(
                "{}: {persons} partitions, expected at least the {tracks} of {}",
                options.topic(Topic::Persons),
                options.topic(Topic::Tracks)
            ),
        });
    }
    Ok(())
}
