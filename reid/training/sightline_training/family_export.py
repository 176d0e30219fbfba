"""A trained system as the program takes it: ONNX files with their cards, each held against PyTorch."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from torch import nn

from sightline_training.card import beside, digest, lines
from sightline_training.clip import unit
from sightline_training.clip_words import clip_ids, merges
from sightline_training.export import SENTENCES, Exported, run, shrunk, to_onnx
from sightline_training.mscsa import Mscsa, Unit
from sightline_training.parity import ExportError, hold_against
from sightline_training.runner import load_system
from sightline_training.system import FamilySettings, System

FORMS = ("fp32", "fp16", "int8")
# Nodes that 8 bits are good for. A ResNet's attention pool, a tenth of its work, loses more than all its convolutions.
EIGHT_BITS = {"resnet": ["Conv"], "vit": ["Conv", "MatMul", "Gemm"]}
# How a whole graph in half precision is stored, in words.
HALF = "fp16, weights and sums; the vector's length is made one in fp32"
# Pictures that 8 bits are fitted to, at most.
MOST_SAMPLES = 64


class HalfInside(nn.Module):
    """A tower in half precision between fp32 at both ends; lengths are made one in fp32."""

    def __init__(self, module: Unit) -> None:
        super().__init__()
        self.tower = copy.deepcopy(module.tower).half()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return unit(self.tower(x.half() if x.is_floating_point() else x).float())


class Samples(CalibrationDataReader):
    """Pictures for calibration, a few at a time."""

    def __init__(self, pictures: np.ndarray) -> None:
        self.parts = iter(np.array_split(pictures, max(1, len(pictures) // 8)))

    def get_next(self) -> dict[str, np.ndarray] | None:
        part = next(self.parts, None)
        return None if part is None else {"pictures": part}


def folded(module: nn.Module, samples: torch.Tensor) -> nn.Module:
    """A copy whose MSCSA blocks have their division in the weights, for the size of these pictures."""
    module = copy.deepcopy(module)
    blocks = [block for block in module.modules() if isinstance(block, Mscsa)]
    terms: dict[int, int] = {}
    hooks = [
        block.register_forward_pre_hook(lambda block, given: terms.__setitem__(id(block), given[0].shape[2] * given[0].shape[3]))
        for block in blocks
    ]
    with torch.no_grad():
        module(samples[:1])
    for hook in hooks:
        hook.remove()
    for block in blocks:
        block.fold(terms[id(block)])
    return module


def int8(fp32: Path, file: Path, samples: np.ndarray, kinds: list[str]) -> None:
    """Weights by output channel and activations in 8 bits, fitted to pictures, of these kinds of nodes."""
    quantize_static(
        str(fp32),
        str(file),
        Samples(samples),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=kinds,
        per_channel=True,
        reduce_range=False,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        # Products of two activations, as in attention, lose most and save least.
        extra_options={"MatMulConstBOnly": True},
    )


def export_images(system: System, folder: Path, form: str, samples: torch.Tensor) -> Exported:
    """The picture side: N x 3 x H x W, normalised, to `vector`."""
    file = folder / "model.onnx"
    module = system.image_side().eval().float()
    samples = samples[:MOST_SAMPLES]
    with torch.no_grad():
        expected = module(samples).numpy()
    ready = folded(module, samples)
    if form == "fp16":
        to_onnx(HalfInside(ready), samples[:2], file, "pictures", {0: "N"})
        return Exported(file, hold_against(expected, run(file, "pictures", samples.numpy()), "fp16"), HALF)
    to_onnx(ready, samples[:2], file, "pictures", {0: "N"})
    parity = hold_against(expected, run(file, "pictures", samples.numpy()), "fp32")
    if form == "fp32":
        return Exported(file, parity)
    fp32 = file.with_name("fp32.onnx.part")
    file.replace(fp32)
    kinds = EIGHT_BITS[system.settings.clip.kind]
    int8(fp32, file, samples.numpy(), kinds)
    fp32.unlink()
    parity += "; " + hold_against(expected, run(file, "pictures", samples.numpy()), "int8")
    return Exported(file, parity, f"{', '.join(kinds)}: weights in int8, activations in 8 bits fitted to {len(samples)} pictures; all else in fp32")


def export_words(system: System, folder: Path, form: str) -> Exported:
    """The text side: token ids N x L, 0 where a sentence has ended, to `vector`."""
    file = folder / "model.onnx"
    size = system.settings.clip
    module = system.text_side().eval().float()
    ids = clip_ids(SENTENCES, size.context, size.vocabulary)
    with torch.no_grad():
        expected = module(ids).numpy()
    kept = merges()[: size.vocabulary - 512 - 2]
    (folder / "merges.txt").write_text("\n".join(["# CLIP's merges (MIT), best first", *kept]) + "\n", encoding="utf-8")
    if form == "fp16":
        to_onnx(HalfInside(module), ids[:2], file, "ids", {0: "N", 1: "L"})
        return Exported(file, hold_against(expected, run(file, "ids", ids.numpy()), "fp16"), HALF)
    to_onnx(module, ids[:2], file, "ids", {0: "N", 1: "L"})
    return shrunk(file, form, expected, lambda: run(file, "ids", ids.numpy()))


def written(tables: dict[str, dict[str, object]]) -> str:
    """A card: what stands before the first table, and its tables."""
    head, *rest = tables.items()
    return lines(head[1]) + "".join(f"\n[{name}]\n{lines(table)}" for name, table in rest)


def chosen(settings: FamilySettings) -> dict[str, object]:
    """What the papers leave open, and was chosen."""
    if settings.system == "mscsa":
        own = settings.mscsa
        return {"chosen": f"MSCSA after stages {list(own.after)}, norm {own.norm}, TGI {own.tgi}, in stage 1 {own.train_in_prompts}"}
    if settings.system == "propot":
        own = settings.propot
        return {"chosen": f"SDM {own.sdm}, ID {own.identity}, p2i {own.p2i} (DPP {own.dpp}, IPP {own.ipp}, APA {own.apa}), MLM {own.mlm}"}
    own = settings.vpm
    layers, tokens = own.place
    kan = f"KAN grid {own.kan_grid}, order {own.kan_order}, hidden {list(own.kan_hidden)}" if own.kan else "no KAN"
    minp = f"MINP {own.minp} with alpha {own.minp_alpha}, beta {own.minp_beta}, lambda {own.minp_lambda}"
    return {"chosen": f"{tokens} prompts in the last {layers} layers, {kan}, {minp}, SDM {own.sdm}, ID {own.identity}"}


def export_family(
    checkpoint: Path,
    folder: Path,
    image_form: str,
    text_form: str,
    samples: torch.Tensor | None,
    quality: dict[str, object],
    licence: str,
    data: str,
) -> dict[str, str]:
    """Writes `NAME-picture`, and `NAME-text` where there is one, below `folder`; what was held against PyTorch."""
    system, state = load_system(checkpoint)
    settings = system.settings
    size = settings.clip
    if samples is None and image_form == "int8":
        raise ExportError("int8 is fitted to pictures: give --data")
    if samples is None:
        samples = torch.randn(4, 3, size.height, size.width, generator=torch.Generator().manual_seed(0))
    head = {"family": settings.system, "file": "model.onnx", "licence": licence, "source": f"trained by reid/training, {state['source']}"}
    with beside(folder) as new:
        return export_sides(system, new, (image_form, text_form), samples, head, data, {**chosen(settings), **quality})


def export_sides(
    system: System,
    folder: Path,
    forms: tuple[str, str],
    samples: torch.Tensor,
    head: dict[str, object],
    data: str,
    quality: dict[str, object],
) -> dict[str, str]:
    """Writes the sides of a system with their cards; `head` and `quality` are what both cards say."""
    settings, size = system.settings, system.settings.clip
    sides = {"picture": folder / f"{settings.system}-picture"}
    if system.text_side() is not None:
        sides["text"] = folder / f"{settings.system}-text"
    for side in sides.values():
        side.mkdir()
    seen = export_images(system, sides["picture"], forms[0], samples)
    mean, std = settings.planes
    vector = "appearance" if settings.system == "mscsa" else "joint"
    width = size.channels * 32 + size.embed if settings.system == "mscsa" else size.embed
    picture = {
        "": {"name": sides["picture"].name, "task": "embed-image", **head, "sha256": digest(seen.file)},
        "input": {
            "name": "pictures",
            "width": size.width,
            "height": size.height,
            "colors": "rgb",
            "layout": "nchw",
            "scale": 1 / 255,
            "mean": list(mean),
            "std": list(std),
            "resize": "stretch",
            "batch": "dynamic",
            "precision": "fp32",
        },
        "output": {"names": ["vector"], "vector": vector, "dimension": width},
        "quality": {**seen.quality(data), **quality},
    }
    (sides["picture"] / "model.toml").write_text(written(picture))
    parity = {sides["picture"].name: seen.parity}
    if "text" in sides:
        told = export_words(system, sides["text"], forms[1])
        words = {
            "kind": "clip",
            "file": "merges.txt",
            "sha256": digest(sides["text"] / "merges.txt"),
            "most_tokens": size.context,
        }
        text = {
            "": {"name": sides["text"].name, "task": "embed-text", **head, "sha256": digest(told.file)},
            "input": {"name": "ids", "batch": "dynamic"},
            "tokenizer": words,
            "output": {
                "names": ["vector"],
                "vector": vector,
                "pairs_with": f"{sides['picture'].name}@{digest(seen.file)[:12]}",
                "dimension": width,
            },
            "quality": {**told.quality(data), **quality},
        }
        (sides["text"] / "model.toml").write_text(written(text))
        parity[sides["text"].name] = told.parity
    return parity

