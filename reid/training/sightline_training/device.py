"""Where a training runs: the processor, or a GPU that is asked for by name and must be there."""

from __future__ import annotations

import os

import torch

from sightline_training.dataset import DatasetError

DEVICES = ("cpu", "cuda")


def check_device(device: str) -> None:
    """Refuses a word in a settings file that names no device."""
    if device not in DEVICES:
        raise ValueError(f"device is `{device}`, expected one of {', '.join(DEVICES)}")


def found_device(device: str) -> str:
    """The device that was asked for, if it is there."""
    if device == "cuda" and not torch.cuda.is_available():
        raise DatasetError("device `cuda` is asked for, and PyTorch finds no GPU")
    return device


def prepare_device(device: str) -> None:
    """Looks for the device; a GPU then sums in the same order each time, where it can: a run goes on to the same weights."""
    if found_device(device) == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.backends.cudnn.benchmark = False
