"""Readers: pictures of people with identity, camera and sentences."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

PICTURE = {".jpg", ".jpeg", ".png", ".tif", ".bmp"}
# 0001_c1s1_000151_01.jpg, 0001_c2_f0046182.jpg; -1 and 0 are nobody.
MARKET = re.compile(r"^(-?\d+)_c(\d+)[_s]")

# What a sentence of the synthetic world denies, and the part of a person that it is about.
DENIABLE = {
    "backpack": "backpack",
    "rucksack": "backpack",
    "shoulder bag": "shoulder-bag",
    "handbag": "hand-bag",
    "bag in the hand": "hand-bag",
    "suitcase": "suitcase",
    "umbrella": "umbrella",
    "hat": "hat",
    "cap": "hat",
    "scarf": "scarf",
    "glasses": "glasses",
}

# How hair is worn, in words: before its colour, and by itself.
HAIR = {
    "short": ("short", "short hair"),
    "bob": ("chin-length", "chin-length hair"),
    "long": ("long", "long hair"),
    "afro": ("curly", "curly hair"),
    "ponytail": ("", "a ponytail"),
    "braid": ("", "a braid"),
    "bald": (None, "a bald head"),
    "shaved": (None, "a shaved head"),
}
HAIR_COLOURS = {"dark": "dark brown"}
SEXES = {"man": "male", "boy": "male", "woman": "female", "girl": "female"}


class DatasetError(ValueError):
    """A dataset folder that is not what it should be; the message names the file."""


@dataclass(frozen=True)
class Picture:
    """One crop: where it lies, whom it shows, and what is true of it."""

    path: Path
    identity: str
    camera: int
    captions: tuple[str, ...] = ()
    # What holds, as (part, words), and the parts that the picture does not show well enough to say what does not.
    true_clauses: frozenset[tuple[str, str]] = field(default_factory=frozenset)
    unclear_parts: frozenset[str] = field(default_factory=frozenset)
    is_described: bool = False
    # Whose clothes this person wears, if another one's.
    looks_like: str = ""


def plain_kind(kind: str) -> str:
    """`padded-jacket` as words."""
    words = kind.replace("-", " ")
    return {"t shirt": "T-shirt", "hand bag": "handbag"}.get(words, words)


def clauses_of(entry: dict) -> tuple[frozenset[tuple[str, str]], frozenset[str]]:
    """Clauses that hold of an entry of the synthetic world, and the parts that its picture leaves open."""
    true: set[tuple[str, str]] = set()
    unclear: set[str] = set()
    for clause in entry.get("clauses", []):
        part = clause["part"]
        if clause["sight"] != "clear":
            unclear.add(part)
            continue
        true.add((part, plain_kind(clause["kind"])))
        if clause["is_colour_true"]:
            true.add((part, clause["text"]))
        else:
            unclear.add(part)
    for text in entry.get("absent", []):
        part = DENIABLE.get(text.removeprefix("no "))
        if part is not None:
            true.update((part, f"no {word}") for word, other in DENIABLE.items() if other == part)
    if "group" in entry:
        true.update((("group", entry["group"]), ("group", SEXES[entry["group"]])))
    if "hair" in entry:
        # Captions speak of hair that is seen, and of no other.
        if any(word in caption for caption in entry["captions"] for word in ("hair", "bald", "shaved")):
            true.update(("hair", words) for words in hair_words(**entry["hair"]))
        else:
            unclear.add("hair")
    return frozenset(true), frozenset(unclear)


def hair_words(style: str, colour: str) -> list[str]:
    """Clauses that hold of hair; of none that is told with its colour, the style alone."""
    before, alone = HAIR[style]
    if before is None:
        return [alone]
    of_colour = f"{HAIR_COLOURS.get(colour, colour)} hair"
    return [alone, of_colour, f"{before} {of_colour}".strip()]


def read_entries(file: Path, keys: set[str]) -> list[dict]:
    """A JSON list of tables that have these keys, `captions` among them."""
    try:
        entries = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(f"{file}: {getattr(error, 'strerror', None) or error}") from error
    if not isinstance(entries, list):
        raise DatasetError(f"{file}: expected a list of entries")
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise DatasetError(f"{file}: entry {number} is {str(entry)[:60]!r}, expected a table")
        lacking = sorted(keys - set(entry))
        if lacking:
            raise DatasetError(f"{file}: entry {number} has no {', '.join(lacking)}")
        if not isinstance(entry["captions"], list) or not all(isinstance(text, str) for text in entry["captions"]):
            raise DatasetError(f"{file}: entry {number}: `captions` is not a list of sentences")
    return entries


def read_captions(file: Path, split: str | None = None) -> list[Picture]:
    """Reads a CUHK-PEDES file (a JSON list of id, file_path, captions, split); the synthetic world's adds clauses and cameras.

    Identities are told apart by folder as well, so that several sets can be joined. Of a published set the entries of one split are
    read; the world's sets are parted by seed, and each is read whole.
    """
    pictures = []
    for number, entry in enumerate(read_entries(file, {"id", "file_path", "captions"})):
        if split is not None and "clauses" not in entry and entry.get("split", split) != split:
            continue
        path = file.parent / str(entry["file_path"])
        if not path.is_file():
            raise DatasetError(f"{file}: entry {number}: {path} is missing")
        try:
            camera = int(entry.get("camera", number))
            true, unclear = clauses_of(entry)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DatasetError(f"{file}: entry {number}: camera or clauses are not as `world crops` writes them ({error})") from error
        pictures.append(
            Picture(
                path=path,
                identity=f"{file.parent.name}/{entry['id']}",
                camera=camera,
                captions=tuple(text for text in entry["captions"] if text.strip()),
                true_clauses=true,
                unclear_parts=unclear,
                is_described="clauses" in entry,
                looks_like=f"{file.parent.name}/{entry['alike']}" if entry.get("alike") else "",
            )
        )
    if not pictures:
        raise DatasetError(f"{file}: no entries" + (f" of split {split}" if split else ""))
    return pictures


def pictures_in(folder: Path) -> list[Path]:
    """Picture files of a folder, in order; other files are nobody's business."""
    try:
        return sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURE)
    except OSError as error:
        raise DatasetError(f"{folder}: {error.strerror or error}") from error


