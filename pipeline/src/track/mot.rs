//! MOTChallenge files: detections in, tracks out.
//!
//! Detections: `frame,id,left,top,width,height,score,...`, frames from 1, in any order. Results: `frame,track,left,top,width,
//! height,score,-1,-1,-1`, tracks numbered from 1 in the order in which they are first written.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use sightline_detector::{BBox, Detection};

use super::error::TrackError;
use super::lifecycle::between;
use sightline_sink::TrackId;

/// How a file's scores became scores between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScoreScale {
    /// They lie between 0 and 1 already.
    Kept,
    /// All are equal (files without scores write 1 or -1): every box counts fully.
    Uniform,
    /// From 0 to 100: divided by 100.
    Percent,
    /// Beyond: of a detector with open margins, put through a logistic curve.
    Logistic,
}

/// The detections of a recording.
#[derive(Debug)]
pub struct MotDetections {
    /// By frame number, counted from 1; frames without detections are absent.
    pub frames: BTreeMap<u32, Vec<Detection>>,
    /// How scores were read.
    pub score_scale: ScoreScale,
}

impl MotDetections {
    /// Reads a detections file. Boxes without an area are kept: the tracker leaves them aside and counts them.
    ///
    /// # Errors
    /// When the file cannot be read, has no detections, or a line is not of the form; the error names the line.
    pub fn read(path: &Path) -> Result<Self, TrackError> {
        let mut frames: BTreeMap<u32, Vec<Detection>> = BTreeMap::new();
        let mut reader = BufReader::new(fs_err::File::open(path)?);
        let mut bytes = Vec::new();
        let mut number = 0;
        loop {
            bytes.clear();
            if reader.read_until(b'\n', &mut bytes)? == 0 {
                break;
            }
            number += 1;
            let fault = |what: String| TrackError::Line {
                path: path.to_owned(),
                line: number,
                what,
            };
            let line = std::str::from_utf8(&bytes)
                .map_err(|_| fault("is not text, expected a MOTChallenge detections file".into()))?
                .trim_start_matches('\u{feff}')
                .trim();
            if line.is_empty() {
                continue;
            }
            let (frame, detection) = parse_line(line).map_err(fault)?;
            frames.entry(frame).or_default().push(detection);
        }
        if frames.is_empty() {
            return Err(TrackError::Empty {
                path: path.to_owned(),
            });
        }
        let score_scale = rescale(&mut frames);
        Ok(Self {
            frames,
            score_scale,
        })
    }

    /// The number of the last frame with a detection.
    pub fn last_frame(&self) -> u32 {
        self.frames.keys().next_back().copied().unwrap_or(0)
    }
}

/// MOTChallenge counts pixels from 1, as frames and tracks (the readme of its development kit); pictures here count from 0.
pub const FIRST_PIXEL: f64 = 1.0;

/// Frame numbers above this are a mistake: eleven days at 10 frames/s.
const MOST_FRAMES: u32 = 10_000_000;

fn parse_line(line: &str) -> Result<(u32, Detection), String> {
    let mut fields = line
        .split(|c: char| c == ',' || c == ';' || c.is_whitespace())
        .filter(|field| !field.is_empty());
    let mut next = |name: &str| -> Result<Option<f64>, String> {
        let Some(field) = fields.next() else {
            return Ok(None);
        };
        field
            .parse()
            .map(Some)
            .map_err(|_| format!("{name} `{field}` is not a number"))
    };
    let mut need = |name: &str| -> Result<f64, String> {
        next(name)?.ok_or_else(|| {
            format!("has no {name}, expected `frame,id,left,top,width,height,score`")
        })
    };
    let frame = need("frame")?;
    if frame.fract() != 0.0 || !(1.0..=f64::from(MOST_FRAMES)).contains(&frame) {
        return Err(format!(
            "frame {frame} is no frame number, expected a whole number from 1 to {MOST_FRAMES}"
        ));
    }
    need("id")?;
    let (left, top) = (need("left")? - FIRST_PIXEL, need("top")? - FIRST_PIXEL);
    let (width, height) = (need("width")?, need("height")?);
    // Some public files leave the score out.
    let score = next("score")?.unwrap_or(1.0) as f32;
    let bbox = BBox::new(
        left as f32,
        top as f32,
        (left + width) as f32,
        (top + height) as f32,
    );
    Ok((frame as u32, Detection { bbox, score }))
}

