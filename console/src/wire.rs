//! What goes over the socket as JSON, version 1. Times are RFC 3339 in UTC.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize, Serializer};

use crate::time::UtcTime;

/// Bytes of a picture, base64 in JSON; shown as a length only, so that no picture reaches a log.
#[derive(Clone, PartialEq, Eq)]
pub struct PictureBytes(pub Vec<u8>);

impl fmt::Debug for PictureBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PictureBytes({} bytes)", self.0.len())
    }
}

impl Serialize for PictureBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for PictureBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD
            .decode(text)
            .map_err(|error| de::Error::custom(format_args!("picture is not base64: {error}")))?;
        Ok(Self(bytes))
    }
}

/// `POST /v1/search`: `text`, `image` or both, or `track`; none of them lists what there is, newest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchRequest {
    /// A description of a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Things that the person of `text` does not have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not: Vec<String>,
    /// A crop of a person, JPEG or PNG.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<PictureBytes>,
    /// Id of a track whose person is looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track: Option<String>,
    /// Ids of tracks that are right: others like them are looked for, beside the text or picture if there is one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub like: Vec<String>,
    /// Ids of tracks that are wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unlike: Vec<String>,
    /// Cameras to look at; none means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cameras: Vec<String>,
    /// Tracks that end before it are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<UtcTime>,
    /// Tracks that start at or after it are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<UtcTime>,
    /// The most hits wanted, 1 to 1000; 20 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Tracks that were seen for less time are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_duration_s: Option<f64>,
    /// Tracks whose person never stood higher in the picture are left out; 1 is the picture's whole height.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_height: Option<f64>,
    /// Whether hits are persons: one each, its best track, scored over all of its tracks.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub persons: bool,
}

/// Answer to a search.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SearchResponse {
    /// Best first.
    pub hits: Vec<Hit>,
    /// What was watched of the time asked for, per camera.
    pub coverage: Vec<CameraCoverage>,
    /// Why `hits` is empty; null when it is not.
    pub why_empty: Option<String>,
    /// Tracks that passed the filters and were compared.
    pub searched: u64,
    /// Whether all of them were compared, none by an approximate index.
    pub is_exact: bool,
    /// Whether the scores are probabilities.
    pub calibrated: bool,
    /// "not calibrated" while scores are null, else null.
    pub calibration: Option<String>,
    /// Why scores are null; null where they are not, or where nothing was compared.
    pub why_uncalibrated: Option<String>,
    /// What the asker should know about how the question was understood.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What `calibration` says while scores are null.
pub const NOT_CALIBRATED: &str = "not calibrated";

/// One track that was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    /// Id of the track.
    pub track: String,
    /// Camera that saw it.
    pub camera: String,
    /// When it was first seen.
    pub start: UtcTime,
    /// When it was last seen.
    pub end: UtcTime,
    /// 1 for the best.
    pub rank: u32,
    /// Probability that it is the person asked for; null without a calibration table.
    pub score: Option<f64>,
    /// Cosine similarity to what was asked for, -1 to 1; null when nothing was compared.
    pub similarity: Option<f64>,
    /// File of its best picture on the machine that holds the store; null once it was removed for room.
    pub thumbnail: Option<String>,
    /// Digest of that picture, for `/v1/thumbnail/{sha256}`.
    pub thumbnail_sha256: Option<String>,
    /// The person the track belongs to; null until tracks are joined.
    pub person: Option<String>,
    /// Site of the camera.
    pub site: String,
    /// When the best picture was taken.
    pub best: UtcTime,
    /// Where it was cut: left, top, right, bottom, as fractions of the picture.
    pub bbox: [f32; 4],
    /// Detections of the track.
    pub detections: u32,
    /// Whether the track is over.
    pub has_ended: bool,
    /// How well each clause of a sentence fits by itself; of sentences with two or more alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clauses: Vec<ClauseScore>,
}

/// One clause of a sentence, such as `red coat`, held against a track.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClauseScore {
    /// The clause.
    pub text: String,
    /// Probability that it holds of the track; null where the text model's card has no table for clauses.
    pub score: Option<f64>,
    /// Cosine similarity, -1 to 1.
    pub similarity: f64,
}

/// A stretch of time, start included, end not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// First instant inside.
    pub start: UtcTime,
    /// First instant after.
    pub end: UtcTime,
}

