//! Distances between all queries and all pictures of a gallery.

use ndarray::{Array2, ArrayRef2, Axis};

use crate::error::EvalError;

/// 1 - cosine similarity of rows, `queries` x `gallery`, of features N x D. Rows need not be normalised.
///
/// # Errors
/// Rows differ in length, hold something that is not finite, or a row is all zeros.
pub fn cosine_distances(
    queries: &ArrayRef2<f32>,
    gallery: &ArrayRef2<f32>,
) -> Result<Array2<f64>, EvalError> {
    let [queries, gallery] = checked(queries, gallery)?;
    let [queries, gallery] = [normalised(queries)?, normalised(gallery)?];
    Ok(queries
        .dot(&gallery.t())
        .mapv_into(|similarity| 1.0 - similarity))
}

/// Squared Euclidean distances of rows, `queries` x `gallery`, of features N x D.
///
/// # Errors
/// Rows differ in length or hold something that is not finite.
pub fn squared_euclidean_distances(
    queries: &ArrayRef2<f32>,
    gallery: &ArrayRef2<f32>,
) -> Result<Array2<f64>, EvalError> {
    let [queries, gallery] = checked(queries, gallery)?;
    let lengths = |rows: &Array2<f64>| rows.map_axis(Axis(1), |row| row.dot(&row));
    let of_queries = lengths(&queries).insert_axis(Axis(1));
    let of_gallery = lengths(&gallery).insert_axis(Axis(0));
    let shared = queries.dot(&gallery.t());
    Ok((shared * -2.0 + of_queries + of_gallery).mapv_into(|distance| distance.max(0.0)))
}

fn checked(
    queries: &ArrayRef2<f32>,
    gallery: &ArrayRef2<f32>,
) -> Result<[Array2<f64>; 2], EvalError> {
    if queries.ncols() != gallery.ncols() {
        return Err(EvalError::input(format!(
            "features of queries have {} numbers, those of the gallery {}",
            queries.ncols(),
            gallery.ncols()
        )));
    }
    for (name, rows) in [("query", queries), ("gallery", gallery)] {
        if let Some(row) = rows
            .rows()
            .into_iter()
            .position(|row| row.iter().any(|v| !v.is_finite()))
        {
            return Err(EvalError::input(format!(
                "feature of {name} row {row} is not finite"
            )));
        }
    }
    Ok([queries.mapv(f64::from), gallery.mapv(f64::from)])
}

fn normalised(mut rows: Array2<f64>) -> Result<Array2<f64>, EvalError> {
    for (number, mut row) in rows.rows_mut().into_iter().enumerate() {
        let length = row.dot(&row).sqrt();
        if length == 0.0 {
            return Err(EvalError::input(format!(
                "feature row {number} is all zeros, which has no direction"
            )));
        }
        row /= length;
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn distances_are_those_of_geometry() {
        let one = array![[3.0f32, 4.0], [1.0, 0.0]];
        let other = array![[0.0f32, 2.0]];
        let cosine = cosine_distances(&one, &other).unwrap();
        assert!((cosine[(0, 0)] - 0.2).abs() < 1e-12 && (cosine[(1, 0)] - 1.0).abs() < 1e-12);
        let square = squared_euclidean_distances(&one, &other).unwrap();
        assert_eq!(square, array![[13.0], [5.0]]);
    }

    #[test]
    fn features_that_cannot_be_compared_are_refused() {
        let good = array![[1.0f32, 0.0]];
        for (bad, expected) in [
            (array![[1.0f32]], "have 2 numbers, those of the gallery 1"),
            (array![[f32::NAN, 0.0]], "gallery row 0 is not finite"),
            (array![[0.0f32, 0.0]], "row 0 is all zeros"),
        ] {
            let error = cosine_distances(&good, &bad).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
