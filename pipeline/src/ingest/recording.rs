//! One recording: every frame in order, with its capture time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_video as gst_video;

use super::decode::{self, ChosenDecoder, Tail, TailOptions};
use super::file::checked_uri;
use super::frame::{Head, TimeSource};
use super::mask::MaskPainter;
use super::spec::{Estimate, Patience, RecordingSpec};
use super::{Error, Frame, RateCap};

/// Pictures decoded ahead of the reader, per recording.
const AHEAD: u32 = 4;
/// How long one wait for the decoder lasts before its faults are looked at.
const POLL: gst::ClockTime = gst::ClockTime::from_mseconds(50);
/// A recording may end this much before the end its header names: headers count the last frame's duration or audio.
const END_SLACK: f64 = 0.02;

/// A recording being played: an iterator over its frames, in order, ending with the fault if it ended in one.
///
/// Capture time is the start time plus the position in the file; a picture without a usable time comes one frame
/// duration after the one before it. A change of size in mid-file is followed: each frame has its own. The rotation tag
/// of telephones is applied.
pub struct Recording {
    spec: RecordingSpec,
    camera_index: usize,
    patience: Patience,
    pipeline: gst::Pipeline,
    tail: Tail,
    decoder: ChosenDecoder,
    painter: Option<MaskPainter>,
    cap: Option<RateCap>,
    format: Option<(gst::Caps, gst_video::VideoInfo)>,
    first: Option<gst::Sample>,
    estimate: Estimate,
    next_sequence: u64,
    last_offset_ns: Option<i64>,
    dropped: u64,
    missing_bytes: u64,
    missing_codec: Option<String>,
    has_no_video: bool,
    is_over: bool,
}

impl Recording {
    /// Opens the file and decodes up to its first picture.
    ///
    /// # Errors
    /// A file that is missing, empty, unreadable, or no video, each in its own variant; a missing decoder; no picture
    /// within `patience`.
    pub fn open(
        spec: RecordingSpec,
        camera_index: usize,
        patience: Patience,
    ) -> Result<Self, Error> {
        decode::init()?;
        let (uri, missing_bytes) = checked_uri(&spec.path)?;
        let broken = |e: gst::glib::BoolError| Error::Gstreamer {
            detail: e.to_string(),
        };
        let pipeline = gst::Pipeline::new();
        let decoder = ChosenDecoder::watch(
            pipeline.upcast_ref(),
            format!("camera `{}` {}", spec.camera, spec.path.display()),
        );
        let tail = Tail::add_to(
            &pipeline,
            TailOptions {
                is_paced: false,
                max_buffers: AHEAD,
            },
        )?;
        let source = decode::decode_bin("uridecodebin", &tail.head)?;
        source.set_property("uri", &uri);
        pipeline.add(&source).map_err(broken)?;

        let mut recording = Self {
            painter: MaskPainter::new(&spec.masks),
            cap: spec.fps_cap.map(RateCap::new),
            spec,
            camera_index,
            patience,
            pipeline,
            tail,
            decoder,
            format: None,
            first: None,
            estimate: Estimate::default(),
            next_sequence: 0,
            last_offset_ns: None,
            dropped: 0,
            missing_bytes,
            missing_codec: None,
            has_no_video: false,
            is_over: false,
        };
        // A failure is also on the bus, with its reason; `pull` reads it there.
        let _is_started = recording.pipeline.set_state(gst::State::Playing).is_ok();
        recording.first = recording.pull(patience.first_frame)?;
        if recording.first.is_none() {
            return Err(Error::NotVideo {
                path: recording.spec.path.clone(),
                detail: "it holds no picture".to_owned(),
            });
        }
        recording.estimate = recording.estimate_now();
        Ok(recording)
    }

    /// What is being played.
    #[must_use]
    pub fn spec(&self) -> &RecordingSpec {
        &self.spec
    }

    /// The decoder at work, by its GStreamer name.
    #[must_use]
    pub fn decoder(&self) -> Option<String> {
        self.decoder.name()
    }

    /// How long the recording is.
    #[must_use]
    pub fn estimate(&self) -> Estimate {
        self.estimate
    }

