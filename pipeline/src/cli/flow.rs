//! Arguments of the commands that move data through the flow.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// `sightline replay`
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// A video, a folder of videos, or a manifest (TOML with [[cameras]]: id, file, start, fps, ground_truth)
    ///
    /// The camera's id is the file's name without its ending unless a manifest says otherwise. A recording without a
    /// start time is stored as if it began at 1970-01-01T00:00:00Z.
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// Configuration; its cameras are not reached, but their regions and masks hold for recordings of the same id
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of the store; overrides the configuration
    #[arg(long, value_name = "DIR")]
    pub store: Option<PathBuf>,
    /// Write each camera's tracks to DIR/<camera>.txt in MOTChallenge form
    #[arg(long, value_name = "DIR")]
    pub mot: Option<PathBuf>,
    /// Write every box with its person, over all cameras: the form of the AI City Challenge, for `eval mtmc`
    #[arg(long, value_name = "FILE")]
    pub mtmc: Option<PathBuf>,
    /// Write every sighting, end of a track and watched interval as one line of JSON
    #[arg(long, value_name = "FILE")]
    pub jsonl: Option<PathBuf>,
    /// Write a video with boxes and track names drawn in
    #[arg(long, value_name = "FILE")]
    pub video: Option<PathBuf>,
    /// Write a picture of the best crops of every track (PNG)
    #[arg(long, value_name = "FILE")]
    pub sheet: Option<PathBuf>,
    /// Measure against the manifest's ground truth: DIR/report.html and DIR/report.json [default: sightline-report]
    #[arg(
        long,
        value_name = "DIR",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "sightline-report"
    )]
    pub eval: Option<PathBuf>,
    /// Sentences for the report (JSON): [{"text": "a man in a red coat", "identities": [3]}]; no identities when nobody there fits
    #[arg(long, value_name = "FILE", requires = "eval")]
    pub sentences: Option<PathBuf>,
    /// Thresholds that the report must meet (TOML: [least] and [most], keys like "persons.idf1"); else the exit status is 2
    #[arg(long, value_name = "FILE", requires = "eval")]
    pub gate: Option<PathBuf>,
    /// Threads that follow cameras, 1 to 64; the result does not depend on it [default: one less than there are cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub workers: Option<u8>,
    /// Print one JSON value: frames, detections, tracks, persons, sightings, tracklets, seconds, store
    #[arg(long)]
    pub json: bool,
}

/// `sightline run`
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Configuration with the cameras
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

/// `sightline track`
#[derive(Debug, Args)]
pub struct TrackArgs {
    /// Detections, one a line: frame,-1,x,y,width,height,score
    #[arg(long, value_name = "FILE")]
    pub detections: PathBuf,
    /// Frames a second of the sequence
    #[arg(long, value_name = "N", value_parser = positive)]
    pub fps: f64,
    /// Where the tracks go, one box a line: frame,track,x,y,width,height,score,-1,-1,-1
    #[arg(long, value_name = "FILE")]
    pub mot: PathBuf,
    /// Configuration; its [track] section holds
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print one JSON value: frames, detections, tracks, seconds
    #[arg(long)]
    pub json: bool,
}

/// `sightline embed`
#[derive(Debug, Args)]
pub struct EmbedArgs {
    /// What to embed.
    #[command(flatten)]
    pub input: EmbedInput,
    /// Which vector: appearance tells people apart, joint also understands sentences
    #[arg(long, value_enum, value_name = "NAME")]
    pub vector: VectorName,
    /// Where the rows go: NumPy file, float32, one row a line of the list
    #[arg(long, value_name = "FILE.npy")]
    pub out: PathBuf,
    /// Configuration; its [models] and [embed] sections hold
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print one JSON value: rows, dimension, model, seconds
    #[arg(long)]
    pub json: bool,
}

/// Pictures or sentences: exactly one.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct EmbedInput {
    /// File with one path of a picture a line; relative paths begin at the file's folder
    #[arg(long, value_name = "LIST")]
    pub images: Option<PathBuf>,
    /// File with one sentence a line
    #[arg(long, value_name = "LIST")]
    pub texts: Option<PathBuf>,
}

/// Names of vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum VectorName {
    /// Tells people apart.
    Appearance,
    /// Pictures and sentences in one space.
    Joint,
}

impl VectorName {
    /// The name on the wire and in model cards.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Appearance => "appearance",
            Self::Joint => "joint",
        }
    }
}

/// `sightline bench`
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Videos, folders or manifests to measure on; none: the recording of the package opencv-doc
    #[arg(value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// Configuration; its cameras are not reached
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Stop after this many frames over all recordings, and the few that are under way then
    #[arg(long, value_name = "N")]
    pub frames: Option<std::num::NonZeroU64>,
    /// Measure the log in place of the stages: spool to Kafka to index, against the bare clients, on topics of its own
    #[arg(long, requires = "config", conflicts_with_all = ["inputs", "frames"])]
    pub log: bool,
    /// Events that are sent through the log
    #[arg(long, value_name = "N", default_value = "20000", requires = "log", value_parser = clap::value_parser!(u32).range(1000..=2_000_000))]
    pub events: u32,
    /// Measure searches in place of the stages: latency, and what they miss, by filter, in a store of made-up tracks; embedded, or on the server of --config
    #[arg(long, conflicts_with_all = ["inputs", "frames", "log"])]
    pub search: bool,
    /// Tracks in that store, each with a sighting
    #[arg(long, value_name = "N", default_value = "100000", requires = "search", value_parser = clap::value_parser!(u32).range(1000..=10_000_000))]
    pub tracklets: u32,
    /// As --search with a million tracks: takes hours, and 8 GB of disk
    #[arg(long, conflicts_with_all = ["inputs", "frames", "log", "search", "tracklets"])]
    pub large: bool,
    /// Searches for each filter
    #[arg(long, value_name = "N", default_value = "200", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub searches: u32,
    /// Search by graphs from 10,000 points on, as stores above 200,000 are searched, in place of comparing everything
    #[arg(long)]
    pub graphs: bool,
    /// Folder for that store, which must not be there and goes afterwards; the system's for temporary files
    #[arg(long, value_name = "DIR")]
    pub scratch: Option<PathBuf>,
    /// Print one JSON value: stages, replay_fps, floor_fps, ratio; with --log or --search the rates and latencies
    #[arg(long)]
    pub json: bool,
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
        _ => Err("expected a number above 0".into()),
    }
}
