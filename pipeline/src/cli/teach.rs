//! Arguments of `site` and `feedback`: what a site and its people teach.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::ask::StoreAccess;

/// `sightline site`
#[derive(Debug, Args)]
pub struct SiteArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: SiteCommand,
}

/// What to do with a site.
#[derive(Debug, Subcommand)]
pub enum SiteCommand {
    /// Propose the `[map]` of a configuration from the ways that people took
    Learn(SiteLearnArgs),
}

/// `sightline site learn`
#[derive(Debug, Args)]
pub struct SiteLearnArgs {
    /// Draw cameras and ways
    #[arg(long, value_name = "FILE")]
    pub png: Option<PathBuf>,
    /// Joins that a way needs to be proposed
    #[arg(long, value_name = "N", default_value = "5")]
    pub joins: u32,
    /// Where the store is.
    #[command(flatten)]
    pub access: StoreAccess,
    /// Print one JSON value: the ways, those with too few joins too
    #[arg(long)]
    pub json: bool,
}

/// `sightline feedback`
#[derive(Debug, Args)]
pub struct FeedbackArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: FeedbackCommand,
}

/// What to do with people's words.
#[derive(Debug, Subcommand)]
pub enum FeedbackCommand {
    /// Write every pair of tracks of which somebody said something, with its two pictures, for training
    Export(FeedbackExportArgs),
}

/// `sightline feedback export`
#[derive(Debug, Args)]
pub struct FeedbackExportArgs {
    /// A new folder: `pairs.jsonl`, one pair a line, and the pictures that it names in `crops/`
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Where the store is.
    #[command(flatten)]
    pub access: StoreAccess,
}
