"""Real people: boxes are cut out of the right frames, neighbours of one piece do not count, intervals hold the mean."""

import json

import cv2
import numpy as np
import pytest

from sightline_training import real
from sightline_training.dataset import DatasetError


def film(path, frames):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 5, (64, 48))
    for code in frames:
        writer.write(np.full((48, 64, 3), code, np.uint8))
    writer.release()


def test_boxes_are_cut_out_of_their_frames(tmp_path):
    film(tmp_path / "a.avi", [20, 120, 220])
    rows = [["a.avi", 2, 10, 5, 20, 30, "p", "p1"], ["a.avi", 0, -4, -2, 10, 12, "q", "q1"]]
    (tmp_path / "boxes.json").write_text(json.dumps(rows))
    boxes = real.read_boxes(tmp_path / "boxes.json")
    crops = real.cut_out(boxes, tmp_path)
    assert [crop.shape for crop in crops] == [(30, 20, 3), (10, 6, 3)]
    assert abs(float(crops[0].mean()) - 220) < 6 and abs(float(crops[1].mean()) - 20) < 6
    with pytest.raises(DatasetError, match="ends before frame 3"):
        real.cut_out([real.Box("a.avi", 3, 0, 0, 5, 5, "p", "p1")], tmp_path)
    with pytest.raises(DatasetError, match="frame 0: a box of p lies outside"):
        real.cut_out([real.Box("a.avi", 0, 64, 0, 5, 5, "p", "p1")], tmp_path)


def test_files_that_cannot_be_are_named(tmp_path):
    file, model = tmp_path / "boxes.json", tmp_path / "model.onnx"
    row = ["a.avi", 0, 0, 0, 5, 5, "p", "p1"]
    wrong = {"not a list of boxes": ["a.avi"], "row 0: `frame` is not int": ["a.avi", "0", *row[2:]], "row 0: no box": ["a.avi", 0, -5, *row[3:]]}
    for message, one in wrong.items():
        file.write_text(json.dumps([one]))
        with pytest.raises(DatasetError, match=f"boxes.json: {message}"):
            real.read_boxes(file)
    file.write_text(json.dumps([row, row]))
    with pytest.raises(DatasetError, match="boxes.json: nobody is there in two pieces"):
        real.measure_real(model, file, tmp_path)
    with pytest.raises(DatasetError, match="model.onnx is missing"):
        real.vectors_of_file(model, [])
    model.write_bytes(b"noise")
    with pytest.raises(DatasetError, match="model.onnx: not an ONNX file"):
        real.vectors_of_file(model, [])


def test_crops_ask_for_their_person_in_other_pieces():
    # Two people, two pieces each; the second piece of the first person is nearer to the other person.
    vectors = np.array([[1, 0], [1, 0], [0.6, 0.8], [0, 1], [0, 1]], np.float32)
    who, piece = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 2, 3])
    found = real.measures(vectors, who, piece)
    assert found["asked"] == 5
    assert found["rank1"][0] == 0.8 and found["rank1"][1] <= 0.8 <= found["rank1"][2]
    assert found["map"][0] == pytest.approx((4 + (1 / 3 + 2 / 4) / 2) / 5, abs=1e-4)
    assert found["same"] == pytest.approx((4 * 0.6 + 2) / 6, abs=1e-4) and found["others"] == pytest.approx(4 * 0.8 / 12, abs=1e-4)