    /// Pictures decoded so far, kept or not.
    #[must_use]
    pub fn decoded(&self) -> u64 {
        self.next_sequence
    }

    /// Pictures that the rate cap left out so far.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn estimate_now(&self) -> Estimate {
        let duration = self
            .pipeline
            .query_duration::<gst::ClockTime>()
            .filter(|duration| !duration.is_zero());
        let rate = self.first.as_ref().and_then(nominal_rate);
        Estimate {
            duration_ns: duration.and_then(|d| i64::try_from(d.nseconds()).ok()),
            frames: duration
                .zip(rate)
                .map(|(d, rate)| (d.nseconds() as f64 / 1e9 * rate).round() as u64),
        }
    }

    /// The next picture out of the decoder; `None` at the end.
    fn pull(&mut self, patience: Duration) -> Result<Option<gst::Sample>, Error> {
        let since = Instant::now();
        loop {
            if let Some(sample) = self.tail.sink.try_pull_sample(POLL) {
                return Ok(Some(sample));
            }
            if let Some(fault) = self.read_bus() {
                return Err(fault);
            }
            if self.tail.sink.is_eos() || (self.has_no_video && !self.tail.head.is_linked()) {
                return self.check_end().map(|()| None);
            }
            if since.elapsed() >= patience {
                return Err(Error::Stuck {
                    path: self.spec.path.clone(),
                    frames: self.next_sequence,
                    waited_s: since.elapsed().as_secs_f64(),
                });
            }
        }
    }

    /// Reads what the pipeline has to say; gives back the fault that ended it, if one did.
    fn read_bus(&mut self) -> Option<Error> {
        let bus = self.pipeline.bus()?;
        while let Some(message) = bus.pop() {
            match message.view() {
                gst::MessageView::Element(element) => {
                    self.missing_codec =
                        decode::missing_codec(element).or(self.missing_codec.take());
                }
                // A file with sound alone never links the tail, so its end never gets there.
                gst::MessageView::StreamCollection(found) => {
                    let is_video =
                        |s: gst::Stream| s.stream_type().contains(gst::StreamType::VIDEO);
                    self.has_no_video = !found.stream_collection().iter().any(is_video);
                }
                gst::MessageView::Eos(_) => self.has_no_video = true,
                gst::MessageView::Error(error) => {
                    return Some(self.fault(decode::bus_error(error)));
                }
                _ => {}
            }
        }
        None
    }

    fn fault(&self, detail: String) -> Error {
        let path = self.spec.path.clone();
        let is_open = self.next_sequence > 0 || self.first.is_some();
        match &self.missing_codec {
            Some(codec) => Error::NoDecoder {
                origin: format!("recording {}", path.display()),
                codec: codec.clone(),
            },
            None if !is_open => Error::NotVideo { path, detail },
            None if self.missing_bytes > 0 => Error::CutShort {
                path,
                frames: self.next_sequence,
                missing_bytes: self.missing_bytes,
            },
            None => Error::BrokenOff {
                path,
                frames: self.next_sequence,
                detail,
            },
        }
    }

    /// Whether the recording reached the end that its header names.
    fn check_end(&self) -> Result<(), Error> {
        if self.missing_bytes > 0 && self.next_sequence > 0 {
            return Err(self.fault("cut short".to_owned()));
        }
        let (Some(expected_ns), Some(last_ns)) = (self.estimate.duration_ns, self.last_offset_ns)
        else {
            return Ok(());
        };
        let rate = self
            .format
            .as_ref()
            .and_then(|(_, info)| rate_of(info))
            .unwrap_or(1.0);
        let got_s = last_ns as f64 / 1e9 + 1.0 / rate;
        let expected_s = expected_ns as f64 / 1e9;
        let slack_s = (expected_s * END_SLACK).max(1.0).max(3.0 / rate);
        if self.spec.fps_override.is_none() && got_s + slack_s < expected_s {
            return Err(Error::Truncated {
                path: self.spec.path.clone(),
                frames: self.next_sequence,
                got_s,
                expected_s,
            });
        }
        Ok(())
    }

    /// Where the picture lies in the file, never before the one that came before it.
    fn offset_of(&self, sample: &gst::Sample, rate: Option<f64>) -> i64 {
        if let Some(rate) = self.spec.fps_override {
            return rate.offset_ns(self.next_sequence);
        }
        let given = sample
            .buffer()
            .and_then(gst::BufferRef::pts)
            .and_then(|pts| {
                let segment = sample.segment()?.downcast_ref::<gst::ClockTime>()?;
                segment.to_running_time(pts)
            })
            .and_then(|time| i64::try_from(time.nseconds()).ok());
        match (given, self.last_offset_ns) {
            (Some(given), None) => given,
            (Some(given), Some(last)) if given > last => given,
            (_, Some(last)) => last + (1e9 / rate.unwrap_or(25.0)).round() as i64,
            (None, None) => 0,
        }
    }

    /// Reads on until a picture is kept.
    fn advance(&mut self) -> Result<Option<Frame>, Error> {
        loop {
            let next = match self.first.take() {
                Some(first) => Some(first),
                None => self.pull(self.patience.next_frame)?,
            };
            let Some(sample) = next else {
                return Ok(None);
            };
            let (caps, info) = self.format_of(&sample)?;
            let offset_ns = self.offset_of(&sample, rate_of(&info));
            let sequence = self.next_sequence;
            self.next_sequence += 1;
            self.last_offset_ns = Some(offset_ns);
            if !self.cap.as_mut().is_none_or(|cap| cap.admits(offset_ns)) {
                self.dropped += 1;
                continue;
            }
            let mut buffer = sample
                .buffer_owned()
                .ok_or_else(|| self.picture_fault("the sample is empty".to_owned()))?;
            drop(sample);
            if let Some(painter) = &mut self.painter {
                buffer = painter
                    .paint(buffer, &caps, &info)
                    .map_err(|detail| self.picture_fault(detail))?;
            }
            let head = Head {
                camera: Arc::clone(&self.spec.camera),
                camera_index: self.camera_index,
                capture_ns: self.spec.start_ns.saturating_add(offset_ns),
                time_source: TimeSource::Recording,
                decoded_ns: None,
                sequence,
            };
            return Frame::try_new(head, buffer, &info).map(Some);
        }
    }

    /// The picture format; parsed again only when it changes.
    fn format_of(
        &mut self,
        sample: &gst::Sample,
    ) -> Result<(gst::Caps, gst_video::VideoInfo), Error> {
        let caps = sample
            .caps_owned()
            .ok_or_else(|| self.picture_fault("the picture has no format".to_owned()))?;
        if let Some((known, info)) = &self.format
            && *known == caps
        {
            return Ok((caps, info.clone()));
        }
        let info = gst_video::VideoInfo::from_caps(&caps)
            .map_err(|e| self.picture_fault(e.to_string()))?;
        tracing::info!(
            camera = %self.spec.camera,
            path = %self.spec.path.display(),
            width = info.width(),
            height = info.height(),
            format = info.name(),
            frame = self.next_sequence,
            "picture format"
        );
        self.format = Some((caps.clone(), info.clone()));
        Ok((caps, info))
    }

    fn picture_fault(&self, detail: String) -> Error {
        Error::Picture {
            origin: format!("recording {}", self.spec.path.display()),
            detail,
        }
    }
}

impl Iterator for Recording {
    type Item = Result<Frame, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let next = self.advance().transpose();
        self.is_over = !matches!(next, Some(Ok(_)));
        next
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if let Err(error) = self.pipeline.set_state(gst::State::Null) {
            tracing::warn!(path = %self.spec.path.display(), %error, "pipeline does not stop");
        }
    }
}

fn rate_of(info: &gst_video::VideoInfo) -> Option<f64> {
    let fps = info.fps();
    (fps.numer() > 0 && fps.denom() > 0).then(|| f64::from(fps.numer()) / f64::from(fps.denom()))
}

fn nominal_rate(sample: &gst::Sample) -> Option<f64> {
    rate_of(&gst_video::VideoInfo::from_caps(sample.caps()?).ok()?)
}
