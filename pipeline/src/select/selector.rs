//! Which crops of a track add something, and which of their vectors are worth a sighting.
//!
//! Two questions, asked apart because the second can only be answered after the network ran: [`Selector::consider`] looks at box and
//! picture (a new view, or a clearly better one, and not too often), [`Selector::accept`] at the vector (new, or better than what it
//! resembles).

use std::collections::HashMap;

use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};
use sightline_detector::BBox;
use sightline_sink::TrackId;

use super::quality::{CropQuality, QualityGauge};
use crate::track::similarity::normalise;

/// Settings of a [`Selector`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SelectorConfig {
    /// Most crops of one track in one second.
    pub per_track_per_second: f32,
    /// Most views and most vectors kept of one track; better ones take the place of the worst.
    pub most_kept: usize,
    /// Most crops of one track embedded in its whole life.
    pub most_embedded: u32,
    /// Least height of a person, pixels.
    pub least_height_px: f32,
    /// Least quality of a crop, 0 to 1.
    pub least_quality: f32,
    /// A crop of a known view counts when its quality is this much above the best so far.
    pub better_by: f32,
    /// A vector is new when its cosine to all that are kept is below this.
    pub new_view_below: f32,
    /// A view is new when the person is this many times larger or smaller than in all kept views.
    pub new_scale: f32,
    /// Or when width against height changed by this factor (front to side).
    pub new_aspect: f32,
    /// Or when the person walks in a direction that differs by this, degrees.
    pub new_heading_degrees: f32,
    /// Or when it stands this many of its heights away (other light, other angle).
    pub new_place_heights: f32,
}

impl Default for SelectorConfig {
    fn default() -> Self {
        Self {
            per_track_per_second: 1.0,
            most_kept: 8,
            most_embedded: 32,
            least_height_px: 48.0,
            least_quality: 0.2,
            better_by: 0.1,
            new_view_below: 0.85,
            new_scale: 1.5,
            new_aspect: 1.5,
            new_heading_degrees: 60.0,
            new_place_heights: 3.0,
        }
    }
}

impl From<&crate::config::SelectConfig> for SelectorConfig {
    /// The `[select]` section of a configuration file; what it does not name keeps its tuned value.
    fn from(section: &crate::config::SelectConfig) -> Self {
        Self {
            per_track_per_second: section.per_track_per_second,
            most_embedded: section.max_kept.get(),
            least_height_px: section.min_height_px as f32,
            least_quality: section.min_quality.get(),
            better_by: section.better_by.get(),
            new_view_below: section.new_view_below.get(),
            ..Self::default()
        }
    }
}

/// A crop worth embedding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pick {
    /// When it was taken, unix nanoseconds.
    pub capture_ns: i64,
    /// What to cut out, pixels of the frame.
    pub bbox: BBox,
    /// How good the crop is.
    pub quality: CropQuality,
}

/// What becomes of an embedded crop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Emit<'a> {
    /// Worth an event of its own.
    Sighting {
        /// Counts the track's sightings from 0.
        sequence: u32,
        /// The track's state with this crop.
        state: TrackMean<'a>,
    },
    /// It is in the mean, and says nothing else that is new.
    Nothing,
}

/// A track's vectors so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrackMean<'a> {
    /// Quality-weighted mean of all embedded crops and looks, L2-normalised; empty before the first.
    pub mean: &'a [f32],
    /// Crops in it.
    pub count: u32,
    /// Best quality among them.
    pub best_quality: f32,
}

/// A track's state at its end.
#[derive(Debug, Clone, PartialEq)]
pub struct FinalState {
    /// The sequence number of the event that ends the track, one after its last sighting.
    pub sequence: u32,
    /// Quality-weighted mean, L2-normalised; empty when nothing was embedded.
    pub mean: Vec<f32>,
    /// Crops in it.
    pub count: u32,
    /// Best quality among them.
    pub best_quality: f32,
}

/// A running quality-weighted mean of vectors, L2-normalised on reading.
#[derive(Debug, Clone, Default)]
pub struct WeightedMean {
    sum: Vec<f32>,
    mean: Vec<f32>,
    count: u32,
}

