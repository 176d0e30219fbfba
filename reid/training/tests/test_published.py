"""Readers of published datasets, on small folders laid out like them."""

import json
import shutil
import sys

import pytest

from sightline_training import family
from sightline_training.dataset import DatasetError
from sightline_training.published import read_published


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"a picture")


def found(pictures):
    return sorted((picture.identity.split("/", 1)[1], picture.camera) for picture in pictures)


def refused(root, split, message):
    with pytest.raises(DatasetError, match=message) as error:
        read_published(root, split)
    assert "\n" not in str(error.value) and str(root) in str(error.value)


def test_market_and_occluded_duke(tmp_path):
    touch(tmp_path, "bounding_box_train/0002_c1s1_000151_01.jpg", "bounding_box_train/0002_c3s1_000151_01.jpg", "bounding_box_train/Thumbs.db")
    touch(tmp_path, "query/0005_c2_f0046182.jpg")
    touch(tmp_path, "bounding_box_test/0005_c1_f0046182.jpg", "bounding_box_test/0000_c1s1_000151_01.jpg", "bounding_box_test/-1_c1s1_000401_03.jpg")
    assert found(read_published(tmp_path)) == [("2", 1), ("2", 3)]
    assert found(read_published(tmp_path, "query")) == [("5", 2)]
    assert found(read_published(tmp_path, "gallery")) == [("0", 1), ("5", 1)]
    touch(tmp_path, "query/person7.jpg")
    refused(tmp_path, "query", "person7.jpg: misnamed, expected a name such as 0001_c1s1")


def test_msmt17(tmp_path):
    name = "0000/0000_000_01_0303morning_0008_0.jpg"
    other = "0001/0001_004_15_0302noon_0161_1_ex.jpg"
    touch(tmp_path, f"train/{name}", f"train/{other}", f"test/{name}", f"test/{other}")
    (tmp_path / "list_train.txt").write_text(f"{name} 0\n")
    (tmp_path / "list_val.txt").write_text(f"{other} 1\n")
    (tmp_path / "list_query.txt").write_text(f"{name} 0\n")
    (tmp_path / "list_gallery.txt").write_text(f"{other} 1\n")
    assert found(read_published(tmp_path)) == [("train/0", 1), ("train/1", 15)]
    assert found(read_published(tmp_path, "query")) == [("test/0", 1)]
    (tmp_path / "list_query.txt").write_text(f"{name} 0\n0002/0002_000_01_0303morning_0008_0.jpg 2\n")
    refused(tmp_path, "query", "line 2: .*0002_000_01_0303morning_0008_0.jpg is missing")
    (tmp_path / "list_query.txt").write_text("nonsense\n")
    refused(tmp_path, "query", "line 1: expected a path and a number, found `nonsense`")
    (tmp_path / "list_query.txt").write_text("0000/picture.jpg 0\n")
    refused(tmp_path, "query", "picture.jpg: misnamed")
    (tmp_path / "list_val.txt").unlink()
    refused(tmp_path, "train", "list_val.txt: No such file")


def test_occluded_reid(tmp_path):
    touch(tmp_path, "occluded_body_images/001/001_01.tif", "whole_body_images/001/001_01.tif", "whole_body_images/002/002_05.tif")
    assert found(read_published(tmp_path, "query")) == [("1", 1)]
    assert found(read_published(tmp_path, "gallery")) == [("1", 2), ("2", 2)]
    assert len(read_published(tmp_path, "train")) == 3
    touch(tmp_path, "whole_body_images/002/003_01.tif")
    refused(tmp_path, "gallery", "003_01.tif: misnamed, the folder says person 002")
    (tmp_path / "whole_body_images/004").mkdir()
    (tmp_path / "whole_body_images/002/003_01.tif").unlink()
    refused(tmp_path, "gallery", "004: no pictures")


LAYOUTS = {
    "reid_raw.json": ("file_path", "CUHK01/0363004.png", 1),
    "ICFG-PEDES.json": ("file_path", "test/0000/0000_002_05_0303morning_0008_1.jpg", 5),
    "data_captions.json": ("img_path", "0000_c14_0004.jpg", 14),
}


