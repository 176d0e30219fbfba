//! What happens to a picture on the decoder's own thread, between the decoder and the mailbox.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use gstreamer as gst;
use gstreamer_video as gst_video;

use super::super::frame::{Head, TimeSource};
use super::super::mask::MaskPainter;
use super::super::{Frame, RateCap};
use super::sender::SenderClock;
use super::state::{DropReason, Tally};
use super::{Clock, Latest, LiveSpec, MainStream};

/// A step back of our time source up to this size is bridged, so that the times of one camera increase; a larger one is
/// a clock that somebody set, and is followed.
const BRIDGED_NS: i64 = 5_000_000_000;

/// Where the pictures of a stream go.
#[derive(Clone)]
pub(super) enum Outlet {
    /// To the flow, the newest of each camera.
    Flow {
        mailbox: Arc<Latest<Frame>>,
        /// The camera's main stream, when this is its detection stream.
        main: Option<Arc<MainStream<Frame>>>,
    },
    /// To wait for crops of what the detection stream shows.
    Crops(Arc<MainStream<Frame>>),
}

/// Times, thins out, masks and delivers the pictures of one camera. Outlives connections.
pub(super) struct Intake {
    camera: Arc<str>,
    camera_index: usize,
    clock: Arc<dyn Clock>,
    sender: Arc<SenderClock>,
    sender_bound_ns: i64,
    tally: Arc<Tally>,
    outlet: Outlet,
    painter: Option<MaskPainter>,
    cap: Option<RateCap>,
    format: Option<(gst::Caps, gst_video::VideoInfo)>,
    last_capture_ns: Option<i64>,
    is_sender_believed: Option<bool>,
}

/// What one picture's buffer says about time.
#[derive(Debug, Clone, Copy)]
struct Moment {
    pts_ns: Option<u64>,
    running_ns: i64,
    /// When it reached us, by our wall clock.
    arrival_ns: i64,
}

impl Intake {
    pub(super) fn new(
        spec: &LiveSpec,
        camera_index: usize,
        clock: Arc<dyn Clock>,
        sender: Arc<SenderClock>,
        tally: Arc<Tally>,
        outlet: Outlet,
    ) -> Self {
        Self {
            camera: Arc::clone(&spec.camera),
            camera_index,
            clock,
            sender,
            sender_bound_ns: i64::try_from(spec.sender_clock_bound.as_nanos()).unwrap_or(i64::MAX),
            tally,
            outlet,
            painter: MaskPainter::new(&spec.masks),
            cap: spec.fps_cap.map(RateCap::new),
            format: None,
            last_capture_ns: None,
            is_sender_believed: None,
        }
    }

    /// Takes one decoded picture; `running_now_ns` is the pipeline's own time.
    pub(super) fn accept(&mut self, sample: gst::Sample, running_now_ns: i64) {
        let sequence = self.tally.frames.fetch_add(1, Ordering::Relaxed);
        let moment = self.moment(&sample, running_now_ns);
        let now_ns = self.clock.now_ns();
        self.tally.last_frame_ns.store(now_ns, Ordering::SeqCst);
        let monotonic_ns = self.clock.monotonic_ns().saturating_add(1);
        self.tally
            .last_frame_monotonic_ns
            .store(monotonic_ns, Ordering::SeqCst);

        let flags = sample.buffer().map(gst::BufferRef::flags);
        if flags.is_some_and(|flags| flags.contains(gst::BufferFlags::CORRUPTED)) {
            return self.tally.drop_one(DropReason::Corrupt);
        }
        let is_kept = |cap: &mut RateCap| cap.admits(moment.running_ns);
        if !self.cap.as_mut().is_none_or(is_kept) {
            return self.tally.drop_one(DropReason::RateCap);
        }
        let (capture_ns, time_source) = self.capture_time(moment);
        let head = Head {
            camera: Arc::clone(&self.camera),
            camera_index: self.camera_index,
            capture_ns,
            time_source,
            decoded_ns: Some(now_ns),
            sequence,
        };
        match self.frame_of(sample, head) {
            Ok(frame) => self.deliver(frame),
            Err(detail) => {
                self.tally.drop_one(DropReason::Unusable);
                tracing::warn!(camera = %self.camera, %detail, "picture is unusable");
            }
        }
    }

