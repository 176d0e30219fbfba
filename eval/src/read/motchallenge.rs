//! MOTChallenge files: `frame,id,left,top,width,height,...`, frames from 1, rows in any order.
//!
//! Ground truth goes on with a flag (0: leave this box out), and from MOT16 on with a class and a visibility. In MOT15 the place of
//! the class is taken by positions in the world. Which of the two a file has is told by its first row, and every row must agree.

use std::path::Path;

use super::Observation;
use super::lines::{Fields, FrameCheck, each_line, read_bytes};
use crate::error::EvalError;

const TRUTH_FORM: &str = "frame,id,left,top,width,height,flag,class,visibility";
const TRACKS_FORM: &str = "frame,id,left,top,width,height,score,-1,-1,-1";

/// What a box of the ground truth is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// To be found: a pedestrian (class 1, or a file without classes) with a flag other than 0.
    Counted,
    /// Looks like a person (on a vehicle, static, distractor, reflection: classes 2, 7, 8, 12): a track box on it is left out.
    Distractor,
    /// Neither counted nor excused.
    Ignored,
}

/// The ground truth of one camera.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GroundTruth {
    /// Boxes in the order of the file.
    pub observations: Vec<Observation>,
    /// What each of them is there for.
    pub roles: Vec<Role>,
    /// Whether the file has classes: only then track boxes are matched against distractors before anything is counted.
    pub has_classes: bool,
}

impl GroundTruth {
    /// Ground truth in which every box counts.
    #[must_use]
    pub fn all_counted(observations: Vec<Observation>) -> Self {
        Self {
            roles: vec![Role::Counted; observations.len()],
            observations,
            has_classes: false,
        }
    }
}

/// Reads a file of ground truth.
///
/// # Errors
/// The file cannot be read, or one line is not of the format; the error names it.
pub fn read_ground_truth(path: &Path) -> Result<GroundTruth, EvalError> {
    parse_ground_truth(&read_bytes(path)?, path)
}

/// Reads a file of tracks.
///
/// # Errors
/// As [`read_ground_truth`].
pub fn read_tracks(path: &Path) -> Result<Vec<Observation>, EvalError> {
    parse_tracks(&read_bytes(path)?, path)
}

/// As [`read_ground_truth`], of bytes; `path` is for complaints.
///
/// # Errors
/// One line is not of the format.
pub fn parse_ground_truth(bytes: &[u8], path: &Path) -> Result<GroundTruth, EvalError> {
    let mut truth = GroundTruth::default();
    let mut check = FrameCheck::default();
    let mut layout = None;
    each_line(bytes, path, TRUTH_FORM, |fields| {
        let observation = observation(fields, &mut check)?;
        let layout = *layout.get_or_insert_with(|| Layout::of(fields));
        let flag = if fields.count() > 6 {
            fields.number(6, "flag")?
        } else {
            1.0
        };
        let role = match layout {
            // The published evaluators cut flags down to whole numbers.
            _ if flag.trunc() == 0.0 && layout != Layout::Classes => Role::Ignored,
            Layout::Plain => Role::Counted,
            Layout::Classes => match fields.whole(7, "class", 1.0, 13.0)? {
                1 if flag.trunc() != 0.0 => Role::Counted,
                2 | 7 | 8 | 12 => Role::Distractor,
                _ => Role::Ignored,
            },
        };
        truth.has_classes = layout == Layout::Classes;
        truth.observations.push(observation);
        truth.roles.push(role);
        Ok(())
    })?;
    Ok(truth)
}

/// As [`read_tracks`], of bytes; `path` is for complaints. What follows the box is not needed.
///
/// # Errors
/// One line is not of the format.
pub fn parse_tracks(bytes: &[u8], path: &Path) -> Result<Vec<Observation>, EvalError> {
    let mut tracks = Vec::new();
    let mut check = FrameCheck::default();
    each_line(bytes, path, TRACKS_FORM, |fields| {
        tracks.push(observation(fields, &mut check)?);
        Ok(())
    })?;
    Ok(tracks)
}

fn observation(fields: &Fields<'_>, check: &mut FrameCheck) -> Result<Observation, EvalError> {
    let observation = Observation {
        frame: fields.frame(0, 1)?,
        id: fields.id(1)?,
        bbox: fields.bbox(2)?,
    };
    check.note(fields, 0, observation.frame, observation.id)?;
    Ok(observation)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// No classes: MOT15, or nothing after the flag.
    Plain,
    /// MOT16 and later.
    Classes,
}

