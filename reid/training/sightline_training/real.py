"""How well models tell real people apart, and find them by sentences: boxes of footage, told apart by eye, cut out and compared.

A file of boxes names for each the clip, the frame, the box in pixels, the person, and the piece of a track that it is of. Each crop asks
for its person in other pieces, so that neighbouring frames, which are nearly one picture, do not count. A file of sentences says of each
whom it fits; it asks for pieces, which stand for the tracks that a search finds.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import get_type_hints

import cv2
import numpy as np
import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidProtobuf

from sightline_training.augment import plain
from sightline_training.calibration import Tracks
from sightline_training.dataset import DatasetError
from sightline_training.exported import PICTURE, told
from sightline_training.person_net import HEIGHT, WIDTH
from sightline_training.retrieval import image_results

CODES = 255.0
RESAMPLED = 2000


@dataclass(frozen=True)
class Box:
    """One person at one moment."""

    clip: str
    frame: int
    left: int
    top: int
    width: int
    height: int
    person: str
    piece: str


def read_boxes(file: Path) -> list[Box]:
    """The boxes of a JSON file: a list of rows in the order of `Box`."""
    try:
        boxes = [Box(*row) for row in json.loads(file.read_text())]
    except (OSError, TypeError, ValueError) as error:
        raise DatasetError(f"{file}: not a list of boxes: {error}") from error
    kinds = get_type_hints(Box)
    for number, box in enumerate(boxes):
        strange = [name for name, kind in kinds.items() if type(getattr(box, name)) is not kind]
        if strange:
            raise DatasetError(f"{file}: row {number}: `{strange[0]}` is not {kinds[strange[0]].__name__}")
        if box.frame < 0 or box.left + max(box.width, 0) <= max(box.left, 0) or box.top + max(box.height, 0) <= max(box.top, 0):
            raise DatasetError(f"{file}: row {number}: no box of a frame")
    return boxes


def cut_out(boxes: list[Box], footage: Path) -> list[np.ndarray]:
    """Each box as H x W x 3, RGB; clips are read from the first frame on, since seeking is not exact in all of them."""
    crops: dict[Box, np.ndarray] = {}
    for clip in sorted({box.clip for box in boxes}):
        own = [box for box in boxes if box.clip == clip]
        film = cv2.VideoCapture(str(footage / clip))
        for frame in range(max(box.frame for box in own) + 1):
            is_read, picture = film.read()
            if not is_read:
                raise DatasetError(f"{footage / clip}: ends before frame {frame}")
            for box in own:
                if box.frame == frame:
                    rows, columns = slice(max(box.top, 0), box.top + box.height), slice(max(box.left, 0), box.left + box.width)
                    crops[box] = picture[rows, columns, ::-1].copy()
                    if not crops[box].size:
                        raise DatasetError(f"{footage / clip}: frame {frame}: a box of {box.person} lies outside the picture")
        film.release()
    return [crops[box] for box in boxes]


@dataclass(frozen=True)
class Input:
    """What a model takes: pixels, and what is done to codes of 0 to 255 (reid/src/card.rs)."""

    height: int = HEIGHT
    width: int = WIDTH
    scale: float = 1.0
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)

    @staticmethod
    def of(model: Path) -> Input:
        """By the card beside a model; a file without one is 0267 as published."""
        card = model.with_name("model.toml")
        if not card.is_file():
            return Input()
        try:
            said = tomllib.loads(card.read_text(encoding="utf-8"))["input"]
            return Input(said["height"], said["width"], said["scale"], tuple(said["mean"]), tuple(said["std"]))
        except (KeyError, OSError, TypeError, ValueError) as error:
            raise DatasetError(f"{card}: not the card of an image encoder ({error})") from error

    def batch(self, crop: np.ndarray) -> np.ndarray:
        """1 x 3 x H x W of a crop, H x W x 3, RGB."""
        codes = plain(crop, self.height, self.width).numpy() * CODES
        mean, std = (np.array(plane, np.float32).reshape(3, 1, 1) for plane in (self.mean, self.std))
        return ((codes * np.float32(self.scale) - mean) / std)[None]


def vectors_of_file(model: Path, crops: list[np.ndarray]) -> np.ndarray:
    """Crops x channels by the ONNX file of an image encoder, on one thread; of length one whether the file sees to it or not."""
    if not model.is_file():
        raise DatasetError(f"{model} is missing")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except InvalidProtobuf as error:
        raise DatasetError(f"{model}: not an ONNX file") from error
    name, taken = session.get_inputs()[0].name, Input.of(model)
    rows = [session.run(None, {name: taken.batch(crop)})[0].reshape(-1) for crop in crops]
    vectors = np.stack(rows)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def similarities(vectors: np.ndarray, who: np.ndarray, piece: np.ndarray) -> dict[str, float]:
    """Means of cosines within people, over pieces, and between them; and what 95% of the latter are below."""
    cosine, same = vectors @ vectors.T, who[:, None] == who[None, :]
    others = cosine[~same]
    apart = same & (piece[:, None] != piece[None, :])
    return {"same": float(cosine[apart].mean()), "others": float(others.mean()), "others_95": float(np.quantile(others, 0.95))}


def with_intervals(results: np.ndarray, names: tuple[str, ...], seed: int) -> dict[str, object]:
    """Means of columns, asked x names, each with its 95% interval by bootstrap over those who ask."""
    rng = np.random.default_rng(seed)
    drawn = np.array([results[rng.integers(len(results), size=len(results))].mean(0) for _ in range(RESAMPLED)])
    out: dict[str, object] = {"asked": len(results)}
    for column, name in enumerate(names):
        low, high = np.quantile(drawn[:, column], (0.025, 0.975))
        out[name] = [round(float(value), 4) for value in (results[:, column].mean(), low, high)]
    return out


def measures(vectors: np.ndarray, who: np.ndarray, piece: np.ndarray, seed: int = 0) -> dict[str, object]:
    """Rank-1 and mAP with 95% intervals by bootstrap over those who ask, and similarities."""
    out = with_intervals(np.array(image_results(vectors, who, piece))[:, :2], ("rank1", "map"), seed)
    return out | {name: round(value, 4) for name, value in similarities(vectors, who, piece).items()}


def numbered(names: list[str]) -> np.ndarray:
    """Names as numbers."""
    known = {name: number for number, name in enumerate(sorted(set(names)))}
    return np.array([known[name] for name in names])


def measure_real(model: Path, file: Path, footage: Path) -> dict[str, object]:
    """One model over one file of boxes."""
    boxes = read_boxes(file)
    if len({(box.person, box.piece) for box in boxes}) == len({box.person for box in boxes}):
        raise DatasetError(f"{file}: nobody is there in two pieces, so no crop has one to ask for")
    vectors = vectors_of_file(model, cut_out(boxes, footage))
    return measures(vectors, numbered([box.person for box in boxes]), numbered([box.piece for box in boxes]))


@dataclass(frozen=True)
class Asked:
    """A sentence, and the people whom it fits."""

    text: str
    people: frozenset[str]


def read_sentences(file: Path, boxes: list[Box]) -> list[Asked]:
    """The sentences of a JSON file, `[{"text": "a man in a hat", "people": ["hat"]}]`, each of which fits somebody in the boxes."""
    known = {box.person for box in boxes}
    try:
        sentences = [Asked(row["text"], frozenset(row["people"])) for row in json.loads(file.read_text(encoding="utf-8"))]
    except (KeyError, OSError, TypeError, ValueError) as error:
        raise DatasetError(f"{file}: not a list of sentences: {error}") from error
    if not sentences:
        raise DatasetError(f"{file}: no sentences")
    for number, one in enumerate(sentences):
        if not isinstance(one.text, str) or not one.text.strip():
            raise DatasetError(f"{file}: row {number}: `text` says nothing")
        if not one.people or not one.people <= known:
            strange = ", ".join(sorted(map(str, one.people - known))) or "nobody"
            raise DatasetError(f"{file}: row {number}: `people` has {strange}, expected people of the boxes")
    return sentences


def ranks(similar: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The place of the first right one, from 1, in each row of sentences x pieces."""
    order = np.argsort(-similar, axis=1, kind="stable")
    return np.take_along_axis(right, order, 1).argmax(1) + 1


