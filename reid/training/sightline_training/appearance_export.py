"""From a checkpoint, or the published weights, to the appearance model that the program ships: one ONNX file and its card."""

from __future__ import annotations

from pathlib import Path

import torch

from sightline_training.appearance import CODES
from sightline_training.card import beside, digest, lines
from sightline_training.export import Exported, run, shrunk, to_onnx
from sightline_training.person_net import DIMENSION, HEIGHT, PUBLISHED, WIDTH, PersonNet


def export_network(net: PersonNet, file: Path, form: str, samples: torch.Tensor | None) -> Exported:
    """Pictures N x 3 x 256 x 128, codes 0 to 255, to `vector`, held against PyTorch."""
    net = net.eval().float().to(memory_format=torch.contiguous_format)
    if samples is None:
        samples = torch.rand(4, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0)) * CODES
    with torch.no_grad():
        expected = net(samples).numpy()
    to_onnx(net, samples[:2], file, "pictures", {0: "N"}, keeps_names=True)
    return shrunk(file, form, expected, lambda: run(file, "pictures", samples.numpy()))


def card(exported: Exported, licence: str, quality: dict[str, object]) -> str:
    """The model's card."""
    head = {
        "name": "appearance",
        "task": "embed-image",
        "family": "any",
        "file": "model.onnx",
        "sha256": digest(exported.file),
        "licence": licence,
        "source": f"reid/training, from the weights of {PUBLISHED}; see NOTICE",
    }
    picture = {
        "name": "pictures",
        "width": WIDTH,
        "height": HEIGHT,
        "colors": "rgb",
        "layout": "nchw",
        "scale": 1.0,
        "mean": [0.0, 0.0, 0.0],
        "std": [1.0, 1.0, 1.0],
        "resize": "stretch",
        "batch": "dynamic",
        "precision": "fp32",
    }
    output = {"names": ["vector"], "vector": "appearance", "dimension": DIMENSION}
    return f"{lines(head)}\n[input]\n{lines(picture)}\n[output]\n{lines(output)}\n[quality]\n{lines(quality)}"


def export_appearance(
    net: PersonNet,
    folder: Path,
    form: str,
    samples: torch.Tensor | None,
    training: str,
    quality: dict[str, object],
    licence: str,
    data: str,
) -> str:
    """Writes `appearance/model.onnx` and its card below `folder`; what was held against PyTorch."""
    with beside(folder) as new:
        own = new / "appearance"
        own.mkdir()
        exported = export_network(net, own / "model.onnx", form, samples)
        more = {"training": training, **exported.quality(data), **quality}
        (own / "model.toml").write_text(card(exported, licence, more))
    return exported.parity
