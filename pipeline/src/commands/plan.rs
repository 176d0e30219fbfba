//! `sightline plan`: partitions, brokers, shards, disks, machines and what they cost for so many cameras, on paper.

use std::io::Write as _;

use anyhow::Result;
use serde::Serialize;

use crate::cli::{PlanArgs, stdout};

const DAY_S: f64 = 86_400.0;
const GB: f64 = 1e9;
const TB: f64 = 1e12;
/// Share of a rate, a disk or a memory that is planned with: the rest is for catching up and for what goes wrong.
const USED: f64 = 0.5;

/// What is needed.
#[derive(Debug, PartialEq, Serialize)]
struct Plan {
    cameras: u32,
    sightings_per_second: f64,
    heartbeats_per_second: f64,
    log_bytes_per_day: f64,
    log_disk_bytes: f64,
    indexers: f64,
    /// Processes that join tracks into persons; 0 where the one indexer does it.
    associates: f64,
    partitions: f64,
    brokers: f64,
    tracklets: f64,
    exemplars: f64,
    /// 1: an embedded store holds all of it.
    shards: f64,
    /// Copies of each shard.
    shard_copies: f64,
    /// 0 where an embedded store does.
    servers: f64,
    index_disk_bytes: f64,
    crops_disk_bytes: f64,
    spool_bytes_per_camera_for_outage: f64,
    catch_up_hours: f64,
    /// In a month, in whatever money the prices are in; cameras, boxes and networks aside.
    cost: Cost,
}

/// What it costs in a month.
#[derive(Debug, PartialEq, Serialize)]
struct Cost {
    brokers: f64,
    indexers: f64,
    servers: f64,
    disks: f64,
    total: f64,
    total_per_camera: f64,
}

/// Prints the plan.
///
/// # Errors
/// When stdout fails.
pub fn run(args: &PlanArgs) -> Result<()> {
    let plan = plan(args);
    if args.json {
        let (measured, assumed) = (&args.measured, &args.assumed);
        stdout()
            .json(&serde_json::json!({ "measured": measured, "assumed": assumed, "plan": plan }))?;
        return Ok(());
    }
    print(args, &plan)
}

fn plan(args: &PlanArgs) -> Plan {
    let (measured, assumed) = (&args.measured, &args.assumed);
    let cameras = f64::from(args.cameras);
    let tracks = cameras * assumed.tracks_per_camera_minute / 60.0;
    let sightings = tracks * assumed.sightings_per_track;
    let heartbeats = cameras / assumed.heartbeat_seconds;
    let events = sightings + heartbeats;
    let indexers = (events / (measured.index_per_second * USED))
        .ceil()
        .max(1.0);
    let sent_bytes_per_second =
        sightings * measured.sighting_bytes + heartbeats * assumed.heartbeat_bytes;
    // With several indexers tracks are joined by processes of their own: they get every sighting once more, without its picture,
    // and every heartbeat, and tell what they decide.
    let (mut associates, mut association_bytes_per_second) = (0.0, 0.0);
    if indexers > 1.0 {
        associates = (sightings / (measured.associate_per_second * USED)).ceil();
        let bare_bytes = (measured.sighting_bytes - assumed.crop_bytes).max(0.0);
        association_bytes_per_second = sightings * (bare_bytes + assumed.decision_bytes)
            + heartbeats * assumed.heartbeat_bytes;
    }
    let log_bytes_per_second = sent_bytes_per_second + association_bytes_per_second;
    let log_bytes_per_day = log_bytes_per_second * DAY_S;
    let log_disk_bytes = log_bytes_per_day * assumed.log_days * assumed.replication;
    // A partition is one indexer's at most; twice as many let their number double.
    let partitions = (2.0 * indexers).max(12.0);
    let by_disk = log_disk_bytes / assumed.broker_disk_bytes;
    let by_rate =
        log_bytes_per_second * assumed.replication / (assumed.broker_bytes_per_second * USED);
    let brokers = by_disk.max(by_rate).ceil().max(assumed.replication);
    let kept_s = assumed.index_days * DAY_S;
    let exemplars = sightings * kept_s;
    let tracklets = tracks * kept_s;
    let points = exemplars + tracklets;
    let shards = (points / assumed.shard_points).ceil().max(1.0);
    // An embedded store is one process's: more than one of either needs servers.
    let is_embedded = shards <= 1.0 && indexers <= 1.0;
    let shard_copies = if is_embedded {
        1.0
    } else {
        assumed.replication
    };
    let memory = points * shard_copies * assumed.point_memory_bytes;
    let servers = if is_embedded {
        0.0
    } else {
        let by_memory = (memory / (assumed.server_memory_bytes * USED)).ceil();
        by_memory.max(shard_copies)
    };
    let index_disk_bytes = points * measured.point_bytes * shard_copies;
    let crops_disk_bytes = exemplars * assumed.crop_bytes;
    let spare = measured.index_per_second * indexers - events;
    let disks = (log_disk_bytes + index_disk_bytes + crops_disk_bytes) / TB;
    let mut cost = Cost {
        brokers: brokers * assumed.broker_price,
        indexers: (indexers + associates) * assumed.indexer_price,
        servers: servers * assumed.server_price,
        disks: disks * assumed.terabyte_price,
        total: 0.0,
        total_per_camera: 0.0,
    };
    cost.total = cost.brokers + cost.indexers + cost.servers + cost.disks;
    cost.total_per_camera = cost.total / cameras;
    Plan {
        cameras: args.cameras,
        sightings_per_second: sightings,
        heartbeats_per_second: heartbeats,
        log_bytes_per_day,
        log_disk_bytes,
        indexers,
        associates,
        partitions,
        brokers,
        tracklets,
        exemplars,
        shards,
        shard_copies,
        servers,
        index_disk_bytes,
        crops_disk_bytes,
        spool_bytes_per_camera_for_outage: sent_bytes_per_second / cameras
            * assumed.outage_hours
            * 3600.0,
        catch_up_hours: events * assumed.outage_hours / spare,
        cost,
    }
}