def by_chance(right: np.ndarray, first: int) -> float:
    """How often one of the first so many is right, were they in any order."""
    count = right.shape[1]
    missed = [np.prod([(count - own - place) / (count - place) for place in range(min(first, count))]) for own in right.sum(1)]
    return float(1 - np.mean(missed))


def measure_sentences(models: Path, file: Path, sentences: Path, footage: Path) -> dict[str, object]:
    """The pair below `models` over one file of boxes and one of sentences: how often a piece of the right person is among the first."""
    boxes = read_boxes(file)
    asked = read_sentences(sentences, boxes)
    vectors = vectors_of_file(models / PICTURE / "model.onnx", cut_out(boxes, footage))
    words = told(models, [one.text for one in asked])
    owners = {box.piece: box.person for box in boxes}
    own = [[place for place, box in enumerate(boxes) if box.piece == piece] for piece in owners]
    similar = np.concatenate([Tracks(vectors[places][None], np.zeros(1)).similarities(words) for places in own], axis=1)
    right = np.array([[person in one.people for person in owners.values()] for one in asked])
    found, counts = ranks(similar, right), (1, 2, 3, 5)
    columns = {f"first_{count}": found <= count for count in counts} | {"reciprocal_rank": 1 / found}
    out: dict[str, object] = {"people": len(set(owners.values())), "pieces": len(owners)}
    out |= with_intervals(np.stack(list(columns.values()), 1), tuple(columns), 0)
    return out | {"by_chance": [round(by_chance(right, count), 4) for count in counts], "ranks": found.tolist()}
