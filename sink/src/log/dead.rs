//! Dead letters: messages that could not be indexed, with the reason and where they came from.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{
    BorrowedMessage, DeliveryResult, Header, Headers as _, OwnedHeaders, OwnedMessage,
};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use rdkafka::{ClientContext, Message, Offset, TopicPartitionList};
use serde::Serialize;

use super::ear;
use super::forgotten::Feed;
use super::lanes::Place;
use super::message::{Outgoing, event_of};
use super::options::LogOptions;
use super::topics::Topic;
use super::whole::reader;
use crate::event::{ForgottenSet, MAX_EVENT_BYTES};
use crate::{Event, Result};

/// Header that says why a message is dead.
const REASON: &str = "sightline_reason";
/// Header that says where it came from: `TOPIC/PARTITION/OFFSET`.
const ORIGIN: &str = "sightline_origin";
/// Header of a message of which only the beginning is laid down: how many bytes it had.
const BYTES: &str = "sightline_bytes";
/// No event is larger. Of a larger message so much is laid down, since nobody can index it ever.
const MOST_BYTES: usize = MAX_EVENT_BYTES;
/// Most bytes of a key, and of all headers of a message that somebody else put there.
const MOST_KEY: usize = 4096;
const MOST_HEADERS: usize = 16 * 1024;
/// Group that remembers which dead letters were tried again.
const GROUP: &str = "sightline-dead";

/// A dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    /// Its place among the dead letters.
    pub offset: i64,
    /// When it was laid there, Unix time in ms.
    pub time_ms: Option<i64>,
    /// Why it could not be indexed.
    pub reason: String,
    /// Where it came from: `TOPIC/PARTITION/OFFSET`.
    pub origin: String,
    /// Its key, as text.
    pub key: String,
    /// The length in bytes that it came with.
    pub bytes: usize,
    /// Only its beginning was kept: it is larger than any event can be, and is not tried again.
    pub is_cut: bool,
}

/// Counts what is on its way, and keeps the first failure.
#[derive(Default)]
struct Outcome(Mutex<(usize, Option<KafkaError>)>);

impl Outcome {
    fn locked(&self) -> std::sync::MutexGuard<'_, (usize, Option<KafkaError>)> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl ClientContext for Outcome {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, words: &str) {
        ear::note(level, facility, words);
    }
}

impl ProducerContext for Outcome {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let mut outcome = self.locked();
        outcome.0 = outcome.0.saturating_sub(1);
        if let Err((error, _)) = result {
            outcome.1.get_or_insert_with(|| error.clone());
        }
    }
}

/// Lays dead letters down, and forwards messages elsewhere.
pub(super) struct Forwarder {
    options: LogOptions,
    producer: BaseProducer<Outcome>,
}

impl Forwarder {
    pub(super) fn connect(options: &LogOptions) -> Result<Self> {
        let mut config = options.client();
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("partitioner", "murmur2_random")
            .set("message.timeout.ms", "30000");
        let producer = config
            .create_with_context(Outcome::default())
            .map_err(|error| options.error("connect", &error))?;
        Ok(Self {
            options: options.clone(),
            producer,
        })
    }

    /// Lays a message down as dead: whatever it is, in a size that the log takes.
    pub(super) fn lay_down(
        &self,
        place: Place,
        offset: i64,
        message: &OwnedMessage,
        reason: &str,
    ) -> Result<()> {
        let name = self.options.topic(place.topic);
        let origin = format!("{name}/{}/{offset}", place.partition);
        tracing::warn!(
            origin,
            reason,
            "a message cannot be indexed; it goes to the dead letters"
        );
        let headers = headers_without_ours(message)
            .insert(Header {
                key: REASON,
                value: Some(reason),
            })
            .insert(Header {
                key: ORIGIN,
                value: Some(&origin),
            });
        let topic = self.options.topic(Topic::Dead);
        let mut record = BaseRecord::<[u8], [u8]>::to(&topic).headers(headers);
        record.key = message.key().filter(|key| key.len() <= MOST_KEY);
        record.payload = message.payload();
        if let Some(payload) = message.payload().filter(|it| it.len() > MOST_BYTES) {
            record.payload = payload.get(..MOST_BYTES);
            let bytes = payload.len().to_string();
            let header = Header {
                key: BYTES,
                value: Some(&bytes),
            };
            record.headers = record.headers.map(|headers| headers.insert(header));
        }
        self.send_record(record)
    }

