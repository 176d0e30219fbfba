//! Frames of all cameras with their tracks drawn on them, as one video.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use sightline_reid::Crop;
use sightline_sink::TrackId;

use super::canvas::{Canvas, LARGE, SMALL, track_color};
use super::video::VideoWriter;
use crate::flow::TrackBox;
use crate::ingest::Frame;

/// Widest video, pixels: what a laptop's screen shows.
const WIDEST_PX: usize = 1280;
/// Pictures closer together than this go into one picture of several cameras, ns.
const TOGETHER_NS: i64 = 30_000_000;
const BLACK: [u8; 3] = [0; 3];
const WHITE: [u8; 3] = [255; 3];

/// Draws tracks on frames and writes the pictures as a video: one camera fills it, several share a grid.
pub struct Annotator {
    cameras: Vec<String>,
    columns: usize,
    cell: Option<(usize, usize)>,
    mosaic: Canvas,
    writer: Option<VideoWriter>,
    path: std::path::PathBuf,
    pending_ns: Option<i64>,
}

impl Annotator {
    /// An annotated video of these cameras, in the order of their indices; the file begins with the first frame.
    pub fn new(path: &Path, cameras: Vec<String>) -> Self {
        let columns = (cameras.len() as f64).sqrt().ceil() as usize;
        Self {
            columns: columns.max(1),
            cameras,
            cell: None,
            mosaic: Canvas::new(2, 2, BLACK),
            writer: None,
            path: path.to_path_buf(),
            pending_ns: None,
        }
    }

    /// Draws one frame into its camera's place; `numbers` are those of the printed table.
    ///
    /// # Errors
    /// When the video cannot be written.
    pub fn draw(
        &mut self,
        frame: &Frame,
        boxes: &[TrackBox],
        numbers: &HashMap<TrackId, usize>,
    ) -> Result<()> {
        let (width, height) = match self.cell {
            Some(cell) => cell,
            None => self.begin(frame)?,
        };
        if let Some(pending_ns) = self.pending_ns
            && frame.capture_ns - pending_ns >= TOGETHER_NS
        {
            self.flush(pending_ns)?;
        }
        self.pending_ns = Some(self.pending_ns.unwrap_or(frame.capture_ns));
        let pixels = sightline_reid::thumbnail(&Crop::whole(frame.reid_planes()), width, height)?;
        let (side_x, side_y) = (u32::try_from(width)?, u32::try_from(height)?);
        let mut picture = Canvas::from_rgb(side_x, side_y, pixels.into_raw_vec_and_offset().0)
            .context("a picture of another size than it was scaled to")?;
        let scale_x = width as f32 / frame.width() as f32;
        let scale_y = height as f32 / frame.height() as f32;
        for seen in boxes.iter().filter(|seen| seen.sequence == frame.sequence) {
            let number = numbers.get(&seen.track).copied().unwrap_or_default();
            let color = track_color(number);
            // Boxes lie near the frame: the casts saturate, and drawing clips.
            let (x, y) = (
                (seen.bbox.x0 * scale_x) as i32,
                (seen.bbox.y0 * scale_y) as i32,
            );
            let (w, h) = (seen.bbox.width() * scale_x, seen.bbox.height() * scale_y);
            picture.outline(x, y, w as u32, h as u32, 2, color);
            let label = number.to_string();
            let label_width = 6 * u32::try_from(label.len()).unwrap_or(1) + 4;
            picture.fill(x, y - 11, label_width, 11, color);
            picture.text(x + 2, y - 11, &label, &SMALL, BLACK);
        }
        let name = &self.cameras[frame.camera_index];
        picture.fill(
            0,
            0,
            9 * u32::try_from(name.len()).unwrap_or(1) + 8,
            18,
            BLACK,
        );
        picture.text(4, 1, name, &LARGE, WHITE);
        let (column, row) = (
            frame.camera_index % self.columns,
            frame.camera_index / self.columns,
        );
        self.mosaic.paste(
            i32::try_from(column * width)?,
            i32::try_from(row * height)?,
            &picture,
        );
        Ok(())
    }

    /// Ends the video; nothing is written when there was no frame.
    ///
    /// # Errors
    /// When the file cannot be finished.
    pub fn finish(mut self) -> Result<()> {
        if let Some(pending_ns) = self.pending_ns {
            self.flush(pending_ns)?;
        }
        self.writer.map_or(Ok(()), VideoWriter::finish)
    }

    fn begin(&mut self, frame: &Frame) -> Result<(usize, usize)> {
        let rows = self.cameras.len().div_ceil(self.columns).max(1);
        let widest = WIDEST_PX / self.columns;
        let scale = (widest as f64 / frame.width() as f64).min(1.0);
        // Encoders of 4:2:0 want even sides.
        let even = |length: usize| (((length as f64 * scale) as usize) & !1).max(16);
        let cell = (even(frame.width()), even(frame.height()));
        let (width, height) = (
            u32::try_from(cell.0 * self.columns)?,
            u32::try_from(cell.1 * rows)?,
        );
        self.mosaic = Canvas::new(width, height, BLACK);
        self.writer = Some(VideoWriter::open(&self.path, width, height)?);
        self.cell = Some(cell);
        Ok(cell)
    }

    fn flush(&mut self, capture_ns: i64) -> Result<()> {
        if let Some(writer) = &mut self.writer {
            writer.write(capture_ns, &self.mosaic)?;
        }
        self.pending_ns = None;
        Ok(())
    }
}
