//! A real RTSP server on loopback that misbehaves on request.
//!
//! It stands in for a camera: it encodes a moving test picture or a footage file and serves it over TCP, UDP or TLS,
//! with or without credentials. A test then asks it to do what cameras do in the field: refuse, hang up, keep the
//! connection open and send nothing, send rubbish, change codec or size, come back.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
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

mod mischief;
mod options;

use mischief::{Mischief, configure};
pub use options::{Challenge, Codec, Options, Scene, SenderClock, Stream};

/// Where the stream is mounted.
const PATH: &str = "/cam";
/// The only role that may look.
const ROLE: &str = "viewer";

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
        // Every client its own: a shared media that one client left in trouble would be refused to all later ones.
        factory.set_shared(false);
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
        // On the loop's own thread: a quit that comes before the loop runs would be forgotten.
        let main_loop = self.main_loop.clone();
        self.context.invoke(move || main_loop.quit());
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
