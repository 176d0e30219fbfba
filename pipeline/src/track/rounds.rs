//! The rounds of association, surest first.

use sightline_detector::Detection;

use super::association::Round;
use super::lifecycle::{Observation, TrackState};
use super::tracker::{Appearance, Frame, Tracker, seconds_to_ns};

impl Tracker {
    /// Confirmed and lost tracks against all good detections; those that are contested are told apart by their look.
    pub(super) fn first_round(
        &mut self,
        detections: &[Detection],
        appearance: &mut Appearance<'_>,
        capture_ns: i64,
    ) {
        let lost_ns = seconds_to_ns(self.config.lost_buffer_s);
        let mut frame = std::mem::take(&mut self.frame);
        frame.rows.clear();
        frame.rows.extend((0..self.tracks.len()).filter(|&index| {
            self.tracks[index].is_confirmed() && self.lost_for_ns(index, capture_ns) <= lost_ns
        }));
        frame.columns.clone_from(&frame.high);
        let config = &self.config;
        let round = Round {
            buffer: config.association.buffer,
            least_similarity: config.association.first_similarity,
            score_weight: config.association.score_weight,
            heading_weight: config.association.heading_weight,
            appearance_weight: config.appearance.weight,
            alone_cost: config.association.alone_cost,
            is_last_seen_tried: false,
        };
        self.association.compare(
            &self.tracks,
            &frame.rows,
            detections,
            &frame.columns,
            &round,
            config.association.height_exponent,
        );
        self.association.contested(
            &self.tracks,
            &frame.rows,
            &frame.columns,
            &round,
            &config.appearance,
            &mut frame.asked,
        );
        self.ask_looks(&mut frame, detections, appearance);
        self.run_round(&mut frame, detections, &round, capture_ns);
        self.frame = frame;
    }

    /// Tracks just in sight that found nothing, against doubtful detections.
    pub(super) fn low_round(&mut self, detections: &[Detection], capture_ns: i64) {
        let mut frame = std::mem::take(&mut self.frame);
        frame.rows.clear();
        frame.rows.extend((0..self.tracks.len()).filter(|&index| {
            let track = &self.tracks[index];
            track.state == TrackState::Confirmed && track.detection.is_none()
        }));
        frame.columns.clone_from(&frame.low);
        let association = &self.config.association;
        let round = Round {
            buffer: association.buffer,
            least_similarity: association.low_similarity,
            score_weight: 0.0,
            heading_weight: association.heading_weight,
            appearance_weight: 0.0,
            alone_cost: association.alone_cost,
            is_last_seen_tried: false,
        };
        self.compare_and_run(&mut frame, detections, &round, capture_ns);
        self.frame = frame;
    }

    /// Tracks and detections that are still alone, with a wider reach.
    pub(super) fn wide_round(&mut self, detections: &[Detection], capture_ns: i64) {
        let lost_ns = seconds_to_ns(self.config.lost_buffer_s);
        let mut frame = std::mem::take(&mut self.frame);
        frame.rows.clear();
        frame.rows.extend((0..self.tracks.len()).filter(|&index| {
            let track = &self.tracks[index];
            track.is_confirmed()
                && track.detection.is_none()
                && self.lost_for_ns(index, capture_ns) <= lost_ns
        }));
        self.unmatched_high(&mut frame);
        let association = &self.config.association;
        let round = Round {
            buffer: association.wide_buffer,
            least_similarity: association.wide_similarity,
            score_weight: 0.0,
            heading_weight: association.heading_weight,
            appearance_weight: self.config.appearance.weight,
            alone_cost: association.alone_cost,
            is_last_seen_tried: association.is_last_seen_tried,
        };
        self.compare_and_run(&mut frame, detections, &round, capture_ns);
        self.frame = frame;
    }

    pub(super) fn tentative_round(&mut self, detections: &[Detection], capture_ns: i64) {
        let mut frame = std::mem::take(&mut self.frame);
        frame.rows.clear();
        frame.rows.extend(
            (0..self.tracks.len())
                .filter(|&index| self.tracks[index].state == TrackState::Tentative),
        );
        self.unmatched_high(&mut frame);
        let association = &self.config.association;
        let round = Round {
            // A new track's speed is unknown: it needs the reach.
            buffer: association.wide_buffer,
            least_similarity: association.tentative_similarity,
            score_weight: association.score_weight,
            heading_weight: 0.0,
            appearance_weight: 0.0,
            alone_cost: association.alone_cost,
            is_last_seen_tried: false,
        };
        self.compare_and_run(&mut frame, detections, &round, capture_ns);
        self.frame = frame;
    }

    fn unmatched_high(&self, frame: &mut Frame) {
        frame.columns.clear();
        let is_matched = &frame.is_matched;
        frame
            .columns
            .extend(frame.high.iter().filter(|&&index| !is_matched[index]));
    }

    fn compare_and_run(
        &mut self,
        frame: &mut Frame,
        detections: &[Detection],
        round: &Round,
        capture_ns: i64,
    ) {
        self.association.compare(
            &self.tracks,
            &frame.rows,
            detections,
            &frame.columns,
            round,
            self.config.association.height_exponent,
        );
        self.run_round(frame, detections, round, capture_ns);
    }

    fn run_round(
        &mut self,
        frame: &mut Frame,
        detections: &[Detection],
        round: &Round,
        capture_ns: i64,
    ) {
        let pairs = self.association.assign(
            &self.tracks,
            &frame.rows,
            detections,
            &frame.columns,
            &frame.looks,
            round,
            &self.config,
        );
        frame.pairs.clear();
        frame.pairs.extend(
            pairs
                .iter()
                .map(|&(row, column)| (frame.rows[row], frame.columns[column])),
        );
        for &(index, column) in &frame.pairs {
            frame.is_matched[column] = true;
            let track = &mut self.tracks[index];
            let seen = Observation {
                capture_ns,
                bbox: detections[column].bbox,
                score: detections[column].score,
            };
            if track.state == TrackState::Tentative {
                track.history.push(track.last);
            }
            track.see(seen, self.frame_ns, &self.config);
            track.detection = Some(column);
        }
    }
}
