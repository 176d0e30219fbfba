//! What whole-system tests need: cameras that misbehave, footage, recordings made on the spot.
//!
//! # Layout
//!
//! - [`broker`]: Apache Kafka on loopback
//! - [`foreign`]: every reader of bytes from outside, for fuzzing
//! - [`footage`]: videos found by hash, or made for a test
//! - [`program`]: the `sightline` program as a user runs it
//! - [`rtsp`]: an RTSP server on loopback that misbehaves on request
//!
//! # Example
//!
//! ```no_run
//! use sightline_tests::rtsp::{Codec, Options, RtspServer, Stream};
//!
//! let camera = RtspServer::start(Options::new(Stream::pattern(Codec::H264, 640, 360, 10)))?;
//! println!("watch {}", camera.url());
//! camera.stall(true);
//! # Ok::<(), anyhow::Error>(())
//! ```

pub mod broker;
pub mod footage;
pub mod foreign;
pub mod program;
pub mod rtsp;
