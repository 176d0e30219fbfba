"""What single clauses are worth, for the card of a text side: from a clause's similarity to the probability that a hit shows it.

    python -m sightline_training.clauses --models ../../models --fit DIR --test DIR --out clauses.json

Measured where it is shown: on the first hits of whole sentences, with the files that are shipped. What is denied (`no hat`) is measured by
itself, with the same table.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from sightline_training.calibration import expected_error, rising
from sightline_training.exported import described, told

# Hits of each sentence that are looked at, and points of the table.
FIRST_HITS = 10
POINTS = 15
# Crops of a person that make a track: a person leaves two.
CROPS_A_TRACK = 4


def bare(text: str) -> str:
    """A clause as the program takes it out of a sentence: without its article."""
    return text.removeprefix("a ").removeprefix("an ")


def pairs(models: Path, folder: Path, denied: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Similarities of clauses to the first hits of their sentences, and whether each holds; what cannot be told is left out.

    The clauses of each person's truth, or with `denied` those that say what the person does not have.
    """
    known = described(models, folder, CROPS_A_TRACK)
    asking = {}
    for one in known.pictures:
        asking.setdefault(one.identity, one)
    asking = list(asking.values())
    similar = known.tracks.similarities(told(models, [one.captions[0] for one in asking]))
    texts = sorted({text for one in asking for _, text in one.true_clauses if text.startswith("no ") == denied})
    column = {text: number for number, text in enumerate(texts)}
    alone = known.tracks.similarities(told(models, [bare(text) for text in texts]))
    found, right = [], []
    for row, one in enumerate(asking):
        for hit in np.argsort(-similar[row], kind="stable")[:FIRST_HITS]:
            for clause in sorted(one.true_clauses):
                holds = known.tells(hit, clause)
                if clause[1] in column and holds is not None:
                    found.append(alone[column[clause[1]], hit])
                    right.append(holds)
    return np.array(found), np.array(right, float)


def fit(similar: np.ndarray, holds: np.ndarray) -> dict[str, list[float]]:
    """A table that never falls: points of equal mass, levelled."""
    order = np.argsort(similar, kind="stable")
    parts = np.array_split(order, POINTS)
    mass = np.array([len(part) for part in parts], float)
    shares = np.array([(holds[part].sum() + 0.5) / (len(part) + 1) for part in parts])
    return {
        "similarity": [round(float(similar[part].mean()), 5) for part in parts],
        "probability": [round(float(value), 4) for value in rising(shares, mass)],
    }


def main() -> int:
    """Makes the table on one dataset, and prints what its probabilities are worth on another."""
    parser = argparse.ArgumentParser(prog="sightline_training.clauses", description=__doc__)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--fit", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="JSON of the table, for export --clauses")
    args = parser.parse_args()
    try:
        table = fit(*pairs(args.models, args.fit))
        asked, denied = (pairs(args.models, args.test, denied) for denied in (False, True))
        args.out.write_text(json.dumps(table, indent=2) + "\n")
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    measured = {}
    for name, (similar, holds) in {"clauses": asked, "denied": denied}.items():
        error, rows = expected_error(np.interp(similar, table["similarity"], table["probability"]), holds)
        measured[name] = {"count": len(holds), "hold": float(holds.mean()), "calibration_error": error, "reliability": rows}
    print(json.dumps(measured, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
