//! Arguments of the commands that look after the box: models, configuration, cameras, the shell.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::config::Transport;

/// `sightline models`
#[derive(Debug, Args)]
pub struct ModelsArgs {
    /// What to do with them.
    #[command(subcommand)]
    pub command: ModelsCommand,
}

/// `sightline models ...`
#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    /// Say which networks there are, under which licence, and whether their files are there
    List(ModelsListArgs),
    /// Bring networks here: from SIGHTLINE_MODEL_MIRROR by sha256, else from the card's address
    Fetch(ModelNames),
    /// Check every card and file: sha256, shapes, one run on a fixed input
    Verify(ModelNames),
    /// Time networks on this machine
    Bench(ModelsBenchArgs),
    /// Build what the first run would have to build: TensorRT engines for this GPU and driver
    ///
    /// The networks of the configuration are loaded and run once. Minutes on a GPU box the first time, seconds after that.
    Warm(ModelNames),
}

/// `sightline models list`
#[derive(Debug, Args)]
pub struct ModelsListArgs {
    /// Configuration that names the models' folder
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print one JSON value
    #[arg(long)]
    pub json: bool,
}

/// Which models.
#[derive(Debug, Args)]
pub struct ModelNames {
    /// Names of models; none: those that the configuration uses
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Configuration that names the models' folder
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print one JSON value
    #[arg(long)]
    pub json: bool,
}

/// `sightline models bench`
#[derive(Debug, Args)]
pub struct ModelsBenchArgs {
    /// Which models.
    #[command(flatten)]
    pub models: ModelNames,
    /// Pictures in one call
    #[arg(long, value_name = "N", default_value = "1")]
    pub batch: std::num::NonZeroUsize,
    /// Calls that are timed
    #[arg(long, value_name = "N", default_value = "30")]
    pub calls: std::num::NonZeroUsize,
}

/// `sightline check`
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Configuration to check
    #[arg(required_unless_present = "schema", value_name = "CONFIG")]
    pub config: Option<PathBuf>,
    /// Print the JSON Schema of the configuration, for editors
    #[arg(long, conflicts_with = "config")]
    pub schema: bool,
    /// Print one JSON value: is_valid, faults, unchecked, effective
    #[arg(long)]
    pub json: bool,
}

/// `sightline cameras`
#[derive(Debug, Args)]
pub struct CamerasArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: CamerasCommand,
}

/// `sightline cameras ...`
#[derive(Debug, Subcommand)]
pub enum CamerasCommand {
    /// Connect to one camera and say what it sends: codec, size, rate, clock
    Probe(ProbeArgs),
}

/// `sightline cameras probe`
#[derive(Debug, Args)]
pub struct ProbeArgs {
    /// Address, rtsp:// or rtsps://; keep passwords out of it, a command line is no secret
    #[arg(value_name = "URL")]
    pub url: String,
    /// How the stream travels; default: tls for rtsps://, else tcp
    #[arg(long, value_enum)]
    pub transport: Option<Transport>,
    /// User name
    #[arg(long, value_name = "NAME")]
    pub username: Option<String>,
    /// File that holds the password
    #[arg(long, value_name = "FILE", requires = "username")]
    pub password_file: Option<PathBuf>,
    /// Environment variable that holds the password
    #[arg(
        long,
        value_name = "VAR",
        requires = "username",
        conflicts_with = "password_file"
    )]
    pub password_env: Option<String>,
    /// Certificate authority that signs the camera's certificate (PEM)
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Give up after this many seconds
    #[arg(long, value_name = "N", default_value = "10", value_parser = clap::value_parser!(u32).range(1..=600))]
    pub timeout_seconds: u32,
    /// Print one JSON value
    #[arg(long)]
    pub json: bool,
}

/// `sightline completions`
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Shells with completions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU Bash.
    Bash,
    /// fish.
    Fish,
    /// Zsh.
    Zsh,
    /// Elvish.
    Elvish,
}
