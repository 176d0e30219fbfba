//! WordPiece, the word splitting of BERT and its descendants: text to token ids.

use std::collections::HashMap;
use std::path::Path;

use icu_normalizer::DecomposingNormalizerBorrowed;
use icu_properties::CodePointMapData;
use icu_properties::props::{GeneralCategory, GeneralCategoryGroup};

use crate::Error;
use crate::tokenizer::Tokens;

/// A word longer than this is unknown, whatever it is made of.
const MOST_CHARS: usize = 100;
/// Marks a piece that continues a word.
const CONTINUES: &str = "##";

/// A vocabulary, and how text becomes pieces of it. Made for lower-case English vocabularies without accents.
#[derive(Debug)]
pub struct WordPiece {
    ids: HashMap<String, i64>,
    unknown: i64,
    start: i64,
    end: i64,
    most_tokens: usize,
}

impl WordPiece {
    /// Reads a vocabulary, one piece a line, its id the number of the line from 0. Texts are cut at `most_tokens`, start
    /// and end included.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Vocabulary`] if it lacks `[UNK]`, `[CLS]`, `[SEP]` or begins with anything but `[PAD]`.
    pub fn read(path: &Path, most_tokens: usize) -> Result<Self, Error> {
        let text = fs_err::read_to_string(path)?;
        Self::new(&text, most_tokens).map_err(|reason| Error::Vocabulary {
            path: path.to_path_buf(),
            reason,
        })
    }

    fn new(text: &str, most_tokens: usize) -> Result<Self, String> {
        let ids: HashMap<String, i64> = text.lines().map(str::to_owned).zip(0..).collect();
        let id = |piece: &str| {
            let found = ids.get(piece).copied();
            found.ok_or_else(|| format!("has no `{piece}`, expected a vocabulary of BERT's kind"))
        };
        let (padding, unknown, start, end) =
            (id("[PAD]")?, id("[UNK]")?, id("[CLS]")?, id("[SEP]")?);
        if padding != 0 {
            return Err(format!("`[PAD]` is on line {padding}, expected the first"));
        }
        if most_tokens < 3 {
            return Err(format!(
                "texts of {most_tokens} tokens hold no word, expected at least 3"
            ));
        }
        Ok(Self {
            ids,
            unknown,
            start,
            end,
            most_tokens,
        })
    }

    /// The tokens of a text; what is longer than the model reads is cut off and counted.
    #[must_use]
    pub fn tokens(&self, text: &str) -> Tokens {
        let mut ids = vec![self.start];
        for word in words(&normalised(text)) {
            self.push(word, &mut ids);
        }
        Tokens::cut(ids, self.end, self.most_tokens)
    }

    /// Appends the pieces of a word, longest first from the left; one unknown token if any rest is in no piece.
    fn push(&self, word: &str, ids: &mut Vec<i64>) {
        let before = ids.len();
        let mut rest = word;
        let is_too_long = word.chars().count() > MOST_CHARS;
        while !rest.is_empty() {
            let prefix = if ids.len() == before { "" } else { CONTINUES };
            let ends = rest.char_indices().rev().map(|(at, c)| at + c.len_utf8());
            let longest = ends
                .filter(|_| !is_too_long)
                .find_map(|end| Some((self.ids.get(&format!("{prefix}{}", &rest[..end]))?, end)));
            let Some((&id, end)) = longest else {
                ids.truncate(before);
                ids.push(self.unknown);
                return;
            };
            ids.push(id);
            rest = &rest[end..];
        }
    }
}

/// Without control characters and accents, in lower case, with room around characters that are words by themselves.
fn normalised(text: &str) -> String {
    let categories = CodePointMapData::<GeneralCategory>::new();
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if is_space(c) {
            clean.push(' ');
        } else if c == '\0'
            || c == '\u{fffd}'
            || GeneralCategoryGroup::Other.contains(categories.get(c))
        {
            // Left out.
        } else if is_ideograph(c) {
            clean.extend([' ', c, ' ']);
        } else {
            clean.push(c);
        }
    }
    DecomposingNormalizerBorrowed::new_nfd()
        .normalize_iter(clean.chars())
        .filter(|c| categories.get(*c) != GeneralCategory::NonspacingMark)
        .flat_map(char::to_lowercase)
        .collect()
}

/// Words: what spaces part; punctuation is a word by itself.
fn words(text: &str) -> Vec<&str> {
    let categories = CodePointMapData::<GeneralCategory>::new();
    let is_mark = |c: char| {
        c.is_ascii_punctuation() || GeneralCategoryGroup::Punctuation.contains(categories.get(c))
    };
    let mut found = Vec::new();
    for run in text.split(char::is_whitespace) {
        let mut begin = 0;
        for (at, c) in run.char_indices() {
            if is_mark(c) {
                found.push(&run[begin..at]);
                begin = at + c.len_utf8();
                found.push(&run[at..begin]);
            }
        }
        found.push(&run[begin..]);
    }
    found.retain(|word| !word.is_empty());
    found
}

fn is_space(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r') || c.is_whitespace()
}

/// Chinese characters, as BERT's own code lists them: Japanese and Korean scripts are not among them.
fn is_ideograph(c: char) -> bool {
    matches!(u32::from(c),
        0x4e00..=0x9fff | 0x3400..=0x4dbf | 0x2_0000..=0x2_a6df | 0x2_a700..=0x2_b73f | 0x2_b740..=0x2_b81f
        | 0x2_b920..=0x2_ceaf | 0xf900..=0xfaff | 0x2_f800..=0x2_fa1f)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> WordPiece {
        let pieces = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nred\ncoat\n##s\n,\nback\n##pack\n";
        WordPiece::new(pieces, 6).unwrap()
    }

    #[test]
    fn words_fall_into_their_longest_pieces() {
        assert_eq!(small().tokens("Réd coats,").ids, [2, 5, 6, 7, 8, 3]);
        assert_eq!(small().tokens("a BACKPACK").ids, [2, 4, 9, 10, 3]);
        assert_eq!(small().tokens("redder").ids, [2, 1, 3]);
        assert_eq!(small().tokens(" \u{200b}\u{7} ").ids, [2, 3]);
    }

    #[test]
    fn a_long_text_is_cut_and_what_was_lost_is_counted() {
        let tokens = small().tokens("a red coat a red coat");
        assert_eq!(
            (tokens.ids.as_slice(), tokens.dropped),
            ([2, 4, 5, 6, 4, 3].as_slice(), 2)
        );
    }

    #[test]
    fn a_vocabulary_of_another_kind_is_refused() {
        for (text, message) in [
            ("red\ncoat\n", "has no `[PAD]`"),
            ("x\n[PAD]\n[UNK]\n[CLS]\n[SEP]\n", "`[PAD]` is on line 1"),
        ] {
            let error = WordPiece::new(text, 8).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn no_text_makes_it_panic_or_outgrow_its_bound() {
        use proptest::prelude::*;
        proptest!(|(text in any::<String>())| {
            let tokens = small().tokens(&text);
            prop_assert!(tokens.ids.len() <= 6);
            prop_assert_eq!((tokens.ids.first(), tokens.ids.last()), (Some(&2), Some(&3)));
        });
    }
}
