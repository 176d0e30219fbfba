"""Sentences about the people of an appearance training, and TGI, which lets them look at each picture; for training alone."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from sightline_training.dataset import DatasetError, Picture
from sightline_training.losses import product
from sightline_training.mscsa import Tgi
from sightline_training.person_net import DIMENSION, STAGES
from sightline_training.text_tower import PAD, MiniLm, padded, tokenizer

# Captions that stand for a person.
TOLD = 1


@torch.no_grad()
def told_of(by_identity: dict[str, list[Picture]], names: list[str]) -> torch.Tensor:
    """People x 384: MiniLM's mean over the fullest captions of each person's first pictures."""
    texts = []
    for name in names:
        own = [picture.captions[0] for picture in by_identity[name] if picture.captions][:TOLD]
        if not own:
            raise DatasetError(f"{name}: no sentence, and the loss `text` wants one of everybody")
        texts.append(own)
    flat = [text for own in texts for text in own]
    encoder, words = MiniLm().eval(), tokenizer(64)
    ids = [encoding.ids for encoding in words.encode_batch(flat)]
    order = sorted(range(len(ids)), key=lambda number: len(ids[number]))
    rows = torch.zeros(len(ids), 384)
    for start in range(0, len(order), 64):
        chunk = order[start : start + 64]
        tokens = padded([ids[number] for number in chunk])
        inside = (tokens != PAD).float()[:, :, None]
        rows[chunk] = (encoder(tokens) * inside).sum(1) / inside.sum(1)
    rows = functional.normalize(rows, dim=1)
    ends = np.cumsum([len(own) for own in texts])
    return torch.stack([rows[end - len(own) : end].mean(0) for end, own in zip(ends, texts)])


class Told(nn.Module):
    """For training alone: pictures against the sentences about people."""

    def __init__(self, with_tgi: bool) -> None:
        super().__init__()
        self.enter = nn.Linear(384, DIMENSION)
        self.tgi = Tgi(STAGES[-1][1], DIMENSION) if with_tgi else None

    def forward(
        self, vectors: torch.Tensor, positions: torch.Tensor, who: torch.Tensor, texts: torch.Tensor, smoothing: float, temperature: float
    ) -> torch.Tensor:
        """Cross-entropy of each picture over everybody's sentences."""
        told = self.enter(texts)
        scores = product(vectors, functional.normalize(told.float(), dim=1).T)
        if self.tgi is not None:
            chosen = who.unique()
            refined = functional.normalize(self.tgi(told[chosen].to(positions.dtype), positions).float(), dim=2)
            scores = scores.index_copy(1, chosen, (refined * vectors[:, None]).sum(2))
        return functional.cross_entropy(scores / temperature, who, label_smoothing=smoothing)
