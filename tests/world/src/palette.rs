//! Colours by name, as streets show them: mostly black, grey, navy and denim.

use crate::dice::Dice;

/// A colour with its name.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names are the documentation")]
pub enum Colour {
    Black,
    White,
    Grey,
    DarkGrey,
    LightGrey,
    Navy,
    Blue,
    LightBlue,
    Denim,
    LightDenim,
    Teal,
    Red,
    DarkRed,
    Pink,
    Orange,
    Yellow,
    Green,
    DarkGreen,
    Olive,
    Purple,
    Brown,
    Beige,
    Khaki,
}

use Colour::{
    Beige, Black, Blue, Brown, DarkGreen, DarkGrey, DarkRed, Denim, Green, Grey, Khaki, LightBlue,
    LightDenim, LightGrey, Navy, Olive, Orange, Pink, Purple, Red, Teal, White, Yellow,
};

/// All colours.
pub const ALL: [Colour; 23] = [
    Black, White, Grey, DarkGrey, LightGrey, Navy, Blue, LightBlue, Denim, LightDenim, Teal, Red,
    DarkRed, Pink, Orange, Yellow, Green, DarkGreen, Olive, Purple, Brown, Beige, Khaki,
];

impl Colour {
    /// The colour as cloth has it, sRGB 0..255: chosen so that the picture bears the name out at the crop's exposure.
    #[must_use]
    pub fn rgb(self) -> [f32; 3] {
        match self {
            Black => [26.0, 26.0, 29.0],
            White => [234.0, 234.0, 230.0],
            Grey => [120.0, 122.0, 125.0],
            DarkGrey => [72.0, 74.0, 78.0],
            LightGrey => [176.0, 178.0, 180.0],
            Navy => [26.0, 36.0, 84.0],
            Blue => [38.0, 80.0, 168.0],
            LightBlue => [128.0, 172.0, 216.0],
            Denim => [62.0, 86.0, 126.0],
            LightDenim => [120.0, 146.0, 180.0],
            Teal => [18.0, 120.0, 126.0],
            Red => [176.0, 30.0, 34.0],
            DarkRed => [100.0, 22.0, 34.0],
            Pink => [230.0, 126.0, 164.0],
            Orange => [228.0, 114.0, 28.0],
            Yellow => [226.0, 190.0, 48.0],
            Green => [44.0, 118.0, 58.0],
            DarkGreen => [30.0, 62.0, 40.0],
            Olive => [92.0, 94.0, 50.0],
            Purple => [116.0, 46.0, 136.0],
            Brown => [96.0, 62.0, 40.0],
            Beige => [194.0, 170.0, 132.0],
            Khaki => [144.0, 126.0, 88.0],
        }
    }

    /// The basic word that a stranger would use.
    #[must_use]
    pub fn basic(self) -> &'static str {
        match self {
            Black => "black",
            White => "white",
            Grey | DarkGrey | LightGrey => "grey",
            Navy | Blue | LightBlue | Denim | LightDenim => "blue",
            Teal => "teal",
            Red | DarkRed => "red",
            Pink => "pink",
            Orange => "orange",
            Yellow => "yellow",
            Green | DarkGreen | Olive => "green",
            Purple => "purple",
            Brown => "brown",
            Beige | Khaki => "beige",
        }
    }

    /// How people say it, most usual first; American spelling where `american`.
    #[must_use]
    pub fn words(self, american: bool) -> &'static [&'static str] {
        match (self, american) {
            (Black, _) => &["black"],
            (White, _) => &["white"],
            (Grey, false) => &["grey"],
            (Grey, true) => &["gray"],
            (DarkGrey, false) => &["dark grey", "charcoal", "grey"],
            (DarkGrey, true) => &["dark gray", "charcoal", "gray"],
            (LightGrey, false) => &["light grey", "pale grey", "grey"],
            (LightGrey, true) => &["light gray", "pale gray", "gray"],
            (Navy, _) => &["navy", "dark blue", "navy blue"],
            (Blue, _) => &["blue"],
            (LightBlue, _) => &["light blue", "pale blue", "blue"],
            (Denim, _) => &["blue", "dark blue"],
            (LightDenim, _) => &["light blue", "faded blue", "blue"],
            (Teal, _) => &["teal", "blue-green"],
            (Red, _) => &["red"],
            (DarkRed, false) => &["dark red", "burgundy", "wine-red"],
            (DarkRed, true) => &["dark red", "burgundy", "maroon"],
            (Pink, _) => &["pink"],
            (Orange, _) => &["orange"],
            (Yellow, _) => &["yellow"],
            (Green, _) => &["green"],
            (DarkGreen, _) => &["dark green", "green"],
            (Olive, _) => &["olive", "olive green", "army green"],
            (Purple, _) => &["purple", "violet"],
            (Brown, _) => &["brown"],
            (Beige, _) => &["beige", "tan", "sand-coloured"],
            (Khaki, _) => &["khaki", "beige"],
        }
    }

    /// Whether two colours are easily told apart.
    #[must_use]
    pub fn is_far_from(self, other: Self) -> bool {
        self.rgb()
            .iter()
            .zip(other.rgb())
            .map(|(a, b)| (a - b).abs())
            .sum::<f32>()
            > 190.0
    }

    /// The cloth's colour with a small deviation of its own.
    pub fn dyed(self, dice: &mut Dice, deviation: f32) -> [f32; 3] {
        let k = 1.0 + dice.normal(0.0, deviation);
        self.rgb()
            .map(|c| (c * k + dice.normal(0.0, 3.0)).clamp(6.0, 242.0))
    }
}

