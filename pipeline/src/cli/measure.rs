//! Arguments of the commands that measure results against what is known to be true.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `sightline eval`
#[derive(Debug, Args)]
pub struct EvalArgs {
    /// What to measure.
    #[command(subcommand)]
    pub command: EvalCommand,
}

/// `sightline eval ...`
#[derive(Debug, Subcommand)]
pub enum EvalCommand {
    /// Measure tracks of single cameras: CLEAR, identity measures, HOTA
    ///
    /// Files are in MOTChallenge form. Where the ground truth has classes, track boxes on distractors (people on vehicles, static
    /// people, reflections) are left out, and only pedestrians whose flag is not 0 count. Overlap of a half is a hit. Of several
    /// sequences the counts are added up.
    Mot(TracksEvalArgs),
    /// Measure persons across the cameras of a scene: identity measures and HOTA over all cameras together
    ///
    /// Files are in the form of AI City 2024 (camera id frame x y width height [x_world y_world]), one a scene; or a folder holds
    /// one MOTChallenge file a camera, in which a person has the same number everywhere. Boxes are compared within their camera;
    /// where both files have places in the world, HOTA by distance on the ground comes with it.
    Mtmc(TracksEvalArgs),
}

/// Two places to compare.
#[derive(Debug, Args)]
pub struct TracksEvalArgs {
    /// Ground truth: a file, or a folder with <name>/gt/gt.txt, <name>/ground_truth.txt or <name>.txt
    #[arg(long, value_name = "PATH")]
    pub gt: PathBuf,
    /// Tracks: a file, or a folder with a file of the same name for each sequence
    #[arg(long, value_name = "PATH")]
    pub tracks: PathBuf,
    /// Print one JSON value: all measures together, and those of each sequence or scene
    #[arg(long)]
    pub json: bool,
}
