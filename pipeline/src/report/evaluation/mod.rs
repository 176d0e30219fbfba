//! How well a replay did, against what is known of its recordings: `replay --eval`.
//!
//! # Layout
//!
//! - this file: who was taken for whom, and the scores
//! - `tally`: whom each track shows
//! - `search`: what tracks and sentences find
//! - [`light`]: how bright it was where people stood
//! - [`page`]: the same as one self-contained page
//! - [`gate`]: thresholds that a report must meet

pub mod gate;
pub mod light;
pub mod page;
mod search;
mod tally;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::Result;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use sightline_eval::calibration::{Calibration, calibration};
use sightline_eval::read::{GroundTruth, Observation};
use sightline_eval::retrieval::ImageScores;
use sightline_eval::tracking::{Scores, measure_mot_scene};
use sightline_sink::persons::Join;
use sightline_sink::{PersonId, TrackId};

use super::mtmc::BoxRow;
use light::Light;
use tally::{Known, vote};

pub use search::{Sentence, TextSearch, read_sentences};

/// Confusions that are told.
const MOST_CONFUSIONS: usize = 24;
/// Bins of a reliability, at most, and answers in each at least: in smaller ones chance alone looks like an error.
const BINS: usize = 10;
const LEAST_IN_BIN: usize = 20;

/// What a report holds; times of the run stand elsewhere, so that the same video gives the same report.
#[derive(Debug, Serialize)]
pub struct Evaluation {
    /// One hash over events, tracks, persons and everything that this report holds.
    pub hash: String,
    /// Multi-camera scores of persons.
    pub persons: Scores,
    /// Scores of tracks, each camera for itself and all together.
    pub tracking: Scores,
    /// By camera.
    pub cameras: BTreeMap<String, Scores>,
    /// Multi-camera scores if each track were joined to the person it shows most: what association could reach.
    pub perfect_association: Scores,
    /// Identities of the truth, tracks and persons.
    pub counts: Counted,
    /// Share of the truth's boxes that were found, by what made it hard.
    pub found: Vec<FoundShare>,
    /// How well a track finds its person on other cameras by looks alone; none where nobody was on two.
    pub reid: Option<ImageScores>,
    /// Whether the probabilities of joins hold; none without joins.
    pub joins: Option<JoinReliability>,
    /// How well sentences find people; none without sentences.
    pub text: Option<TextSearch>,
    /// Identities that share a person, and identities that have several, worst first.
    pub confusions: Vec<Confusion>,
    /// For the page: who was seen where and when.
    #[serde(skip)]
    pub stretches: Vec<Stretch>,
}

/// How many there are.
#[derive(Debug, Serialize)]
pub struct Counted {
    /// People of the truth.
    pub identities: usize,
    /// Tracks with boxes.
    pub tracks: usize,
    /// Persons with boxes.
    pub persons: usize,
    /// Boxes of tracks.
    pub boxes: usize,
}

/// A share of boxes that were found.
#[derive(Debug, Serialize)]
pub struct FoundShare {
    /// `height`, `crowd` or `light`.
    pub by: &'static str,
    /// Least value: pixels, people, or the mean luma of the person's box from 0 to 255.
    pub from: f64,
    /// Boxes of the truth.
    pub boxes: u64,
    /// Share of them that a track's box covers by half or more.
    pub found: f64,
}

/// Probabilities of joins against whether a track shows whom the other tracks of its person show most.
#[derive(Debug, Serialize)]
pub struct JoinReliability {
    /// Joins of tracks of which both is known.
    pub joins: usize,
    /// Joins of which it is not: the track, or none of the others, shows anybody of the truth.
    pub left_out: usize,
    /// Share that was right.
    pub right: f64,
    /// How far probabilities are from what happened.
    pub calibration: Calibration,
}

/// Two tracks that were joined and are two people, or that are one and were not joined.
#[derive(Clone, Debug, Serialize)]
pub struct Confusion {
    /// `merged` or `split`.
    pub kind: &'static str,
    /// Frames that it costs.
    pub frames: u64,
    /// A track of the one and of the other.
    pub tracks: [TrackId; 2],
    /// Their cameras.
    pub cameras: [String; 2],
    /// Their identities in the truth.
    pub identities: [u64; 2],
}

/// A track on the timeline.
#[derive(Clone, Debug)]
pub struct Stretch {
    /// The camera's place in the list.
    pub camera: usize,
    /// First and last frame.
    pub frames: [u64; 2],
    /// Number of its person.
    pub person: u64,
    /// Its identity in the truth.
    pub identity: Option<u64>,
}

