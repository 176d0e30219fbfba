"""The strangers who judge the world: detectors and ReID models that were trained on photographs, run by onnxruntime."""
import hashlib, os, pathlib
import cv2, numpy as np, onnxruntime as ort

SHA256 = {
    "yolox-nano": "e8af074932d4ed7e232278e3055cefcdea3edf178874a3694ae292649fb464dd",
    "fastestdet": "31cb14c017fce347cb4c846ec62fdf00d76bb3beecdf4be21e7116ac67feb880",
    "reid-0267": "aac91e8c5b14384b9fc2fc646a07768ee24ecb769abb3376ff4eb3f8dc8a5fa1",
    "osnet": "61b2604171ef9d58d21758626f83b35a253c3d7123976523a6e03068c3c95d7b",
}

# Real people: vtest.avi of the Debian package opencv-doc.
VTEST = "45cddc9490be69345cbdab64ca583be65987e864ca408038e648db99e10516cf"


def by_sha256(variable, wanted):
    """A file below the folder that a variable names, found by what it holds and not by its name."""
    folder = pathlib.Path(os.environ[variable])
    for path in sorted(folder.rglob("*")):
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == wanted:
            return path
    raise SystemExit(f"{variable}={folder} holds no file with sha256 {wanted}")


def session(name, threads=1):
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    return ort.InferenceSession(str(by_sha256("SIGHTLINE_MODEL_MIRROR", SHA256[name])), options, providers=["CPUExecutionProvider"])


def suppress(boxes, scores, iou, limit):
    """Boxes as x0 y0 x1 y1 after non-maximum suppression, best first."""
    if not len(boxes):
        return np.zeros((0, 5), np.float32)
    wh = np.c_[boxes[:, :2], boxes[:, 2:] - boxes[:, :2]]
    keep = np.array(cv2.dnn.NMSBoxes(wh.tolist(), scores.tolist(), limit, iou)).reshape(-1)
    return np.c_[boxes[keep], scores[keep]] if len(keep) else np.zeros((0, 5), np.float32)


class YoloxNano:
    def __init__(self):
        self.s = session("yolox-nano")
        grid, stride = [], []
        for k in (8, 16, 32):
            n = 416 // k
            y, x = np.mgrid[:n, :n]
            grid.append(np.stack([x, y], -1).reshape(-1, 2))
            stride.append(np.full((n * n, 1), k))
        self.grid, self.stride = np.concatenate(grid), np.concatenate(stride)

    def __call__(self, bgr, limit=0.3):
        h, w = bgr.shape[:2]
        k = min(416 / h, 416 / w)
        small = cv2.resize(bgr, (int(w * k), int(h * k)))
        pad = np.full((416, 416, 3), 114, np.uint8)
        pad[: small.shape[0], : small.shape[1]] = small
        o = self.s.run(None, {"images": pad.transpose(2, 0, 1)[None].astype(np.float32)})[0][0]
        centre, size = (o[:, :2] + self.grid) * self.stride, np.exp(o[:, 2:4]) * self.stride
        score = o[:, 4] * o[:, 5]
        m = score > limit
        return suppress((np.c_[centre - size / 2, centre + size / 2] / k)[m], score[m], 0.5, limit)


class FastestDet:
    def __init__(self):
        self.s = session("fastestdet")

    def __call__(self, bgr, limit=0.3):
        h, w = bgr.shape[:2]
        x = cv2.resize(bgr, (352, 352)).transpose(2, 0, 1)[None].astype(np.float32) / 255
        o = self.s.run(None, {"input.1": x})[0][0]
        n = o.shape[-1]
        gy, gx = np.mgrid[:n, :n]
        score = o[0] * o[5]  # objectness times person, as the program scores it
        cx, cy = (np.tanh(o[1]) + gx) / n * w, (np.tanh(o[2]) + gy) / n * h
        bw, bh = w / (1 + np.exp(-o[3])), h / (1 + np.exp(-o[4]))
        m = score > limit
        boxes = np.stack([cx - bw / 2, cy - bh / 2, cx + bw / 2, cy + bh / 2], -1)[m]
        return suppress(boxes, score[m], 0.45, limit)


class Reid:
    def __init__(self, name="reid-0267"):
        self.s, self.is_osnet = session(name, 2), name == "osnet"
        self.input = self.s.get_inputs()[0].name

    def __call__(self, rgb):
        x = cv2.resize(rgb, (128, 256)).astype(np.float32)
        if self.is_osnet:
            x = (x / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
        v = self.s.run(None, {self.input: x.transpose(2, 0, 1)[None].astype(np.float32)})[0].reshape(-1)
        return v / np.linalg.norm(v)


def iou(a, b):
    """IoU of every box in a with every box in b; sides clamped at zero."""
    x0, y0 = np.maximum(a[:, None, 0], b[None, :, 0]), np.maximum(a[:, None, 1], b[None, :, 1])
    x1, y1 = np.minimum(a[:, None, 2], b[None, :, 2]), np.minimum(a[:, None, 3], b[None, :, 3])
    cut = np.clip(x1 - x0, 0, None) * np.clip(y1 - y0, 0, None)
    area = lambda q: (q[:, 2] - q[:, 0]) * (q[:, 3] - q[:, 1])
    return cut / np.maximum(area(a)[:, None] + area(b)[None] - cut, 1e-9)
