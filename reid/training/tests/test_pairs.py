"""Propot's and VPM-Net's parts: sizes as published, and what each part is by hand."""

import math

import pytest
import torch
from torch.nn import functional

from sightline_training.clip import Clip, ClipSize
from sightline_training.clip_words import clip_ids
from sightline_training.propot import MaskedWords, PropotSettings, Prototypes, masked, p2i
from sightline_training.system import build, published, settings_from
from sightline_training.vpm import Kan, KanLayer, VpmSettings, prompt_parameters


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_propot_has_the_published_sizes():
    with torch.device("meta"):
        system = build(published("propot"), 11_003)
    inference = parameters(system.clip) + parameters(system.classifier)
    assert parameters(system.clip) == 149_617_665 and inference == 155_262_204
    assert round(parameters(system) / 1e6, 2) == 245.91


@pytest.mark.parametrize(("place", "count"), [("tail", 76_800), ("portion", 921_600)])
def test_prompts_have_the_published_sizes(place, count):
    assert prompt_parameters(VpmSettings(prompts=place), 768, 12).numel() == count
    assert prompt_parameters(VpmSettings(prompts="none", prompt_tokens=8), 768, 12) is None
    with pytest.raises(ValueError, match="prompts in 8 layers, the picture side has 6"):
        prompt_parameters(VpmSettings(), 64, 6)


def small_vit():
    return Clip(ClipSize("vit", 64, 32, 32, vision_width=64, vision_layers=3, text_width=64, text_layers=1, vocabulary=700)).eval()


def test_prompts_are_replaced_at_each_of_the_last_layers():
    visual = small_vit().visual
    pictures, prompts = torch.randn(2, 3, 64, 32), torch.randn(2, 5, 64)
    lengths = []
    for block in visual.transformer.resblocks:
        block.register_forward_pre_hook(lambda block, given: lengths.append(given[0].clone()))
    out = visual(pictures, prompts)
    assert out.shape == (2, 32) and visual.tokens(pictures, prompts).shape == (2, 9, 32)
    assert [x.shape[1] for x in lengths[:3]] == [9, 14, 14]
    for seen, own in zip(lengths[1:3], prompts):
        assert torch.equal(seen[0, 1:6], own) and torch.equal(seen[1, 1:6], own)
    assert not torch.allclose(out, visual(pictures))


def test_splines_are_a_partition_and_smooth():
    layer = KanLayer(1, 1)
    x = torch.linspace(-0.999, 0.999, 101)[:, None]
    bases = layer.splines(x)[:, 0]
    assert bases.shape == (101, 8) and (bases >= 0).all()
    assert torch.allclose(bases.sum(1), torch.ones(101), atol=1e-5)
    # A cubic B-spline at its middle knot is 2/3, its neighbours 1/6.
    at_knot = layer.splines(torch.tensor([[-0.2]]))[0, 0]
    assert sorted(at_knot.tolist())[-3:] == pytest.approx([1 / 6, 1 / 6, 2 / 3], abs=1e-5)


def test_a_kan_is_what_its_equation_says():
    layer = KanLayer(3, 2)
    x = torch.rand(4, 3) * 2 - 1
    bases = layer.splines(x)
    expected = torch.zeros(4, 2)
    for row in range(4):
        for out in range(2):
            for edge in range(3):
                silu = x[row, edge] / (1 + math.exp(-x[row, edge]))
                expected[row, out] += layer.base.weight[out, edge] * silu + (layer.curves[out, edge] * bases[row, edge]).sum()
    assert torch.allclose(layer(x), expected, atol=1e-5)


def test_a_new_kan_keeps_what_lies_on_its_grid():
    x = (torch.rand(16, 64) * 2 - 1) * 0.99
    kan = Kan(64, VpmSettings())
    assert functional.cosine_similarity(kan(x), x).min() > 0.95
    far = torch.full((1, 64), 2.2)
    assert torch.equal(kan(far), kan.layers[0].base(functional.silu(far))) and kan(far).norm() < 0.2 * far.norm()
    assert Kan(64, VpmSettings(kan_hidden=(32,)))(x).shape == (16, 64)
    whole = parameters(Kan(512, VpmSettings()))
    assert whole == 512 * 512 * (1 + 5 + 3)