impl Layout {
    fn of(first: &Fields<'_>) -> Self {
        let is_class = first.whole(7, "class", 1.0, 13.0).is_ok();
        let is_visibility = first
            .number(8, "visibility")
            .map_or(first.count() == 8, |value| (0.0..=1.0).contains(&value));
        let is_unset = first.number(7, "class").is_ok_and(|value| value == -1.0);
        match first.count() {
            8 | 9 if !is_unset => Self::Classes,
            10 if is_class && is_visibility => Self::Classes,
            _ => Self::Plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth(text: &str) -> Result<GroundTruth, EvalError> {
        parse_ground_truth(text.as_bytes(), "gt.txt".as_ref())
    }

    #[test]
    fn classes_and_flags_decide_what_a_box_is_there_for() {
        let text = "\u{feff}1,1,0,0,5,5,1,1,0.5\r\n1,2,0,0,5,5,0,1,1\n\n1,3,0,0,5,5,1,7,1\n1,4,0,0,5,5,0,3,0\n";
        let truth = truth(text).unwrap();
        assert!(truth.has_classes);
        assert_eq!(
            truth.roles,
            [
                Role::Counted,
                Role::Ignored,
                Role::Distractor,
                Role::Ignored
            ]
        );
    }

    #[test]
    fn files_without_classes_are_known_by_their_first_row() {
        for text in [
            "1,1,0,0,5,5,1,-1,-1,-1\n1,2,0,0,5,5,0,-1,-1,-1\n",
            "1,1,0,0,5,5,1,8.25,-2.5,0\n1,2,0,0,5,5,0,1,0.5,0\n",
            "1 1 0 0 5 5 1\n1 2 0 0 5 5 0\n",
            "1,1,0,0,5,5,1,-1\n1,2,0,0,5,5,0,-1\n",
        ] {
            let truth = truth(text).unwrap();
            assert!(!truth.has_classes, "{text}");
            assert_eq!(truth.roles, [Role::Counted, Role::Ignored], "{text}");
        }
        assert!(truth("1,1,0,0,5,5,1,1,0.5,-1\n").unwrap().has_classes);
    }

    #[test]
    fn a_bad_line_is_named_with_what_would_be_right() {
        for (text, expected) in [
            (
                "1,1,0,0,5,5,1\n2,1,0,x,5,5,1\n",
                "`gt.txt` line 2: top `x` is not a number",
            ),
            ("0,1,0,0,5,5,1\n", "frame `0` is not a whole number from 1"),
            ("1,-1,0,0,5,5,1\n", "id `-1` is not a whole number from 0"),
            ("1,1.5,0,0,5,5,1\n", "id `1.5`"),
            ("1,1,0,0,5\n", "has no height, expected `frame,id,"),
            ("1,1,0,nan,5,5\n", "top `nan` is out of all bounds"),
            ("1,1,0,0,5,1e300\n", "height `1e300` is out of all bounds"),
            (
                "1,1,0,0,5,5,1,1,1\n1,2,0,0,5,5,1,0,1\n",
                "line 2: class `0`",
            ),
            (
                "3,1,0,0,5,5,1\n3,1,9,9,5,5,1\n",
                "line 2: has id 1 a second time in frame 3",
            ),
            ("1,1,1,1,1,1,1,1,1,1,1,1,1\n", "more than 12 columns"),
        ] {
            let error = truth(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains('\n'));
        }
        let error = parse_tracks(b"1,1,0,0,5,5\n\xff\xfe\n", "t.txt".as_ref()).unwrap_err();
        assert!(error.to_string().contains("line 2: is not text"), "{error}");
    }

    #[test]
    fn a_frame_that_is_too_full_is_refused() {
        let text: String = (0..=1000).map(|n| format!("1,{n},0,0,5,5,1\n")).collect();
        let error = parse_tracks(text.as_bytes(), "t.txt".as_ref()).unwrap_err();
        assert!(error.to_string().contains("line 1001"), "{error}");
    }

    #[test]
    fn an_empty_file_is_a_camera_that_saw_nobody() {
        assert!(parse_tracks(b"\n \n", "t.txt".as_ref()).unwrap().is_empty());
    }
}
