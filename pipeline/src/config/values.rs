//! Small values that cannot be wrong once they exist: fractions, milliseconds, names.

use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A number from 0 to 1, both included.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f32", into = "f32")]
pub struct Fraction(f32);

impl Fraction {
    /// A fraction that is known when the program is written; out of range is cut to the range.
    #[must_use]
    pub const fn saturating(value: f32) -> Self {
        Self(value.clamp(0.0, 1.0))
    }

    /// The number itself, 0 to 1.
    #[must_use]
    pub const fn get(self) -> f32 {
        self.0
    }
}

impl TryFrom<f32> for Fraction {
    type Error = String;

    fn try_from(value: f32) -> Result<Self, String> {
        if (0.0..=1.0).contains(&value) {
            Ok(Self(value))
        } else {
            Err(format!("{value} is not between 0 and 1"))
        }
    }
}

impl From<Fraction> for f32 {
    fn from(value: Fraction) -> Self {
        value.0
    }
}

impl JsonSchema for Fraction {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Fraction".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 0.0, "maximum": 1.0 })
    }
}

/// A span of time in milliseconds; the key that holds one ends in `_ms`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Millis(pub u32);

impl Millis {
    /// The same span as the standard library's type.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0 as u64)
    }
}

/// A name that becomes part of ids, metric labels, file names and log lines.
///
/// 1 to 64 characters of `a-z A-Z 0-9 . _ -`, beginning with a letter or a digit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// The identity of a camera or of a recording that stands in for one.
pub type CameraId = Name;

impl Name {
    const LONGEST: usize = 64;

    /// Checks `text` against the rule above.
    ///
    /// # Errors
    /// Says which character or length breaks the rule.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some(first) = text.chars().next() else {
            return Err("is empty".into());
        };
        if !first.is_ascii_alphanumeric() {
            return Err("does not begin with a letter or a digit".into());
        }
        if text.len() > Self::LONGEST {
            return Err(format!("is longer than {} characters", Self::LONGEST));
        }
        match text.chars().find(|letter| !is_allowed(*letter)) {
            Some(letter) => Err(format!("contains {letter:?}")),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// The nearest name that is allowed: other characters become `-`, and a name that would
    /// begin wrongly gets `camera-` before it.
    #[must_use]
    pub fn made_safe(text: &str) -> Self {
        let mut safe: String = text
            .chars()
            .map(|letter| if is_allowed(letter) { letter } else { '-' })
            .take(Self::LONGEST)
            .collect();
        if !safe.starts_with(|letter: char| letter.is_ascii_alphanumeric()) {
            safe.insert_str(0, "camera-");
            safe.truncate(Self::LONGEST);
        }
        Self(safe)
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const fn is_allowed(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-')
}

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl std::borrow::Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, out)
    }
}

impl JsonSchema for Name {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Name".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
            "x-form": "name",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_made_safe_is_always_a_name() {
        for hostile in [
            "",
            "../../etc/passwd",
            "-rf",
            "a b\nc",
            "\u{202e}",
            &"x".repeat(300),
        ] {
            let safe = Name::made_safe(hostile);
            assert_eq!(Name::parse(safe.as_str()), Ok(safe.clone()), "{hostile:?}");
        }
    }

    #[test]
    fn a_fraction_outside_its_range_cannot_exist() {
        assert!(Fraction::try_from(1.01).is_err());
        assert!(Fraction::try_from(f32::NAN).is_err());
        assert!(Fraction::try_from(1.0).is_ok());
    }
}
