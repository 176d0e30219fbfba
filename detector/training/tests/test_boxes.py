"""Decoding, suppression and measures, against values worked out by hand."""

import numpy as np
import pytest

from sightline_detection.boxes import Truth, curve, decoded, judged, overlaps, suppressed


def test_boxes_apart_on_both_axes_do_not_overlap():
    one, other = np.array([[0.0, 0, 10, 10]]), np.array([[20.0, 20, 30, 30], [5, 5, 15, 15], [0, 0, 10, 10]])
    assert overlaps(one, other)[0] == pytest.approx([0, 25 / 175, 1])


def test_planes_are_decoded_as_the_program_decodes_them():
    planes = np.full((6, 2, 4), -9.0, np.float32)
    planes[0], planes[5] = 0.0, 0.0
    planes[:, 1, 2] = [0.9, 0.0, np.arctanh(0.5), 0.0, np.log(1 / 3), 0.8]
    found = decoded(planes, 400, 200)
    # Centre (2 / 4, 1.5 / 2), half of the width, a quarter of the height.
    assert found == pytest.approx(np.array([[100, 125, 300, 175, 0.72]]), abs=1e-4)
    assert len(decoded(planes, 400, 200, least=0.8)) == 0


def test_of_two_that_overlap_the_better_stays():
    found = np.array([[0, 0, 10, 10, 0.5], [0, 1, 10, 11, 0.9], [50, 0, 60, 10, 0.3]])
    assert suppressed(found)[:, 4] == pytest.approx([0.9, 0.3])


def test_a_true_box_is_used_once_and_by_the_best():
    truth = Truth(np.array([[0.0, 0, 10, 10], [100, 0, 110, 10]]), np.array([True, False]))
    found = np.array([[0, 0, 10, 10, 0.4], [0, 0, 10, 9, 0.8], [100, 0, 110, 10, 0.6]])
    is_right, is_needed = judged(found, truth)
    assert is_right.tolist() == [False, True, True] and is_needed.tolist() == [False, True, False]


def test_a_curve_counts_over_all_pictures():
    truth = Truth(np.array([[0.0, 0, 10, 10]]), np.array([True]))
    nobody = Truth(np.zeros((0, 4)), np.zeros(0, bool))
    result = curve([np.array([[0, 0, 10, 10, 0.9]]), np.array([[0, 0, 9, 9, 0.7]]), np.zeros((0, 5))], [truth, nobody, truth])
    assert result.at(0.8) == {"precision": 1.0, "recall": 0.5, "boxes": 0.333}
    assert result.at(0.5)["precision"] == 0.5
    assert result.recall_at(0.9) == 0.5 and result.precision_at(0.6) == 0.0
    assert result.average_precision() == pytest.approx(0.5)
