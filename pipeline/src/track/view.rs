//! What a step of the tracker shows: tracks as they stand, and those that ended.

use sightline_detector::BBox;
use sightline_sink::TrackId;

use super::lifecycle::{EndedTrack, Observation, TrackState, Tracklet};

/// A track as it stands after a step.
#[derive(Debug, Clone, Copy)]
pub struct TrackView<'a> {
    track: &'a Tracklet,
}

impl TrackView<'_> {
    /// The track's id, the same for its whole life.
    pub fn id(&self) -> TrackId {
        self.track.id
    }

    /// Tentative, confirmed or lost.
    pub fn state(&self) -> TrackState {
        self.track.state
    }

    /// The filtered box, pixels; of a lost track, where it is expected.
    pub fn bbox(&self) -> BBox {
        self.track.motion.bbox()
    }

    /// The matched detection's place in the slice given to `update`, none when it was not seen.
    pub fn detection(&self) -> Option<usize> {
        self.track.detection
    }

    /// Score of the latest detection.
    pub fn score(&self) -> f32 {
        self.track.last.score
    }

    /// When it was first seen, unix nanoseconds.
    pub fn first_capture_ns(&self) -> i64 {
        self.track.first_ns
    }

    /// When it was last seen, unix nanoseconds.
    pub fn last_capture_ns(&self) -> i64 {
        self.track.last.capture_ns
    }

    /// In how many frames it was seen.
    pub fn hits(&self) -> u32 {
        self.track.hits
    }

    /// Velocity of the centre, px/s.
    pub fn velocity_px_per_s(&self) -> [f32; 2] {
        self.track.motion.velocity_px_per_s()
    }

    /// Whether it may have come to show somebody else, which the next looks decide.
    pub fn is_doubted(&self) -> bool {
        self.track.doubts.are_open()
    }

    /// Whether this step looked at it, and found the person it has always been.
    pub fn is_sure_now(&self) -> bool {
        self.track.doubts.looked_ns == Some(self.track.last.capture_ns) && !self.is_doubted()
    }

    /// Whether this step confirmed it.
    pub fn is_just_confirmed(&self) -> bool {
        self.track.is_just_confirmed
    }

    /// Earlier frames in which it was seen but not yet reported, oldest first, without this one. Filled in the step that confirms the
    /// track, and in one that recognises a lost track; empty otherwise.
    pub fn history(&self) -> &[Observation] {
        if self.track.state == TrackState::Tentative {
            &[]
        } else {
            &self.track.history
        }
    }
}

/// What one frame changed.
#[derive(Debug)]
pub struct Step<'a> {
    pub(super) tracks: &'a [Tracklet],
    pub(super) ended: &'a [EndedTrack],
    pub(super) is_late: bool,
}

impl<'a> Step<'a> {
    /// All tracks that live after this frame, in order of birth.
    pub fn tracks(&self) -> impl Iterator<Item = TrackView<'a>> + use<'a> {
        self.tracks.iter().map(|track| TrackView { track })
    }

    /// The confirmed tracks that were seen in this frame.
    pub fn seen(&self) -> impl Iterator<Item = TrackView<'a>> + use<'a> {
        self.tracks()
            .filter(|view| view.state() == TrackState::Confirmed)
    }

    /// Whether the frame came too late to be taken in; the step then shows no tracks.
    pub fn is_late(&self) -> bool {
        self.is_late
    }

    /// The tracks that ended with this frame.
    pub fn ended(&self) -> &'a [EndedTrack] {
        self.ended
    }
}
