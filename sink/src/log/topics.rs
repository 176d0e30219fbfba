//! The topics: made, and held against what is promised.

use std::time::Duration;

use futures_executor::block_on;
use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::error::RDKafkaErrorCode;
use serde::{Deserialize, Serialize};

use super::ear::{self, Ear};
use super::options::{Association, LogOptions};
use super::producer::largest_batch;
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
    /// What is to be forgotten: read as a whole by everybody who writes sightings, and kept for ever.
    Forgotten,
    /// What those who join tracks take in; key: the site.
    Tracks,
    /// What they decide, by the partition of [`Topic::Tracks`] that it comes from; key: the site.
    Persons,
}

/// Time that one file of the log covers at most: messages leave it by files, so much later than their time is up.
const SEGMENT_MS: u64 = 24 * HOUR_MS;

/// What brokers take beyond that to look for files whose time is up, and to delete them.
const BROKERS_PERIODS: Duration = Duration::from_secs(600);

const HOUR_MS: u64 = 3_600_000;

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
    /// Hours after which a message is gone; none: never.
    pub gone_after_hours: Option<u64>,
    /// What breaks the promise, each with what would be right.
    pub problems: Vec<String>,
}

impl Topic {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Sightings,
        Self::Coverage,
        Self::Dead,
        Self::Forgotten,
        Self::Tracks,
        Self::Persons,
    ];

    /// Those that are wanted.
    pub(super) fn wanted(options: &LogOptions) -> Vec<Self> {
        let is_wanted = |topic: &Self| match topic {
            Self::Sightings | Self::Coverage | Self::Dead | Self::Forgotten => true,
            Self::Tracks | Self::Persons => options.association == Association::Service,
        };
        Self::ALL.into_iter().filter(is_wanted).collect()
    }

    /// The name without a prefix.
    pub fn base_name(self) -> &'static str {
        match self {
            Self::Sightings => "sightline.sightings.v1",
            Self::Coverage => "sightline.coverage.v1",
            Self::Dead => "sightline.dead.v1",
            Self::Forgotten => "sightline.forgotten.v1",
            Self::Tracks => "sightline.tracks.v1",
            Self::Persons => "sightline.persons.v1",
        }
    }

    /// Partitions that are wanted: one where messages are few, and are read in order.
    fn partitions(self, options: &LogOptions) -> u32 {
        match self {
            Self::Sightings | Self::Coverage | Self::Tracks | Self::Persons => {
                options.topics.partitions
            }
            Self::Dead | Self::Forgotten => 1,
        }
    }

    /// How long messages are wanted to be kept; none: for ever.
    fn retention_ms(self, options: &LogOptions) -> Option<u64> {
        match self {
            Self::Sightings | Self::Coverage | Self::Dead | Self::Tracks | Self::Persons => {
                Some(u64::from(options.topics.retention_hours) * HOUR_MS)
            }
            Self::Forgotten => None,
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
    let min_insync = wanted.min_insync_replicas.to_string();
    let named: Vec<_> = Topic::wanted(options)
        .into_iter()
        .map(|topic| {
            let retention_ms = topic.retention_ms(options);
            let segment_ms = retention_ms.map_or(SEGMENT_MS, |ms| ms.min(SEGMENT_MS));
            let retention_ms = retention_ms.map_or("-1".to_owned(), |ms| ms.to_string());
            let times = [retention_ms, segment_ms.to_string()];
            (topic, options.topic(topic), times)
        })
        .collect();
    let topics: Vec<_> = named
        .iter()
        .map(|(topic, name, [retention_ms, segment_ms])| {
            let partitions = i32::try_from(topic.partitions(options)).unwrap_or(i32::MAX);
            let copies = i32::try_from(wanted.replication).unwrap_or(i32::MAX);
            NewTopic::new(name, partitions, TopicReplication::Fixed(copies))
                .set("cleanup.policy", "delete")
                .set("retention.ms", retention_ms)
                .set("segment.ms", segment_ms)
                .set("message.timestamp.type", "LogAppendTime")
                .set("min.insync.replicas", &min_insync)
                .set("unclean.leader.election.enable", "false")
        })
        .collect();
    let made = block_on(admin.create_topics(&topics, &within(limit)))
        .map_err(|error| options.heard(DOING, &error, ear::why(options)))?;
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
        .map_err(|error| options.heard(DOING, &error, ear::why(options)))?;
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
    let wanted = Topic::wanted(options);
    let mut checks = Vec::with_capacity(wanted.len());
    for topic in wanted {
        let name = &options.topic(topic);
        let metadata = admin
            .inner()
            .fetch_metadata(Some(name), limit)
            .map_err(|error| options.heard(DOING, &error, ear::why(options)))?;
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
            gone_after_hours: None,
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
                .map_err(|error| options.heard(DOING, &error, ear::why(options)))?;
            let config = said
                .into_iter()
                .next()
                .ok_or_else(|| options.failed(DOING, format!("`{name}`: no answer")))?
                .map_err(|code| options.failed(DOING, format!("`{name}`: {code}")))?;
            judge(&mut check, &config, topic, options);
        }
        checks.push(check);
    }
    Ok(checks)
}

