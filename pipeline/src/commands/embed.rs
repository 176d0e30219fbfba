//! `sightline embed`: pictures to vectors, one row a line of a list.

use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use ndarray::{Array2, ArrayView3, Axis, concatenate};
use serde_json::json;
use sightline_console::picture::Picture;
use sightline_console::wire::PictureBytes;
use sightline_reid::{Crop, Planes, npy};

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
    if args.input.texts.is_some() || args.vector == VectorName::Joint {
        bail!("{}", sightline_console::TEXT_NOT_INSTALLED);
    }
    let list = args
        .input
        .images
        .as_deref()
        .context("a list of pictures is needed: --images LIST")?;
    let config = Config::load_or_built_in(args.config.as_deref(), Purpose::Offline)?;
    let environment = runtime::environment(Some(&config.models.onnxruntime))?;
    let mut encoder = flow::load_encoder(environment, &config)?;
    let paths = pictures(list)?;
    let mut rows = Array2::zeros((0, encoder.dimension()));
    for (part_index, part) in paths.chunks(encoder.max_batch()).enumerate() {
        let pictures = part
            .iter()
            .enumerate()
            .map(|(index, path)| {
                read(path).with_context(|| {
                    format!(
                        "{} line {}",
                        list.display(),
                        part_index * encoder.max_batch() + index + 1
                    )
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let crops = pictures
            .iter()
            .map(|picture| {
                let shape = (picture.height, picture.width, 3);
                Ok(Crop::whole(Planes::Rgb(ArrayView3::from_shape(
                    shape,
                    &picture.rgb,
                )?)))
            })
            .collect::<Result<Vec<_>>>()?;
        rows = concatenate(Axis(0), &[rows.view(), encoder.embed(&crops)?.view()])?;
    }
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
            "model": encoder.model_id().as_str(),
            "seconds": begin.elapsed().as_secs_f64(),
        }))?;
    }
    Ok(())
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

fn read(path: &Path) -> Result<Picture> {
    let bytes = PictureBytes(fs_err::read(path)?);
    Picture::decode(&bytes.0).with_context(|| format!("picture {}", path.display()))
}

fn partial_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}
