//! Events as messages: Protobuf value, key, CloudEvents headers; and back.

use jiff::Timestamp;
use rdkafka::message::{Header, OwnedHeaders};

use super::topics::Topic;
use crate::event::{self, SCHEMA_VERSION, Sighting};
use crate::persons::wire::{self, PersonMessage};
use crate::persons::{APPEARANCE, Word};
use crate::{Event, Result};

/// An event as it goes to the log.
pub(super) struct Outgoing {
    pub(super) topic: Topic,
    /// Messages of one key stay in order.
    pub(super) key: String,
    pub(super) value: Vec<u8>,
    pub(super) headers: OwnedHeaders,
}

/// Makes a message of an event that lies at `sequence` in its spool.
pub(super) fn outgoing(sequence: u64, event: &Event) -> Result<Outgoing> {
    let value = event::encode(event)?;
    let (topic, key, id, kind, site) = match event {
        Event::Sighting(sighting) => {
            let (track, id) = (sighting.track.to_string(), sighting.id.to_string());
            (
                Topic::Sightings,
                track,
                id,
                "sighting",
                sighting.site.as_str(),
            )
        }
        Event::Coverage(coverage) => {
            let id = format!("{}/{}/{}", coverage.site, coverage.camera, coverage.to_ns);
            let key = coverage.camera.clone();
            (Topic::Coverage, key, id, "coverage", coverage.site.as_str())
        }
        Event::Forgotten(forgotten) => {
            let (key, id) = ("forgotten".to_owned(), forgotten.at_ns.to_string());
            (Topic::Forgotten, key, id, "forgotten", "")
        }
    };
    let headers = Attributes {
        id,
        source: format!("/sightline/{site}/{}", event.camera()),
        kind,
        subject: key.clone(),
        time_ns: event.time_ns(),
        sequence,
    };
    Ok(Outgoing {
        topic,
        key,
        value,
        headers: headers.written(),
    })
}

/// What those who join tracks need of an event that lies at `sequence` in its spool; none where they need nothing.
pub(super) fn for_association(sequence: u64, event: &Event) -> Result<Option<Outgoing>> {
    let (bare, site) = match event {
        Event::Sighting(sighting) => {
            let mut bare = Sighting {
                crop: None,
                ..(**sighting).clone()
            };
            for vectors in [&mut bare.vectors, &mut bare.state.vectors] {
                vectors.retain(|vector| vector.name == APPEARANCE);
            }
            (Event::Sighting(Box::new(bare)), &sighting.site)
        }
        Event::Coverage(coverage) => (event.clone(), &coverage.site),
        // By a topic of its own.
        Event::Forgotten(_) => return Ok(None),
    };
    let message = outgoing(sequence, &bare)?;
    Ok(Some(Outgoing {
        topic: Topic::Tracks,
        key: site.clone(),
        ..message
    }))
}

/// Somebody's word as a message.
pub(super) fn of_word(word: &Word) -> Result<Outgoing> {
    let [one, other] = word.tracks;
    let headers = Attributes {
        id: format!("{one}/{other}"),
        source: format!("/sightline/{}/", word.site),
        kind: "word",
        subject: one.to_string(),
        time_ns: 0,
        sequence: 0,
    };
    Ok(Outgoing {
        topic: Topic::Tracks,
        key: word.site.clone(),
        value: wire::encode_word(word)?,
        headers: headers.written(),
    })
}

/// A decision as a message.
pub(super) fn of_decision(message: &PersonMessage, sequence: u64) -> Result<Outgoing> {
    let (kind, subject) = message.kind();
    let headers = Attributes {
        id: format!("{}/{kind}/{sequence}", message.site),
        source: format!("/sightline/{}/", message.site),
        kind,
        subject,
        time_ns: message.at_ns(),
        sequence,
    };
    Ok(Outgoing {
        topic: Topic::Persons,
        key: message.site.clone(),
        value: wire::encode(message)?,
        headers: headers.written(),
    })
}

