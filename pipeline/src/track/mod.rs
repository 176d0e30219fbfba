//! Detections over time to tracks: one [`Tracker`] per camera.
//!
//! # Layout
//! - [`config`]: what a user may set.
//! - [`camera_motion`]: how the camera itself moved between two frames.
//! - [`kalman`]: where a box goes next.
//! - [`similarity`]: how alike boxes, headings and looks are.
//! - [`assignment`]: the cheapest pairing of rows and columns.
//! - `association`: cost matrices, and which detections are contested.
//! - `lifecycle`: one tracklet and its states.
//! - `tracker`, `rounds`, `births`, `view`: a step of the tracker, its rounds, births and ends, what it shows.
//! - `checks`: whether a track still shows the same person.
//! - [`mot`], `command`: MOTChallenge files, and the tracker alone on them.

pub mod assignment;
mod association;
mod births;
pub mod camera_motion;
mod checks;
mod command;
pub mod config;
mod error;
pub mod kalman;
mod lifecycle;
pub mod mot;
mod rounds;
#[cfg(test)]
mod scenes;
pub mod similarity;
#[cfg(test)]
mod tests;
mod tracker;
mod view;

pub use camera_motion::{CameraMotion, CameraMotionConfig, CameraMotionEstimator};
pub use command::{FILLED_GAP_S, TrackReport, run_track_command};
pub use config::{AppearanceConfig, AssociationConfig, TrackerConfig};
pub use error::TrackError;
pub use lifecycle::{EndedTrack, Observation, TrackState};
pub use mot::{MotDetections, MotWriter, ScoreScale};
pub use tracker::{Appearance, Tracker, TrackerCounts};
pub use view::{Step, TrackView};
