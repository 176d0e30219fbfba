//! What a person looks at after a replay: a table, an annotated video, a contact sheet.
//!
//! # Layout
//!
//! - [`canvas`]: a picture to draw on
//! - [`annotate`]: tracks drawn on frames
//! - [`heat`]: what speaks for a picture and against it, drawn over it
//! - [`hardest`]: the queries of a dataset that were answered worst
//! - [`video`]: pictures as an MP4 file
//! - [`path`]: one person's way over cameras and map
//! - [`ways`]: the cameras of a site and the ways between them
//! - [`sheet`]: the best crops of each track in one picture
//! - [`evaluation`]: scores of a replay as JSON and as a page, and gates
//! - [`fit`]: how well a hit fits, in words
//! - [`heat`]: what of a picture fits a sentence, drawn over it
//! - [`hardest`]: the queries that ranked worst, with what they found
//! - [`mtmc`]: boxes with their persons, in the form of the AI City Challenge
//! - [`table`]: tracks as a printed table

pub mod annotate;
pub mod canvas;
pub mod evaluation;
pub mod fit;
pub mod hardest;
pub mod heat;
pub mod mtmc;
pub mod path;
pub mod sheet;
pub mod table;
pub mod video;
pub mod ways;
