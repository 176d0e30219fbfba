//! The one place where it is written down who asked what kind of question. Never what was on a picture or in a sentence.

use std::time::Duration;

/// The process at the other end of the socket, as the kernel knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Process, where the kernel tells.
    pub pid: Option<i32>,
}

/// One question and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// Who asked; none for a transport that does not know.
    pub peer: Option<Peer>,
    /// `browse`, `track`, `image`, `text`, `person`, `word`, `forget`, `coverage`, `status`, `thumbnail`, or `invalid` for what could not be read.
    pub kind: &'static str,
    /// Cameras named; 0 means all.
    pub cameras: usize,
    /// Start of the time asked for.
    pub from_ns: Option<i64>,
    /// End of the time asked for.
    pub to_ns: Option<i64>,
    /// HTTP status of the answer.
    pub status: u16,
    /// Hits given.
    pub hits: usize,
    /// How long the answer took.
    pub took: Duration,
}

/// Takes the events; the pipeline adds its metrics here, the control room its ledger.
pub trait Audit: Send + Sync + 'static {
    /// Takes one event. Must not block.
    fn record(&self, event: &AuditEvent);
}

/// Writes each event to the log, target `sightline::audit`.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogAudit;

impl Audit for LogAudit {
    fn record(&self, event: &AuditEvent) {
        tracing::info!(
            target: "sightline::audit",
            uid = event.peer.map(|peer| peer.uid),
            pid = event.peer.and_then(|peer| peer.pid),
            kind = event.kind,
            cameras = event.cameras,
            from_ns = event.from_ns,
            to_ns = event.to_ns,
            status = event.status,
            hits = event.hits,
            took_ms = u64::try_from(event.took.as_millis()).unwrap_or(u64::MAX),
            "query answered"
        );
    }
}
