//! Arguments of `search`, `explain`, `person`, `forget` and `store`.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use uuid::Uuid;

use super::time::parse_time_now;
use crate::config::Name;

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
    /// A hit that is right: look for more like it, beside TEXT or --image if there is one; may be repeated
    #[arg(long, value_name = "ID", conflicts_with = "track")]
    pub like: Vec<Uuid>,
    /// A hit that is wrong: leave it out, and what is more like it than like --like; may be repeated
    #[arg(long, value_name = "ID", conflicts_with = "track")]
    pub unlike: Vec<Uuid>,
    /// Only this camera; may be repeated
    #[arg(long = "camera", value_name = "ID")]
    pub cameras: Vec<String>,
    /// Only tracks that end after this time: RFC 3339, `14:00` (today, local), `-2h`, `-30m`, `-1d`
    #[arg(long, value_name = "TIME", value_parser = parse_time_now, allow_hyphen_values = true)]
    pub from: Option<i64>,
    /// Only tracks that begin before this time; written as for --from
    #[arg(long, value_name = "TIME", value_parser = parse_time_now, allow_hyphen_values = true)]
    pub to: Option<i64>,
    /// Show persons in place of tracks: each with every visit on every camera in order of time
    #[arg(long)]
    pub persons: bool,
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

/// `sightline explain`
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("asked").required(true),
    group = clap::ArgGroup::new("shown").required(true)
)]
pub struct ExplainArgs {
    /// What was searched for, in words; "without a backpack" is understood
    #[arg(value_name = "TEXT", group = "asked")]
    pub text: Option<String>,
    /// Something the person of TEXT does not have; may be repeated
    #[arg(
        long,
        value_name = "THING",
        requires = "text",
        conflicts_with = "like_image"
    )]
    pub not: Vec<String>,
    /// The picture that was searched for, in place of TEXT
    #[arg(long, value_name = "FILE", group = "asked")]
    pub like_image: Option<PathBuf>,
    /// The hit: a crop of one person
    #[arg(long, value_name = "FILE", group = "shown")]
    pub image: Option<PathBuf>,
    /// The hit: a track of the store, by its best picture
    #[arg(long, value_name = "ID", group = "shown")]
    pub track: Option<Uuid>,
    /// Draw it: the picture, and beside it what speaks for the sentence and for each of its clauses
    #[arg(long, value_name = "FILE.png", required_unless_present = "json")]
    pub out: Option<PathBuf>,
    /// Where the store is.
    #[command(flatten)]
    pub access: StoreAccess,
    /// Print one JSON value: similarities, and the grid of what each place of the picture adds to them
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

/// What commands share that change a store.
#[derive(Debug, Args)]
pub struct StoreWork {
    /// Only look, and say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Where the store is.
    #[command(flatten)]
    pub access: StoreAccess,
    /// Print one JSON value
    #[arg(long)]
    pub json: bool,
}

/// `sightline forget`
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub struct ForgetArgs {
    /// One track
    #[arg(long, value_name = "ID", group = "what")]
    pub track: Option<Uuid>,
    /// Every track that belongs to this person now
    #[arg(long, value_name = "ID", group = "what")]
    pub person: Option<Uuid>,
    /// Every track that this camera saw between --from and --to
    #[arg(long, value_name = "ID", group = "what", requires_all = ["from", "to"])]
    pub camera: Option<String>,
    /// The camera's site, where several sites of the store have a camera of this name
    #[arg(long, value_name = "SITE", requires = "camera")]
    pub site: Option<String>,
    /// Start of the camera's time: RFC 3339, `14:00` (today, local), `-2h`, `-30m`, `-1d`
    #[arg(long, value_name = "TIME", value_parser = parse_time_now, allow_hyphen_values = true, requires = "camera")]
    pub from: Option<i64>,
    /// End of the camera's time; written as for --from
    #[arg(long, value_name = "TIME", value_parser = parse_time_now, allow_hyphen_values = true, requires = "camera")]
    pub to: Option<i64>,
    /// On which store, and how.
    #[command(flatten)]
    pub work: StoreWork,
}

/// `sightline store`
#[derive(Debug, Args)]
pub struct StoreArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: StoreCommand,
}

/// What to do with a store.
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Copy everything that is in it into a new folder
    Backup(StoreBackupArgs),
    /// Fill an empty store from a backup, but for what is forgotten
    Restore(StoreRestoreArgs),
    /// Look at every point and every picture of a store, or of a backup
    Verify(StoreVerifyArgs),
    /// Move a store to other models, from its stored pictures, while people search
    ///
    /// The process that holds the store has to be stopped; this one answers searches in its place, by the models that the store has, until
    /// the move is complete. Killed or stopped at any moment, the same command goes on where it was.
    Migrate(StoreMigrateArgs),
}

