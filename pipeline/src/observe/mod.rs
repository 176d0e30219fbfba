//! Seeing inside: the log, the metrics, the health of the process, and what systemd is told.
//!
//! - [`logs`]: the log of the process
//! - [`events`]: each operational event as one struct that gives log line and metric
//! - [`limit`]: one line for a flood
//! - [`metrics`]: the registry and its handles; [`names`], [`labels`], [`histogram`]; [`StageAges`]: how old frames are where
//! - [`progress`]: which stages get on with their work
//! - [`notify`]: systemd and its watchdog
//! - [`health`]: live and ready
//! - [`http`]: `/live`, `/ready`, `/metrics`
//! - [`memory`]: memory of the process
//! - [`clock`]: time, handed in

pub mod clock;
pub mod events;
pub mod health;
pub mod histogram;
pub mod http;
pub mod labels;
pub mod limit;
pub mod logs;
pub mod memory;
pub mod metrics;
pub mod names;
pub mod notify;
pub mod progress;
mod queues;
mod stage_ages;
mod store_metrics;

pub use clock::MonotonicClock;
pub use health::Health;
pub use metrics::{CameraMetrics, Metrics};
pub use progress::{Heartbeat, Progress, Stuck};
pub use queues::{Depth, QueueDepths};
pub use stage_ages::StageAges;
pub use store_metrics::{StoreMetrics, ToldOfStore};
