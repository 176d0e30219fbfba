"""Losses and measures of a training as one picture."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402


def draw(log: Path, out: Path) -> None:
    """Draws `log.jsonl`: losses on the left, measures of the held-out set on the right."""
    records = [json.loads(line) for line in log.read_text().splitlines()]
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.5))
    losses = [record for record in records if "loss" in record]
    for name in ("loss", "contrast", "sdm", "views", "clause", "identity", "minp"):
        known = [(record["step"], record[name]) for record in losses if name in record]
        if known:
            left.plot(*zip(*known), label=name)
    measures = [record for record in records if "loss" not in record]
    for name in ("text_r1", "text_r5", "text_r10", "image_rank1", "image_map"):
        known = [(record["step"], record[name]) for record in measures if name in record]
        if known:
            right.plot(*zip(*known), marker="o", label=name)
    for axes, title in ((left, "losses"), (right, "held-out people")):
        axes.set(title=title, xlabel="step")
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend()
    right.set_ylim(0, 1)
    figure.tight_layout()
    figure.savefig(out, dpi=100)
    plt.close(figure)
