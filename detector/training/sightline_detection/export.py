"""From a checkpoint, or the published weights, to the detector that the program ships: one ONNX file and its card."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnxruntime
import torch

from sightline_detection.boxes import NMS_IOU
from sightline_detection.network import STRIDE, Network

# Greatest difference from PyTorch that an export may have.
GREATEST_DIFFERENCE = 1e-4
# Objectness, four box values, the probability of a person.
PLANES = 6
PUBLISHED = "FastestDet, github dog-qiuqiu/FastestDet @50473cd155cb088aa4a99e64ff6a4b3c24fa07e1 (BSD-3-Clause)"


class ExportError(RuntimeError):
    """An export that differs from its network."""


def run(file: Path, pictures: np.ndarray) -> np.ndarray:
    """The planes that an ONNX file gives, on one CPU thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return session.run(["planes"], {"pictures": pictures})[0]


def to_onnx(net: Network, file: Path, height: int, width: int) -> float:
    """Writes the network for one size and any batch; greatest difference from PyTorch."""
    net = net.eval().to(memory_format=torch.contiguous_format)
    samples = torch.rand(3, 3, height, width, generator=torch.Generator().manual_seed(0))
    torch.onnx.export(
        net,
        (samples[:2],),
        str(file),
        input_names=["pictures"],
        output_names=["planes"],
        dynamic_axes={"pictures": {0: "N"}, "planes": {0: "N"}},
        opset_version=17,
        dynamo=False,
    )
    with torch.no_grad():
        expected = net(samples).numpy()
    found = run(file, samples.numpy())
    shape = (len(samples), PLANES, height // STRIDE, width // STRIDE)
    if found.shape != shape:
        raise ExportError(f"the export gives {found.shape}, expected {shape}")
    worst = float(np.abs(expected - found).max())
    if worst > GREATEST_DIFFERENCE:
        raise ExportError(f"the export differs from PyTorch by {worst:.2e}, expected at most {GREATEST_DIFFERENCE}")
    return worst


def lines(table: dict[str, object]) -> str:
    """Keys and values as TOML."""
    return "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in table.items())


def card(file: Path, height: int, width: int, threshold: float, quality: dict[str, object]) -> str:
    """The detector's card."""
    head = {
        "name": "detector",
        "task": "detect",
        "family": "fastestdet",
        "file": file.name,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "licence": "BSD-3-Clause",
        "source": f"detector/training, from the weights of {PUBLISHED}; see NOTICE",
    }
    picture = {
        "name": "pictures",
        "width": width,
        "height": height,
        "colors": "bgr",
        "layout": "nchw",
        "scale": 1 / 255,
        "mean": [0.0, 0.0, 0.0],
        "std": [1.0, 1.0, 1.0],
        "resize": "stretch",
        "batch": "dynamic",
        "precision": "fp32",
    }
    output = {"names": ["planes"], "person_class": 0, "score_threshold": threshold, "nms_iou": NMS_IOU}
    return f"{lines(head)}\n[input]\n{lines(picture)}\n[output]\n{lines(output)}\n[quality]\n{lines(quality)}"


def export(
    net: Network, folder: Path, height: int, width: int, threshold: float, quality: dict[str, object]
) -> dict[str, object]:
    """Writes `detector/model.onnx` and its card below `folder`, both or, if the export differs, none; what the card says of its quality."""
    own = folder / "detector"
    own.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".export-", dir=own) as new:
        file, text = Path(new) / "model.onnx", Path(new) / "model.toml"
        worst = to_onnx(net, file, height, width)
        told = {**quality, "parity": f"fp32 differs from PyTorch by at most {worst:.1e}"}
        text.write_text(card(file, height, width, threshold, told))
        for one in (file, text):
            one.replace(own / one.name)
    return told
