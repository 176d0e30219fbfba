//! Sightings by other models than the store's: embedded anew from the pictures that they carry, as a migration does it.
//!
//! A log holds what boxes sent before a change of models, and boxes change theirs before or after the store does. Their
//! sightings are taken in all the same: vectors of two models never meet, and nothing is left out meanwhile.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Mutex, PoisonError};

use half::f16;

use super::migrate::{Embed, LEAST_QUALITY, PICTURES_AT_ONCE, checked};
use super::options::VectorSpec;
use super::points::{ExemplarPayload, from_payload, normalised};
use super::remove::of_tracks;
use super::{Applied, Store};
use crate::event::NamedVector;
use crate::{Error, Event, Result, Sighting, TrackId};

/// Embeds pictures by the store's models, for one caller at a time.
pub(crate) struct Embedder(Mutex<Box<dyn Embed + Send>>);

impl Embedder {
    pub(crate) fn new(embed: Box<dyn Embed + Send>) -> Self {
        Self(Mutex::new(embed))
    }
}

impl fmt::Debug for Embedder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Embedder")
    }
}

/// Of a track: the sightings' numbers with their weights and vectors.
type Looks = BTreeMap<u32, (f32, Vec<f32>)>;

impl Store {
    /// As [`Store::apply`]. Sightings by other models are embedded first where there is an `embedder`; what came of it is kept in
    /// `embedded` for another attempt. Says how many there were.
    pub(crate) fn apply_embedding(
        &self,
        events: &[(u64, Event)],
        embedder: Option<&Embedder>,
        embedded: &mut Option<Vec<(u64, Event)>>,
    ) -> Result<(Applied, u64)> {
        let _models = self.same_models();
        let known = embedded.as_deref().unwrap_or(events);
        let is_by_others = |(_, event): &(u64, Event)| self.is_by_others(event);
        let mut count = 0;
        if let Some(Embedder(embed)) = embedder
            && known.iter().any(is_by_others)
        {
            let mut fresh = events.to_vec();
            let mut embed = embed.lock().unwrap_or_else(PoisonError::into_inner);
            count = self.embed_anew(&mut fresh, embed.as_mut())?;
            *embedded = Some(fresh);
        }
        let applied = self.apply(embedded.as_deref().unwrap_or(events))?;
        Ok((applied, count))
    }

    /// Whether an event's vectors are of kinds that the store has, some by another model.
    pub(crate) fn is_by_others(&self, event: &Event) -> bool {
        let index = self.index();
        let Event::Sighting(sighting) = event else {
            return false;
        };
        let is_known = |vector: &NamedVector| {
            let mut specs = index.vectors.iter();
            specs.any(|spec| spec.name == vector.name)
        };
        vectors(sighting).all(is_known)
            && vectors(sighting).any(|vector| index.fits(vector).is_err())
    }

    /// Gives sightings by other models vectors by the store's. One without a picture, or with one that cannot be read, keeps its
    /// time and place and has none of that kind. The state of a track becomes the mean of its sightings. Says how
    /// many sightings there were.
    ///
    /// # Errors
    ///
    /// [`Error::Embed`] when the model fails; when the engine refuses. Some events may have been changed then.
    fn embed_anew(&self, events: &mut [(u64, Event)], embed: &mut dyn Embed) -> Result<u64> {
        let index = self.index();
        let mut sightings: Vec<&mut Sighting> = Vec::new();
        for (_, event) in events {
            // Of what is forgotten nothing is looked at.
            if self.is_by_others(event)
                && let Event::Sighting(sighting) = event
                && !self.is_forgotten(sighting)
            {
                sightings.push(sighting);
            }
        }
        for spec in &index.vectors {
            let is_other =
                |vector: &NamedVector| vector.name == spec.name && index.fits(vector).is_err();
            let mut some: Vec<&mut Sighting> = sightings
                .iter_mut()
                .filter(|sighting| vectors(sighting).any(is_other))
                .map(|sighting| &mut **sighting)
                .collect();
            for sighting in &mut some {
                sighting.vectors.retain(|vector| !is_other(vector));
                sighting.state.vectors.retain(|vector| !is_other(vector));
            }
            self.embed_kind(spec, &mut some, embed)?;
        }
        Ok(sightings.len() as u64)
    }

