#!/usr/bin/env python3
"""Writes retrieval.json: rankings, re-ranking and calibration by plain NumPy, straight from the definitions.

    python -m venv v && v/bin/pip install numpy scikit-learn
    v/bin/python retrieval.py

scikit-learn's average precision checks ours where no distances are equal. Cases are made from integers by the same steps here and
in tests/published/retrieval.rs.
"""

import json
import pathlib

import numpy as np
from sklearn.metrics import average_precision_score

CASES, RERANKED, CALIBRATED = 200, 24, 40


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


def case(seed):
    d = Dice(seed)
    queries, gallery, people, cameras = 1 + d.below(12), 1 + d.below(60), 1 + d.below(8), 1 + d.below(4)
    steps = [7, 1000, 1 << 30][d.below(3)]  # few steps: many equal distances

    def labels(n, junk):
        return [((-1 if junk and d.below(8) == 0 else d.below(people) + 1), d.below(cameras)) for _ in range(n)]

    q, g = labels(queries, False), labels(gallery, True)
    # People are nearer to themselves, so that rankings are of all qualities.
    distances = [[(d.below(steps) + (0 if qi == gi else d.below(steps))) / 8 for gi, _ in g] for qi, _ in q]
    return np.array(distances), q, g, steps


def scores(right):
    """right: truth value of each place of a ranking, best first"""
    right = np.asarray(right, dtype=bool)
    if not right.any():
        return None
    places = np.flatnonzero(right) + 1
    precision = np.cumsum(right)[right] / places
    return places[0], precision.mean(), right.sum() / places[-1]


def means(each, ks):
    scored = np.array([s for s in each if s is not None], dtype=float)
    if not len(scored):
        return None
    cmc = [(scored[:, 0] <= k).mean() for k in ks]
    return [float(x) for x in cmc + [scored[:, 1].mean(), scored[:, 2].mean()]] + [len(scored), len(each) - len(scored)]


def images(distances, q, g, steps):
    each = []
    ids, cameras = np.array([i for i, _ in g]), np.array([c for _, c in g])
    for row, (qi, qc) in zip(distances, q):
        valid = (ids != -1) & ~((ids == qi) & (cameras == qc))
        order = np.argsort(row, kind="stable")
        order = order[valid[order]]
        each.append(scores(ids[order] == qi))
        if each[-1] and len(set(row)) == len(row):
            assert abs(average_precision_score(ids[valid] == qi, -row[valid]) - each[-1][1]) < 1e-12
    return means(each, [1, 5, 10, 20])


def texts(distances, q, g, steps):
    ids = np.array([i for i, _ in g])
    return means([scores(ids[np.argsort(row, kind="stable")] == qi) for row, (qi, _) in zip(distances, q)], [1, 5, 10])


def features(seed):
    d = Dice(seed)
    queries, gallery, size = 2 + d.below(10), 5 + d.below(50), 4 + d.below(12)
    people = [[d.below(2000) - 1000 for _ in range(size)] for _ in range(2 + d.below(9))]

    def rows(n):
        out = []
        for _ in range(n):
            who = people[d.below(len(people))]
            out.append([(v + d.below(1600) - 800) / 1024 for v in who])
        return np.array(out)

    settings = [(20, 6, 0.3), (6, 3, 0.3), (7, 1, 0.0), (3, 2, 0.85)][d.below(4)]
    return rows(queries), rows(gallery), settings


def squared(one, other):
    return ((one[:, None] - other[None]) ** 2).sum(-1)


def rerank(q, g, k1, k2, lam):
    """Zhong et al. 2017, dense, set by set."""
    rows = np.concatenate([q, g])
    d = squared(rows, rows)
    d = (d / d.max(axis=0)).T
    order = np.argsort(d, axis=1, kind="stable")
    n = len(rows)

    def nearest(p, k):
        return set(order[p, :k + 1].tolist())

    def reciprocal(p, k):
        return {x for x in nearest(p, k) if p in nearest(x, k)}

    half = int(np.around(k1 / 2))
    v = np.zeros((n, n))
    for p in range(n):
        own = reciprocal(p, k1)
        expanded = set(own)
        for x in own:
            theirs = reciprocal(x, half)
            if len(own & theirs) > 2 / 3 * len(theirs):
                expanded |= theirs
        members = sorted(expanded)
        weights = np.exp(-d[p, members])
        v[p, members] = weights / weights.sum()
    v = np.stack([v[order[p, :k2]].mean(axis=0) for p in range(n)])
    jaccard = 1 - np.minimum(v[:, None], v[None]).sum(-1) / np.maximum(v[:, None], v[None]).sum(-1)
    return ((1 - lam) * jaccard + lam * d)[:len(q), len(q):]


def answers(seed):
    d = Dice(seed)
    n, steps = 1 + d.below(300), [8, 1 << 20][d.below(2)]
    p = [d.below(steps + 1) / steps for _ in range(n)]
    return p, [d.below(1000) < 1000 * x * 0.8 + 50 for x in p]


def calibration(p, right, bins=10):
    order = np.argsort(p, kind="stable")
    p, right = np.array(p)[order], np.array(right, dtype=float)[order]
    edges = np.cumsum([len(part) for part in np.array_split(p, bins)])
    # An edge between equal probabilities moves up behind the last of them.
    edges = sorted({int(np.searchsorted(p, p[e - 1], side="right")) for e in edges if e > 0})
    expected, greatest = 0.0, 0.0
    for start, end in zip([0] + edges, edges):
        off = abs(p[start:end].mean() - right[start:end].mean())
        expected += off * (end - start) / len(p)
        greatest = max(greatest, off)
    return [float(expected), float(greatest), float(((p - right) ** 2).mean()), len(edges)]


def rounded(value):
    return None if value is None else [round(float(x), 10) for x in value]


def main():
    ranked = [{"seed": s, "images": rounded(images(*case(s))), "texts": rounded(texts(*case(s)))} for s in range(CASES)]
    again = []
    for seed in range(RERANKED):
        q, g, (k1, k2, lam) = features(seed)
        out = rerank(q, g, k1, k2, lam)
        again.append({"seed": seed, "row_sums": rounded(out.sum(1)), "column_sums": rounded(out.sum(0)), "first_row": rounded(out[0])})
    sure = [{"seed": s, "scores": rounded(calibration(*answers(s)))} for s in range(CALIBRATED)]
    parts = {"ranked": ranked, "reranked": again, "calibrated": sure}
    body = ",\n".join(f"{json.dumps(k)}: [\n" + ",\n".join(map(json.dumps, v)) + "\n]" for k, v in parts.items())
    pathlib.Path(__file__).with_name("retrieval.json").write_text("{\n" + body + "\n}\n")


main()
