//! Pixels in, pedestrians out.
//!
//! A [`Detector`] loads a model folder (`model.toml`, the card, beside the ONNX file), checks it
//! throughout, and finds the people in pictures that stay where the decoder put them: planes are
//! cropped, resized, converted and normalised in one pass into a batch tensor that is used again and again.
//!
//! # Layout
//! - [`planes`](Planes): borrowed views of a decoder's planes
//! - [`motion_gate`](MotionGate): which pictures are still enough to be skipped
//! - [`card`](Card): the detector's part of a model card
//! - `checksum`: the model file is the one its card describes
//! - [`provider`](Provider): what a network runs on
//! - `letterbox`: how a part of a frame lies in the input, and the way back
//! - `tiling`: overlapping tiles for distant people
//! - `color`, `strided`, `preprocess`: from planes to the batch tensor; [`prepare`](Preparer): the same beside a run
//! - `contract`: the network has the inputs and outputs that its card says
//! - `session`: one network in ONNX Runtime
//! - `adapter`, `decode`, `fastestdet`, `yolox`, `detr`: from outputs to boxes
//! - `nms`: one box a person
//! - [`bbox`](BBox): boxes and detections
//! - [`detector`](Detector): all of it together
//! - [`error`](Error): what is refused
//!
//! # Example
//! ```no_run
//! use sightline_detector::{Color, Detector, Options, Planes};
//! use ndarray::Array2;
//!
//! fn people() -> Result<(), Box<dyn std::error::Error>> {
//!     let environment = ort::init_from(".sightline/onnxruntime/libonnxruntime.so.1.31.1")?.build()?;
//!     let folder = "models/detector".as_ref();
//!     let mut detector = Detector::load(&environment, folder, &Options::default())?;
//!     let (y, u, v) = (Array2::zeros((576, 768)), Array2::zeros((288, 384)), Array2::zeros((288, 384)));
//!     let picture = Planes::I420 { y: y.view(), u: u.view(), v: v.view(), color: Color::default() };
//!     for detection in &detector.detect(&[picture])?[0] {
//!         assert!(detection.bbox.x1 <= 768.0 && detection.score >= detector.score_threshold());
//!     }
//!     Ok(())
//! }
//! ```

mod adapter;
mod bbox;
mod card;
mod checksum;
mod color;
mod contract;
mod decode;
mod detector;
mod detr;
mod error;
mod fastestdet;
mod letterbox;
mod motion_gate;
mod nms;
mod planes;
mod prepare;
mod preprocess;
mod provider;
mod resize;
mod session;
mod tiling;
mod yolox;

pub use bbox::{BBox, Detection};
pub use card::{BatchSize, CARD_FILE, Card, ColorOrder, Family, InputSpec, OutputSpec, Precision};
pub use color::{Color, Matrix};
pub use detector::{Detector, Options};
pub use error::Error;
pub use letterbox::{Region, Resize};
pub use motion_gate::{GateOptions, MotionGate};
pub use nms::suppress;
pub use planes::Planes;
pub use prepare::{Prepared, Preparer};
pub use provider::Provider;
pub use tiling::Tiling;
