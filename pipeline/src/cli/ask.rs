//! Arguments of `search`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use uuid::Uuid;

use super::time::parse_time_now;

/// `sightline search`
#[derive(Debug, Args)]
pub struct SearchArgs {
    /// What the person looks like, in words; "without a backpack" is understood
    #[arg(value_name = "TEXT")]
    pub text: Option<String>,
    /// Something the person of TEXT does not have; may be repeated
    #[arg(long, value_name = "THING", requires = "text")]
    pub not: Vec<String>,
    /// A picture: a crop of one person; with TEXT, somebody like both
    #[arg(long, value_name = "FILE")]
    pub image: Option<PathBuf>,
    /// A track that was found before: who else looks like this
    #[arg(long, value_name = "ID", conflicts_with_all = ["text", "image"])]
    pub track: Option<Uuid>,
    /// Only this camera; may be repeated
    #[arg(long = "camera", value_name = "ID")]
    pub cameras: Vec<String>,
    /// Only tracks that end after this time (unix nanoseconds): RFC 3339, `14:00` (today, local), `-2h`, `-30m`, `-1d`
    #[arg(long, value_name = "TIME", value_parser = parse_time_now, allow_hyphen_values = true)]
    pub from: Option<i64>,
    /// Only tracks that begin before this time; written as for --from
    #[arg(long, value_name = "TIME", value_parser = parse_time_now, allow_hyphen_values = true)]
    pub to: Option<i64>,
    /// Most hits
    #[arg(long, value_name = "N", default_value = "20")]
    pub limit: NonZeroUsize,
    /// Where the store is.
    #[command(flatten)]
    pub access: StoreAccess,
    /// Print one JSON value: hits and coverage; times in UTC
    #[arg(long)]
    pub json: bool,
}

/// Where the store is: at most one of the three.
#[derive(Debug, Args)]
#[group(id = "access", multiple = false)]
pub struct StoreAccess {
    /// Configuration that names the store
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of the store; a process that holds it is asked over its socket
    #[arg(long, value_name = "DIR")]
    pub store: Option<PathBuf>,
    /// Socket of the process that holds the store
    #[arg(long, value_name = "SOCKET")]
    pub api: Option<PathBuf>,
}
