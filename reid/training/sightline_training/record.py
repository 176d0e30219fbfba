"""What a training leaves behind: a bar while it runs, `log.jsonl`, TensorBoard's files, `training.png`; and how it is asked to stop."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tensorboardX import SummaryWriter
from tqdm import tqdm

from sightline_training.plot import draw

# Steps between two lines of the log.
LOG_EVERY = 20


@contextmanager
def asked_to_stop() -> Iterator[list[int]]:
    """SIGTERM and SIGINT as they come, in place of an end in the middle of a step."""
    received: list[int] = []
    before = {number: signal.signal(number, lambda got, _: received.append(got)) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def bar(total: int, done: int, what: str, unit: str = "step") -> tqdm:
    """Progress on a terminal; nothing where stderr is a file, whose lines `Record.note` writes."""
    return tqdm(total=total, initial=done, desc=what, unit=unit, mininterval=2, disable=None)


class Record:
    """The log of a training, from `step` on; the picture is drawn when it ends, whole or stopped."""

    def __init__(self, out: Path, step: int) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self.out = out
        self.keep(step)
        self.log = (out / "log.jsonl").open("a")
        # TensorBoard hides what was noted from here on before.
        self.board = SummaryWriter(str(out / "tensorboard"), purge_step=step + 1)

    def keep(self, step: int) -> None:
        """Leaves of a log that is there what came before the checkpoint that the training goes on from; a line that was cut off goes."""
        log, part = self.out / "log.jsonl", self.out / "log.part"
        kept = []
        for line in log.read_text().splitlines() if step and log.is_file() else []:
            try:
                if json.loads(line)["step"] <= step:
                    kept.append(line + "\n")
            except (KeyError, TypeError, ValueError):
                continue
        part.write_text("".join(kept))
        part.replace(log)

    def __enter__(self) -> Record:
        return self

    def __exit__(self, *_: object) -> None:
        self.board.close()
        self.log.close()
        draw(self.out / "log.jsonl", self.out / "training.png")

    def note(self, step: int, values: dict[str, object], phase: str = "") -> None:
        """One line of losses or of measures, also on stderr."""
        whole = {"step": step, **({"phase": phase} if phase else {}), **values}
        self.log.write(json.dumps(whole) + "\n")
        self.log.flush()
        for name, value in values.items():
            if isinstance(value, float):
                self.board.add_scalar(f"{phase}/{name}" if phase else name, value, step)
        told = " ".join(f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in whole.items())
        # On a terminal the bar has the loss.
        if "loss" not in values or not sys.stderr.isatty():
            tqdm.write(told, file=sys.stderr)
