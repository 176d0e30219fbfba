//! Borrowed views of a decoder's planes.

use crate::color::Color;
use ndarray::{ArrayView2, ArrayView3, Axis};

/// One picture as strided views of the decoder's own memory; nothing is owned or converted.
///
/// Rows may be strided (the distance between rows may exceed their length); the pixels of one row are
/// contiguous. Chroma of odd sizes rounds up.
#[derive(Debug, Clone, Copy)]
pub enum Planes<'a> {
    /// Three planes, chroma at half size both ways.
    I420 {
        /// Luma, H x W.
        y: ArrayView2<'a, u8>,
        /// Blue difference, ceil(H/2) x ceil(W/2).
        u: ArrayView2<'a, u8>,
        /// Red difference, ceil(H/2) x ceil(W/2).
        v: ArrayView2<'a, u8>,
        /// How codes map to RGB.
        color: Color,
    },
    /// Two planes, chroma interleaved at half size both ways.
    Nv12 {
        /// Luma, H x W.
        y: ArrayView2<'a, u8>,
        /// Both differences, ceil(H/2) x ceil(W/2) x 2, blue first.
        uv: ArrayView3<'a, u8>,
        /// How codes map to RGB.
        color: Color,
    },
    /// Interleaved RGB, H x W x 3.
    Rgb(ArrayView3<'a, u8>),
}

impl<'a> Planes<'a> {
    /// Width of the picture, px.
    #[must_use]
    pub fn width(&self) -> usize {
        match self {
            Self::I420 { y, .. } | Self::Nv12 { y, .. } => y.ncols(),
            Self::Rgb(rgb) => rgb.len_of(Axis(1)),
        }
    }

    /// Height of the picture, px.
    #[must_use]
    pub fn height(&self) -> usize {
        match self {
            Self::I420 { y, .. } | Self::Nv12 { y, .. } => y.nrows(),
            Self::Rgb(rgb) => rgb.len_of(Axis(0)),
        }
    }

    /// The luma plane, H x W, where the picture has one.
    #[must_use]
    pub fn luma(&self) -> Option<ArrayView2<'a, u8>> {
        match self {
            Self::I420 { y, .. } | Self::Nv12 { y, .. } => Some(*y),
            Self::Rgb(_) => None,
        }
    }

    /// Why the planes do not form a picture, or `None` when they do.
    pub(crate) fn fault(&self) -> Option<String> {
        let (width, height) = (self.width(), self.height());
        if width == 0 || height == 0 {
            return Some(format!("size is {width}x{height}, expected at least 1x1"));
        }
        if width > MAX_SIDE_PX || height > MAX_SIDE_PX {
            return Some(format!(
                "size is {width}x{height}, expected at most {MAX_SIDE_PX} a side"
            ));
        }
        let half = (height.div_ceil(2), width.div_ceil(2));
        match self {
            Self::I420 { y, u, v, .. } => {
                [("y", y, (height, width)), ("u", u, half), ("v", v, half)]
                    .into_iter()
                    .find_map(|(name, plane, expected)| {
                        plane_fault(name, &plane.view().insert_axis(Axis(2)), expected, 1)
                    })
            }
            Self::Nv12 { y, uv, .. } => {
                plane_fault("y", &y.view().insert_axis(Axis(2)), (height, width), 1)
                    .or_else(|| plane_fault("uv", uv, half, 2))
            }
            Self::Rgb(rgb) => plane_fault("rgb", rgb, (height, width), 3),
        }
    }
}

/// Above this neither a camera nor a decoder is real, and sizes stay exact in `f32`.
const MAX_SIDE_PX: usize = 16_384;

fn plane_fault(
    name: &str,
    plane: &ArrayView3<'_, u8>,
    expected: (usize, usize),
    channels: usize,
) -> Option<String> {
    let (height, width, found_channels) = plane.dim();
    if (height, width) != expected || found_channels != channels {
        return Some(format!(
            "plane {name} is {height}x{width}x{found_channels} (rows, columns, channels), expected {}x{}x{channels}",
            expected.0, expected.1
        ));
    }
    // All rows have the strides of the first.
    if !plane.index_axis(Axis(0), 0).is_standard_layout() {
        return Some(format!("the rows of plane {name} are not contiguous"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, Array3, s};

    #[test]
    fn chroma_of_an_odd_size_rounds_up() {
        let (y, chroma) = (Array2::zeros((5, 7)), Array2::zeros((3, 4)));
        let planes = Planes::I420 {
            y: y.view(),
            u: chroma.view(),
            v: chroma.view(),
            color: Color::default(),
        };
        assert_eq!((planes.width(), planes.height()), (7, 5));
        assert_eq!(planes.fault(), None);
    }

    #[test]
    fn chroma_rounded_down_is_refused_with_both_sizes() {
        let (y, uv) = (Array2::zeros((5, 7)), Array3::zeros((2, 3, 2)));
        let planes = Planes::Nv12 {
            y: y.view(),
            uv: uv.view(),
            color: Color::default(),
        };
        let fault = planes.fault().unwrap();
        assert!(
            fault.contains("2x3x2") && fault.contains("3x4x2"),
            "{fault}"
        );
    }

    #[test]
    fn strided_rows_are_taken_and_strided_columns_refused() {
        let wide = Array3::<u8>::zeros((4, 16, 3));
        assert_eq!(Planes::Rgb(wide.slice(s![.., 2..9, ..])).fault(), None);
        assert!(Planes::Rgb(wide.slice(s![.., ..;2, ..])).fault().is_some());
        assert!(Planes::Rgb(wide.slice(s![.., .., ..;-1])).fault().is_some());
    }

    #[test]
    fn an_empty_picture_is_refused() {
        assert!(
            Planes::Rgb(Array3::zeros((0, 8, 3)).view())
                .fault()
                .is_some()
        );
    }
}
