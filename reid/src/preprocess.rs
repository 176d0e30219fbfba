//! Crop, resize, colour conversion and normalisation in one pass into the batch tensor.
//!
//! Each plane is resized on its own to the model's size with an antialiased triangle filter; only then are colours
//! converted, so nothing is converted at the size of the frame. Chroma is taken as centred between its luma pixels.

use fast_image_resize::images::TypedImage;
use fast_image_resize::pixels::{InnerPixel, U8, U8x2, U8x3};
use fast_image_resize::{FilterType, ImageView, PixelTrait, ResizeAlg, ResizeOptions, Resizer};
use ndarray::{ArrayView, Axis, Dimension, RemoveAxis};
use sha2::{Digest as _, Sha256};

use crate::card::{ColorOrder, Input};
use crate::color::Rgb;
use crate::memory::Key;
use crate::planes::{Color, Crop, Matrix, Planes, Window};

/// Turns crops into rows of a batch tensor; keeps its buffers, so that a crop allocates nothing.
pub(crate) struct Preprocessor {
    order: ColorOrder,
    /// Tensor value = pixel * gain + offset, by plane of the model.
    gain: [f32; 3],
    offset: [f32; 3],
    resizer: Resizer,
    luma: TypedImage<'static, U8>,
    blue: TypedImage<'static, U8>,
    red: TypedImage<'static, U8>,
    chroma: TypedImage<'static, U8x2>,
    rgb: TypedImage<'static, U8x3>,
    /// The pixels of the last crop in a row, to make a key of them.
    bytes: Vec<u8>,
}

impl Preprocessor {
    pub(crate) fn new(input: &Input) -> Self {
        // The card holds sizes of at most 4096.
        let width = u32::try_from(input.width).unwrap_or(u32::MAX);
        let height = u32::try_from(input.height).unwrap_or(u32::MAX);
        Self {
            order: input.colors,
            gain: input.std.map(|std| input.scale / std),
            offset: std::array::from_fn(|plane| -input.mean[plane] / input.std[plane]),
            resizer: Resizer::new(),
            luma: TypedImage::new(width, height),
            blue: TypedImage::new(width, height),
            red: TypedImage::new(width, height),
            chroma: TypedImage::new(width, height),
            rgb: TypedImage::new(width, height),
            bytes: Vec::new(),
        }
    }

    /// Writes `crop` as 3 x height x width values into `out`; the message says why the crop cannot be read.
    pub(crate) fn write(&mut self, crop: &Crop<'_>, out: &mut [f32]) -> Result<(), String> {
        crop.planes.check().map_err(|error| error.to_string())?;
        let window = crop.window()?;
        let half = Window {
            left: window.left / 2.0,
            top: window.top / 2.0,
            width: window.width / 2.0,
            height: window.height / 2.0,
        };
        let plane_len = out.len() / 3;
        let (first, rest) = out.split_at_mut(plane_len);
        let (second, third) = rest.split_at_mut(plane_len);
        let (red, blue, [red_at, green_at, blue_at]) = match self.order {
            ColorOrder::Rgb => (first, third, [0, 1, 2]),
            ColorOrder::Bgr => (third, first, [2, 1, 0]),
        };
        let mut target = Rgb {
            planes: [red, second, blue],
            gain: [red_at, green_at, blue_at].map(|at| self.gain[at]),
            offset: [red_at, green_at, blue_at].map(|at| self.offset[at]),
        };
        let resizer = &mut self.resizer;
        match &crop.planes {
            Planes::I420 { y, u, v, color } => {
                resize(resizer, y, window, &mut self.luma)?;
                resize(resizer, u, half, &mut self.blue)?;
                resize(resizer, v, half, &mut self.red)?;
                let chroma = self.blue.pixels().iter().zip(self.red.pixels());
                target.fill_from_yuv(
                    *color,
                    self.luma.pixels().iter().map(|pixel| pixel.0),
                    chroma.map(|(blue, red)| [blue.0, red.0]),
                );
            }
            Planes::Nv12 { y, uv, color } => {
                resize(resizer, y, window, &mut self.luma)?;
                resize(resizer, uv, half, &mut self.chroma)?;
                target.fill_from_yuv(
                    *color,
                    self.luma.pixels().iter().map(|pixel| pixel.0),
                    self.chroma.pixels().iter().map(|pixel| pixel.0),
                );
            }
            Planes::Rgb(rgb) => {
                resize(resizer, rgb, window, &mut self.rgb)?;
                target.fill_from_rgb(self.rgb.pixels().iter().map(|pixel| pixel.0));
            }
        }
        Ok(())
    }

