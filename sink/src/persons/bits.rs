//! Numbers as hexadecimal digits of their bits: what is read is what was written, to the last bit. Decimal ones, as an
//! earlier build wrote them, are read too.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

#[derive(Deserialize)]
#[serde(untagged)]
enum Form {
    Bits(String),
    Decimal(f64),
}

fn text(value: f64) -> String {
    format!("{:016x}", value.to_bits())
}

fn value<E: serde::de::Error>(form: Form) -> Result<f64, E> {
    let value = match form {
        Form::Decimal(value) => value,
        Form::Bits(text) => f64::from_bits(u64::from_str_radix(&text, 16).map_err(E::custom)?),
    };
    let is_good = value.is_finite() && value >= 0.0;
    is_good
        .then_some(value)
        .ok_or_else(|| E::custom("a count is negative, or no number"))
}

pub(crate) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text(*value))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    value(Form::deserialize(deserializer)?)
}

/// As many as there are bins.
pub(crate) mod all {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(
        values: &[f64],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(|value| text(*value)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
        deserializer: D,
    ) -> Result<[f64; N], D::Error> {
        let forms = Vec::<Form>::deserialize(deserializer)?;
        let values = forms.into_iter().map(value::<D::Error>);
        let values: Vec<f64> = values.collect::<Result<_, _>>()?;
        let wrong = |_| D::Error::custom("another number of bins");
        values.try_into().map_err(wrong)
    }
}
