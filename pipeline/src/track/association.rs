//! Rounds of association: rows of tracks against columns of detections, one cost matrix each.

use sightline_detector::Detection;

use super::assignment::Assigner;
use super::config::{AppearanceConfig, TrackerConfig};
use super::lifecycle::Tracklet;
use super::similarity::{box_similarity, cosine, heading_similarity};

/// What one round compares, and from which similarity on it pairs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Round {
    pub buffer: f32,
    pub least_similarity: f32,
    pub score_weight: f32,
    pub heading_weight: f32,
    pub appearance_weight: f32,
    /// What it costs to leave a track alone; a pair costs 1 less its gains.
    pub alone_cost: f32,
    /// Also compare with where the track was last seen.
    pub is_last_seen_tried: bool,
}

/// What a detection looks like.
#[derive(Debug)]
pub(super) struct Look {
    /// L2-normalised.
    pub vector: Vec<f32>,
    /// The share of the person that nobody in front hides.
    pub visible: f32,
}

/// Working memory of the rounds; grows to the largest frame and stays.
#[derive(Debug, Default)]
pub(super) struct Association {
    /// Similarity of boxes alone, rows x columns.
    similarity: Vec<f32>,
    cost: Vec<f32>,
    assigner: Assigner,
    /// Contested detections, most contested first.
    contested: Vec<(f32, usize)>,
}

impl Association {
    /// Fills the matrix of box similarities for `rows` (indices of tracks) against `columns` (indices of detections).
    pub fn compare(
        &mut self,
        tracks: &[Tracklet],
        rows: &[usize],
        detections: &[Detection],
        columns: &[usize],
        round: &Round,
        height_exponent: f32,
    ) {
        self.similarity.clear();
        for &row in rows {
            let predicted = tracks[row].motion.bbox();
            let last_seen = tracks[row].last.bbox;
            for &column in columns {
                let bbox = &detections[column].bbox;
                let mut similarity =
                    box_similarity(&predicted, bbox, round.buffer, height_exponent);
                if round.is_last_seen_tried {
                    similarity = similarity.max(box_similarity(
                        &last_seen,
                        bbox,
                        round.buffer,
                        height_exponent,
                    ));
                }
                self.similarity.push(similarity);
            }
        }
    }

    /// The detections that more than one track could claim, or whose track could claim another, most contested first.
    ///
    /// A detection counts only when a track that could claim it has a look to compare with.
    pub fn contested(
        &mut self,
        tracks: &[Tracklet],
        rows: &[usize],
        columns: &[usize],
        round: &Round,
        config: &AppearanceConfig,
        chosen: &mut Vec<usize>,
    ) {
        let (least_similarity, margin) = (round.least_similarity, config.contest_margin);
        let budget = config.budget_per_frame;
        chosen.clear();
        self.contested.clear();
        if budget == 0 {
            return;
        }
        let width = columns.len();
        for (column, &detection) in columns.iter().enumerate() {
            let mut closest = f32::INFINITY;
            let mut is_comparable = false;
            let (mut best, mut second) = (0.0f32, 0.0f32);
            for (row, &track) in rows.iter().enumerate() {
                let similarity = self.similarity[row * width + column];
                if similarity < least_similarity {
                    continue;
                }
                is_comparable |= !tracks[track].look.is_empty();
                if similarity > best {
                    (best, second) = (similarity, best);
                } else {
                    second = second.max(similarity);
                }
                let rival = (0..width)
                    .filter(|&other| other != column)
                    .map(|other| self.similarity[row * width + other])
                    .fold(0.0, f32::max);
                if rival >= least_similarity {
                    closest = closest.min((similarity - rival).abs());
                }
            }
            if second >= least_similarity {
                closest = closest.min(best - second);
            }
            if is_comparable && closest < margin {
                self.contested.push((closest, detection));
            }
        }
        self.contested
            .sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        chosen.extend(
            self.contested
                .iter()
                .take(budget)
                .map(|&(_, detection)| detection),
        );
    }

    /// Pairs rows and columns; each pair is `(position in rows, position in columns)`.
    #[expect(
        clippy::too_many_arguments,
        reason = "one call a round, all of it borrowed"
    )]
    pub fn assign(
        &mut self,
        tracks: &[Tracklet],
        rows: &[usize],
        detections: &[Detection],
        columns: &[usize],
        looks: &[Option<Look>],
        round: &Round,
        config: &TrackerConfig,
    ) -> &[(usize, usize)] {
        let span_ns = (config.association.heading_span_s * 1e9) as i64;
        let neutral = config.appearance.neutral_cosine;
        self.cost.clear();
        let mut similarities = self.similarity.iter();
        for &row in rows {
            let track = &tracks[row];
            let before = track.before_last(span_ns);
            for &column in columns {
                let similarity = similarities.next().copied().unwrap_or(0.0);
                if similarity < round.least_similarity || similarity <= 0.0 {
                    self.cost.push(f32::INFINITY);
                    continue;
                }
                let detection = &detections[column];
                let mut gain = similarity
                    * (1.0 - round.score_weight * (1.0 - detection.score.clamp(0.0, 1.0)));
                if round.heading_weight > 0.0
                    && let Some(before) = before
                {
                    gain += round.heading_weight
                        * heading_similarity(before, &track.last.bbox, &detection.bbox);
                }
                if round.appearance_weight > 0.0
                    && let Some(look) = &looks[column]
                    && let Some(cosine) = cosine(&track.look, &look.vector)
                {
                    // What hides a person also spoils its look.
                    gain += round.appearance_weight * look.visible * (cosine - neutral);
                }
                self.cost.push(1.0 - gain);
            }
        }
        self.assigner
            .solve(rows.len(), columns.len(), &self.cost, round.alone_cost)
    }
}
