"""What denials are worth: how often somebody who has what is denied comes first, and what it costs to deny.

    python -m sightline_training.denials --models ../../models --test DIR

Each picture's shortest sentence asks, with one thing that its person does not have; as it is, with the thing denied as the program does
it, and with the denial left in the sentence.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from sightline_training.exported import described, told

# As the program has it (console/src/encoders.rs).
WEIGHT = 0.25
CROPS_A_TRACK = 2


def denied(words: np.ndarray, has: np.ndarray, lacks: np.ndarray, weight: float) -> np.ndarray:
    """Sentences' vectors, pushed from what they deny; rows x channels."""
    pushed = words + weight * (lacks - has)
    return pushed / np.linalg.norm(pushed, axis=1, keepdims=True)


def measure(models: Path, folder: Path, weights: list[float], seed: int = 0) -> dict[str, dict[str, float]]:
    """R@1 and the share of sentences whose first track shows what was denied, by how it was denied."""
    known = described(models, folder, CROPS_A_TRACK)
    rng = np.random.default_rng(seed)
    texts, things, parts, asked = [], [], [], []
    for one in known.pictures:
        absent = sorted(clause for clause in one.true_clauses if clause[1].startswith("no "))
        if absent:
            part, text = absent[rng.integers(len(absent))]
            texts.append(min(one.captions, key=len).rstrip("."))
            things.append(text.removeprefix("no "))
            parts.append(part)
            asked.append(one.identity)
    if not texts:
        raise ValueError(f"{folder}: nobody is said to lack anything")
    has, lacks = (told(models, [before + thing for thing in things]) for before in ("", "no "))
    plain = told(models, texts)
    left_in = told(models, [f"{text} without a {thing}" for text, thing in zip(texts, things)])
    rows = {"plain": plain, **{f"denied at {weight:g}": denied(plain, has, lacks, weight) for weight in weights}, "left in": left_in}
    who = np.array(known.who)

    def shows(track: int, part: str) -> bool:
        return any(own == part and not text.startswith("no ") for own, text in known.holds[track])

    measured = {}
    for name, vectors in rows.items():
        first = known.tracks.similarities(vectors).argmax(1)
        measured[name] = {
            "r1": float((who[first] == np.array(asked)).mean()),
            "shows_denied": float(np.mean([shows(track, part) for track, part in zip(first, parts)])),
        }
    return {"sentences": {"count": len(texts), "tracks": len(who)}, **measured}


def main() -> int:
    """Prints what denials are worth as JSON."""
    parser = argparse.ArgumentParser(prog="sightline_training.denials", description=__doc__)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--weights", type=float, nargs="+", default=[WEIGHT], help="of what is denied, against the sentence")
    args = parser.parse_args()
    try:
        print(json.dumps(measure(args.models, args.test, args.weights), indent=2))
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
