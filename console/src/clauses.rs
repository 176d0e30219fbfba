//! A sentence taken apart into clauses, each of which can hold or not by itself.

/// Most clauses of a sentence that are looked at.
const MOST_CLAUSES: usize = 8;
/// What parts clauses. `and` does so only after a thing: "black and white shirt" is one.
const BREAKS: [&str; 14] = [
    "in", "with", "wearing", "wears", "carrying", "carries", "holding", "holds", "who", "has",
    "having", "dressed", "and", "but",
];
/// Words before a thing that say nothing of it.
const ARTICLES: [&str; 8] = ["a", "an", "the", "his", "her", "their", "some", "is"];
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

/// The clauses of a sentence, in its order: "a woman in a red coat with a backpack" is `woman`, `red coat` and `backpack`. Fewer
/// than two are none: the sentence itself has a score.
#[must_use]
pub fn clauses(sentence: &str) -> Vec<String> {
    let mut found: Vec<Vec<&str>> = vec![Vec::new()];
    for run in sentence.split_inclusive([',', ';', '.', ':']) {
        for word in run.split_whitespace() {
            let word = word.trim_matches(|c: char| !c.is_alphanumeric());
            if word.is_empty() {
                continue;
            }
            let lower = word.to_lowercase();
            let last = found.last().and_then(|clause| clause.last());
            let is_same_thing = lower == "and"
                && last.is_some_and(|word| COLOURS.contains(&word.to_lowercase().as_str()));
            if is_same_thing {
                push(&mut found, word);
            } else if BREAKS.contains(&lower.as_str()) {
                found.push(Vec::new());
            } else if !ARTICLES.contains(&lower.as_str()) {
                push(&mut found, word);
            }
        }
        found.push(Vec::new());
    }
    let is_said = |clause: &Vec<&str>| match clause.as_slice() {
        [] => false,
        [word] => !ANYBODY.contains(&word.to_lowercase().as_str()),
        _ => true,
    };
    let mut kept: Vec<String> = Vec::new();
    for clause in found.iter().filter(|clause| is_said(clause)) {
        let text = clause.join(" ");
        if !kept.contains(&text) {
            kept.push(text);
        }
    }
    kept.truncate(MOST_CLAUSES);
    if kept.len() < 2 {
        kept.clear();
    }
    kept
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
        let cases: [(&str, &[&str]); 9] = [
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
        ];
        for (sentence, expected) in cases {
            assert_eq!(clauses(sentence), expected, "{sentence}");
        }
        assert_eq!(clauses(&"a hat, one bag 1, ".repeat(40)).len(), 2);
        let many: Vec<String> = (0..30).map(|number| format!("thing{number}")).collect();
        assert_eq!(clauses(&many.join(", ")).len(), MOST_CLAUSES);
    }

    proptest! {
        #[test]
        fn no_sentence_makes_it_panic_or_outgrow_its_bound(text in "(in |with |and |, |red |coat |\\PC){0,30}") {
            let found = clauses(&text);
            prop_assert!(found.len() <= MOST_CLAUSES && found.len() != 1);
            prop_assert!(found.iter().all(|clause| !clause.trim().is_empty()));
        }
    }
}
