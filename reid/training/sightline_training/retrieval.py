"""How well the pair finds people: the measures of the field, over a dataset's pictures and sentences."""

from __future__ import annotations

import numpy as np
import torch

from sightline_training.augment import plain, read_rgb
from sightline_training.dataset import Picture
from sightline_training.picture_tower import normalised
from sightline_training.text_tower import padded, tokenizer
from sightline_training.training import Pair, Settings


@torch.no_grad()
def picture_vectors(pair: Pair, settings: Settings, pictures: list[Picture], batch: int = 64) -> np.ndarray:
    """Pictures x channels."""
    pair.eval()
    device = next(pair.parameters()).device
    size = (settings.picture.height, settings.picture.width)
    rows = []
    for start in range(0, len(pictures), batch):
        chunk = [plain(read_rgb(picture.path), *size) for picture in pictures[start : start + batch]]
        tensor = normalised(torch.stack(chunk)).to(device).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=settings.bf16):
            rows.append(pair.picture(tensor).float().cpu().numpy())
    return np.concatenate(rows)


@torch.no_grad()
def text_vectors(pair: Pair, settings: Settings, texts: list[str], batch: int = 64) -> np.ndarray:
    """Sentences x channels."""
    pair.eval()
    device = next(pair.parameters()).device
    ids = [encoding.ids for encoding in tokenizer(settings.text.tokens).encode_batch(texts)]
    order = sorted(range(len(ids)), key=lambda number: len(ids[number]))
    rows = np.zeros((len(ids), settings.text.channels), np.float32)
    for start in range(0, len(order), batch):
        chunk = order[start : start + batch]
        rows[chunk] = pair.text(padded([ids[number] for number in chunk]).to(device)).cpu().numpy()
    return rows


def average_precision(is_right: np.ndarray) -> tuple[float, float]:
    """Average precision and inverse negative penalty of one ranking."""
    places = np.flatnonzero(is_right)
    found = np.arange(1, len(places) + 1)
    return float((found / (places + 1)).mean()), float(len(places) / (places[-1] + 1))


def text_scores(words: np.ndarray, pictures: np.ndarray, asked: np.ndarray, who: np.ndarray) -> dict[str, float]:
    """R@1, R@5, R@10, mAP, mINP of sentences asking for pictures; every picture of the person is right."""
    order = np.argsort(-(words @ pictures.T), axis=1, kind="stable")
    right = who[order] == asked[:, None]
    both = np.array([average_precision(row) for row in right])
    recall = {f"text_r{k}": float(right[:, :k].any(1).mean()) for k in (1, 5, 10)}
    return {**recall, "text_map": float(both[:, 0].mean()), "text_minp": float(both[:, 1].mean())}


def image_results(vectors: np.ndarray, who: np.ndarray, camera: np.ndarray) -> list[tuple[float, float, float]]:
    """Whether the first is right, average precision and inverse negative penalty of each picture whose person other cameras have."""
    similarity = vectors @ vectors.T
    results = []
    for row in range(len(vectors)):
        kept = ~((who == who[row]) & (camera == camera[row]))
        order = np.argsort(-similarity[row][kept], kind="stable")
        right = (who[kept] == who[row])[order]
        if right.any():
            results.append((float(right[0]), *average_precision(right)))
    return results


def image_scores(vectors: np.ndarray, who: np.ndarray, camera: np.ndarray) -> dict[str, float]:
    """Rank-1, mAP, mINP of pictures asking for the same person on other cameras."""
    rank1, mean_ap, minp = np.array(image_results(vectors, who, camera)).mean(0)
    return {"image_rank1": float(rank1), "image_map": float(mean_ap), "image_minp": float(minp)}


def evaluate(pair: Pair, settings: Settings, pictures: list[Picture]) -> dict[str, float]:
    """All of them over one dataset: every caption asks, and apart from that the first, fullest caption of each picture."""
    names = {name: number for number, name in enumerate(sorted({picture.identity for picture in pictures}))}
    who = np.array([names[picture.identity] for picture in pictures])
    camera = np.array([picture.camera for picture in pictures])
    vectors = picture_vectors(pair, settings, pictures)
    scores = image_scores(vectors, who, camera)
    texts = [(caption, number == 0, row) for row, p in enumerate(pictures) for number, caption in enumerate(p.captions)]
    if texts:
        words = text_vectors(pair, settings, [text for text, _, _ in texts])
        asked = who[[row for _, _, row in texts]]
        scores |= text_scores(words, vectors, asked, who)
        first = np.array([is_first for _, is_first, _ in texts])
        scores |= {f"first_{k}": v for k, v in text_scores(words[first], vectors, asked[first], who).items()}
    return scores
