//! Forgetting over the socket: what is to go, and what went.

use serde::{Deserialize, Serialize};
use sightline_sink as sink;

use crate::Error;
use crate::error::one_line;
use crate::time::UtcTime;

/// `POST /v1/forget`: a `track`, a `person`, or a `camera` with `from` and `to`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForgetRequest {
    /// Id of a track.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track: Option<String>,
    /// Id of a person: every track that belongs to it now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// A camera: every track that was seen between `from` and `to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub camera: Option<String>,
    /// The camera's site, where several have one of this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// Start of the camera's time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<UtcTime>,
    /// End of the camera's time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<UtcTime>,
    /// Only say what would go.
    #[serde(default)]
    pub dry_run: bool,
}

/// What went, and what was looked at afterwards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ForgetResponse {
    /// When it was forgotten.
    pub at: UtcTime,
    /// Whether nothing was done, and this says what would be.
    pub dry_run: bool,
    /// Ids of the tracks; refused from now on.
    pub tracks: Vec<String>,
    /// Their points in the index, those of their sightings included.
    pub points: u64,
    /// Their pictures.
    pub pictures: u64,
    /// Pictures that stay, since another track shows the same.
    pub pictures_kept: u64,
    /// Tracks that were taken out of persons.
    pub associations: u64,
    /// Segments of the spool that were deleted.
    pub spool_segments: u64,
    /// Records in the spool that are about people in the picture just now; they are refused when their turn comes.
    pub spool_records: u64,
    /// When the last message about them leaves the log.
    pub leaves_log: UtcTime,
    /// Searches by their own looks, afterwards.
    pub searches: u64,
    /// Points and pictures asked for by name, afterwards.
    pub looked_up: u64,
    /// What was found of them: nothing, or there would be an error.
    pub found: u64,
    /// Path of the signed list.
    pub list: Option<String>,
}

impl ForgetRequest {
    /// What is asked for, checked.
    ///
    /// # Errors
    /// [`Error::BadRequest`] when it is not one of the three, or is no id, or its times run backwards.
    pub fn asked(&self) -> Result<sink::Forget, Error> {
        let bad = |what: String| Error::BadRequest(one_line(&what));
        let sink = |error: sink::Error| bad(error.to_string());
        let is_of_camera = self.from.is_some() || self.to.is_some() || self.site.is_some();
        match (&self.track, &self.person, &self.camera) {
            (Some(track), None, None) if !is_of_camera => {
                Ok(sink::Forget::Track(track.parse().map_err(sink)?))
            }
            (None, Some(person), None) if !is_of_camera => {
                Ok(sink::Forget::Person(person.parse().map_err(sink)?))
            }
            (None, None, Some(camera)) => {
                let (Some(from), Some(to)) = (self.from, self.to) else {
                    return Err(bad("camera: expected `from` and `to` with it".into()));
                };
                if from > to {
                    return Err(bad(format!(
                        "from {from} is after to {to}, expected it before"
                    )));
                }
                Ok(sink::Forget::Camera(sink::Stretch {
                    site: self.site.clone(),
                    camera: camera.clone(),
                    from_ns: from.unix_ns(),
                    to_ns: to.unix_ns(),
                }))
            }
            _ => Err(bad(
                "expected one of `track`, `person`, and `camera` with `from` and `to`".into(),
            )),
        }
    }
}

impl From<sink::ForgetReport> for ForgetResponse {
    fn from(report: sink::ForgetReport) -> Self {
        Self {
            at: UtcTime::from_unix_ns(report.at_ns),
            dry_run: report.is_dry_run,
            tracks: report.tracks.iter().map(ToString::to_string).collect(),
            points: report.tracklets + report.sightings,
            pictures: report.pictures.len() as u64,
            pictures_kept: report.pictures_kept,
            associations: report.associations,
            spool_segments: report.spool_segments,
            spool_records: report.spool_records,
            leaves_log: UtcTime::from_unix_ns(report.leaves_log_ns),
            searches: report.proof.searches,
            looked_up: report.proof.looked_up,
            found: report.proof.found,
            list: report.list.map(|path| path.display().to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_forgotten_at_a_time_and_never_by_accident() {
        let id = || Some("d763704e-3a7d-5a6e-b934-f29ac117be53".to_owned());
        let time = |ns| Some(UtcTime::from_unix_ns(ns));
        let camera = ForgetRequest {
            camera: Some("gate-1".into()),
            from: time(1),
            to: time(2),
            ..ForgetRequest::default()
        };
        assert!(matches!(camera.asked(), Ok(sink::Forget::Camera(_))));
        let track = ForgetRequest {
            track: id(),
            ..ForgetRequest::default()
        };
        assert!(matches!(track.asked(), Ok(sink::Forget::Track(_))));
        let bad = [
            ForgetRequest::default(),
            ForgetRequest {
                person: id(),
                ..track.clone()
            },
            ForgetRequest {
                from: time(1),
                ..track.clone()
            },
            ForgetRequest {
                site: Some("north".into()),
                ..track.clone()
            },
            ForgetRequest {
                track: Some("somebody".into()),
                ..ForgetRequest::default()
            },
            ForgetRequest {
                to: None,
                ..camera.clone()
            },
            ForgetRequest {
                to: time(0),
                ..camera.clone()
            },
        ];
        for request in bad {
            assert_eq!(request.asked().unwrap_err().status(), 400, "{request:?}");
        }
    }

    #[test]
    fn the_manual_shows_a_request_and_an_answer_as_they_are_on_the_wire() {
        let manual = include_str!("../../docs/api.md");
        let block = |name: &str| {
            let start = format!("<!-- {name} -->\n```json\n");
            let block = manual.split(&start).nth(1).unwrap();
            block.split("```").next().unwrap().to_owned()
        };
        let request: ForgetRequest = serde_json::from_str(&block("ForgetRequest")).unwrap();
        assert!(request.asked().is_ok());
        let read: ForgetResponse = serde_json::from_str(&block("ForgetResponse")).unwrap();
        let shown: serde_json::Value = serde_json::from_str(&block("ForgetResponse")).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), shown);
    }
}
