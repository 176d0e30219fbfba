"""The published person model 0267 of Intel's Open Model Zoo as a PyTorch module: an OSNet of half width with two kinds of gates.

Its ONNX file keeps the names of the weights, and the names of the modules here are the same, so that loading is by name.
Omni-scale blocks are those of Zhou et al., ICCV 2019; the second gate is the linear context transform of Ruan et al., AAAI 2020.
"""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from google.protobuf.message import DecodeError
from onnx import numpy_helper
from torch import nn
from torch.nn import functional

from sightline_training.mscsa import Mscsa, MscsaSettings

# Channels of the stages and of the vector; pixels of the input.
STAGES = ((32, 128), (128, 192), (192, 256))
DIMENSION = 256
GATE_GROUPS = 16
# MSCSA as it stands here: the division in place of the softmax, whose matrix of positions x positions this size cannot afford.
BLOCKS = MscsaSettings(norm="mean")
HEIGHT, WIDTH = 256, 128
PUBLISHED = (
    "person-reidentification-retail-0267 of Intel's Open Model Zoo, as github.com/yas-sim/"
    "object-tracking-line-crossing-area-intrusion has it (Apache-2.0)"
)


class WeightsError(ValueError):
    """A file that does not hold this network's weights; the message names what is missing."""


class ConvolutionNorm(nn.Module):
    """1 x 1 convolution and batch norm."""

    def __init__(self, inputs: int, outputs: int, has_relu: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        self.has_relu = has_relu

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.bn(self.conv(x))
        return functional.relu(x) if self.has_relu else x


class Light(nn.Module):
    """1 x 1 and 3 x 3 by channel, batch norm, ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 1, bias=False)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, groups=channels, bias=False)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.bn(self.conv2(self.conv1(x))))


class SqueezeGate(nn.Module):
    """Weighs channels by two small layers over their means."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // 16, 1)
        self.fc2 = nn.Conv2d(channels // 16, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        means = x.mean((2, 3), keepdim=True)
        return x * torch.sigmoid(self.fc2(functional.relu(self.fc1(means))))


class ContextGate(nn.Module):
    """Weighs channels by their means, normalised within groups."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gn = nn.GroupNorm(GATE_GROUPS, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.sigmoid(self.gn(x.mean((2, 3), keepdim=True)))


class OmniScale(nn.Module):
    """Four streams of growing receptive fields, one gate for all of them, and a residual."""

    def __init__(self, inputs: int, outputs: int, gate: type[nn.Module]) -> None:
        super().__init__()
        middle = outputs // 4
        self.conv1 = ConvolutionNorm(inputs, middle)
        self.conv2a = Light(middle)
        self.conv2b = nn.Sequential(*(Light(middle) for _ in range(2)))
        self.conv2c = nn.Sequential(*(Light(middle) for _ in range(3)))
        self.conv2d = nn.Sequential(*(Light(middle) for _ in range(4)))
        self.gate = gate(middle)
        self.conv3 = ConvolutionNorm(middle, outputs, has_relu=False)
        self.downsample = ConvolutionNorm(inputs, outputs, has_relu=False) if inputs != outputs else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        middle = self.conv1(x)
        streams = (self.conv2a, self.conv2b, self.conv2c, self.conv2d)
        middle = sum(self.gate(stream(middle)) for stream in streams)
        kept = x if self.downsample is None else self.downsample(x)
        return functional.relu(self.conv3(middle) + kept)


class WeighedPool(nn.Module):
    """A learned weight for every position of every channel.

    Maps of another size than the network's own are met with weights stretched to it, so that a training may begin on smaller
    pictures.
    """

    def __init__(self, channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels, 1, *size), 1 / (size[0] * size[1])))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight, (height, width) = self.weight, self.weight.shape[2:]
        if x.shape[2:] != (height, width):
            weight = functional.interpolate(weight, x.shape[2:], mode="bilinear", align_corners=False)
            weight = weight * (height * width / (x.shape[2] * x.shape[3]))
        return (x * weight.squeeze(1)).sum((2, 3)) + self.bias


class PersonNet(nn.Module):
    """Pictures N x 3 x H x W, RGB, codes 0 to 255, to vectors N x 256, of length one if `is_normalised`.

    An MSCSA block may follow each stage of `after` (1, 2, 3); it starts as the identity, so published weights keep their meaning. A
    learned metric may stand behind it all: a linear map of the vector.
    """

    def __init__(self, is_normalised: bool = True, after: tuple[int, ...] = (), has_metric: bool = False) -> None:
        super().__init__()
        self.is_normalised = is_normalised
        # Statistics of each picture by itself: light and cast of the camera go here.
        self.in_first = nn.InstanceNorm2d(3, affine=True)
        self.conv1 = nn.ModuleDict(
            {"conv": nn.Conv2d(3, 32, 7, 2, 3, bias=False), "bn": nn.InstanceNorm2d(32, affine=True)}
        )
        stages = []
        for number, (inputs, outputs) in enumerate(STAGES):
            stage: list[nn.Module] = [OmniScale(inputs, outputs, SqueezeGate), OmniScale(outputs, outputs, ContextGate)]
            if number < len(STAGES) - 1:
                stage.append(nn.Sequential(ConvolutionNorm(outputs, outputs), nn.AvgPool2d(2)))
            stages.append(nn.Sequential(*stage))
        self.conv2, self.conv3, self.conv4 = stages
        self.conv5 = ConvolutionNorm(STAGES[-1][1], STAGES[-1][1])
        self.global_avgpool = WeighedPool(STAGES[-1][1], (HEIGHT // 16, WIDTH // 16))
        self.fc = nn.Sequential(nn.Linear(STAGES[-1][1], DIMENSION), nn.BatchNorm1d(DIMENSION), nn.PReLU())
        self.metric = nn.Linear(DIMENSION, DIMENSION, bias=False) if has_metric else None

        shapes = {number: (*STAGES[number - 1], 1 if number == len(STAGES) else 2) for number in after}
        self.mscsa = nn.ModuleDict({str(number): Mscsa(*shape, BLOCKS) for number, shape in shapes.items()})

    def stage(self, number: int, low: torch.Tensor) -> torch.Tensor:
        """A stage, and the block after it."""
        high = (self.conv2, self.conv3, self.conv4)[number - 1](low)
        name = str(number)
        return self.mscsa[name](low, high) if name in self.mscsa else high

    def before(self, pictures: torch.Tensor, stages: int) -> torch.Tensor:
        """Maps after the first `stages` stages."""
        x = self.conv1["bn"](self.conv1["conv"](self.in_first(pictures)))
        x = functional.max_pool2d(functional.relu(x), 3, 2, 1)
        for number in range(1, stages + 1):
            x = self.stage(number, x)
        return x

    def after(self, x: torch.Tensor, stages: int) -> torch.Tensor:
        """From maps after the first `stages` stages to those after the last, N x 256 x H/16 x W/16."""
        for number in range(stages + 1, len(STAGES) + 1):
            x = self.stage(number, x)
        return x

    def pooled(self, positions: torch.Tensor) -> torch.Tensor:
        """The vectors of maps."""
        x = self.fc(self.global_avgpool(self.conv5(positions).float()))
        if self.metric is not None:
            x = self.metric(x)
        return functional.normalize(x, dim=1) if self.is_normalised else x

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return self.pooled(self.after(self.before(pictures, 0), 0))


def published_weights(file: Path) -> dict[str, torch.Tensor]:
    """Weights of 0267's ONNX file by their names: as published, mended, or as this package exports it in fp32."""
    try:
        graph = onnx.load(str(file)).graph
    except DecodeError as error:
        raise WeightsError(f"{file}: not an ONNX file") from error
    weights = {weight.name: torch.from_numpy(numpy_helper.to_array(weight).copy()) for weight in graph.initializer}
    # Of weights that are equal an export keeps one, and lends it to the others.
    for node in graph.node:
        if node.op_type == "Identity" and node.input[0] in weights:
            weights[node.output[0]] = weights[node.input[0]]
    return weights


def load_published(file: Path, is_normalised: bool = True) -> PersonNet:
    """The network with the weights of an ONNX file of 0267, and with the MSCSA blocks and the metric that the file has.

    Raises `WeightsError` when one is missing or has another shape.
    """
    weights = published_weights(file)
    blocks = {int(name.split(".")[1]) for name in weights if name.startswith("mscsa.") and name.split(".")[1].isdigit()}
    after = tuple(sorted(blocks & set(range(1, len(STAGES) + 1))))
    net = PersonNet(is_normalised, after, "metric.weight" in weights)
    own = net.state_dict()
    wanted = [name for name in own if not name.endswith("num_batches_tracked")]
    wrong = [name for name in wanted if name not in weights or weights[name].shape != own[name].shape]
    if wrong:
        raise WeightsError(f"{file}: not the weights of 0267: {', '.join(wrong[:3])} missing or of another shape")
    net.load_state_dict({name: weights[name] for name in wanted}, strict=False)
    return net.eval()


def with_metric(net: PersonNet, weight: torch.Tensor) -> PersonNet:
    """The network with a metric behind it; one that it has already goes."""
    after = tuple(int(name) for name in net.mscsa)
    out = PersonNet(net.is_normalised, after, has_metric=True)
    out.load_state_dict(net.state_dict() | {"metric.weight": weight})
    return out.eval()
