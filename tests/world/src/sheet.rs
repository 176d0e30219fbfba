//! Contact sheets: people side by side with their captions.

use embedded_graphics::Drawable as _;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Point, Size};
use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::ascii::FONT_5X8;
use embedded_graphics::pixelcolor::{Rgb888, RgbColor as _};
use embedded_graphics::text::Text;
use rayon::prelude::*;

use crate::body::Library;
use crate::captions::describe;
use crate::dice::Dice;
use crate::error::Result;
use crate::identity::{Crowd, Identity};
use crate::shot::{Cast, HEIGHT, Studio, WIDTH, passers};

/// A drawing of bytes.
#[derive(Debug)]
pub struct Drawing {
    /// Width, pixels.
    pub width: usize,
    /// Height, pixels.
    pub height: usize,
    /// sRGB bytes.
    pub rgb: Vec<u8>,
}

impl Drawing {
    /// A white sheet.
    #[must_use]
    pub fn new(width: usize, height: usize) -> Self {
        Self {
            width,
            height,
            rgb: vec![255; width * height * 3],
        }
    }

    /// Copies a picture in.
    pub fn paste(&mut self, x: usize, y: usize, rgb: &[u8], width: usize) {
        for (row, line) in rgb.chunks_exact(width * 3).enumerate() {
            let at = ((y + row) * self.width + x) * 3;
            self.rgb[at..at + line.len()].copy_from_slice(line);
        }
    }

    /// Writes a line of text; letters outside ASCII become `?`.
    pub fn write(&mut self, x: usize, y: usize, text: &str, colour: Rgb888) {
        let style = MonoTextStyle::new(&FONT_5X8, colour);
        // Drawing into memory cannot fail.
        if Text::new(text, Point::new(x as i32, y as i32), style)
            .draw(self)
            .is_err()
        {}
    }

    /// One pixel; outside the sheet nothing happens.
    pub fn dot(&mut self, x: i32, y: i32, colour: [u8; 3]) {
        if x >= 0 && y >= 0 && (x as usize) < self.width && (y as usize) < self.height {
            let at = (y as usize * self.width + x as usize) * 3;
            self.rgb[at..at + 3].copy_from_slice(&colour);
        }
    }

    /// A straight line.
    pub fn line(&mut self, a: [f32; 2], b: [f32; 2], colour: [u8; 3]) {
        let steps = (b[0] - a[0]).abs().max((b[1] - a[1]).abs()).ceil().max(1.0);
        for k in 0..=steps as i32 {
            let t = k as f32 / steps;
            self.dot(
                (a[0] + (b[0] - a[0]) * t).round() as i32,
                (a[1] + (b[1] - a[1]) * t).round() as i32,
                colour,
            );
        }
    }

    /// As PNG.
    ///
    /// # Errors
    /// It cannot be encoded.
    pub fn png(&self) -> Result<Vec<u8>> {
        crate::photo::png(&self.rgb, self.width, self.height)
    }
}

impl OriginDimensions for Drawing {
    fn size(&self) -> Size {
        Size::new(self.width as u32, self.height as u32)
    }
}

impl DrawTarget for Drawing {
    type Color = Rgb888;
    type Error = std::convert::Infallible;

    fn draw_iter<I: IntoIterator<Item = embedded_graphics::Pixel<Rgb888>>>(
        &mut self,
        pixels: I,
    ) -> std::result::Result<(), Self::Error> {
        for embedded_graphics::Pixel(p, c) in pixels {
            self.dot(p.x, p.y, [c.r(), c.g(), c.b()]);
        }
        Ok(())
    }
}

/// Rows of text below each person.
const LINES: usize = 9;
/// Letters in a row.
const LETTERS: usize = 25;

/// A sheet of `count` people, ten in a row, each with one caption.
///
/// # Errors
/// A mesh is missing or a picture cannot be encoded.
pub fn people(library: &Library, seed: u64, count: usize, crowd: Crowd) -> Result<Drawing> {
    let others = passers(library, seed, crowd, 4)?;
    let cells: Result<Vec<(Vec<u8>, String)>> = (0..count)
        .into_par_iter()
        .map_init(Studio::default, |studio, k| {
            let cast = Cast::build(library, Identity::draw(seed, k + 1, crowd))?;
            let crop = studio.shoot(library, seed, &cast, k % 12, crowd.difficulty, &others)?;
            let told = describe(
                &cast.identity,
                &crop.evidence,
                &mut Dice::new(&[seed, 0x5ee7, k as u64]),
            );
            Ok((crop.rgb, told.captions.first().cloned().unwrap_or_default()))
        })
        .collect();
    let cells = cells?;
    let columns = 10.min(count.max(1));
    let tall = HEIGHT + LINES * 9 + 4;
    let mut sheet = Drawing::new(columns * (WIDTH + 4), count.div_ceil(columns) * tall);
    for (k, (rgb, caption)) in cells.iter().enumerate() {
        let (x, y) = ((k % columns) * (WIDTH + 4), (k / columns) * tall);
        sheet.paste(x, y, rgb, WIDTH);
        for (number, line) in wrapped(caption, LETTERS).iter().take(LINES).enumerate() {
            sheet.write(x, y + HEIGHT + 8 + number * 9, line, Rgb888::BLACK);
        }
    }
    Ok(sheet)
}

/// Breaks a text at spaces.
#[must_use]
pub fn wrapped(text: &str, most: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        if !lines[last].is_empty() && lines[last].len() + 1 + word.len() > most {
            lines.push(word.to_owned());
        } else {
            if !lines[last].is_empty() {
                lines[last].push(' ');
            }
            lines[last].push_str(word);
        }
    }
    lines
}
