"""What examples are worth: `--like` and `--unlike`, by somebody who marks the first hits of a person's fullest sentence.

    python -m sightline_training.examples --models ../../models --test DIR

The first right track among the first 20 is said to be right, the first three wrong ones wrong. All of them are out of every row's ranking.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from sightline_training.calibration import Tracks
from sightline_training.exported import described, told
from sightline_training.retrieval import average_precision

# As the program has them (sink/src/search/probe.rs).
LIKE, UNLIKE = 2.0, 0.5
CROPS_A_TRACK = 2
FIRST_HITS = 20
WRONG = 3


def measure(models: Path, folder: Path) -> dict[str, dict[str, float]]:
    """R@1 and mAP of the sentence alone, with a right track, and with a right one and wrong ones."""
    known = described(models, folder, CROPS_A_TRACK)
    means = known.tracks.vectors.mean(1)
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    fullest: dict[str, str] = {}
    for one in known.pictures:
        fullest[one.identity] = max(fullest.get(one.identity, ""), *one.captions, key=len)
    people = sorted(fullest)
    found = marked(told(models, [fullest[name] for name in people]), people, known.tracks, np.array(known.who))
    if found is None:
        raise ValueError(f"{folder}: no sentence has its person among its first {FIRST_HITS} hits beside others")
    return found


def marked(words: np.ndarray, people: list[str], tracks: Tracks, who: np.ndarray) -> dict[str, dict[str, float]] | None:
    """R@1 and mAP of sentences, each of which seeks one of the people, before and after marking tracks; none where no hit can be marked."""
    means = tracks.vectors.mean(1)
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    similar = tracks.similarities(words)
    rows: dict[str, list[tuple[bool, float]]] = {"sentence": [], "one right": [], f"one right, {WRONG} wrong": []}
    for number, name in enumerate(people):
        first = np.argsort(-similar[number], kind="stable")[:FIRST_HITS]
        is_right = who[first] == name
        if not is_right.any() or is_right.all():
            continue
        like, unlike = first[is_right][0], first[~is_right][:WRONG]
        wrong = means[unlike].mean(0)
        pulled = words[number] + LIKE * means[like]
        kept = np.setdiff1d(np.arange(len(who)), [like, *unlike])
        if not (who[kept] == name).any():
            continue
        for row, vector in zip(rows, (words[number], pulled, pulled - UNLIKE * wrong / np.linalg.norm(wrong))):
            # The length changes no order.
            order = kept[np.argsort(-tracks.similarities(vector[None])[0, kept], kind="stable")]
            right = who[order] == name
            rows[row].append((bool(right[0]), average_precision(right)[0]))
    if not rows["sentence"]:
        return None
    return {
        row: {"people": len(found), "r1": float(np.mean([first for first, _ in found])), "map": float(np.mean([ap for _, ap in found]))}
        for row, found in rows.items()
    }


def main() -> int:
    """Prints what examples are worth as JSON."""
    parser = argparse.ArgumentParser(prog="sightline_training.examples", description=__doc__)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    args = parser.parse_args()
    try:
        print(json.dumps(measure(args.models, args.test), indent=2))
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
