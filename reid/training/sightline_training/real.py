"""How well an appearance model tells real people apart: boxes of footage, told apart by eye, cut out and compared.

A file of boxes names for each the clip, the frame, the box in pixels, the person, and the piece of a track that it is of. Each crop asks
for its person in other pieces, so that neighbouring frames, which are nearly one picture, do not count.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import get_type_hints

import cv2
import numpy as np
import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidProtobuf

from sightline_training.augment import plain
from sightline_training.dataset import DatasetError
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


def vectors_of_file(model: Path, crops: list[np.ndarray]) -> np.ndarray:
    """Crops x 256 by an ONNX file of the appearance encoder, on one thread; of length one whether the file sees to it or not."""
    if not model.is_file():
        raise DatasetError(f"{model} is missing")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except InvalidProtobuf as error:
        raise DatasetError(f"{model}: not an ONNX file") from error
    name = session.get_inputs()[0].name
    rows = [session.run(None, {name: (plain(crop, HEIGHT, WIDTH) * CODES).numpy()[None]})[0].reshape(-1) for crop in crops]
    vectors = np.stack(rows)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def similarities(vectors: np.ndarray, who: np.ndarray, piece: np.ndarray) -> dict[str, float]:
    """Means of cosines within people, over pieces, and between them; and what 95% of the latter are below."""
    cosine, same = vectors @ vectors.T, who[:, None] == who[None, :]
    others = cosine[~same]
    apart = same & (piece[:, None] != piece[None, :])
    return {"same": float(cosine[apart].mean()), "others": float(others.mean()), "others_95": float(np.quantile(others, 0.95))}


def measures(vectors: np.ndarray, who: np.ndarray, piece: np.ndarray, seed: int = 0) -> dict[str, object]:
    """Rank-1 and mAP with 95% intervals by bootstrap over those who ask, and similarities."""
    results = np.array(image_results(vectors, who, piece))[:, :2]
    rng = np.random.default_rng(seed)
    drawn = np.array([results[rng.integers(len(results), size=len(results))].mean(0) for _ in range(RESAMPLED)])
    out: dict[str, object] = {"asked": len(results)}
    for column, name in enumerate(("rank1", "map")):
        low, high = np.quantile(drawn[:, column], (0.025, 0.975))
        out[name] = [round(float(value), 4) for value in (results[:, column].mean(), low, high)]
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
