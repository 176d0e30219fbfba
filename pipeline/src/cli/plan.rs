//! Arguments of `plan`.

use clap::Args;
use serde::Serialize;

/// `sightline plan`
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Cameras in all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub cameras: u32,
    /// What the plan is reckoned with.
    #[command(flatten)]
    pub numbers: PlanNumbers,
    /// Print one JSON value: assumptions and plan
    #[arg(long)]
    pub json: bool,
}

/// What a plan is reckoned with; measured figures are from docs/performance.md, on 2 shared cores without a GPU.
#[derive(Debug, Args, Serialize)]
pub struct PlanNumbers {
    /// Tracks that begin on a camera in a minute; assumed: a busy pavement
    #[arg(long, value_name = "X", default_value = "4", value_parser = positive)]
    pub tracks_per_camera_minute: f64,
    /// Sightings of a track, its end included; measured on the demo's scene
    #[arg(long, value_name = "X", default_value = "3.5", value_parser = positive)]
    pub sightings_per_track: f64,
    /// Bytes of a sighting in the log; measured for vectors of 512 and crops of 7 KB
    #[arg(long, value_name = "X", default_value = "9300", value_parser = positive)]
    pub sighting_bytes: f64,
    /// Seconds between two heartbeats of a camera
    #[arg(long, value_name = "X", default_value = "5", value_parser = positive)]
    pub heartbeat_seconds: f64,
    /// Bytes of a heartbeat in the log, headers included; estimated
    #[arg(long, value_name = "X", default_value = "400", value_parser = positive)]
    pub heartbeat_bytes: f64,
    /// Days for which the log keeps messages
    #[arg(long, value_name = "X", default_value = "7", value_parser = positive)]
    pub log_days: f64,
    /// Copies of each message
    #[arg(long, value_name = "X", default_value = "3", value_parser = positive)]
    pub replication: f64,
    /// Disk of a broker, bytes; assumed
    #[arg(long, value_name = "X", default_value = "4e12", value_parser = positive)]
    pub broker_disk_bytes: f64,
    /// Bytes a second that a broker takes, copies included; assumed
    #[arg(long, value_name = "X", default_value = "1e8", value_parser = positive)]
    pub broker_bytes_per_second: f64,
    /// Events a second of one indexer; measured, an embedded store
    #[arg(long, value_name = "X", default_value = "1000", value_parser = positive)]
    pub index_per_second: f64,
    /// Days for which tracks and pictures are kept
    #[arg(long, value_name = "X", default_value = "30", value_parser = positive)]
    pub index_days: f64,
    /// Bytes of a point in the index: vectors of 512 values of 4 bytes, and its payload
    #[arg(long, value_name = "X", default_value = "3000", value_parser = positive)]
    pub point_bytes: f64,
    /// Bytes of a stored picture
    #[arg(long, value_name = "X", default_value = "7000", value_parser = positive)]
    pub crop_bytes: f64,
    /// Hours without Kafka that boxes should outlast
    #[arg(long, value_name = "X", default_value = "24", value_parser = positive)]
    pub outage_hours: f64,
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
        _ => Err("expected a number above 0".into()),
    }
}
