"""What the tests share: one thread, and a few frames with people drawn as plain figures."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

CHECKOUT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def figure(picture: np.ndarray, box: list[int], rng: np.random.Generator) -> None:
    """A head, a trunk and legs inside a box."""
    x0, y0, x1, y1 = box
    tall, wide = y1 - y0, x1 - x0
    colour = [tuple(int(v) for v in rng.integers(0, 255, 3)) for _ in range(3)]
    cv2.circle(picture, (x0 + wide // 2, y0 + tall // 8), tall // 8, colour[0], -1)
    cv2.rectangle(picture, (x0, y0 + tall // 4), (x1, y0 + tall * 6 // 10), colour[1], -1)
    cv2.rectangle(picture, (x0 + wide // 5, y0 + tall * 6 // 10), (x1 - wide // 5, y1), colour[2], -1)


@pytest.fixture(scope="session")
def frames(tmp_path_factory) -> Path:
    """Twelve frames as `unpack` writes them, one of them empty."""
    folder = tmp_path_factory.mktemp("frames")
    rng = np.random.default_rng(3)
    entries = []
    for number in range(12):
        picture = np.full((180, 320, 3), rng.integers(90, 200, 3), np.uint8)
        boxes = []
        for place in range(0 if number == 11 else 3):
            tall = int(rng.integers(50, 110))
            x, y = 20 + place * 100 + int(rng.integers(0, 30)), int(rng.integers(5, 60))
            boxes.append([x, y, x + tall * 4 // 10, y + tall])
            figure(picture, boxes[-1], rng)
        cv2.imwrite(str(folder / f"{number}.jpg"), picture)
        entries.append({"file": f"{number}.jpg", "seen": boxes, "whole": boxes, "visibility": [1.0] * len(boxes)})
    (folder / "frames.json").write_text(json.dumps(entries))
    return folder
