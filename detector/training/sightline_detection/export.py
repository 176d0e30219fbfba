"""From a checkpoint, or the published weights, to the detector that the program ships: one ONNX file and its card."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import torch

from sightline_training.card import beside, digest, lines
from sightline_training.parity import hold_against

from sightline_detection.boxes import NMS_IOU
from sightline_detection.network import Network


def run(file: Path, pictures: np.ndarray) -> np.ndarray:
    """The planes that an ONNX file gives, on one CPU thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return session.run(["planes"], {"pictures": pictures})[0]


def to_onnx(net: Network, file: Path, height: int, width: int) -> str:
    """Writes the network for one size and any batch; how near it is to PyTorch."""
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
    return hold_against(expected, run(file, samples.numpy()), "fp32")


def card(file: Path, size: tuple[int, int], threshold: float, said: dict[str, str], quality: dict[str, object]) -> str:
    """The detector's card; `said` is what its maker says and its training noted, licence and source."""
    head = {"name": "detector", "task": "detect", "family": "fastestdet", "file": file.name, "sha256": digest(file), **said}
    height, width = size
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
    net: Network, folder: Path, size: tuple[int, int], threshold: float, said: dict[str, str], quality: dict[str, object]
) -> dict[str, object]:
    """Writes `detector/model.onnx` and its card below `folder`, for an input of this height and width; what the card says of its quality."""
    if (folder / "detector/NOTICE").is_file():
        said = {**said, "source": f"{said['source']}; see NOTICE"}
    with beside(folder) as new:
        own = new / "detector"
        own.mkdir()
        file = own / "model.onnx"
        told = {**quality, "parity": to_onnx(net, file, *size)}
        (own / "model.toml").write_text(card(file, size, threshold, said, told))
    return told