/// Everything that is measured.
pub struct Run<'a> {
    /// Names of the cameras in order.
    pub cameras: &'a [String],
    /// Their truth, in the same order.
    pub truths: Vec<GroundTruth>,
    /// Every box of every track.
    pub boxes: &'a [BoxRow],
    /// How bright it was where the truth's people stood.
    pub light: &'a Light,
    /// What is to be asked.
    pub sentences: &'a [Sentence],
    /// Digest of the store: events, tracklets and whose each is.
    pub digest: &'a str,
}

/// The store that a run filled, as far as it is measured.
pub trait Answers {
    /// Whose a track is.
    fn person_of(&self, track: TrackId) -> Option<PersonId>;

    /// Why a track belongs to its person; none for the first.
    fn join_of(&self, track: TrackId) -> Option<Join>;

    /// Other tracks and their similarity to this one by looks, nearest first.
    ///
    /// # Errors
    /// When the store cannot be asked.
    fn like(&self, track: TrackId) -> Result<Vec<(TrackId, f64)>>;

    /// Tracks that fit a sentence, or persons, each by its best track; best first.
    ///
    /// # Errors
    /// When the store cannot be asked.
    fn find(&self, sentence: &str, persons: bool) -> Result<Vec<Found>>;
}

/// A hit of a sentence.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// The track, or the best one of the person.
    pub track: TrackId,
    /// That it is who was asked for; none where it is not calibrated.
    pub probability: Option<f64>,
}

/// Measures a run.
///
/// # Errors
/// When boxes overlap so much that they cannot be measured, or the store cannot be asked.
pub fn evaluate(run: &Run<'_>, answers: &impl Answers) -> Result<Evaluation> {
    let person_of = |track| answers.person_of(track);
    let mut numbers: HashMap<TrackId, u64> = HashMap::new();
    let mut persons: HashMap<PersonId, u64> = HashMap::new();
    for row in run.boxes {
        let next = numbers.len() as u64 + 1;
        numbers.entry(row.track).or_insert(next);
        if let Some(person) = person_of(row.track) {
            let next = persons.len() as u64 + 1;
            persons.entry(person).or_insert(next);
        }
    }
    // Numbers of their own for tracks without a person.
    let alone = |track: TrackId| (1 << 40) + numbers.get(&track).copied().unwrap_or(0);
    let person_number = |track: TrackId| {
        let person = person_of(track).and_then(|person| persons.get(&person).copied());
        person.unwrap_or_else(|| alone(track))
    };
    let (known, found) = vote(run);
    let scores = |number: &dyn Fn(TrackId) -> u64| scene(run, number);
    let by_person = scores(&person_number)?;
    let by_track = scores(&|track| numbers.get(&track).copied().unwrap_or(0))?;
    let perfect = scores(&|track| {
        let identity = known.get(&track).and_then(Known::identity);
        identity.unwrap_or_else(|| alone(track))
    })?;
    let mut cameras = BTreeMap::new();
    for (index, camera) in run.cameras.iter().enumerate() {
        let Some(truth) = run.truths.get(index) else {
            continue;
        };
        let tracks = observations(run, index, &|track| {
            numbers.get(&track).copied().unwrap_or(0)
        });
        let counts = sightline_eval::tracking::measure_sequence(truth, &tracks)?;
        cameras.insert(camera.clone(), counts.scores());
    }
    let identities: BTreeSet<u64> = run
        .truths
        .iter()
        .flat_map(|truth| truth.observations.iter().map(|observation| observation.id))
        .collect();
    let distinct: BTreeSet<u64> = numbers.keys().map(|track| person_number(*track)).collect();
    let mut stretches: Vec<Stretch> = known
        .iter()
        .map(|(track, known)| Stretch {
            camera: known.camera,
            frames: [known.first, known.last],
            person: person_number(*track),
            identity: known.identity(),
        })
        .collect();
    stretches.sort_by_key(|stretch| (stretch.camera, stretch.frames, stretch.person));
    let mut evaluation = Evaluation {
        hash: String::new(),
        persons: by_person,
        tracking: by_track,
        cameras,
        perfect_association: perfect,
        counts: Counted {
            identities: identities.len(),
            tracks: numbers.len(),
            persons: distinct.len(),
            boxes: run.boxes.len(),
        },
        found,
        reid: search::reid(&known, answers)?,
        joins: reliability(&known, &person_number, |track| answers.join_of(track))?,
        text: search::text(run.sentences, &known, &person_number, answers)?,
        confusions: confusions(&known, run.cameras, &person_number),
        stretches,
    };
    evaluation.hash = hash(run, &person_number, &evaluation)?;
    Ok(evaluation)
}

/// How many bins so many answers make.
fn bins(answers: usize) -> usize {
    (answers / LEAST_IN_BIN).clamp(1, BINS)
}

