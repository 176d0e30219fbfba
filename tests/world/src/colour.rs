//! Whether a picture bears a colour's name out.

use crate::material::Part;
use crate::math::V3;
use crate::palette::{ALL, Colour};

/// CIE Lab (D65) of sRGB 0..255.
#[must_use]
pub fn lab(rgb: [f32; 3]) -> V3 {
    let l = crate::material::linear(rgb);
    let xyz = [
        (0.4124 * l[0] + 0.3576 * l[1] + 0.1805 * l[2]) / 0.9505,
        0.2126 * l[0] + 0.7152 * l[1] + 0.0722 * l[2],
        (0.0193 * l[0] + 0.1192 * l[1] + 0.9505 * l[2]) / 1.089,
    ];
    let f = xyz.map(|t| {
        if t > 0.008_856 {
            t.cbrt()
        } else {
            7.787 * t + 16.0 / 116.0
        }
    });
    [
        116.0 * f[1] - 16.0,
        500.0 * (f[0] - f[1]),
        200.0 * (f[1] - f[2]),
    ]
}

/// Distance of two colours with lightness counted half: shade changes lightness first.
#[must_use]
pub fn distance(a: V3, b: V3) -> f32 {
    let d = [(a[0] - b[0]) * 0.5, a[1] - b[1], a[2] - b[2]];
    (d[0] * d[0] + d[1] * d[1] + d[2] * d[2]).sqrt()
}

/// The basic colour word nearest to an sRGB colour.
#[must_use]
pub fn basic_word(rgb: [f32; 3]) -> &'static str {
    let seen = lab(rgb);
    let mut best = (f32::MAX, Colour::Black);
    for colour in ALL {
        let d = distance(seen, lab(colour.rgb()));
        if d < best.0 {
            best = (d, colour);
        }
    }
    best.1.basic()
}

/// The named colour whose cloth is nearest to a linear colour.
#[must_use]
pub fn nearest(linear: V3) -> Colour {
    let rgb = linear.map(|l| {
        255.0
            * if l <= 0.003_130_8 {
                12.92 * l
            } else {
                1.055 * l.powf(1.0 / 2.4) - 0.055
            }
    });
    let seen = lab(rgb);
    ALL.into_iter()
        .min_by(|a, b| distance(seen, lab(a.rgb())).total_cmp(&distance(seen, lab(b.rgb()))))
        .unwrap_or(Colour::Black)
}

/// The median colour of a part in a picture, sRGB 0..255; none where fewer than 24 pixels show it.
#[must_use]
pub fn median(part: Part, parts: &[u8], pixels: &[u8]) -> Option<[f32; 3]> {
    let mut channels: [Vec<u8>; 3] = Default::default();
    for (at, _) in parts
        .iter()
        .enumerate()
        .filter(|(_, p)| **p == part as u8 + 1)
    {
        for (channel, value) in channels.iter_mut().zip(&pixels[at * 3..at * 3 + 3]) {
            channel.push(*value);
        }
    }
    if channels[0].len() < 24 {
        return None;
    }
    Some(channels.map(|mut c| {
        c.sort_unstable();
        f32::from(c[c.len() / 2])
    }))
}

/// Whether the picture of a part, made of cloth of a linear colour, goes by the cloth's basic word: its own word is the nearest, or nearly.
/// None where too little of it shows.
#[must_use]
pub fn seen_as(cloth: V3, part: Part, parts: &[u8], pixels: &[u8]) -> Option<bool> {
    let seen = lab(median(part, parts, pixels)?);
    let word = nearest(cloth).basic();
    let (mut own, mut any) = (f32::MAX, f32::MAX);
    for colour in ALL {
        let d = distance(seen, lab(colour.rgb()));
        any = any.min(d);
        if colour.basic() == word {
            own = own.min(d);
        }
    }
    Some(own <= any + 6.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_named_colour_goes_by_its_own_word() {
        for colour in ALL {
            assert_eq!(basic_word(colour.rgb()), colour.basic(), "{colour:?}");
        }
    }

    #[test]
    fn a_red_cloth_seen_blue_is_not_true() {
        let parts = vec![Part::Top as u8 + 1; 100];
        let red = crate::material::linear(Colour::Red.rgb());
        let blue: Vec<u8> = std::iter::repeat_n([40_u8, 80, 170], 100)
            .flatten()
            .collect();
        assert_eq!(seen_as(red, Part::Top, &parts, &blue), Some(false));
        let same: Vec<u8> = std::iter::repeat_n([170_u8, 34, 36], 100)
            .flatten()
            .collect();
        assert_eq!(seen_as(red, Part::Top, &parts, &same), Some(true));
    }
}