fn print(args: &PlanArgs, plan: &Plan) -> Result<()> {
    let (measured, assumed) = (&args.measured, &args.assumed);
    let mut out = stdout();
    writeln!(
        out,
        "{} cameras, on paper, from measured and assumed figures; each can be given (sightline plan --help)\n",
        plan.cameras
    )?;
    let mut row =
        |name: &str, value: String, why: String| writeln!(out, "{name:<16} {value:>14}  {why}");
    row(
        "sightings",
        format!("{:.0} /s", plan.sightings_per_second),
        format!(
            "{} tracks a minute and camera (assumed), {} sightings a track (assumed)",
            assumed.tracks_per_camera_minute, assumed.sightings_per_track
        ),
    )?;
    row(
        "heartbeats",
        format!("{:.0} /s", plan.heartbeats_per_second),
        format!("one each {} s and camera", assumed.heartbeat_seconds),
    )?;
    row(
        "log",
        format!("{:.1} GB a day", plan.log_bytes_per_day / GB),
        format!(
            "{:.0} GB on disk: {} days, {} copies, {} bytes a sighting (measured, uncompressed)",
            plan.log_disk_bytes / GB,
            assumed.log_days,
            assumed.replication,
            measured.sighting_bytes
        ),
    )?;
    row(
        "brokers",
        format!("{:.0}", plan.brokers),
        format!(
            "{:.0} GB of disk and {:.0} MB/s each (assumed), half of the rate planned with",
            assumed.broker_disk_bytes / GB,
            assumed.broker_bytes_per_second / 1e6
        ),
    )?;
    row(
        "partitions",
        format!("{:.0}", plan.partitions),
        "twice the indexers, at least 12".to_owned(),
    )?;
    row(
        "indexers",
        format!("{:.0}", plan.indexers),
        format!(
            "{} events/s each (measured), half of it planned with",
            measured.index_per_second
        ),
    )?;
    if plan.associates > 0.0 {
        row(
            "associates",
            format!("{:.0}", plan.associates),
            format!(
                "{} sightings/s each (measured), half of it planned with; `association = \"service\"`, its topics are counted above",
                measured.associate_per_second
            ),
        )?;
    }
    row(
        "points",
        format!("{:.1} million", (plan.exemplars + plan.tracklets) / 1e6),
        format!(
            "{:.1} million sightings, {:.1} million tracks in {} days",
            plan.exemplars / 1e6,
            plan.tracklets / 1e6,
            assumed.index_days
        ),
    )?;
    let vectors = if plan.servers > 0.0 {
        format!(
            "on {:.0} servers with {:.0} GB of memory each (assumed), half of it planned with, {} copies",
            plan.servers,
            assumed.server_memory_bytes / GB,
            plan.shard_copies
        )
    } else {
        "an embedded store, beside the indexer".to_owned()
    };
    row("shards", format!("{:.0}", plan.shards), vectors)?;
    row(
        "index",
        format!("{:.0} GB", plan.index_disk_bytes / GB),
        format!("{} bytes a point on disk (measured)", measured.point_bytes),
    )?;
    row(
        "pictures",
        format!("{:.0} GB", plan.crops_disk_bytes / GB),
        format!("{} bytes each (assumed)", assumed.crop_bytes),
    )?;
    row(
        "spool of a box",
        format!("{:.2} GB", plan.spool_bytes_per_camera_for_outage / GB),
        format!(
            "a camera, for {} h without Kafka; caught up in {:.1} h",
            assumed.outage_hours, plan.catch_up_hours
        ),
    )?;
    let cost = &plan.cost;
    row(
        "cost a month",
        format!("{:.0}", cost.total),
        format!(
            "{:.2} a camera, by assumed prices: brokers {:.0}, indexers and associates {:.0}, servers {:.0}, disks {:.0}; cameras, boxes, network and people aside",
            cost.total_per_camera, cost.brokers, cost.indexers, cost.servers, cost.disks
        ),
    )?;
    out.finish()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn plan_of(line: &str) -> Plan {
        let cli = Cli::try_parse_from(line.split_whitespace()).unwrap();
        let Command::Plan(args) = cli.command else {
            panic!("not a plan");
        };
        plan(&args)
    }

    #[test]
    fn a_plan_is_the_arithmetic_of_its_figures() {
        let plan = plan_of(
            "sightline plan --cameras 600 --tracks-per-camera-minute 10 --sightings-per-track 4 --sighting-bytes 10000 \
             --heartbeat-seconds 6 --heartbeat-bytes 500 --log-days 7 --replication 3 --index-per-second 250 --index-days 1 \
             --associate-per-second 500 --decision-bytes 300 \
             --shard-points 1e7 --point-memory-bytes 1000 --server-memory-bytes 2e10 --point-bytes 2000 --crop-bytes 5000 \
             --broker-price 10 --indexer-price 20 --server-price 30 --terabyte-price 40",
        );
        assert_eq!(plan.sightings_per_second, 400.0);
        assert_eq!(plan.heartbeats_per_second, 100.0);
        // What boxes send, and 400 sightings/s once more without pictures, with what is decided of them, and the heartbeats.
        let (sent, again) = (4_000_000.0 + 50_000.0, 400.0 * 5_300.0 + 50_000.0);
        assert_eq!(plan.log_bytes_per_day, (sent + again) * 86_400.0);
        assert_eq!(plan.associates, 2.0);
        assert_eq!(plan.log_disk_bytes, 21.0 * plan.log_bytes_per_day);
        assert_eq!((plan.indexers, plan.partitions), (4.0, 12.0));
        assert_eq!(plan.exemplars, 4.0 * plan.tracklets);
        // 43.2 million points in three copies of 1000 bytes, on servers of which 10 GB are planned with.
        assert_eq!(
            (plan.shards, plan.shard_copies, plan.servers),
            (5.0, 3.0, 13.0)
        );
        assert_eq!(plan.index_disk_bytes, 500.0 * 86_400.0 * 2000.0 * 3.0);
        let terabytes =
            (plan.log_disk_bytes + plan.index_disk_bytes + plan.crops_disk_bytes) / 1e12;
        let total = plan.brokers * 10.0 + 6.0 * 20.0 + 13.0 * 30.0 + terabytes * 40.0;
        assert!((plan.cost.total - total).abs() < 1e-6, "{plan:?}");
        assert_eq!(plan.cost.total_per_camera, plan.cost.total / 600.0);
    }

    #[test]
    fn a_small_site_needs_no_servers() {
        let plan = plan_of("sightline plan --cameras 10");
        assert_eq!((plan.indexers, plan.shards, plan.servers), (1.0, 1.0, 0.0));
        assert_eq!(plan.associates, 0.0, "the indexer does it");
        assert_eq!((plan.shard_copies, plan.cost.servers), (1.0, 0.0));
    }

    #[test]
    fn more_cameras_never_need_less() {
        let (few, many) = (
            plan_of("sightline plan --cameras 10"),
            plan_of("sightline plan --cameras 10000"),
        );
        assert!(many.brokers >= few.brokers && many.indexers > few.indexers);
        assert!(few.brokers >= 3.0, "as many as there are copies");
        assert!(many.index_disk_bytes > 999.0 * few.index_disk_bytes);
        assert!(many.servers > 1.0 && many.cost.total > few.cost.total);
    }
}
