"""Published datasets as they are laid out by their authors. What is misnamed or missing is refused by name."""

from __future__ import annotations

import re
from pathlib import Path

from sightline_training.dataset import MARKET, DatasetError, Picture, pictures_in, read_any, read_entries

SPLITS = ("train", "query", "gallery")

# 0000_000_01_0303morning_0008_0.jpg: person, number of the picture, camera, time, frame.
MSMT = re.compile(r"^(\d{4})_(\d+)_(\d{2})_\d{4}(?:morning|noon|afternoon)_\d+_\d+")
# 001_01.tif: person, number of the picture.
OCCLUDED = re.compile(r"^(\d+)_(\d+)")
# 0000_c14_0004.jpg
RSTP = re.compile(r"^(\d+)_c(\d+)_(\d+)")

MARKET_FOLDERS = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}
MSMT_LISTS = {"train": ("list_train.txt", "list_val.txt"), "query": ("list_query.txt",), "gallery": ("list_gallery.txt",)}
OCCLUDED_FOLDERS = {"query": "occluded_body_images", "gallery": "whole_body_images"}
# Files of sentences, and how an entry names its picture.
SENTENCES = {"ICFG-PEDES.json": "file_path", "data_captions.json": "img_path", "reid_raw.json": "file_path"}


def named(path: Path, pattern: re.Pattern[str], example: str) -> re.Match[str]:
    """The parts of a file's name."""
    match = pattern.match(path.name)
    if match is None:
        raise DatasetError(f"{path}: misnamed, expected a name such as {example}")
    return match


def read_market(root: Path, split: str) -> list[Picture]:
    """Market-1501, Occluded-Duke and what is laid out like them; distractors (person 0) are in the gallery alone, junk (-1) nowhere."""
    folder = root / MARKET_FOLDERS[split]
    pictures = []
    for path in pictures_in(folder):
        match = named(path, MARKET, "0001_c1s1_000151_01.jpg")
        if int(match[1]) >= (0 if split == "gallery" else 1):
            pictures.append(Picture(path, f"{root.name}/{int(match[1])}", int(match[2])))
    return pictures


def read_msmt(root: Path, split: str) -> list[Picture]:
    """MSMT17: lists of `0000/0000_000_01_0303morning_0008_0.jpg 0` below `train` and `test`."""
    part = "train" if split == "train" else "test"
    folder = next((root / name for name in (part, f"mask_{part}_v2", f"{part}_v2") if (root / name).is_dir()), None)
    if folder is None:
        raise DatasetError(f"{root}: MSMT17 has no folder `{part}` (or `mask_{part}_v2`)")
    pictures = []
    for file in MSMT_LISTS[split]:
        try:
            lines = (root / file).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DatasetError(f"{root / file}: {getattr(error, 'strerror', None) or error}") from error
        for number, line in enumerate(lines, 1):
            name, _, person = line.strip().rpartition(" ")
            if not name or not person.isdigit():
                raise DatasetError(f"{root / file}: line {number}: expected a path and a number, found `{line[:60]}`")
            path = folder / name
            match = named(path, MSMT, "0000_000_01_0303morning_0008_0.jpg")
            if not path.is_file():
                raise DatasetError(f"{root / file}: line {number}: {path} is missing")
            # Training and test people are numbered apart, and a number may stand for somebody else in each.
            pictures.append(Picture(path, f"{root.name}/{part}/{int(person)}", int(match[3])))
    return pictures


def read_occluded(root: Path, split: str) -> list[Picture]:
    """Occluded-REID: folders of people, hidden in part to ask with and whole to find; it has no cameras, so each half counts as one.

    All of it is for testing; a training takes both halves.
    """
    pictures = []
    for camera, (half, name) in enumerate(OCCLUDED_FOLDERS.items(), 1):
        if split not in ("train", half):
            continue
        folder = root / name
        try:
            people = sorted(path for path in folder.iterdir() if path.is_dir())
        except OSError as error:
            raise DatasetError(f"{folder}: {error.strerror or error}") from error
        for person in people:
            found = pictures_in(person)
            if not found:
                raise DatasetError(f"{person}: no pictures")
            for path in found:
                match = named(path, OCCLUDED, "001_01.tif")
                if not person.name.isdigit() or int(match[1]) != int(person.name):
                    raise DatasetError(f"{path}: misnamed, the folder says person {person.name}")
                pictures.append(Picture(path, f"{root.name}/{int(match[1])}", camera))
    return pictures


def read_sentences(file: Path, split: str) -> list[Picture]:
    """CUHK-PEDES, ICFG-PEDES and RSTPReid: a JSON list, its pictures below `imgs`."""
    key = SENTENCES[file.name]
    wanted = "train" if split == "train" else "test"
    pictures = []
    for number, entry in enumerate(read_entries(file, {"id", "captions", "split", key})):
        if entry["split"] != wanted:
            continue
        path = file.parent / "imgs" / str(entry[key])
        if not path.is_file():
            raise DatasetError(f"{file}: entry {number}: {path} is missing")
        camera = camera_of(path, file)
        captions = tuple(text for text in entry["captions"] if text.strip())
        if not captions:
            raise DatasetError(f"{file}: entry {number} has no sentence")
        pictures.append(Picture(path, f"{file.parent.name}/{entry['id']}", number if camera is None else camera, captions))
    return pictures


def camera_of(path: Path, file: Path) -> int | None:
    """The camera that a picture's name tells."""
    if file.name == "data_captions.json":
        return int(named(path, RSTP, "0000_c14_0004.jpg")[2])
    if file.name == "ICFG-PEDES.json":
        return int(named(path, MSMT, "0000_004_05_0303morning_0008_1.jpg")[3])
    # CUHK-PEDES joins several sets, whose cameras are not told: no two pictures count as one camera's.
    return None


def read_published(root: Path, split: str = "train") -> list[Picture]:
    """Reads a dataset by what lies in its folder: `train`, `query` or `gallery`.

    Sets of sentences have one test set, which is both. Anything else goes to `read_any`, whose files may name splits.
    """
    if split not in SPLITS:
        raise DatasetError(f"split `{split}` is unknown, expected one of {', '.join(SPLITS)}")
    file = next((root / name for name in SENTENCES if (root / name).is_file()), None)
    if file is not None:
        pictures = read_sentences(file, split)
    elif (root / "list_train.txt").is_file() or (root / "list_query.txt").is_file():
        pictures = read_msmt(root, split)
    elif any((root / name).is_dir() for name in MARKET_FOLDERS.values()):
        pictures = read_market(root, split)
    elif any((root / name).is_dir() for name in OCCLUDED_FOLDERS.values()):
        pictures = read_occluded(root, split)
    else:
        return read_any(root, "train" if split == "train" else "test")
    if not pictures:
        raise DatasetError(f"{root}: no pictures of the split `{split}`")
    return pictures
