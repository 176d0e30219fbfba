"""What MSCSA costs: operations and time of the encoder without it, with either norm, as published and re-associated."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch.utils.flop_counter import FlopCounterMode

from sightline_training.clip import ClipSize
from sightline_training.export import to_onnx
from sightline_training.mscsa import MscsaResNet, MscsaSettings, exported

# Name, stages, norm, form.
VARIANTS = (
    ("without", (), "softmax", "associated"),
    ("softmax, naive", (1, 2, 3), "softmax", "naive"),
    ("softmax, associated", (1, 2, 3), "softmax", "associated"),
    ("mean, naive", (1, 2, 3), "mean", "naive"),
    ("mean, associated", (1, 2, 3), "mean", "associated"),
)


def settings_of(after: tuple[int, ...], norm: str, form: str) -> MscsaSettings:
    """The switches of a variant."""
    return MscsaSettings(after=after, norm=norm, form=form, tgi=False)


def counted_macs(size: ClipSize, settings: MscsaSettings) -> int:
    """Multiplications and additions of the encoder for one picture, counted by PyTorch as it runs without data."""
    with torch.device("meta"):
        module = exported(MscsaResNet(size, settings)).eval()
        picture = torch.empty(1, 3, size.height, size.width)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(picture)
    return counter.get_total_flops() // 2


def milliseconds(file: Path, pictures: np.ndarray, repeats: int) -> float:
    """Median processor time of a batch in ONNX Runtime on one thread, which others on the machine change least."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    session.run(None, {"pictures": pictures})
    times = []
    for _ in range(repeats):
        started = time.process_time()
        session.run(None, {"pictures": pictures})
        times.append((time.process_time() - started) * 1e3)
    return float(np.median(times))


def costs(size: ClipSize, batches: list[int], repeats: int = 5) -> list[dict[str, object]]:
    """A row for each variant: GMACs a picture, and milliseconds a picture by batch."""
    rows = []
    for name, after, norm, form in VARIANTS:
        settings = settings_of(after, norm, form)
        row: dict[str, object] = {"variant": name, "gmacs": counted_macs(size, settings) / 1e9}
        torch.manual_seed(0)
        module = exported(MscsaResNet(size, settings)).eval()
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.onnx"
            to_onnx(module, torch.randn(2, 3, size.height, size.width), file, "pictures", {0: "N"})
            for batch in batches:
                pictures = np.random.default_rng(0).standard_normal((batch, 3, size.height, size.width), np.float32)
                row[f"ms_at_{batch}"] = milliseconds(file, pictures, repeats) / batch
        rows.append(row)
    return rows
