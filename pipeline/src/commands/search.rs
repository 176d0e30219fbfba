//! `sightline search`: questions to the store, wherever it is.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use sightline_console::wire::PictureBytes;
use sightline_console::{
    Ask as _, By, Client, EncodeQueue, QueryEncoders, Question, SearchRequest, SearchResponse,
    StoreAsk, UtcTime,
};

use crate::cli::{SearchArgs, stdout};
use crate::config::{Config, Purpose};
use crate::flow::{self, Store};
use crate::models::runtime;

/// Largest picture that is read for a query, bytes: what the socket takes.
const MOST_PICTURE_BYTES: u64 = 6 << 20;

/// Asks, and prints the answer.
///
/// # Errors
/// What went wrong, where and what to do. An empty answer is none: it says why it is empty.
pub fn run(args: &SearchArgs) -> Result<()> {
    let mut config = Config::load_or_built_in(args.access.config.as_deref(), Purpose::Offline)?;
    if let Some(folder) = &args.access.store {
        config.store.folder.clone_from(folder);
        config.api.socket = None;
    }
    let request = request(args)?;
    let response = match &args.access.api {
        Some(socket) => ask_socket(socket, &request)?,
        None => ask_store(&config, &request)?,
    };
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
        cameras: args.cameras.clone(),
        from: time(args.from),
        to: time(args.to),
        limit: Some(u32::try_from(args.limit.get()).unwrap_or(u32::MAX)),
        ..SearchRequest::default()
    })
}

fn read_picture(path: &Path) -> Result<PictureBytes> {
    let length = fs_err::metadata(path)?.len();
    if length > MOST_PICTURE_BYTES {
        bail!(
            "picture {} has {length} bytes, expected a crop of a person of at most {MOST_PICTURE_BYTES}",
            path.display()
        );
    }
    Ok(PictureBytes(fs_err::read(path)?))
}

/// Asks the process that holds the store; when nobody does, opens it here.
fn ask_store(config: &Config, request: &SearchRequest) -> Result<SearchResponse> {
    let folder = &config.store.folder;
    let socket = config.socket_path();
    if socket.exists() && std::os::unix::net::UnixStream::connect(&socket).is_ok() {
        return ask_socket(&socket, request);
    }
    if !folder.join("index").is_dir() {
        bail!(
            "there is no store in {}; name another with --store, or make one with `sightline replay INPUT --store {}`",
            folder.display(),
            folder.display()
        );
    }
    let question = Question::try_from(request.clone())?;
    let vectors = flow::vectors_of(config).context(
        "the store's vectors need the cards of their models; run `sightline models fetch`",
    )?;
    let needs = Needs::of(&question, config);
    let store = Store::open(config, vectors).map_err(|error| hint_at_switch(error, config))?;
    let encoders = needs.any().then(|| start_encoders(config, &needs));
    Ok(StoreAsk::new(store, encoders.transpose()?).search(&question)?)
}

/// A store that was made without sentences is no fault of its own.
fn hint_at_switch(error: anyhow::Error, config: &Config) -> anyhow::Error {
    let is_mismatch = matches!(
        error.downcast_ref(),
        Some(sightline_sink::Error::Mismatch { .. })
    );
    if is_mismatch && config.models.text_search {
        let said = error.to_string();
        return anyhow!(
            "{said}; a store made without sentences is searched with `text_search = false` under [models]"
        );
    }
    error
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

    /// What one question needs; a sentence needs nothing where text search is off, and is refused then.
    fn of(question: &Question, config: &Config) -> Self {
        let can_read = config.models.text_search;
        Self {
            appearance: matches!(question.by, By::Picture(_)),
            joint: can_read && matches!(question.by, By::TextAndPicture(..)),
            text: can_read && matches!(question.by, By::Text(_) | By::TextAndPicture(..)),
        }
    }

    fn any(self) -> bool {
        self != Self::default()
    }
}

/// Loads the models for queries, on their own thread.
///
/// # Errors
/// When one of them cannot be loaded.
pub fn start_encoders(config: &Config, needs: &Needs) -> Result<EncodeQueue> {
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
    let model = encoders
        .appearance
        .as_ref()
        .map_or_else(String::new, |encoder| encoder.model_id().to_string());
    Ok(EncodeQueue::start(model, move || Ok(encoders))?)
}

fn ask_socket(socket: &Path, request: &SearchRequest) -> Result<SearchResponse> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let client = Client::connect(socket)?;
    runtime
        .block_on(client.search(request))
        .map_err(|error| anyhow!("{error}"))
}

fn print(response: &SearchResponse) -> Result<()> {
    let mut out = stdout();
    for hit in &response.hits {
        let similarity = match (hit.score, hit.similarity) {
            (Some(score), _) => format!(", {} ({:.0}%)", band(score), 100.0 * score),
            (None, Some(value)) => format!(", similarity {value:.3}"),
            (None, None) => String::new(),
        };
        writeln!(
            out,
            "{:>3}. camera {} {} to {}{similarity}, {}\n     track {}",
            hit.rank,
            hit.camera,
            hit.start,
            hit.end,
            hit.thumbnail.as_deref().unwrap_or("no picture"),
            hit.track
        )?;
    }
    if let Some(why) = &response.why_empty {
        writeln!(out, "nobody found: {why}")?;
    }
    if !response.hits.is_empty() && !response.calibrated {
        writeln!(
            out,
            "scores: not calibrated (the model's card has no table); hits are in order of similarity"
        )?;
    }
    if response.calibrated && response.hits.iter().all(|hit| hit.score < Some(POSSIBLE)) {
        writeln!(
            out,
            "perhaps nobody: no hit is likelier than {:.0}%",
            100.0 * POSSIBLE
        )?;
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

/// Probabilities from which a hit is called likely, and possible.
const LIKELY: f64 = 0.7;
const POSSIBLE: f64 = 0.2;

fn band(score: f64) -> &'static str {
    if score >= LIKELY {
        "likely"
    } else if score >= POSSIBLE {
        "possible"
    } else {
        "unlikely"
    }
}

fn coverage_words(camera: &sightline_console::CameraCoverage) -> String {
    let mut words = camera.camera.clone();
    match (camera.watched.first(), camera.watched.last()) {
        (Some(first), Some(last)) => {
            words.push_str(&format!(" watched {} to {}", first.start, last.end));
        }
        _ => words.push_str(" not watched"),
    }
    const SHOWN: usize = 5;
    for blind in camera.blind.iter().take(SHOWN) {
        words.push_str(&format!("; blind {} to {}", blind.start, blind.end));
    }
    if camera.blind.len() > SHOWN {
        words.push_str(&format!("; and {} more gaps", camera.blind.len() - SHOWN));
    }
    if camera.frames_dropped > 0 {
        let all = camera.frames_seen + camera.frames_dropped;
        words.push_str(&format!(
            "; {} of {all} frames dropped",
            camera.frames_dropped
        ));
    }
    if let Some(indexed) = camera.indexed_to {
        words.push_str(&format!("; indexed up to {indexed}"));
    }
    words
}
