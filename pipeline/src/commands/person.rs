//! `sightline person`: one person's visits, and `search --persons`: the persons of an answer.

use std::io::Write as _;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use sightline_console::person::{PersonResponse, Visit, WordRequest};
use sightline_console::wire::{ClauseScore, NOT_CALIBRATED};
use sightline_console::{CameraCoverage, SearchResponse};
use sightline_sink::persons::Verdict;

use super::answering::{Answering, coverage_words};
use super::search::{clause_words, doubt};
use crate::cli::{
    PersonArgs, PersonCommand, PersonConfirmArgs, PersonJoinArgs, PersonRejectArgs, PersonShowArgs,
    stdout,
};
use crate::report::canvas::Canvas;
use crate::report::fit::fit_words;
use crate::report::path::{DrawnVisit, MOST_PICTURES, draw};

/// Visits of each person that are held together when two are joined.
const MOST_HELD: usize = 400;

/// Does what `sightline person` says.
///
/// # Errors
/// What went wrong, where and what to do.
pub fn run(args: &PersonArgs) -> Result<()> {
    match &args.command {
        PersonCommand::Show(args) => show(args),
        PersonCommand::Confirm(args) => confirm(args),
        PersonCommand::Reject(args) => reject(args),
        PersonCommand::Join(args) => join(args),
    }
}

fn show(args: &PersonShowArgs) -> Result<()> {
    let asked = Answering::open(&args.access, None)?;
    let person = asked.person(&args.person.to_string())?;
    if let Some(path) = &args.png {
        picture(&person, &asked)?.write_png(path)?;
    }
    if args.json {
        stdout().json(&person)?;
        return Ok(());
    }
    let mut out = stdout();
    writeln!(out, "person {}", person.person)?;
    visits(&mut out, &person)?;
    for camera in &person.coverage {
        writeln!(out, "{}", coverage_words(camera))?;
    }
    if let Some(path) = &args.png {
        writeln!(out, "picture: {}", path.display())?;
    }
    Ok(out.finish()?)
}

fn tracks(person: &PersonResponse) -> Vec<String> {
    let visits = person.visits.iter();
    visits.map(|visit| visit.track.track.clone()).collect()
}

fn confirm(args: &PersonConfirmArgs) -> Result<()> {
    let asked = Answering::open(&args.access, None)?;
    let tracks = tracks(&asked.person(&args.person.to_string())?);
    say(&asked, Verdict::Same, in_a_row(&tracks))
}

/// Each track with the next one.
fn in_a_row(tracks: &[String]) -> Vec<[String; 2]> {
    let pairs = tracks.windows(2);
    pairs
        .map(|pair| [pair[0].clone(), pair[1].clone()])
        .collect()
}

fn reject(args: &PersonRejectArgs) -> Result<()> {
    let asked = Answering::open(&args.access, None)?;
    let (tracks, track) = (
        tracks(&asked.person(&args.person.to_string())?),
        args.track.to_string(),
    );
    if !tracks.contains(&track) {
        bail!("track {track} does not belong to person {}", args.person);
    }
    let others = tracks.into_iter().filter(|other| *other != track);
    say(
        &asked,
        Verdict::Different,
        others.map(|other| [track.clone(), other]).collect(),
    )
}

fn join(args: &PersonJoinArgs) -> Result<()> {
    let asked = Answering::open(&args.access, None)?;
    let one = tracks(&asked.person(&args.person.to_string())?);
    let other = tracks(&asked.person(&args.other.to_string())?);
    let (Some(last), Some(last_of_other)) = (one.last(), other.last()) else {
        bail!("a person without visits cannot be joined");
    };
    if last == last_of_other {
        bail!("person {} is person {} already", args.person, args.other);
    }
    // Each of the two is one person, the latest visits at least: else the last track alone would go to the other one.
    // Visits that are not compared any more are refused, and stay where they are.
    let held = [one.as_slice(), other.as_slice()].map(|tracks| {
        let latest = tracks.len().saturating_sub(MOST_HELD);
        in_a_row(&tracks[latest..])
    });
    let held = held.concat();
    let mut taken = 0;
    if !held.is_empty() {
        let request = WordRequest {
            verdict: Verdict::Same,
            pairs: held,
        };
        taken = asked.say(&request)?.taken;
    }
    let pairs = vec![[last.clone(), last_of_other.clone()]];
    say_after(&asked, Verdict::Same, pairs, taken)
}

fn say(asked: &Answering, verdict: Verdict, pairs: Vec<[String; 2]>) -> Result<()> {
    say_after(asked, verdict, pairs, 0)
}

/// As [`say`], where so many other pairs were taken before.
fn say_after(
    asked: &Answering,
    verdict: Verdict,
    pairs: Vec<[String; 2]>,
    taken: u64,
) -> Result<()> {
    if pairs.is_empty() {
        bail!("the person has one visit, so there is nothing to say of it");
    }
    let response = asked.say(&WordRequest { verdict, pairs })?;
    if response.refused > 0 {
        bail!(
            "{} of {} pairs were not taken: their tracks are too old to be compared, or association is off; see [persons]. The others stand",
            response.refused,
            response.refused + response.taken
        );
    }
    let mut out = stdout();
    writeln!(
        out,
        "{} pairs taken; they stand from now on",
        taken + response.taken
    )?;
    Ok(out.finish()?)
}

