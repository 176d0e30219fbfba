"""The training of the detector: frames by chance, checkpoints that go on where they stopped."""

from __future__ import annotations

import copy
import math
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from sightline_training.checkpoint import read_checkpoint, same_settings, take
from sightline_training.settings import merged

from sightline_detection import losses as L
from sightline_detection.augment import Augment, Example, example
from sightline_detection.frames import Frame, SceneError, read
from sightline_detection.network import STRIDE, Network, load_published, origin

KIND = "the detector"
# Of the frames that show nobody, every n-th is trained on.
EMPTY_EVERY = 5


@dataclass(frozen=True)
class Settings:
    """Everything a run depends on but its frames; stored in each checkpoint."""

    width: int = 576
    height: int = 352
    batch: int = 16
    rate: float = 5e-4
    weight_decay: float = 0.0
    # How strongly weights are drawn back to the published ones, a share of the difference at each step of rate 1.
    draw_back: float = 1.0
    warm_up: int = 50
    steps: int = 2000
    # Share of weights that a running mean keeps at each step; the mean is what is exported.
    mean_keeps: float = 0.995
    seed: int = 0
    # Mixed precision.
    bf16: bool = False
    # How many of the first layers (stem, three stages, pyramid, neck) keep their weights: edges are the same in every world, and
    # steps shorter.
    frozen: int = 0
    # Whether the head of the classes keeps its weights; with all six layers above it no class can change.
    frozen_classes: bool = False
    losses: L.Losses = field(default_factory=L.Losses)
    augment: Augment = field(default_factory=Augment)

    RANGES: ClassVar = {
        **dict.fromkeys(("width", "height", "batch", "warm_up", "steps"), (1, math.inf)),
        "mean_keeps": (0, 1),
        "frozen": (0, 6),
    }

    def __post_init__(self) -> None:
        if self.width % (2 * STRIDE) or self.height % (2 * STRIDE):
            raise ValueError(f"an input of {self.width} x {self.height}, expected multiples of {2 * STRIDE}")

    @staticmethod
    def of(raw: dict, source: object = "settings") -> Settings:
        """From a checkpoint or a JSON file, `source`; keys that are missing keep their defaults."""
        return merged(Settings(), raw, source)


def network(settings: Settings, published: Path | None) -> Network:
    """The published network made to fit the input, or one of chance weights."""
    if published is None:
        torch.manual_seed(settings.seed)
        return Network()
    net = load_published(published)
    net.fit_to(settings.height, settings.width)
    return net


