//! Crops of persons and sentences about them to vectors, and vectors that know their model.
//!
//! An [`ImageEncoder`] is a model folder (`model.toml` beside `model.onnx`) loaded once and owned by one thread. It cuts
//! crops from the decoder's own planes straight into its batch tensor, runs them through ONNX Runtime and gives rows of
//! length one. An [`Embedding`] is such a row with the id of its model; two of different models cannot be compared.
//!
//! # Layout
//!
//! - [`planes`]: the pictures crops are cut from
//! - `card_file`, [`card`], `digest`: the model card, and the digest of the model file
//! - [`provider`]: execution providers and options
//! - `session`, [`model`]: a session that is what its card says, and the loaded model around it
//! - `preprocess`, `color`, `tensor`: crop, resize, colour conversion and normalisation into the batch tensor
//! - [`encoder`]: crops to vectors
//! - [`text_card`]: the model card of a text encoder
//! - [`tokenizer`], [`wordpiece`], [`byte_pairs`]: text to tokens, as BERT or as CLIP does it
//! - [`text_encoder`]: sentences to vectors of the same space
//! - [`calibration`]: similarities to probabilities
//! - [`embedding`]: vectors that know their model
//! - [`occlusion`]: why a picture is near a vector
//! - `thumbnail`: a crop as a small picture for people
//! - `memory`: vectors of crops that were embedded before
//! - [`mend`]: repairs published ONNX files that do not run as they are
//! - [`npy`]: rows of vectors as a NumPy file
//! - [`error`]: what can go wrong
//!
//! # Example
//!
//! ```no_run
//! use ndarray::ArrayView3;
//! use sightline_reid::{Crop, ImageEncoder, Options, Planes};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let environment = ort::init_from("/usr/lib/sightline/libonnxruntime.so")?.build()?;
//! let folder = std::path::Path::new("models/appearance");
//! let mut encoder = ImageEncoder::load(&environment, folder, &Options::default())?;
//!
//! let pixels = vec![127_u8; 480 * 640 * 3];
//! let picture = Planes::Rgb(ArrayView3::from_shape((480, 640, 3), &pixels)?);
//! let crops = [Crop { planes: picture, x0: 10.0, y0: 20.0, x1: 74.0, y1: 180.0 }];
//! let rows = encoder.embed(&crops)?;
//! assert_eq!(rows.dim(), (1, encoder.dimension()));
//! # Ok(())
//! # }
//! ```

pub mod byte_pairs;
pub mod calibration;
pub mod card;
mod card_file;
mod color;
mod digest;
pub mod embedding;
pub mod encoder;
pub mod error;
mod memory;
pub mod mend;
pub mod model;
pub mod npy;
pub mod occlusion;
pub mod planes;
mod preprocess;
pub mod provider;
mod session;
mod tensor;
pub mod text_card;
pub mod text_encoder;
mod thumbnail;
pub mod tokenizer;
pub mod wordpiece;

pub use byte_pairs::BytePairs;
pub use calibration::{Calibration, ClauseTable};
pub use card::Card;
pub use embedding::{Embedding, ModelId};
pub use encoder::ImageEncoder;
pub use error::Error;
pub use model::Model;
pub use occlusion::{Occlusion, occlusion};
pub use planes::{Color, Crop, Matrix, Planes};
pub use provider::{Options, Provider};
pub use text_card::TextCard;
pub use text_encoder::TextEncoder;
pub use thumbnail::thumbnail;
pub use tokenizer::{Tokenizer, Tokens};
pub use wordpiece::WordPiece;
