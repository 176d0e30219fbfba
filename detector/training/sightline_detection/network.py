"""FastestDet's network (ma xuehao, BSD-3-Clause) as a PyTorch module, with the weights of its published ONNX file.

A ShuffleNetV2 of three stages, a pooling pyramid over all of them on the middle one's grid, and three heads. The published
file has its batch norms folded into the convolutions, so there are none here. The file does not keep the modules' names;
weights are matched by their order, which is the order in which `forward` runs the convolutions, and by their shapes.
"""

from __future__ import annotations

import math
from pathlib import Path

import onnx
import torch
from google.protobuf.message import DecodeError
from onnx import numpy_helper
from torch import nn
from torch.nn import functional

from sightline_training.card import digest

# Output channels and blocks of the stages; cells are this many pixels of the input wide.
STAGES = ((48, 4), (96, 8), (192, 4))
WIDTH = 96
STRIDE = 16
# Classes of COCO, of which person is the first.
CLASSES = 80
# The published input, pixels; sizes of boxes are learned as shares of it.
PUBLISHED_SIDE = 352


# What is known of files by their sha256; of others a card says the name and the sum.
FASTESTDET = "FastestDet, github dog-qiuqiu/FastestDet @50473cd155cb088aa4a99e64ff6a4b3c24fa07e1 (BSD-3-Clause)"
KNOWN = {"31cb14c017fce347cb4c846ec62fdf00d76bb3beecdf4be21e7116ac67feb880": FASTESTDET}


class WeightsError(ValueError):
    """A file that does not hold this network's weights."""


def pointwise(inputs: int, outputs: int) -> nn.Conv2d:
    """1 x 1."""
    return nn.Conv2d(inputs, outputs, 1)


def by_channel(channels: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """Each channel by itself."""
    return nn.Conv2d(channels, channels, kernel, stride, kernel // 2, groups=channels)


class Shrinking(nn.Module):
    """A stage's first block: half the sides, both branches see everything."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half = outputs // 2
        self.kept = nn.Sequential(by_channel(inputs, 3, 2), pointwise(inputs, outputs - half), nn.ReLU())
        self.main = nn.Sequential(
            pointwise(inputs, half), nn.ReLU(), by_channel(half, 3, 2), pointwise(half, half), nn.ReLU()
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.kept(x), self.main(x)], 1)


class Shuffled(nn.Module):
    """Even channels pass, odd ones are worked on."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.main = nn.Sequential(
            pointwise(half, half), nn.ReLU(), by_channel(half, 3), pointwise(half, half), nn.ReLU()
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x[:, 0::2], self.main(x[:, 1::2])], 1)


class Pyramid(nn.Module):
    """Three depths of 5 x 5 filters side by side, and a residual."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.narrow = nn.Sequential(pointwise(inputs, outputs), nn.ReLU())
        self.streams = nn.ModuleList(
            nn.Sequential(*(layer for _ in range(depth) for layer in (by_channel(outputs, 5), nn.ReLU())))
            for depth in (1, 2, 3)
        )
        self.join = pointwise(outputs * 3, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.narrow(x)
        return functional.relu(x + self.join(torch.cat([stream(x) for stream in self.streams], 1)))


class Network(nn.Module):
    """Pictures N x 3 x H x W, BGR in 0..1, sides multiples of 32, to N x 6 x H/16 x W/16.

    The planes are objectness, four box values, and the probability of the class person, as the program's `fastestdet`
    family reads them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 24, 3, 2, 1), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        stages, channels = [], 24
        for outputs, blocks in STAGES:
            stages.append(nn.Sequential(Shrinking(channels, outputs), *(Shuffled(outputs) for _ in range(blocks - 1))))
            channels = outputs
        self.stages = nn.ModuleList(stages)
        self.pyramid = Pyramid(sum(outputs for outputs, _ in STAGES), WIDTH)
        self.neck = nn.Sequential(pointwise(WIDTH, WIDTH), nn.ReLU())
        self.objectness, self.box, self.classes = (
            nn.Sequential(by_channel(WIDTH, 5), nn.ReLU(), pointwise(WIDTH, outputs)) for outputs in (1, 4, CLASSES)
        )

    def heads(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Logits: objectness N x 1, box N x 4, classes N x 80, each x H/16 x W/16."""
        return self.read(self.climb([pictures]))

    def climb(self, levels: list[torch.Tensor]) -> list[torch.Tensor]:
        """Pictures and what the stem and each stage make of them; what is given is not made again."""
        levels = list(levels)
        for layer in (self.first, *self.stages)[len(levels) - 1 :]:
            levels.append(layer(levels[-1]))
        return levels

    def read(self, levels: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The logits of all levels."""
        *_, fine, middle, coarse = levels
        coarse = functional.interpolate(coarse, scale_factor=2.0, mode="nearest")
        fine = functional.avg_pool2d(fine, 3, 2, 1)
        x = self.neck(self.pyramid(torch.cat([fine, middle, coarse], 1)))
        return self.objectness(x), self.box(x), self.classes(x)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        objectness, box, classes = self.heads(pictures)
        person = torch.softmax(classes.float(), 1)[:, :1]
        return torch.cat([torch.sigmoid(objectness.float()), box.float(), person], 1)

    def fit_to(self, height: int, width: int) -> None:
        """Takes what was learned on the published input over to another size: boxes are shares of the input, and the same
        person is a smaller share of a larger one. Exact for small people (a sigmoid is an exponential there)."""
        with torch.no_grad():
            self.box[-1].bias[2] -= math.log(width / PUBLISHED_SIDE)
            self.box[-1].bias[3] -= math.log(height / PUBLISHED_SIDE)

    def rescore(self, scale: float, shift: float) -> None:
        """Objectness's logit times `scale` plus `shift`: scores that a training moved go back to where thresholds stand."""
        if not scale > 0:
            raise ValueError(f"a scale of {scale:g} for scores, expected more than 0")
        with torch.no_grad():
            last = self.objectness[-1]
            last.weight *= scale
            last.bias.mul_(scale).add_(shift)


def origin(published: Path | None) -> str:
    """What weights these are, in words for a card."""
    if published is None:
        return "from nothing, weights by chance"
    found = digest(published)
    return f"from the weights of {KNOWN[found]}" if found in KNOWN else f"from the weights in {published.name}, sha256 {found}"


def load_published(file: Path) -> Network:
    """The network with the weights of the published ONNX file.

    Raises `WeightsError` when the file's convolutions are not this network's.
    """
    try:
        graph = onnx.load(str(file)).graph
    except DecodeError as error:
        raise WeightsError(f"{file}: not an ONNX file") from error
    values = {weight.name: numpy_helper.to_array(weight) for weight in graph.initializer}
    published = [node.input for node in graph.node if node.op_type == "Conv"]
    net = Network()
    own = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
    if len(own) != len(published):
        raise WeightsError(f"{file}: {len(published)} convolutions, FastestDet has {len(own)}")
    for number, (module, names) in enumerate(zip(own, published)):
        weight, bias = (torch.from_numpy(values[name].copy()) for name in names[1:3])
        if weight.shape != module.weight.shape:
            raise WeightsError(f"{file}: convolution {number} is {tuple(weight.shape)}, not {tuple(module.weight.shape)}")
        module.weight.data, module.bias.data = weight, bias
    return net.eval()
