//! The tracker of one camera: detections of one frame in, tracks out.

use sightline_detector::{BBox, Detection};
use sightline_sink::TrackId;

use super::association::{Association, Look};
use super::camera_motion::CameraMotion;
use super::config::TrackerConfig;
use super::lifecycle::{EndedTrack, TrackState, Tracklet};
use super::similarity::{cosine, normalise};
use super::view::Step;

/// Answers, for indices into the frame's detections, with one vector per index, or none where no crop could be embedded.
pub type Appearance<'a> = dyn FnMut(&[usize]) -> Vec<Option<Vec<f32>>> + 'a;

/// What the tracker left aside, since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TrackerCounts {
    /// Detections that were no box: not finite, without an area, or without a score.
    pub refused_detections: u64,
    /// Frames that were not newer than the one before.
    pub late_frames: u64,
    /// Tracks that were not born because `most_tracks` were alive.
    pub refused_births: u64,
    /// Crops whose look was asked for.
    pub looks_asked: u64,
    /// Tracks that were lost and recognised by their look.
    pub recognised: u64,
    /// Tracks that had come to show somebody else, and were taken apart.
    pub taken_apart: u64,
}

impl TrackerCounts {
    /// Why something is not taken in: a detection is no box, a frame is not newer than the last, there are too many tracks.
    pub const REASONS: [&'static str; 3] = ["no-box", "late-frame", "too-many"];

    /// What was not taken in, for each of [`TrackerCounts::REASONS`].
    pub fn refused(&self) -> [u64; Self::REASONS.len()] {
        [
            self.refused_detections,
            self.late_frames,
            self.refused_births,
        ]
    }

    /// What came to be since an earlier count.
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            refused_detections: self.refused_detections - earlier.refused_detections,
            late_frames: self.late_frames - earlier.late_frames,
            refused_births: self.refused_births - earlier.refused_births,
            looks_asked: self.looks_asked - earlier.looks_asked,
            recognised: self.recognised - earlier.recognised,
            taken_apart: self.taken_apart - earlier.taken_apart,
        }
    }
}

/// Follows the people before one camera.
#[derive(Debug)]
pub struct Tracker {
    pub(super) site: String,
    pub(super) camera: String,
    pub(super) config: TrackerConfig,
    pub(super) tracks: Vec<Tracklet>,
    pub(super) retired: Vec<Tracklet>,
    pub(super) ended: Vec<EndedTrack>,
    pub(super) association: Association,
    pub(super) frame: Frame,
    last_ns: Option<i64>,
    /// Width and height of the pictures, once told.
    pub(super) picture_px: Option<[f32; 2]>,
    /// Usual time between frames, smoothed.
    pub(super) frame_ns: i64,
    pub(super) counts: TrackerCounts,
    /// Tracks that began with this frame.
    pub(super) frame_births: u32,
}

/// Working memory of one frame.
#[derive(Debug, Default)]
pub(super) struct Frame {
    /// Detections for the first round, and for the second.
    pub high: Vec<usize>,
    pub low: Vec<usize>,
    /// What the round at hand compares: tracks and detections.
    pub rows: Vec<usize>,
    pub columns: Vec<usize>,
    pub pairs: Vec<(usize, usize)>,
    /// Per detection.
    pub looks: Vec<Option<Look>>,
    pub is_matched: Vec<bool>,
    /// Detections whose look is due: whether there is no doubt, when it was looked at, which.
    pub due: Vec<(bool, Option<i64>, usize)>,
    /// Detections whose look is asked for next, and how many were.
    pub asked: Vec<usize>,
    pub asked_count: usize,
}

impl Tracker {
    /// A tracker without tracks; `site` and `camera` enter the ids.
    pub fn new(site: &str, camera: &str, config: TrackerConfig) -> Self {
        Self {
            site: site.to_owned(),
            camera: camera.to_owned(),
            config,
            tracks: Vec::new(),
            retired: Vec::new(),
            ended: Vec::new(),
            association: Association::default(),
            frame: Frame::default(),
            last_ns: None,
            picture_px: None,
            frame_ns: 0,
            counts: TrackerCounts::default(),
            frame_births: 0,
        }
    }

    /// From now on pictures have this width and height: who is cut by their edge is not told by looks.
    pub fn set_picture_px(&mut self, size_px: [f32; 2]) {
        self.picture_px = Some(size_px);
    }