@pytest.mark.parametrize("file", LAYOUTS)
def test_sets_of_sentences(tmp_path, file):
    key, name, camera = LAYOUTS[file]
    touch(tmp_path, f"imgs/{name}")
    entry = {"id": 3, key: name, "captions": ["A man in a red coat.", " "], "split": "test"}
    other = {**entry, "split": "train", "id": 4}

    def write(*entries):
        (tmp_path / file).write_text(json.dumps(entries))

    write(other, entry)
    (picture,) = read_published(tmp_path, "gallery")
    assert picture.camera == camera and picture.identity.endswith("/3") and picture.captions == ("A man in a red coat.",)
    assert read_published(tmp_path, "query") == [picture]
    assert read_published(tmp_path)[0].identity.endswith("/4")
    write({**entry, key: "absent.jpg"})
    refused(tmp_path, "query", "entry 0: .*absent.jpg is missing")
    write({name: value for name, value in entry.items() if name != "captions"})
    refused(tmp_path, "query", "entry 0 has no captions")
    write({**entry, "captions": "one"})
    refused(tmp_path, "query", "not a list of sentences")
    write({**entry, "captions": []})
    refused(tmp_path, "query", "has no sentence")
    write(other)
    refused(tmp_path, "query", "no pictures of the split `query`")
    (tmp_path / file).write_text("{")
    refused(tmp_path, "query", file)


MSMT_NAME = "0000/0000_000_01_0303morning_0008_0.jpg"
WHOLE = {
    "market": ["bounding_box_train/0002_c1s1_000151_01.jpg", "query/0005_c2_f0046182.jpg", "bounding_box_test/0005_c1_f0046182.jpg"],
    "msmt": [f"train/{MSMT_NAME}", f"test/{MSMT_NAME}"],
    "occluded": ["occluded_body_images/001/001_01.tif", "whole_body_images/001/001_01.tif"],
    **{file: [f"imgs/{name}"] for file, (_, name, _) in LAYOUTS.items()},
}


def laid_out(kind, root):
    """A small dataset of a kind."""
    touch(root, *WHOLE[kind])
    if kind == "msmt":
        for name in ("list_train.txt", "list_val.txt", "list_query.txt", "list_gallery.txt"):
            (root / name).write_text(f"{MSMT_NAME} 0\n")
    if kind in LAYOUTS:
        key, name, _ = LAYOUTS[kind]
        entries = [{"id": 1, key: name, "captions": ["a man"], "split": split} for split in ("train", "test")]
        (root / kind).write_text(json.dumps(entries))


@pytest.mark.parametrize("kind", WHOLE)
def test_a_dataset_that_lacks_any_of_its_files_is_refused_before_anything_is_written(kind, tmp_path, monkeypatch, capsys):
    laid_out(kind, tmp_path / "whole")
    for split in ("train", "query", "gallery"):
        assert read_published(tmp_path / "whole", split)
    parts = sorted(path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("*"))
    for part in parts:
        root = tmp_path / "broken" / str(part).replace("/", "-")
        laid_out(kind, root)
        shutil.rmtree(root / part) if (root / part).is_dir() else (root / part).unlink()
        words = ("train", "--system", "mscsa", "--data", root, "--test", root, "--out", tmp_path / "run")
        monkeypatch.setattr(sys, "argv", ["family", *map(str, words)])
        assert family.main() == 1, part
        told = capsys.readouterr().err
        assert told.startswith("error: ") and str(root) in told and told.count("\n") == 1, told
        assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("kind", WHOLE)
def test_a_dataset_whose_files_are_noise_is_refused_in_one_line(kind, tmp_path):
    laid_out(kind, tmp_path / "whole")
    for path in sorted(tmp_path.rglob("*")):
        if path.suffix in (".txt", ".json"):
            before = path.read_bytes()
            for noise in (b"\xff\xfe", b"[3]", b"[[]]", b"{", b"", b"0 0 0\n"):
                path.write_bytes(noise)
                for split in ("train", "query", "gallery"):
                    try:
                        read_published(tmp_path / "whole", split)
                    except DatasetError as error:
                        assert str(tmp_path) in str(error) and "\n" not in str(error)
            path.write_bytes(before)
        elif path.suffix in (".jpg", ".png", ".tif"):
            other = path.with_name("somebody" + path.suffix)
            path.rename(other)
            with pytest.raises(DatasetError, match="somebody|missing|no pictures"):
                for split in ("train", "query", "gallery"):
                    read_published(tmp_path / "whole", split)
            other.rename(path)


def test_misnamed_pictures_of_sentences(tmp_path):
    touch(tmp_path, "imgs/man.jpg")
    (tmp_path / "data_captions.json").write_text(json.dumps([{"id": 1, "img_path": "man.jpg", "captions": ["a"], "split": "train"}]))
    refused(tmp_path, "train", "man.jpg: misnamed, expected a name such as 0000_c14_0004.jpg")


def test_the_worlds_crops_are_still_read(crops):
    assert len(read_published(crops, "gallery")) == 96
    with pytest.raises(DatasetError, match="split `all` is unknown"):
        read_published(crops, "all")
