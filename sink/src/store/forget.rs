//! Forgetting: written down first, then taken out everywhere, then looked for.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::PoisonError;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::engine::{Condition, Where};
use super::points::{TrackletPayload, from_payload};
use super::remove::{Pictures, Removed, of_tracks};
use super::{Store, list};
use crate::event::{Forgotten, MAX_FORGOTTEN, MAX_FORGOTTEN_PICTURES, Sighting, Stretch};
use crate::{Error, PersonId, Query, QueryKind, Result, TrackId};

/// Tracks whose own vectors are searched for afterwards.
const MOST_LOOKED_FOR: usize = 32;

/// Hits of such a search among which nothing forgotten may be.
const LOOK_AT: usize = 20;

/// Who or what is to be forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forget {
    /// One track.
    Track(TrackId),
    /// Every track that belongs to a person now. A later track of the same human is another track.
    Person(PersonId),
    /// Every track that a camera saw in a time, whole, whenever it comes. Without a site: of the one that has tracks by a camera
    /// of this name, or of all while none has.
    Camera(Stretch),
}

/// What was forgotten, and how it was proved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForgetReport {
    /// What was asked for.
    pub asked: Forget,
    /// When, Unix time in ns.
    pub at_ns: i64,
    /// Whether nothing was done, and this says what would be.
    pub is_dry_run: bool,
    /// The tracks, those included that were gone already.
    pub tracks: Vec<TrackId>,
    /// Points of tracks that went.
    pub tracklets: u64,
    /// Points of sightings that went.
    pub sightings: u64,
    /// Pictures that went, by their sha256.
    pub pictures: BTreeSet<String>,
    /// Pictures that stay, since another track shows the same.
    pub pictures_kept: u64,
    /// Tracks that were taken out of persons.
    pub associations: u64,
    /// Segments of the spool that were deleted.
    pub spool_segments: u64,
    /// Records in the spool that are about them still: of people in the picture just now. They are refused when
    /// their turn comes.
    pub spool_records: u64,
    /// When the last message about them leaves the log, Unix time in ns.
    pub leaves_log_ns: i64,
    /// What was looked at afterwards.
    pub proof: Proof,
    /// The signed list.
    pub list: Option<PathBuf>,
}

/// What was looked at after forgetting, and what was found of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Searches by their own vectors.
    pub searches: u64,
    /// Points and pictures that were asked for by name.
    pub looked_up: u64,
    /// What was found of them. Always 0: anything else is an error.
    pub found: u64,
}

/// What a track looked like, to be searched for.
struct Look {
    name: String,
    model: String,
    values: Vec<f32>,
}

impl Store {
    /// Forgets: from now on every write of it is refused, and what there is goes, from files too. It may be asked
    /// for again at any time. The list is written by [`Store::write_list`], once whoever holds the log has done its
    /// part.
    ///
    /// # Errors
    ///
    /// When the disk or the engine refuses, or something is found afterwards. What was written down stands then, and
    /// is done at the next opening, or when it is asked for again.
    pub fn forget(&self, asked: &Forget, at_ns: i64, is_dry_run: bool) -> Result<ForgetReport> {
        self.forget_telling(asked, at_ns, is_dry_run, |_| Ok(()))
    }

    /// As [`Store::forget`], and tells others first: `tell` is given what is about to be written down, and when it
    /// fails nothing is forgotten here either.
    pub(crate) fn forget_telling(
        &self,
        asked: &Forget,
        at_ns: i64,
        is_dry_run: bool,
        tell: impl FnOnce(&[Forgotten]) -> Result<()>,
    ) -> Result<ForgetReport> {
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let index = self.index();
        let asked = &self.with_site(asked)?;
        let tracks = self.tracks_asked(asked)?;
        let mut report = ForgetReport {
            asked: asked.clone(),
            at_ns,
            is_dry_run,
            tracks: tracks.iter().copied().collect(),
            tracklets: 0,
            sightings: 0,
            pictures: BTreeSet::new(),
            pictures_kept: 0,
            associations: 0,
            spool_segments: 0,
            spool_records: 0,
            leaves_log_ns: at_ns,
            proof: Proof::default(),
            list: None,
        };
        if is_dry_run {
            for some in report.tracks.chunks(MAX_FORGOTTEN) {
                report.sightings += index.exemplars.count(&of_tracks(some))?;
                let ids: Vec<_> = some.iter().map(TrackId::tracklet_point).collect();
                report.tracklets += index.tracklets.retrieve(&ids, false)?.len() as u64;
            }
            return Ok(report);
        }
        let looks = self.looks_of(&report.tracks)?;
        let stretches = match asked {
            Forget::Camera(stretch) => vec![stretch.clone()],
            Forget::Track(_) | Forget::Person(_) => Vec::new(),
        };
        let entries = entries(at_ns, &report.tracks, stretches);
        let mut told = entries.clone();
        if self.is_shared() {
            // After the tracks: whoever hears of a picture knows already which tracks do not count as showing it.
            let pictures = self.pictures_of(&report.tracks)?;
            told.extend(
                pictures
                    .chunks(MAX_FORGOTTEN_PICTURES)
                    .map(|some| Forgotten {
                        at_ns,
                        tracks: Vec::new(),
                        stretches: Vec::new(),
                        pictures: some.to_vec(),
                    }),
            );
        }
        tell(&told)?;
        for entry in &entries {
            self.forgotten.add(entry)?;
        }
        let removed = self.remove_for_good(&tracks)?;
        report.proof = self.prove(&report.tracks, &looks, &removed)?;
        (report.tracklets, report.sightings) = (removed.tracklets, removed.sightings);
        (report.pictures, report.pictures_kept) = (removed.pictures, removed.pictures_kept);
        report.associations = removed.associations;
        Ok(report)
    }

