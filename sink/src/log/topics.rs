//! The topics: made, and held against what is promised.

use std::time::Duration;

use futures_executor::block_on;
use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::RDKafkaErrorCode;
use serde::{Deserialize, Serialize};

use super::options::LogOptions;
use crate::event::MAX_EVENT_BYTES;
use crate::{Error, Result};

/// A kind of message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Topic {
    /// Sightings; key: the track.
    Sightings,
    /// Heartbeats of cameras; key: the camera.
    Coverage,
    /// Messages that could not be indexed, each with its reason.
    Dead,
}

/// What was found of one topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TopicCheck {
    /// Its full name.
    pub name: String,
    /// Partitions; 0 when it is not there.
    pub partitions: usize,
    /// Copies of each message, of the partition that has the fewest.
    pub replication: usize,
    /// Copies that must be safe before a message counts as sent.
    pub min_insync_replicas: Option<u32>,
    /// Hours for which messages are kept; none: for ever.
    pub retention_hours: Option<u64>,
    /// What breaks the promise, each with what would be right.
    pub problems: Vec<String>,
}

impl Topic {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sightings, Self::Coverage, Self::Dead];

    /// The name without a prefix.
    pub fn base_name(self) -> &'static str {
        match self {
            Self::Sightings => "sightline.sightings.v1",
            Self::Coverage => "sightline.coverage.v1",
            Self::Dead => "sightline.dead.v1",
        }
    }

    /// Partitions that are wanted: dead letters are few, and are read in order.
    fn partitions(self, options: &LogOptions) -> u32 {
        match self {
            Self::Sightings | Self::Coverage => options.topics.partitions,
            Self::Dead => 1,
        }
    }
}

impl TopicCheck {
    /// One line: what there is, and what is wrong with it.
    pub fn words(&self) -> String {
        if self.partitions == 0 {
            return format!("{}: {}", self.name, self.problems.join("; "));
        }
        let retention = self
            .retention_hours
            .map_or("for ever".to_owned(), |hours| format!("{hours} h"));
        let min_insync = self
            .min_insync_replicas
            .map_or("?".to_owned(), |count| count.to_string());
        let mut text = format!(
            "{}: {} partitions, {} copies, {min_insync} of them in sync at least, kept {retention}",
            self.name, self.partitions, self.replication
        );
        for problem in &self.problems {
            text.push_str("; ");
            text.push_str(problem);
        }
        text
    }
}

/// Makes the topics that are not there; says of each whether it was made.
///
/// # Errors
///
/// When the log cannot be reached or refuses.
pub fn create_topics(options: &LogOptions, limit: Duration) -> Result<Vec<(String, bool)>> {
    const DOING: &str = "make the topics";
    options.check()?;
    let admin = admin(options)?;
    let wanted = &options.topics;
    let retention_ms = (u64::from(wanted.retention_hours) * 3_600_000).to_string();
    let min_insync = wanted.min_insync_replicas.to_string();
    let names = Topic::ALL.map(|topic| (topic, options.topic(topic)));
    let topics: Vec<_> = names
        .iter()
        .map(|(topic, name)| {
            let partitions = i32::try_from(topic.partitions(options)).unwrap_or(i32::MAX);
            let copies = i32::try_from(wanted.replication).unwrap_or(i32::MAX);
            NewTopic::new(name, partitions, TopicReplication::Fixed(copies))
                .set("cleanup.policy", "delete")
                .set("retention.ms", &retention_ms)
                .set("min.insync.replicas", &min_insync)
                .set("unclean.leader.election.enable", "false")
        })
        .collect();
    let made = block_on(admin.create_topics(&topics, &within(limit)))
        .map_err(|error| options.error(DOING, &error))?;
    made.into_iter()
        .map(|made| match made {
            Ok(name) => Ok((name, true)),
            Err((name, RDKafkaErrorCode::TopicAlreadyExists)) => Ok((name, false)),
            Err((name, code)) => Err(options.failed(DOING, format!("`{name}`: {code}"))),
        })
        .collect()
}

/// Removes the topics and all they hold: for those that a test or a measurement made.
///
/// # Errors
///
/// When the log cannot be reached or refuses.
pub fn delete_topics(options: &LogOptions, limit: Duration) -> Result<()> {
    const DOING: &str = "remove the topics";
    let admin = admin(options)?;
    let names = Topic::ALL.map(|topic| options.topic(topic));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let gone = block_on(admin.delete_topics(&names, &within(limit)))
        .map_err(|error| options.error(DOING, &error))?;
    for gone in gone {
        match gone {
            Ok(_) | Err((_, RDKafkaErrorCode::UnknownTopicOrPartition)) => {}
            Err((name, code)) => return Err(options.failed(DOING, format!("`{name}`: {code}"))),
        }
    }
    Ok(())
}

