//! From a decoder's planes to one slot of the batch tensor: crop, resize, colour, normalisation.

use crate::card::{ColorOrder, InputSpec};
use crate::color::YuvToRgb;
use crate::letterbox::{Letterbox, Region};
use crate::planes::Planes;
use crate::strided::{BytePixel, StridedPlane};
use fast_image_resize::{
    FilterType, ResizeAlg, ResizeOptions, Resizer,
    images::TypedImage,
    pixels::{U8, U8x2, U8x3},
};
use ndarray::{ArrayView3, Axis};

/// Resizes plane by plane to the target size and converts there; full-size pixels are never converted.
///
/// Downscaling is antialiased (triangle filter over the source pixels that each target pixel
/// covers). Chroma keeps the half size that it is sent with: it is resized to half the target, and four
/// pixels share it, as they do in the source; its place is at most half a pixel off.
pub(crate) struct Preprocessor {
    input: InputSpec,
    resizer: Resizer,
    /// Luma at the target size, then chroma at half of it; or RGB. Three bytes a pixel of the input are enough for either.
    scratch: Vec<u8>,
    /// One row of blue and one of red chroma, each value twice.
    chroma: [Vec<u8>; 2],
}

impl Preprocessor {
    pub(crate) fn new(input: &InputSpec) -> Self {
        let width = input.width.next_multiple_of(2) as usize;
        let height = input.height.next_multiple_of(2) as usize;
        Self {
            input: input.clone(),
            resizer: Resizer::new(),
            scratch: vec![0; 3 * width * height],
            chroma: [vec![0; width], vec![0; width]],
        }
    }

    /// Fills `slot` (3 x H x W of the network) with `region` of `picture`, whose planes were checked.
    ///
    /// Returns where the region lies in the input, or why the resizer refused it.
    pub(crate) fn write(
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
        let (area, half_width) = (width * height, width.div_ceil(2));
        let quarter = half_width * height.div_ceil(2);
        let mut output = Output::new(&self.input, content, slot);
        output.fill_padding(self.input.pad);
        let mut fit = Fit {
            resizer: &mut self.resizer,
            region,
            content,
        };
        let [blue_row, red_row] = &mut self.chroma;
        match picture {
            Planes::I420 { y, u, v, color } => {
                let (luma, chroma) = self.scratch.split_at_mut(area);
                let (blue, red) = chroma[..2 * quarter].split_at_mut(quarter);
                fit.resize::<U8>(&y.insert_axis(Axis(2)), Subsampling::None, luma)?;
                fit.resize::<U8>(&u.insert_axis(Axis(2)), Subsampling::Half, blue)?;
                fit.resize::<U8>(&v.insert_axis(Axis(2)), Subsampling::Half, red)?;
                let map = YuvToRgb::new(*color);
                for row in 0..height {
                    if row % 2 == 0 {
                        let at = row / 2 * half_width..(row / 2 + 1) * half_width;
                        double(blue[at.clone()].iter().copied(), blue_row);
                        double(red[at].iter().copied(), red_row);
                    }
                    output.write_yuv(row, &map, &luma[row * width..], blue_row, red_row);
                }
            }
            Planes::Nv12 { y, uv, color } => {
                let (luma, chroma) = self.scratch.split_at_mut(area);
                let chroma = &mut chroma[..2 * quarter];
                fit.resize::<U8>(&y.insert_axis(Axis(2)), Subsampling::None, luma)?;
                fit.resize::<U8x2>(uv, Subsampling::Half, chroma)?;
                let map = YuvToRgb::new(*color);
                for row in 0..height {
                    if row % 2 == 0 {
                        let at = row * half_width..(row + 2) * half_width;
                        let pairs = chroma[at].as_chunks::<2>().0;
                        double(pairs.iter().map(|[blue, _]| *blue), blue_row);
                        double(pairs.iter().map(|[_, red]| *red), red_row);
                    }
                    output.write_yuv(row, &map, &luma[row * width..], blue_row, red_row);
                }
            }
            Planes::Rgb(rgb) => {
                let pixels = &mut self.scratch[..3 * area];
                fit.resize::<U8x3>(rgb, Subsampling::None, pixels)?;
                for (row, pixels) in pixels.chunks_exact(3 * width).enumerate() {
                    let pixels = pixels.as_chunks::<3>().0.iter();
                    output.write(row, pixels.map(|rgb| rgb.map(f32::from)));
                }
            }
        }
        Ok(letterbox)
    }
}

