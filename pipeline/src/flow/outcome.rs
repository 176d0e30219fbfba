//! What one frame gave: the stage after following sees nothing else.

use std::sync::Arc;

use sightline_detector::BBox;
use sightline_sink::{Event, TrackId};

use crate::ingest::Frame;
use crate::track::TrackerCounts;

/// Everything that came of one frame of one camera, or of a camera's end.
#[derive(Debug)]
pub struct Outcome {
    /// Place in the order of all frames of all cameras.
    pub ordinal: u64,
    /// The camera's place in the list it was opened with.
    pub camera_index: usize,
    /// When the frame was taken, unix nanoseconds.
    pub capture_ns: i64,
    /// Number of the frame in its recording, from 0.
    pub sequence: u64,
    /// Width and height of the picture, pixels.
    pub size_px: [f32; 2],
    /// Pedestrians that the detector found.
    pub detections: u32,
    /// People on this frame, and on earlier frames of tracks that this frame confirmed.
    pub boxes: Vec<TrackBox>,
    /// What goes to the sink, in order.
    pub events: Vec<Event>,
    /// Tracks that ended with this frame.
    pub ended: Vec<TrackEnd>,
    /// What the tracker left aside, recognised and took apart on this frame.
    pub tracker: TrackerCounts,
    /// Whether this is no frame but the end of a camera.
    pub is_end: bool,
    /// The picture, kept only when somebody wants to draw on it.
    pub frame: Option<Arc<Frame>>,
}

/// One person on one frame.
#[derive(Clone, Copy, Debug)]
pub struct TrackBox {
    /// Whose box it is.
    pub track: TrackId,
    /// Number of the frame in its recording, from 0; lower than the outcome's for a track just confirmed.
    pub sequence: u64,
    /// Pixels of the frame.
    pub bbox: BBox,
    /// Score of the detection.
    pub score: f32,
}

/// The end of a confirmed track.
#[derive(Clone, Copy, Debug)]
pub struct TrackEnd {
    /// Which track.
    pub track: TrackId,
    /// First and last time it was seen, unix nanoseconds.
    pub start_ns: i64,
    /// See `start_ns`.
    pub end_ns: i64,
    /// Frames in which it was seen.
    pub detections: u32,
    /// Crops of it that were embedded and kept.
    pub sightings: u32,
}
