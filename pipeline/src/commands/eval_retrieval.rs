//! `sightline eval reid` and `sightline eval text`: how well models find people in a dataset.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use ndarray::{Array2, Axis, concatenate};
use serde::Serialize;
use sightline_eval::read::{Captioned, read_cuhk_pedes, read_market, read_pictures};
use sightline_eval::retrieval::{
    Interval, Label, QueryScore, Rerank, bootstrap, cosine_distances, k_reciprocal_rerank,
    rank_images, rank_texts, squared_euclidean_distances,
};
use sightline_reid::ImageEncoder;

use super::embed::{read, rows_of};
use crate::cli::{RetrievalEvalArgs, stdout};
use crate::config::{Config, Name, Purpose};
use crate::flow;
use crate::models::runtime;

/// Rounds and seed of the intervals.
const ROUNDS: usize = 1000;
const SEED: u64 = 1;
/// The k of rank-k and R@k.
const RANKS: [usize; 3] = [1, 5, 10];

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report {
    model: String,
    pictures: usize,
    queries: usize,
    unanswerable: usize,
    /// Share of queries whose person is among the first 1, 5 and 10.
    r1: f64,
    r5: f64,
    r10: f64,
    map: f64,
    minp: f64,
    /// 95% intervals by bootstrap over the queries.
    r1_interval: Interval,
    map_interval: Interval,
}

/// Pictures asking for the same person on other cameras.
///
/// # Errors
/// A dataset or a model that cannot be used.
pub fn reid(args: &RetrievalEvalArgs) -> Result<()> {
    let (_, mut encoder) = start(args)?;
    let (queries, gallery) = pictures_of(&args.dataset)?;
    let rows = embed(
        &mut encoder,
        gallery.iter().map(|picture| picture.0.as_path()),
    )?;
    let asking = match &queries {
        Some(queries) => embed(
            &mut encoder,
            queries.iter().map(|picture| picture.0.as_path()),
        )?,
        None => rows.clone(),
    };
    let labels = |pictures: &[(PathBuf, Label)]| -> Vec<Label> {
        pictures.iter().map(|picture| picture.1).collect()
    };
    let gallery = labels(&gallery);
    let queries = queries.map_or_else(|| gallery.clone(), |queries| labels(&queries));
    let distances = if args.rerank {
        k_reciprocal_rerank(
            &squared_euclidean_distances(&asking, &rows)?,
            &squared_euclidean_distances(&asking, &asking)?,
            &squared_euclidean_distances(&rows, &rows)?,
            &Rerank::default(),
        )?
    } else {
        cosine_distances(&asking, &rows)?
    };
    let scores = rank_images(&distances, &queries, &gallery, &RANKS)?;
    let (r1_interval, map_interval) = intervals(&scores.each)?;
    let [r1, r5, r10] = RANKS.map(|k| scores.cmc.get(&k).copied().unwrap_or_default());
    print(
        &Report {
            model: encoder.model_id().to_string(),
            pictures: gallery.len(),
            queries: scores.queries,
            unanswerable: scores.unanswerable,
            r1,
            r5,
            r10,
            map: scores.map,
            minp: scores.minp,
            r1_interval,
            map_interval,
        },
        args.json,
    )
}

/// Sentences asking for pictures.
///
/// # Errors
/// A dataset without sentences, a pair that is none, or models that cannot be used.
pub fn text(args: &RetrievalEvalArgs) -> Result<()> {
    if args.rerank {
        bail!("--rerank compares pictures with pictures; it is for `sightline eval reid`");
    }
    let (config, mut encoder) = start(args)?;
    let environment = runtime::environment(Some(&config.models.onnxruntime))?;
    let mut words = flow::load_text_encoder(environment, &config)?;
    let set = captions_of(&args.dataset)?;
    let sentences: Vec<&str> = set.captions.iter().map(|it| it.text.as_str()).collect();
    let asking = words.embed(&sentences)?;
    let rows = embed(
        &mut encoder,
        set.pictures.iter().map(|picture| picture.0.as_path()),
    )?;
    let who: Vec<i64> = set.pictures.iter().map(|picture| picture.1).collect();
    let asked: Vec<i64> = set.captions.iter().map(|it| who[it.picture]).collect();
    let scores = rank_texts(&cosine_distances(&asking, &rows)?, &asked, &who)?;
    let (r1_interval, map_interval) = intervals(&scores.each)?;
    print(
        &Report {
            model: format!("{} with {}", encoder.model_id(), words.model_id()),
            pictures: who.len(),
            queries: scores.queries,
            unanswerable: scores.unanswerable,
            r1: scores.r1,
            r5: scores.r5,
            r10: scores.r10,
            map: scores.map,
            minp: scores.minp,
            r1_interval,
            map_interval,
        },
        args.json,
    )
}

