//! Footage for tests, found by its sha256 and never by its name.

use std::path::{Path, PathBuf};
use std::process::Command;

/// 795 frames of a square with 6 to 9 people, 768 x 576, 10 fps, MPEG-4 part 2.
pub const SQUARE: &str = "45cddc9490be69345cbdab64ca583be65987e864ca408038e648db99e10516cf";
/// A corridor in which people come one by one, H.264.
pub const ONE_BY_ONE: &str = "a5964aa259099a482a8b360ffc2c57b5a30f84d5919236a4dad01f8e929ac07c";
/// People indoors, an H.264 stream without a container.
pub const INDOORS: &str = "00a29491311d3e814af60efb00b1ced1a85046e4e436a8ca29c22e0769fb07e8";
/// A car park without people.
pub const CARS: &str = "d31e0ebf194cc16e50eea784e7c3b0b1bb7976a4fb9b3fec26cb92a6704cca34";

/// The file with this digest under `SIGHTLINE_FOOTAGE`; says loudly that `test` is skipped when there is none.
pub fn footage(test: &str, sha256: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("SIGHTLINE_FOOTAGE") else {
        eprintln!("SKIPPED {test}: SIGHTLINE_FOOTAGE is not set");
        return None;
    };
    let found = find(Path::new(&folder), sha256);
    if found.is_none() {
        eprintln!("SKIPPED {test}: no file under SIGHTLINE_FOOTAGE has the sha256 {sha256}");
    }
    found
}

fn find(folder: &Path, sha256: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.into_iter().find_map(|path| {
        if path.is_dir() { find(&path, sha256) } else { (digest(&path)? == sha256).then_some(path) }
    })
}

fn digest(path: &Path) -> Option<String> {
    let output = Command::new("sha256sum").arg(path).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.split_whitespace().next().map(str::to_owned)
}

/// The first frames of a recording as an H.264 file of its own: what most tests have time for.
///
/// # Panics
/// When GStreamer's tools cannot make it.
pub fn excerpt(from: &Path, frames: u32, to: &Path) {
    let pipeline = format!(
        "filesrc location={} ! decodebin ! videoconvert ! identity eos-after={} ! \
         x264enc pass=quant quantizer=20 bframes=2 key-int-max=20 speed-preset=veryfast threads=1 ! h264parse ! mp4mux ! filesink location={}",
        from.display(), frames + 1, to.display()
    );
    let output = Command::new("gst-launch-1.0")
        .arg("-q")
        .args(pipeline.split_whitespace())
        .output()
        .expect("gst-launch-1.0 is installed");
    assert!(to.exists() && output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
