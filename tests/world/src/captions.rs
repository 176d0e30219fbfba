//! True sentences about one picture: only what it shows, clause by clause, and what is not there.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::dice::Dice;
use crate::identity::Identity;
use crate::item::{DENIABLE, Decor, Item};
use crate::material::Part;
use crate::words::{Voice, verb};

/// What a picture shows of a person.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// Share of the visible person that each part takes.
    pub share: BTreeMap<Part, f32>,
    /// Height of the visible person in real pixels (before any enlargement).
    pub height_px: f32,
    /// `walk`, `run`, `sit`, `stand`.
    pub action: &'static str,
    /// `front`, `side`, `back`: which side is seen.
    pub view: &'static str,
    /// Parts whose colour in the picture is not what its word says (a cast, the night): their colours are not told.
    pub false_colours: Vec<Part>,
    /// Whether colours can be told at all.
    pub is_coloured: bool,
}

/// How well a part is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sight {
    /// Plainly.
    Clear,
    /// Half: may be told or not.
    Partly,
    /// Not at all, or too little: never told.
    Hidden,
}

/// One clause about one thing.
#[derive(Debug, Clone, Serialize)]
pub struct Clause {
    /// The thing, in terms.
    #[serde(flatten)]
    pub item: Item,
    /// Plain words: `a red jumper`.
    pub text: String,
    /// How well it is seen.
    pub sight: Sight,
    /// Share of the person's visible pixels.
    pub share: f32,
    /// Whether the picture bears the colour word out.
    pub is_colour_true: bool,
}

/// Everything said of one picture.
#[derive(Debug, Clone, Serialize)]
pub struct Description {
    /// 2 to 4 sentences, each of them true by itself.
    pub captions: Vec<String>,
    /// Clause by clause, hidden things too.
    pub clauses: Vec<Clause>,
    /// What this person does not have and this picture therefore cannot show: `no hat`.
    pub absent: Vec<String>,
}

/// How much of the person a part must take to be seen clearly, and to be seen at all.
#[must_use]
pub fn needed(part: Part) -> (f32, f32) {
    match part {
        Part::Top => (0.05, 0.02),
        Part::Bottom => (0.04, 0.015),
        Part::Backpack => (0.02, 0.006),
        Part::Suitcase | Part::Umbrella => (0.03, 0.01),
        Part::ShoulderBag | Part::HandBag | Part::Inner => (0.012, 0.005),
        Part::Hat | Part::Scarf => (0.01, 0.004),
        Part::Hair | Part::Shoes | Part::Socks => (0.008, 0.003),
        Part::Glasses => (0.0018, 0.0007),
        Part::Skin | Part::Hands => (0.01, 0.004),
    }
}

impl Evidence {
    /// How well a part is seen.
    #[must_use]
    pub fn sight(&self, part: Part) -> Sight {
        let share = self.share.get(&part).copied().unwrap_or(0.0);
        let (clear, some) = needed(part);
        // Small things cannot be told on a small person however much of it they take.
        let least_px: f32 = match part {
            Part::Glasses => 110.0,
            Part::Inner | Part::Scarf => 45.0,
            Part::Shoes | Part::Hair => 40.0,
            _ => 24.0,
        };
        if share >= clear && self.height_px >= least_px {
            Sight::Clear
        } else if share >= some && self.height_px >= least_px * 0.7 {
            Sight::Partly
        } else {
            Sight::Hidden
        }
    }

    fn tells_colour(&self, part: Part) -> bool {
        self.is_coloured && !self.false_colours.contains(&part)
    }

    fn tells_decor(&self, item: &Item) -> bool {
        match item.second {
            Some((Decor::Print, _)) => self.view == "front" && self.height_px > 60.0,
            Some((Decor::Stripes | Decor::VerticalStripes | Decor::Checks | Decor::Dots, _)) => {
                self.height_px > 70.0
            }
            Some((Decor::Block | Decor::Sleeves, _)) => {
                self.height_px > 40.0 && self.sight(item.part) == Sight::Clear
            }
            None => false,
        }
    }
}

