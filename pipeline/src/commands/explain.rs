//! `sightline explain`: which places of a picture speak for what was asked.

use std::io::Write as _;

use anyhow::{Context as _, Result, bail};
use ndarray::{Array2, ArrayView3};
use serde::Serialize;
use sightline_console::picture::Picture;
use sightline_console::wire::PictureBytes;
use sightline_console::words::Words;
use sightline_console::{EncodeQuery as _, QueryEncoders, SearchRequest};
use sightline_reid::{Crop, ImageEncoder, Occlusion, Planes, occlusion};

use super::answering::Answering;
use super::embed::{read, rows_of};
use crate::cli::{ExplainArgs, stdout};
use crate::config::{Config, Purpose};
use crate::flow;
use crate::models::runtime;
use crate::report::canvas::Canvas;
use crate::report::heat::{Panel, draw};

/// Hits among which the track is looked for: all that a search can give.
const MOST_HITS: u32 = 1000;

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report {
    model: String,
    track: Option<String>,
    #[serde(flatten)]
    whole: Explained,
    /// Each clause of a sentence by itself; of sentences with two or more alone.
    clauses: Vec<Explained>,
    notes: Vec<String>,
}

/// One question and the picture.
#[derive(Debug, Serialize)]
struct Explained {
    /// What was asked.
    asked: String,
    similarity: f32,
    /// Rows from the top, each from the left: how far the similarity falls when the place is covered.
    falls: Vec<Vec<f32>>,
}

/// What was asked, as vectors of one encoder.
struct Asked {
    encoder: ImageEncoder,
    labels: Vec<String>,
    /// One row a label.
    vectors: Array2<f32>,
    notes: Vec<String>,
}

/// Explains a hit.
///
/// # Errors
/// A picture, track or model that cannot be used.
pub fn run(args: &ExplainArgs) -> Result<()> {
    let config = Config::load_or_built_in(args.access.config.as_deref(), Purpose::Offline)?;
    let picture = picture_of(args)?;
    let mut asked = match (&args.text, &args.like_image) {
        (Some(text), _) => by_words(&config, &Words::new(text, &args.not), text)?,
        (None, Some(path)) => by_picture(&config, &read(path)?)?,
        (None, None) => bail!("nothing is asked: give TEXT or --like-image FILE"),
    };
    let shape = (picture.height, picture.width, 3);
    let pixels = ArrayView3::from_shape(shape, &picture.rgb)?;
    let crop = Crop::whole(Planes::Rgb(pixels));
    let found = occlusion(&mut asked.encoder, &crop, &asked.vectors)?;
    if let Some(out) = &args.out {
        let panels: Vec<Panel> = asked.labels.iter().zip(&found).map(panel).collect();
        let side = |length: usize| u32::try_from(length).context("a picture that is too large");
        let canvas = Canvas::from_rgb(side(picture.width)?, side(picture.height)?, picture.rgb)
            .context("a picture with other pixels than its size says")?;
        let title = format!("what {} looked at", asked.encoder.model_id());
        draw(&title, &canvas, &panels).write_png(out)?;
    }
    print(args, &asked, &found)
}

fn panel((label, found): (&String, &Occlusion)) -> Panel {
    Panel {
        label: label.clone(),
        similarity: found.similarity,
        falls: found.falls.clone(),
    }
}

/// The hit's picture: a file, or the best one of a track, which is found as a search for the same finds it.
fn picture_of(args: &ExplainArgs) -> Result<Picture> {
    if let Some(path) = &args.image {
        return read(path);
    }
    let track = args
        .track
        .context("no hit: give --image FILE or --track ID")?;
    let image = args
        .like_image
        .as_ref()
        .map(|path| fs_err::read(path).map(PictureBytes))
        .transpose()?;
    let request = SearchRequest {
        text: args.text.clone(),
        not: args.not.clone(),
        image,
        limit: Some(MOST_HITS),
        ..SearchRequest::default()
    };
    let store = Answering::open(&args.access, Some(&request))?;
    let track = track.to_string();
    let answer = store.search(&request)?;
    let Some(hit) = answer.hits.into_iter().find(|hit| hit.track == track) else {
        bail!(
            "track {track} is not among the first {MOST_HITS} hits of this search; give its picture with --image"
        );
    };
    let jpeg = match &hit.thumbnail_sha256 {
        Some(digest) => store.thumbnail(digest)?,
        None => None,
    };
    let jpeg = jpeg.with_context(|| {
        format!("the picture of track {track} was removed, so there is nothing to look at")
    })?;
    Picture::decode(&jpeg).with_context(|| format!("the picture of track {track}"))
}