    /// Writes and signs the list of what went. A message about it leaves the log after `in_log`; none: never.
    ///
    /// # Errors
    ///
    /// When the disk refuses, or the key cannot be read.
    pub fn write_list(&self, report: &mut ForgetReport, in_log: Option<Duration>) -> Result<()> {
        let what = "write the list of what was forgotten";
        let in_log_ns = in_log.and_then(|time| i64::try_from(time.as_nanos()).ok());
        report.leaves_log_ns = report.at_ns.saturating_add(in_log_ns.unwrap_or(i64::MAX));
        let mut text = serde_json::to_vec_pretty(report).map_err(|e| Error::io(what)(e.into()))?;
        text.push(b'\n');
        let name = format!("{}", report.at_ns);
        report.list = Some(list::write(&self.dir.join("forgotten"), &name, &text)?);
        Ok(())
    }

    /// Whether a sighting is refused because it is forgotten.
    pub fn is_forgotten(&self, sighting: &Sighting) -> bool {
        self.forgotten.refuses(sighting).is_some()
    }

    /// Takes in an event that says what is to be forgotten. The caller holds the writer's lock.
    pub(super) fn take_forgotten(&self, forgotten: &Forgotten) -> Result<()> {
        let mut tracks: BTreeSet<TrackId> = forgotten.tracks.iter().copied().collect();
        for stretch in &forgotten.stretches {
            tracks.extend(self.tracks_in(stretch)?);
        }
        let all: Vec<TrackId> = tracks.iter().copied().collect();
        for entry in entries(forgotten.at_ns, &all, forgotten.stretches.clone()) {
            self.forgotten.add(&entry)?;
        }
        self.remove_for_good(&tracks).map(drop)
    }

    /// Does again what a process did not finish.
    pub(super) fn finish_forgetting(&self) -> Result<()> {
        let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let unfinished = self.forgotten.take_unfinished();
        let Some(at_ns) = unfinished.iter().map(|forgotten| forgotten.at_ns).max() else {
            return Ok(());
        };
        self.take_forgotten(&Forgotten {
            at_ns,
            tracks: unfinished
                .iter()
                .flat_map(|it| &it.tracks)
                .copied()
                .collect(),
            stretches: unfinished.into_iter().flat_map(|it| it.stretches).collect(),
            pictures: Vec::new(),
        })
    }

    fn remove_for_good(&self, tracks: &BTreeSet<TrackId>) -> Result<Removed> {
        let index = self.index();
        let removed = self.remove_tracks(tracks, Pictures::LookAtAll)?;
        index.exemplars.scrub()?;
        index.tracklets.scrub()?;
        if let Some(next) = self.next() {
            next.generation.exemplars.scrub()?;
            next.generation.tracklets.scrub()?;
        }
        self.crops.flush()?;
        self.forgotten.finish()?;
        Ok(removed)
    }

    fn tracks_asked(&self, asked: &Forget) -> Result<BTreeSet<TrackId>> {
        match asked {
            Forget::Track(track) => Ok(BTreeSet::from([*track])),
            Forget::Camera(stretch) => self.tracks_in(stretch),
            Forget::Person(person) => {
                let tracks = self.tracks_of(*person)?;
                if tracks.is_empty() {
                    return Err(Error::Query {
                        what: format!("person {person} has no tracks in this store"),
                    });
                }
                Ok(tracks)
            }
        }
    }

