//! From a request to a question: everything that can be wrong with it is found here.

use uuid::Uuid;

use crate::Error;
use crate::error::one_line;
use crate::time::UtcTime;
use crate::wire::{CoverageRequest, SearchRequest};
use crate::words::Words;

/// Hits of an answer when the request does not say.
pub const DEFAULT_LIMIT: u32 = 20;
/// The most hits one answer gives.
pub const MAX_LIMIT: u32 = 1000;
/// The most cameras one request names.
pub const MAX_CAMERAS: usize = 1000;
const MAX_CAMERA_BYTES: usize = 200;
const MAX_TEXT_BYTES: usize = 8000;
const MAX_NOT: usize = 8;
const MAX_EXAMPLES: usize = 20;

/// What is looked for.
#[derive(Debug, Clone, PartialEq)]
pub enum By {
    /// Nothing in particular: what there is, newest first.
    Browse,
    /// The person of a known track.
    Track(Uuid),
    /// Whoever is like the examples.
    Examples,
    /// The person on a picture: the bytes of a JPEG or PNG.
    Picture(crate::wire::PictureBytes),
    /// The person that words describe.
    Text(Words),
    /// The person on a picture who also fits words.
    TextAndPicture(Words, crate::wire::PictureBytes),
}

impl By {
    /// One word for the log: never what was asked.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Browse => "browse",
            Self::Track(_) => "track",
            Self::Examples => "examples",
            Self::Picture(_) => "image",
            Self::Text(_) => "text",
            Self::TextAndPicture(..) => "text+image",
        }
    }
}

/// Cameras and a stretch of time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Window {
    /// Cameras, sorted, without repeats; none means all.
    pub cameras: Vec<String>,
    /// Start, if bounded.
    pub from_ns: Option<i64>,
    /// End, if bounded.
    pub to_ns: Option<i64>,
}

/// Tracks that were found before and are right or wrong; none is both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Examples {
    /// Right, each once.
    pub like: Vec<Uuid>,
    /// Wrong, each once.
    pub unlike: Vec<Uuid>,
}

impl Examples {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.like.is_empty() && self.unlike.is_empty()
    }
}

/// A search whose every value was checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// What is looked for.
    pub by: By,
    /// Tracks that steer the search.
    pub examples: Examples,
    /// Where and when.
    pub window: Window,
    /// The most hits, 1 to [`MAX_LIMIT`].
    pub limit: u32,
    /// Shortest track.
    pub min_duration_ns: Option<i64>,
    /// Least height of the person as a share of the picture, 0 to 1.
    pub min_height: Option<f64>,
    /// Whether hits are persons and not tracks.
    pub persons: bool,
}

fn bad(message: impl Into<String>) -> Error {
    Error::BadRequest(message.into())
}

impl Window {
    /// Checks cameras and times.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for an empty or overlong camera id, too many of them, or a window that ends before it starts.
    pub fn new(
        mut cameras: Vec<String>,
        from: Option<UtcTime>,
        to: Option<UtcTime>,
    ) -> Result<Self, Error> {
        if cameras.len() > MAX_CAMERAS {
            return Err(bad(format!(
                "cameras: {} given, expected at most {MAX_CAMERAS}",
                cameras.len()
            )));
        }
        for camera in &cameras {
            let is_id = !camera.is_empty()
                && camera.len() <= MAX_CAMERA_BYTES
                && !camera.chars().any(char::is_control);
            if !is_id {
                let shown = one_line(camera);
                return Err(bad(format!(
                    "cameras: `{shown}` is no camera id, expected 1 to {MAX_CAMERA_BYTES} bytes without control characters"
                )));
            }
        }
        cameras.sort_unstable();
        cameras.dedup();
        if let (Some(from), Some(to)) = (from, to)
            && to <= from
        {
            return Err(bad(format!("to: {to} is not after from: {from}")));
        }
        Ok(Self {
            cameras,
            from_ns: from.map(UtcTime::unix_ns),
            to_ns: to.map(UtcTime::unix_ns),
        })
    }
}

impl TryFrom<CoverageRequest> for Window {
    type Error = Error;

    fn try_from(request: CoverageRequest) -> Result<Self, Error> {
        Self::new(request.cameras, request.from, request.to)
    }
}

impl TryFrom<SearchRequest> for Question {
    type Error = Error;

