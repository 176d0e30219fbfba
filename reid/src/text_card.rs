//! The part of a model card (`model.toml`) that an encoder of sentences needs.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::Error;
use crate::calibration::{Calibration, ClauseTable};
use crate::card_file::{
    self, expect, expect_digest, expect_dimension, expect_file, expect_name, only_output,
};
use crate::embedding::ModelId;
use crate::model::EncoderCard;

/// Most tokens that a card may ask for; vocabularies of this kind come with 512 places.
const MOST_TOKENS: usize = 512;

/// How a model splits text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Words {
    /// BERT's word pieces.
    WordPiece,
    /// CLIP's byte pairs.
    Clip,
}

/// A checked model card of a text encoder.
#[derive(Debug, Clone, PartialEq)]
pub struct TextCard {
    /// Where the card was read.
    pub path: PathBuf,
    /// Name of the model and of its folder.
    pub name: String,
    /// Path of the model file.
    pub file: PathBuf,
    /// Digest of the model file, lowercase hex.
    pub sha256: String,
    /// Name of the graph input: token ids N x L, 0 where a text has ended.
    pub input: String,
    /// Name of the graph output: N x dimension.
    pub output: String,
    /// Name of the vector in the store that these vectors are compared with.
    pub vector: String,
    /// The picture model whose vectors these are compared with; no other's.
    pub pairs_with: ModelId,
    /// Values a vector.
    pub dimension: usize,
    /// How text is split.
    pub words: Words,
    /// Path of the vocabulary: word pieces, or merges.
    pub vocabulary: PathBuf,
    /// Digest of the vocabulary, lowercase hex.
    pub vocabulary_sha256: String,
    /// Longest text in tokens.
    pub most_tokens: usize,
    /// What similarities to pictures are worth; without it there are no probabilities.
    pub calibration: Option<Calibration>,
    /// What similarities of single clauses are worth; without it they have no probabilities.
    pub clauses: Option<ClauseTable>,
}

#[derive(Deserialize)]
struct RawCard {
    name: String,
    task: String,
    file: String,
    sha256: String,
    input: RawInput,
    tokenizer: RawTokenizer,
    output: RawOutput,
    calibration: Option<Calibration>,
    clauses: Option<ClauseTable>,
}

#[derive(Deserialize)]
struct RawInput {
    name: String,
    batch: String,
}

#[derive(Deserialize)]
struct RawTokenizer {
    kind: String,
    file: String,
    sha256: String,
    most_tokens: usize,
}

#[derive(Deserialize)]
struct RawOutput {
    names: Vec<String>,
    vector: String,
    pairs_with: String,
    dimension: usize,
}

impl TextCard {
    /// Reads and checks the card in `folder`.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Card`] if it is not a card of a text encoder.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        card_file::read::<RawCard>(folder)
    }

    /// Checks the text of a card; `path` is where it was read, and its folder is where its files lie.
    ///
    /// # Errors
    /// [`Error::Card`] with the key, what it holds and what would be right.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        card_file::parse::<RawCard>(text, path)
    }

    /// Compares model file and vocabulary with the digests in the card.
    ///
    /// # Errors
    /// [`Error::Io`] if a file cannot be read, [`Error::Checksum`] if it is another one.
    pub fn check_files(&self) -> Result<(), Error> {
        card_file::check_digest(&self.file, &self.sha256)?;
        card_file::check_digest(&self.vocabulary, &self.vocabulary_sha256)
    }
}

impl EncoderCard for TextCard {
    fn name(&self) -> &str {
        &self.name
    }

    fn sha256(&self) -> &str {
        &self.sha256
    }

    fn input(&self) -> &str {
        &self.input
    }

    fn output(&self) -> &str {
        &self.output
    }

    fn vector(&self) -> &str {
        &self.vector
    }

    fn dimension(&self) -> usize {
        self.dimension
    }
}

impl card_file::RawCard for RawCard {
    type Card = TextCard;

