//! Calls to a server: on an async runtime of their own, each with a deadline, tried again where that can help.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status};

use super::options::ServerOptions;
use super::proto::{Call, PointsOperationResponse, UpdateStatus};
use crate::error::Reaction;
use crate::{Error, Result};

/// First pause before a call is made again, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// Threads of the runtime. They only wait for the network.
const THREADS: usize = 2;

/// How often a connection that nobody uses is tried.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// Whom to trust where nothing else is said: what the system trusts.
const SYSTEM_CA_FILE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// What was counted of calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ClientCounts {
    /// Calls that were made again.
    pub(crate) retries: u64,
    /// Points that were accepted, were not there, and were sent again.
    pub(crate) lost: u64,
}

/// The way to a server.
pub(crate) struct Client {
    /// None while it is dropped.
    runtime: Option<Runtime>,
    channel: Channel,
    key: Option<MetadataValue<Ascii>>,
    options: ServerOptions,
    retries: AtomicU64,
    lost: AtomicU64,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({:?})", self.options)
    }
}

impl Client {
    /// Prepares calls. Nothing is sent yet.
    pub(in crate::store) fn new(options: &ServerOptions) -> Result<Arc<Self>> {
        options.check()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("qdrant")
            .enable_all()
            .build()
            .map_err(Error::io("start the threads for the server"))?;
        let refused = |what: String| Error::Options {
            name: "qdrant",
            what: format!("`{}`: {what}", options.url),
        };
        let key = options.api_key.as_ref().map(|key| key.parse());
        let mut key: Option<MetadataValue<Ascii>> = key
            .transpose()
            .map_err(|_| refused("its key has characters that no key has".to_owned()))?;
        if let Some(key) = &mut key {
            key.set_sensitive(true);
        }
        let endpoint = endpoint(options).map_err(refused)?;
        // The channel is driven by the runtime it is made in.
        let inside = runtime.enter();
        let channel = endpoint.connect_lazy();
        drop(inside);
        Ok(Arc::new(Self {
            runtime: Some(runtime),
            channel,
            key,
            options: options.clone(),
            retries: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        }))
    }

    pub(in crate::store) fn options(&self) -> &ServerOptions {
        &self.options
    }

    pub(super) fn url(&self) -> &str {
        &self.options.url
    }

    pub(crate) fn counts(&self) -> ClientCounts {
        ClientCounts {
            retries: self.retries.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
        }
    }

    pub(super) fn note_lost(&self, points: u64) {
        self.lost.fetch_add(points, Ordering::Relaxed);
        tracing::warn!(
            url = self.options.url,
            points,
            "the server accepted points and does not hold them, sending them again"
        );
    }

