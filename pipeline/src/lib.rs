//! Sightline's flow: cameras and recordings in, searchable tracks out.
//!
//! # Layout
//!
//! - [`ingest`]: cameras and recordings in, frames out

pub mod ingest;
