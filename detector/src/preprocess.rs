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

/// Resizes plane by plane at the target size and converts there; full-size pixels are never converted.
///
/// Downscaling is antialiased (triangle filter over the source pixels that each target pixel
/// covers). Chroma is taken as centred between its luma pixels, at most half a source pixel off.
pub(crate) struct Preprocessor {
    input: InputSpec,
    resizer: Resizer,
    /// Luma, then chroma, at the target size; or RGB. Three bytes a pixel of the input.
    scratch: Vec<u8>,
}

impl Preprocessor {
    pub(crate) fn new(input: &InputSpec) -> Self {
        Self {
            input: input.clone(),
            resizer: Resizer::new(),
            scratch: vec![0; 3 * input.width as usize * input.height as usize],
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
        let area = content.width as usize * content.height as usize;
        let mut output = Output::new(&self.input, content, slot);
        output.fill_padding(self.input.pad);
        let mut fit = Fit {
            resizer: &mut self.resizer,
            region,
            content,
        };
        let scratch = &mut self.scratch[..3 * area];
        match picture {
            Planes::I420 { y, u, v, color } => {
                let (luma, chroma) = scratch.split_at_mut(area);
                let (blue, red) = chroma.split_at_mut(area);
                fit.resize::<U8>(&y.insert_axis(Axis(2)), 1.0, luma)?;
                fit.resize::<U8>(&u.insert_axis(Axis(2)), 0.5, blue)?;
                fit.resize::<U8>(&v.insert_axis(Axis(2)), 0.5, red)?;
                let map = YuvToRgb::new(*color);
                output.write(|row, width| {
                    let at = row * width..(row + 1) * width;
                    let (y, u, v) = (&luma[at.clone()], &blue[at.clone()], &red[at]);
                    let chroma = u.iter().zip(v);
                    y.iter().zip(chroma).map(move |(y, (u, v))| {
                        map.rgb(f32::from(*y), f32::from(*u), f32::from(*v))
                    })
                });
            }
            Planes::Nv12 { y, uv, color } => {
                let (luma, chroma) = scratch.split_at_mut(area);
                fit.resize::<U8>(&y.insert_axis(Axis(2)), 1.0, luma)?;
                fit.resize::<U8x2>(uv, 0.5, chroma)?;
                let map = YuvToRgb::new(*color);
                output.write(|row, width| {
                    let y = &luma[row * width..(row + 1) * width];
                    let uv = &chroma[2 * row * width..2 * (row + 1) * width];
                    y.iter().zip(uv.as_chunks::<2>().0).map(move |(y, [u, v])| {
                        map.rgb(f32::from(*y), f32::from(*u), f32::from(*v))
                    })
                });
            }
            Planes::Rgb(rgb) => {
                fit.resize::<U8x3>(rgb, 1.0, scratch)?;
                output.write(|row, width| {
                    let rgb = &scratch[3 * row * width..3 * (row + 1) * width];
                    rgb.as_chunks::<3>().0.iter().map(|rgb| rgb.map(f32::from))
                });
            }
        }
        Ok(letterbox)
    }
}

/// One region of one picture on its way to the size it has in the input.
struct Fit<'a> {
    resizer: &'a mut Resizer,
    region: Region,
    content: Region,
}

impl Fit<'_> {
    /// Resizes a plane whose pixels are `1 / plane_scale` pixels of the frame wide.
    fn resize<P: BytePixel>(
        &mut self,
        plane: &ArrayView3<'_, u8>,
        plane_scale: f64,
        target: &mut [u8],
    ) -> Result<(), String> {
        let source = StridedPlane::<P>::new(plane).ok_or("rows of a plane are not contiguous")?;
        let (width, height) = (self.content.width, self.content.height);
        let mut target = TypedImage::<P>::from_buffer(width, height, target)
            .map_err(|fault| fault.to_string())?;
        let region = self.region;
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
            .use_alpha(false)
            .crop(
                f64::from(region.x) * plane_scale,
                f64::from(region.y) * plane_scale,
                f64::from(region.width) * plane_scale,
                f64::from(region.height) * plane_scale,
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

    /// Writes the content row by row; `rgb_row` gives the RGB codes of one row of a given width.
    fn write<I: Iterator<Item = [f32; 3]>>(&mut self, rgb_row: impl Fn(usize, usize) -> I) {
        let width = self.content.width as usize;
        let [gain_r, gain_g, gain_b] = self.gain;
        let [bias_r, bias_g, bias_b] = self.bias;
        let [red, green, blue] = &mut self.planes;
        for row in 0..self.content.height as usize {
            let start = (self.content.y as usize + row) * self.width + self.content.x as usize;
            let at = start..start + width;
            let targets = red[at.clone()]
                .iter_mut()
                .zip(&mut green[at.clone()])
                .zip(&mut blue[at]);
            for (((red, green), blue), [r, g, b]) in targets.zip(rgb_row(row, width)) {
                *red = r * gain_r + bias_r;
                *green = g * gain_g + bias_g;
                *blue = b * gain_b + bias_b;
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
