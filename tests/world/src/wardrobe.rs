//! Dresses people: garments, colours and patterns by how often streets show them, and what is carried.

use crate::accessory::Accessory;
use crate::dice::Dice;
use crate::garment::{self as g, Cut, Garment, Slot, Source};
use crate::identity::{Crowd, Group};
use crate::item::{Decor, Item, Kind};
use crate::material::{Material, Part, Pattern, linear};
use crate::palette::{Colour, Palette};
use crate::pose::{Arm, Manner};

/// What somebody wears.
#[derive(Debug, Default)]
pub struct Outfit {
    /// Clothes.
    pub garments: Vec<Garment>,
    /// Things.
    pub accessories: Vec<Accessory>,
    /// The same in words' terms.
    pub items: Vec<Item>,
}

struct Fitting<'a> {
    dice: &'a mut Dice,
    palette: Palette,
    is_female: bool,
    outfit: Outfit,
}

/// Draws an outfit: `dice` is the stream of the clothes (shared by people who look alike), `own` the person's.
pub fn dress(
    dice: &mut Dice,
    own: &mut Dice,
    group: Group,
    crowd: Crowd,
    manner: &mut Manner,
    is_alike: bool,
    hair: Option<&str>,
) -> Outfit {
    let palette = crowd.difficulty.palette();
    let is_female = matches!(group, Group::Woman | Group::Girl);
    let is_child = matches!(group, Group::Boy | Group::Girl);
    let mut fitting = Fitting { dice, palette, is_female, outfit: Outfit::default() };
    fitting.clothes(is_child);
    let is_formal = fitting.outfit.items.iter().any(|i| i.kind == Kind::SuitJacket);
    let has_bare_legs = fitting.outfit.items.iter().any(|i| matches!(i.kind, Kind::Dress | Kind::ShortSkirt | Kind::LongSkirt));
    fitting.feet(is_formal, has_bare_legs);
    let has_hood = fitting.outfit.items.iter().any(|i| i.kind == Kind::Hoodie);
    // Those who look alike differ in what they carry, half of the time.
    let carries = if is_alike && own.chance(0.5) { own } else { fitting.dice };
    let mut things = Outfit::default();
    carry(carries, palette, crowd, is_child, is_female, has_hood, hair, manner, &mut things);
    fitting.outfit.accessories.extend(things.accessories);
    fitting.outfit.items.extend(things.items);
    fitting.outfit
}

fn cloth(dice: &mut Dice, part: Part, colour: Colour, bias: f32) -> Material {
    let mut m = Material::plain(part, colour.dyed(dice, 0.06));
    m.bump = dice.range(0.22, 0.4);
    m.bump_frequency = dice.range(0.55, 0.8);
    (m.bias, m.shine) = (bias, 0.015);
    m.seed = dice.range(0.0, 50.0);
    m.mottle = dice.range(0.03, 0.1);
    m
}