/// How long after it was sent the last message about somebody is in the log, as its topics are; none: for ever.
///
/// # Errors
///
/// As [`require_topics`].
pub(super) fn leaves_after(options: &LogOptions, limit: Duration) -> Result<Option<Duration>> {
    let checks = check_topics(options, limit)?;
    let forgotten = options.topic(Topic::Forgotten);
    let mut longest = Some(Duration::ZERO);
    for check in require(options, checks)? {
        if check.name != forgotten {
            let hours = check.gone_after_hours;
            let gone = hours.map(|hours| Duration::from_secs(hours.saturating_mul(3600)));
            longest = longest.zip(gone).map(|(longest, gone)| longest.max(gone));
        }
    }
    Ok(longest)
}

/// As [`check_topics`]; a broken promise is an error.
///
/// # Errors
///
/// As [`check_topics`]; [`Error::LogPromise`] with every topic that breaks the promise.
pub fn require_topics(options: &LogOptions, limit: Duration) -> Result<()> {
    require(options, check_topics(options, limit)?).map(drop)
}

fn require(options: &LogOptions, checks: Vec<TopicCheck>) -> Result<Vec<TopicCheck>> {
    let broken: Vec<_> = checks
        .iter()
        .filter(|check| !check.problems.is_empty())
        .map(TopicCheck::words)
        .collect();
    if broken.is_empty() {
        return Ok(checks);
    }
    Err(Error::LogPromise {
        brokers: options.brokers.join(","),
        what: broken.join(" | "),
    })
}

fn judge(check: &mut TopicCheck, config: &ConfigResource, topic: Topic, options: &LogOptions) {
    let (wanted, partitions) = (&options.topics, topic.partitions(options));
    let value = |name: &str| config.get(name).and_then(|entry| entry.value.clone());
    let number = |name: &str| value(name).and_then(|text| text.parse::<i64>().ok());
    let mut problems = Vec::new();
    if check.partitions < partitions as usize {
        problems.push(format!("expected at least {partitions} partitions"));
    }
    if topic == Topic::Forgotten && check.partitions > 1 {
        problems.push("expected 1 partition, since all of it is read in order".to_owned());
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
    let retention_ms = number("retention.ms").and_then(|ms| u64::try_from(ms).ok());
    let segment_ms = number("segment.ms").and_then(|ms| u64::try_from(ms).ok());
    let last_ms = BROKERS_PERIODS.as_millis() as u64;
    check.retention_hours = retention_ms.map(|ms| ms / HOUR_MS);
    check.gone_after_hours = retention_ms.zip(segment_ms).map(|(kept_ms, file_ms)| {
        let all_ms = kept_ms.saturating_add(file_ms).saturating_add(last_ms);
        all_ms.div_ceil(HOUR_MS)
    });
    match (retention_ms, topic.retention_ms(options)) {
        (Some(ms), Some(wanted_ms)) if ms < wanted_ms => problems.push(format!(
            "retention.ms: expected at least {} h",
            wanted.retention_hours
        )),
        (Some(_), None) => problems
            .push("retention.ms: expected -1, since what is forgotten would come back".to_owned()),
        (Some(_) | None, _) => {}
    }
    // By its own clock a box that stands in 1970 sends what is too old to be kept, and one that is ahead is refused.
    if value("message.timestamp.type").is_none_or(|kind| kind != "LogAppendTime") {
        problems.push(
            "message.timestamp.type: expected `LogAppendTime`, since a box with a wrong clock would lose what it sends"
                .to_owned(),
        );
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
    let room = i64::try_from(largest_batch(options)).unwrap_or(i64::MAX);
    if number("max.message.bytes").is_some_and(|bytes| bytes < room) {
        problems.push(format!(
            "max.message.bytes: expected at least {room}, since it holds for a whole batch and one that is larger is lost"
        ));
    }
    check.problems.append(&mut problems);
}

fn admin(options: &LogOptions) -> Result<AdminClient<Ear>> {
    options
        .client()
        .create_with_context(Ear::default())
        .map_err(|error| options.error("connect", &error))
}

fn within(limit: Duration) -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(limit))
        .operation_timeout(Some(limit))
}
