//! The API over real sockets in temporary folders.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests: a panic is how they fail"
)]

mod hostile;
mod questions;
mod socket;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use sightline_console::person::{PersonResponse, Visit, WordRequest, WordResponse};
use sightline_console::{
    Ask, Audit, AuditEvent, By, CameraCoverage, CoverageResponse, Error, FeedbackRequest,
    FeedbackResponse, ForgetRequest, ForgetResponse, Hit, Interval, Limits, ListenOptions,
    Listener, NOT_CALIBRATED, PictureDigest, Question, SearchResponse, SiteResponse,
    StatusResponse, UtcTime, Window, serve_with,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) const TRACK: &str = "d763704e-3a7d-5a6e-b934-f29ac117be53";

/// Answers from memory, and remembers what it was asked.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) asked: Mutex<Vec<Question>>,
    pub(crate) windows: Mutex<Vec<Window>>,
}

impl Ask for Memory {
    fn search(&self, question: &Question) -> Result<SearchResponse, Error> {
        self.asked.lock().unwrap().push(question.clone());
        match &question.by {
            By::Text(words) if words.text == "panic" => panic!("asked to"),
            By::Text(_) => Err(Error::text_not_installed()),
            By::Track(id) if id.to_string() != TRACK => {
                Err(Error::NotFound(format!("no track {id}\nis stored")))
            }
            _ => Ok(SearchResponse {
                hits: vec![hit()],
                coverage: vec![coverage()],
                why_empty: None,
                searched: 5,
                is_exact: true,
                calibrated: false,
                calibration: Some(NOT_CALIBRATED.into()),
                why_uncalibrated: None,
                notes: Vec::new(),
            }),
        }
    }

    fn say(&self, word: &WordRequest) -> Result<WordResponse, Error> {
        Ok(WordResponse {
            taken: word.tracks()?.len() as u64,
            refused: 0,
        })
    }

    fn person(&self, id: &str) -> Result<PersonResponse, Error> {
        match id {
            TRACK => Ok(PersonResponse {
                person: TRACK.into(),
                visits: vec![Visit {
                    track: hit(),
                    join: None,
                }],
                coverage: vec![coverage()],
            }),
            _ => Err(Error::NotFound(format!("person {id} is not in the store"))),
        }
    }

    fn forget(&self, request: &ForgetRequest) -> Result<ForgetResponse, Error> {
        let asked = request.asked()?;
        Ok(ForgetResponse {
            at: UtcTime::from_unix_ns(1),
            dry_run: request.dry_run,
            tracks: vec![format!("{asked:?}")],
            points: 5,
            pictures: 4,
            pictures_kept: 0,
            associations: 1,
            spool_segments: 1,
            spool_records: 0,
            leaves_log: UtcTime::from_unix_ns(1),
            searches: 2,
            looked_up: 6,
            found: 0,
            list: None,
        })
    }

    fn site(&self) -> Result<SiteResponse, Error> {
        Ok(SiteResponse::default())
    }

    fn feedback(&self, request: FeedbackRequest) -> Result<FeedbackResponse, Error> {
        Ok(FeedbackResponse {
            pairs: Vec::new(),
            next: Some(request.after + 1),
        })
    }

    fn coverage(&self, window: &Window) -> Result<CoverageResponse, Error> {
        self.windows.lock().unwrap().push(window.clone());
        Ok(CoverageResponse {
            coverage: vec![coverage()],
        })
    }

    fn status(&self) -> Result<StatusResponse, Error> {
        Ok(StatusResponse {
            version: "0.1.0".into(),
            tracks: 7,
            ..Default::default()
        })
    }

    fn thumbnail(&self, digest: &PictureDigest) -> Result<Option<Vec<u8>>, Error> {
        Ok((digest.as_str() == "ab".repeat(32)).then(|| vec![0xff, 0xd8, 0xff, 0xd9]))
    }
}

