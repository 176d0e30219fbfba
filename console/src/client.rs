//! The client of the command line: one connection a question.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use sightline_sink::PersonId;
use tokio::net::UnixStream;

use crate::Error;
use crate::ask::PictureDigest;
use crate::error::one_line;
use crate::forget::{ForgetRequest, ForgetResponse};
use crate::person::{PersonResponse, WordRequest, WordResponse};
use crate::socket;
use crate::wire::{
    CoverageRequest, CoverageResponse, ErrorResponse, SearchRequest, SearchResponse, StatusResponse,
};

/// The largest answer that is read.
const MAX_ANSWER_BYTES: usize = 64 << 20;
/// Longer than the server takes at most, so that its own words arrive.
const DEADLINE: Duration = Duration::from_secs(70);

/// Asks the process that holds a store.
#[derive(Debug, Clone)]
pub struct Client {
    path: PathBuf,
}

impl Client {
    /// Makes sure that somebody listens at `path` and that this user may ask.
    ///
    /// # Errors
    /// [`Error::NobodyListens`], [`Error::Denied`] with the group that may, [`Error::Socket`].
    pub fn connect(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref().to_owned();
        drop(socket::connect(&path)?);
        Ok(Self { path })
    }

    /// `POST /v1/search`.
    ///
    /// # Errors
    /// [`Error::Answered`] with the server's words, [`Error::NobodyListens`], [`Error::Denied`], [`Error::TooSlow`],
    /// [`Error::Protocol`].
    pub async fn search(&self, request: &SearchRequest) -> Result<SearchResponse, Error> {
        let body = serde_json::to_vec(request).map_err(|error| {
            Error::BadRequest(format!("request cannot be written as JSON: {error}"))
        })?;
        self.json(Method::POST, "/v1/search", body).await
    }

    /// `GET /v1/coverage`.
    ///
    /// # Errors
    /// As [`Client::search`].
    pub async fn coverage(&self, request: &CoverageRequest) -> Result<CoverageResponse, Error> {
        let mut pairs: Vec<(&str, String)> = request
            .cameras
            .iter()
            .map(|camera| ("camera", camera.clone()))
            .collect();
        pairs.extend(request.from.map(|time| ("from", time.to_string())));
        pairs.extend(request.to.map(|time| ("to", time.to_string())));
        let query = serde_urlencoded::to_string(pairs).map_err(|error| {
            Error::BadRequest(format!("request cannot be written as a query: {error}"))
        })?;
        self.json(Method::GET, &format!("/v1/coverage?{query}"), Vec::new())
            .await
    }

    /// `GET /v1/person/{id}`.
    ///
    /// # Errors
    /// As [`Client::search`]; status 404 for a person nobody knows.
    pub async fn person(&self, id: &PersonId) -> Result<PersonResponse, Error> {
        self.json(Method::GET, &format!("/v1/person/{id}"), Vec::new())
            .await
    }

    /// `POST /v1/person/word`.
    ///
    /// # Errors
    /// As [`Client::search`].
    pub async fn say(&self, word: &WordRequest) -> Result<WordResponse, Error> {
        let body = serde_json::to_vec(word).map_err(|error| {
            Error::BadRequest(format!("request cannot be written as JSON: {error}"))
        })?;
        self.json(Method::POST, "/v1/person/word", body).await
    }

    /// `POST /v1/forget`.
    ///
    /// # Errors
    /// As [`Client::search`].
    pub async fn forget(&self, request: &ForgetRequest) -> Result<ForgetResponse, Error> {
        let body = serde_json::to_vec(request).map_err(|error| {
            Error::BadRequest(format!("request cannot be written as JSON: {error}"))
        })?;
        self.json(Method::POST, "/v1/forget", body).await
    }

    /// `GET /v1/status`.
    ///
    /// # Errors
    /// As [`Client::search`].
    pub async fn status(&self) -> Result<StatusResponse, Error> {
        self.json(Method::GET, "/v1/status", Vec::new()).await
    }

    /// `GET /v1/thumbnail/{sha256}`: the bytes of a JPEG.
    ///
    /// # Errors
    /// As [`Client::search`]; status 404 for a picture that is not stored any more.
    pub async fn thumbnail(&self, digest: &PictureDigest) -> Result<Bytes, Error> {
        self.call(
            Method::GET,
            &format!("/v1/thumbnail/{}", digest.as_str()),
            Vec::new(),
        )
        .await
    }

    async fn json<T: DeserializeOwned>(
        &self,
        method: Method,
        target: &str,
        body: Vec<u8>,
    ) -> Result<T, Error> {
        let answer = self.call(method, target, body).await?;
        serde_json::from_slice(&answer).map_err(|error| self.protocol(&error))
    }

    async fn call(&self, method: Method, target: &str, body: Vec<u8>) -> Result<Bytes, Error> {
        tokio::time::timeout(DEADLINE, self.exchange(method, target, body))
            .await
            .map_err(|_| {
                Error::TooSlow(format!(
                    "no answer from `{}` within {} s",
                    self.path.display(),
                    DEADLINE.as_secs()
                ))
            })?
    }

    async fn exchange(&self, method: Method, target: &str, body: Vec<u8>) -> Result<Bytes, Error> {
        let stream = socket::connect(&self.path)?;
        let as_fault = |source| Error::Socket {
            path: self.path.clone(),
            what: "use",
            source,
        };
        stream.set_nonblocking(true).map_err(as_fault)?;
        let stream = UnixStream::from_std(stream).map_err(as_fault)?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.protocol(&error))?;
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header(HOST, "sightline")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| self.protocol(&error))?;
        let exchange = async {
            let response = sender.send_request(request).await.map_err(|error| {
                if error.is_canceled() || error.is_incomplete_message() {
                    self.protocol(
                        "the server closed the connection without answering; try again in a moment",
                    )
                } else {
                    self.protocol(&error)
                }
            })?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES)
                .collect()
                .await
                .map_err(|error| self.protocol(&*error))?
                .to_bytes();
            if status.is_success() {
                return Ok(body);
            }
            let message = match serde_json::from_slice::<ErrorResponse>(&body) {
                Ok(answer) => one_line(&answer.error),
                Err(_) => format!("the server answered {status} without saying why"),
            };
            Err(Error::Answered {
                status: status.as_u16(),
                message,
            })
        };
        // The connection has to be driven while the exchange waits; what it says matters only if there is no answer.
        tokio::pin!(connection);
        tokio::pin!(exchange);
        let mut is_open = true;
        loop {
            tokio::select! {
                result = &mut exchange => return result,
                ended = &mut connection, if is_open => {
                    is_open = false;
                    if let Err(error) = ended {
                        tracing::debug!(%error, "connection ended");
                    }
                }
            }
        }
    }

    fn protocol(&self, reason: &(impl std::fmt::Display + ?Sized)) -> Error {
        Error::Protocol {
            path: self.path.clone(),
            reason: one_line(&reason.to_string()),
        }
    }
}
