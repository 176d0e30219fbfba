"""From a picture file to a training input: what cameras do to people, so that synthetic ones look like filmed ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import torch

cv2.setNumThreads(1)


@dataclass(frozen=True)
class Augment:
    """Strengths; zero turns a part off."""

    crop: float = 0.10
    cut_legs: float = 0.08
    gain: float = 0.35
    cast: float = 0.07
    contrast: float = 0.4
    saturation: float = 0.4
    coarse: float = 0.35
    blur: float = 0.15
    jpeg: float = 0.3
    noise: float = 0.04
    erase: float = 0.3
    # Chances that a photograph stands behind a person, and that clothes have a photograph's grain (`scenes`).
    scene: float = 0.0
    cloth: float = 0.0

    # A cut leaves something of the person.
    RANGES: ClassVar = {
        "crop": (0, 0.4),
        **dict.fromkeys(("cut_legs", "gain", "cast", "contrast", "saturation", "coarse", "blur", "jpeg", "noise"), (0, 1)),
        **dict.fromkeys(("erase", "scene", "cloth"), (0, 1)),
    }


def read_rgb(path: Path) -> np.ndarray:
    """A picture as H x W x 3, RGB."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise OSError(f"{path}: not a picture")
    return picture[:, :, ::-1]


def resized(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Means over areas where the picture shrinks, else bilinear; the program's filter (reid/src/preprocess.rs) is a triangle instead of a box."""
    method = cv2.INTER_AREA if picture.shape[0] > height else cv2.INTER_LINEAR
    return cv2.resize(picture, (width, height), interpolation=method)


def plain(picture: np.ndarray, height: int, width: int) -> torch.Tensor:
    """3 x H x W in 0..1, unchanged but for its size."""
    return torch.from_numpy(resized(picture, height, width).copy()).permute(2, 0, 1).float() / 255


def crop_box(shape: tuple[int, ...], rng: np.random.Generator, strength: Augment) -> tuple[int, int, int, int]:
    """A box around the person as a detector would give it: top, bottom, left, right; may reach past the picture."""
    height, width = shape[:2]
    jitter = rng.normal(0, strength.crop / 2, 4).clip(-strength.crop, strength.crop)
    top, bottom = int(jitter[0] * height), height + int(jitter[1] * height)
    left, right = int(jitter[2] * width), width + int(jitter[3] * width)
    if rng.random() < strength.cut_legs:
        bottom = int(height * rng.uniform(0.55, 0.85))
    return top, bottom, left, right


def cut(picture: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """Cuts a box out; what lies outside repeats the border."""
    top, bottom, left, right = box
    height, width = picture.shape[:2]
    inside = picture[max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
    return cv2.copyMakeBorder(
        inside, max(-top, 0), max(bottom - height, 0), max(-left, 0), max(right - width, 0), cv2.BORDER_REPLICATE
    )


def degrade(picture: np.ndarray, rng: np.random.Generator, strength: Augment) -> np.ndarray:
    """Coarse sensors, motion, compression."""
    height, width = picture.shape[:2]
    if rng.random() < strength.coarse:
        scale = rng.uniform(0.35, 0.8)
        small = (max(int(width * scale), 8), max(int(height * scale), 16))
        picture = cv2.resize(cv2.resize(picture, small, interpolation=cv2.INTER_AREA), (width, height))
    if rng.random() < strength.blur:
        length = int(rng.integers(2, 5))
        kernel = np.zeros((length, length), np.float32)
        kernel[length // 2, :] = 1 / length
        picture = cv2.filter2D(picture, -1, kernel)
    if rng.random() < strength.jpeg:
        quality = int(rng.integers(25, 75))
        _, packed = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
        picture = cv2.imdecode(packed, cv2.IMREAD_COLOR)
    return picture


def photometric(batch: torch.Tensor, rng: np.random.Generator, strength: Augment) -> torch.Tensor:
    """Light, cast, contrast, colour, noise, over a batch N x 3 x H x W in 0..1."""
    count = len(batch)

    def around_one(spread: float, planes: int = 1) -> torch.Tensor:
        return torch.from_numpy(rng.uniform(1 - spread, 1 + spread, (count, planes, 1, 1)).astype(np.float32))

    batch = batch * around_one(strength.gain) * around_one(strength.cast, 3)
    middle = batch.mean((1, 2, 3), keepdim=True)
    batch = (batch - middle) * around_one(strength.contrast) + middle
    grey = batch.mean(1, keepdim=True)
    batch = grey + (batch - grey) * around_one(strength.saturation)
    if strength.noise:
        sigma = torch.from_numpy(rng.uniform(0, strength.noise, (count, 1, 1, 1)).astype(np.float32))
        noise = torch.randn(batch.shape, generator=torch.Generator().manual_seed(int(rng.integers(2**62))))
        batch = batch + noise * sigma
    return batch.clamp(0, 1)


def erase(batch: torch.Tensor, rng: np.random.Generator, chance: float) -> None:
    """Hides a rectangle of some pictures, in place."""
    height, width = batch.shape[2:]
    for picture in batch:
        if rng.random() < chance:
            tall, wide = int(rng.integers(height // 16, height // 3)), int(rng.integers(width // 8, width // 2))
            top, left = int(rng.integers(0, height - tall)), int(rng.integers(0, width - wide))
            colour = torch.from_numpy(rng.random((3, 1, 1), np.float32))
            picture[:, top : top + tall, left : left + wide] = colour


def training_batch(
    paths: list[Path],
    size: tuple[int, int],
    rng: np.random.Generator,
    strength: Augment,
    before: Callable[[np.ndarray, Path, np.random.Generator], np.ndarray] | None = None,
) -> torch.Tensor:
    """N x 3 x H x W in 0..1 from files, changed at random; `before` changes each before all else."""
    height, width = size
    pictures = []
    for path in paths:
        picture = read_rgb(path)
        if before is not None:
            picture = before(picture, path, rng)
        picture = cut(picture, crop_box(picture.shape, rng, strength))
        picture = degrade(resized(picture, height, width), rng, strength)
        if rng.random() < 0.5:
            picture = picture[:, ::-1]
        pictures.append(torch.from_numpy(np.ascontiguousarray(picture)))
    batch = torch.stack(pictures).permute(0, 3, 1, 2).float() / 255
    batch = photometric(batch, rng, strength)
    erase(batch, rng, strength.erase)
    return batch
