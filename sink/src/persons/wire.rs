//! Decisions as messages between those who join tracks and those who keep them. Both directions check the same rules.

use prost::Message as _;
use prost::bytes::Bytes;

use super::event::{Assigned, Join, PersonEvent, RunnerUp};
use super::transit::WalkingTime;
use super::word::{Feedback, Verdict, Word};
use crate::event::check::{check_name, check_time, refused};
use crate::event::wire::{self, check_size, check_version, proto, uuid_from_wire};
use crate::event::{Event, SCHEMA_VERSION};
use crate::{Error, PersonId, Result, TrackId};

use proto::event::Body as EventBody;
use proto::person_message::Body;

/// Bytes of one part of an outline, and of the ways of a site.
pub(crate) const PART_BYTES: usize = 48 * 1024;

/// Most parts of an outline: 384 MiB.
const MOST_PARTS: u32 = 8192;

/// What somebody who joins tracks takes in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TrackMessage {
    Event(Event),
    Word(Word),
}

/// What somebody who joins tracks tells.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PersonMessage {
    pub(crate) site: String,
    pub(crate) body: PersonBody,
}

/// See [`PersonMessage`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum PersonBody {
    Assigned(Box<Assigned>),
    Rename {
        from: PersonId,
        to: PersonId,
        /// Of the decisions that came with it, the last one's.
        revision: u64,
        at_ns: i64,
    },
    Said(Feedback),
    Ways(Vec<WalkingTime>),
    Outline(Part),
}

/// A part of an outline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// Offset of the first message that the outline does not contain.
    pub(crate) through: i64,
    pub(crate) index: u32,
    pub(crate) count: u32,
    pub(crate) json: Vec<u8>,
}

impl PersonMessage {
    /// A decision as a message; `revision` is the last one that was given.
    pub(crate) fn of(site: &str, decision: PersonEvent, revision: u64) -> Self {
        let body = match decision {
            PersonEvent::PersonAssigned(mut assigned) => {
                // A reason that is no number is no reason; whose the track is holds without it.
                assigned.join = assigned.join.filter(|join| check_join(join).is_ok());
                PersonBody::Assigned(Box::new(assigned))
            }
            PersonEvent::Rename { from, to, at_ns } => PersonBody::Rename {
                from,
                to,
                revision,
                at_ns,
            },
        };
        Self {
            site: site.to_owned(),
            body,
        }
    }

    /// What it is, in one word, and what it is about.
    pub(crate) fn kind(&self) -> (&'static str, String) {
        match &self.body {
            PersonBody::Assigned(assigned) => ("person_assigned", assigned.track.to_string()),
            PersonBody::Rename { from, .. } => ("rename", from.to_string()),
            PersonBody::Said(said) => ("said", said.tracks[0].to_string()),
            PersonBody::Ways(_) => ("ways", String::new()),
            PersonBody::Outline(part) => ("outline", format!("{}/{}", part.index, part.count)),
        }
    }

    /// Of a decision: its event time, Unix time in ns; 0 for the rest.
    pub(crate) fn at_ns(&self) -> i64 {
        match &self.body {
            PersonBody::Assigned(assigned) => assigned.at_ns,
            PersonBody::Rename { at_ns, .. } => *at_ns,
            PersonBody::Said(said) => said.at_ns,
            PersonBody::Ways(_) | PersonBody::Outline(_) => 0,
        }
    }
}

/// An outline of so many bytes in parts.
pub(crate) fn parts(through: i64, json: &[u8]) -> Vec<Part> {
    let chunks = json.chunks(PART_BYTES);
    let count = u32::try_from(chunks.len()).unwrap_or(u32::MAX);
    (0..)
        .zip(chunks)
        .map(|(index, chunk)| Part {
            through,
            index,
            count,
            json: chunk.to_vec(),
        })
        .collect()
}

/// Encodes somebody's word.
///
/// # Errors
///
/// [`Error::Event`] when it breaks a rule.
pub(crate) fn encode_word(word: &Word) -> Result<Vec<u8>> {
    check_word(word)?;
    let [one, other] = word.tracks;
    let wire = proto::Word {
        schema_version: SCHEMA_VERSION,
        site: word.site.clone(),
        one: bytes(one.as_bytes()),
        other: bytes(other.as_bytes()),
        verdict: verdict_to_wire(word.verdict),
    };
    let body = Some(EventBody::Word(wire));
    Ok(proto::Event { body }.encode_to_vec())
}

