"""MSCSA and TGI: sizes and cost as published, exact forms, the identity at the start."""

import pytest
import torch

from sightline_training.clip import Clip, ClipSize
from sightline_training.clip_words import clip_ids
from sightline_training.mscsa import Mscsa, MscsaResNet, MscsaSettings, Tgi, mscsa_macs
from sightline_training.mscsa_cost import VARIANTS, counted_macs, settings_of
from sightline_training.mscsa_system import BEFORE, OWN_WORDS, SENTENCE, Prompts, hard_triplet

FULL = ClipSize()


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_blocks_and_encoder_have_the_published_sizes():
    with torch.device("meta"):
        visual = MscsaResNet(FULL)
    assert [parameters(block) for block in visual.mscsa.values()] == [63_264, 594_048, 2_367_744]
    assert round(parameters(visual) / 1e6, 2) == 41.50


def test_the_cost_is_the_published_one():
    gmacs = {name: round(counted_macs(FULL, settings_of(*rest)) / 1e9, 2) for name, *rest in VARIANTS}
    assert gmacs["without"] == 5.75 and gmacs["softmax, naive"] == 7.81
    with_blocks = {(norm, form): mscsa_macs(FULL, MscsaSettings(norm=norm, form=form)) / 1e9 for _, after, norm, form in VARIANTS if after}
    assert round(with_blocks["softmax", "naive"], 2) == 2.06 and round(with_blocks["mean", "associated"], 2) == 1.17
    for name, after, norm, form in VARIANTS:
        if after:
            assert gmacs[name] == pytest.approx(gmacs["without"] + with_blocks[norm, form], abs=0.01)


def test_a_fourth_block_is_a_switch_whose_cost_is_known():
    whole, plain = (counted_macs(FULL, settings_of(after, "softmax", "naive")) for after in ((1, 2, 3, 4), (1, 2, 3)))
    own = mscsa_macs(FULL, MscsaSettings(after=(4,), form="naive"))
    assert own > 0 and whole - plain == pytest.approx(own, rel=1e-3)
    with pytest.raises(ValueError, match="expected stages of 1, 2, 3, 4"):
        MscsaSettings(after=(5,))


def stirred(block):
    """A block as after some training: nothing is zero any more."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, value in block.state_dict().items():
            if value.is_floating_point():
                low, spread = (0.5, 1.0) if name.endswith("running_var") else (-0.3, 0.6)
                value.copy_(torch.rand(value.shape, generator=generator) * spread + low)
    return block.eval()


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("norm", ["softmax", "mean"])
def test_the_associated_form_equals_the_naive_one(norm, stride):
    naive = stirred(Mscsa(8, 16, stride, MscsaSettings(norm=norm, form="naive"))).double()
    fast = Mscsa(8, 16, stride, MscsaSettings(norm=norm)).double().eval()
    fast.load_state_dict(naive.state_dict())
    low = torch.randn(2, 8, 12, 6, dtype=torch.double)
    high = torch.randn(2, 16, 12 // stride, 6 // stride, dtype=torch.double)
    expected = naive(low, high)
    assert not torch.allclose(expected, high)
    assert torch.allclose(fast(low, high), expected, atol=1e-10)
    fast.fold(12 * 6)
    assert torch.allclose(fast(low, high), expected, atol=1e-10)


def test_no_matrix_of_positions_is_made(monkeypatch):
    sizes = []
    real = torch.Tensor.__matmul__
    monkeypatch.setattr(torch.Tensor, "__matmul__", lambda a, b: sizes.append((out := real(a, b)).shape) or out)
    block = Mscsa(8, 16, 1, MscsaSettings(norm="mean")).eval()
    block(torch.randn(1, 8, 16, 8), torch.randn(1, 16, 16, 8))
    assert len(sizes) == 4 and all(shape[1:] != (128, 128) for shape in sizes)


@pytest.mark.parametrize("norm", ["softmax", "mean"])
def test_a_new_block_is_the_identity_and_learns(norm):
    block = Mscsa(8, 16, 2, MscsaSettings(norm=norm)).train()
    low, high = torch.randn(2, 8, 8, 4), torch.randn(2, 16, 4, 2)
    out = block(low, high)
    assert torch.equal(out, high)
    (out * torch.randn(out.shape)).sum().backward()
    assert block.channel_norm.weight.grad.abs().sum() > 0 and block.spatial_norm.weight.grad.abs().sum() > 0


def test_parts_are_switches():
    small = ClipSize(height=64, width=32, embed=32, stages=(1, 1, 1, 1), channels=8)
    whole = parameters(MscsaResNet(small))
    for settings in (MscsaSettings(after=()), MscsaSettings(after=(1, 2)), MscsaSettings(channel=False), MscsaSettings(spatial=False)):
        visual = MscsaResNet(small, settings).eval()
        assert parameters(visual) < whole
        third, last, pooled = visual(torch.zeros(2, 3, 64, 32))
        assert third.shape == (2, 128, 4, 2) and last.shape == (2, 256, 4, 2) and pooled.shape == (2, 32)
    with pytest.raises(ValueError, match="norm is `max`"):
        MscsaSettings(norm="max")


def test_tgi_begins_with_the_texts_and_sees_the_picture():
    tgi = Tgi(16, 8, MscsaSettings(tgi_width=8, tgi_heads=2)).eval()
    texts, maps = torch.randn(3, 8), torch.randn(2, 16, 4, 2)
    refined = tgi(texts, maps)
    assert refined.shape == (2, 3, 8)
    assert torch.allclose(refined, texts.expand(2, -1, -1), atol=1e-2) and not torch.equal(refined[0], refined[1])


def test_the_own_words_stand_in_the_sentence():
    clip = Clip(ClipSize(height=64, width=32, embed=32, stages=(1, 1, 1, 1), channels=8, text_width=64, text_layers=1))
    ids = clip_ids([SENTENCE])[0].tolist()
    assert ids[BEFORE : BEFORE + OWN_WORDS] == [343] * 4 and ids[BEFORE + OWN_WORDS] == 2533
    prompts = Prompts(5, 64)
    with torch.no_grad():
        prompts.words[2] = clip.token_embedding(torch.tensor([343] * 4))
    who = torch.tensor([2, 0])
    assert torch.allclose(prompts(clip, who)[0], clip.encode_text(clip_ids([SENTENCE]))[0], atol=1e-5)


def test_the_hardest_pair_counts():
    vectors = torch.tensor([[0.0], [1.0], [3.0], [3.5]])
    who = torch.tensor([0, 0, 1, 1])
    # Anchors: fellow 1, 1, .5, .5; stranger 3, 2, 2, 2.5.
    assert hard_triplet(vectors, who, 2.0) == pytest.approx((0 + 1 + 0.5 + 0) / 4, abs=1e-5)
    assert torch.isfinite(hard_triplet(vectors, torch.tensor([0, 0, 0, 0])))
