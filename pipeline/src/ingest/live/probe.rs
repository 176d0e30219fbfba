//! One look at a camera: what it sends, and how well.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gstreamer as gst;
use serde::Serialize;

use super::super::{Error, Frame};
use super::intake::{Intake, Outlet};
use super::sender::SenderClock;
use super::session::Session;
use super::state::Tally;
use super::{Clock, Latest, LiveSpec, SystemClock};

/// Pictures are counted for this long, so that the frame rate is measured and a sender report has time to come.
const LOOK: Duration = Duration::from_secs(6);

/// What a camera sends.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProbeReport {
    /// The address without secrets.
    pub address: String,
    /// The codec, by its name in the stream description.
    pub codec: Option<String>,
    /// The decoder that this machine uses for it.
    pub decoder: Option<String>,
    /// Columns of the picture.
    pub width: usize,
    /// Rows of the picture.
    pub height: usize,
    /// Frames a second, as they came.
    pub fps: f64,
    /// Pictures seen.
    pub frames: u64,
    /// Whether the camera tells its clock by RTCP sender reports.
    pub has_sender_reports: bool,
    /// Our clock minus the camera's, milliseconds; none without sender reports.
    pub clock_error_ms: Option<f64>,
    /// From the first packet of ours to the first picture, milliseconds.
    pub first_frame_ms: f64,
}

/// Connects to the stream that `spec` would decode, looks for some seconds, and hangs up.
///
/// # Errors
/// [`Error::Live`] when it refuses, ends, or gives no picture within `deadline`.
pub fn probe(spec: &LiveSpec, deadline: Duration) -> Result<ProbeReport, Error> {
    let fault = |reason: String| Error::Live {
        camera: spec.camera.to_string(),
        url: spec.decoded_address().to_string(),
        reason,
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let (sender, tally) = (Arc::new(SenderClock::default()), Arc::new(Tally::default()));
    let mailbox = Arc::new(Latest::<Frame>::new(1));
    let intake = Arc::new(Mutex::new(Intake::new(
        spec,
        0,
        Arc::clone(&clock),
        Arc::clone(&sender),
        Arc::clone(&tally),
        Outlet::Flow {
            mailbox: Arc::clone(&mailbox),
            main: None,
        },
    )));
    let since = Instant::now();
    let session = Session::open(spec, &intake, &sender, &clock, &tally)?;
    let mut batch = Vec::with_capacity(1);
    let mut first: Option<(Frame, Instant)> = None;
    let mut last = since;
    loop {
        // No wait at all would never see a message.
        if let Some(ended) = session.fault(gst::ClockTime::from_mseconds(1)) {
            // A short file, or a camera that hangs up after some pictures, still told what it is.
            match first {
                Some(_) => break,
                None => return Err(fault(ended.to_string())),
            }
        }
        mailbox.take(&mut batch, 1, Duration::from_millis(20));
        if let Some(frame) = batch.pop() {
            last = Instant::now();
            first.get_or_insert((frame, last));
        }
        let has_looked = first
            .as_ref()
            .is_some_and(|(_, at)| at.elapsed() >= LOOK.min(deadline));
        let is_over = since.elapsed() >= deadline;
        if has_looked || (is_over && first.is_some()) {
            break;
        }
        if is_over {
            return Err(fault(format!(
                "no picture within {:.0} s; check that it is on, reachable and streaming",
                deadline.as_secs_f64()
            )));
        }
    }
    let Some((frame, first_at)) = first else {
        return Err(fault("no picture came".to_owned()));
    };
    let frames = tally.counts().frames;
    let span_s = last.duration_since(first_at).as_secs_f64();
    let error_ns = sender.error_ns();
    Ok(ProbeReport {
        address: spec.decoded_address().to_string(),
        codec: session.codec(),
        decoder: session.decoder(),
        width: frame.width(),
        height: frame.height(),
        fps: if span_s > 0.0 {
            (frames.saturating_sub(1)) as f64 / span_s
        } else {
            0.0
        },
        frames,
        has_sender_reports: error_ns.is_some(),
        clock_error_ms: error_ns.map(|ns| ns as f64 / 1e6),
        first_frame_ms: first_at.duration_since(since).as_secs_f64() * 1e3,
    })
}