    /// What tells the crop written last from all others: its pixels at the model's size, and how they are read.
    pub(crate) fn key(&mut self, planes: &Planes<'_>) -> Key {
        let bytes = &mut self.bytes;
        bytes.clear();
        let mut tag = |kind: u8, color: Option<&Color>| {
            let matrix = color.map_or(0, |color| u8::from(color.matrix == Matrix::Bt709));
            let is_full_range = color.is_some_and(|color| color.is_full_range);
            bytes.extend([kind, matrix, u8::from(is_full_range)]);
        };
        match planes {
            Planes::I420 { color, .. } => {
                tag(0, Some(color));
                for plane in [&self.luma, &self.blue, &self.red] {
                    bytes.extend(plane.pixels().iter().map(|pixel| pixel.0));
                }
            }
            Planes::Nv12 { color, .. } => {
                tag(1, Some(color));
                bytes.extend(self.luma.pixels().iter().map(|pixel| pixel.0));
                bytes.extend(self.chroma.pixels().iter().flat_map(|pixel| pixel.0));
            }
            Planes::Rgb(_) => {
                tag(2, None);
                bytes.extend(self.rgb.pixels().iter().flat_map(|pixel| pixel.0));
            }
        }
        Sha256::digest(bytes).into()
    }
}

/// A strided plane as the resizer wants to see it: rows of `P`.
struct Strided<'v, D: Dimension, P> {
    plane: &'v ArrayView<'v, u8, D>,
    width: u32,
    height: u32,
    pixel: std::marker::PhantomData<P>,
}

// SAFETY: `Planes::check` has refused planes whose rows are not contiguous or shorter than `width` pixels, and a row
// that is not contiguous after all yields no slice at all, so that every slice given out has its whole length.
unsafe impl<D: RemoveAxis, P: InnerPixel<Component = u8>> ImageView for Strided<'_, D, P> {
    type Pixel = P;

    fn width(&self) -> u32 {
        self.width
    }

    fn height(&self) -> u32 {
        self.height
    }

    fn iter_rows(&self, start_row: u32) -> impl Iterator<Item = &[P]> {
        (start_row as usize..self.height as usize).filter_map(move |row| {
            let bytes: &[u8] = self.plane.index_axis(Axis(0), row).to_slice()?;
            // SAFETY: the bound makes P a repr(C) array of u8 alone: alignment 1, every byte pattern valid; the
            // slice covers no byte beyond `bytes` and lives as long.
            Some(unsafe {
                std::slice::from_raw_parts(bytes.as_ptr().cast::<P>(), bytes.len() / size_of::<P>())
            })
        })
    }
}

/// Resizes the window of a plane to the size of `target`.
fn resize<D, P>(
    resizer: &mut Resizer,
    plane: &ArrayView<'_, u8, D>,
    window: Window,
    target: &mut TypedImage<'static, P>,
) -> Result<(), String>
where
    D: RemoveAxis,
    P: PixelTrait + InnerPixel<Component = u8> + Default,
{
    let size = |length: usize| u32::try_from(length).map_err(|_| "the picture is too large");
    let source = Strided {
        plane,
        width: size(plane.len_of(Axis(1)))?,
        height: size(plane.len_of(Axis(0)))?,
        pixel: std::marker::PhantomData::<P>,
    };
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(FilterType::Bilinear))
        // Two components are blue and red difference here, not grey and alpha.
        .use_alpha(false)
        .crop(window.left, window.top, window.width, window.height);
    resizer
        .resize_typed(&source, target, &options)
        .map_err(|error| crate::error::one_line(&error))
}
