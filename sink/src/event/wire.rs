//! Between our types and the generated Protobuf types.

use half::f16;
use prost::Message;
use prost::bytes::Bytes;
use uuid::Uuid;

use super::check::{check, refused};
use super::{
    Coverage, Event, Forgotten, MAX_EVENT_BYTES, NamedVector, PictureHash, SCHEMA_VERSION,
    Sighting, Stretch, TrackState,
};
use crate::{Error, Result, SightingId, TrackId};

pub(crate) mod proto {
    include!(concat!(env!("OUT_DIR"), "/sightline.v1.rs"));
}

use proto::event::Body;

/// Encodes an event.
///
/// # Errors
///
/// [`Error::Event`] when it breaks a rule of its fields or is larger than [`MAX_EVENT_BYTES`].
pub fn encode(event: &Event) -> Result<Vec<u8>> {
    check(event)?;
    let body = match event {
        Event::Sighting(sighting) => Body::Sighting(sighting_to_wire(sighting)),
        Event::Coverage(coverage) => Body::Coverage(coverage_to_wire(coverage)),
        Event::Forgotten(forgotten) => Body::Forgotten(forgotten_to_wire(forgotten)),
    };
    let bytes = proto::Event { body: Some(body) }.encode_to_vec();
    check_size(bytes.len())?;
    Ok(bytes)
}

/// Decodes an event. Any bytes may be given: what is not a good event is refused.
///
/// # Errors
///
/// [`Error::Event`] when the bytes are no event, are of an unknown schema version, break a rule of
/// its fields, or are more than [`MAX_EVENT_BYTES`].
pub fn decode(bytes: &[u8]) -> Result<Event> {
    check_size(bytes.len())?;
    let wire = proto::Event::decode(bytes).map_err(|error| Error::Event {
        what: format!("not a message of the schema: {error}"),
    })?;
    from_wire(wire)
}

/// The event of a message as the schema has it.
pub(crate) fn from_wire(wire: proto::Event) -> Result<Event> {
    let event = match wire.body {
        Some(Body::Sighting(sighting)) => Event::Sighting(Box::new(sighting_from_wire(sighting)?)),
        Some(Body::Coverage(coverage)) => Event::Coverage(coverage_from_wire(coverage)?),
        Some(Body::Forgotten(forgotten)) => Event::Forgotten(forgotten_from_wire(forgotten)?),
        Some(Body::Word(_)) => {
            let expected = "what was seen, or what is to be forgotten";
            return Err(refused("body", "a word on two tracks", expected));
        }
        None => return Err(refused("body", "absent", "a kind that this build knows")),
    };
    check(&event)?;
    Ok(event)
}

pub(crate) fn check_size(len: usize) -> Result<()> {
    if len > MAX_EVENT_BYTES {
        return Err(refused(
            "size in bytes",
            len,
            format_args!("at most {MAX_EVENT_BYTES}"),
        ));
    }
    Ok(())
}

pub(crate) fn check_version(version: u32) -> Result<()> {
    if version != SCHEMA_VERSION {
        let expected = format_args!("{SCHEMA_VERSION}; a newer sightline may read it");
        return Err(refused("schema_version", version, expected));
    }
    Ok(())
}

fn sighting_to_wire(sighting: &Sighting) -> proto::Sighting {
    let [x0, y0, x1, y1] = sighting.bbox;
    let state = &sighting.state;
    proto::Sighting {
        schema_version: SCHEMA_VERSION,
        id: Bytes::copy_from_slice(sighting.id.as_bytes()),
        track: Bytes::copy_from_slice(sighting.track.as_bytes()),
        site: sighting.site.clone(),
        camera: sighting.camera.clone(),
        capture_ns: sighting.capture_ns,
        clock_error_ns: sighting.clock_error_ns,
        r#box: Some(proto::Box { x0, y0, x1, y1 }),
        quality: sighting.quality,
        sequence: sighting.sequence,
        vectors: vectors_to_wire(&sighting.vectors),
        crop_jpeg: sighting.crop.clone(),
        state: Some(proto::TrackState {
            start_ns: state.start_ns,
            end_ns: state.end_ns,
            detections: state.detections,
            revision: state.revision,
            vectors: vectors_to_wire(&state.vectors),
            best_quality: state.best_quality,
            has_ended: state.has_ended,
        }),
        is_end: sighting.is_end,
    }
}

