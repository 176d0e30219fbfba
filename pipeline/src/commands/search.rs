//! `sightline search`: questions to the store, wherever it is.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use sightline_console::picture::Picture;
use sightline_console::wire::{ClauseScore, NOT_CALIBRATED, PictureBytes};
use sightline_console::{
    By, EncodeQuery, EncodeQueue, QueryEncoders, QueryVector, Question, SearchRequest,
    SearchResponse, UtcTime, Words,
};

use super::answering::{Answering, coverage_words};
use super::person::print_persons;
use crate::cli::{SearchArgs, stdout};
use crate::config::Config;
use crate::flow;
use crate::models::runtime;
use crate::report::fit::{POSSIBLE, fit_words};

/// Largest picture that is read for a query, bytes: what the socket takes.
const MOST_PICTURE_BYTES: u64 = 6 << 20;

/// Asks, and prints the answer.
///
/// # Errors
/// What went wrong, where and what to do. An empty answer is none: it says why it is empty.
pub fn run(args: &SearchArgs) -> Result<()> {
    let request = request(args)?;
    let asked = Answering::open(&args.access, Some(&request))?;
    let response = asked.search(&request)?;
    if args.persons {
        return print_persons(response, &asked, args.json);
    }
    if args.json {
        stdout().json(&response)?;
        return Ok(());
    }
    print(&response)
}

fn request(args: &SearchArgs) -> Result<SearchRequest> {
    let image = args.image.as_deref().map(read_picture).transpose()?;
    let time = |ns: Option<i64>| ns.map(UtcTime::from_unix_ns);
    Ok(SearchRequest {
        text: args.text.clone(),
        not: args.not.clone(),
        image,
        track: args.track.map(|id| id.to_string()),
        like: args.like.iter().map(ToString::to_string).collect(),
        unlike: args.unlike.iter().map(ToString::to_string).collect(),
        cameras: args.cameras.clone(),
        from: time(args.from),
        to: time(args.to),
        limit: Some(u32::try_from(args.limit.get()).unwrap_or(u32::MAX)),
        persons: args.persons,
        ..SearchRequest::default()
    })
}

fn read_picture(path: &Path) -> Result<PictureBytes> {
    let length = fs_err::metadata(path)
        .context("cannot read the picture; check the path and who may read it")?
        .len();
    if length > MOST_PICTURE_BYTES {
        bail!(
            "picture {} has {length} bytes, expected a crop of a person of at most {MOST_PICTURE_BYTES}",
            path.display()
        );
    }
    Ok(PictureBytes(fs_err::read(path)?))
}

/// Models that questions need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    appearance: bool,
    joint: bool,
    text: bool,
}

impl Needs {
    /// Whatever may be asked.
    #[must_use]
    pub fn all(config: &Config) -> Self {
        let text = config.models.text_search;
        Self {
            appearance: true,
            joint: text,
            text,
        }
    }

    /// Sentences alone.
    #[must_use]
    pub fn text() -> Self {
        Self {
            text: true,
            ..Self::default()
        }
    }

    /// What one question needs; a sentence needs nothing where text search is off, and is refused then.
    pub fn of(question: &Question, config: &Config) -> Self {
        let can_read = config.models.text_search;
        Self {
            appearance: matches!(question.by, By::Picture(_)),
            joint: can_read && matches!(question.by, By::TextAndPicture(..)),
            text: can_read && matches!(question.by, By::Text(_) | By::TextAndPicture(..)),
        }
    }

    /// Whether there is one.
    #[must_use]
    pub fn any(self) -> bool {
        self != Self::default()
    }
}

/// Loads the models for queries, on their own thread.
///
/// # Errors
/// When one of them cannot be loaded.
pub fn start_encoders(config: &Config, needs: &Needs) -> Result<EncodeQueue> {
    let encoders = load_encoders(config, needs)?;
    let model = encoders
        .appearance
        .as_ref()
        .map_or_else(String::new, |encoder| encoder.model_id().to_string());
    Ok(EncodeQueue::start(model, move || Ok(encoders))?)
}

