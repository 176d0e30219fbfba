//! One connection to one camera: the pipeline, and what it says when it ends.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use super::super::Error;
use super::super::decode::{self, ChosenDecoder, Tail, TailOptions};
use super::endless::forget_planned_end;
use super::intake::Intake;
use super::sender::{self, SenderClock};
use super::state::Tally;
use super::{Address, Clock, LiveSpec, Transport};

/// A TCP connection that takes longer than this to answer is given up.
const CONNECT_TIMEOUT_US: u64 = 5_000_000;
/// A pipeline that takes longer than this to stop never will: now and then one deadlocks inside GStreamer.
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// Longest wait for the end of a stream to come out of a pipeline whose camera has hung up. GStreamer 1.22's jitter buffer
/// waits for its timers before it lets the end of a stream through; stopped in that moment, it waits for ever.
const DRAIN_WITHIN: Duration = Duration::from_secs(1);
const DRAIN_TICK: Duration = Duration::from_millis(10);

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The camera or the network said no, or the stream cannot be decoded.
    Failed(String),
    /// The camera ended the stream. A live camera has no end, so this is a fault like any other.
    Closed,
    /// No picture came within the deadline although the connection stands.
    Silent {
        /// How long it was waited for.
        waited_ms: u64,
    },
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Failed(reason) => f.write_str(reason),
            Self::Closed => f.write_str("the camera ended the stream"),
            Self::Silent { waited_ms } => write!(
                f,
                "no picture for {:.1} s although the connection stands; check the camera's encoder and its network",
                *waited_ms as f64 / 1e3
            ),
        }
    }
}

/// A connection; ends when dropped. A pipeline that does not stop in time is left behind, counted, so that it takes neither
/// its camera nor the process with it.
pub(super) struct Session {
    pipeline: gst::Pipeline,
    sink: gst_app::AppSink,
    /// The camera ended the stream, or an element gave up: the end is on its way to the sink.
    has_ended: AtomicBool,
    address: Address,
    decoder: ChosenDecoder,
    codec: Arc<Mutex<Option<String>>>,
    is_over: Arc<AtomicBool>,
    tally: Arc<Tally>,
}

impl Session {
    /// Starts to connect; pictures go to `intake` from the decoder's own thread.
    pub(super) fn open(
        spec: &LiveSpec,
        intake: &Arc<Mutex<Intake>>,
        sender: &Arc<SenderClock>,
        clock: &Arc<dyn Clock>,
        tally: &Arc<Tally>,
    ) -> Result<Self, Error> {
        decode::init()?;
        sender.restart();
        let address = spec.decoded_address().clone();
        let pipeline = gst::Pipeline::new();
        let origin = format!("camera `{}`", spec.camera);
        let decoder = ChosenDecoder::watch(pipeline.upcast_ref(), origin);
        let tail = Tail::add_to(
            &pipeline,
            TailOptions {
                is_paced: address.is_file(),
                max_buffers: 2,
            },
        )?;
        let is_over = Arc::new(AtomicBool::new(false));
        deliver(&tail.sink, &pipeline, intake, &is_over);
        let codec = Arc::new(Mutex::new(None));
        if address.is_file() {
            let source = decode::decode_bin("uridecodebin", &tail.head)?;
            source.set_property("uri", address.location());
            pipeline.add(&source).map_err(|e| broken(&e))?;
        } else {
            let source = rtsp_source(spec, &address)?;
            let decode = decode::decode_bin("decodebin", &tail.head)?;
            pipeline
                .add_many([&source, &decode])
                .map_err(|e| broken(&e))?;
            first_video_only(&source, &codec);
            let link = RtpLink {
                decode,
                pipeline: pipeline.downgrade(),
                sender: Arc::clone(sender),
                clock: Arc::clone(clock),
            };
            source.connect_pad_added(move |_, pad| link.take(pad));
        }
        let session = Self {
            pipeline,
            sink: tail.sink,
            has_ended: AtomicBool::new(false),
            address,
            decoder,
            codec,
            is_over,
            tally: Arc::clone(tally),
        };
        // Whatever fails here is also on the bus, with its reason; `fault` reads it there.
        let _is_started = session.pipeline.set_state(gst::State::Playing).is_ok();
        Ok(session)
    }