fn picture(person: &PersonResponse, asked: &Answering) -> Result<Canvas> {
    let mut drawn = Vec::with_capacity(person.visits.len());
    for (place, visit) in person.visits.iter().enumerate() {
        let crop = match &visit.track.thumbnail_sha256 {
            Some(digest) if place < MOST_PICTURES => asked.thumbnail(digest)?,
            _ => None,
        };
        let crop = crop
            .map(|jpeg| Canvas::from_jpeg(&jpeg))
            .transpose()
            .context("a stored picture cannot be read")?;
        drawn.push(DrawnVisit {
            camera: visit.track.camera.clone(),
            start_ns: visit.track.start.unix_ns(),
            end_ns: visit.track.end.unix_ns(),
            bbox: visit.track.bbox,
            crop,
            words: visit
                .join
                .map(|join| format!("{:.0}%", 100.0 * join.probability))
                .unwrap_or_default(),
        });
    }
    let blind: Vec<_> = person
        .coverage
        .iter()
        .flat_map(|camera| {
            let stretches = camera.blind.iter();
            stretches.map(|it| (camera.camera.clone(), it.start.unix_ns(), it.end.unix_ns()))
        })
        .collect();
    let title = format!("person {}, {} visits", person.person, drawn.len());
    Ok(draw(&title, &drawn, &blind, &asked.map()))
}

fn visits(out: &mut impl std::io::Write, person: &PersonResponse) -> Result<()> {
    for visit in &person.visits {
        let track = &visit.track;
        writeln!(
            out,
            "  {:>3}. camera {} {} to {}, {}\n       track {}",
            track.rank,
            track.camera,
            track.start,
            track.end,
            track.thumbnail.as_deref().unwrap_or("no picture"),
            track.track
        )?;
        let Some(join) = &visit.join else { continue };
        let calibration = if join.is_calibrated {
            ""
        } else {
            ", not calibrated"
        };
        write!(
            out,
            "       follows {}: {:.0}%{calibration}; log odds {:+.1} = looks {:+.1} + time {:+.1} + place {:+.1}",
            join.follows,
            100.0 * join.probability,
            join.log_odds,
            join.appearance,
            join.transit,
            join.place
        )?;
        if join.word > 0.0 {
            write!(out, "; somebody said so")?;
        }
        match join.runner_up {
            Some(other) => writeln!(out, "; next person {} {:+.1}", other.person, other.log_odds)?,
            None => writeln!(out, "; nobody else came into question")?,
        }
    }
    Ok(())
}

/// What `search --persons --json` prints.
#[derive(Debug, Serialize)]
struct Persons {
    persons: Vec<Found>,
    coverage: Vec<CameraCoverage>,
    why_empty: Option<String>,
    searched: u64,
    is_exact: bool,
    calibrated: bool,
    calibration: Option<String>,
    why_uncalibrated: Option<String>,
    /// What was understood of the question, and what was not.
    notes: Vec<String>,
}

/// One person of an answer.
#[derive(Debug, Serialize)]
struct Found {
    rank: u32,
    /// Over all views; null where nothing was compared.
    similarity: Option<f64>,
    /// Probability over all views; null without a calibration table.
    score: Option<f64>,
    /// How well each clause of the sentence fits the best track.
    clauses: Vec<ClauseScore>,
    #[serde(flatten)]
    person: PersonResponse,
}

/// Prints the persons of an answer.
///
/// # Errors
/// What went wrong while their visits were asked for.
pub fn print_persons(answer: SearchResponse, asked: &Answering, is_json: bool) -> Result<()> {
    let mut persons = Vec::new();
    for hit in answer.hits {
        let (rank, similarity, score) = (hit.rank, hit.similarity, hit.score);
        let clauses = hit.clauses.clone();
        let person = match &hit.person {
            Some(person) => asked.person(person)?,
            // A track without a person stands for itself.
            None => PersonResponse {
                person: hit.track.clone(),
                visits: vec![Visit {
                    track: hit,
                    join: None,
                }],
                coverage: Vec::new(),
            },
        };
        persons.push(Found {
            rank,
            similarity,
            score,
            clauses,
            person,
        });
    }
    let answer = Persons {
        persons,
        coverage: answer.coverage,
        why_empty: answer.why_empty,
        searched: answer.searched,
        is_exact: answer.is_exact,
        calibrated: answer.calibrated,
        calibration: answer.calibration,
        why_uncalibrated: answer.why_uncalibrated,
        notes: answer.notes,
    };
    if is_json {
        return Ok(stdout().json(&answer)?);
    }
    let mut out = stdout();
    for found in &answer.persons {
        writeln!(
            out,
            "{:>3}. person {}, {} visits{}",
            found.rank,
            found.person.person,
            found.person.visits.len(),
            fit_words(found.score, found.similarity)
        )?;
        if !found.clauses.is_empty() {
            let clauses: Vec<_> = found.clauses.iter().map(clause_words).collect();
            writeln!(out, "     {}", clauses.join(", "))?;
        }
        visits(&mut out, &found.person)?;
    }
    if let Some(why) = &answer.why_empty {
        writeln!(out, "nobody found: {why}")?;
    }
    if let Some(why) = &answer.why_uncalibrated {
        writeln!(
            out,
            "scores: {NOT_CALIBRATED} ({why}); persons are in order of similarity"
        )?;
    }
    let scores = answer.persons.iter().map(|found| found.score);
    if let Some(words) = doubt(answer.calibrated, scores) {
        writeln!(out, "{words}")?;
    }
    if !answer.is_exact {
        writeln!(
            out,
            "not every track was compared: somebody farther down may fit better; ask for more with --limit, or for less time"
        )?;
    }
    for note in &answer.notes {
        writeln!(out, "note: {note}")?;
    }
    for camera in &answer.coverage {
        writeln!(out, "{}", coverage_words(camera))?;
    }
    Ok(out.finish()?)
}
