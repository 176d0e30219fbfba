//! From a decoder's planes to one slot of the batch tensor: crop, resize, colour, normalisation.

use crate::card::{ColorOrder, InputSpec};
use crate::color::YuvToRgb;
use crate::letterbox::{Letterbox, Region};
use crate::planes::Planes;
use crate::resize::{Fit, LANES, Lanes};
use ndarray::{ArrayView2, ArrayView3, Axis};

/// Resizes a few rows at a time and converts there; full-size pixels are never converted.
///
/// Downscaling is antialiased (triangle filter over the source pixels that each target pixel
/// covers). Chroma is taken as centred between its luma pixels, at most half a source pixel off.
pub(crate) struct Preprocessor {
    input: InputSpec,
    /// Of luma or RGB, and of chroma.
    fits: [Fit; 2],
    /// A few rows of the target on their way, a channel each; kept, so that a picture allocates nothing.
    lines: [Vec<Lanes>; 3],
}

impl Preprocessor {
    pub(crate) fn new(input: &InputSpec) -> Self {
        let width = input.width as usize;
        Self {
            input: input.clone(),
            fits: Default::default(),
            lines: std::array::from_fn(|_| vec![[0.0; LANES]; width]),
        }
    }

    /// Fills `slot` (3 x H x W of the network) with `region` of `picture`, whose planes were checked.
    ///
    /// Returns where the region lies in the input, or why the planes cannot be read.
    pub(crate) fn write(
        &mut self,
        picture: &Planes<'_>,
        region: Region,
        slot: &mut [f32],
    ) -> Result<Letterbox, String> {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            // SAFETY: this processor has AVX2.
            return unsafe { self.write_avx2(picture, region, slot) };
        }
        self.write_anywhere(picture, region, slot)
    }

    /// The same arithmetic eight values at a time: bit for bit the same, in half of the time.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn write_avx2(
        &mut self,
        picture: &Planes<'_>,
        region: Region,
        slot: &mut [f32],
    ) -> Result<Letterbox, String> {
        self.write_anywhere(picture, region, slot)
    }

    #[expect(
        clippy::inline_always,
        reason = "it is compiled once for each kind of processor"
    )]
    #[inline(always)]
    fn write_anywhere(
        &mut self,
        picture: &Planes<'_>,
        region: Region,
        slot: &mut [f32],
    ) -> Result<Letterbox, String> {
        let size = (self.input.width, self.input.height);
        let frame = (picture.width() as u32, picture.height() as u32);
        let letterbox = Letterbox::new(frame, region, size, self.input.resize);
        let content = letterbox.content;
        let (width, height) = (content.width as usize, content.height as usize);
        let mut output = Output::new(&self.input, content, slot);
        output.fill_padding(self.input.pad);

        let [fit, chroma_fit] = &mut self.fits;
        let part = [region.x, region.y, region.width, region.height].map(f64::from);
        let target = (width, height);
        fit.set((picture.width(), picture.height()), part, target);
        if !matches!(picture, Planes::Rgb(_)) {
            let half = (picture.width().div_ceil(2), picture.height().div_ceil(2));
            chroma_fit.set(half, part.map(|side| side / 2.0), target);
        }
        let [first, second, third] = self.lines.each_mut().map(|line| &mut line[..width]);
        for row in (0..height).step_by(LANES) {
            match picture {
                Planes::I420 { y, u, v, color } => {
                    fit.rows(&deep(y), row, [first])?;
                    chroma_fit.rows(&deep(u), row, [second])?;
                    chroma_fit.rows(&deep(v), row, [third])?;
                    YuvToRgb::new(*color).convert(first, second, third);
                }
                Planes::Nv12 { y, uv, color } => {
                    fit.rows(&deep(y), row, [first])?;
                    chroma_fit.rows(uv, row, [second, third])?;
                    YuvToRgb::new(*color).convert(first, second, third);
                }
                Planes::Rgb(rgb) => fit.rows(rgb, row, [first, second, third])?,
            }
            output.write(row, [first, second, third]);
        }
        Ok(letterbox)
    }
}