/// The attributes of CloudEvents.
struct Attributes {
    id: String,
    source: String,
    kind: &'static str,
    subject: String,
    time_ns: i64,
    sequence: u64,
}

impl Attributes {
    fn written(self) -> OwnedHeaders {
        let time = Timestamp::from_nanosecond(i128::from(self.time_ns))
            .map(|time| time.to_string())
            .unwrap_or_default();
        let texts = [
            ("content-type", "application/protobuf".to_owned()),
            ("ce_specversion", "1.0".to_owned()),
            ("ce_id", self.id),
            ("ce_source", self.source),
            (
                "ce_type",
                format!("sightline.{}.v{SCHEMA_VERSION}", self.kind),
            ),
            ("ce_subject", self.subject),
            ("ce_time", time),
            ("ce_sequence", self.sequence.to_string()),
        ];
        let mut headers = OwnedHeaders::new_with_capacity(texts.len());
        for (key, text) in &texts {
            headers = headers.insert(Header {
                key,
                value: Some(text),
            });
        }
        headers
    }
}

/// The event of a message, or why there is none.
pub(super) fn event_of(payload: Option<&[u8]>) -> Result<Event, String> {
    let payload = payload.ok_or("the message has no value")?;
    event::decode(payload).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use rdkafka::message::Headers as _;

    use super::*;
    use crate::event::testing::{coverage, sighting};

    #[test]
    fn a_message_carries_its_event_and_the_attributes_of_cloudevents() {
        let seen = sighting("gate-2", 1_000_000_000, 3, 2);
        let track = seen.track.to_string();
        let event = Event::Sighting(Box::new(seen));
        let message = outgoing(17, &event).unwrap();
        assert_eq!((message.topic, &message.key), (Topic::Sightings, &track));
        assert_eq!(event_of(Some(&message.value)).unwrap(), event);
        let header = |name: &str| {
            let mut found = message.headers.iter().filter(|header| header.key == name);
            let value = found.next().unwrap().value.unwrap();
            assert!(found.next().is_none());
            String::from_utf8(value.to_vec()).unwrap()
        };
        assert_eq!(header("ce_specversion"), "1.0");
        assert_eq!(header("ce_type"), "sightline.sighting.v1");
        assert_eq!(header("ce_source"), "/sightline/site/gate-2");
        assert_eq!(header("ce_time"), "1970-01-01T00:00:03Z");
        assert_eq!(
            (header("ce_subject"), header("ce_sequence")),
            (track, "17".to_owned())
        );
    }

    #[test]
    fn those_who_join_tracks_get_looks_and_times_of_a_site_in_order_and_no_picture() {
        let mut seen = sighting("gate-2", 1_000_000_000, 3, 2);
        let joint = event::testing::vector("joint", "j@0123456789ab", &[1.0, 2.0]);
        seen.vectors.push(joint.clone());
        seen.state.vectors.push(joint);
        let event = Event::Sighting(Box::new(seen.clone()));
        let message = for_association(17, &event).unwrap().unwrap();
        assert_eq!(
            (message.topic, message.key.as_str()),
            (Topic::Tracks, "site")
        );
        let Event::Sighting(bare) = event_of(Some(&message.value)).unwrap() else {
            panic!("a sighting");
        };
        assert_eq!((bare.crop, bare.vectors.len()), (None, 1));
        assert_eq!((bare.state.vectors.len(), bare.id), (1, seen.id));
        let heartbeat = Event::Coverage(coverage("gate-2", 1, 2, true));
        assert!(for_association(1, &heartbeat).unwrap().is_some());
    }

    #[test]
    fn heartbeats_of_a_camera_stay_in_order() {
        let event = Event::Coverage(coverage("gate-2", 1, 2, true));
        let message = outgoing(1, &event).unwrap();
        assert_eq!(
            (message.topic, message.key.as_str()),
            (Topic::Coverage, "gate-2")
        );
        assert!(event_of(None).is_err());
        assert!(event_of(Some(b"nonsense")).is_err());
    }
}
