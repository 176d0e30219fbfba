//! What all model cards share: how one is read, and the checks of what they have in common.

use std::fmt::Display;
use std::io::Read;
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::Error;
use crate::digest::sha256_of_file;

/// Name of the card inside a model folder.
pub const CARD_FILE: &str = "model.toml";

/// A card longer than this is not a card.
const MAX_CARD_BYTES: u64 = 1 << 20;

/// A card as it is written, before anything in it was checked.
pub(crate) trait RawCard: DeserializeOwned {
    /// The card once it is checked.
    type Card;

    /// Checks every value; `path` is where the card was read, and its folder is where its files lie. A fault is one line with
    /// the key, what it holds and what would be right.
    fn check(self, path: &Path) -> Result<Self::Card, String>;
}

/// Reads and checks the card in `folder`.
pub(crate) fn read<R: RawCard>(folder: &Path) -> Result<R::Card, Error> {
    let path = folder.join(CARD_FILE);
    let mut text = String::new();
    fs_err::File::open(&path)?
        .take(MAX_CARD_BYTES)
        .read_to_string(&mut text)?;
    parse::<R>(&text, &path)
}

/// Checks the text of a card.
pub(crate) fn parse<R: RawCard>(text: &str, path: &Path) -> Result<R::Card, Error> {
    let fault = |reason: String| Error::Card {
        path: path.to_path_buf(),
        reason,
    };
    let raw: R =
        toml::from_str(text).map_err(|error| fault(crate::error::one_line(&error.message())))?;
    raw.check(path).map_err(fault)
}

/// Compares a file with the digest that its card gives.
pub(crate) fn check_digest(path: &Path, expected: &str) -> Result<(), Error> {
    let found = sha256_of_file(path)?;
    if found == expected {
        return Ok(());
    }
    Err(Error::Checksum {
        path: path.to_path_buf(),
        expected: expected.to_owned(),
        found,
    })
}

/// A fault unless the value is right.
pub(crate) fn expect(
    key: &str,
    found: impl Display,
    expected: &str,
    is_right: bool,
) -> Result<(), String> {
    if is_right {
        Ok(())
    } else {
        Err(format!("{key} is `{found}`, expected {expected}"))
    }
}

fn is_plain(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !text.is_empty() && !text.starts_with('.') && text.chars().all(is_part)
}

/// A name that can stand in a model id, a path and a vector store.
pub(crate) fn expect_name(key: &str, name: &str) -> Result<(), String> {
    expect(
        key,
        name,
        "letters, digits, `-`, `_` and `.`",
        is_plain(name),
    )
}

/// A file beside the card, and nowhere else.
pub(crate) fn expect_file(key: &str, file: &str) -> Result<(), String> {
    expect(
        key,
        file,
        "the name of a file beside the card",
        is_plain(file),
    )
}

/// The digest of a file.
pub(crate) fn expect_digest(key: &str, digest: &str) -> Result<(), String> {
    let is_digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    let is_digest = digest.len() == 64 && digest.chars().all(is_digit);
    expect(key, digest, "64 lowercase hexadecimal digits", is_digest)
}

/// Values a vector.
pub(crate) fn expect_dimension(dimension: usize) -> Result<(), String> {
    let is_dimension = (1..=65_536).contains(&dimension);
    expect("output.dimension", dimension, "1 to 65536", is_dimension)
}

/// The one output that an encoder has.
pub(crate) fn only_output(names: Vec<String>) -> Result<String, String> {
    let [name] = <[String; 1]>::try_from(names)
        .map_err(|names| format!("output.names has {} names, expected one", names.len()))?;
    Ok(name)
}
