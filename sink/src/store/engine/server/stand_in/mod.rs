//! A Qdrant server of a test's own: points in memory, real filters, and failures on request.
//!
//! Here is the server and what goes wrong with it; `points` and `collections` do what each call asks.

mod collections;
mod points;
mod service;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Runtime;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Identity, ServerTlsConfig};
use tonic::{Code, Request, Status};

use super::proto::{CreateCollection, PayloadSchemaInfo, SearchParams, UpdateStatus};
use points::State;
use service::{CollectionCalls, HealthCalls, PointCalls};

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// It is refused.
    Refuse(Code, &'static str),
    /// It is refused, and may be tried again after this many seconds.
    Busy(u64),
    /// It takes this long.
    Slow(Duration),
    /// It is said to be done, and is not.
    Lose,
    /// It is said to be taken in, and is done later, or never.
    OnlyTakeIn,
}

/// The server; it is gone with its owner.
pub(crate) struct StandIn {
    state: Arc<Mutex<State>>,
    pub(crate) address: SocketAddr,
    runtime: Option<Runtime>,
    /// None: it talks in clear text.
    identity: Option<Identity>,
}

impl StandIn {
    pub(crate) fn start() -> Self {
        Self::resume(Arc::default(), SocketAddr::from(([127, 0, 0, 1], 0)), None)
    }

    /// One that talks TLS, with this certificate and key (PEM).
    pub(crate) fn start_tls(certificate: &[u8], key: &[u8]) -> Self {
        let identity = Identity::from_pem(certificate, key);
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::resume(Arc::default(), address, Some(identity))
    }

    fn resume(state: Arc<Mutex<State>>, address: SocketAddr, identity: Option<Identity>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let guard = runtime.enter();
        let incoming = TcpIncoming::bind(address).unwrap();
        let address = incoming.local_addr().unwrap();
        let service = Service(Arc::clone(&state));
        let mut server = tonic::transport::Server::builder();
        if let Some(identity) = &identity {
            let tls = ServerTlsConfig::new().identity(identity.clone());
            server = server.tls_config(tls).unwrap();
        }
        runtime.spawn(
            server
                .add_service(PointCalls(service.clone()))
                .add_service(CollectionCalls(service.clone()))
                .add_service(HealthCalls(service))
                .serve_with_incoming(incoming),
        );
        drop(guard);
        Self {
            state,
            address,
            runtime: Some(runtime),
            identity,
        }
    }

    pub(crate) fn url(&self) -> String {
        let scheme = self.identity.as_ref().map_or("http", |_| "https");
        format!("{scheme}://{}", self.address)
    }

    /// The server goes away, and comes back with what it held.
    pub(crate) fn stop(mut self) -> impl FnOnce() -> Self {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
        let (state, address) = (Arc::clone(&self.state), self.address);
        let identity = self.identity.clone();
        move || Self::resume(state, address, identity)
    }

    /// The next calls of this name fail so, one after the other.
    pub(crate) fn fail(&self, call: &'static str, faults: &[Fault]) {
        let faults = faults.iter().map(|fault| (call, *fault));
        self.state.lock().unwrap().faults.extend(faults);
    }

    /// How often a call came.
    pub(crate) fn calls(&self, call: &'static str) -> u64 {
        self.state
            .lock()
            .unwrap()
            .calls
            .get(call)
            .copied()
            .unwrap_or(0)
    }

    /// Only calls with this key are let in from now on.
    pub(crate) fn demand_key(&self, key: &str) {
        self.state.lock().unwrap().key = Some(key.to_owned());
    }

    pub(crate) fn made(&self, name: &str) -> Option<CreateCollection> {
        let state = self.state.lock().unwrap();
        Some(state.collections.get(name)?.made.clone())
    }

    /// The index of a field.
    pub(crate) fn index_of(&self, name: &str, field: &str) -> Option<PayloadSchemaInfo> {
        let state = self.state.lock().unwrap();
        state.collections.get(name)?.schema.get(field).cloned()
    }

    /// How the last search was asked for.
    pub(crate) fn last_search(&self) -> Option<SearchParams> {
        self.state.lock().unwrap().last_search.clone()
    }

    /// Everything that it held is gone.
    pub(crate) fn empty(&self) {
        let mut state = self.state.lock().unwrap();
        state.collections.clear();
        state.aliases.clear();
    }

    /// A collection is gone, and its aliases.
    pub(crate) fn forget(&self, name: &str) {
        let mut state = self.state.lock().unwrap();
        state.collections.remove(name);
        state.aliases.retain(|_, collection| collection != name);
    }

    /// It is of this version from now on.
    pub(crate) fn pretend(&self, version: &str) {
        version.clone_into(&mut self.state.lock().unwrap().version);
    }

    /// Somebody else changes how a collection was made.
    pub(crate) fn remake(&self, name: &str, change: impl FnOnce(&mut CreateCollection)) {
        let mut state = self.state.lock().unwrap();
        change(&mut state.collections.get_mut(name).unwrap().made);
    }

    /// Somebody else changes the index of a field.
    pub(crate) fn reindex(
        &self,
        name: &str,
        field: &str,
        change: impl FnOnce(&mut PayloadSchemaInfo),
    ) {
        let mut state = self.state.lock().unwrap();
        let held = state.collections.get_mut(name).unwrap();
        change(held.schema.get_mut(field).unwrap());
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[derive(Clone)]
struct Service(Arc<Mutex<State>>);

impl Service {
    /// Counts a call, and lets go wrong what is asked for.
    async fn begin<T>(&self, call: &'static str, request: &Request<T>) -> Result<Effect, Status> {
        let fault = {
            let mut state = self.0.lock().unwrap();
            *state.calls.entry(call).or_default() += 1;
            // Anybody may ask how the server is.
            if let Some(key) = &state.key
                && call != "health_check"
                && request
                    .metadata()
                    .get("api-key")
                    .is_none_or(|given| given != key.as_str())
            {
                return Err(Status::unauthenticated("Must provide an API key"));
            }
            let at = state.faults.iter().position(|(name, _)| *name == call);
            at.and_then(|at| state.faults.remove(at))
        };
        match fault.map(|(_, fault)| fault) {
            Some(Fault::Refuse(code, words)) => Err(Status::new(code, words)),
            Some(Fault::Busy(seconds)) => {
                let mut status = Status::resource_exhausted("too many requests");
                let seconds = seconds.to_string().parse().unwrap();
                status.metadata_mut().insert("retry-after", seconds);
                Err(status)
            }
            Some(Fault::Slow(time)) => {
                tokio::time::sleep(time).await;
                Ok(Effect(true, UpdateStatus::Completed))
            }
            Some(Fault::Lose) => Ok(Effect(false, UpdateStatus::Completed)),
            Some(Fault::OnlyTakeIn) => Ok(Effect(false, UpdateStatus::Acknowledged)),
            None => Ok(Effect(true, UpdateStatus::Completed)),
        }
    }
}

/// Whether a call shall have an effect, and what it says of itself.
struct Effect(bool, UpdateStatus);