def test_prototypes_are_sums_and_every_part_is_a_switch():
    features = torch.tensor([[2.0, 0.0], [0.0, 5.0], [0.0, 1.0]])
    who = torch.tensor([0, 0, 1])
    bare = Prototypes(2, 2, PropotSettings(dpp=False, ipp=False))
    bare.take(features, features.flip(1), who)
    assert torch.allclose(bare.initial[0], torch.tensor([[0.5**0.5, 0.5**0.5], [0.0, 1.0]]))
    assert torch.equal(bare(torch.tensor([1]), features, features)[0], bare.initial[0, [1]])
    assert parameters(bare) == 0
    sizes = {parameters(Prototypes(3, 64, PropotSettings(**kept))) for kept in ({}, {"dpp": False}, {"ipp": False}, {"dpp": False, "ipp": False})}
    assert len(sizes) == 4


def test_aggregation_weighs_by_likeness():
    prototypes = Prototypes(2, 64, PropotSettings())
    prototypes.take(torch.randn(6, 64), torch.randn(6, 64), torch.tensor([0, 0, 0, 1, 1, 1]))
    pictures, sentences = torch.randn(4, 64), torch.randn(4, 64)
    who = torch.tensor([1, 0])
    start = prototypes.initial[0, who]
    found = [prototypes.domain(torch.cat([prototypes.prompts[0, who], start[:, None]], 1))[:, -1]]
    for memory in (pictures, sentences):
        x = start[:, None]
        for block in prototypes.instance:
            x = block(x, memory.expand(2, -1, -1))
        found.append(x[:, 0])
    every = torch.stack(found, 1)
    weights = torch.softmax(torch.einsum("kd,kpd->kp", start, every), 1)
    expected = start + torch.einsum("kp,kpd->kd", weights, every)
    assert torch.allclose(prototypes(who, pictures, sentences)[0], expected, atol=1e-5)


def test_p2i_is_the_logarithm_of_a_softmax():
    prototypes, instances = torch.eye(2), torch.eye(2)
    own = torch.tensor([4, 7])
    loss = p2i([prototypes], [instances], own, own, 0.5)
    assert loss == pytest.approx(-math.log(math.exp(2) / (math.exp(2) + 1)), abs=1e-5)
    assert p2i([prototypes.flip(0)], [instances], own, own, 0.5) > loss


def test_words_are_masked_as_bert_does():
    torch.manual_seed(0)
    ids = clip_ids(["a woman in a red coat with a backpack and a blue hat"] * 2000, vocabulary=700)
    hidden, wanted = masked(ids, 700)
    is_word = (ids > 0) & (ids < 698)
    asked = wanted >= 0
    assert not (asked & ~is_word).any() and torch.equal(wanted[asked], ids[asked])
    share = lambda part, whole: float(part.sum() / whole.sum())  # noqa: E731
    assert share(asked, is_word) == pytest.approx(0.15, abs=0.01)
    assert share(asked & (hidden == 697), asked) == pytest.approx(0.8, abs=0.02)
    assert share(asked & (hidden == ids), asked) == pytest.approx(0.1, abs=0.02)
    assert torch.equal(hidden[~asked], ids[~asked])


def test_masked_words_read_the_picture():
    clip = small_vit()
    words = MaskedWords(clip.size, PropotSettings(mlm_layers=1))
    tokens, picture = torch.randn(2, 6, 32), torch.randn(2, 9, 32, requires_grad=True)
    wanted = torch.full((2, 6), -1)
    assert words(tokens, picture, wanted) == 0
    wanted[0, 2] = 5
    words(tokens, picture, wanted).backward()
    assert picture.grad[0].abs().sum() > 0 and picture.grad[1].abs().sum() == 0


def test_a_whole_without_losses_is_refused(crops):
    from sightline_training.dataset import read_any
    from sightline_training.runner import Run

    off = {"sdm": 0.0, "identity": 0.0, "p2i": 0.0, "mlm": 0.0}
    clip = {"height": 32, "width": 16, "embed": 64, "vision_width": 64, "vision_layers": 1, "text_width": 64, "text_layers": 1, "vocabulary": 700}
    run = Run(settings_from({"system": "propot", "clip": clip, "propot": off}), read_any(crops), steps=1)
    with pytest.raises(ValueError, match="every loss is off"):
        run.advance()
