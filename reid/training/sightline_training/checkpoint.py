"""Checkpoints as a training finds them again: a file that is none, other settings or a weight out of place are refused in one line."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import nn

from sightline_training.dataset import DatasetError


def read_checkpoint(path: Path, key: str, kind: str) -> dict:
    """The state in a file; `key` is what a checkpoint of this kind has."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, ValueError, EOFError, UnpicklingError):
        # PyTorch's own words advise to trust the file.
        state = None
    if not isinstance(state, dict) or key not in state:
        raise DatasetError(f"{path}: not a checkpoint of {kind}")
    return state


def same_settings(path: Path, own, theirs, but: tuple[str, ...] = ()) -> None:
    """Refuses a checkpoint whose settings are others, apart from those of `but`."""
    names = [one.name for one in fields(own) if one.name not in but]
    differ = [name for name in names if getattr(own, name) != getattr(theirs, name)]
    if differ:
        raise DatasetError(f"{path}: a checkpoint of other settings ({', '.join(differ)})")


def take(module: nn.Module, weights: dict[str, torch.Tensor], path: Path, elsewhere: tuple[str, ...] = ()) -> None:
    """Copies weights over, all of them in both, but those whose names begin with one of `elsewhere`."""
    own = {name: value for name, value in module.state_dict().items() if not name.startswith(elsewhere)}
    wrong = {
        "missing": sorted(own.keys() - weights.keys()),
        "unknown": sorted(weights.keys() - own.keys()),
        "of another shape": sorted(name for name in own.keys() & weights.keys() if own[name].shape != weights[name].shape),
    }
    for what, names in wrong.items():
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            raise DatasetError(f"{path}: weights of another model, {what}: {', '.join(names[:3])}{more}")
    module.load_state_dict(weights, strict=False)
