"""Do strangers' detectors agree that these are people? Recall and precision over a filmed scene.
Usage: detect.py SCENE_FOLDER [yolox-nano|fastestdet] [every nth frame]   (folder as `world scene` writes it)
       detect.py --agreement SCENE_FOLDER|VIDEO|vtest                      (FastestDet against YOLOX-nano, also on real video)"""
import collections, pathlib, sys, tomllib
import cv2, numpy as np
from models import VTEST, FastestDet, YoloxNano, by_sha256, iou

MODELS = {"yolox-nano": YoloxNano, "fastestdet": FastestDet}


def frames(path):
    film = cv2.VideoCapture(str(path))
    while True:
        ok, picture = film.read()
        if not ok:
            return
        yield picture


def truth(path):
    rows = collections.defaultdict(list)
    for line in pathlib.Path(path).read_text().splitlines():
        f = line.split(",")
        rows[int(f[0])].append([float(v) for v in f[2:6]] + [float(f[8])])
    return rows


def scene(folder, model, every):
    folder = pathlib.Path(folder)
    wanted = hit = boxes = good = 0
    by = collections.Counter()
    for camera in tomllib.loads((folder / "manifest.toml").read_text())["cameras"]:
        gt = truth(folder / camera["ground_truth"])
        for number, picture in enumerate(frames(folder / camera["file"]), 1):
            if number % every:
                continue
            h, w = picture.shape[:2]
            g = np.array(gt.get(number, np.zeros((0, 5)))).reshape(-1, 5)
            b = np.c_[g[:, 0] - 1, g[:, 1] - 1, g[:, 0] - 1 + g[:, 2], g[:, 1] - 1 + g[:, 3]]
            b = np.clip(b, 0, [w, h, w, h])
            d = model(picture, 0.5)
            m = iou(b, d[:, :4]) if len(b) and len(d) else np.zeros((len(b), len(d)))
            # Recall over people taller than 80 pixels and 80% visible; precision over all boxes, any visible person may be hit once.
            need = (g[:, 3] > 80) & (g[:, 4] >= 0.8)
            found = m.max(1) >= 0.5 if m.size else np.zeros(len(b), bool)
            wanted += need.sum(); hit += (found & need).sum()
            for f in np.flatnonzero(need):
                by[(camera["id"], "found" if found[f] else "missed")] += 1
            used = set()
            for k in range(len(d)):
                order = [i for i in np.argsort(-m[:, k]) if m[i, k] >= 0.5 and i not in used] if len(b) else []
                if order:
                    used.add(order[0]); good += 1
            boxes += len(d)
    return dict(people=int(wanted), recall=float(hit / max(wanted, 1)), boxes=int(boxes), precision=float(good / max(boxes, 1)), by=dict(by))


def agreement(pictures, every):
    """Real video has no truth: what YOLOX-nano finds at 0.5 stands in for it, here and there alike."""
    judge, other = YoloxNano(), FastestDet()
    truth = boxes = hit = 0
    for number, picture in enumerate(pictures):
        if number % every:
            continue
        p, q = judge(picture, 0.5), other(picture, 0.5)
        m = iou(p[:, :4], q[:, :4]) if len(p) and len(q) else np.zeros((len(p), len(q)))
        truth += len(p); boxes += len(q)
        while m.size and m.max() >= 0.5:
            i, k = np.unravel_index(m.argmax(), m.shape)
            m[i, :] = m[:, k] = 0
            hit += 1
    return dict(truth=truth, boxes=boxes, recall=round(hit / max(truth, 1), 3), precision=round(hit / max(boxes, 1), 3))


if __name__ == "__main__":
    if sys.argv[1] == "--agreement":
        target = by_sha256("SIGHTLINE_FOOTAGE", VTEST) if sys.argv[2] == "vtest" else pathlib.Path(sys.argv[2])
        if target.is_dir():
            films = [target / c["file"] for c in tomllib.loads((target / "manifest.toml").read_text())["cameras"]]
            print("fastestdet against yolox-nano", target, agreement((f for film in films for f in frames(film)), 7))
        else:
            print("fastestdet against yolox-nano", target, agreement(frames(target), 7))
    else:
        name = sys.argv[2] if len(sys.argv) > 2 else "yolox-nano"
        print(name, scene(sys.argv[1], MODELS[name](), int(sys.argv[3]) if len(sys.argv) > 3 else 5))
