//! Track and select for one camera: detections of a frame in, boxes and events out.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use ndarray::Array2;
use sightline_detector::{BBox, Detection};
use sightline_sink::{Bytes, Event, Sighting, SightingId, TrackId, TrackState};

use super::coverage::Watch;
use super::encoders::Embedders;
use super::joint::JointViews;
use super::outcome::{Outcome, TrackBox, TrackEnd};
use super::picture;
use super::timing::{StageTimes, thread_cpu_ns};
use crate::ingest::{Frame, Region};
use crate::select::{Emit, FinalState, Pick, Selector, SelectorConfig};
use crate::track::{
    CameraMotionConfig, CameraMotionEstimator, EndedTrack, Tracker, TrackerConfig, TrackerCounts,
};

/// Frames whose numbers are remembered, to name those of a track that is confirmed later.
const REMEMBERED_FRAMES: usize = 1024;

/// What a follower is made of.
#[derive(Clone)]
pub struct FollowerParts {
    /// Name of the place.
    pub site: Arc<str>,
    /// Settings of the tracker.
    pub tracker: TrackerConfig,
    /// Settings of the selection.
    pub selector: SelectorConfig,
    /// Settings of the estimate of the camera's own motion.
    pub camera_motion: CameraMotionConfig,
    /// The ways to the encoders.
    pub embedders: Embedders,
    /// Where the time goes.
    pub times: Arc<StageTimes>,
    /// Whether outcomes carry their picture.
    pub keep_frames: bool,
    /// Whether coverage is told from frames, as for recordings; live, the cameras tell it.
    pub tells_coverage: bool,
}

/// Follows the people before one camera and says which of their crops are worth keeping.
pub struct Follower {
    parts: FollowerParts,
    camera: Arc<str>,
    camera_index: usize,
    region: Option<Region>,
    tracker: Tracker,
    motion: CameraMotionEstimator,
    selector: Selector,
    joint: JointViews,
    watch: Watch,
    numbers: VecDeque<(i64, u64)>,
    inside: Vec<Detection>,
    boxes: Vec<BBox>,
    /// Vectors that the tracker asked for on this frame, by detection.
    looks: Vec<Option<Vec<f32>>>,
    picks: Vec<(TrackId, usize, Pick)>,
    others: Vec<BBox>,
    last: (i64, u64),
    last_box: HashMap<TrackId, LastSeen>,
}

impl Follower {
    /// A follower of the camera `camera`, the `camera_index`th of the list.
    pub fn new(
        parts: FollowerParts,
        camera: Arc<str>,
        camera_index: usize,
        region: Option<Region>,
    ) -> Self {
        Self {
            tracker: Tracker::new(&parts.site, &camera, parts.tracker.clone()),
            motion: CameraMotionEstimator::new(parts.camera_motion),
            selector: Selector::new(parts.selector.clone()),
            joint: JointViews::new(parts.embedders.joint.clone()),
            watch: Watch::new(parts.site.clone(), camera.clone()),
            parts,
            camera,
            camera_index,
            region,
            numbers: VecDeque::with_capacity(REMEMBERED_FRAMES),
            inside: Vec::new(),
            boxes: Vec::new(),
            looks: Vec::new(),
            picks: Vec::new(),
            others: Vec::new(),
            last: (0, 0),
            last_box: HashMap::new(),
        }
    }

    /// The camera's name.
    pub fn camera(&self) -> &Arc<str> {
        &self.camera
    }

    /// Changes where detections count.
    pub fn set_region(&mut self, region: Option<Region>) {
        self.region = region;
    }

