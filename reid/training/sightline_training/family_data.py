"""Training pictures of the three systems: which are in a batch, how they are changed, and their sentences. A batch depends on seed and step alone.

As the papers count, an epoch of `propot` and `vpm` goes through every picture with each of its sentences.
"""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import Future, ThreadPoolExecutor

import cv2
import numpy as np
import torch

from sightline_training.augment import read_rgb, resized
from sightline_training.clip_words import clip_ids
from sightline_training.dataset import DatasetError, Picture
from sightline_training.system import Batch, Changes, FamilySettings, Phase


def changed(picture: np.ndarray, size: tuple[int, int], rng: np.random.Generator, changes: Changes) -> np.ndarray:
    """Mirrored, moved, partly hidden by noise."""
    picture = resized(picture, *size)
    if rng.random() < changes.flip:
        picture = picture[:, ::-1]
    if changes.pad:
        pad = changes.pad
        around = cv2.copyMakeBorder(picture, pad, pad, pad, pad, cv2.BORDER_CONSTANT)
        top, left = rng.integers(0, 2 * pad + 1, 2)
        picture = around[top : top + size[0], left : left + size[1]]
    if rng.random() < changes.erase:
        picture = erased(picture.copy(), rng)
    return np.ascontiguousarray(picture)


def erased(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A rectangle of 2% to a third of the picture becomes noise (Zhong et al., AAAI 2020)."""
    height, width = picture.shape[:2]
    for _ in range(100):
        area, ratio = rng.uniform(0.02, 0.33) * height * width, rng.uniform(0.3, 3.3)
        tall, wide = round((area * ratio) ** 0.5), round((area / ratio) ** 0.5)
        if 0 < tall < height and 0 < wide < width:
            top, left = int(rng.integers(0, height - tall)), int(rng.integers(0, width - wide))
            picture[top : top + tall, left : left + wide] = rng.integers(0, 256, (tall, wide, 3), dtype=np.uint8)
            break
    return picture


class Crops:
    """A set of pictures with numbered identities, and batches of it.

    A row is a picture, and of systems that learn from sentences a picture with one of them.
    """

    def __init__(self, pictures: list[Picture], settings: FamilySettings) -> None:
        needs_words = settings.system != "mscsa"
        if needs_words:
            pictures = [picture for picture in pictures if picture.captions]
            if not pictures:
                raise DatasetError(f"no picture has a sentence, which {settings.system} learns from")
        self.rows = [(picture, words) for picture in pictures for words in (picture.captions if needs_words else ("",))]
        # The first row of every picture.
        self.firsts = np.array([place for place, row in enumerate(self.rows) if place == 0 or row[0] is not self.rows[place - 1][0]])
        self.settings = settings
        self.names = sorted({picture.identity for picture in pictures})
        number = {name: place for place, name in enumerate(self.names)}
        self.who = np.array([number[picture.identity] for picture, _ in self.rows])
        self.of: dict[int, list[int]] = defaultdict(list)
        for place, person in enumerate(self.who):
            self.of[int(person)].append(place)
        mean, std = settings.planes
        self.mean, self.std = (torch.tensor(plane).view(1, 3, 1, 1) for plane in (mean, std))
        self.pool = ThreadPoolExecutor(settings.readers)
        # Apart from the readers, for whom it waits.
        self.ahead = ThreadPoolExecutor(1)
        self.next: tuple[tuple, Future] | None = None

    def steps(self, phase: Phase) -> int:
        """Batches in an epoch."""
        return max(1, len(self.rows) // phase.batch)

    def chosen(self, phase: Phase, step: int, seed: int) -> np.ndarray:
        """Which rows are in a batch."""
        if phase.views == 0:
            steps = self.steps(phase)
            order = np.random.default_rng([seed, step // steps]).permutation(len(self.rows))
            start = step % steps * phase.batch
            return order[start : start + phase.batch]
        rng = np.random.default_rng([seed, step])
        count = phase.batch // phase.views
        people = rng.choice(len(self.names), min(count, len(self.names)), replace=False)
        return np.concatenate(
            [rng.choice(self.of[int(one)], phase.views, replace=len(self.of[int(one)]) < phase.views) for one in people]
        )

    def normalised(self, pictures: list[np.ndarray]) -> torch.Tensor:
        """N x 3 x H x W as a tower wants them."""
        batch = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
        return (batch - self.mean) / self.std

    def plain(self, which: np.ndarray) -> Batch:
        """Rows whose pictures are unchanged."""
        size = (self.settings.clip.height, self.settings.clip.width)
        read = self.pool.map(lambda place: resized(read_rgb(self.rows[place][0].path), *size).copy(), which)
        return Batch(
            who=torch.from_numpy(self.who[which]),
            which=torch.from_numpy(which),
            pictures=self.normalised(list(read)),
            ids=self.ids(which),
        )

    @property
    def reads(self) -> bool:
        """Whether the system learns from sentences."""
        return self.settings.system != "mscsa"

    def ids(self, which: np.ndarray) -> torch.Tensor | None:
        """Token ids of the sentences of rows."""
        if not self.reads:
            return None
        return clip_ids([self.rows[place][1] for place in which], self.settings.clip.context, self.settings.clip.vocabulary)

    def make(self, phase: Phase, step: int, seed: int, needs_pictures: bool) -> Batch:
        """The batch of a step."""
        which = self.chosen(phase, step, seed)
        size = (self.settings.clip.height, self.settings.clip.width)

        def one(place: int) -> np.ndarray:
            rng = np.random.default_rng([seed, step, place])
            return changed(read_rgb(self.rows[which[place]][0].path), size, rng, self.settings.changes)

        return Batch(
            who=torch.from_numpy(self.who[which]),
            which=torch.from_numpy(which),
            pictures=self.normalised(list(self.pool.map(one, range(len(which))))) if needs_pictures else None,
            ids=self.ids(which),
        )

    def batch(self, phase: Phase, step: int, seed: int, needs_pictures: bool) -> Batch:
        """The batch of a step; the one after it is made meanwhile."""
        asked = (phase, step, seed, needs_pictures)
        if self.next is not None and self.next[0] == asked:
            made = self.next[1].result()
        else:
            made = self.make(*asked)
        later = (phase, step + 1, seed, needs_pictures)
        self.next = (later, self.ahead.submit(self.make, *later))
        return made
