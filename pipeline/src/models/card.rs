//! The whole of a model card: every key known, every value of its kind.
//!
//! Detector and encoder read the parts they run by and leave the rest alone; this is where a misspelt key is found.

use std::path::Path;

use serde::Deserialize;

use super::Error;
use super::error::one_line;
use super::manifest::{is_digest, is_plain_name};

/// Name of the card inside a model folder.
pub const CARD_FILE: &str = "model.toml";

/// What a model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Pictures to boxes of pedestrians.
    Detect,
    /// Crops to vectors.
    EmbedImage,
    /// Sentences to vectors.
    EmbedText,
}

impl Task {
    /// Its word in a card.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Detect => "detect",
            Self::EmbedImage => "embed-image",
            Self::EmbedText => "embed-text",
        }
    }
}

/// A card with all its keys.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WholeCard {
    /// Name of the model and of its folder.
    pub name: String,
    /// What it is for.
    pub task: Task,
    /// Which adapter runs it.
    pub family: String,
    /// The model file beside the card.
    pub file: String,
    /// Digest of the model file.
    pub sha256: String,
    /// Licence of the model file.
    pub licence: String,
    /// Where the model file comes from.
    pub source: String,
    /// The input tensor.
    pub input: Input,
    /// The output tensors.
    pub output: Output,
    /// Measured quality, free.
    #[serde(default)]
    pub quality: toml::Table,
    /// Similarity to log likelihood ratio; absent until measured.
    pub calibration: Option<toml::Table>,
    /// What similarities of tracks are worth; encoders of pictures alone have it.
    pub association: Option<Association>,
    /// Similarity of single clauses to probability; text encoders alone have it.
    pub clauses: Option<toml::Table>,
    /// How text becomes tokens; text encoders alone have it.
    pub tokenizer: Option<Tokenizer>,
}

/// `[association]`: from the similarity of two tracks to log odds that they are of one person.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Association {
    /// Log odds for each unit of similarity, more than 0.
    pub slope: f64,
    /// Similarity, -1 to 1, that speaks neither for nor against.
    pub even: f64,
}

/// `[input]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Name of the graph input.
    pub name: String,
    /// Name of the graph input that takes the sizes of the pictures, for some detectors.
    pub sizes_name: Option<String>,
    /// Width in pixels of the model.
    pub width: Option<u32>,
    /// Height in pixels of the model.
    pub height: Option<u32>,
    /// `rgb` or `bgr`.
    pub colors: Option<String>,
    /// `nchw`.
    pub layout: Option<String>,
    /// Factor of pixel values.
    pub scale: Option<f64>,
    /// Mean a plane.
    pub mean: Option<[f64; 3]>,
    /// Standard deviation a plane.
    pub std: Option<[f64; 3]>,
    /// `stretch`, `letterbox-top-left` or `letterbox-center`.
    pub resize: Option<String>,
    /// Grey of a letterbox.
    pub pad: Option<u8>,
    /// `dynamic` or a number.
    pub batch: toml::Value,
    /// `fp32` or `fp16`.
    pub precision: Option<String>,
}

/// How text becomes tokens.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokenizer {
    /// `wordpiece` or `clip`.
    pub kind: String,
    /// Name of the vocabulary beside the card.
    pub file: String,
    /// Digest of the vocabulary.
    pub sha256: String,
    /// Longest text in tokens.
    pub most_tokens: u32,
}

/// `[output]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Names of the graph outputs.
    pub names: Vec<String>,
    /// Name of the vector, for encoders.
    pub vector: Option<String>,
    /// Values a vector, for encoders.
    pub dimension: Option<u32>,
    /// Id of the picture model whose vectors a text encoder's are compared with.
    pub pairs_with: Option<String>,
    /// Class that is a person, for detectors.
    pub person_class: Option<u32>,
    /// Lowest score, for detectors.
    pub score_threshold: Option<f64>,
    /// Overlap above which the lower box goes, for detectors.
    pub nms_iou: Option<f64>,
    /// Pixels a cell, for detectors.
    pub strides: Option<Vec<u32>>,
}

