//! The few crops of each track that are worth embedding.
//!
//! # Layout
//! - [`quality`]: how good a picture of a person a crop is
//! - [`selector`]: which crops add something, and which vectors are worth a sighting

pub mod quality;
pub mod selector;
#[cfg(test)]
mod tests;

pub use quality::{CropQuality, QualityGauge};
pub use selector::{Emit, FinalState, Pick, Selector, SelectorConfig, TrackMean, WeightedMean};