    /// What ended the connection, if anything did; waits up to `wait` for news.
    pub(super) fn fault(&self, wait: gst::ClockTime) -> Option<Fault> {
        let bus = self.pipeline.bus()?;
        let wanted = [
            gst::MessageType::Error,
            gst::MessageType::Eos,
            gst::MessageType::Element,
        ];
        let message = bus.timed_pop_filtered(wait, &wanted)?;
        let is_end = matches!(
            message.view(),
            gst::MessageView::Error(_) | gst::MessageView::Eos(_)
        );
        self.has_ended.fetch_or(is_end, Ordering::SeqCst);
        match message.view() {
            gst::MessageView::Error(error) => Some(Fault::Failed(self.reason(error))),
            gst::MessageView::Eos(_) => Some(Fault::Closed),
            gst::MessageView::Element(element) => decode::missing_codec(element).map(|codec| {
                Fault::Failed(format!(
                    "no decoder for {codec}; install gstreamer1.0-libav or the plug-in that decodes it"
                ))
            }),
            _ => None,
        }
    }

    /// The decoder at work.
    pub(super) fn decoder(&self) -> Option<String> {
        self.decoder.name()
    }

    /// The codec, by its name in the stream description.
    pub(super) fn codec(&self) -> Option<String> {
        let named = self
            .codec
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        named.or_else(|| self.decoder.codec())
    }

    fn reason(&self, message: &gst::message::Error) -> String {
        let error = message.error();
        let said = self.address.redact(&decode::bus_error(message));
        let hint = match error.kind::<gst::ResourceError>() {
            Some(gst::ResourceError::NotAuthorized) => "check user and password",
            Some(gst::ResourceError::NotFound) => {
                "check that the camera is on, and the address and its path"
            }
            Some(gst::ResourceError::OpenRead | gst::ResourceError::OpenReadWrite) => {
                "check that the camera is on and reachable"
            }
            _ => "check the camera's stream settings",
        };
        format!("{said}; {hint}")
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        let (stopped, news) = sync_channel(1);
        let pipeline = self.pipeline.clone();
        let sink = self.sink.clone();
        let is_draining = self.has_ended.load(Ordering::SeqCst);
        let stop = move || {
            if is_draining {
                drain(&sink);
            }
            let outcome = pipeline.set_state(gst::State::Null);
            // Nobody listens any more when it took too long.
            stopped.send(outcome).ok();
        };
        let thread = std::thread::Builder::new().name("stop".to_owned());
        let address = &self.address;
        match thread.spawn(stop).map(|_| news.recv_timeout(STOP_WITHIN)) {
            Ok(Ok(Ok(_))) => {}
            Ok(Ok(Err(error))) => tracing::warn!(%address, %error, "pipeline does not stop"),
            Ok(Err(_)) => {
                self.tally.abandoned.fetch_add(1, Ordering::Relaxed);
                tracing::error!(%address, "pipeline hangs and is left behind; a new one takes its place");
            }
            Err(error) => {
                self.tally.abandoned.fetch_add(1, Ordering::Relaxed);
                tracing::error!(%address, %error, "no thread to stop the pipeline, which is left behind");
            }
        }
    }
}

/// Waits for the end of a stream to arrive, where pictures have come before.
fn drain(sink: &gst_app::AppSink) {
    let has_begun = sink
        .static_pad("sink")
        .is_some_and(|pad| pad.current_caps().is_some());
    let begin = Instant::now();
    while has_begun && !sink.is_eos() && begin.elapsed() < DRAIN_WITHIN {
        std::thread::sleep(DRAIN_TICK);
    }
}

fn broken(error: &gst::glib::BoolError) -> Error {
    Error::Gstreamer {
        detail: error.to_string(),
    }
}

/// Has every decoded picture handed to `intake`.
fn deliver(
    sink: &gst_app::AppSink,
    pipeline: &gst::Pipeline,
    intake: &Arc<Mutex<Intake>>,
    is_over: &Arc<AtomicBool>,
) {
    let (intake, is_over) = (Arc::clone(intake), Arc::clone(is_over));
    let pipeline = pipeline.downgrade();
    let callbacks = gst_app::AppSinkCallbacks::builder()
        .new_sample(move |sink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            if is_over.load(Ordering::SeqCst) {
                return Err(gst::FlowError::Eos);
            }
            let running_now = pipeline
                .upgrade()
                .and_then(|pipeline| pipeline.current_running_time())
                .and_then(|time| i64::try_from(time.nseconds()).ok())
                .unwrap_or_default();
            intake
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .accept(sample, running_now);
            Ok(gst::FlowSuccess::Ok)
        })
        .build();
    sink.set_callbacks(callbacks);
}

