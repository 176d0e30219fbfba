//! From similarity to probability, by a table that was measured on pairs the model had not seen.

use serde::Deserialize;

/// What a similarity is worth: the log of how much more often it belongs to the person asked for than to somebody else.
///
/// Evidence alone is no probability: among ten thousand tracks somebody looks alike. [`Calibration::probability`] therefore
/// starts from a prior that the number of tracks searched sets.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Calibration {
    /// Similarities, rising.
    similarity: Vec<f32>,
    /// Natural log of the likelihood ratio at each of them, never falling.
    log_likelihood_ratio: Vec<f32>,
    /// How often somebody who is asked for is there at all, 0 to 1.
    present: f32,
    /// Tracks that a person who is there leaves, as a rule.
    tracks_a_person: f32,
}

impl Calibration {
    /// Refuses a table that cannot be read off; the message names the key.
    pub(crate) fn check(&self) -> Result<(), String> {
        let count = self.similarity.len();
        if !(2..=1000).contains(&count) || count != self.log_likelihood_ratio.len() {
            return Err(format!(
                "calibration has {count} similarities and {} ratios, expected 2 to 1000 of both",
                self.log_likelihood_ratio.len()
            ));
        }
        let is_finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
        if !is_finite(&self.similarity) || !self.similarity.is_sorted_by(|a, b| a < b) {
            return Err("calibration.similarity does not rise from value to value".into());
        }
        if !is_finite(&self.log_likelihood_ratio) || !self.log_likelihood_ratio.is_sorted() {
            return Err(
                "calibration.log_likelihood_ratio falls, expected more for more similarity".into(),
            );
        }
        if !(self.present > 0.0 && self.present < 1.0) {
            return Err(format!(
                "calibration.present is {}, expected between 0 and 1",
                self.present
            ));
        }
        if !(self.tracks_a_person > 0.0 && self.tracks_a_person <= 1000.0) {
            return Err(format!(
                "calibration.tracks_a_person is {}, expected above 0",
                self.tracks_a_person
            ));
        }
        Ok(())
    }

    /// The log likelihood ratio of a similarity: linear between the table's points, constant outside.
    #[must_use]
    pub fn evidence(&self, similarity: f32) -> f32 {
        read_off(&self.similarity, &self.log_likelihood_ratio, similarity)
    }

    /// The probability that a track of this similarity shows the person asked for, among `searched` tracks.
    #[must_use]
    pub fn probability(&self, similarity: f32, searched: u64) -> f32 {
        self.among(similarity, f64::from(self.tracks_a_person), searched)
    }

    /// The probability that a person whose views together have this similarity is the one asked for, among `persons`.
    #[must_use]
    pub fn probability_of_person(&self, similarity: f32, persons: u64) -> f32 {
        self.among(similarity, 1.0, persons)
    }

    fn among(&self, similarity: f32, right: f64, searched: u64) -> f32 {
        #[expect(clippy::cast_precision_loss, reason = "a count of tracks sets a prior")]
        let searched = searched.max(1) as f64;
        let prior = f64::from(self.present) * (right / searched).min(0.9);
        let log_odds = f64::from(self.evidence(similarity)) + (prior / (1.0 - prior)).ln();
        #[expect(clippy::cast_possible_truncation, reason = "a probability")]
        let probability = (1.0 / (1.0 + (-log_odds).exp())) as f32;
        probability
    }
}

/// What the similarity of a single clause, such as `red coat`, is worth: the probability that it holds of a hit, as measured on
/// the first hits of whole sentences.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ClauseTable {
    /// Similarities, rising.
    similarity: Vec<f32>,
    /// Probability at each of them, never falling.
    probability: Vec<f32>,
}

