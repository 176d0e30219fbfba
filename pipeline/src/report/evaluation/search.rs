//! How well tracks find their person on other cameras, and sentences their person among all.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use ndarray::Array2;
use serde::{Deserialize, Serialize};
use sightline_eval::calibration::{Calibration, calibration};
use sightline_eval::interval::wilson;
use sightline_eval::retrieval::{ImageScores, Label, rank_images};
use sightline_sink::TrackId;

use super::tally::{self, Known};
use super::{Answers, Found, bins};
use crate::report::fit::LIKELY;

/// Tracks that ask for others like them, at most: what is compared grows with the square of them.
const MOST_QUERIES: usize = 2000;
/// The k of rank-k and R@k.
const RANKS: [usize; 3] = [1, 5, 10];
/// Farther than any two vectors are: tracks that an answer did not reach.
const UNREACHED: f64 = 3.0;
/// Sentences that found somebody else, told on the page.
const MOST_MISSES: usize = 24;

/// A sentence of which it is known whom it is about: one entry of the file of `--sentences`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sentence {
    /// What is asked.
    pub text: String,
    /// Identities of the truth that it describes; empty when nobody there fits.
    pub identities: Vec<u64>,
}

/// Reads a list of sentences (JSON).
///
/// # Errors
/// When it cannot be read, is empty, or has an empty sentence.
pub fn read_sentences(path: &Path) -> Result<Vec<Sentence>> {
    let text = fs_err::read_to_string(path)?;
    let sentences: Vec<Sentence> = serde_json::from_str(&text).with_context(|| {
        format!(
            "{} is no list of sentences, expected [{{\"text\": \"…\", \"identities\": [1]}}]",
            path.display()
        )
    })?;
    ensure!(
        !sentences.is_empty() && sentences.iter().all(|it| !it.text.trim().is_empty()),
        "{} has no sentences or an empty one",
        path.display()
    );
    Ok(sentences)
}

/// How well sentences find people.
#[derive(Debug, Serialize)]
pub struct TextSearch {
    /// Sentences about somebody whom a track shows: the scores are over these.
    pub sentences: usize,
    /// Sentences about people whom no track shows.
    pub unanswerable: usize,
    /// Sentences about nobody who is there.
    pub absent: usize,
    /// With tracks as hits.
    pub tracks: RecallAt,
    /// With persons as hits; a person counts as the identity that its tracks show most.
    pub persons: RecallAt,
    /// Share of the sentences about nobody whose best person is called likely; none without such sentences or probabilities.
    pub false_alarms: Option<f64>,
    /// Between these the share lies with 95% confidence (Wilson).
    pub false_alarms_interval: Option<[f64; 2]>,
    /// The likeliest of those sentences about nobody, likeliest first.
    pub alarms: Vec<Alarm>,
    /// Whether the probabilities of the first ten persons of every sentence hold; none where scores are not calibrated.
    pub hits: Option<Calibration>,
    /// Sentences that found somebody else, worst first.
    pub misses: Vec<Miss>,
}

/// Shares of sentences whose person is among the first.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct RecallAt {
    /// First.
    pub r1: f64,
    /// Between these R@1 lies with 95% confidence (Wilson).
    pub r1_interval: [f64; 2],
    /// Among the first five.
    pub r5: f64,
    /// Among the first ten.
    pub r10: f64,
}

/// A sentence whose person did not come first.
#[derive(Clone, Debug, Serialize)]
pub struct Miss {
    /// What was asked.
    pub text: String,
    /// Place of the right person, from 1; none when it is not among the hits.
    pub rank: Option<usize>,
    /// Best track of the person that came first; none without hits.
    pub found: Option<TrackId>,
    /// A track of somebody who is right.
    pub right: TrackId,
}

/// A sentence about nobody for whom somebody was called likely.
#[derive(Clone, Debug, Serialize)]
pub struct Alarm {
    /// What was asked.
    pub text: String,
    /// Best track of the person that came first.
    pub found: TrackId,
    /// With what probability it was said to be right.
    pub probability: f64,
}

