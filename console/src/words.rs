//! A description of a person, and what they do not have.

use crate::sentence::{Token, is_article, is_break, tokens};

/// What a sentence says of a person, taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// What the person looks like.
    pub text: String,
    /// What they do not have, each once and without its article: `backpack`.
    pub not: Vec<String>,
}

/// What is left where a sentence denies and says nothing else.
const ANYBODY: &str = "a person";
/// Words that deny by themselves.
const NEGATED: [&str; 12] = [
    "not", "isn't", "isnt", "aren't", "wasn't", "doesn't", "doesnt", "don't", "dont", "didn't",
    "hasn't", "haven't",
];
/// What follows `no` and `not` where nothing is denied: `no one`, `not only`.
const NOT_DENIED: [&str; 5] = ["one", "longer", "matter", "only", "just"];
/// How somebody has what is denied: `not wearing a hat`.
const HAVING: [&str; 14] = [
    "wear", "wearing", "carry", "carrying", "have", "having", "hold", "holding", "use", "using",
    "got", "with", "in", "dressed",
];
/// Words between a denial and its thing that change nothing: `not very tall`.
const FILLERS: [&str; 4] = ["very", "too", "really", "much"];
/// Words that lead to a denial, or away from one, and say nothing without it: `a man who is (not wearing a hat) and …`.
const CONNECTORS: [&str; 21] = [
    "and", "but", "or", "nor", "who", "that", "which", "is", "are", "was", "he", "she", "they",
    "does", "do", "did", "has", "with", "wearing", "carrying", "holding",
];
/// Those of them that may begin what comes after a denial.
const JOINERS: [&str; 4] = ["and", "but", "or", "nor"];
/// Things that end like something that is done.
const THINGS_IN_ING: [&str; 4] = ["clothing", "earring", "ring", "piercing"];
/// The most words of a thing.
const MOST_WORDS: usize = 6;

