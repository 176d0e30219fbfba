//! Requests that are broken, huge, slow or too many, and answers that fail.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sightline_console::person::{PersonResponse, WordRequest, WordResponse};
use sightline_console::{
    Ask, Client, CoverageResponse, Error, ForgetRequest, ForgetResponse, Limits, MAX_BODY_BYTES,
    PictureDigest, Question, SearchRequest, SearchResponse, StatusResponse, Window,
};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

use crate::{Memory, Running, hit, message, post, raw};

#[tokio::test]
async fn broken_json_and_unknown_keys_are_answered_in_one_line() {
    let (memory, server) = Running::memory();
    let cases = [
        ("{", "request: EOF"),
        ("", "request: EOF"),
        ("[1]\n\n,", "request: "),
        (r#"{"lmit":3}"#, "request: unknown field `lmit`"),
        (r#"{"image":"a b"}"#, "request: picture is not base64"),
        (r#"{"limit":-1}"#, "request: invalid value"),
        (r#"{"limit":100000}"#, "limit: 100000"),
        (
            r#"{"from":"14:00"}"#,
            "request: time `14:00` is not RFC 3339",
        ),
    ];
    for (body, start) in cases {
        let (status, answer) = raw(&server.path, &post(body)).await;
        assert_eq!(status, 400, "{body}");
        assert!(message(&answer).starts_with(start), "{body}: {answer}");
    }
    let deep = "[".repeat(100_000);
    assert_eq!(raw(&server.path, &post(&deep)).await.0, 400);
    assert!(memory.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods_say_what_is_right() {
    let (_, server) = Running::memory();
    let (status, body) = raw(&server.path, b"GET /v2/search HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(status, 404);
    assert!(message(&body).contains("/v1/search"));
    let (status, body) = raw(&server.path, b"GET /v1/search HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(status, 405);
    assert!(message(&body).contains("expected POST"));
    let (status, body) = raw(
        &server.path,
        b"GET /v1/thumbnail/..%2f..%2fetc%2fpasswd HTTP/1.1\r\nhost: x\r\n\r\n",
    )
    .await;
    assert_eq!(status, 400);
    assert!(message(&body).contains("64 lower-case hex digits"));
}

#[tokio::test]
async fn a_body_over_the_bound_is_refused_whether_announced_or_not() {
    let (_, server) = Running::memory();
    // Chunks hide how long the body will be.
    let mut stream = UnixStream::connect(&server.path).await.unwrap();
    stream
        .write_all(b"POST /v1/search HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        .await
        .unwrap();
    let (reader, mut writer) = stream.into_split();
    let chunk = [b"100000\r\n".as_slice(), &vec![b' '; 1 << 20], b"\r\n"].concat();
    let sender = tokio::spawn(async move {
        // The server stops reading in the middle, and then this fails.
        for _ in 0..(MAX_BODY_BYTES >> 20) + 8 {
            if writer.write_all(&chunk).await.is_err() {
                break;
            }
        }
        writer
    });
    let (status, body) = read_half(reader).await;
    assert_eq!(status, 413);
    assert_eq!(message(&body), "request body is larger than 8388608 bytes");
    drop(sender.await.unwrap());
}

async fn read_half(mut reader: tokio::net::unix::OwnedReadHalf) -> (u16, String) {
    use tokio::io::AsyncReadExt;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    // A reset may follow the answer, since part of the body was never read.
    while let Ok(count @ 1..) = reader.read(&mut buffer).await {
        answer.extend_from_slice(&buffer[..count]);
    }
    let text = String::from_utf8(answer).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (
        head.split(' ').nth(1).unwrap().parse().unwrap(),
        body.to_owned(),
    )
}

#[tokio::test]
async fn a_client_that_sends_nothing_or_half_a_body_is_let_go() {
    let limits = Limits {
        head_deadline: Duration::from_millis(30),
        body_deadline: Duration::from_millis(30),
        ..Limits::default()
    };
    let server = Running::start(Arc::new(Memory::default()), limits);
    let mut silent = UnixStream::connect(&server.path).await.unwrap();
    silent.write_all(b"POST /v1/se").await.unwrap();
    let mut rest = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut silent, &mut rest)
        .await
        .unwrap();
    let half = b"POST /v1/search HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{\"limit\"";
    let (status, body) = raw(&server.path, half).await;
    assert_eq!(status, 400);
    assert!(message(&body).contains("did not arrive"), "{body}");
}

#[tokio::test]
async fn a_connection_over_the_limit_is_told_to_come_back() {
    let limits = Limits {
        connections: 1,
        ..Limits::default()
    };
    let server = Running::start(Arc::new(Memory::default()), limits);
    // Connections are accepted in order, so this one has the only place.
    let holder = UnixStream::connect(&server.path).await.unwrap();
    let error = Client::connect(&server.path)
        .unwrap()
        .status()
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("too many connections"),
        "{error}"
    );
    drop(holder);
}

#[tokio::test]
async fn a_panic_while_answering_ends_that_answer_alone() {
    let (_, server) = Running::memory();
    let client = Client::connect(&server.path).unwrap();
    let request = SearchRequest {
        text: Some("panic".into()),
        ..Default::default()
    };
    let error = client.search(&request).await.unwrap_err();
    assert!(
        matches!(error, Error::Answered { status: 500, .. }),
        "{error:?}"
    );
    assert_eq!(
        client.search(&SearchRequest::default()).await.unwrap().hits,
        [hit()]
    );
}

/// Says when a question has begun, and holds it until it is let go.
struct Gate {
    begun: SyncSender<()>,
    let_go: Mutex<Receiver<()>>,
}

impl Ask for Gate {
    fn search(&self, _: &Question) -> Result<SearchResponse, Error> {
        self.begun.send(()).unwrap();
        self.let_go.lock().unwrap().recv().unwrap();
        Ok(SearchResponse {
            hits: vec![hit()],
            ..Default::default()
        })
    }

    fn say(&self, word: &WordRequest) -> Result<WordResponse, Error> {
        Ok(WordResponse {
            taken: word.tracks()?.len() as u64,
            refused: 0,
        })
    }

    fn person(&self, id: &str) -> Result<PersonResponse, Error> {
        Err(Error::NotFound(format!("person {id} is not in the store")))
    }

    fn forget(&self, request: &ForgetRequest) -> Result<ForgetResponse, Error> {
        request.asked()?;
        Err(Error::Store("it forgets nothing".into()))
    }

    fn coverage(&self, _: &Window) -> Result<CoverageResponse, Error> {
        Ok(CoverageResponse::default())
    }

    fn status(&self) -> Result<StatusResponse, Error> {
        Ok(StatusResponse::default())
    }

    fn thumbnail(&self, _: &PictureDigest) -> Result<Option<Vec<u8>>, Error> {
        Ok(None)
    }
}

fn gate() -> (Arc<Gate>, Receiver<()>, SyncSender<()>) {
    let (begun, has_begun) = sync_channel(1);
    let (go, let_go) = sync_channel(1);
    (
        Arc::new(Gate {
            begun,
            let_go: Mutex::new(let_go),
        }),
        has_begun,
        go,
    )
}

#[tokio::test]
async fn a_question_that_takes_too_long_is_given_up_with_a_reason() {
    let (ask, _has_begun, go) = gate();
    let limits = Limits {
        answer_deadline: Duration::from_millis(20),
        ..Limits::default()
    };
    let server = Running::start(ask, limits);
    let (status, body) = raw(&server.path, &post("{}")).await;
    assert_eq!(status, 504);
    assert!(message(&body).starts_with("no answer within"));
    go.send(()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_lets_a_running_question_finish_and_takes_no_other() {
    let (ask, has_begun, go) = gate();
    let server = Running::start(ask, Limits::default());
    let path = server.path.clone();
    let client = Client::connect(&path).unwrap();
    let running = tokio::spawn(async move { client.search(&SearchRequest::default()).await });
    let has_begun = tokio::task::spawn_blocking(move || has_begun.recv())
        .await
        .unwrap();
    has_begun.unwrap();
    let (_folder, task) = server.stop();
    while path.exists() {
        tokio::task::yield_now().await;
    }
    assert!(matches!(
        Client::connect(&path),
        Err(Error::NobodyListens { .. })
    ));
    go.send(()).unwrap();
    assert_eq!(running.await.unwrap().unwrap().hits, [hit()]);
    task.await.unwrap().unwrap();
}
