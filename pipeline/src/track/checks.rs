//! Whether a track still shows whom it showed: looks at intervals, and taking apart what two people were made of.
//!
//! Boxes alone cannot tell who came out of a crossing when only one of two people was found in it. A track's look can,
//! once the person is in full sight again.

use sightline_detector::{BBox, Detection};

use super::association::Look;
use super::lifecycle::TrackState;
use super::similarity::{cosine, normalise, visible_share};
use super::tracker::{Appearance, Frame, Tracker, seconds_to_ns};

/// A box that is this near to the picture's edge is cut by it: in its own heights, or in those of the picture.
const EDGE: f32 = 0.02;
const NEAR_EDGE: f32 = 0.005;

/// What is known of a track's look, and since when it is doubted.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    /// When it was looked at last, unix nanoseconds; none before the first look.
    pub looked_ns: Option<i64>,
    /// Sum of the looks that were not like the track's.
    sum: Vec<f32>,
    /// How many they are.
    count: u32,
}

impl Doubts {
    /// Whether somebody else may be followed.
    pub fn are_open(&self) -> bool {
        self.count > 0
    }

    /// Makes them a new track's, keeping the allocation.
    pub fn clear(&mut self) {
        self.looked_ns = None;
        self.settle();
    }

    /// There are none.
    pub fn settle(&mut self) {
        self.sum.clear();
        self.count = 0;
    }

    fn add(&mut self, vector: &[f32]) {
        // What came to nothing before has no vote any more.
        if self.count == 0 || self.sum.len() != vector.len() {
            self.sum.clear();
            self.sum.extend_from_slice(vector);
        } else {
            for (sum, value) in self.sum.iter_mut().zip(vector) {
                *sum += value;
            }
        }
        self.count += 1;
    }
}

impl Tracker {
    /// Confirmed tracks in sight whose look is due: those that were not looked at for a while, sooner where there is doubt.
    /// Doubts come first, then whoever has waited longest: the budget of a frame may not reach everybody.
    fn due_looks(&self, frame: &mut Frame, detections: &[Detection], capture_ns: i64) {
        let config = &self.config.appearance;
        frame.due.clear();
        for track in &self.tracks {
            let (TrackState::Confirmed, Some(detection)) = (track.state, track.detection) else {
                continue;
            };
            let is_doubted = track.doubts.are_open();
            let wait_ns = seconds_to_ns(if is_doubted {
                config.doubted_check_s
            } else {
                config.check_s
            });
            let looked_ns = track.doubts.looked_ns;
            if looked_ns.is_none_or(|looked_ns| capture_ns - looked_ns >= wait_ns)
                && self.visible(frame, detections, detection) >= config.least_visible
            {
                frame.due.push((!is_doubted, looked_ns, detection));
            }
        }
        frame.due.sort_unstable();
        let due = frame.due.iter().map(|&(_, _, detection)| detection);
        frame.asked.extend(due);
    }

    /// Holds what was seen of the confirmed tracks in this frame against what they look like. A track that shows somebody
    /// else, time and again, is taken apart: it is lost since it was last sure, and a new track goes on.
    fn check_looks(&mut self, frame: &Frame, capture_ns: i64) {
        let least_visible = self.config.appearance.least_visible;
        for index in 0..self.tracks.len() {
            let track = &self.tracks[index];
            if !track.is_confirmed() || track.is_just_confirmed {
                continue;
            }
            let Some(detection) = track.detection else {
                continue;
            };
            let Some(look) = &frame.looks[detection] else {
                continue;
            };
            let is_first = track.look.is_empty() && !self.is_cut(&track.last.bbox);
            if look.visible < least_visible && !is_first {
                continue;
            }
            if self.is_somebody_else(index, look, capture_ns) {
                self.take_apart(index, capture_ns);
            }
        }
    }

    /// Takes one look in; true once there were enough of them that are not of the track's person.
    fn is_somebody_else(&mut self, index: usize, look: &Look, capture_ns: i64) -> bool {
        let config = &self.config.appearance;
        let track = &mut self.tracks[index];
        track.doubts.looked_ns = Some(capture_ns);
        let likeness = cosine(&track.look, &look.vector).unwrap_or(1.0);
        if !track.doubts.are_open() && likeness >= config.doubted_cosine {
            track.be_sure(&look.vector, config.memory);
            return false;
        }
        track.doubts.add(&look.vector);
        if track.doubts.count < config.doubted_looks {
            return false;
        }
        let mut mean = std::mem::take(&mut track.doubts.sum);
        let is_other = normalise(&mut mean)
            && cosine(&track.look, &mean).is_some_and(|likeness| likeness < config.other_cosine);
        if !is_other {
            // The same person, seen from another side.
            track.be_sure(&mean, config.memory);
        }
        track.doubts.sum = mean;
        is_other
    }

    /// The track is lost since it was last sure, and what it followed since is a new one, with the look of the doubts.
    fn take_apart(&mut self, index: usize, capture_ns: i64) {
        if self.tracks.len() >= self.config.most_tracks {
            self.counts.refused_births += 1;
            return;
        }
        let id = self.next_id(capture_ns);
        let seen = self.tracks[index].last;
        let mut fresh = self.new_track(id, seen);
        let old = &mut self.tracks[index];
        fresh.motion = old.motion;
        fresh.motion_last_seen = old.motion_last_seen;
        fresh.set_recent(old.recent());
        fresh.hits = old.doubts.count;
        fresh.detection = old.detection.take();
        fresh.state = TrackState::Confirmed;
        fresh.is_just_confirmed = true;
        fresh.look.clear();
        fresh.look.extend_from_slice(&old.doubts.sum);
        fresh.doubts.looked_ns = Some(capture_ns);
        fresh.sure_now();
        old.doubts.settle();
        old.be_lost_since_sure(capture_ns, &self.config);
        self.tracks.push(fresh);
        self.counts.taken_apart += 1;
    }

    /// The share of a person that can be seen: not hidden by people in front, and half of it at most where the picture's
    /// edge cuts through.
    pub(super) fn visible(&self, frame: &Frame, detections: &[Detection], index: usize) -> f32 {
        let bbox = &detections[index].bbox;
        let others = frame.high.iter().filter(|&&other| other != index);
        let share = visible_share(bbox, others.map(|&other| &detections[other].bbox));
        if self.is_cut(bbox) {
            share * 0.5
        } else {
            share
        }
    }

    /// Whether the picture's edge cuts through somebody.
    pub(super) fn is_cut(&self, bbox: &BBox) -> bool {
        self.picture_px.is_some_and(|[width, height]| {
            let margin = (EDGE * bbox.height()).max(NEAR_EDGE * height);
            bbox.x0 < margin
                || bbox.y0 < margin
                || bbox.x1 > width - margin
                || bbox.y1 > height - margin
        })
    }

    /// Asks for the looks that checks and recognition need, checks, and recognises.
    pub(super) fn look_after(
        &mut self,
        detections: &[Detection],
        appearance: &mut Appearance<'_>,
        capture_ns: i64,
    ) {
        let mut frame = std::mem::take(&mut self.frame);
        frame.asked.clear();
        self.returned(&mut frame, capture_ns);
        self.due_looks(&mut frame, detections, capture_ns);
        self.ask_looks(&mut frame, detections, appearance);
        self.check_looks(&frame, capture_ns);
        self.recognise(&frame, capture_ns);
        self.frame = frame;
    }
}
