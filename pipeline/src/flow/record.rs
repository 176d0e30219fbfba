//! The last stage before the sink: puts outcomes back into order and hands them to everybody who wants them.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use serde_json::json;
use sightline_sink::{Event, Sighting, TrackId};

use super::outcome::{Outcome, TrackEnd};
use super::timing::StageTimes;
use crate::report::annotate::Annotator;
use crate::report::mtmc::MtmcWriter;
use crate::report::table::{TrackLine, rfc3339};
use crate::track::mot::MotWriter;

/// Where events go; the sink in earnest, a list in tests.
pub trait EventWriter {
    /// Takes one event; its place in the spool.
    ///
    /// # Errors
    /// When the spool cannot take it.
    fn write(&mut self, event: &Event) -> Result<u64>;
}

/// What is written beside the store.
#[derive(Clone, Debug, Default)]
pub struct Outputs {
    /// Folder of one MOTChallenge file a camera.
    pub mot: Option<PathBuf>,
    /// File of one JSON value an event.
    pub jsonl: Option<PathBuf>,
    /// File of every box, for as long as its person is not certain.
    pub boxes: Option<PathBuf>,
    /// Annotated video.
    pub video: Option<PathBuf>,
    /// Whether crops are kept in memory for a contact sheet.
    pub keep_crops: bool,
}

/// What came of a replay.
#[derive(Debug, Default)]
pub struct Record {
    /// Pictures that went through the flow.
    pub frames: u64,
    /// Pedestrians found on them.
    pub detections: u64,
    /// Crops that were kept, and ends of tracks.
    pub sightings: u64,
    /// Tracks in order of their first frame.
    pub tracks: Vec<TrackLine>,
    /// JPEG crops of each track in order of time, where asked for; quality first.
    pub crops: HashMap<TrackId, Vec<(f32, Vec<u8>)>>,
    /// Boxes that wait for their persons, where asked for.
    pub boxes: Option<MtmcWriter>,
}

/// Crops of one track that are kept for the sheet.
const CROPS_PER_TRACK: usize = 16;
/// Tracks whose crops are kept for the sheet; beyond it a sheet could not show them.
const TRACKS_WITH_CROPS: usize = 4096;

/// Takes outcomes in any order and passes them on in the order of frames.
pub struct Recorder<W> {
    writer: W,
    cameras: Vec<String>,
    next: u64,
    waiting: BTreeMap<u64, Outcome>,
    mot: Vec<MotWriter>,
    jsonl: Option<BufWriter<fs_err::File>>,
    video: Option<Annotator>,
    numbers: HashMap<TrackId, usize>,
    record: Record,
    keep_crops: bool,
    times: Arc<StageTimes>,
}

impl<W: EventWriter> Recorder<W> {
    /// A recorder for these cameras, in the order of their indices.
    ///
    /// # Errors
    /// When an output cannot be made; the message names it.
    pub fn open(
        writer: W,
        cameras: Vec<String>,
        outputs: &Outputs,
        times: Arc<StageTimes>,
    ) -> Result<Self> {
        let mot = match &outputs.mot {
            Some(folder) => {
                fs_err::create_dir_all(folder)?;
                cameras
                    .iter()
                    .map(|camera| MotWriter::create(&folder.join(format!("{camera}.txt")), 0))
                    .collect::<Result<_, _>>()?
            }
            None => Vec::new(),
        };
        let boxes = outputs
            .boxes
            .as_deref()
            .map(|path| MtmcWriter::create(path, cameras.clone()))
            .transpose()?;
        let jsonl = outputs.jsonl.as_deref().map(create).transpose()?;
        let video = outputs
            .video
            .as_deref()
            .map(|path| Annotator::new(path, cameras.clone()));
        Ok(Self {
            writer,
            cameras,
            next: 0,
            waiting: BTreeMap::new(),
            mot,
            jsonl,
            video,
            numbers: HashMap::new(),
            record: Record {
                boxes,
                ..Record::default()
            },
            keep_crops: outputs.keep_crops,
            times,
        })
    }

    /// Takes one outcome; passes on all whose turn it is.
    ///
    /// # Errors
    /// When the sink or an output fails.
    pub fn take(&mut self, outcome: Outcome) -> Result<()> {
        self.waiting.insert(outcome.ordinal, outcome);
        while let Some(outcome) = self.waiting.remove(&self.next) {
            self.next += 1;
            self.pass(&outcome)?;
        }
        Ok(())
    }

    /// Frames passed on so far, detections on them, tracks born.
    pub fn so_far(&self) -> (u64, u64, usize) {
        (
            self.record.frames,
            self.record.detections,
            self.numbers.len(),
        )
    }

