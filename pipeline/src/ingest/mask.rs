//! Privacy masks: polygons that are black before anything else sees the picture.

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;

use super::region::Polygon;

/// Black, as limited-range video has it.
const BLACK_Y: u8 = 16;
/// No colour.
const BLACK_UV: u8 = 128;

/// Columns `x0..x1` of one luma row that are masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    row: usize,
    x0: usize,
    x1: usize,
}

/// Paints the privacy masks of one camera into its pictures.
///
/// A decoder keeps pictures to predict later ones from, so a mask painted into its own memory would smear through the
/// stream. A picture that the decoder still holds is therefore copied into a pooled buffer first; one that nobody else
/// holds is painted in place.
pub(super) struct MaskPainter {
    polygons: Vec<Polygon>,
    prepared: Option<Prepared>,
}

/// What one picture size needs.
struct Prepared {
    width: usize,
    height: usize,
    spans: Vec<Span>,
    pool: Option<(gst::Caps, gst_video::VideoBufferPool)>,
}

impl MaskPainter {
    /// `None` when there is nothing to mask.
    pub(super) fn new(polygons: &[Polygon]) -> Option<Self> {
        (!polygons.is_empty()).then(|| Self {
            polygons: polygons.to_vec(),
            prepared: None,
        })
    }

    /// Gives back the picture with its masks painted, or what failed: a picture is never passed on unmasked.
    pub(super) fn paint(
        &mut self,
        buffer: gst::Buffer,
        caps: &gst::Caps,
        info: &gst_video::VideoInfo,
    ) -> Result<gst::Buffer, String> {
        let size = (info.width() as usize, info.height() as usize);
        let prepared = match self.prepared.take() {
            Some(old) if (old.width, old.height) == size => self.prepared.insert(old),
            _ => self.prepared.insert(Prepared {
                width: size.0,
                height: size.1,
                spans: spans_of(&self.polygons, size.0, size.1),
                pool: None,
            }),
        };
        let own = if buffer.is_writable() && buffer.is_all_memory_writable() {
            buffer
        } else {
            prepared.copy(buffer, caps, info)?
        };
        let mut picture = gst_video::VideoFrame::from_buffer_writable(own, info)
            .map_err(|_| "the buffer is not writable".to_owned())?;
        paint_spans(&mut picture, &prepared.spans)?;
        Ok(picture.into_buffer())
    }
}

impl Prepared {
    fn copy(
        &mut self,
        buffer: gst::Buffer,
        caps: &gst::Caps,
        info: &gst_video::VideoInfo,
    ) -> Result<gst::Buffer, String> {
        let fault = |e: gst::glib::BoolError| e.to_string();
        let pool = match self.pool.take() {
            Some((known, pool)) if known == *caps => &self.pool.insert((known, pool)).1,
            _ => {
                let pool = gst_video::VideoBufferPool::new();
                let mut config = pool.config();
                let size = u32::try_from(info.size()).map_err(|e| e.to_string())?;
                config.set_params(Some(caps), size, 0, 0);
                pool.set_config(config).map_err(fault)?;
                pool.set_active(true).map_err(fault)?;
                &self.pool.insert((caps.clone(), pool)).1
            }
        };
        let target = pool
            .acquire_buffer(None)
            .map_err(|flow| format!("no buffer from the pool: {flow:?}"))?;
        let source = gst_video::VideoFrame::from_buffer_readable(buffer, info)
            .map_err(|_| "the buffer is not mappable".to_owned())?;
        let mut target = gst_video::VideoFrame::from_buffer_writable(target, info)
            .map_err(|_| "the pooled buffer is not writable".to_owned())?;
        source.copy(&mut target).map_err(fault)?;
        Ok(target.into_buffer())
    }
}

fn paint_spans(
    picture: &mut gst_video::VideoFrame<gst_video::video_frame::Writable>,
    spans: &[Span],
) -> Result<(), String> {
    let is_interleaved = match picture.format() {
        gst_video::VideoFormat::I420 => false,
        gst_video::VideoFormat::Nv12 => true,
        other => return Err(format!("cannot mask a picture in {other}")),
    };
    fill(picture, 0, BLACK_Y, spans.iter().copied())?;
    let chroma = |span: &Span| {
        let (x0, x1) = (span.x0 / 2, span.x1.div_ceil(2));
        let step = if is_interleaved { 2 } else { 1 };
        Span {
            row: span.row / 2,
            x0: x0 * step,
            x1: x1 * step,
        }
    };
    let chroma_planes = if is_interleaved { 1..=1 } else { 1..=2 };
    for plane in chroma_planes {
        fill(picture, plane, BLACK_UV, spans.iter().map(chroma))?;
    }
    Ok(())
}

fn fill(
    picture: &mut gst_video::VideoFrame<gst_video::video_frame::Writable>,
    plane: u32,
    value: u8,
    spans: impl Iterator<Item = Span>,
) -> Result<(), String> {
    let stride = usize::try_from(picture.plane_stride()[plane as usize])
        .map_err(|_| "the picture is stored upside down".to_owned())?;
    let data = picture.plane_data_mut(plane).map_err(|e| e.to_string())?;
    for span in spans {
        let start = span.row * stride;
        data.get_mut(start + span.x0..start + span.x1)
            .ok_or_else(|| "a plane is smaller than the picture".to_owned())?
            .fill(value);
    }
    Ok(())
}

