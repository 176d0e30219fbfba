//! AI City 2024 files: every box of a scene with its person, `camera id frame x y width height [x_world y_world]`.
//!
//! Whose a track is stands fast only when everything is settled, so boxes wait in a file of their own.

use std::collections::{HashMap, HashSet};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use sightline_detector::BBox;
use sightline_sink::{PersonId, SiteMap, TrackId};

/// Bytes of a waiting box: camera, track's number, frame, four coordinates.
const BOX_BYTES: usize = 28;

/// Boxes that wait for their persons.
#[derive(Debug)]
pub struct MtmcWriter {
    path: PathBuf,
    file: BufWriter<fs_err::File>,
    numbers: HashMap<TrackId, u32>,
    tracks: Vec<TrackId>,
    cameras: Vec<String>,
    /// Width and height of each camera's pictures, pixels.
    sizes: Vec<[f32; 2]>,
}

impl MtmcWriter {
    /// Begins a file for the boxes of these cameras, in the order of their indices.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(path: &Path, cameras: Vec<String>) -> Result<Self> {
        Ok(Self {
            file: BufWriter::new(fs_err::File::create(path)?),
            path: path.to_owned(),
            numbers: HashMap::new(),
            tracks: Vec::new(),
            sizes: vec![[0.0; 2]; cameras.len()],
            cameras,
        })
    }

    /// Adds a box in pixels, of a frame counted from 0, in a picture of this size.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn push(
        &mut self,
        camera_index: usize,
        frame: u64,
        track: TrackId,
        bbox: &BBox,
        size: [f32; 2],
    ) -> Result<()> {
        if let Some(known) = self.sizes.get_mut(camera_index) {
            *known = size;
        }
        let tracks = &mut self.tracks;
        let number = *self.numbers.entry(track).or_insert_with(|| {
            tracks.push(track);
            tracks.len() as u32 - 1
        });
        // Recordings of 2^32 frames would last for years.
        let frame = u32::try_from(frame).unwrap_or(u32::MAX);
        for value in [camera_index as u32, number, frame] {
            self.file.write_all(&value.to_le_bytes())?;
        }
        for value in [bbox.x0, bbox.y0, bbox.x1, bbox.y1] {
            self.file.write_all(&value.to_le_bytes())?;
        }
        Ok(())
    }

    /// Ends the writing; what was written can be read from now on.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn close(self) -> Result<BoxLog> {
        self.file.into_inner().context("cannot write the boxes")?;
        Ok(BoxLog {
            path: self.path,
            tracks: self.tracks,
            cameras: self.cameras,
            sizes: self.sizes,
        })
    }
}

/// Every box of a scene.
#[derive(Debug)]
pub struct BoxLog {
    path: PathBuf,
    tracks: Vec<TrackId>,
    cameras: Vec<String>,
    sizes: Vec<[f32; 2]>,
}

/// One box.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BoxRow {
    /// The camera's place in the list.
    pub camera: usize,
    /// Number of the frame, from 0.
    pub frame: u64,
    /// Whose box it is.
    pub track: TrackId,
    /// Pixels of the frame.
    pub bbox: BBox,
}

impl BoxRow {
    /// As files of results have it.
    #[must_use]
    pub fn left_top_width_height(&self) -> [f64; 4] {
        let BBox { x0, y0, x1, y1 } = self.bbox;
        [x0, y0, x1 - x0, y1 - y0].map(f64::from)
    }
}

