//! What a person looks at after a replay: a table, an annotated video, a contact sheet.
//!
//! # Layout
//!
//! - [`canvas`]: a picture to draw on
//! - [`annotate`]: tracks drawn on frames
//! - [`video`]: pictures as an MP4 file
//! - [`sheet`]: the best crops of each track in one picture
//! - [`mtmc`]: boxes with their persons, in the form of the AI City Challenge
//! - [`table`]: tracks as a printed table

pub mod annotate;
pub mod canvas;
pub mod mtmc;
pub mod sheet;
pub mod table;
pub mod video;