impl WeightedMean {
    /// Adds a vector, which is L2-normalised first; false when it is of no use (zero, not finite, or of another dimension).
    pub fn add(&mut self, vector: &[f32], weight: f32) -> bool {
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        let fits = self.sum.is_empty() || self.sum.len() == vector.len();
        if !fits || !length.is_finite() || length < 1e-12 || weight.is_nan() || weight <= 0.0 {
            return false;
        }
        self.sum.resize(vector.len(), 0.0);
        for (sum, value) in self.sum.iter_mut().zip(vector) {
            *sum += value / length * weight;
        }
        self.mean.clone_from(&self.sum);
        self.count += 1;
        normalise(&mut self.mean)
    }

    /// The mean, empty before the first vector.
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// How many vectors are in it.
    pub fn count(&self) -> u32 {
        self.count
    }
}

/// From which side and how far a person was seen.
#[derive(Debug, Clone, Copy)]
struct View {
    capture_ns: i64,
    height: f32,
    aspect: f32,
    centre: (f32, f32),
    heading: Option<f32>,
    quality: f32,
}

#[derive(Debug, Default)]
struct Kept {
    views: Vec<View>,
    exemplars: Vec<(Vec<f32>, f32)>,
    mean: WeightedMean,
    best_quality: f32,
    embedded: u32,
    sequence: u32,
    last_pick_ns: Option<i64>,
    /// Where it was a while ago, for its heading.
    anchor: Option<(i64, (f32, f32))>,
    heading: Option<f32>,
}

/// Chooses crops for all tracks of one camera.
#[derive(Debug)]
pub struct Selector {
    config: SelectorConfig,
    gauge: QualityGauge,
    tracks: HashMap<TrackId, Kept>,
}

impl Selector {
    /// A selector that knows no tracks.
    pub fn new(config: SelectorConfig) -> Self {
        Self {
            config,
            gauge: QualityGauge::default(),
            tracks: HashMap::new(),
        }
    }

    /// Whether this frame's crop of a confirmed track is worth embedding. `luma` is the whole frame (H x W), `others` the boxes of
    /// everybody else in it.
    pub fn consider(
        &mut self,
        track: TrackId,
        capture_ns: i64,
        bbox: &BBox,
        score: f32,
        luma: &ArrayView2<'_, u8>,
        others: &[BBox],
    ) -> Option<Pick> {
        let config = &self.config;
        let kept = self.tracks.entry(track).or_default();
        kept.follow(capture_ns, bbox);
        let interval_ns = (1e9 / f64::from(config.per_track_per_second.max(1e-3))) as i64;
        let is_too_soon = kept
            .last_pick_ns
            .is_some_and(|last| capture_ns - last < interval_ns);
        if is_too_soon || kept.embedded >= config.most_embedded {
            return None;
        }
        if !bbox.is_finite() || bbox.height() < config.least_height_px {
            return None;
        }
        let quality = self.gauge.measure(luma, bbox, others, score)?;
        let view = View {
            capture_ns,
            height: bbox.height(),
            aspect: bbox.width() / bbox.height(),
            centre: bbox.center(),
            heading: kept.heading,
            quality: quality.value(),
        };
        if view.quality < config.least_quality || !kept.adds(&view, config) {
            return None;
        }
        kept.keep_view(view, config.most_kept);
        kept.last_pick_ns = Some(capture_ns);
        kept.embedded += 1;
        Some(Pick {
            capture_ns,
            bbox: *bbox,
            quality,
        })
    }

    /// Takes back a pick that was not embedded after all, so that its view may be picked again.
    pub fn withdraw(&mut self, track: TrackId, pick: &Pick) {
        if let Some(kept) = self.tracks.get_mut(&track) {
            kept.views.retain(|view| view.capture_ns != pick.capture_ns);
            kept.embedded = kept.embedded.saturating_sub(1);
            if kept.last_pick_ns == Some(pick.capture_ns) {
                kept.last_pick_ns = None;
            }
        }
    }

