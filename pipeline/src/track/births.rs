//! The ends of a track's life: birth, confirmation, recognition, loss and end.

use sightline_detector::Detection;
use sightline_sink::TrackId;

use super::association::Look;
use super::lifecycle::{Observation, TrackState, Tracklet};
use super::similarity::{cosine, iou};
use super::tracker::{Frame, Tracker, seconds_to_ns};

impl Tracker {
    /// Confirms what was seen often enough, and loses what was not seen now.
    pub(super) fn settle(&mut self) {
        for track in &mut self.tracks {
            match (track.state, track.detection) {
                (TrackState::Tentative, Some(_)) if track.hits >= self.config.confirm_hits => {
                    track.state = TrackState::Confirmed;
                    track.is_just_confirmed = true;
                }
                (TrackState::Lost, Some(_)) => track.state = TrackState::Confirmed,
                (TrackState::Confirmed, None) => track.state = TrackState::Lost,
                _ => {}
            }
        }
    }

    /// Tracks that were confirmed just now and may be lost ones come back: their looks are wanted.
    pub(super) fn returned(&self, frame: &mut Frame, capture_ns: i64) {
        for fresh in &self.tracks {
            if fresh.is_just_confirmed
                && let Some(detection) = fresh.detection
                && self
                    .tracks
                    .iter()
                    .any(|lost| self.could_be(lost, fresh, capture_ns))
            {
                frame.asked.push(detection);
            }
        }
    }

    /// A track that was confirmed just now may be a lost one come back: then the lost one goes on, and takes over the
    /// new one's history. Nothing of the new one was reported yet, so no id ever changes.
    pub(super) fn recognise(&mut self, frame: &Frame, capture_ns: i64) {
        for index in 0..self.tracks.len() {
            let fresh = &self.tracks[index];
            if fresh.is_just_confirmed
                && let Some(detection) = fresh.detection
                && let Some(look) = &frame.looks[detection]
            {
                if let Some(lost) = self.most_alike(index, look, capture_ns) {
                    self.take_over(lost, index, &look.vector);
                } else if look.visible >= self.config.appearance.least_visible {
                    let memory = self.config.appearance.memory;
                    self.tracks[index].be_sure(&look.vector, memory);
                }
            }
        }
        self.retire_ended();
    }

    /// Whether time, place and size allow that `fresh` is `lost` come back.
    fn could_be(&self, lost: &Tracklet, fresh: &Tracklet, capture_ns: i64) -> bool {
        let config = &self.config.appearance;
        let age_ns = capture_ns - lost.last.capture_ns;
        if lost.state != TrackState::Lost
            || lost.look.is_empty()
            || fresh.first_ns <= lost.last.capture_ns
            || age_ns > seconds_to_ns(self.config.recognition_buffer_s)
        {
            return false;
        }
        let (was, is) = (&lost.last.bbox, &fresh.last.bbox);
        let (was_height, is_height) = (was.height().max(1.0), is.height().max(1.0));
        let taller = was_height.max(is_height);
        let ((was_x, was_y), (is_x, is_y)) = (was.center(), is.center());
        let distance = (was_x - is_x).hypot(was_y - is_y);
        let reach = taller * (0.5 + config.fastest_heights_per_s * age_ns as f32 * 1e-9);
        distance <= reach && taller <= 2.0 * was_height.min(is_height)
    }

    fn most_alike(&self, fresh: usize, look: &Look, capture_ns: i64) -> Option<usize> {
        let config = &self.config.appearance;
        let (mut best, mut second) = ((f32::NEG_INFINITY, 0), f32::NEG_INFINITY);
        for (index, lost) in self.tracks.iter().enumerate() {
            if !self.could_be(lost, &self.tracks[fresh], capture_ns) {
                continue;
            }
            let Some(cosine) = cosine(&lost.look, &look.vector) else {
                continue;
            };
            if cosine > best.0 {
                second = best.0;
                best = (cosine, index);
            } else {
                second = second.max(cosine);
            }
        }
        let is_sure =
            best.0 >= config.recognition_cosine && best.0 - second >= config.recognition_margin;
        is_sure.then_some(best.1)
    }

