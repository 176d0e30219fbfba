//! The annotated video: pictures of a report, encoded as H.264 in an MP4 file.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;

use super::canvas::Canvas;

/// How long the encoder may take to finish the file after the last picture.
const FINISH_DEADLINE: gst::ClockTime = gst::ClockTime::from_seconds(60);

/// Writes pictures of one size into an MP4 file.
pub struct VideoWriter {
    path: PathBuf,
    pipeline: gst::Pipeline,
    source: gst_app::AppSrc,
    info: gst_video::VideoInfo,
    first_ns: Option<i64>,
    /// The latest picture: it lasts until the next one comes, so it is handed on only then.
    held: Option<gst::Buffer>,
    step: gst::ClockTime,
}

impl VideoWriter {
    /// Starts a file for pictures of `width` x `height` pixels; both are even.
    ///
    /// # Errors
    /// When an encoder is missing or the file cannot be made.
    pub fn open(path: &Path, width: u32, height: u32) -> Result<Self> {
        gst::init().context("cannot start gstreamer")?;
        let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::Rgb, width, height)
            // Only nominal: every picture brings its own time. With 0/1 the last picture cannot be read back.
            .fps(gst::Fraction::new(25, 1))
            .build()
            .context("the size of the annotated video is not usable")?;
        let source = gst_app::AppSrc::builder()
            .caps(&info.to_caps()?)
            .format(gst::Format::Time)
            // The picture before the last may still be in the encoder: block instead of growing.
            .max_buffers(4)
            .block(true)
            .build();
        let make = |name: &str| {
            gst::ElementFactory::make(name)
                .build()
                .map_err(|_| anyhow!("gstreamer element `{name}` is missing; install gstreamer1.0-plugins-good and gstreamer1.0-plugins-ugly"))
        };
        let convert = make("videoconvert")?;
        let encoder = gst::ElementFactory::make("x264enc")
            .property_from_str("speed-preset", "superfast")
            .property_from_str("pass", "quant")
            .property("quantizer", 25u32)
            .property("key-int-max", 60u32)
            // The file is small anyway, and pictures in order can be cut at any of them.
            .property("bframes", 0u32)
            .build()
            .map_err(|_| {
                anyhow!("gstreamer element `x264enc` is missing; install gstreamer1.0-plugins-ugly")
            })?;
        let planar = gst::ElementFactory::make("capsfilter")
            .property(
                "caps",
                gst::Caps::builder("video/x-raw")
                    .field("format", "I420")
                    .build(),
            )
            .build()
            .context("gstreamer element `capsfilter` is missing")?;
        let (parse, mux) = (make("h264parse")?, make("mp4mux")?);
        let sink = gst::ElementFactory::make("filesink")
            .property("location", path)
            .build()
            .context("gstreamer element `filesink` is missing")?;
        let pipeline = gst::Pipeline::new();
        let chain = [
            source.upcast_ref(),
            &convert,
            &planar,
            &encoder,
            &parse,
            &mux,
            &sink,
        ];
        pipeline.add_many(chain)?;
        gst::Element::link_many(chain)?;
        let writer = Self {
            path: path.to_path_buf(),
            pipeline,
            source,
            info,
            first_ns: None,
            held: None,
            step: gst::ClockTime::from_mseconds(40),
        };
        if writer.pipeline.set_state(gst::State::Playing).is_err() {
            bail!(writer.fault());
        }
        Ok(writer)
    }

    /// Adds a picture that was captured at `capture_ns`; times must not go back.
    ///
    /// # Errors
    /// When the picture has another size than the video, or the file can no longer be written.
    pub fn write(&mut self, capture_ns: i64, canvas: &Canvas) -> Result<()> {
        if (canvas.width(), canvas.height()) != (self.info.width(), self.info.height()) {
            bail!(
                "annotated video {}: a picture of {}x{} in a video of {}x{}",
                self.path.display(),
                canvas.width(),
                canvas.height(),
                self.info.width(),
                self.info.height()
            );
        }
        let first_ns = *self.first_ns.get_or_insert(capture_ns);
        let mut buffer = gst::Buffer::with_size(self.info.size())?;
        {
            let buffer = buffer.get_mut().context("a new buffer is shared")?;
            buffer.set_pts(gst::ClockTime::from_nseconds(
                capture_ns.saturating_sub(first_ns).max(0).unsigned_abs(),
            ));
            let mut frame = gst_video::VideoFrameRef::from_buffer_ref_writable(buffer, &self.info)?;
            let stride = usize::try_from(self.info.stride()[0]).context("negative stride")?;
            let row_bytes = canvas.width() as usize * 3;
            let plane = frame.plane_data_mut(0)?;
            for (to, from) in plane
                .chunks_mut(stride)
                .zip(canvas.pixels().chunks_exact(row_bytes))
            {
                to[..row_bytes].copy_from_slice(from);
            }
        }
        let begin = buffer.pts();
        if let Some(held) = self.held.replace(buffer) {
            if let (Some(begin), Some(before)) = (begin, held.pts())
                && begin > before
            {
                self.step = begin - before;
            }
            self.push(held)?;
        }
        Ok(())
    }

    /// Writes the end of the file; only then can it be played.
    ///
    /// # Errors
    /// When the encoder or the disk fails, or does not end in time.
    pub fn finish(mut self) -> Result<()> {
        if let Some(held) = self.held.take() {
            self.push(held)?;
        }
        self.source
            .end_of_stream()
            .map_err(|_| anyhow!(self.fault()))?;
        let bus = self.pipeline.bus().context("a pipeline without a bus")?;
        match bus.timed_pop_filtered(
            FINISH_DEADLINE,
            &[gst::MessageType::Eos, gst::MessageType::Error],
        ) {
            Some(message) if message.type_() == gst::MessageType::Eos => Ok(()),
            Some(message) => bail!(describe(&self.path, &message)),
            None => bail!(
                "annotated video {}: the encoder did not end within {FINISH_DEADLINE}",
                self.path.display()
            ),
        }
    }

    /// Hands a picture on that lasts as long as the step to its successor.
    fn push(&self, mut buffer: gst::Buffer) -> Result<()> {
        // Nobody else holds the buffer, so this copies nothing.
        buffer.make_mut().set_duration(self.step);
        self.source
            .push_buffer(buffer)
            .map_err(|_| anyhow!(self.fault()))?;
        Ok(())
    }

    fn fault(&self) -> String {
        let message = self.pipeline.bus().and_then(|bus| {
            bus.timed_pop_filtered(gst::ClockTime::from_seconds(1), &[gst::MessageType::Error])
        });
        message.map_or_else(
            || {
                format!(
                    "annotated video {}: the encoder stopped",
                    self.path.display()
                )
            },
            |message| describe(&self.path, &message),
        )
    }
}

