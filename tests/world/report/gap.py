"""How far are the crops from photographs? A sheet of real people above synthetic ones, and distances in real models' feature spaces.
Usage: gap.py CROPS_FOLDER SHEET.png   (real people: what YOLOX-nano finds in vtest.avi below SIGHTLINE_FOOTAGE)"""
import json, pathlib, sys
import cv2, numpy as np
from models import VTEST, Reid, YoloxNano, by_sha256


def real(count):
    film, find, out, number = cv2.VideoCapture(str(by_sha256("SIGHTLINE_FOOTAGE", VTEST))), YoloxNano(), [], 0
    while len(out) < count:
        ok, picture = film.read()
        if not ok:
            break
        number += 1
        if number % 23:
            continue
        boxes = [b for b in find(picture, 0.6) if b[3] - b[1] > 85]
        for x0, y0, x1, y1, _ in boxes[:2]:
            h = (y1 - y0) * 1.06
            w, cx, cy = h / 2, (x0 + x1) / 2, (y0 + y1) / 2
            crop = picture[max(0, int(cy - h / 2)):int(cy + h / 2), max(0, int(cx - w / 2)):int(cx + w / 2)]
            if crop.shape[0] > 60 and crop.shape[1] > 30:
                out.append(cv2.resize(crop, (128, 256), interpolation=cv2.INTER_CUBIC))
    return out[:count]


def synthetic(folder, count):
    folder = pathlib.Path(folder)
    entries = [e for e in json.loads((folder / "captions.json").read_text()) if e["visibility"] > 0.9 and e["height_px"] > 60]
    step = max(1, len(entries) // count)
    return [cv2.imread(str(folder / e["file_path"])) for e in entries[::step][:count]]


def frechet(a, b):
    """Distance of two clouds as if both were Gaussian with diagonal covariance, on unit vectors."""
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + ((a.std(0) - b.std(0)) ** 2).sum())


def main(folder, sheet):
    r, s = real(60), synthetic(folder, 60)
    rows = [np.hstack(r[i:i + 12]) for i in (0, 12)] + [np.hstack(s[i:i + 12]) for i in (0, 12)]
    cv2.imwrite(sheet, np.vstack(rows))
    for name in ("reid-0267", "osnet"):
        model = Reid(name)
        f, g = (np.array([model(x[:, :, ::-1]) for x in q]) for q in (r, s))
        every = np.r_[f, g]
        near = every @ every.T - 2 * np.eye(len(every))
        same = (near[len(f):].argmax(1) >= len(f)).mean()
        half = len(g) // 2
        print(name, dict(real=len(f), synthetic=len(g), nearest_of_synthetic_is_synthetic=round(float(same), 3), frechet=round(frechet(f, g), 4),
                         frechet_of_synthetic_halves=round(frechet(g[:half], g[half:]), 4), frechet_of_real_halves=round(frechet(f[:len(f) // 2], f[len(f) // 2:]), 4)))


if __name__ == "__main__":
    main(*sys.argv[1:3])
