"""CLIP's published weights into `clip.Clip`: OpenAI's own file, a state dict, or safetensors with OpenAI's or Transformers' names."""

from __future__ import annotations

import re
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch.nn import functional

from sightline_training.clip import Clip
from sightline_training.dataset import DatasetError

# Entries of OpenAI's archive that are no weights.
OTHER = {"input_resolution", "context_length", "vocab_size"}

# Transformers' names of what stands outside the layers.
PLAIN = {
    "vision_model.embeddings.patch_embedding.weight": "visual.conv1.weight",
    "vision_model.embeddings.class_embedding": "visual.class_embedding",
    "vision_model.embeddings.position_embedding.weight": "visual.positional_embedding",
    "vision_model.pre_layrnorm.": "visual.ln_pre.",
    "vision_model.post_layernorm.": "visual.ln_post.",
    "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "text_model.final_layer_norm.": "ln_final.",
    "logit_scale": "logit_scale",
}
LAYER = re.compile(r"^(vision|text)_model\.encoder\.layers\.(\d+)\.(.+)$")
IN_LAYER = {
    "layer_norm1.": "ln_1.",
    "layer_norm2.": "ln_2.",
    "self_attn.out_proj.": "attn.out_proj.",
    "mlp.fc1.": "mlp.c_fc.",
    "mlp.fc2.": "mlp.c_proj.",
}


def read_weights(file: Path) -> dict[str, torch.Tensor]:
    """Every weight of a file, in fp32, by OpenAI's names."""
    try:
        if file.suffix == ".safetensors":
            found = load_file(str(file))
        else:
            found = read_pickled(file)
    except (OSError, EOFError, SafetensorError, RuntimeError, UnpicklingError, LookupError, ValueError) as error:
        # Some say nothing, such as that of an empty file.
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise DatasetError(f"{file}: not CLIP weights ({first})") from error
    found = {name.removeprefix("module."): value for name, value in found.items()}
    if any(name.startswith("vision_model.") for name in found):
        found = from_transformers(found)
    return {name: value.float() for name, value in found.items() if name not in OTHER}


def read_pickled(file: Path) -> dict[str, torch.Tensor]:
    """A TorchScript archive, as OpenAI publishes it, or a state dict."""
    try:
        return dict(torch.jit.load(str(file), map_location="cpu").state_dict())
    except RuntimeError:
        state = torch.load(file, map_location="cpu", weights_only=True)
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ValueError("expected a TorchScript archive or a state dict")
    return state


def from_transformers(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Transformers' `CLIPModel` to OpenAI's names; query, key and value become one matrix again."""
    named: dict[str, torch.Tensor] = {}
    parts: dict[str, dict[str, torch.Tensor]] = {}
    for name, value in weights.items():
        match = LAYER.match(name)
        if name in ("visual_projection.weight", "text_projection.weight"):
            named["visual.proj" if name.startswith("visual") else "text_projection"] = value.T
        elif match:
            tower = "visual.transformer" if match[1] == "vision" else "transformer"
            layer = f"{tower}.resblocks.{match[2]}."
            one = re.match(r"self_attn\.([qkv])_proj\.(weight|bias)$", match[3])
            if one:
                parts.setdefault(f"{layer}attn.in_proj_{one[2]}", {})[one[1]] = value
            for theirs, ours in IN_LAYER.items():
                if match[3].startswith(theirs):
                    named[layer + ours + match[3].removeprefix(theirs)] = value
        else:
            for theirs, ours in PLAIN.items():
                if name.startswith(theirs):
                    named[ours + name.removeprefix(theirs)] = value
    for name, three in parts.items():
        named[name] = torch.cat([three["q"], three["k"], three["v"]])
    return named


def resized_positions(positions: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
    """Position embeddings of a square picture, class token first, for a grid of another shape (bilinear, as CLIP-ReID does)."""
    start, rest = positions[:1], positions[1:]
    side = round(len(rest) ** 0.5)
    if side * side != len(rest):
        raise ValueError(f"{len(rest)} positions are not those of a square picture")
    square = rest.T.reshape(1, -1, side, side)
    fitted = functional.interpolate(square, size=grid, mode="bilinear", align_corners=False)
    return torch.cat([start, fitted[0].flatten(1).T])


def take_weights(model: Clip, file: Path) -> None:
    """Copies a file's weights over; the picture's positions are resized, modules of our own keep their start."""
    weights = read_weights(file)
    place = "visual.attnpool.positional_embedding" if model.size.kind == "resnet" else "visual.positional_embedding"
    own = model.state_dict()
    if place in weights and weights[place].shape != own[place].shape:
        weights[place] = resized_positions(weights[place], model.size.grid)
    for name, value in own.items():
        if name.startswith("visual.mscsa."):
            continue
        found = weights.pop(name, None)
        if found is None and name.endswith("num_batches_tracked"):
            continue
        if found is None:
            raise DatasetError(f"{file}: `{name}` is missing; expected a CLIP of the kind `{model.size.kind}`")
        if found.shape != value.shape:
            shapes = f"has the shape {list(found.shape)}, expected {list(value.shape)}"
            raise DatasetError(f"{file}: `{name}` {shapes}; clip.* in the settings must be that model's")
        value.copy_(found)
    # Transformers also writes the numbers of positions, which count from zero.
    left = sorted(name for name in weights if not name.endswith(("num_batches_tracked", "position_ids")))
    if left:
        raise DatasetError(f"{file}: {len(left)} weights have no place, such as `{left[0]}`; clip.* in the settings must be that model's")
