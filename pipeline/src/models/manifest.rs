//! Which models may be fetched, from where, with which digests.

use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use sightline_reid::mend::Mend;

use super::Error;
use super::error::one_line;
use super::folders::MANIFEST_FILE;

/// Largest model file; a manifest that asks for more is wrong.
const MAX_BYTES: u64 = 2 << 30;

/// One model of the manifest, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Name of the model and of its folder.
    pub name: String,
    /// Its card.
    pub card: PathBuf,
    /// Address of the published file.
    pub url: String,
    /// Digest of the published file.
    pub sha256: String,
    /// Length of the published file.
    pub bytes: u64,
    /// Repairs before use, in order.
    pub mends: Vec<Mend>,
    /// Digest of the file as used.
    pub used_sha256: String,
    /// Licence of the file.
    pub licence: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawManifest {
    model: Vec<RawEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    name: String,
    card: PathBuf,
    url: String,
    sha256: String,
    bytes: u64,
    #[serde(default)]
    mend: Vec<String>,
    mended_sha256: Option<String>,
    licence: String,
}

/// Reads the manifest in the folder of cards.
///
/// # Errors
/// [`Error::Io`] if it cannot be read, [`Error::Document`] if it is not right throughout.
pub fn read(cards: &Path) -> Result<Vec<Entry>, Error> {
    let path = cards.join(MANIFEST_FILE);
    parse(&fs_err::read_to_string(&path)?, &path)
}

/// Checks the text of a manifest; cards are found beside `path`.
///
/// # Errors
/// [`Error::Document`] names the model, the key and what would be right.
pub fn parse(text: &str, path: &Path) -> Result<Vec<Entry>, Error> {
    let fault = |reason: String| Error::Document {
        path: path.into(),
        reason,
    };
    let raw: RawManifest =
        toml::from_str(text).map_err(|error| fault(one_line(&error.message())))?;
    let mut entries: Vec<Entry> = Vec::new();
    for raw in raw.model {
        let name = raw.name.clone();
        let entry = raw
            .check(path)
            .map_err(|reason| fault(format!("model `{name}`: {reason}")))?;
        if entries.iter().any(|other| other.name == entry.name) {
            return Err(fault(format!("model `{name}` stands twice")));
        }
        entries.push(entry);
    }
    Ok(entries)
}

/// The entries called `names`, in that order; all for no names.
///
/// # Errors
/// [`Error::UnknownModel`] with the known names.
pub fn select<'m>(entries: &'m [Entry], names: &[String]) -> Result<Vec<&'m Entry>, Error> {
    if names.is_empty() {
        return Ok(entries.iter().collect());
    }
    let find = |name: &String| {
        let found = entries.iter().find(|entry| entry.name == *name);
        found.ok_or_else(|| {
            let known: Vec<_> = entries
                .iter()
                .map(|entry| format!("`{}`", entry.name))
                .collect();
            Error::UnknownModel {
                name: name.clone(),
                known: known.join(", "),
            }
        })
    };
    names.iter().map(find).collect()
}

impl Entry {
    /// Name of the file at its address.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.url.rsplit('/').next().unwrap_or(&self.url)
    }
}

impl RawEntry {
    fn check(self, manifest: &Path) -> Result<Entry, String> {
        if !is_plain_name(&self.name) {
            return Err("its name is not of letters, digits, `-`, `_` and `.`".into());
        }
        if !self
            .card
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
        {
            return Err(format!(
                "card `{}` is not beside the manifest",
                self.card.display()
            ));
        }
        if !self.url.starts_with("https://") {
            return Err(format!(
                "url is `{}`, expected one that starts with `https://`",
                self.url
            ));
        }
        if !(1..=MAX_BYTES).contains(&self.bytes) {
            return Err(format!(
                "bytes is {}, expected 1 to {MAX_BYTES}",
                self.bytes
            ));
        }
        if !is_digest(&self.sha256) {
            return Err("sha256 is not 64 lowercase hexadecimal digits".into());
        }
        let mends: Vec<Mend> = self
            .mend
            .iter()
            .map(|name| {
                name.parse()
                    .map_err(|error: sightline_reid::mend::Error| error.to_string())
            })
            .collect::<Result<_, _>>()?;
        let used_sha256 = match (mends.is_empty(), self.mended_sha256) {
            (true, None) => self.sha256.clone(),
            (false, Some(digest)) if is_digest(&digest) => digest,
            (false, _) => {
                return Err(
                    "mended_sha256 is missing or is no digest, and mend is not empty".into(),
                );
            }
            (true, Some(_)) => return Err("mended_sha256 is given, and mend is empty".into()),
        };
        Ok(Entry {
            card: manifest.with_file_name(self.card),
            name: self.name,
            url: self.url,
            sha256: self.sha256,
            bytes: self.bytes,
            mends,
            used_sha256,
            licence: self.licence,
        })
    }
}

/// Whether this may be the name of a folder.
pub(super) fn is_plain_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// Whether this is a sha256 in lowercase hex.
pub(super) fn is_digest(text: &str) -> bool {
    text.len() == 64
        && text
            .chars()
            .all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::card;

    fn committed() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("models")
    }

    #[test]
    fn the_committed_manifest_and_its_cards_agree() {
        let entries = read(&committed()).unwrap();
        assert!(entries.len() >= 2);
        for entry in entries {
            let card = card::WholeCard::read(&entry.card).unwrap();
            assert_eq!((&card.name, &card.licence), (&entry.name, &entry.licence));
            assert_eq!(card.sha256, entry.used_sha256, "{}", entry.name);
        }
    }

    #[test]
    fn a_bad_entry_is_named_with_what_would_be_right() {
        let text = fs_err::read_to_string(committed().join(MANIFEST_FILE)).unwrap();
        for (from, to, message) in [
            ("\"instance-norm\"", "\"sand\"", "mend `sand` is unknown"),
            (
                "https://raw",
                "http://raw",
                "expected one that starts with `https://`",
            ),
            ("bytes = 998169", "bytes = 0", "bytes is 0"),
            ("bytes = 998169", "size = 998169", "unknown field `size`"),
            (
                "\"fastestdet\"",
                "\"../fastestdet\"",
                "its name is not of letters",
            ),
            ("\"fastestdet\"", "\"person-reid-0267\"", "stands twice"),
            (
                "\"fastestdet/model.toml\"",
                "\"/etc/model.toml\"",
                "is not beside the manifest",
            ),
            ("sha256 = \"31cb", "sha256 = \"XXcb", "sha256 is not 64"),
        ] {
            assert!(text.contains(from), "{from}");
            let error = parse(&text.replace(from, to), Path::new("manifest.toml")).unwrap_err();
            assert!(error.to_string().contains(message), "{error}");
            assert_eq!(error.to_string().lines().count(), 1);
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let entries = read(&committed()).unwrap();
        let error = select(&entries, &["yolox".into()]).unwrap_err().to_string();
        assert!(
            error.contains("`fastestdet`") && error.contains("`yolox`"),
            "{error}"
        );
        assert_eq!(select(&entries, &[]).unwrap().len(), entries.len());
    }
}
