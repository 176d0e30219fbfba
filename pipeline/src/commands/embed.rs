//! `sightline embed`: pictures or sentences to vectors, one row a line of a list.

use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use ndarray::{Array2, ArrayView3, Axis, concatenate};
use serde_json::json;
use sightline_console::picture::Picture;
use sightline_console::wire::PictureBytes;
use sightline_reid::{Crop, ImageEncoder, Planes, npy};

use crate::cli::{EmbedArgs, VectorName, stdout};
use crate::config::{Config, Purpose};
use crate::flow;
use crate::models::runtime;

/// Embeds the list into a NumPy file.
///
/// # Errors
/// The first picture that cannot be read, with its line; then no file is written.
pub fn run(args: &EmbedArgs) -> Result<()> {
    let begin = Instant::now();
    let config = Config::load_or_built_in(args.config.as_deref(), Purpose::Offline)?;
    let (rows, model) = match (&args.input.images, &args.input.texts) {
        (Some(list), _) => embed_pictures(list, args.vector, &config)?,
        (None, Some(list)) => embed_texts(list, args.vector, &config)?,
        (None, None) => bail!("a list is needed: --images LIST or --texts LIST"),
    };
    let partial = partial_path(&args.out);
    let mut file = BufWriter::new(fs_err::File::create(&partial)?);
    npy::write(&mut file, &rows.view())
        .with_context(|| format!("cannot write {}", partial.display()))?;
    file.into_inner()?.sync_all()?;
    fs_err::rename(&partial, &args.out)?;
    if args.json {
        stdout().json(&json!({
            "rows": rows.nrows(),
            "dimension": rows.ncols(),
            "model": model,
            "seconds": begin.elapsed().as_secs_f64(),
        }))?;
    }
    Ok(())
}

/// Rows of sentences, and the model that made them.
fn embed_texts(list: &Path, vector: VectorName, config: &Config) -> Result<(Array2<f32>, String)> {
    if vector != VectorName::Joint {
        bail!("appearance vectors are of pictures alone; sentences have --vector joint");
    }
    let text = fs_err::read_to_string(list)?;
    let sentences: Vec<&str> = text.lines().map(str::trim).collect();
    if sentences.is_empty() {
        bail!(
            "list {} has no line; expected one sentence a line",
            list.display()
        );
    }
    if let Some(empty) = sentences.iter().position(|sentence| sentence.is_empty()) {
        bail!(
            "{} line {}: is empty, expected a sentence",
            list.display(),
            empty + 1
        );
    }
    let environment = runtime::environment(Some(&config.models.onnxruntime))?;
    let mut encoder = flow::load_text_encoder(environment, config)?;
    Ok((encoder.embed(&sentences)?, encoder.model_id().to_string()))
}

/// Rows of pictures, and the model that made them.
fn embed_pictures(
    list: &Path,
    vector: VectorName,
    config: &Config,
) -> Result<(Array2<f32>, String)> {
    let environment = runtime::environment(Some(&config.models.onnxruntime))?;
    let encoder = match vector {
        VectorName::Appearance => Some(flow::load_encoder(environment, config)?),
        VectorName::Joint => flow::load_joint_encoder(environment, config)?,
    };
    let mut encoder = encoder.context(sightline_console::TEXT_NOT_INSTALLED)?;
    let paths = pictures(list)?;
    let mut rows = Array2::zeros((0, encoder.dimension()));
    for (part_index, part) in paths.chunks(encoder.max_batch()).enumerate() {
        let pictures = part
            .iter()
            .enumerate()
            .map(|(index, path)| {
                let line = part_index * encoder.max_batch() + index + 1;
                read(path).with_context(|| format!("{} line {line}", list.display()))
            })
            .collect::<Result<Vec<_>>>()?;
        rows = concatenate(
            Axis(0),
            &[rows.view(), rows_of(&mut encoder, &pictures)?.view()],
        )?;
    }
    let model = encoder.model_id().to_string();
    Ok((rows, model))
}

/// Rows of whole pictures, at most one batch of them.
pub(super) fn rows_of(encoder: &mut ImageEncoder, pictures: &[Picture]) -> Result<Array2<f32>> {
    let crops = pictures
        .iter()
        .map(|picture| {
            let shape = (picture.height, picture.width, 3);
            let pixels = ArrayView3::from_shape(shape, &picture.rgb)?;
            Ok(Crop::whole(Planes::Rgb(pixels)))
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(encoder.embed(&crops)?)
}

/// The paths of a list; relative ones begin at its folder, empty lines are none.
fn pictures(list: &Path) -> Result<Vec<PathBuf>> {
    let text = fs_err::read_to_string(list)?;
    let folder = list.parent().unwrap_or(Path::new(""));
    let paths: Vec<PathBuf> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| folder.join(line))
        .collect();
    if paths.is_empty() {
        bail!(
            "list {} names no picture; expected one path a line",
            list.display()
        );
    }
    Ok(paths)
}

pub(super) fn read(path: &Path) -> Result<Picture> {
    let bytes = PictureBytes(fs_err::read(path)?);
    Picture::decode(&bytes.0).with_context(|| format!("picture {}", path.display()))
}

fn partial_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}
