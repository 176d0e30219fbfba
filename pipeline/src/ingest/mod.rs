//! Cameras and recordings in, frames out.
//!
//! GStreamer decodes; a [`Frame`] lends out the decoder's own planes, so nothing is copied or converted at full size.
//! [`Recordings`] gives every frame of several files in capture-time order; [`Live`] the newest frame of each camera.
//!
//! # Layout
//!
//! - `error`: what can go wrong, in one line each
//! - `rate`: frame rates and the frame-rate cap
//! - `region`: polygons, and where detections count
//! - `mask`: privacy masks
//! - `frame`: one picture with its camera and time
//! - `decode`: what recordings and cameras share: decoder choice and the end of the pipeline
//! - `container`: whether a file is as long as it says
//! - `file`: faults of a file that show before it is played
//! - `spec`: what is asked of a recording
//! - `recording`: one file, every frame
//! - `recordings`: several files, merged by time
//! - `live`: cameras, each on its own, reconnected for ever
//!
//! # Example
//!
//! ```no_run
//! use sightline::ingest::{RecordingSpec, Recordings};
//!
//! let gate = RecordingSpec::new("gate", "vtest.avi", 1_700_000_000_000_000_000);
//! for frame in Recordings::open(&[gate])? {
//!     let frame = frame?;
//!     assert_eq!(frame.luma().dim(), (frame.height(), frame.width()));
//! }
//! # Ok::<(), sightline::ingest::Error>(())
//! ```

mod container;
mod decode;
mod error;
mod file;
mod frame;
mod live;
mod mask;
mod rate;
mod recording;
mod recordings;
mod region;
mod spec;

pub use decode::{hardware_decoders, init};
pub use error::Error;
pub use frame::{Frame, TimeSource};
use live::MainStream;
pub use live::{
    Address, BackoffLimits, CameraState, CameraStatus, Clock, Counts, Credentials, DropReason,
    Event, EventKind, Latest, Live, LiveOptions, LiveSpec, MainStatus, ProbeReport, SystemClock,
    Transport, probe,
};
pub use rate::{FrameRate, RateCap};
pub use recording::Recording;
pub use recordings::Recordings;
pub use region::{Polygon, Region};
pub use spec::{Estimate, Patience, RecordingSpec};
