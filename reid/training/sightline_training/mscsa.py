"""MSCSA and TGI: attention between scales in CLIP's ResNet, and words that look at the picture while it is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional

from sightline_training.clip import Attention, ClipSize, ResNet, unit
from sightline_training.losses import product


@dataclass(frozen=True)
class MscsaSettings:
    """What stands between the stages. Each part is a switch."""

    # Stages that are followed by a block, of 1 to 4 (a fourth hurts, says the paper); none is plain CLIP-ReID.
    after: tuple[int, ...] = (1, 2, 3)
    channel: bool = True
    spatial: bool = True
    # `softmax`, or `mean`: division by the number of terms, after which products may be taken in any order.
    norm: str = "softmax"
    # `naive`, as published; `associated`: the same result with fewer operations.
    form: str = "associated"
    # Whether the blocks train in stage 1 as well, where the rest of the picture side does not; the paper leaves it open.
    train_in_prompts: bool = False
    tgi: bool = True
    tgi_width: int = 256
    tgi_layers: int = 3
    tgi_heads: int = 4

    RANGES: ClassVar = dict.fromkeys(("tgi_width", "tgi_heads"), (1, math.inf))

    def __post_init__(self) -> None:
        object.__setattr__(self, "after", tuple(self.after))
        if self.norm not in ("softmax", "mean"):
            raise ValueError(f"mscsa.norm is `{self.norm}`, expected `softmax` or `mean`")
        if self.form not in ("naive", "associated"):
            raise ValueError(f"mscsa.form is `{self.form}`, expected `naive` or `associated`")
        if not set(self.after) <= {1, 2, 3, 4}:
            raise ValueError(f"mscsa.after is {list(self.after)}, expected stages of 1, 2, 3, 4")
        if self.tgi_width % self.tgi_heads:
            raise ValueError(f"mscsa.tgi_width is {self.tgi_width}, expected a multiple of mscsa.tgi_heads, {self.tgi_heads}")


def zero_norm(channels: int) -> nn.BatchNorm2d:
    """A norm that starts at nothing, so that its block starts as the identity."""
    norm = nn.BatchNorm2d(channels)
    nn.init.zeros_(norm.weight)
    return norm


class Mscsa(nn.Module):
    """Multi-scale cross-attention after a stage: `low` is what went in, `high` what came out.

    Channels of the stage attend to channels before it, then positions to positions.
    """

    def __init__(self, low: int, high: int, stride: int, settings: MscsaSettings = MscsaSettings()) -> None:
        super().__init__()
        self.stride, self.settings = stride, settings
        # Whether `mean` still divides, or its weights are divided already.
        self.divides = settings.norm == "mean"
        middle = low // 2
        if settings.channel:
            self.channel_theta = nn.Conv2d(high, low, 1)
            self.channel_phi = nn.Conv2d(low, low, 1, stride=stride)
            self.channel_g = nn.Conv2d(low, low, 1)
            self.channel_out = nn.Conv2d(low, high, 1, stride=stride)
            self.channel_norm = zero_norm(high)
        if settings.spatial:
            self.spatial_theta = nn.Conv2d(high, middle, 1)
            self.spatial_phi = nn.Conv2d(low, middle, 1)
            self.spatial_g = nn.Conv2d(low, middle, 1)
            self.spatial_out = nn.Conv2d(middle, high, 1)
            self.spatial_norm = zero_norm(high)

    def fold(self, positions: int) -> None:
        """Moves the division of `mean` into phi's weights; `positions` are those of what goes in."""
        if self.divides:
            with torch.no_grad():
                if self.settings.channel:
                    self.channel_phi.weight /= self.channel_phi.out_channels
                    self.channel_phi.bias /= self.channel_phi.out_channels
                if self.settings.spatial:
                    self.spatial_phi.weight /= positions
                    self.spatial_phi.bias /= positions
            self.divides = False

    def divided(self, phi: torch.Tensor) -> torch.Tensor:
        """phi over the number of terms, before any product: sums would otherwise leave half precision."""
        return phi / phi.shape[-1] if self.divides else phi

    def weights(self, theta: torch.Tensor, phi: torch.Tensor) -> torch.Tensor:
        """theta N x A x K and phi N x K x B to attention N x A x B."""
        if self.settings.norm == "mean":
            return theta @ self.divided(phi)
        # Sums over all positions leave half precision, and a softmax of infinity is no number.
        return torch.softmax(product(theta, phi), -1).to(theta.dtype)

    def channel(self, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
        """What the channels add."""
        theta = self.channel_theta(high).flatten(2)
        phi = self.channel_phi(low).flatten(2)
        attention = self.weights(theta, phi.transpose(1, 2))
        if self.settings.form == "associated" and self.stride > 1:
            # The way out reads every other position only, and a position's value depends on that position alone.
            low = low[:, :, :: self.stride, :: self.stride]
            stride = 1
        else:
            stride = self.stride
        mixed = (attention @ self.channel_g(low).flatten(2)).reshape(low.shape)
        out = functional.conv2d(mixed, self.channel_out.weight, self.channel_out.bias, stride=stride)
        return self.channel_norm(out)

    def spatial(self, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
        """What the positions add."""
        theta = self.spatial_theta(high).flatten(2).transpose(1, 2)
        phi = self.spatial_phi(low).flatten(2)
        g = self.spatial_g(low).flatten(2).transpose(1, 2)
        if self.settings.form == "associated" and self.settings.norm == "mean":
            # Keys with values first: no matrix of positions x positions.
            mixed = theta @ (self.divided(phi) @ g)
        else:
            mixed = self.weights(theta, phi) @ g
        rows, columns = high.shape[2:]
        mixed = mixed.transpose(1, 2).unflatten(2, (rows, columns))
        return self.spatial_norm(self.spatial_out(mixed))

    def forward(self, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
        if self.settings.channel:
            high = high + self.channel(low, high)
        if self.settings.spatial:
            high = high + self.spatial(low, high)
        return high


class MscsaResNet(ResNet):
    """CLIP's ResNet with a block after each of the chosen stages."""

    def __init__(self, size: ClipSize, settings: MscsaSettings = MscsaSettings()) -> None:
        super().__init__(size)
        stem = size.channels
        shapes = {1: (stem, stem * 4, 1), 2: (stem * 4, stem * 8, 2), 3: (stem * 8, stem * 16, 2), 4: (stem * 16, stem * 32, 1)}
        self.mscsa = nn.ModuleDict({str(stage): Mscsa(*shapes[stage], settings) for stage in settings.after})

    def between(self, stage: int, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
        name = str(stage)
        return self.mscsa[name](low, high) if name in self.mscsa else high


class MscsaEncoder(nn.Module):
    """What is exported: pictures to the mean of stage 4 beside the attention pool's vector, 3072 values of length one at full size."""

    def __init__(self, visual: MscsaResNet) -> None:
        super().__init__()
        self.visual = visual

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        _, last, pooled = self.visual(pictures)
        return torch.cat([last.mean((2, 3)), pooled], 1)


class TgiLayer(nn.Module):
    """Words look at each other, then at the picture."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.first, self.second, self.third = (nn.LayerNorm(width) for _ in range(3))
        self.own, self.cross = Attention(width, heads), Attention(width, heads)
        self.feed = nn.Sequential(nn.Linear(width, width * 4), nn.GELU(), nn.Linear(width * 4, width))

    def forward(self, words: torch.Tensor, memory: torch.Tensor) -> torch.Tensor:
        words = words + self.own(self.first(words))
        words = words + self.cross(self.second(words), memory)
        return words + self.feed(self.third(words))


class Tgi(nn.Module):
    """Text-guided interaction: text features refined by each picture's positions. For training alone."""

    def __init__(self, memory: int, embed: int, settings: MscsaSettings = MscsaSettings()) -> None:
        super().__init__()
        width = settings.tgi_width
        self.memory = nn.Sequential(nn.LayerNorm(memory), nn.Linear(memory, width), nn.LayerNorm(width))
        self.query = nn.Sequential(nn.LayerNorm(embed), nn.Linear(embed, width))
        self.layers = nn.ModuleList(TgiLayer(width, settings.tgi_heads) for _ in range(settings.tgi_layers))
        self.out = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, embed))
        self.gamma = nn.Parameter(torch.full((embed,), 1e-4))

    def forward(self, texts: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Texts K x embed and maps N x C x H x W to texts as each picture sees them, N x K x embed."""
        memory = self.memory(positions.flatten(2).transpose(1, 2))
        words = self.query(texts).expand(len(memory), -1, -1)
        for layer in self.layers:
            words = layer(words, memory)
        return texts + self.gamma * self.out(words)


def mscsa_macs(size: ClipSize, settings: MscsaSettings) -> int:
    """Multiplications and additions that the blocks cost for one picture."""
    total = 0
    stem, height, width = size.channels, size.height // 4, size.width // 4
    shapes = {1: (stem, stem * 4, 1, 1), 2: (stem * 4, stem * 8, 1, 2), 3: (stem * 8, stem * 16, 2, 2), 4: (stem * 16, stem * 32, 4, 1)}
    for stage in settings.after:
        low, high, shrunk, stride = shapes[stage]
        before = height * width // shrunk**2
        after = before // stride**2
        read = after if settings.form == "associated" else before
        middle = low // 2
        if settings.channel:
            total += high * low * after + low * low * after + low * low * read
            total += low * low * after + low * low * read + low * high * after
        if settings.spatial:
            total += high * middle * after + 2 * low * middle * before + middle * high * after
            if settings.norm == "mean" and settings.form == "associated":
                total += middle * middle * (before + after)
            else:
                total += 2 * after * before * middle
    return total


class Unit(nn.Module):
    """A tower whose vectors have length one."""

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return unit(self.tower(x))


def exported(visual: MscsaResNet) -> nn.Module:
    """The encoder as a file has it, its vector of length one in fp32."""
    return Unit(MscsaEncoder(visual))
