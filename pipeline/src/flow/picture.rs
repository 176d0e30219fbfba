//! The JPEG of a crop, small enough to travel with its sighting.

use anyhow::{Context as _, Result, bail};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use ndarray::Array3;
use sightline_detector::BBox;
use sightline_reid::Crop;
use sightline_sink::event::MAX_CROP_BYTES;

use crate::ingest::Frame;

/// Tallest crop that is kept, pixels: what encoders take in, no more.
const TALLEST_PX: f32 = 256.0;
/// Widest crop that is kept, pixels.
const WIDEST_PX: f32 = 192.0;
/// Qualities that are tried in turn until the crop is small enough.
const QUALITIES: [u8; 6] = [85, 75, 65, 50, 35, 20];

/// What is seen inside `bbox` of a frame, as encoders take it: from the main stream where `frame` is of a smaller one.
pub(super) fn crop(frame: &Frame, bbox: BBox) -> Crop<'_> {
    let sharpest = frame.for_crops();
    let across = sharpest.width() as f32 / frame.width() as f32;
    let down = sharpest.height() as f32 / frame.height() as f32;
    Crop {
        planes: sharpest.reid_planes(),
        x0: bbox.x0 * across,
        y0: bbox.y0 * down,
        x1: bbox.x1 * across,
        y1: bbox.y1 * down,
    }
}

/// The crop of `bbox` as pixels, H x W x 3, never larger than it is in the picture.
///
/// # Errors
/// When the box does not lie in the frame.
pub fn cut(frame: &Frame, bbox: BBox) -> Result<Array3<u8>> {
    let crop = crop(frame, bbox);
    let (width, height) = (crop.x1 - crop.x0, crop.y1 - crop.y0);
    let scale = (TALLEST_PX / height).min(WIDEST_PX / width).min(1.0);
    // Boxes are finite and sides at most a few thousand pixels: the casts saturate.
    let side = |length: f32| ((length * scale).round() as usize).max(1);
    sightline_reid::thumbnail(&crop, side(width), side(height))
        .with_context(|| format!("camera `{}`: the crop of a person", frame.camera))
}

/// Encodes H x W x 3 RGB pixels as a JPEG of at most [`MAX_CROP_BYTES`].
///
/// # Errors
/// When no quality makes it small enough.
pub fn encode(pixels: &Array3<u8>) -> Result<Vec<u8>> {
    let (height, width, _) = pixels.dim();
    let (width, height) = (u16::try_from(width)?, u16::try_from(height)?);
    let bytes = pixels
        .as_slice()
        .context("a crop whose rows are not packed")?;
    for quality in QUALITIES {
        let mut jpeg = Vec::with_capacity(MAX_CROP_BYTES);
        let mut encoder = Encoder::new(&mut jpeg, quality);
        encoder.set_sampling_factor(SamplingFactor::R_4_2_0);
        encoder.encode(bytes, width, height, ColorType::Rgb)?;
        if jpeg.len() <= MAX_CROP_BYTES {
            return Ok(jpeg);
        }
    }
    bail!("a crop of {width}x{height} pixels takes more than {MAX_CROP_BYTES} bytes as a JPEG")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_noise_fits_into_a_sighting() {
        let mut state = 1_u32;
        let noise = Array3::from_shape_simple_fn((256, 192, 3), || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        });
        let jpeg = encode(&noise).unwrap();
        assert!(jpeg.len() <= MAX_CROP_BYTES);
        assert_eq!(jpeg[..2], [0xff, 0xd8]);
    }
}
