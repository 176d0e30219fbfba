"""How near to PyTorch an export must be: every one of them, of every model, is held to these bounds before it takes a file's place."""

from __future__ import annotations

import numpy as np

# Greatest difference in fp32, least cosine below it.
GREATEST_DIFFERENCE = 1e-4
LEAST_COSINE = {"fp16": 0.999, "int8": 0.99}


class ExportError(RuntimeError):
    """An export that differs from its model, or that cannot be described."""


def hold_against(expected: np.ndarray, found: np.ndarray, form: str) -> str:
    """How near an export is to PyTorch, in words; an error if it is not near enough."""
    if found.shape != expected.shape:
        raise ExportError(f"{form} gives {list(found.shape)} values, PyTorch {list(expected.shape)}")
    if not (np.isfinite(expected).all() and np.isfinite(found).all()):
        raise ExportError(f"{form} or PyTorch gives values that are no numbers")
    expected, found = expected.astype(np.float64), found.astype(np.float64)
    if form == "fp32":
        worst = float(np.abs(expected - found).max())
        if worst > GREATEST_DIFFERENCE:
            raise ExportError(f"fp32 differs from PyTorch by {worst:.2e}, expected at most {GREATEST_DIFFERENCE}")
        return f"fp32 differs from PyTorch by at most {worst:.1e}"
    lengths = np.linalg.norm(expected, axis=1) * np.linalg.norm(found, axis=1)
    least = float(((expected * found).sum(1) / np.maximum(lengths, 1e-12)).min())
    if least < LEAST_COSINE[form]:
        raise ExportError(f"{form} has cosine {least:.5f} with PyTorch, expected at least {LEAST_COSINE[form]}")
    return f"{form} has cosine {least:.5f} or more with PyTorch"
