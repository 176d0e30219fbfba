//! What was known of the log, kept beside the store: so that a log that lost something is noticed.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use fs_err::File;
use serde::{Deserialize, Serialize};

use super::look::Look;
use super::topics::Topic;
use super::whole;
use crate::{Error, Result};

/// Name of the file in the store's folder.
const FILE: &str = "log.json";

/// The log as it was last seen.
#[derive(Debug, Default)]
pub(super) struct Known {
    path: PathBuf,
    seen: Seen,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    cluster: Option<String>,
    partitions: Vec<Partition>,
    /// Next heartbeat of each partition, where this store has all of them for itself; what is before is durable.
    #[serde(default)]
    heartbeats: whole::Next,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Partition {
    topic: Topic,
    partition: i32,
    /// Next offset that the group would have indexed.
    next: i64,
    /// Where it ended.
    end: i64,
}

/// Whether the store in this folder is filled from a log: then the log has to be told what is forgotten.
pub fn is_filled_from_log(dir: &Path) -> bool {
    dir.join(FILE).exists()
}

impl Known {
    /// Reads what is known in the folder of a store. A file that cannot be read is no reason to index nothing: it is told, and begun anew.
    pub(super) fn load(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        let seen = match fs_err::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).unwrap_or_else(|error| {
                tracing::warn!(
                    path = %path.display(), %error,
                    "what was known of the log cannot be read; what the log lost before this moment is not noticed"
                );
                Seen::default()
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Seen::default(),
            Err(error) => return Err(Error::io("read what is known of the log")(error)),
        };
        Ok(Self { path, seen })
    }

    /// Next heartbeats; see [`super::heartbeats`].
    pub(super) fn heartbeats(&self) -> &whole::Next {
        &self.seen.heartbeats
    }

    /// Heartbeats before these are durable.
    pub(super) fn keep_heartbeats(&mut self, next: whole::Next) -> Result<()> {
        self.seen.heartbeats.extend(next);
        self.keep()
    }

    /// Takes note of a look; returns how many messages, at least, are gone that nobody had indexed.
    pub(super) fn observe(&mut self, look: &Look) -> Result<u64> {
        let before = std::mem::take(&mut self.seen);
        let is_other =
            before.cluster.is_some() && look.cluster.is_some() && before.cluster != look.cluster;
        let known: BTreeMap<_, _> = before
            .partitions
            .iter()
            .map(|part| ((part.topic, part.partition), *part))
            .collect();
        let mut lost = 0;
        self.seen.cluster = look.cluster.clone().or_else(|| before.cluster.clone());
        self.seen.heartbeats.clone_from(&before.heartbeats);
        for (place, [begin, next, end]) in look.spans() {
            let (topic, partition) = (place.topic, place.partition);
            self.seen.partitions.push(Partition {
                topic,
                partition,
                next,
                end,
            });
            let Some(was) = known.get(&(topic, partition)) else {
                continue;
            };
            if is_other || end < was.end {
                if topic == Topic::Coverage {
                    self.seen.heartbeats.remove(&partition);
                }
                let gone = (was.end - was.next).max(0) as u64;
                lost += gone;
                tracing::error!(
                    ?topic,
                    partition,
                    ended = was.end,
                    ends = end,
                    lost = gone,
                    "the log began anew: what it held and nobody had indexed is lost"
                );
            } else if begin > was.next {
                let gone = (begin - was.next) as u64;
                lost += gone;
                tracing::error!(
                    ?topic,
                    partition,
                    expected = was.next,
                    begins = begin,
                    lost = gone,
                    "messages left the log before they were indexed: its retention is shorter than the outage was"
                );
            }
        }
        if self.seen != before {
            self.keep()?;
        }
        Ok(lost)
    }

    fn keep(&self) -> Result<()> {
        let what = "write what is known of the log";
        let text =
            serde_json::to_string(&self.seen).map_err(|error| Error::io(what)(error.into()))?;
        let part = self.path.with_extension("part");
        let mut file = File::create(&part).map_err(Error::io(what))?;
        file.write_all(text.as_bytes()).map_err(Error::io(what))?;
        // A power cut must not leave the new name with nothing in it.
        file.sync_data().map_err(Error::io(what))?;
        fs_err::rename(&part, &self.path).map_err(Error::io(what))
    }
}

#[cfg(test)]
mod tests {
    use super::super::lanes::Place;
    use super::super::look::tests::look;
    use super::*;

    #[test]
    fn what_is_gone_unread_is_counted_once_over_restarts() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Known::load(dir.path()).unwrap();
        assert_eq!(open().observe(&look(0, 40, Some(10))).unwrap(), 0);
        // Retention took 5 of the 30 that were left.
        assert_eq!(open().observe(&look(15, 40, Some(10))).unwrap(), 5);
        assert_eq!(open().observe(&look(15, 40, Some(10))).unwrap(), 0);
        // An empty disk: 25 were left.
        assert_eq!(open().observe(&look(0, 0, None)).unwrap(), 25);
        assert_eq!(open().observe(&look(0, 3, None)).unwrap(), 0);
        // Everything that was there had been indexed.
        assert_eq!(open().observe(&look(0, 3, Some(3))).unwrap(), 0);
        assert_eq!(open().observe(&look(0, 1, None)).unwrap(), 0);
    }

    #[test]
    fn heartbeats_of_a_log_that_began_anew_are_read_from_its_beginning() {
        let dir = tempfile::tempdir().unwrap();
        let mut known = Known::load(dir.path()).unwrap();
        let of_coverage = |cluster: &str, end| {
            let mut look = look(0, end, None);
            let spans = std::mem::take(&mut look.spans).into_values();
            let place = Place {
                topic: Topic::Coverage,
                partition: 0,
            };
            look.spans = spans.map(|span| (place, span)).collect();
            look.cluster = Some(cluster.to_owned());
            look
        };
        known.observe(&of_coverage("a", 9)).unwrap();
        known.keep_heartbeats([(0, 9)].into()).unwrap();
        known.observe(&of_coverage("a", 12)).unwrap();
        assert_eq!(known.heartbeats(), &[(0, 9)].into());
        known.observe(&of_coverage("a", 3)).unwrap();
        assert!(known.heartbeats().is_empty(), "an empty disk");
        known.keep_heartbeats([(0, 3)].into()).unwrap();
        known.observe(&of_coverage("b", 40)).unwrap();
        assert!(known.heartbeats().is_empty(), "another cluster");
    }

    #[test]
    fn another_cluster_is_another_log_however_far_it_has_come() {
        let dir = tempfile::tempdir().unwrap();
        let mut known = Known::load(dir.path()).unwrap();
        let of = |cluster: &str, look: Look| Look {
            cluster: Some(cluster.to_owned()),
            ..look
        };
        assert_eq!(known.observe(&of("a", look(0, 40, Some(38)))).unwrap(), 0);
        assert_eq!(known.observe(&of("b", look(0, 90, None))).unwrap(), 2);
        assert_eq!(known.observe(&look(0, 90, Some(90))).unwrap(), 0);
        fs_err::write(dir.path().join(FILE), "{").unwrap();
        let mut anew = Known::load(dir.path()).unwrap();
        assert_eq!(anew.observe(&look(0, 90, Some(90))).unwrap(), 0);
        assert_eq!(Known::load(dir.path()).unwrap().seen, anew.seen);
    }
}
