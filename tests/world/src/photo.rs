//! What a camera does to light: white balance, exposure, contrast, sharpening, blur, noise, rain, low resolution, JPEG.

use crate::dice::Dice;
use crate::error::{Error, Result};
use crate::math::{V3, add, mix, scale};

/// One camera's picture settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Photo {
    /// Channel gains: white balance.
    pub balance: [f32; 3],
    /// Gain of all channels.
    pub gain: f32,
    /// Added contrast round mid-grey, 0 none.
    pub contrast: f32,
    /// Saturation, 1 as it is.
    pub saturation: f32,
    /// Unsharp mask, 0 none.
    pub sharpen: f32,
    /// Blur of the lens, pixels (deviation).
    pub blur_px: f32,
    /// Motion blur along `motion_angle`, pixels.
    pub motion_px: f32,
    /// Radians.
    pub motion_angle: f32,
    /// Noise of a pixel, share of full scale.
    pub noise: f32,
    /// Streaks of rain, share of pixels.
    pub rain: f32,
    /// Shrink by this factor and blow up again; 1 none.
    pub shrink: f32,
}

impl Default for Photo {
    fn default() -> Self {
        Self {
            balance: [1.0; 3],
            gain: 1.0,
            contrast: 0.0,
            saturation: 1.0,
            sharpen: 0.0,
            blur_px: 0.4,
            motion_px: 0.0,
            motion_angle: 0.0,
            noise: 0.008,
            rain: 0.0,
            shrink: 1.0,
        }
    }
}

impl Photo {
    /// Takes the picture in place: `rgb` is sRGB 0..1, `width` pixels wide, and becomes `wanted` pixels wide.
    /// Motion, rain and the camera's own pixels come before the enlargement; sharpening, blur and noise after it.
    pub fn take(&self, rgb: &mut Vec<V3>, width: usize, wanted: usize, dice: &mut Dice) {
        let height = rgb.len() / width;
        if self.motion_px > 0.6 {
            motion(rgb, width, self.motion_px, self.motion_angle);
        }
        if self.rain > 0.0 {
            rain(rgb, width, self.rain, dice);
        }
        for p in rgb.iter_mut() {
            let grey = 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
            for (c, balance) in p.iter_mut().zip(self.balance) {
                let v = (grey + (*c - grey) * self.saturation) * balance * self.gain;
                *c = (v + self.contrast * (v - 0.45) - 0.06 * self.contrast).clamp(0.0, 1.0);
            }
        }
        if self.shrink > 1.01 || wanted != width {
            let (w, h) = (
                ((width as f32 / self.shrink) as usize).max(8),
                ((height as f32 / self.shrink) as usize).max(8),
            );
            let small = shrink(rgb, width, height, w, h);
            *rgb = grow(&small, w, h, wanted, height * wanted / width);
        }
        let width = wanted;
        if self.sharpen > 0.0 {
            let soft = blurred(rgb, width, 1.4);
            for (p, s) in rgb.iter_mut().zip(&soft) {
                for (c, b) in p.iter_mut().zip(s) {
                    *c = (*c + self.sharpen * (*c - b)).clamp(0.0, 1.0);
                }
            }
        }
        if self.blur_px > 0.15 {
            *rgb = blurred(rgb, width, self.blur_px);
        }
        if self.noise > 0.0 {
            let mut state = dice.key() as u32 | 1;
            let mut next = || {
                // Three uniform draws are near enough to a normal one.
                let mut sum = -1.5;
                for _ in 0..3 {
                    state ^= state << 13;
                    state ^= state >> 17;
                    state ^= state << 5;
                    sum += (state >> 8) as f32 / 16_777_216.0;
                }
                sum * 2.0
            };
            for p in rgb.iter_mut() {
                *p = p.map(|c| (c + self.noise * next()).clamp(0.0, 1.0));
            }
        }
    }
}

/// Gaussian blur, separable, edges repeated.
#[must_use]
pub fn blurred(rgb: &[V3], width: usize, deviation: f32) -> Vec<V3> {
    let height = rgb.len() / width;
    let radius = (deviation * 2.5).ceil().max(1.0) as usize;
    let mut kernel: Vec<f32> = (0..=radius)
        .map(|i| (-((i * i) as f32) / (2.0 * deviation * deviation)).exp())
        .collect();
    let total = kernel[0] + 2.0 * kernel[1..].iter().sum::<f32>();
    kernel.iter_mut().for_each(|k| *k /= total);
    let mut half = Vec::with_capacity(rgb.len());
    for row in rgb.chunks_exact(width) {
        for x in 0..width {
            let mut sum = scale(row[x], kernel[0]);
            for (d, k) in kernel.iter().enumerate().skip(1) {
                sum = add(
                    sum,
                    scale(
                        add(row[x.saturating_sub(d)], row[(x + d).min(width - 1)]),
                        *k,
                    ),
                );
            }
            half.push(sum);
        }
    }
    let mut full = Vec::with_capacity(rgb.len());
    for y in 0..height {
        for x in 0..width {
            let mut sum = scale(half[y * width + x], kernel[0]);
            for (d, k) in kernel.iter().enumerate().skip(1) {
                let (a, b) = (y.saturating_sub(d), (y + d).min(height - 1));
                sum = add(
                    sum,
                    scale(add(half[a * width + x], half[b * width + x]), *k),
                );
            }
            full.push(sum);
        }
    }
    full
}

