import math

import pytest
import torch

from sightline_training import losses as L
from sightline_training.mscsa import Mscsa, MscsaSettings
from sightline_training.mscsa_system import hard_triplet
from sightline_training.propot import p2i


def test_every_picture_of_the_person_shares_the_target():
    target = L.shares(torch.tensor([7, 8]), torch.tensor([7, 7, 8]))
    assert target.tolist() == [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]


def test_right_pairs_cost_less_than_wrong_ones():
    near, far = torch.eye(3), torch.eye(3).roll(1, 0)
    target = torch.eye(3)
    for loss in (lambda s: L.contrast(s * 20, target, target, 0.0), lambda s: L.sdm(s, target, target)):
        assert loss(near) < 0.1 < loss(far)


def test_minp_is_its_equation():
    same = torch.eye(2, dtype=torch.bool)
    near, far = torch.eye(2), torch.eye(2).flip(0)
    assert L.minp(near, near, same, shortness=1e-4) == pytest.approx(2e-4, abs=1e-6)
    assert L.minp(3 * near, near, same, shortness=1e-4) == pytest.approx(1e-3, abs=1e-6)
    # S = 0.5: alpha (1 - .5)^beta log 2.
    half, one = torch.tensor([[0.5, 0.75**0.5]]), torch.ones(1, 1, dtype=torch.bool)
    assert L.minp(half, near[:1], one) == pytest.approx(0.25 * math.log(2), abs=1e-5)
    assert L.minp(half, near[:1], one, 3.0, 1.0) == pytest.approx(1.5 * math.log(2), abs=1e-5)
    # At zero and below S is 0.0001, and it still pulls.
    away = torch.tensor([[-0.5, 0.5]], requires_grad=True)
    L.minp(away, near[:1], one).backward()
    assert away.grad[0, 0] < 0
    for lost in (L.minp(away.detach(), near[:1], one), L.minp(far, near, same)):
        assert lost == pytest.approx(0.9999**2 * math.log(1e4), abs=1e-4)


@pytest.mark.parametrize(
    "loss",
    [
        lambda x, y, who: L.sdm(L.cosines(x, y), L.shares(who, who), L.shares(who, who)),
        lambda x, y, who: L.minp(x, y, who[:, None] == who[None, :]),
        lambda x, y, who: p2i([x], [y], who, who, 0.02),
        # Vectors far from nothing and near each other: a difference of large products.
        lambda x, y, who: hard_triplet(33 * x[:1] + 0.01 * y, who),
        lambda x, y, who: Mscsa(8, 16, 1, MscsaSettings(tgi=False)).weights(x[None], y.T[None]),
    ],
    ids=["sdm", "minp", "p2i", "triplet", "softmax"],
)
def test_mixed_precision_does_not_round_a_loss(loss):
    chance = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 8, 2048, generator=chance)
    x = x / x.norm(dim=1, keepdim=True)
    who = torch.arange(8) // 2
    expected = loss(x, y, who)
    with torch.autocast("cpu", torch.bfloat16):
        found = loss(x, y, who)
    assert found.dtype == torch.float32 and torch.allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_sdm_is_zero_where_similarities_are_as_identities_are():
    target = L.shares(torch.tensor([1, 2]), torch.tensor([1, 1, 2, 2]))
    assert L.sdm(target, target, L.shares(torch.tensor([1, 1, 2, 2]), torch.tensor([1, 2]))) == pytest.approx(0, abs=1e-4)


def test_what_cannot_be_told_costs_nothing():
    logits = torch.tensor([[5.0, 5.0, -5.0]])
    untold = L.clause(logits, torch.tensor([[1.0, -1.0, 0.0]]))
    assert untold < 0.05
    assert L.clause(logits, torch.tensor([[1.0, 0.0, 0.0]])) > 1


def test_a_picture_is_not_compared_with_itself():
    vectors = torch.nn.functional.normalize(torch.randn(6, 4, generator=torch.Generator().manual_seed(0)), dim=1)
    who = torch.tensor([0, 0, 1, 1, 2, 3])
    assert torch.isfinite(L.views(vectors, who, 0.1))
    same = torch.eye(3).repeat_interleave(2, 0)
    assert L.views(same, torch.tensor([0, 0, 1, 1, 2, 2]), 0.1) < 0.01