/// Decodes what somebody who joins tracks takes in. Any bytes may be given.
///
/// # Errors
///
/// [`Error::Event`] when the bytes are nothing of that kind, or break a rule.
pub(crate) fn decode_track(given: &[u8]) -> Result<TrackMessage> {
    check_size(given.len())?;
    let wire = proto::Event::decode(given).map_err(|error| not_ours(&error))?;
    let Some(EventBody::Word(wire)) = wire.body else {
        return wire::from_wire(wire).map(TrackMessage::Event);
    };
    check_version(wire.schema_version)?;
    let word = Word {
        tracks: [track("one", &wire.one)?, track("other", &wire.other)?],
        verdict: verdict_from_wire(wire.verdict)?,
        site: wire.site,
    };
    check_word(&word)?;
    Ok(TrackMessage::Word(word))
}

/// Encodes what somebody who joins tracks tells.
///
/// # Errors
///
/// [`Error::Event`] when it breaks a rule.
pub(crate) fn encode(message: &PersonMessage) -> Result<Vec<u8>> {
    check(message)?;
    let body = match &message.body {
        PersonBody::Assigned(assigned) => Body::Assigned(Box::new(assigned_to_wire(assigned))),
        PersonBody::Rename {
            from,
            to,
            revision,
            at_ns,
        } => Body::Rename(proto::Rename {
            from: bytes(from.as_bytes()),
            to: bytes(to.as_bytes()),
            revision: *revision,
            at_ns: *at_ns,
        }),
        PersonBody::Said(said) => Body::Said(said_to_wire(said)),
        PersonBody::Ways(ways) => Body::Ways(proto::Ways {
            json: Bytes::from(json_of(ways)?),
        }),
        PersonBody::Outline(part) => Body::Outline(proto::OutlinePart {
            through: part.through,
            index: part.index,
            count: part.count,
            json: Bytes::from(part.json.clone()),
        }),
    };
    let wire = proto::PersonMessage {
        schema_version: SCHEMA_VERSION,
        site: message.site.clone(),
        body: Some(body),
    };
    let bytes = wire.encode_to_vec();
    check_size(bytes.len())?;
    Ok(bytes)
}

/// Decodes what somebody who joins tracks tells. Any bytes may be given.
///
/// # Errors
///
/// [`Error::Event`] when the bytes are nothing of that kind, or break a rule.
pub(crate) fn decode(given: &[u8]) -> Result<PersonMessage> {
    check_size(given.len())?;
    let wire = proto::PersonMessage::decode(given).map_err(|error| not_ours(&error))?;
    check_version(wire.schema_version)?;
    let body = match wire.body {
        Some(Body::Assigned(wire)) => PersonBody::Assigned(Box::new(assigned_from_wire(&wire)?)),
        Some(Body::Rename(wire)) => PersonBody::Rename {
            from: person("from", &wire.from)?,
            to: person("to", &wire.to)?,
            revision: wire.revision,
            at_ns: wire.at_ns,
        },
        Some(Body::Said(wire)) => PersonBody::Said(said_from_wire(wire)?),
        Some(Body::Ways(wire)) => {
            let wrong = |error| refused("ways", error, "the ways of a site as JSON");
            PersonBody::Ways(serde_json::from_slice(&wire.json).map_err(wrong)?)
        }
        Some(Body::Outline(wire)) => PersonBody::Outline(Part {
            through: wire.through,
            index: wire.index,
            count: wire.count,
            json: wire.json.to_vec(),
        }),
        None => return Err(refused("body", "absent", "a kind that this build knows")),
    };
    let message = PersonMessage {
        site: wire.site,
        body,
    };
    check(&message)?;
    Ok(message)
}

fn not_ours(error: &prost::DecodeError) -> Error {
    Error::Event {
        what: format!("not a message of the schema: {error}"),
    }
}

fn check_word(word: &Word) -> Result<()> {
    check_name("site", &word.site)?;
    check_pair(word.tracks)
}

fn check_pair([one, other]: [TrackId; 2]) -> Result<()> {
    if one == other {
        return Err(refused("other track", other, "another one than the first"));
    }
    Ok(())
}

