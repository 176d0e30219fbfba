//! `/live`, `/ready` and `/metrics` over HTTP, on loopback.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::health::Health;

/// Time that running requests have at shutdown.
const DRAIN: Duration = Duration::from_secs(2);
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Who may reach the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// This machine alone; another address is refused.
    Loopback,
    /// Whatever the address says. The pages tell names of cameras to whoever asks.
    Anywhere,
}

/// Why the port is not served.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address would be open to others.
    #[error(
        "observe.listen: `{address}` is no loopback address, expected for example `127.0.0.1:9464`; put a proxy before it to reach it from elsewhere"
    )]
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// The system refuses it.
    #[error("observe.listen: cannot listen on `{address}`: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
}

/// Listens, before anything else starts, so that a bad address is a refusal to start.
///
/// # Errors
/// [`BindError`].
pub fn bind(address: SocketAddr, reach: Reach) -> Result<TcpListener, BindError> {
    if reach == Reach::Loopback && !address.ip().is_loopback() {
        return Err(BindError::NotLoopback { address });
    }
    let listen = || {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    listen().map_err(|source| BindError::Listen { address, source })
}

/// Serves until `shutdown` is done.
///
/// # Errors
/// If the socket cannot be handed to the event loop.
pub async fn serve(
    listener: TcpListener,
    health: Arc<Health>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let router = Router::new()
        .route("/live", get(live))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(health);
    let (ending, has_ended) = tokio::sync::oneshot::channel();
    let server = axum::serve(listener, router).with_graceful_shutdown(async move {
        shutdown.await;
        if ending.send(()).is_err() {
            tracing::debug!("the server ended before its shutdown");
        }
    });
    let deadline = async {
        // An error means that the server ended by itself, and the other branch says so.
        if has_ended.await.is_err() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        result = server => result,
        () = deadline => Ok(()),
    }
}

fn verdict(good: &str, faults: &[String]) -> Response {
    if faults.is_empty() {
        (StatusCode::OK, format!("{good}\n")).into_response()
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{}\n", faults.join("\n")),
        )
            .into_response()
    }
}

async fn live(State(health): State<Arc<Health>>) -> Response {
    verdict("live", &health.stuck())
}

async fn ready(State(health): State<Arc<Health>>) -> Response {
    verdict("ready", &health.missing())
}

async fn metrics(State(health): State<Arc<Health>>) -> Response {
    match health.render_metrics() {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be written as text");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::super::clock::fake::FakeClock;
    use super::super::metrics::Metrics;
    use super::super::progress::Progress;
    use super::*;

    async fn get(address: SocketAddr, path: &str) -> (u16, String) {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (
            head.split(' ').nth(1).unwrap().parse().unwrap(),
            body.to_owned(),
        )
    }

    #[tokio::test]
    async fn live_ready_and_metrics_say_what_is() {
        let time = FakeClock::default();
        let progress = Progress::new(time.clock());
        let metrics = Arc::new(Metrics::new(time.clock()));
        let health = Arc::new(Health::new(Arc::clone(&metrics), progress.clone()));
        let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0)), Reach::Loopback).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = tokio::spawn(serve(listener, Arc::clone(&health), async move {
            stopped.await.expect("the test holds the sender");
        }));
        assert_eq!(get(address, "/live").await, (200, "live\n".into()));
        let (status, body) = get(address, "/ready").await;
        assert_eq!(
            (status, body.as_str()),
            (503, "models are not loaded\nthe store is not open\n")
        );
        health.set_models_loaded(true);
        health.set_store_open(true);
        assert_eq!(get(address, "/ready").await, (200, "ready\n".into()));
        let detect = progress.stage("detect", Duration::from_secs(1));
        detect.arrived(2);
        time.advance(Duration::from_secs(3));
        let (status, body) = get(address, "/live").await;
        assert_eq!(
            (status, body.as_str()),
            (503, "detect: 2 waiting, no progress for 3.0 s\n")
        );
        metrics.camera("gate-2").frames.inc();
        metrics.camera("gate-2").frame_arrived();
        let (status, body) = get(address, "/metrics").await;
        assert_eq!(status, 200);
        assert!(
            body.contains("sightline_ingest_frames_total{camera=\"gate-2\"} 1"),
            "{body}"
        );
        assert_eq!(get(address, "/").await.0, 404);
        stop.send(()).unwrap();
        server.await.unwrap().unwrap();
        assert!(tokio::net::TcpStream::connect(address).await.is_err());
    }

    #[test]
    fn an_address_that_others_reach_is_refused_unless_it_is_meant() {
        for text in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
            let error = bind(text.parse().unwrap(), Reach::Loopback).unwrap_err();
            assert!(
                error
                    .to_string()
                    .contains(&format!("`{text}` is no loopback address")),
                "{error}"
            );
        }
        bind("0.0.0.0:0".parse().unwrap(), Reach::Anywhere).unwrap();
    }

    #[test]
    fn a_port_that_is_taken_is_named() {
        let holder = bind("127.0.0.1:0".parse().unwrap(), Reach::Loopback).unwrap();
        let address = holder.local_addr().unwrap();
        let error = bind(address, Reach::Loopback).unwrap_err();
        assert!(
            error
                .to_string()
                .contains(&format!("cannot listen on `{address}`")),
            "{error}"
        );
    }
}
