"""From a frame to a training input: other cuts, other cameras."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from sightline_detection.clutter import ramp, strewn
from sightline_detection.frames import Frame

# Boxes of which less than this share is left inside a cut are not looked for; nor are people less seen or smaller than this.
LEAST_SHARE = 0.35
LEAST_VISIBILITY = 0.3
LEAST_HEIGHT = 0.045


@dataclass(frozen=True)
class Augment:
    """Strengths; zero turns a part off."""

    cut: float = 0.6
    # A cut's sides are between these shares of the picture's; above one the rest is grey.
    cut_sides: tuple[float, float] = (0.5, 1.15)
    # Share of the cuts that show somebody's middle; small ones by chance mostly show nobody.
    aim: float = 0.0
    stretch: float = 0.12
    gain: float = 0.35
    cast: float = 0.08
    contrast: float = 0.4
    saturation: float = 0.5
    grey: float = 0.05
    coarse: float = 0.2
    blur: float = 0.15
    jpeg: float = 0.35
    noise: float = 0.04
    # Share of the pictures over which things are strewn, up to so many; and of those that show things alone, on nothing.
    strewn: float = 0.0
    things: int = 8
    alone: float = 0.0

    # A cut has both sides, and shows something.
    RANGES: ClassVar = {
        "cut_sides": (0.1, 4),
        "stretch": (0, 0.9),
        **dict.fromkeys(("cut", "aim", "gain", "cast", "contrast", "saturation", "grey"), (0, 1)),
        **dict.fromkeys(("coarse", "blur", "jpeg", "noise", "strewn", "alone"), (0, 1)),
    }

    def __post_init__(self) -> None:
        object.__setattr__(self, "cut_sides", tuple(self.cut_sides))
        if self.cut_sides[0] > self.cut_sides[1]:
            raise ValueError(f"augment.cut_sides is {list(self.cut_sides)}, expected the least first")


@dataclass(frozen=True)
class Example:
    """A picture, uint8 H x W x 3 BGR, and boxes as shares of it: centre x, y, width, height, and whether each must be found."""

    picture: np.ndarray
    boxes: np.ndarray
    is_clear: np.ndarray


def resized(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """As the program resizes: bilinear with a filter as wide as the reduction."""
    method = cv2.INTER_AREA if picture.shape[0] > height else cv2.INTER_LINEAR
    return cv2.resize(picture, (width, height), interpolation=method)


def cut_out(picture: np.ndarray, region: tuple[int, int, int, int]) -> np.ndarray:
    """A region x0, y0, x1, y1, grey where it reaches past the picture."""
    x0, y0, x1, y1 = region
    height, width = picture.shape[:2]
    inside = picture[max(y0, 0) : min(y1, height), max(x0, 0) : min(x1, width)]
    return cv2.copyMakeBorder(
        inside, max(-y0, 0), max(y1 - height, 0), max(-x0, 0), max(x1 - width, 0), cv2.BORDER_CONSTANT,
        value=(114, 114, 114),
    )  # fmt: skip


def random_region(
    shape: tuple[int, ...], boxes: np.ndarray, rng: np.random.Generator, strength: Augment
) -> tuple[int, int, int, int]:
    """A cut of nearly the picture's shape, aimed at one of the boxes or not."""
    height, width = shape[:2]
    side = rng.uniform(*strength.cut_sides)
    wide = int(width * side * rng.uniform(1 - strength.stretch, 1 + strength.stretch))
    tall = int(height * side * rng.uniform(1 - strength.stretch, 1 + strength.stretch))
    least = np.array([min(0, width - wide), min(0, height - tall)], np.float32)
    most = np.array([max(0, width - wide), max(0, height - tall)], np.float32)
    if len(boxes) and rng.random() < strength.aim:
        middle = boxes[rng.integers(len(boxes))].reshape(2, 2).mean(0)
        least, most = np.clip(middle - (wide, tall), least, most), np.clip(middle, least, most)
    x0, y0 = (int(value) for value in rng.uniform(least, most + 1))
    return x0, y0, x0 + wide, y0 + tall


