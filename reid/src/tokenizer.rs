//! Text to token ids, in the way that a model's card names.

use crate::Error;
use crate::byte_pairs::BytePairs;
use crate::text_card::{TextCard, Words};
use crate::wordpiece::WordPiece;

/// What became of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// Ids, between the start and the end token.
    pub ids: Vec<i64>,
    /// Tokens that did not fit and were left out.
    pub dropped: usize,
}

impl Tokens {
    /// Puts the end token after what fits into `most_tokens` with it.
    pub(crate) fn cut(mut ids: Vec<i64>, end: i64, most_tokens: usize) -> Self {
        let room = most_tokens - 1;
        let dropped = ids.len().saturating_sub(room);
        ids.truncate(room);
        ids.push(end);
        Self { ids, dropped }
    }
}

/// A tokenizer with its vocabulary.
pub enum Tokenizer {
    /// BERT's, and its descendants'.
    WordPiece(WordPiece),
    /// CLIP's.
    BytePairs(BytePairs),
}

impl Tokenizer {
    /// Reads the vocabulary that a card names.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Vocabulary`] if the file is not of that kind.
    pub fn read(card: &TextCard) -> Result<Self, Error> {
        Ok(match card.words {
            Words::WordPiece => {
                Self::WordPiece(WordPiece::read(&card.vocabulary, card.most_tokens)?)
            }
            Words::Clip => Self::BytePairs(BytePairs::read(&card.vocabulary, card.most_tokens)?),
        })
    }

    /// The tokens of a text; what is longer than the model reads is cut off and counted.
    #[must_use]
    pub fn tokens(&self, text: &str) -> Tokens {
        match self {
            Self::WordPiece(words) => words.tokens(text),
            Self::BytePairs(pairs) => pairs.tokens(text),
        }
    }
}