fn check(message: &PersonMessage) -> Result<()> {
    check_name("site", &message.site)?;
    match &message.body {
        PersonBody::Assigned(assigned) => {
            check_revision(assigned.revision)?;
            check_time("at_ns", assigned.at_ns)?;
            assigned.join.as_ref().map_or(Ok(()), check_join)
        }
        PersonBody::Rename {
            from,
            to,
            revision,
            at_ns,
        } => {
            if from == to {
                return Err(refused("new id", to, "another one than the old"));
            }
            check_revision(*revision)?;
            check_time("at_ns", *at_ns)
        }
        PersonBody::Said(said) => {
            check_pair(said.tracks)?;
            for camera in &said.cameras {
                check_name("camera", camera)?;
            }
            let similarity = said.similarity.map(f64::from);
            check_numbers("similarity", similarity.as_slice())?;
            check_time("at_ns", said.at_ns)
        }
        PersonBody::Ways(ways) => ways.iter().try_for_each(|way| {
            check_name("camera", &way.left)?;
            check_name("camera", &way.entered)?;
            check_numbers("joins", &[way.joins, way.at_once])
        }),
        PersonBody::Outline(part) => {
            if part.through < 0 {
                return Err(refused("offset", part.through, "one that is not negative"));
            }
            if part.count > MOST_PARTS || part.index >= part.count {
                let shown = format_args!("{} of {}", part.index, part.count);
                return Err(refused("part", shown, format_args!("1 to {MOST_PARTS}")));
            }
            if part.json.is_empty() || part.json.len() > PART_BYTES {
                let expected = format_args!("1 to {PART_BYTES}");
                return Err(refused("part in bytes", part.json.len(), expected));
            }
            Ok(())
        }
    }
}

fn check_revision(revision: u64) -> Result<()> {
    if revision == 0 {
        return Err(refused("revision", 0, "one from 1 on"));
    }
    Ok(())
}

fn check_numbers(field: &str, values: &[f64]) -> Result<()> {
    let bad = values.iter().find(|value| !value.is_finite());
    bad.map_or(Ok(()), |bad| Err(refused(field, bad, "a finite number")))
}

fn check_join(join: &Join) -> Result<()> {
    if !(0.0..=1.0).contains(&join.probability) {
        return Err(refused("probability", join.probability, "0 to 1"));
    }
    let runner_up = join.runner_up.map_or(0.0, |other| other.log_odds);
    let Join {
        log_odds,
        appearance,
        transit,
        place,
        word,
        ..
    } = *join;
    check_numbers(
        "log odds",
        &[log_odds, appearance, transit, place, word, runner_up],
    )
}

fn bytes(id: &[u8; 16]) -> Bytes {
    Bytes::copy_from_slice(id)
}

fn track(field: &str, bytes: &[u8]) -> Result<TrackId> {
    Ok(TrackId::from_uuid(uuid_from_wire(field, bytes)?))
}

fn person(field: &str, bytes: &[u8]) -> Result<PersonId> {
    Ok(PersonId::from_uuid(uuid_from_wire(field, bytes)?))
}

fn json_of(ways: &[WalkingTime]) -> Result<Vec<u8>> {
    serde_json::to_vec(ways).map_err(|error| refused("ways", error, "what can be written"))
}

fn verdict_to_wire(verdict: Verdict) -> i32 {
    let wire = match verdict {
        Verdict::Same => proto::Verdict::Same,
        Verdict::Different => proto::Verdict::Different,
    };
    wire.into()
}

fn verdict_from_wire(wire: i32) -> Result<Verdict> {
    match proto::Verdict::try_from(wire) {
        Ok(proto::Verdict::Same) => Ok(Verdict::Same),
        Ok(proto::Verdict::Different) => Ok(Verdict::Different),
        _ => Err(refused("verdict", wire, "1 (same) or 2 (different)")),
    }
}

