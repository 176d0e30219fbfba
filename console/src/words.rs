//! A description of a person, and what they do not have.

/// What a sentence says of a person, taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// What the person looks like.
    pub text: String,
    /// What they do not have, each without its article: `backpack`.
    pub not: Vec<String>,
}

/// What begins a denial, and where one ends.
const DENIALS: [&str; 3] = ["without ", "with no ", "no "];
const ENDS: [&str; 8] = [
    ",",
    ";",
    ".",
    " and ",
    " but ",
    " with ",
    " in ",
    " wearing ",
];
const ARTICLES: [&str; 5] = ["a ", "an ", "any ", "the ", "his or her "];

impl Words {
    /// Takes `without a backpack`, `with no hat` and `no bag` out of a sentence; things in `not` join what they deny.
    #[must_use]
    pub fn new(sentence: &str, not: &[String]) -> Self {
        let mut words = Self {
            text: sentence.trim().to_owned(),
            not: not.iter().map(|thing| bare(thing)).collect(),
        };
        while let Some((begin, from, end)) = denial(&words.text) {
            words.not.push(bare(&words.text[from..end]));
            let (before, after) = (&words.text[..begin], &words.text[end..]);
            let before = before.trim_end().trim_end_matches([',', ';']).trim_end();
            let before = before
                .strip_suffix(" and")
                .or(before.strip_suffix(" but"))
                .unwrap_or(before);
            words.text = format!("{before}{after}").trim().to_owned();
        }
        words.not.retain(|thing| !thing.is_empty());
        if !words.text.chars().any(char::is_alphanumeric) {
            words.text = "a person".into();
        }
        words
    }
}

/// The first denial of a text: where it begins, where the thing begins, where it ends.
fn denial(text: &str) -> Option<(usize, usize, usize)> {
    // Of the same length as the text in bytes, so that places agree.
    let lower = text.to_ascii_lowercase();
    let is_free = |at: usize| at == 0 || !lower.as_bytes()[at - 1].is_ascii_alphanumeric();
    let first = |denial: &str| {
        lower
            .match_indices(denial)
            .map(|(at, _)| at)
            .find(|at| is_free(*at))
    };
    let (begin, denial) = DENIALS
        .iter()
        .filter_map(|denial| Some((first(denial)?, denial)))
        .min_by_key(|(at, denial)| (*at, std::cmp::Reverse(denial.len())))?;
    let from = begin + denial.len();
    let rest = &lower[from..];
    let end = ENDS
        .iter()
        .filter_map(|end| rest.find(end))
        .min()
        .unwrap_or(rest.len());
    Some((begin, from, from + end))
}

/// A thing without its article.
fn bare(thing: &str) -> String {
    let thing = thing.trim();
    let lower = thing.to_ascii_lowercase();
    let article = ARTICLES.iter().find(|article| lower.starts_with(**article));
    thing[article.map_or(0, |article| article.len())..]
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_denied_is_taken_out_of_the_sentence() {
        for (sentence, text, not) in [
            ("a woman in a red coat", "a woman in a red coat", vec![]),
            ("a man without a backpack", "a man", vec!["backpack"]),
            (
                "a man in black with no hat, walking",
                "a man in black, walking",
                vec!["hat"],
            ),
            (
                "A boy, no bag and without any cap",
                "A boy",
                vec!["bag", "cap"],
            ),
            ("Without glasses", "a person", vec!["glasses"]),
            (
                "a piano player with a casino bag",
                "a piano player with a casino bag",
                vec![],
            ),
            ("no hat in a blue coat", "in a blue coat", vec!["hat"]),
        ] {
            let words = Words::new(sentence, &[]);
            assert_eq!(
                (words.text.as_str(), &words.not),
                (text, &not.iter().map(ToString::to_string).collect()),
                "{sentence}"
            );
        }
        assert_eq!(
            Words::new("a man", &[" the Backpack ".into(), " ".into()]).not,
            ["Backpack"]
        );
    }

    proptest! {
        #[test]
        fn no_sentence_makes_it_panic_or_say_nothing(text in "(no |without |with no |,|and |ä| |hat){0,12}") {
            let words = Words::new(&text, &[]);
            prop_assert!(!words.text.trim().is_empty());
            prop_assert!(words.not.iter().all(|thing| !thing.is_empty()));
        }
    }
}
