//! Videos for tests: real footage found by its hash, and recordings made on the spot.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;
use sha2::{Digest, Sha256};

/// `vtest.avi` of Debian's opencv-doc: a street from above, 795 pictures of 768 x 576.
pub const VTEST: &str = "45cddc9490be69345cbdab64ca583be65987e864ca408038e648db99e10516cf";
/// A raw H.264 stream of people walking through a hall, 596 pictures of 768 x 432.
pub const PEOPLE: &str = "00a29491311d3e814af60efb00b1ced1a85046e4e436a8ca29c22e0769fb07e8";

/// The file with this SHA-256 below the folder that `SIGHTLINE_FOOTAGE` names; none, said aloud, when that is not set.
///
/// # Errors
/// The variable is set and the file is not there.
pub fn find(test: &str, sha256: &str) -> Result<Option<PathBuf>> {
    let Some(folder) = std::env::var_os("SIGHTLINE_FOOTAGE") else {
        say(&format!("SKIPPED {test}: SIGHTLINE_FOOTAGE is not set"));
        return Ok(None);
    };
    let mut folders = vec![PathBuf::from(&folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if hash(&path)? == sha256 {
                return Ok(Some(path));
            }
        }
    }
    bail!("no file below {} has the sha256 {sha256}", folder.display())
}

#[expect(
    clippy::print_stderr,
    reason = "a test that was left out must be seen in the test's output"
)]
fn say(text: &str) {
    eprintln!("{text}");
}

fn hash(path: &Path) -> Result<String> {
    let mut file = fs_err::File::open(path)?;
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; 1 << 20];
    loop {
        match file.read(&mut chunk)? {
            0 => break,
            n => hasher.update(&chunk[..n]),
        }
    }
    Ok(hasher
        .finalize()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect())
}

/// A recording made for a test: plain grey pictures, whose brightness tells which one it is.
#[derive(Debug, Clone, Copy)]
pub struct Made {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Frames a second.
    pub fps: u32,
    /// Number of pictures.
    pub frames: u32,
}

impl Made {
    /// 320 x 240, 10 frames a second.
    #[must_use]
    pub fn small(frames: u32) -> Self {
        Self {
            width: 320,
            height: 240,
            fps: 10,
            frames,
        }
    }

    /// The brightness of picture `n`: it rises from 40 on, and stays apart from its neighbours through any encoder.
    #[must_use]
    pub fn luma(n: u32) -> u8 {
        (40 + (n % 40) * 4) as u8
    }

    /// Encodes the pictures with `chain`, a piece of a gst-launch line from encoder to muxer, into `path`.
    ///
    /// # Errors
    /// An element is missing, or encoding fails.
    pub fn record(&self, chain: &str, path: &Path) -> Result<()> {
        gst::init()?;
        let launch = format!("appsrc name=source ! {chain} ! filesink name=file");
        let pipeline = gst::parse::launch(&launch)?
            .downcast::<gst::Pipeline>()
            .map_err(|_| anyhow!("not a pipeline: {launch}"))?;
        let by_name = |name: &str| {
            pipeline
                .by_name(name)
                .context("the pipeline lacks an element")
        };
        by_name("file")?.set_property("location", path.to_str().context("path is not text")?);
        let source = by_name("source")?
            .downcast::<gst_app::AppSrc>()
            .map_err(|_| anyhow!("not an appsrc"))?;
        let info =
            gst_video::VideoInfo::builder(gst_video::VideoFormat::I420, self.width, self.height)
                .fps(gst::Fraction::new(self.fps.cast_signed(), 1))
                .build()?;
        source.set_caps(Some(&info.to_caps()?));
        source.set_format(gst::Format::Time);
        source.set_max_bytes(info.size() as u64 * 4);
        source.set_block(true);
        pipeline.set_state(gst::State::Playing)?;
        let luma_bytes = info.offset()[1];
        for n in 0..self.frames {
            let mut bytes = vec![128u8; info.size()];
            bytes[..luma_bytes].fill(Self::luma(n));
            let mut buffer = gst::Buffer::from_mut_slice(bytes);
            let buffer_ref = buffer.get_mut().context("a new buffer is shared")?;
            let at = |n: u32| {
                gst::ClockTime::from_nseconds(u64::from(n) * 1_000_000_000 / u64::from(self.fps))
            };
            buffer_ref.set_pts(at(n));
            buffer_ref.set_duration(at(n + 1) - at(n));
            source.push_buffer(buffer)?;
        }
        source.end_of_stream()?;
        let bus = pipeline.bus().context("the pipeline has no bus")?;
        let wanted = [gst::MessageType::Eos, gst::MessageType::Error];
        let end = bus.timed_pop_filtered(gst::ClockTime::from_seconds(120), &wanted);
        pipeline.set_state(gst::State::Null)?;
        match end.as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Eos(_)) => Ok(()),
            Some(gst::MessageView::Error(error)) => Err(anyhow!("{launch}: {}", error.error())),
            _ => Err(anyhow!("{launch}: did not end")),
        }
    }
}

/// Cuts a file to `keep` of its length, between 0 and 1.
///
/// # Errors
/// The file cannot be read or written.
pub fn truncate(path: &Path, keep: f64, to: &Path) -> Result<()> {
    let bytes = fs_err::read(path)?;
    let length = (bytes.len() as f64 * keep) as usize;
    fs_err::write(to, &bytes[..length])?;
    Ok(())
}

/// Makes an H.264 file with B-frames of the first `frames` pictures of `from`: as much as most tests have time for.
///
/// # Errors
/// When GStreamer's tools cannot make it.
pub fn excerpt(from: &Path, frames: u32, to: &Path) -> Result<()> {
    // Cut before decoding: a decoder with threads hands on what it still holds after the end, and a frame of much later came with it.
    let chain = format!(
        "filesrc location={} ! parsebin ! identity eos-after={} ! decodebin ! videoconvert ! video/x-raw,format=I420 ! \
         x264enc pass=quant quantizer=20 bframes=2 key-int-max=20 speed-preset=veryfast threads=1 ! h264parse ! mp4mux ! \
         filesink location={}",
        from.display(),
        frames + 1,
        to.display()
    );
    let output = std::process::Command::new("gst-launch-1.0")
        .arg("-q")
        .args(chain.split_whitespace())
        .output()
        .context("gst-launch-1.0 cannot be run; install gstreamer1.0-tools")?;
    anyhow::ensure!(
        output.status.success() && to.exists(),
        "no excerpt of {}: {}",
        from.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
