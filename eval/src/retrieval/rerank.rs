//! k-reciprocal re-ranking: Zhong et al., "Re-ranking person re-identification with k-reciprocal encoding", CVPR 2017, section 3.
//!
//! Two pictures are likely of one person when each is among the nearest of the other. Distances are those of the pictures to
//! their farthest, as in the authors' program; so is the strict "more than two thirds" in equation (4).

use ndarray::{Array2, ArrayRef2};
use serde::{Deserialize, Serialize};

use crate::error::EvalError;

/// Settings of the re-ranking.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rerank {
    /// How many neighbours may be reciprocal.
    pub k1: usize,
    /// Over how many neighbours a picture's encoding is averaged (local query expansion); 1 averages nothing.
    pub k2: usize,
    /// Share of the original distance in the final one.
    pub lambda: f64,
}

impl Default for Rerank {
    /// The settings of the paper for Market-1501.
    fn default() -> Self {
        Self {
            k1: 20,
            k2: 6,
            lambda: 0.3,
        }
    }
}

/// New distances queries x gallery from the distances queries x gallery, queries x queries and gallery x gallery.
///
/// To equal the authors give squared Euclidean distances. Work and memory grow with the square of queries and gallery together.
///
/// # Errors
/// Sizes do not fit, a distance is negative or not finite, or the settings make no sense.
pub fn k_reciprocal_rerank(
    query_gallery: &ArrayRef2<f64>,
    query_query: &ArrayRef2<f64>,
    gallery_gallery: &ArrayRef2<f64>,
    settings: &Rerank,
) -> Result<Array2<f64>, EvalError> {
    let (queries, gallery) = query_gallery.dim();
    check(query_gallery, query_query, gallery_gallery, settings)?;
    let all = queries + gallery;
    let relative = relative_distances(query_gallery, query_query, gallery_gallery);
    let keep = (settings.k1 + 1).max(settings.k2);
    let nearest: Vec<Vec<usize>> = (0..all).map(|i| nearest(&relative, i, keep)).collect();
    let encoded: Vec<Encoding> = (0..all)
        .map(|i| encode(&relative, &nearest, i, settings.k1))
        .collect();
    let encoded: Vec<Encoding> = (0..all)
        .map(|i| {
            average(
                &encoded,
                &nearest[i][..settings.k2.min(nearest[i].len())],
                all,
            )
        })
        .collect();
    // For each picture, who has it among its neighbours.
    let mut holders: Vec<Encoding> = vec![Vec::new(); all];
    for (holder, encoding) in encoded.iter().enumerate() {
        for &(neighbour, weight) in encoding {
            holders[neighbour].push((holder, weight));
        }
    }
    let mut out = Array2::zeros((queries, gallery));
    let mut shared = vec![0.0; all];
    for query in 0..queries {
        shared.fill(0.0);
        for &(neighbour, weight) in &encoded[query] {
            for &(holder, theirs) in &holders[neighbour] {
                shared[holder] += weight.min(theirs);
            }
        }
        for picture in 0..gallery {
            // Equations (10) and (12): encodings sum to 1, so their maxima sum to 2 less the minima.
            let minima = shared[queries + picture];
            let jaccard = 1.0 - minima / (2.0 - minima);
            out[(query, picture)] = jaccard * (1.0 - settings.lambda)
                + relative[(query, queries + picture)] * settings.lambda;
        }
    }
    Ok(out)
}

/// Neighbours with their weights, by number.
type Encoding = Vec<(usize, f64)>;

fn check(
    query_gallery: &ArrayRef2<f64>,
    query_query: &ArrayRef2<f64>,
    gallery_gallery: &ArrayRef2<f64>,
    settings: &Rerank,
) -> Result<(), EvalError> {
    let (queries, gallery) = query_gallery.dim();
    for (name, matrix, expected) in [
        (
            "between queries and gallery",
            query_gallery,
            (queries, gallery),
        ),
        ("between queries", query_query, (queries, queries)),
        ("within the gallery", gallery_gallery, (gallery, gallery)),
    ] {
        if matrix.dim() != expected {
            let (rows, columns) = matrix.dim();
            return Err(EvalError::input(format!(
                "distances {name} are {rows} x {columns}, expected {} x {}",
                expected.0, expected.1
            )));
        }
        if matrix
            .iter()
            .any(|value| !value.is_finite() || *value < 0.0)
        {
            return Err(EvalError::input(format!(
                "distances {name} hold one that is negative or not finite"
            )));
        }
    }
    let Rerank { k1, k2, lambda } = *settings;
    if k1 == 0 || k2 == 0 || !(0.0..=1.0).contains(&lambda) {
        return Err(EvalError::input(format!(
            "re-ranking with k1 {k1}, k2 {k2}, lambda {lambda} is not possible, expected 1 or more, 1 or more, 0 to 1"
        )));
    }
    Ok(())
}

