//! `sightline replay --eval`: the report of a replay whose recordings come with their truth.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use sightline_console::{Ask as _, Question, SearchRequest, StoreAsk};
use sightline_eval::read::{GroundTruth, read_ground_truth};
use sightline_sink::persons::Join;
use sightline_sink::{Filter, PersonId, Query, QueryKind, TrackId};

use super::search::{Needs, start_encoders};
use crate::cli::ReplayArgs;
use crate::config::{Config, Recording};
use crate::flow::{Record, Store};
use crate::ingest::Frame;
use crate::report::evaluation::gate::Gate;
use crate::report::evaluation::light::LightMeter;
use crate::report::evaluation::page::page;
use crate::report::evaluation::{Answers, Found, Run, Sentence, evaluate, read_sentences};
use crate::report::mtmc::BoxLog;
use crate::track::mot::FIRST_PIXEL;

/// Hits that are asked for: the most that a store gives.
const MOST_HITS: u32 = 1000;

/// What is needed to measure a replay.
pub struct Evaluated {
    folder: PathBuf,
    gate: Option<Gate>,
    title: String,
    cameras: Vec<String>,
    truths: Vec<GroundTruth>,
    light: LightMeter,
    sentences: Vec<Sentence>,
}

/// The store as the report asks it.
struct Asked<'a> {
    store: &'a Store,
    /// For sentences; none without them.
    desk: Option<StoreAsk<Store>>,
}

impl Evaluated {
    /// Reads truth, gate and sentences before anything is played; none where no report is wanted.
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
            let mut truth = read_ground_truth(truth)?;
            for observation in &mut truth.observations {
                observation.bbox[0] -= FIRST_PIXEL;
                observation.bbox[1] -= FIRST_PIXEL;
            }
            truths.push(truth);
        }
        fs_err::create_dir_all(folder)?;
        let input = args.inputs.first().map(|input| input.display().to_string());
        let sentences = args.sentences.as_deref().map(read_sentences);
        Ok(Some(Self {
            folder: folder.clone(),
            gate: args.gate.as_deref().map(Gate::read).transpose()?,
            title: input.unwrap_or_default(),
            light: LightMeter::new(&truths),
            cameras,
            truths,
            sentences: sentences.transpose()?.unwrap_or_default(),
        }))
    }

    /// Looks at a frame on its way.
    pub fn see(&self, frame: &Frame) {
        self.light.see(frame);
    }

    /// Writes the report; which thresholds it misses.
    ///
    /// # Errors
    /// When it cannot be measured or written, or sentences are to be asked and text search is off.
    pub fn report(
        &self,
        config: &Config,
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
        let desk = (!self.sentences.is_empty())
            .then(|| start_encoders(config, &Needs::text()))
            .transpose()?
            .map(|encoders| StoreAsk::new(store.clone(), Some(encoders)));
        let run = Run {
            cameras: &self.cameras,
            truths: self.truths.clone(),
            boxes: &rows,
            light: &self.light.light(),
            sentences: &self.sentences,
            digest,
        };
        let evaluation = evaluate(&run, &Asked { store, desk })?;
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

impl Answers for Asked<'_> {
    fn person_of(&self, track: TrackId) -> Option<PersonId> {
        self.store.person_of(track)
    }

    fn join_of(&self, track: TrackId) -> Option<Join> {
        self.store.join_of(track)
    }

    fn like(&self, track: TrackId) -> Result<Vec<(TrackId, f64)>> {
        use sightline_console::Store as _;
        let answer = self.store.query(&Query {
            kind: QueryKind::Track {
                track,
                name: "appearance".into(),
            },
            filter: Filter::default(),
            limit: MOST_HITS as usize,
        })?;
        let hits = answer.hits.into_iter();
        Ok(hits
            .filter_map(|hit| Some((hit.track, f64::from(hit.similarity?))))
            .collect())
    }

    fn find(&self, sentence: &str, persons: bool) -> Result<Vec<Found>> {
        let Some(desk) = &self.desk else {
            return Ok(Vec::new());
        };
        let response = desk.search(&Question::try_from(SearchRequest {
            text: Some(sentence.to_owned()),
            limit: Some(MOST_HITS),
            persons,
            ..SearchRequest::default()
        })?)?;
        response
            .hits
            .into_iter()
            .map(|hit| {
                Ok(Found {
                    track: hit.track.parse()?,
                    probability: hit.score,
                })
            })
            .collect()
    }
}
