//! Resizing from bytes to `f32`, a few rows of the target at a time, so that what is read again stays in the nearest cache.
//!
//! The filter is the antialiasing triangle of Pillow and of most trainings: when shrinking it is as wide as the
//! source pixels that a target pixel covers, when growing it is linear interpolation. Nothing is rounded between the
//! two directions. Down comes before across, which then has the fewest pixels to do. Across, the distances between pixels
//! are uneven, and no vector instruction reads such pixels well: so that many rows lie beside one another, a pixel of each, and all
//! of them are blended at once.

use ndarray::{ArrayView3, Axis};

/// Which source pixels make a target pixel along one axis, and by how much.
#[derive(Debug, Default)]
struct Filter {
    /// First source pixel of each target pixel; with `taps` it never passes the end of the source.
    first: Vec<usize>,
    /// `taps` weights for each target pixel; their sum is 1.
    weights: Vec<f32>,
    taps: usize,
}

impl Filter {
    /// Maps `len` pixels from `start` on, of a source of `source` pixels, to `target` pixels.
    fn fit(&mut self, source: usize, start: f64, len: f64, target: usize) {
        let scale = len / target as f64;
        let radius = scale.max(1.0);
        self.first.clear();
        self.weights.clear();
        let centre = |at: usize| start + (at as f64 + 0.5) * scale;
        let reach = |at: usize| {
            let (low, high) = (centre(at) - radius - 0.5, centre(at) + radius - 0.5);
            let first = (low.floor() as isize + 1).clamp(0, source as isize - 1) as usize;
            let end = (high.ceil() as isize).clamp(first as isize + 1, source as isize) as usize;
            (first, end)
        };
        let widest = (0..target).map(|at| reach(at).1 - reach(at).0).max();
        self.taps = widest.unwrap_or(1);
        for at in 0..target {
            let first = reach(at).0.min(source - self.taps);
            let begin = self.weights.len();
            self.weights.extend((0..self.taps).map(|tap| {
                let distance = ((first + tap) as f64 + 0.5 - centre(at)).abs();
                (1.0 - distance / radius).max(0.0) as f32
            }));
            let weights = &mut self.weights[begin..];
            let sum: f32 = weights.iter().sum();
            if sum > 0.0 {
                weights.iter_mut().for_each(|weight| *weight /= sum);
            } else {
                // Beyond the edge, as the last pixel of halved chroma may be: the nearest pixel.
                weights[reach(at).0 - first] = 1.0;
            }
            self.first.push(first);
        }
    }
}

/// Rows of the target that are made at once: as many as a vector instruction takes values.
pub(crate) const LANES: usize = 8;

/// One value of each of [`LANES`] rows.
pub(crate) type Lanes = [f32; LANES];

/// How a part of a plane is fitted into rows of the target.
#[derive(Debug, Default)]
pub(crate) struct Fit {
    down: Filter,
    across: Filter,
    /// What it was set to: pictures of one camera are all alike.
    set_to: Option<Mapping>,
    /// A row that is blended down, and then [`LANES`] of them.
    blended: Vec<f32>,
    beside: Vec<Lanes>,
}

/// Size of the source, part of it, size of the target.
type Mapping = ((usize, usize), [f64; 4], (usize, usize));

impl Fit {
    /// Fits the rectangle `[x, y, width, height]` of a plane of `source` = (width, height) pixels into
    /// `target` = (width, height).
    pub(crate) fn set(&mut self, source: (usize, usize), part: [f64; 4], target: (usize, usize)) {
        if self.set_to.replace((source, part, target)) == Some((source, part, target)) {
            return;
        }
        let [x, y, width, height] = part;
        self.across.fit(source.0, x, width, target.0);
        self.down.fit(source.1, y, height, target.1);
    }