    fn embed_kind(
        &self,
        spec: &VectorSpec,
        sightings: &mut [&mut Sighting],
        embed: &mut dyn Embed,
    ) -> Result<()> {
        let tracks: BTreeSet<TrackId> = sightings.iter().map(|sighting| sighting.track).collect();
        let mut looks = self.looks_of_tracks(spec, &tracks)?;
        let mut with_picture: Vec<&mut &mut Sighting> = sightings
            .iter_mut()
            .filter(|sighting| sighting.crop.is_some())
            .collect();
        for some in with_picture.chunks_mut(PICTURES_AT_ONCE) {
            let pictures: Vec<Vec<u8>> = some
                .iter()
                .filter_map(|sighting| sighting.crop.as_ref().map(|crop| crop.to_vec()))
                .collect();
            let failed = |what: String| Error::Embed {
                vector: spec.name.clone(),
                what,
            };
            let rows = embed.embed(spec, &pictures).map_err(failed)?;
            if rows.len() != some.len() {
                let what = format!("{} vectors for {} pictures", rows.len(), some.len());
                return Err(failed(what));
            }
            for (sighting, row) in some.iter_mut().zip(rows) {
                if let Some(row) = row {
                    let values = checked(spec, &row)?;
                    sighting.vectors.push(named(spec, &values));
                    let look = (sighting.quality, values);
                    let of_track = looks.entry(sighting.track).or_default();
                    of_track.insert(sighting.sequence, look);
                }
            }
        }
        for sighting in sightings {
            let looks = looks.get(&sighting.track);
            let mean = looks.and_then(|looks| mean_through(looks, sighting.sequence));
            let vectors = &mut sighting.state.vectors;
            vectors.extend(mean.map(|mean| named(spec, &mean)));
        }
        Ok(())
    }

    fn looks_of_tracks(
        &self,
        spec: &VectorSpec,
        tracks: &BTreeSet<TrackId>,
    ) -> Result<HashMap<TrackId, Looks>> {
        let index = self.index();
        const AT_ONCE: usize = 256;
        let mut looks: HashMap<TrackId, Looks> = HashMap::new();
        let tracks: Vec<TrackId> = tracks.iter().copied().collect();
        for some in tracks.chunks(AT_ONCE) {
            index
                .exemplars
                .pages(&of_tracks(some), true, &mut |points| {
                    for point in points {
                        let sighting: ExemplarPayload = from_payload(point.payload)?;
                        let mut vectors = point.vectors.into_iter();
                        if let Some((_, values)) = vectors.find(|(name, _)| *name == spec.name) {
                            let of_track = looks.entry(sighting.track).or_default();
                            of_track.insert(sighting.sequence, (sighting.quality, values));
                        }
                    }
                    Ok(())
                })?;
        }
        Ok(looks)
    }
}

fn vectors(sighting: &Sighting) -> impl Iterator<Item = &NamedVector> {
    sighting.vectors.iter().chain(&sighting.state.vectors)
}

fn named(spec: &VectorSpec, values: &[f32]) -> NamedVector {
    NamedVector {
        name: spec.name.clone(),
        model: spec.model.clone(),
        values: values.iter().copied().map(f16::from_f32).collect(),
    }
}