pub(crate) fn hit() -> Hit {
    Hit {
        track: TRACK.into(),
        camera: "gate-2".into(),
        start: UtcTime::from_unix_ns(1_772_373_600_000_000_000),
        end: UtcTime::from_unix_ns(1_772_373_604_500_000_000),
        rank: 1,
        score: None,
        similarity: Some(0.75),
        thumbnail: Some("/store/crops/ab/abab.jpg".into()),
        thumbnail_sha256: Some("ab".repeat(32)),
        person: None,
        site: "harbour".into(),
        best: UtcTime::from_unix_ns(1_772_373_602_000_000_000),
        bbox: [0.25, 0.5, 0.5, 1.0],
        detections: 112,
        has_ended: true,
        clauses: Vec::new(),
    }
}

pub(crate) fn coverage() -> CameraCoverage {
    let time = UtcTime::from_unix_ns;
    CameraCoverage {
        site: "harbour".into(),
        camera: "gate-2".into(),
        watched: vec![Interval {
            start: time(0),
            end: time(1_000_000_000),
        }],
        blind: vec![Interval {
            start: time(1_000_000_000),
            end: time(2_000_000_000),
        }],
        frames_seen: 25,
        frames_dropped: 1,
        indexed_to: Some(time(900_000_000)),
        clock_error_s: Some(-0.25),
    }
}

#[derive(Default)]
pub(crate) struct Ledger(pub(crate) Mutex<Vec<AuditEvent>>);

impl Audit for Ledger {
    fn record(&self, event: &AuditEvent) {
        self.0.lock().unwrap().push(event.clone());
    }
}

/// A server in a temporary folder.
pub(crate) struct Running {
    pub(crate) folder: TempDir,
    pub(crate) path: PathBuf,
    pub(crate) ledger: Arc<Ledger>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), Error>>,
}

impl Running {
    pub(crate) fn start(ask: Arc<dyn Ask>, limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("api.sock");
        let listener = Listener::bind(&ListenOptions::new(&path)).unwrap();
        let ledger = Arc::new(Ledger::default());
        let audit: Arc<dyn Audit> = Arc::clone(&ledger) as Arc<dyn Audit>;
        let (stop, stopped) = oneshot::channel();
        let shutdown = async move {
            stopped.await.expect("the test holds the sender");
        };
        let task = tokio::spawn(serve_with(listener, ask, audit, limits, shutdown));
        Self {
            folder,
            path,
            ledger,
            stop,
            task,
        }
    }

    pub(crate) fn memory() -> (Arc<Memory>, Self) {
        let memory = Arc::new(Memory::default());
        let ask: Arc<dyn Ask> = Arc::clone(&memory) as Arc<dyn Ask>;
        (memory, Self::start(ask, Limits::default()))
    }

    /// Tells the server to stop and gives the task that ends when it has.
    pub(crate) fn stop(self) -> (TempDir, JoinHandle<Result<(), Error>>) {
        self.stop.send(()).unwrap();
        (self.folder, self.task)
    }
}

/// Sends bytes as they are and gives status and body of what comes back.
pub(crate) async fn raw(path: &Path, bytes: &[u8]) -> (u16, String) {
    let mut stream = UnixStream::connect(path).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    read_answer(stream).await
}

pub(crate) async fn read_answer(mut stream: UnixStream) -> (u16, String) {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let text = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = text
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer: {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

pub(crate) fn post(body: &str) -> Vec<u8> {
    format!(
        "POST /v1/search HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The message of an error answer, which is JSON with the one key `error`, on one line.
pub(crate) fn message(body: &str) -> String {
    let value: serde_json::Value =
        serde_json::from_str(body).unwrap_or_else(|_| panic!("not JSON: {body:?}"));
    let object = value.as_object().unwrap();
    assert_eq!(object.len(), 1, "{body}");
    let text = object["error"].as_str().unwrap().to_owned();
    assert!(!text.is_empty() && !text.contains('\n'), "{text:?}");
    text
}
