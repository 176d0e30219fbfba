"""What pulls pictures and words of one person together. Each loss is a weight in `Losses`; zero turns it off."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional


@dataclass(frozen=True)
class Losses:
    """Weights of the parts."""

    # Symmetric cross-entropy over the batch, each identity's pictures sharing the target.
    contrast: float = 1.0
    # Similarity distribution matching (Jiang and Ye, CVPR 2023, equations 4 to 6), temperature 0.02.
    sdm: float = 0.0
    # Pictures against single clauses: does this one have a red coat?
    clause: float = 1.0
    # Pictures of one person against each other, so that the vector also compares pictures.
    views: float = 0.5
    # Which of the training's people is it? By pictures and by words (Zheng et al., TOMM 2020).
    identity: float = 0.0
    # VPM-Net's MINP, alpha = 1, beta = 2; vectors have length one here, so that lambda has nothing to weigh.
    minp: float = 0.0
    smoothing: float = 0.05
    views_temperature: float = 0.1

    RANGES: ClassVar = {"smoothing": (0, 1), "views_temperature": (1e-3, math.inf)}


@contextmanager
def fp32() -> Iterator[None]:
    """No mixed precision, for a block or a function: `.float()` alone is undone by the next product under autocast."""
    with torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
        yield


@fp32()
def product(rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Matrix product in fp32."""
    return rows.float() @ columns.float()


def cosines(rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Cosines rows x columns, in fp32."""
    return product(functional.normalize(rows.float(), dim=1), functional.normalize(columns.float(), dim=1).T)


class Scales(nn.Module):
    """Learned temperatures."""

    def __init__(self) -> None:
        super().__init__()
        self.contrast = nn.Parameter(torch.tensor(2.66))
        self.clause = nn.Parameter(torch.tensor([2.3, -2.3]))

    def contrast_scale(self) -> torch.Tensor:
        """1 / temperature of the contrast, at most 100."""
        return self.contrast.exp().clamp(max=100)

    def clause_logits(self, similarity: torch.Tensor) -> torch.Tensor:
        """Cosine to the logit of `this clause holds`."""
        return similarity * self.clause[0].exp() + self.clause[1]


def shares(rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Targets rows x columns: every column of the row's identity takes the same share."""
    same = (rows[:, None] == columns[None, :]).float()
    return same / same.sum(1, keepdim=True).clamp(min=1)


def soft_cross_entropy(logits: torch.Tensor, target: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Cross-entropy with shares as the target."""
    target = target * (1 - smoothing) + smoothing / logits.shape[1]
    return -(target * functional.log_softmax(logits, 1)).sum(1).mean()


def contrast(similarity: torch.Tensor, target: torch.Tensor, back: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Both directions; `similarity` is scaled, words x pictures."""
    there = soft_cross_entropy(similarity, target, smoothing)
    return (there + soft_cross_entropy(similarity.T, back, smoothing)) / 2


def sdm(cosine: torch.Tensor, target: torch.Tensor, back: torch.Tensor, temperature: float = 0.02) -> torch.Tensor:
    """KL(p || q) of similarities' distribution p and identities' q, both directions."""

    def one(logits: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
        log_p = functional.log_softmax(logits / temperature, 1)
        return (log_p.exp() * (log_p - (q + 1e-8).log())).sum(1).mean()

    return one(cosine, target) + one(cosine.T, back)


def views(pictures: torch.Tensor, identities: torch.Tensor, temperature: float) -> torch.Tensor:
    """Supervised contrast among pictures (Khosla et al., NeurIPS 2020, equation 2)."""
    own = torch.eye(len(pictures), dtype=torch.bool, device=pictures.device)
    logits = (pictures @ pictures.T / temperature).masked_fill(own, -1e4)
    same = ((identities[:, None] == identities[None, :]) & ~own).float()
    log_p = functional.log_softmax(logits, 1)
    has_other = same.sum(1) > 0
    return -((log_p * same).sum(1) / same.sum(1).clamp(min=1))[has_other].mean()


def clause(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy over pictures x clauses; truth is 1, 0, or -1 where the picture does not tell.

    True and false clauses weigh the same together, since most clauses are false of most people.
    """
    each = functional.binary_cross_entropy_with_logits(logits, truth.clamp(min=0), reduction="none")
    true, false = (truth == 1).float(), (truth == 0).float()
    halves = [(each * part).sum() / part.sum().clamp(min=1) for part in (true, false)]
    return halves[0] + halves[1]


def minp(
    images: torch.Tensor, texts: torch.Tensor, same: torch.Tensor, alpha: float = 1.0, beta: float = 2.0, shortness: float = 0.0
) -> torch.Tensor:
    """VPM-Net's MINP: the mean of -alpha (1 - S)^beta log S over pairs that belong together, and `shortness` (lambda) times the mean
    squared lengths of both sides.

    S is the cosine, clamped above zero, where its logarithm would end.
    """
    cosine = cosines(images, texts)
    s = cosine.clamp(1e-4, 1.0)
    # Below zero the clamp has no slope: there the cosine itself pulls, and adds nothing to the value.
    below = (1e-4 - cosine).clamp(min=0)
    lost = alpha * (1 - s) ** beta * -s.log() + below - below.detach()
    lengths = images.float().square().sum(1).mean() + texts.float().square().sum(1).mean()
    return lost[same].mean() + shortness * lengths
