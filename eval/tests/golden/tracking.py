#!/usr/bin/env python3
"""Writes tracking.json: what trackeval and motmetrics say of hand-made and of random cases.

    python -m venv v && v/bin/pip install trackeval==1.3.0 motmetrics==1.4.0
    v/bin/python tracking.py              # random and hand-made cases -> tracking.json
    v/bin/python tracking.py --samples    # the sequences that motmetrics carries -> samples.json (numbers only, not the files)

The random cases are made from integers by the same steps here and in tests/published/made.rs; `hash` guards that both made the same.
"""

import contextlib
import hashlib
import io
import json
import pathlib
import sys
import tempfile

import numpy as np

np.asfarray = lambda a: np.asarray(a, dtype=float)  # motmetrics 1.4 asks for it, NumPy 2 has dropped it
np.float, np.int = float, int

import motmetrics as mm
import pandas as pd
import trackeval
from trackeval.datasets._base_dataset import _BaseDataset

HERE = pathlib.Path(__file__).parent
CASES, SCENES = 200, 40

CLEAR = ["MOTA", "MOTP", "IDSW", "Frag", "CLR_TP", "CLR_FP", "CLR_FN", "MT", "PT", "ML"]
IDENTITY = ["IDF1", "IDP", "IDR", "IDTP", "IDFP", "IDFN"]
HOTA = ["HOTA", "DetA", "AssA", "LocA", "DetRe", "DetPr", "AssRe", "AssPr"]
MM = ["mota", "motp", "num_switches", "num_fragmentations", "num_detections", "num_false_positives", "num_misses",
      "mostly_tracked", "partially_tracked", "mostly_lost", "idf1", "idp", "idr"]


class Dice:
    """splitmix64"""

    def __init__(self, seed):
        self.state = seed

    def below(self, n):
        mask = (1 << 64) - 1
        self.state = (self.state + 0x9E3779B97F4A7C15) & mask
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return ((z ^ (z >> 31)) >> 33) % n

    def about(self, n):
        return self.below(2 * n + 1) - n


def mot_case(seed):
    d = Dice(seed)
    people, frames = 1 + d.below(8), 2 + d.below(20)
    grid = [1, 4, 97][d.below(3)]
    has_classes = d.below(3) == 0
    absent, missed, swap, false, jitter = d.below(30), d.below(40), d.below(15), d.below(40), d.below(14)
    state, classes = [], []
    for _ in range(people):
        state.append([d.below(150) * grid, d.below(60) * grid, (20 + d.below(40)) * grid, (40 + d.below(80)) * grid,
                      d.about(6) * grid])
        classes.append([1, 1, 1, 1, 1, 1, 7, 2, 3, 8][d.below(10)])
    track_of, fresh = list(range(1, people + 1)), 100
    truth, tracks = [], []

    def line(frame, number, box):
        return f"{frame},{number}," + ",".join(f"{v / grid:.4f}" for v in box)

    for f in range(1, frames + 1):
        if d.below(100) < swap:
            a, b = d.below(people), d.below(people)
            track_of[a], track_of[b] = track_of[b], track_of[a]
        if d.below(100) < swap:
            track_of[d.below(people)] = fresh
            fresh += 1
        for p in range(people):
            state[p][0] += state[p][4]
            box = state[p][:4]
            if d.below(100) >= absent:
                flag = 0 if d.below(20) == 0 else 1
                tail = f",{flag},{classes[p]},1" if has_classes else f",{flag},-1,-1,-1"
                truth.append(line(f, p + 1, box) + tail)
                if d.below(100) >= missed:
                    near = [v + d.about(jitter) * grid + d.about(grid) for v in box]
                    tracks.append(line(f, track_of[p], near) + ",0.9,-1,-1,-1")
        if d.below(100) < false:
            box = [v + d.about(10) * grid for v in state[d.below(people)][:4]]
            tracks.append(line(f, fresh, box) + ",0.9,-1,-1,-1")
            fresh += d.below(2)
    if d.below(4) == 0:
        truth.reverse()
        tracks.reverse()
    return "\n".join(truth), "\n".join(tracks), has_classes