/// A plane of one channel as H x W x 1.
fn deep<'a>(plane: &ArrayView2<'a, u8>) -> ArrayView3<'a, u8> {
    plane.insert_axis(Axis(2))
}

/// The three channel planes of one slot of the batch tensor, in the order red, green, blue.
struct Output<'a> {
    planes: [&'a mut [f32]; 3],
    /// `code * gain + bias` is the normalised value.
    gain: [f32; 3],
    bias: [f32; 3],
    content: Region,
    width: usize,
}

impl<'a> Output<'a> {
    fn new(input: &InputSpec, content: Region, slot: &'a mut [f32]) -> Self {
        let area = input.width as usize * input.height as usize;
        let (first, rest) = slot.split_at_mut(area);
        let (second, third) = rest.split_at_mut(area);
        let mut planes = [first, second, &mut third[..area]];
        let mut gain: [f32; 3] = std::array::from_fn(|c| input.scale / input.std[c]);
        let mut bias: [f32; 3] = std::array::from_fn(|c| -input.mean[c] / input.std[c]);
        if input.colors == ColorOrder::Bgr {
            planes.reverse();
            gain.reverse();
            bias.reverse();
        }
        Self {
            planes,
            gain,
            bias,
            content,
            width: input.width as usize,
        }
    }

    /// Fills what the content does not cover.
    fn fill_padding(&mut self, code: u8) {
        let content = self.content;
        let (left, right) = (content.x as usize, (content.x + content.width) as usize);
        let (top, bottom) = (content.y as usize, (content.y + content.height) as usize);
        for (c, plane) in self.planes.iter_mut().enumerate() {
            let value = f32::from(code) * self.gain[c] + self.bias[c];
            for (y, row) in plane.chunks_exact_mut(self.width).enumerate() {
                if y < top || y >= bottom {
                    row.fill(value);
                } else {
                    row[..left].fill(value);
                    row[right..].fill(value);
                }
            }
        }
    }

