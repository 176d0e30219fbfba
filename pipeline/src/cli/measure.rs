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
    /// Measure how well pictures find the same person on other cameras: rank-k, mAP, mINP
    ///
    /// A folder of Market-1501 and those laid out like it (query/, bounding_box_test/), of MSMT17 (list_query.txt) or of Occluded-REID
    /// (occluded_body_images/, as PNG or JPEG); or pictures named as in Market-1501, of which every one asks for all others. Pictures of
    /// the same person by the same camera are left out.
    Reid(RetrievalEvalArgs),
    /// Measure how well sentences find people: R@1, R@5, R@10, mAP, mINP
    ///
    /// A folder with captions.json (the synthetic world), or with imgs/ and reid_raw.json (CUHK-PEDES), ICFG-PEDES.json or
    /// data_captions.json (RSTPReid); the test split asks.
    Text(RetrievalEvalArgs),
    /// Show two reports of `replay --eval` side by side: every number that differs
    Compare(CompareArgs),
}

/// Two reports.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// The one: a report.json
    #[arg(value_name = "REPORT")]
    pub one: PathBuf,
    /// The other
    #[arg(value_name = "OTHER")]
    pub other: PathBuf,
    /// Show numbers that are equal too
    #[arg(long)]
    pub all: bool,
    /// Print one JSON value: same_hash, equal, measures
    #[arg(long)]
    pub json: bool,
}

/// A dataset and a model.
#[derive(Debug, Args)]
pub struct RetrievalEvalArgs {
    /// Folder of the dataset
    #[arg(long, value_name = "DIR")]
    pub dataset: PathBuf,
    /// Encoder of pictures, installed or shipped; without it the one that sentences are compared with
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// Re-rank by k-reciprocal neighbours (k1 20, k2 6, lambda 0.3)
    #[arg(long)]
    pub rerank: bool,
    /// Draw the queries that were answered worst, each with its first results
    #[arg(long, value_name = "FILE.png")]
    pub hardest: Option<PathBuf>,
    /// Configuration; its [models] and [embed] sections hold
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print one JSON value
    #[arg(long)]
    pub json: bool,
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
