//! Seeing inside: what the flow tells of itself.
//!
//! # Layout
//!
//! - [`names`]: the name of every metric

pub mod names;