def read_market(folder: Path) -> list[Picture]:
    """Reads a folder of pictures named as in Market-1501 (`0001_c1_000000_00.jpg`); identities below 1 are distractors and left out."""
    found = [(path, MARKET.match(path.name)) for path in pictures_in(folder)]
    misnamed = [path.name for path, match in found if match is None]
    if misnamed:
        told = f"{len(misnamed)} of {len(found)} pictures are misnamed, such as {misnamed[0]}"
        raise DatasetError(f"{folder}: {told}; expected names as in Market-1501, such as 0001_c1_000000_00.jpg")
    pictures = [
        Picture(path=path, identity=f"{folder.name}/{int(match[1])}", camera=int(match[2])) for path, match in found if int(match[1]) > 0
    ]
    if not pictures:
        raise DatasetError(f"{folder}: no pictures named as in Market-1501, such as 0001_c1_000000_00.jpg")
    return pictures


def read_any(path: Path, split: str | None = None) -> list[Picture]:
    """Reads a JSON file, a folder with `captions.json`, a folder of Market-1501 pictures, or a folder of such folders.

    `split` is `train`, `val` or `test`, of the files that name splits; None is all of them.
    """
    if path.is_file():
        return read_captions(path, split)
    if (path / "captions.json").is_file():
        return read_captions(path / "captions.json", split)
    if not path.is_dir():
        raise DatasetError(f"{path}: no such file or folder")
    folders = sorted(part for part in path.iterdir() if part.is_dir())
    parts = [part for part in folders if (part / "captions.json").is_file()]
    if parts:
        # Such as what was cut short while it was made.
        if len(parts) < len(folders):
            bare = next(part for part in folders if part not in parts)
            raise DatasetError(f"{bare}: no captions.json, which the folders beside it have")
        return [picture for part in parts for picture in read_captions(part / "captions.json", split)]
    return read_market(path)


def read_held(path: Path, split: str) -> list[Picture]:
    """Reads what a training is measured on, which must show somebody on two cameras: better known before it than after."""
    pictures = read_any(path, split)
    if len({(picture.identity, picture.camera) for picture in pictures}) == len({picture.identity for picture in pictures}):
        raise DatasetError(f"{path}: nobody is on two cameras, so nothing can be measured")
    return pictures
