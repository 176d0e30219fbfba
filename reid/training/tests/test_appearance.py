"""The appearance encoder: the shipped weights load by name, a short training lowers the loss, the export is near."""

import dataclasses

import numpy as np
import pytest
import torch

from conftest import CROPS
from sightline_training import appearance as A
from sightline_training import appearance_export, export
from sightline_training.dataset import DatasetError, Picture, read_any
from sightline_training.person_net import PersonNet, WeightsError, load_published
from sightline_training.training import train

SHIPPED = CROPS.parents[2] / "models/appearance/model.onnx"
SMALL = A.AppearanceSettings(height=64, width=32, identities=6, views=3, remembered=64, rate=2e-3, warm_up=2, steps=12, draw_back=0.0)


def test_the_network_has_the_size_that_it_should_have():
    net = PersonNet()
    assert sum(p.numel() for p in net.parameters()) == 595_968
    vectors = net.eval()(torch.rand(2, 3, 256, 128) * 255)
    assert vectors.shape == (2, 256) and torch.allclose(vectors.square().sum(1), torch.ones(2), atol=1e-5)
    assert net(torch.rand(2, 3, 128, 64) * 255).shape == (2, 256)


def test_the_shipped_file_and_the_network_made_from_it_agree():
    noise = np.random.default_rng(0).integers(0, 255, (2, 3, 256, 128)).astype(np.float32)
    with torch.no_grad():
        vectors = load_published(SHIPPED)(torch.from_numpy(noise)).numpy()
    assert np.abs(vectors - export.run(SHIPPED, "pictures", noise)).max() < 1e-4


def test_weights_of_another_network_are_refused(tmp_path):
    export.to_onnx(torch.nn.Linear(4, 2), torch.zeros(2, 4), tmp_path / "m.onnx", "x", {0: "N"})
    with pytest.raises(WeightsError, match="0267"):
        load_published(tmp_path / "m.onnx")


def test_batches_bring_look_alikes_together():
    pictures = [
        Picture(path=None, identity=f"p{person}", camera=view, looks_like="p1" if person == 5 else "")
        for person in range(12)
        for view in range(3)
    ]
    people = A.People(pictures, SMALL)
    for step in range(6):
        chosen, _ = people.batch(step)
        names = {picture.identity for picture in chosen}
        assert len(chosen) == 18 and len(names) == 6
        assert ("p1" in names) == ("p5" in names) or len(names) == 6
    assert [p.identity for p in people.batch(3)[0]] == [p.identity for p in people.batch(3)[0]]
    with pytest.raises(DatasetError, match="a batch needs 6"):
        A.People(pictures[:9], SMALL)


def test_losses_are_those_of_hand_made_vectors():
    apart = torch.eye(2)[[0, 0, 1, 1]]
    who = torch.tensor([0, 0, 1, 1])
    assert float(A.triplet_loss(apart, who, 0.25)) == 0
    assert float(A.triplet_loss(torch.eye(2)[[0, 1, 0, 1]], who, 0.25)) == pytest.approx(1.25)
    nobody = torch.zeros(0, 2), torch.zeros(0, dtype=torch.long)
    alone = float(A.views_loss(apart, who, *nobody, 0.1))
    assert alone < 0.01
    assert float(A.views_loss(apart, who, apart, torch.tensor([2, 2, 2, 2]), 0.1)) > alone + 0.5


def test_the_loss_falls_on_a_batch_that_comes_again_and_again(crops):
    settings = dataclasses.replace(SMALL, remembered=0, rate=1e-3, bf16=False)
    run = A.AppearanceRun(settings, read_any(crops), SHIPPED)
    losses = []
    for _ in range(10):
        run.step = 0
        losses.append(run.advance(0.0)["loss"])
    assert losses[-1] < 0.95 * losses[0], losses


def test_a_training_goes_on_where_it_stopped(crops, tmp_path):
    pictures = read_any(crops)
    first, second = (A.AppearanceRun(SMALL, pictures, None) for _ in range(2))
    for step in range(2):
        first.advance(step / 24)
    first.save(tmp_path / "last.pt")
    second.resume(tmp_path / "last.pt")
    for one in (first, second):
        one.advance(2 / 24)
    for one, other in zip(first.averaged().parameters(), second.averaged().parameters()):
        assert torch.allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("form", ["fp32", "fp16", "int8"])
def test_the_export_loads_has_its_shapes_and_is_near(crops, tmp_path, form):
    settings = dataclasses.replace(SMALL, steps=1, bf16=False)
    train(A.AppearanceRun(settings, read_any(crops), None), tmp_path / "run", None, 1e9)
    net = A.load_appearance(tmp_path / "run/last.pt", 0.5)
    parity = appearance_export.export_appearance(net, tmp_path, form, None, "a test", {"note": 1})
    assert form in parity
    for batch in (1, 3):
        pictures = np.full((batch, 3, 256, 128), 90, np.float32)
        assert export.run(tmp_path / "appearance/model.onnx", "pictures", pictures).shape == (batch, 256)
    assert "note = 1" in (tmp_path / "appearance/model.toml").read_text()


def test_the_shipped_model_tells_the_committed_crops_apart():
    pictures = read_any(CROPS)[:48]
    size = (A.HEIGHT, A.WIDTH)
    batch = np.stack([A.plain(A.read_rgb(picture.path), *size).numpy() for picture in pictures]) * A.CODES
    vectors = export.run(SHIPPED, "pictures", batch)
    names = sorted({picture.identity for picture in pictures})
    who = np.array([names.index(picture.identity) for picture in pictures])
    scores = A.image_scores(vectors, who, np.array([picture.camera for picture in pictures]))
    # By chance one in fifteen.
    assert scores["image_rank1"] > 0.5, scores