impl BoxLog {
    /// Goes through all boxes in the order in which they were written.
    ///
    /// # Errors
    /// When the file cannot be read, or `take` fails.
    pub fn each(&self, mut take: impl FnMut(BoxRow) -> Result<()>) -> Result<()> {
        let mut boxes = BufReader::new(fs_err::File::open(&self.path)?);
        let mut bytes = [0_u8; BOX_BYTES];
        loop {
            match boxes.read_exact(&mut bytes) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => return Err(error.into()),
            }
            let word = |at: usize| {
                let mut word = [0; 4];
                word.copy_from_slice(&bytes[4 * at..4 * at + 4]);
                word
            };
            let [camera, track, frame] = [0, 1, 2].map(|at| u32::from_le_bytes(word(at)));
            let [x0, y0, x1, y1] = [3, 4, 5, 6].map(|at| f32::from_le_bytes(word(at)));
            let track = self.tracks.get(track as usize);
            take(BoxRow {
                camera: camera as usize,
                frame: u64::from(frame),
                track: *track.context("a box names no track; this is a bug")?,
                bbox: BBox::new(x0, y0, x1, y1),
            })?;
        }
    }

    /// Writes the scene's file: persons are numbered from 1 in the order in which their boxes come; a track
    /// without a person gets a number of its own. Nobody is twice in one picture: the first box holds. Places on the ground stand in it when the map has all cameras.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(
        &self,
        path: &Path,
        map: &SiteMap,
        person_of: impl Fn(TrackId) -> Option<PersonId>,
    ) -> Result<()> {
        let mut out = BufWriter::new(fs_err::File::create(path)?);
        let is_calibrated = self.cameras.iter().all(|camera| {
            let place = map.cameras.get(camera);
            place.is_some_and(|place| place.homography.is_some())
        });
        let mut persons: HashMap<PersonId, u32> = HashMap::new();
        let mut of_track: HashMap<TrackId, u32> = HashMap::new();
        let mut count = 0;
        let mut written: HashSet<(usize, u64, u32)> = HashSet::new();
        self.each(|row| {
            let id = *of_track.entry(row.track).or_insert_with(|| {
                let mut next = || {
                    count += 1;
                    count
                };
                match person_of(row.track) {
                    Some(person) => *persons.entry(person).or_insert_with(next),
                    None => next(),
                }
            });
            // Two tracks of one person in one picture: nobody is there twice.
            if !written.insert((row.camera, row.frame, id)) {
                return Ok(());
            }
            let [left, top, width, height] = row.left_top_width_height();
            write!(
                out,
                "{} {id} {} {left:.1} {top:.1} {width:.1} {height:.1}",
                row.camera + 1,
                row.frame
            )?;
            if is_calibrated {
                let BBox { x0, y0, x1, y1 } = row.bbox;
                let [width, height] = self.sizes.get(row.camera).copied().unwrap_or([1.0; 2]);
                let shares = [x0 / width, y0 / height, x1 / width, y1 / height];
                let camera = self.cameras.get(row.camera).map_or("", String::as_str);
                // Feet that stand nowhere on the ground are farther away than anybody.
                let [x, y] = map.ground(camera, shares).unwrap_or([1e6; 2]);
                write!(out, " {x:.3} {y:.3}")?;
            }
            Ok(writeln!(out)?)
        })?;
        Ok(out.flush()?)
    }

    /// Removes what was written while it was needed.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn remove(self) -> Result<()> {
        Ok(fs_err::remove_file(&self.path)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_get_the_person_that_is_known_at_the_end_once_a_picture() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("boxes");
        let tracks = [0, 1, 2].map(|n| TrackId::derive("s", "c", n, 0));
        let mut writer = MtmcWriter::create(&path, vec!["a".into(), "b".into()]).unwrap();
        for (camera, frame, track) in [(0, 0, 0), (1, 7, 1), (0, 8, 2), (1, 7, 0)] {
            let bbox = BBox::new(10.0, 20.0, 30.0, 70.0);
            writer
                .push(camera, frame, tracks[track], &bbox, [640.0, 360.0])
                .unwrap();
        }
        let joined = PersonId::derive(tracks[0]);
        let log = writer.close().unwrap();
        let person_of = |track| (track != tracks[2]).then_some(joined);
        let path = folder.path().join("persons.txt");
        log.write(&path, &SiteMap::default(), person_of).unwrap();
        log.remove().unwrap();
        assert_eq!(
            fs_err::read_to_string(&path).unwrap(),
            "1 1 0 10.0 20.0 20.0 50.0\n2 1 7 10.0 20.0 20.0 50.0\n1 2 8 10.0 20.0 20.0 50.0\n"
        );
        assert_eq!(sightline_eval::read::read_scene(&path).unwrap().len(), 3);
        assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 1);
    }
}