    fn check(self, path: &Path) -> Result<TextCard, String> {
        let (tokenizer, output) = (&self.tokenizer, &self.output);
        expect(
            "task",
            &self.task,
            "`embed-text`",
            self.task == "embed-text",
        )?;
        expect_name("name", &self.name)?;
        expect_name("output.vector", &output.vector)?;
        expect_file("file", &self.file)?;
        expect_file("tokenizer.file", &tokenizer.file)?;
        expect_digest("sha256", &self.sha256)?;
        expect_digest("tokenizer.sha256", &tokenizer.sha256)?;
        expect(
            "input.batch",
            &self.input.batch,
            "`dynamic`",
            self.input.batch == "dynamic",
        )?;
        let words = match tokenizer.kind.as_str() {
            "wordpiece" => Words::WordPiece,
            "clip" => Words::Clip,
            other => {
                return Err(format!(
                    "tokenizer.kind is `{other}`, expected `wordpiece` or `clip`"
                ));
            }
        };
        let most = tokenizer.most_tokens;
        let is_most = (3..=MOST_TOKENS).contains(&most);
        expect("tokenizer.most_tokens", most, "3 to 512", is_most)?;
        expect_dimension(output.dimension)?;
        let pairs_with = output
            .pairs_with
            .parse()
            .map_err(|_| format!("output.pairs_with is `{}`, expected the id of a picture model, `name@0123456789ab`", output.pairs_with))?;
        self.calibration
            .as_ref()
            .map_or(Ok(()), Calibration::check)?;
        self.clauses.as_ref().map_or(Ok(()), ClauseTable::check)?;
        Ok(TextCard {
            path: path.to_path_buf(),
            file: path.with_file_name(self.file),
            name: self.name,
            sha256: self.sha256,
            input: self.input.name,
            output: only_output(self.output.names)?,
            vector: self.output.vector,
            pairs_with,
            dimension: self.output.dimension,
            words,
            vocabulary: path.with_file_name(self.tokenizer.file),
            vocabulary_sha256: self.tokenizer.sha256,
            most_tokens: most,
            calibration: self.calibration,
            clauses: self.clauses,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CARD: &str = r#"
name = "joint-text"
task = "embed-text"
file = "model.onnx"
sha256 = "aac91e8c5b14384b9fc2fc646a07768ee24ecb769abb3376ff4eb3f8dc8a5fa1"
[input]
name = "ids"
batch = "dynamic"
[tokenizer]
kind = "wordpiece"
file = "vocab.txt"
sha256 = "bbc91e8c5b14384b9fc2fc646a07768ee24ecb769abb3376ff4eb3f8dc8a5fa1"
most_tokens = 64
[output]
names = ["vector"]
vector = "joint"
pairs_with = "joint-picture@0123456789ab"
dimension = 256
"#;

    #[test]
    fn a_card_of_a_text_encoder_is_read_whole_and_a_bad_value_is_named() {
        let parse = |text: &str| TextCard::parse(text, Path::new("/models/joint-text/model.toml"));
        let card = parse(CARD).unwrap();
        assert_eq!(card.vocabulary, Path::new("/models/joint-text/vocab.txt"));
        assert_eq!((card.dimension, card.most_tokens), (256, 64));
        let clip = parse(&CARD.replace("wordpiece", "clip")).unwrap();
        assert_eq!((card.words, clip.words), (Words::WordPiece, Words::Clip));
        for (from, to, message) in [
            (
                "embed-text",
                "embed-image",
                "task is `embed-image`, expected `embed-text`",
            ),
            (
                "wordpiece",
                "bpe",
                "tokenizer.kind is `bpe`, expected `wordpiece` or `clip`",
            ),
            (
                "joint-picture@0123456789ab",
                "joint-picture",
                "output.pairs_with is `joint-picture`",
            ),
            (
                "vocab.txt",
                "../vocab.txt",
                "the name of a file beside the card",
            ),
            ("most_tokens = 64", "most_tokens = 2", "expected 3 to 512"),
            ("bbc9", "BBC9", "tokenizer.sha256"),
            (
                "dimension = 256",
                "dimension = 256\n[clauses]\nsimilarity = [0.1, 0.2]\nprobability = [0.5, 1.5]",
                "clauses.probability",
            ),
        ] {
            let error = parse(&CARD.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(message) && !error.contains('\n'), "{error}");
        }
    }
}
