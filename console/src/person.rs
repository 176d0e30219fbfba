//! Persons over the socket: every visit of one person, in order of time, each with its reasons.

use serde::{Deserialize, Serialize};
use sightline_sink as sink;
use sink::persons::{Join, Verdict};

use crate::Error;
use crate::wire::{CameraCoverage, Hit};

/// `GET /v1/person/{id}`: one person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PersonResponse {
    /// Its id now; another than was asked for where that was renamed.
    pub person: String,
    /// In order of time.
    pub visits: Vec<Visit>,
    /// What all cameras watched between the first visit and the last.
    pub coverage: Vec<CameraCoverage>,
}

/// One track of a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Visit {
    /// The track.
    #[serde(flatten)]
    pub track: Hit,
    /// Why it belongs to the person: natural logs of odds; null for the first visit, and for those too old to be compared.
    pub join: Option<Join>,
}

/// `POST /v1/person/word`: what somebody says of pairs of tracks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WordRequest {
    /// `same` or `different`.
    pub verdict: Verdict,
    /// Ids of tracks, 1 to 1000 pairs.
    pub pairs: Vec<[String; 2]>,
}

/// What became of a [`WordRequest`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WordResponse {
    /// Pairs that were taken; they stand from now on.
    pub taken: u64,
    /// Pairs of which a track is not known, or is too old to be compared.
    pub refused: u64,
}

/// Most pairs in one request.
const MOST_PAIRS: usize = 1000;

impl WordRequest {
    /// The pairs, checked.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for what is no id, for a track paired with itself, and for too few or too many pairs.
    pub fn tracks(&self) -> Result<Vec<[sink::TrackId; 2]>, Error> {
        let bad = |what: String| Error::BadRequest(crate::error::one_line(&what));
        if self.pairs.is_empty() || self.pairs.len() > MOST_PAIRS {
            let count = self.pairs.len();
            return Err(bad(format!(
                "pairs: {count} given, expected 1 to {MOST_PAIRS}"
            )));
        }
        let id = |text: &String| {
            text.parse::<sink::TrackId>()
                .map_err(|error| bad(format!("pairs: {error}")))
        };
        self.pairs
            .iter()
            .map(|[a, b]| match (id(a)?, id(b)?) {
                (a, b) if a == b => Err(bad(format!("pairs: track {a} is paired with itself"))),
                (a, b) => Ok([a, b]),
            })
            .collect()
    }
}

/// Most visits of a person that are shown.
pub(crate) const MOST_VISITS: usize = sink::search::MAX_LIMIT;

/// Checks the id of a person.
///
/// # Errors
/// [`Error::BadRequest`] when it is none.
pub(crate) fn person_id(text: &str) -> Result<sink::PersonId, Error> {
    text.parse()
        .map_err(|error: sink::Error| Error::BadRequest(crate::error::one_line(&error.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_on_nothing_on_oneself_or_on_no_track_is_refused() {
        let word = |pairs: &[[&str; 2]]| WordRequest {
            verdict: Verdict::Same,
            pairs: pairs.iter().map(|pair| pair.map(str::to_owned)).collect(),
        };
        let [a, b] = [
            "d763704e-3a7d-5a6e-b934-f29ac117be53",
            "2852260e-84e8-5ae6-969c-90598ef77400",
        ];
        assert_eq!(word(&[[a, b]]).tracks().unwrap().len(), 1);
        for (pairs, words) in [
            (&[][..], "0 given"),
            (&[[a, a]][..], "itself"),
            (&[[a, "x"]][..], "`x`"),
        ] {
            let error = word(pairs).tracks().unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn what_is_no_id_is_refused_with_its_text() {
        assert!(
            person_id("seven")
                .unwrap_err()
                .to_string()
                .contains("`seven`")
        );
    }

    #[test]
    fn the_manual_shows_a_person_as_it_is_on_the_wire() {
        let manual = include_str!("../../docs/api.md");
        let block = manual
            .split("<!-- PersonResponse -->\n```json\n")
            .nth(1)
            .unwrap();
        let block = block.split("```").next().unwrap();
        let read: PersonResponse = serde_json::from_str(block).unwrap();
        let shown: serde_json::Value = serde_json::from_str(block).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), shown);
    }
}