    /// Runs a future to its end. The caller must not be a thread of an async runtime.
    pub(super) fn block_on<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        match &self.runtime {
            Some(runtime) => runtime.block_on(work),
            None => Err(self.error("call", "it is closed".to_owned())),
        }
    }

    /// Makes a call and waits for its answer.
    pub(super) fn call<Q: Call>(&self, doing: &'static str, request: &Q) -> Result<Q::Answer> {
        self.block_on(self.retried(doing, request))
    }

    /// Makes a call, again where that can help.
    pub(super) async fn retried<Q: Call>(
        &self,
        doing: &'static str,
        request: &Q,
    ) -> Result<Q::Answer> {
        match self.answered(doing, request).await? {
            Ok(answer) => Ok(answer),
            Err(status) => Err(self.refusal(doing, &status)),
        }
    }

    /// As [`Client::retried`]; gives a refusal that no other attempt would change to the caller.
    pub(super) async fn answered<Q: Call>(
        &self,
        doing: &'static str,
        request: &Q,
    ) -> Result<Result<Q::Answer, Status>> {
        let limit = self.options.limits.attempt;
        let mut attempt = self.attempt(doing);
        loop {
            let what = match tokio::time::timeout(limit, self.once(request.clone())).await {
                Ok(Ok(answer)) => return Ok(Ok(answer)),
                Ok(Err(status)) => match verdict(&status) {
                    Verdict::Again(at_least) => {
                        attempt.pause = attempt.pause.max(at_least);
                        words(&status)
                    }
                    Verdict::Never(_) => return Ok(Err(status)),
                },
                Err(_) => format!("no answer within {} ms", limit.as_millis()),
            };
            attempt.again(what).await?;
        }
    }

    /// Makes a call that changes points, again until it is done, and not only taken in.
    pub(super) async fn until_done<Q>(&self, doing: &'static str, request: &Q) -> Result<()>
    where
        Q: Call<Answer = PointsOperationResponse>,
    {
        let mut attempt = self.attempt(doing);
        loop {
            let response = self.retried(doing, request).await?;
            let status = response.result.map(|result| result.status);
            if status == Some(UpdateStatus::Completed.into()) {
                return Ok(());
            }
            attempt
                .again("it was taken in and not done".to_owned())
                .await?;
        }
    }

    async fn once<Q: Call>(&self, request: Q) -> Result<Q::Answer, Status> {
        let mut request = Request::new(request);
        request.set_timeout(self.options.limits.attempt);
        if let Some(key) = &self.key {
            request.metadata_mut().insert("api-key", key.clone());
        }
        let response = Q::send(self.channel.clone(), request).await?;
        Ok(response.into_inner())
    }

    /// What a refusal becomes for whoever calls.
    pub(super) fn refusal(&self, doing: &'static str, status: &Status) -> Error {
        let reaction = match verdict(status) {
            Verdict::Again(_) => Reaction::Transient,
            Verdict::Never(reaction) => reaction,
        };
        self.error_with(doing, words(status), reaction)
    }

    /// The attempts of one call, from now on.
    pub(super) fn attempt(&self, doing: &'static str) -> Attempt<'_> {
        Attempt {
            client: self,
            doing,
            deadline: Instant::now() + self.options.limits.call,
            pause: PAUSE.0,
        }
    }

    pub(super) fn error(&self, doing: &'static str, what: String) -> Error {
        self.error_with(doing, what, Reaction::Transient)
    }

    pub(super) fn error_with(
        &self,
        doing: &'static str,
        what: String,
        reaction: Reaction,
    ) -> Error {
        Error::Server {
            url: self.options.url.clone(),
            doing,
            what,
            reaction,
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It may happen on a thread of another runtime, where waiting is forbidden.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The attempts of one call.
pub(super) struct Attempt<'a> {
    client: &'a Client,
    doing: &'static str,
    deadline: Instant,
    pause: Duration,
}

impl Attempt<'_> {
    /// Waits before the next attempt; fails with `what` when there is no time for it.
    pub(super) async fn again(&mut self, what: String) -> Result<()> {
        // Anything between half the pause and all of it, so that many callers do not come back together.
        let chance = RandomState::new().build_hasher().finish() % 1000;
        let pause = self.pause / 2 + self.pause.mul_f64(chance as f64 / 2000.0);
        if Instant::now() + pause >= self.deadline {
            let limit_ms = self.client.options.limits.call.as_millis();
            let what = format!("{what}; tried again for {limit_ms} ms");
            return Err(self.client.error(self.doing, what));
        }
        self.client.retries.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(doing = self.doing, what, ?pause, "calling the server again");
        tokio::time::sleep(pause).await;
        self.pause = (self.pause * 2).min(PAUSE.1);
        Ok(())
    }
}

/// Whether the same call can do better later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// After this long at least.
    Again(Duration),
    Never(Reaction),
}

fn verdict(status: &Status) -> Verdict {
    match status.code() {
        // A full disk does not get free within a call; whoever calls waits longer.
        Code::Internal | Code::ResourceExhausted if is_full(status.message()) => {
            Verdict::Never(Reaction::Transient)
        }
        Code::ResourceExhausted => Verdict::Again(retry_after(status).unwrap_or(PAUSE.0)),
        Code::Unavailable
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::Cancelled
        | Code::Unknown
        | Code::Internal => Verdict::Again(PAUSE.0),
        Code::Ok
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::DataLoss
        | Code::PermissionDenied
        | Code::Unauthenticated => Verdict::Never(Reaction::Configuration),
    }
}

/// When the server wants to be asked again.
fn retry_after(status: &Status) -> Option<Duration> {
    let seconds = status.metadata().get("retry-after")?.to_str().ok()?;
    seconds.parse().ok().map(Duration::from_secs)
}

fn is_full(message: &str) -> bool {
    let message = message.to_lowercase();
    ["no space left", "disk full", "available disk space"]
        .iter()
        .any(|words| message.contains(words))
}

/// One line of a refusal.
fn words(status: &Status) -> String {
    let hint = match status.code() {
        Code::Unauthenticated | Code::PermissionDenied => {
            "; is `api_key_file` under [store.qdrant] right?"
        }
        _ => "",
    };
    let message = status.message().lines().next().unwrap_or_default();
    format!("{:?}: {message}{hint}", status.code())
}

/// An error and what it comes from: the outermost of the network's says nothing.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

fn endpoint(options: &ServerOptions) -> Result<Endpoint, String> {
    let endpoint = Endpoint::from_shared(options.url.clone()).map_err(|error| error.to_string())?;
    let endpoint = endpoint
        .connect_timeout(options.limits.attempt)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(options.limits.attempt)
        .keep_alive_while_idle(true)
        .tcp_nodelay(true);
    if endpoint.uri().scheme_str() != Some("https") {
        return Ok(endpoint);
    }
    let file = options
        .ca_file
        .as_deref()
        .unwrap_or(Path::new(SYSTEM_CA_FILE));
    let pem = fs_err::read(file).map_err(|error| error.to_string())?;
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem));
    endpoint.tls_config(tls).map_err(|error| chain(&error))
}
