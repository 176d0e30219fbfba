"""What a similarity is worth: a table for the card, and how well the probabilities made from it hold.

Similarities are reckoned as the program does: of a sentence to a track, half to its best picture, half to its mean. Their vectors are
PyTorch's, in the training's precision, of pictures that `augment.resized` made small: near those of the shipped files, not the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

POINTS = 20
# Evidence beyond what was measured is not claimed: one in so many pairs was not seen.
GREATEST = 9.0


@dataclass(frozen=True)
class Tracks:
    """Tracks of a few pictures each: vectors tracks x pictures x channels, and whose they are."""

    vectors: np.ndarray
    who: np.ndarray

    def similarities(self, words: np.ndarray) -> np.ndarray:
        """Sentences x tracks."""
        best = np.einsum("sc,tpc->stp", words, self.vectors).max(2)
        means = self.vectors.mean(1)
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        return (best + words @ means.T) / 2


def tracks_of(vectors: np.ndarray, who: np.ndarray, pictures: int = 2) -> Tracks:
    """Every person's pictures, in order, as tracks of so many pictures; what is left over is left out."""
    rows, owners = [], []
    for person in np.unique(who):
        own = np.flatnonzero(who == person)
        for start in range(0, len(own) - pictures + 1, pictures):
            rows.append(vectors[own[start : start + pictures]])
            owners.append(person)
    if not rows:
        raise ValueError(f"nobody has the {pictures} pictures that make a track")
    return Tracks(np.stack(rows), np.array(owners))


def rising(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The nearest sequence that never falls (pool adjacent violators)."""
    blocks: list[list[float]] = []
    for value, weight in zip(values, weights):
        blocks.append([value, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            last, before = blocks.pop(), blocks.pop()
            weight = before[1] + last[1]
            blocks.append([(before[0] * before[1] + last[0] * last[1]) / weight, weight, before[2] + last[2]])
    return np.concatenate([[value] * int(count) for value, _, count in blocks])


def fit(same: np.ndarray, other: np.ndarray, tracks_a_person: float) -> dict[str, object]:
    """A table from similarities of sentences to tracks of their person and to those of others."""
    edges = np.unique(np.quantile(same, np.linspace(0, 1, POINTS + 1)))
    edges[0], edges[-1] = -np.inf, np.inf
    points, evidence, weights = [], [], []
    for low, high in zip(edges[:-1], edges[1:]):
        inside = same[(same >= low) & (same < high)]
        # Half a pair more on both sides: a bin without any says little, not nothing at all.
        right = (len(inside) + 0.5) / (len(same) + 1)
        wrong = (((other >= low) & (other < high)).sum() + 0.5) / (len(other) + 1)
        points.append(float(inside.mean()))
        evidence.append(float(np.clip(np.log(right / wrong), -GREATEST, GREATEST)))
        weights.append(len(inside))
    # Far below any right pair.
    low = float(np.quantile(other, 0.25))
    if low < points[0] - 1e-3:
        share = (same < low).mean() + 0.5 / len(same)
        points.insert(0, low)
        evidence.insert(0, float(np.log(share / (other < low).mean())))
        weights.insert(0, 1)
    kept = rising(np.array(evidence), np.array(weights, float))
    return {
        "similarity": [round(point, 5) for point in points],
        "log_likelihood_ratio": [round(float(value), 4) for value in kept],
        "present": 0.5,
        "tracks_a_person": tracks_a_person,
    }


def probability(table: dict[str, object], similarity: np.ndarray, searched: int) -> np.ndarray:
    """As the program reckons it."""
    evidence = np.interp(similarity, table["similarity"], table["log_likelihood_ratio"])
    prior = table["present"] * min(table["tracks_a_person"] / searched, 0.9)
    return 1 / (1 + np.exp(-(evidence + np.log(prior / (1 - prior)))))


def expected_error(probabilities: np.ndarray, right: np.ndarray, bins: int = 10) -> tuple[float, list[list[float]]]:
    """Calibration error over bins of equal mass, and the bins: mean probability, share that was right, count."""
    order = np.argsort(probabilities, kind="stable")
    rows = []
    for part in np.array_split(order, bins):
        rows.append([float(probabilities[part].mean()), float(right[part].mean()), len(part)])
    return float(sum(abs(p - a) * n for p, a, n in rows) / len(order)), rows


def reliability(
    table: dict[str, object], words: np.ndarray, asked: np.ndarray, tracks: Tracks, gallery: int, seed: int = 0
) -> tuple[float, list[list[float]]]:
    """The calibration error over the first ten hits in galleries of that many tracks; every other sentence is about nobody there.

    Of those who are there, as many tracks are as the table reckons with.
    """
    rng = np.random.default_rng(seed)
    similar = tracks.similarities(words)
    probabilities, right = [], []
    for number, person in enumerate(asked):
        is_there = number % 2 == 0
        own = np.flatnonzero(tracks.who == person)[: round(float(table["tracks_a_person"]))]
        others = rng.choice(np.flatnonzero(tracks.who != person), gallery - (len(own) if is_there else 0), replace=False)
        inside = np.concatenate([own, others]) if is_there else others
        top = inside[np.argsort(-similar[number, inside], kind="stable")[:10]]
        probabilities.append(probability(table, similar[number, top], gallery))
        right.append(tracks.who[top] == person)
    return expected_error(np.concatenate(probabilities), np.concatenate(right))
