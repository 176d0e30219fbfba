"""Rank-1 and mAP of a ReID model on a folder that `world crops` made: other cameras only. Usage: reid.py FOLDER [reid-0267|osnet]"""
import json, pathlib, sys
import cv2, numpy as np
from models import Reid


def features(folder, model):
    folder = pathlib.Path(folder)
    entries = json.loads((folder / "captions.json").read_text())
    f = np.array([model(cv2.imread(str(folder / e["file_path"]))[:, :, ::-1]) for e in entries])
    return f, np.array([e["id"] for e in entries]), np.array([e["camera"] for e in entries])


def score(f, ids, cams):
    s = f @ f.T
    hit, ap = [], []
    for q in range(len(ids)):
        g = cams != cams[q]
        right = (ids[g] == ids[q])[np.argsort(-s[q][g], kind="stable")]
        hit.append(right[0])
        k = np.flatnonzero(right)
        ap.append(np.mean((np.arange(len(k)) + 1) / (k + 1)))
    other = cams[:, None] != cams[None]
    same, diff = (ids[:, None] == ids[None]) & other, ids[:, None] != ids[None]
    return dict(rank1=np.mean(hit), mAP=np.mean(ap), same=s[same].mean(), different=s[diff].mean(), different_p95=np.quantile(s[diff], 0.95))


if __name__ == "__main__":
    name = sys.argv[2] if len(sys.argv) > 2 else "reid-0267"
    print(name, sys.argv[1], {k: round(float(v), 3) for k, v in score(*features(sys.argv[1], Reid(name))).items()})
