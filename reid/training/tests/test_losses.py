import pytest
import torch

from sightline_training import losses as L


def test_every_picture_of_the_person_shares_the_target():
    target = L.shares(torch.tensor([7, 8]), torch.tensor([7, 7, 8]))
    assert target.tolist() == [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]


def test_right_pairs_cost_less_than_wrong_ones():
    near, far = torch.eye(3), torch.eye(3).roll(1, 0)
    target = torch.eye(3)
    for loss in (lambda s: L.contrast(s * 20, target, target, 0.0), lambda s: L.sdm(s, target, target), lambda s: L.minp(s, target)):
        assert loss(near) < 0.1 < loss(far)


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
