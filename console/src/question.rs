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

/// What is looked for.
#[derive(Debug, Clone, PartialEq)]
pub enum By {
    /// Nothing in particular: what there is, newest first.
    Browse,
    /// The person of a known track.
    Track(Uuid),
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

/// A search whose every value was checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// What is looked for.
    pub by: By,
    /// Where and when.
    pub window: Window,
    /// The most hits, 1 to [`MAX_LIMIT`].
    pub limit: u32,
    /// Shortest track.
    pub min_duration_ns: Option<i64>,
    /// Least height of the person as a share of the picture, 0 to 1.
    pub min_height: Option<f64>,
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
        let by = match (request.text, request.image, request.track) {
            (None, _, _) if !request.not.is_empty() => {
                return Err(bad(
                    "not: says what to leave out of a text, and there is no text",
                ));
            }
            (None, None, None) => By::Browse,
            (Some(text), None, None) => By::Text(checked_words(&text, &request.not)?),
            (Some(text), Some(image), None) => {
                By::TextAndPicture(checked_words(&text, &request.not)?, checked_image(image)?)
            }
            (None, Some(image), None) => By::Picture(checked_image(image)?),
            (None, None, Some(track)) => By::Track(Uuid::try_parse(&track).map_err(|_| {
                let shown = one_line(&track);
                bad(format!("track: `{shown}` is no track id, expected a UUID"))
            })?),
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
            window: Window::new(request.cameras, request.from, request.to)?,
            limit,
            min_duration_ns: request
                .min_duration_s
                .map(checked_duration_ns)
                .transpose()?,
            min_height: request.min_height.map(checked_height).transpose()?,
        })
    }
}

fn checked_image(image: crate::wire::PictureBytes) -> Result<crate::wire::PictureBytes, Error> {
    if image.0.is_empty() {
        return Err(bad("image: is empty, expected a JPEG or PNG"));
    }
    Ok(image)
}

fn checked_words(text: &str, not: &[String]) -> Result<Words, Error> {
    if not.len() > MAX_NOT {
        return Err(bad(format!(
            "not: {} things, expected at most {MAX_NOT}",
            not.len()
        )));
    }
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
    Ok(Words::new(text, not))
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
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::PictureBytes;

    fn refused(request: SearchRequest) -> String {
        Question::try_from(request).unwrap_err().to_string()
    }

    #[test]
    fn two_things_to_look_for_are_refused() {
        let request = SearchRequest {
            text: Some("red coat".into()),
            track: Some("67e55044-10b1-426f-9247-bb680e5fe0c8".into()),
            ..Default::default()
        };
        assert_eq!(
            refused(request),
            "expected a track, or text and image, not both"
        );
    }

    #[test]
    fn words_and_a_picture_are_one_question_and_a_denial_needs_words() {
        let request = SearchRequest {
            text: Some("a man without a hat".into()),
            image: Some(PictureBytes(vec![1])),
            not: vec!["backpack".into()],
            ..Default::default()
        };
        let words = Words {
            text: "a man".into(),
            not: vec!["backpack".into(), "hat".into()],
        };
        assert_eq!(
            Question::try_from(request).unwrap().by,
            By::TextAndPicture(words, PictureBytes(vec![1]))
        );
        let alone = SearchRequest {
            not: vec!["hat".into()],
            ..Default::default()
        };
        assert!(refused(alone).starts_with("not: "));
    }

    #[test]
    fn values_out_of_range_are_refused_by_name() {
        let time = |ns| Some(UtcTime::from_unix_ns(ns));
        let cases = [
            (
                SearchRequest {
                    limit: Some(0),
                    ..Default::default()
                },
                "limit: 0",
            ),
            (
                SearchRequest {
                    limit: Some(1001),
                    ..Default::default()
                },
                "limit: 1001",
            ),
            (
                SearchRequest {
                    track: Some("7".into()),
                    ..Default::default()
                },
                "track: `7`",
            ),
            (
                SearchRequest {
                    text: Some("  ".into()),
                    ..Default::default()
                },
                "text: is empty",
            ),
            (
                SearchRequest {
                    text: Some(" ?! ".into()),
                    ..Default::default()
                },
                "text: has no word",
            ),
            (
                SearchRequest {
                    image: Some(PictureBytes(vec![])),
                    ..Default::default()
                },
                "image: is empty",
            ),
            (
                SearchRequest {
                    from: time(2),
                    to: time(2),
                    ..Default::default()
                },
                "to: ",
            ),
            (
                SearchRequest {
                    min_height: Some(f64::NAN),
                    ..Default::default()
                },
                "min_height: NaN",
            ),
            (
                SearchRequest {
                    min_duration_s: Some(-1.0),
                    ..Default::default()
                },
                "min_duration_s: -1",
            ),
            (
                SearchRequest {
                    cameras: vec![String::new()],
                    ..Default::default()
                },
                "cameras: ``",
            ),
            (
                SearchRequest {
                    cameras: vec!["a\nb".into()],
                    ..Default::default()
                },
                "cameras: `a b`",
            ),
        ];
        for (request, start) in cases {
            let message = refused(request);
            assert!(message.starts_with(start), "{message}");
        }
    }

    #[test]
    fn an_empty_request_browses_with_the_default_limit() {
        let question = Question::try_from(SearchRequest::default()).unwrap();
        assert_eq!(question.by, By::Browse);
        assert_eq!(question.limit, DEFAULT_LIMIT);
    }

    proptest! {
        #[test]
        fn no_bytes_make_decoding_panic_or_answer_in_more_than_one_line(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(request) = serde_json::from_slice::<SearchRequest>(&bytes)
                && let Err(error) = Question::try_from(request)
            {
                prop_assert!(!error.to_string().contains('\n'));
            }
        }

        #[test]
        fn what_passes_is_within_every_bound_and_survives_json(
            text in prop::option::of(".{0,40}"),
            track in prop::option::of("[0-9a-f-]{30,40}"),
            cameras in prop::collection::vec(".{0,20}", 0..5),
            from in prop::option::of(any::<i64>()),
            to in prop::option::of(any::<i64>()),
            limit in prop::option::of(any::<u32>()),
            // Shares that JSON's decimal text carries exactly.
            min_height in prop::option::of((-2048_i32..2048).prop_map(|n| f64::from(n) / 1024.0)),
            image in prop::option::of(prop::collection::vec(any::<u8>(), 0..50)),
        ) {
            let request = SearchRequest {
                text, track, cameras, limit, min_height,
                image: image.map(PictureBytes),
                from: from.map(UtcTime::from_unix_ns),
                to: to.map(UtcTime::from_unix_ns),
                min_duration_s: None,
                not: Vec::new(),
            };
            let json = serde_json::to_vec(&request).unwrap();
            let again: SearchRequest = serde_json::from_slice(&json).unwrap();
            prop_assert_eq!(&again, &request);
            match Question::try_from(again) {
                Ok(question) => {
                    prop_assert!((1..=MAX_LIMIT).contains(&question.limit));
                    prop_assert!(question.min_height.is_none_or(|h| (0.0..=1.0).contains(&h)));
                    prop_assert!(question.window.cameras.is_sorted());
                    if let (Some(from), Some(to)) = (question.window.from_ns, question.window.to_ns) {
                        prop_assert!(from < to);
                    }
                }
                Err(error) => {
                    prop_assert_eq!(error.status(), 400);
                    prop_assert!(!error.to_string().contains('\n'));
                }
            }
        }
    }
}
