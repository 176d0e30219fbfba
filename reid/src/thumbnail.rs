//! Crops as small pictures for people, by the same resizing and colours that the encoder sees.

use ndarray::Array3;

use crate::Error;
use crate::card::{Batch, ColorOrder, Input, Precision};
use crate::planes::Crop;
use crate::preprocess::Preprocessor;

/// Cuts a crop out of its picture at `width` x `height` pixels: height x width x 3, RGB, 0 to 255.
///
/// For the few crops that are kept, not for every frame: it takes its memory anew each time.
///
/// # Errors
/// [`Error::Crop`] when the crop is not finite, is empty, or lies outside its picture.
pub fn thumbnail(crop: &Crop<'_>, width: usize, height: usize) -> Result<Array3<u8>, Error> {
    let fault = |reason: String| Error::Crop { index: 0, reason };
    if width == 0 || height == 0 || width > 4096 || height > 4096 {
        return Err(fault(format!(
            "a thumbnail of {width}x{height} pixels is out of range"
        )));
    }
    let mut planes = vec![0.0_f32; 3 * width * height];
    Preprocessor::new(&Input {
        name: String::new(),
        width,
        height,
        colors: ColorOrder::Rgb,
        scale: 1.0,
        mean: [0.0; 3],
        std: [1.0; 3],
        batch: Batch::Dynamic,
        precision: Precision::Fp32,
    })
    .write(crop, &mut planes)
    .map_err(fault)?;
    let area = width * height;
    Ok(Array3::from_shape_fn(
        (height, width, 3),
        |(row, column, channel)| {
            // Values are pixels in 0..=255: rounding cannot leave the range of a byte.
            planes[channel * area + row * width + column].round() as u8
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planes::Planes;

    #[test]
    fn a_thumbnail_keeps_sides_and_colors() {
        let picture = Array3::from_shape_fn((40, 30, 3), |(_, column, channel)| {
            if (column < 15) == (channel == 0) {
                250
            } else {
                10
            }
        });
        let crop = Crop {
            planes: Planes::Rgb(picture.view()),
            x0: 5.0,
            y0: 5.0,
            x1: 25.0,
            y1: 35.0,
        };
        let small = thumbnail(&crop, 10, 15).unwrap();
        assert_eq!(small.dim(), (15, 10, 3));
        assert_eq!([small[[7, 1, 0]], small[[7, 1, 1]]], [250, 10]);
        assert_eq!([small[[7, 8, 0]], small[[7, 8, 1]]], [10, 250]);
        assert!(thumbnail(&crop, 0, 15).is_err());
    }
}
