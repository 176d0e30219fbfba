//! Arguments of `plan`.

use clap::Args;
use serde::Serialize;

/// `sightline plan`
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Cameras in all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub cameras: u32,
    /// What was measured.
    #[command(flatten)]
    pub measured: PlanMeasured,
    /// What is assumed.
    #[command(flatten)]
    pub assumed: PlanAssumed,
    /// Print one JSON value: measured, assumed, plan
    #[arg(long)]
    pub json: bool,
}

/// Figures that this program has measured, as docs/performance.md has them, on 2 shared cores without a GPU.
#[derive(Debug, Args, Serialize)]
#[command(
    next_help_heading = "Measured (docs/performance.md); measure your own machine with `sightline bench`"
)]
pub struct PlanMeasured {
    /// Bytes of a sighting in the log, vectors of 512 and a picture of 7 KB, before compression: `bench --log`
    #[arg(long, value_name = "X", default_value = "9221", value_parser = positive)]
    pub sighting_bytes: f64,
    /// Events a second of one indexer with an embedded store: `bench --log`
    #[arg(long, value_name = "X", default_value = "1640", value_parser = positive)]
    pub index_per_second: f64,
    /// Bytes of a point on disk, 512 values of 4 bytes, its payload and graphs: `bench --search`
    #[arg(long, value_name = "X", default_value = "3700", value_parser = positive)]
    pub point_bytes: f64,
    /// Sightings a second that one `sightline associate` joins: example `association`
    #[arg(long, value_name = "X", default_value = "1000", value_parser = positive)]
    pub associate_per_second: f64,
}

/// Figures that nobody has measured here: what is watched, what is wanted, what machines can do and cost.
#[derive(Debug, Args, Serialize)]
#[command(next_help_heading = "Assumed; give your own")]
pub struct PlanAssumed {
    /// Tracks that begin on a camera in a minute: a busy pavement
    #[arg(long, value_name = "X", default_value = "4", value_parser = positive)]
    pub tracks_per_camera_minute: f64,
    /// Sightings of a track, its end included
    #[arg(long, value_name = "X", default_value = "3.5", value_parser = positive)]
    pub sightings_per_track: f64,
    /// Seconds between two heartbeats of a camera
    #[arg(long, value_name = "X", default_value = "5", value_parser = positive)]
    pub heartbeat_seconds: f64,
    /// Bytes of a heartbeat in the log, headers included
    #[arg(long, value_name = "X", default_value = "400", value_parser = positive)]
    pub heartbeat_bytes: f64,
    /// Bytes of what is decided of a sighting's person, in the log
    #[arg(long, value_name = "X", default_value = "600", value_parser = positive)]
    pub decision_bytes: f64,
    /// Days for which the log keeps messages
    #[arg(long, value_name = "X", default_value = "7", value_parser = positive)]
    pub log_days: f64,
    /// Copies of each message, and of each shard of the vectors where there are several
    #[arg(long, value_name = "X", default_value = "3", value_parser = positive)]
    pub replication: f64,
    /// Disk of a broker, bytes
    #[arg(long, value_name = "X", default_value = "4e12", value_parser = positive)]
    pub broker_disk_bytes: f64,
    /// Bytes a second that a broker takes, copies included
    #[arg(long, value_name = "X", default_value = "1e8", value_parser = positive)]
    pub broker_bytes_per_second: f64,
    /// Days for which tracks and pictures are kept
    #[arg(long, value_name = "X", default_value = "30", value_parser = positive)]
    pub index_days: f64,
    /// Bytes of a stored picture
    #[arg(long, value_name = "X", default_value = "7000", value_parser = positive)]
    pub crop_bytes: f64,
    /// Hours without Kafka that boxes should outlast
    #[arg(long, value_name = "X", default_value = "24", value_parser = positive)]
    pub outage_hours: f64,
    /// Points beyond which vectors go to servers, and which one shard there holds
    #[arg(long, value_name = "X", default_value = "2e7", value_parser = positive)]
    pub shard_points: f64,
    /// Bytes of memory of a point on a server: 512 values of 1 byte, its links, its ids
    #[arg(long, value_name = "X", default_value = "900", value_parser = positive)]
    pub point_memory_bytes: f64,
    /// Memory of a server for vectors, bytes
    #[arg(long, value_name = "X", default_value = "6.4e10", value_parser = positive)]
    pub server_memory_bytes: f64,
    /// Price of a broker in a month, its disk aside
    #[arg(long, value_name = "X", default_value = "150", value_parser = positive)]
    pub broker_price: f64,
    /// Price of an indexer in a month
    #[arg(long, value_name = "X", default_value = "100", value_parser = positive)]
    pub indexer_price: f64,
    /// Price of a server for vectors in a month, its disk aside
    #[arg(long, value_name = "X", default_value = "400", value_parser = positive)]
    pub server_price: f64,
    /// Price of a terabyte on disk in a month
    #[arg(long, value_name = "X", default_value = "40", value_parser = positive)]
    pub terabyte_price: f64,
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
        _ => Err("expected a number above 0".into()),
    }
}
