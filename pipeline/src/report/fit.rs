//! How well a hit fits, in words that people can use.

/// Probability from which a hit is called likely.
pub const LIKELY: f64 = 0.7;
/// Probability from which a hit is called possible.
pub const POSSIBLE: f64 = 0.2;

/// What is put behind a hit: its probability, its similarity where there is none, or nothing when nothing was compared.
#[must_use]
pub fn fit_words(score: Option<f64>, similarity: Option<f64>) -> String {
    match (score, similarity) {
        (Some(score), _) => format!(", {} ({:.0}%)", band(score), 100.0 * score),
        (None, Some(value)) => format!(", similarity {value:.3}"),
        (None, None) => String::new(),
    }
}

fn band(score: f64) -> &'static str {
    if score >= LIKELY {
        "likely"
    } else if score >= POSSIBLE {
        "possible"
    } else {
        "unlikely"
    }
}