/// What is known about one camera over the time asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CameraCoverage {
    /// Site of the camera.
    pub site: String,
    /// Id of the camera.
    pub camera: String,
    /// When it was watched.
    pub watched: Vec<Interval>,
    /// When it was not: nothing can be found there.
    pub blind: Vec<Interval>,
    /// Frames that were looked at.
    pub frames_seen: u64,
    /// Frames that were dropped, counted.
    pub frames_dropped: u64,
    /// Up to when the index is complete; null while nothing is indexed.
    pub indexed_to: Option<UtcTime>,
    /// The camera's clock less ours, as last measured, in seconds; null where it is not known.
    pub clock_error_s: Option<f64>,
}

/// `GET /v1/coverage?camera=&from=&to=`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CoverageRequest {
    /// Cameras asked for; none means all.
    pub cameras: Vec<String>,
    /// Start of the window.
    pub from: Option<UtcTime>,
    /// End of the window.
    pub to: Option<UtcTime>,
}

/// Answer to a question for coverage.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CoverageResponse {
    /// One entry a camera.
    pub coverage: Vec<CameraCoverage>,
}

/// `GET /v1/status`: what holds the store, and what is in it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StatusResponse {
    /// Version of the program.
    pub version: String,
    /// Folder of the store.
    pub store: String,
    /// Tracks in the index.
    pub tracks: u64,
    /// Pictures in the index.
    pub sightings: u64,
    /// Records in the spool that are not indexed yet.
    pub spool_records: u64,
    /// Cameras the store knows.
    pub cameras: Vec<String>,
    /// Id of the model that encodes pictures; null without one.
    pub image_model: Option<String>,
    /// Whether sentences can be searched for.
    pub can_search_text: bool,
}

/// Body of every answer that is not a success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorResponse {
    /// What is wrong and what to do, one line.
    pub error: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_never_shows_its_bytes_in_debug() {
        let request = SearchRequest {
            image: Some(PictureBytes(vec![65; 3])),
            ..Default::default()
        };
        let shown = format!("{request:?}");
        assert!(shown.contains("PictureBytes(3 bytes)"), "{shown}");
        assert!(!shown.contains("65"), "{shown}");
    }

    #[test]
    fn null_scores_and_persons_are_written_as_null() {
        let hit = Hit {
            track: "t".into(),
            camera: "gate-2".into(),
            start: UtcTime::from_unix_ns(0),
            end: UtcTime::from_unix_ns(1_500_000_000),
            rank: 1,
            score: None,
            similarity: Some(0.5),
            thumbnail: None,
            thumbnail_sha256: None,
            person: None,
            site: "harbour".into(),
            best: UtcTime::from_unix_ns(0),
            bbox: [0.0, 0.0, 0.5, 1.0],
            detections: 9,
            has_ended: true,
            clauses: Vec::new(),
        };
        let json = serde_json::to_value(&hit).unwrap();
        assert!(json["score"].is_null() && json.get("person").is_some());
        assert_eq!(json["start"], "1970-01-01T00:00:00Z");
        assert_eq!(json["end"], "1970-01-01T00:00:01.5Z");
    }

    /// The blocks of JSON in the manual that follow a comment with the type's name.
    fn examples<T: de::DeserializeOwned + Serialize>(name: &str) -> usize {
        let manual = include_str!("../../docs/api.md");
        let start = format!("<!-- {name} -->\n```json\n");
        let blocks = manual
            .split(&start)
            .skip(1)
            .map(|rest| rest.split("```").next().unwrap());
        blocks
            .map(|block| {
                let value: T =
                    serde_json::from_str(block).unwrap_or_else(|error| panic!("{name}: {error}"));
                let shown: serde_json::Value = serde_json::from_str(block).unwrap();
                assert_eq!(serde_json::to_value(&value).unwrap(), shown, "{name}");
            })
            .count()
    }

    #[test]
    fn the_manual_shows_what_is_on_the_wire_and_nothing_else() {
        assert_eq!(examples::<SearchRequest>("SearchRequest"), 1);
        assert_eq!(examples::<SearchResponse>("SearchResponse"), 1);
        assert_eq!(examples::<ErrorResponse>("ErrorResponse"), 1);
        assert_eq!(examples::<CoverageResponse>("CoverageResponse"), 1);
        assert_eq!(examples::<StatusResponse>("StatusResponse"), 1);
        assert!(include_str!("../../docs/api.md").contains(crate::TEXT_NOT_INSTALLED));
    }
}
