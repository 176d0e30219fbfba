//! `sightline plan`: partitions, brokers, disks and machines for so many cameras, on paper.

use std::io::Write as _;

use anyhow::Result;
use serde::Serialize;

use crate::cli::{PlanArgs, stdout};

const DAY_S: f64 = 86_400.0;
const GB: f64 = 1e9;
/// Share of a measured rate that is planned with: the rest is for catching up and for what goes wrong.
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
    partitions: f64,
    brokers: f64,
    tracklets: f64,
    exemplars: f64,
    index_disk_bytes: f64,
    crops_disk_bytes: f64,
    spool_bytes_per_camera_for_outage: f64,
    catch_up_hours: f64,
}

/// Prints the plan.
///
/// # Errors
/// When stdout fails.
pub fn run(args: &PlanArgs) -> Result<()> {
    let plan = plan(args);
    if args.json {
        stdout().json(&serde_json::json!({ "assumptions": args.numbers, "plan": plan }))?;
        return Ok(());
    }
    print(args, &plan)
}

fn plan(args: &PlanArgs) -> Plan {
    let given = &args.numbers;
    let cameras = f64::from(args.cameras);
    let sightings = cameras * given.tracks_per_camera_minute / 60.0 * given.sightings_per_track;
    let heartbeats = cameras / given.heartbeat_seconds;
    let log_bytes_per_second =
        sightings * given.sighting_bytes + heartbeats * given.heartbeat_bytes;
    let log_bytes_per_day = log_bytes_per_second * DAY_S;
    let log_disk_bytes = log_bytes_per_day * given.log_days * given.replication;
    let events = sightings + heartbeats;
    let indexers = (events / (given.index_per_second * USED)).ceil().max(1.0);
    // A partition is one indexer's at most; twice as many let their number double.
    let partitions = (2.0 * indexers).max(12.0);
    let by_disk = log_disk_bytes / given.broker_disk_bytes;
    let by_rate = log_bytes_per_second * given.replication / (given.broker_bytes_per_second * USED);
    let brokers = by_disk.max(by_rate).ceil().max(given.replication);
    let kept_s = given.index_days * DAY_S;
    let exemplars = sightings * kept_s;
    let tracklets = exemplars / given.sightings_per_track;
    let spare = given.index_per_second * indexers - events;
    Plan {
        cameras: args.cameras,
        sightings_per_second: sightings,
        heartbeats_per_second: heartbeats,
        log_bytes_per_day,
        log_disk_bytes,
        indexers,
        partitions,
        brokers,
        tracklets,
        exemplars,
        index_disk_bytes: (exemplars + tracklets) * given.point_bytes,
        crops_disk_bytes: exemplars * given.crop_bytes,
        spool_bytes_per_camera_for_outage: log_bytes_per_second / cameras
            * given.outage_hours
            * 3600.0,
        catch_up_hours: events * given.outage_hours / spare,
    }
}

fn print(args: &PlanArgs, plan: &Plan) -> Result<()> {
    let given = &args.numbers;
    let mut out = stdout();
    writeln!(
        out,
        "{} cameras, on paper; every assumption can be given (sightline plan --help)\n",
        plan.cameras
    )?;
    writeln!(
        out,
        "sightings             {:>12.0} /s  ({} tracks a minute and camera, {} sightings a track)",
        plan.sightings_per_second, given.tracks_per_camera_minute, given.sightings_per_track
    )?;
    writeln!(
        out,
        "heartbeats            {:>12.0} /s  (one each {} s and camera)",
        plan.heartbeats_per_second, given.heartbeat_seconds
    )?;
    writeln!(
        out,
        "log                   {:>12.1} GB a day, {:.0} GB on disk  ({} days, {} copies)",
        plan.log_bytes_per_day / GB,
        plan.log_disk_bytes / GB,
        given.log_days,
        given.replication
    )?;
    writeln!(
        out,
        "brokers               {:>12.0}     ({:.0} GB of disk and {:.0} MB/s each, half of it planned with)",
        plan.brokers,
        given.broker_disk_bytes / GB,
        given.broker_bytes_per_second / 1e6
    )?;
    writeln!(
        out,
        "partitions            {:>12.0}     (twice the indexers, at least 12)",
        plan.partitions
    )?;
    writeln!(
        out,
        "indexers              {:>12.0}     ({} events/s each, half of it planned with)",
        plan.indexers, given.index_per_second
    )?;
    writeln!(
        out,
        "index                 {:>12.0} GB  ({:.0} million sightings, {:.0} million tracks in {} days, {} bytes a point)",
        plan.index_disk_bytes / GB,
        plan.exemplars / 1e6,
        plan.tracklets / 1e6,
        given.index_days,
        given.point_bytes
    )?;
    writeln!(
        out,
        "pictures              {:>12.0} GB  ({} bytes each)",
        plan.crops_disk_bytes / GB,
        given.crop_bytes
    )?;
    writeln!(
        out,
        "spool of a box        {:>12.2} GB  a camera, for {} h without Kafka; caught up in {:.1} h",
        plan.spool_bytes_per_camera_for_outage / GB,
        given.outage_hours,
        plan.catch_up_hours
    )?;
    if plan.indexers > 1.0 {
        writeln!(
            out,
            "\nMore than one indexer needs a store that several processes write; an embedded store is one process's."
        )?;
    }
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
    fn a_plan_is_the_arithmetic_of_its_assumptions() {
        let plan = plan_of(
            "sightline plan --cameras 600 --tracks-per-camera-minute 10 --sightings-per-track 4 --sighting-bytes 10000 \
             --heartbeat-seconds 6 --heartbeat-bytes 500 --log-days 7 --replication 3 --index-per-second 250",
        );
        assert_eq!(plan.sightings_per_second, 400.0);
        assert_eq!(plan.heartbeats_per_second, 100.0);
        assert_eq!(plan.log_bytes_per_day, (4_000_000.0 + 50_000.0) * 86_400.0);
        assert_eq!(plan.log_disk_bytes, 21.0 * plan.log_bytes_per_day);
        assert_eq!((plan.indexers, plan.partitions), (4.0, 12.0));
        assert_eq!(plan.exemplars, 4.0 * plan.tracklets);
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
    }
}
