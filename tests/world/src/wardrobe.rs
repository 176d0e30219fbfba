//! Dresses people: garments, colours and patterns by how often streets show them, and what is carried.

use crate::accessory::Accessory;
use crate::dice::Dice;
use crate::garment::Garment;
use crate::identity::{Crowd, Group};
use crate::item::{Item, Kind};
use crate::material::Part;
use crate::palette::{Colour, Palette};
use crate::pose::{Arm, Manner};
use crate::tailor::Fitting;

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
    let mut fitting = Fitting {
        dice,
        palette,
        is_female,
        outfit: Outfit::default(),
    };
    fitting.clothes(is_child);
    let is_formal = fitting
        .outfit
        .items
        .iter()
        .any(|i| i.kind == Kind::SuitJacket);
    let has_bare_legs = fitting
        .outfit
        .items
        .iter()
        .any(|i| matches!(i.kind, Kind::Dress | Kind::ShortSkirt | Kind::LongSkirt));
    fitting.feet(is_formal, has_bare_legs);
    let has_hood = fitting.outfit.items.iter().any(|i| i.kind == Kind::Hoodie);
    // Those who look alike differ in what they carry, half of the time.
    let carries = if is_alike && own.chance(0.5) {
        own
    } else {
        fitting.dice
    };
    let mut things = Outfit::default();
    carry(
        carries,
        palette,
        crowd,
        is_child,
        is_female,
        has_hood,
        hair,
        manner,
        &mut things,
    );
    fitting.outfit.accessories.extend(things.accessories);
    fitting.outfit.items.extend(things.items);
    fitting.outfit
}

#[expect(
    clippy::too_many_arguments,
    reason = "one draw of everything carried, with all that limits it"
)]
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
        &[
            ("none", 4.0),
            ("backpack", 1.6),
            ("shoulder", 2.2),
            ("hand", 1.6),
            ("case", 0.6),
        ]
    } else {
        &[
            ("none", 5.0),
            ("backpack", 2.4),
            ("shoulder", 1.0),
            ("hand", 0.8),
            ("case", 0.7),
        ]
    };
    let bag = *dice.weighted(bags);
    let colour = palette.bag(dice);
    let rgb = colour.dyed(dice, 0.05);
    match bag {
        "backpack" => put(
            Accessory::Backpack { rgb },
            Part::Backpack,
            Kind::Backpack,
            colour,
        ),
        "shoulder" => {
            let is_across = dice.chance(0.5);
            put(
                Accessory::ShoulderBag {
                    rgb,
                    side,
                    is_across,
                },
                Part::ShoulderBag,
                Kind::ShoulderBag,
                colour,
            );
        }
        "hand" => {
            manner.arms[side] = Arm::Carry;
            put(
                Accessory::HandBag { rgb, side },
                Part::HandBag,
                Kind::HandBag,
                colour,
            );
        }
        "case" => {
            manner.arms[side] = Arm::Pull;
            put(
                Accessory::Suitcase { rgb, side },
                Part::Suitcase,
                Kind::Suitcase,
                colour,
            );
        }
        _ => {}
    }
    if dice.chance(if crowd.is_wet { 0.5 } else { 0.02 }) && !is_child {
        let colour = palette.bag(dice);
        manner.arms[1 - side] = Arm::Umbrella;
        put(
            Accessory::Umbrella {
                rgb: colour.dyed(dice, 0.05),
                side: 1 - side,
            },
            Part::Umbrella,
            Kind::Umbrella,
            colour,
        );
    } else if bag != "hand" && bag != "case" && dice.chance(0.06) {
        manner.arms[1 - side] = Arm::Phone;
    }
    if hair != Some("afro01") && dice.chance(0.2) {
        let colour = palette.bag(dice);
        let rgb = colour.dyed(dice, 0.05);
        match *dice.weighted(&[
            ("cap", 3.0),
            ("beanie", 3.0),
            ("hat", if is_child { 0.0 } else { 0.8 }),
        ]) {
            "cap" => put(Accessory::Cap { rgb }, Part::Hat, Kind::Cap, colour),
            "beanie" => put(Accessory::Beanie { rgb }, Part::Hat, Kind::Beanie, colour),
            _ => put(Accessory::Hat { rgb }, Part::Hat, Kind::Hat, colour),
        }
    }
    if !has_hood && dice.chance(0.09) {
        let colour = palette.upper(dice);
        put(
            Accessory::Scarf {
                rgb: colour.dyed(dice, 0.05),
            },
            Part::Scarf,
            Kind::Scarf,
            colour,
        );
    }
    if !is_child && dice.chance(0.16) {
        let is_dark = dice.chance(0.35);
        let kind = if is_dark {
            Kind::Sunglasses
        } else {
            Kind::Glasses
        };
        put(
            Accessory::Glasses {
                rgb: [26.0, 24.0, 24.0],
                is_dark,
            },
            Part::Glasses,
            kind,
            Colour::Black,
        );
    }
}
