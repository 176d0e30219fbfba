//! Hoodies, jackets, suits, coats, dresses and shoes.

use crate::accessory::Accessory;
use crate::dice::Dice;
use crate::garment::{self as g, Slot, Source};
use crate::item::Kind;
use crate::material::{Material, Part, Pattern, linear};
use crate::palette::{Colour, Palette};
use crate::tailor::{Fitting, cloth};

impl Fitting<'_> {
    pub(crate) fn hoodie(&mut self) {
        let colour = self.palette.upper(self.dice);
        let (m, second) = self.patterned(
            Part::Top,
            colour,
            0.16,
            &[
                Pattern::Plain,
                Pattern::Plain,
                Pattern::Plain,
                Pattern::Print,
            ],
        );
        let bulk = self.dice.range(0.06, 0.16);
        self.wear(g::PULLOVER, Slot::Top, m).inflate = bulk;
        let rgb = to_srgb(m.first);
        self.outfit.accessories.push(Accessory::Hood { rgb });
        self.item(Part::Top, Kind::Hoodie, colour, second);
        let kind = *self.dice.weighted(&[
            (Kind::Jeans, 3.0),
            (Kind::Trousers, 3.0),
            (Kind::Shorts, 0.6),
        ]);
        self.legs(kind);
    }

    pub(crate) fn jacket(&mut self) {
        let colour = self.palette.upper(self.dice);
        let inner = loop_until(self.dice, self.palette, |c| {
            c.is_far_from(colour) || c.basic() != colour.basic()
        });
        let is_padded = self.dice.chance(0.45);
        let mut shirt = cloth(self.dice, Part::Inner, inner, 0.10);
        shirt.bump = 0.3;
        self.wear(g::JACKET_SHIRT, Slot::Top, shirt);
        let mut m = cloth(self.dice, Part::Top, colour, 0.18);
        if is_padded {
            quilt(self.dice, &mut m);
        }
        let bulk = if is_padded {
            self.dice.range(0.15, 0.3)
        } else {
            0.05
        };
        self.wear(g::JACKET, Slot::Top, m).inflate = bulk;
        self.item(
            Part::Top,
            if is_padded {
                Kind::PaddedJacket
            } else {
                Kind::OpenJacket
            },
            colour,
            None,
        );
        self.item(Part::Inner, Kind::InnerShirt, inner, None);
        let kind = *self
            .dice
            .weighted(&[(Kind::Jeans, 3.0), (Kind::Trousers, 3.0)]);
        self.legs(kind);
    }

    pub(crate) fn closed(&mut self) {
        let colour = self.palette.upper(self.dice);
        let is_padded = self.dice.chance(0.55);
        let mut m = cloth(self.dice, Part::Top, colour, 0.18);
        if is_padded {
            quilt(self.dice, &mut m);
        } else {
            m.pattern = Pattern::Seam;
            m.second = m.first.map(|c| c * 0.3);
            (m.seam, m.top, m.shine) = (0.07, 1.2, 0.02);
        }
        let bulk = if is_padded {
            self.dice.range(0.2, 0.36)
        } else {
            self.dice.range(0.1, 0.2)
        };
        self.wear(g::PULLOVER, Slot::Top, m).inflate = bulk;
        self.item(
            Part::Top,
            if is_padded {
                Kind::PaddedJacket
            } else {
                Kind::ZippedJacket
            },
            colour,
            None,
        );
        let kind = *self
            .dice
            .weighted(&[(Kind::Jeans, 3.0), (Kind::Trousers, 3.0)]);
        self.legs(kind);
    }

    pub(crate) fn suit(&mut self) {
        let colour = *self.dice.pick(&[
            Colour::Black,
            Colour::Navy,
            Colour::DarkGrey,
            Colour::Grey,
            Colour::Black,
        ]);
        let inner = *self
            .dice
            .pick(&[Colour::White, Colour::White, Colour::LightBlue]);
        let trousers = cloth(self.dice, Part::Bottom, colour, 0.08);
        let mut jacket = trousers;
        (jacket.part, jacket.bias) = (Part::Top, 0.14);
        let mut shirt = cloth(self.dice, Part::Inner, inner, 0.10);
        shirt.bump = 0.15;
        self.wear(g::SUIT_TROUSERS, Slot::Bottom, trousers);
        self.wear(g::SUIT_JACKET, Slot::Top, jacket);
        self.wear(g::SUIT_SHIRT, Slot::Top, shirt);
        self.item(Part::Top, Kind::SuitJacket, colour, None);
        self.item(Part::Inner, Kind::InnerShirt, inner, None);
        self.item(Part::Bottom, Kind::SuitTrousers, colour, None);
    }

    pub(crate) fn coat(&mut self) {
        let colour = self.palette.upper(self.dice);
        let kind = *self
            .dice
            .weighted(&[(Kind::Jeans, 3.0), (Kind::Trousers, 3.0)]);
        let mut m = cloth(self.dice, Part::Top, colour, 0.2);
        m.pattern = Pattern::Seam;
        m.second = m.first.map(|c| c * 0.35);
        (m.seam, m.top) = (0.06, 1.2);
        self.item(Part::Top, Kind::Coat, colour, None);
        let hem = self.dice.range(0.6, 1.05);
        self.legs(kind);
        if let Some(legs) = self.outfit.garments.last_mut() {
            // Trousers begin under the coat's hem, so that nothing of them can show through it.
            (legs.cut.waist, legs.inflate) = (Some(hem - 0.14), 0.0);
        }
        self.wear(g::PULLOVER, Slot::Top, m).inflate = 0.1;
        let mut tails = m;
        tails.bias = 0.3;
        let garment = self.wear(Source::Skirt, Slot::Bottom, tails);
        (garment.flare, garment.cut.hem) = (1.14, Some(hem));
    }

    pub(crate) fn dress(&mut self) {
        let colour = self.palette.upper(self.dice);
        let (m, second) = self.patterned(
            Part::Top,
            colour,
            0.14,
            &[
                Pattern::Plain,
                Pattern::Plain,
                Pattern::Plain,
                Pattern::Dots,
                Pattern::Stripes,
                Pattern::Checks,
            ],
        );
        let is_sleeveless = self.dice.chance(0.4);
        let hem = self.dice.range(0.7, 1.5);
        let source = *self.dice.pick(&[g::TEE_FITTED, g::BLOUSE]);
        let garment = self.wear(source, Slot::Top, m);
        garment.cut.sleeve = is_sleeveless.then_some(0.15);
        let mut skirt = m;
        skirt.bias = 0.3;
        let garment = self.wear(Source::Skirt, Slot::Bottom, skirt);
        (garment.cut.hem, garment.flare) = (Some(hem), 1.1);
        self.item(Part::Top, Kind::Dress, colour, second);
    }

    pub(crate) fn feet(&mut self, is_formal: bool, has_bare_legs: bool) {
        let (shoes, socks) = *self.dice.pick(&[
            (g::SHOES_1, g::SOCKS_1),
            (g::SHOES_2, g::SOCKS_2),
            (g::SHOES_3, g::SOCKS_3),
        ]);
        let colour = if is_formal {
            *self.dice.pick(&[Colour::Black, Colour::Brown])
        } else {
            *self.dice.weighted(&[
                (Colour::Black, 5.0),
                (Colour::White, 3.5),
                (Colour::Brown, 1.5),
                (Colour::Grey, 1.5),
                (Colour::Navy, 1.0),
                (Colour::Red, 0.5),
                (Colour::Beige, 0.7),
            ])
        };
        let is_sporty = !is_formal
            && (matches!(
                colour,
                Colour::White | Colour::Grey | Colour::Red | Colour::Navy
            ) || self.dice.chance(0.3));
        let mut m = Material::plain(Part::Shoes, colour.dyed(self.dice, 0.05));
        (m.pattern, m.bias) = (Pattern::Block, 0.04);
        if is_sporty {
            m.second = linear(Colour::White.rgb());
            (m.line, m.shine) = (0.0, 0.05);
        } else {
            m.second = linear(Colour::Black.rgb().map(|c| c * 0.7));
            (m.line, m.shine) = (-0.02, 0.12);
        }
        self.wear(shoes, Slot::Feet, m);
        self.item(
            Part::Shoes,
            if is_sporty {
                Kind::Trainers
            } else {
                Kind::Shoes
            },
            colour,
            None,
        );
        if !has_bare_legs {
            let rgb = self
                .dice
                .pick(&[Colour::Black, Colour::White, Colour::Grey, Colour::Black])
                .rgb();
            let mut m = Material::plain(Part::Socks, rgb);
            m.bias = 0.02;
            self.wear(socks, Slot::Feet, m);
        }
    }
}

fn quilt(dice: &mut Dice, m: &mut Material) {
    m.pattern = Pattern::Quilted;
    m.second = m.first.map(|c| c * 0.3);
    (m.frequency, m.shine) = (dice.range(0.9, 1.5), 0.05);
}

fn loop_until(dice: &mut Dice, palette: Palette, is_good: impl Fn(Colour) -> bool) -> Colour {
    for _ in 0..30 {
        let colour = palette.upper(dice);
        if is_good(colour) {
            return colour;
        }
    }
    Colour::White
}

fn to_srgb(c: crate::math::V3) -> [f32; 3] {
    c.map(|l| {
        255.0
            * if l <= 0.003_130_8 {
                12.92 * l
            } else {
                1.055 * l.powf(1.0 / 2.4) - 0.055
            }
    })
}