def photometric(picture: np.ndarray, rng: np.random.Generator, strength: Augment) -> np.ndarray:
    """Light, cast, contrast, colour, noise."""
    values = picture.astype(np.float32)
    values *= rng.uniform(1 - strength.gain, 1 + strength.gain)
    values *= rng.uniform(1 - strength.cast, 1 + strength.cast, 3).astype(np.float32)
    middle = float(values.mean())
    values = (values - middle) * rng.uniform(1 - strength.contrast, 1 + strength.contrast) + middle
    grey = values.mean(2, keepdims=True)
    saturation = 0.0 if rng.random() < strength.grey else rng.uniform(1 - strength.saturation, 1 + strength.saturation)
    values = grey + (values - grey) * np.float32(saturation)
    sigma = rng.uniform(0, strength.noise) * 255
    if sigma > 1:
        values += rng.standard_normal(values.shape, np.float32) * np.float32(sigma)
    return values.clip(0, 255).astype(np.uint8)


def degraded(picture: np.ndarray, rng: np.random.Generator, strength: Augment) -> np.ndarray:
    """Coarse sensors, motion, compression."""
    height, width = picture.shape[:2]
    if rng.random() < strength.coarse:
        scale = rng.uniform(0.4, 0.8)
        small = cv2.resize(picture, (int(width * scale), int(height * scale)), interpolation=cv2.INTER_AREA)
        picture = cv2.resize(small, (width, height))
    if rng.random() < strength.blur:
        picture = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.5, 1.4)))
    if rng.random() < strength.jpeg:
        _, packed = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 75))])
        picture = cv2.imdecode(packed, cv2.IMREAD_COLOR)
    return picture


def example(frame: Frame, size: tuple[int, int], rng: np.random.Generator, strength: Augment) -> Example:
    """One training input of `size` (height, width)."""
    if strength.alone and rng.random() < strength.alone:
        picture = strewn(ramp(size, rng), np.zeros((0, 4)), int(rng.integers(1, 2 * strength.things + 2)), rng)
        picture = degraded(photometric(picture, rng, strength), rng, strength)
        return Example(np.ascontiguousarray(picture), np.zeros((0, 4), np.float32), np.zeros(0, bool))
    picture = cv2.imread(str(frame.picture), cv2.IMREAD_COLOR)
    if picture is None:
        raise OSError(f"{frame.picture}: not a picture")
    height, width = size
    region = (0, 0, picture.shape[1], picture.shape[0])
    if rng.random() < strength.cut:
        region = random_region(picture.shape, frame.seen, rng, strength)
    boxes, visibility = frame.seen, frame.visibility
    low, high = np.array(region[:2], np.float32), np.array(region[2:], np.float32)
    shown = np.clip(boxes.reshape(-1, 2, 2), low, high) - low
    sides, before = shown[:, 1] - shown[:, 0], boxes[:, 2:] - boxes[:, :2]
    share = sides.prod(1) / np.maximum(before.prod(1), 1)
    kept = share > 0.05
    shares = shown / (high - low)
    rows = np.concatenate([(shares[:, 0] + shares[:, 1]) / 2, shares[:, 1] - shares[:, 0]], 1)[kept]
    is_clear = (share > LEAST_SHARE) & (visibility >= LEAST_VISIBILITY) & (sides[:, 1] / (high - low)[1] >= LEAST_HEIGHT)
    picture = resized(cut_out(picture, region), width, height)
    if strength.strewn and rng.random() < strength.strewn:
        half = rows[:, 2:] / 2
        corners = np.concatenate([rows[:, :2] - half, rows[:, :2] + half], 1) * (width, height, width, height)
        picture = strewn(picture, corners, int(rng.integers(1, strength.things + 1)), rng)
    if rng.random() < 0.5:
        picture = picture[:, ::-1]
        rows[:, 0] = 1 - rows[:, 0]
    picture = degraded(photometric(picture, rng, strength), rng, strength)
    return Example(np.ascontiguousarray(picture), rows.astype(np.float32), is_clear[kept])