impl Drop for VideoWriter {
    fn drop(&mut self) {
        // Going to Null cannot be refused by these elements, and there is nobody left to tell.
        self.pipeline.set_state(gst::State::Null).ok();
    }
}

fn describe(path: &Path, message: &gst::Message) -> String {
    match message.view() {
        gst::MessageView::Error(error) => {
            format!("annotated video {}: {}", path.display(), error.error())
        }
        _ => format!("annotated video {}: the encoder stopped", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_video_has_every_picture() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.mp4");
        let mut writer = VideoWriter::open(&path, 66, 50).unwrap();
        for frame in 0..12_i64 {
            let canvas = Canvas::new(66, 50, [u8::try_from(frame * 20).unwrap(), 0, 0]);
            writer.write(frame * 100_000_000, &canvas).unwrap();
        }
        writer.finish().unwrap();
        let written = crate::ingest::RecordingSpec::new("seen", &path, 0);
        let frames: Vec<i64> = crate::ingest::Recordings::open(&[written])
            .unwrap()
            .map(|frame| frame.unwrap().capture_ns)
            .collect();
        let expected: Vec<i64> = (0..12).map(|frame| frame * 100_000_000).collect();
        assert_eq!(frames, expected);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = VideoWriter::open(Path::new("/nowhere/out.mp4"), 64, 48)
            .and_then(|mut writer| {
                writer.write(0, &Canvas::new(64, 48, [0; 3]))?;
                writer.finish()
            })
            .unwrap_err();
        assert!(error.to_string().contains("/nowhere/out.mp4"), "{error}");
    }
}
