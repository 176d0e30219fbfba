//! The words of a sentence, each with its place, and what kinds of them say how a person and things belong together.

/// One word.
#[derive(Debug, Clone)]
pub(crate) struct Token<'s> {
    /// As it was typed, without what stands around it.
    pub(crate) word: &'s str,
    /// In lower case, with plain apostrophes.
    pub(crate) lower: String,
    /// Where it begins and ends in the sentence, in bytes.
    pub(crate) begin: usize,
    pub(crate) end: usize,
    /// The mark behind it that ends what came before.
    pub(crate) stop: Option<char>,
}

/// What says that a person has what follows.
const BREAKS: [&str; 23] = [
    "in", "with", "wearing", "wears", "wear", "carrying", "carries", "holding", "holds", "who",
    "has", "having", "dressed", "while", "which", "near", "by", "beside", "next", "from", "under",
    "behind", "is",
];
/// Words before a thing that say nothing of it.
const ARTICLES: [&str; 9] = [
    "a", "an", "the", "any", "his", "her", "his/her", "their", "some",
];

/// The words of a sentence. `his or her` is one.
pub(crate) fn tokens(sentence: &str) -> Vec<Token<'_>> {
    let mut found: Vec<Token<'_>> = Vec::new();
    let mut at = 0;
    for piece in sentence.split_inclusive(char::is_whitespace) {
        let from = at;
        at += piece.len();
        let head = piece.trim_start_matches(|c: char| !c.is_alphanumeric());
        let word = head.trim_end_matches(|c: char| !c.is_alphanumeric());
        let stop = head[word.len()..]
            .chars()
            .find(|mark| matches!(mark, ',' | ';' | '.' | ':' | '!' | '?'));
        if word.is_empty() {
            // A mark by itself.
            if let Some(last) = found.last_mut() {
                last.stop = last.stop.or_else(|| piece.trim().chars().next());
            }
            continue;
        }
        let mut begin = from + piece.len() - head.len();
        let end = begin + word.len();
        let mut lower = word.to_lowercase().replace('’', "'");
        if let [.., his, or] = found.as_slice()
            && (&*his.lower, &*or.lower, &*lower) == ("his", "or", "her")
        {
            begin = his.begin;
            found.truncate(found.len() - 2);
            "his/her".clone_into(&mut lower);
        }
        found.push(Token {
            word: &sentence[begin..end],
            lower,
            begin,
            end,
            stop,
        });
    }
    found
}

/// Whether a word says that the person has, or is where, what follows.
pub(crate) fn is_break(lower: &str) -> bool {
    BREAKS.contains(&lower)
}

/// Whether a word before a thing says nothing of it.
pub(crate) fn is_article(lower: &str) -> bool {
    ARTICLES.contains(&lower)
}