fn sighting_from_wire(wire: proto::Sighting) -> Result<Sighting> {
    check_version(wire.schema_version)?;
    let bbox = wire
        .r#box
        .ok_or_else(|| refused("box", "absent", "a box"))?;
    let state = wire
        .state
        .ok_or_else(|| refused("state", "absent", "the track's state"))?;
    Ok(Sighting {
        id: SightingId::from_uuid(uuid_from_wire("id", &wire.id)?),
        track: TrackId::from_uuid(uuid_from_wire("track", &wire.track)?),
        site: wire.site,
        camera: wire.camera,
        capture_ns: wire.capture_ns,
        clock_error_ns: wire.clock_error_ns,
        bbox: [bbox.x0, bbox.y0, bbox.x1, bbox.y1],
        quality: wire.quality,
        sequence: wire.sequence,
        vectors: vectors_from_wire(wire.vectors)?,
        crop: wire.crop_jpeg,
        state: TrackState {
            start_ns: state.start_ns,
            end_ns: state.end_ns,
            detections: state.detections,
            revision: state.revision,
            vectors: vectors_from_wire(state.vectors)?,
            best_quality: state.best_quality,
            has_ended: state.has_ended,
        },
        is_end: wire.is_end,
    })
}

fn coverage_to_wire(coverage: &Coverage) -> proto::Coverage {
    proto::Coverage {
        schema_version: SCHEMA_VERSION,
        site: coverage.site.clone(),
        camera: coverage.camera.clone(),
        from_ns: coverage.from_ns,
        to_ns: coverage.to_ns,
        frames_seen: coverage.frames_seen,
        frames_dropped: coverage.frames_dropped,
        clock_error_ns: coverage.clock_error_ns,
        spooled_sequence: coverage.spooled_sequence,
        watched: coverage.watched,
    }
}

fn coverage_from_wire(wire: proto::Coverage) -> Result<Coverage> {
    check_version(wire.schema_version)?;
    Ok(Coverage {
        site: wire.site,
        camera: wire.camera,
        from_ns: wire.from_ns,
        to_ns: wire.to_ns,
        frames_seen: wire.frames_seen,
        frames_dropped: wire.frames_dropped,
        clock_error_ns: wire.clock_error_ns,
        spooled_sequence: wire.spooled_sequence,
        watched: wire.watched,
    })
}

fn forgotten_to_wire(forgotten: &Forgotten) -> proto::Forgotten {
    let stretches = forgotten.stretches.iter().map(|stretch| proto::Stretch {
        camera: stretch.camera.clone(),
        from_ns: stretch.from_ns,
        to_ns: stretch.to_ns,
        site: stretch.site.clone().unwrap_or_default(),
    });
    proto::Forgotten {
        schema_version: SCHEMA_VERSION,
        at_ns: forgotten.at_ns,
        tracks: forgotten
            .tracks
            .iter()
            .map(|track| Bytes::copy_from_slice(track.as_bytes()))
            .collect(),
        stretches: stretches.collect(),
        pictures: forgotten
            .pictures
            .iter()
            .map(|hash| Bytes::copy_from_slice(hash))
            .collect(),
    }
}

fn forgotten_from_wire(wire: proto::Forgotten) -> Result<Forgotten> {
    check_version(wire.schema_version)?;
    let tracks = wire
        .tracks
        .iter()
        .map(|id| Ok(TrackId::from_uuid(uuid_from_wire("track", id)?)));
    let stretches = wire.stretches.into_iter().map(|stretch| Stretch {
        site: (!stretch.site.is_empty()).then_some(stretch.site),
        camera: stretch.camera,
        from_ns: stretch.from_ns,
        to_ns: stretch.to_ns,
    });
    let pictures = wire.pictures.iter().map(|hash| {
        let is = || format!("{} bytes", hash.len());
        PictureHash::try_from(hash.as_ref()).map_err(|_| refused("picture", is(), "32 bytes"))
    });
    Ok(Forgotten {
        at_ns: wire.at_ns,
        tracks: tracks.collect::<Result<_>>()?,
        stretches: stretches.collect(),
        pictures: pictures.collect::<Result<_>>()?,
    })
}

pub(crate) fn uuid_from_wire(field: &str, bytes: &[u8]) -> Result<Uuid> {
    Uuid::from_slice(bytes)
        .map_err(|_| refused(field, format_args!("{} bytes", bytes.len()), "16 bytes"))
}

fn vectors_to_wire(vectors: &[NamedVector]) -> Vec<proto::NamedVector> {
    vectors
        .iter()
        .map(|vector| proto::NamedVector {
            name: vector.name.clone(),
            model: vector.model.clone(),
            values_f16: vector
                .values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        })
        .collect()
}

