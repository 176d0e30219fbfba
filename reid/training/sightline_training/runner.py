"""Training of a system, phase after phase: rates, mixed precision, checkpoints that go on where they stopped, logs."""

from __future__ import annotations

import math
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from sightline_training.checkpoint import read_checkpoint, same_settings, take
from sightline_training.clip_weights import take_weights
from sightline_training.dataset import DatasetError, Picture
from sightline_training.device import prepare_device
from sightline_training.family_data import Crops
from sightline_training.record import LOG_EVERY, Record, asked_to_stop, bar
from sightline_training.system import Batch, FamilySettings, Phase, System, as_table, build, settings_from

KIND = "mscsa, propot or vpm"


def rate_at(phase: Phase, epoch: float, epochs: float) -> float:
    """The share of the learning rate at a point of a phase; `epochs` is its length, where it was cut short."""
    warm = min(phase.warm_up_epochs, epochs / 2)
    if epoch < warm:
        return phase.warm_up_from + (1 - phase.warm_up_from) * epoch / warm
    if phase.decay == "steps":
        return 0.1 ** sum(epoch >= milestone for milestone in phase.milestones)
    return 0.5 + 0.5 * math.cos(math.pi * (epoch - warm) / max(epochs - warm, 1e-9))


class Run:
    """One training: system, optimiser, place in the course."""

    def __init__(self, settings: FamilySettings, pictures: list[Picture], weights: Path | None = None, steps: int | None = None) -> None:
        prepare_device(settings.device)
        torch.manual_seed(settings.seed)
        self.settings, self.most_steps = settings, steps
        self.crops = Crops(pictures, settings)
        self.system: System = build(settings, len(self.crops.names))
        self.source = "from nothing"
        if weights is not None:
            take_weights(self.system.clip, weights)
            self.source = f"from the weights in {weights.name}"
        self.system.to(settings.device)
        self.phase = settings.phases[0]
        self.step = 0
        self.optimiser: torch.optim.Optimizer | None = None
        self.scaler = torch.amp.GradScaler(settings.device, enabled=settings.precision == "fp16")

    def course(self) -> Phase:
        """The settings of the phase."""
        return getattr(self.settings, self.phase)

    def length(self, phase: str | None = None) -> int:
        """Steps of a phase; of this one without a name."""
        course = self.course() if phase is None else getattr(self.settings, phase)
        whole = course.epochs * self.crops.steps(course)
        return whole if self.most_steps is None else min(whole, self.most_steps)

    def autocast(self) -> torch.autocast:
        """Mixed precision, where it is asked for."""
        kind = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[self.settings.precision]
        return torch.autocast(self.settings.device, kind, enabled=self.settings.precision != "fp32")

    def moved(self, batch: Batch) -> Batch:
        """A batch on the device."""
        device = self.settings.device
        parts = {name: value.to(device) for name, value in vars(batch).items() if value is not None}
        return replace(batch, **parts)

    @torch.no_grad()
    def encode(self, function) -> torch.Tensor:
        """Values of a function for every row of the set, pictures unchanged, in the set's order."""
        was_training = self.system.training
        self.system.eval()
        rows = []
        for which in np.array_split(np.arange(len(self.crops.rows)), max(1, len(self.crops.rows) // 64)):
            with self.autocast():
                found = function(self.moved(self.crops.plain(which)))
            rows.append(found.float() if found.is_floating_point() else found)
        self.system.train(was_training)
        return torch.cat(rows)

    def begin(self) -> None:
        """Makes ready for the phase."""
        self.system.begin(self.phase, self.encode)
        course = self.course()
        kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[course.optimiser]
        old, new = self.system.groups(self.phase)
        parts = [(old, course.rate), (new, course.new_rate)]
        self.optimiser = kind([{"params": own, "lr": rate, "full": rate} for own, rate in parts if own], weight_decay=course.weight_decay)

    def advance(self) -> dict[str, float]:
        """One step."""
        if self.optimiser is None:
            self.begin()
        settings, course = self.settings, self.course()
        seed = settings.seed * 2 + settings.phases.index(self.phase)
        torch.manual_seed(seed * 1_000_003 + self.step)
        an_epoch = self.crops.steps(course)
        share = rate_at(course, self.step / an_epoch, self.length() / an_epoch)
        for group in self.optimiser.param_groups:
            group["lr"] = group["full"] * share
        self.system.train()
        batch = self.moved(self.crops.batch(course, self.step, seed, self.system.needs_pictures(self.phase)))
        with self.autocast():
            parts = self.system.losses(self.phase, batch)
        if not parts:
            raise ValueError("settings: every loss is off")
        total = sum(parts.values())
        if not torch.isfinite(total):
            raise FloatingPointError(f"{self.phase}, step {self.step}: the loss is {float(total.detach())}; try a lower rate or fp32")
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(total).backward()
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_([p for group in self.optimiser.param_groups for p in group["params"]], 5.0)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.step += 1
        return {"loss": float(total.detach()), **{name: float(value.detach()) for name, value in parts.items()}}

    def turn(self) -> bool:
        """Goes to the next phase; false after the last."""
        place = self.settings.phases.index(self.phase) + 1
        if place == len(self.settings.phases):
            return False
        self.phase, self.step, self.optimiser = self.settings.phases[place], 0, None
        return True

    def save(self, path: Path) -> None:
        """Writes a checkpoint whole or not at all."""
        state = {
            "settings": as_table(self.settings),
            "source": self.source,
            "identities": self.crops.names,
            "phase": self.phase,
            "step": self.step,
            "system": self.system.state_dict(),
            "optimiser": None if self.optimiser is None else self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
        }
        part = path.with_suffix(".part")
        torch.save(state, part)
        os.replace(part, path)

    def resume(self, path: Path) -> None:
        """Goes on from a checkpoint of the same system and the same people."""
        state = read_checkpoint(path, "identities", KIND)
        if state["identities"] != self.crops.names:
            raise DatasetError(f"{path}: a checkpoint of other people; give the data that it was trained on")
        same_settings(path, self.settings, settings_from(state["settings"], source=path), ("readers", "device"))
        take(self.system, state["system"], path)
        self.phase, self.step, self.source = state["phase"], state["step"], state["source"]
        if state["optimiser"] is not None:
            self.begin()
            self.optimiser.load_state_dict(state["optimiser"])
        self.scaler.load_state_dict(state["scaler"])


def load_system(path: Path) -> tuple[System, dict]:
    """The system of a checkpoint, ready to use, and the checkpoint's state."""
    state = read_checkpoint(path, "identities", KIND)
    system = build(settings_from(state["settings"], source=path), len(state["identities"]))
    take(system, state["system"], path)
    return system.eval(), state


def train(run: Run, out: Path, save_every_s: float = 300, measure=None) -> bool:
    """Trains to the end or to SIGTERM, with what `record` leaves and checkpoints in `last.pt`; whether it came to the end."""
    saved = time.monotonic()
    # Steps of phases that are over, so that the log counts on.
    done = sum(run.length(name) for name in run.settings.phases[: run.settings.phases.index(run.phase)])
    with asked_to_stop() as signals, Record(out, done + run.step) as record:
        while not signals:
            with bar(run.length(), run.step, run.phase) as progress:
                while run.step < run.length() and not signals:
                    started = time.monotonic()
                    parts = run.advance()
                    progress.set_postfix(loss=f"{parts['loss']:.3f}", refresh=False)
                    progress.update()
                    if run.step % LOG_EVERY == 0 or run.step == run.length():
                        speed = run.course().batch / (time.monotonic() - started)
                        record.note(done + run.step, {**parts, "pictures_per_second": speed}, run.phase)
                    if time.monotonic() - saved > save_every_s:
                        run.save(out / "last.pt")
                        saved = time.monotonic()
            if signals:
                break
            if measure is not None and run.length() > 0:
                record.note(done + run.step, measure(run.system), run.phase)
            done += run.length()
            if not run.turn():
                break
        run.save(out / "last.pt")
    return not signals
