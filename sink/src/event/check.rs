//! The rules that every event keeps, checked before it is written and after it is read.

use std::fmt::Display;

use super::{
    Coverage, Event, Forgotten, MAX_CROP_BYTES, MAX_DIMENSION, MAX_FORGOTTEN,
    MAX_FORGOTTEN_PICTURES, MAX_NAME_BYTES, MAX_VECTORS, NamedVector, Sighting,
};
use crate::{Error, Result, SightingId};

/// Refuses an event that breaks a rule, saying which field, its value, and what was expected.
pub(super) fn check(event: &Event) -> Result<()> {
    match event {
        Event::Sighting(sighting) => check_sighting(sighting),
        Event::Coverage(coverage) => check_coverage(coverage),
        Event::Forgotten(forgotten) => check_forgotten(forgotten),
    }
}

/// An [`Error::Event`] about one field.
pub(crate) fn refused(field: &str, value: impl Display, expected: impl Display) -> Error {
    Error::Event {
        what: format!("{field} is {value}, expected {expected}"),
    }
}

fn check_sighting(sighting: &Sighting) -> Result<()> {
    check_name("site", &sighting.site)?;
    check_name("camera", &sighting.camera)?;
    let id = SightingId::derive(sighting.track, sighting.sequence);
    if sighting.id != id {
        return Err(refused(
            "sighting id",
            sighting.id,
            format_args!("{id} by track and sequence"),
        ));
    }
    check_time("capture_ns", sighting.capture_ns)?;
    check_box(sighting.bbox)?;
    check_fraction("quality", sighting.quality)?;
    check_vectors("vectors", &sighting.vectors)?;
    if let Some(crop) = &sighting.crop {
        if crop.len() > MAX_CROP_BYTES {
            let expected = format_args!("at most {MAX_CROP_BYTES}");
            return Err(refused("crop size in bytes", crop.len(), expected));
        }
        if !crop.starts_with(&[0xff, 0xd8, 0xff]) {
            return Err(refused("crop", "something else", "a jpeg"));
        }
    }
    let state = &sighting.state;
    check_interval("state", state.start_ns, state.end_ns)?;
    if state.revision != sighting.sequence {
        let expected = format_args!("the sequence {}", sighting.sequence);
        return Err(refused("state revision", state.revision, expected));
    }
    check_fraction("best_quality", state.best_quality)?;
    check_vectors("state vectors", &state.vectors)
}

fn check_coverage(coverage: &Coverage) -> Result<()> {
    check_name("site", &coverage.site)?;
    check_name("camera", &coverage.camera)?;
    check_interval("coverage", coverage.from_ns, coverage.to_ns)
}

fn check_forgotten(forgotten: &Forgotten) -> Result<()> {
    check_time("at_ns", forgotten.at_ns)?;
    let pictures = forgotten.pictures.len();
    if pictures > MAX_FORGOTTEN_PICTURES {
        let expected = format_args!("at most {MAX_FORGOTTEN_PICTURES}");
        return Err(refused("pictures to forget", pictures, expected));
    }
    let named = forgotten.tracks.len() + forgotten.stretches.len();
    if named + pictures == 0 || named > MAX_FORGOTTEN {
        let expected = format_args!("1 to {MAX_FORGOTTEN}");
        return Err(refused("tracks and stretches to forget", named, expected));
    }
    for stretch in &forgotten.stretches {
        check_name("camera", &stretch.camera)?;
        check_interval("stretch", stretch.from_ns, stretch.to_ns)?;
    }
    Ok(())
}

pub(crate) fn check_name(field: &str, name: &str) -> Result<()> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control) {
        let shown: String = name.chars().take(40).collect();
        let expected = format_args!("1 to {MAX_NAME_BYTES} bytes without control characters");
        return Err(refused(field, format_args!("{shown:?}"), expected));
    }
    Ok(())
}

pub(crate) fn check_time(field: &str, time_ns: i64) -> Result<()> {
    if time_ns < 0 {
        return Err(refused(field, time_ns, "a unix time in ns, not negative"));
    }
    Ok(())
}

fn check_interval(field: &str, from_ns: i64, to_ns: i64) -> Result<()> {
    check_time(field, from_ns)?;
    if to_ns < from_ns {
        let shown = format_args!("{from_ns} to {to_ns}");
        return Err(refused(field, shown, "an end that is not before its start"));
    }
    Ok(())
}

fn check_fraction(field: &str, value: f32) -> Result<()> {
    // Written so that NaN is refused too.
    if !(0.0..=1.0).contains(&value) {
        return Err(refused(field, value, "0 to 1"));
    }
    Ok(())
}

fn check_box([x0, y0, x1, y1]: [f32; 4]) -> Result<()> {
    let is_good = 0.0 <= x0 && x0 < x1 && x1 <= 1.0 && 0.0 <= y0 && y0 < y1 && y1 <= 1.0;
    if !is_good {
        let shown = format_args!("[{x0}, {y0}, {x1}, {y1}]");
        return Err(refused(
            "bbox",
            shown,
            "0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1",
        ));
    }
    Ok(())
}

fn check_vectors(field: &str, vectors: &[NamedVector]) -> Result<()> {
    if vectors.len() > MAX_VECTORS {
        return Err(refused(
            field,
            vectors.len(),
            format_args!("at most {MAX_VECTORS}"),
        ));
    }
    for (index, vector) in vectors.iter().enumerate() {
        check_name("vector name", &vector.name)?;
        check_name("vector model", &vector.model)?;
        if vectors[..index]
            .iter()
            .any(|earlier| earlier.name == vector.name)
        {
            let shown = format_args!("`{}` twice", vector.name);
            return Err(refused(field, shown, "each name once"));
        }
        let dimension = vector.values.len();
        if dimension == 0 || dimension > MAX_DIMENSION {
            let expected = format_args!("1 to {MAX_DIMENSION}");
            return Err(refused("vector dimension", dimension, expected));
        }
        if !vector.values.iter().all(|value| value.is_finite()) {
            return Err(refused(
                "vector",
                format_args!("`{}` with a nan or infinity", vector.name),
                "finite values",
            ));
        }
        if vector.values.iter().all(|value| value.to_f32() == 0.0) {
            return Err(refused(
                "vector",
                format_args!("`{}` of zeros", vector.name),
                "a direction",
            ));
        }
    }
    Ok(())
}
