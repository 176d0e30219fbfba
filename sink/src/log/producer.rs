//! The client that sends: how it is set up, and what it says of messages.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use rdkafka::{ClientConfig, ClientContext};

use super::ear;
use super::message::Outgoing;
use super::options::LogOptions;
use crate::Result;
use crate::event::MAX_EVENT_BYTES;

/// Most records and bytes on their way to the log.
pub(super) const WINDOW: (usize, usize) = (4096, 32 << 20);

/// A message that the client holds.
pub(super) struct Sent {
    pub(super) sequence: u64,
    pub(super) bytes: usize,
    /// The same event once more, for others.
    pub(super) is_copy: bool,
}

/// What became of it.
pub(super) struct Delivered {
    pub(super) sequence: u64,
    pub(super) bytes: usize,
    pub(super) is_copy: bool,
    pub(super) outcome: Result<(), KafkaError>,
}

/// Gathers what the client says of messages.
#[derive(Default)]
pub(super) struct Reports {
    delivered: Mutex<Vec<Delivered>>,
}

impl Reports {
    fn locked(&self) -> MutexGuard<'_, Vec<Delivered>> {
        self.delivered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, words: &str) {
        ear::note(level, facility, words);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // What of it matters is told once by the session.
        tracing::debug!(%error, reason, "what the client says of itself");
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<Sent>;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: Box<Sent>) {
        let outcome = match result {
            Ok(_) => Ok(()),
            Err((error, message)) => {
                tracing::debug!(topic = message.topic(), %error, "a message was not taken");
                Err(error.clone())
            }
        };
        self.locked().push(Delivered {
            sequence: sent.sequence,
            bytes: sent.bytes,
            is_copy: sent.is_copy,
            outcome,
        });
    }
}

/// An idempotent producer: nothing twice and nothing out of order within one life of it.
pub(super) fn producer(options: &LogOptions) -> Result<BaseProducer<Reports>> {
    producer_config(options)
        .create_with_context(Reports::default())
        .map_err(|error| options.error("connect", &error))
}

/// Bytes of the messages that are sent as one, before they are compressed.
pub(super) const BATCH_BYTES: &str = "524288";

/// What the client sends as one at most by its own default, `message.max.bytes`.
const CLIENTS_BYTES: &str = "1000000";

/// Most bytes that the client may send as one: a topic refuses a whole batch that is larger than it takes.
pub(super) fn largest_batch(options: &LogOptions) -> usize {
    let asked = |name: &str, usual: &str| {
        let asked = options.properties.get(name);
        let bytes = asked.map_or(usual, String::as_str).parse();
        bytes.unwrap_or(usize::MAX)
    };
    let batch = asked("batch.size", BATCH_BYTES).min(asked("message.max.bytes", CLIENTS_BYTES));
    batch.max(2 * MAX_EVENT_BYTES)
}

fn producer_config(options: &LogOptions) -> ClientConfig {
    let mut config = options.client();
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        // The spool waits as long as it takes; a message that is given up would come twice.
        .set("message.timeout.ms", "0")
        // As every other client does it: the same key goes to the same partition.
        .set("partitioner", "murmur2_random")
        .set("queue.buffering.max.messages", (2 * WINDOW.0).to_string());
    for (name, value) in [
        ("compression.type", "zstd"),
        ("linger.ms", "20"),
        ("batch.size", BATCH_BYTES),
    ] {
        if !options.properties.contains_key(name) {
            config.set(name, value);
        }
    }
    config
}

/// What the client says of messages by now, without waiting: its own waits go by a clock that may be set back.
pub(super) fn reports(producer: &BaseProducer<Reports>) -> Vec<Delivered> {
    let mut known = 0;
    loop {
        // One event a call, which is about many messages.
        producer.poll(Duration::ZERO);
        let mut delivered = producer.context().locked();
        if delivered.len() == known {
            return std::mem::take(&mut *delivered);
        }
        known = delivered.len();
    }
}

/// Sends one message as fast as the client takes it.
pub(super) fn send_bare(
    producer: &BaseProducer<Reports>,
    options: &LogOptions,
    message: Outgoing,
) -> Result<()> {
    let topic = options.topic(message.topic);
    let sent = Box::new(Sent {
        sequence: 0,
        bytes: 0,
        is_copy: false,
    });
    let mut record = BaseRecord::with_opaque_to(&topic, sent)
        .key(&message.key)
        .payload(&message.value)
        .headers(message.headers);
    loop {
        match producer.send(record) {
            Ok(()) => break,
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                record = again;
                producer.poll(Duration::from_millis(5));
            }
            Err((error, _)) => return Err(options.error("send", &error)),
        }
    }
    producer.poll(Duration::ZERO);
    Ok(())
}

/// Whether another try with the same message must fail again.
pub(super) fn is_about_the_message(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::MessageSizeTooLarge
                | RDKafkaErrorCode::InvalidMessageSize
                | RDKafkaErrorCode::InvalidRecord
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The client refuses what it was not built with when it is made.
    #[test]
    fn batches_are_compressed_with_zstd_unless_somebody_wants_it_otherwise() {
        let mut options = LogOptions::new(vec!["127.0.0.1:1".to_owned()]);
        let compression = |options: &LogOptions| {
            let config = producer_config(options);
            config.get("compression.type").map(str::to_owned)
        };
        assert_eq!(compression(&options).as_deref(), Some("zstd"));
        producer(&options).unwrap();
        let property = ("compression.type".to_owned(), "gzip".to_owned());
        options.properties.extend([property]);
        assert_eq!(compression(&options).as_deref(), Some("gzip"));
        producer(&options).unwrap();
        let property = ("compression.type".to_owned(), "brotli".to_owned());
        options.properties.extend([property]);
        assert!(producer(&options).is_err());
    }
}
