#!/usr/bin/env python3
"""Makes two long sequences under a folder and times trackeval on them: reading, preparing and all three metric classes.

    v/bin/python speed.py FOLDER
    cargo run --release -p sightline-eval --example speed -- FOLDER/gt/crowd/gt/gt.txt FOLDER/tracks/t/data/crowd.txt
"""

import contextlib
import io
import pathlib
import random
import sys
import time

import trackeval

SEQUENCES = {"sparse": (2000, 12), "crowd": (1500, 100)}


def make(root, name, frames, people):
    dice = random.Random(1)
    state = [[dice.uniform(0, 1800), dice.uniform(0, 900), dice.uniform(30, 80), dice.uniform(80, 200), dice.uniform(-3, 3),
              dice.uniform(-1, 1)] for _ in range(people)]
    track_of, fresh, truth, tracks = list(range(1, people + 1)), people + 1, [], []
    for f in range(1, frames + 1):
        for p, s in enumerate(state):
            s[0], s[1] = (s[0] + s[4]) % 1800, (s[1] + s[5]) % 900
            if dice.random() < 0.002:
                track_of[p], fresh = fresh, fresh + 1
            truth.append(f"{f},{p + 1}," + ",".join(f"{v:.2f}" for v in s[:4]) + ",1,1,1")
            if dice.random() < 0.9:
                near = ",".join(f"{v + dice.gauss(0, 3):.2f}" for v in s[:4])
                tracks.append(f"{f},{track_of[p]},{near},0.9,-1,-1,-1")
        if dice.random() < 0.5:
            tracks.append(f"{f},{fresh},{dice.uniform(0, 1800):.2f},{dice.uniform(0, 900):.2f},50,120,0.5,-1,-1,-1")
            fresh += 1
    for path, lines in ((root / "gt" / name / "gt/gt.txt", truth), (root / "tracks/t/data" / f"{name}.txt", tracks)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n")
    return len(truth), len(tracks)


def main():
    root = pathlib.Path(sys.argv[1])
    for name, (frames, people) in SEQUENCES.items():
        counts = make(root, name, frames, people)
        best = float("inf")
        for _ in range(3):
            with contextlib.redirect_stdout(io.StringIO()):
                data_set = trackeval.datasets.MotChallenge2DBox({
                    "GT_FOLDER": f"{root}/gt", "TRACKERS_FOLDER": f"{root}/tracks", "TRACKERS_TO_EVAL": ["t"], "SKIP_SPLIT_FOL": True,
                    "BENCHMARK": "MOT17", "SEQ_INFO": {name: frames}, "PRINT_CONFIG": False})
                metrics = [trackeval.metrics.CLEAR({"PRINT_CONFIG": False}), trackeval.metrics.Identity({"PRINT_CONFIG": False}),
                           trackeval.metrics.HOTA()]
                start = time.perf_counter()
                data = data_set.get_preprocessed_seq_data(data_set.get_raw_seq_data("t", name), "pedestrian")
                results = [metric.eval_sequence(data) for metric in metrics]
                best = min(best, time.perf_counter() - start)
        print(f"{name}: {counts[0]} and {counts[1]} boxes, best {best:.3f} s; HOTA {results[2]['HOTA'].mean():.6f} "
              f"MOTA {results[0]['MOTA']:.6f} IDF1 {results[1]['IDF1']:.6f}")


main()
