//! Who somebody is: body, face, hair, size, and the clothes that the wardrobe gave.

use serde::Serialize;

use crate::body::{Shape, height_value};
use crate::dice::Dice;
use crate::item::Item;
use crate::palette::Palette;
use crate::person::{Hair, Outline};
use crate::pose::Manner;
use crate::wardrobe::dress;

/// How people would call somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names are the documentation")]
pub enum Group {
    Man,
    Woman,
    Boy,
    Girl,
}

/// Hair in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct HairWords {
    /// Colour word, British spelling.
    pub colour: &'static str,
    /// Style: `short`, `long`, `ponytail`, `braid`, `bob`, `afro`, `bald`, `shaved`.
    pub style: &'static str,
}

/// One identity.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Number, from 1.
    pub number: usize,
    /// Group.
    pub group: Group,
    /// Past sixty.
    pub is_old: bool,
    /// Hair.
    pub hair: HairWords,
    /// Clothes and things carried, most telling first.
    pub items: Vec<Item>,
    /// What the mesh is built from.
    pub outline: Outline,
    /// Height in metres to scale to; the morph's own height where none.
    pub child_height_m: Option<f32>,
    /// The identity whose clothes were copied.
    pub alike: Option<usize>,
}

/// How hard it is to tell people apart, 0 easy to 1 very hard; 0.5 is the default.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difficulty(pub f32);

impl Difficulty {
    /// Between two values, linear.
    #[must_use]
    pub fn between(self, easy: f32, hard: f32) -> f32 {
        easy + (hard - easy) * self.0.clamp(0.0, 1.0)
    }

    /// The same dial for cameras and what stands in the way: by default already most of the way to the hardest.
    #[must_use]
    pub fn of_cameras(self) -> Self {
        let ease = 1.0 - self.0.clamp(0.0, 1.0);
        Self(1.0 - ease * ease)
    }

    /// The palette of the crowd.
    #[must_use]
    pub fn palette(self) -> Palette {
        Palette {
            street: self.between(0.3, 1.9),
        }
    }
}

const IDENTITY: u64 = 0x1d;
const CLOTHES: u64 = 0xc1;

/// Limits to what identities may carry and be; a scene narrows it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Crowd {
    /// Dial.
    pub difficulty: Difficulty,
    /// Share of children.
    pub children: f32,
    /// Whether umbrellas are open (rain).
    pub is_wet: bool,
}

impl Crowd {
    /// The share of people who wear what somebody before them wears.
    fn twins(self) -> f32 {
        self.difficulty.between(0.0, 0.9)
    }
}

impl Identity {
    /// Whose clothes `number` wears: the nearest before it who copies nobody.
    fn model(seed: u64, number: usize, crowd: Crowd) -> usize {
        let copies = |n: usize| {
            let mut dice = Dice::new(&[seed, IDENTITY, n as u64]);
            // The same draws in the same order as for the identity itself.
            let _before = (dice.chance(crowd.children), dice.chance(0.5));
            n > 1 && dice.chance(crowd.twins())
        };
        (1..number).rev().find(|n| !copies(*n)).unwrap_or(1)
    }

    /// Identity `number` of the world `seed`.
    #[must_use]
    pub fn draw(seed: u64, number: usize, crowd: Crowd) -> Self {
        let mut dice = Dice::new(&[seed, IDENTITY, number as u64]);
        let is_child = dice.chance(crowd.children);
        let is_female = dice.chance(0.5);
        let copies = number > 1 && dice.chance(crowd.twins());
        // People who look alike on purpose: this one wears what an earlier one wears, with small changes.
        let alike = copies.then(|| Self::model(seed, number, crowd));
        let (is_child, is_female) = match alike {
            Some(other) => {
                let mut twin = Dice::new(&[seed, IDENTITY, other as u64]);
                (twin.chance(crowd.children), twin.chance(0.5))
            }
            None => (is_child, is_female),
        };
        let origin = *dice.pick(&[0_usize, 1, 2, 2]);
        let age = if is_child {
            dice.range(0.02, 0.2)
        } else {
            *dice.pick(&[0.48, 0.52, 0.56, 0.62, 0.7, 0.85])
        };
        let is_old = age > 0.68;
        let shape = Shape {
            gender: if is_female {
                dice.range(0.0, 0.12)
            } else {
                dice.range(0.88, 1.0)
            },
            age,
            muscle: dice.normal(0.5, 0.15).clamp(0.1, 0.9),
            weight: (dice.normal(0.5, 0.2) + if age > 0.6 { 0.1 } else { 0.0 }).clamp(0.08, 0.98),
            height: height_value(dice.normal(0.0, 0.07)),
            origin: [[1.0, 0.05, 0.1], [0.05, 1.0, 0.1], [0.05, 0.05, 1.0]][origin],
            cup: dice.range(0.3, 0.7),
        };
        let skins: &[[f32; 3]] = [
            &[[92.0, 62.0, 46.0], [66.0, 44.0, 34.0], [120.0, 84.0, 62.0]][..],
            &[[206.0, 160.0, 126.0], [188.0, 142.0, 108.0]][..],
            &[
                [222.0, 176.0, 150.0],
                [204.0, 156.0, 130.0],
                [190.0, 146.0, 118.0],
            ][..],
        ][origin];
        let pale = dice.range(0.92, 1.06);
        let skin = dice.pick(skins).map(|c| c * pale);
        let (hair, words) = hair(&mut dice, origin, is_female, is_child, is_old);
        let mut manner = Manner {
            stride: dice.range(0.78, 1.05),
            lean: dice.range(0.0, 6.0),
            swing: dice.range(0.5, 1.1),
            elbow: dice.range(6.0, 22.0),
            abduct: dice.range(7.0, 12.0),
            ..Manner::default()
        };
        let group = match (is_child, is_female) {
            (false, false) => Group::Man,
            (false, true) => Group::Woman,
            (true, false) => Group::Boy,
            (true, true) => Group::Girl,
        };
        let mut clothes = Dice::new(&[seed, CLOTHES, alike.unwrap_or(number) as u64]);
        let outfit = dress(
            &mut clothes,
            &mut dice,
            group,
            crowd,
            &mut manner,
            alike.is_some(),
            hair.style,
        );
        Self {
            number,
            group,
            is_old,
            hair: words,
            items: outfit.items,
            outline: Outline {
                shape,
                skin,
                hair,
                garments: outfit.garments,
                accessories: outfit.accessories,
                manner,
            },
            child_height_m: is_child.then(|| dice.range(1.1, 1.5)),
            alike,
        }
    }
}