    /// With the site of a camera that is named without one: the only one of which there are tracks by a camera of this name.
    fn with_site(&self, asked: &Forget) -> Result<Forget> {
        let index = self.index();
        let Forget::Camera(stretch) = asked else {
            return Ok(asked.clone());
        };
        if stretch.site.is_some() {
            return Ok(asked.clone());
        }
        let mut filter = Where::all_of(vec![Condition::is("camera", &stretch.camera)]);
        let mut sites = Vec::new();
        while let Some(found) = index.tracklets.page(&filter, None, 1, false)?.0.pop() {
            let track: TrackletPayload = from_payload(found.payload)?;
            filter.must_not.push(Condition::is("site", &track.site));
            sites.push(track.site);
        }
        if sites.len() > 1 {
            return Err(Error::Query {
                what: format!(
                    "sites {} have a camera {}; name the one that is meant",
                    sites.join(", "),
                    stretch.camera
                ),
            });
        }
        Ok(Forget::Camera(Stretch {
            site: sites.pop(),
            ..stretch.clone()
        }))
    }

    fn tracks_in(&self, stretch: &Stretch) -> Result<BTreeSet<TrackId>> {
        let index = self.index();
        // Rounded outwards to microseconds, then held against the nanoseconds.
        let found = index.tracklets.every(&Where::all_of(vec![
            Condition::is("camera", &stretch.camera),
            Condition::at_most("start_us", stretch.to_ns.div_euclid(1000)),
            Condition::at_least("end_us", stretch.from_ns.div_euclid(1000)),
        ]))?;
        let mut tracks = BTreeSet::new();
        for found in found {
            let track: TrackletPayload = from_payload(found.payload)?;
            if stretch.has_time(&track.site, track.start_ns, track.end_ns) {
                tracks.insert(track.track);
            }
        }
        Ok(tracks)
    }

    fn looks_of(&self, tracks: &[TrackId]) -> Result<Vec<Look>> {
        let index = self.index();
        let some = &tracks[..tracks.len().min(MOST_LOOKED_FOR)];
        let ids: Vec<_> = some.iter().map(TrackId::tracklet_point).collect();
        let mut looks = Vec::new();
        for record in index.tracklets.retrieve(&ids, true)? {
            for (name, values) in record.vectors {
                let spec = index.vectors.iter().find(|spec| spec.name == name);
                if let Some(spec) = spec {
                    let model = spec.model.clone();
                    looks.push(Look {
                        name,
                        model,
                        values,
                    });
                }
            }
        }
        Ok(looks)
    }

    /// Looks for what was forgotten, as somebody would who wants to find it.
    fn prove(&self, tracks: &[TrackId], looks: &[Look], removed: &Removed) -> Result<Proof> {
        let index = self.index();
        let mut proof = Proof::default();
        let forgotten: BTreeSet<TrackId> = tracks.iter().copied().collect();
        let found = |what: String| Error::NotForgotten {
            path: self.dir.clone(),
            what,
        };
        for look in looks {
            let answer = self.search(&Query {
                kind: QueryKind::Vector {
                    name: look.name.clone(),
                    model: look.model.clone(),
                    values: look.values.clone(),
                },
                filter: crate::Filter::default(),
                limit: LOOK_AT,
            })?;
            proof.searches += 1;
            if let Some(hit) = answer
                .hits
                .iter()
                .find(|hit| forgotten.contains(&hit.track))
            {
                return Err(found(format!(
                    "a search by its own looks finds track {}",
                    hit.track
                )));
            }
        }
        for some in tracks.chunks(MAX_FORGOTTEN) {
            let ids: Vec<_> = some.iter().map(TrackId::tracklet_point).collect();
            let mut points = index.tracklets.retrieve(&ids, false)?.len() as u64
                + index.exemplars.count(&of_tracks(some))?;
            if let Some(next) = self.next() {
                points += next.generation.tracklets.retrieve(&ids, false)?.len() as u64
                    + next.generation.exemplars.count(&of_tracks(some))?;
            }
            proof.looked_up += 2 * some.len() as u64;
            if points > 0 {
                return Err(found(format!("{points} points are there still")));
            }
        }
        for name in &removed.pictures {
            proof.looked_up += 1;
            if self.crops.find(name).is_some() {
                return Err(found(format!("picture {name} is there still")));
            }
        }
        Ok(proof)
    }
}

/// Entries for the book: as many tracks in one as an event can hold.
fn entries(at_ns: i64, tracks: &[TrackId], stretches: Vec<Stretch>) -> Vec<Forgotten> {
    let of_stretches = (!stretches.is_empty()).then(|| Forgotten {
        at_ns,
        tracks: Vec::new(),
        stretches,
        pictures: Vec::new(),
    });
    let of_tracks = tracks.chunks(MAX_FORGOTTEN).map(|some| Forgotten {
        at_ns,
        tracks: some.to_vec(),
        stretches: Vec::new(),
        pictures: Vec::new(),
    });
    of_stretches.into_iter().chain(of_tracks).collect()
}
