//! A look at everything in a store.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Store;
use super::backup::hash_of;
use super::engine::{Found, Where};
use super::points::{ExemplarPayload, TrackletPayload, from_payload};
use crate::{Result, TrackId};

/// Most faults that are named.
const MOST_NAMED: usize = 100;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Points of sightings that were looked at.
    pub exemplars: u64,
    /// Points of tracks that were looked at.
    pub tracklets: u64,
    /// Pictures that were read.
    pub crops: u64,
    /// Pictures that points name and that had gone by the bounds.
    pub crops_gone: u64,
    /// What is wrong, at most the first 100; none: the store is whole.
    pub faults: Vec<String>,
}

impl Store {
    /// Reads every point and every picture, and says what is not as it should be: points that cannot be read, vectors
    /// of another kind or not of length one, sightings without their track, pictures whose bytes are not those that
    /// their name says, anything that is forgotten.
    ///
    /// # Errors
    ///
    /// When the disk or the engine refuses to be read.
    pub fn verify(&self) -> Result<Verified> {
        let index = self.index();
        let mut verified = Verified::default();
        let mut tracks = BTreeSet::new();
        let all = Where::default();
        index.tracklets.pages(&all, true, &mut |page| {
            for found in page {
                verified.tracklets += 1;
                match from_payload::<TrackletPayload>(found.payload.clone()) {
                    Ok(track) => {
                        self.check_point(&found, track.track, &mut verified);
                        tracks.insert(track.track);
                    }
                    Err(error) => note(&mut verified, format!("point {}: {error}", found.id)),
                }
            }
            Ok(())
        })?;
        let mut named = BTreeSet::new();
        index.exemplars.pages(&all, true, &mut |page| {
            for found in page {
                verified.exemplars += 1;
                match from_payload::<ExemplarPayload>(found.payload.clone()) {
                    Ok(sighting) => {
                        self.check_point(&found, sighting.track, &mut verified);
                        if !tracks.contains(&sighting.track) {
                            let what = format!(
                                "sighting {}: its track {} is missing",
                                found.id, sighting.track
                            );
                            note(&mut verified, what);
                        }
                        named.extend(sighting.crop);
                    }
                    Err(error) => note(&mut verified, format!("point {}: {error}", found.id)),
                }
            }
            Ok(())
        })?;
        for name in self.crops.names() {
            verified.crops += 1;
            let Some(path) = self.crops.find(&name) else {
                continue;
            };
            match hash_of(&path) {
                Ok(hash) if hash == name => {}
                Ok(_) => note(
                    &mut verified,
                    format!(
                        "picture {}: its bytes are not those that its name says",
                        path.display()
                    ),
                ),
                Err(error) => note(&mut verified, error.to_string()),
            }
        }
        let gone = named.iter().filter(|name| self.crops.find(name).is_none());
        verified.crops_gone = gone.count() as u64;
        Ok(verified)
    }

    fn check_point(&self, found: &Found, track: TrackId, verified: &mut Verified) {
        let index = self.index();
        const CLOSE: f64 = 1e-3;
        if self.forgotten.has(track) {
            note(
                verified,
                format!("point {}: its track {track} is forgotten", found.id),
            );
        }
        for (name, values) in &found.vectors {
            let spec = index.vectors.iter().find(|spec| spec.name == *name);
            let square: f64 = values.iter().map(|value| f64::from(*value).powi(2)).sum();
            if spec.is_none_or(|spec| spec.dimension != values.len()) {
                let what = format!(
                    "point {}: its vector `{name}` of {} values is none of this store",
                    found.id,
                    values.len()
                );
                note(verified, what);
            } else if (square - 1.0).abs() > CLOSE {
                note(
                    verified,
                    format!(
                        "point {}: its vector `{name}` is not of length one",
                        found.id
                    ),
                );
            }
        }
    }
}

fn note(verified: &mut Verified, what: String) {
    if verified.faults.len() < MOST_NAMED {
        verified.faults.push(what);
    }
}