/// Every track asks for those like it: rank-k, mAP and mINP by the protocol of Market-1501 with tracks for pictures. None
/// where nobody was on two cameras.
pub(super) fn reid(
    known: &BTreeMap<TrackId, Known>,
    answers: &impl Answers,
) -> Result<Option<ImageScores>> {
    let tracks: Vec<(TrackId, Label)> = known
        .iter()
        .filter_map(|(track, known)| {
            let label = Label {
                id: i64::try_from(known.identity()?).ok()?,
                camera: u32::try_from(known.camera).ok()?,
            };
            Some((*track, label))
        })
        .take(MOST_QUERIES)
        .collect();
    let labels: Vec<Label> = tracks.iter().map(|track| track.1).collect();
    let is_seen_twice = |one: &Label| {
        let mut others = labels.iter();
        others.any(|other| other.id == one.id && other.camera != one.camera)
    };
    if !labels.iter().any(is_seen_twice) {
        return Ok(None);
    }
    let place: BTreeMap<TrackId, usize> = tracks.iter().map(|track| track.0).zip(0..).collect();
    let mut distances = Array2::from_elem((tracks.len(), tracks.len()), UNREACHED);
    for (row, (track, _)) in tracks.iter().enumerate() {
        for (other, similarity) in answers.like(*track)? {
            if let Some(column) = place.get(&other) {
                distances[[row, *column]] = 1.0 - similarity;
            }
        }
    }
    Ok(Some(rank_images(&distances, &labels, &labels, &RANKS)?))
}

/// Every sentence asks for tracks, and for persons.
pub(super) fn text(
    sentences: &[Sentence],
    known: &BTreeMap<TrackId, Known>,
    person: &dyn Fn(TrackId) -> u64,
    answers: &impl Answers,
) -> Result<Option<TextSearch>> {
    if sentences.is_empty() {
        return Ok(None);
    }
    let votes = tally::shown(known, person);
    let of_track = |found: &Found| known.get(&found.track).and_then(Known::identity);
    let of_person = |found: &Found| tally::most(votes.get(&person(found.track))?);
    let mut shown: BTreeMap<u64, TrackId> = BTreeMap::new();
    for (track, known) in known {
        if let Some(identity) = known.identity() {
            shown.entry(identity).or_insert(*track);
        }
    }
    let (mut by_track, mut by_person) = (Vec::new(), Vec::new());
    let (mut probabilities, mut is_right) = (Vec::new(), Vec::new());
    let (mut absent, mut unanswerable) = (0_usize, 0_usize);
    let (mut misses, mut alarms) = (Vec::new(), Vec::new());
    for sentence in sentences {
        let wanted: BTreeSet<u64> = sentence.identities.iter().copied().collect();
        let persons = answers.find(&sentence.text, true)?;
        let fits = |identity: Option<u64>| identity.is_some_and(|it| wanted.contains(&it));
        for found in persons.iter().take(10) {
            if let Some(probability) = found.probability {
                probabilities.push(probability);
                is_right.push(fits(of_person(found)));
            }
        }
        if wanted.is_empty() {
            absent += 1;
            if let Some(best) = persons.first()
                && let Some(probability) = best.probability.filter(|it| *it >= LIKELY)
            {
                alarms.push(Alarm {
                    text: sentence.text.clone(),
                    found: best.track,
                    probability,
                });
            }
            continue;
        }
        let Some(right) = wanted.iter().find_map(|identity| shown.get(identity)) else {
            unanswerable += 1;
            continue;
        };
        let tracks = answers.find(&sentence.text, false)?;
        by_track.push(tracks.iter().position(|found| fits(of_track(found))));
        let place = persons.iter().position(|found| fits(of_person(found)));
        by_person.push(place);
        if place != Some(0) {
            misses.push(Miss {
                text: sentence.text.clone(),
                rank: place.map(|place| place + 1),
                found: persons.first().map(|found| found.track),
                right: *right,
            });
        }
    }
    misses.sort_by_key(|miss| std::cmp::Reverse(miss.rank.unwrap_or(usize::MAX)));
    misses.truncate(MOST_MISSES);
    let hits = (!probabilities.is_empty()).then(|| {
        let bins = bins(probabilities.len());
        calibration(&probabilities, &is_right, bins)
    });
    let has_alarms = absent > 0 && hits.is_some();
    let called = alarms.len();
    alarms.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    alarms.truncate(MOST_MISSES);
    Ok(Some(TextSearch {
        sentences: by_person.len(),
        unanswerable,
        absent,
        tracks: RecallAt::of(&by_track),
        persons: RecallAt::of(&by_person),
        false_alarms: has_alarms.then(|| called as f64 / absent as f64),
        false_alarms_interval: has_alarms.then(|| wilson(called, absent)),
        alarms,
        hits: hits.transpose()?,
        misses,
    }))
}

impl RecallAt {
    /// From the place of the first right hit of each sentence, from 0.
    fn of(places: &[Option<usize>]) -> Self {
        let found = RANKS.map(|k| {
            let found = places.iter().flatten().filter(|place| **place < k);
            found.count()
        });
        let [r1, r5, r10] = found.map(|found| found as f64 / places.len().max(1) as f64);
        Self {
            r1,
            r1_interval: wilson(found[0], places.len()),
            r5,
            r10,
        }
    }
}
