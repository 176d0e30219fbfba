//! `sightline feedback export`: what people said of tracks, as training data.

use std::io::Write as _;

use anyhow::{Context as _, Result, bail};
use fs_err::File;
use serde::Serialize;
use sightline_console::FeedbackRequest;
use sightline_console::site::FeedbackPair;

use super::answering::Answering;
use crate::cli::{FeedbackArgs, FeedbackCommand, FeedbackExportArgs, stdout};

/// Does what `sightline feedback` says.
///
/// # Errors
/// What went wrong, where and what to do.
pub fn run(args: &FeedbackArgs) -> Result<()> {
    match &args.command {
        FeedbackCommand::Export(args) => export(args),
    }
}

/// One line of `pairs.jsonl`.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    pair: &'a FeedbackPair,
    /// Files of the two pictures, from the folder on.
    files: [Option<String>; 2],
}

fn export(args: &FeedbackExportArgs) -> Result<()> {
    let out = &args.out;
    if out.exists() {
        bail!("{} is there already, expected a new folder", out.display());
    }
    let asked = Answering::open(&args.access, None)?;
    let part = out.with_extension("part");
    if part.exists() {
        fs_err::remove_dir_all(&part)?;
    }
    let crops = part.join("crops");
    fs_err::create_dir_all(&crops)?;
    let mut lines = std::io::BufWriter::new(File::create(part.join("pairs.jsonl"))?);
    let (mut pairs, mut pictures) = (0, 0);
    let mut request = FeedbackRequest::default();
    loop {
        let answer = asked.feedback(request)?;
        for pair in &answer.pairs {
            let mut files = [None, None];
            for (file, digest) in files.iter_mut().zip(&pair.pictures) {
                let Some(digest) = digest else { continue };
                let name = format!("{digest}.jpg");
                if !crops.join(&name).exists() {
                    // It may have been removed for room or age since.
                    let Some(jpeg) = asked.thumbnail(digest)? else {
                        continue;
                    };
                    fs_err::write(crops.join(&name), jpeg)?;
                    pictures += 1;
                }
                *file = Some(format!("crops/{name}"));
            }
            serde_json::to_writer(&mut lines, &Line { pair, files })?;
            lines.write_all(b"\n")?;
            pairs += 1;
        }
        match answer.next {
            Some(after) => request.after = after,
            None => break,
        }
    }
    lines.flush()?;
    fs_err::rename(&part, out).with_context(|| format!("cannot make {}", out.display()))?;
    let mut said = stdout();
    writeln!(
        said,
        "{pairs} pairs and {pictures} pictures in {}",
        out.display()
    )?;
    Ok(said.finish()?)
}
