//! A picture in memory that a report is drawn on: rectangles, text, other pictures.

use std::convert::Infallible;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle};
use embedded_graphics::pixelcolor::{Rgb888, RgbColor as _};
use embedded_graphics::prelude::{DrawTarget, Drawable as _, OriginDimensions, Pixel, Point, Size};
use embedded_graphics::text::{Baseline, Text};

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

/// The face of captions: 6 x 10 px a letter.
pub const SMALL: MonoFont<'static> = embedded_graphics::mono_font::ascii::FONT_6X10;
/// The face of headings: 9 x 15 px a letter.
pub const LARGE: MonoFont<'static> = embedded_graphics::mono_font::ascii::FONT_9X15_BOLD;

/// An RGB colour, 8 bits a channel.
pub type Rgb = [u8; 3];

/// An RGB picture, H x W x 3, rows without padding.
#[derive(Clone, Debug)]
pub struct Canvas {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

impl Canvas {
    /// A picture of one colour; sizes in pixels.
    pub fn new(width: u32, height: u32, color: Rgb) -> Self {
        let count = width as usize * height as usize;
        Self {
            width,
            height,
            pixels: color.repeat(count),
        }
    }

    /// A picture from packed RGB bytes; `None` when their number does not fit the size.
    pub fn from_rgb(width: u32, height: u32, pixels: Vec<u8>) -> Option<Self> {
        (pixels.len() == width as usize * height as usize * 3).then_some(Self {
            width,
            height,
            pixels,
        })
    }

    /// A picture from a JPEG of at most 4096 x 4096 pixels.
    ///
    /// # Errors
    /// When it is none, or is larger.
    pub fn from_jpeg(jpeg: &[u8]) -> Result<Self> {
        let options = DecoderOptions::default()
            .jpeg_set_out_colorspace(ColorSpace::RGB)
            .set_max_width(4096)
            .set_max_height(4096);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(jpeg), options);
        let pixels = decoder.decode().context("cannot read a jpeg")?;
        let (width, height) = decoder.dimensions().context("a jpeg without a size")?;
        match Self::from_rgb(u32::try_from(width)?, u32::try_from(height)?, pixels) {
            Some(picture) => Ok(picture),
            None => bail!("a jpeg with other pixels than its size says"),
        }
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The packed RGB bytes, row by row.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The packed RGB bytes, to be written in place.
    pub fn pixels_mut(&mut self) -> &mut [u8] {
        &mut self.pixels
    }

    /// Fills a rectangle, clipped to the picture.
    pub fn fill(&mut self, x: i32, y: i32, width: u32, height: u32, color: Rgb) {
        let (x0, x1) = clip(x, width, self.width);
        let (y0, y1) = clip(y, height, self.height);
        for row in y0..y1 {
            let line = row * self.width as usize;
            for pixel in self.pixels[(line + x0) * 3..(line + x1) * 3].chunks_exact_mut(3) {
                pixel.copy_from_slice(&color);
            }
        }
    }

    /// Draws the outline of a rectangle, `stroke` pixels thick, inwards.
    pub fn outline(&mut self, x: i32, y: i32, width: u32, height: u32, stroke: u32, color: Rgb) {
        let stroke_i = stroke.cast_signed();
        let (right, bottom) = (
            x.saturating_add_unsigned(width),
            y.saturating_add_unsigned(height),
        );
        self.fill(x, y, width, stroke, color);
        self.fill(x, bottom - stroke_i, width, stroke, color);
        self.fill(x, y, stroke, height, color);
        self.fill(right - stroke_i, y, stroke, height, color);
    }

    /// Draws a straight line of this width, clipped at the edges.
    pub fn line(&mut self, from: [i32; 2], to: [i32; 2], width: u32, color: Rgb) {
        let steps = from[0].abs_diff(to[0]).max(from[1].abs_diff(to[1])).max(1);
        let half = width.cast_signed() / 2;
        for step in 0..=steps {
            let share = f64::from(step) / f64::from(steps);
            let at = |axis: usize| {
                f64::from(from[axis]) + share * (f64::from(to[axis]) - f64::from(from[axis]))
            };
            self.fill(
                at(0) as i32 - half,
                at(1) as i32 - half,
                width,
                width,
                color,
            );
        }
    }

    /// Writes a line of text with its top left corner at `x`, `y`; what does not fit is cut off.
    pub fn text(&mut self, x: i32, y: i32, text: &str, font: &MonoFont<'_>, color: Rgb) {
        let style = MonoTextStyle::new(font, Rgb888::new(color[0], color[1], color[2]));
        let drawn = Text::with_baseline(text, Point::new(x, y), style, Baseline::Top).draw(self);
        match drawn {
            Ok(_) => {}
            Err(never) => match never {},
        }
    }

    /// Writes a line of small text into a width in pixels; what is longer ends in two dots.
    pub fn label(&mut self, x: i32, y: i32, text: &str, width: u32, color: Rgb) {
        let room = (width / SMALL.character_size.width) as usize;
        if text.chars().count() <= room {
            return self.text(x, y, text, &SMALL, color);
        }
        let mut cut: String = text.chars().take(room.saturating_sub(2)).collect();
        cut.push_str("..");
        self.text(x, y, &cut, &SMALL, color);
    }

