//! From a decoder's YUV to RGB: which matrix, which range, and the numbers that follow.

use crate::resize::Lanes;

/// Which luma weights the stream was encoded with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Matrix {
    /// ITU-R BT.601, standard definition.
    #[default]
    Bt601,
    /// ITU-R BT.709, high definition.
    Bt709,
}

/// How Y, U and V of a picture map to RGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Color {
    /// Luma weights.
    pub matrix: Matrix,
    /// Whether codes use 0..=255; otherwise Y uses 16..=235 and chroma 16..=240.
    pub is_full_range: bool,
}

/// The linear map from codes to RGB on 0..=255, for one [`Color`].
///
/// `r = luma * (y - offset) + r_v * (v - 128)`, and so on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct YuvToRgb {
    luma: f32,
    offset: f32,
    r_v: f32,
    g_u: f32,
    g_v: f32,
    b_u: f32,
}

impl YuvToRgb {
    pub(crate) fn new(color: Color) -> Self {
        let (kr, kb) = match color.matrix {
            Matrix::Bt601 => (0.299, 0.114),
            Matrix::Bt709 => (0.2126, 0.0722),
        };
        let kg = 1.0 - kr - kb;
        let (luma, chroma, offset) = if color.is_full_range {
            (1.0, 1.0, 0.0)
        } else {
            (255.0 / 219.0, 255.0 / 224.0, 16.0)
        };
        Self {
            luma,
            offset,
            r_v: chroma * 2.0 * (1.0 - kr),
            g_u: -chroma * 2.0 * (1.0 - kb) * kb / kg,
            g_v: -chroma * 2.0 * (1.0 - kr) * kr / kg,
            b_u: chroma * 2.0 * (1.0 - kb),
        }
    }

    /// Rows of Y, U and V, a few beside one another, to red, green and blue in their place.
    ///
    /// Each is an argument of its own: only then does the compiler know that they do not overlap, and uses vector instructions.
    #[expect(
        clippy::inline_always,
        reason = "it must be compiled for the processor that its caller is compiled for"
    )]
    #[inline(always)]
    pub(crate) fn convert(&self, first: &mut [Lanes], second: &mut [Lanes], third: &mut [Lanes]) {
        let pixels = first.as_flattened_mut().iter_mut();
        let chroma = second
            .as_flattened_mut()
            .iter_mut()
            .zip(third.as_flattened_mut());
        for (first, (second, third)) in pixels.zip(chroma) {
            [*first, *second, *third] = self.rgb(*first, *second, *third);
        }
    }

    /// One pixel, clamped to 0..=255 as an 8-bit converter would, but not rounded.
    #[expect(
        clippy::inline_always,
        reason = "it must be compiled for the processor that its caller is compiled for"
    )]
    #[inline(always)]
    pub(crate) fn rgb(&self, y: f32, u: f32, v: f32) -> [f32; 3] {
        let luma = self.luma * (y - self.offset);
        let (u, v) = (u - 128.0, v - 128.0);
        [
            (luma + self.r_v * v).clamp(0.0, 255.0),
            (luma + self.g_u * u + self.g_v * v).clamp(0.0, 255.0),
            (luma + self.b_u * u).clamp(0.0, 255.0),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn color(matrix: Matrix, is_full_range: bool) -> YuvToRgb {
        YuvToRgb::new(Color {
            matrix,
            is_full_range,
        })
    }

    fn assert_close(found: [f32; 3], expected: [f32; 3]) {
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() < 1.2, "{found:?} is not {expected:?}");
        }
    }

    // Codes of the 100% colour bars as the standards define them; rounding to 8 bits leaves one code.
    #[test]
    fn colour_bars_of_each_standard_come_back_as_rgb() {
        let red = [255.0, 0.0, 0.0];
        let green = [0.0, 255.0, 0.0];
        let blue = [0.0, 0.0, 255.0];
        let limited_601 = color(Matrix::Bt601, false);
        assert_close(limited_601.rgb(81.0, 90.0, 240.0), red);
        assert_close(limited_601.rgb(145.0, 54.0, 34.0), green);
        assert_close(limited_601.rgb(41.0, 240.0, 110.0), blue);
        let limited_709 = color(Matrix::Bt709, false);
        assert_close(limited_709.rgb(63.0, 102.0, 240.0), red);
        assert_close(limited_709.rgb(173.0, 42.0, 26.0), green);
        assert_close(limited_709.rgb(32.0, 240.0, 118.0), blue);
        let full_601 = color(Matrix::Bt601, true);
        assert_close(full_601.rgb(76.0, 85.0, 255.0), [254.05, 0.0, 0.0]);
        let full_709 = color(Matrix::Bt709, true);
        assert_close(full_709.rgb(54.0, 99.0, 255.0), [254.0, 0.0, 0.0]);
    }

    #[test]
    fn grey_stays_grey_and_range_ends_are_black_and_white() {
        for matrix in [Matrix::Bt601, Matrix::Bt709] {
            assert_close(color(matrix, false).rgb(16.0, 128.0, 128.0), [0.0; 3]);
            assert_close(color(matrix, false).rgb(235.0, 128.0, 128.0), [255.0; 3]);
            assert_close(color(matrix, true).rgb(0.0, 128.0, 128.0), [0.0; 3]);
            assert_close(color(matrix, true).rgb(255.0, 128.0, 128.0), [255.0; 3]);
            assert_close(color(matrix, true).rgb(77.0, 128.0, 128.0), [77.0; 3]);
        }
    }

    #[test]
    fn every_code_follows_the_formula_of_its_standard() {
        for (matrix, kr, kb) in [
            (Matrix::Bt601, 0.299, 0.114),
            (Matrix::Bt709, 0.2126, 0.0722),
        ] {
            for is_full_range in [false, true] {
                let map = color(matrix, is_full_range);
                for code in (0..=255u16).step_by(5) {
                    for chroma in (0..=255u16).step_by(17) {
                        let (y, u, v) = if is_full_range {
                            (
                                f64::from(code) / 255.0,
                                (f64::from(chroma) - 128.0) / 255.0,
                                (f64::from(255 - chroma) - 128.0) / 255.0,
                            )
                        } else {
                            (
                                (f64::from(code) - 16.0) / 219.0,
                                (f64::from(chroma) - 128.0) / 224.0,
                                (f64::from(255 - chroma) - 128.0) / 224.0,
                            )
                        };
                        let red = y + 2.0 * (1.0 - kr) * v;
                        let blue = y + 2.0 * (1.0 - kb) * u;
                        let green = (y - kr * red - kb * blue) / (1.0 - kr - kb);
                        let found =
                            map.rgb(f32::from(code), f32::from(chroma), f32::from(255 - chroma));
                        for (a, b) in found.iter().zip([red, green, blue]) {
                            let expected = (b * 255.0).clamp(0.0, 255.0);
                            assert!((f64::from(*a) - expected).abs() < 0.01);
                        }
                    }
                }
            }
        }
    }
}
