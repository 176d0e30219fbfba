//! Bounded text files, line by line, field by field.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use super::{MOST_BOXES_A_FRAME, MOST_FRAMES, MOST_ROWS};
use crate::error::{EvalError, shown};

const MOST_BYTES: u64 = 2 << 30;

/// The bytes of a file, refused when it is no plain file or too large to be one of tracks.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, EvalError> {
    let file = fs_err::File::open(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(EvalError::path(path, "is no file, expected a text file"));
    }
    if about.len() > MOST_BYTES {
        return Err(EvalError::path(path, "is larger than 2 GiB"));
    }
    let mut bytes = Vec::with_capacity(about.len() as usize);
    file.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// One line, split at commas, semicolons or white space.
pub(crate) struct Fields<'a> {
    pub path: &'a Path,
    pub line: usize,
    /// What a line should look like, for complaints.
    pub form: &'static str,
    fields: [&'a str; 12],
    count: usize,
}

impl<'a> Fields<'a> {
    pub fn count(&self) -> usize {
        self.count
    }

    pub fn fault(&self, what: impl Into<String>) -> EvalError {
        EvalError::line(self.path, self.line, what)
    }

    pub fn number(&self, at: usize, name: &str) -> Result<f64, EvalError> {
        if at >= self.count {
            return Err(self.fault(format!("has no {name}, expected `{}`", self.form)));
        }
        let text = self.fields[at];
        match text.parse::<f64>() {
            Ok(value) if value.abs() <= 1e9 => Ok(value),
            Ok(_) => Err(self.fault(format!("{name} `{}` is out of all bounds", shown(text)))),
            Err(_) => Err(self.fault(format!("{name} `{}` is not a number", shown(text)))),
        }
    }

    pub fn whole(&self, at: usize, name: &str, least: f64, most: f64) -> Result<u64, EvalError> {
        let value = self.number(at, name)?;
        if value.fract() == 0.0 && (least..=most).contains(&value) {
            Ok(value as u64)
        } else {
            let text = shown(self.fields[at]);
            Err(self.fault(format!(
                "{name} `{text}` is not a whole number from {least} to {most}"
            )))
        }
    }

    pub fn frame(&self, at: usize, first: u32) -> Result<u32, EvalError> {
        let frame = self.whole(at, "frame", f64::from(first), f64::from(MOST_FRAMES))?;
        Ok(frame as u32)
    }

    pub fn id(&self, at: usize) -> Result<u64, EvalError> {
        self.whole(at, "id", 0.0, 1e9)
    }

    pub fn bbox(&self, at: usize) -> Result<[f64; 4], EvalError> {
        Ok([
            self.number(at, "left")?,
            self.number(at + 1, "top")?,
            self.number(at + 2, "width")?,
            self.number(at + 3, "height")?,
        ])
    }
}

/// Hands every line that is not empty to `take`.
pub(crate) fn each_line(
    bytes: &[u8],
    path: &Path,
    form: &'static str,
    mut take: impl FnMut(&Fields<'_>) -> Result<(), EvalError>,
) -> Result<(), EvalError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = whole_text(bytes, path, form)?;
    let mut rows = 0;
    for (number, line) in text.split('\n').enumerate() {
        let mut fields = Fields {
            path,
            line: number + 1,
            form,
            fields: [""; 12],
            count: 0,
        };
        // By bytes: separators are ASCII, so no character is cut.
        let mut start = 0;
        for end in 0..=line.len() {
            let byte = line.as_bytes().get(end).copied().unwrap_or(b',');
            if !matches!(byte, b',' | b';' | b' ' | b'\t' | b'\r' | b'\x0c') {
                continue;
            }
            if start < end {
                let Some(slot) = fields.fields.get_mut(fields.count) else {
                    return Err(
                        fields.fault(format!("has more than 12 columns, expected `{form}`"))
                    );
                };
                *slot = &line[start..end];
                fields.count += 1;
            }
            start = end + 1;
        }
        if fields.count == 0 {
            continue;
        }
        rows += 1;
        if rows > MOST_ROWS {
            return Err(fields.fault(format!("is one more than the {MOST_ROWS} rows allowed")));
        }
        take(&fields)?;
    }
    Ok(())
}

fn whole_text<'a>(bytes: &'a [u8], path: &Path, form: &str) -> Result<&'a str, EvalError> {
    std::str::from_utf8(bytes).map_err(|fault| {
        let before = &bytes[..fault.valid_up_to()];
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        EvalError::line(path, line, format!("is not text, expected `{form}`"))
    })
}

/// Refuses an identity that is twice in a frame, and frames that are too full.
#[derive(Default)]
pub(crate) struct FrameCheck {
    numbers: HashMap<(u32, u32), usize>,
    frames: Vec<Vec<u64>>,
    /// Where the row before was: rows of a frame mostly follow one another.
    last: Option<((u32, u32), usize)>,
}

impl FrameCheck {
    /// Notes an identity; `camera` is 0 where a file has one camera.
    pub fn note(
        &mut self,
        fields: &Fields<'_>,
        camera: u32,
        frame: u32,
        id: u64,
    ) -> Result<(), EvalError> {
        let key = (camera, frame);
        let number = match self.last {
            Some((last, number)) if last == key => number,
            _ => *self.numbers.entry(key).or_insert(self.frames.len()),
        };
        self.last = Some((key, number));
        if number == self.frames.len() {
            self.frames.push(Vec::new());
        }
        let ids = &mut self.frames[number];
        if ids.contains(&id) {
            return Err(fields.fault(format!("has id {id} a second time in frame {frame}")));
        }
        if ids.len() == MOST_BOXES_A_FRAME {
            return Err(fields.fault(format!(
                "is one more than the {MOST_BOXES_A_FRAME} boxes a frame may have"
            )));
        }
        ids.push(id);
        Ok(())
    }
}
