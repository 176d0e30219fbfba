//! The cameras of the crops: each with its own light, lens and colour habits, the worse the harder the dial.

use crate::dice::Dice;
use crate::identity::Difficulty;
use crate::light::Weather;
use crate::photo::Photo;

/// One camera of the crops: its own lens, light and colour habits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    pub(crate) weather: Weather,
    pub(crate) pitch: f32,
    pub(crate) far_m: f32,
    pub(crate) photo: Photo,
    pub(crate) height_px: f32,
    pub(crate) quality: u8,
}

const CAMERA: u64 = 0xca;

/// Draws the habits of a camera, and with `dice` those of one picture.
pub(crate) fn style(seed: u64, camera: usize, difficulty: Difficulty, dice: &mut Dice) -> Style {
    let mut own = Dice::new(&[seed, CAMERA, camera as u64]);
    let d = difficulty.of_cameras();
    let weather = *own.weighted(&[
        (Weather::Cloudy, 4.0),
        (Weather::Sunny, 3.0),
        (Weather::Warm, 1.5),
        (Weather::Indoor, 2.0),
        (Weather::Night, d.between(0.0, 1.6)),
    ]);
    // White balance goes wrong between amber and blue above all.
    let cast = d.between(0.01, 0.15);
    let warmth = own.normal(0.0, cast).clamp(-0.24, 0.24);
    let is_night = weather == Weather::Night;
    // From 170 pixels where it is easy to 25 where it is hardest; by default people are 41 to 70 tall.
    let low = 170.0 * (d.between(0.0, 1.0) * -1.9).exp();
    let photo = Photo {
        balance: [
            1.0 + warmth + own.normal(0.0, cast * 0.25),
            1.0 + own.normal(0.0, cast * 0.25),
            1.0 - warmth + own.normal(0.0, cast * 0.25),
        ],
        gain: own.range(1.0 - d.between(0.06, 0.4), 1.0 + d.between(0.05, 0.18))
            * dice.range(0.96, 1.04),
        contrast: if own.chance(0.6) {
            own.range(0.08, 0.3)
        } else {
            0.0
        },
        saturation: own.range(1.0 - d.between(0.05, 0.5), 1.06) * if is_night { 0.6 } else { 1.0 },
        sharpen: if own.chance(0.6) {
            own.range(0.3, 0.9)
        } else {
            0.0
        },
        blur_px: own.range(0.3, 0.3 + d.between(0.4, 1.6)),
        motion_px: if dice.chance(d.between(0.03, 0.25)) {
            dice.range(1.0, d.between(2.0, 6.0))
        } else {
            0.0
        },
        motion_angle: dice.range(-0.3, 0.3),
        noise: own.range(0.004, d.between(0.012, 0.03)) * if is_night { 2.0 } else { 1.0 },
        rain: if own.chance(0.06) { 0.03 } else { 0.0 },
        shrink: 1.0,
    };
    Style {
        weather,
        pitch: own.range(4.0, 26.0).to_radians(),
        far_m: own.range(7.0, 22.0),
        photo,
        height_px: dice.range(low, low * 1.7).min(250.0),
        quality: own.range(d.between(75.0, 45.0), 92.0) as u8,
    }
}
