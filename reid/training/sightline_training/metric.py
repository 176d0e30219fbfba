"""A linear map behind the published person model, learned from the vectors of synthetic people alone.

The network stays as it is, so that pictures pass it once, and the map is learned in seconds on any machine. It begins as the inverse root of how
much a person's own vectors differ (within-class covariance normalisation: Hatch et al., Interspeech 2006), and is then trained by
supervised contrast, held near where it began.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch.nn import functional

from sightline_training.appearance import views_loss
from sightline_training.dataset import DatasetError, Picture
from sightline_training.person_net import DIMENSION


@dataclass(frozen=True)
class MetricSettings:
    """Everything that the map depends on but its vectors."""

    # Added to the covariance, as a share of its mean variance.
    shrinkage: float = 1.0
    temperature: float = 0.12
    # How strongly the map is held near where it began.
    draw_back: float = 0.03
    noise: float = 0.01
    people: int = 128
    views: int = 4
    rate: float = 2e-3
    steps: int = 150
    seed: int = 0

    RANGES: ClassVar = {"temperature": (1e-3, math.inf), **dict.fromkeys(("people", "views", "steps"), (1, math.inf))}


def numbers_of(pictures: list[Picture]) -> np.ndarray:
    """Whom each picture shows, as a number."""
    names = {name: number for number, name in enumerate(sorted({picture.identity for picture in pictures}))}
    return np.array([names[picture.identity] for picture in pictures])


def whitening(vectors: np.ndarray, who: np.ndarray, shrinkage: float) -> np.ndarray:
    """The inverse root of the mean covariance within people, its greatest stretch one."""
    within = np.zeros((vectors.shape[1], vectors.shape[1]))
    for person in np.unique(who):
        own = vectors[who == person].astype(np.float64)
        own -= own.mean(0)
        within += own.T @ own
    within /= len(vectors)
    within += shrinkage * np.trace(within) / len(within) * np.eye(len(within))
    values, directions = np.linalg.eigh(within)
    root = directions @ np.diag(values**-0.5) @ directions.T
    return root / np.linalg.norm(root, 2)


def learn(
    vectors: np.ndarray,
    who: np.ndarray,
    settings: MetricSettings = MetricSettings(),
    note: Callable[[int, dict[str, float]], None] = lambda step, parts: None,
) -> np.ndarray:
    """The map, D x D: a row of length one times it, brought to length one, is the new row. `note` is told the losses of each step."""
    places = [np.flatnonzero(who == person) for person in np.unique(who)]
    places = [own for own in places if len(own) > 1]
    if len(places) < 2:
        raise DatasetError("a metric needs two people with two pictures each, or more")
    rows = torch.from_numpy(vectors).float()
    people = torch.from_numpy(who)
    start = torch.from_numpy(whitening(vectors, who, settings.shrinkage)).float()
    matrix = start.clone().requires_grad_(True)
    optimiser = torch.optim.Adam([matrix], settings.rate)
    rng = np.random.default_rng(settings.seed)
    chance = torch.Generator().manual_seed(settings.seed)
    nothing = torch.zeros(0, rows.shape[1]), torch.zeros(0, dtype=people.dtype)
    for step in range(settings.steps):
        optimiser.param_groups[0]["lr"] = settings.rate * (0.5 + 0.5 * math.cos(math.pi * step / settings.steps))
        chosen = rng.choice(len(places), min(settings.people, len(places)), replace=False)
        own = [rng.choice(places[person], min(settings.views, len(places[person])), replace=False) for person in chosen]
        at = torch.from_numpy(np.concatenate(own))
        batch = rows[at] + torch.randn(len(at), rows.shape[1], generator=chance) * settings.noise
        mapped = functional.normalize(batch @ matrix, dim=1)
        views = views_loss(mapped, people[at], *nothing, settings.temperature)
        drawn = settings.draw_back * (matrix - start).square().sum()
        loss = views + drawn
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        note(step + 1, {"loss": float(loss.detach()), "views": float(views.detach()), "draw_back": float(drawn.detach())})
    return matrix.detach().numpy()


def mapped(vectors: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Rows through the map, of length one."""
    rows = vectors @ matrix
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def write_metric(file: Path, matrix: np.ndarray) -> None:
    """Writes a map whole or not at all."""
    part = file.with_suffix(".part")
    with part.open("wb") as out:
        np.save(out, matrix)
    os.replace(part, file)


def read_metric(file: Path) -> torch.Tensor:
    """A map as `learn` made it, as the weight of a linear layer."""
    try:
        matrix = np.load(file)
    except (ValueError, EOFError) as error:
        raise DatasetError(f"{file}: not a NumPy file") from error
    if matrix.shape != (DIMENSION, DIMENSION) or not np.isfinite(matrix).all():
        raise DatasetError(f"{file}: not a map of {DIMENSION} x {DIMENSION} numbers")
    return torch.from_numpy(matrix.T.astype(np.float32)).contiguous()