    /// Copies another picture onto this one, clipped.
    pub fn paste(&mut self, x: i32, y: i32, other: &Canvas) {
        let (x0, x1) = clip(x, other.width, self.width);
        let (y0, y1) = clip(y, other.height, self.height);
        if x0 >= x1 {
            return;
        }
        for row in y0..y1 {
            let from_row = (i64::try_from(row).unwrap_or(i64::MAX) - i64::from(y)).unsigned_abs();
            let from_column = (i64::try_from(x0).unwrap_or(i64::MAX) - i64::from(x)).unsigned_abs();
            let from = (from_row * u64::from(other.width) + from_column) as usize * 3;
            let to = (row * self.width as usize + x0) * 3;
            let bytes = (x1 - x0) * 3;
            self.pixels[to..to + bytes].copy_from_slice(&other.pixels[from..from + bytes]);
        }
    }

    /// This picture at the largest size that fits into `width` x `height` pixels, in the middle of black.
    pub fn scaled_into(&self, width: u32, height: u32) -> Canvas {
        let mut target = Canvas::new(width, height, [0; 3]);
        if self.width == 0 || self.height == 0 {
            return target;
        }
        let scale = (f64::from(width) / f64::from(self.width))
            .min(f64::from(height) / f64::from(self.height));
        let fitted = |length: u32, most: u32| ((f64::from(length) * scale) as u32).clamp(1, most);
        let (inner_width, inner_height) = (fitted(self.width, width), fitted(self.height, height));
        let (left, top) = ((width - inner_width) / 2, (height - inner_height) / 2);
        for row in 0..inner_height {
            let from_row = row * self.height / inner_height;
            for column in 0..inner_width {
                let from = (from_row * self.width + column * self.width / inner_width) as usize * 3;
                let to = ((top + row) * width + left + column) as usize * 3;
                target.pixels[to..to + 3].copy_from_slice(&self.pixels[from..from + 3]);
            }
        }
        target
    }

    /// Writes the picture as a PNG file.
    ///
    /// # Errors
    /// When the file cannot be written; the message names it.
    pub fn write_png(&self, path: &Path) -> Result<()> {
        let file = fs_err::File::create(path)?;
        let mut encoder = png::Encoder::new(std::io::BufWriter::new(file), self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let write = |encoder: png::Encoder<'_, _>| -> Result<(), png::EncodingError> {
            let mut writer = encoder.write_header()?;
            writer.write_image_data(&self.pixels)?;
            writer.finish()
        };
        write(encoder).with_context(|| format!("cannot write the picture {}", path.display()))
    }
}

/// The span of `start..start + length` that lies inside `0..limit`.
fn clip(start: i32, length: u32, limit: u32) -> (usize, usize) {
    let low = i64::from(start).clamp(0, i64::from(limit));
    let high = (i64::from(start) + i64::from(length)).clamp(low, i64::from(limit));
    (low.unsigned_abs() as usize, high.unsigned_abs() as usize)
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.width, self.height)
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I>(&mut self, pixels: I) -> Result<(), Self::Error>
    where
        I: IntoIterator<Item = Pixel<Self::Color>>,
    {
        for Pixel(point, color) in pixels {
            let (Ok(x), Ok(y)) = (u32::try_from(point.x), u32::try_from(point.y)) else {
                continue;
            };
            if x < self.width && y < self.height {
                let at = (y as usize * self.width as usize + x as usize) * 3;
                self.pixels[at..at + 3].copy_from_slice(&[color.r(), color.g(), color.b()]);
            }
        }
        Ok(())
    }
}

/// A colour that stays with a track: the same number gives the same colour, neighbours differ.
pub fn track_color(number: usize) -> Rgb {
    // Steps of the golden angle round the hue circle keep any few consecutive numbers far apart.
    let hue = (number as f32 * 137.507_77) % 360.0;
    let sector = hue / 60.0;
    let rising = 1.0 - (sector % 2.0 - 1.0).abs();
    let (r, g, b) = match sector as u32 {
        0 => (1.0, rising, 0.0),
        1 => (rising, 1.0, 0.0),
        2 => (0.0, 1.0, rising),
        3 => (0.0, rising, 1.0),
        4 => (rising, 0.0, 1.0),
        _ => (1.0, 0.0, rising),
    };
    [r, g, b].map(|channel: f32| (70.0 + 185.0 * channel) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_stays_within_its_width() {
        let mut canvas = Canvas::new(80, 12, [0; 3]);
        canvas.label(0, 0, "a camera with a long name", 40, [255; 3]);
        let is_lit = |x: usize| (0..12).any(|y| canvas.pixels()[(y * 80 + x) * 3] > 0);
        assert!((0..40).any(is_lit) && !(40..80).any(is_lit));
    }

    #[test]
    fn drawing_beyond_the_edges_is_clipped() {
        let mut canvas = Canvas::new(8, 6, [0, 0, 0]);
        canvas.fill(-3, -3, 5, 5, [1, 2, 3]);
        canvas.outline(6, 4, 100, 100, 2, [9, 9, 9]);
        canvas.text(-4, 2, "wide text that leaves the picture", &SMALL, [255; 3]);
        canvas.paste(7, 5, &Canvas::new(4, 4, [7, 7, 7]));
        canvas.paste(-10, -10, &Canvas::new(4, 4, [8, 8, 8]));
        assert_eq!(&canvas.pixels()[..3], &[1, 2, 3]);
        assert_eq!(&canvas.pixels()[(5 * 8 + 7) * 3..], &[7, 7, 7]);
    }

    #[test]
    fn neighbouring_tracks_have_different_colors() {
        for number in 0..50 {
            let (one, two) = (track_color(number), track_color(number + 1));
            let apart: i32 = (0..3)
                .map(|c| (i32::from(one[c]) - i32::from(two[c])).abs())
                .sum();
            assert!(apart > 100, "{number}: {one:?} {two:?}");
        }
    }
}
