//! A sentence taken apart into clauses, each of which can hold or not by itself.

use crate::sentence::{Token, is_article, tokens};
use crate::words::Words;

/// Most clauses of a sentence that are looked at.
const MOST_CLAUSES: usize = 8;
/// What parts clauses. `and` does so only after a thing: "black and white shirt" is one.
const BREAKS: [&str; 14] = [
    "in", "with", "wearing", "wears", "carrying", "carries", "holding", "holds", "who", "has",
    "having", "dressed", "and", "but",
];
/// What everybody is.
const ANYBODY: [&str; 7] = [
    "person",
    "someone",
    "somebody",
    "anyone",
    "anybody",
    "people",
    "pedestrian",
];
/// Words that do not end a thing: what follows `and` belongs to the same one.
const COLOURS: [&str; 24] = [
    "black",
    "white",
    "grey",
    "gray",
    "red",
    "green",
    "blue",
    "navy",
    "yellow",
    "orange",
    "purple",
    "violet",
    "pink",
    "brown",
    "beige",
    "tan",
    "khaki",
    "maroon",
    "burgundy",
    "turquoise",
    "teal",
    "olive",
    "dark",
    "light",
];

/// How people begin a request, and say nothing of whom they mean; the longer ones first.
const REQUESTS: [&[&str]; 10] = [
    &["i", "am", "looking", "for"],
    &["i'm", "looking", "for"],
    &["we", "are", "looking", "for"],
    &["looking", "for"],
    &["search", "for"],
    &["look", "for"],
    &["where", "is"],
    &["show", "me"],
    &["find", "me"],
    &["find"],
];

/// The clauses of a description, in its order: "a woman in a red coat with a backpack" is `woman`, `red coat` and `backpack`, and
/// what is denied stands behind them as `no hat`. Fewer than two are none: the sentence itself has a score.
#[must_use]
pub fn clauses(words: &Words) -> Vec<String> {
    let mut kept = said(&words.text);
    let denied = words.not.iter().map(|thing| format!("no {thing}"));
    kept.truncate(MOST_CLAUSES.saturating_sub(words.not.len()));
    kept.extend(denied.take(MOST_CLAUSES));
    if kept.len() < 2 {
        kept.clear();
    }
    kept
}

/// What a sentence says, each part once.
fn said(sentence: &str) -> Vec<String> {
    let mut found: Vec<Vec<&str>> = vec![Vec::new()];
    let tokens = tokens(sentence);
    for token in &tokens[request(&tokens)..] {
        let lower = &*token.lower;
        let last = found.last().and_then(|clause| clause.last());
        let is_same_thing =
            lower == "and" && last.is_some_and(|word| COLOURS.contains(&&*word.to_lowercase()));
        if is_same_thing {
            push(&mut found, token.word);
        } else if BREAKS.contains(&lower) {
            found.push(Vec::new());
        } else if !is_article(lower) && lower != "is" {
            push(&mut found, token.word);
        }
        if token.stop.is_some() {
            found.push(Vec::new());
        }
    }
    let mut kept: Vec<String> = Vec::new();
    for clause in &mut found {
        // "in black and with a hat": what `and` goes over to is no more of the colour.
        while clause
            .last()
            .is_some_and(|word| word.eq_ignore_ascii_case("and"))
        {
            clause.pop();
        }
        let is_anybody = match clause.as_slice() {
            [] => true,
            [word] => ANYBODY.contains(&&*word.to_lowercase()),
            _ => false,
        };
        let text = clause.join(" ");
        if !is_anybody && !kept.contains(&text) {
            kept.push(text);
        }
    }
    kept
}

/// How many words of a sentence ask, before it describes.
fn request(tokens: &[Token<'_>]) -> usize {
    let asks = |words: &&&[&str]| {
        words.len() < tokens.len()
            && words
                .iter()
                .zip(tokens)
                .all(|(word, token)| *word == token.lower)
    };
    REQUESTS.iter().find(asks).map_or(0, |words| words.len())
}

fn push<'s>(found: &mut [Vec<&'s str>], word: &'s str) {
    if let Some(clause) = found.last_mut() {
        clause.push(word);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_sentence_falls_into_what_can_hold_by_itself() {
        let clauses = |sentence: &str| clauses(&Words::new(sentence, &[]));
        let cases: [(&str, &[&str]); 14] = [
            (
                "a woman in a red coat with a backpack",
                &["woman", "red coat", "backpack"],
            ),
            (
                "A man wearing blue jeans and a white T-shirt.",
                &["man", "blue jeans", "white T-shirt"],
            ),
            (
                "someone in a black and white shirt, carrying an umbrella",
                &["black and white shirt", "umbrella"],
            ),
            (
                "a person dressed in dark grey with short hair",
                &["dark grey", "short hair"],
            ),
            (
                "a boy who has a hat and his scarf",
                &["boy", "hat", "scarf"],
            ),
            ("red coat", &[]),
            ("a person with a backpack", &[]),
            ("", &[]),
            ("a hat, a hat and a bag", &["hat", "bag"]),
            ("looking for a man in a red coat", &["man", "red coat"]),
            (
                "I am looking for: a man in a red coat",
                &["man", "red coat"],
            ),
            ("a man in black and with a hat", &["man", "black", "hat"]),
            (
                "a man in black without a hat or bag",
                &["man", "black", "no hat", "no bag"],
            ),
            ("a person without a hat", &[]),
        ];
        for (sentence, expected) in cases {
            assert_eq!(clauses(sentence), expected, "{sentence}");
        }
        assert_eq!(clauses(&"a hat, one bag 1, ".repeat(40)).len(), 2);
        let many: Vec<String> = (0..30).map(|number| format!("thing{number}")).collect();
        assert_eq!(clauses(&many.join(", ")).len(), MOST_CLAUSES);
        let denied = clauses(&format!("{} without a hat", many.join(", ")));
        assert_eq!(
            (denied.len(), &*denied[MOST_CLAUSES - 1]),
            (MOST_CLAUSES, "no hat")
        );
    }

    proptest! {
        #[test]
        fn no_sentence_makes_it_panic_or_outgrow_its_bound(text in "(in |with |and |, |red |coat |\\PC){0,30}") {
            let found = clauses(&Words::new(&text, &[]));
            prop_assert!(found.len() <= MOST_CLAUSES && found.len() != 1);
            prop_assert!(found.iter().all(|clause| !clause.trim().is_empty()));
        }
    }
}