    fn take_over(&mut self, lost: usize, fresh: usize, vector: &[f32]) {
        let memory = self.config.appearance.memory;
        let young = &mut self.tracks[fresh];
        let history = std::mem::take(&mut young.history);
        let (motion, last, detection) = (young.motion, young.last, young.detection);
        let (recent, hits) = (young.recent(), young.hits);
        young.state = TrackState::Ended;
        young.is_just_confirmed = false;
        let old = &mut self.tracks[lost];
        old.state = TrackState::Confirmed;
        old.motion = motion;
        old.motion_last_seen = motion;
        old.last = last;
        old.detection = detection;
        old.hits = old.hits.saturating_add(hits);
        old.is_just_found = true;
        old.set_recent(recent);
        let spare = std::mem::replace(&mut old.history, history);
        old.be_sure(vector, memory);
        self.tracks[fresh].history = spare;
        self.counts.recognised += 1;
    }

    /// Starts tracks where good detections found none.
    pub(super) fn bear(&mut self, detections: &[Detection], capture_ns: i64) {
        for place in 0..self.frame.high.len() {
            let index = self.frame.high[place];
            let detection = &detections[index];
            if self.frame.is_matched[index]
                || detection.score < self.config.birth_score
                || self.is_duplicate(detections, index)
            {
                continue;
            }
            if self.tracks.len() >= self.config.most_tracks {
                self.counts.refused_births += 1;
                continue;
            }
            let id = self.next_id(capture_ns);
            let seen = Observation {
                capture_ns,
                bbox: detection.bbox,
                score: detection.score,
            };
            let mut track = self.new_track(id, seen);
            track.detection = Some(index);
            if self.config.confirm_hits <= 1 {
                track.state = TrackState::Confirmed;
                track.is_just_confirmed = true;
            }
            self.frame.is_matched[index] = true;
            self.tracks.push(track);
        }
    }

    /// The next id of this frame.
    pub(super) fn next_id(&mut self, capture_ns: i64) -> TrackId {
        let ordinal = self.frame_births;
        self.frame_births += 1;
        TrackId::derive(&self.site, &self.camera, capture_ns, ordinal)
    }

    /// A track with the tables of one that ended, where there is one.
    pub(super) fn new_track(&mut self, id: TrackId, seen: Observation) -> Tracklet {
        match self.retired.pop() {
            Some(mut old) => {
                old.renew(id, seen, &self.config);
                old
            }
            None => Tracklet::new(id, seen, &self.config),
        }
    }

    fn is_duplicate(&self, detections: &[Detection], index: usize) -> bool {
        let is_matched = &self.frame.is_matched;
        self.frame.high.iter().any(|&other| {
            other != index
                && is_matched[other]
                && iou(&detections[other].bbox, &detections[index].bbox)
                    >= self.config.duplicate_iou
        })
    }

    /// Ends what was not seen for too long.
    pub(super) fn end_forgotten(&mut self, capture_ns: i64) {
        let tentative_ns = seconds_to_ns(self.config.tentative_buffer_s);
        let lost_ns = seconds_to_ns(self.config.lost_buffer_s);
        let memory_ns = seconds_to_ns(self.config.recognition_buffer_s).max(lost_ns);
        // A tentative track lives to see the next frame, however slow the camera.
        let tentative_ns = tentative_ns.max(self.frame_ns + self.frame_ns / 2);
        for track in &mut self.tracks {
            let age_ns = capture_ns - track.last.capture_ns;
            let most_ns = if track.state == TrackState::Tentative {
                tentative_ns
            } else if track.look.is_empty() {
                lost_ns
            } else {
                memory_ns
            };
            if age_ns > most_ns {
                self.ended.push(track.ended());
                track.state = TrackState::Ended;
            }
        }
        self.retire_ended();
    }

    /// Ends everything.
    pub(super) fn end_all(&mut self) {
        for track in &mut self.tracks {
            self.ended.push(track.ended());
            track.state = TrackState::Ended;
        }
        self.retire_ended();
    }

    /// Keeps the order of birth, and the tables of what ended for what is born next.
    fn retire_ended(&mut self) {
        let mut index = 0;
        while index < self.tracks.len() {
            if self.tracks[index].state == TrackState::Ended {
                let track = self.tracks.remove(index);
                if self.retired.len() < self.config.most_tracks {
                    self.retired.push(track);
                }
            } else {
                index += 1;
            }
        }
    }
}
