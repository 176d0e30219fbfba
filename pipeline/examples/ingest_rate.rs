//! Measures how fast recordings are decoded: through `Recordings`, and by a bare pipeline that throws pictures away.
//!
//! `cargo run --release -p sightline --example ingest_rate -- FILE...`

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use gstreamer as gst;
use gstreamer::prelude::*;
use sightline::ingest::{Polygon, RecordingSpec, Recordings};

fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .init();
    let mut out = std::io::stdout();
    for path in std::env::args().skip(1) {
        let mut rounds = Vec::new();
        for _ in 0..5 {
            rounds.push((
                bare(Path::new(&path))?,
                ours(&path, false)?,
                ours(&path, true)?,
            ));
        }
        let best = |pick: fn(&(f64, f64, f64)) -> f64| {
            rounds.iter().map(pick).fold(f64::INFINITY, f64::min)
        };
        let (bare_s, ours_s, masked_s) = (best(|r| r.0), best(|r| r.1), best(|r| r.2));
        let frames = count(&path)?;
        writeln!(
            out,
            "{path}: {frames} frames, bare {:.0} fps, recordings {:.0} fps (ratio {:.3}), masked {:.0} fps",
            frames as f64 / bare_s,
            frames as f64 / ours_s,
            bare_s / ours_s,
            frames as f64 / masked_s
        )?;
    }
    Ok(())
}

fn count(path: &str) -> anyhow::Result<u64> {
    Ok(Recordings::open(&[RecordingSpec::new("camera", path, 0)])?.count() as u64)
}

fn ours(path: &str, is_masked: bool) -> anyhow::Result<f64> {
    let mut spec = RecordingSpec::new("camera", path, 0);
    if is_masked {
        spec.masks.push(Polygon::rectangle(0.0, 0.0, 0.3, 0.3)?);
    }
    let since = Instant::now();
    for frame in Recordings::open(&[spec])? {
        std::hint::black_box(frame?.luma()[(0, 0)]);
    }
    Ok(since.elapsed().as_secs_f64())
}

fn bare(path: &Path) -> anyhow::Result<f64> {
    gst::init()?;
    let uri = gst::glib::filename_to_uri(std::path::absolute(path)?, None)?;
    let since = Instant::now();
    let pipeline = gst::parse::launch(&format!("uridecodebin uri={uri} ! fakesink sync=false"))?;
    pipeline.set_state(gst::State::Playing)?;
    if let Some(bus) = pipeline.bus() {
        bus.timed_pop_filtered(None, &[gst::MessageType::Eos, gst::MessageType::Error]);
    }
    let seconds = since.elapsed().as_secs_f64();
    pipeline.set_state(gst::State::Null)?;
    Ok(seconds)
}
