//! Measures of detection, tracking, retrieval and calibration by the field's own definitions: numbers in, numbers out.
//!
//! # Layout
//!
//! - [`read`]: MOTChallenge and AI City 2024 files; Market-1501, MSMT17, Occluded-REID; CUHK-PEDES, ICFG-PEDES, RSTPReid
//! - [`tracking`]: CLEAR, identity measures and HOTA, for sequences and for scenes of several cameras
//! - [`retrieval`]: CMC, mAP, mINP, recall of sentences, re-ranking, confidence intervals
//! - [`calibration`]: reliability, calibration error, false alarms
//! - [`interval`]: between what bounds a counted share lies
//! - [`assignment`]: the assignment problem
//! - `error`: [`EvalError`]
//!
//! # Example
//!
//! ```
//! use sightline_eval::read::{parse_ground_truth, parse_tracks};
//! use sightline_eval::tracking::measure_sequence;
//!
//! let truth = parse_ground_truth(b"1,7,10,10,40,80,1\n2,7,12,10,40,80,1\n", "gt.txt".as_ref())?;
//! let tracks = parse_tracks(b"1,1,10,10,40,80,0.9\n2,2,12,10,40,80,0.9\n", "a.txt".as_ref())?;
//! let scores = measure_sequence(&truth, &tracks)?.scores();
//! assert_eq!((scores.id_switches, scores.mota, scores.idf1), (1, 0.5, 0.5));
//! # Ok::<(), sightline_eval::EvalError>(())
//! ```

pub mod assignment;
pub mod calibration;
mod error;
pub mod interval;
pub mod read;
pub mod retrieval;
pub mod tracking;

pub use error::EvalError;
