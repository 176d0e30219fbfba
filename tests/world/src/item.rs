//! What a person wears and carries, in terms that words can be made of.

use serde::Serialize;

use crate::material::Part;
use crate::palette::Colour;

/// Kinds of things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names are the documentation")]
pub enum Kind {
    TShirt,
    TankTop,
    Shirt,
    Blouse,
    Sweater,
    Hoodie,
    OpenJacket,
    ZippedJacket,
    PaddedJacket,
    Coat,
    SuitJacket,
    Dress,
    Trousers,
    SuitTrousers,
    Jeans,
    Shorts,
    DenimShorts,
    Leggings,
    ShortSkirt,
    LongSkirt,
    Shoes,
    Trainers,
    InnerShirt,
    Backpack,
    ShoulderBag,
    HandBag,
    Suitcase,
    Umbrella,
    Cap,
    Beanie,
    Hat,
    Scarf,
    Glasses,
    Sunglasses,
}

/// Things whose absence can be stated.
pub const DENIABLE: [(Part, &[&str]); 9] = [
    (Part::Backpack, &["backpack", "rucksack"]),
    (Part::ShoulderBag, &["shoulder bag"]),
    (Part::HandBag, &["handbag", "bag in the hand"]),
    (Part::Suitcase, &["suitcase"]),
    (Part::Umbrella, &["umbrella"]),
    (Part::Hat, &["hat", "cap"]),
    (Part::Scarf, &["scarf"]),
    (Part::Glasses, &["glasses"]),
    (Part::Inner, &["open jacket"]),
];

/// A second colour and how it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names are the documentation")]
pub enum Decor {
    Stripes,
    VerticalStripes,
    Checks,
    Dots,
    Print,
    Block,
    Sleeves,
}

/// One thing worn or carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Item {
    /// Where it shows in the part map.
    pub part: Part,
    /// What it is.
    pub kind: Kind,
    /// Main colour.
    pub colour: Colour,
    /// Second colour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second: Option<(Decor, Colour)>,
}

impl Item {
    /// An item of one colour.
    #[must_use]
    pub fn new(part: Part, kind: Kind, colour: Colour) -> Self {
        Self {
            part,
            kind,
            colour,
            second: None,
        }
    }
}

impl Kind {
    /// How people call it, most usual first.
    #[must_use]
    pub fn words(self, american: bool) -> &'static [&'static str] {
        match (self, american) {
            (Self::TShirt, _) => &["T-shirt", "tee", "short-sleeved top"],
            (Self::TankTop, false) => &["sleeveless top", "vest top", "tank top"],
            (Self::TankTop, true) => &["tank top", "sleeveless top"],
            (Self::Shirt, _) => &["shirt", "long-sleeved shirt"],
            (Self::Blouse, _) => &["blouse", "long-sleeved blouse"],
            (Self::Sweater, false) => &["jumper", "sweater", "pullover"],
            (Self::Sweater, true) => &["sweater", "pullover"],
            (Self::Hoodie, _) => &["hoodie", "hooded sweatshirt", "hooded top"],
            (Self::OpenJacket, _) => &["open jacket", "unzipped jacket", "jacket"],
            (Self::ZippedJacket, _) => &["jacket", "zipped jacket", "zip-up jacket"],
            (Self::PaddedJacket, false) => &["padded jacket", "puffer jacket", "quilted jacket"],
            (Self::PaddedJacket, true) => &["puffer jacket", "down jacket", "quilted jacket"],
            (Self::Coat, _) => &["long coat", "coat", "overcoat"],
            (Self::SuitJacket, _) => &["suit jacket", "blazer", "suit"],
            (Self::Dress, _) => &["dress", "frock"],
            (Self::Trousers, false) => &["trousers", "long trousers"],
            (Self::Trousers, true) => &["pants", "long pants"],
            (Self::SuitTrousers, false) => &["suit trousers", "trousers", "dress trousers"],
            (Self::SuitTrousers, true) => &["suit pants", "slacks", "dress pants"],
            (Self::Jeans, _) => &["jeans", "denims", "denim jeans"],
            (Self::Shorts, _) => &["shorts", "short trousers"],
            (Self::DenimShorts, _) => &["denim shorts", "jean shorts", "shorts"],
            (Self::Leggings, _) => &["leggings", "tights"],
            (Self::ShortSkirt, _) => &["short skirt", "skirt"],
            (Self::LongSkirt, _) => &["long skirt", "skirt"],
            (Self::Shoes, _) => &["shoes"],
            (Self::Trainers, false) => &["trainers", "sports shoes", "shoes"],
            (Self::Trainers, true) => &["sneakers", "athletic shoes", "shoes"],
            (Self::InnerShirt, _) => &["shirt", "top"],
            (Self::Backpack, false) => &["rucksack", "backpack"],
            (Self::Backpack, true) => &["backpack"],
            (Self::ShoulderBag, false) => &["shoulder bag", "bag over the shoulder"],
            (Self::ShoulderBag, true) => &["shoulder bag", "purse over the shoulder"],
            (Self::HandBag, false) => &["handbag", "bag"],
            (Self::HandBag, true) => &["handbag", "purse", "bag"],
            (Self::Suitcase, false) => &["suitcase", "wheeled suitcase", "trolley case"],
            (Self::Suitcase, true) => &["suitcase", "rolling suitcase"],
            (Self::Umbrella, _) => &["umbrella", "open umbrella"],
            (Self::Cap, _) => &["cap", "baseball cap"],
            (Self::Beanie, false) => &["woolly hat", "knitted hat", "beanie"],
            (Self::Beanie, true) => &["beanie", "knit cap", "winter hat"],
            (Self::Hat, _) => &["hat", "brimmed hat"],
            (Self::Scarf, _) => &["scarf"],
            (Self::Glasses, false) => &["glasses", "spectacles"],
            (Self::Glasses, true) => &["glasses", "eyeglasses"],
            (Self::Sunglasses, _) => &["sunglasses", "dark glasses"],
        }
    }

    /// Whether the word is a plural.
    #[must_use]
    pub fn is_plural(self) -> bool {
        matches!(
            self,
            Self::Trousers
                | Self::SuitTrousers
                | Self::Jeans
                | Self::Shorts
                | Self::DenimShorts
                | Self::Leggings
                | Self::Shoes
                | Self::Trainers
                | Self::Glasses
                | Self::Sunglasses
        )
    }
}
