//! Vectors that know which model made them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use half::f16;
use half::slice::HalfFloatSliceExt;

use crate::Error;

/// Digits of the file's sha256 that stand in a model id.
const DIGEST_DIGITS: usize = 12;

/// Name and digest of a model: `<name>@<first 12 hex of its sha256>`. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelId(Arc<str>);

impl ModelId {
    /// Makes the id of the model `name` whose file has the digest `sha256` (hex).
    ///
    /// # Errors
    /// [`Error::ModelId`] if the name is empty or the digest is not hexadecimal.
    pub fn new(name: &str, sha256: &str) -> Result<Self, Error> {
        let digits: String = sha256.chars().take(DIGEST_DIGITS).collect();
        format!("{name}@{digits}").parse()
    }

    /// The id as it stands on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ModelId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let is_digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        match text.rsplit_once('@') {
            Some((name, digits))
                if !name.is_empty()
                    && !name.contains(char::is_whitespace)
                    && digits.len() == DIGEST_DIGITS
                    && digits.chars().all(is_digit) =>
            {
                Ok(Self(text.into()))
            }
            _ => Err(Error::ModelId { text: text.into() }),
        }
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A vector of length one, with the model that made it. Vectors of different models never meet.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    model: ModelId,
    values: Box<[f32]>,
}

impl Embedding {
    /// Takes a vector of any length and normalises it (L2, fp32).
    ///
    /// # Errors
    /// [`Error::Vector`] if it is empty, not finite, or zero.
    pub fn new(model: ModelId, values: impl Into<Box<[f32]>>) -> Result<Self, Error> {
        let mut values = values.into();
        match normalise(&mut values) {
            Ok(()) => Ok(Self { model, values }),
            Err(reason) => Err(Error::Vector {
                model,
                reason: reason.into(),
            }),
        }
    }

    /// Reads a vector from half precision and normalises it again, so that rounding does not change its length.
    ///
    /// # Errors
    /// As [`Embedding::new`].
    pub fn from_f16(model: ModelId, values: &[f16]) -> Result<Self, Error> {
        let mut full = vec![0.0_f32; values.len()];
        values.convert_to_f32_slice(&mut full);
        Self::new(model, full)
    }

    /// The vector in half precision, as it goes on the wire.
    #[must_use]
    pub fn to_f16(&self) -> Vec<f16> {
        let mut half = vec![f16::ZERO; self.values.len()];
        half.convert_from_f32_slice(&self.values);
        half
    }

    /// The model that made it.
    #[must_use]
    pub fn model(&self) -> &ModelId {
        &self.model
    }

    /// The values, of length one together.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Number of values.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.values.len()
    }

    /// Cosine similarity, -1 to 1.
    ///
    /// # Errors
    /// [`Error::OtherModel`] if the vectors are of two models, [`Error::Vector`] if their dimensions differ.
    pub fn similarity(&self, other: &Self) -> Result<f32, Error> {
        if self.model != other.model {
            return Err(Error::OtherModel {
                left: self.model.clone(),
                right: other.model.clone(),
            });
        }
        if self.dimension() != other.dimension() {
            return Err(Error::Vector {
                model: self.model.clone(),
                reason: format!(
                    "has {} values, the other one {}",
                    self.dimension(),
                    other.dimension()
                ),
            });
        }
        let dot: f32 = self
            .values
            .iter()
            .zip(&other.values)
            .map(|(left, right)| left * right)
            .sum();
        Ok(dot.clamp(-1.0, 1.0))
    }
}

/// Scales `values` to length one; the message says why that is impossible.
///
/// The sum is taken in double precision: squares of large fp32 values would overflow.
pub(crate) fn normalise(values: &mut [f32]) -> Result<(), &'static str> {
    if values.is_empty() {
        return Err("is empty");
    }
    let squares: f64 = values.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
    if !squares.is_finite() {
        return Err("holds values that are not numbers");
    }
    let length = squares.sqrt();
    if length < f64::from(f32::MIN_POSITIVE) {
        return Err("is zero");
    }
    for value in values {
        #[expect(clippy::cast_possible_truncation, reason = "a quotient of at most one")]
        let scaled = (f64::from(*value) / length) as f32;
        *value = scaled;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(name: &str) -> ModelId {
        ModelId::new(name, "0123456789abcdef").unwrap()
    }

    #[test]
    fn a_model_id_carries_twelve_digits_of_the_digest() {
        assert_eq!(id("person").as_str(), "person@0123456789ab");
        for bad in [
            "",
            "person",
            "person@",
            "@0123456789ab",
            "p@0123456789aB",
            "p@0123456789abc",
            "a b@0123456789ab",
        ] {
            assert!(bad.parse::<ModelId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn vectors_of_two_models_are_never_compared() {
        let left = Embedding::new(id("a"), vec![1.0, 0.0]).unwrap();
        let right = Embedding::new(id("b"), vec![1.0, 0.0]).unwrap();
        let error = left.similarity(&right).unwrap_err();
        assert!(matches!(error, Error::OtherModel { .. }));
        assert!(error.to_string().contains("`a@0123456789ab`"), "{error}");
    }

    #[test]
    fn vectors_of_two_dimensions_are_never_compared() {
        let left = Embedding::new(id("a"), vec![1.0, 0.0]).unwrap();
        let right = Embedding::new(id("a"), vec![1.0, 0.0, 0.0]).unwrap();
        assert!(matches!(left.similarity(&right), Err(Error::Vector { .. })));
    }

    #[test]
    fn a_vector_without_direction_is_refused() {
        for bad in [
            vec![],
            vec![0.0; 4],
            vec![f32::NAN, 1.0],
            vec![f32::INFINITY, 1.0],
        ] {
            assert!(matches!(
                Embedding::new(id("a"), bad),
                Err(Error::Vector { .. })
            ));
        }
    }

    proptest! {
        #[test]
        fn every_vector_has_length_one_and_survives_half_precision(values in prop::collection::vec(-1e20_f32..1e20, 1..600)) {
            prop_assume!(values.iter().any(|v| v.abs() > 1e-3));
            let whole = Embedding::new(id("a"), values).unwrap();
            let length: f64 = whole.values().iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
            prop_assert!((length - 1.0).abs() < 1e-5);
            let again = Embedding::from_f16(id("a"), &whole.to_f16()).unwrap();
            prop_assert!(whole.similarity(&again).unwrap() > 0.9999);
        }
    }
}
