//! `[kafka]`: the log between edge boxes and a site's indexers.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sightline_sink::log as sink;

use super::Purpose;
use super::document::{Blame, Document};
use super::fault::KeyPath;
use super::machine::at_least_one;
use super::secret::Secret;
use super::source::{PASSWORD_KEYS, PasswordFault, find_password};

/// `[kafka]`: with brokers, `run` and `replay` send what they see to Kafka, and `index` reads it into the store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KafkaConfig {
    /// Brokers to begin with, each `HOST:PORT`. Empty: no Kafka; this box indexes what it sees itself.
    pub brokers: Vec<String>,
    /// Stands before the names of all topics and groups, for clusters that are shared.
    pub prefix: String,
    /// Consumer group of the indexers of this site; those of one group share the work.
    #[schemars(length(min = 1))]
    pub group: String,
    /// How the indexers of a group share partitions.
    pub group_protocol: GroupProtocol,
    /// Who joins tracks into persons. With more than one indexer in a group it has to be `service`, on every machine.
    pub association: Association,
    /// How to reach the brokers.
    pub security: Security,
    /// Certificate authority of the brokers (PEM). Absent: the system's.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate (PEM), where brokers ask for one.
    pub certificate_file: Option<PathBuf>,
    /// Its private key (PEM).
    pub key_file: Option<PathBuf>,
    /// How the password is shown to the broker.
    pub sasl_mechanism: SaslMechanism,
    /// User name for `sasl_tls` and `sasl_plaintext`.
    pub username: Option<String>,
    /// Credential of systemd that holds the password.
    pub password_credential: Option<String>,
    /// File that holds the password: one line.
    pub password_file: Option<String>,
    /// Environment variable that holds the password.
    pub password_env: Option<String>,
    /// Least number of partitions of the topics: as many indexers can share the work.
    #[schemars(range(max = 10_000))]
    pub partitions: NonZeroU32,
    /// Least number of copies of each message.
    #[schemars(range(max = 100))]
    pub replication: NonZeroU32,
    /// Least number of copies that have to be safe before a sighting counts as sent.
    #[schemars(range(max = 100))]
    pub min_insync_replicas: NonZeroU32,
    /// Hours for which the log keeps messages: how long indexers may be away.
    #[schemars(range(max = 876_000))]
    pub retention_hours: NonZeroU32,
    /// Most sightings and heartbeats a second that this box sends, so that the backlog of an outage leaves room for
    /// others. Absent: as many as the log takes.
    #[schemars(range(max = 10_000_000))]
    pub most_per_second: Option<NonZeroU32>,
    /// More properties of the Kafka client, by its own names: `"socket.keepalive.enable" = "true"`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, String>,
    /// The password, once it was read.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    #[schemars(skip)]
    pub password: Option<Secret>,
}

impl Default for KafkaConfig {
    fn default() -> Self {
        let topics = sink::TopicOptions::default();
        Self {
            brokers: Vec::new(),
            prefix: String::new(),
            group: "sightline-index".to_owned(),
            group_protocol: GroupProtocol::Classic,
            association: Association::Indexer,
            security: Security::Tls,
            ca_file: None,
            certificate_file: None,
            key_file: None,
            sasl_mechanism: SaslMechanism::ScramSha512,
            username: None,
            password_credential: None,
            password_file: None,
            password_env: None,
            partitions: at_least_one(topics.partitions),
            replication: at_least_one(topics.replication),
            min_insync_replicas: at_least_one(topics.min_insync_replicas),
            retention_hours: at_least_one(topics.retention_hours),
            most_per_second: None,
            properties: BTreeMap::new(),
            password: None,
        }
    }
}

/// How to reach the brokers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(title = "security")]
pub enum Security {
    /// Encrypted.
    Tls,
    /// Encrypted, with user name and password.
    SaslTls,
    /// User name and password without encryption: for networks that nobody else is on.
    SaslPlaintext,
    /// Neither: for tests, and for networks that nobody else is on.
    Plaintext,
}

/// How a password is shown to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(title = "sasl mechanism")]
pub enum SaslMechanism {
    /// As it is; with `sasl_tls` only.
    Plain,
    /// Challenge and response by SHA-256.
    #[serde(rename = "scram-sha-256")]
    ScramSha256,
    /// Challenge and response by SHA-512.
    #[serde(rename = "scram-sha-512")]
    ScramSha512,
}

/// How the indexers of a group share partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(title = "group protocol")]
pub enum GroupProtocol {
    /// The members decide, cooperatively: brokers of any version.
    Classic,
    /// The brokers decide (KIP-848): Kafka 4.0 and later.
    Consumer,
}

