//! Everyday clothes: tops, trousers, skirts, and how cloth is patterned.

use crate::dice::Dice;
use crate::garment::{self as g, Cut, Garment, Slot, Source};
use crate::item::{Decor, Item, Kind};
use crate::material::{Material, Part, Pattern, linear};
use crate::palette::{Colour, Palette};
use crate::wardrobe::Outfit;

/// One person being dressed.
pub(crate) struct Fitting<'a> {
    pub(crate) dice: &'a mut Dice,
    pub(crate) palette: Palette,
    pub(crate) is_female: bool,
    pub(crate) outfit: Outfit,
}

pub(crate) fn cloth(dice: &mut Dice, part: Part, colour: Colour, bias: f32) -> Material {
    let mut m = Material::plain(part, colour.dyed(dice, 0.06));
    m.bump = dice.range(0.22, 0.4);
    m.bump_frequency = dice.range(0.55, 0.8);
    (m.bias, m.shine) = (bias, 0.015);
    m.seed = dice.range(0.0, 50.0);
    m.mottle = dice.range(0.03, 0.1);
    m
}

impl Fitting<'_> {
    pub(crate) fn wear(&mut self, source: Source, slot: Slot, material: Material) -> &mut Garment {
        self.outfit
            .garments
            .push(Garment::new(source, slot, material));
        let last = self.outfit.garments.len() - 1;
        &mut self.outfit.garments[last]
    }

    /// Cloth with a pattern drawn from `patterns`.
    pub(crate) fn patterned(
        &mut self,
        part: Part,
        colour: Colour,
        bias: f32,
        patterns: &[Pattern],
    ) -> (Material, Option<(Decor, Colour)>) {
        let pattern = *self.dice.pick(patterns);
        let mut m = cloth(self.dice, part, colour, bias);
        // The darker the street, the plainer.
        let is_plain = self.dice.chance(self.palette.plain());
        if pattern == Pattern::Plain || is_plain {
            return (m, None);
        }
        let second = self.palette.beside(self.dice, colour);
        m.pattern = pattern;
        m.second = linear(second.dyed(self.dice, 0.05));
        let d = &mut *self.dice;
        let decor = match pattern {
            Pattern::Stripes => {
                (m.frequency, m.duty) = (d.range(1.1, 2.2), d.range(0.3, 0.5));
                Decor::Stripes
            }
            Pattern::VerticalStripes => {
                (m.frequency, m.duty) = (d.range(1.2, 2.2), 0.25);
                Decor::VerticalStripes
            }
            Pattern::Checks => {
                (m.frequency, m.duty) = (d.range(0.8, 1.5), 0.45);
                Decor::Checks
            }
            Pattern::Dots => {
                (m.frequency, m.duty) = (1.3, 0.28);
                Decor::Dots
            }
            Pattern::Print => {
                (m.line, m.radius) = (0.62, d.range(0.6, 1.0));
                Decor::Print
            }
            _ => {
                m.line = 0.45;
                Decor::Block
            }
        };
        (m, Some((decor, second)))
    }

    pub(crate) fn item(
        &mut self,
        part: Part,
        kind: Kind,
        colour: Colour,
        second: Option<(Decor, Colour)>,
    ) {
        self.outfit.items.push(Item {
            part,
            kind,
            colour,
            second,
        });
    }

    pub(crate) fn clothes(&mut self, is_child: bool) {
        let styles: &[(&str, f32)] = match (self.is_female, is_child) {
            (_, true) => &[
                ("casual", 6.0),
                ("hoodie", 2.0),
                ("closed", 2.0),
                ("coat", 0.5),
            ],
            (false, _) => &[
                ("casual", 5.0),
                ("hoodie", 2.0),
                ("jacket", 2.0),
                ("closed", 3.0),
                ("suit", 1.2),
                ("coat", 1.2),
            ],
            (true, _) => &[
                ("casual", 4.0),
                ("hoodie", 1.2),
                ("dress", 1.2),
                ("skirt", 1.5),
                ("jacket", 1.5),
                ("closed", 2.5),
                ("coat", 1.8),
                ("sport", 0.8),
                ("suit", 0.5),
            ],
        };
        match *self.dice.weighted(styles) {
            "hoodie" => self.hoodie(),
            "jacket" => self.jacket(),
            "closed" => self.closed(),
            "suit" => self.suit(),
            "coat" => self.coat(),
            "dress" => self.dress(),
            "skirt" => {
                self.tops(&[("top", 1.0)], true);
                self.skirt();
            }
            "sport" => {
                self.tops(&[("tee", 1.0)], false);
                self.legs(Kind::Leggings);
            }
            _ => {
                self.tops(
                    &[
                        ("tee", 4.0),
                        ("sweater", 3.0),
                        ("shirt", 3.0),
                        ("tank", 0.8),
                        ("raglan", 0.8),
                    ],
                    false,
                );
                let kind = *self.dice.weighted(&[
                    (Kind::Jeans, 5.0),
                    (Kind::Trousers, 4.0),
                    (Kind::Shorts, 1.5),
                    (Kind::DenimShorts, 0.6),
                ]);
                self.legs(kind);
            }
        }
    }

    pub(crate) fn legs(&mut self, kind: Kind) -> Colour {
        let is_denim = matches!(kind, Kind::Jeans | Kind::DenimShorts);
        let colour = if is_denim {
            self.palette.denim(self.dice)
        } else {
            self.palette.lower(self.dice)
        };
        let mut m = cloth(self.dice, Part::Bottom, colour, 0.08);
        if is_denim {
            m.pattern = Pattern::Denim;
            m.second = m.first.map(|c| (c * 1.9 + 0.015).min(0.8));
            (m.top, m.bottom) = (-0.05, -1.3);
        }
        let source = match (kind, self.is_female) {
            (Kind::Leggings, _) => g::LEGGINGS,
            (Kind::Shorts | Kind::DenimShorts, true) if self.dice.chance(0.4) => g::SHORTS_SHORT,
            (_, true) => {
                if self.dice.chance(0.75) {
                    g::TROUSERS_SLIM
                } else {
                    g::TROUSERS
                }
            }
            (_, false) => g::TROUSERS,
        };
        let is_wide = kind == Kind::Jeans && self.dice.chance(0.4);
        let hem = self.dice.range(0.62, 0.92);
        let garment = self.wear(source, Slot::Bottom, m);
        garment.inflate = if is_wide { 0.12 } else { 0.0 };
        if matches!(kind, Kind::Shorts | Kind::DenimShorts) && source != g::SHORTS_SHORT {
            garment.cut.hem = Some(hem);
        }
        self.item(Part::Bottom, kind, colour, None);
        colour
    }

    fn skirt(&mut self) {
        let is_long = self.dice.chance(0.35);
        let colour = self.palette.lower(self.dice);
        let (m, second) = self.patterned(
            Part::Bottom,
            colour,
            0.36,
            &[
                Pattern::Plain,
                Pattern::Plain,
                Pattern::Plain,
                Pattern::Plain,
                Pattern::Checks,
                Pattern::Dots,
            ],
        );
        let (is_pencil, hem) = (
            !is_long && self.dice.chance(0.4),
            if is_long {
                self.dice.range(1.2, 1.6)
            } else {
                self.dice.range(0.5, 0.8)
            },
        );
        let flare = self.dice.range(1.0, 1.2);
        let garment = self.wear(
            if is_pencil {
                g::PENCIL_SKIRT
            } else {
                Source::Skirt
            },
            Slot::Bottom,
            m,
        );
        if !is_pencil {
            garment.cut.hem = Some(hem);
            garment.flare = flare;
        }
        self.item(
            Part::Bottom,
            if is_long {
                Kind::LongSkirt
            } else {
                Kind::ShortSkirt
            },
            colour,
            second,
        );
    }

    fn tops(&mut self, kinds: &[(&str, f32)], is_tucked: bool) {
        const MIXED: [Pattern; 10] = [
            Pattern::Plain,
            Pattern::Plain,
            Pattern::Plain,
            Pattern::Plain,
            Pattern::Plain,
            Pattern::Stripes,
            Pattern::Print,
            Pattern::Print,
            Pattern::Block,
            Pattern::Stripes,
        ];
        const SHIRT: [Pattern; 5] = [
            Pattern::Plain,
            Pattern::Plain,
            Pattern::Checks,
            Pattern::VerticalStripes,
            Pattern::Checks,
        ];
        let colour = self.palette.upper(self.dice);
        let female = self.is_female;
        match *self.dice.weighted(kinds) {
            "raglan" => {
                let sleeves = self.palette.beside(self.dice, colour);
                let body = cloth(self.dice, Part::Top, colour, 0.14);
                let mut arms = body;
                arms.first = linear(sleeves.dyed(self.dice, 0.05));
                arms.second = arms.first;
                self.wear(g::TEE_LOOSE_BODY, Slot::Top, body);
                self.wear(g::TEE_LOOSE_SLEEVES, Slot::Top, arms);
                self.item(
                    Part::Top,
                    Kind::TShirt,
                    colour,
                    Some((Decor::Sleeves, sleeves)),
                );
            }
            "sweater" => {
                let (m, second) = self.patterned(Part::Top, colour, 0.14, &MIXED);
                self.wear(g::PULLOVER, Slot::Top, m);
                self.item(Part::Top, Kind::Sweater, colour, second);
            }
            "shirt" => {
                let (m, second) = self.patterned(Part::Top, colour, 0.14, &SHIRT);
                let (source, kind) = if !female {
                    (
                        *self.dice.pick(&[g::COLLAR_SHIRT, g::OPEN_SHIRT]),
                        Kind::Shirt,
                    )
                } else if self.dice.chance(0.5) {
                    (g::BLOUSE, Kind::Blouse)
                } else {
                    (g::OPEN_SHIRT, Kind::Shirt)
                };
                self.wear(source, Slot::Top, m);
                self.item(Part::Top, kind, colour, second);
            }
            "tank" => {
                let (m, second) = self.patterned(
                    Part::Top,
                    colour,
                    0.14,
                    &[Pattern::Plain, Pattern::Stripes, Pattern::Print],
                );
                let garment = self.wear(if female { g::TEE_FITTED } else { g::TEE }, Slot::Top, m);
                garment.cut = Cut {
                    sleeve: Some(0.12),
                    ..Cut::default()
                };
                self.item(Part::Top, Kind::TankTop, colour, second);
            }
            "top" => {
                let (m, second) = self.patterned(
                    Part::Top,
                    colour,
                    0.14,
                    &[
                        Pattern::Plain,
                        Pattern::Plain,
                        Pattern::Stripes,
                        Pattern::Dots,
                    ],
                );
                let (source, kind) = *self.dice.pick(&[
                    (g::TEE_FITTED, Kind::TShirt),
                    (g::BLOUSE, Kind::Blouse),
                    (g::PULLOVER, Kind::Sweater),
                    (g::TEE_SHORT, Kind::TShirt),
                ]);
                self.wear(source, Slot::Top, m);
                self.item(Part::Top, kind, colour, second);
            }
            _ => {
                let (m, second) = self.patterned(Part::Top, colour, 0.14, &MIXED);
                let source = if female && !is_tucked {
                    *self.dice.pick(&[g::TEE_FITTED, g::TEE_SHORT])
                } else {
                    *self.dice.pick(&[g::TEE, g::TEE_LOOSE])
                };
                self.wear(source, Slot::Top, m);
                self.item(Part::Top, Kind::TShirt, colour, second);
            }
        }
    }
}
