"""The picture side on the published person model 0267: two stages as published, the third trained, a small transformer over their positions."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from sightline_training.block import Block
from sightline_training.person_net import STAGES, PersonNet, load_published
from sightline_training.picture_tower import MEAN, PERSON_STAGES, STD, PictureSize

# What the maps of the stages that stay are smaller by.
STRIDE = 16
# 0267 takes the mean and spread of its channels out of every picture, and with them light grey or white, black or dark blue. So each
# position is also told the colours of its FINE x FINE parts.
FINE = 4
COLOURS = 3 * FINE * FINE
CODES = 255


class PersonTower(nn.Module):
    """Pictures N x 3 x H x W, normalised by `MEAN` and `STD`, to vectors N x channels of length one.

    `published` is 0267's ONNX file, as published or as shipped; None begins from nothing, for weights that come afterwards.
    """

    def __init__(self, size: PictureSize, published: Path | None) -> None:
        super().__init__()
        self.size = size
        net = PersonNet() if published is None else load_published(published)
        self.lower = nn.ModuleDict({"in_first": net.in_first, "conv1": net.conv1, "conv2": net.conv2, "conv3": net.conv3})
        self.upper = net.conv4
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1))
        channels, inside = size.channels, STAGES[-1][1]
        positions = (size.height // STRIDE) * (size.width // STRIDE)
        self.project = nn.Conv2d(inside, channels, 1)
        self.colours = nn.Sequential(nn.Conv2d(COLOURS, 64, 1), nn.GELU(), nn.Conv2d(64, channels, 1))
        self.positions = nn.Parameter(torch.randn(1, positions + 1, channels) * 0.02)
        self.start = nn.Parameter(torch.randn(1, 1, channels) * 0.02)
        self.transformer = nn.ModuleList(Block(channels, size.dropout) for _ in range(size.depth))
        self.norm = nn.LayerNorm(channels)
        self.out = nn.Linear(channels, channels)

    def train(self, mode: bool = True) -> PersonTower:
        super().train(mode)
        self.lower.eval()
        return self

    def backbone(self) -> nn.Module:
        """What begins with published weights, and is trained."""
        return self.upper

    def frozen(self) -> nn.Module:
        """The stages that are not trained."""
        return self.lower

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return self.after(self.before(pictures))

    @torch.no_grad()
    def before(self, pictures: torch.Tensor) -> torch.Tensor:
        """Maps N x (192 + 48) x H/16 x W/16: the published stages', and colours."""
        x = (pictures * self.std + self.mean) * CODES
        x = self.lower["conv1"]["bn"](self.lower["conv1"]["conv"](self.lower["in_first"](x)))
        x = functional.max_pool2d(functional.relu(x), 3, 2, 1)
        x = self.lower["conv3"](self.lower["conv2"](x))
        fine = functional.avg_pool2d(pictures, STRIDE // FINE)
        return torch.cat([x, functional.pixel_unshuffle(fine, FINE).to(x.dtype)], 1)

    def after(self, maps: torch.Tensor) -> torch.Tensor:
        """The trained part, from the maps."""
        seen, fine = maps.split([STAGES[PERSON_STAGES - 1][1], COLOURS], 1)
        x = self.project(self.upper(seen)) + self.colours(fine)
        x = x.flatten(2).transpose(1, 2)
        x = torch.cat([self.start.expand(x.shape[0], -1, -1), x], 1) + self.positions
        for block in self.transformer:
            x = block(x)
        x = self.out(self.norm(x[:, 0]))
        return functional.normalize(x.float(), dim=1)