    /// Writes rows of the content from `row` on, from their red, green and blue codes.
    #[expect(
        clippy::inline_always,
        reason = "it is compiled once for each kind of processor"
    )]
    #[inline(always)]
    fn write(&mut self, row: usize, channels: [&[Lanes]; 3]) {
        let (left, width) = (self.content.x as usize, self.content.width as usize);
        let (top, height) = (self.content.y as usize, self.content.height as usize);
        for (c, codes) in channels.into_iter().enumerate() {
            let (gain, bias) = (self.gain[c], self.bias[c]);
            for (lane, row) in (row..height).take(LANES).enumerate() {
                let start = (top + row) * self.width + left;
                let row = &mut self.planes[c][start..start + width];
                for (to, lanes) in row.iter_mut().zip(codes) {
                    *to = lanes[lane] * gain + bias;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::{BatchSize, Precision};
    use crate::color::{Color, Matrix};
    use crate::letterbox::Resize;
    use ndarray::{Array2, Array3, s};
    use serde_json::Value;

    /// The formula of `testdata/reference_preprocess.py`.
    fn drawn(width: usize, height: usize, seed: usize) -> Array2<u8> {
        Array2::from_shape_fn((height, width), |(y, x)| {
            let wave = (x * 3 + y * 2 + seed * 31) % 256;
            let detail = (x * y + seed) % 29 * 3;
            let squares = ((x / 8) ^ (y / 8)) * 11;
            ((wave + detail + squares) % 256) as u8
        })
    }

    fn spec(side: u32, resize: Resize, colors: ColorOrder) -> InputSpec {
        InputSpec {
            name: "x".into(),
            sizes_name: None,
            width: side,
            height: side,
            colors,
            scale: 1.0 / 255.0,
            mean: [0.1, 0.2, 0.3],
            std: [0.5, 0.25, 2.0],
            resize,
            pad: 114,
            batch: BatchSize::One,
            precision: Precision::Fp32,
        }
    }

    /// Runs one golden case, with rows of the source `padding` bytes longer than the picture.
    fn run(case: &Value, padding: usize) -> Vec<f32> {
        let number = |key: &str| case[key].as_u64().unwrap() as usize;
        let (width, height) = (number("width"), number("height"));
        let resize = match case["resize"].as_str().unwrap() {
            "stretch" => Resize::Stretch,
            "letterbox-top-left" => Resize::LetterboxTopLeft,
            _ => Resize::LetterboxCenter,
        };
        let colors = match case["colors"].as_str().unwrap() {
            "bgr" => ColorOrder::Bgr,
            _ => ColorOrder::Rgb,
        };
        let color = Color {
            matrix: if case["matrix"] == "bt709" {
                Matrix::Bt709
            } else {
                Matrix::Bt601
            },
            is_full_range: case["is_full_range"].as_bool().unwrap(),
        };
        let [x, y, w, h] = std::array::from_fn(|at| case["region"][at].as_u64().unwrap() as u32);
        let region = Region {
            x,
            y,
            width: w,
            height: h,
        };
        let wide = |width: usize, height: usize, seed: usize| {
            let mut wide = Array2::from_elem((height, width + padding), 77);
            wide.slice_mut(s![.., ..width])
                .assign(&drawn(width, height, seed));
            wide
        };
        let (half_w, half_h) = (width.div_ceil(2), height.div_ceil(2));
        let (luma, blue, red) = (
            wide(width, height, 1),
            wide(half_w, half_h, 2),
            wide(half_w, half_h, 3),
        );
        let mut uv = Array3::from_elem((half_h, half_w + padding, 2), 77);
        uv.slice_mut(s![.., .., 0]).assign(&blue);
        uv.slice_mut(s![.., .., 1]).assign(&red);
        let mut rgb = Array3::from_elem((height, width + padding, 3), 77);
        for channel in 0..3 {
            rgb.slice_mut(s![.., .., channel])
                .assign(&wide(width, height, channel + 1));
        }
        let picture = match case["form"].as_str().unwrap() {
            "i420" => Planes::I420 {
                y: luma.slice(s![.., ..width]),
                u: blue.slice(s![.., ..half_w]),
                v: red.slice(s![.., ..half_w]),
                color,
            },
            "nv12" => Planes::Nv12 {
                y: luma.slice(s![.., ..width]),
                uv: uv.slice(s![.., ..half_w, ..]),
                color,
            },
            _ => Planes::Rgb(rgb.slice(s![.., ..width, ..])),
        };
        assert_eq!(picture.fault(), None);
        let side = number("side");
        let mut slot = vec![f32::NAN; 3 * side * side];
        let mut preprocessor = Preprocessor::new(&spec(side as u32, resize, colors));
        preprocessor.write(&picture, region, &mut slot).unwrap();
        let mut elsewhere = vec![f32::NAN; slot.len()];
        preprocessor
            .write_anywhere(&picture, region, &mut elsewhere)
            .unwrap();
        assert_eq!(slot, elsewhere, "another processor makes another picture");
        slot
    }

    #[test]
    fn every_form_size_and_region_follows_the_reference() {
        let golden: Value =
            serde_json::from_str(include_str!("../tests/golden/preprocess.json")).unwrap();
        let (mean, std) = ([0.1, 0.2, 0.3], [0.5, 0.25, 2.0]);
        for case in golden.as_array().unwrap() {
            let found = run(case, 0);
            let expected = case["codes"].as_array().unwrap();
            assert_eq!(found.len(), expected.len());
            let (mut worst, mut sum) = (0.0f64, 0.0);
            for (at, (value, code)) in found.iter().zip(expected).enumerate() {
                let channel = at * 3 / found.len();
                let back = (f64::from(*value) * std[channel] + mean[channel]) * 255.0;
                let off = (back - code.as_f64().unwrap()).abs();
                worst = worst.max(off);
                sum += off;
            }
            let mean = sum / found.len() as f64;
            assert!(
                worst < 0.6 && mean < 0.1,
                "{}: off by {worst} codes, {mean} in the mean",
                case["name"]
            );
            assert_eq!(
                run(case, 13),
                found,
                "{}: rows with padding differ",
                case["name"]
            );
        }
    }
}