impl Words {
    /// Takes `without a backpack`, `no bag`, `not wearing a hat` and `without a hat, scarf or gloves` out of a sentence; things in
    /// `not` join what they deny.
    ///
    /// A list goes on over commas where an `or` ends it, over `or` and `nor`, and after `without` and `not` over `and`: who writes
    /// `without a hat and a bag` means neither. What follows (`in`, `with`, `wearing`, something that is done) is the person's again.
    #[must_use]
    pub fn new(sentence: &str, not: &[String]) -> Self {
        let sentence = sentence.trim();
        let tokens = tokens(sentence);
        let mut denied = Vec::new();
        let mut runs: Vec<&[Token<'_>]> = Vec::new();
        let (mut at, mut kept_from) = (0, 0);
        while at < tokens.len() {
            let found = denial(&tokens[at..]).and_then(|(skipped, goes_over_and)| {
                let from = at + skipped;
                let (things, taken) = things(&tokens[from..], goes_over_and);
                (!things.is_empty()).then_some((things, from + taken))
            });
            let Some((things, next)) = found else {
                at += 1;
                continue;
            };
            denied.extend(things);
            runs.push(&tokens[kept_from..at]);
            (at, kept_from) = (next, next);
        }
        runs.push(&tokens[kept_from..]);
        let mut words = Self {
            // What denies nothing stays as it was typed.
            text: if denied.is_empty() {
                sentence.to_owned()
            } else {
                joined(sentence, &runs)
            },
            not: Vec::new(),
        };
        for thing in not.iter().map(|thing| bare(thing)).chain(denied) {
            let is_known = |known: &String| known.eq_ignore_ascii_case(&thing);
            if !thing.is_empty() && !words.not.iter().any(is_known) {
                words.not.push(thing);
            }
        }
        if !words.text.chars().any(char::is_alphanumeric) {
            words.text = ANYBODY.into();
        }
        words
    }
}

/// Whether a denial begins here: how many tokens stand before its first thing, and whether its list goes on over `and`.
fn denial(tokens: &[Token<'_>]) -> Option<(usize, bool)> {
    let word = |at: usize| tokens.get(at).map_or("", |token: &Token<'_>| &*token.lower);
    let (mut skipped, goes_over_and) = match word(0) {
        "without" | "lacking" => (1, true),
        "with" if word(1) == "no" => (2, false),
        "no" => (1, false),
        negated if NEGATED.contains(&negated) => (1, true),
        _ => return None,
    };
    if tokens[..skipped.min(tokens.len())]
        .iter()
        .any(|token| token.stop.is_some())
        || NOT_DENIED.contains(&word(skipped))
    {
        return None;
    }
    while HAVING.contains(&word(skipped)) || FILLERS.contains(&word(skipped)) {
        if tokens[skipped].stop.is_some() {
            return None;
        }
        skipped += 1;
    }
    Some((skipped, goes_over_and))
}

/// The things at the beginning of what stands behind a denial, and how many tokens they take.
fn things(tokens: &[Token<'_>], goes_over_and: bool) -> (Vec<String>, usize) {
    let mut found = Vec::new();
    let mut at = 0;
    loop {
        let (thing, taken) = thing(&tokens[at..]);
        if thing.is_empty() {
            break;
        }
        found.push(thing);
        at += taken;
        let stop = tokens[at - 1].stop;
        let rest = &tokens[at..];
        let begins = |words: &[&str]| {
            rest.first()
                .is_some_and(|token| words.contains(&&*token.lower))
        };
        let skipped = match stop {
            None | Some(',') if begins(&["or", "nor"]) => 1,
            Some(',') if is_list_to_or(rest) => 0,
            None if goes_over_and && begins(&["and"]) => 1,
            _ => break,
        };
        // Another denial, or what the person has, is not of this list.
        let next = &rest[skipped..];
        if next.first().is_none_or(|token| is_break(&token.lower)) || denial(next).is_some() {
            break;
        }
        at += skipped;
    }
    (found, at)
}

/// Whether what follows a comma is more of a list that `or` ends, and not what the person has or does.
fn is_list_to_or(tokens: &[Token<'_>]) -> bool {
    let mut words = 0;
    for token in tokens {
        match &*token.lower {
            "or" | "nor" => return true,
            "and" | "but" => return false,
            word if is_break(word) || is_done(word) => return false,
            word if !is_article(word) => words += 1,
            _ => {}
        }
        match token.stop {
            Some(',') => words = 0,
            Some(_) => return false,
            None => {}
        }
        if words > MOST_WORDS {
            return false;
        }
    }
    false
}

/// One thing without its article, and how many tokens it takes; `on` and where it would be belong to it and are not said.
fn thing(tokens: &[Token<'_>]) -> (String, usize) {
    let mut words: Vec<&str> = Vec::new();
    let (mut taken, mut is_place) = (0, false);
    for (at, token) in tokens.iter().enumerate() {
        let lower = &*token.lower;
        let is_in_hand = lower == "in" && is_hand(&tokens[at + 1..]);
        if JOINERS.contains(&lower)
            || (is_break(lower) && !is_in_hand)
            || (!words.is_empty() && is_done(lower))
            || words.len() == MOST_WORDS
        {
            break;
        }
        taken = at + 1;
        is_place |= lower == "on" || lower == "at";
        let is_led_to = words.is_empty() && is_article(lower);
        if !is_place && !is_led_to {
            words.push(token.word);
        }
        if token.stop.is_some() {
            break;
        }
    }
    (words.join(" "), taken)
}

/// Whether what follows `in` is somebody's hand.
fn is_hand(tokens: &[Token<'_>]) -> bool {
    let mut words = tokens.iter().map(|token| &*token.lower);
    words
        .find(|word| !is_article(word))
        .is_some_and(|word| word == "hand" || word == "hands")
}

/// Whether a word says what somebody does.
fn is_done(word: &str) -> bool {
    word.len() > 4 && word.ends_with("ing") && !THINGS_IN_ING.contains(&word)
}

/// What was left of a sentence, in one piece.
fn joined(sentence: &str, runs: &[&[Token<'_>]]) -> String {
    let mut text = String::new();
    for (number, run) in runs.iter().enumerate() {
        let mut run = *run;
        if number > 0 {
            while let Some((first, rest)) = run.split_first()
                && JOINERS.contains(&&*first.lower)
            {
                run = rest;
            }
        }
        if number + 1 < runs.len() {
            while let Some((last, rest)) = run.split_last()
                && CONNECTORS.contains(&&*last.lower)
            {
                run = rest;
            }
        }
        let (Some(first), Some(last)) = (run.first(), run.last()) else {
            continue;
        };
        if !text.is_empty() {
            text.push_str(if is_break(&first.lower) { " " } else { ", " });
        }
        text.push_str(&sentence[first.begin..last.end]);
    }
    text
}

/// A thing without its article.
fn bare(thing: &str) -> String {
    let tokens = tokens(thing);
    let said = tokens.iter().skip_while(|token| is_article(&token.lower));
    said.map(|token| token.word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_denied_is_taken_out_of_the_sentence() {
        let cases: [(&str, &str, &[&str]); 34] = [
            ("a woman in a red coat", "a woman in a red coat", &[]),
            ("a man without a backpack", "a man", &["backpack"]),
            (
                "a man in black with no hat, walking",
                "a man in black, walking",
                &["hat"],
            ),
            (
                "A boy, no bag and without any cap",
                "A boy",
                &["bag", "cap"],
            ),
            ("Without glasses", "a person", &["glasses"]),
            (
                "a piano player with a casino bag",
                "a piano player with a casino bag",
                &[],
            ),
            ("no hat in a blue coat", "in a blue coat", &["hat"]),
            ("a man not wearing a hat", "a man", &["hat"]),
            ("a woman who isn't carrying a bag", "a woman", &["bag"]),
            ("a woman who isn’t carrying a bag", "a woman", &["bag"]),
            (
                "a man who is not wearing a hat and carries a bag",
                "a man carries a bag",
                &["hat"],
            ),
            (
                "a person who does not have a backpack",
                "a person",
                &["backpack"],
            ),
            (
                "a person that hasn't got an umbrella",
                "a person",
                &["umbrella"],
            ),
            (
                "someone without a hat, scarf or gloves",
                "someone",
                &["hat", "scarf", "gloves"],
            ),
            (
                "a man without hat, scarf, or gloves, in a red coat",
                "a man in a red coat",
                &["hat", "scarf", "gloves"],
            ),
            ("a man without a hat, red coat", "a man, red coat", &["hat"]),
            (
                "a man without a hat, red coat or jacket",
                "a man",
                &["hat", "red coat", "jacket"],
            ),
            (
                "a girl with no hat or scarf in a blue dress",
                "a girl in a blue dress",
                &["hat", "scarf"],
            ),
            ("a man without a hat and a bag", "a man", &["hat", "bag"]),
            (
                "a man without a hat and with a red coat",
                "a man with a red coat",
                &["hat"],
            ),
            (
                "a man, no hat and blue jeans",
                "a man, blue jeans",
                &["hat"],
            ),
            ("no hat nor scarf", "a person", &["hat", "scarf"]),
            (
                "a man without a hat walking a dog",
                "a man, walking a dog",
                &["hat"],
            ),
            ("a man without a hat on his head", "a man", &["hat"]),
            (
                "a woman with no bag in the hand",
                "a woman",
                &["bag in the hand"],
            ),
            ("a person, not a child", "a person", &["child"]),
            ("a woman not in black", "a woman", &["black"]),
            ("a man without wearing his or her hat", "a man", &["hat"]),
            ("no one in a red coat", "no one in a red coat", &[]),
            ("not only a red coat", "not only a red coat", &[]),
            ("a coat. No, a jacket", "a coat. No, a jacket", &[]),
            ("a man without", "a man without", &[]),
            ("a man without a hat or", "a man", &["hat"]),
            ("not a hat but a scarf", "a scarf", &["hat"]),
        ];
        for (sentence, text, not) in cases {
            let words = Words::new(sentence, &[]);
            let told: Vec<&str> = words.not.iter().map(String::as_str).collect();
            assert_eq!((words.text.as_str(), &*told), (text, not), "{sentence}");
        }
    }

    #[test]
    fn a_thing_is_denied_once_however_often_it_is_said() {
        let words = Words::new(
            "a man with no backpack",
            &[" the Backpack ".into(), " ".into(), "his hat".into()],
        );
        assert_eq!(
            (words.text.as_str(), words.not),
            ("a man", vec!["Backpack".to_owned(), "hat".to_owned()])
        );
    }

    proptest! {
        #[test]
        fn no_sentence_makes_it_panic_or_say_nothing(
            text in "(no |not |without |with no |isn't |wearing |or |nor |, |and |in |hand |ä|. |walking |on |a | hat|\\PC){0,14}"
        ) {
            let words = Words::new(&text, &[]);
            prop_assert!(!words.text.trim().is_empty());
            prop_assert!(words.not.iter().all(|thing| !thing.is_empty()));
        }
    }
}