    fn try_from(request: SearchRequest) -> Result<Self, Error> {
        let examples = checked_examples(&request.like, &request.unlike)?;
        let by = match (request.text, request.image, request.track) {
            (None, _, _) if !request.not.is_empty() => {
                return Err(bad(
                    "not: says what to leave out of a text, and there is no text",
                ));
            }
            (None, None, None) if !examples.like.is_empty() => By::Examples,
            (None, None, None) if !examples.unlike.is_empty() => {
                return Err(bad(
                    "unlike: says what is wrong, and nothing says what is looked for; expected a text, an image or `like` beside it",
                ));
            }
            (None, None, None) => By::Browse,
            (Some(text), None, None) => By::Text(checked_words(&text, &request.not)?),
            (Some(text), Some(image), None) => {
                By::TextAndPicture(checked_words(&text, &request.not)?, checked_image(image)?)
            }
            (None, Some(image), None) => By::Picture(checked_image(image)?),
            (None, None, Some(_)) if !examples.is_empty() => {
                return Err(bad(
                    "track: does not go with examples, expected it in `like`",
                ));
            }
            (None, None, Some(track)) => By::Track(checked_track("track", &track)?),
            _ => return Err(bad("expected a track, or text and image, not both")),
        };
        let limit = request.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(bad(format!(
                "limit: {limit} is out of range, expected 1 to {MAX_LIMIT}"
            )));
        }
        Ok(Self {
            by,
            examples,
            window: Window::new(request.cameras, request.from, request.to)?,
            limit,
            min_duration_ns: request
                .min_duration_s
                .map(checked_duration_ns)
                .transpose()?,
            min_height: request.min_height.map(checked_height).transpose()?,
            persons: request.persons,
        })
    }
}

fn checked_track(key: &str, track: &str) -> Result<Uuid, Error> {
    Uuid::try_parse(track).map_err(|_| {
        let shown = one_line(track);
        bad(format!("{key}: `{shown}` is no track id, expected a UUID"))
    })
}

fn checked_examples(like: &[String], unlike: &[String]) -> Result<Examples, Error> {
    let checked = |key: &str, tracks: &[String]| {
        let count = tracks.len();
        if count > MAX_EXAMPLES {
            return Err(bad(format!(
                "{key}: {count} tracks, expected at most {MAX_EXAMPLES}"
            )));
        }
        let ids = tracks.iter().map(|track| checked_track(key, track));
        let mut ids = ids.collect::<Result<Vec<_>, _>>()?;
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    };
    let (like, unlike) = (checked("like", like)?, checked("unlike", unlike)?);
    if let Some(both) = unlike.iter().find(|track| like.contains(track)) {
        return Err(bad(format!("unlike: track {both} is in `like` too")));
    }
    Ok(Examples { like, unlike })
}

fn checked_image(image: crate::wire::PictureBytes) -> Result<crate::wire::PictureBytes, Error> {
    if image.0.is_empty() {
        return Err(bad("image: is empty, expected a JPEG or PNG"));
    }
    Ok(image)
}

fn checked_words(text: &str, not: &[String]) -> Result<Words, Error> {
    let named = not.iter().map(|thing| ("not", thing.as_str()));
    for (key, text) in std::iter::once(("text", text)).chain(named) {
        if text.trim().is_empty() {
            return Err(bad(format!("{key}: is empty")));
        }
        if !text.chars().any(char::is_alphanumeric) {
            return Err(bad(format!("{key}: has no word in it")));
        }
        if text.len() > MAX_TEXT_BYTES {
            return Err(bad(format!(
                "{key}: {} bytes, expected at most {MAX_TEXT_BYTES}",
                text.len()
            )));
        }
    }
    let words = Words::new(text, not);
    if words.not.len() > MAX_NOT {
        return Err(bad(format!(
            "not: {} things in the text and beside it, expected at most {MAX_NOT}",
            words.not.len()
        )));
    }
    Ok(words)
}

fn checked_duration_ns(seconds: f64) -> Result<i64, Error> {
    const DAY_S: f64 = 86_400.0;
    if !(0.0..=DAY_S).contains(&seconds) {
        return Err(bad(format!(
            "min_duration_s: {seconds} is out of range, expected 0 to {DAY_S}"
        )));
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "at most a day in nanoseconds"
    )]
    let duration_ns = (seconds * 1e9) as i64;
    Ok(duration_ns)
}

fn checked_height(height: f64) -> Result<f64, Error> {
    if (0.0..=1.0).contains(&height) {
        Ok(height)
    } else {
        Err(bad(format!(
            "min_height: {height} is out of range, expected 0 to 1"
        )))
    }
}

#[cfg(test)]
mod tests;
