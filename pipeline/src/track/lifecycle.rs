//! One tracklet: what is known of it, and the states it goes through.

use sightline_detector::BBox;
use sightline_sink::TrackId;

use super::checks::Doubts;
use super::config::TrackerConfig;
use super::kalman::Motion;

/// Where a track stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrackState {
    /// Seen too few times to be believed; not reported but for its history once it is confirmed.
    Tentative,
    /// Believed, and seen in this frame.
    Confirmed,
    /// Believed, but not seen in this frame.
    Lost,
    /// Over; its id never comes back.
    Ended,
}

/// One time at which a track was seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// Capture time, unix nanoseconds.
    pub capture_ns: i64,
    /// The detected box, pixels of the frame it was seen in.
    pub bbox: BBox,
    /// The detection's score.
    pub score: f32,
}

/// A track that is over.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EndedTrack {
    /// Its id.
    pub id: TrackId,
    /// When it was first seen, unix nanoseconds.
    pub first_capture_ns: i64,
    /// When it was last seen, unix nanoseconds.
    pub last_capture_ns: i64,
    /// In how many frames it was seen.
    pub hits: u32,
    /// Whether it had been confirmed: a tentative one was never reported.
    pub is_confirmed: bool,
}

/// Headings are measured over the last few observations.
const RECENT: usize = 16;
/// A gap is replayed in at most this many virtual measurements.
const MOST_REPLAYED: i64 = 32;

/// What the tracker keeps of one track. Recycled when the track ends, so its tables are allocated once.
#[derive(Debug)]
pub(super) struct Tracklet {
    pub id: TrackId,
    pub state: TrackState,
    pub motion: Motion,
    /// The motion as it was when the track was last seen, moved with the camera since.
    pub motion_last_seen: Motion,
    pub first_ns: i64,
    pub last: Observation,
    pub hits: u32,
    pub detection: Option<usize>,
    /// Everything seen so far while tentative; given out once at confirmation.
    pub history: Vec<Observation>,
    pub is_just_confirmed: bool,
    /// Seen again in this step after it had been lost.
    pub is_just_found: bool,
    /// L2-normalised look, empty while unknown.
    pub look: Vec<f32>,
    pub doubts: Doubts,
    /// As it was when its look was last its own.
    sure: (Observation, Motion),
    recent: Recent,
}

/// The last few observations, newest overwriting oldest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recent {
    seen: [Observation; RECENT],
    count: usize,
}

impl Tracklet {
    pub fn new(id: TrackId, seen: Observation, config: &TrackerConfig) -> Self {
        let motion = Motion::new(&seen.bbox, &config.noise);
        Self {
            id,
            state: TrackState::Tentative,
            motion,
            motion_last_seen: motion,
            first_ns: seen.capture_ns,
            last: seen,
            hits: 1,
            detection: None,
            history: Vec::with_capacity(config.confirm_hits.min(1000) as usize + 1),
            is_just_confirmed: false,
            is_just_found: false,
            look: Vec::new(),
            doubts: Doubts::default(),
            sure: (seen, motion),
            recent: Recent {
                seen: [seen; RECENT],
                count: 1,
            },
        }
    }

    /// Makes an old tracklet a new one, keeping its allocations.
    pub fn renew(&mut self, id: TrackId, seen: Observation, config: &TrackerConfig) {
        let mut fresh = Self::new(id, seen, config);
        std::mem::swap(&mut fresh.history, &mut self.history);
        std::mem::swap(&mut fresh.look, &mut self.look);
        std::mem::swap(&mut fresh.doubts, &mut self.doubts);
        fresh.history.clear();
        fresh.look.clear();
        fresh.doubts.clear();
        *self = fresh;
    }

    pub fn is_confirmed(&self) -> bool {
        matches!(self.state, TrackState::Confirmed | TrackState::Lost)
    }

    /// Takes in what was seen of it in this frame.
    pub fn see(&mut self, seen: Observation, frame_ns: i64, config: &TrackerConfig) {
        let doubt = config.association.doubt_of(seen.score);
        let gap_ns = seen.capture_ns - self.last.capture_ns;
        if config.association.is_gap_replayed && frame_ns > 0 && gap_ns > frame_ns + frame_ns / 2 {
            self.replay_gap(&seen, gap_ns, frame_ns, doubt, config);
        } else {
            self.motion.update(&seen.bbox, doubt, &config.noise);
        }
        self.motion_last_seen = self.motion;
        self.last = seen;
        self.hits = self.hits.saturating_add(1);
        self.remember(seen);
    }

