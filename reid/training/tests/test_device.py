"""The device of the joint pair's and the appearance encoder's trainings; the published systems' is held in test_family."""

import contextlib
import dataclasses
import json
import sys
from pathlib import Path

import pytest
import test_appearance
import test_training
import torch

from sightline_training import __main__ as command_line
from sightline_training import appearance, training
from sightline_training.appearance import AppearanceLosses, AppearanceRun, load_appearance
from sightline_training.dataset import read_any
from sightline_training.losses import Losses
from sightline_training.training import Run, load_pair

SHIPPED = Path(__file__).parents[3] / "models/appearance/model.onnx"
COMMANDS = {"train": (), "appearance": ("--published", SHIPPED)}


def told(monkeypatch, capsys, *words):
    """How a command ended, and its only line."""
    monkeypatch.setattr(sys, "argv", ["sightline_training", *map(str, words)])
    status, err = command_line.main(), capsys.readouterr().err
    assert err.count("\n") == 1, err
    return status, err


@pytest.mark.parametrize("command", COMMANDS)
def test_a_device_that_is_absent_or_none_is_refused_in_one_line(command, crops, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    out = tmp_path / "out"
    words = (command, "--data", crops, "--out", out, *COMMANDS[command])
    status, err = told(monkeypatch, capsys, *words, "--device", "cuda")
    assert (status, err) == (1, "error: device `cuda` is asked for, and PyTorch finds no GPU\n")
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({"device": "cuda"}))
    status, err = told(monkeypatch, capsys, *words, "--settings", settings)
    assert status == 1 and "finds no GPU" in err
    settings.write_text(json.dumps({"device": "tpu"}))
    status, err = told(monkeypatch, capsys, *words, "--settings", settings)
    assert (status, err) == (1, f"error: {settings}: device is `tpu`, expected one of cpu, cuda\n")
    assert not out.exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_training_of_another_device_is_gone_on_with_and_used(command, crops, tmp_path):
    def run_of(**changes):
        if command == "train":
            return Run(dataclasses.replace(test_training.SMALL, **changes), read_any(crops))
        return AppearanceRun(dataclasses.replace(test_appearance.SMALL, **changes), read_any(crops), None)

    first, second, file = run_of(), run_of(), tmp_path / "last.pt"
    first.advance(0)
    first.save(file)
    state = torch.load(file, weights_only=True)
    assert state["settings"]["device"] == "cpu"
    torch.save({**state, "settings": {**state["settings"], "device": "cuda"}}, file)
    second.resume(file)
    assert second.step == 1 and second.advance(0.1) == pytest.approx(first.advance(0.1))
    # What uses the checkpoint needs no GPU.
    load_pair(file) if command == "train" else load_appearance(file)
    # Checkpoints of before there was the setting are the processor's.
    state["settings"].pop("device")
    torch.save(state, file)
    third = run_of()
    third.resume(file)
    assert third.step == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_a_step_takes_nothing_from_another_device(command, crops, monkeypatch):
    """On `meta`, which has shapes and no values, PyTorch refuses what mixes devices, as a GPU does.

    Losses that look at values (views, clauses and MINP of the pair; level and text of the encoder) cannot run there.
    """
    for module in (training, appearance):
        for name in ("check_device", "prepare_device"):
            monkeypatch.setattr(module, name, lambda device: device)
    for run in (Run, AppearanceRun):
        monkeypatch.setattr(run, "autocast", lambda self: contextlib.nullcontext())
    monkeypatch.setattr(torch.Tensor, "__float__", lambda self: 0.0)
    changes = {"device": "meta", "bf16": False}
    if command == "train":
        losses = Losses(views=0.0, clause=0.0, sdm=1.0, identity=1.0)
        run = Run(dataclasses.replace(test_training.SMALL, losses=losses, **changes), read_any(crops))
    else:
        losses = AppearanceLosses(identity=1.0)
        settings = dataclasses.replace(test_appearance.SMALL, losses=losses, mscsa=(3,), **changes)
        run = AppearanceRun(settings, read_any(crops), None)
    for step in range(2):
        total, _ = run.loss(step)
        assert total.device.type == "meta"
        total.backward()
        run.optimiser.step()