/// Describes one picture of a person.
pub fn describe(identity: &Identity, evidence: &Evidence, dice: &mut Dice) -> Description {
    let clauses: Vec<Clause> = identity
        .items
        .iter()
        .map(|item| {
            let is_colour_true = evidence.tells_colour(item.part);
            let mut plain = Voice {
                dice: &mut *dice,
                is_american: false,
                variety: 0.0,
            };
            Clause {
                item: *item,
                text: plain.a_thing(item, true, true),
                sight: evidence.sight(item.part),
                share: evidence.share.get(&item.part).copied().unwrap_or(0.0),
                is_colour_true,
            }
        })
        .collect();
    let absent = absent(identity, dice);
    let count = 2 + dice.below(3);
    let mut captions: Vec<String> = Vec::new();
    for number in 0..count {
        let length = [2, 0, 1, 2][number.min(3)];
        for _ in 0..4 {
            let caption = sentence(identity, evidence, &absent, length, dice);
            if !captions.contains(&caption) {
                captions.push(caption);
                break;
            }
        }
    }
    Description {
        captions,
        clauses,
        absent: absent.into_iter().map(|(_, text)| text).collect(),
    }
}

fn absent(identity: &Identity, dice: &mut Dice) -> Vec<(Part, String)> {
    DENIABLE
        .iter()
        .filter(|(part, _)| !identity.items.iter().any(|i| i.part == *part))
        .map(|(part, words)| (*part, format!("no {}", dice.pick(words))))
        .collect()
}

/// One sentence: length 0 short, 1 middling, 2 long.
fn sentence(
    identity: &Identity,
    evidence: &Evidence,
    absent: &[(Part, String)],
    length: usize,
    dice: &mut Dice,
) -> String {
    let is_american = dice.chance(0.5);
    let mut voice = Voice {
        dice,
        is_american,
        variety: 0.45,
    };
    let subject = voice.subject(identity.group, identity.is_old && evidence.height_px > 60.0);
    let mut clothes = Vec::new();
    let mut things: Vec<(Item, String)> = Vec::new();
    for item in &identity.items {
        let is_told = match evidence.sight(item.part) {
            Sight::Clear => {
                let rate = match (item.part, length) {
                    (Part::Top | Part::Bottom, _) => 0.95,
                    (Part::Shoes, 0) => 0.1,
                    (Part::Shoes | Part::Inner, _) => 0.6,
                    (_, 0) => 0.6,
                    _ => 0.92,
                };
                voice.dice.chance(rate)
            }
            Sight::Partly => voice.dice.chance(0.4),
            Sight::Hidden => false,
        };
        if !is_told {
            continue;
        }
        // A detail may be left out.
        let with_colour = evidence.tells_colour(item.part)
            && !voice.dice.chance(if length == 0 { 0.12 } else { 0.05 });
        let with_decor = evidence.tells_decor(item) && voice.dice.chance(0.85);
        let phrase = voice.a_thing(item, with_colour, with_decor);
        match item.part {
            Part::Top | Part::Bottom | Part::Inner | Part::Shoes => {
                clothes.push((item.part, phrase));
            }
            _ => things.push((*item, phrase)),
        }
    }
    if length == 0 && clothes.len() > 2 {
        clothes.truncate(2);
    }
    if voice.dice.chance(0.3) {
        clothes.reverse();
    }
    let inner = clothes
        .iter()
        .position(|(p, _)| *p == Part::Inner)
        .map(|i| clothes.remove(i).1);
    if let (Some(inner), Some(top)) = (inner, clothes.iter_mut().find(|(p, _)| *p == Part::Top)) {
        let over = *voice.dice.pick(&["over", "with"]);
        top.1 = if over == "over" {
            format!("{} over {inner}", top.1)
        } else {
            format!("{} and {inner} under it", top.1)
        };
    }
    let mut text = subject;
    let is_hair_seen = evidence.sight(Part::Hair) == Sight::Clear
        || (identity.outline.hair.style.is_none()
            && evidence.height_px > 60.0
            && !identity.items.iter().any(|i| i.part == Part::Hat));
    let hair = (length > 0 && is_hair_seen && evidence.is_coloured && voice.dice.chance(0.65))
        .then(|| voice.hair(identity.hair));
    let clothes: Vec<String> = clothes.into_iter().map(|(_, phrase)| phrase).collect();
    let hair_first = hair.is_some() && voice.dice.chance(0.6);
    if let (Some(hair), true) = (&hair, hair_first) {
        text += &format!(" with {hair}");
    }
    if !clothes.is_empty() {
        let verb = *voice
            .dice
            .pick(&[" wearing", " in", " dressed in", " who wears"]);
        text += &format!("{verb} {}", list(&clothes));
    }
    if let (Some(hair), false) = (&hair, hair_first) {
        text += &format!(", with {hair}");
    }
    if !things.is_empty() {
        let phrases: Vec<String> = things
            .iter()
            .map(|(item, p)| format!("{} {p}", voice.dice.pick(verb(item.kind))))
            .collect();
        text += &format!(", {}", list(&phrases));
    }
    if length > 0 && voice.dice.chance(0.4) {
        text += &format!(", {}", voice.doing(evidence.action));
    }
    if length == 2 && voice.dice.chance(0.3) {
        text += &format!(", {}", voice.seen(evidence.view));
    }
    if length == 2 && !absent.is_empty() && voice.dice.chance(0.2) {
        text += &format!(
            ", {}",
            voice.dice.pick(absent).1.replacen("no ", "with no ", 1)
        );
    }
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_uppercase().chain(letters).chain(['.']).collect()
    })
}

