//! Ids that are computed from what they name, so that a repeat is the same id and never a second person.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Error;

/// Namespace of every id of Sightline, itself derived once from a fixed name.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f1c_9d5e_0a5b_5d0e_9c41_5167_6874_6c6e);

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $noun:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Takes an id that was derived elsewhere, for one read from the wire or typed by a person.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The id as a UUID.
            pub const fn uuid(&self) -> Uuid {
                self.0
            }

            /// The 16 bytes of the id, as they stand on the wire.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self, Error> {
                Uuid::try_parse(text).map(Self).map_err(|_| Error::Query {
                    what: format!(
                        concat!($noun, " id `{}` is not a uuid, expected 8-4-4-4-12 hex digits"),
                        text
                    ),
                })
            }
        }
    };
}

id!(
    /// One person's walk past one camera, as the tracker followed it.
    TrackId,
    "track"
);
id!(
    /// One stored picture (or the end) of a track.
    SightingId,
    "sighting"
);

id!(
    /// One person, as association joined their tracks.
    PersonId,
    "person"
);

impl PersonId {
    /// The id of the person who is first seen in `track`.
    pub fn derive(track: TrackId) -> Self {
        Self(Uuid::new_v5(&track.0, b"person"))
    }
}

impl TrackId {
    /// Derives the id of the track that was born at `capture_ns` on `camera` of `site`, as the
    /// `ordinal`th of the tracks born on that frame.
    pub fn derive(site: &str, camera: &str, capture_ns: i64, ordinal: u32) -> Self {
        let mut name = Vec::with_capacity(site.len() + camera.len() + 28);
        // Lengths stand before the texts, so that ("a", "bc") and ("ab", "c") differ.
        for text in [site, camera] {
            name.extend_from_slice(&(text.len() as u64).to_le_bytes());
            name.extend_from_slice(text.as_bytes());
        }
        name.extend_from_slice(&capture_ns.to_le_bytes());
        name.extend_from_slice(&ordinal.to_le_bytes());
        Self(Uuid::new_v5(&NAMESPACE, &name))
    }

    /// The id before all others.
    pub(crate) const fn least() -> Self {
        Self(Uuid::nil())
    }

    /// The id of the track's one point (its mean vectors) in the vector store.
    pub fn tracklet_point(&self) -> Uuid {
        Uuid::new_v5(&self.0, b"tracklet")
    }
}

impl SightingId {
    /// Derives the id of the `sequence`th sighting of `track`.
    pub fn derive(track: TrackId, sequence: u32) -> Self {
        Self(Uuid::new_v5(&track.0, &sequence.to_le_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_same_birth_gives_the_same_track_and_any_difference_another() {
        let id = TrackId::derive("harbour", "gate-2", 1_700_000_000_000_000_000, 0);
        assert_eq!(
            id,
            TrackId::derive("harbour", "gate-2", 1_700_000_000_000_000_000, 0)
        );
        let others = [
            TrackId::derive("harbou", "rgate-2", 1_700_000_000_000_000_000, 0),
            TrackId::derive("harbour", "gate-3", 1_700_000_000_000_000_000, 0),
            TrackId::derive("harbour", "gate-2", 1_700_000_000_000_000_001, 0),
            TrackId::derive("harbour", "gate-2", 1_700_000_000_000_000_000, 1),
        ];
        let distinct: HashSet<_> = others.into_iter().chain([id]).collect();
        assert_eq!(distinct.len(), 5);
        assert_eq!(id.uuid().get_version_num(), 5);
    }

    #[test]
    fn ids_never_change_between_releases() {
        let track = TrackId::derive("s", "c", 1, 0);
        // Made with Python: uuid.uuid5(namespace, lengths and texts as in `derive`).
        assert_eq!(track.to_string(), "d763704e-3a7d-5a6e-b934-f29ac117be53");
        assert_eq!(
            SightingId::derive(track, 3).to_string(),
            "2852260e-84e8-5ae6-969c-90598ef77400"
        );
        assert_eq!(
            track.tracklet_point().to_string(),
            "baa41bc0-17a3-5c6b-b61c-0891f03f9265"
        );
    }

    #[test]
    fn a_text_that_is_no_id_is_refused_with_the_text() {
        let error = "person 7".parse::<TrackId>().unwrap_err();
        assert!(error.to_string().contains("`person 7`"), "{error}");
    }
}
