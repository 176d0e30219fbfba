"""What single clauses are worth, for the card of a text side: from a clause's similarity to the probability that a hit shows it.

    python -m sightline_training.clauses --models ../../models --fit DIR --test DIR --out clauses.json

Measured where it is shown: on the first hits of whole sentences, with the files that are shipped, on pictures that `augment.resized` made
small, whose filter is not quite the program's.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime

from sightline_training.augment import read_rgb, resized
from sightline_training.calibration import expected_error, rising, tracks_of
from sightline_training.dataset import DatasetError, Picture, read_any
from sightline_training.export import opened
from sightline_training.picture_tower import MEAN, STD
from sightline_training.text_tower import padded, tokenizer

# Hits of each sentence that are looked at, and points of the table.
FIRST_HITS = 10
POINTS = 15
# Crops of a person that make a track: a person leaves two.
CROPS_A_TRACK = 4


def session(folder: Path, reads: bool) -> onnxruntime.InferenceSession:
    """A shipped model; one that reads takes sentences."""
    file = folder / "model.onnx"
    if not file.is_file():
        raise DatasetError(f"{file} is missing")
    return opened(file, reads)


def seen(folder: Path, pictures: list[Picture]) -> np.ndarray:
    """Vectors of pictures."""
    model = session(folder, reads=False)
    height, width = model.get_inputs()[0].shape[2:]
    mean, std = (np.array(plane, np.float32).reshape(1, 3, 1, 1) for plane in (MEAN, STD))
    rows = []
    for start in range(0, len(pictures), 64):
        batch = np.stack([resized(read_rgb(one.path), height, width) for one in pictures[start : start + 64]])
        values = (batch.transpose(0, 3, 1, 2).astype(np.float32) / 255 - mean) / std
        rows.append(model.run(["vector"], {"pictures": values})[0])
    return np.concatenate(rows)


def told(folder: Path, texts: list[str]) -> np.ndarray:
    """Vectors of texts."""
    model, words = session(folder, reads=True), tokenizer(64)
    parts = (texts[start : start + 64] for start in range(0, len(texts), 64))
    return np.concatenate(
        [model.run(["vector"], {"ids": padded([one.ids for one in words.encode_batch(part)]).numpy()})[0] for part in parts]
    )


def bare(text: str) -> str:
    """A clause as the program takes it out of a sentence: without its article."""
    return text.removeprefix("a ").removeprefix("an ")


def pairs(models: Path, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Similarities of clauses to the first hits of their sentences, and whether each holds; what cannot be told is left out."""
    pictures = [one for one in read_any(folder) if one.captions and one.is_described]
    if not pictures:
        raise DatasetError(f"{folder}: no pictures with clauses")
    names = {name: number for number, name in enumerate(sorted({one.identity for one in pictures}))}
    order: dict[int, int] = {}
    who = []
    for one in pictures:
        person = names[one.identity]
        who.append(person * 100 + order.get(person, 0) // CROPS_A_TRACK)
        order[person] = order.get(person, 0) + 1
    tracks = tracks_of(seen(models / "joint-picture", pictures), np.array(who), CROPS_A_TRACK)
    holds: dict[int, set] = {int(track): set() for track in tracks.who}
    unclear: dict[int, set] = {int(track): set() for track in tracks.who}
    for track, one in zip(who, pictures):
        if track not in holds:
            continue
        holds[track] |= one.true_clauses
        unclear[track] |= one.unclear_parts
    asking = {}
    for one in pictures:
        asking.setdefault(one.identity, one)
    asking = list(asking.values())
    similar = tracks.similarities(told(models / "joint-text", [one.captions[0] for one in asking]))
    texts = sorted({text for one in asking for _, text in one.true_clauses if not text.startswith("no ")})
    column = {text: number for number, text in enumerate(texts)}
    alone = tracks.similarities(told(models / "joint-text", [bare(text) for text in texts]))
    found, right = [], []
    for row, one in enumerate(asking):
        for hit in np.argsort(-similar[row], kind="stable")[:FIRST_HITS]:
            track = int(tracks.who[hit])
            for part, text in sorted(one.true_clauses):
                if text not in column:
                    continue
                is_true = (part, text) in holds[track]
                if is_true or part not in unclear[track]:
                    found.append(alone[column[text], hit])
                    right.append(is_true)
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
        similar, holds = pairs(args.models, args.test)
        args.out.write_text(json.dumps(table, indent=2) + "\n")
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    error, rows = expected_error(np.interp(similar, table["similarity"], table["probability"]), holds)
    measured = {"clauses": len(holds), "hold": float(holds.mean()), "calibration_error": error, "reliability": rows}
    print(json.dumps(measured, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
