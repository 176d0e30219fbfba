//! The part of a model card (`model.toml`) that an encoder of pictures needs.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::Error;
pub use crate::card_file::CARD_FILE;
use crate::card_file::{
    self, expect, expect_digest, expect_dimension, expect_file, expect_name, only_output,
};
pub use crate::digest::{sha256_of_bytes, sha256_of_file};
use crate::model::EncoderCard;

/// Order of the colour planes a model was trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColorOrder {
    /// Red first.
    Rgb,
    /// Blue first.
    Bgr,
}

/// Number format of a model's input tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32 bits.
    #[default]
    Fp32,
    /// 16 bits.
    Fp16,
}

/// How many pictures a model takes at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batch {
    /// Any number.
    Dynamic,
    /// Exactly this many.
    Fixed(NonZeroUsize),
}

/// How a picture becomes the model's input tensor, 1 x 3 x height x width.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// Name of the graph input.
    pub name: String,
    /// Width in pixels of the model.
    pub width: usize,
    /// Height in pixels of the model.
    pub height: usize,
    /// Order of the colour planes.
    pub colors: ColorOrder,
    /// Value of a tensor element: `(pixel * scale - mean) / std`, pixel in 0..=255; mean and std in the model's colour order.
    pub scale: f32,
    /// Mean a plane.
    pub mean: [f32; 3],
    /// Standard deviation a plane.
    pub std: [f32; 3],
    /// Pictures at once.
    pub batch: Batch,
    /// Number format.
    pub precision: Precision,
}

/// A checked model card of an image encoder.
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    /// Where the card was read.
    pub path: PathBuf,
    /// Name of the model and of its folder.
    pub name: String,
    /// Path of the model file.
    pub file: PathBuf,
    /// Digest of the model file, lowercase hex.
    pub sha256: String,
    /// The input tensor.
    pub input: Input,
    /// Name of the graph output.
    pub output: String,
    /// Name of the vector on the wire and in the store.
    pub vector: String,
    /// Values a vector.
    pub dimension: usize,
}

#[derive(Deserialize)]
struct RawCard {
    name: String,
    task: String,
    file: String,
    sha256: String,
    input: RawInput,
    output: RawOutput,
}

#[derive(Deserialize)]
struct RawInput {
    name: String,
    width: usize,
    height: usize,
    colors: ColorOrder,
    layout: String,
    scale: f32,
    mean: [f32; 3],
    std: [f32; 3],
    resize: String,
    batch: RawBatch,
    #[serde(default)]
    precision: Precision,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawBatch {
    Fixed(usize),
    Word(String),
}

#[derive(Deserialize)]
struct RawOutput {
    names: Vec<String>,
    vector: String,
    dimension: usize,
}

impl Card {
    /// Reads and checks the card in `folder`.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Card`] if it is not a card of an image encoder.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        card_file::read::<RawCard>(folder)
    }

    /// Checks the text of a card; `path` is where it was read, and its folder is where the model file lies.
    ///
    /// # Errors
    /// [`Error::Card`] with the key, what it holds and what would be right.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        card_file::parse::<RawCard>(text, path)
    }

    /// Compares the model file with the digest in the card.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read, [`Error::Checksum`] if it is another file.
    pub fn check_file(&self) -> Result<(), Error> {
        card_file::check_digest(&self.file, &self.sha256)
    }
}

impl EncoderCard for Card {
    fn name(&self) -> &str {
        &self.name
    }

    fn sha256(&self) -> &str {
        &self.sha256
    }

    fn input(&self) -> &str {
        &self.input.name
    }

    fn output(&self) -> &str {
        &self.output
    }

    fn vector(&self) -> &str {
        &self.vector
    }

    fn dimension(&self) -> usize {
        self.dimension
    }
}

impl card_file::RawCard for RawCard {
    type Card = Card;

