//! Card, file and session of a model held together.

use std::num::NonZeroUsize;

use ort::environment::Environment;
use serde::Serialize;
use sightline_reid::Crop;
use sightline_reid::card::sha256_of_file;

use super::card::WholeCard;
use super::network::{LoadOptions, Network, installed, test_picture};
use super::{Error, ModelFolders};
use crate::config::Provider;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What: `card`, `sha256`, `session`, `run`, `batch`.
    pub name: &'static str,
    /// Whether it is right.
    pub is_ok: bool,
    /// What was found.
    pub detail: String,
}

/// What was found out about one model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// The model.
    pub name: String,
    /// Name and digest as they stand on the wire; null where the card cannot be read.
    pub model_id: Option<String>,
    /// Whether all of it is right.
    pub is_ok: bool,
    /// Everything that was looked at, up to the first fault.
    pub checks: Vec<Check>,
}

/// Pictures of the batch that is compared with single ones.
const BATCH: NonZeroUsize = NonZeroUsize::new(4).unwrap();

/// Least cosine of a vector made alone and the same one made in a batch.
const SAME_VECTOR: f32 = 0.9999;

/// Checks the installed models called `names` (none: all that are installed): the whole card, the digest, shapes of the
/// session, one run on a fixed picture, and that a batch gives what single pictures give.
///
/// # Errors
/// [`Error::NotInstalled`]; a model that is not right is a report, not an error.
pub fn verify(
    names: &[String],
    folders: &ModelFolders,
    environment: &Environment,
    providers: &[Provider],
) -> Result<Vec<VerifyReport>, Error> {
    let names = if names.is_empty() {
        folders.usable_names()?
    } else {
        names.to_vec()
    };
    let options = LoadOptions {
        providers: providers.to_vec(),
        intra_threads: NonZeroUsize::MIN,
        max_batch: BATCH,
        engine_cache: None,
    };
    let mut reports = Vec::new();
    for name in names {
        let mut checks = Vec::new();
        let model_id = match installed(std::slice::from_ref(&name), folders) {
            Err(error @ Error::NotInstalled { .. }) => return Err(error),
            Err(error) => {
                checks.push(Check {
                    name: "card",
                    is_ok: false,
                    detail: error.to_string(),
                });
                None
            }
            Ok(found) => found.into_iter().next().map(|(folder, card)| {
                let id = card.model_id();
                push_checks(&mut checks, &folder, &card, environment, &options);
                id
            }),
        };
        let is_ok = checks.iter().all(|check| check.is_ok);
        reports.push(VerifyReport {
            name,
            model_id,
            is_ok,
            checks,
        });
    }
    Ok(reports)
}

fn push_checks(
    checks: &mut Vec<Check>,
    folder: &std::path::Path,
    card: &WholeCard,
    environment: &Environment,
    options: &LoadOptions,
) {
    let mut push = |name, found: Result<String, String>| {
        let (is_ok, detail) = match found {
            Ok(detail) => (true, detail),
            Err(detail) => (false, detail),
        };
        checks.push(Check {
            name,
            is_ok,
            detail,
        });
        is_ok
    };
    push(
        "card",
        Ok(format!(
            "{}, {}, {}",
            card.task.name(),
            card.family,
            card.licence
        )),
    );
    let digest = match sha256_of_file(&folder.join(&card.file)) {
        Ok(found) if found == card.sha256 => Ok(found),
        Ok(found) => Err(format!("sha256 is {found}, the card says {}", card.sha256)),
        Err(error) => Err(error.to_string()),
    };
    if !push("sha256", digest) {
        return;
    }
    let mut network = match Network::load(environment, folder, card, options) {
        Ok(network) => {
            push(
                "session",
                Ok(format!("on {}", network.providers().join(", "))),
            );
            network
        }
        Err(error) => {
            push("session", Err(error.to_string()));
            return;
        }
    };
    let picture = test_picture(network.picture_size());
    let ran = network
        .preprocess(&picture.view(), 1)
        .and_then(|()| network.run());
    let what = match network {
        Network::Text(..) => "one sentence",
        Network::Detector(_) | Network::Encoder(_) => "one picture",
    };
    let ran = ran
        .map(|()| what.to_string())
        .map_err(|error| error.to_string());
    if push("run", ran)
        && let Some(found) = compare_batch(&mut network, &picture)
    {
        push("batch", found);
    }
}

/// Whether different crops in one batch give the vectors they give alone; nothing for models that take one at a time.
fn compare_batch(
    network: &mut Network,
    picture: &ndarray::Array3<u8>,
) -> Option<Result<String, String>> {
    let Network::Encoder(encoder) = network else {
        return None;
    };
    let count = encoder.max_batch();
    if count < 2 {
        return None;
    }
    let crops: Vec<_> = (0..u16::try_from(count).unwrap_or(u16::MAX))
        .map(|index| {
            let whole = Crop::whole(sightline_reid::Planes::Rgb(picture.view()));
            Crop {
                y0: f32::from(index) * 8.0,
                x1: whole.x1 - f32::from(index) * 4.0,
                ..whole
            }
        })
        .collect();
    let mut compare = || -> Result<f32, sightline_reid::Error> {
        let together = encoder.embed(&crops)?;
        let mut least = 1.0_f32;
        for (crop, row) in crops.iter().zip(together.outer_iter()) {
            let alone = encoder.embed(std::slice::from_ref(crop))?;
            least = least.min(alone.row(0).dot(&row));
        }
        Ok(least)
    };
    Some(match compare() {
        Ok(least) if least >= SAME_VECTOR => Ok(format!(
            "{count} together as alone, least cosine {least:.6}"
        )),
        Ok(least) => Err(format!(
            "{count} together differ from alone, least cosine {least:.6}"
        )),
        Err(error) => Err(error.to_string()),
    })
}