/// Every pixel that a polygon touches, row by row; a pixel touched in part is masked whole.
fn spans_of(polygons: &[Polygon], width: usize, height: usize) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut crossings = Vec::new();
    for polygon in polygons {
        let scale = |(x, y): (f32, f32)| (x * width as f32, y * height as f32);
        let edges: Vec<_> = polygon.edges().map(|(a, b)| (scale(a), scale(b))).collect();
        for row in 0..height {
            let (top, bottom) = (row as f32, row as f32 + 1.0);
            let mut push = |x0: f32, x1: f32| {
                let x0 = x0.floor().clamp(0.0, width as f32) as usize;
                let x1 = x1.ceil().clamp(0.0, width as f32) as usize;
                if x1 > x0 {
                    spans.push(Span { row, x0, x1 });
                }
            };
            for &((xa, ya), (xb, yb)) in &edges {
                let (low, high) = (ya.min(yb).max(top), ya.max(yb).min(bottom));
                if low < high {
                    let at = |y: f32| xa + (xb - xa) * (y - ya) / (yb - ya);
                    push(at(low).min(at(high)), at(low).max(at(high)));
                }
            }
            // Just inside the row, so that a polygon that ends on its edge does not count as touching it.
            for level in [top + 1e-3, (top + bottom) / 2.0, bottom - 1e-3] {
                crossings.clear();
                let crossing = edges
                    .iter()
                    .filter(|((_, ya), (_, yb))| (*ya > level) != (*yb > level))
                    .map(|&((xa, ya), (xb, yb))| xa + (xb - xa) * (level - ya) / (yb - ya));
                crossings.extend(crossing);
                crossings.sort_by(f32::total_cmp);
                for pair in crossings.chunks_exact(2) {
                    push(pair[0], pair[1]);
                }
            }
        }
    }
    merged(spans)
}

/// Joins spans that touch, so that each pixel is written once.
fn merged(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_by_key(|span| (span.row, span.x0));
    let mut joined: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match joined.last_mut() {
            Some(last) if last.row == span.row && span.x0 <= last.x1 => {
                last.x1 = last.x1.max(span.x1);
            }
            _ => joined.push(span),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(
        format: gst_video::VideoFormat,
        width: u32,
        height: u32,
    ) -> (gst::Buffer, gst::Caps, gst_video::VideoInfo) {
        gst::init().unwrap();
        let info = gst_video::VideoInfo::builder(format, width, height)
            .build()
            .unwrap();
        let buffer = gst::Buffer::from_mut_slice(vec![200u8; info.size()]);
        (buffer, info.to_caps().unwrap(), info)
    }

    fn check(format: gst_video::VideoFormat, is_shared: bool) {
        // Odd sizes, so that chroma rounding is seen.
        let (buffer, caps, info) = picture(format, 33, 17);
        let held = is_shared.then(|| buffer.clone());
        let mask = Polygon::rectangle(0.0, 0.0, 0.5, 0.5).unwrap();
        let mut painter = MaskPainter::new(&[mask]).unwrap();
        let painted = painter.paint(buffer, &caps, &info).unwrap();
        let frame = gst_video::VideoFrame::from_buffer_readable(painted, &info).unwrap();
        let stride = frame.plane_stride()[0] as usize;
        for row in 0..17 {
            for column in 0..33 {
                let expected = if row < 9 && column < 17 { 16 } else { 200 };
                let value = frame.plane_data(0).unwrap()[row * stride + column];
                assert_eq!(value, expected, "{format:?} luma {row},{column}");
            }
        }
        let (planes, step) = match format {
            gst_video::VideoFormat::Nv12 => (1..2, 2),
            _ => (1..3, 1),
        };
        for plane in planes {
            let stride = frame.plane_stride()[plane as usize] as usize;
            for row in 0..9 {
                for column in 0..17 * step {
                    let expected = if row < 5 && column < 9 * step {
                        128
                    } else {
                        200
                    };
                    let value = frame.plane_data(plane).unwrap()[row * stride + column];
                    assert_eq!(value, expected, "{format:?} plane {plane} {row},{column}");
                }
            }
        }
        if let Some(held) = held {
            assert!(held.map_readable().unwrap().iter().all(|&v| v == 200));
        }
    }

    #[test]
    fn masked_pixels_are_black_in_every_plane() {
        check(gst_video::VideoFormat::I420, false);
        check(gst_video::VideoFormat::Nv12, false);
    }

    #[test]
    fn a_picture_that_the_decoder_still_holds_is_not_touched() {
        check(gst_video::VideoFormat::I420, true);
        check(gst_video::VideoFormat::Nv12, true);
    }

    #[test]
    fn a_size_change_moves_the_mask_with_the_picture() {
        let mask = Polygon::rectangle(0.5, 0.5, 1.0, 1.0).unwrap();
        let mut painter = MaskPainter::new(&[mask]).unwrap();
        for (width, height) in [(64, 48), (32, 96)] {
            let (buffer, caps, info) = picture(gst_video::VideoFormat::I420, width, height);
            let painted = painter.paint(buffer, &caps, &info).unwrap();
            let data = painted.map_readable().unwrap();
            let last = (width * height - 1) as usize;
            assert_eq!((data[0], data[last]), (200, 16));
        }
    }

    #[test]
    fn a_slanted_mask_covers_every_pixel_it_touches() {
        let triangle = Polygon::try_new(vec![(0.1, 0.1), (0.9, 0.2), (0.3, 0.8)]).unwrap();
        let spans = spans_of(std::slice::from_ref(&triangle), 50, 40);
        for row in 0..400 {
            for column in 0..500 {
                let (x, y) = ((column as f32 + 0.5) / 500.0, (row as f32 + 0.5) / 400.0);
                if triangle.contains(x, y) {
                    let is_covered = spans
                        .iter()
                        .any(|s| s.row == row / 10 && (s.x0..s.x1).contains(&(column / 10)));
                    assert!(is_covered, "{x},{y} is inside and not masked");
                }
            }
        }
    }
}
