//! Membership in the consumer group, and what is owed to it when partitions move.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError, Weak};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, Rebalance};
use rdkafka::error::KafkaError;
use rdkafka::{ClientConfig, ClientContext, Offset, TopicPartitionList};

use super::lanes::Place;
use super::options::{GroupProtocol, LogOptions};
use super::receiver::Shared;
use super::topics::Topic;
use super::{ear, whole};
use crate::Result;

/// Longest wait for a commit that another thread began: a broker that has just gone may never answer it.
const COMMIT_LIMIT: Duration = Duration::from_secs(10);
/// Longest wait until partitions are given back.
const LEAVE_LIMIT: Duration = Duration::from_secs(5);

/// Next offset to read, by partition.
pub(super) type Positions = BTreeMap<Place, i64>;

/// What rebalancing, which happens within a poll, needs to know.
pub(super) struct Context {
    shared: Arc<Shared>,
    /// The consumer that this belongs to.
    consumer: OnceLock<Weak<BaseConsumer<Context>>>,
    shift: Mutex<Shift>,
    /// One commit at a time: an earlier one must not come after a later one.
    commit: Mutex<()>,
}

/// What moves between reading and the group.
#[derive(Default)]
pub(super) struct Shift {
    /// Applied and not committed yet.
    pub(super) pending: Positions,
    /// Partitions came or went.
    pub(super) has_changed: bool,
    /// The member leaves, and has committed what it could.
    is_leaving: bool,
    /// Queues of partitions that came. They hold the consumer, so whoever has it takes them out before it ends.
    pub(super) queues: BTreeMap<Place, PartitionQueue<Context>>,
}

impl Context {
    fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::clone(shared),
            consumer: OnceLock::new(),
            shift: Mutex::default(),
            commit: Mutex::default(),
        }
    }

    pub(super) fn shift(&self) -> MutexGuard<'_, Shift> {
        self.shift.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing is committed by others of this process while this is held. None while a commit gets no answer.
    pub(super) fn commit_lock(&self) -> Option<MutexGuard<'_, ()>> {
        let end = Instant::now() + COMMIT_LIMIT;
        loop {
            match self.commit.try_lock() {
                Ok(lock) => return Some(lock),
                Err(TryLockError::Poisoned(lock)) => return Some(lock.into_inner()),
                Err(TryLockError::WouldBlock) if Instant::now() >= end => return None,
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    /// Makes what was applied durable and commits it. From any thread; more may be applied meanwhile.
    pub(super) fn commit(&self, consumer: &BaseConsumer<Self>) -> Result<()> {
        let options = &self.shared.options.log;
        let Some(_commit) = self.commit_lock() else {
            let what = "an earlier commit has no answer yet".to_owned();
            return Err(options.failed("commit", what));
        };
        let mut pending = self.shift().pending.clone();
        if pending.is_empty() {
            return Ok(());
        }
        self.shared.store.flush()?;
        // Partitions that went meanwhile are not this one's to speak of.
        pending.retain(|place, _| self.shift().pending.contains_key(place));
        let failed = |error: KafkaError| options.error("commit", &error);
        let mut list = TopicPartitionList::new();
        let mut own = whole::Next::new();
        for (place, next) in &pending {
            if place.topic == Topic::Coverage && self.shared.store.is_shared() {
                own.insert(place.partition, *next);
                continue;
            }
            let topic = options.topic(place.topic);
            let mut part = list.add_partition(&topic, place.partition);
            part.set_offset(Offset::Offset(*next)).map_err(failed)?;
            part.set_metadata(&self.shared.claim);
        }
        if !own.is_empty() {
            self.shared.known().keep_heartbeats(own)?;
        }
        if list.count() > 0 {
            consumer.commit(&list, CommitMode::Sync).map_err(failed)?;
        }
        // What was applied meanwhile stays pending.
        self.shift()
            .pending
            .retain(|place, next| pending.get(place) != Some(next));
        Ok(())
    }
}

impl Context {
    /// Gives partitions that come queues of their own. Before they are assigned: what came for them before that would lie in the
    /// queue of all, be read after what is newer, and be lost when the newer is committed.
    fn split(&self, came: &TopicPartitionList) {
        let Some(consumer) = self.consumer.get().and_then(Weak::upgrade) else {
            return;
        };
        for place in self.places(came) {
            let topic = self.shared.options.log.topic(place.topic);
            // None only for a topic that no log has; the session misses it.
            if let Some(queue) = consumer.split_partition_queue(&topic, place.partition) {
                self.shift().queues.insert(place, queue);
            }
        }
    }

    /// Partitions of this log among these.
    pub(super) fn places(&self, list: &TopicPartitionList) -> Vec<Place> {
        let options = &self.shared.options.log;
        let parts = list.elements();
        let found = parts.iter().filter_map(|part| {
            let mut all = Topic::ALL.into_iter();
            let topic = all.find(|topic| options.topic(*topic) == part.topic())?;
            let partition = part.partition();
            Some(Place { topic, partition })
        });
        found.collect()
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, words: &str) {
        ear::note(level, facility, words);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // The end of a partition is no fault; what is one is told by the session.
        tracing::debug!(%error, reason, "what the client says of itself");
    }
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let is_leaving = {
            let mut shift = self.shift();
            shift.has_changed = true;
            shift.is_leaving
        };
        let revoked = match rebalance {
            // Nobody would read a queue any more, nor take it out: the consumer would never end.
            Rebalance::Assign(_) if is_leaving => return,
            Rebalance::Assign(came) => return self.split(came),
            Rebalance::Revoke(revoked) => revoked,
            Rebalance::Error(_) => return,
        };
        // Whoever reads on begins where this one ended; what cannot be committed is read again.
        if !is_leaving
            && !consumer.assignment_lost()
            && let Err(error) = self.commit(consumer)
        {
            tracing::info!(%error, "what was read last will be read again by another indexer");
        }
        let mut shift = self.shift();
        for place in self.places(revoked) {
            shift.pending.remove(&place);
        }
    }
}

