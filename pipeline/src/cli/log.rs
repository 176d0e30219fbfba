//! Arguments of the commands around the log: `index`, `associate`, `topics`, `dead`, `spool`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `sightline index`
#[derive(Debug, Args)]
pub struct IndexArgs {
    /// Configuration with [kafka] and [store]
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Index what is in the log now, settle every person, and end
    #[arg(long)]
    pub catch_up: bool,
    /// With --catch-up, print one JSON value: sightings, tracklets, coverage, dead, lost, seconds, store, digest
    #[arg(long, requires = "catch_up")]
    pub json: bool,
}

/// `sightline associate`
#[derive(Debug, Args)]
pub struct AssociateArgs {
    /// Configuration with [kafka], and [persons] and [map] as they are wanted
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Join what is in the log now, settle every person, and end
    #[arg(long)]
    pub catch_up: bool,
    /// With --catch-up, print one JSON value: sightings, decisions, sites, partitions, late, dead, seconds
    #[arg(long, requires = "catch_up")]
    pub json: bool,
}

/// `sightline topics`
#[derive(Debug, Args)]
pub struct TopicsArgs {
    /// What to do with them.
    #[command(subcommand)]
    pub command: TopicsCommand,
}

/// `sightline topics ...`
#[derive(Debug, Subcommand)]
pub enum TopicsCommand {
    /// Make the topics that are not there, as [kafka] says
    Create(TopicsActionArgs),
    /// Hold the topics against [kafka]: partitions, copies, copies in sync, retention, and what would lose messages
    Check(TopicsActionArgs),
}

/// `sightline topics create` and `check`
#[derive(Debug, Args)]
pub struct TopicsActionArgs {
    /// Configuration with [kafka]
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Print one JSON value: each topic with what was found, and what is wrong with it
    #[arg(long)]
    pub json: bool,
}

/// `sightline dead`
#[derive(Debug, Args)]
pub struct DeadArgs {
    /// What to do with them.
    #[command(subcommand)]
    pub command: DeadCommand,
}

/// `sightline dead ...`
#[derive(Debug, Subcommand)]
pub enum DeadCommand {
    /// Say which messages could not be indexed, why, and where they came from
    List(DeadListArgs),
    /// Send those that were not tried again yet back to where they came from
    ///
    /// For when the reason is gone: a newer program, the right model. What still cannot be indexed comes back.
    Retry(DeadRetryArgs),
}

/// `sightline dead list`
#[derive(Debug, Args)]
pub struct DeadListArgs {
    /// Configuration with [kafka]
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Those that were tried again, too
    #[arg(long)]
    pub all: bool,
    /// Print one JSON value
    #[arg(long)]
    pub json: bool,
}

/// `sightline dead retry`
#[derive(Debug, Args)]
pub struct DeadRetryArgs {
    /// Configuration with [kafka]
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

/// `sightline spool`
#[derive(Debug, Args)]
pub struct SpoolArgs {
    /// What to do with it.
    #[command(subcommand)]
    pub command: SpoolCommand,
}

/// `sightline spool ...`
#[derive(Debug, Subcommand)]
pub enum SpoolCommand {
    /// Say what waits, what is done with and what was given up; also while a process has it open
    Status(SpoolPlaceArgs),
    /// Read everything and name every damage; exit status 2 when there is some
    Check(SpoolPlaceArgs),
    /// Cut off what a crash left half written, and count what is gone; what is whole stays. Nobody may have it open
    Repair(SpoolPlaceArgs),
    /// Print the records, one JSON value a line
    Cat(SpoolCatArgs),
}

/// Where a spool is.
#[derive(Debug, Args)]
pub struct SpoolPlaceArgs {
    /// Where the spool is.
    #[command(flatten)]
    pub place: SpoolPlace,
    /// Print one JSON value
    #[arg(long)]
    pub json: bool,
}

/// `sightline spool cat`
#[derive(Debug, Args)]
pub struct SpoolCatArgs {
    /// Where the spool is.
    #[command(flatten)]
    pub place: SpoolPlace,
    /// Begin with this sequence
    #[arg(long, value_name = "N", default_value = "1")]
    pub from: u64,
}

/// A spool by its store: exactly one of the two.
#[derive(Debug, Args)]
#[group(id = "spool", required = true, multiple = false)]
pub struct SpoolPlace {
    /// Configuration that names the store
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of the store
    #[arg(long, value_name = "DIR")]
    pub store: Option<PathBuf>,
}