/// `sightline store backup`
#[derive(Debug, Args)]
pub struct StoreBackupArgs {
    /// Folder for the copy: new, or empty
    #[arg(value_name = "DIR")]
    pub to: PathBuf,
    /// On which store, and how.
    #[command(flatten)]
    pub work: StoreWork,
}

/// `sightline store restore`
#[derive(Debug, Args)]
pub struct StoreRestoreArgs {
    /// Folder of the backup
    #[arg(value_name = "DIR")]
    pub from: PathBuf,
    /// On which store, and how.
    #[command(flatten)]
    pub work: StoreWork,
}

/// `sightline store verify`
#[derive(Debug, Args)]
pub struct StoreVerifyArgs {
    /// Folder of a backup, in place of a store
    #[arg(value_name = "DIR", conflicts_with = "access")]
    pub backup: Option<PathBuf>,
    /// Where the store is.
    #[command(flatten)]
    pub access: StoreAccess,
    /// Print one JSON value
    #[arg(long)]
    pub json: bool,
}

/// `sightline store migrate`
#[derive(Debug, Args)]
pub struct StoreMigrateArgs {
    /// Encoder that takes the place of models.appearance; without any name here those of [migrate] hold
    #[arg(long, value_name = "NAME", value_parser = Name::parse)]
    pub appearance: Option<Name>,
    /// Encoder that takes the place of models.joint
    #[arg(long, value_name = "NAME", requires = "text", value_parser = Name::parse)]
    pub joint: Option<Name>,
    /// Its other side, in place of models.text
    #[arg(long, value_name = "NAME", requires = "joint", value_parser = Name::parse)]
    pub text: Option<Name>,
    /// Give a move up that was begun, and delete what it made
    #[arg(long, conflicts_with_all = ["appearance", "joint", "dry_run"])]
    pub abandon: bool,
    /// Most pictures embedded a second; default: as many as the machine can
    #[arg(long, value_name = "N")]
    pub most_per_second: Option<NonZeroU32>,
    /// Move even where pictures are gone: those sightings are found by time and place alone then
    #[arg(long)]
    pub without_pictures: bool,
    /// On which store, and how.
    #[command(flatten)]
    pub work: StoreWork,
}

/// `sightline person`
#[derive(Debug, Args)]
pub struct PersonArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: PersonCommand,
}

/// What to do with a person.
#[derive(Debug, Subcommand)]
pub enum PersonCommand {
    /// Every visit on every camera in order of time, and why each belongs to the person
    Show(PersonShowArgs),
    /// Say that all visits of a person are one person; this stands, whatever comes
    Confirm(PersonConfirmArgs),
    /// Say that a track does not belong to a person
    Reject(PersonRejectArgs),
    /// Say that two persons are one
    Join(PersonJoinArgs),
}

/// `sightline person confirm`
#[derive(Debug, Args)]
pub struct PersonConfirmArgs {
    /// The person
    #[arg(value_name = "ID")]
    pub person: Uuid,
    /// Where the store is.
    #[command(flatten)]
    pub access: StoreAccess,
}

/// `sightline person reject`
#[derive(Debug, Args)]
pub struct PersonRejectArgs {
    /// The person
    #[arg(value_name = "ID")]
    pub person: Uuid,
    /// The track that is somebody else
    #[arg(long, value_name = "ID")]
    pub track: Uuid,
    /// Where the store is.
    #[command(flatten)]
    pub access: StoreAccess,
}

/// `sightline person join`
#[derive(Debug, Args)]
pub struct PersonJoinArgs {
    /// One person
    #[arg(value_name = "ID")]
    pub person: Uuid,
    /// The other
    #[arg(value_name = "OTHER")]
    pub other: Uuid,
    /// Where the store is.
    #[command(flatten)]
    pub access: StoreAccess,
}

/// `sightline person show`
#[derive(Debug, Args)]
pub struct PersonShowArgs {
    /// The person, as `search` and `replay` name it; an id that was renamed leads to the one that holds
    #[arg(value_name = "ID")]
    pub person: Uuid,
    /// Draw the visits on a timeline, and on the map where the configuration has one
    #[arg(long, value_name = "FILE")]
    pub png: Option<PathBuf>,
    /// Where the store is.
    #[command(flatten)]
    pub access: StoreAccess,
    /// Print one JSON value: person, visits and coverage; times in UTC
    #[arg(long)]
    pub json: bool,
}