impl Fitting<'_> {
    fn wear(&mut self, source: Source, slot: Slot, material: Material) -> &mut Garment {
        self.outfit.garments.push(Garment::new(source, slot, material));
        let last = self.outfit.garments.len() - 1;
        &mut self.outfit.garments[last]
    }

    /// Cloth with a pattern drawn from `patterns`.
    fn patterned(&mut self, part: Part, colour: Colour, bias: f32, patterns: &[Pattern]) -> (Material, Option<(Decor, Colour)>) {
        let pattern = *self.dice.pick(patterns);
        let mut m = cloth(self.dice, part, colour, bias);
        if pattern == Pattern::Plain {
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

    fn item(&mut self, part: Part, kind: Kind, colour: Colour, second: Option<(Decor, Colour)>) {
        self.outfit.items.push(Item { part, kind, colour, second });
    }

    fn clothes(&mut self, is_child: bool) {
        let styles: &[(&str, f32)] = match (self.is_female, is_child) {
            (_, true) => &[("casual", 6.0), ("hoodie", 2.0), ("closed", 2.0), ("coat", 0.5)],
            (false, _) => &[("casual", 5.0), ("hoodie", 2.0), ("jacket", 2.0), ("closed", 3.0), ("suit", 1.2), ("coat", 1.2)],
            (true, _) => &[
                ("casual", 4.0), ("hoodie", 1.2), ("dress", 1.2), ("skirt", 1.5), ("jacket", 1.5), ("closed", 2.5), ("coat", 1.8), ("sport", 0.8), ("suit", 0.5),
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
                self.tops(&[("tee", 4.0), ("sweater", 3.0), ("shirt", 3.0), ("tank", 0.8), ("raglan", 0.8)], false);
                let kind = *self.dice.weighted(&[(Kind::Jeans, 5.0), (Kind::Trousers, 4.0), (Kind::Shorts, 1.5), (Kind::DenimShorts, 0.6)]);
                self.legs(kind);
            }
        }
    }

    fn legs(&mut self, kind: Kind) -> Colour {
        let is_denim = matches!(kind, Kind::Jeans | Kind::DenimShorts);
        let colour = if is_denim { self.palette.denim(self.dice) } else { self.palette.lower(self.dice) };
        let mut m = cloth(self.dice, Part::Bottom, colour, 0.08);
        if is_denim {
            m.pattern = Pattern::Denim;
            m.second = m.first.map(|c| (c * 1.9 + 0.015).min(0.8));
            (m.top, m.bottom) = (-0.05, -1.3);
        }
        let source = match (kind, self.is_female) {
            (Kind::Leggings, _) => g::LEGGINGS,
            (Kind::Shorts | Kind::DenimShorts, true) if self.dice.chance(0.4) => g::SHORTS_SHORT,
            (_, true) => if self.dice.chance(0.75) { g::TROUSERS_SLIM } else { g::TROUSERS },
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
            &[Pattern::Plain, Pattern::Plain, Pattern::Plain, Pattern::Plain, Pattern::Checks, Pattern::Dots],
        );
        let (is_pencil, hem) = (!is_long && self.dice.chance(0.4), if is_long { self.dice.range(1.2, 1.6) } else { self.dice.range(0.5, 0.8) });
        let flare = self.dice.range(1.0, 1.2);
        let garment = self.wear(if is_pencil { g::PENCIL_SKIRT } else { Source::Skirt }, Slot::Bottom, m);
        if !is_pencil {
            garment.cut.hem = Some(hem);
            garment.flare = flare;
        }
        self.item(Part::Bottom, if is_long { Kind::LongSkirt } else { Kind::ShortSkirt }, colour, second);
    }

    fn tops(&mut self, kinds: &[(&str, f32)], is_tucked: bool) {
        const MIXED: [Pattern; 10] = [
            Pattern::Plain, Pattern::Plain, Pattern::Plain, Pattern::Plain, Pattern::Plain, Pattern::Stripes, Pattern::Print, Pattern::Print, Pattern::Block,
            Pattern::Stripes,
        ];
        const SHIRT: [Pattern; 5] = [Pattern::Plain, Pattern::Plain, Pattern::Checks, Pattern::VerticalStripes, Pattern::Checks];
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
                self.item(Part::Top, Kind::TShirt, colour, Some((Decor::Sleeves, sleeves)));
            }
            "sweater" => {
                let (m, second) = self.patterned(Part::Top, colour, 0.14, &MIXED);
                self.wear(g::PULLOVER, Slot::Top, m);
                self.item(Part::Top, Kind::Sweater, colour, second);
            }
            "shirt" => {
                let (m, second) = self.patterned(Part::Top, colour, 0.14, &SHIRT);
                let (source, kind) = if !female {
                    (*self.dice.pick(&[g::COLLAR_SHIRT, g::OPEN_SHIRT]), Kind::Shirt)
                } else if self.dice.chance(0.5) {
                    (g::BLOUSE, Kind::Blouse)
                } else {
                    (g::OPEN_SHIRT, Kind::Shirt)
                };
                self.wear(source, Slot::Top, m);
                self.item(Part::Top, kind, colour, second);
            }
            "tank" => {
                let (m, second) = self.patterned(Part::Top, colour, 0.14, &[Pattern::Plain, Pattern::Stripes, Pattern::Print]);
                let garment = self.wear(if female { g::TEE_FITTED } else { g::TEE }, Slot::Top, m);
                garment.cut = Cut { sleeve: Some(0.12), ..Cut::default() };
                self.item(Part::Top, Kind::TankTop, colour, second);
            }
            "top" => {
                let (m, second) = self.patterned(Part::Top, colour, 0.14, &[Pattern::Plain, Pattern::Plain, Pattern::Stripes, Pattern::Dots]);
                let (source, kind) = *self.dice.pick(&[
                    (g::TEE_FITTED, Kind::TShirt), (g::BLOUSE, Kind::Blouse), (g::PULLOVER, Kind::Sweater), (g::TEE_SHORT, Kind::TShirt),
                ]);
                self.wear(source, Slot::Top, m);
                self.item(Part::Top, kind, colour, second);
            }
            _ => {
                let (m, second) = self.patterned(Part::Top, colour, 0.14, &MIXED);
                let source = if female && !is_tucked { *self.dice.pick(&[g::TEE_FITTED, g::TEE_SHORT]) } else { *self.dice.pick(&[g::TEE, g::TEE_LOOSE]) };
                self.wear(source, Slot::Top, m);
                self.item(Part::Top, Kind::TShirt, colour, second);
            }
        }
    }

    fn hoodie(&mut self) {
        let colour = self.palette.upper(self.dice);
        let (m, second) = self.patterned(Part::Top, colour, 0.16, &[Pattern::Plain, Pattern::Plain, Pattern::Plain, Pattern::Print]);
        let bulk = self.dice.range(0.06, 0.16);
        self.wear(g::PULLOVER, Slot::Top, m).inflate = bulk;
        let rgb = to_srgb(m.first);
        self.outfit.accessories.push(Accessory::Hood { rgb });
        self.item(Part::Top, Kind::Hoodie, colour, second);
        let kind = *self.dice.weighted(&[(Kind::Jeans, 3.0), (Kind::Trousers, 3.0), (Kind::Shorts, 0.6)]);
        self.legs(kind);
    }

    fn jacket(&mut self) {
        let colour = self.palette.upper(self.dice);
        let inner = loop_until(self.dice, self.palette, |c| c.is_far_from(colour) || c.basic() != colour.basic());
        let is_padded = self.dice.chance(0.45);
        let mut shirt = cloth(self.dice, Part::Inner, inner, 0.10);
        shirt.bump = 0.3;
        self.wear(g::JACKET_SHIRT, Slot::Top, shirt);
        let mut m = cloth(self.dice, Part::Top, colour, 0.18);
        if is_padded {
            quilt(self.dice, &mut m);
        }
        let bulk = if is_padded { self.dice.range(0.15, 0.3) } else { 0.05 };
        self.wear(g::JACKET, Slot::Top, m).inflate = bulk;
        self.item(Part::Top, if is_padded { Kind::PaddedJacket } else { Kind::OpenJacket }, colour, None);
        self.item(Part::Inner, Kind::InnerShirt, inner, None);
        let kind = *self.dice.weighted(&[(Kind::Jeans, 3.0), (Kind::Trousers, 3.0)]);
        self.legs(kind);
    }

    fn closed(&mut self) {
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
        let bulk = if is_padded { self.dice.range(0.2, 0.36) } else { self.dice.range(0.1, 0.2) };
        self.wear(g::PULLOVER, Slot::Top, m).inflate = bulk;
        self.item(Part::Top, if is_padded { Kind::PaddedJacket } else { Kind::ZippedJacket }, colour, None);
        let kind = *self.dice.weighted(&[(Kind::Jeans, 3.0), (Kind::Trousers, 3.0)]);
        self.legs(kind);
    }

    fn suit(&mut self) {
        let colour = *self.dice.pick(&[Colour::Black, Colour::Navy, Colour::DarkGrey, Colour::Grey, Colour::Black]);
        let inner = *self.dice.pick(&[Colour::White, Colour::White, Colour::LightBlue]);
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

    fn coat(&mut self) {
        let colour = self.palette.upper(self.dice);
        let kind = *self.dice.weighted(&[(Kind::Jeans, 3.0), (Kind::Trousers, 3.0)]);
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

    fn dress(&mut self) {
        let colour = self.palette.upper(self.dice);
        let (m, second) = self.patterned(
            Part::Top,
            colour,
            0.14,
            &[Pattern::Plain, Pattern::Plain, Pattern::Plain, Pattern::Dots, Pattern::Stripes, Pattern::Checks],
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

    fn feet(&mut self, is_formal: bool, has_bare_legs: bool) {
        let (shoes, socks) = *self.dice.pick(&[(g::SHOES_1, g::SOCKS_1), (g::SHOES_2, g::SOCKS_2), (g::SHOES_3, g::SOCKS_3)]);
        let colour = if is_formal {
            *self.dice.pick(&[Colour::Black, Colour::Brown])
        } else {
            *self.dice.weighted(&[
                (Colour::Black, 5.0), (Colour::White, 3.5), (Colour::Brown, 1.5), (Colour::Grey, 1.5), (Colour::Navy, 1.0), (Colour::Red, 0.5), (Colour::Beige, 0.7),
            ])
        };
        let is_sporty = !is_formal && (matches!(colour, Colour::White | Colour::Grey | Colour::Red | Colour::Navy) || self.dice.chance(0.3));
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
        self.item(Part::Shoes, if is_sporty { Kind::Trainers } else { Kind::Shoes }, colour, None);
        if !has_bare_legs {
            let rgb = self.dice.pick(&[Colour::Black, Colour::White, Colour::Grey, Colour::Black]).rgb();
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
    c.map(|l| 255.0 * if l <= 0.003_130_8 { 12.92 * l } else { 1.055 * l.powf(1.0 / 2.4) - 0.055 })
}

#[expect(clippy::too_many_arguments, reason = "one draw of everything carried, with all that limits it")]
fn carry(
    dice: &mut Dice,
    palette: Palette,
    crowd: Crowd,
    is_child: bool,
    is_female: bool,
    has_hood: bool,
    hair: Option<&str>,
    manner: &mut Manner,
    out: &mut Outfit,
) {
    let mut put = |accessory: Accessory, part: Part, kind: Kind, colour: Colour| {
        out.accessories.push(accessory);
        out.items.push(Item::new(part, kind, colour));
    };
    let side = usize::from(dice.chance(0.5));
    let bags: &[(&str, f32)] = if is_child {
        &[("none", 6.0), ("backpack", 3.0)]
    } else if is_female {
        &[("none", 4.0), ("backpack", 1.6), ("shoulder", 2.2), ("hand", 1.6), ("case", 0.6)]
    } else {
        &[("none", 5.0), ("backpack", 2.4), ("shoulder", 1.0), ("hand", 0.8), ("case", 0.7)]
    };
    let bag = *dice.weighted(bags);
    let colour = palette.bag(dice);
    let rgb = colour.dyed(dice, 0.05);
    match bag {
        "backpack" => put(Accessory::Backpack { rgb }, Part::Backpack, Kind::Backpack, colour),
        "shoulder" => {
            let is_across = dice.chance(0.5);
            put(Accessory::ShoulderBag { rgb, side, is_across }, Part::ShoulderBag, Kind::ShoulderBag, colour);
        }
        "hand" => {
            manner.arms[side] = Arm::Carry;
            put(Accessory::HandBag { rgb, side }, Part::HandBag, Kind::HandBag, colour);
        }
        "case" => {
            manner.arms[side] = Arm::Pull;
            put(Accessory::Suitcase { rgb, side }, Part::Suitcase, Kind::Suitcase, colour);
        }
        _ => {}
    }
    if dice.chance(if crowd.is_wet { 0.5 } else { 0.02 }) && !is_child {
        let colour = palette.bag(dice);
        manner.arms[1 - side] = Arm::Umbrella;
        put(Accessory::Umbrella { rgb: colour.dyed(dice, 0.05), side: 1 - side }, Part::Umbrella, Kind::Umbrella, colour);
    } else if bag != "hand" && bag != "case" && dice.chance(0.06) {
        manner.arms[1 - side] = Arm::Phone;
    }
    if hair != Some("afro01") && dice.chance(0.2) {
        let colour = palette.bag(dice);
        let rgb = colour.dyed(dice, 0.05);
        match *dice.weighted(&[("cap", 3.0), ("beanie", 3.0), ("hat", if is_child { 0.0 } else { 0.8 })]) {
            "cap" => put(Accessory::Cap { rgb }, Part::Hat, Kind::Cap, colour),
            "beanie" => put(Accessory::Beanie { rgb }, Part::Hat, Kind::Beanie, colour),
            _ => put(Accessory::Hat { rgb }, Part::Hat, Kind::Hat, colour),
        }
    }
    if !has_hood && dice.chance(0.09) {
        let colour = palette.upper(dice);
        put(Accessory::Scarf { rgb: colour.dyed(dice, 0.05) }, Part::Scarf, Kind::Scarf, colour);
    }
    if !is_child && dice.chance(0.16) {
        let is_dark = dice.chance(0.35);
        let kind = if is_dark { Kind::Sunglasses } else { Kind::Glasses };
        put(Accessory::Glasses { rgb: [26.0, 24.0, 24.0], is_dark }, Part::Glasses, kind, Colour::Black);
    }
}
