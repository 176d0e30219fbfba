"""What the files of an exported pair say of a dataset: vectors, and tracks with what is true of them.

Of pictures that `augment.resized` made small, whose filter is not quite the program's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

from sightline_training.augment import read_rgb, resized
from sightline_training.calibration import Tracks, tracks_of
from sightline_training.dataset import DatasetError, Picture, read_any
from sightline_training.export import opened
from sightline_training.picture_tower import MEAN, STD
from sightline_training.text_tower import padded, tokenizer

PICTURE, TEXT = "joint-picture", "joint-text"


def session(folder: Path, reads: bool) -> onnxruntime.InferenceSession:
    """An exported model; one that reads takes sentences."""
    file = folder / "model.onnx"
    if not file.is_file():
        raise DatasetError(f"{file} is missing")
    return opened(file, reads)


def seen(models: Path, pictures: list[Picture]) -> np.ndarray:
    """Vectors of pictures."""
    model = session(models / PICTURE, reads=False)
    height, width = model.get_inputs()[0].shape[2:]
    mean, std = (np.array(plane, np.float32).reshape(1, 3, 1, 1) for plane in (MEAN, STD))
    rows = []
    for start in range(0, len(pictures), 64):
        batch = np.stack([resized(read_rgb(one.path), height, width) for one in pictures[start : start + 64]])
        values = (batch.transpose(0, 3, 1, 2).astype(np.float32) / 255 - mean) / std
        rows.append(model.run(["vector"], {"pictures": values})[0])
    return np.concatenate(rows)


def told(models: Path, texts: list[str]) -> np.ndarray:
    """Vectors of texts."""
    model, words = session(models / TEXT, reads=True), tokenizer(64)
    parts = (texts[start : start + 64] for start in range(0, len(texts), 64))
    return np.concatenate(
        [model.run(["vector"], {"ids": padded([one.ids for one in words.encode_batch(part)]).numpy()})[0] for part in parts]
    )


@dataclass(frozen=True)
class Described:
    """Tracks of a dataset with what holds of each, by their places in `tracks`, and the pictures that are in one."""

    tracks: Tracks
    # Whose each track is, as the pictures say it.
    who: list[str]
    holds: list[set[tuple[str, str]]]
    unclear: list[set[str]]
    pictures: list[Picture]

    def tells(self, track: int, clause: tuple[str, str]) -> bool | None:
        """Whether a clause holds of a track; none where that cannot be told."""
        if clause in self.holds[track]:
            return True
        return None if clause[0] in self.unclear[track] else False


def described(models: Path, folder: Path, crops: int) -> Described:
    """Every described person's pictures, in order, as tracks of so many crops; what is left over is in none."""
    by_person: dict[str, list[Picture]] = {}
    for one in read_any(folder):
        if one.captions and one.is_described:
            by_person.setdefault(one.identity, []).append(one)
    pictures, number = [], []
    who, holds, unclear = [], [], []
    for name in sorted(by_person):
        own = by_person[name]
        for start in range(0, len(own) - crops + 1, crops):
            part = own[start : start + crops]
            pictures += part
            number += [len(who)] * crops
            who.append(name)
            holds.append(set().union(*(one.true_clauses for one in part)))
            unclear.append(set().union(*(one.unclear_parts for one in part)))
    if not pictures:
        raise DatasetError(f"{folder}: no pictures with clauses, or nobody has the {crops} that make a track")
    tracks = tracks_of(seen(models, pictures), np.array(number), crops)
    return Described(tracks, who, holds, unclear, pictures)
