//! What the client says of itself beside its answers: why a broker cannot be reached.
//!
//! Its answers say "timed out" alone; that a password is wrong, or a certificate by somebody else, it tells beside them. The
//! last of that goes into our errors, and all of it stays out of our log.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, Producer as _, ProducerContext};

use super::options::LogOptions;

/// Remembers why the last connection failed.
#[derive(Debug, Default)]
pub(super) struct Ear {
    why: Mutex<Option<String>>,
}

impl Ear {
    /// Why the last connection failed, in one line; none when none did.
    pub(super) fn why(&self) -> Option<String> {
        let why = self.why.lock().unwrap_or_else(PoisonError::into_inner);
        why.clone()
    }
}

impl ClientContext for Ear {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, words: &str) {
        note(level, facility, words);
    }

    fn error(&self, error: KafkaError, words: &str) {
        tracing::debug!(%error, words, "what the client says of itself");
        // That all brokers are down says less than why each of them is.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            let why = Some(reason(words));
            *self.why.lock().unwrap_or_else(PoisonError::into_inner) = why;
        }
    }
}

impl ProducerContext for Ear {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}

impl ConsumerContext for Ear {}

/// Tries to reach the brokers once more, and listens why it fails.
pub(super) fn why(options: &LogOptions) -> Option<String> {
    const LIMIT: Duration = Duration::from_secs(3);
    let client: BaseProducer<Ear> = options.client().create_with_context(Ear::default()).ok()?;
    // Its answer is the one that says too little.
    client.client().fetch_metadata(None, LIMIT).err()?;
    let deadline = Instant::now() + LIMIT;
    while client.context().why().is_none() && Instant::now() < deadline {
        client.poll(Duration::from_millis(20));
    }
    client.context().why()
}

/// Whether a reader's fault needs a fresh client: mostly a client mends it alone.
pub(super) fn is_final(error: &KafkaError) -> bool {
    matches!(error, KafkaError::MessageConsumptionFatal(_))
        || matches!(
            error.rdkafka_error_code(),
            Some(
                RDKafkaErrorCode::UnknownTopic
                    | RDKafkaErrorCode::UnknownTopicOrPartition
                    | RDKafkaErrorCode::UnknownPartition
                    | RDKafkaErrorCode::TopicAuthorizationFailed
                    | RDKafkaErrorCode::GroupAuthorizationFailed
                    | RDKafkaErrorCode::FencedInstanceId
            )
        )
}

/// Takes down a line of the client's own log.
pub(super) fn note(level: RDKafkaLogLevel, facility: &str, words: &str) {
    tracing::debug!(?level, facility, words, "what the client says of itself");
}

/// A failed connection in one line: what it means, then the client's words without where they come from.
fn reason(words: &str) -> String {
    // `[thrd:...]: sasl_ssl://127.0.0.1:9093/bootstrap: WHAT (after 3ms in state ..., 2 identical error(s) suppressed)`
    let words = words
        .rsplit_once(" (after ")
        .map_or(words, |(before, _)| before);
    let words = ["bootstrap: ", "]: "].iter().fold(words, |words, mark| {
        words.split_once(mark).map_or(words, |(_, after)| after)
    });
    let words = words.lines().next().unwrap_or_default();
    let means = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
    let meaning = if means(&["SASL authentication error", "Authentication failed"]) {
        "the broker refuses the user name or the password"
    } else if means(&[
        "unsupported mechanism",
        "mechanism not supported",
        "Unsupported SASL",
    ]) {
        "the broker does not take this `sasl_mechanism`"
    } else if means(&["certificate verify failed"]) {
        "the broker's certificate is not by the authority in `ca_file`, or not for this address"
    } else if means(&["certificate required", "bad certificate", "unknown ca"]) {
        "the broker asks for a certificate that it knows: `certificate_file` and `key_file`"
    } else if means(&["PLAINTEXT broker listener", "incorrect security.protocol"]) {
        "the broker does not talk by `security` as it is set"
    } else {
        return words.to_owned();
    };
    format!("{meaning} ({words})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_connection_is_told_in_one_line_with_what_to_do() {
        for (words, told) in [
            (
                "[thrd:sasl_ssl://127.0.0.1:9093/bootstrap]: sasl_ssl://127.0.0.1:9093/bootstrap: SASL authentication error: \
                 Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-512 (after 8ms in \
                 state AUTH_REQ, 4 identical error(s) suppressed)",
                "the broker refuses the user name or the password (SASL authentication error: Authentication failed during \
                 authentication due to invalid credentials with SASL mechanism SCRAM-SHA-512)",
            ),
            (
                "[thrd:127.0.0.1:1/bootstrap]: 127.0.0.1:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in \
                 state CONNECT)",
                "Connect to ipv4#127.0.0.1:1 failed: Connection refused",
            ),
        ] {
            assert_eq!(reason(words), told);
        }
    }
}
