//! Colour conversion and normalisation at the model's size.

use crate::planes::{Color, Matrix};

/// Three planes of the batch tensor, red first, and the affine map from pixel values into each.
pub(crate) struct Rgb<'t> {
    pub(crate) planes: [&'t mut [f32]; 3],
    pub(crate) gain: [f32; 3],
    pub(crate) offset: [f32; 3],
}

impl Rgb<'_> {
    /// Fills the planes from luma and (blue, red) chroma of the same size.
    pub(crate) fn fill_from_yuv(
        &mut self,
        color: Color,
        luma: impl Iterator<Item = u8>,
        chroma: impl Iterator<Item = [u8; 2]>,
    ) {
        let matrix = YuvToRgb::new(color);
        let (gain, offset) = (self.gain, self.offset);
        let [red, green, blue] = &mut self.planes;
        let planes = red.iter_mut().zip(green.iter_mut()).zip(blue.iter_mut());
        for ((((red, green), blue), y), uv) in planes.zip(luma).zip(chroma) {
            let [r, g, b] = matrix.apply(y, uv);
            *red = r * gain[0] + offset[0];
            *green = g * gain[1] + offset[1];
            *blue = b * gain[2] + offset[2];
        }
    }

    /// Fills the planes from pixels of the same size.
    pub(crate) fn fill_from_rgb(&mut self, pixels: impl Iterator<Item = [u8; 3]>) {
        let (gain, offset) = (self.gain, self.offset);
        let [red, green, blue] = &mut self.planes;
        let planes = red.iter_mut().zip(green.iter_mut()).zip(blue.iter_mut());
        for (((red, green), blue), [r, g, b]) in planes.zip(pixels) {
            *red = f32::from(r) * gain[0] + offset[0];
            *green = f32::from(g) * gain[1] + offset[1];
            *blue = f32::from(b) * gain[2] + offset[2];
        }
    }
}

/// The inverse of the matrix that made luma and chroma, for 8-bit values.
#[derive(Debug, Clone, Copy)]
struct YuvToRgb {
    luma_gain: f32,
    luma_zero: f32,
    red_from_v: f32,
    green_from_u: f32,
    green_from_v: f32,
    blue_from_u: f32,
}

impl YuvToRgb {
    fn new(color: Color) -> Self {
        // Weights of red and blue in luma, from the two recommendations.
        let (red, blue) = match color.matrix {
            Matrix::Bt601 => (0.299_f32, 0.114_f32),
            Matrix::Bt709 => (0.2126, 0.0722),
        };
        let green = 1.0 - red - blue;
        let (luma_gain, luma_zero, chroma_gain) = if color.is_full_range {
            (1.0, 0.0, 1.0)
        } else {
            (255.0 / 219.0, 16.0, 255.0 / 224.0)
        };
        Self {
            luma_gain,
            luma_zero,
            red_from_v: 2.0 * (1.0 - red) * chroma_gain,
            green_from_u: -2.0 * (1.0 - blue) * blue / green * chroma_gain,
            green_from_v: -2.0 * (1.0 - red) * red / green * chroma_gain,
            blue_from_u: 2.0 * (1.0 - blue) * chroma_gain,
        }
    }

    /// Red, green and blue in 0..=255.
    #[inline]
    fn apply(&self, y: u8, [u, v]: [u8; 2]) -> [f32; 3] {
        let y = (f32::from(y) - self.luma_zero) * self.luma_gain;
        let (u, v) = (f32::from(u) - 128.0, f32::from(v) - 128.0);
        [
            (y + self.red_from_v * v).clamp(0.0, 255.0),
            (y + self.green_from_u * u + self.green_from_v * v).clamp(0.0, 255.0),
            (y + self.blue_from_u * u).clamp(0.0, 255.0),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values from the two recommendations, worked out by hand: white, black, grey and the three primaries.
    #[test]
    fn primaries_come_back_from_both_matrices_and_ranges() {
        let limited = |matrix| Color {
            matrix,
            is_full_range: false,
        };
        let full = |matrix| Color {
            matrix,
            is_full_range: true,
        };
        for (color, yuv, rgb) in [
            (
                limited(Matrix::Bt601),
                [235, 128, 128],
                [255.0, 255.0, 255.0],
            ),
            (limited(Matrix::Bt601), [16, 128, 128], [0.0, 0.0, 0.0]),
            (limited(Matrix::Bt601), [81, 90, 240], [255.0, 0.0, 0.0]),
            (limited(Matrix::Bt601), [145, 54, 34], [0.0, 255.0, 0.0]),
            (limited(Matrix::Bt601), [41, 240, 110], [0.0, 0.0, 255.0]),
            (limited(Matrix::Bt709), [63, 102, 240], [255.0, 0.0, 0.0]),
            (limited(Matrix::Bt709), [173, 42, 26], [0.0, 255.0, 0.0]),
            (limited(Matrix::Bt709), [32, 240, 118], [0.0, 0.0, 255.0]),
            (full(Matrix::Bt601), [76, 85, 255], [254.0, 0.0, 0.0]),
            (full(Matrix::Bt709), [54, 99, 255], [254.0, 0.0, 0.0]),
            (full(Matrix::Bt601), [128, 128, 128], [128.0, 128.0, 128.0]),
        ] {
            let [y, u, v] = yuv;
            let found = YuvToRgb::new(color).apply(y, [u, v]);
            for (found, expected) in found.iter().zip(rgb) {
                assert!(
                    (found - expected).abs() < 2.0,
                    "{color:?} {yuv:?}: {found} {expected}"
                );
            }
        }
    }
}