fn rtsp_source(spec: &LiveSpec, address: &Address) -> Result<gst::Element, Error> {
    let source = decode::make("rtspsrc", "gstreamer1.0-plugins-good")?;
    source.set_property("location", address.location());
    let latency_ms = u32::try_from(spec.latency.as_millis()).unwrap_or(u32::MAX);
    source.set_property("latency", latency_ms);
    source.set_property("drop-on-latency", true);
    source.set_property("add-reference-timestamp-meta", true);
    source.set_property("tcp-timeout", CONNECT_TIMEOUT_US);
    source.set_property_from_str(
        "user-agent",
        concat!("sightline/", env!("CARGO_PKG_VERSION")),
    );
    let protocols = match spec.transport {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
    };
    source.set_property_from_str("protocols", protocols);
    forget_planned_end(&source);
    if let Some(credentials) = address.credentials() {
        source.set_property("user-id", &credentials.user);
        source.set_property("user-pw", &credentials.password);
    }
    if let Some(path) = &spec.ca_file {
        source.set_property("tls-database", authority(&spec.camera, path)?);
    }
    Ok(source)
}

fn authority(camera: &str, path: &Path) -> Result<gio::TlsFileDatabase, Error> {
    let fault = |detail: String| Error::Certificate {
        camera: camera.to_owned(),
        path: path.to_path_buf(),
        detail,
    };
    // GLib takes a file without any certificate for an empty list, and then trusts nobody without saying why.
    let known = gio::TlsCertificate::list_new_from_file(path)
        .map_err(|e| fault(decode::one_line(e.message())))?;
    if known.is_empty() {
        return Err(fault("holds no certificate".to_owned()));
    }
    let absolute = std::path::absolute(path).map_err(|e| fault(e.to_string()))?;
    gio::TlsFileDatabase::new(absolute).map_err(|e| fault(decode::one_line(e.message())))
}

/// Asks the camera for its first video stream and nothing else.
fn first_video_only(source: &gst::Element, codec: &Arc<Mutex<Option<String>>>) {
    let codec = Arc::clone(codec);
    source.connect("select-stream", false, move |values| {
        let caps = values.get(2)?.get::<gst::Caps>().ok()?;
        let structure = caps.structure(0)?;
        let mut chosen = codec.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first_video = structure.get::<&str>("media") == Ok("video") && chosen.is_none();
        if is_first_video {
            *chosen = structure.get::<String>("encoding-name").ok();
        }
        Some(is_first_video.to_value())
    });
}

/// Leads RTP packets from the network to the decoder, and reads their sender times on the way.
struct RtpLink {
    decode: gst::Element,
    pipeline: gst::glib::WeakRef<gst::Pipeline>,
    sender: Arc<SenderClock>,
    clock: Arc<dyn Clock>,
}

impl RtpLink {
    fn take(&self, pad: &gst::Pad) {
        let Some(sink) = self.decode.static_pad("sink") else {
            return;
        };
        if sink.is_linked() {
            return;
        }
        if let Err(error) = pad.link(&sink) {
            tracing::warn!(%error, "packets do not link");
            return;
        }
        let (sender, clock) = (Arc::clone(&self.sender), Arc::clone(&self.clock));
        let pipeline = self.pipeline.clone();
        pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            if let Some(buffer) = info.buffer() {
                let times = sender_time(buffer).zip(arrival(pad, buffer, &pipeline, &*clock));
                if let Some((capture_ns, (pts_ns, arrival_ns))) = times {
                    sender.record(pts_ns, capture_ns, arrival_ns);
                }
            }
            gst::PadProbeReturn::Ok
        });
    }
}

fn sender_time(buffer: &gst::BufferRef) -> Option<i64> {
    let meta = buffer
        .iter_meta::<gst::ReferenceTimestampMeta>()
        .find(|meta| {
            let kind = meta.reference().structure(0);
            kind.is_some_and(|kind| kind.name() == "timestamp/x-ntp")
        })?;
    sender::unix_from_ntp_ns(meta.timestamp().nseconds())
}

/// The presentation time of a packet, and when it reached the socket by our wall clock.
fn arrival(
    pad: &gst::Pad,
    buffer: &gst::BufferRef,
    pipeline: &gst::glib::WeakRef<gst::Pipeline>,
    clock: &dyn Clock,
) -> Option<(u64, i64)> {
    let pts = buffer.pts()?;
    let event = pad.sticky_event::<gst::event::Segment>(0)?;
    let segment = event.segment().downcast_ref::<gst::ClockTime>()?;
    let running = segment.to_running_time(pts)?;
    let now = pipeline.upgrade()?.current_running_time()?;
    let age_ns = i64::try_from(now.saturating_sub(running).nseconds()).ok()?;
    Some((pts.nseconds(), clock.now_ns().saturating_sub(age_ns)))
}
