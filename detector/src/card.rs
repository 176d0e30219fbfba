//! The detector's part of a model card, `model.toml`.
//!
//! One card schema serves every kind of model; this reads what a detector needs and leaves the rest
//! of the card (licence, quality, calibration) to those whom it concerns.

use crate::error::{Error, one_line};
use crate::letterbox::Resize;
use serde::Deserialize;
use std::fmt::Display;
use std::path::{Path, PathBuf};

/// Name of the card in a model folder.
pub const CARD_FILE: &str = "model.toml";

/// A detector's card, checked: every value is usable.
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    /// Name of the model, which is also its folder's.
    pub name: String,
    /// Which adapter reads its outputs.
    pub family: Family,
    /// The ONNX file, inside the model folder.
    pub model_path: PathBuf,
    /// SHA-256 of that file, 64 lowercase hex digits.
    pub sha256: String,
    /// What the network takes.
    pub input: InputSpec,
    /// What the network gives.
    pub output: OutputSpec,
}

/// The published output contract that a network follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// One map of objectness, box and classes a cell, N x (5 + classes) x h x w.
    FastestDet,
    /// Raw heads on several strides, N x anchors x (5 + classes).
    Yolox,
    /// RT-DETR and D-FINE: queries with logits and boxes, or decoded labels, boxes and scores.
    Detr,
}

/// Order of the colour channels in the network's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColorOrder {
    /// Red first.
    Rgb,
    /// Blue first.
    Bgr,
}

/// Number format of the network's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats.
    #[default]
    Fp32,
    /// 16-bit floats.
    Fp16,
}

/// How many pictures one run of the network takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchSize {
    /// Exactly one.
    One,
    /// Any number.
    Dynamic,
}

/// What the network takes: one tensor N x 3 x height x width, each value `(code * scale - mean) / std`.
#[derive(Debug, Clone, PartialEq)]
pub struct InputSpec {
    /// Name of the input.
    pub name: String,
    /// Name of a second input that takes the picture's size, where the network has one.
    pub sizes_name: Option<String>,
    /// Width, px of the network.
    pub width: u32,
    /// Height, px of the network.
    pub height: u32,
    /// Order of channels.
    pub colors: ColorOrder,
    /// Factor from codes 0..=255.
    pub scale: f32,
    /// Subtracted after scaling, in the order of channels.
    pub mean: [f32; 3],
    /// Divided by last, in the order of channels.
    pub std: [f32; 3],
    /// How a frame is fitted in.
    pub resize: Resize,
    /// Code of the padding.
    pub pad: u8,
    /// Pictures a run.
    pub batch: BatchSize,
    /// Number format.
    pub precision: Precision,
}

/// What the network gives and how much of it is believed.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputSpec {
    /// Names of the outputs, in the order of the family's contract.
    pub names: Vec<String>,
    /// Index of the class person.
    pub person_class: usize,
    /// Lowest score of a detection, 0 to 1.
    pub score_threshold: f32,
    /// Overlap above which the lower of two detections goes; `None` where the family needs no NMS.
    pub nms_iou: Option<f32>,
    /// Strides of the heads, px of the network; used by [`Family::Yolox`].
    pub strides: Vec<u32>,
}

#[derive(Deserialize)]
struct RawCard {
    name: String,
    task: String,
    family: Family,
    file: String,
    sha256: String,
    input: RawInput,
    output: RawOutput,
}

#[derive(Deserialize)]
struct RawInput {
    name: String,
    sizes_name: Option<String>,
    width: u32,
    height: u32,
    colors: ColorOrder,
    #[serde(default = "default_layout")]
    layout: String,
    scale: f32,
    #[serde(default)]
    mean: [f32; 3],
    #[serde(default = "default_std")]
    std: [f32; 3],
    resize: Resize,
    #[serde(default)]
    pad: u8,
    batch: RawBatch,
    #[serde(default)]
    precision: Precision,
}

#[derive(Deserialize)]
struct RawOutput {
    names: Vec<String>,
    person_class: usize,
    score_threshold: f32,
    nms_iou: Option<f32>,
    #[serde(default)]
    strides: Vec<u32>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawBatch {
    Fixed(u32),
    Word(String),
}

fn default_layout() -> String {
    "nchw".to_owned()
}

fn default_std() -> [f32; 3] {
    [1.0; 3]
}

impl Card {
    /// Reads and checks `model.toml` in a model folder.
    ///
    /// # Errors
    /// [`Error::CardUnreadable`], [`Error::CardSyntax`] or [`Error::CardValue`].
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(CARD_FILE);
        let text = fs_err::read_to_string(&path).map_err(|source| Error::CardUnreadable {
            folder: folder.to_owned(),
            source,
        })?;
        Self::parse(&text, &path)
    }

    /// The model's id on the wire: its name and the first 12 hex digits of its checksum.
    #[must_use]
    pub fn model_id(&self) -> String {
        format!("{}@{}", self.name, &self.sha256[..12])
    }

    fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        let raw: RawCard = toml::from_str(text).map_err(|fault| Error::CardSyntax {
            path: path.to_owned(),
            reason: syntax_reason(text, &fault),
        })?;
        let check = Check { path };
        check.that(raw.task == "detect", "task", &raw.task, "`detect`")?;
        let is_plain_name =
            !raw.file.is_empty() && Path::new(&raw.file).file_name() == Some(raw.file.as_ref());
        check.that(
            is_plain_name,
            "file",
            &raw.file,
            "the name of a file in the model folder",
        )?;
        let is_digest = raw.sha256.len() == 64
            && raw
                .sha256
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        check.that(is_digest, "sha256", &raw.sha256, "64 lowercase hex digits")?;
        Ok(Self {
            model_path: path.with_file_name(&raw.file),
            input: raw.input.check(&check)?,
            output: raw.output.check(&check, raw.family)?,
            name: raw.name,
            family: raw.family,
            sha256: raw.sha256,
        })
    }
}

impl RawInput {
    fn check(self, check: &Check<'_>) -> Result<InputSpec, Error> {
        let sides = 1..=8192;
        check.that(
            sides.contains(&self.width),
            "input.width",
            self.width,
            "1 to 8192",
        )?;
        check.that(
            sides.contains(&self.height),
            "input.height",
            self.height,
            "1 to 8192",
        )?;
        check.that(
            self.layout == "nchw",
            "input.layout",
            &self.layout,
            "`nchw`",
        )?;
        let is_scale = self.scale.is_finite() && self.scale > 0.0;
        check.that(is_scale, "input.scale", self.scale, "a number above 0")?;
        let is_mean = self.mean.iter().all(|m| m.is_finite());
        check.that(
            is_mean,
            "input.mean",
            format!("{:?}", self.mean),
            "three finite numbers",
        )?;
        let is_std = self.std.iter().all(|s| s.is_finite() && *s > 0.0);
        check.that(
            is_std,
            "input.std",
            format!("{:?}", self.std),
            "three numbers above 0",
        )?;
        let batch = match self.batch {
            RawBatch::Fixed(1) => BatchSize::One,
            RawBatch::Word(word) if word == "dynamic" => BatchSize::Dynamic,
            RawBatch::Fixed(found) => {
                return Err(check.fault("input.batch", found, "1 or `dynamic`"));
            }
            RawBatch::Word(found) => {
                return Err(check.fault("input.batch", found, "1 or `dynamic`"));
            }
        };
        Ok(InputSpec {
            name: self.name,
            sizes_name: self.sizes_name,
            width: self.width,
            height: self.height,
            colors: self.colors,
            scale: self.scale,
            mean: self.mean,
            std: self.std,
            resize: self.resize,
            pad: self.pad,
            batch,
            precision: self.precision,
        })
    }
}

impl RawOutput {
    fn check(self, check: &Check<'_>, family: Family) -> Result<OutputSpec, Error> {
        let names = format!("{:?}", self.names);
        let (is_count, expected) = match family {
            Family::FastestDet | Family::Yolox => (self.names.len() == 1, "one name"),
            Family::Detr => (
                matches!(self.names.len(), 2 | 3),
                "[logits, boxes] or [labels, boxes, scores]",
            ),
        };
        check.that(is_count, "output.names", names, expected)?;
        let unit = 0.0..=1.0;
        let threshold = self.score_threshold;
        check.that(
            unit.contains(&threshold),
            "output.score_threshold",
            threshold,
            "0 to 1",
        )?;
        if let Some(iou) = self.nms_iou {
            check.that(unit.contains(&iou), "output.nms_iou", iou, "0 to 1")?;
        }
        if family != Family::Detr && self.nms_iou.is_none() {
            return Err(check.fault("output.nms_iou", "missing", "0 to 1"));
        }
        let is_strided = family != Family::Yolox
            || (!self.strides.is_empty() && self.strides.iter().all(|s| *s > 0));
        let strides = format!("{:?}", self.strides);
        check.that(
            is_strided,
            "output.strides",
            strides,
            "the strides of the heads, as [8, 16, 32]",
        )?;
        Ok(OutputSpec {
            names: self.names,
            person_class: self.person_class,
            score_threshold: self.score_threshold,
            nms_iou: self.nms_iou,
            strides: self.strides,
        })
    }
}

struct Check<'a> {
    path: &'a Path,
}

impl Check<'_> {
    fn that(
        &self,
        is_right: bool,
        key: &'static str,
        found: impl Display,
        expected: &str,
    ) -> Result<(), Error> {
        if is_right {
            Ok(())
        } else {
            Err(self.fault(key, found, expected))
        }
    }

    fn fault(&self, key: &'static str, found: impl Display, expected: &str) -> Error {
        Error::CardValue {
            path: self.path.to_owned(),
            key,
            found: one_line(found),
            expected: expected.to_owned(),
        }
    }
}

fn syntax_reason(text: &str, fault: &toml::de::Error) -> String {
    let message = one_line(fault.message());
    match fault.span() {
        Some(span) => {
            let line = text[..span.start.min(text.len())].matches('\n').count() + 1;
            format!("line {line}: {message}")
        }
        None => message,
    }
}