fn vectors_from_wire(wire: Vec<proto::NamedVector>) -> Result<Vec<NamedVector>> {
    wire.into_iter()
        .map(|vector| {
            let (pairs, rest) = vector.values_f16.as_chunks::<2>();
            if !rest.is_empty() {
                let shown = format_args!("{} bytes", vector.values_f16.len());
                return Err(refused("vector values", shown, "two bytes a value"));
            }
            let values = pairs.iter().map(|pair| f16::from_le_bytes(*pair)).collect();
            Ok(NamedVector {
                name: vector.name,
                model: vector.model,
                values,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{any_event, coverage, sighting};
    use super::*;

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_the_same(event in any_event()) {
            let bytes = encode(&event).unwrap();
            prop_assert_eq!(decode(&bytes).unwrap(), event);
        }

        #[test]
        fn arbitrary_bytes_are_refused_or_read_and_never_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..2000)
        ) {
            if let Ok(event) = decode(&bytes) {
                prop_assert!(encode(&event).is_ok());
            }
        }

        #[test]
        fn a_flipped_or_cut_event_never_panics(
            event in any_event(), at in any::<prop::sample::Index>(), mask in 1_u8.., is_cut: bool
        ) {
            let mut bytes = encode(&event).unwrap();
            let at = at.index(bytes.len());
            if is_cut { bytes.truncate(at) } else { bytes[at] ^= mask }
            if let Ok(event) = decode(&bytes) {
                prop_assert!(encode(&event).is_ok());
            }
        }
    }

    /// Breaks one thing in a good sighting and returns what the refusal says.
    fn refusal(spoil: impl FnOnce(&mut Sighting)) -> String {
        let mut spoiled = sighting("gate-2", 1_000, 0, 2);
        spoil(&mut spoiled);
        let error = encode(&Event::Sighting(Box::new(spoiled))).unwrap_err();
        assert!(matches!(error, Error::Event { .. }));
        error.to_string()
    }

    #[test]
    fn every_broken_rule_is_refused_and_named() {
        assert!(refusal(|s| s.sequence = 3).contains("sighting id"));
        assert!(refusal(|s| s.camera.clear()).contains("camera"));
        assert!(refusal(|s| s.site = "a\nb".into()).contains("site"));
        assert!(refusal(|s| s.capture_ns = -1).contains("capture_ns"));
        assert!(refusal(|s| s.bbox = [0.5, 0.2, 0.5, 0.7]).contains("bbox"));
        assert!(refusal(|s| s.bbox = [0.1, f32::NAN, 0.5, 0.7]).contains("bbox"));
        assert!(refusal(|s| s.bbox = [0.1, 0.2, 1.5, 0.7]).contains("bbox"));
        assert!(refusal(|s| s.quality = f32::NAN).contains("quality"));
        assert!(refusal(|s| s.vectors[0].values.clear()).contains("dimension"));
        assert!(refusal(|s| s.vectors[0].values[1] = f16::NAN).contains("finite"));
        assert!(refusal(|s| s.vectors[0].values.fill(f16::ZERO)).contains("zeros"));
        assert!(refusal(|s| s.vectors.push(s.vectors[0].clone())).contains("twice"));
        assert!(refusal(|s| s.crop = Some(Bytes::from_static(b"GIF89a"))).contains("jpeg"));
        assert!(refusal(|s| s.crop = Some(vec![0xff; 12_289].into())).contains("12289"));
        assert!(refusal(|s| s.state.end_ns = 0).contains("state"));
        assert!(refusal(|s| s.state.revision = 9).contains("revision"));
        assert!(refusal(|s| s.state.best_quality = 2.0).contains("best_quality"));
    }

    #[test]
    fn an_event_larger_than_the_bound_is_refused_both_ways() {
        let text = refusal(|s| {
            for (index, list) in [&mut s.vectors, &mut s.state.vectors]
                .into_iter()
                .enumerate()
            {
                let mut template = list[0].clone();
                template.values = vec![f16::ONE; 4096];
                *list = (0..8)
                    .map(|name| NamedVector {
                        name: format!("v{index}{name}"),
                        ..template.clone()
                    })
                    .collect();
            }
        });
        assert!(text.contains("at most 65536"), "{text}");
        assert!(decode(&vec![0; MAX_EVENT_BYTES + 1]).is_err());
    }

    #[test]
    fn an_unknown_schema_version_is_refused_by_number() {
        let mut wire = coverage_to_wire(&coverage("gate-2", 1, 2, true));
        wire.schema_version = 7;
        let bytes = proto::Event {
            body: Some(Body::Coverage(wire)),
        }
        .encode_to_vec();
        let error = decode(&bytes).unwrap_err().to_string();
        assert!(error.contains("schema_version is 7, expected 1"), "{error}");
    }

    #[test]
    fn a_usual_event_is_small() {
        let mut usual = sighting("gate-2", 1_000, 0, 2);
        usual.vectors[0].values = vec![f16::ONE; 256];
        usual.state.vectors[0].values = vec![f16::ONE; 256];
        usual.crop = Some(super::super::testing::jpeg(1, 7_000));
        let len = encode(&Event::Sighting(Box::new(usual))).unwrap().len();
        assert!((8_000..9_000).contains(&len), "{len}");
    }
}