    /// Takes in one frame and its detections; `dropped` frames were lost since the one before.
    ///
    /// # Errors
    /// When the encoder fails: there is no vector then, and no honest sighting.
    pub fn follow(
        &mut self,
        ordinal: u64,
        frame: &Arc<Frame>,
        detections: &[Detection],
        dropped: u64,
        clock_error_ns: Option<i64>,
    ) -> Result<Outcome> {
        let (capture_ns, sequence) = (frame.capture_ns, frame.sequence);
        self.last = (capture_ns, sequence);
        if self.numbers.len() == REMEMBERED_FRAMES {
            self.numbers.pop_front();
        }
        self.numbers.push_back((capture_ns, sequence));
        self.inside.clear();
        self.inside.extend(detections.iter().filter(|detection| {
            self.region.as_ref().is_none_or(|region| {
                region.contains(&detection.bbox, frame.width(), frame.height())
            })
        }));
        let mut outcome = Outcome {
            ordinal,
            camera_index: self.camera_index,
            capture_ns,
            sequence,
            size_px: [frame.width() as f32, frame.height() as f32],
            detections: u32::try_from(self.inside.len()).unwrap_or(u32::MAX),
            boxes: Vec::with_capacity(self.inside.len()),
            events: Vec::new(),
            ended: Vec::new(),
            tracker: TrackerCounts::default(),
            is_end: false,
            frame: self.parts.keep_frames.then(|| frame.clone()),
        };
        if self.parts.tells_coverage {
            let told = self.watch.see(capture_ns, dropped, clock_error_ns);
            outcome.events.extend(told.map(Event::Coverage));
        }
        self.track(frame, &mut outcome)?;
        self.embed(frame, clock_error_ns, &mut outcome)?;
        Ok(outcome)
    }

    /// Ends every track and the watched interval: the camera is closed.
    pub fn finish(&mut self, ordinal: u64) -> Outcome {
        let (capture_ns, sequence) = self.last;
        let mut outcome = Outcome {
            ordinal,
            camera_index: self.camera_index,
            capture_ns,
            sequence,
            size_px: [0.0; 2],
            detections: 0,
            boxes: Vec::new(),
            events: Vec::new(),
            ended: Vec::new(),
            tracker: TrackerCounts::default(),
            is_end: true,
            frame: None,
        };
        let ended: Vec<_> = self
            .tracker
            .finish()
            .iter()
            .filter(|end| end.is_confirmed)
            .copied()
            .collect();
        for end in ended {
            self.end(end, &mut outcome);
        }
        outcome
            .events
            .extend(self.watch.close().map(Event::Coverage));
        outcome
    }

    /// Boxes to tracks, and the crops that are worth embedding.
    fn track(&mut self, frame: &Arc<Frame>, outcome: &mut Outcome) -> Result<()> {
        let times = self.parts.times.clone();
        let luma = frame.luma();
        self.boxes.clear();
        self.boxes
            .extend(self.inside.iter().map(|detection| detection.bbox));
        self.looks.clear();
        self.looks.resize(self.inside.len(), None);
        let (looks, boxes, embedder) = (
            &mut self.looks,
            &self.boxes,
            &self.parts.embedders.appearance,
        );
        let mut fault = None;
        let mut waited_ns = 0;
        let mut appearance = |asked: &[usize]| {
            let begin = Instant::now();
            let crops: Vec<BBox> = asked.iter().map(|&index| boxes[index]).collect();
            let rows = embedder.embed(frame, &crops).unwrap_or_else(|error| {
                fault = Some(error);
                Array2::zeros((0, 0))
            });
            for (&index, row) in asked.iter().zip(rows.outer_iter()) {
                looks[index] = Some(row.to_vec());
            }
            waited_ns += u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
            asked.iter().map(|&index| looks[index].clone()).collect()
        };
        let before = self.tracker.counts();
        let (begin, cpu_ns) = (Instant::now(), thread_cpu_ns());
        let motion = self.motion.estimate(&luma, boxes.iter())?;
        self.tracker
            .set_picture_px([frame.width() as f32, frame.height() as f32]);
        let step = self
            .tracker
            .update(frame.capture_ns, &self.inside, motion, &mut appearance);
        let wall_ns = u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        times.track.add(
            1,
            wall_ns.saturating_sub(waited_ns),
            thread_cpu_ns() - cpu_ns,
        );
        if let Some(fault) = fault {
            return Err(fault);
        }
        let size = [frame.width() as f32, frame.height() as f32];
        self.picks.clear();
        let (selector, picks, last_box, others) = (
            &mut self.selector,
            &mut self.picks,
            &mut self.last_box,
            &mut self.others,
        );
        let numbers = &self.numbers;
        times.select.measure(1, || {
            for seen in step.seen() {
                let Some(index) = seen.detection() else {
                    continue;
                };
                let bbox = self.boxes[index];
                outcome
                    .boxes
                    .extend(seen.history().iter().map(|earlier| TrackBox {
                        track: seen.id(),
                        sequence: number_at(numbers, earlier.capture_ns),
                        bbox: earlier.bbox,
                        score: earlier.score,
                    }));
                outcome.boxes.push(TrackBox {
                    track: seen.id(),
                    sequence: frame.sequence,
                    bbox,
                    score: seen.score(),
                });
                last_box.insert(
                    seen.id(),
                    LastSeen {
                        bbox: normalised(&bbox, size),
                        first_ns: seen.first_capture_ns(),
                        hits: seen.hits(),
                    },
                );
                // Whose crop it would be is not known.
                if seen.is_doubted() {
                    continue;
                }
                others.clear();
                others.extend(
                    boxes
                        .iter()
                        .enumerate()
                        .filter(|(at, _)| *at != index)
                        .map(|(_, b)| *b),
                );
                let pick = selector.consider(
                    seen.id(),
                    frame.capture_ns,
                    &bbox,
                    seen.score(),
                    &luma,
                    others,
                );
                match pick {
                    Some(pick) => picks.push((seen.id(), index, pick)),
                    None if seen.is_sure_now() => {
                        if let Some(vector) = &self.looks[index] {
                            selector.look(seen.id(), &bbox, vector);
                        }
                    }
                    None => {}
                }
            }
        });
        let ended: Vec<EndedTrack> = step
            .ended()
            .iter()
            .filter(|end| end.is_confirmed)
            .copied()
            .collect();
        for end in ended {
            self.end(end, outcome);
        }
        outcome.tracker = self.tracker.counts().since(&before);
        Ok(())
    }