/// How colours are drawn: shares of the street, or all alike.
#[derive(Debug, Clone, Copy)]
pub struct Palette {
    /// 0: all colours alike; 1: as streets show them; 2: dark and plain alone.
    pub street: f32,
}

impl Palette {
    fn draw(self, dice: &mut Dice, table: &[(Colour, f32, f32)]) -> Colour {
        let list: Vec<(Colour, f32)> = table
            .iter()
            .map(|(colour, street, dark)| {
                let weight = if self.street <= 1.0 {
                    4.0 * (1.0 - self.street) + street * self.street
                } else {
                    street * (2.0 - self.street) + dark * (self.street - 1.0)
                };
                (*colour, weight)
            })
            .collect();
        *dice.weighted(&list)
    }

    /// The share of patterned cloth that is plain after all.
    #[must_use]
    pub fn plain(self) -> f32 {
        (0.45 * self.street).clamp(0.0, 1.0)
    }

    /// A colour for the upper body.
    pub fn upper(self, dice: &mut Dice) -> Colour {
        self.draw(
            dice,
            &[
                (Black, 22.0, 40.0),
                (DarkGrey, 9.0, 20.0),
                (Grey, 9.0, 12.0),
                (LightGrey, 4.0, 0.0),
                (Navy, 12.0, 20.0),
                (White, 10.0, 2.0),
                (Blue, 6.0, 2.0),
                (LightBlue, 4.0, 0.0),
                (Red, 4.0, 0.5),
                (DarkRed, 2.5, 1.0),
                (Green, 2.0, 0.0),
                (DarkGreen, 3.0, 1.5),
                (Olive, 3.0, 1.0),
                (Brown, 3.5, 1.5),
                (Beige, 4.5, 0.5),
                (Pink, 2.0, 0.0),
                (Orange, 1.2, 0.0),
                (Yellow, 1.6, 0.0),
                (Purple, 1.2, 0.0),
                (Teal, 1.0, 0.0),
                (Khaki, 2.0, 0.5),
            ],
        )
    }

    /// A colour for trousers and skirts (jeans apart).
    pub fn lower(self, dice: &mut Dice) -> Colour {
        self.draw(
            dice,
            &[
                (Black, 34.0, 50.0),
                (DarkGrey, 13.0, 25.0),
                (Grey, 9.0, 10.0),
                (Navy, 14.0, 20.0),
                (Khaki, 7.0, 1.0),
                (Beige, 7.0, 0.5),
                (Brown, 5.0, 1.0),
                (White, 3.0, 0.0),
                (Olive, 4.0, 1.0),
                (LightGrey, 2.0, 0.0),
                (Red, 0.8, 0.0),
                (DarkGreen, 1.0, 0.5),
                (DarkRed, 0.8, 0.0),
            ],
        )
    }

    /// A colour for denim.
    pub fn denim(self, dice: &mut Dice) -> Colour {
        self.draw(
            dice,
            &[
                (Denim, 10.0, 10.0),
                (LightDenim, 5.0, 2.0),
                (Navy, 5.0, 10.0),
                (DarkGrey, 1.5, 3.0),
                (Black, 2.0, 6.0),
            ],
        )
    }

    /// A colour for bags.
    pub fn bag(self, dice: &mut Dice) -> Colour {
        self.draw(
            dice,
            &[
                (Black, 20.0, 30.0),
                (DarkGrey, 5.0, 8.0),
                (Grey, 5.0, 3.0),
                (Navy, 5.0, 8.0),
                (Brown, 6.0, 4.0),
                (Red, 3.0, 0.5),
                (Blue, 3.0, 0.5),
                (Green, 1.5, 0.0),
                (Beige, 3.0, 0.5),
                (White, 1.5, 0.0),
                (Pink, 1.0, 0.0),
                (Olive, 1.5, 0.5),
                (Yellow, 1.0, 0.0),
                (Orange, 1.0, 0.0),
            ],
        )
    }

    /// A second colour that stands off the first.
    pub fn beside(self, dice: &mut Dice, first: Colour) -> Colour {
        for _ in 0..30 {
            let second = self.upper(dice);
            if second.is_far_from(first) && second.basic() != first.basic() {
                return second;
            }
        }
        if first.is_far_from(White) {
            White
        } else {
            Black
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_street_is_dark_and_the_dial_turns_it() {
        let dark = |street: f32| {
            let mut dice = Dice::new(&[3]);
            let palette = Palette { street };
            (0..1000)
                .filter(|_| matches!(palette.upper(&mut dice), Black | DarkGrey | Grey | Navy))
                .count()
        };
        assert!(
            dark(0.0) < 300 && (400..620).contains(&dark(1.0)) && dark(2.0) > 850,
            "{} {} {}",
            dark(0.0),
            dark(1.0),
            dark(2.0)
        );
    }

    #[test]
    fn every_colour_is_nearest_to_its_own_basic_word() {
        for colour in ALL {
            assert!(!colour.words(false).is_empty() && !colour.words(true).is_empty());
            assert!(!colour.basic().is_empty());
        }
    }
}