/// A member of the group, not subscribed yet.
pub(super) fn consumer(
    options: &LogOptions,
    shared: &Arc<Shared>,
) -> Result<Arc<BaseConsumer<Context>>> {
    let consumer: BaseConsumer<Context> = member(options, &options.group())
        .create_with_context(Context::new(shared))
        .map_err(|error| options.error("connect", &error))?;
    let consumer = Arc::new(consumer);
    let itself = &consumer.context().consumer;
    itself.get_or_init(|| Arc::downgrade(&consumer));
    Ok(consumer)
}

/// Leaves the group, although somebody else still holds the consumer: it would stay a member, with its partitions, until the client
/// finds that nobody asks it for anything any more, which takes minutes.
pub(super) fn leave(consumer: &BaseConsumer<Context>) {
    consumer.context().shift().is_leaving = true;
    consumer.unsubscribe();
    let end = Instant::now() + LEAVE_LIMIT;
    let has_some = || consumer.assignment().is_ok_and(|left| left.count() > 0);
    while has_some() && Instant::now() < end {
        // The client asks within a poll to give them back.
        drop(consumer.poll(Duration::from_millis(10)));
    }
}

/// How a member of a group is set up.
pub(super) fn member(options: &LogOptions, group: &str) -> ClientConfig {
    let mut config = options.client();
    config
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "earliest")
        .set("enable.partition.eof", "true");
    let mut defaults = vec![
        ("fetch.wait.max.ms", "100"),
        // Soon again when a full queue has emptied: a partition that is waited for holds the others up.
        ("fetch.queue.backoff.ms", "10"),
        // For each partition, since each has a queue of its own.
        ("queued.max.messages.kbytes", "2048"),
    ];
    match options.group_protocol {
        GroupProtocol::Classic => {
            config.set("partition.assignment.strategy", "cooperative-sticky");
            defaults.push(("session.timeout.ms", "10000"));
        }
        GroupProtocol::Consumer => {
            config.set("group.protocol", "consumer");
        }
    }
    for (name, value) in defaults {
        if !options.properties.contains_key(name) {
            config.set(name, value);
        }
    }
    config
}
