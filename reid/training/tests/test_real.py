"""Real people: boxes are cut out of the right frames, neighbours of one piece do not count, sentences ask for pieces, intervals hold the mean."""

import json
from pathlib import Path

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


def test_a_card_says_what_a_model_takes(tmp_path):
    assert (real.Input.of(tmp_path / "model.onnx").height, real.Input().width) == (256, 128)
    card = tmp_path / "model.toml"
    card.write_text("[input]\nheight = 4\nwidth = 2\nscale = 0.5\nmean = [1.0, 2.0, 3.0]\nstd = [1.0, 1.0, 2.0]\n")
    batch = real.Input.of(tmp_path / "model.onnx").batch(np.full((8, 4, 3), (10, 20, 30), np.uint8))
    assert batch.shape == (1, 3, 4, 2) and np.allclose(batch[0, :, 0, 0], [4, 8, 6], atol=1e-4)
    for text in ("[input]\nheight = 4\n", "no card"):
        card.write_text(text)
        with pytest.raises(DatasetError, match="model.toml: not the card of an image encoder"):
            real.Input.of(tmp_path / "model.onnx")


def test_sentences_ask_for_the_people_of_the_boxes(tmp_path):
    boxes, file = [real.Box("a.avi", 0, 0, 0, 5, 5, name, name) for name in "pq"], tmp_path / "sentences.json"
    file.write_text(json.dumps([{"text": "a man", "people": ["p"]}]))
    assert real.read_sentences(file, boxes) == [real.Asked("a man", frozenset("p"))]
    wrong = {
        "no sentences": [],
        "row 0: `text` says nothing": [{"text": " ", "people": ["p"]}],
        "row 0: `people` has r": [{"text": "a man", "people": ["p", "r"]}],
        "row 0: `people` has nobody": [{"text": "a man", "people": []}],
        "not a list of sentences": [{"text": "a man"}],
    }
    for message, rows in wrong.items():
        file.write_text(json.dumps(rows))
        with pytest.raises(DatasetError, match=f"sentences.json: {message}"):
            real.read_sentences(file, boxes)


@pytest.mark.parametrize(("name", "people"), [("choosing", 6), ("held", 18)])
def test_the_committed_boxes_and_sentences_belong_together(name, people):
    folder = Path(__file__).parents[1] / "real"
    boxes = real.read_boxes(folder / f"{name}.json")
    asked = real.read_sentences(folder / f"{name}-sentences.json", boxes)
    assert len({box.person for box in boxes}) == people
    assert {box.person for box in boxes} == set().union(*(one.people for one in asked))
    # A piece shows one person.
    assert len({(box.piece, box.person) for box in boxes}) == len({box.piece for box in boxes})


def test_the_first_right_piece_counts_and_chance_is_that_of_any_order():
    right = np.array([[True, False, False, False], [False, True, True, False]])
    similar = np.array([[0.1, 0.4, 0.3, 0.2], [0.9, 0.8, 0.95, 0.1]])
    assert real.ranks(similar, right).tolist() == [4, 1]
    assert real.by_chance(right, 1) == pytest.approx((1 / 4 + 2 / 4) / 2)
    # Of two of four, the first two miss both in one of six orders.
    assert real.by_chance(right, 2) == pytest.approx((1 / 2 + 5 / 6) / 2)
    assert real.by_chance(right, 9) == 1


def test_a_pair_is_measured_by_its_files(tmp_path):
    models = Path(__file__).parents[3] / "models"
    film(tmp_path / "a.avi", [20, 220])
    boxes = [["a.avi", frame, 10, 5, 20, 40, name, name] for frame, name in enumerate(("dark", "light"))]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    (tmp_path / "sentences.json").write_text(json.dumps([{"text": "black clothes", "people": ["dark"]}]))
    found = real.measure_sentences(models, tmp_path / "boxes.json", tmp_path / "sentences.json", tmp_path)
    assert (found["people"], found["pieces"], found["asked"], found["by_chance"][0]) == (2, 2, 1, 0.5)
    assert found["ranks"] in ([1], [2]) and found["first_2"] == [1, 1, 1]
