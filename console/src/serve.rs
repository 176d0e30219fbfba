//! The accept loop: bounded connections, one request each, deadlines for every part of it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::Error;
use crate::ask::Ask;
use crate::audit::{Audit, LogAudit, Peer};
use crate::routes::{Desk, router};
use crate::socket::Listener;

/// Bounds of a server.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections served at once; the next one is told to come back.
    pub connections: usize,
    /// Questions asked of the store at once; others wait within their deadline.
    pub questions_at_once: usize,
    /// Time to send the head of a request.
    pub head_deadline: Duration,
    /// Time to send its body.
    pub body_deadline: Duration,
    /// Time to find the answer.
    pub answer_deadline: Duration,
    /// Time a connection may live.
    pub connection_deadline: Duration,
    /// Time that running requests have at shutdown.
    pub drain_deadline: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            questions_at_once: 4,
            head_deadline: Duration::from_secs(5),
            body_deadline: Duration::from_secs(10),
            answer_deadline: Duration::from_secs(30),
            connection_deadline: Duration::from_secs(60),
            drain_deadline: Duration::from_secs(5),
        }
    }
}

/// Clients that are told at once that all places are taken; more are just let go.
const MOST_REFUSALS: usize = 64;
/// Bytes of a request's head.
const MAX_HEAD_BYTES: usize = 16 << 10;
const BUSY_ANSWER: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n\
connection: close\r\ncontent-length: 66\r\n\r\n\
{\"error\":\"too many connections are open; try again in a moment\"}\r\n";

/// Serves version 1 of the API until `shutdown` is done, then lets running requests finish and removes the socket.
///
/// # Errors
/// [`Error::Socket`] if the socket cannot be handed to the event loop. Faults of single connections end those alone.
pub async fn serve(
    listener: Listener,
    ask: Arc<dyn Ask>,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    serve_with(
        listener,
        ask,
        Arc::new(LogAudit),
        Limits::default(),
        shutdown,
    )
    .await
}

/// As [`serve`], with an audit and limits of the caller.
///
/// # Errors
/// As [`serve`].
pub async fn serve_with(
    listener: Listener,
    ask: Arc<dyn Ask>,
    audit: Arc<dyn Audit>,
    limits: Limits,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    let unusable = |source| Error::Socket {
        path: listener.path().to_owned(),
        what: "serve",
        source,
    };
    let socket = UnixListener::from_std(listener.try_clone_socket()?).map_err(unusable)?;
    let desk = Desk::new(
        ask,
        audit,
        limits.questions_at_once,
        limits.body_deadline,
        limits.answer_deadline,
    );
    let router = router(Arc::new(desk));
    let places = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    let mut refusals = JoinSet::new();
    tracing::info!(path = %listener.path().display(), "query api listens");
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = socket.accept() => match accepted {
                Ok((stream, _)) => match Arc::clone(&places).try_acquire_owned() {
                    Ok(place) => {
                        let router = router.clone();
                        connections.spawn(async move {
                            serve_connection(stream, router, limits).await;
                            drop(place);
                        });
                    }
                    Err(_) if refusals.len() < MOST_REFUSALS => {
                        refusals.spawn(refuse(stream));
                    }
                    Err(_) => drop(stream),
                },
                Err(error) => {
                    // Out of file handles, most likely: accepting again at once would spin.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(ended) = connections.join_next() => report(ended),
            Some(ended) = refusals.join_next() => report(ended),
        }
    }
    // From here on nobody new gets in: the name goes first, then what still runs has its time.
    drop(socket);
    drop(listener);
    let drained = async {
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    };
    if tokio::time::timeout(limits.drain_deadline, drained)
        .await
        .is_err()
    {
        tracing::warn!(
            connections = connections.len(),
            "queries were cut off at shutdown"
        );
    }
    Ok(())
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection ended in a panic");
    }
}

async fn serve_connection(stream: UnixStream, router: Router, limits: Limits) {
    let peer = stream.peer_cred().ok().map(|peer| Peer {
        uid: peer.uid(),
        gid: peer.gid(),
        pid: peer.pid(),
    });
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        if let Some(peer) = peer {
            request.extensions_mut().insert(peer);
        }
        // The router is never full, so it needs no readiness before a call.
        tower_service::Service::call(&mut router.clone(), request.map(Body::new))
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_deadline)
        .max_buf_size(MAX_HEAD_BYTES)
        .keep_alive(false);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(limits.connection_deadline, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, ?peer, "a connection broke"),
        Err(_) => tracing::debug!(?peer, "a connection outlived its deadline"),
    }
}

/// Tells a client that all places are taken. It is told once it has asked, since clients take an answer before their
/// question for a fault; and what it sent is read, so that the answer is not lost with a reset.
async fn refuse(mut stream: UnixStream) {
    let tell = async {
        let mut unread = [0; 4096];
        if stream.read(&mut unread).await? == 0 {
            return Ok(());
        }
        stream.write_all(BUSY_ANSWER).await?;
        stream.shutdown().await?;
        while stream.read(&mut unread).await? > 0 {}
        Ok::<_, std::io::Error>(())
    };
    match tokio::time::timeout(Duration::from_secs(1), tell).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a client left before it was refused"),
        Err(_) => tracing::debug!("a refused client did not leave"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busy_answer_states_its_own_length() {
        let text = std::str::from_utf8(BUSY_ANSWER).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("content-length: {}", body.len())),
            "{}",
            body.len()
        );
    }
}
