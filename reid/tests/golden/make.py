"""Makes the golden files of this folder with an implementation that shares nothing with ours.

    python3 -m venv V && V/bin/pip install onnx==1.23.2 onnxruntime==1.31.1 numpy==2.4.6 pillow==13.0.0
    V/bin/python make.py [FOLDER_OF_MODELS FOLDER_OF_FOOTAGE]

Without the two folders only the tiny networks are made. gst-launch-1.0 decodes the recording.
"""

import hashlib
import json
import pathlib
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

HERE = pathlib.Path(__file__).parent
MODEL = "aac91e8c5b14384b9fc2fc646a07768ee24ecb769abb3376ff4eb3f8dc8a5fa1"


def pictures(count, height, width):
    """Pictures that any language makes alike: N x 3 x H x W, values 0 to 255."""
    n, c, y, x = np.meshgrid(np.arange(count), np.arange(3), np.arange(height), np.arange(width), indexing="ij")
    return ((x * (7 + n) + y * (13 - n) + c * 31 + (x * y) // 17 + n * 101) % 256).astype(np.float32)


def tiny(precision, batch):
    """A small network with what the mends look for: a channel shuffle, a group norm, a fixed batch."""
    rng = np.random.default_rng(5)
    dtype = np.float16 if precision == TensorProto.FLOAT16 else np.float32

    def constant(name, array):
        return numpy_helper.from_array(np.asarray(array), name)

    def weight(name, *shape):
        return constant(name, (rng.standard_normal(shape) * 0.3).astype(dtype))

    one = batch == 1
    initializers = [
        constant("scale", np.asarray([1 / 64], dtype)),
        weight("conv.w", 8, 3, 3, 3),
        weight("conv.b", 8),
        weight("fc.w", 6, 8),
        weight("fc.b", 6),
        constant("shuffle.in", np.asarray([4 if one else -1, 2, 128], np.int64)),
        constant("shuffle.out", np.asarray([2, -1, 4, 16, 8], np.int64)),
        constant("first", np.asarray(0, np.int64)),
        constant("second", np.asarray(1, np.int64)),
        constant("groups", np.asarray([0, 4, -1, 0], np.int64)),
    ]
    split = constant("split.value", np.asarray([1 if one else 0, -1, 0, 0], np.int64))
    nodes = [
        helper.make_node("Mul", ["data", "scale"], ["scaled"]),
        helper.make_node("Conv", ["scaled", "conv.w", "conv.b"], ["conv"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Reshape", ["conv", "shuffle.in"], ["s1"], name="shuffle"),
        helper.make_node("Transpose", ["s1"], ["s2"], perm=[1, 0, 2]),
        helper.make_node("Reshape", ["s2", "shuffle.out"], ["s3"]),
        helper.make_node("Gather", ["s3", "first"], ["s4"], axis=0),
        helper.make_node("Gather", ["s3", "second"], ["s5"], axis=0),
        helper.make_node("Concat", ["s4", "s5"], ["shuffled"], axis=1),
        helper.make_node("Reshape", ["shuffled", "groups"], ["g1"]),
        helper.make_node("Constant", [], ["split"], value=split),
        helper.make_node("Reshape", ["g1", "split"], ["g2"]),
    ]
    if one:
        nodes.append(helper.make_node("MeanVarianceNormalization", ["g2"], ["g3"], name="norm", axes=[2, 3]))
    else:
        nodes.append(helper.make_node("InstanceNormalization", ["g2", "ones", "zeros"], ["g3"], epsilon=1e-5))
        initializers += [constant("ones", np.ones(4, dtype)), constant("zeros", np.zeros(4, dtype))]
    nodes += [
        helper.make_node("Shape", ["shuffled"], ["shape"]),
        helper.make_node("Reshape", ["g3", "shape"], ["g4"]),
        helper.make_node("Relu", ["g4"], ["relu"]),
        helper.make_node("GlobalAveragePool", ["relu"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"], axis=1),
        helper.make_node("Gemm", ["flat", "fc.w", "fc.b"], ["embedding"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("data", precision, [batch, 3, 32, 16])],
        [helper.make_tensor_value_info("embedding", precision, [batch, 6])],
        initializers,
        value_info=[helper.make_tensor_value_info("conv", precision, [batch, 8, 16, 8])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)
    onnx.checker.check_model(model)
    return model


def arithmetic(operator, other):
    """Mean colour of a picture, then `operator` with `other`: a network whose output is what a test needs it to be."""
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["data"], ["mean"]),
            helper.make_node("Flatten", ["mean"], ["flat"], axis=1),
            helper.make_node(operator, ["flat", "other"], ["embedding"]),
        ],
        "arithmetic",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, ["N", 3, 32, 16])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", 3])],
        [numpy_helper.from_array(np.full(3, other, np.float32), "other")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=6)


def run(model, batch):
    """Rows of length one; a model is a file or bytes."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    rows = session.run(None, {session.get_inputs()[0].name: batch})[0].astype(np.float64)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def find(folder, digest):
    for path in sorted(pathlib.Path(folder).rglob("*")):
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == digest:
            return str(path)
    raise SystemExit(f"no file with sha256 {digest} under {folder}")


def frames(recording, width, height, wanted):
    """Decoded pictures as three planes: luma, and chroma of half the size."""
    command = f"gst-launch-1.0 -q filesrc location={recording} ! decodebin ! video/x-raw,format=I420 ! fdsink fd=1"
    decoder = subprocess.Popen(command.split(), stdout=subprocess.PIPE)
    luma, chroma = width * height, width * height // 4
    found = {}
    for index in range(max(wanted) + 1):
        data = np.frombuffer(decoder.stdout.read(luma + 2 * chroma), np.uint8)
        if index in wanted:
            found[index] = (
                Image.fromarray(data[:luma].reshape(height, width)),
                Image.fromarray(data[luma : luma + chroma].reshape(height // 2, width // 2)),
                Image.fromarray(data[luma + chroma :].reshape(height // 2, width // 2)),
            )
    decoder.kill()
    return found


def to_rgb(y, u, v):
    """BT.601, limited range, as 0 to 255."""
    y = (np.asarray(y, np.float64) - 16) / 219
    u, v = ((np.asarray(plane, np.float64) - 128) / 224 for plane in (u, v))
    return np.clip(np.stack([y + 1.402 * v, y - 0.344136 * u - 0.714136 * v, y + 1.772 * u], -1), 0, 1) * 255


def crop_at_full_size(planes, box):
    """The usual way: chroma doubled, the whole picture converted, then cut and resized."""
    y, u, v = planes
    picture = to_rgb(y, u.resize(y.size, Image.BILINEAR), v.resize(y.size, Image.BILINEAR))
    picture = Image.fromarray(picture.round().astype(np.uint8))
    return np.asarray(picture.resize((128, 256), Image.BILINEAR, box=box), np.float32)


def crop_by_planes(planes, box):
    """Our way: each plane cut and resized, then converted."""
    boxes = [box, [edge / 2 for edge in box], [edge / 2 for edge in box]]
    return to_rgb(*(plane.resize((128, 256), Image.BILINEAR, box=part) for plane, part in zip(planes, boxes)))


def main():
    tiny_model = tiny(TensorProto.FLOAT, 1)
    onnx.save(tiny_model, HERE / "tiny.onnx")
    onnx.save(tiny(TensorProto.FLOAT16, "N"), HERE / "tiny_fp16.onnx")
    onnx.save(arithmetic("Mul", 0.0), HERE / "zero.onnx")
    onnx.save(arithmetic("Mul", float("nan")), HERE / "nan.onnx")
    mended = tiny(TensorProto.FLOAT, "N").SerializeToString()
    np.save(HERE / "tiny_rows.npy", run(mended, pictures(4, 32, 16)))

    if len(sys.argv) != 3:
        return
    models, footage = sys.argv[1:]
    model = find(models, MODEL)
    rows = [run(model, picture[None]) for picture in pictures(4, 256, 128)]
    np.save(HERE / "person_tensor_rows.npy", np.concatenate(rows))
    crops = json.loads((HERE / "crops.json").read_text())
    recording = find(footage, crops["recording"])
    decoded = frames(recording, crops["width"], crops["height"], {crop["frame"] for crop in crops["crops"]})
    for name, cut in [("person_full_size_rows", crop_at_full_size), ("person_plane_rows", crop_by_planes)]:
        rows = []
        for crop in crops["crops"]:
            picture = cut(decoded[crop["frame"]], crop["box"]).astype(np.float32)
            rows.append(run(model, picture.transpose(2, 0, 1)[None].copy()))
        np.save(HERE / f"{name}.npy", np.concatenate(rows))


main()