fn rescale(frames: &mut BTreeMap<u32, Vec<Detection>>) -> ScoreScale {
    let (mut least, mut most) = (f32::INFINITY, f32::NEG_INFINITY);
    for detection in frames.values().flatten() {
        if detection.score.is_finite() {
            least = least.min(detection.score);
            most = most.max(detection.score);
        }
    }
    let scale = if least >= most {
        ScoreScale::Uniform
    } else if least >= 0.0 && most <= 1.0 {
        ScoreScale::Kept
    } else if least >= 0.0 && most <= 100.0 && most > 10.0 {
        ScoreScale::Percent
    } else {
        ScoreScale::Logistic
    };
    for detection in frames.values_mut().flatten() {
        detection.score = match scale {
            ScoreScale::Kept => detection.score,
            ScoreScale::Uniform => 1.0,
            ScoreScale::Percent => detection.score / 100.0,
            ScoreScale::Logistic => 1.0 / (1.0 + (-detection.score).exp()),
        };
    }
    scale
}

#[derive(Debug, Clone, Copy)]
struct Row {
    frame: u32,
    number: u32,
    bbox: BBox,
    score: f32,
}

/// Writes tracks as a MOTChallenge results file, which appears under its name only when it is whole.
///
/// Rows may come in any order of frames; gaps of a track up to a chosen length are filled along a straight line. Rows are kept until
/// `finish`: 28 bytes each, so an hour of ten people at 25 frames/s is 25 MB.
#[derive(Debug)]
pub struct MotWriter {
    path: PathBuf,
    most_gap_frames: u32,
    numbers: BTreeMap<TrackId, u32>,
    rows: Vec<Row>,
}

impl MotWriter {
    /// A writer for `path`; gaps of up to `most_gap_frames` missing frames are filled, 0 fills none.
    ///
    /// # Errors
    /// When the folder of `path` is missing or cannot be written to: said now, not after an hour of work.
    pub fn create(path: &Path, most_gap_frames: u32) -> Result<Self, TrackError> {
        let writer = Self {
            path: path.to_owned(),
            most_gap_frames,
            numbers: BTreeMap::new(),
            rows: Vec::new(),
        };
        fs_err::File::create(writer.partial_path())?;
        Ok(writer)
    }

    /// Adds where a track was in a frame (counted from 1).
    pub fn push(&mut self, frame: u32, track: TrackId, bbox: &BBox, score: f32) {
        let next = self.numbers.len() as u32 + 1;
        let number = *self.numbers.entry(track).or_insert(next);
        self.rows.push(Row {
            frame,
            number,
            bbox: *bbox,
            score,
        });
    }

    /// How many tracks were written.
    pub fn tracks(&self) -> usize {
        self.numbers.len()
    }