fn observations(run: &Run<'_>, camera: usize, number: &dyn Fn(TrackId) -> u64) -> Vec<Observation> {
    let mut seen = BTreeSet::new();
    let rows = run.boxes.iter().filter(|row| row.camera == camera);
    rows.filter_map(|row| {
        let id = number(row.track);
        let frame = u32::try_from(row.frame + 1).ok()?;
        // Two tracks of one person in one picture: one of them is a second box on somebody.
        seen.insert((frame, id)).then_some(Observation {
            frame,
            id,
            bbox: row.left_top_width_height(),
        })
    })
    .collect()
}

fn scene(run: &Run<'_>, number: &dyn Fn(TrackId) -> u64) -> Result<Scores> {
    let cameras: Vec<_> = run
        .truths
        .iter()
        .enumerate()
        .map(|(index, truth)| (truth.clone(), observations(run, index, number)))
        .collect();
    Ok(measure_mot_scene(&cameras)?.boxes.scores())
}

fn reliability(
    known: &BTreeMap<TrackId, Known>,
    person: &dyn Fn(TrackId) -> u64,
    join_of: impl Fn(TrackId) -> Option<Join>,
) -> Result<Option<JoinReliability>> {
    let shown = tally::shown(known, person);
    let (mut probabilities, mut is_right, mut left_out) = (Vec::new(), Vec::new(), 0);
    for (track, of_track) in known {
        let Some(join) = join_of(*track) else {
            continue;
        };
        let mut others = shown.get(&person(*track)).cloned().unwrap_or_default();
        for (identity, frames) in &of_track.votes {
            if let Some(held) = others.get_mut(identity) {
                *held = held.saturating_sub(*frames);
            }
        }
        others.retain(|_, frames| *frames > 0);
        if let (Some(this), Some(others)) = (of_track.identity(), tally::most(&others)) {
            probabilities.push(join.probability);
            is_right.push(this == others);
        } else {
            left_out += 1;
        }
    }
    if probabilities.is_empty() {
        return Ok(None);
    }
    let right = is_right.iter().filter(|is_right| **is_right).count();
    Ok(Some(JoinReliability {
        joins: is_right.len(),
        left_out,
        right: right as f64 / is_right.len() as f64,
        calibration: calibration(&probabilities, &is_right, bins(is_right.len()))?,
    }))
}

/// The largest track of each identity and person against the one that it should or should not be with.
fn confusions(
    known: &BTreeMap<TrackId, Known>,
    cameras: &[String],
    person: &dyn Fn(TrackId) -> u64,
) -> Vec<Confusion> {
    let mut largest: BTreeMap<(u64, u64), (u64, TrackId)> = BTreeMap::new();
    let mut frames: BTreeMap<(u64, u64), u64> = BTreeMap::new();
    for (track, known) in known {
        let Some(identity) = known.identity() else {
            continue;
        };
        let key = (person(*track), identity);
        *frames.entry(key).or_default() += known.frames();
        let held = largest.entry(key).or_insert((0, *track));
        if known.frames() > held.0 {
            *held = (known.frames(), *track);
        }
    }
    let mut confusions = Vec::new();
    let mut compare = |kind, a: &(u64, u64), b: &(u64, u64)| {
        let (Some((_, one)), Some((_, other))) = (largest.get(a), largest.get(b)) else {
            return;
        };
        let camera = |track: &TrackId| {
            let index = known.get(track).map_or(0, |known| known.camera);
            cameras.get(index).cloned().unwrap_or_default()
        };
        confusions.push(Confusion {
            kind,
            frames: frames.get(a).min(frames.get(b)).copied().unwrap_or(0),
            tracks: [*one, *other],
            cameras: [camera(one), camera(other)],
            identities: [a.1, b.1],
        });
    };
    let keys: Vec<&(u64, u64)> = largest.keys().collect();
    for (index, a) in keys.iter().enumerate() {
        for b in &keys[index + 1..] {
            match (a.0 == b.0, a.1 == b.1) {
                (true, false) => compare("merged", a, b),
                (false, true) => compare("split", a, b),
                _ => {}
            }
        }
    }
    confusions.sort_by_key(|confusion| (std::cmp::Reverse(confusion.frames), confusion.tracks));
    confusions.truncate(MOST_CONFUSIONS);
    confusions
}

fn hash(run: &Run<'_>, person: &dyn Fn(TrackId) -> u64, evaluation: &Evaluation) -> Result<String> {
    let mut hash = Sha256::new();
    hash.update(run.digest.as_bytes());
    for row in run.boxes {
        hash.update((row.camera as u64).to_le_bytes());
        hash.update(row.frame.to_le_bytes());
        hash.update(row.track.as_bytes());
        hash.update(person(row.track).to_le_bytes());
        for value in [row.bbox.x0, row.bbox.y0, row.bbox.x1, row.bbox.y1] {
            hash.update(value.to_le_bytes());
        }
    }
    hash.update(serde_json::to_vec(evaluation)?);
    let bytes = hash.finalize();
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests;
