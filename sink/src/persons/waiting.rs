//! Sightings that wait for the watermark.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::TrackId;
use crate::event::{self, Event, Sighting};

/// Most sightings that wait; beyond it the earliest goes on before its time.
const MOST: usize = 200_000;

/// Sightings in the order of their times.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Waiting(BTreeMap<(i64, TrackId, u32), Sighting>);

impl Waiting {
    /// Adds a sighting without its crop; false when it is there already.
    pub(super) fn insert(&mut self, sighting: &Sighting) -> bool {
        let key = (sighting.capture_ns, sighting.track, sighting.sequence);
        let held = Sighting {
            crop: None,
            ..sighting.clone()
        };
        self.0.insert(key, held).is_none()
    }

    /// Lets go of the sightings of these tracks.
    pub(super) fn forget(&mut self, tracks: &BTreeSet<TrackId>) {
        self.0.retain(|(_, track, _), _| !tracks.contains(track));
    }

    /// The tracks of which something waits.
    pub(super) fn tracks(&self) -> BTreeSet<TrackId> {
        self.0.keys().map(|(_, track, _)| *track).collect()
    }

    pub(super) fn sightings(&self) -> impl Iterator<Item = &Sighting> {
        self.0.values()
    }

    /// Takes the earliest sighting if it is before a time, or if there are too many.
    pub(super) fn before(&mut self, time_ns: i64) -> Option<Sighting> {
        let (&(earliest_ns, ..), _) = self.0.first_key_value()?;
        let is_due = earliest_ns < time_ns || time_ns == i64::MAX || self.0.len() > MOST;
        is_due
            .then(|| self.0.pop_first())
            .flatten()
            .map(|(_, sighting)| sighting)
    }
}

impl Serialize for Waiting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let encoded = self.0.values().map(|sighting| {
            let event = Event::Sighting(Box::new(sighting.clone()));
            let bytes = event::encode(&event).map_err(serde::ser::Error::custom)?;
            let digits = bytes
                .iter()
                .flat_map(|byte| [byte >> 4, byte & 15])
                .map(|digit| char::from_digit(u32::from(digit), 16).unwrap_or('0'));
            Ok(digits.collect::<String>())
        });
        encoded
            .collect::<Result<Vec<_>, S::Error>>()?
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Waiting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = serde::de::Error::custom::<&str>;
        let mut waiting = Self::default();
        for text in Vec::<String>::deserialize(deserializer)? {
            if !text.is_ascii() || text.len() % 2 != 0 {
                return Err(wrong("a waiting sighting is not made of hex digits"));
            }
            let bytes: Option<Vec<u8>> = (0..text.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok())
                .collect();
            let bytes = bytes.ok_or_else(|| wrong("a waiting sighting has a wrong digit"))?;
            match event::decode(&bytes).map_err(serde::de::Error::custom)? {
                Event::Sighting(sighting) => waiting.insert(&sighting),
                Event::Coverage(_) | Event::Forgotten(_) => {
                    return Err(wrong("something else waits, expected a sighting"));
                }
            };
        }
        Ok(waiting)
    }
}
