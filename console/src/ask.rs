//! The one contract of everybody who answers: the store of this process, or a test.

use crate::Error;
use crate::forget::{ForgetRequest, ForgetResponse};
use crate::person::{PersonResponse, WordRequest, WordResponse};
use crate::question::{Question, Window};
use crate::wire::{CoverageResponse, SearchResponse, StatusResponse};

/// Digest of a stored picture: 64 lower-case hex digits, so it can never be a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PictureDigest(String);

impl PictureDigest {
    /// Checks a digest from outside.
    ///
    /// # Errors
    /// [`Error::BadRequest`] unless it is 64 lower-case hex digits.
    pub fn new(text: &str) -> Result<Self, Error> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 64 && text.bytes().all(is_digit) {
            Ok(Self(text.to_owned()))
        } else {
            let shown = crate::error::one_line(text);
            Err(Error::BadRequest(format!(
                "`{shown}` is no picture digest, expected 64 lower-case hex digits"
            )))
        }
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Answers questions. Calls block; the server makes them on threads for blocking work, a bounded number at a time.
pub trait Ask: Send + Sync + 'static {
    /// Ranked tracks, with coverage of the time asked for.
    ///
    /// # Errors
    /// [`Error::NotInstalled`] for a sentence without the joint model, [`Error::NotFound`] for a track nobody knows,
    /// [`Error::BadRequest`] for a picture that is none, [`Error::Busy`], [`Error::Store`].
    fn search(&self, question: &Question) -> Result<SearchResponse, Error>;

    /// One person with every visit.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a person nobody knows, [`Error::BadRequest`] for what is no id, [`Error::Store`].
    fn person(&self, id: &str) -> Result<PersonResponse, Error>;

    /// Takes somebody's word on pairs of tracks.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for what are no pairs of tracks, [`Error::Store`].
    fn say(&self, word: &WordRequest) -> Result<WordResponse, Error>;

    /// Forgets a track, a person, or a camera's time, for good.
    ///
    /// # Errors
    /// [`Error::BadRequest`] for what is none of them, [`Error::TooSlow`], [`Error::Store`].
    fn forget(&self, request: &ForgetRequest) -> Result<ForgetResponse, Error>;

    /// What was watched.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn coverage(&self, window: &Window) -> Result<CoverageResponse, Error>;

    /// What the store holds.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn status(&self) -> Result<StatusResponse, Error>;

    /// A stored picture (JPEG), if it is still there.
    ///
    /// # Errors
    /// [`Error::Store`].
    fn thumbnail(&self, digest: &PictureDigest) -> Result<Option<Vec<u8>>, Error>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_digest_passes_as_a_digest() {
        assert!(PictureDigest::new(&"0a".repeat(32)).is_ok());
        for bad in [
            "",
            "../../etc/passwd",
            &"0A".repeat(32),
            &"0a".repeat(31),
            &format!("{}/", "0a".repeat(32)),
        ] {
            assert_eq!(PictureDigest::new(bad).unwrap_err().status(), 400, "{bad}");
        }
    }
}