    /// Computes the motion anew from where the track was last seen, as if it had been seen on a straight line since: the
    /// speed it was lost with, and the drift of coasting on it, are forgotten.
    fn replay_gap(
        &mut self,
        seen: &Observation,
        gap_ns: i64,
        frame_ns: i64,
        doubt: f32,
        config: &TrackerConfig,
    ) {
        let steps = (gap_ns / frame_ns).clamp(1, MOST_REPLAYED);
        let seconds = gap_ns as f64 * 1e-9 / steps as f64;
        self.motion = self.motion_last_seen;
        for step in 1..=steps {
            let share = step as f32 / steps as f32;
            self.motion.predict(seconds, &config.noise);
            self.motion.update(
                &between(&self.last.bbox, &seen.bbox, share),
                doubt,
                &config.noise,
            );
        }
    }

    fn remember(&mut self, seen: Observation) {
        self.recent.seen[self.recent.count % RECENT] = seen;
        self.recent.count += 1;
    }

    pub fn recent(&self) -> Recent {
        self.recent
    }

    pub fn set_recent(&mut self, recent: Recent) {
        self.recent = recent;
    }

    /// Where it was about `span_ns` before it was last seen, if it is that old.
    pub fn before_last(&self, span_ns: i64) -> Option<&BBox> {
        let Recent { seen, count } = &self.recent;
        let known = (*count).min(RECENT);
        let newest = count - 1;
        (1..known)
            .map(|back| &seen[(newest - back) % RECENT])
            .find(|seen| self.last.capture_ns - seen.capture_ns >= span_ns)
            .map(|seen| &seen.bbox)
    }

    /// Follows the camera's own motion with everything that is kept in pixels.
    pub fn warp(&mut self, affine: &[f64; 6]) {
        self.motion.warp(affine);
        self.motion_last_seen.warp(affine);
        self.last.bbox = warped(&self.last.bbox, affine);
        self.sure.0.bbox = warped(&self.sure.0.bbox, affine);
        self.sure.1.warp(affine);
        for seen in &mut self.recent.seen {
            seen.bbox = warped(&seen.bbox, affine);
        }
    }

    /// What was seen of it last is its own: learns the look, and ends all doubt.
    pub fn be_sure(&mut self, vector: &[f32], memory: f32) {
        self.learn(vector, memory);
        self.doubts.settle();
        self.doubts.looked_ns = Some(self.last.capture_ns);
        self.sure_now();
    }

    /// From here on it would be lost, should it turn out to have become somebody else.
    pub fn sure_now(&mut self) {
        self.sure = (self.last, self.motion_last_seen);
    }

    /// Lost since its look was last its own.
    pub fn be_lost_since_sure(&mut self, capture_ns: i64, config: &TrackerConfig) {
        (self.last, self.motion_last_seen) = self.sure;
        let seconds = (capture_ns - self.last.capture_ns) as f64 * 1e-9;
        self.motion = self.motion_last_seen;
        self.motion.predict(seconds, &config.noise);
        self.state = TrackState::Lost;
        self.recent = Recent {
            seen: [self.last; RECENT],
            count: 1,
        };
    }

    /// Learns a look; `vector` is L2-normalised. One of another dimension replaces the old.
    pub fn learn(&mut self, vector: &[f32], memory: f32) {
        if self.look.len() != vector.len() {
            self.look.clear();
            self.look.extend_from_slice(vector);
            return;
        }
        for (old, new) in self.look.iter_mut().zip(vector) {
            *old = memory * *old + (1.0 - memory) * new;
        }
        if !super::similarity::normalise(&mut self.look) {
            self.look.clear();
        }
    }

    pub fn ended(&self) -> EndedTrack {
        EndedTrack {
            id: self.id,
            first_capture_ns: self.first_ns,
            last_capture_ns: self.last.capture_ns,
            hits: self.hits,
            is_confirmed: self.is_confirmed(),
        }
    }
}

/// The box at `share` of the way from `a` to `b`.
pub(super) fn between(a: &BBox, b: &BBox, share: f32) -> BBox {
    let at = |from: f32, to: f32| from + (to - from) * share;
    BBox {
        x0: at(a.x0, b.x0),
        y0: at(a.y0, b.y0),
        x1: at(a.x1, b.x1),
        y1: at(a.y1, b.y1),
    }
}

/// The box after its centre was mapped, and its size zoomed; boxes stay upright.
fn warped(bbox: &BBox, affine: &[f64; 6]) -> BBox {
    let [a, b, tx, c, d, ty] = *affine;
    let (x, y) = (
        f64::from(bbox.x0 + bbox.x1) / 2.0,
        f64::from(bbox.y0 + bbox.y1) / 2.0,
    );
    let zoom = (a * d - b * c).abs().sqrt() / 2.0;
    let (w, h) = (
        f64::from(bbox.x1 - bbox.x0) * zoom,
        f64::from(bbox.y1 - bbox.y0) * zoom,
    );
    let (x, y) = (a * x + b * y + tx, c * x + d * y + ty);
    BBox {
        x0: (x - w) as f32,
        y0: (y - h) as f32,
        x1: (x + w) as f32,
        y1: (y + h) as f32,
    }
}