/// Who joins tracks into persons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(title = "association")]
pub enum Association {
    /// The indexer: right where one of them has all tracks.
    Indexer,
    /// `sightline associate`, on as many machines as wanted: all tracks of a site in one of them at a time.
    Service,
}

impl KafkaConfig {
    /// Whether `sightline associate` joins the tracks of this site.
    #[must_use]
    pub fn has_association_service(&self) -> bool {
        self.is_used() && self.association == Association::Service
    }

    /// Whether there is a log at all.
    #[must_use]
    pub fn is_used(&self) -> bool {
        !self.brokers.is_empty()
    }

    /// The options that the sink takes.
    #[must_use]
    pub fn to_log_options(&self) -> sink::LogOptions {
        let has_login = matches!(self.security, Security::SaslTls | Security::SaslPlaintext);
        let is_encrypted = matches!(self.security, Security::Tls | Security::SaslTls);
        sink::LogOptions {
            brokers: self.brokers.clone(),
            prefix: self.prefix.clone(),
            tls: is_encrypted.then(|| sink::Tls {
                ca_file: self.ca_file.clone(),
                certificate: self.certificate_file.clone().zip(self.key_file.clone()),
            }),
            sasl: has_login.then(|| sink::Sasl {
                mechanism: match self.sasl_mechanism {
                    SaslMechanism::Plain => sink::SaslMechanism::Plain,
                    SaslMechanism::ScramSha256 => sink::SaslMechanism::ScramSha256,
                    SaslMechanism::ScramSha512 => sink::SaslMechanism::ScramSha512,
                },
                username: self.username.clone().unwrap_or_default(),
                password: sink::Password::new(
                    self.password
                        .as_ref()
                        .map_or("", |password| password.expose()),
                ),
            }),
            properties: self.properties.clone(),
            topics: sink::TopicOptions {
                partitions: self.partitions.get(),
                replication: self.replication.get(),
                min_insync_replicas: self.min_insync_replicas.get(),
                retention_hours: self.retention_hours.get(),
            },
            group: self.group.clone(),
            group_protocol: match self.group_protocol {
                GroupProtocol::Classic => sink::GroupProtocol::Classic,
                GroupProtocol::Consumer => sink::GroupProtocol::Consumer,
            },
            association: match self.association {
                Association::Indexer => sink::Association::Indexer,
                Association::Service => sink::Association::Service,
            },
        }
    }
}

/// What settling a section needs.
pub(super) struct Settling<'a> {
    pub(super) folder: &'a Path,
    pub(super) purpose: Purpose,
    pub(super) variable: &'a dyn Fn(&str) -> Option<String>,
    pub(super) document: &'a mut Document,
    pub(super) unchecked: &'a mut Vec<String>,
}

impl Settling<'_> {
    fn blame(&mut self, key: &str, problem: String, expected: Option<&str>) {
        self.document.blame(
            &KeyPath::of(&["kafka", key]),
            Blame {
                problem,
                expected: expected.map(str::to_owned),
                ..Blame::default()
            },
        );
    }

    /// Reads the password, makes paths whole, and blames what does not go together.
    pub(super) fn settle(&mut self, mut kafka: KafkaConfig) -> KafkaConfig {
        for path in [
            &mut kafka.ca_file,
            &mut kafka.certificate_file,
            &mut kafka.key_file,
        ] {
            *path = path.take().map(|path| self.folder.join(path));
        }
        if !kafka.is_used() {
            return kafka;
        }
        let bad = kafka.brokers.iter().find(|broker| !is_address(broker));
        if let Some(bad) = bad {
            let problem = format!("broker `{}` is no address", super::fault::shown(bad));
            self.blame("brokers", problem, Some("`HOST:PORT`"));
        }
        for (key, path) in [
            ("ca_file", &kafka.ca_file),
            ("certificate_file", &kafka.certificate_file),
            ("key_file", &kafka.key_file),
        ] {
            if path.as_ref().is_some_and(|path| !path.is_file()) && self.purpose != Purpose::Offline
            {
                self.blame(key, format!("{key} is not there"), Some("a PEM file"));
            }
        }
        if kafka.certificate_file.is_some() != kafka.key_file.is_some() {
            let missing = match kafka.key_file {
                None => "key_file",
                Some(_) => "certificate_file",
            };
            let problem = "a certificate and its key go together".to_owned();
            self.blame(missing, problem, Some("`certificate_file` and `key_file`"));
        }
        let has_login = matches!(kafka.security, Security::SaslTls | Security::SaslPlaintext);
        if has_login {
            if kafka.username.is_none() {
                let problem = "a log-in without a user name".to_owned();
                self.blame("username", problem, Some("`username = \"...\"`"));
            }
            kafka.password = self.password(&kafka);
        }
        let options = kafka.to_log_options();
        if let Err(sightline_sink::Error::Options { name, what }) = options.check() {
            let key = if name == "sasl" {
                "sasl_mechanism"
            } else {
                name
            };
            self.blame(key, what, None);
        }
        kafka
    }

    fn password(&mut self, kafka: &KafkaConfig) -> Option<Secret> {
        let given = [
            &kafka.password_credential,
            &kafka.password_file,
            &kafka.password_env,
        ];
        let found = find_password(given, self.folder, self.purpose, self.variable);
        match found {
            Ok(Some(password)) => Some(password),
            Ok(None) => {
                let problem = "a log-in without a password".to_owned();
                let expected = super::fault::one_of(&PASSWORD_KEYS);
                self.blame("password_credential", problem, Some(&expected));
                None
            }
            // Questions to a store need no broker; a command that does says so when it connects.
            Err(_) if self.purpose == Purpose::Offline => None,
            Err(PasswordFault::Unchecked) => {
                self.unchecked.push(
                    "kafka: the password's credential was not read, since systemd gave this process none".to_owned(),
                );
                None
            }
            Err(PasswordFault::Wrong {
                key,
                problem,
                expected,
            }) => {
                self.blame(key, problem, expected.as_deref());
                None
            }
        }
    }
}

fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let is_host = |letter: char| letter.is_ascii_alphanumeric() || "._-[]:".contains(letter);
    !host.is_empty() && host.chars().all(is_host) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Faults};

    fn read(text: &str, purpose: Purpose) -> Result<Config, Faults> {
        let text = format!("[store]\nfolder = \"s\"\n{text}");
        let variable = |name: &str| (name == "KAFKA").then(|| "hunter2-Zq".to_owned());
        Config::parse(&text, Path::new("edge.toml"), purpose, &variable)
    }

    #[test]
    fn brokers_with_a_login_become_options_and_the_password_is_printed_nowhere() {
        let config = read(
            "[kafka]\nbrokers = [\"a:9092\", \"b:9092\"]\nsecurity = \"sasl_tls\"\nusername = \"edge\"\npassword_env = \"KAFKA\"\n\
             [kafka.properties]\n\"socket.keepalive.enable\" = \"false\"\n",
            Purpose::Site,
        )
        .unwrap();
        let options = config.kafka.to_log_options();
        assert!(options.check().is_ok());
        assert_eq!(options.brokers, ["a:9092", "b:9092"]);
        assert_eq!(options.properties["socket.keepalive.enable"], "false");
        assert_eq!(
            options.sasl.unwrap().password,
            sink::Password::new("hunter2-Zq")
        );
        let printed = format!("{config:?}{}", config.to_effective_toml().unwrap());
        assert!(!printed.contains("hunter2"), "{printed}");
    }

    #[test]
    fn what_cannot_hold_is_refused_with_its_key() {
        for (text, words) in [
            ("brokers = [\"a\"]", "[kafka.brokers]"),
            ("brokers = [\"user:pass@a:9092\"]", "[kafka.brokers]"),
            ("brokers = [\"a:9092\"]\nreplication = 1", "1 copies"),
            (
                "brokers = [\"a:9092\"]\nsecurity = \"sasl_tls\"",
                "user name",
            ),
            (
                "brokers = [\"a:9092\"]\nsecurity = \"sasl_tls\"\nusername = \"e\"",
                "without a password",
            ),
            (
                "brokers = [\"a:9092\"]\nsecurity = \"sasl_plaintext\"\nsasl_mechanism = \"plain\"\nusername = \"e\"\npassword_env = \"KAFKA\"",
                "[kafka.sasl_mechanism]",
            ),
            (
                "brokers = [\"a:9092\"]\n[kafka.properties]\nacks = \"1\"",
                "`acks` is set by sightline itself",
            ),
            (
                "brokers = [\"a:9092\"]\ncertificate_file = \"x\"",
                "key_file",
            ),
            (
                "brokers = [\"a:9092\"]\npassword = \"hunter2-Zq\"",
                "password",
            ),
        ] {
            let faults = read(&format!("[kafka]\n{text}\n"), Purpose::Site).unwrap_err();
            let report = faults.to_string();
            assert!(report.contains(words), "{text}: {report}");
            assert!(!report.contains("hunter2"), "{report}");
        }
    }

    #[test]
    fn a_new_password_needs_a_restart() {
        let with = |password: &str| {
            let mut config = Config::built_in();
            config.kafka.password = Some(Secret::new(password.to_owned()));
            config
        };
        assert!(with("a").diff(&with("a")).is_empty());
        assert_eq!(
            with("a").diff(&with("b")).restart_required,
            ["kafka.password"]
        );
    }
}
