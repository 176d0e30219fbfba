//! What association says: who a track belongs to and why, and that two persons were one all along.

use serde::{Deserialize, Serialize};

use crate::{PersonId, TrackId};

/// Something that association decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum PersonEvent {
    /// A track belongs to a person, newly or again.
    PersonAssigned(Assigned),
    /// A person is no longer: its tracks belong to others, all of them or most to one.
    Rename {
        /// The id that is gone.
        from: PersonId,
        /// The person that has most of its tracks.
        to: PersonId,
        /// Event time of the decision, Unix time in ns.
        at_ns: i64,
    },
}

/// A track's person. Of two assignments of a track the one of the higher revision holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assigned {
    /// The track.
    pub track: TrackId,
    /// Its person.
    pub person: PersonId,
    /// The person it belonged to before; none for a track that is new.
    pub previous: Option<PersonId>,
    /// Counts the decisions of the site.
    pub revision: u64,
    /// Event time of the decision, Unix time in ns.
    pub at_ns: i64,
    /// Why it was joined; none for the person's first track.
    pub join: Option<Join>,
}

/// Why a track belongs to a person: natural logs of odds, each part by itself.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Join {
    /// Of this person against nobody known; the sum of the parts.
    pub log_odds: f64,
    /// That it is right, against nobody known and every other candidate.
    pub probability: f64,
    /// Whether the probability rests on a fitted curve.
    pub is_calibrated: bool,
    /// By looks.
    pub appearance: f64,
    /// By the cameras, the time between, and where the person went out and came in.
    pub transit: f64,
    /// By place.
    pub place: f64,
    /// By the word of an operator, against which nothing else counts.
    pub word: f64,
    /// The person's track that it follows on.
    pub follows: TrackId,
    /// The candidate that came next.
    pub runner_up: Option<RunnerUp>,
}

/// The person that a track would otherwise have been joined to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RunnerUp {
    /// The person.
    pub person: PersonId,
    /// Of that person against nobody known.
    pub log_odds: f64,
}
