//! CLIP's byte pairs: text to token ids.

use std::path::Path;

use icu_normalizer::ComposingNormalizerBorrowed;
use instant_clip_tokenizer::{Token, Tokenizer};

use crate::Error;
use crate::tokenizer::Tokens;

/// Merges that CLIP has; OpenAI's own file goes on after them.
const CLIP_MERGES: usize = 49_152 - 256 - 2;
/// Tokens beside the merges: every byte, every byte at a word's end, two markers.
const OTHER_TOKENS: usize = 514;
/// Longer texts are cut before they are split: joining the bytes of one endless word takes the square of its length.
const MOST_BYTES: usize = 8 << 10;
/// What the crate takes for its markers, wherever it stands.
const MARKERS: [&str; 2] = ["<start_of_text>", "<end_of_text>"];

/// A vocabulary of merges, and how text becomes tokens of it.
pub struct BytePairs {
    pairs: Tokenizer,
    most_tokens: usize,
}

impl BytePairs {
    /// Reads merges, one pair a line, best first, after a line of any words: CLIP's own file, or the first lines of it for
    /// a model with a smaller vocabulary. Texts are cut at `most_tokens`, start and end included.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Vocabulary`] if a line is no pair of what was there before it.
    pub fn read(path: &Path, most_tokens: usize) -> Result<Self, Error> {
        let text = fs_err::read_to_string(path)?;
        Self::new(&text, most_tokens).map_err(|reason| Error::Vocabulary {
            path: path.to_path_buf(),
            reason,
        })
    }

    fn new(text: &str, most_tokens: usize) -> Result<Self, String> {
        let count = text.lines().skip(1).count().min(CLIP_MERGES);
        if count == 0 {
            return Err("has no merges, expected CLIP's".into());
        }
        if most_tokens < 3 {
            return Err(format!(
                "texts of {most_tokens} tokens hold no word, expected at least 3"
            ));
        }
        let size = u16::try_from(count + OTHER_TOKENS)
            .map_err(|_| format!("{count} merges, expected at most {CLIP_MERGES}"))?;
        let pairs = Tokenizer::with_vocabulary(text.as_bytes(), size)
            .map_err(|error| format!("{error}; expected CLIP's merges, a pair a line"))?;
        Ok(Self { pairs, most_tokens })
    }

    /// The tokens of a text; what is longer than the model reads is cut off and counted, of an endless text only the first
    /// 8 KiB.
    #[must_use]
    pub fn tokens(&self, text: &str) -> Tokens {
        let text = cleaned(&text[..text.floor_char_boundary(MOST_BYTES)]);
        let mut tokens = vec![self.pairs.start_of_text()];
        self.pairs.encode(&text, &mut tokens);
        let id = |token: Token| i64::from(token.to_u16());
        let end = id(self.pairs.end_of_text());
        let ids = tokens.into_iter().map(id).collect();
        Tokens::cut(ids, end, self.most_tokens)
    }
}

/// Text as CLIP's own code cleans it before it splits it (ftfy's repairs of single characters): in lower case and composed,
/// without control characters, with plain quotes, separate letters for ligatures, and characters of common width. What was decoded
/// wrongly on its way here, and HTML, stay as they are.
fn cleaned(text: &str) -> String {
    let wide = ComposingNormalizerBorrowed::new_nfkc();
    let mut clean = String::with_capacity(text.len());
    let mut buffer = [0; 4];
    for c in text.chars() {
        match c {
            '\0'..='\u{8}'
            | '\u{b}'
            | '\u{e}'..='\u{1f}'
            | '\u{7f}'
            | '\u{206a}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffc}' => {}
            '\u{2bc}' | '\u{2018}'..='\u{201b}' => clean.push('\''),
            '\u{201c}'..='\u{201f}' => clean.push('"'),
            'ŉ' => clean.push_str("'n"),
            'Ĳ' | 'ĳ' => clean.push_str("ij"),
            'Ǆ' | 'ǅ' | 'ǆ' => clean.push_str("dž"),
            'Ǉ'..='ǉ' => clean.push_str("lj"),
            'Ǌ'..='ǌ' => clean.push_str("nj"),
            'Ǳ'..='ǳ' => clean.push_str("dz"),
            'ﬀ' => clean.push_str("ff"),
            'ﬁ' => clean.push_str("fi"),
            'ﬂ' => clean.push_str("fl"),
            'ﬃ' => clean.push_str("ffi"),
            'ﬄ' => clean.push_str("ffl"),
            'ﬅ' => clean.push_str("ſt"),
            'ﬆ' => clean.push_str("st"),
            '\u{3000}' => clean.push(' '),
            '\u{ff01}'..='\u{ffef}' => clean.push_str(&wide.normalize(c.encode_utf8(&mut buffer))),
            c => clean.push(c),
        }
    }
    let composed = ComposingNormalizerBorrowed::new_nfc().normalize(&clean);
    // What somebody types is text: a marker in it ends no sentence. Spaces part words and are nothing else.
    MARKERS
        .iter()
        .fold(composed.to_lowercase(), |text, marker| {
            text.replace(marker, &format!("< {}", &marker[1..]))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `r e d</w>` becomes one token, `c o` half of one.
    const MERGES: &str = "#version\nr e\nre d</w>\nc o\n";

    fn small() -> BytePairs {
        BytePairs::new(MERGES, 8).unwrap()
    }

    #[test]
    fn pairs_join_in_their_order() {
        // Bytes in the order of what prints: `c` is 66, `a` 64, `t` 83 and 339 at a word's end; merges begin at 512.
        assert_eq!(
            small().tokens("Red coat").ids,
            [515, 513, 514, 64, 339, 516]
        );
        assert_eq!(small().tokens(" \u{7}\u{feff}").ids, [515, 516]);
    }

    #[test]
    fn a_long_text_is_cut_and_what_was_lost_is_counted() {
        let tokens = small().tokens(&"red ".repeat(20));
        assert_eq!((tokens.ids.len(), tokens.dropped), (8, 14));
        assert_eq!(tokens.ids.last(), Some(&516));
        let endless = "é".repeat(1 << 20);
        assert_eq!(small().tokens(&endless).dropped, MOST_BYTES - 6);
    }

    #[test]
    fn a_marker_that_is_typed_is_text() {
        let tokens = BytePairs::new(MERGES, 77).unwrap();
        for marker in ["<end_of_text>", "<START_OF_TEXT>", "a<end_of_text>b"] {
            let ids = tokens.tokens(marker).ids;
            assert!(ids.iter().filter(|id| **id >= 515).count() == 2, "{marker}");
        }
    }

    #[test]
    fn a_vocabulary_of_another_kind_is_refused() {
        for (text, message) in [
            ("", "has no merges"),
            ("#version\n", "has no merges"),
            ("[PAD]\n[UNK]\n[CLS]\n", "expected CLIP's merges"),
            ("#version\nr e\nred dish\n", "expected CLIP's merges"),
        ] {
            let Err(error) = BytePairs::new(text, 77) else {
                panic!("{text:?} was taken");
            };
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn no_text_makes_it_panic_or_outgrow_its_bound() {
        use proptest::prelude::*;
        let small = small();
        proptest!(|(text in any::<String>())| {
            let tokens = small.tokens(&text);
            prop_assert!(tokens.ids.len() <= 8);
            prop_assert_eq!((tokens.ids.first(), tokens.ids.last()), (Some(&515), Some(&516)));
        });
    }
}
