//! Tracks of all cameras into persons: who was seen where, and why it is thought so.
//!
//! # Layout
//!
//! - `options`: how it works
//! - [`map`]: what is known of the site
//! - `track`, `vectors`: what is known of a track
//! - `transit`: walking times, learned; `zones`: where people go out and come in, learned; `bits`: counts on disk
//! - `evidence`: what speaks for two tracks being one person, `pairs`: what was found of it
//! - `person`: what a set of tracks is worth as one person
//! - `centres`, `glances`, `candidates`, `settle`: finding the arrangement that is worth most
//! - `word`: what people said
//! - `waiting`, [`associator`]: sightings in event time into decisions; [`event`]: the decisions
//! - `renamed`: ids that are no more, and where they lead
//! - [`book`]: all of it on disk, so that a restart goes on where it stopped
//! - `outline`: all of it but what the log holds, so that another machine goes on where this one stopped
//! - `wire`: the decisions as messages; `follow`: what readers of these know

pub mod associator;
mod bits;
pub mod book;
mod candidates;
mod centres;
pub mod event;
pub mod evidence;
mod follow;
mod glances;
pub mod map;
mod options;
mod outline;
mod pairs;
mod person;
mod renamed;
mod settle;
#[cfg(test)]
pub(crate) mod tests;
mod track;
mod transit;
mod vectors;
mod waiting;
pub(crate) mod wire;
mod word;
mod zones;

pub use associator::Associator;
pub(crate) use associator::is_too_far_ahead;
pub use book::{PersonBook, PersonRecord};
pub use event::{Assigned, Join, PersonEvent, RunnerUp};
pub use evidence::Calibration;
pub use follow::FollowCounts;
pub(crate) use follow::Followed;
pub use map::{CameraPlace, SiteMap, Way};
pub use options::{AssociationCounts, AssociationOptions};
pub(crate) use outline::{Outline, Refill};
pub(crate) use track::{APPEARANCE, Looks};
pub use transit::WalkingTime;
pub(crate) use word::Word;
pub use word::{Feedback, Verdict};
pub use zones::Zone;

/// Maps with keys that are no texts, as lists of pairs.
mod listed {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub(super) fn deserialize<'de, K, V, D>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(deserializer)?
            .into_iter()
            .collect())
    }
}
