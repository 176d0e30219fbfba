//! Between what bounds a share lies that was counted on few.

/// The 95% interval of Wilson (1927) for a share of which `right` of `of` were counted; from 0 to 1 where nothing was.
#[must_use]
pub fn wilson(right: usize, of: usize) -> [f64; 2] {
    const Z: f64 = 1.959_963_984_540_054;
    if of == 0 {
        return [0.0, 1.0];
    }
    let n = of as f64;
    let share = right.min(of) as f64 / n;
    let z2 = Z * Z;
    let middle = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    [(middle - half).max(0.0), (middle + half).min(1.0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_the_tables() {
        // Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I, method 3.
        for (right, of, least, most) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let [low, high] = wilson(right, of);
            assert!((low - least).abs() < 5e-5, "{right}/{of}: {low}");
            assert!((high - most).abs() < 5e-5, "{right}/{of}: {high}");
        }
        assert_eq!(wilson(0, 0), [0.0, 1.0]);
        assert!(wilson(5, 5)[1] > 1.0 - 1e-9);
    }
}
