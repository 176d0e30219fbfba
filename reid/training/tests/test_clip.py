"""CLIP's towers: sizes, published files, words."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sightline_training.clip import Clip, ClipSize
from sightline_training.clip_weights import read_weights, resized_positions, take_weights
from sightline_training.clip_words import clip_ids
from sightline_training.dataset import DatasetError

VIT = ClipSize("vit", 64, 32, 32, vision_width=64, vision_layers=2, text_width=64, text_layers=1, vocabulary=600)
RESNET = ClipSize("resnet", 64, 32, 32, (1, 1, 1, 1), 8, text_width=64, text_layers=1, vocabulary=600)


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_towers_have_the_published_sizes():
    with torch.device("meta"):
        assert parameters(Clip(ClipSize("vit", 384, 128, 512))) == 149_617_665
        # OpenAI's RN50 counts 102,007,137 at 224 x 224: 49 positions and the mean, where ours are 128 and the mean.
        assert parameters(Clip(ClipSize())) == 102_007_137 + (128 - 49) * 2048


def transformers_names(weights):
    """The same weights as Transformers writes them."""
    named = {}
    for name, value in weights.items():
        tower = "vision_model" if name.startswith("visual.") else "text_model"
        bare = name.removeprefix("visual.")
        if bare.startswith("transformer.resblocks."):
            _, _, layer, rest = bare.split(".", 3)
            prefix = f"{tower}.encoder.layers.{layer}."
            if rest.startswith("attn.in_proj_"):
                for letter, part in zip("qkv", value.chunk(3)):
                    named[f"{prefix}self_attn.{letter}_proj.{rest.removeprefix('attn.in_proj_')}"] = part.clone()
                continue
            for ours, theirs in (("ln_1", "layer_norm1"), ("ln_2", "layer_norm2"), ("attn.", "self_attn."), ("c_fc", "fc1"), ("c_proj", "fc2")):
                rest = rest.replace(ours, theirs)
            named[prefix + rest] = value
            continue
        if bare in ("proj", "text_projection"):
            named["visual_projection.weight" if bare == "proj" else "text_projection.weight"] = value.T.contiguous()
            continue
        plain = {
            "conv1.weight": "embeddings.patch_embedding.weight",
            "class_embedding": "embeddings.class_embedding",
            "positional_embedding": "embeddings.position_embedding.weight",
            "token_embedding.weight": "embeddings.token_embedding.weight",
        }
        for ours, theirs in (("ln_pre", "pre_layrnorm"), ("ln_post", "post_layernorm"), ("ln_final", "final_layer_norm")):
            bare = bare.replace(ours, theirs)
        named["logit_scale" if name == "logit_scale" else f"{tower}.{plain.get(bare, bare)}"] = value
    return named


def archive(model, file):
    """A TorchScript archive, as OpenAI publishes: half precision, with three numbers beside the weights."""

    class Names(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    root = Names()
    for name, value in model.state_dict().items():
        *path, last = name.split(".")
        place = root
        for part in path:
            if part not in dict(place.named_children()):
                place.add_module(part, Names())
            place = getattr(place, part)
        place.register_buffer(last, value.half() if value.is_floating_point() else value)
    root.register_buffer("context_length", torch.tensor(77))
    torch.jit.save(torch.jit.trace(root, torch.zeros(1)), str(file))


# Transformers has no CLIP with a ResNet.
LAYOUTS = [("vit", "transformers"), *((kind, layout) for kind in ("vit", "resnet") for layout in ("state dict", "archive", "safetensors"))]


@pytest.mark.parametrize(("kind", "layout"), LAYOUTS)
def test_published_files_are_read(tmp_path, kind, layout):
    size = VIT if kind == "vit" else RESNET
    torch.manual_seed(1)
    theirs = Clip(size)
    weights = {name: value.contiguous() for name, value in theirs.state_dict().items()}
    file = tmp_path / {"state dict": "RN50.pt", "archive": "RN50-jit.pt"}.get(layout, "model.safetensors")
    if layout == "state dict":
        torch.save({"state_dict": {f"module.{name}": value for name, value in weights.items()}}, file)
    elif layout == "archive":
        archive(theirs, file)
    else:
        save_file(transformers_names(weights) if layout == "transformers" else weights, file)
    ours = Clip(size)
    take_weights(ours, file)
    near = 2e-3 if layout == "archive" else 0
    for name, value in ours.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            assert torch.allclose(value, weights[name], atol=near, rtol=near), name


def test_a_square_models_positions_are_resized(tmp_path):
    square = ClipSize("vit", 64, 64, 32, vision_width=64, vision_layers=2, text_width=64, text_layers=1, vocabulary=600)
    torch.manual_seed(1)
    theirs, ours = Clip(square), Clip(VIT)
    save_file(theirs.state_dict(), tmp_path / "square.safetensors")
    take_weights(ours, tmp_path / "square.safetensors")
    assert torch.equal(ours.visual.positional_embedding[0], theirs.visual.positional_embedding[0])
    ramp = torch.cat([torch.zeros(1, 1), torch.arange(4.0).repeat_interleave(4)[:, None]])
    assert resized_positions(ramp, (4, 2))[1:, 0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_files_that_do_not_fit_are_refused(tmp_path):
    model = Clip(VIT)
    state = {name: value.contiguous() for name, value in model.state_dict().items()}

    def refused(change, message):
        changed = dict(state)
        change(changed)
        file = tmp_path / "bad.safetensors"
        save_file(changed, file)
        with pytest.raises(DatasetError, match=message) as error:
            take_weights(Clip(VIT), file)
        assert str(file) in str(error.value) and "\n" not in str(error.value)

    refused(lambda s: s.pop("ln_final.weight"), "`ln_final.weight` is missing")
    refused(lambda s: s.update({"ln_final.weight": torch.zeros(3)}), r"has the shape \[3\]")
    refused(lambda s: s.update({"surplus": torch.zeros(3)}), "have no place")
    noise = tmp_path / "noise.pt"
    for content in (b"not weights", b""):
        noise.write_bytes(content)
        with pytest.raises(DatasetError, match="not CLIP weights"):
            read_weights(noise)
    with pytest.raises(DatasetError, match="not CLIP weights"):
        read_weights(tmp_path / "absent.safetensors")


def test_words_are_clips():
    # From the notebook of OpenAI's repository and the documentation of two other tokenizers.
    assert clip_ids(["Hi there"]).tolist() == [[49406, 1883, 997, 49407]]
    assert clip_ids(["", "How are you?"], 5).tolist() == [[49406, 49407, 0, 0, 0], [49406, 829, 631, 592, 49407]]
    assert clip_ids(["red " * 500]).shape == (1, 77)
    small = clip_ids(["a woman in a crimson anorak"], vocabulary=600)
    assert small[0, 0] == 598 and small[0, -1] == 599 and small.max() == 599


def test_a_thousand_texts_become_the_tokens_of_clips_own_code():
    golden = Path(__file__).parents[2] / "tests/golden"
    texts = [row["text"] for row in json.loads((golden / "tokens.json").read_text())]
    expected = json.loads((golden / "clip_tokens.json").read_text())
    assert len(texts) == len(expected) == 1000
    for text, ids in zip(texts, expected):
        assert clip_ids([text])[0].tolist() == ids, text


def test_what_follows_a_sentence_changes_nothing():
    clip = Clip(VIT).eval()
    ids = clip_ids(["a red coat", "a woman in a blue dress and a hat"], vocabulary=600)
    alone = clip.encode_text(ids[:1, : int((ids[0] == 599).nonzero()[0]) + 1])
    assert torch.allclose(clip.encode_text(ids)[:1], alone, atol=1e-5)
