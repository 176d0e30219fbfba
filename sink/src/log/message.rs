//! Events as messages: Protobuf value, key, CloudEvents headers; and back.

use jiff::Timestamp;
use rdkafka::message::{Header, OwnedHeaders};

use super::topics::Topic;
use crate::event::{self, SCHEMA_VERSION};
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
    let time = Timestamp::from_nanosecond(i128::from(event.time_ns()))
        .map(|time| time.to_string())
        .unwrap_or_default();
    let texts = [
        ("content-type", "application/protobuf".to_owned()),
        ("ce_specversion", "1.0".to_owned()),
        ("ce_id", id),
        ("ce_source", format!("/sightline/{site}/{}", event.camera())),
        ("ce_type", format!("sightline.{kind}.v{SCHEMA_VERSION}")),
        ("ce_subject", key.clone()),
        ("ce_time", time),
        ("ce_sequence", sequence.to_string()),
    ];
    let mut headers = OwnedHeaders::new_with_capacity(texts.len());
    for (key, text) in &texts {
        headers = headers.insert(Header {
            key,
            value: Some(text),
        });
    }
    Ok(Outgoing {
        topic,
        key,
        value,
        headers,
    })
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
