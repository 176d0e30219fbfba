//! Events into points, crops and coverage.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::PoisonError;
use std::time::Instant;

use serde::Serialize;
use serde_json::Map;
use uuid::Uuid;

use super::Store;
use super::pictures;
use super::points::{self, ExemplarPayload, Tracklet, TrackletPayload, from_payload, joined};
use super::remove::Pictures;
use crate::event::{Coverage, Event, Forgotten, MAX_FORGOTTEN, Reason, Sighting};
use crate::{Result, SightingId, TrackId};

/// What a batch of events came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// Sightings written, repeats included.
    pub sightings: u64,
    /// Tracks written with a new state.
    pub tracklets: u64,
    /// Tracks whose state in the store was newer already.
    pub stale: u64,
    /// Heartbeats.
    pub coverage: u64,
    /// Crops that were new.
    pub crops: u64,
    /// Sightings that fit no model of this store; they are dropped.
    pub refused: u64,
    /// Sightings of tracks that are forgotten; they are dropped.
    pub forgotten: u64,
    /// Sightings that are minutes ahead of the clock: their tracks join nobody.
    pub ahead: u64,
}

/// Times of writes that are kept until somebody asks for them; see [`super::IndexNews`].
const WRITE_TIMES: usize = 1024;

impl Applied {
    /// Adds the counts of another batch.
    pub fn add(&mut self, other: Self) {
        self.sightings += other.sightings;
        self.tracklets += other.tracklets;
        self.stale += other.stale;
        self.coverage += other.coverage;
        self.crops += other.crops;
        self.refused += other.refused;
        self.forgotten += other.forgotten;
        self.ahead += other.ahead;
    }
}

impl Store {
    /// Takes events in, each with its spool sequence. They are searchable at once, and durable after
    /// the next [`Store::flush`]. The same events may be applied again, in any order.
    ///
    /// # Errors
    ///
    /// When the disk or the engine refuses; the same batch may then be applied again. A sighting by a
    /// model that is not the store's is no error: it is counted as refused and logged.
    pub fn apply(&self, events: &[(u64, Event)]) -> Result<Applied> {
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = Instant::now();
        let applied = self.write(events)?;
        let mut times = self
            .write_times
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Where nobody asks, the first ones stay.
        if times.len() < WRITE_TIMES {
            times.push(begin.elapsed());
        }
        Ok(applied)
    }

    fn write(&self, events: &[(u64, Event)]) -> Result<Applied> {
        let mut applied = Applied::default();
        let mut tracklets: HashMap<TrackId, Tracklet> = HashMap::new();
        let mut accepted: Vec<&Event> = Vec::with_capacity(events.len());
        let mut sightings: Vec<&Sighting> = Vec::with_capacity(events.len());
        let mut heartbeats: Vec<(u64, &Coverage)> = Vec::new();
        self.heed_forgotten(events)?;
        for (sequence, event) in events {
            match event {
                Event::Forgotten(_) => {}
                Event::Sighting(sighting) if self.forgotten.has(sighting.track) => {
                    applied.forgotten += 1;
                }
                Event::Coverage(coverage) => {
                    accepted.push(event);
                    heartbeats.push((*sequence, coverage));
                }
                Event::Sighting(sighting) => {
                    if let Err(reason) = self.check_models(sighting) {
                        tracing::warn!(
                            sequence, camera = sighting.camera, sighting = %sighting.id, reason,
                            "sighting refused by the store"
                        );
                        applied.refused += 1;
                        continue;
                    }
                    accepted.push(event);
                    sightings.push(sighting);
                }
            }
        }
        applied.sightings = sightings.len() as u64;
        applied.crops = pictures::put_first(&self.crops, &sightings, |group, names| {
            self.apply_exemplars(group, names, &mut tracklets)
        })?;
        if let Some(next) = self.next() {
            next.note_changed(sightings.iter().map(|sighting| (sighting.track, 1)));
        }
        self.apply_tracklets(tracklets, &mut applied)?;
        // Last, since they say that what was before them is searchable.
        for (sequence, coverage) in heartbeats {
            self.coverage.add(sequence, coverage)?;
            applied.coverage += 1;
        }
        applied.ahead = self.associate(accepted.into_iter())?;
        Ok(applied)
    }