    fn deliver(&self, mut frame: Frame) {
        match &self.outlet {
            Outlet::Flow { mailbox, main } => {
                frame.main_stream.clone_from(main);
                if mailbox.put(self.camera_index, frame).is_some() {
                    self.tally.drop_one(DropReason::Overtaken);
                }
            }
            Outlet::Crops(main) => main.put(frame.capture_ns, frame.bytes(), frame),
        }
    }

    fn moment(&self, sample: &gst::Sample, running_now_ns: i64) -> Moment {
        let pts = sample.buffer().and_then(gst::BufferRef::pts);
        let running = pts.and_then(|pts| {
            let segment = sample.segment()?.downcast_ref::<gst::ClockTime>()?;
            segment.to_running_time(pts)
        });
        let running_ns = running
            .and_then(|time| i64::try_from(time.nseconds()).ok())
            .unwrap_or(running_now_ns);
        // Presentation times of a live source are arrival times, so what has passed since then is our own delay.
        let age_ns = running_now_ns.saturating_sub(running_ns).max(0);
        Moment {
            pts_ns: pts.map(gst::ClockTime::nseconds),
            running_ns,
            arrival_ns: self.clock.now_ns().saturating_sub(age_ns),
        }
    }

    fn capture_time(&mut self, moment: Moment) -> (i64, TimeSource) {
        let by_sender = moment.pts_ns.and_then(|pts| self.sender.capture_ns(pts));
        let error_ns = self.sender.error_ns();
        let is_plausible = error_ns.is_some_and(|error| error.abs() <= self.sender_bound_ns);
        if error_ns.is_some() && self.is_sender_believed != Some(is_plausible) {
            self.is_sender_believed = Some(is_plausible);
            let clock_error_s = error_ns.unwrap_or_default() as f64 / 1e9;
            if is_plausible {
                tracing::info!(camera = %self.camera, clock_error_s, "capture times follow the camera's clock");
            } else {
                tracing::warn!(camera = %self.camera, clock_error_s, "the camera's clock is wrong, capture times follow ours; set its ntp server");
            }
        }
        let (mut capture_ns, source) = match by_sender {
            Some(capture_ns) if is_plausible => (capture_ns, TimeSource::Sender),
            _ => (moment.arrival_ns, TimeSource::Arrival),
        };
        if let Some(last) = self.last_capture_ns
            && capture_ns <= last
            && last - capture_ns < BRIDGED_NS
        {
            capture_ns = last + 1_000;
        }
        self.last_capture_ns = Some(capture_ns);
        (capture_ns, source)
    }

    fn frame_of(&mut self, sample: gst::Sample, head: Head) -> Result<Frame, String> {
        let caps = sample.caps_owned().ok_or("it has no format")?;
        let info = match &self.format {
            Some((known, info)) if *known == caps => info.clone(),
            _ => {
                let info = gst_video::VideoInfo::from_caps(&caps).map_err(|e| e.to_string())?;
                tracing::info!(
                    camera = %self.camera,
                    width = info.width(),
                    height = info.height(),
                    format = info.name(),
                    "picture format"
                );
                self.format = Some((caps.clone(), info.clone()));
                info
            }
        };
        let mut buffer = sample.buffer_owned().ok_or("the sample is empty")?;
        drop(sample);
        if let Some(painter) = &mut self.painter {
            buffer = painter.paint(buffer, &caps, &info)?;
        }
        Frame::try_new(head, buffer, &info).map_err(|e| e.to_string())
    }
}