    /// Sends an event.
    pub(super) fn send_event(&self, message: Outgoing) -> Result<()> {
        let topic = self.options.topic(message.topic);
        let record = BaseRecord::<[u8], [u8]>::to(&topic)
            .key(message.key.as_bytes())
            .payload(&message.value)
            .headers(message.headers);
        self.send_record(record)
    }

    fn send(&self, topic: &str, message: &impl Message, headers: OwnedHeaders) -> Result<()> {
        let mut record = BaseRecord::<[u8], [u8]>::to(topic).headers(headers);
        record.key = message.key();
        record.payload = message.payload();
        self.send_record(record)
    }

    fn send_record(&self, mut record: BaseRecord<'_, [u8], [u8]>) -> Result<()> {
        const MOST_WAIT: Duration = Duration::from_secs(30);
        let deadline = Instant::now() + MOST_WAIT;
        self.producer.context().locked().0 += 1;
        loop {
            let Err((error, again)) = self.producer.send(record) else {
                return Ok(());
            };
            let is_full =
                error.rdkafka_error_code() == Some(rdkafka::types::RDKafkaErrorCode::QueueFull);
            if !is_full || Instant::now() > deadline {
                self.producer.context().locked().0 -= 1;
                return Err(self.options.error("send", &error));
            }
            record = again;
            self.producer.poll(Duration::from_millis(10));
        }
    }

    /// Waits until everything sent so far is safe in the log.
    pub(super) fn confirm(&self, limit: Duration) -> Result<()> {
        const DOING: &str = "send dead letters";
        let deadline = Instant::now() + limit;
        loop {
            let (waiting, failure) = {
                let mut outcome = self.producer.context().locked();
                (outcome.0, outcome.1.take())
            };
            if let Some(error) = failure {
                return Err(self.options.error(DOING, &error));
            }
            if waiting == 0 {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(self
                    .options
                    .failed(DOING, format!("{waiting} were not taken in time")));
            }
            self.producer.poll(Duration::from_millis(10));
        }
    }
}

fn headers_without_ours(message: &impl Message) -> OwnedHeaders {
    let mut headers = OwnedHeaders::new();
    if let Some(given) = message.headers() {
        // Forwards what it can: a flood of headers is not passed on.
        let mut bytes = 0;
        for header in given.iter().take(64) {
            bytes += header.key.len() + header.value.map_or(0, <[u8]>::len);
            if ![REASON, ORIGIN, BYTES].contains(&header.key) && bytes <= MOST_HEADERS {
                headers = headers.insert(header);
            }
        }
    }
    headers
}

/// Reads the dead letters: those that were not tried again yet, or all that the log still has.
///
/// # Errors
///
/// When the log cannot be reached or does not answer within `limit`.
pub fn dead_letters(options: &LogOptions, all: bool, limit: Duration) -> Result<Vec<DeadLetter>> {
    let mut letters = Vec::new();
    read(options, all, limit, |message| {
        letters.push(letter(message));
        Ok(())
    })?;
    Ok(letters)
}

/// Sends the dead letters that were not tried again yet back to where they came from, but for those about somebody
/// who is forgotten and those that are larger than any event; returns how many.
///
/// # Errors
///
/// When the log cannot be reached or does not answer within `limit`; some may have been sent then, and
/// are sent again the next time, which does no harm.
pub fn retry_dead_letters(options: &LogOptions, limit: Duration) -> Result<usize> {
    let forwarder = Forwarder::connect(options)?;
    let mut forgotten = ForgottenSet::default();
    let (_, entries) = Feed::open(options, limit)?;
    entries.iter().for_each(|entry| forgotten.note(entry));
    let mut count = 0;
    let (consumer, positions) = read(options, false, limit, |message| {
        let DeadLetter { origin, is_cut, .. } = letter(message);
        if is_cut {
            tracing::info!(
                origin,
                "a dead letter is larger than any event; it stays dead"
            );
            return Ok(());
        }
        if let Ok(Event::Sighting(sighting)) = event_of(message.payload())
            && forgotten.refuses(&sighting).is_some()
        {
            tracing::info!(
                origin,
                "a dead letter is about somebody who is forgotten; it stays dead"
            );
            return Ok(());
        }
        let topic = origin.split('/').next().unwrap_or_default();
        let known =
            [Topic::Sightings, Topic::Coverage, Topic::Tracks].map(|topic| options.topic(topic));
        if known.iter().any(|name| name == topic) {
            forwarder.send(topic, message, headers_without_ours(message))?;
            count += 1;
        } else {
            tracing::warn!(
                origin,
                "a dead letter does not say where it came from; it stays"
            );
        }
        Ok(())
    })?;
    forwarder.confirm(limit)?;
    consumer
        .commit(&positions, CommitMode::Sync)
        .map_err(|error| options.error("remember which dead letters were tried", &error))?;
    Ok(count)
}