fn load_encoders(config: &Config, needs: &Needs) -> Result<QueryEncoders> {
    let environment = runtime::environment(Some(&config.models.onnxruntime))?;
    let mut encoders = QueryEncoders::default();
    if needs.appearance {
        encoders.appearance = Some(flow::load_encoder(environment, config)?);
    }
    if needs.joint {
        encoders.joint = flow::load_joint_encoder(environment, config)?;
    }
    if needs.text {
        encoders.text = Some(flow::load_text_encoder(environment, config)?);
    }
    Ok(encoders)
}

/// As [`start_encoders`] with everything, but each question of the first kind waits for the models to be loaded: a process that works
/// at something else does not pay for questions that nobody asks.
///
/// # Errors
/// When the machine refuses a thread.
pub fn start_encoders_when_asked(config: &Config, model: String) -> Result<EncodeQueue> {
    let when_asked = WhenAsked {
        config: config.clone(),
        loaded: None,
    };
    Ok(EncodeQueue::start(model, move || Ok(when_asked))?)
}

/// Encoders that are loaded for the first question.
struct WhenAsked {
    config: Config,
    loaded: Option<QueryEncoders>,
}

impl WhenAsked {
    fn loaded(&mut self) -> Result<&mut QueryEncoders, sightline_console::Error> {
        let loaded = match self.loaded.take() {
            Some(loaded) => loaded,
            None => load_encoders(&self.config, &Needs::all(&self.config))
                .map_err(|error| sightline_console::Error::Store(format!("{error:#}")))?,
        };
        Ok(self.loaded.insert(loaded))
    }
}

impl EncodeQuery for WhenAsked {
    fn encode(&mut self, picture: &Picture) -> Result<QueryVector, sightline_console::Error> {
        self.loaded()?.encode(picture)
    }

    fn encode_words(
        &mut self,
        words: &Words,
        picture: Option<&Picture>,
    ) -> Result<QueryVector, sightline_console::Error> {
        self.loaded()?.encode_words(words, picture)
    }

    fn reads_text(&self) -> bool {
        self.config.models.text_search
    }
}

fn print(response: &SearchResponse) -> Result<()> {
    let mut out = stdout();
    for hit in &response.hits {
        writeln!(
            out,
            "{:>3}. camera {} {} to {}{}, {}\n     track {}",
            hit.rank,
            hit.camera,
            hit.start,
            hit.end,
            fit_words(hit.score, hit.similarity),
            hit.thumbnail.as_deref().unwrap_or("no picture"),
            hit.track
        )?;
        if !hit.clauses.is_empty() {
            let clauses: Vec<_> = hit.clauses.iter().map(clause_words).collect();
            writeln!(out, "     {}", clauses.join(", "))?;
        }
    }
    if let Some(why) = &response.why_empty {
        writeln!(out, "nobody found: {why}")?;
    }
    if let Some(why) = &response.why_uncalibrated {
        writeln!(
            out,
            "scores: {NOT_CALIBRATED} ({why}); hits are in order of similarity"
        )?;
    }
    let scores = response.hits.iter().map(|hit| hit.score);
    if let Some(words) = doubt(response.calibrated, scores) {
        writeln!(out, "{words}")?;
    }
    for note in &response.notes {
        writeln!(out, "note: {note}")?;
    }
    for camera in &response.coverage {
        writeln!(out, "{}", coverage_words(camera))?;
    }
    out.finish()?;
    Ok(())
}

/// What is said where no hit is likely.
pub(super) fn doubt(
    is_calibrated: bool,
    mut scores: impl Iterator<Item = Option<f64>>,
) -> Option<String> {
    let is_doubtful = is_calibrated && scores.all(|score| score < Some(POSSIBLE));
    let percent = 100.0 * POSSIBLE;
    is_doubtful.then(|| format!("perhaps nobody: no hit is likelier than {percent:.0}%"))
}

/// How well one clause fits.
pub(super) fn clause_words(clause: &ClauseScore) -> String {
    match clause.score {
        Some(score) => format!("{} {:.0}%", clause.text, 100.0 * score),
        None => format!("{} (similarity {:.3})", clause.text, clause.similarity),
    }
}