fn assigned_to_wire(assigned: &Assigned) -> proto::PersonAssigned {
    proto::PersonAssigned {
        track: bytes(assigned.track.as_bytes()),
        person: bytes(assigned.person.as_bytes()),
        previous: assigned.previous.map(|id| bytes(id.as_bytes())),
        revision: assigned.revision,
        at_ns: assigned.at_ns,
        join: assigned.join.map(|join| proto::Join {
            log_odds: join.log_odds,
            probability: join.probability,
            is_calibrated: join.is_calibrated,
            appearance: join.appearance,
            transit: join.transit,
            place: join.place,
            word: join.word,
            follows: bytes(join.follows.as_bytes()),
            runner_up: join.runner_up.map(|other| proto::RunnerUp {
                person: bytes(other.person.as_bytes()),
                log_odds: other.log_odds,
            }),
        }),
    }
}

fn assigned_from_wire(wire: &proto::PersonAssigned) -> Result<Assigned> {
    let previous = wire.previous.as_ref();
    let join = wire.join.as_ref().map(|join| {
        let runner_up = join.runner_up.as_ref().map(|other| {
            Ok(RunnerUp {
                person: person("runner-up", &other.person)?,
                log_odds: other.log_odds,
            })
        });
        Ok(Join {
            log_odds: join.log_odds,
            probability: join.probability,
            is_calibrated: join.is_calibrated,
            appearance: join.appearance,
            transit: join.transit,
            place: join.place,
            word: join.word,
            follows: track("track before", &join.follows)?,
            runner_up: runner_up.transpose()?,
        })
    });
    Ok(Assigned {
        track: track("track", &wire.track)?,
        person: person("person", &wire.person)?,
        previous: previous
            .map(|id| person("previous person", id))
            .transpose()?,
        revision: wire.revision,
        at_ns: wire.at_ns,
        join: join.transpose()?,
    })
}

fn said_to_wire(said: &Feedback) -> proto::Said {
    let [one, other] = said.tracks;
    let [camera_of_one, camera_of_other] = said.cameras.clone();
    proto::Said {
        one: bytes(one.as_bytes()),
        other: bytes(other.as_bytes()),
        verdict: verdict_to_wire(said.verdict),
        camera_of_one,
        camera_of_other,
        similarity: said.similarity,
        was_same: said.was_same,
        at_ns: said.at_ns,
    }
}