fn start(args: &RetrievalEvalArgs) -> Result<(Config, ImageEncoder)> {
    let mut config = Config::load_or_built_in(args.config.as_deref(), Purpose::Offline)?;
    if let Some(name) = &args.model {
        config.models.joint = Name::try_from(name.clone()).map_err(anyhow::Error::msg)?;
    }
    let environment = runtime::environment(Some(&config.models.onnxruntime))?;
    let encoder = flow::load_named_encoder(environment, &config, &config.models.joint)?;
    Ok((config, encoder))
}

/// Queries and gallery; without queries every picture asks for the others.
type Pictures = (Option<Vec<(PathBuf, Label)>>, Vec<(PathBuf, Label)>);

fn pictures_of(folder: &Path) -> Result<Pictures> {
    let plain = |pictures: Vec<sightline_eval::read::Picture>| {
        pictures.into_iter().map(|it| (it.path, it.label)).collect()
    };
    if folder.join("query").is_dir() {
        let market = read_market(folder)?;
        return Ok((Some(plain(market.queries)), plain(market.gallery)));
    }
    let images = folder.join("images");
    let pictures = read_pictures(if images.is_dir() { &images } else { folder })?;
    Ok((None, plain(pictures)))
}

/// The sentences of a folder: the synthetic world's `captions.json`, or CUHK-PEDES's `reid_raw.json` beside `imgs`.
fn captions_of(folder: &Path) -> Result<Captioned> {
    let files = [("captions.json", ""), ("reid_raw.json", "imgs")];
    let found = files.iter().find(|(file, _)| folder.join(file).is_file());
    let Some((file, images)) = found else {
        bail!(
            "{} has no captions.json and no reid_raw.json, expected a dataset with sentences",
            folder.display()
        );
    };
    Ok(read_cuhk_pedes(
        &folder.join(file),
        &folder.join(images),
        "test",
    )?)
}

fn embed<'p>(
    encoder: &mut ImageEncoder,
    paths: impl Iterator<Item = &'p Path>,
) -> Result<Array2<f32>> {
    let paths: Vec<&Path> = paths.collect();
    let bar = indicatif::ProgressBar::new(paths.len() as u64);
    let mut parts = Vec::new();
    for part in paths.chunks(encoder.max_batch()) {
        let pictures = part
            .iter()
            .map(|path| read(path))
            .collect::<Result<Vec<_>>>()?;
        parts.push(rows_of(encoder, &pictures)?);
        bar.inc(part.len() as u64);
    }
    bar.finish_and_clear();
    let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
    concatenate(Axis(0), &views).context("the dataset has no pictures")
}

/// Intervals of R@1 and of mAP.
fn intervals(each: &[Option<QueryScore>]) -> Result<(Interval, Interval)> {
    let of = |value: fn(&QueryScore) -> f64| -> Result<Interval> {
        let values: Vec<f64> = each.iter().flatten().map(value).collect();
        Ok(bootstrap(&values, 0.95, ROUNDS, SEED)?)
    };
    let is_first = |score: &QueryScore| f64::from(u8::from(score.first_rank == 1));
    Ok((of(is_first)?, of(|score| score.average_precision)?))
}

/// A measure with its interval, as words.
fn within(value: f64, interval: &Interval) -> String {
    format!("{value:.4} ({:.4} to {:.4})", interval.low, interval.high)
}

fn print(report: &Report, is_json: bool) -> Result<()> {
    let mut out = stdout();
    if is_json {
        out.json(report)?;
        return Ok(());
    }
    writeln!(
        out,
        "{}: {} queries, {} pictures",
        report.model, report.queries, report.pictures
    )?;
    writeln!(
        out,
        "R@1 {}  R@5 {:.4}  R@10 {:.4}",
        within(report.r1, &report.r1_interval),
        report.r5,
        report.r10
    )?;
    writeln!(
        out,
        "mAP {}  mINP {:.4}",
        within(report.map, &report.map_interval),
        report.minp
    )?;
    if report.unanswerable > 0 {
        writeln!(
            out,
            "{} queries have no answer in the gallery and are not scored",
            report.unanswerable
        )?;
    }
    out.finish()?;
    Ok(())
}