impl ClauseTable {
    /// Refuses a table that cannot be read off; the message names the key.
    pub(crate) fn check(&self) -> Result<(), String> {
        let count = self.similarity.len();
        if !(2..=1000).contains(&count) || count != self.probability.len() {
            return Err(format!(
                "clauses has {count} similarities and {} probabilities, expected 2 to 1000 of both",
                self.probability.len()
            ));
        }
        let is_finite = self.similarity.iter().all(|value| value.is_finite());
        if !is_finite || !self.similarity.is_sorted_by(|a, b| a < b) {
            return Err("clauses.similarity does not rise from value to value".into());
        }
        let is_share = self.probability.iter().all(|p| (0.0..=1.0).contains(p));
        if !is_share || !self.probability.is_sorted() {
            return Err("clauses.probability falls or is not between 0 and 1".into());
        }
        Ok(())
    }

    /// The probability that a clause of this similarity holds.
    #[must_use]
    pub fn probability(&self, similarity: f32) -> f32 {
        read_off(&self.similarity, &self.probability, similarity)
    }
}

/// The value of a table at a point: linear between its points, constant outside. The table has a point, and both sides are as long.
fn read_off(points: &[f32], values: &[f32], at: f32) -> f32 {
    let last = points.len() - 1;
    match points.partition_point(|point| *point <= at) {
        0 => values[0],
        after if after > last => values[last],
        after => {
            let (low, high) = (points[after - 1], points[after]);
            let share = (at - low) / (high - low);
            values[after - 1] + share * (values[after] - values[after - 1])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Calibration {
        Calibration {
            similarity: vec![0.0, 0.4, 0.8],
            log_likelihood_ratio: vec![-4.0, 0.0, 6.0],
            present: 0.5,
            tracks_a_person: 2.0,
        }
    }

    #[test]
    fn between_two_points_evidence_is_on_the_line_and_outside_it_stays() {
        let found = [-1.0, 0.0, 0.2, 0.6, 0.8, 1.0].map(|similarity| table().evidence(similarity));
        let expected = [-4.0, -4.0, -2.0, 3.0, 6.0, 6.0];
        assert!(
            found
                .iter()
                .zip(expected)
                .all(|(a, b)| (a - b).abs() < 1e-5),
            "{found:?}"
        );
    }

    #[test]
    fn the_same_similarity_means_less_among_more_tracks() {
        let among = [10, 1000, 100_000].map(|tracks| table().probability(0.7, tracks));
        assert!(among[0] > among[1] && among[1] > among[2], "{among:?}");
        // 4.5 nats of evidence upon odds of 1 to 9.
        assert!((among[0] - 0.909).abs() < 0.01, "{among:?}");
    }

    #[test]
    fn a_table_that_cannot_be_read_off_is_refused() {
        assert_eq!(table().check(), Ok(()));
        let spoilt = |spoil: &dyn Fn(&mut Calibration)| {
            let mut table = table();
            spoil(&mut table);
            table.check().unwrap_err()
        };
        assert!(spoilt(&|t| t.similarity[2] = 0.4).contains("does not rise"));
        assert!(spoilt(&|t| t.log_likelihood_ratio[1] = -5.0).contains("falls"));
        assert!(spoilt(&|t| t.similarity = vec![0.0]).contains("1 similarities and 3 ratios"));
        assert!(spoilt(&|t| t.present = 1.0).contains("present is 1"));
        assert!(spoilt(&|t| t.tracks_a_person = f32::NAN).contains("tracks_a_person"));
    }

    #[test]
    fn a_clause_is_read_off_its_own_table() {
        let table: ClauseTable =
            toml::from_str("similarity = [0.0, 0.5]\nprobability = [0.25, 0.75]").unwrap();
        table.check().unwrap();
        let read = [-1.0, 0.25, 2.0].map(|similarity| table.probability(similarity));
        assert_eq!(read, [0.25, 0.5, 0.75]);
        for (text, message) in [
            ("similarity = [0.5]\nprobability = [0.5]", "1 similarities"),
            (
                "similarity = [0.5, 0.5]\nprobability = [0.5, 0.6]",
                "does not rise",
            ),
            ("similarity = [0.5, 0.6]\nprobability = [0.6, 0.5]", "falls"),
            ("similarity = [0.5, 0.6]\nprobability = [0.6, nan]", "falls"),
        ] {
            let table: ClauseTable = toml::from_str(text).unwrap();
            assert!(table.check().unwrap_err().contains(message));
        }
    }
}