    /// Makes [`LANES`] rows of the target from row `from` on, of a plane (H x W x C), each channel into a line of its own. Lanes
    /// beyond the last row hold anything.
    ///
    /// Fails when the pixels of the plane's rows are not contiguous.
    #[expect(
        clippy::inline_always,
        reason = "it must be compiled for the processor that its caller is compiled for"
    )]
    #[inline(always)]
    pub(crate) fn rows<const C: usize>(
        &mut self,
        plane: &ArrayView3<'_, u8>,
        from: usize,
        lines: [&mut [Lanes]; C],
    ) -> Result<(), String> {
        let (Some(left), Some(right)) = (self.across.first.first(), self.across.first.last())
        else {
            return Ok(());
        };
        let columns = left * C..(right + self.across.taps) * C;
        self.blended.resize(columns.len(), 0.0);
        self.beside.resize(columns.len(), [0.0; LANES]);
        let taps = self.down.taps;
        let rows = self.down.first[from..].iter();
        let rows = rows.zip(self.down.weights[from * taps..].chunks_exact(taps));
        for (lane, (first, weights)) in rows.enumerate().take(LANES) {
            let mut is_first = true;
            for (tap, weight) in weights.iter().enumerate() {
                if *weight == 0.0 {
                    continue;
                }
                let row = plane.index_axis(Axis(0), first + tap);
                let bytes = row.to_slice().ok_or("rows of a plane are not contiguous")?;
                let codes = self.blended.iter_mut().zip(&bytes[columns.clone()]);
                if is_first {
                    codes.for_each(|(sum, byte)| *sum = weight * f32::from(*byte));
                } else {
                    codes.for_each(|(sum, byte)| *sum += weight * f32::from(*byte));
                }
                is_first = false;
            }
            for (lanes, code) in self.beside.iter_mut().zip(&self.blended) {
                lanes[lane] = *code;
            }
        }
        let taps = self.across.taps;
        let pixels = self.beside.as_chunks::<C>().0;
        for (c, line) in lines.into_iter().enumerate() {
            let filter = self
                .across
                .first
                .iter()
                .zip(self.across.weights.chunks_exact(taps));
            for (to, (first, weights)) in line.iter_mut().zip(filter) {
                let mut sum = [0.0; LANES];
                for (weight, pixel) in weights.iter().zip(&pixels[first - left..][..taps]) {
                    for (sum, code) in sum.iter_mut().zip(&pixel[c]) {
                        *sum += weight * code;
                    }
                }
                *to = sum;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer, images::Image};
    use ndarray::{Array3, s};
    use proptest::prelude::*;

    fn resized<const C: usize>(
        plane: &ArrayView3<'_, u8>,
        part: [f64; 4],
        (width, height): (usize, usize),
    ) -> Vec<[f32; C]> {
        let (rows, columns, _) = plane.dim();
        let mut fit = Fit::default();
        fit.set((columns, rows), part, (width, height));
        let mut all = vec![[0.0; C]; width * height];
        let mut lines: [Vec<Lanes>; C] = std::array::from_fn(|_| vec![[0.0; LANES]; width]);
        for from in (0..height).step_by(LANES) {
            let wanted = lines.each_mut().map(Vec::as_mut_slice);
            fit.rows(plane, from, wanted).unwrap();
            let rows = all[from * width..].chunks_exact_mut(width).take(LANES);
            for (lane, row) in rows.enumerate() {
                for (x, pixel) in row.iter_mut().enumerate() {
                    *pixel = std::array::from_fn(|c| lines[c][x][lane]);
                }
            }
        }
        all
    }

    #[test]
    fn the_same_size_is_the_same_picture() {
        let plane = Array3::from_shape_fn((7, 9, 2), |(y, x, c)| (y * 31 + x * 7 + c * 100) as u8);
        let same = resized::<2>(&plane.view(), [0.0, 0.0, 9.0, 7.0], (9, 7));
        let bytes: Vec<u8> = same.iter().flatten().map(|code| *code as u8).collect();
        assert_eq!(bytes, plane.iter().copied().collect::<Vec<_>>());
    }

    #[test]
    fn rows_that_are_not_contiguous_are_refused() {
        let plane = Array3::<u8>::zeros((4, 8, 1));
        let plane = plane.slice(s![.., ..;2, ..]);
        let mut fit = Fit::default();
        fit.set((4, 4), [0.0, 0.0, 4.0, 4.0], (2, 2));
        assert!(fit.rows(&plane, 0, [&mut [[0.0; LANES]; 2]]).is_err());
    }

    proptest! {
        // The library rounds to bytes twice, once after each direction.
        #[test]
        fn any_part_at_any_size_is_what_an_image_library_makes(
            (rows, columns) in (1usize..60, 1usize..60),
            (width, height) in (1usize..60, 1usize..60),
            part in prop::array::uniform4(0.0f64..1.0),
            codes in prop::collection::vec(any::<u8>(), 60 * 60),
        ) {
            let (w, h) = (columns as f64, rows as f64);
            let (x, y) = ((part[0] * w * 2.0).floor() / 2.0, (part[1] * h * 2.0).floor() / 2.0);
            let part = [x, y, ((w - x) * part[2]).max(0.5), ((h - y) * part[3]).max(0.5)];
            let codes = &codes[..rows * columns];
            let plane = ArrayView3::from_shape((rows, columns, 1), codes).unwrap();
            let found = resized::<1>(&plane, part, (width, height));

            let source = Image::from_vec_u8(
                columns as u32, rows as u32, codes.to_vec(), fast_image_resize::PixelType::U8,
            ).unwrap();
            let mut expected = Image::new(width as u32, height as u32, fast_image_resize::PixelType::U8);
            let options = ResizeOptions::new()
                .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
                .crop(part[0], part[1], part[2], part[3]);
            Resizer::new().resize(&source, &mut expected, &options).unwrap();
            for (found, expected) in found.iter().zip(expected.buffer()) {
                prop_assert!((found[0] - f32::from(*expected)).abs() < 1.6, "{found:?} is not {expected}");
            }
        }
    }
}
