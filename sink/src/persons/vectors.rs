//! Arithmetic on appearance vectors, and their form in a snapshot.

/// The vector of length 1 in the same direction; empty for one without a direction.
pub(crate) fn normalised(values: &[f32]) -> Vec<f32> {
    let length = values
        .iter()
        .map(|value| f64::from(*value).powi(2))
        .sum::<f64>()
        .sqrt();
    if !length.is_finite() || length < 1e-12 {
        return Vec::new();
    }
    values
        .iter()
        .map(|value| (f64::from(*value) / length) as f32)
        .collect()
}

/// The inner product; 0 for vectors that cannot be compared. Summed in eight lanes, always in the same order.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    if a.len() != b.len() {
        return 0.0;
    }
    let mut lanes = [0.0_f32; 8];
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a_chunks
        .remainder()
        .iter()
        .zip(b_chunks.remainder())
        .map(|(x, y)| x * y)
        .sum();
    for (x, y) in a_chunks.zip(b_chunks) {
        for lane in 0..8 {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    lanes.iter().sum::<f32>() + rest
}

/// Vectors as hexadecimal digits of their bits: exact, and a third of the size of decimal numbers.
pub(crate) mod hex {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        vector: &[f32],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let digits = vector.iter().flat_map(|value| {
            let bits = value.to_bits();
            (0..8).rev().map(move |at| digit(bits >> (4 * at) & 15))
        });
        serializer.serialize_str(&digits.collect::<String>())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<f32>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || serde::de::Error::custom("a vector is not made of groups of 8 hex digits");
        if !text.is_ascii() || text.len() % 8 != 0 {
            return Err(wrong());
        }
        let mut vector = Vec::with_capacity(text.len() / 8);
        for at in (0..text.len()).step_by(8) {
            let bits = u32::from_str_radix(&text[at..at + 8], 16).map_err(|_| wrong())?;
            vector.push(f32::from_bits(bits));
        }
        Ok(vector)
    }

    fn digit(value: u32) -> char {
        char::from_digit(value, 16).unwrap_or('0')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Held(#[serde(with = "hex")] Vec<f32>);

    #[test]
    fn a_vector_reads_back_bit_by_bit() {
        for held in [Held(vec![]), Held(vec![0.1, -1.5e-30, f32::MAX])] {
            let text = serde_json::to_string(&held).unwrap();
            assert_eq!(serde_json::from_str::<Held>(&text).unwrap(), held);
        }
        assert!(serde_json::from_str::<Held>("\"123\"").is_err());
        assert!(serde_json::from_str::<Held>("\"1234567z\"").is_err());
    }

    #[test]
    fn the_product_of_long_and_short_vectors_is_their_cosine() {
        let a: Vec<f32> = (0..21_u8).map(|n| f32::from(n) - 9.0).collect();
        let a = normalised(&a);
        assert!((dot(&a, &a) - 1.0).abs() < 1e-6);
        assert_eq!(dot(&a, &a[1..]), 0.0);
        assert!(normalised(&[0.0; 4]).is_empty());
    }
}