    /// Writes sightings whose pictures are there, and joins them into their tracks.
    fn apply_exemplars(
        &self,
        sightings: &[&Sighting],
        pictures: Vec<Option<String>>,
        tracklets: &mut HashMap<TrackId, Tracklet>,
    ) -> Result<()> {
        let index = self.index();
        let mut exemplars: HashMap<SightingId, (&Sighting, ExemplarPayload)> = HashMap::new();
        for (sighting, crop) in sightings.iter().zip(pictures) {
            let tracklet = Tracklet::of(sighting, crop.clone());
            match tracklets.entry(sighting.track) {
                Entry::Occupied(mut known) => known.get_mut().join(tracklet),
                Entry::Vacant(place) => {
                    place.insert(tracklet);
                }
            }
            exemplars.insert(sighting.id, (sighting, ExemplarPayload::of(sighting, crop)));
        }
        let points = exemplars
            .into_iter()
            .map(|(id, (sighting, payload))| {
                points::point(points::exemplar_id(id), &sighting.vectors, &payload)
            })
            .collect::<Result<_>>()?;
        index.exemplars.upsert(points)
    }

    /// Why the store can never take an event; none when it can.
    pub(crate) fn refusal(&self, event: &Event) -> Option<String> {
        match event {
            // Nothing of what is forgotten is kept, not even to say why it was refused.
            Event::Sighting(sighting) if self.is_forgotten(sighting) => None,
            Event::Sighting(sighting) => self.check_models(sighting).err(),
            Event::Coverage(_) | Event::Forgotten(_) => None,
        }
    }

    /// Takes in what the batch says is to be forgotten, and which of its tracks fall under what was said before.
    fn heed_forgotten(&self, events: &[(u64, Event)]) -> Result<()> {
        for (_, event) in events {
            if let Event::Forgotten(forgotten) = event {
                if !self.forgotten.is_done(forgotten) {
                    self.take_forgotten(forgotten)?;
                }
                self.remove_pictures(&forgotten.pictures)?;
            }
        }
        let mut caught: BTreeSet<TrackId> = BTreeSet::new();
        let mut newest_ns = 0;
        for (_, event) in events {
            if let Event::Sighting(sighting) = event
                && self.forgotten.refuses(sighting) == Some(Reason::Stretch)
            {
                caught.insert(sighting.track);
                newest_ns = newest_ns.max(sighting.capture_ns);
            }
        }
        if caught.is_empty() {
            return Ok(());
        }
        // Earlier sightings of such a track may have been written before it came into the time that is forgotten.
        let all: Vec<TrackId> = caught.iter().copied().collect();
        for tracks in all.chunks(MAX_FORGOTTEN) {
            self.forgotten.add(&Forgotten {
                at_ns: newest_ns,
                tracks: tracks.to_vec(),
                stretches: Vec::new(),
                pictures: Vec::new(),
            })?;
        }
        self.remove_tracks(&caught, Pictures::LookAtAll)?;
        self.forgotten.finish()
    }

    fn check_models(&self, sighting: &Sighting) -> Result<(), String> {
        let index = self.index();
        let vectors = sighting.vectors.iter().chain(&sighting.state.vectors);
        vectors
            .into_iter()
            .try_for_each(|vector| index.fits(vector))
    }

    fn apply_tracklets(
        &self,
        tracklets: HashMap<TrackId, Tracklet>,
        applied: &mut Applied,
    ) -> Result<()> {
        let index = self.index();
        let ids: Vec<Uuid> = tracklets.keys().map(TrackId::tracklet_point).collect();
        let mut stored: HashMap<TrackId, TrackletPayload> = HashMap::new();
        for found in index.tracklets.retrieve(&ids, false)? {
            let payload: TrackletPayload = from_payload(found.payload)?;
            stored.insert(payload.track, payload);
        }
        let mut writes = Vec::with_capacity(tracklets.len());
        for (track, mut tracklet) in tracklets {
            if let Some(known) = stored.remove(&track) {
                let (size, best) = joined(&known, &tracklet.payload);
                if known.revision > tracklet.payload.revision {
                    applied.stale += 1;
                    if size != known.size || best != known.best {
                        let fields = Map::from_iter([
                            ("size".to_owned(), size.into()),
                            ("best".to_owned(), points::to_json(&best)?),
                        ]);
                        index
                            .tracklets
                            .set_payload(track.tracklet_point(), fields)?;
                    }
                    continue;
                }
                // An equal revision is written again: a crash may have left half of the point.
                (tracklet.payload.size, tracklet.payload.best) = (size, best);
                tracklet.payload.person = known.person;
            }
            applied.tracklets += 1;
            writes.push(points::point(
                track.tracklet_point(),
                &tracklet.vectors,
                &tracklet.payload,
            )?);
        }
        index.tracklets.upsert(writes)
    }
}