/// The mean of a track's sightings up to one of them; none where there are none, or they cancel out.
fn mean_through(looks: &Looks, sequence: u32) -> Option<Vec<f32>> {
    let mut sum = Vec::new();
    for (quality, values) in looks.range(..=sequence).map(|(_, look)| look) {
        sum.resize(values.len(), 0.0);
        for (sum, value) in sum.iter_mut().zip(values) {
            *sum += quality.max(LEAST_QUALITY) * value;
        }
    }
    let mean = normalised(&sum);
    mean.iter().any(|value| *value != 0.0).then_some(mean)
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::super::StoreOptions;
    use super::super::tests::options;
    use super::*;
    use crate::event::testing::{jpeg, sighting, vector};
    use crate::{Filter, Query, QueryKind};

    const OWN: &str = "n@ba9876543210";

    /// What a picture looks like to the store's model; some it cannot read.
    fn look(picture: &[u8]) -> Option<Vec<f32>> {
        let hash = Sha256::digest(picture);
        (picture.len() > 100).then(|| hash.iter().map(|byte| f32::from(*byte) - 127.5).collect())
    }

    struct Fake(Result<(), String>);

    impl Embed for Fake {
        fn embed(
            &mut self,
            _: &VectorSpec,
            pictures: &[Vec<u8>],
        ) -> Result<Vec<Option<Vec<f32>>>, String> {
            self.0.clone()?;
            Ok(pictures.iter().map(|picture| look(picture)).collect())
        }
    }

    fn store(dir: &std::path::Path) -> Store {
        let specs = vec![VectorSpec {
            name: "appearance".into(),
            dimension: 32,
            model: OWN.into(),
        }];
        let options = StoreOptions {
            vectors: specs,
            ..options()
        };
        Store::open(dir, &options).unwrap()
    }

    /// A track of four sightings by another model, the last one without a picture.
    fn track() -> Vec<(u64, Event)> {
        let sightings = (0..4).map(|sequence| {
            let mut seen = sighting("gate-1", 1_000_000_000, 7, sequence);
            if sequence == 3 {
                (seen.crop, seen.vectors, seen.is_end) = (None, Vec::new(), true);
            }
            (u64::from(sequence) + 1, Event::Sighting(Box::new(seen)))
        });
        sightings.collect()
    }

    fn of(event: &(u64, Event)) -> &Sighting {
        match &event.1 {
            Event::Sighting(sighting) => sighting,
            other => panic!("no sighting: {other:?}"),
        }
    }

    /// How near the track is to what all of its pictures look like together, 1 at most.
    fn nearness(store: &Store, events: &[(u64, Event)]) -> f32 {
        let mut sum = vec![0.0; 32];
        for event in events {
            let seen = of(event);
            let look = seen.crop.as_ref().and_then(|crop| look(crop));
            for (sum, value) in sum.iter_mut().zip(normalised(&look.unwrap_or_default())) {
                *sum += seen.quality * value;
            }
        }
        let id = of(&events[0]).track.tracklet_point();
        let held = store.index().tracklets.retrieve(&[id], true).unwrap();
        let (_, mean) = &held[0].vectors[0];
        let sum = normalised(&sum);
        sum.iter().zip(mean).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn sightings_by_another_model_are_found_by_the_stores() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let given = track();
        assert!(given.iter().all(|(_, event)| store.is_by_others(event)));
        // One batch, then the rest: the mean goes over what is stored too.
        for part in given.chunks(2) {
            let mut fresh = part.to_vec();
            let count = store.embed_anew(&mut fresh, &mut Fake(Ok(()))).unwrap();
            assert_eq!(count, 2);
            assert!(fresh.iter().all(|(_, event)| !store.is_by_others(event)));
            let applied = store.apply(&fresh).unwrap();
            assert_eq!((applied.sightings, applied.refused), (2, 0));
        }
        assert!(
            of(&given[3]).is_end,
            "the end has the mean of all, and no look"
        );
        assert!(nearness(&store, &given) > 0.999);
        for event in &given[..3] {
            let query = Query {
                kind: QueryKind::Vector {
                    name: "appearance".into(),
                    model: OWN.into(),
                    values: look(of(event).crop.as_ref().unwrap()).unwrap(),
                },
                filter: Filter::default(),
                limit: 1,
            };
            let hits = store.search(&query).unwrap().hits;
            assert_eq!(hits[0].best_ns, of(event).capture_ns);
        }
        // What comes twice changes nothing.
        let digest = store.digest().unwrap();
        let mut again = given[..2].to_vec();
        store.embed_anew(&mut again, &mut Fake(Ok(()))).unwrap();
        store.apply(&again).unwrap();
        assert_eq!(store.digest().unwrap(), digest);
    }

    #[test]
    fn what_cannot_be_embedded_keeps_its_time_and_place() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let mut torn = sighting("gate-1", 1_000_000_000, 7, 0);
        torn.crop = Some(jpeg(1, 50));
        let mut events = vec![(1, Event::Sighting(Box::new(torn)))];
        let failed = store.embed_anew(&mut events.clone(), &mut Fake(Err("no memory".into())));
        assert!(matches!(failed, Err(Error::Embed { .. })));
        assert_eq!(store.embed_anew(&mut events, &mut Fake(Ok(()))).unwrap(), 1);
        assert!(of(&events[0]).vectors.is_empty() && of(&events[0]).state.vectors.is_empty());
        assert_eq!(store.apply(&events).unwrap().sightings, 1);
    }

    #[test]
    fn vectors_of_a_kind_that_the_store_does_not_have_are_no_matter_of_models() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let mut seen = sighting("gate-1", 1_000_000_000, 7, 0);
        seen.vectors.push(vector("joint", "j@ba9876543210", &[1.0]));
        let event = Event::Sighting(Box::new(seen));
        assert!(!store.is_by_others(&event) && store.refusal(&event).is_some());
    }
}
