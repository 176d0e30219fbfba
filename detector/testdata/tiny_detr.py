"""Tiny randomly initialised networks with the published output contracts of RT-DETR and D-FINE, and what
a second implementation (onnxruntime and numpy) decodes from them.

    pip install numpy pillow onnx onnxruntime==1.31.1
    python detector/testdata/tiny_detr.py detector/testdata > detector/tests/golden/detr.json
"""

import hashlib
import json
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper
from PIL import Image

SIDE, QUERIES, CLASSES, PERSON, TOP, THRESHOLD = 32, 16, 5, 1, 80, 0.5
rng = np.random.default_rng(7)
W_LOGITS = rng.normal(0, 2.0, (3, CLASSES)).astype(np.float32)
B_LOGITS = rng.normal(0, 1.5, (QUERIES, CLASSES)).astype(np.float32)
W_BOXES = rng.normal(0, 1.0, (3, 4)).astype(np.float32)
B_BOXES = rng.normal(0, 1.0, (QUERIES, 4)).astype(np.float32)


def network(path, deployed, half):
    kind, dtype = (T.FLOAT16, np.float16) if half else (T.FLOAT, np.float32)
    const = lambda name, value: numpy_helper.from_array(value, name)
    weights = [const(n, v.astype(dtype)) for n, v in (("wl", W_LOGITS), ("bl", B_LOGITS), ("wb", W_BOXES), ("bb", B_BOXES))]
    weights.append(const("shape", np.array([0, 3, QUERIES], np.int64)))
    nodes = [
        h.make_node("AveragePool", ["images"], ["cells"], kernel_shape=[8, 8], strides=[8, 8]),
        h.make_node("Reshape", ["cells", "shape"], ["flat"]),
        h.make_node("Transpose", ["flat"], ["queries"], perm=[0, 2, 1]),
        h.make_node("MatMul", ["queries", "wl"], ["l0"]),
        h.make_node("Add", ["l0", "bl"], ["pred_logits"]),
        h.make_node("MatMul", ["queries", "wb"], ["b0"]),
        h.make_node("Add", ["b0", "bb"], ["b1"]),
        h.make_node("Sigmoid", ["b1"], ["pred_boxes"]),
    ]
    inputs = [h.make_tensor_value_info("images", kind, ["N", 3, SIDE, SIDE])]
    outputs = [
        h.make_tensor_value_info("pred_logits", kind, ["N", QUERIES, CLASSES]),
        h.make_tensor_value_info("pred_boxes", kind, ["N", QUERIES, 4]),
    ]
    if deployed:
        weights += [
            const("flatten", np.array([0, -1], np.int64)), const("k", np.array([TOP], np.int64)), const("classes", np.array(CLASSES, np.int64)),
            const("half", np.array(0.5, np.float32)), const("last", np.array([2], np.int64)), const("one", np.array([1], np.int64)),
        ]
        nodes += [
            h.make_node("Sigmoid", ["pred_logits"], ["p0"]),
            h.make_node("Reshape", ["p0", "flatten"], ["p1"]),
            h.make_node("TopK", ["p1", "k"], ["scores", "index"], axis=1),
            h.make_node("Mod", ["index", "classes"], ["labels"]),
            h.make_node("Div", ["index", "classes"], ["query"]),
            h.make_node("Split", ["pred_boxes"], ["centre", "size"], axis=2, num_outputs=2),
            h.make_node("Mul", ["size", "half"], ["radius"]),
            h.make_node("Sub", ["centre", "radius"], ["low"]),
            h.make_node("Add", ["centre", "radius"], ["high"]),
            h.make_node("Concat", ["low", "high"], ["edges"], axis=2),
            h.make_node("Cast", ["orig_target_sizes"], ["s0"], to=T.FLOAT),
            h.make_node("Concat", ["s0", "s0"], ["s1"], axis=1),
            h.make_node("Unsqueeze", ["s1", "one"], ["s2"]),
            h.make_node("Mul", ["edges", "s2"], ["scaled"]),
            h.make_node("Unsqueeze", ["query", "last"], ["q1"]),
            h.make_node("Concat", ["q1", "q1", "q1", "q1"], ["q2"], axis=2),
            h.make_node("GatherElements", ["scaled", "q2"], ["boxes"], axis=1),
        ]
        inputs.append(h.make_tensor_value_info("orig_target_sizes", T.INT64, ["N", 2]))
        outputs = [
            h.make_tensor_value_info("labels", T.INT64, ["N", TOP]),
            h.make_tensor_value_info("boxes", kind, ["N", TOP, 4]),
            h.make_tensor_value_info("scores", kind, ["N", TOP]),
        ]
    graph = h.make_graph(nodes, "tiny_detr", inputs, outputs, weights)
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def plane(width, height, seed):
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    return (((x * 3 + y * 2 + seed * 31) % 256 + (x * y + seed) % 29 * 3 + ((x // 8) ^ (y // 8)) * 11) % 256).astype(np.uint8)


def picture(width, height, seed):
    channels = (Image.fromarray(plane(width, height, seed + s)).resize((SIDE, SIDE), Image.Resampling.BILINEAR) for s in range(3))
    return np.stack([np.asarray(c) for c in channels]).astype(np.float32) / 255


def main(folder):
    result = {"threshold": THRESHOLD, "person_class": PERSON, "pictures": [[90, 70, 1], [64, 128, 5], [200, 40, 9]], "models": {}, "detections": []}
    for name, deployed, half in (("tiny_detr_raw", False, False), ("tiny_detr_raw_fp16", False, True), ("tiny_detr_deployed", True, False)):
        path = f"{folder}/{name}.onnx"
        network(path, deployed, half)
        result["models"][name] = hashlib.sha256(open(path, "rb").read()).hexdigest()
    raw = onnxruntime.InferenceSession(f"{folder}/tiny_detr_raw.onnx", providers=["CPUExecutionProvider"])
    for width, height, seed in result["pictures"]:
        logits, boxes = raw.run(None, {"images": picture(width, height, seed)[None]})
        scores = 1 / (1 + np.exp(-logits[0, :, PERSON].astype(float)))
        found = []
        for q in np.argsort(-scores, kind="stable"):
            if scores[q] >= THRESHOLD:
                cx, cy, w, hh = (float(v) for v in boxes[0, q])
                edges = np.clip([cx - w / 2, cy - hh / 2, cx + w / 2, cy + hh / 2], 0, 1) * [width, height, width, height]
                found.append([round(float(e), 3) for e in edges] + [round(float(scores[q]), 5)])
        result["detections"].append(found)
    print(json.dumps(result, indent=1))


main(sys.argv[1])
