//! A real RTSP server on loopback that misbehaves on request.
//!
//! It stands in for a camera: it encodes a moving test picture or a footage file and serves it over TCP, UDP or TLS,
//! with or without credentials. A test then asks it to do what cameras do in the field: refuse, hang up, keep the
//! connection open and send nothing, send rubbish, change codec or size, come back.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow};
use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer_rtsp as gst_rtsp;
use gstreamer_rtsp_server as gst_rtsp_server;
use gstreamer_rtsp_server::gio;
use gstreamer_rtsp_server::prelude::*;

/// Where the stream is mounted.
const PATH: &str = "/cam";
/// The only role that may look.
const ROLE: &str = "viewer";

/// How the stream is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// H.264.
    H264,
    /// H.265.
    H265,
    /// JPEG pictures in RTP.
    Mjpeg,
}

/// What is shown.
#[derive(Debug, Clone)]
pub enum Scene {
    /// A ball that moves, made in real time.
    Pattern {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// Frames a second.
        fps: u32,
    },
    /// A video file, decoded and encoded again; its end is the end of the stream.
    File(PathBuf),
}

/// What the camera serves.
#[derive(Debug, Clone)]
pub struct Stream {
    /// The picture.
    pub scene: Scene,
    /// How it is encoded.
    pub codec: Codec,
}

impl Stream {
    /// The moving test picture.
    #[must_use]
    pub fn pattern(codec: Codec, width: u32, height: u32, fps: u32) -> Self {
        Self {
            scene: Scene::Pattern { width, height, fps },
            codec,
        }
    }

    fn launch(&self) -> Result<String> {
        let source = match &self.scene {
            Scene::Pattern { width, height, fps } => format!(
                "videotestsrc is-live=true pattern=ball ! \
                 capsfilter name=size caps=video/x-raw,format=I420,width={width},height={height},framerate={fps}/1"
            ),
            Scene::File(path) => {
                let uri = glib::filename_to_uri(std::path::absolute(path)?, None)?;
                format!("uridecodebin uri={uri} ! videoconvert ! video/x-raw,format=I420")
            }
        };
        let encoder = match self.codec {
            Codec::H264 => {
                "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=15 bitrate=2000 ! \
                 rtph264pay name=pay0 pt=96 config-interval=-1"
            }
            Codec::H265 => {
                "x265enc tune=zerolatency speed-preset=ultrafast key-int-max=15 bitrate=2000 ! \
                 h265parse ! rtph265pay name=pay0 pt=96 config-interval=-1"
            }
            Codec::Mjpeg => "jpegenc quality=70 ! rtpjpegpay name=pay0 pt=26",
        };
        Ok(format!("( {source} ! {encoder} )"))
    }
}

/// Which clock the camera's sender reports tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SenderClock {
    /// The right time of day.
    #[default]
    Wall,
    /// Time since the machine started, as cameras do that were never set.
    SinceBoot,
}

/// How a server asks for user and password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge {
    /// In the clear.
    Basic,
    /// By a hash.
    Digest,
}

/// How the server starts.
#[derive(Debug, Clone)]
pub struct Options {
    /// What it serves.
    pub stream: Stream,
    /// User and password that it asks for.
    pub credentials: Option<(String, String)>,
    /// How it asks for them.
    pub challenge: Challenge,
    /// PEM file with certificate and key, for `rtsps://`.
    pub certificate: Option<PathBuf>,
    /// What its sender reports say.
    pub sender_clock: SenderClock,
}

impl Options {
    /// An open server without TLS.
    #[must_use]
    pub fn new(stream: Stream) -> Self {
        Self {
            stream,
            credentials: None,
            challenge: Challenge::Digest,
            certificate: None,
            sender_clock: SenderClock::Wall,
        }
    }
}

/// What the running media look at.
#[derive(Debug, Default)]
struct Mischief {
    is_stalled: AtomicBool,
    is_garbled: AtomicBool,
    /// The media now playing, to change its picture size on the fly.
    playing: Mutex<Vec<glib::WeakRef<gst::Element>>>,
}

/// The server; stops when dropped.
pub struct RtspServer {
    server: gst_rtsp_server::RTSPServer,
    context: glib::MainContext,
    main_loop: glib::MainLoop,
    thread: Option<JoinHandle<()>>,
    listening: Mutex<Option<glib::Source>>,
    port: u16,
    options: Options,
    stream: Mutex<Stream>,
    mischief: Arc<Mischief>,
}