/// Reads from where the last retry ended, or from the beginning, to the end as it is now.
fn read(
    options: &LogOptions,
    all: bool,
    limit: Duration,
    mut each: impl FnMut(&BorrowedMessage<'_>) -> Result<()>,
) -> Result<(BaseConsumer, TopicPartitionList)> {
    const DOING: &str = "read the dead letters";
    options.check()?;
    let deadline = Instant::now() + limit;
    let failed = |error: KafkaError| options.error(DOING, &error);
    let consumer: BaseConsumer = reader(options, GROUP).create().map_err(failed)?;
    let name = options.topic(Topic::Dead);
    let metadata = consumer
        .fetch_metadata(Some(&name), limit)
        .map_err(failed)?;
    let partitions = metadata
        .topics()
        .first()
        .map_or(0, |topic| topic.partitions().len());
    if partitions == 0 {
        return Err(options.failed(DOING, format!("topic `{name}` is not there")));
    }
    let mut positions = TopicPartitionList::new();
    let mut asked = TopicPartitionList::new();
    for partition in 0..partitions as i32 {
        asked.add_partition(&name, partition);
    }
    let committed = consumer.committed_offsets(asked, limit).map_err(failed)?;
    let mut ends = Vec::new();
    for partition in 0..partitions as i32 {
        let (low, high) = consumer
            .fetch_watermarks(&name, partition, limit)
            .map_err(failed)?;
        let from = committed
            .find_partition(&name, partition)
            .and_then(|found| match found.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            })
            // A log that began anew is read from its beginning.
            .filter(|offset| !all && (low..=high).contains(offset))
            .unwrap_or(low);
        positions
            .add_partition_offset(&name, partition, Offset::Offset(from))
            .map_err(failed)?;
        ends.push((from, high));
    }
    consumer.assign(&positions).map_err(failed)?;
    while ends.iter().any(|(from, high)| from < high) {
        if Instant::now() > deadline {
            return Err(options.failed(DOING, format!("not within {} s", limit.as_secs())));
        }
        match consumer.poll(Duration::from_millis(100)) {
            None => {}
            Some(Err(error)) => return Err(failed(error)),
            Some(Ok(message)) => {
                let end = usize::try_from(message.partition())
                    .ok()
                    .and_then(|at| ends.get_mut(at));
                let Some((from, high)) = end.filter(|(_, high)| message.offset() < *high) else {
                    continue;
                };
                each(&message)?;
                *from = (message.offset() + 1).min(*high);
            }
        }
    }
    let mut through = TopicPartitionList::new();
    for (partition, (from, _)) in ends.iter().enumerate() {
        through
            .add_partition_offset(&name, partition as i32, Offset::Offset(*from))
            .map_err(failed)?;
    }
    Ok((consumer, through))
}

fn letter(message: &BorrowedMessage<'_>) -> DeadLetter {
    let text = |name: &str| {
        let value = message.headers().and_then(|headers| {
            headers
                .iter()
                .filter(|header| header.key == name)
                .last()?
                .value
        });
        value.map_or_else(String::new, |value| {
            String::from_utf8_lossy(value).into_owned()
        })
    };
    let whole_bytes = text(BYTES).parse().ok();
    DeadLetter {
        offset: message.offset(),
        time_ms: message.timestamp().to_millis(),
        reason: text(REASON),
        origin: text(ORIGIN),
        key: String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned(),
        bytes: whole_bytes.unwrap_or(message.payload().unwrap_or_default().len()),
        is_cut: whole_bytes.is_some(),
    }
}