    /// Vectors of the picked crops, and the sightings among them.
    fn embed(
        &mut self,
        frame: &Arc<Frame>,
        clock_error_ns: Option<i64>,
        outcome: &mut Outcome,
    ) -> Result<()> {
        let missing: Vec<usize> = self
            .picks
            .iter()
            .map(|(_, index, _)| *index)
            .filter(|&index| self.looks[index].is_none())
            .collect();
        let crops: Vec<BBox> = missing.iter().map(|&index| self.boxes[index]).collect();
        let rows = self.parts.embedders.appearance.embed(frame, &crops)?;
        for (index, row) in missing.into_iter().zip(rows.outer_iter()) {
            self.looks[index] = Some(row.to_vec());
        }
        let mut sightings = Vec::new();
        let mut views = Vec::new();
        for place in 0..self.picks.len() {
            let (track, index, pick) = self.picks[place];
            let Some(vector) = self.looks[index].take() else {
                continue;
            };
            self.tracker.learn(track, &vector);
            let Some(last) = self.last_box.get(&track).copied() else {
                continue;
            };
            let Emit::Sighting { sequence, state } = self.selector.accept(track, &pick, &vector)
            else {
                continue;
            };
            let embedder = &self.parts.embedders.appearance;
            let state = TrackState {
                start_ns: last.first_ns,
                end_ns: frame.capture_ns,
                detections: last.hits,
                revision: sequence,
                vectors: vec![embedder.named(state.mean)],
                best_quality: state.best_quality,
                has_ended: false,
            };
            let jpeg = picture::encode(&picture::cut(frame, pick.bbox)?)?;
            let quality = pick.quality.value();
            views.push((track, pick.bbox, quality));
            sightings.push(Sighting {
                id: SightingId::derive(track, sequence),
                track,
                site: self.parts.site.to_string(),
                camera: self.camera.to_string(),
                capture_ns: frame.capture_ns,
                clock_error_ns,
                bbox: last.bbox,
                quality,
                sequence,
                vectors: vec![embedder.named(&vector)],
                crop: Some(Bytes::from(jpeg)),
                state,
                is_end: false,
            });
        }
        let views = self.joint.look(frame, &views)?;
        for (sighting, view) in sightings.iter_mut().zip(views) {
            sighting.vectors.push(view.vector);
            sighting.state.vectors.push(view.mean);
        }
        let events = sightings
            .into_iter()
            .map(|sighting| Event::Sighting(Box::new(sighting)));
        outcome.events.extend(events);
        Ok(())
    }