def scene_case(seed):
    """AI City rows: several cameras, the same people, world positions with noise; some ids swap between cameras."""
    d = Dice(seed)
    people, frames, cameras = 1 + d.below(6), 2 + d.below(12), 1 + d.below(4)
    noise, missed, swap = d.below(1500), d.below(40), d.below(12)
    world = [[d.below(20000), d.below(20000), d.about(400), d.about(400)] for _ in range(people)]
    track_of = [[c * swap // 6 * 10 + p + 1 for p in range(people)] for c in range(cameras)]
    truth, tracks = [], []
    for f in range(frames):
        for p in range(people):
            world[p][0] += world[p][2]
            world[p][1] += world[p][3]
        for c in range(cameras):
            if d.below(100) < swap:
                a, b = d.below(people), d.below(people)
                t = track_of[c]
                t[a], t[b] = t[b], t[a]
            for p in range(people):
                if d.below(100) < 30:
                    continue
                x, y = world[p][0], world[p][1]
                box = [(x // 40 + 37 * c) % 600, (y // 60 + 11 * c) % 300, 40 + p, 90 + 2 * p]
                truth.append(f"{c + 1} {p + 1} {f} " + " ".join(map(str, box)) + f" {x / 1000:.3f} {y / 1000:.3f}")
                if d.below(100) >= missed:
                    near = [v + d.about(8) for v in box]
                    wx, wy = x * 10 + d.about(10 * noise), y * 10 + d.about(10 * noise)
                    tracks.append(f"{c + 1} {track_of[c][p]} {f} " + " ".join(map(str, near)) +
                                  f" {wx / 10000:.4f} {wy / 10000:.4f}")
    return "\n".join(truth), "\n".join(tracks)


def rows(frame_boxes, tail):
    return "\n".join(f"{f},{i},{x},{y},{w},{h}{tail}" for f, i, x, y, w, h in frame_boxes)


T, R = ",1,-1,-1,-1", ",1,-1,-1,-1"


def hand_made():
    box = (10, 10, 20, 40)

    def steps(frames, number, at=box):
        return [(f, number, *at) for f in frames]

    far = (200, 10, 20, 40)
    yield "perfect", rows(steps(range(1, 11), 1) + steps(range(1, 11), 2, far), T), rows(steps(range(1, 11), 5) + steps(range(1, 11), 6, far), R)
    yield "nobody is found", rows(steps(range(1, 6), 1), T), ""
    yield "nobody is there", rows(steps(range(1, 6), 1), ",0,-1,-1,-1"), rows(steps(range(1, 4), 3), R)
    yield "identities swap half-way", rows(steps(range(1, 11), 1) + steps(range(1, 11), 2, far), T), \
        rows(steps(range(1, 6), 1) + steps(range(6, 11), 1, far) + steps(range(1, 6), 2, far) + steps(range(6, 11), 2), R)
    yield "a gap is a fragment", rows(steps(range(1, 11), 1), T), rows(steps([1, 2, 3, 6, 7, 10], 1), R)
    yield "one track in pieces", rows(steps(range(1, 13), 1), T), rows([r for n in range(6) for r in steps([2 * n + 1, 2 * n + 2], n)], R)
    yield "two equal boxes on one person", rows(steps(range(1, 7), 1), T), rows([r for f in range(1, 7) for r in (steps([f], 4) + steps([f], 3))], R)
    yield "two equal persons, one box", rows([r for f in range(1, 7) for r in (steps([f], 2) + steps([f], 1))], T), rows(steps(range(1, 7), 9), R)
    yield "two equal persons, three equal boxes", rows([r for f in range(1, 7) for n in (1, 2) for r in steps([f], n)], T), \
        rows([r for f in range(1, 7) for n in ((7, 5, 6) if f % 2 else (5, 6, 7)) for r in steps([f], n)], R)
    yield "symmetric neighbours", rows([(f, n, 10 * n, 0, 20, 20) for f in range(1, 6) for n in (1, 2, 3)], T), \
        rows([(f, n, 10 * n + 5, 0, 20, 20) for f in range(1, 6) for n in (0, 1, 2, 3)], R)
    yield "overlap of exactly one half", rows(steps(range(1, 4), 1, (0, 0, 10, 10)), T), rows(steps(range(1, 4), 1, (0, 0, 10, 5)), R)
    yield "overlap just under one half", rows(steps(range(1, 4), 1, (0, 0, 10, 10)), T), rows(steps(range(1, 4), 1, (0, 0, 10, 4.999)), R)
    yield "apart on both axes", rows(steps(range(1, 4), 1, (0, 0, 10, 10)), T), rows(steps(range(1, 4), 1, (50, 50, 10, 10)), R)
    yield "boxes without area", rows(steps([1, 2], 1, (0, 0, 0, 10)) + steps([3], 1), T), rows(steps([1, 2], 1, (0, 0, 0, 10)) + steps([3], 1), R)
    yield "boxes of negative size", rows(steps([1, 2], 1, (10, 10, -5, -5)) + steps([3], 1), T), rows(steps([1, 2], 1, (10, 10, -5, -5)) + steps([3], 1), R)
    yield "outside the picture", rows(steps([1, 2], 1, (-30, -20, 40, 60)), T), rows(steps([1, 2], 1, (-28, -22, 40, 60)), R)
    yield "eight and two of ten", rows(steps(range(1, 11), 1) + steps(range(1, 11), 2, far), T), rows(steps(range(1, 9), 1) + steps([4, 5], 2, far), R)
    yield "the person leaves and comes back", rows(steps([1, 2, 5, 6], 1), T), rows(steps([1, 2, 5, 6], 1), R)
    yield "leaves, and others are watched meanwhile", rows(steps([1, 2, 5, 6], 1) + steps(range(1, 7), 2, far), T), \
        rows(steps([1, 2, 5, 6], 1) + steps(range(1, 7), 2, far), R)
    yield "frames of truth alone and of tracks alone", rows(steps([1, 2, 4], 1), T), rows(steps([1, 3, 4], 1), R)
    yield "one track on two persons", rows(steps(range(1, 5), 1) + steps(range(5, 9), 2, far), T), rows(steps(range(1, 5), 3) + steps(range(5, 9), 3, far), R)
    yield "kept though another fits better", rows(steps([1, 2, 3], 1, (0, 0, 10, 10)), T), \
        rows([(1, 1, 0, 0, 10, 10), (2, 1, 3, 0, 10, 10), (2, 2, 0, 0, 10, 10), (3, 1, 3, 0, 10, 10), (3, 2, 0, 0, 10, 10)], R)
    yield "comes back to its first track", rows(steps(range(1, 7), 1, (0, 0, 10, 10)), T), \
        rows([(1, 1, 0, 0, 10, 10), (2, 1, 0, 0, 10, 10), (4, 1, 2, 0, 10, 10), (4, 2, 0, 0, 10, 10), (5, 2, 0, 0, 10, 10), (6, 1, 0, 0, 10, 10)], R)
    yield "flags leave boxes out", rows(steps([1, 2], 1), T) + "\n" + rows(steps([3, 4], 1), ",0,-1,-1,-1"), rows(steps([1, 2, 3, 4], 1), R)
    C = ",1,{},1"
    person, static, car = C.format(1), C.format(7), C.format(3)
    yield "a distractor excuses", rows(steps([1, 2], 1), person) + "\n" + rows(steps([1, 2], 2, far), static), \
        rows(steps([1, 2], 1) + steps([1, 2], 2, far), R)
    yield "a car does not excuse", rows(steps([1, 2], 1), person) + "\n" + rows(steps([1, 2], 2, far), car), \
        rows(steps([1, 2], 1) + steps([1, 2], 2, far), R)
    yield "a distractor on top of a person", rows(steps([1, 2, 3], 2), static) + "\n" + rows(steps([1, 2, 3], 1), person), rows(steps([1, 2, 3], 1), R)
    yield "a person on top of a distractor", rows(steps([1, 2, 3], 1), person) + "\n" + rows(steps([1, 2, 3], 2), static), \
        rows(steps([1, 2, 3], 1) + steps([1, 2], 2, (12, 10, 20, 40)), R)
    yield "a person flagged out does not excuse", rows(steps([1, 2], 1), ",0,1,1") + "\n" + rows(steps([1, 2], 2, far), person), \
        rows(steps([1, 2], 1) + steps([1, 2], 2, far), R)
    yield "rows in any order", rows([(3, 1, *box), (1, 2, *far), (2, 1, *box), (1, 1, *box)], T), rows([(2, 8, *box), (3, 8, *box), (1, 9, *far), (1, 8, *box)], R)


def quiet(call, *args, **named):
    with contextlib.redirect_stdout(io.StringIO()):
        return call(*args, **named)


METRICS = [(quiet(trackeval.metrics.CLEAR, {"PRINT_CONFIG": False}), CLEAR),
           (quiet(trackeval.metrics.Identity, {"PRINT_CONFIG": False}), IDENTITY), (quiet(trackeval.metrics.HOTA), HOTA)]


def numbers(result, fields):
    return [round(float(np.mean(result[field])), 9) for field in fields]


def flat(results):
    return [n for (metric, fields), result in zip(METRICS, results) for n in numbers(result, fields)]


def dataset(root, names, has_classes):
    return quiet(trackeval.datasets.MotChallenge2DBox, {
        "GT_FOLDER": f"{root}/gt", "TRACKERS_FOLDER": f"{root}/tracks", "TRACKERS_TO_EVAL": ["t"], "SKIP_SPLIT_FOL": True,
        "BENCHMARK": "MOT17" if has_classes else "MOT15", "SEQ_INFO": {name: 1000 for name in names}, "PRINT_CONFIG": False})


def evaluate(cases):
    """{name: (truth, tracks, has_classes)} -> per case and in all."""
    out, kept = {}, []
    with tempfile.TemporaryDirectory() as root:
        root = pathlib.Path(root)
        for name, (truth, tracks, _) in cases.items():
            (root / "gt" / name / "gt").mkdir(parents=True)
            (root / "tracks/t/data").mkdir(parents=True, exist_ok=True)
            (root / "gt" / name / "gt/gt.txt").write_text(truth)
            (root / "tracks/t/data" / f"{name}.txt").write_text(tracks)
        for has_classes in (False, True):
            names = [name for name, case in cases.items() if case[2] == has_classes]
            if not names:
                continue
            data_set = dataset(root, names, has_classes)
            for name in names:
                data = quiet(data_set.get_preprocessed_seq_data, quiet(data_set.get_raw_seq_data, "t", name), "pedestrian")
                results = [quiet(metric.eval_sequence, data) for metric, _ in METRICS]
                kept.append((name, results))
                out[name] = {"trackeval": flat(results), "motmetrics": by_motmetrics(data)}
    results = [metric.combine_sequences({name: r[k] for name, r in kept}) for k, (metric, _) in enumerate(METRICS)]
    return out, flat(results)


def by_motmetrics(data):
    acc = mm.MOTAccumulator()
    for t in range(data["num_timesteps"]):
        truth, tracks = data["gt_ids"][t], data["tracker_ids"][t]
        if len(truth) + len(tracks):
            # trackeval's overlap, since that of motmetrics differs for boxes without area.
            similarity = data["similarity_scores"][t]
            distance = np.where(similarity < 0.5 - np.finfo(float).eps, np.nan, 1 - similarity)
            acc.update(truth, tracks, distance, frameid=t)
    if data["num_gt_dets"] == 0 or data["num_tracker_dets"] == 0:
        return None
    summary = mm.metrics.create().compute(acc, metrics=MM, return_dataframe=False)
    summary["motp"] = 1 - summary["motp"] if summary["num_detections"] else 0.0
    return [round(float(summary[field]), 9) for field in MM]


def data_of(frames, similarity):
    """frames: lists of (truth ids, truth places, track ids, track places)"""
    numbers = [sorted({i for f in frames for i in f[k]}) for k in (0, 2)]
    index = [{n: k for k, n in enumerate(ids)} for ids in numbers]
    data = {"gt_ids": [], "tracker_ids": [], "similarity_scores": [], "num_timesteps": len(frames)}
    for truth_ids, truths, track_ids, tracks in frames:
        data["gt_ids"].append(np.array([index[0][i] for i in truth_ids], dtype=int))
        data["tracker_ids"].append(np.array([index[1][i] for i in track_ids], dtype=int))
        width = 4 if similarity is iou else 2
        data["similarity_scores"].append(similarity(np.array(truths, dtype=float).reshape(-1, width),
                                                    np.array(tracks, dtype=float).reshape(-1, width)))
    data.update(num_gt_ids=len(index[0]), num_tracker_ids=len(index[1]), num_gt_dets=sum(len(f[0]) for f in frames),
                num_tracker_dets=sum(len(f[2]) for f in frames))
    return data


def iou(one, other):
    return _BaseDataset._calculate_box_ious(one, other, box_format="xywh")


def near(one, other):
    return _BaseDataset._calculate_euclidean_similarity(np.round(one, 3), np.round(other, 3))


def evaluate_scene(truth, tracks):
    read = [[list(map(float, line.split())) for line in text.split("\n") if line] for text in (truth, tracks)]
    cameras = sorted({int(r[0]) for side in read for r in side})
    last = int(max((r[2] for side in read for r in side), default=0))

    def frames(camera):
        out = []
        for f in range(last + 1):
            now = [[r for r in side if int(r[0]) == camera and r[2] == f] for side in read]
            out.append(([r[1] for r in now[0]], [r[3:7] for r in now[0]], [r[1] for r in now[1]], [r[3:7] for r in now[1]]))
        return out

    by_camera = [frames(camera) for camera in cameras]
    clear = METRICS[0][0].combine_sequences(
        {k: quiet(METRICS[0][0].eval_sequence, data_of(f, iou)) for k, f in enumerate(by_camera)})
    joined = data_of([f for camera in by_camera for f in camera], iou)
    results = [clear] + [quiet(metric.eval_sequence, joined) for metric, _ in METRICS[1:]]
    world = []
    for f in range(last + 1):
        now = []
        for side in read:
            once = {}
            for r in side:
                if r[2] == f:
                    once.setdefault(r[1], r[7:9])
            now += [list(once), list(once.values())]
        world.append(now)
    hota = quiet(METRICS[2][0].eval_sequence, data_of(world, near))
    return {"boxes": flat(results), "world": numbers(hota, HOTA[:4])}


def fingerprint(*texts):
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def write(path, value):
    lines = []
    for key, part in value.items():
        if isinstance(part, list) and part and isinstance(part[0], dict):
            body = ",\n".join(json.dumps(item) for item in part)
            lines.append(f"{json.dumps(key)}: [\n{body}\n]")
        else:
            lines.append(f"{json.dumps(key)}: {json.dumps(part)}")
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def main():
    fields = {"trackeval": CLEAR + IDENTITY + HOTA, "motmetrics": MM}
    if "--samples" in sys.argv:
        data = pathlib.Path(mm.__file__).parent / "data"
        names = ["TUD-Campus", "TUD-Stadtmitte"]
        cases = {n: ((data / n / "gt.txt").read_text(), (data / n / "test.txt").read_text(), False) for n in names}
        results, combined = evaluate(cases)
        files = [{"name": n, **{k: hashlib.sha256((data / n / f).read_bytes()).hexdigest() for k, f in
                                (("truth_sha256", "gt.txt"), ("tracks_sha256", "test.txt"))}, **results[n]} for n in names]
        write(HERE / "samples.json", {"fields": fields, "sequences": files, "combined": combined})
        return
    hand = {f"h{k}": (truth, tracks, ",-1,-1,-1" not in truth) for k, (_, truth, tracks) in enumerate(hand_made())}
    titles = [title for title, _, _ in hand_made()]
    results, _ = evaluate(hand)
    hand_out = [{"title": title, "truth": hand[n][0], "tracks": hand[n][1], **results[n]} for n, title in zip(hand, titles)]
    random = {f"r{seed}": mot_case(seed) for seed in range(CASES)}
    results, combined = evaluate(random)
    random_out = [{"seed": seed, "hash": fingerprint(*random[f"r{seed}"][:2]), **results[f"r{seed}"]} for seed in range(CASES)]
    scenes = []
    for seed in range(SCENES):
        truth, tracks = scene_case(seed)
        scenes.append({"seed": seed, "hash": fingerprint(truth, tracks), **evaluate_scene(truth, tracks)})
    write(HERE / "tracking.json", {"fields": fields, "combined": combined, "hand_made": hand_out, "random": random_out, "scenes": scenes})


main()