class Run:
    """One training: network, its running mean, optimiser, step."""

    def __init__(self, settings: Settings, data: list[Path], published: Path | None) -> None:
        self.settings, self.data = settings, data
        # What it started from; unknown where it goes on from a checkpoint that does not say.
        self.source: str | None = origin(published)
        # How the weights that it began at were trained, if it began at an earlier training's.
        self.earlier: str | None = None
        self.frames = self.look()
        self.net = network(settings, published).to(memory_format=torch.channels_last)
        layers = (self.net.first, *self.net.stages, self.net.pyramid, self.net.neck)
        for layer in (*layers[: settings.frozen], *[self.net.classes] * settings.frozen_classes):
            layer.requires_grad_(False)
        # What the losses hold to.
        self.first = copy.deepcopy(self.net).requires_grad_(False).eval() if settings.losses.holds else None
        self.start = [p.detach().clone() for p in self.net.parameters()]
        self.mean = [p.detach().clone() for p in self.net.parameters()]
        learning = [p for p in self.net.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(learning, lr=settings.rate, weight_decay=settings.weight_decay)
        self.step, self.elapsed_s = 0, 0.0

    @property
    def pictures(self) -> int:
        """Frames in a step."""
        return self.settings.batch

    def look(self) -> list[Frame]:
        """All frames that are there now; more may come while a training runs."""
        frames = [frame for folder in self.data for frame in read(folder)]
        # Nobody is on many frames; a few of those teach as much as all.
        empty = [frame for frame in frames if not len(frame.seen)]
        frames = [frame for frame in frames if len(frame.seen)] + empty[::EMPTY_EVERY]
        if not frames:
            raise SceneError("no frames")
        return frames

    def batch(self, step: int) -> list[Example]:
        """Depends on seed, step and frames alone."""
        settings = self.settings
        rng = np.random.default_rng([settings.seed, step])
        size = (settings.height, settings.width)
        chosen = rng.choice(len(self.frames), settings.batch, replace=len(self.frames) < settings.batch)
        return [example(self.frames[number], size, rng, settings.augment) for number in chosen]

    def advance(self, progress: float) -> dict[str, float]:
        """One step; `progress` 0..1 sets the learning rate (linear warm-up, then cosine)."""
        settings = self.settings
        rate = settings.rate * min(1.0, (self.step + 1) / settings.warm_up)
        rate *= 0.5 + 0.5 * math.cos(math.pi * min(progress, 1))
        self.optimiser.param_groups[0]["lr"] = rate
        examples = self.batch(self.step)
        pictures = torch.from_numpy(np.stack([e.picture for e in examples])).permute(0, 3, 1, 2).float() / 255
        at = L.targets(
            [torch.from_numpy(e.boxes) for e in examples],
            [torch.from_numpy(e.is_clear) for e in examples],
            settings.height // STRIDE,
            settings.width // STRIDE,
        )
        self.net.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=settings.bf16):
            levels = self.net.climb([pictures.contiguous(memory_format=torch.channels_last)])
            heads = self.net.read(levels)
            with torch.no_grad():
                # The frozen levels are the first network's too.
                first = None if self.first is None else self.first.read(self.first.climb(levels[: 1 + min(settings.frozen, 4)]))
        total, parts = L.loss(heads, at, settings.losses, first)
        if not torch.isfinite(total):
            raise FloatingPointError(f"step {self.step}: the loss is {float(total)}")
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        self.optimiser.step()
        keeps = min(settings.mean_keeps, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            for now, start, mean in zip(self.net.parameters(), self.start, self.mean):
                now.lerp_(start, rate * settings.draw_back)
                mean.lerp_(now, 1 - keeps)
        self.step += 1
        return {"loss": float(total.detach()), **{name: float(value.detach()) for name, value in parts.items()}}

    def averaged(self) -> Network:
        """The network with the running mean of its weights."""
        net = Network()
        net.load_state_dict(dict(zip(self.net.state_dict(), self.mean)))
        return net.eval()

    def begin_at(self, path: Path, share: float) -> None:
        """Takes the weights of an earlier training, and stays one that started from what that one did."""
        state = read_checkpoint(path, "mean", KIND)
        if any(not torch.equal(own, before) for own, before in zip(self.start, state["start"].values(), strict=True)):
            raise ValueError(f"{path}: started from other weights")
        net, _ = load_checkpoint(path, share)
        self.earlier = history(path, share)[1]
        with torch.no_grad():
            for own, mean, weights in zip(self.net.parameters(), self.mean, net.parameters()):
                own.copy_(weights)
                mean.copy_(weights)

    def save(self, path: Path) -> None:
        """Writes a checkpoint whole or not at all; then looks for frames that came since, as a training that goes on from it does."""
        names = list(self.net.state_dict())
        state = {
            "settings": asdict(self.settings),
            "step": self.step,
            "elapsed_s": self.elapsed_s,
            "source": self.source,
            "earlier": self.earlier,
            "frames": len(self.frames),
            "net": self.net.state_dict(),
            "mean": dict(zip(names, self.mean)),
            "start": dict(zip(names, self.start)),
            "optimiser": self.optimiser.state_dict(),
        }
        part = path.with_suffix(".part")
        torch.save(state, part)
        os.replace(part, path)
        self.frames = self.look()

    def resume(self, path: Path) -> None:
        """Goes on from a checkpoint of the same settings."""
        state = read_checkpoint(path, "mean", KIND)
        same_settings(path, self.settings, Settings.of(state["settings"], path))
        take(self.net, state["net"], path)
        self.mean, self.start = list(state["mean"].values()), list(state["start"].values())
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.elapsed_s, self.source = state["step"], state["elapsed_s"], state.get("source")
        self.earlier = state.get("earlier")


def load_checkpoint(path: Path, share: float = 1.0) -> tuple[Network, Settings]:
    """The mean network of a checkpoint, or a point on the line from the weights that it started from (share 0) to it (share 1)."""
    state = read_checkpoint(path, "mean", KIND)
    net = Network()
    take(net, {name: torch.lerp(state["start"][name], value, share) for name, value in state["mean"].items()}, path)
    return net.eval(), Settings.of(state["settings"], path)


def history(path: Path, share: float = 1.0) -> tuple[str | None, str]:
    """What a checkpoint started from, if it says so, and how it was trained from there."""
    state = read_checkpoint(path, "mean", KIND)
    frames = f" on {state['frames']} frames" if "frames" in state else ""
    earlier = f"{state['earlier']}; from there " if state.get("earlier") else ""
    return state.get("source"), f"{earlier}{state['step']} steps{frames}, {share:g} of the way from the weights that it started from"
