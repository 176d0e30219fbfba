"""Maps after the frozen stages, made once for each picture and kept in a file, so that a small machine trains on what follows them.

A picture is kept in several variants, each changed at random in its own way: a training that saw one alone would learn it by heart.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from sightline_training.record import bar

# Pictures that pass the frozen stages at once: few, so that their maps stay in the processor's caches.
CHUNK = 8
# What half precision holds.
LARGEST = 65504.0


def digest_of(told: object) -> str:
    """What the maps depend on, in short."""
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


class KeptMaps:
    """Pictures x variants x channels x height x width in half precision, on disk: the system keeps in memory what fits."""

    def __init__(
        self,
        file: Path,
        paths: list[Path],
        variants: int,
        depends_on: object,
        make: Callable[[list[Path], np.random.Generator], torch.Tensor],
        seed: int = 0,
    ) -> None:
        self.number = {path: number for number, path in enumerate(paths)}
        self.variants = variants
        told = file.with_suffix(".json")
        digest = digest_of([[str(path) for path in paths], variants, seed, depends_on])
        if not file.is_file() or not told.is_file() or json.loads(told.read_text()) != digest:
            # What is stopped between the two files is then made again, and never taken for something else.
            told.unlink(missing_ok=True)
            self.fill(file, paths, seed, make)
            told.write_text(json.dumps(digest))
        self.maps = np.load(file, mmap_mode="r")

    def fill(
        self, file: Path, paths: list[Path], seed: int, make: Callable[[list[Path], np.random.Generator], torch.Tensor]
    ) -> None:
        """Writes the file whole or not at all, on as many cores as PyTorch may use: decoding is most of it, and has one thread a picture."""
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")

        def maps_of(variant: int, start: int) -> np.ndarray:
            rng = np.random.default_rng([seed, variant, start])
            return make(paths[start : start + CHUNK], rng).float().clamp(-LARGEST, LARGEST).cpu().numpy()

        shape = maps_of(0, 0).shape[1:]
        maps = np.lib.format.open_memmap(part, "w+", np.float16, (len(paths), self.variants, *shape))
        chunks = [(variant, start) for variant in range(self.variants) for start in range(0, len(paths), CHUNK)]

        def keep(chunk: tuple[int, int]) -> None:
            variant, start = chunk
            maps[start : start + CHUNK, variant] = maps_of(variant, start)

        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with ThreadPoolExecutor(threads) as pool, bar(len(chunks) * CHUNK, 0, "maps", "picture") as progress:
                try:
                    for _ in pool.map(keep, chunks):
                        progress.update(CHUNK)
                except BaseException:
                    pool.shutdown(cancel_futures=True)
                    raise
        finally:
            torch.set_num_threads(threads)
        maps.flush()
        del maps
        os.replace(part, file)

    def of(self, paths: list[Path], rng: np.random.Generator) -> torch.Tensor:
        """Maps of pictures, each in one of its variants."""
        variants = rng.integers(self.variants, size=len(paths))
        rows = np.stack([self.maps[self.number[path], variant] for path, variant in zip(paths, variants)])
        return torch.from_numpy(rows).to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
