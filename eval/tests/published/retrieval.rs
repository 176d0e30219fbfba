//! Rankings, re-ranking and calibration against plain NumPy, as `golden/retrieval.py` wrote it down.

use std::path::Path;

use ndarray::{Array2, Axis};
use serde_json::Value;
use sightline_eval::calibration::calibration;
use sightline_eval::retrieval::{
    JUNK, Label, Rerank, bootstrap, k_reciprocal_rerank, rank_images, rank_texts,
    squared_euclidean_distances,
};

use crate::made::Dice;

const TOLERANCE: f64 = 1e-6;

fn golden(part: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/retrieval.json");
    let all: Value = serde_json::from_str(&fs_err::read_to_string(path).unwrap()).unwrap();
    all[part].as_array().unwrap().clone()
}

fn check(found: &[f64], expected: &Value, what: &str) {
    let expected: Vec<f64> = expected
        .as_array()
        .unwrap()
        .iter()
        .map(|value| value.as_f64().unwrap())
        .collect();
    assert_eq!(found.len(), expected.len(), "{what}");
    for (n, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert!(
            (found - expected).abs() <= TOLERANCE,
            "{what}, number {n}: {found}, expected {expected}"
        );
    }
}

struct Case {
    distances: Array2<f64>,
    queries: Vec<Label>,
    gallery: Vec<Label>,
}

fn case(seed: u64) -> Case {
    let mut d = Dice(seed);
    let (queries, gallery, people, cameras) = (
        1 + d.below(12),
        1 + d.below(60),
        1 + d.below(8),
        1 + d.below(4),
    );
    let steps = [7, 1000, 1 << 30][d.below(3) as usize];
    let mut labels = |count: i64, has_junk: bool| -> Vec<Label> {
        (0..count)
            .map(|_| {
                let is_junk = has_junk && d.below(8) == 0;
                let id = if is_junk { JUNK } else { d.below(people) + 1 };
                Label {
                    id,
                    camera: d.below(cameras) as u32,
                }
            })
            .collect()
    };
    let (queries, gallery) = (labels(queries, false), labels(gallery, true));
    let distances = Array2::from_shape_fn((queries.len(), gallery.len()), |(i, j)| {
        let base = d.below(steps);
        let more = if queries[i].id == gallery[j].id {
            0
        } else {
            d.below(steps)
        };
        (base + more) as f64 / 8.0
    });
    Case {
        distances,
        queries,
        gallery,
    }
}

#[test]
fn pictures_rank_as_the_independent_implementation_says() {
    let mut unanswerable = 0;
    for expected in golden("ranked") {
        let seed = expected["seed"].as_u64().unwrap();
        let case = case(seed);
        let scores = rank_images(
            &case.distances,
            &case.queries,
            &case.gallery,
            &[1, 5, 10, 20],
        );
        if expected["images"].is_null() {
            assert!(scores.is_err(), "seed {seed}");
            unanswerable += 1;
            continue;
        }
        let scores = scores.unwrap();
        let mut found: Vec<f64> = scores.cmc.values().copied().collect();
        found.extend([scores.map, scores.minp]);
        found.extend([scores.queries, scores.unanswerable].map(|count| count as f64));
        check(&found, &expected["images"], &format!("seed {seed}"));
    }
    assert!((1..100).contains(&unanswerable), "{unanswerable}");
}

#[test]
fn sentences_rank_as_the_independent_implementation_says() {
    for expected in golden("ranked") {
        let seed = expected["seed"].as_u64().unwrap();
        let case = case(seed);
        let [sentences, pictures] = [&case.queries, &case.gallery]
            .map(|labels| labels.iter().map(|label| label.id).collect::<Vec<i64>>());
        let scores = rank_texts(&case.distances, &sentences, &pictures);
        if expected["texts"].is_null() {
            assert!(scores.is_err(), "seed {seed}");
            continue;
        }
        let s = scores.unwrap();
        let counts = [s.queries, s.unanswerable].map(|count| count as f64);
        let found = [s.r1, s.r5, s.r10, s.map, s.minp, counts[0], counts[1]];
        check(&found, &expected["texts"], &format!("seed {seed}"));
    }
}

/// Features of queries and gallery, and settings.
fn features(seed: u64) -> (Array2<f32>, Array2<f32>, Rerank) {
    let mut d = Dice(seed);
    let (queries, gallery, size) = (2 + d.below(10), 5 + d.below(50), 4 + d.below(12));
    let count = 2 + d.below(9);
    let people: Vec<Vec<i64>> = (0..count)
        .map(|_| (0..size).map(|_| d.below(2000) - 1000).collect())
        .collect();
    let (k1, k2, lambda) =
        [(20, 6, 0.3), (6, 3, 0.3), (7, 1, 0.0), (3, 2, 0.85)][d.below(4) as usize];
    let mut rows = |count: i64| {
        let mut out = Vec::new();
        for _ in 0..count {
            let who = &people[d.below(people.len() as i64) as usize];
            out.extend(
                who.iter()
                    .map(|v| (v + d.below(1600) - 800) as f32 / 1024.0),
            );
        }
        Array2::from_shape_vec((count as usize, size as usize), out).unwrap()
    };
    (rows(queries), rows(gallery), Rerank { k1, k2, lambda })
}

#[test]
fn re_ranking_gives_the_distances_of_the_independent_implementation() {
    for expected in golden("reranked") {
        let seed = expected["seed"].as_u64().unwrap();
        let (q, g, settings) = features(seed);
        let [between, of_queries, of_gallery] = [(&q, &g), (&q, &q), (&g, &g)]
            .map(|(one, other)| squared_euclidean_distances(one, other).unwrap());
        let out = k_reciprocal_rerank(&between, &of_queries, &of_gallery, &settings).unwrap();
        let what = format!("seed {seed}");
        check(
            &out.sum_axis(Axis(1)).to_vec(),
            &expected["row_sums"],
            &what,
        );
        check(
            &out.sum_axis(Axis(0)).to_vec(),
            &expected["column_sums"],
            &what,
        );
        check(&out.row(0).to_vec(), &expected["first_row"], &what);
    }
}

#[test]
fn calibration_is_that_of_the_independent_implementation() {
    for expected in golden("calibrated") {
        let seed = expected["seed"].as_u64().unwrap();
        let mut d = Dice(seed);
        let (count, steps) = (1 + d.below(300), [8, 1 << 20][d.below(2) as usize]);
        let probabilities: Vec<f64> = (0..count)
            .map(|_| d.below(steps + 1) as f64 / steps as f64)
            .collect();
        let outcomes: Vec<bool> = probabilities
            .iter()
            .map(|p| (d.below(1000) as f64) < 1000.0 * p * 0.8 + 50.0)
            .collect();
        let found = calibration(&probabilities, &outcomes, 10).unwrap();
        let numbers = [
            found.expected_error,
            found.greatest_error,
            found.brier,
            found.bins.len() as f64,
        ];
        check(&numbers, &expected["scores"], &format!("seed {seed}"));
    }
}

#[test]
fn an_interval_around_a_measure_holds_it() {
    let case = case(2);
    let scores = rank_images(&case.distances, &case.queries, &case.gallery, &[1]).unwrap();
    let precisions: Vec<f64> = scores
        .each
        .iter()
        .flatten()
        .map(|score| score.average_precision)
        .collect();
    let interval = bootstrap(&precisions, 0.95, 1000, 1).unwrap();
    assert!((interval.mean - scores.map).abs() < 1e-12);
    assert!(interval.low <= interval.mean && interval.mean <= interval.high);
}
