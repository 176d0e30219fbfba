"""What a trained system is worth by the published protocols."""

from __future__ import annotations

import numpy as np
import torch

from sightline_training.augment import read_rgb, resized
from sightline_training.clip_words import clip_ids
from sightline_training.dataset import DatasetError, Picture
from sightline_training.retrieval import average_precision, text_scores
from sightline_training.system import System


@torch.no_grad()
def picture_vectors(system: System, pictures: list[Picture], batch: int = 64) -> np.ndarray:
    """Pictures x dimension."""
    side, size = system.image_side().eval(), system.settings.clip
    device = next(system.parameters()).device
    mean, std = (torch.tensor(plane).view(1, 3, 1, 1) for plane in system.settings.planes)
    rows = []
    for start in range(0, len(pictures), batch):
        crops = [resized(read_rgb(one.path), size.height, size.width) for one in pictures[start : start + batch]]
        tensor = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 255
        rows.append(side(((tensor - mean) / std).to(device)).cpu().numpy())
    return np.concatenate(rows)


@torch.no_grad()
def sentence_vectors(system: System, sentences: list[str], batch: int = 64) -> np.ndarray:
    """Sentences x dimension."""
    side, size = system.text_side().eval(), system.settings.clip
    device = next(system.parameters()).device
    parts = (sentences[start : start + batch] for start in range(0, len(sentences), batch))
    return np.concatenate([side(clip_ids(part, size.context, size.vocabulary).to(device)).cpu().numpy() for part in parts])


def picture_scores(asked: tuple[np.ndarray, ...], gallery: tuple[np.ndarray, ...]) -> dict[str, float]:
    """Rank-1, rank-5, mAP, mINP; each part is vectors, identities, cameras. The same person on the same camera is left out."""
    similarity = asked[0] @ gallery[0].T
    results = []
    for row, (who, camera) in enumerate(zip(asked[1], asked[2])):
        kept = np.flatnonzero(~((gallery[1] == who) & (gallery[2] == camera)))
        order = kept[np.argsort(-similarity[row, kept], kind="stable")]
        right = gallery[1][order] == who
        if right.any():
            results.append((right[0], right[:5].any(), *average_precision(right)))
    if not results:
        raise DatasetError("nobody who is asked for is in the gallery on another camera")
    names = ("image_rank1", "image_rank5", "image_map", "image_minp")
    return dict(zip(names, np.array(results, float).mean(0).tolist()))


def measure(system: System, asked: list[Picture], gallery: list[Picture]) -> dict[str, float]:
    """Measures of pictures asking for pictures and, where the system reads, of sentences."""
    was_training = system.training
    system.eval()
    names = {name: number for number, name in enumerate(sorted({one.identity for one in asked + gallery}))}

    def parts(pictures: list[Picture]) -> tuple[np.ndarray, ...]:
        who = np.array([names[one.identity] for one in pictures])
        return picture_vectors(system, pictures), who, np.array([one.camera for one in pictures])

    found = parts(gallery)
    own = found if asked is gallery else parts(asked)
    scores = picture_scores(own, found)
    told = [one for one in gallery if one.captions]
    if told and system.text_side() is not None:
        rows = [row for row, one in enumerate(gallery) if one.captions]
        sentences = [text for one in told for text in one.captions]
        who = np.array([names[one.identity] for one in told for _ in one.captions])
        scores |= text_scores(sentence_vectors(system, sentences), found[0][rows], who, found[1][rows])
    system.train(was_training)
    return scores