impl RtspServer {
    /// Starts to listen on a free port of 127.0.0.1.
    pub fn start(options: Options) -> Result<Self> {
        gst::init()?;
        let server = gst_rtsp_server::RTSPServer::new();
        server.set_address("127.0.0.1");
        server.set_service("0");
        if options.credentials.is_some() || options.certificate.is_some() {
            server.set_auth(Some(&auth(&options)?));
        }
        let context = glib::MainContext::new();
        let main_loop = glib::MainLoop::new(Some(&context), false);
        let mut this = Self {
            server,
            context,
            main_loop,
            thread: None,
            listening: Mutex::new(None),
            port: 0,
            stream: Mutex::new(options.stream.clone()),
            options,
            mischief: Arc::default(),
        };
        this.mount(&this.options.stream)?;
        this.listen()?;
        this.port = u16::try_from(this.server.bound_port()).context("the server has no port")?;
        // The same port again when it comes back.
        this.server.set_service(&this.port.to_string());
        let main_loop = this.main_loop.clone();
        this.thread = Some(
            std::thread::Builder::new()
                .name("rtsp-server".to_owned())
                .spawn(move || main_loop.run())?,
        );
        Ok(this)
    }

    /// The address of the stream, without credentials.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = match self.options.certificate {
            Some(_) => "rtsps",
            None => "rtsp",
        };
        format!("{scheme}://127.0.0.1:{}{PATH}", self.port)
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Hangs up on everybody; who calls again is served.
    pub fn hang_up(&self) -> Result<()> {
        // A new media for who calls again: the old one may still be on its way down.
        let stream = self.stream().clone();
        self.mount(&stream)?;
        self.drop_clients();
        Ok(())
    }

    fn drop_clients(&self) {
        self.server
            .client_filter(Some(&mut |_, _| gst_rtsp_server::RTSPFilterResult::Remove));
        if let Some(pool) = self.server.session_pool() {
            pool.filter(Some(&mut |_, _| gst_rtsp_server::RTSPFilterResult::Remove));
        }
    }

    /// Hangs up and refuses every connection until [`RtspServer::come_back`].
    pub fn refuse(&self) {
        if let Some(source) = self.listening_slot().take() {
            source.destroy();
        }
        self.drop_clients();
    }

    /// Listens again on the same port, and ends a stall and garbage.
    pub fn come_back(&self) -> Result<()> {
        self.stall(false);
        self.garble(false);
        if self.listening_slot().is_none() {
            let stream = self.stream().clone();
            self.mount(&stream)?;
            self.listen()?;
        }
        Ok(())
    }

    /// Keeps connections open and sends no picture.
    pub fn stall(&self, is_stalled: bool) {
        self.mischief.is_stalled.store(is_stalled, Ordering::SeqCst);
    }

    /// Sends noise in place of every picture's data.
    pub fn garble(&self, is_garbled: bool) {
        self.mischief.is_garbled.store(is_garbled, Ordering::SeqCst);
    }

    /// Serves another stream from now on: hangs up, and who calls again gets the new one.
    pub fn change(&self, stream: &Stream) -> Result<()> {
        *self.stream() = stream.clone();
        self.hang_up()
    }

    /// Changes the size of the test picture without hanging up.
    pub fn resize(&self, width: u32, height: u32, fps: u32) {
        let caps = gst::Caps::builder("video/x-raw")
            .field("format", "I420")
            .field("width", width.cast_signed())
            .field("height", height.cast_signed())
            .field("framerate", gst::Fraction::new(fps.cast_signed(), 1))
            .build();
        for filter in self.playing().iter().filter_map(glib::WeakRef::upgrade) {
            filter.set_property("caps", &caps);
        }
    }

    /// Answers "not found" to everybody.
    pub fn unmount(&self) {
        if let Some(mounts) = self.server.mount_points() {
            mounts.remove_factory(PATH);
        }
        self.drop_clients();
    }

    /// How many clients are connected.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.server.client_filter(None).len()
    }

    fn mount(&self, stream: &Stream) -> Result<()> {
        let factory = gst_rtsp_server::RTSPMediaFactory::new();
        factory.set_launch(&stream.launch()?);
        factory.set_shared(true);
        factory.set_eos_shutdown(true);
        factory.add_role_from_structure(
            &gst::Structure::builder(ROLE)
                .field(
                    gst_rtsp_server::RTSP_PERM_MEDIA_FACTORY_ACCESS.as_str(),
                    true,
                )
                .field(
                    gst_rtsp_server::RTSP_PERM_MEDIA_FACTORY_CONSTRUCT.as_str(),
                    true,
                )
                .build(),
        );
        let mischief = Arc::clone(&self.mischief);
        let sender_clock = self.options.sender_clock;
        factory.connect_media_configure(move |_, media| {
            configure(media, &mischief, sender_clock);
        });
        self.server
            .mount_points()
            .context("the server has no mount points")?
            .add_factory(PATH, factory);
        Ok(())
    }

    fn listen(&self) -> Result<()> {
        let source = self.server.create_source(gio::Cancellable::NONE)?;
        // As `attach` would; unlike what that gives back, this source can be taken away again.
        let _id = source.attach(Some(&self.context));
        *self.listening_slot() = Some(source);
        Ok(())
    }

    fn listening_slot(&self) -> std::sync::MutexGuard<'_, Option<glib::Source>> {
        self.listening
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn stream(&self) -> std::sync::MutexGuard<'_, Stream> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn playing(&self) -> std::sync::MutexGuard<'_, Vec<glib::WeakRef<gst::Element>>> {
        self.mischief
            .playing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RtspServer {
    fn drop(&mut self) {
        self.refuse();
        self.main_loop.quit();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tell_of_a_dead_thread();
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "a test support thread that panicked must be seen in the test's output"
)]
fn tell_of_a_dead_thread() {
    eprintln!("the rtsp server's thread panicked");
}

fn auth(options: &Options) -> Result<gst_rtsp_server::RTSPAuth> {
    let auth = gst_rtsp_server::RTSPAuth::new();
    let token = gst_rtsp_server::RTSPToken::builder()
        .field(
            gst_rtsp_server::RTSP_TOKEN_MEDIA_FACTORY_ROLE.as_str(),
            ROLE,
        )
        .build();
    match &options.credentials {
        Some((user, password)) => {
            auth.set_supported_methods(match options.challenge {
                Challenge::Basic => gst_rtsp::RTSPAuthMethod::Basic,
                Challenge::Digest => gst_rtsp::RTSPAuthMethod::Digest,
            });
            let basic = gst_rtsp_server::RTSPAuth::make_basic(user, password);
            auth.add_basic(&basic, &token);
            auth.add_digest(user, password, &token);
        }
        None => {
            let mut token = token;
            auth.set_default_token(Some(&mut token));
        }
    }
    if let Some(path) = &options.certificate {
        let certificate = gio::TlsCertificate::from_file(path)?;
        auth.set_tls_certificate(Some(&certificate));
    }
    Ok(auth)
}

/// Puts the levers into a media that is about to play.
fn configure(
    media: &gst_rtsp_server::RTSPMedia,
    mischief: &Arc<Mischief>,
    sender_clock: SenderClock,
) {
    let element = media.element();
    let Some(bin) = element.downcast_ref::<gst::Bin>() else {
        return;
    };
    if let Some(filter) = bin.by_name("size") {
        let mut playing = mischief
            .playing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        playing.retain(|weak| weak.upgrade().is_some());
        playing.push(filter.downgrade());
    }
    if let Some(pad) = bin.by_name("pay0").and_then(|pay| pay.static_pad("src")) {
        let mischief = Arc::clone(mischief);
        let kinds = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
        pad.add_probe(kinds, move |_, info| {
            if mischief.is_stalled.load(Ordering::SeqCst) {
                return gst::PadProbeReturn::Drop;
            }
            if mischief.is_garbled.load(Ordering::SeqCst) {
                match &mut info.data {
                    Some(gst::PadProbeData::Buffer(buffer)) => *buffer = garbled(buffer),
                    Some(gst::PadProbeData::BufferList(list)) => {
                        *list = list.iter_owned().map(|buffer| garbled(&buffer)).collect();
                    }
                    _ => {}
                }
            }
            gst::PadProbeReturn::Ok
        });
    }
    if sender_clock == SenderClock::SinceBoot {
        media.connect_prepared(|media| {
            let pipeline = media.element().parent().and_downcast::<gst::Bin>();
            let rtpbin = pipeline.and_then(|p| {
                p.iterate_all_by_element_factory_name("rtpbin")
                    .next()
                    .ok()
                    .flatten()
            });
            if let Some(rtpbin) = rtpbin {
                rtpbin.set_property_from_str("ntp-time-source", "running-time");
            }
        });
    }
}

/// The packet with its RTP header kept, so that it still belongs to the stream, and noise behind it.
fn garbled(buffer: &gst::BufferRef) -> gst::Buffer {
    let mut copy = gst::Buffer::with_size(0).unwrap_or_else(|_| gst::Buffer::new());
    if let Ok(deep) = buffer.copy_deep() {
        copy = deep;
    }
    let mut noise = copy.size() as u32 | 1;
    if let Some(copy) = copy.get_mut()
        && let Ok(mut data) = copy.map_writable()
    {
        for byte in data.iter_mut().skip(12) {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = (noise >> 24) as u8;
        }
    }
    copy
}

/// A self-signed certificate for 127.0.0.1 with its key, made by `openssl`: the file for the server, and the file that
/// a client must trust.
pub fn self_signed(folder: &std::path::Path) -> Result<(PathBuf, PathBuf)> {
    let (key, certificate) = (folder.join("key.pem"), folder.join("ca.pem"));
    let output = std::process::Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
        ])
        .args(["-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .context("openssl does not start")?;
    if !output.status.success() {
        return Err(anyhow!(
            "openssl: {}",
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    let both = folder.join("server.pem");
    let text = fs_err::read_to_string(&certificate)? + &fs_err::read_to_string(&key)?;
    fs_err::write(&both, text)?;
    Ok((both, certificate))
}
