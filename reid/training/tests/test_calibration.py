import numpy as np
import pytest

from sightline_training import calibration as C


def test_a_sequence_that_falls_is_levelled():
    assert C.rising(np.array([1.0, 3.0, 2.0, 4.0]), np.ones(4)).tolist() == [1.0, 2.5, 2.5, 4.0]


def test_a_track_is_as_near_as_its_best_picture_and_its_mean():
    vectors = np.array([[1.0, 0.0], [0.0, 1.0]])
    tracks = C.tracks_of(vectors, np.array([5, 5]))
    assert tracks.similarities(np.array([[1.0, 0.0]]))[0, 0] == pytest.approx((1 + 0.5**0.5) / 2)


def test_the_table_recovers_what_two_bells_are_worth():
    rng = np.random.default_rng(0)
    same, other = rng.normal(0.5, 0.1, 20_000), rng.normal(0.2, 0.1, 200_000)
    table = C.fit(same, other, 1.0)
    # Two bells of one width have a straight line as their evidence: slope 30, zero in the middle.
    for similarity in (0.35, 0.42, 0.5):
        found = np.interp(similarity, table["similarity"], table["log_likelihood_ratio"])
        assert found == pytest.approx(30 * (similarity - 0.35), abs=0.6)
    assert table["log_likelihood_ratio"] == sorted(table["log_likelihood_ratio"])


def test_probabilities_of_a_perfect_table_hold():
    rng = np.random.default_rng(1)
    probabilities = rng.random(20_000)
    error, rows = C.expected_error(probabilities, rng.random(20_000) < probabilities)
    assert error < 0.02 and len(rows) == 10
    assert C.expected_error(np.full(1000, 0.9), np.zeros(1000))[0] == pytest.approx(0.9)
