//! Sightline finds people across cameras: this crate is the program that runs the whole flow on one box.
//!
//! # Layout
//!
//! - [`config`]: the configuration file, and lists of recordings
//! - [`cli`]: the command line
//! - [`commands`]: what each command does
//! - [`ingest`]: cameras and recordings in, frames out
//! - [`observe`]: logs, metrics, health, and words to systemd
//! - [`track`]: detections over time to tracks
//! - [`select`]: the few crops of each track worth embedding
//! - [`flow`]: the stages put together, for recordings and for cameras
//! - [`report`]: what a person looks at afterwards
//! - [`models`]: the networks on this box: fetched, checked, timed, warmed
//!
//! # Example
//!
//! ```
//! use sightline::config::{Config, Purpose};
//!
//! let text = "[store]\nfolder = \"/tmp/store\"\n";
//! let config = Config::parse(text, "edge.toml".as_ref(), Purpose::Offline, &|_| None).unwrap();
//! assert_eq!(config.socket_path().to_str(), Some("/tmp/store/api.sock"));
//! ```

pub mod cli;
pub mod commands;
pub mod config;
pub mod flow;
pub mod ingest;
pub mod models;
pub mod observe;
pub mod report;
pub mod select;
pub mod track;
