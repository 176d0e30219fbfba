//! The paths of version 1 and what stands behind each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Path, RawQuery, State};
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Serialize;
use tokio::sync::Semaphore;

use crate::Error;
use crate::ask::{Ask, PictureDigest};
use crate::audit::{Audit, AuditEvent, Peer};
use crate::error::one_line;
use crate::forget::ForgetRequest;
use crate::person::WordRequest;
use crate::question::{Question, Window};
use crate::time::UtcTime;
use crate::wire::{CoverageRequest, ErrorResponse, SearchRequest};

/// The largest body of a request.
pub const MAX_BODY_BYTES: usize = 8 << 20;
const JSON: &str = "application/json";

/// What every request needs.
pub(crate) struct Desk {
    ask: Arc<dyn Ask>,
    audit: Arc<dyn Audit>,
    /// Questions that may run at once.
    places: Arc<Semaphore>,
    body_deadline: Duration,
    answer_deadline: Duration,
}

impl Desk {
    pub(crate) fn new(
        ask: Arc<dyn Ask>,
        audit: Arc<dyn Audit>,
        questions_at_once: usize,
        body_deadline: Duration,
        answer_deadline: Duration,
    ) -> Self {
        let places = Arc::new(Semaphore::new(questions_at_once));
        Self {
            ask,
            audit,
            places,
            body_deadline,
            answer_deadline,
        }
    }

    /// Answers on a thread for blocking work; a question that outlives its deadline keeps its place until it ends.
    async fn answer<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Ask) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let late = || {
            Error::TooSlow(format!(
                "no answer within {} s",
                self.answer_deadline.as_secs()
            ))
        };
        let answered = async {
            let place = Arc::clone(&self.places).acquire_owned().await;
            let ask = Arc::clone(&self.ask);
            let task = tokio::task::spawn_blocking(move || {
                let result = work(&*ask);
                drop(place);
                result
            });
            task.await.unwrap_or_else(|error| {
                tracing::error!(%error, "a question ended in a panic");
                Err(Error::Store(
                    "the question could not be answered; see the log".into(),
                ))
            })
        };
        tokio::time::timeout(self.answer_deadline, answered)
            .await
            .unwrap_or_else(|_| Err(late()))
    }

    async fn read_body(&self, body: Body) -> Result<Bytes, Error> {
        let read = tokio::time::timeout(
            self.body_deadline,
            Limited::new(body, MAX_BODY_BYTES).collect(),
        );
        match read.await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Error::TooLarge {
                limit_bytes: MAX_BODY_BYTES,
            }),
            Ok(Err(error)) => Err(Error::BadRequest(one_line(&format!(
                "request body broke off: {error}"
            )))),
            Err(_) => Err(Error::BadRequest(format!(
                "request body did not arrive within {} s",
                self.body_deadline.as_secs()
            ))),
        }
    }
}

/// All paths over one desk.
pub(crate) fn router(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/v1/search", post(search))
        .route("/v1/person/word", post(say))
        .route("/v1/person/{id}", get(person))
        .route("/v1/forget", post(forget))
        .route("/v1/coverage", get(coverage))
        .route("/v1/status", get(status))
        .route("/v1/thumbnail/{sha256}", get(thumbnail))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .with_state(desk)
}

/// Who asks; put into the request by the connection.
#[derive(Clone, Copy)]
struct Asker(Option<Peer>);

impl<S: Sync> FromRequestParts<S> for Asker {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        _: &S,
    ) -> Result<Self, Self::Rejection> {
        Ok(Self(parts.extensions.get::<Peer>().copied()))
    }
}

/// A question on its way, for its line in the audit.
struct Entry {
    desk: Arc<Desk>,
    event: AuditEvent,
    started: Instant,
}

impl Entry {
    fn new(desk: Arc<Desk>, asker: Asker, kind: &'static str) -> Self {
        let event = AuditEvent {
            peer: asker.0,
            kind,
            cameras: 0,
            from_ns: None,
            to_ns: None,
            status: 200,
            hits: 0,
            took: Duration::ZERO,
        };
        Self {
            desk,
            event,
            started: Instant::now(),
        }
    }

    fn about(&mut self, window: &Window) {
        self.event.cameras = window.cameras.len();
        self.event.from_ns = window.from_ns;
        self.event.to_ns = window.to_ns;
    }

    /// Writes the event and gives the answer.
    fn close(mut self, result: Result<Response, Error>) -> Response {
        let response = result.unwrap_or_else(|error| refusal(&error));
        self.event.status = response.status().as_u16();
        self.event.took = self.started.elapsed();
        self.desk.audit.record(&self.event);
        response
    }
}

async fn search(State(desk): State<Arc<Desk>>, asker: Asker, request: Request<Body>) -> Response {
    let mut entry = Entry::new(Arc::clone(&desk), asker, "invalid");
    let result = async {
        let body = desk.read_body(request.into_body()).await?;
        let request: SearchRequest = serde_json::from_slice(&body)
            .map_err(|error| Error::BadRequest(one_line(&format!("request: {error}"))))?;
        let question = Question::try_from(request)?;
        entry.event.kind = question.by.kind();
        entry.about(&question.window);
        let answer = desk.answer(move |ask| ask.search(&question)).await?;
        entry.event.hits = answer.hits.len();
        Ok(json(StatusCode::OK, &answer))
    }
    .await;
    entry.close(result)
}

async fn coverage(
    State(desk): State<Arc<Desk>>,
    asker: Asker,
    RawQuery(query): RawQuery,
) -> Response {
    let mut entry = Entry::new(Arc::clone(&desk), asker, "coverage");
    let result = async {
        let window = Window::try_from(parse_coverage(query.as_deref().unwrap_or_default())?)?;
        entry.about(&window);
        let answer = desk.answer(move |ask| ask.coverage(&window)).await?;
        Ok(json(StatusCode::OK, &answer))
    }
    .await;
    entry.close(result)
}

