//! `sightline eval`: results against what is known to be true.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Result, bail};
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;
use sightline_eval::read::{
    Pairing, SceneSource, pair_scenes, pair_sequences, read_pair, read_scene,
};
use sightline_eval::tracking::{
    ClearCounts, ClearScores, Counts, SceneCounts, Scores, WorldScores, clear_by_motmetrics,
    measure_mot_scene, measure_scene, measure_sequence,
};

use crate::cli::{EvalArgs, EvalCommand, TracksEvalArgs, stdout};

/// Does what `sightline eval` says.
///
/// # Errors
/// One line that says what, where and what to do.
pub fn run(args: &EvalArgs) -> Result<()> {
    match &args.command {
        EvalCommand::Mot(args) => print(&mot(args)?, args.json),
        EvalCommand::Mtmc(args) => print(&mtmc(args)?, args.json),
        EvalCommand::Reid(args) => super::eval_retrieval::reid(args),
        EvalCommand::Text(args) => super::eval_retrieval::text(args),
        EvalCommand::Compare(args) => super::compare::run(args),
    }
}

/// What `--json` prints: everything together, then one by one.
#[derive(Debug, Serialize)]
struct Report<T> {
    #[serde(flatten)]
    all: T,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sequences: Vec<Named<T>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scenes: Vec<Named<T>>,
    /// Tracks without ground truth.
    left_out: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Named<T> {
    name: String,
    #[serde(flatten)]
    scores: T,
}

/// Of single cameras.
#[derive(Debug, Serialize)]
struct MotScores {
    #[serde(flatten)]
    scores: Scores,
    /// CLEAR by the rules of py-motmetrics, where they differ from those of MOTChallenge.
    by_motmetrics: ClearScores,
}

/// Of scenes.
#[derive(Debug, Serialize)]
struct SceneScores {
    #[serde(flatten)]
    scores: Scores,
    /// By distance on the ground; over several scenes their plain mean.
    world: Option<WorldScores>,
}

fn mot(args: &TracksEvalArgs) -> Result<Report<MotScores>> {
    let Pairing { pairs, left_out } = pair_sequences(&args.gt, &args.tracks)?;
    let (mut all, mut all_clear) = (Counts::default(), ClearCounts::default());
    let mut sequences = Vec::with_capacity(pairs.len());
    for pair in pairs {
        let (truth, tracks) = read_pair(&pair)?;
        let counts = measure_sequence(&truth, &tracks)?;
        let clear = clear_by_motmetrics(&truth, &tracks)?;
        all.add(&counts);
        all_clear.add(&clear);
        sequences.push(Named {
            name: pair.name,
            scores: MotScores {
                scores: counts.scores(),
                by_motmetrics: ClearScores::of(&clear),
            },
        });
    }
    refuse_empty(&all, &args.gt)?;
    Ok(Report {
        all: MotScores {
            scores: all.scores(),
            by_motmetrics: ClearScores::of(&all_clear),
        },
        sequences,
        scenes: Vec::new(),
        left_out,
    })
}

fn mtmc(args: &TracksEvalArgs) -> Result<Report<SceneScores>> {
    let Pairing { pairs, left_out } = pair_scenes(&args.gt, &args.tracks)?;
    let mut all = Counts::default();
    let mut scenes = Vec::with_capacity(pairs.len());
    for pair in pairs {
        let counts = measure(&pair.source)?;
        all.add(&counts.boxes);
        scenes.push(Named {
            name: pair.name,
            scores: SceneScores {
                scores: counts.boxes.scores(),
                world: counts.world_scores(),
            },
        });
    }
    refuse_empty(&all, &args.gt)?;
    let worlds: Option<Vec<WorldScores>> = scenes.iter().map(|scene| scene.scores.world).collect();
    Ok(Report {
        all: SceneScores {
            scores: all.scores(),
            world: worlds.and_then(|worlds| WorldScores::mean(&worlds)),
        },
        sequences: Vec::new(),
        scenes,
        left_out,
    })
}

fn measure(source: &SceneSource) -> Result<SceneCounts> {
    Ok(match source {
        SceneSource::AiCity { truth, tracks } => {
            measure_scene(&read_scene(truth)?, &read_scene(tracks)?)?
        }
        SceneSource::Cameras(cameras) => {
            let files = cameras.iter().map(read_pair);
            measure_mot_scene(&files.collect::<Result<Vec<_>, _>>()?)?
        }
    })
}

fn refuse_empty(all: &Counts, truth: &Path) -> Result<()> {
    if all.hota.truths == 0 {
        bail!(
            "`{}` has no box that counts, so there is nothing to measure against",
            truth.display()
        );
    }
    Ok(())
}

/// A line of the table.
trait Line {
    fn scores(&self) -> &Scores;

    fn world(&self) -> Option<&WorldScores>;
}

impl Line for MotScores {
    fn scores(&self) -> &Scores {
        &self.scores
    }

    fn world(&self) -> Option<&WorldScores> {
        None
    }
}

impl Line for SceneScores {
    fn scores(&self) -> &Scores {
        &self.scores
    }

    fn world(&self) -> Option<&WorldScores> {
        self.world.as_ref()
    }
}

fn print<T: Line + Serialize>(report: &Report<T>, is_json: bool) -> Result<()> {
    for name in &report.left_out {
        writeln!(
            std::io::stderr().lock(),
            "sightline: tracks `{name}` have no ground truth and are not measured"
        )?;
    }
    if is_json {
        return Ok(stdout().json(report)?);
    }
    let mut out = stdout();
    writeln!(out, "{}", table(report))?;
    Ok(out.finish()?)
}

const COLUMNS: [&str; 14] = [
    "HOTA",
    "DetA",
    "AssA",
    "LocA",
    "MOTA",
    "MOTP",
    "IDF1",
    "IDP",
    "IDR",
    "switches",
    "fragments",
    "false",
    "missed",
    "boxes",
];

fn table<T: Line>(report: &Report<T>) -> String {
    let lines: Vec<&Named<T>> = report.sequences.iter().chain(&report.scenes).collect();
    let has_world = lines.iter().any(|line| line.scores.world().is_some());
    let mut table = Table::new();
    *table.style_mut() = UTF8_HORIZONTAL_ONLY;
    let mut header = vec![""];
    header.extend(COLUMNS);
    if has_world {
        header.push("HOTA (world)");
    }
    let width = header.len();
    table.set_header(header);
    for line in &lines {
        table.add_row(row(&line.name, &line.scores, has_world));
    }
    if lines.len() > 1 {
        table.add_row(row("all", &report.all, has_world));
    }
    for column in 1..width {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
}

fn row(name: &str, line: &impl Line, has_world: bool) -> Vec<String> {
    let s = line.scores();
    let shares = [
        s.hota, s.deta, s.assa, s.loca, s.mota, s.motp, s.idf1, s.idp, s.idr,
    ];
    let counts = [
        s.id_switches,
        s.fragments,
        s.false_positives,
        s.false_negatives,
        s.truth_boxes,
    ];
    // A name comes from a file system: it may hold anything.
    let mut row = vec![name.escape_debug().to_string()];
    row.extend(shares.map(share));
    row.extend(counts.map(|count| count.to_string()));
    if has_world {
        row.push(
            line.world()
                .map_or_else(String::new, |world| share(world.hota)),
        );
    }
    row
}

fn share(value: f64) -> String {
    format!("{value:.4}")
}