    /// Takes in the vector of a pick, and says whether it is worth a sighting. A useless vector (zero, not finite, of another dimension) is not.
    pub fn accept(&mut self, track: TrackId, pick: &Pick, embedding: &[f32]) -> Emit<'_> {
        let kept = self.tracks.entry(track).or_default();
        let quality = pick.quality.value();
        if !kept.mean.add(embedding, quality) {
            return Emit::Nothing;
        }
        kept.best_quality = kept.best_quality.max(quality);
        let mut vector = embedding.to_vec();
        normalise(&mut vector);
        if !kept.keep_exemplar(vector, quality, &self.config) {
            return Emit::Nothing;
        }
        let sequence = kept.sequence;
        kept.sequence += 1;
        Emit::Sighting {
            sequence,
            state: TrackMean {
                mean: kept.mean.mean(),
                count: kept.mean.count(),
                best_quality: kept.best_quality,
            },
        }
    }

    /// Takes a vector into the track's mean that was made for another purpose, of a crop in full sight. Useless ones, those of
    /// people too small to be picked, and those before the first sighting are left out: who has a mean has a picture.
    pub fn look(&mut self, track: TrackId, bbox: &BBox, vector: &[f32]) {
        if bbox.height() >= self.config.least_height_px
            && let Some(kept) = self.tracks.get_mut(&track)
            && kept.sequence > 0
        {
            kept.mean.add(vector, LOOK_WEIGHT);
        }
    }

    /// Forgets a track that ended; none when it was never considered.
    pub fn end(&mut self, track: TrackId) -> Option<FinalState> {
        let kept = self.tracks.remove(&track)?;
        Some(FinalState {
            sequence: kept.sequence,
            count: kept.mean.count,
            mean: kept.mean.mean,
            best_quality: kept.best_quality,
        })
    }
}

/// What a look counts in a mean, where a pick counts its quality: as much as a usual one.
const LOOK_WEIGHT: f32 = 0.5;

/// Headings are measured over this time.
const HEADING_SPAN_NS: i64 = 700_000_000;

impl Kept {
    fn follow(&mut self, capture_ns: i64, bbox: &BBox) {
        let centre = bbox.center();
        let Some((since_ns, from)) = self.anchor else {
            self.anchor = Some((capture_ns, centre));
            return;
        };
        if capture_ns - since_ns < HEADING_SPAN_NS {
            return;
        }
        let (x, y) = (centre.0 - from.0, centre.1 - from.1);
        // Standing people have no heading; the box alone wobbles by a tenth of their height.
        self.heading = (x.hypot(y) > 0.15 * bbox.height()).then(|| y.atan2(x).to_degrees());
        self.anchor = Some((capture_ns, centre));
    }

    fn adds(&self, view: &View, config: &SelectorConfig) -> bool {
        let best = self.views.iter().map(|known| known.quality);
        let best = best.fold(0.0, f32::max);
        view.quality >= best + config.better_by
            || self.views.iter().all(|known| view.differs(known, config))
    }

    fn keep_view(&mut self, view: View, most: usize) {
        if self.views.len() >= most.max(1) {
            let worst = (0..self.views.len())
                .min_by(|&a, &b| self.views[a].quality.total_cmp(&self.views[b].quality));
            if let Some(worst) = worst {
                self.views.remove(worst);
            }
        }
        self.views.push(view);
    }

    fn keep_exemplar(&mut self, vector: Vec<f32>, quality: f32, config: &SelectorConfig) -> bool {
        let cosine = |known: &[f32]| -> f32 { known.iter().zip(&vector).map(|(a, b)| a * b).sum() };
        let nearest = (0..self.exemplars.len())
            .map(|index| (index, cosine(&self.exemplars[index].0)))
            .max_by(|a, b| a.1.total_cmp(&b.1));
        if let Some((nearest, alike)) = nearest
            && alike >= config.new_view_below
        {
            if quality < self.exemplars[nearest].1 + config.better_by {
                return false;
            }
            self.exemplars[nearest] = (vector, quality);
            return true;
        }
        if self.exemplars.len() < config.most_kept.max(1) {
            self.exemplars.push((vector, quality));
            return true;
        }
        let worst = (0..self.exemplars.len())
            .min_by(|&a, &b| self.exemplars[a].1.total_cmp(&self.exemplars[b].1));
        match worst {
            Some(worst) if self.exemplars[worst].1 < quality => {
                self.exemplars[worst] = (vector, quality);
                true
            }
            _ => false,
        }
    }
}

impl View {
    fn differs(&self, other: &Self, config: &SelectorConfig) -> bool {
        let ratio = |a: f32, b: f32| (a / b).max(b / a);
        let distance = (self.centre.0 - other.centre.0).hypot(self.centre.1 - other.centre.1);
        let turn = match (self.heading, other.heading) {
            (Some(a), Some(b)) => {
                let turn = (a - b).abs();
                turn.min(360.0 - turn)
            }
            _ => 0.0,
        };
        ratio(self.height, other.height) >= config.new_scale
            || ratio(self.aspect, other.aspect) >= config.new_aspect
            || turn >= config.new_heading_degrees
            || distance >= config.new_place_heights * self.height.max(other.height)
    }
}
