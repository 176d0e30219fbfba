//! `sightline eval reid` and `sightline eval text`: how well models find people in a dataset.

use std::collections::HashSet;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use ndarray::{Array2, Axis, concatenate};
use serde::Serialize;
use sightline_eval::read::{Picture, read_pictures, read_published, read_sentences};
use sightline_eval::retrieval::{
    Interval, Label, QueryScore, Rerank, bootstrap, cosine_distances, k_reciprocal_rerank,
    nearest_first, rank_images, rank_texts, ranked_for, squared_euclidean_distances,
};
use sightline_reid::ImageEncoder;

use super::embed::{read, rows_of};
use crate::cli::{RetrievalEvalArgs, stdout};
use crate::config::{Config, Name, Purpose};
use crate::flow;
use crate::models::runtime;
use crate::report::canvas::Canvas;
use crate::report::hardest::{Asked, MOST_QUERIES, MOST_RANKED, Ranked, Row, draw};

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
    let (queries, gallery_pictures) = pictures_of(&args.dataset)?;
    let rows = embed(
        &mut encoder,
        gallery_pictures
            .iter()
            .map(|picture| picture.path.as_path()),
    )?;
    let asking = match &queries {
        Some(queries) => embed(
            &mut encoder,
            queries.iter().map(|picture| picture.path.as_path()),
        )?,
        None => rows.clone(),
    };
    let query_pictures = queries.as_ref().unwrap_or(&gallery_pictures);
    let labels = |pictures: &[Picture]| -> Vec<Label> {
        pictures.iter().map(|picture| picture.label).collect()
    };
    let (queries, gallery) = (labels(query_pictures), labels(&gallery_pictures));
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
    if let Some(out) = &args.hardest {
        let rows = hardest(
            &scores.each,
            &queries.iter().map(|it| it.id).collect::<Vec<_>>(),
        );
        let rows = rows.into_iter().map(|(at, score)| {
            let ranking = ranked_for(&distances.row(at).to_vec(), &queries[at], &gallery);
            let ranked = ranking.take(MOST_RANKED).map(|place| {
                let is_right = gallery[place].id == queries[at].id;
                shown(&gallery_pictures[place].path, is_right)
            });
            Ok(Row {
                asked: Asked::Picture(canvas_of(&query_pictures[at].path)?),
                first_rank: score.first_rank,
                average_precision: score.average_precision,
                ranked: ranked.collect::<Result<_>>()?,
            })
        });
        let title = format!("{}: the hardest queries", encoder.model_id());
        draw(&title, &rows.collect::<Result<Vec<_>>>()?).write_png(out)?;
    }
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
    let (mut config, mut encoder) = start(args)?;
    if args.model.is_some() {
        config.models.text = flow::reader_of(&config)?;
    }
    let environment = runtime::environment(Some(&config.models.onnxruntime))?;
    let mut words = flow::load_text_encoder(environment, &config)?;
    let set = read_sentences(&args.dataset, "test")?;
    let sentences: Vec<&str> = set.captions.iter().map(|it| it.text.as_str()).collect();
    let asking = words.embed(&sentences)?;
    let rows = embed(
        &mut encoder,
        set.pictures.iter().map(|picture| picture.0.as_path()),
    )?;
    let who: Vec<i64> = set.pictures.iter().map(|picture| picture.1).collect();
    let asked: Vec<i64> = set.captions.iter().map(|it| who[it.picture]).collect();
    let distances = cosine_distances(&asking, &rows)?;
    let scores = rank_texts(&distances, &asked, &who)?;
    if let Some(out) = &args.hardest {
        let rows = hardest(&scores.each, &asked)
            .into_iter()
            .map(|(at, score)| {
                let ranking = nearest_first(&distances.row(at).to_vec());
                let ranked = ranking.into_iter().take(MOST_RANKED);
                let ranked =
                    ranked.map(|place| shown(&set.pictures[place].0, who[place] == asked[at]));
                let caption = &set.captions[at];
                Ok(Row {
                    asked: Asked::Sentence(
                        caption.text.clone(),
                        canvas_of(&set.pictures[caption.picture].0)?,
                    ),
                    first_rank: score.first_rank,
                    average_precision: score.average_precision,
                    ranked: ranked.collect::<Result<_>>()?,
                })
            });
        let title = format!("{}: the hardest sentences", words.model_id());
        draw(&title, &rows.collect::<Result<Vec<_>>>()?).write_png(out)?;
    }
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
fn pictures_of(folder: &Path) -> Result<(Option<Vec<Picture>>, Vec<Picture>)> {
    if let Some(set) = read_published(folder)? {
        return Ok((Some(set.queries), set.gallery));
    }
    let images = folder.join("images");
    let pictures = read_pictures(if images.is_dir() { &images } else { folder })?;
    Ok((None, pictures))
}

/// The queries that were answered worst, worst first, one of each person: their places and scores.
fn hardest(each: &[Option<QueryScore>], asked: &[i64]) -> Vec<(usize, QueryScore)> {
    let mut scored: Vec<(usize, QueryScore)> = each
        .iter()
        .enumerate()
        .filter_map(|(at, score)| Some((at, (*score)?)))
        .collect();
    scored.sort_by(|(_, one), (_, other)| {
        let by_precision = one.average_precision.total_cmp(&other.average_precision);
        by_precision.then(other.first_rank.cmp(&one.first_rank))
    });
    let mut shown = HashSet::new();
    scored.retain(|(at, _)| shown.insert(asked[*at]));
    scored.truncate(MOST_QUERIES);
    scored
}

fn shown(path: &Path, is_right: bool) -> Result<Ranked> {
    let picture = canvas_of(path)?;
    Ok(Ranked { picture, is_right })
}

fn canvas_of(path: &Path) -> Result<Canvas> {
    let picture = read(path)?;
    let (width, height) = (
        u32::try_from(picture.width)?,
        u32::try_from(picture.height)?,
    );
    Canvas::from_rgb(width, height, picture.rgb)
        .with_context(|| format!("picture {}", path.display()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hardest_queries_are_those_answered_worst_one_a_person() {
        let score = |average_precision, first_rank| {
            Some(QueryScore {
                first_rank,
                average_precision,
                inverse_negative_penalty: 0.0,
            })
        };
        let each = [
            score(0.5, 1),
            None,
            score(0.1, 9),
            score(0.2, 3),
            score(0.1, 12),
        ];
        let places = |asked: &[i64]| -> Vec<usize> {
            hardest(&each, asked)
                .into_iter()
                .map(|(at, _)| at)
                .collect()
        };
        assert_eq!(places(&[1, 2, 3, 4, 5]), [4, 2, 3, 0]);
        assert_eq!(places(&[1, 2, 3, 3, 3]), [4, 0]);
    }
}
