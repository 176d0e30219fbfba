//! The part of a model card (`model.toml`) that an encoder of sentences needs.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::Error;
use crate::calibration::Calibration;
use crate::embedding::ModelId;

/// Most tokens that a card may ask for; vocabularies of this kind come with 512 places.
const MOST_TOKENS: usize = 512;

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
    /// Path of the vocabulary.
    pub vocabulary: PathBuf,
    /// Digest of the vocabulary, lowercase hex.
    pub vocabulary_sha256: String,
    /// Longest text in tokens.
    pub most_tokens: usize,
    /// What similarities to pictures are worth; without it there are no probabilities.
    pub calibration: Option<Calibration>,
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
        let path = folder.join(crate::card::CARD_FILE);
        Self::parse(&fs_err::read_to_string(&path)?, &path)
    }

    /// Checks the text of a card; `path` is where it was read, and its folder is where its files lie.
    ///
    /// # Errors
    /// [`Error::Card`] with the key, what it holds and what would be right.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Error> {
        let fault = |reason: String| Error::Card {
            path: path.to_path_buf(),
            reason,
        };
        let raw: RawCard = toml::from_str(text)
            .map_err(|error| fault(crate::error::one_line(&error.message())))?;
        raw.check(path).map_err(fault)
    }

    /// Compares model file and vocabulary with the digests in the card.
    ///
    /// # Errors
    /// [`Error::Io`] if a file cannot be read, [`Error::Checksum`] if it is another one.
    pub fn check_files(&self) -> Result<(), Error> {
        for (path, expected) in [
            (&self.file, &self.sha256),
            (&self.vocabulary, &self.vocabulary_sha256),
        ] {
            let found = crate::digest::sha256_of_file(path)?;
            if found != *expected {
                return Err(Error::Checksum {
                    path: path.clone(),
                    expected: expected.clone(),
                    found,
                });
            }
        }
        Ok(())
    }
}

impl RawCard {
    fn check(self, path: &Path) -> Result<TextCard, String> {
        let expect = |key: &str, found: &str, expected: &str, is_right: bool| {
            if is_right {
                return Ok(());
            }
            Err(format!("{key} is `{found}`, expected {expected}"))
        };
        let is_plain = |text: &str| {
            !text.is_empty()
                && !text.starts_with('.')
                && text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        };
        let is_digest = |text: &str| {
            text.len() == 64
                && text
                    .chars()
                    .all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
        };
        let (tokenizer, output) = (&self.tokenizer, &self.output);
        expect(
            "task",
            &self.task,
            "`embed-text`",
            self.task == "embed-text",
        )?;
        for (key, name) in [("name", &self.name), ("output.vector", &output.vector)] {
            expect(
                key,
                name,
                "letters, digits, `-`, `_` and `.`",
                is_plain(name),
            )?;
        }
        for (key, file) in [("file", &self.file), ("tokenizer.file", &tokenizer.file)] {
            expect(
                key,
                file,
                "the name of a file beside the card",
                is_plain(file),
            )?;
        }
        for (key, digest) in [
            ("sha256", &self.sha256),
            ("tokenizer.sha256", &tokenizer.sha256),
        ] {
            expect(
                key,
                digest,
                "64 lowercase hexadecimal digits",
                is_digest(digest),
            )?;
        }
        expect(
            "input.batch",
            &self.input.batch,
            "`dynamic`",
            self.input.batch == "dynamic",
        )?;
        expect(
            "tokenizer.kind",
            &tokenizer.kind,
            "`wordpiece`",
            tokenizer.kind == "wordpiece",
        )?;
        let most = tokenizer.most_tokens;
        expect(
            "tokenizer.most_tokens",
            &most.to_string(),
            "3 to 512",
            (3..=MOST_TOKENS).contains(&most),
        )?;
        let dimension = output.dimension;
        expect(
            "output.dimension",
            &dimension.to_string(),
            "1 to 65536",
            (1..=65_536).contains(&dimension),
        )?;
        let pairs_with = output
            .pairs_with
            .parse()
            .map_err(|_| format!("output.pairs_with is `{}`, expected the id of a picture model, `name@0123456789ab`", output.pairs_with))?;
        self.calibration
            .as_ref()
            .map_or(Ok(()), Calibration::check)?;
        let [output_name] = <[String; 1]>::try_from(self.output.names)
            .map_err(|names| format!("output.names has {} names, expected one", names.len()))?;
        Ok(TextCard {
            path: path.to_path_buf(),
            file: path.with_file_name(self.file),
            name: self.name,
            sha256: self.sha256,
            input: self.input.name,
            output: output_name,
            vector: self.output.vector,
            pairs_with,
            dimension,
            vocabulary: path.with_file_name(self.tokenizer.file),
            vocabulary_sha256: self.tokenizer.sha256,
            most_tokens: most,
            calibration: self.calibration,
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
        for (from, to, message) in [
            (
                "embed-text",
                "embed-image",
                "task is `embed-image`, expected `embed-text`",
            ),
            (
                "wordpiece",
                "bpe",
                "tokenizer.kind is `bpe`, expected `wordpiece`",
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
        ] {
            let error = parse(&CARD.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(message) && !error.contains('\n'), "{error}");
        }
    }
}
