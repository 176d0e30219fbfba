//! What can go wrong between a camera or a file and a frame.

use std::path::PathBuf;

/// An ingest failure: what happened, on which camera or file, and what to do about it, in one line.
///
/// No variant ever holds a password: addresses are redacted before they get here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// GStreamer itself does not start.
    #[error(
        "gstreamer does not start: {detail}; check that the gstreamer 1.22 packages are installed"
    )]
    Gstreamer {
        /// What GStreamer says.
        detail: String,
    },
    /// An element that ingest needs is not installed.
    #[error("gstreamer has no element `{element}`; install the package {package}")]
    MissingElement {
        /// The element's factory name.
        element: &'static str,
        /// The Debian package that holds it.
        package: &'static str,
    },
    /// The file is not there.
    #[error("recording {}: no such file; check the path", path.display())]
    MissingFile {
        /// The path that was asked for.
        path: PathBuf,
    },
    /// The path names a folder, a socket or a device.
    #[error("recording {}: not a regular file; name the video file itself", path.display())]
    NotAFile {
        /// The path that was asked for.
        path: PathBuf,
    },
    /// The file has no bytes.
    #[error("recording {}: the file is empty; record or copy it again", path.display())]
    EmptyFile {
        /// The path that was asked for.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("recording {}: cannot be read: {source}; check its permissions", path.display())]
    Unreadable {
        /// The path that was asked for.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The file is there, but holds no picture that GStreamer recognises.
    #[error("recording {}: not a video that can be decoded: {detail}; check that the file is complete and a video", path.display())]
    NotVideo {
        /// The path that was asked for.
        path: PathBuf,
        /// What GStreamer says.
        detail: String,
    },
    /// No decoder for the codec is installed.
    #[error(
        "{origin}: no decoder for {codec}; install gstreamer1.0-libav or the plug-in that decodes it"
    )]
    NoDecoder {
        /// The file or the redacted address.
        origin: String,
        /// The codec, in GStreamer's words.
        codec: String,
    },
    /// The recording ends long before its own header says it should.
    #[error(
        "recording {}: truncated, ends at {got_s:.2} s of {expected_s:.2} s after {frames} frames; the frames before that were used, copy the file again for the rest",
        path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Frames read before the end.
        frames: u64,
        /// Seconds of picture there are.
        got_s: f64,
        /// Seconds of picture the header promises.
        expected_s: f64,
    },
    /// The recording lacks bytes at its end, by its own account.
    #[error(
        "recording {}: truncated, {missing_bytes} bytes are missing at its end; the {frames} frames before that were used, copy the file again for the rest",
        path.display()
    )]
    CutShort {
        /// The file.
        path: PathBuf,
        /// Frames read before the end.
        frames: u64,
        /// How much is missing.
        missing_bytes: u64,
    },
    /// Decoding broke off in mid-file.
    #[error("recording {}: broken off after {frames} frames: {detail}; the frames before that were used, copy the file again for the rest", path.display())]
    BrokenOff {
        /// The file.
        path: PathBuf,
        /// Frames read before the fault.
        frames: u64,
        /// What GStreamer says.
        detail: String,
    },
    /// The decoder gave nothing for longer than its deadline.
    #[error("recording {}: no frame for {waited_s:.0} s after {frames} frames; check the disk, or the decoder named in the log", path.display())]
    Stuck {
        /// The file.
        path: PathBuf,
        /// Frames read before that.
        frames: u64,
        /// How long ingest waited.
        waited_s: f64,
    },
    /// A buffer does not hold the picture that its caps describe.
    #[error(
        "{origin}: a decoded picture cannot be mapped: {detail}; report the decoder named in the log"
    )]
    Picture {
        /// The camera or file.
        origin: String,
        /// What does not fit.
        detail: String,
    },
    /// A frame rate that no camera has.
    #[error("frame rate {value} is impossible, expected a number above 0 and up to 1000")]
    FrameRate {
        /// The value given.
        value: f64,
    },
    /// A region or mask that is not a polygon inside the picture.
    #[error("polygon {detail}, expected 3 to 64 points as x, y between 0 and 1")]
    Polygon {
        /// What is wrong with it.
        detail: String,
    },
    /// An address that is not `rtsp://`, `rtsps://` or `file://`.
    #[error(
        "camera `{camera}`: address `{url}` is not usable: {detail}; expected rtsp://, rtsps:// or file://"
    )]
    Address {
        /// The camera.
        camera: String,
        /// The address without its credentials.
        url: String,
        /// What is wrong with it.
        detail: String,
    },
    /// A certificate file that cannot be used.
    #[error("camera `{camera}`: certificate authority file {}: {detail}; expected a PEM file", path.display())]
    Certificate {
        /// The camera.
        camera: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// Two cameras bear one name.
    #[error("camera `{camera}` is given twice; each camera needs its own name")]
    DuplicateCamera {
        /// The name.
        camera: String,
    },
    /// A live camera gave no frame; `reason` says whether it refused, closed or kept silent.
    #[error("camera `{camera}` at {url}: {reason}")]
    Live {
        /// The camera.
        camera: String,
        /// The address without its credentials.
        url: String,
        /// What happened and what to do.
        reason: String,
    },
    /// The operating system gave no thread.
    #[error("camera `{camera}`: no thread could be started: {source}; raise the limit on tasks")]
    Thread {
        /// The camera.
        camera: String,
        /// What the operating system says.
        source: std::io::Error,
    },
}