    fn end(&mut self, end: EndedTrack, outcome: &mut Outcome) {
        let Some(last) = self.last_box.remove(&end.id) else {
            return;
        };
        let FinalState {
            sequence,
            mean,
            best_quality,
            ..
        } = self.selector.end(end.id).unwrap_or_else(|| FinalState {
            sequence: 0,
            mean: Vec::new(),
            count: 0,
            best_quality: 0.0,
        });
        outcome.ended.push(TrackEnd {
            track: end.id,
            start_ns: end.first_capture_ns,
            end_ns: end.last_capture_ns,
            detections: end.hits,
            sightings: sequence,
        });
        let appearance = &self.parts.embedders.appearance;
        let appearance = (!mean.is_empty()).then(|| appearance.named(&mean));
        let joint = self.joint.end(end.id);
        let vectors = appearance.into_iter().chain(joint).collect();
        outcome.events.push(Event::Sighting(Box::new(Sighting {
            id: SightingId::derive(end.id, sequence),
            track: end.id,
            site: self.parts.site.to_string(),
            camera: self.camera.to_string(),
            capture_ns: end.last_capture_ns,
            clock_error_ns: None,
            bbox: last.bbox,
            quality: best_quality,
            sequence,
            vectors: Vec::new(),
            crop: None,
            state: TrackState {
                start_ns: end.first_capture_ns,
                end_ns: end.last_capture_ns,
                detections: end.hits,
                revision: sequence,
                vectors,
                best_quality,
                has_ended: true,
            },
            is_end: true,
        })));
    }
}

/// What an end event needs of a track's last frames.
#[derive(Clone, Copy, Debug)]
struct LastSeen {
    bbox: [f32; 4],
    first_ns: i64,
    hits: u32,
}

/// A box as shares of the frame's sides, inside it and not empty, as the wire wants it.
fn normalised(bbox: &BBox, [width, height]: [f32; 2]) -> [f32; 4] {
    // Boxes of a pixel's width or more survive the clipping; thinner ones are widened to it.
    let axis = |low: f32, high: f32, length: f32| {
        let low = (low / length).clamp(0.0, 1.0 - 1.0 / length);
        (low, (high / length).clamp(low + 1.0 / length, 1.0))
    };
    let (x0, x1) = axis(bbox.x0, bbox.x1, width);
    let (y0, y1) = axis(bbox.y0, bbox.y1, height);
    [x0, y0, x1, y1]
}

/// The number of the frame taken at this time; the oldest that is remembered for one before it.
fn number_at(numbers: &VecDeque<(i64, u64)>, capture_ns: i64) -> u64 {
    let after = numbers.partition_point(|(time_ns, _)| *time_ns <= capture_ns);
    numbers
        .get(after.saturating_sub(1))
        .map_or(0, |(_, number)| *number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_on_the_wire_lies_inside_its_frame() {
        for bbox in [
            BBox::new(-20.0, -5.0, 30.0, 90.0),
            BBox::new(635.0, 470.0, 700.0, 600.0),
            BBox::new(700.0, 500.0, 710.0, 505.0),
            BBox::new(10.0, 10.0, 10.0, 10.0),
        ] {
            let [x0, y0, x1, y1] = normalised(&bbox, [640.0, 480.0]);
            assert!(
                0.0 <= x0 && x0 < x1 && x1 <= 1.0 && 0.0 <= y0 && y0 < y1 && y1 <= 1.0,
                "{bbox:?}"
            );
        }
    }

    #[test]
    fn a_frame_is_found_by_its_time() {
        let numbers: VecDeque<_> = (5..9_u64).map(|n| (n.cast_signed() * 100, n)).collect();
        assert_eq!(
            [400, 500, 650, 900].map(|time| number_at(&numbers, time)),
            [5, 5, 6, 8]
        );
    }
}