fn said_from_wire(wire: proto::Said) -> Result<Feedback> {
    Ok(Feedback {
        tracks: [track("one", &wire.one)?, track("other", &wire.other)?],
        verdict: verdict_from_wire(wire.verdict)?,
        cameras: [wire.camera_of_one, wire.camera_of_other],
        similarity: wire.similarity,
        was_same: wire.was_same,
        at_ns: wire.at_ns,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::event::testing::any_event;

    fn track_id() -> impl Strategy<Value = TrackId> {
        (0_u128..40).prop_map(|id| TrackId::from_uuid(Uuid::from_u128(id)))
    }

    fn person_id() -> impl Strategy<Value = PersonId> {
        track_id().prop_map(PersonId::derive)
    }

    fn join() -> impl Strategy<Value = Join> {
        let runner_up = proptest::option::of((person_id(), -50.0..50.0))
            .prop_map(|other| other.map(|(person, log_odds)| RunnerUp { person, log_odds }));
        let numbers = proptest::array::uniform5(-100.0..100.0);
        (numbers, 0.0..=1.0, any::<bool>(), track_id(), runner_up).prop_map(
            |(
                [log_odds, appearance, transit, place, word],
                probability,
                is_calibrated,
                follows,
                runner_up,
            )| Join {
                log_odds,
                probability,
                is_calibrated,
                appearance,
                transit,
                place,
                word,
                follows,
                runner_up,
            },
        )
    }

    fn verdict() -> impl Strategy<Value = Verdict> {
        prop_oneof![Just(Verdict::Same), Just(Verdict::Different)]
    }

    fn pair() -> impl Strategy<Value = [TrackId; 2]> {
        (track_id(), track_id())
            .prop_filter("two", |(one, other)| one != other)
            .prop_map(|(one, other)| [one, other])
    }

    fn body() -> impl Strategy<Value = PersonBody> {
        let assigned = (
            (track_id(), person_id(), proptest::option::of(person_id())),
            (1_u64..500, 0_i64..i64::MAX, proptest::option::of(join())),
        )
            .prop_map(|((track, person, previous), (revision, at_ns, join))| {
                PersonBody::Assigned(Box::new(Assigned {
                    track,
                    person,
                    previous,
                    revision,
                    at_ns,
                    join,
                }))
            });
        let rename = (person_id(), person_id(), 1_u64..500, 0_i64..i64::MAX)
            .prop_filter("two", |(from, to, ..)| from != to)
            .prop_map(|(from, to, revision, at_ns)| PersonBody::Rename {
                from,
                to,
                revision,
                at_ns,
            });
        let said = (
            pair(),
            verdict(),
            any::<bool>(),
            proptest::option::of(-1.0_f32..1.0),
        )
            .prop_map(|(tracks, verdict, was_same, similarity)| {
                PersonBody::Said(Feedback {
                    tracks,
                    verdict,
                    cameras: ["a".into(), "b".into()],
                    similarity,
                    was_same,
                    at_ns: 5,
                })
            });
        let part = (
            0_i64..i64::MAX,
            0_u32..9,
            proptest::collection::vec(any::<u8>(), 1..90),
        )
            .prop_map(|(through, index, json)| {
                PersonBody::Outline(Part {
                    through,
                    index,
                    count: 9,
                    json,
                })
            });
        prop_oneof![4 => assigned, 2 => rename, 1 => said, 1 => part]
    }

    /// Any message that keeps the rules.
    pub(crate) fn any_message() -> impl Strategy<Value = PersonMessage> {
        ("[a-z]{1,8}", body()).prop_map(|(site, body)| PersonMessage { site, body })
    }

    proptest! {
        #[test]
        fn what_is_told_is_heard(message in any_message()) {
            let bytes = encode(&message).unwrap();
            prop_assert_eq!(decode(&bytes).unwrap(), message);
        }

        #[test]
        fn a_word_and_an_event_are_told_apart(site in "[a-z]{1,8}", tracks in pair(), verdict in verdict(), event in any_event()) {
            let word = Word { site, tracks, verdict };
            let bytes = encode_word(&word).unwrap();
            prop_assert_eq!(decode_track(&bytes).unwrap(), TrackMessage::Word(word));
            prop_assert!(crate::event::decode(&bytes).is_err());
            let bytes = crate::event::encode(&event).unwrap();
            prop_assert_eq!(decode_track(&bytes).unwrap(), TrackMessage::Event(event));
        }

        #[test]
        fn whatever_comes_is_refused_or_read_and_never_panics(
            message in any_message(), at in any::<prop::sample::Index>(), mask in 1_u8.., noise in proptest::collection::vec(any::<u8>(), 0..300)
        ) {
            let mut bytes = encode(&message).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= mask;
            for given in [&bytes[..], &bytes[..at], &noise] {
                if let Ok(read) = decode(given) {
                    prop_assert!(encode(&read).is_ok());
                }
                drop(decode_track(given));
            }
        }
    }

    #[test]
    fn every_broken_rule_is_refused_and_named() {
        let one = TrackId::from_uuid(Uuid::from_u128(1));
        let assigned = |spoil: &dyn Fn(&mut Assigned)| {
            let mut assigned = Assigned {
                track: one,
                person: PersonId::derive(one),
                previous: None,
                revision: 1,
                at_ns: 1,
                join: None,
            };
            spoil(&mut assigned);
            let body = PersonBody::Assigned(Box::new(assigned));
            let site = "s".to_owned();
            encode(&PersonMessage { site, body }).map_err(|error| error.to_string())
        };
        assert!(assigned(&|_| ()).is_ok());
        assert!(
            assigned(&|a| a.revision = 0)
                .unwrap_err()
                .contains("revision")
        );
        assert!(assigned(&|a| a.at_ns = -1).unwrap_err().contains("at_ns"));
        let part = |part: Part| {
            let body = PersonBody::Outline(part);
            let site = "s".to_owned();
            encode(&PersonMessage { site, body }).is_ok()
        };
        let whole = parts(7, &vec![1; 100_000]);
        assert_eq!(whole.len(), 3);
        assert!(whole.iter().all(|whole| part(whole.clone())));
        assert!(!part(Part {
            index: 3,
            ..whole[0].clone()
        }));
        assert!(!part(Part {
            json: Vec::new(),
            ..whole[0].clone()
        }));
        assert!(!part(Part {
            count: MOST_PARTS + 1,
            ..whole[0].clone()
        }));
        let word = Word {
            site: "s".into(),
            tracks: [one, one],
            verdict: Verdict::Same,
        };
        assert!(encode_word(&word).is_err());
    }
}
