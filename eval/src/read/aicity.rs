//! AI City Challenge 2024, track 1: `camera id frame x y width height [x_world y_world]`, one file a scene, frames from 0.

use std::path::Path;

use super::Observation;
use super::lines::{FrameCheck, each_line, read_bytes};
use crate::error::EvalError;

const FORM: &str = "camera id frame x y width height x_world y_world";

/// One person in one frame of one camera of a scene.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SceneRow {
    /// Number of the camera.
    pub camera: u32,
    /// Frame, identity (the same on all cameras) and box.
    pub observation: Observation,
    /// Where the person stands, metres.
    pub world: Option<[f64; 2]>,
}

/// Reads the file of a scene.
///
/// # Errors
/// The file cannot be read, or one line is not of the format; the error names it.
pub fn read_scene(path: &Path) -> Result<Vec<SceneRow>, EvalError> {
    parse_scene(&read_bytes(path)?, path)
}

/// As [`read_scene`], of bytes; `path` is for complaints.
///
/// # Errors
/// One line is not of the format, or only some lines say where a person stands.
pub fn parse_scene(bytes: &[u8], path: &Path) -> Result<Vec<SceneRow>, EvalError> {
    let mut rows: Vec<SceneRow> = Vec::new();
    let mut check = FrameCheck::default();
    each_line(bytes, path, FORM, |fields| {
        if !matches!(fields.count(), 7 | 9) {
            let found = fields.count();
            return Err(fields.fault(format!(
                "has {found} columns, expected `{FORM}` or the first 7 of them"
            )));
        }
        let camera = fields.whole(0, "camera", 0.0, 1e6)? as u32;
        let observation = Observation {
            id: fields.id(1)?,
            frame: fields.frame(2, 0)?,
            bbox: fields.bbox(3)?,
        };
        let world = if fields.count() == 9 {
            Some([fields.number(7, "x_world")?, fields.number(8, "y_world")?])
        } else {
            None
        };
        if rows
            .first()
            .is_some_and(|first| first.world.is_some() != world.is_some())
        {
            return Err(fields.fault("differs in its columns from the lines before: positions in the world belong to every line or to none"));
        }
        check.note(fields, camera, observation.frame, observation.id)?;
        rows.push(SceneRow {
            camera,
            observation,
            world,
        });
        Ok(())
    })?;
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Result<Vec<SceneRow>, EvalError> {
        parse_scene(text.as_bytes(), "s.txt".as_ref())
    }

    #[test]
    fn lines_with_and_without_world_positions_are_read() {
        let read = rows("3 17 0 1064 295 69 197 -5.98 4.3\n4 17 0 1 2 3 4 -5.98 4.3\n").unwrap();
        assert_eq!(read[0].camera, 3);
        assert_eq!(read[0].world, Some([-5.98, 4.3]));
        assert_eq!(read[1].observation.bbox, [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(rows("3 17 0 1064 295 69 197\n").unwrap()[0].world, None);
    }

    #[test]
    fn lines_that_do_not_fit_are_refused() {
        for (text, expected) in [
            ("1 1 0 1 1 1\n", "line 1: has 6 columns"),
            ("1 1 0 1 1 1 1 2\n", "line 1: has 8 columns"),
            ("1 1 0 1 1 1 1 2 2\n1 1 1 1 1 1 1\n", "line 2: differs"),
            (
                "1 1 0 1 1 1 1\n1 1 0 1 1 1 1\n",
                "line 2: has id 1 a second time",
            ),
            ("1 1 -1 1 1 1 1\n", "frame `-1`"),
            ("c001 1 0 1 1 1 1\n", "camera `c001` is not a number"),
        ] {
            let error = rows(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(rows("1 1 0 1 1 1 1\n2 1 0 1 1 1 1\n").unwrap().len(), 2);
    }
}
