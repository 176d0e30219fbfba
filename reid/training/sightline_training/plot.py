"""Losses and measures of a training as one picture."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402


def draw(log: Path, out: Path) -> None:
    """Draws `log.jsonl`: losses on the left, measures of the held-out set on the right, as far as they are shares."""
    records = [json.loads(line) for line in log.read_text().splitlines()]
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.5))
    losses = [record for record in records if "loss" in record]
    measures = [record for record in records if "loss" not in record]
    for axes, part, marker in ((left, losses, None), (right, measures, "o")):
        for name in dict.fromkeys(name for record in part for name in record):
            known = [(record["step"], record[name]) for record in part if isinstance(record.get(name), float)]
            is_drawn = name != "pictures_per_second" and (axes is left or all(0 <= value <= 1 for _, value in known))
            if known and is_drawn:
                axes.plot(*zip(*known), marker=marker, label=name)
    for axes, title in ((left, "losses"), (right, "held out")):
        axes.set(title=title, xlabel="step")
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend()
    right.set_ylim(0, 1)
    figure.tight_layout()
    figure.savefig(out, dpi=100)
    plt.close(figure)