async fn person(State(desk): State<Arc<Desk>>, asker: Asker, Path(id): Path<String>) -> Response {
    let mut entry = Entry::new(Arc::clone(&desk), asker, "person");
    let result = desk.answer(move |ask| ask.person(&id)).await;
    if let Ok(answer) = &result {
        entry.event.hits = answer.visits.len();
    }
    entry.close(result.map(|answer| json(StatusCode::OK, &answer)))
}

async fn say(State(desk): State<Arc<Desk>>, asker: Asker, request: Request<Body>) -> Response {
    let mut entry = Entry::new(Arc::clone(&desk), asker, "word");
    let result = async {
        let body = desk.read_body(request.into_body()).await?;
        let word: WordRequest = serde_json::from_slice(&body)
            .map_err(|error| Error::BadRequest(one_line(&format!("request: {error}"))))?;
        let answer = desk.answer(move |ask| ask.say(&word)).await?;
        entry.event.hits = usize::try_from(answer.taken).unwrap_or(usize::MAX);
        Ok(json(StatusCode::OK, &answer))
    }
    .await;
    entry.close(result)
}

async fn forget(State(desk): State<Arc<Desk>>, asker: Asker, request: Request<Body>) -> Response {
    let mut entry = Entry::new(Arc::clone(&desk), asker, "forget");
    let result = async {
        let body = desk.read_body(request.into_body()).await?;
        let request: ForgetRequest = serde_json::from_slice(&body)
            .map_err(|error| Error::BadRequest(one_line(&format!("request: {error}"))))?;
        entry.event.cameras = usize::from(request.camera.is_some());
        entry.event.from_ns = request.from.map(UtcTime::unix_ns);
        entry.event.to_ns = request.to.map(UtcTime::unix_ns);
        let answer = desk.answer(move |ask| ask.forget(&request)).await?;
        entry.event.hits = answer.tracks.len();
        Ok(json(StatusCode::OK, &answer))
    }
    .await;
    entry.close(result)
}

async fn status(State(desk): State<Arc<Desk>>, asker: Asker) -> Response {
    let entry = Entry::new(Arc::clone(&desk), asker, "status");
    let result = desk
        .answer(Ask::status)
        .await
        .map(|answer| json(StatusCode::OK, &answer));
    entry.close(result)
}

async fn thumbnail(
    State(desk): State<Arc<Desk>>,
    asker: Asker,
    Path(sha256): Path<String>,
) -> Response {
    let mut entry = Entry::new(Arc::clone(&desk), asker, "thumbnail");
    let result = async {
        let digest = PictureDigest::new(&sha256)?;
        let found = desk.answer(move |ask| ask.thumbnail(&digest)).await?;
        let bytes = found.ok_or_else(|| {
            Error::NotFound(format!(
                "picture {sha256} is not stored; it may have been removed for room or age"
            ))
        })?;
        entry.event.hits = 1;
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg")),
            // The name is the digest of the bytes, so they never change; but what is forgotten must go, so not for ever.
            (
                header::CACHE_CONTROL,
                HeaderValue::from_static("private, max-age=300"),
            ),
            (
                header::X_CONTENT_TYPE_OPTIONS,
                HeaderValue::from_static("nosniff"),
            ),
        ];
        Ok((headers, bytes).into_response())
    }
    .await;
    entry.close(result)
}

async fn unknown_path() -> Response {
    refusal(&Error::NotFound(
        "no such path, expected /v1/search, /v1/person/{id}, /v1/forget, /v1/coverage, /v1/status or /v1/thumbnail/{sha256}"
            .into(),
    ))
}

async fn wrong_method() -> Response {
    refusal(&Error::MethodNotAllowed(
        "expected POST for /v1/search, /v1/person/word and /v1/forget, and GET for every other path".into(),
    ))
}

/// Reads `camera=a&camera=b&from=T&to=T`.
fn parse_coverage(query: &str) -> Result<CoverageRequest, Error> {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query)
        .map_err(|error| Error::BadRequest(one_line(&format!("query: {error}"))))?;
    let mut request = CoverageRequest::default();
    for (key, value) in pairs {
        match key.as_str() {
            "camera" => request.cameras.push(value),
            "from" if request.from.is_none() => request.from = Some(value.parse()?),
            "to" if request.to.is_none() => request.to = Some(value.parse()?),
            _ => {
                let shown = one_line(&key);
                return Err(Error::BadRequest(format!(
                    "query: `{shown}` is unknown or given twice, expected camera, from and to"
                )));
            }
        }
    }
    Ok(request)
}

/// An error as its one line of JSON.
pub(crate) fn refusal(error: &Error) -> Response {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED {
        tracing::warn!(%error, status = status.as_u16(), "a query failed");
    }
    json(
        status,
        &ErrorResponse {
            error: one_line(&error.to_string()),
        },
    )
}

fn json(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => (status, [(header::CONTENT_TYPE, JSON)], bytes).into_response(),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written as JSON");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coverage_query_names_cameras_and_times_once() {
        let request = parse_coverage("camera=gate%202&camera=b&from=2026-03-01T14:00:00Z").unwrap();
        assert_eq!(request.cameras, ["gate 2", "b"]);
        assert_eq!(request.from.unwrap().to_string(), "2026-03-01T14:00:00Z");
        for bad in [
            "from=2026-03-01T14:00:00Z&from=2026-03-01T14:00:00Z",
            "speed=9",
            "to=now",
        ] {
            assert_eq!(parse_coverage(bad).unwrap_err().status(), 400, "{bad}");
        }
    }
}