fn motion(rgb: &mut [V3], width: usize, length: f32, angle: f32) {
    let height = rgb.len() / width;
    let (s, c) = angle.sin_cos();
    let steps = length.ceil() as i32;
    let source = rgb.to_vec();
    for y in 0..height {
        for x in 0..width {
            let mut sum = [0.0; 3];
            for k in 0..=steps {
                let t = k as f32 / steps as f32 - 0.5;
                let u = (x as f32 + t * length * c)
                    .round()
                    .clamp(0.0, width as f32 - 1.0) as usize;
                let v = (y as f32 + t * length * s)
                    .round()
                    .clamp(0.0, height as f32 - 1.0) as usize;
                sum = add(sum, source[v * width + u]);
            }
            rgb[y * width + x] = scale(sum, 1.0 / (steps + 1) as f32);
        }
    }
}

fn rain(rgb: &mut [V3], width: usize, share: f32, dice: &mut Dice) {
    let height = rgb.len() / width;
    let count = (rgb.len() as f32 * share / 9.0) as usize;
    let slant = dice.range(-0.25, 0.25);
    for _ in 0..count {
        let (x, y) = (
            dice.range(0.0, width as f32),
            dice.range(0.0, height as f32),
        );
        let (length, light) = (
            dice.range(4.0, 4.0 + height as f32 * 0.04),
            dice.range(0.05, 0.22),
        );
        for k in 0..length as usize {
            let (u, v) = ((x + slant * k as f32) as usize, y as usize + k);
            if u < width && v < height {
                let p = &mut rgb[v * width + u];
                *p = p.map(|c| c + (0.85 - c) * light);
            }
        }
    }
}

fn shrink(rgb: &[V3], width: usize, height: usize, w: usize, h: usize) -> Vec<V3> {
    let mut out = Vec::with_capacity(w * h);
    for y in 0..h {
        for x in 0..w {
            let (x0, x1) = (x * width / w, ((x + 1) * width / w).max(x * width / w + 1));
            let (y0, y1) = (
                y * height / h,
                ((y + 1) * height / h).max(y * height / h + 1),
            );
            let mut sum = [0.0; 3];
            for row in rgb.chunks_exact(width).take(y1).skip(y0) {
                for p in &row[x0..x1] {
                    sum = add(sum, *p);
                }
            }
            out.push(scale(sum, 1.0 / ((x1 - x0) * (y1 - y0)) as f32));
        }
    }
    out
}

/// Bilinear enlargement.
#[must_use]
pub fn grow(rgb: &[V3], w: usize, h: usize, width: usize, height: usize) -> Vec<V3> {
    let mut out = Vec::with_capacity(width * height);
    for y in 0..height {
        let v = ((y as f32 + 0.5) * h as f32 / height as f32 - 0.5).clamp(0.0, h as f32 - 1.0);
        let (j, b) = (v as usize, v.fract());
        for x in 0..width {
            let u = ((x as f32 + 0.5) * w as f32 / width as f32 - 0.5).clamp(0.0, w as f32 - 1.0);
            let (i, a) = (u as usize, u.fract());
            let (i1, j1) = ((i + 1).min(w - 1), (j + 1).min(h - 1));
            let top = mix(rgb[j * w + i], rgb[j * w + i1], a);
            let bottom = mix(rgb[j1 * w + i], rgb[j1 * w + i1], a);
            out.push(mix(top, bottom, b));
        }
    }
    out
}

/// sRGB 0..1 to bytes.
#[must_use]
pub fn bytes(rgb: &[V3]) -> Vec<u8> {
    rgb.iter()
        .flatten()
        .map(|c| (c.clamp(0.0, 1.0) * 255.0 + 0.5) as u8)
        .collect()
}

/// A JPEG of bytes.
///
/// # Errors
/// The size does not suit the format.
pub fn jpeg(rgb: &[u8], width: usize, height: usize, quality: u8) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    jpeg_encoder::Encoder::new(&mut out, quality)
        .encode(
            rgb,
            width as u16,
            height as u16,
            jpeg_encoder::ColorType::Rgb,
        )
        .map_err(|e| Error::picture("jpeg", e))?;
    Ok(out)
}

/// A PNG of bytes.
///
/// # Errors
/// The size does not suit the format.
pub fn png(rgb: &[u8], width: usize, height: usize) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder
        .write_header()
        .map_err(|e| Error::picture("png", e))?;
    writer
        .write_image_data(rgb)
        .map_err(|e| Error::picture("png", e))?;
    writer.finish().map_err(|e| Error::picture("png", e))?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_camera_changes_nothing_but_noise() {
        let mut rgb = vec![[0.25, 0.5, 0.75]; 64 * 32];
        Photo {
            noise: 0.0,
            blur_px: 0.0,
            ..Photo::default()
        }
        .take(&mut rgb, 64, 64, &mut Dice::new(&[1]));
        assert!(
            rgb.iter()
                .flatten()
                .zip([0.25, 0.5, 0.75].iter().cycle())
                .all(|(a, b)| (a - b).abs() < 1e-5)
        );
    }

    #[test]
    fn blur_keeps_the_mean() {
        let mut rgb = vec![[0.0; 3]; 40 * 40];
        rgb[20 * 40 + 20] = [1.0; 3];
        let sum: f32 = blurred(&rgb, 40, 1.5).iter().map(|p| p[0]).sum();
        assert!((sum - 1.0).abs() < 1e-3, "{sum}");
    }
}
