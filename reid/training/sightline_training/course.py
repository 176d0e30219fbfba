"""One course of training, of the joint pair, the appearance encoder or the detector: steps until the last, the clock or a signal."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from sightline_training.dataset import DatasetError
from sightline_training.record import LOG_EVERY, Record, asked_to_stop, bar


class Run(Protocol):
    """What is trained. `settings` has `steps`; `pictures` are those of a step."""

    settings: object
    pictures: int
    step: int
    elapsed_s: float

    def advance(self, progress: float) -> dict[str, float]:
        """One step; `progress` 0..1 sets the learning rate."""

    def save(self, path: Path) -> None:
        """Writes a checkpoint."""

    def resume(self, path: Path) -> None:
        """Goes on from a checkpoint."""


def take_up(run, out: Path, goes_on: bool) -> None:
    """Goes on from `last.pt`, where that was asked for and there is one; a training that is there is not written over."""
    last = out / "last.pt"
    if not last.is_file():
        return
    if not goes_on:
        raise DatasetError(f"{last}: a training is there; go on with --resume, or give another --out")
    run.resume(last)


def train(run: Run, out: Path, minutes: float | None, save_every_s: float, measure: Callable[[], dict[str, float]] | None = None) -> bool:
    """Trains to the end or to SIGTERM, with what `record` leaves and checkpoints in `last.pt`; whether it came to the end.

    With `minutes` the learning rate follows the clock, and the result depends on the machine's speed.
    """
    if minutes is not None and not minutes > 0:
        raise DatasetError(f"the command line: `minutes` is {minutes:g}, expected more than 0")
    started, saved = time.monotonic(), time.monotonic()
    first, before = run.step, run.elapsed_s
    total, unit = (round(minutes * 60), "s") if minutes else (run.settings.steps, "step")

    def place() -> float:
        run.elapsed_s = before + time.monotonic() - started
        return run.elapsed_s if minutes else run.step

    with asked_to_stop() as signals, Record(out, run.step) as record, bar(total, round(place()), "training", unit) as progress:

        def checkpoint() -> None:
            run.save(out / "last.pt")
            if measure is not None and not signals:
                record.note(run.step, measure())

        while (at := place()) < total and not signals:
            parts = run.advance(at / total)
            progress.set_postfix(loss=f"{parts['loss']:.3f}", refresh=False)
            progress.update(min(round(place()), total) - progress.n)
            if run.step % LOG_EVERY == 0 or place() >= total:
                speed = (run.step - first) * run.pictures / (time.monotonic() - started)
                record.note(run.step, {**parts, "pictures_per_second": speed})
            if time.monotonic() - saved > save_every_s:
                checkpoint()
                saved = time.monotonic()
        checkpoint()
    return not signals
