import json
import shutil

import pytest

from sightline_training.dataset import DatasetError, clauses_of, read_any, read_captions, read_held, read_market
from sightline_training.published import read_published
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


def test_misnamed_pictures_and_half_made_folders_are_refused(crops, tmp_path):
    for name in ("0001_c1_000000_00.jpeg", "0002_c2s1_1_0.PNG", "-1_c1_000000_00.jpg", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    assert [(one.identity.split("/")[1], one.camera) for one in read_market(tmp_path)] == [("1", 1), ("2", 2)]
    for name in ("person7.jpg", "person8.png"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(DatasetError, match="2 of 5 pictures are misnamed, such as person7.jpg; expected"):
        read_market(tmp_path)
    sets = tmp_path / "sets"
    shutil.copytree(crops, sets / "s101")
    assert len(read_any(sets)) == 96
    (sets / "s102/images").mkdir(parents=True)
    with pytest.raises(DatasetError, match="s102: no captions.json, which the folders beside it have"):
        read_any(sets)


def test_a_published_sets_splits_are_kept_apart(crops, tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "a.jpg").write_bytes((crops / "images/0001_c1_000000_00.jpg").read_bytes())
    entry = {"file_path": "a.jpg", "captions": ["a man"]}
    splits = {1: "train", 2: "val", 3: "test"}
    file = folder / "captions.json"
    file.write_text(json.dumps([{**entry, "id": who, "split": split} for who, split in splits.items()]))
    for path in (file, folder, tmp_path):
        for who, split in splits.items():
            assert [one.identity.split("/")[1] for one in read_any(path, split)] == [str(who)]
    assert [one.identity.split("/")[1] for one in read_published(folder)] == ["1"]
    assert [one.identity.split("/")[1] for one in read_published(folder, "gallery")] == ["3"]
    file.write_text(json.dumps([{**entry, "id": 3, "split": "test"}]))
    with pytest.raises(DatasetError, match="no entries of split train"):
        read_any(file, "train")
    # A set without splits, and the world's, which are parted by seed, are read whole.
    file.write_text(json.dumps([{**entry, "id": 3}]))
    assert len(read_any(file, "train")) == 1 and len(read_any(crops, "train")) == 96


GOOD = '"id": 1, "file_path": "there.jpg", "captions": ["x"]'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "expected a list"),
        ("[", "Expecting value"),
        ('[{"id": 1, "file_path": "a.jpg"}]', "entry 0 has no captions"),
        ('[{"id": 1, "file_path": "a.jpg", "captions": ["x"]}]', "a.jpg is missing"),
        ("[]", "no entries"),
        ("[3]", "entry 0 is '3', expected a table"),
        ('["id", "file_path", "captions"]', "entry 0 is 'id', expected a table"),
        ('[{"id": 1, "file_path": "a.jpg", "captions": "x"}]', "entry 0: `captions` is not a list of sentences"),
        ('[{"id": 1, "file_path": "a.jpg", "captions": [3]}]', "entry 0: `captions` is not a list of sentences"),
        ('[{"id": 1, "file_path": 3, "captions": ["x"]}]', "3 is missing"),
        ('[{"id": 1, "file_path": ".", "captions": ["x"]}]', " is missing"),
        (f'[{{{GOOD}, "camera": "gate"}}]', "entry 0: camera or clauses are not as `world crops` writes them"),
        (f'[{{{GOOD}, "clauses": ["red coat"]}}]', "entry 0: camera or clauses are not as"),
        (f'[{{{GOOD}, "clauses": [{{"part": "top", "sight": "clear"}}]}}]', "entry 0: camera or clauses are not as .*'kind'"),
        (f'[{{{GOOD}, "absent": [3]}}]', "entry 0: camera or clauses are not as"),
        ("\udcff", "can't decode"),
        ("[" * 100_000, "recursion"),
    ],
)
def test_a_bad_file_is_refused_by_name(tmp_path, text, message):
    file = tmp_path / "captions.json"
    file.write_bytes(text.encode(errors="surrogateescape"))
    (tmp_path / "there.jpg").write_bytes(b"a picture")
    with pytest.raises(DatasetError, match=message) as refused:
        read_captions(file)
    assert str(file) in str(refused.value) and "\n" not in str(refused.value)


def test_a_set_without_clauses_leaves_them_open(tmp_path, crops):
    (tmp_path / "a.jpg").write_bytes((crops / "images/0001_c1_000000_00.jpg").read_bytes())
    file = tmp_path / "reid_raw.json"
    file.write_text(json.dumps([{"id": 3, "file_path": "a.jpg", "captions": ["a man", " "], "split": "train"}]))
    (picture,) = read_captions(file, "train")
    assert picture.captions == ("a man",) and not picture.is_described


def test_people_who_are_on_one_camera_are_not_measured_on(tmp_path):
    for name in ("0001_c1_000000_00.jpg", "0001_c1_000000_01.jpg", "0002_c2_000000_00.jpg"):
        (tmp_path / name).write_bytes(b"a picture")
    with pytest.raises(DatasetError, match="nobody is on two cameras"):
        read_held(tmp_path, "val")
    (tmp_path / "0002_c1_000000_00.jpg").write_bytes(b"a picture")
    assert len(read_held(tmp_path, "val")) == 4
