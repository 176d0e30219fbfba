//! Rows of a strided plane, as the resizer reads them: without a copy.

use fast_image_resize::{
    ImageView, PixelTrait,
    pixels::{U8, U8x2, U8x3},
};
use ndarray::{ArrayView3, Axis};
use std::marker::PhantomData;

/// Pixels that are nothing but bytes, one a channel.
///
/// # Safety
/// The type must have alignment 1, no padding, and take every pattern of bits.
pub(crate) unsafe trait BytePixel: PixelTrait {}

// SAFETY: `repr(C)` around one, two or three bytes.
unsafe impl BytePixel for U8 {}
// SAFETY: as above.
unsafe impl BytePixel for U8x2 {}
// SAFETY: as above.
unsafe impl BytePixel for U8x3 {}

/// A plane of H x W pixels with `P`'s number of channels, rows at any distance.
pub(crate) struct StridedPlane<'a, P> {
    rows: ArrayView3<'a, u8>,
    pixel: PhantomData<P>,
}

impl<'a, P: BytePixel> StridedPlane<'a, P> {
    /// Takes H x W x C bytes; `None` when C is not `P`'s or the pixels of a row are not contiguous.
    pub(crate) fn new(rows: &ArrayView3<'a, u8>) -> Option<Self> {
        let (height, width, channels) = rows.dim();
        let is_readable = height > 0
            && width > 0
            && channels == P::size()
            && rows.index_axis(Axis(0), 0).is_standard_layout();
        is_readable.then_some(Self {
            rows: *rows,
            pixel: PhantomData,
        })
    }

    #[expect(
        clippy::expect_used,
        reason = "`new` has checked that rows are contiguous"
    )]
    fn row(&self, index: usize) -> &[P] {
        let bytes = self
            .rows
            .index_axis(Axis(0), index)
            .to_slice()
            .expect("contiguous row");
        // SAFETY: `BytePixel` promises that any bytes are pixels.
        let (before, pixels, after) = unsafe { bytes.align_to::<P>() };
        assert!(
            before.is_empty() && after.is_empty(),
            "rows hold whole pixels"
        );
        pixels
    }
}

// SAFETY: `ImageView` asks that every row holds at least `width` pixels. `row` gives the whole
// of a row of `width` x channels bytes, or panics.
unsafe impl<P: BytePixel> ImageView for StridedPlane<'_, P> {
    type Pixel = P;

    fn width(&self) -> u32 {
        self.rows.len_of(Axis(1)) as u32
    }

    fn height(&self) -> u32 {
        self.rows.len_of(Axis(0)) as u32
    }

    fn iter_rows(&self, start_row: u32) -> impl Iterator<Item = &[P]> {
        (start_row as usize..self.rows.len_of(Axis(0))).map(|index| self.row(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array3, ShapeBuilder, s};

    #[test]
    fn rows_at_a_stride_that_is_no_multiple_of_a_pixel_are_read_in_place() {
        let bytes = Array3::from_shape_fn((3, 11, 1), |(y, x, _)| (y * 11 + x) as u8);
        let flat: Vec<u8> = bytes.iter().copied().collect();
        // Three pixels of three bytes in rows of eleven bytes.
        let view = ArrayView3::from_shape((3, 3, 3).strides((11, 3, 1)), &flat).unwrap();
        let plane = StridedPlane::<U8x3>::new(&view).unwrap();
        let second: Vec<[u8; 3]> = plane
            .iter_rows(1)
            .next()
            .unwrap()
            .iter()
            .map(|p| p.0)
            .collect();
        assert_eq!(second, [[11, 12, 13], [14, 15, 16], [17, 18, 19]]);
        assert_eq!(plane.iter_rows(0).count(), 3);
    }

    #[test]
    fn columns_that_are_not_contiguous_are_refused() {
        let bytes = Array3::<u8>::zeros((4, 8, 1));
        assert!(StridedPlane::<U8>::new(&bytes.slice(s![.., ..;2, ..])).is_none());
        assert!(StridedPlane::<U8x3>::new(&bytes.view()).is_none());
    }
}