    /// Fills gaps, writes the file, and puts it under its name. Returns the number of rows.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn finish(mut self) -> Result<usize, TrackError> {
        self.fill_gaps();
        self.rows.sort_by_key(|row| (row.frame, row.number));
        let partial = self.partial_path();
        let mut out = BufWriter::new(fs_err::File::create(&partial)?);
        for Row {
            frame,
            number,
            bbox,
            score,
        } in &self.rows
        {
            let (width, height) = (bbox.x1 - bbox.x0, bbox.y1 - bbox.y0);
            let [left, top] = [bbox.x0, bbox.y0].map(|at| f64::from(at) + FIRST_PIXEL);
            writeln!(
                out,
                "{frame},{number},{left:.2},{top:.2},{width:.2},{height:.2},{score:.4},-1,-1,-1"
            )?;
        }
        let file = out
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error)?;
        file.sync_all()?;
        fs_err::rename(&partial, &self.path)?;
        Ok(self.rows.len())
    }

    fn fill_gaps(&mut self) {
        self.rows.sort_by_key(|row| (row.number, row.frame));
        let mut filled = Vec::new();
        for pair in self.rows.windows(2) {
            let [from, to] = [pair[0], pair[1]];
            let missing = to.frame.saturating_sub(from.frame).saturating_sub(1);
            if from.number != to.number || missing == 0 || missing > self.most_gap_frames {
                continue;
            }
            for step in 1..=missing {
                let share = step as f32 / (missing + 1) as f32;
                filled.push(Row {
                    frame: from.frame + step,
                    number: from.number,
                    bbox: between(&from.bbox, &to.bbox, share),
                    score: from.score.min(to.score),
                });
            }
        }
        self.rows.append(&mut filled);
    }

    fn partial_path(&self) -> PathBuf {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".partial");
        self.path.with_file_name(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<MotDetections, TrackError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("det.txt");
        fs_err::write(&path, text).unwrap();
        MotDetections::read(&path)
    }

    #[test]
    fn frames_may_come_in_any_order_and_empty_boxes_are_kept() {
        let text = b"\xef\xbb\xbf3,-1,10,20,30,60,0.9,-1,-1,-1\r\n\n1,-1,10,20,0,0,0.5\n1 -1 12 20 30 60 0.7\n";
        let input = read(text).unwrap();
        assert_eq!(input.last_frame(), 3);
        assert_eq!(input.frames[&1].len(), 2);
        assert_eq!(input.frames[&3][0].bbox, BBox::new(9.0, 19.0, 39.0, 79.0));
        assert_eq!(input.score_scale, ScoreScale::Kept);
    }

    #[test]
    fn scores_of_any_detector_become_0_to_1() {
        for (scores, scale) in [
            (["-1", "-1"], ScoreScale::Uniform),
            (["0.2", "0.9"], ScoreScale::Kept),
            (["35", "99"], ScoreScale::Percent),
            (["-0.4", "2.5"], ScoreScale::Logistic),
        ] {
            let text = scores
                .map(|score| format!("1,-1,1,1,10,20,{score}\n"))
                .concat();
            let input = read(text.as_bytes()).unwrap();
            assert_eq!(input.score_scale, scale);
            for detection in &input.frames[&1] {
                assert!((0.0..=1.0).contains(&detection.score));
            }
        }
    }

    #[test]
    fn a_bad_line_is_named_by_its_number() {
        for (text, expected) in [
            (
                &b"1,-1,1,1,5,5,1\n2,-1,x,1,5,5,1\n"[..],
                "line 2: left `x` is not a number",
            ),
            (b"1,-1,1,1,5\n", "line 1: has no height"),
            (b"0,-1,1,1,5,5,1\n", "line 1: frame 0 is no frame number"),
            (b"1.5,-1,1,1,5,5,1\n", "frame 1.5 is no frame number"),
            (b"\n\n\x89PNG\xff\n", "line 3: is not text"),
            (b"\n", "has no detections"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains('\n'));
        }
    }

    #[test]
    fn a_results_file_appears_whole_and_short_gaps_are_filled() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.txt");
        let mut writer = MotWriter::create(&path, 2).unwrap();
        assert!(!path.exists());
        let track = TrackId::derive("s", "c", 0, 0);
        for frame in [4, 1, 10] {
            let x = frame as f32;
            writer.push(frame, track, &BBox::new(x, 0.0, x + 10.0, 20.0), 1.0);
        }
        assert_eq!(writer.finish().unwrap(), 5);
        let text = fs_err::read_to_string(&path).unwrap();
        let frames: Vec<_> = text
            .lines()
            .map(|line| line.split(',').next().unwrap())
            .collect();
        assert_eq!(frames, ["1", "2", "3", "4", "10"]);
        assert!(text.contains("2,1,3.00,1.00,10.00,20.00,1.0000,-1,-1,-1"));
        assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 1);
    }
}
