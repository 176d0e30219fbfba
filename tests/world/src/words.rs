//! Words for things: one thing in one of many ways, always true.

use crate::dice::Dice;
use crate::identity::{Group, HairWords};
use crate::item::{Decor, Item, Kind};
use crate::palette::Colour;

/// A writer's habits: spelling and choice of words.
#[derive(Debug)]
pub struct Voice<'a> {
    /// Chance.
    pub dice: &'a mut Dice,
    /// American words.
    pub is_american: bool,
    /// How often the less usual word is taken, 0..1.
    pub variety: f32,
}

impl Voice<'_> {
    fn choose<'w>(&mut self, words: &[&'w str]) -> &'w str {
        if words.len() > 1 && self.dice.chance(self.variety) {
            words[1 + self.dice.below(words.len() - 1)]
        } else {
            words[0]
        }
    }

    /// `a` or `an` before a phrase.
    #[must_use]
    pub fn article(phrase: &str) -> String {
        let is_vowel = phrase.starts_with(['a', 'e', 'i', 'o', 'u']) && !phrase.starts_with("uni");
        format!("{} {phrase}", if is_vowel { "an" } else { "a" })
    }

    /// The person: `a woman`, `an elderly man`, `a young boy`.
    pub fn subject(&mut self, group: Group, is_old: bool) -> String {
        let (nouns, old): (&[&str], &[&str]) = match group {
            Group::Man => (
                &["man", "male", "guy", "gentleman"],
                &["elderly", "old", "older"],
            ),
            Group::Woman => (&["woman", "lady", "female"], &["elderly", "old", "older"]),
            Group::Boy => (&["boy", "young boy", "child"], &[]),
            Group::Girl => (&["girl", "young girl", "child"], &[]),
        };
        let noun = self.choose(nouns);
        if is_old && !old.is_empty() && self.dice.chance(0.7) {
            let age = self.choose(old);
            return Self::article(&format!("{age} {noun}"));
        }
        Self::article(noun)
    }

    /// The colour in words.
    pub fn colour(&mut self, colour: Colour) -> &'static str {
        let words = colour.words(self.is_american);
        if words.len() > 1 && self.dice.chance(self.variety) {
            words[1 + self.dice.below(words.len() - 1)]
        } else {
            words[0]
        }
    }

    /// Hair: `long brown hair`, `a shaved head`.
    pub fn hair(&mut self, hair: HairWords) -> String {
        let colour = match (hair.colour, self.is_american) {
            ("grey", true) => "gray",
            ("dark", _) => "dark brown",
            ("blond", true) => "blond",
            ("blond", false) => "blonde",
            (c, _) => c,
        };
        match hair.style {
            "bald" => "a bald head".to_owned(),
            "shaved" => self
                .choose(&["very short hair", "a shaved head", "cropped hair"])
                .to_owned(),
            "ponytail" => format!("{colour} hair in a ponytail"),
            "braid" => {
                let word = self.choose(if self.is_american {
                    &["braid"]
                } else {
                    &["plait", "braid"]
                });
                format!("{colour} hair in a {word}")
            }
            "bob" => format!(
                "{} {colour} hair",
                self.choose(&["chin-length", "bobbed", "medium-length"])
            ),
            "afro" => format!(
                "{} {colour} hair",
                self.choose(&["curly", "afro", "frizzy"])
            ),
            style => format!("{style} {colour} hair"),
        }
    }

    /// A thing without its article: `red and white striped jumper`. Without colour where it is not to be told.
    pub fn thing(&mut self, item: &Item, with_colour: bool, with_decor: bool) -> String {
        let noun = self.choose(item.kind.words(self.is_american)).to_owned();
        // A bare fallback word for denim reads as blue jeans anyway.
        if !with_colour {
            return noun;
        }
        let colour = self.colour(item.colour);
        let Some((decor, second)) = item.second.filter(|_| with_decor) else {
            return format!("{colour} {noun}");
        };
        let other = self.colour(second);
        match decor {
            Decor::Stripes => match self.dice.below(3) {
                0 => format!("{noun} with {colour} and {other} stripes"),
                1 => format!("striped {colour} and {other} {noun}"),
                _ => format!("{colour} and {other} striped {noun}"),
            },
            Decor::VerticalStripes => format!("{colour} {noun} with {other} vertical stripes"),
            Decor::Checks => {
                let word = self.choose(if self.is_american {
                    &["plaid", "checkered"]
                } else {
                    &["checked", "chequered"]
                });
                format!("{colour} and {other} {word} {noun}")
            }
            Decor::Dots => format!(
                "{colour} {noun} with {other} {}",
                self.choose(&["dots", "spots", "polka dots"])
            ),
            Decor::Print => format!(
                "{colour} {noun} with a {other} {}",
                self.choose(&["print", "logo", "print on the chest"])
            ),
            Decor::Block => format!("{noun} that is {colour} above and {other} below"),
            Decor::Sleeves => format!("{colour} {noun} with {other} sleeves"),
        }
    }

    /// The same with its article where one is due.
    pub fn a_thing(&mut self, item: &Item, with_colour: bool, with_decor: bool) -> String {
        let phrase = self.thing(item, with_colour, with_decor);
        if item.kind.is_plural() || phrase.starts_with("tights") {
            phrase
        } else {
            Self::article(&phrase)
        }
    }

    /// What the person does.
    pub fn doing(&mut self, action: &str) -> &'static str {
        let words: &[&'static str] = match action {
            "walk" => &["walking", "strolling", "on foot"],
            "run" => &["running", "jogging"],
            "sit" => &["sitting", "seated"],
            _ => &["standing", "standing still"],
        };
        self.choose(words)
    }

    /// Where the person is seen from.
    pub fn seen(&mut self, view: &str) -> &'static str {
        let words: &[&'static str] = match view {
            "back" => &[
                "seen from behind",
                "with the back to the camera",
                "turned away",
            ],
            "side" => &["seen from the side", "in profile"],
            _ => &["facing the camera", "seen from the front"],
        };
        self.choose(words)
    }
}

/// The verb for a thing: worn, carried, pulled.
#[must_use]
pub fn verb(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Backpack => &["wearing", "carrying", "with"],
        Kind::ShoulderBag => &["carrying", "with"],
        Kind::HandBag => &["carrying", "holding", "with"],
        Kind::Suitcase => &["pulling", "with", "dragging"],
        Kind::Umbrella => &["holding", "under", "carrying"],
        _ => &["wearing", "with"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::material::Part;

    #[test]
    fn articles_and_spelling_follow_the_voice() {
        let mut dice = Dice::new(&[1]);
        let mut british = Voice {
            dice: &mut dice,
            is_american: false,
            variety: 0.0,
        };
        let item = Item::new(Part::Top, Kind::Sweater, Colour::Orange);
        assert_eq!(british.a_thing(&item, true, true), "an orange jumper");
        assert_eq!(
            british.a_thing(
                &Item::new(Part::Bottom, Kind::Trousers, Colour::Grey),
                true,
                true
            ),
            "grey trousers"
        );
        let mut dice = Dice::new(&[1]);
        let mut american = Voice {
            dice: &mut dice,
            is_american: true,
            variety: 0.0,
        };
        assert_eq!(
            american.a_thing(
                &Item::new(Part::Bottom, Kind::Trousers, Colour::Grey),
                true,
                true
            ),
            "gray pants"
        );
    }
}
