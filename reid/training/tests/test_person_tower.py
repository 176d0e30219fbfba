"""The picture side that begins from 0267: its stages stay as published, its loss falls, its export is near."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from sightline_training import export
from sightline_training.dataset import DatasetError, read_any
from sightline_training.person_net import load_published
from sightline_training.person_tower import PersonTower
from sightline_training.picture_tower import MEAN, STD, PictureSize
from sightline_training.training import Run, load_pair
from test_training import SMALL

PUBLISHED = Path(__file__).parents[3] / "models/appearance/model.onnx"
SIZE = PictureSize(height=64, width=32, channels=64, depth=1, dropout=0.0, frozen_blocks=2, backbone="person")
PERSON = dataclasses.replace(SMALL, picture=SIZE)


def test_the_maps_are_those_of_the_published_stages_and_the_colours_of_the_picture():
    tower, net = PersonTower(SIZE, PUBLISHED).eval(), load_published(PUBLISHED)
    codes = torch.rand(2, 3, 64, 32, generator=torch.Generator().manual_seed(0)) * 255
    pictures = (codes / 255 - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)
    maps = tower.before(pictures)
    assert maps.shape == (2, 192 + 48, 4, 2)
    with torch.no_grad():
        assert torch.allclose(maps[:, :192], net.before(codes, 2), atol=1e-3)
    assert torch.allclose(maps[:, 192:].reshape(2, 3, 16, 4, 2).mean((2, 3, 4)), pictures.mean((2, 3)), atol=1e-5)
    # A place's colours are its own.
    assert torch.allclose(maps[0, 192:, 1, 0].reshape(3, 16).mean(1), pictures[0, :, 16:32, :16].mean((1, 2)), atol=1e-5)


def test_the_loss_falls_the_stages_stay_and_the_export_is_near(crops, tmp_path):
    run = Run(dataclasses.replace(PERSON, steps=24), read_any(crops), PUBLISHED)
    before = {name: value.clone() for name, value in run.pair.picture.state_dict().items()}
    losses = [run.advance(step / 24)["loss"] for step in range(24)]
    assert np.mean(losses[-4:]) < 0.9 * np.mean(losses[:4]), losses
    after = run.pair.picture.state_dict()
    same = {name.split(".")[0] for name in before if torch.equal(before[name], after[name])}
    assert "lower" in same and not [name for name in before if name.startswith("lower.") and not torch.equal(before[name], after[name])]
    assert not torch.equal(before["upper.0.conv1.conv.weight"], after["upper.0.conv1.conv.weight"])
    run.save(tmp_path / "last.pt")
    pair, settings = load_pair(tmp_path / "last.pt")
    assert torch.equal(pair.picture.upper[0].conv1.conv.weight, after["upper.0.conv1.conv.weight"])
    told = export.export_pair(tmp_path / "last.pt", tmp_path / "models", "fp16", "int8", None, {}, {}, "Apache-2.0", "a test")
    assert "fp32" in told["joint-picture"]
    assert "0267" in (tmp_path / "models/joint-picture/model.toml").read_text()


def test_weights_that_lack_or_are_too_many_are_refused(crops):
    with pytest.raises(DatasetError, match="--published FILE"):
        Run(PERSON, read_any(crops))
    with pytest.raises(DatasetError, match="picture.backbone is `imagenet`"):
        Run(SMALL, read_any(crops), PUBLISHED)
    with pytest.raises(ValueError, match="2 stages stay"):
        dataclasses.replace(SIZE, frozen_blocks=7)
    with pytest.raises(ValueError, match="picture.backbone is `resnet`"):
        dataclasses.replace(SIZE, backbone="resnet")
