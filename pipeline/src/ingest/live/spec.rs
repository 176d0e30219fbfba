//! What is asked of a live camera.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::super::{FrameRate, Polygon, Region};
use super::{Address, BackoffLimits, Transport};

/// One live camera. All values are checked already; secrets inside [`Address`] never show.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveSpec {
    /// The camera's name.
    pub camera: Arc<str>,
    /// The main stream.
    pub address: Address,
    /// A smaller stream of the same scene. Where given, people are found and followed on it, and their crops are cut from
    /// the picture of the main stream taken at the same moment; from this one while the main stream has none.
    pub detect_address: Option<Address>,
    /// Whether the camera is watched at all.
    pub is_enabled: bool,
    /// How RTP travels.
    pub transport: Transport,
    /// PEM file of the authority that signed the camera's certificate, in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// How long packets that arrive out of order are waited for.
    pub latency: Duration,
    /// Where detections count; carried for the flow, pictures are not cut.
    pub region: Option<Region>,
    /// Painted black before anything else sees the picture.
    pub masks: Vec<Polygon>,
    /// At most this many frames a second.
    pub fps_cap: Option<FrameRate>,
    /// A connection that gives no first picture for this long is given up.
    pub first_frame_within: Duration,
    /// A connection whose newest picture is this old is given up: a camera may answer keep-alives and send nothing.
    pub stall_after: Duration,
    /// The camera's clock is believed while it differs from ours by no more than this; otherwise capture times rest on
    /// our clock, and the difference is only shown.
    pub sender_clock_bound: Duration,
    /// Waits between attempts.
    pub backoff: BackoffLimits,
}

impl LiveSpec {
    /// A camera with the defaults that suit most.
    #[must_use]
    pub fn new(camera: impl Into<Arc<str>>, address: Address) -> Self {
        Self {
            camera: camera.into(),
            address,
            detect_address: None,
            is_enabled: true,
            transport: Transport::default(),
            ca_file: None,
            latency: Duration::from_millis(150),
            region: None,
            masks: Vec::new(),
            fps_cap: None,
            first_frame_within: Duration::from_secs(10),
            stall_after: Duration::from_secs(5),
            sender_clock_bound: Duration::from_secs(2),
            backoff: BackoffLimits::default(),
        }
    }

    /// The main stream of a camera that has a detection stream, as a stream of its own; every picture of it, since
    /// crops are cut from the one nearest in time.
    pub(super) fn main_stream(&self) -> Option<Self> {
        self.detect_address.is_some().then(|| Self {
            detect_address: None,
            fps_cap: None,
            ..self.clone()
        })
    }

    /// The stream that people are found on: the detection stream where there is one.
    #[must_use]
    pub fn decoded_address(&self) -> &Address {
        self.detect_address.as_ref().unwrap_or(&self.address)
    }
}
