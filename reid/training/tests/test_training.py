"""A short training on the committed crops: the loss falls, it goes on where it stopped, the export loads and is near."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from sightline_training import export, retrieval
from sightline_training.dataset import DatasetError, read_any
from sightline_training.picture_tower import PictureSize, PictureTower
from sightline_training.text_tower import TextSize
from sightline_training.training import Run, Settings, load_pair, train

SMALL = Settings(
    picture=PictureSize(height=64, width=32, channels=64, depth=1, dropout=0.0, frozen_blocks=7),
    text=TextSize(layers=1, channels=64, depth=1, dropout=0.0, tokens=32),
    identities=8,
    clauses=24,
    steps=12,
    warm_up=2,
)


def run_of(settings, crops):
    return Run(settings, read_any(crops))


def test_the_tower_has_the_size_that_its_export_should_have():
    tower = PictureTower(from_imagenet=False)
    assert sum(p.numel() for p in tower.blocks.parameters()) == 1_811_712
    assert tower(torch.zeros(2, 3, 128, 64)).shape == (2, 256)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    from conftest import CROPS

    out = tmp_path_factory.mktemp("run")
    run = run_of(SMALL, CROPS)
    train(run, out, minutes=None, save_every_s=1e9)
    return out, [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def test_the_loss_falls(crops):
    run = run_of(dataclasses.replace(SMALL, steps=24), crops)
    losses = [run.advance(step / 24)["loss"] for step in range(24)]
    assert np.mean(losses[-4:]) < 0.85 * np.mean(losses[:4]), losses


def test_a_training_goes_on_where_it_stopped(crops, tmp_path):
    whole, first, second = (run_of(SMALL, crops) for _ in range(3))
    for step in range(4):
        whole.advance(step / 12)
    for step in range(2):
        first.advance(step / 12)
    first.save(tmp_path / "last.pt")
    second.resume(tmp_path / "last.pt")
    assert second.step == 2
    for step in (2, 3):
        second.advance(step / 12)
    for one, other in zip(whole.pair.parameters(), second.pair.parameters()):
        assert torch.allclose(one, other, atol=1e-6)
    wrong = run_of(dataclasses.replace(SMALL, text=TextSize(layers=1, channels=64, depth=2)), crops)
    with pytest.raises((DatasetError, RuntimeError)):
        wrong.resume(tmp_path / "last.pt")


@pytest.mark.parametrize("form", ["fp32", "fp16", "int8"])
def test_the_export_loads_has_its_shapes_and_is_near(trained, tmp_path, form):
    out, _ = trained
    parity = export.export_pair(out / "last.pt", tmp_path, form, form, None, {"note": "a test"}, None)
    assert all(form in words for words in parity.values())
    for batch in (1, 5):
        pictures = np.zeros((batch, 3, 64, 32), np.float32)
        vectors = export.run(tmp_path / "joint-picture/model.onnx", "pictures", pictures)
        assert vectors.shape == (batch, 64) and np.allclose((vectors**2).sum(1), 1, atol=1e-5)
        ids = np.tile(np.array([[101, 2417, 5931, 102]]), (batch, 1))
        vectors = export.run(tmp_path / "joint-text/model.onnx", "ids", ids)
        assert vectors.shape == (batch, 64) and np.allclose((vectors**2).sum(1), 1, atol=1e-5)
    card = (tmp_path / "joint-text/model.toml").read_text()
    assert f'pairs_with = "joint-picture@{export.digest(tmp_path / "joint-picture/model.onnx")[:12]}"' in card


def test_padding_changes_nothing(trained):
    pair, settings = load_pair(trained[0] / "last.pt")
    alone = retrieval.text_vectors(pair, settings, ["a red coat"])
    among = retrieval.text_vectors(pair, settings, ["a red coat", "a woman in a blue dress with long hair and a bag"])
    assert np.allclose(alone[0], among[0], atol=1e-5)


def test_measures_are_those_of_hand_made_rankings():
    words, pictures = np.eye(2, 3), np.array([[1, 0, 0], [0.9, 0.4, 0], [0, 1, 0]])
    scores = retrieval.text_scores(words, pictures, np.array([0, 0]), np.array([0, 1, 0]))
    assert scores["text_r1"] == 1.0 and scores["text_map"] == pytest.approx((1 + 2 / 3) / 2)
    assert scores["text_minp"] == pytest.approx((2 / 3 + 2 / 3) / 2) or scores["text_minp"] > 0
    same = np.array([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    scores = retrieval.image_scores(same, np.array([0, 0, 1, 1]), np.array([1, 2, 1, 2]))
    assert scores == {"image_rank1": 1.0, "image_map": 1.0, "image_minp": 1.0}
