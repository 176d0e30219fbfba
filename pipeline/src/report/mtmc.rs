//! AI City 2024 files: every box of a scene with its person, `camera id frame x y width height [x_world y_world]`.
//!
//! Whose a track is stands fast only when everything is settled, so boxes wait in a file beside the result.

use std::collections::HashMap;
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
    part: PathBuf,
    file: BufWriter<fs_err::File>,
    numbers: HashMap<TrackId, u32>,
    tracks: Vec<TrackId>,
    cameras: Vec<String>,
    /// Width and height of each camera's pictures, pixels.
    sizes: Vec<[f32; 2]>,
}

impl MtmcWriter {
    /// Begins a file for these cameras, in the order of their indices.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(path: &Path, cameras: Vec<String>) -> Result<Self> {
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let file = BufWriter::new(fs_err::File::create(&part)?);
        Ok(Self {
            path: path.to_owned(),
            part,
            file,
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

    /// Writes the file: persons are numbered from 1 in the order in which their boxes come; a track without a
    /// person gets a number of its own. Places on the ground stand in it when the map has all cameras.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn finish(
        self,
        map: &SiteMap,
        person_of: impl Fn(TrackId) -> Option<PersonId>,
    ) -> Result<()> {
        let Self {
            path,
            part,
            file,
            tracks,
            cameras,
            sizes,
            ..
        } = self;
        file.into_inner().context("cannot write the boxes")?;
        let mut boxes = BufReader::new(fs_err::File::open(&part)?);
        let mut out = BufWriter::new(fs_err::File::create(&path)?);
        let is_calibrated = cameras.iter().all(|camera| {
            let place = map.cameras.get(camera);
            place.is_some_and(|place| place.homography.is_some())
        });
        let mut persons: HashMap<PersonId, u32> = HashMap::new();
        let mut of_track: HashMap<u32, u32> = HashMap::new();
        let mut count = 0;
        let mut bytes = [0_u8; BOX_BYTES];
        loop {
            match boxes.read_exact(&mut bytes) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => break,
                Err(error) => return Err(error.into()),
            }
            let word = |at: usize| {
                let mut word = [0; 4];
                word.copy_from_slice(&bytes[4 * at..4 * at + 4]);
                word
            };
            let [camera, track, frame] = [0, 1, 2].map(|at| u32::from_le_bytes(word(at)));
            let [x0, y0, x1, y1] = [3, 4, 5, 6].map(|at| f32::from_le_bytes(word(at)));
            let id = *of_track.entry(track).or_insert_with(|| {
                let mut next = || {
                    count += 1;
                    count
                };
                match tracks.get(track as usize).and_then(|id| person_of(*id)) {
                    Some(person) => *persons.entry(person).or_insert_with(next),
                    None => next(),
                }
            });
            write!(
                out,
                "{} {id} {frame} {x0:.1} {y0:.1} {:.1} {:.1}",
                camera + 1,
                x1 - x0,
                y1 - y0
            )?;
            if is_calibrated {
                let index = camera as usize;
                let [width, height] = sizes.get(index).copied().unwrap_or([1.0; 2]);
                let shares = [x0 / width, y0 / height, x1 / width, y1 / height];
                let camera = cameras.get(index).map_or("", String::as_str);
                let [x, y] = map.ground(camera, shares).unwrap_or([1e6; 2]);
                write!(out, " {x:.3} {y:.3}")?;
            }
            writeln!(out)?;
        }
        out.flush()?;
        fs_err::remove_file(&part)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_get_the_person_that_is_known_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mtmc.txt");
        let tracks = [0, 1, 2].map(|n| TrackId::derive("s", "c", n, 0));
        let mut writer = MtmcWriter::create(&path, vec!["a".into(), "b".into()]).unwrap();
        for (camera, frame, track) in [(0, 0, 0), (1, 7, 1), (0, 8, 2)] {
            let bbox = BBox::new(10.0, 20.0, 30.0, 70.0);
            writer
                .push(camera, frame, tracks[track], &bbox, [640.0, 360.0])
                .unwrap();
        }
        let joined = PersonId::derive(tracks[0]);
        writer
            .finish(&SiteMap::default(), |track| {
                (track != tracks[2]).then_some(joined)
            })
            .unwrap();
        assert_eq!(
            fs_err::read_to_string(&path).unwrap(),
            "1 1 0 10.0 20.0 20.0 50.0\n2 1 7 10.0 20.0 20.0 50.0\n1 2 8 10.0 20.0 20.0 50.0\n"
        );
        assert_eq!(sightline_eval::read::read_scene(&path).unwrap().len(), 3);
        assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 1);
    }
}
