//! What a store is made for, and the file that remembers it.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::engine::server::ServerOptions;
use super::expire::Retention;
use crate::event::MAX_DIMENSION;
use crate::{AssociationOptions, Error, Result};

/// A kind of vector that a store holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VectorSpec {
    /// Its name: `appearance` or `joint`.
    pub name: String,
    /// Number of values.
    pub dimension: usize,
    /// The model that makes it: `<name>@<first 12 hex digits of its sha256>`.
    pub model: String,
}

/// Bounds of the folder of crops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CropLimits {
    /// Most bytes; beyond it the oldest crops go.
    pub max_bytes: u64,
    /// Crops older than this, reckoned from the newest crop, go.
    pub max_age: Duration,
}

impl Default for CropLimits {
    fn default() -> Self {
        Self {
            max_bytes: 16 << 30,
            max_age: Duration::from_secs(30 * 24 * 3600),
        }
    }
}

/// What a store is made for.
#[derive(Debug, Clone, PartialEq)]
pub struct StoreOptions {
    /// The kinds of vectors, each with its model.
    pub vectors: Vec<VectorSpec>,
    /// Bounds of the folder of crops.
    pub crops: CropLimits,
    /// Where points lie; none: in the folder of the store.
    pub server: Option<ServerOptions>,
    /// How long tracks are kept.
    pub retention: Retention,
    /// How tracks become persons; none where that is not done, as where several processes write.
    pub persons: Option<AssociationOptions>,
    /// Others join tracks into persons, and this store is told what they decide. `persons` is none then.
    pub follows_persons: bool,
    /// Up to this many points every search compares all that pass its filter, and no graph is built.
    /// Beyond it searches are approximate where a filter leaves more than this.
    pub exact_points: u64,
}

impl StoreOptions {
    /// Options for these vectors, with the default bounds.
    pub fn new(vectors: Vec<VectorSpec>) -> Self {
        Self {
            vectors,
            crops: CropLimits::default(),
            server: None,
            retention: Retention::default(),
            persons: None,
            follows_persons: false,
            exact_points: 200_000,
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        let refused = |what: String| {
            Err(Error::Options {
                name: "vectors",
                what,
            })
        };
        if self.vectors.is_empty() {
            return refused("none given, expected at least one".to_owned());
        }
        for (index, spec) in self.vectors.iter().enumerate() {
            if self.vectors[..index]
                .iter()
                .any(|earlier| earlier.name == spec.name)
            {
                return refused(format!("`{}` is given twice", spec.name));
            }
            if spec.dimension == 0 || spec.dimension > MAX_DIMENSION || spec.name.is_empty() {
                return refused(format!(
                    "`{}` has {} values, expected 1 to {MAX_DIMENSION}",
                    spec.name, spec.dimension
                ));
            }
        }
        Ok(())
    }
}

/// In the order of their names, to compare them.
pub(super) fn sorted(vectors: &[VectorSpec]) -> Vec<VectorSpec> {
    let mut vectors = vectors.to_vec();
    vectors.sort_by(|a, b| a.name.cmp(&b.name));
    vectors
}

/// What `index/store.json` says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    format: u32,
    vectors: Vec<VectorSpec>,
}

const FORMAT: u32 = 1;
const FILE: &str = "store.json";

impl Manifest {
    pub(super) fn of(vectors: &[VectorSpec]) -> Self {
        Self {
            format: FORMAT,
            vectors: sorted(vectors),
        }
    }

    pub(super) fn write(&self, dir: &Path) -> Result<()> {
        let what = "write the store's description";
        let text = serde_json::to_string_pretty(self).map_err(|error| Error::Io {
            what: what.to_owned(),
            source: error.into(),
        })?;
        fs_err::write(dir.join(FILE), text + "\n").map_err(Error::io(what))
    }

    /// Refuses a store that was made for something else.
    pub(super) fn check(&self, dir: &Path) -> Result<()> {
        let path = dir.join(FILE);
        let corrupt = |what: String| Error::Corrupt {
            path: path.clone(),
            what,
        };
        let text = fs_err::read_to_string(&path).map_err(|error| corrupt(error.to_string()))?;
        let found: Self =
            serde_json::from_str(&text).map_err(|error| corrupt(error.to_string()))?;
        let mismatch = |what: String| {
            Err(Error::Mismatch {
                path: dir.to_path_buf(),
                what,
            })
        };
        if found.format != FORMAT {
            return mismatch(format!(
                "its format is {}, this build reads {FORMAT}",
                found.format
            ));
        }
        for wanted in &self.vectors {
            let Some(held) = found.vectors.iter().find(|held| held.name == wanted.name) else {
                return mismatch(format!("it holds no vector `{}`", wanted.name));
            };
            if held != wanted {
                return mismatch(format!(
                    "its vector `{}` is by `{}` with {} values, asked for `{}` with {}",
                    held.name, held.model, held.dimension, wanted.model, wanted.dimension
                ));
            }
        }
        if found.vectors.len() != self.vectors.len() {
            let names: Vec<_> = found
                .vectors
                .iter()
                .map(|held| held.name.as_str())
                .collect();
            return mismatch(format!(
                "it holds the vectors {}, not all were asked for",
                names.join(", ")
            ));
        }
        Ok(())
    }
}
