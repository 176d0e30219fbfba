//! What the server serves, and how it starts.

use std::path::PathBuf;

use anyhow::Result;
use gstreamer::glib;

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

    pub(super) fn launch(&self) -> Result<String> {
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