/// All distances, each row over its greatest.
fn relative_distances(
    query_gallery: &ArrayRef2<f64>,
    query_query: &ArrayRef2<f64>,
    gallery_gallery: &ArrayRef2<f64>,
) -> Array2<f64> {
    let (queries, gallery) = query_gallery.dim();
    let all = queries + gallery;
    let mut out = Array2::from_shape_fn((all, all), |(i, j)| {
        match (i.checked_sub(queries), j.checked_sub(queries)) {
            (None, None) => query_query[(j, i)],
            (None, Some(j)) => query_gallery[(i, j)],
            (Some(i), None) => query_gallery[(j, i)],
            (Some(i), Some(j)) => gallery_gallery[(j, i)],
        }
    });
    for mut row in out.rows_mut() {
        let most = row.fold(0.0, |most: f64, &value| most.max(value));
        if most > 0.0 {
            row /= most;
        }
    }
    out
}

/// The `count` nearest of picture `i`, itself among them; equal distances in the order of their numbers.
fn nearest(relative: &Array2<f64>, i: usize, count: usize) -> Vec<usize> {
    let row = relative.row(i);
    let by_distance =
        |one: &usize, other: &usize| row[*one].total_cmp(&row[*other]).then(one.cmp(other));
    let mut order: Vec<usize> = (0..row.len()).collect();
    if count < order.len() {
        order.select_nth_unstable_by(count, by_distance);
        order.truncate(count);
    }
    order.sort_unstable_by(by_distance);
    order
}

/// R(p, k) of equations (1) to (3).
fn reciprocal(nearest: &[Vec<usize>], i: usize, k: usize) -> Vec<usize> {
    let first = |of: usize| &nearest[of][..(k + 1).min(nearest[of].len())];
    let mutual = first(i).iter().filter(|&&j| first(j).contains(&i));
    mutual.copied().collect()
}

/// The k-reciprocal feature of equations (4) to (7).
fn encode(relative: &Array2<f64>, nearest: &[Vec<usize>], i: usize, k1: usize) -> Encoding {
    let own = reciprocal(nearest, i, k1);
    let mut expanded = own.clone();
    let half = round_half_to_even(k1);
    for &candidate in &own {
        let theirs = reciprocal(nearest, candidate, half);
        let shared = theirs.iter().filter(|j| own.contains(j)).count();
        if 3 * shared > 2 * theirs.len() {
            expanded.extend(theirs);
        }
    }
    expanded.sort_unstable();
    expanded.dedup();
    let weights = expanded.iter().map(|&j| (-relative[(i, j)]).exp());
    let sum: f64 = weights.clone().sum();
    expanded
        .iter()
        .copied()
        .zip(weights.map(|weight| weight / sum))
        .collect()
}

/// Half of k, as NumPy rounds it.
fn round_half_to_even(k: usize) -> usize {
    (k as f64 / 2.0).round_ties_even() as usize
}

/// The mean of the neighbours' encodings (equation 11).
fn average(encoded: &[Encoding], neighbours: &[usize], all: usize) -> Encoding {
    let mut sum = vec![0.0; all];
    for &neighbour in neighbours {
        for &(j, weight) in &encoded[neighbour] {
            sum[j] += weight;
        }
    }
    let count = neighbours.len() as f64;
    let weights = sum.into_iter().map(|weight| weight / count).enumerate();
    weights.filter(|&(_, weight)| weight != 0.0).collect()
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn with_lambda_one_only_the_relative_distance_is_left() {
        let settings = Rerank {
            k1: 2,
            k2: 1,
            lambda: 1.0,
        };
        let none = array![[0.0]];
        let gallery = array![[0.0, 4.0], [4.0, 0.0]];
        let out = k_reciprocal_rerank(&array![[1.0, 2.0]], &none, &gallery, &settings);
        assert_eq!(out.unwrap(), array![[0.5, 1.0]]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let one = array![[1.0]];
        let wide = array![[1.0, 2.0]];
        let bad = array![[-1.0]];
        let settings = Rerank::default();
        for (query_gallery, query_query, expected) in [
            (&wide, &one, "within the gallery are 1 x 1, expected 2 x 2"),
            (&one, &wide, "between queries are 1 x 2, expected 1 x 1"),
            (&bad, &one, "negative or not finite"),
        ] {
            let error = k_reciprocal_rerank(query_gallery, query_query, &one, &settings);
            let error = error.unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let settings = Rerank { k1: 0, ..settings };
        assert!(k_reciprocal_rerank(&one, &one, &one, &settings).is_err());
    }
}
