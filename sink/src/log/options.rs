//! How the log is reached, and what is expected of it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;

use super::topics::Topic;
use crate::{Error, Result};

/// How to reach the log and how its topics must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogOptions {
    /// Brokers to begin with, `HOST:PORT`.
    pub brokers: Vec<String>,
    /// Stands before the names of all topics and of the consumer group.
    pub prefix: String,
    /// Encryption; none: the connection is plain.
    pub tls: Option<Tls>,
    /// Log-in; none: nobody logs in.
    pub sasl: Option<Sasl>,
    /// What else is handed to the client, by its own names; never what the promise hangs on.
    pub properties: BTreeMap<String, String>,
    /// How the topics must be.
    pub topics: TopicOptions,
    /// The consumer group of the indexers, without the prefix.
    pub group: String,
    /// How indexers share partitions.
    pub group_protocol: GroupProtocol,
    /// Who joins tracks into persons.
    pub association: Association,
}

/// Encryption towards the brokers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Certificate authority of the brokers (PEM); none: the system's.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate (PEM) and its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// Log-in at the brokers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sasl {
    /// How the password is shown to the broker.
    pub mechanism: SaslMechanism,
    /// User name.
    pub username: String,
    /// Password.
    pub password: Password,
}

/// A password on its way to the client; cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

/// How a password is shown to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaslMechanism {
    /// As it is; over TLS only.
    Plain,
    /// Challenge and response by SHA-256.
    ScramSha256,
    /// Challenge and response by SHA-512.
    ScramSha512,
}

/// How members of a consumer group share partitions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GroupProtocol {
    /// The members decide, cooperatively: brokers of any version.
    #[default]
    Classic,
    /// The broker decides (KIP-848): Kafka 4.0 and later.
    Consumer,
}

/// Who joins tracks into persons.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Association {
    /// The indexer, of what it indexes itself.
    #[default]
    Indexer,
    /// Processes of their own, a site in one of them at a time; indexers follow what they decide.
    Service,
}

/// How the topics must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicOptions {
    /// Least number of partitions.
    pub partitions: u32,
    /// Least number of copies of each message.
    pub replication: u32,
    /// Least number of copies that must be safe before a message counts as sent.
    pub min_insync_replicas: u32,
    /// Hours for which messages are kept.
    pub retention_hours: u32,
}

impl Default for TopicOptions {
    fn default() -> Self {
        Self {
            partitions: 12,
            replication: 3,
            min_insync_replicas: 2,
            retention_hours: 168,
        }
    }
}

/// Properties of the client that belong to us: with another value the promise would not hold, or a
/// secret would stand where it can be read.
const OURS: [&str; 33] = [
    "acks",
    "allow.auto.create.topics",
    "auto.offset.reset",
    "bootstrap.servers",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.idempotence",
    "enable.partition.eof",
    "enable.sparse.connections",
    "group.id",
    "group.protocol",
    "isolation.level",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "message.timeout.ms",
    "delivery.timeout.ms",
    "metadata.broker.list",
    "partition.assignment.strategy",
    "partitioner",
    "queue.buffering.max.messages",
    "request.required.acks",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.config",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "ssl.certificate.pem",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.password",
    "transactional.id",
];

impl LogOptions {
    /// Options for these brokers, everything else at its default, and nothing encrypted.
    pub fn new(brokers: Vec<String>) -> Self {
        Self {
            brokers,
            prefix: String::new(),
            tls: None,
            sasl: None,
            properties: BTreeMap::new(),
            topics: TopicOptions::default(),
            group: "sightline-index".to_owned(),
            group_protocol: GroupProtocol::default(),
            association: Association::default(),
        }
    }

    /// Refuses options that cannot hold.
    ///
    /// # Errors
    ///
    /// [`Error::Options`], with what is wrong and what would be right.
    pub fn check(&self) -> Result<()> {
        let refused = |name, what: String| Err(Error::Options { name, what });
        if self.brokers.is_empty() {
            return refused("brokers", "none given, expected `HOST:PORT`".to_owned());
        }
        if let Some(name) = self
            .properties
            .keys()
            .find(|name| OURS.contains(&name.as_str()))
        {
            return refused(
                "properties",
                format!("`{name}` is set by sightline itself; take it out"),
            );
        }
        let is_plain = self
            .sasl
            .as_ref()
            .is_some_and(|sasl| sasl.mechanism == SaslMechanism::Plain);
        if is_plain && self.tls.is_none() {
            return refused(
                "sasl",
                "`plain` shows the password to everybody on the way; expected tls beside it"
                    .to_owned(),
            );
        }
        let topics = &self.topics;
        if topics.min_insync_replicas > topics.replication {
            return refused(
                "min_insync_replicas",
                format!(
                    "{} is more than the {} copies there are: nothing could ever be sent",
                    topics.min_insync_replicas, topics.replication
                ),
            );
        }
        Ok(())
    }

