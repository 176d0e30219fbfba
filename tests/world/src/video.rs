//! H.264 in MP4 by `GStreamer`: the same frames give the same stream.

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::AppSrc;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A video being written.
#[derive(Debug)]
pub struct Video {
    pipeline: gst::Pipeline,
    source: AppSrc,
    path: PathBuf,
    frame_ns: f64,
}

impl Video {
    /// Starts a video of a size and rate.
    ///
    /// # Errors
    /// `GStreamer` or its x264 and MP4 plugins are missing, or the file cannot be written.
    pub fn create(
        path: &Path,
        width: usize,
        height: usize,
        fps: f32,
        bitrate_kbps: u32,
    ) -> Result<Self> {
        let name = path.display().to_string();
        let fault = |what: String| Error::video(&name, what);
        gst::init().map_err(|e| fault(e.to_string()))?;
        let rate = gst::Fraction::new((fps * 1000.0).round() as i32, 1000);
        let caps = gst::Caps::builder("video/x-raw")
            .field("format", "RGB")
            .field("width", width as i32)
            .field("height", height as i32)
            .field("framerate", rate)
            .build();
        // One thread, and no tree of macroblocks (x264 reads memory there that it never wrote), so that the stream repeats.
        let keys = (fps * 2.0).round().max(1.0) as i32;
        let line = format!(
            "appsrc name=source format=time block=true max-buffers=8 ! videoconvert ! video/x-raw,format=I420 ! x264enc name=encoder threads=1 mb-tree=false \
             speed-preset=medium key-int-max={keys} bitrate={bitrate_kbps} ! h264parse ! mp4mux ! filesink name=sink"
        );
        let pipeline = gst::parse::launch(&line)
            .map_err(|e| {
                fault(format!(
                    "{e}; install gstreamer1.0-plugins-base, -good, -bad and -ugly"
                ))
            })?
            .downcast::<gst::Pipeline>()
            .map_err(|_| fault("the pipeline is not one".to_owned()))?;
        let sink = pipeline
            .by_name("sink")
            .ok_or_else(|| fault("no sink".to_owned()))?;
        sink.set_property("location", &name);
        let source = pipeline
            .by_name("source")
            .and_then(|s| s.downcast::<AppSrc>().ok())
            .ok_or_else(|| fault("no source".to_owned()))?;
        source.set_caps(Some(&caps));
        pipeline
            .set_state(gst::State::Playing)
            .map_err(|e| fault(e.to_string()))?;
        Ok(Self {
            pipeline,
            source,
            path: path.to_owned(),
            frame_ns: 1e9 / f64::from(fps),
        })
    }

    /// Adds frame `number` (RGB bytes); numbers may be left out: the frame was lost.
    ///
    /// # Errors
    /// The pipeline stopped.
    pub fn push(&mut self, number: usize, rgb: Vec<u8>) -> Result<()> {
        let mut buffer = gst::Buffer::from_mut_slice(rgb);
        if let Some(b) = buffer.get_mut() {
            b.set_pts(gst::ClockTime::from_nseconds(
                (number as f64 * self.frame_ns).round() as u64,
            ));
            b.set_duration(gst::ClockTime::from_nseconds(self.frame_ns.round() as u64));
        }
        self.source
            .push_buffer(buffer)
            .map(|_| ())
            .map_err(|e| self.fault(&e.to_string()))
    }

    fn fault(&self, what: &str) -> Error {
        let told = self
            .pipeline
            .bus()
            .and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]))
            .and_then(|m| match m.view() {
                gst::MessageView::Error(e) => Some(e.error().to_string()),
                _ => None,
            });
        Error::video(
            &self.path.display().to_string(),
            told.unwrap_or_else(|| what.to_owned()),
        )
    }

    /// Ends the file.
    ///
    /// # Errors
    /// The pipeline failed, or the file cannot be finished.
    pub fn finish(self) -> Result<()> {
        self.source
            .end_of_stream()
            .map_err(|e| self.fault(&e.to_string()))?;
        let bus = self.pipeline.bus().ok_or_else(|| self.fault("no bus"))?;
        let end = bus.timed_pop_filtered(
            gst::ClockTime::from_seconds(120),
            &[gst::MessageType::Eos, gst::MessageType::Error],
        );
        let outcome = match end.as_ref().map(|m| m.view()) {
            Some(gst::MessageView::Eos(_)) => Ok(()),
            Some(gst::MessageView::Error(e)) => Err(self.fault(&e.error().to_string())),
            _ => Err(self.fault("did not end within 120 s")),
        };
        self.pipeline
            .set_state(gst::State::Null)
            .map_err(|e| self.fault(&e.to_string()))?;
        outcome?;
        undated(&self.path)
    }
}

/// Takes the times of making out of an MP4's headers.
fn undated(path: &Path) -> Result<()> {
    let mut bytes = fs_err::read(path)?;
    for name in [b"mvhd", b"tkhd", b"mdhd"] {
        let mut from = 0;
        while let Some(at) = bytes[from..]
            .windows(4)
            .position(|w| w == name)
            .map(|p| p + from)
        {
            let start = at + 8;
            // Version 1 has times of eight bytes each.
            let wide = if bytes.get(at + 4) == Some(&1) { 16 } else { 8 };
            if let Some(times) = bytes.get_mut(start..start + wide) {
                times.fill(0);
            }
            from = start;
        }
    }
    fs_err::write(path, bytes)?;
    Ok(())
}

impl Drop for Video {
    fn drop(&mut self) {
        // Nothing can be done about a pipeline that does not stop.
        if self.pipeline.set_state(gst::State::Null).is_err() {}
    }
}
