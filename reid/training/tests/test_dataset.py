import json

import pytest

from sightline_training.dataset import DatasetError, clauses_of, read_any, read_captions, read_market
from sightline_training.training import clause_table


def test_the_worlds_crops_are_read_with_what_holds_and_what_does_not(crops):
    pictures = read_any(crops)
    assert len(pictures) == 96
    assert len({picture.identity for picture in pictures}) == 24
    assert all(picture.captions and picture.is_described for picture in pictures)
    true = pictures[0].true_clauses
    assert any(text.startswith("no ") for _, text in true)



def test_a_hidden_thing_neither_holds_nor_fails():
    clause = {"part": "top", "kind": "coat", "colour": "red", "text": "a red long coat", "share": 0.3}
    seen = clauses_of({"clauses": [{**clause, "sight": "clear", "is_colour_true": True}], "absent": ["no hat"]})
    assert ("top", "a red long coat") in seen[0] and ("hat", "no cap") in seen[0]
    hidden = clauses_of({"clauses": [{**clause, "sight": "hidden", "is_colour_true": True}]})
    assert hidden == (frozenset(), frozenset({"top"}))


def test_the_table_of_clauses_says_true_false_and_untold(crops):
    import numpy as np

    pictures = read_any(crops)
    texts, table = clause_table(pictures, 400, np.random.default_rng(0))
    assert set(table.unique().tolist()) == {-1.0, 0.0, 1.0}
    column = texts.index("backpack")
    for picture, value in zip(pictures, table[:, column]):
        assert (value == 1) == (("backpack", "backpack") in picture.true_clauses)


def test_market_names_give_person_and_camera(crops, tmp_path):
    pictures = read_market(crops / "images")
    assert len(pictures) == 96 and {picture.camera for picture in pictures} == {1, 2, 3, 4}
    with pytest.raises(DatasetError, match="no pictures named as in Market-1501"):
        read_market(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "expected a list"),
        ("[", "Expecting value"),
        ('[{"id": 1, "file_path": "a.jpg"}]', "entry 0 has no captions"),
        ('[{"id": 1, "file_path": "a.jpg", "captions": ["x"]}]', "a.jpg is missing"),
        ("[]", "no entries"),
    ],
)
def test_a_bad_file_is_refused_by_name(tmp_path, text, message):
    file = tmp_path / "captions.json"
    file.write_text(text)
    with pytest.raises(DatasetError, match=message) as refused:
        read_captions(file)
    assert str(file) in str(refused.value)


def test_a_set_without_clauses_leaves_them_open(tmp_path, crops):
    (tmp_path / "a.jpg").write_bytes((crops / "images/0001_c1_000000_00.jpg").read_bytes())
    file = tmp_path / "reid_raw.json"
    file.write_text(json.dumps([{"id": 3, "file_path": "a.jpg", "captions": ["a man", " "], "split": "train"}]))
    (picture,) = read_captions(file, "train")
    assert picture.captions == ("a man",) and not picture.is_described