    fn check(self, path: &Path) -> Result<Card, String> {
        let RawCard {
            name,
            task,
            file,
            sha256,
            input,
            output,
        } = self;
        expect_name("name", &name)?;
        expect("task", &task, "`embed-image`", task == "embed-image")?;
        expect_file("file", &file)?;
        expect_digest("sha256", &sha256)?;
        expect(
            "input.layout",
            &input.layout,
            "`nchw`",
            input.layout == "nchw",
        )?;
        expect(
            "input.resize",
            &input.resize,
            "`stretch`",
            input.resize == "stretch",
        )?;
        for (key, size) in [("input.width", input.width), ("input.height", input.height)] {
            expect(key, size, "1 to 4096", (1..=4096).contains(&size))?;
        }
        let is_scale = input.scale.is_finite() && input.scale > 0.0;
        expect("input.scale", input.scale, "a number above 0", is_scale)?;
        for (mean, std) in input.mean.iter().zip(&input.std) {
            expect("input.mean", mean, "a number", mean.is_finite())?;
            let is_std = std.is_finite() && *std > 0.0;
            expect("input.std", std, "numbers above 0", is_std)?;
        }
        let batch = match &input.batch {
            RawBatch::Word(word) if word == "dynamic" => Batch::Dynamic,
            RawBatch::Word(word) => {
                return Err(format!(
                    "input.batch is `{word}`, expected `dynamic` or a number"
                ));
            }
            RawBatch::Fixed(count) => match NonZeroUsize::new(*count) {
                Some(count) if count.get() <= 1024 => Batch::Fixed(count),
                _ => return Err(format!("input.batch is `{count}`, expected 1 to 1024")),
            },
        };
        let output_name = only_output(output.names)?;
        expect_name("output.vector", &output.vector)?;
        expect_dimension(output.dimension)?;
        Ok(Card {
            path: path.to_path_buf(),
            file: path.with_file_name(file),
            name,
            sha256,
            input: Input {
                name: input.name,
                width: input.width,
                height: input.height,
                colors: input.colors,
                scale: input.scale,
                mean: input.mean,
                std: input.std,
                batch,
                precision: input.precision,
            },
            output: output_name,
            vector: output.vector,
            dimension: output.dimension,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CARD: &str = r#"
name = "person-reid-0267"
task = "embed-image"
family = "any"
file = "model.onnx"
sha256 = "aac91e8c5b14384b9fc2fc646a07768ee24ecb769abb3376ff4eb3f8dc8a5fa1"
licence = "Apache-2.0"
source = "somewhere"
[input]
name = "data"
width = 128
height = 256
colors = "rgb"
layout = "nchw"
scale = 1
mean = [0, 0, 0]
std = [1, 1, 1]
resize = "stretch"
batch = "dynamic"
precision = "fp32"
[output]
names = ["reid_embedding"]
vector = "appearance"
dimension = 256
[quality]
note = "keys this crate does not know are no fault"
"#;

    fn parse(text: &str) -> Result<Card, Error> {
        Card::parse(text, Path::new("/models/person-reid-0267/model.toml"))
    }

    #[test]
    fn a_card_is_read_whole() {
        let card = parse(CARD).unwrap();
        assert_eq!(card.file, Path::new("/models/person-reid-0267/model.onnx"));
        assert_eq!((card.input.width, card.input.height), (128, 256));
        assert_eq!(card.input.batch, Batch::Dynamic);
        assert_eq!(card.dimension, 256);
    }

    #[test]
    fn a_bad_value_is_named_with_what_would_be_right() {
        for (from, to, message) in [
            (
                "embed-image",
                "detect",
                "task is `detect`, expected `embed-image`",
            ),
            (
                "\"dynamic\"",
                "\"many\"",
                "input.batch is `many`, expected `dynamic` or a number",
            ),
            ("\"dynamic\"", "0", "input.batch is `0`, expected 1 to 1024"),
            (
                "std = [1, 1, 1]",
                "std = [1, 0, 1]",
                "input.std is `0`, expected numbers above 0",
            ),
            ("\"stretch\"", "\"letterbox-center\"", "expected `stretch`"),
            (
                "model.onnx",
                "../model.onnx",
                "the name of a file beside the card",
            ),
            ("aac91e8c", "AAC91E8C", "64 lowercase hexadecimal digits"),
            ("dimension = 256", "", "missing field `dimension`"),
            ("\"rgb\"", "\"hsv\"", "unknown variant `hsv`"),
            ("[\"reid_embedding\"]", "[]", "output.names has 0 names"),
        ] {
            let error = parse(&CARD.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
            assert!(
                error.contains("/models/person-reid-0267/model.toml"),
                "{error}"
            );
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