    /// Ends every output.
    ///
    /// # Errors
    /// When an output cannot be finished.
    pub fn finish(mut self) -> Result<(Record, W)> {
        // Only what follows a gap can wait here, and a gap means that a stage has failed before.
        for outcome in std::mem::take(&mut self.waiting).into_values() {
            self.pass(&outcome)?;
        }
        for mot in self.mot {
            mot.finish()?;
        }
        if let Some(mut jsonl) = self.jsonl {
            jsonl
                .flush()
                .context("cannot write the events as JSON lines")?;
        }
        if let Some(video) = self.video {
            video.finish()?;
        }
        Ok((self.record, self.writer))
    }

    fn pass(&mut self, outcome: &Outcome) -> Result<()> {
        self.record.frames += u64::from(!outcome.is_end);
        self.record.detections += u64::from(outcome.detections);
        for seen in &outcome.boxes {
            self.number(seen.track, outcome.camera_index);
            if let Some(mot) = self.mot.get_mut(outcome.camera_index) {
                // A recording of 2^32 frames would last for years.
                let number = u32::try_from(seen.sequence + 1).unwrap_or(u32::MAX);
                mot.push(number, seen.track, &seen.bbox, seen.score);
            }
            if let Some(boxes) = &mut self.record.boxes {
                let (camera, frame) = (outcome.camera_index, seen.sequence);
                boxes.push(camera, frame, seen.track, &seen.bbox, outcome.size_px)?;
            }
        }
        for event in &outcome.events {
            self.write(event)?;
        }
        for end in &outcome.ended {
            self.end(end);
        }
        if let (Some(video), Some(frame)) = (&mut self.video, &outcome.frame) {
            video.draw(frame, &outcome.boxes, &self.numbers)?;
        }
        Ok(())
    }

    fn number(&mut self, track: TrackId, camera_index: usize) {
        if self.numbers.contains_key(&track) {
            return;
        }
        let number = self.numbers.len() + 1;
        self.numbers.insert(track, number);
        self.record.tracks.push(TrackLine {
            number,
            track,
            camera: self.cameras[camera_index].clone(),
            start_ns: 0,
            end_ns: 0,
            detections: 0,
            sightings: 0,
        });
    }

    fn write(&mut self, event: &Event) -> Result<()> {
        let writer = &mut self.writer;
        self.times.spool.measure(1, || writer.write(event))?;
        if let Some(jsonl) = &mut self.jsonl {
            serde_json::to_writer(&mut *jsonl, &event_json(event))?;
            jsonl.write_all(b"\n")?;
        }
        if let Event::Sighting(sighting) = event {
            self.record.sightings += u64::from(!sighting.is_end);
            if self.keep_crops {
                self.keep(sighting);
            }
        }
        Ok(())
    }

    fn keep(&mut self, sighting: &Sighting) {
        let Some(crop) = &sighting.crop else { return };
        if self.record.crops.len() >= TRACKS_WITH_CROPS
            && !self.record.crops.contains_key(&sighting.track)
        {
            return;
        }
        let crops = self.record.crops.entry(sighting.track).or_default();
        if crops.len() < CROPS_PER_TRACK {
            crops.push((sighting.quality, crop.to_vec()));
        }
    }

    fn end(&mut self, end: &TrackEnd) {
        let Some(line) = self
            .numbers
            .get(&end.track)
            .and_then(|n| self.record.tracks.get_mut(n - 1))
        else {
            return;
        };
        line.start_ns = end.start_ns;
        line.end_ns = end.end_ns;
        line.detections = end.detections;
        line.sightings = end.sightings;
    }
}

fn create(path: &Path) -> Result<BufWriter<fs_err::File>> {
    Ok(BufWriter::new(fs_err::File::create(path)?))
}

/// An event as people and scripts read it: without vectors, times in RFC 3339.
#[must_use]
pub fn event_json(event: &Event) -> serde_json::Value {
    match event {
        Event::Sighting(sighting) => json!({
            "event": if sighting.is_end { "track_end" } else { "sighting" },
            "id": sighting.id.to_string(),
            "track": sighting.track.to_string(),
            "site": sighting.site,
            "camera": sighting.camera,
            "time": rfc3339(sighting.capture_ns),
            "bbox": sighting.bbox,
            "quality": sighting.quality,
            "sequence": sighting.sequence,
            "models": sighting.vectors.iter().map(|vector| &vector.model).collect::<Vec<_>>(),
            "start": rfc3339(sighting.state.start_ns),
            "end": rfc3339(sighting.state.end_ns),
            "detections": sighting.state.detections,
            "revision": sighting.state.revision,
        }),
        Event::Coverage(coverage) => json!({
            "event": "coverage",
            "site": coverage.site,
            "camera": coverage.camera,
            "from": rfc3339(coverage.from_ns),
            "to": rfc3339(coverage.to_ns),
            "watched": coverage.watched,
            "frames_seen": coverage.frames_seen,
            "frames_dropped": coverage.frames_dropped,
        }),
        Event::Forgotten(forgotten) => json!({
            "event": "forgotten",
            "time": rfc3339(forgotten.at_ns),
            "tracks": forgotten.tracks,
        }),
    }
}
