"""The layer that both towers put on top of what they start from."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


# Of attention.
HEADS = 4


class Block(nn.Module):
    """One layer of the trained part, norms first."""

    def __init__(self, channels: int, dropout: float, heads: int = HEADS) -> None:
        super().__init__()
        self.heads = heads
        self.first, self.second = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.mix, self.merge = nn.Linear(channels, channels * 3), nn.Linear(channels, channels)
        self.expand, self.shrink = nn.Linear(channels, channels * 3), nn.Linear(channels * 3, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        batch, length, width = x.shape
        three = self.mix(self.first(x)).reshape(batch, length, 3, self.heads, width // self.heads)
        query, key, value = three.permute(2, 0, 3, 1, 4).unbind(0)
        scores = query @ key.transpose(2, 3) * (width // self.heads) ** -0.5
        weights = torch.softmax(scores if bias is None else scores + bias, -1)
        mixed = (weights @ value).transpose(1, 2).reshape(batch, length, width)
        x = x + self.dropout(self.merge(mixed))
        return x + self.dropout(self.shrink(functional.gelu(self.expand(self.second(x)))))