    /// The full name of a topic.
    pub fn topic(&self, topic: Topic) -> String {
        format!("{}{}", self.prefix, topic.base_name())
    }

    /// The full name of the consumer group.
    pub fn group(&self) -> String {
        format!("{}{}", self.prefix, self.group)
    }

    /// The full name of the consumer group of those who join tracks.
    pub(super) fn association_group(&self) -> String {
        format!("{}sightline-associate", self.prefix)
    }

    /// What every client of ours has in common.
    pub(super) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        config
            .set("bootstrap.servers", self.brokers.join(","))
            .set("allow.auto.create.topics", "false")
            .set("security.protocol", self.security_protocol());
        // Somebody who passes these knows his network better.
        for (name, value) in [
            ("client.id", "sightline"),
            ("reconnect.backoff.max.ms", "5000"),
            ("socket.keepalive.enable", "true"),
            ("topic.metadata.refresh.interval.ms", "30000"),
        ] {
            if !self.properties.contains_key(name) {
                config.set(name, value);
            }
        }
        if let Some(tls) = &self.tls {
            if let Some(path) = &tls.ca_file {
                config.set("ssl.ca.location", path.to_string_lossy());
            }
            if let Some((certificate, key)) = &tls.certificate {
                config.set("ssl.certificate.location", certificate.to_string_lossy());
                config.set("ssl.key.location", key.to_string_lossy());
            }
        }
        if let Some(sasl) = &self.sasl {
            config
                .set("sasl.mechanism", sasl.mechanism.as_str())
                .set("sasl.username", &sasl.username)
                .set("sasl.password", &sasl.password.0);
        }
        config
    }

    /// A client, with the client's own words when it refuses its options.
    pub(super) fn error(&self, doing: &'static str, error: &KafkaError) -> Error {
        let what = error.to_string();
        if let KafkaError::ClientConfig(_, description, key, _) = error {
            return Error::Options {
                name: "properties",
                what: format!("the kafka client refuses `{key}`: {description}"),
            };
        }
        self.failed(doing, what)
    }

    /// As [`LogOptions::error`], with why the brokers could not be reached, where the client said so.
    pub(super) fn heard(
        &self,
        doing: &'static str,
        error: &KafkaError,
        why: Option<String>,
    ) -> Error {
        match (self.error(doing, error), why) {
            (Error::Log { .. }, Some(why)) => self.failed(doing, why),
            (error, _) => error,
        }
    }

    pub(super) fn failed(&self, doing: &'static str, what: String) -> Error {
        Error::Log {
            brokers: self.brokers.join(","),
            doing,
            what,
        }
    }

    fn security_protocol(&self) -> &'static str {
        match (&self.tls, &self.sasl) {
            (None, None) => "PLAINTEXT",
            (None, Some(_)) => "SASL_PLAINTEXT",
            (Some(_), None) => "SSL",
            (Some(_), Some(_)) => "SASL_SSL",
        }
    }
}

impl Password {
    /// Takes a password in.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("[hidden]")
    }
}

impl SaslMechanism {
    fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> LogOptions {
        LogOptions::new(vec!["127.0.0.1:9092".to_owned()])
    }

    #[test]
    fn what_would_break_the_promise_is_refused() {
        assert!(options().check().is_ok());
        assert!(LogOptions::new(Vec::new()).check().is_err());
        for name in OURS {
            let mut options = options();
            options.properties.insert(name.to_owned(), "1".to_owned());
            let error = options.check().unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
        let mut few = options();
        few.topics.replication = 1;
        assert!(few.check().unwrap_err().to_string().contains("1 copies"));
    }

    #[test]
    fn a_password_goes_to_the_client_and_nowhere_else() {
        let mut options = options();
        let login = |mechanism| Sasl {
            mechanism,
            username: "edge-1".to_owned(),
            password: Password::new("hunter2-Zq"),
        };
        options.sasl = Some(login(SaslMechanism::Plain));
        let error = options.check().unwrap_err().to_string();
        assert!(error.contains("expected tls"), "{error}");
        options.sasl = Some(login(SaslMechanism::ScramSha512));
        assert!(options.check().is_ok());
        let config = options.client();
        assert_eq!(config.get("sasl.password"), Some("hunter2-Zq"));
        assert_eq!(config.get("security.protocol"), Some("SASL_PLAINTEXT"));
        options.tls = Some(Tls::default());
        assert_eq!(options.client().get("security.protocol"), Some("SASL_SSL"));
        assert!(!format!("{options:?}").contains("hunter2"));
    }

    #[test]
    fn a_property_that_the_client_does_not_know_is_told_by_name() {
        let mut options = options();
        options
            .properties
            .insert("linger.msec".to_owned(), "5".to_owned());
        let made = options
            .client()
            .create::<rdkafka::producer::BaseProducer>()
            .map(|_| ());
        let error = options.error("connect", &made.unwrap_err());
        assert!(matches!(error, Error::Options { .. }));
        assert!(error.to_string().contains("`linger.msec`"), "{error}");
    }
}