/// Writes each value twice.
fn double(values: impl Iterator<Item = u8>, row: &mut [u8]) {
    for (pair, value) in row.as_chunks_mut::<2>().0.iter_mut().zip(values) {
        *pair = [value; 2];
    }
}

/// How many pixels of the picture share one of a plane, along each side.
#[derive(Clone, Copy)]
enum Subsampling {
    None,
    Half,
}

/// One region of one picture on its way to the size it has in the input.
struct Fit<'a> {
    resizer: &'a mut Resizer,
    region: Region,
    content: Region,
}

impl Fit<'_> {
    /// Resizes a plane to the content's size, or to half of it where the plane has half the picture's.
    fn resize<P: BytePixel>(
        &mut self,
        plane: &ArrayView3<'_, u8>,
        subsampling: Subsampling,
        target: &mut [u8],
    ) -> Result<(), String> {
        let source = StridedPlane::<P>::new(plane).ok_or("rows of a plane are not contiguous")?;
        let (scale, shared) = match subsampling {
            Subsampling::None => (1.0, 1),
            Subsampling::Half => (0.5, 2),
        };
        let width = self.content.width.div_ceil(shared);
        let height = self.content.height.div_ceil(shared);
        let mut target = TypedImage::<P>::from_buffer(width, height, target)
            .map_err(|fault| fault.to_string())?;
        let region = self.region;
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
            .use_alpha(false)
            .crop(
                f64::from(region.x) * scale,
                f64::from(region.y) * scale,
                f64::from(region.width) * scale,
                f64::from(region.height) * scale,
            );
        self.resizer
            .resize_typed(&source, &mut target, &options)
            .map_err(|fault| fault.to_string())
    }
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

    /// Writes one row of the content from rows of luma and chroma, which may be longer.
    fn write_yuv(&mut self, row: usize, map: &YuvToRgb, luma: &[u8], blue: &[u8], red: &[u8]) {
        let chroma = blue.iter().zip(red);
        let pixels = luma.iter().zip(chroma);
        self.write(
            row,
            pixels.map(|(y, (u, v))| map.rgb(f32::from(*y), f32::from(*u), f32::from(*v))),
        );
    }

    /// Writes one row of the content from RGB codes, at least as many as it is wide.
    fn write(&mut self, row: usize, pixels: impl Iterator<Item = [f32; 3]>) {
        let start = (self.content.y as usize + row) * self.width + self.content.x as usize;
        let at = start..start + self.content.width as usize;
        let [gain_r, gain_g, gain_b] = self.gain;
        let [bias_r, bias_g, bias_b] = self.bias;
        let [red, green, blue] = &mut self.planes;
        let targets = red[at.clone()]
            .iter_mut()
            .zip(&mut green[at.clone()])
            .zip(&mut blue[at]);
        for (((red, green), blue), [r, g, b]) in targets.zip(pixels) {
            *red = r * gain_r + bias_r;
            *green = g * gain_g + bias_g;
            *blue = b * gain_b + bias_b;
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
        Preprocessor::new(&spec(side as u32, resize, colors))
            .write(&picture, region, &mut slot)
            .unwrap();
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
            // Each plane is rounded to a code once; the matrix weighs luma by 1.16 and blue by up to 2.11.
            let mean = sum / found.len() as f64;
            assert!(
                worst < 3.4 && mean < 0.4,
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