fn hair(
    dice: &mut Dice,
    origin: usize,
    is_female: bool,
    is_child: bool,
    is_old: bool,
) -> (Hair, HairWords) {
    let colour: &'static str = if is_old {
        dice.pick::<&'static str>(&["grey", "white"])
    } else if origin == 2 {
        dice.pick::<&'static str>(&["dark", "brown", "brown", "blond", "red"])
    } else {
        dice.pick::<&'static str>(&["black", "black", "dark"])
    };
    let rgb: [f32; 3] = match colour {
        "black" => [20.0, 18.0, 18.0],
        "dark" => [42.0, 30.0, 24.0],
        "brown" => [78.0, 52.0, 34.0],
        "blond" => [176.0, 140.0, 88.0],
        "red" => [124.0, 58.0, 30.0],
        "white" => [205.0, 203.0, 198.0],
        _ => [140.0, 138.0, 136.0],
    };
    let style: Option<&'static str> = if is_female {
        let styles = [
            "long01",
            "ponytail01",
            "bob01",
            "bob02",
            "braid01",
            "short03",
            "long01",
            "ponytail01",
        ];
        Some(*dice.pick(&styles))
    } else {
        let styles = [
            Some("short01"),
            Some("short02"),
            Some("short04"),
            Some("short02"),
            None,
            Some("short04"),
        ];
        *dice.pick(&styles)
    };
    let style = if origin == 0 && dice.chance(0.3) {
        Some("afro01")
    } else {
        style
    };
    let style = if is_child && style.is_none() {
        Some("short02")
    } else {
        style
    };
    let is_bald = style.is_none() && dice.chance(0.5);
    let beard = if !is_female && !is_child && dice.chance(0.3) {
        dice.range(0.25, 0.8)
    } else {
        0.0
    };
    let word = match style {
        Some("long01") => "long",
        Some("ponytail01") => "ponytail",
        Some("braid01") => "braid",
        Some("bob01" | "bob02") => "bob",
        Some("afro01") => "afro",
        Some(_) => "short",
        None if is_bald => "bald",
        None => "shaved",
    };
    let k = dice.range(0.9, 1.1);
    (
        Hair {
            style,
            rgb: rgb.map(|c| c * k),
            is_bald,
            beard,
        },
        HairWords {
            colour,
            style: word,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_who_look_alike_wear_what_their_model_wears() {
        let crowd = Crowd {
            difficulty: Difficulty(0.8),
            children: 0.1,
            is_wet: false,
        };
        let all: Vec<Identity> = (1..60).map(|n| Identity::draw(5, n, crowd)).collect();
        let clothes = |i: &Identity| -> Vec<Item> {
            let is_worn = |i: &&Item| {
                matches!(
                    i.part,
                    crate::material::Part::Top | crate::material::Part::Bottom
                )
            };
            i.items.iter().filter(is_worn).copied().collect()
        };
        let copies: Vec<&Identity> = all.iter().filter(|i| i.alike.is_some()).collect();
        assert!(copies.len() > 25, "{}", copies.len());
        for i in copies {
            let model = &all[i.alike.unwrap() - 1];
            assert!(model.alike.is_none(), "{} copies a copy", i.number);
            assert_eq!(clothes(i), clothes(model), "{}", i.number);
            assert_eq!(i.group, model.group);
        }
    }
}
