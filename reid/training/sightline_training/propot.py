"""Propot's parts (Yan et al., ACM MM 2024): prototypes of identities that gather what their pictures and sentences say, and masked words.

All of it only trains; what is searched with is a plain CLIP.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional

from sightline_training import losses as L
from sightline_training.clip import Attention, ClipSize, QuickGelu, ResidualBlock, Transformer, heads_of


@dataclass(frozen=True)
class PropotSettings:
    """Weights of the losses (zero turns one off), and the parts of the prototypes."""

    sdm: float = 1.0
    identity: float = 1.0
    # Prototypes against the batch's pictures and sentences.
    p2i: float = 0.2
    mlm: float = 1.0
    # Domain-conditional and instance-conditional prompting; without both a prototype stays what CLIP said at the start.
    dpp: bool = True
    ipp: bool = True
    # Aggregation by similarity; without it, the mean.
    apa: bool = True
    prompts: int = 4
    ipp_layers: int = 3
    mlm_layers: int = 4
    temperature: float = 0.02

    RANGES: ClassVar = {"temperature": (1e-3, math.inf)}


class CrossBlock(nn.Module):
    """Attention to something else, a residual, no feed-forward part: with these sizes the training has the published 245.91 M parameters."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.memory = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = Attention(width, heads_of(width))

    def forward(self, x: torch.Tensor, memory: torch.Tensor) -> torch.Tensor:
        return x + self.attn(self.query(x), self.memory(memory))


class Prototypes(nn.Module):
    """A prototype of each identity in each of the two kinds, pictures and sentences."""

    def __init__(self, identities: int, width: int, settings: PropotSettings) -> None:
        super().__init__()
        self.settings = settings
        # Sums of CLIP's features, pictures first, brought to length one; unknown until the set was seen.
        self.register_buffer("initial", torch.zeros(2, identities, width))
        self.prompts, self.domain, self.instance = None, None, None
        if settings.dpp:
            self.prompts = nn.Parameter(torch.randn(2, identities, settings.prompts, width) * 0.02)
            self.domain = ResidualBlock(width, 8 if width % 8 == 0 else None)
        if settings.ipp:
            self.instance = nn.ModuleList(CrossBlock(width) for _ in range(settings.ipp_layers))

    def take(self, pictures: torch.Tensor, sentences: torch.Tensor, who: torch.Tensor) -> None:
        """Makes the initial prototypes from features of the whole set."""
        for kind, features in enumerate((pictures, sentences)):
            sums = torch.zeros_like(self.initial[kind]).index_add_(0, who, functional.normalize(features.float(), dim=1))
            self.initial[kind] = functional.normalize(sums, dim=1)

    def forward(self, who: torch.Tensor, pictures: torch.Tensor, sentences: torch.Tensor) -> list[torch.Tensor]:
        """Prototypes of `who`, K x width, of each kind, in the light of a batch's features."""
        return [self.one(kind, who, (pictures, sentences)) for kind in (0, 1)]

    def one(self, kind: int, who: torch.Tensor, instances: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        start = self.initial[kind, who]
        found = []
        if self.domain is not None:
            row = torch.cat([self.prompts[kind, who], start[:, None]], 1)
            found.append(self.domain(row)[:, -1])
        if self.instance is not None:
            for features in instances:
                x = start[:, None]
                memory = features[None].expand(len(who), -1, -1)
                for block in self.instance:
                    x = block(x, memory)
                found.append(x[:, 0])
        if not found:
            return start
        every = torch.stack(found, 1)
        if not self.settings.apa:
            return start + every.mean(1)
        weights = torch.softmax((every * start[:, None]).sum(2), 1)
        return start + (weights[:, :, None] * every).sum(1)


def p2i(prototypes: list[torch.Tensor], instances: list[torch.Tensor], own: torch.Tensor, who: torch.Tensor, temperature: float) -> torch.Tensor:
    """-log softmax over the batch of a prototype's similarity to its own instances: each kind of prototype to each kind of instance, the mean."""
    target = L.shares(own, who)
    parts = []
    for prototype in prototypes:
        for features in instances:
            parts.append(L.soft_cross_entropy(L.cosines(prototype, features) / temperature, target, 0.0))
    return torch.stack(parts).mean()


class MaskedWords(nn.Module):
    """Masked words guessed from the rest of the sentence and the picture (as in IRRA, CVPR 2023)."""

    def __init__(self, size: ClipSize, settings: PropotSettings) -> None:
        super().__init__()
        width = size.embed
        self.words, self.picture, self.last = (nn.LayerNorm(width) for _ in range(3))
        self.cross = Attention(width, heads_of(width))
        self.transformer = Transformer(width, settings.mlm_layers)
        self.guess = nn.Sequential(
            nn.Linear(width, width), QuickGelu(), nn.LayerNorm(width), nn.Linear(width, size.vocabulary)
        )

    def forward(self, words: torch.Tensor, picture: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        """Tokens of both sides N x L x embed, and the ids to guess N x L, -1 where nothing is asked."""
        x = self.cross(self.words(words), self.picture(picture))
        x = self.last(self.transformer(x))
        asked = wanted >= 0
        if not bool(asked.any()):
            return x.sum() * 0.0
        with L.fp32():
            return functional.cross_entropy(self.guess(x[asked].float()), wanted[asked])


def masked(ids: torch.Tensor, vocabulary: int, chance: float = 0.15) -> tuple[torch.Tensor, torch.Tensor]:
    """Sentences with some words hidden (80%), swapped (10%) or only asked for (10%), and what was there.

    The rarest merge stands for the mask, as in IRRA.
    """
    mask, start = vocabulary - 3, vocabulary - 2
    is_word = (ids > 0) & (ids < start)
    # Drawn on the CPU, so that every device hides the same.
    draw, fate = torch.rand(ids.shape).to(ids.device), torch.rand(ids.shape).to(ids.device)
    other = torch.randint(1, mask, ids.shape).to(ids.device)
    asked = is_word & (draw < chance)
    hidden = torch.where(asked & (fate < 0.8), torch.full_like(ids, mask), ids)
    hidden = torch.where(asked & (fate >= 0.9), other, hidden)
    return hidden, torch.where(asked, ids, torch.full_like(ids, -1))