/// A sentence and its clauses.
fn by_words(config: &Config, words: &Words, text: &str) -> Result<Asked> {
    let environment = runtime::environment(Some(&config.models.onnxruntime))?;
    let encoder = flow::load_joint_encoder(environment, config)?
        .context(sightline_console::TEXT_NOT_INSTALLED)?;
    let mut encoders = QueryEncoders {
        text: Some(flow::load_text_encoder(environment, config)?),
        ..QueryEncoders::default()
    };
    let query = encoders.encode_words(words, None)?;
    let mut labels = vec![text.to_owned()];
    let mut vectors = query.values;
    for clause in query.clauses {
        labels.push(clause.text);
        vectors.extend(clause.values);
    }
    Ok(Asked {
        vectors: Array2::from_shape_vec((labels.len(), encoder.dimension()), vectors)
            .context("the sentence's vector is not as long as the picture's")?,
        encoder,
        labels,
        notes: query.notes,
    })
}

/// Another picture.
fn by_picture(config: &Config, picture: &Picture) -> Result<Asked> {
    let environment = runtime::environment(Some(&config.models.onnxruntime))?;
    let mut encoder = flow::load_encoder(environment, config)?;
    let vectors = rows_of(&mut encoder, std::slice::from_ref(picture))?;
    Ok(Asked {
        encoder,
        labels: vec!["like the other picture".into()],
        vectors,
        notes: Vec::new(),
    })
}

fn print(args: &ExplainArgs, asked: &Asked, found: &[Occlusion]) -> Result<()> {
    let mut out = stdout();
    if args.json {
        let mut explained = asked.labels.iter().zip(found).map(|(label, found)| {
            let rows = found.falls.outer_iter();
            Explained {
                asked: label.clone(),
                similarity: found.similarity,
                falls: rows.map(|row| row.to_vec()).collect(),
            }
        });
        let whole = explained.next().context("nothing was asked")?;
        out.json(&Report {
            model: asked.encoder.model_id().to_string(),
            track: args.track.map(|id| id.to_string()),
            whole,
            clauses: explained.collect(),
            notes: asked.notes.clone(),
        })?;
        return Ok(());
    }
    for (label, found) in asked.labels.iter().zip(found) {
        writeln!(
            out,
            "{label}: similarity {:.3}, most of it from {}",
            found.similarity,
            place_words(&found.falls)
        )?;
    }
    for note in &asked.notes {
        writeln!(out, "note: {note}")?;
    }
    out.finish()?;
    Ok(())
}

/// Where the similarity falls most, as words.
fn place_words(falls: &Array2<f32>) -> String {
    let (rows, columns) = falls.dim();
    let most = falls
        .indexed_iter()
        .max_by(|one, other| one.1.total_cmp(other.1));
    let Some(((row, column), fall)) = most.filter(|(_, fall)| **fall > 0.0) else {
        return "no place".into();
    };
    let down = ["the top", "the upper part", "the lower part", "the bottom"];
    let right = ["left", "middle", "right"];
    format!(
        "{}, {} (-{fall:.3} without)",
        down[row * down.len() / rows],
        right[column * right.len() / columns]
    )
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn the_place_of_the_greatest_fall_has_words() {
        assert_eq!(
            place_words(&array![[0.0, 0.1], [0.2, -0.3], [0.0, 0.0], [0.0, 0.05]]),
            "the upper part, left (-0.200 without)"
        );
        assert_eq!(place_words(&array![[0.0, -0.1]]), "no place");
    }
}