impl WholeCard {
    /// Reads and checks the card at `path`.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Document`] with the key.
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::parse(&fs_err::read_to_string(path)?, path)
    }

    /// Checks the text of a card that was read at `path`.
    ///
    /// # Errors
    /// [`Error::Document`] with the key.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        let fault = |reason: String| Error::Document {
            path: path.into(),
            reason,
        };
        let card: Self = toml::from_str(text).map_err(|error| fault(one_line(&error.message())))?;
        if !is_plain_name(&card.name) || !is_plain_name(&card.file) {
            return Err(fault(
                "name and file must be of letters, digits, `-`, `_` and `.`".into(),
            ));
        }
        if !is_digest(&card.sha256) {
            return Err(fault(
                "sha256 is not 64 lowercase hexadecimal digits".into(),
            ));
        }
        let has_vector = card.output.vector.is_some() && card.output.dimension.is_some();
        let needs_vector = matches!(card.task, Task::EmbedImage | Task::EmbedText);
        if needs_vector != has_vector {
            let reason =
                "output.vector and output.dimension belong to encoders, and encoders need both";
            return Err(fault(reason.into()));
        }
        let is_text = card.task == Task::EmbedText;
        if is_text != card.tokenizer.is_some() || is_text != card.output.pairs_with.is_some() {
            let reason =
                "[tokenizer] and output.pairs_with belong to text encoders, and those need both";
            return Err(fault(reason.into()));
        }
        if is_text == card.input.takes_pictures() {
            let reason = "[input] lacks a key for pictures, or a text encoder has one: width, height, colors, layout, scale, mean, std, resize";
            return Err(fault(reason.into()));
        }
        if let Some(curve) = card.association
            && !(curve.slope > 0.0 && curve.slope < 1000.0 && curve.even.abs() <= 1.0)
        {
            let reason =
                "association.slope must be more than 0 and association.even within -1 and 1";
            return Err(fault(reason.into()));
        }
        if card.association.is_some() && card.task != Task::EmbedImage {
            return Err(fault(
                "[association] belongs to encoders of pictures".into(),
            ));
        }
        Ok(card)
    }

    /// Name and digest as they stand on the wire: `<name>@<12 hex>`.
    #[must_use]
    pub fn model_id(&self) -> String {
        // Checked to be 64 digits.
        format!("{}@{}", self.name, &self.sha256[..12])
    }
}

impl Input {
    /// Whether every key that pictures need is there; for a text encoder none may be.
    fn takes_pictures(&self) -> bool {
        self.width.is_some()
            && self.height.is_some()
            && self.colors.is_some()
            && self.layout.is_some()
            && self.scale.is_some()
            && self.mean.is_some()
            && self.std.is_some()
            && self.resize.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_committed_card_is_right_throughout() {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("models");
        let mut count = 0;
        for entry in fs_err::read_dir(models).unwrap() {
            let folder = entry.unwrap().path();
            if folder.is_dir() {
                let card = WholeCard::read(&folder.join(CARD_FILE)).unwrap();
                assert_eq!(
                    folder.file_name().unwrap().to_str(),
                    Some(card.name.as_str())
                );
                count += 1;
            }
        }
        assert!(count >= 2);
    }

    #[test]
    fn a_misspelt_key_is_found() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .with_file_name("models")
            .join("person-reid-0267/model.toml");
        let text = fs_err::read_to_string(&path).unwrap();
        for (from, to, message) in [
            ("licence =", "license =", "unknown field `license`"),
            ("dimension =", "dimensions =", "unknown field `dimensions`"),
            ("dimension = 256", "", "encoders need both"),
            ("\"embed-image\"", "\"detect\"", "belong to encoders"),
            (
                "[quality]",
                "[association]\nslope = -1.0\neven = 0.3\n[quality]",
                "association.slope must be more than 0",
            ),
        ] {
            let error = WholeCard::parse(&text.replace(from, to), &path)
                .unwrap_err()
                .to_string();
            assert!(
                error.contains(message) && error.contains("model.toml"),
                "{error}"
            );
        }
    }
}