/// Looks at the topics and holds them against the promise.
///
/// # Errors
///
/// When the log cannot be reached or refuses to say. A broken promise is no error here: see
/// [`TopicCheck::problems`].
pub fn check_topics(options: &LogOptions, limit: Duration) -> Result<Vec<TopicCheck>> {
    const DOING: &str = "look at the topics";
    options.check()?;
    let admin = admin(options)?;
    let names = Topic::ALL.map(|topic| options.topic(topic));
    let mut checks = Vec::with_capacity(names.len());
    for (topic, name) in Topic::ALL.into_iter().zip(&names) {
        let metadata = admin
            .inner()
            .fetch_metadata(Some(name), limit)
            .map_err(|error| options.error(DOING, &error))?;
        let found = metadata.topics().first();
        let partitions = found.map_or(0, |found| found.partitions().len());
        let replication = found.and_then(|found| {
            let copies = found.partitions().iter().map(|part| part.replicas().len());
            copies.min()
        });
        let mut check = TopicCheck {
            name: name.clone(),
            partitions,
            replication: replication.unwrap_or(0),
            min_insync_replicas: None,
            retention_hours: None,
            problems: Vec::new(),
        };
        if partitions == 0 {
            check.problems.push(
                "it is not there: `sightline topics create` makes it; if it was there before, what it held is lost"
                    .to_owned(),
            );
        } else {
            let asked = [ResourceSpecifier::Topic(name)];
            let said = block_on(admin.describe_configs(&asked, &within(limit)))
                .map_err(|error| options.error(DOING, &error))?;
            let config = said
                .into_iter()
                .next()
                .ok_or_else(|| options.failed(DOING, format!("`{name}`: no answer")))?
                .map_err(|code| options.failed(DOING, format!("`{name}`: {code}")))?;
            judge(&mut check, &config, topic.partitions(options), options);
        }
        checks.push(check);
    }
    Ok(checks)
}

/// As [`check_topics`]; a broken promise is an error.
///
/// # Errors
///
/// As [`check_topics`]; [`Error::LogPromise`] with every topic that breaks the promise.
pub fn require_topics(options: &LogOptions, limit: Duration) -> Result<()> {
    let checks = check_topics(options, limit)?;
    let broken: Vec<_> = checks
        .iter()
        .filter(|check| !check.problems.is_empty())
        .map(TopicCheck::words)
        .collect();
    if broken.is_empty() {
        return Ok(());
    }
    Err(Error::LogPromise {
        brokers: options.brokers.join(","),
        what: broken.join(" | "),
    })
}

fn judge(check: &mut TopicCheck, config: &ConfigResource, partitions: u32, options: &LogOptions) {
    let wanted = &options.topics;
    let value = |name: &str| config.get(name).and_then(|entry| entry.value.clone());
    let number = |name: &str| value(name).and_then(|text| text.parse::<i64>().ok());
    let mut problems = Vec::new();
    if check.partitions < partitions as usize {
        problems.push(format!("expected at least {partitions} partitions"));
    }
    if check.replication < wanted.replication as usize {
        problems.push(format!("expected at least {} copies", wanted.replication));
    }
    check.min_insync_replicas =
        number("min.insync.replicas").and_then(|count| u32::try_from(count).ok());
    if check.min_insync_replicas < Some(wanted.min_insync_replicas) {
        problems.push(format!(
            "min.insync.replicas: expected at least {}",
            wanted.min_insync_replicas
        ));
    }
    if check
        .min_insync_replicas
        .is_some_and(|least| least as usize > check.replication)
    {
        problems.push("min.insync.replicas is more than the copies there are".to_owned());
    }
    let retention_ms = number("retention.ms");
    check.retention_hours = retention_ms
        .and_then(|ms| u64::try_from(ms).ok())
        .map(|ms| ms / 3_600_000);
    if check
        .retention_hours
        .is_some_and(|hours| hours < u64::from(wanted.retention_hours))
    {
        problems.push(format!(
            "retention.ms: expected at least {} h",
            wanted.retention_hours
        ));
    }
    // A bound in bytes drops what nobody has read, whatever its age.
    if number("retention.bytes").is_some_and(|bytes| bytes >= 0) {
        problems.push("retention.bytes: expected -1, since it drops messages unread".to_owned());
    }
    if value("cleanup.policy").is_none_or(|policy| policy != "delete") {
        problems.push(
            "cleanup.policy: expected `delete`, since `compact` keeps one sighting a track".into(),
        );
    }
    if value("unclean.leader.election.enable").is_some_and(|is_on| is_on == "true") {
        problems.push(
            "unclean.leader.election.enable: expected `false`, since `true` drops what was promised safe"
                .to_owned(),
        );
    }
    let room = (2 * MAX_EVENT_BYTES) as i64;
    if number("max.message.bytes").is_some_and(|bytes| bytes < room) {
        problems.push(format!("max.message.bytes: expected at least {room}"));
    }
    check.problems.append(&mut problems);
}

fn admin(options: &LogOptions) -> Result<AdminClient<DefaultClientContext>> {
    options
        .client()
        .create()
        .map_err(|error| options.error("connect", &error))
}

fn within(limit: Duration) -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(limit))
        .operation_timeout(Some(limit))
}
