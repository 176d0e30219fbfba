"""Reference detections for FastestDet and YOLOX on real frames, by onnxruntime, OpenCV, Pillow and numpy.

Two preprocessings: `defined` repeats ours (antialiased triangle plane by plane without rounding, then colour), `usual` is
what the authors of the models do (colour at full size, then cv2.resize). Both are written without
suppression, which turns on near ties; `kept` is what suppression leaves of the first. No pixels are written, only boxes and means over
an 8 x 8 grid of the input.

    pip install numpy pillow opencv-python-headless onnxruntime==1.31.1
    python detector/testdata/reference_detections.py VTEST_AVI FASTESTDET_ONNX YOLOX_ONNX > detector/tests/golden/detections.json
"""

import hashlib
import json
import subprocess
import sys
import tempfile

import cv2
import numpy as np
import onnxruntime
from PIL import Image

WIDTH, HEIGHT, FRAMES = 768, 576, [0, 60]


def frames(video):
    # The end of stream races with the last frames: a few more are asked for than are used.
    with tempfile.NamedTemporaryFile() as raw:
        command = f"gst-launch-1.0 -q filesrc location={video} ! decodebin ! videoconvert ! video/x-raw,format=I420 ! identity eos-after={FRAMES[-1] + 20} ! filesink location={raw.name}"
        subprocess.run(command.split(), check=True)
        data = np.fromfile(raw.name, np.uint8).reshape(-1, HEIGHT * 3 // 2, WIDTH)
    return {index: data[index] for index in FRAMES}


def defined(i420, width, height):
    y = i420[:HEIGHT]
    u, v = i420[HEIGHT:].reshape(2, HEIGHT // 2, WIDTH // 2)
    y, u, v = (np.asarray(Image.fromarray(p.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR)).astype(float) for p in (y, u, v))
    y, u, v = 255 / 219 * (y - 16), 255 / 224 * (u - 128), 255 / 224 * (v - 128)
    bgr = np.stack([y + 1.772 * u, y - 0.344136 * u - 0.714136 * v, y + 1.402 * v])
    return np.clip(bgr, 0, 255)


def usual(i420, width, height, interpolation):
    bgr = cv2.cvtColor(i420, cv2.COLOR_YUV2BGR_I420)
    return cv2.resize(bgr, (width, height), interpolation=interpolation).transpose(2, 0, 1).astype(float)


def suppress(boxes, scores, iou):
    order, kept = list(np.argsort(-scores, kind="stable")), []
    while order:
        best = order.pop(0)
        kept.append(best)
        rest = []
        for other in order:
            a, b = boxes[best], boxes[other]
            w = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
            h = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
            union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - w * h
            if union <= 0 or w * h / union <= iou:
                rest.append(other)
        order = rest
    return kept


def finish(boxes, scores, threshold, iou):
    keep = scores >= threshold
    boxes, scores = boxes[keep], scores[keep]
    boxes = np.clip(boxes, 0, [WIDTH, HEIGHT, WIDTH, HEIGHT])
    return [[round(float(v), 2) for v in boxes[k]] + [round(float(scores[k]), 4)] for k in suppress(boxes, scores, iou)]


def fastestdet(session, codes, iou):
    out = session.run(None, {"input.1": (codes / 255)[None].astype(np.float32)})[0][0]
    _, rows, columns = out.shape
    row, column = np.mgrid[0:rows, 0:columns]
    cx, cy = (column + np.tanh(out[1])) / columns * WIDTH, (row + np.tanh(out[2])) / rows * HEIGHT
    w, h = (1 / (1 + np.exp(-out[3]))) * WIDTH, (1 / (1 + np.exp(-out[4]))) * HEIGHT
    boxes = np.stack([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], -1).reshape(-1, 4)
    return finish(boxes, (out[0] * out[5]).ravel(), 0.5, iou)


def yolox(session, codes, iou):
    padded = np.full((3, 416, 416), 114.0)
    padded[:, : codes.shape[1], : codes.shape[2]] = codes
    out = session.run(None, {"images": padded[None].astype(np.float32)})[0][0]
    grids, strides = [], []
    for stride in (8, 16, 32):
        n = 416 // stride
        gy, gx = np.mgrid[0:n, 0:n]
        grids.append(np.stack([gx, gy], -1).reshape(-1, 2))
        strides.append(np.full((n * n, 1), stride))
    grid, stride = np.concatenate(grids), np.concatenate(strides)
    centre, size = (out[:, :2] + grid) * stride, np.exp(out[:, 2:4]) * stride
    scale = np.array([WIDTH / codes.shape[2], HEIGHT / codes.shape[1]] * 2)
    boxes = np.concatenate([centre - size / 2, centre + size / 2], 1) * scale
    return finish(boxes, out[:, 4] * out[:, 5], 0.3, iou)


def grid_of(codes):
    c, h, w = codes.shape
    return [round(float(v), 2) for v in codes.reshape(c, 8, h // 8, 8, w // 8).mean((2, 4)).ravel()]


def main(video, fastest_path, yolox_path):
    session_f, session_y = (onnxruntime.InferenceSession(p, providers=["CPUExecutionProvider"]) for p in (fastest_path, yolox_path))
    result = {"video_sha256": hashlib.sha256(open(video, "rb").read()).hexdigest(), "frames": []}
    for index, i420 in frames(video).items():
        ours, theirs = defined(i420, 352, 352), usual(i420, 352, 352, cv2.INTER_AREA)
        result["frames"].append({
            "index": index,
            "i420_sha256": hashlib.sha256(i420.tobytes()).hexdigest(),
            "fastestdet": {"grid": grid_of(ours), "defined": fastestdet(session_f, ours, 1.0), "kept": fastestdet(session_f, ours, 0.45), "usual": fastestdet(session_f, theirs, 1.0)},
            "yolox": {
                "grid": grid_of(defined(i420, 416, 312)),
                "defined": yolox(session_y, defined(i420, 416, 312), 1.0),
                "kept": yolox(session_y, defined(i420, 416, 312), 0.5),
                "usual": yolox(session_y, usual(i420, 416, 312, cv2.INTER_LINEAR), 1.0),
            },
        })
    print(json.dumps(result, indent=1))


main(*sys.argv[1:])