fn list(phrases: &[String]) -> String {
    match phrases {
        [] => String::new(),
        [one] => one.clone(),
        [head @ .., last] => format!("{} and {last}", head.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Crowd, Difficulty};

    fn evidence(share: &[(Part, f32)]) -> Evidence {
        Evidence {
            share: share.iter().copied().collect(),
            height_px: 200.0,
            action: "walk",
            view: "back",
            false_colours: vec![],
            is_coloured: true,
        }
    }

    #[test]
    fn a_hidden_bag_is_never_told_and_a_clear_one_mostly_is() {
        let crowd = Crowd {
            difficulty: Difficulty(0.5),
            children: 0.0,
            is_wet: false,
        };
        let somebody = (1..200)
            .map(|n| Identity::draw(3, n, crowd))
            .find(|i| i.items.iter().any(|x| x.part == Part::Backpack))
            .unwrap();
        let tells = |share: f32| {
            (0..40)
                .filter(|k| {
                    let e = evidence(&[
                        (Part::Top, 0.3),
                        (Part::Bottom, 0.3),
                        (Part::Backpack, share),
                    ]);
                    let d = describe(&somebody, &e, &mut Dice::new(&[*k]));
                    d.captions
                        .iter()
                        .any(|c| c.contains("backpack") || c.contains("rucksack"))
                })
                .count()
        };
        assert_eq!(tells(0.0), 0);
        assert!(tells(0.08) > 36);
    }

    #[test]
    fn what_is_absent_is_nowhere_among_the_items() {
        let crowd = Crowd {
            difficulty: Difficulty(0.5),
            children: 0.0,
            is_wet: false,
        };
        for n in 1..100 {
            let somebody = Identity::draw(4, n, crowd);
            let d = describe(
                &somebody,
                &evidence(&[(Part::Top, 0.4)]),
                &mut Dice::new(&[n as u64]),
            );
            let has_hat = somebody.items.iter().any(|i| i.part == Part::Hat);
            assert_eq!(
                has_hat,
                !d.absent.iter().any(|a| a == "no hat" || a == "no cap"),
                "{:?}",
                d.absent
            );
            assert!((2..=4).contains(&d.captions.len()));
        }
    }
}