    /// Takes in one frame. Detections are in pixels of this frame; `motion` is the camera's since the last one.
    ///
    /// `appearance` is called at most twice, for at most `budget_per_frame` detections together. A frame that is not newer
    /// than the last changes nothing, shows nothing and is counted; a clock that jumped back further than tracks are remembered ends them.
    pub fn update(
        &mut self,
        capture_ns: i64,
        detections: &[Detection],
        motion: CameraMotion,
        appearance: &mut Appearance<'_>,
    ) -> Step<'_> {
        self.ended.clear();
        if let Some(last_ns) = self.last_ns {
            let step_ns = capture_ns.saturating_sub(last_ns);
            if step_ns <= 0 {
                if step_ns.unsigned_abs() <= self.memory_ns().unsigned_abs() {
                    self.counts.late_frames += 1;
                    return Step {
                        tracks: &[],
                        ended: &[],
                        is_late: true,
                    };
                }
                self.end_all();
            } else {
                self.predict(step_ns, motion);
            }
        }
        self.last_ns = Some(capture_ns);
        self.frame_births = 0;
        self.end_forgotten(capture_ns);
        self.sort_detections(detections);
        self.first_round(detections, appearance, capture_ns);
        self.low_round(detections, capture_ns);
        self.wide_round(detections, capture_ns);
        self.tentative_round(detections, capture_ns);
        self.settle();
        self.look_after(detections, appearance, capture_ns);
        self.bear(detections, capture_ns);
        self.step()
    }

    /// Ends every track, at the end of a recording or of a camera's connection, and returns them.
    pub fn finish(&mut self) -> &[EndedTrack] {
        self.ended.clear();
        self.end_all();
        self.last_ns = None;
        &self.ended
    }

    /// Teaches the look of a track from a vector that was computed for another purpose; unknown ids, useless vectors, those
    /// of people whom the picture's edge cuts, and those that may be of somebody else are ignored.
    pub fn learn(&mut self, track: TrackId, vector: &[f32]) {
        let memory = self.config.appearance.memory;
        let known = self.tracks.iter().position(|known| known.id == track);
        let Some(index) = known.filter(|&known| !self.is_cut(&self.tracks[known].last.bbox)) else {
            return;
        };
        let track = &mut self.tracks[index];
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        if length.is_finite() && length > 1e-12 {
            let vector: Vec<f32> = vector.iter().map(|x| x / length).collect();
            let is_like = cosine(&track.look, &vector)
                .is_none_or(|likeness| likeness >= self.config.appearance.doubted_cosine);
            if is_like && !track.doubts.are_open() {
                track.learn(&vector, memory);
            }
        }
    }

    /// What was left aside so far.
    pub fn counts(&self) -> TrackerCounts {
        self.counts
    }

    fn step(&self) -> Step<'_> {
        Step {
            tracks: &self.tracks,
            ended: &self.ended,
            is_late: false,
        }
    }

    fn memory_ns(&self) -> i64 {
        seconds_to_ns(
            self.config
                .lost_buffer_s
                .max(self.config.recognition_buffer_s),
        )
    }

    fn predict(&mut self, step_ns: i64, motion: CameraMotion) {
        self.frame_ns = if self.frame_ns == 0 {
            step_ns
        } else {
            // A gap is no frame rate: one step counts at most as two usual ones.
            (self.frame_ns * 7 + step_ns.min(self.frame_ns.saturating_mul(2))) / 8
        }
        .max(1);
        let seconds = step_ns as f64 * 1e-9;
        let fade = 0.5f64.powf(seconds / self.config.lost_speed_half_life_s.max(1e-3));
        for track in &mut self.tracks {
            track.detection = None;
            if track.is_just_confirmed || track.is_just_found {
                track.history.clear();
            }
            track.is_just_confirmed = false;
            track.is_just_found = false;
            if let CameraMotion::Moved(affine) = motion {
                track.warp(&affine);
            }
            if track.state == TrackState::Lost {
                track.motion.coast(fade);
            }
            track.motion.predict(seconds, &self.config.noise);
        }
    }

    /// Asks for the looks of the chosen detections, within the frame's budget.
    pub(super) fn ask_looks(
        &mut self,
        frame: &mut Frame,
        detections: &[Detection],
        appearance: &mut Appearance<'_>,
    ) {
        let budget = self.config.appearance.budget_per_frame;
        let is_known = |index: &usize| frame.looks[*index].is_some();
        frame.asked.retain(|index| !is_known(index));
        frame
            .asked
            .truncate(budget.saturating_sub(frame.asked_count));
        if frame.asked.is_empty() {
            return;
        }
        frame.asked_count += frame.asked.len();
        self.counts.looks_asked += frame.asked.len() as u64;
        for (&index, vector) in frame.asked.iter().zip(appearance(&frame.asked)) {
            let Some(mut vector) = vector else { continue };
            if !normalise(&mut vector) {
                continue;
            }
            let visible = self.visible(frame, detections, index);
            frame.looks[index] = Some(Look { vector, visible });
        }
    }

    fn sort_detections(&mut self, detections: &[Detection]) {
        let frame = &mut self.frame;
        for list in [&mut frame.high, &mut frame.low] {
            list.clear();
        }
        frame.looks.clear();
        frame.looks.resize_with(detections.len(), || None);
        frame.is_matched.clear();
        frame.is_matched.resize(detections.len(), false);
        for (index, detection) in detections.iter().enumerate() {
            let BBox { x0, y0, x1, y1 } = detection.bbox;
            let is_sane = [x0, y0, x1, y1].iter().all(|edge| edge.abs() < 1e6);
            if !is_sane || x1 <= x0 || y1 <= y0 || detection.score.is_nan() {
                self.counts.refused_detections += 1;
            } else if detection.score >= self.config.high_score {
                frame.high.push(index);
            } else if detection.score >= self.config.low_score {
                frame.low.push(index);
            }
        }
        frame.asked_count = 0;
    }

    pub(super) fn lost_for_ns(&self, index: usize, capture_ns: i64) -> i64 {
        capture_ns - self.tracks[index].last.capture_ns
    }
}

pub(super) fn seconds_to_ns(seconds: f64) -> i64 {
    (seconds * 1e9) as i64
}
