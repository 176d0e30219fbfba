"""From the network's planes to boxes, as the program decodes them; and what boxes are worth against a truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

NMS_IOU = 0.45
# Overlap with the truth from which on a box is right.
RIGHT_IOU = 0.5


def overlaps(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """IoU of every box of `one` (x0, y0, x1, y1) with every box of `other`."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:4], other[None, :, 2:4])
    sides = (high - low).clip(0)
    shared = sides[..., 0] * sides[..., 1]

    def area(boxes: np.ndarray) -> np.ndarray:
        return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])

    return shared / np.maximum(area(one)[:, None] + area(other)[None] - shared, 1e-9)


def suppressed(found: np.ndarray, iou: float = NMS_IOU) -> np.ndarray:
    """Rows x0, y0, x1, y1, score without those that overlap a better one."""
    found = found[np.argsort(-found[:, 4], kind="stable")]
    kept: list[int] = []
    table = overlaps(found, found)
    for row in range(len(found)):
        if not kept or table[row, kept].max() <= iou:
            kept.append(row)
    return found[kept]


def decoded(planes: np.ndarray, width: float, height: float, least: float = 0.05, iou: float = NMS_IOU) -> np.ndarray:
    """Boxes with scores on a picture of `width` x `height` pixels, from 6 planes or more."""
    _, rows, columns = planes.shape
    score = planes[0] * planes[5]
    row, column = np.nonzero(score > least)
    objectness, x, y, w, h, _ = planes[:6, row, column]
    x, y = (column + np.tanh(x)) / columns * width, (row + np.tanh(y)) / rows * height
    w, h = width / (1 + np.exp(-w)), height / (1 + np.exp(-h))
    found = np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2, score[row, column]], 1)
    return suppressed(found, iou) if len(found) else found.astype(np.float32)


@dataclass(frozen=True)
class Truth:
    """Boxes of one picture, x0, y0, x1, y1, and which of them must be found; the others may be."""

    boxes: np.ndarray
    is_needed: np.ndarray


def judged(found: np.ndarray, truth: Truth) -> tuple[np.ndarray, np.ndarray]:
    """For each box, best score first: whether it is right, and whether it finds somebody who must be found.

    A true box is used once; those that must be found go first.
    """
    is_right, is_needed = np.zeros(len(found), bool), np.zeros(len(found), bool)
    free = np.ones(len(truth.boxes), bool)
    table = overlaps(found, truth.boxes) if len(found) and len(truth.boxes) else np.zeros((len(found), 0))
    for row in np.argsort(-found[:, 4], kind="stable"):
        reached = np.where(free, table[row], 0) if table.shape[1] else np.zeros(0)
        if not len(reached) or reached.max() < RIGHT_IOU:
            continue
        among = np.where(truth.is_needed, reached, 0)
        best = int(among.argmax() if among.max() >= RIGHT_IOU else reached.argmax())
        free[best] = False
        is_right[row], is_needed[row] = True, truth.is_needed[best]
    return is_right, is_needed


@dataclass(frozen=True)
class Curve:
    """Precision and recall for every threshold."""

    scores: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    pictures: int

    def recall_at(self, precision: float) -> float:
        """Best recall at this precision or a better one."""
        kept = self.recall[self.precision >= precision]
        return float(kept.max()) if len(kept) else 0.0

    def precision_at(self, recall: float) -> float:
        """Best precision at this recall or a better one."""
        kept = self.precision[self.recall >= recall]
        return float(kept.max()) if len(kept) else 0.0

    def at(self, score: float) -> dict[str, float]:
        """Precision, recall and boxes a picture at a threshold."""
        number = int((self.scores >= score).sum())
        if number == 0:
            return {"precision": 1.0, "recall": 0.0, "boxes": 0.0}
        return {
            "precision": round(float(self.precision[number - 1]), 4),
            "recall": round(float(self.recall[number - 1]), 4),
            "boxes": round(number / self.pictures, 3),
        }

    def average_precision(self) -> float:
        """Area under the curve, precision made falling."""
        falling = np.maximum.accumulate(self.precision[::-1])[::-1]
        steps = np.diff(self.recall, prepend=0.0)
        return float((falling * steps).sum())


def curve(found: list[np.ndarray], truths: list[Truth]) -> Curve:
    """Over all pictures together."""
    rows, wanted = [], 0
    for boxes, truth in zip(found, truths, strict=True):
        wanted += int(truth.is_needed.sum())
        is_right, is_needed = judged(boxes, truth)
        rows.append(np.stack([boxes[:, 4], is_right, is_needed], 1))
    table = np.concatenate(rows) if rows else np.zeros((0, 3))
    table = table[np.argsort(-table[:, 0], kind="stable")]
    count = np.arange(1, len(table) + 1)
    return Curve(
        scores=table[:, 0],
        precision=np.cumsum(table[:, 1]) / count,
        recall=np.cumsum(table[:, 2]) / max(wanted, 1),
        pictures=len(found),
    )
