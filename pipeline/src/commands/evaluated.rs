//! `sightline replay --eval`: the report of a replay whose recordings come with their truth.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use sightline_eval::read::{GroundTruth, read_ground_truth};

use crate::cli::ReplayArgs;
use crate::config::Recording;
use crate::flow::{Record, Store};
use crate::report::evaluation::gate::Gate;
use crate::report::evaluation::page::page;
use crate::report::evaluation::{Run, evaluate};
use crate::report::mtmc::BoxLog;

/// What is needed to measure a replay.
pub struct Evaluated {
    folder: PathBuf,
    gate: Option<Gate>,
    title: String,
    cameras: Vec<String>,
    truths: Vec<GroundTruth>,
}

impl Evaluated {
    /// Reads the truth and the gate before anything is played; none where no report is wanted.
    ///
    /// # Errors
    /// When a recording has no ground truth, or a file cannot be read.
    pub fn prepare(args: &ReplayArgs, inputs: &[Recording]) -> Result<Option<Self>> {
        let Some(folder) = &args.eval else {
            return Ok(None);
        };
        let (mut cameras, mut truths) = (Vec::new(), Vec::new());
        for recording in inputs {
            let Some(truth) = &recording.ground_truth else {
                bail!(
                    "recording `{}` has no ground truth to measure against; name it in the manifest: `ground_truth = \"gt.txt\"`",
                    recording.id.as_str()
                );
            };
            cameras.push(recording.id.as_str().to_owned());
            truths.push(read_ground_truth(truth)?);
        }
        fs_err::create_dir_all(folder)?;
        let input = args.inputs.first().map(|input| input.display().to_string());
        Ok(Some(Self {
            folder: folder.clone(),
            gate: args.gate.as_deref().map(Gate::read).transpose()?,
            title: input.unwrap_or_default(),
            cameras,
            truths,
        }))
    }

    /// Writes the report; which thresholds it misses.
    ///
    /// # Errors
    /// When it cannot be measured or written.
    pub fn report(
        &self,
        boxes: &BoxLog,
        store: &Store,
        record: &Record,
        digest: &str,
    ) -> Result<Vec<String>> {
        let mut rows = Vec::new();
        boxes.each(|row| {
            rows.push(row);
            Ok(())
        })?;
        let run = Run {
            cameras: &self.cameras,
            truths: self.truths.clone(),
            boxes: &rows,
            digest,
        };
        let evaluation = evaluate(
            &run,
            |track| store.person_of(track),
            |track| store.join_of(track),
        )?;
        let crop = |track| {
            let best = record.crops.get(&track)?.iter();
            let best = best.max_by(|a, b| a.0.total_cmp(&b.0))?;
            Some(best.1.clone())
        };
        let html = page(&self.title, &evaluation, &self.cameras, crop);
        fs_err::write(self.folder.join("report.html"), html)?;
        let report = serde_json::to_value(&evaluation).context("the report has no JSON form")?;
        let text = serde_json::to_string_pretty(&report)? + "\n";
        fs_err::write(self.folder.join("report.json"), text)?;
        let missed = self.gate.as_ref().map(|gate| gate.faults(&report));
        Ok(missed.unwrap_or_default())
    }
}
