//! The picture a crop is cut from: strided views of the decoder's own planes.

use ndarray::{ArrayView2, ArrayView3};

use crate::Error;

/// Which matrix turned RGB into luma and chroma.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Matrix {
    /// ITU-R BT.601, standard definition.
    #[default]
    Bt601,
    /// ITU-R BT.709, high definition.
    Bt709,
}

/// How luma and chroma are to be read as colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Color {
    /// The matrix.
    pub matrix: Matrix,
    /// Whether luma spans 0..=255 instead of 16..=235.
    pub is_full_range: bool,
}

/// One picture as the decoder left it: H x W pixels of 8 bits; rows may be strided, columns are contiguous.
///
/// Chroma of odd sizes rounds up.
#[derive(Debug, Clone, Copy)]
pub enum Planes<'a> {
    /// Three planes, chroma halved both ways.
    I420 {
        /// Luma, H x W.
        y: ArrayView2<'a, u8>,
        /// Blue difference, ceil(H/2) x ceil(W/2).
        u: ArrayView2<'a, u8>,
        /// Red difference, ceil(H/2) x ceil(W/2).
        v: ArrayView2<'a, u8>,
        /// How to read them.
        color: Color,
    },
    /// Two planes, chroma interleaved and halved both ways.
    Nv12 {
        /// Luma, H x W.
        y: ArrayView2<'a, u8>,
        /// Blue and red difference, ceil(H/2) x ceil(W/2) x 2.
        uv: ArrayView3<'a, u8>,
        /// How to read them.
        color: Color,
    },
    /// Red, green, blue: H x W x 3.
    Rgb(ArrayView3<'a, u8>),
}

impl Planes<'_> {
    /// Width of the picture in pixels.
    #[must_use]
    pub fn width(&self) -> usize {
        match self {
            Self::I420 { y, .. } | Self::Nv12 { y, .. } => y.ncols(),
            Self::Rgb(rgb) => rgb.shape()[1],
        }
    }

    /// Height of the picture in pixels.
    #[must_use]
    pub fn height(&self) -> usize {
        match self {
            Self::I420 { y, .. } | Self::Nv12 { y, .. } => y.nrows(),
            Self::Rgb(rgb) => rgb.shape()[0],
        }
    }

    /// Checks that the planes belong together and that their columns are contiguous.
    ///
    /// # Errors
    /// [`Error::Planes`] names the plane that is wrong.
    pub fn check(&self) -> Result<(), Error> {
        let (width, height) = (self.width(), self.height());
        let fault = |reason: String| Err(Error::Planes { reason });
        if width == 0 || height == 0 {
            return fault(format!("the picture is {width}x{height}"));
        }
        let (chroma_width, chroma_height) = (width.div_ceil(2), height.div_ceil(2));
        let check_2d = |name: &str, plane: &ArrayView2<'_, u8>, width: usize, height: usize| {
            if plane.dim() != (height, width) {
                let (rows, columns) = plane.dim();
                return fault(format!(
                    "plane {name} is {columns}x{rows}, expected {width}x{height}"
                ));
            }
            if plane.ncols() > 1 && plane.strides()[1] != 1 {
                return fault(format!("columns of plane {name} are not contiguous"));
            }
            Ok(())
        };
        let check_3d = |name: &str, plane: &ArrayView3<'_, u8>, width: usize, height, depth| {
            if plane.dim() != (height, width, depth) {
                return fault(format!(
                    "plane {name} has shape {:?}, expected {:?}",
                    plane.dim(),
                    (height, width, depth)
                ));
            }
            let expected_stride = isize::try_from(depth).unwrap_or(isize::MAX);
            let strides = plane.strides();
            if strides[2] != 1 || (width > 1 && strides[1] != expected_stride) {
                return fault(format!("columns of plane {name} are not contiguous"));
            }
            Ok(())
        };
        match self {
            Self::I420 { y, u, v, .. } => {
                check_2d("y", y, width, height)?;
                check_2d("u", u, chroma_width, chroma_height)?;
                check_2d("v", v, chroma_width, chroma_height)
            }
            Self::Nv12 { y, uv, .. } => {
                check_2d("y", y, width, height)?;
                check_3d("uv", uv, chroma_width, chroma_height, 2)
            }
            Self::Rgb(rgb) => check_3d("rgb", rgb, width, height, 3),
        }
    }
}

/// A box of a picture, in pixels of the picture; parts outside are cut off.
#[derive(Debug, Clone, Copy)]
pub struct Crop<'a> {
    /// The picture.
    pub planes: Planes<'a>,
    /// Left edge.
    pub x0: f32,
    /// Upper edge.
    pub y0: f32,
    /// Right edge, exclusive.
    pub x1: f32,
    /// Lower edge, exclusive.
    pub y1: f32,
}

/// The part of a crop that lies inside its picture, in pixels of the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Window {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

impl<'a> Crop<'a> {
    /// The whole of a picture.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "pictures are far smaller than 2^24 pixels a side"
    )]
    pub fn whole(planes: Planes<'a>) -> Self {
        Self {
            planes,
            x0: 0.0,
            y0: 0.0,
            x1: planes.width() as f32,
            y1: planes.height() as f32,
        }
    }

    /// Cuts the crop to its picture; the message says why nothing is left.
    pub(crate) fn window(&self) -> Result<Window, String> {
        let Self { x0, y0, x1, y1, .. } = *self;
        if ![x0, y0, x1, y1].iter().all(|edge| edge.is_finite()) {
            return Err(format!("box {x0} {y0} {x1} {y1} is not finite"));
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "pictures are far smaller than 2^53 pixels a side"
        )]
        let (frame_width, frame_height) = (self.planes.width() as f64, self.planes.height() as f64);
        let left = f64::from(x0).clamp(0.0, frame_width);
        let top = f64::from(y0).clamp(0.0, frame_height);
        let window = Window {
            left,
            top,
            width: f64::from(x1).clamp(0.0, frame_width) - left,
            height: f64::from(y1).clamp(0.0, frame_height) - top,
        };
        if window.width < 1.0 || window.height < 1.0 {
            return Err(format!(
                "box {x0} {y0} {x1} {y1} covers less than one pixel of the {frame_width}x{frame_height} picture"
            ));
        }
        Ok(window)
    }
}
