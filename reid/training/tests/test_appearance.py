"""The appearance encoder: the shipped weights load by name, a short training lowers the loss, the export is near."""

import dataclasses
import json
import sys
import tomllib

import numpy as np
import pytest
import torch

from conftest import CROPS
from sightline_training import __main__ as command_line
from sightline_training import appearance as A
from sightline_training import appearance_export, export, metric
from sightline_training.augment import Augment
from sightline_training.course import train
from sightline_training.dataset import DatasetError, Picture, read_any
from sightline_training.person_net import PersonNet, WeightsError, load_published, with_metric

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


def test_mscsa_starts_as_the_identity_and_comes_back_from_its_export(tmp_path):
    picture = torch.rand(2, 3, 256, 128) * 255
    plain = load_published(SHIPPED)
    plain.metric = None
    run = A.AppearanceRun(dataclasses.replace(SMALL, mscsa=(1, 2, 3)), read_any(CROPS), SHIPPED)
    blocks = run.averaged()
    with torch.no_grad():
        assert torch.allclose(blocks(picture), plain(picture), atol=1e-5)
        for block in blocks.mscsa.values():
            for norm in (block.channel_norm, block.spatial_norm):
                norm.weight.fill_(0.3)
        changed = blocks(picture)
        assert not torch.allclose(changed, plain(picture), atol=1e-3)
        export.to_onnx(blocks, picture, tmp_path / "m.onnx", "pictures", {0: "N"}, keeps_names=True)
        again = load_published(tmp_path / "m.onnx")
        assert sorted(again.mscsa) == ["1", "2", "3"]
        assert torch.allclose(again(picture), changed, atol=1e-5)
    three = export.run(tmp_path / "m.onnx", "pictures", torch.rand(3, 3, 256, 128).numpy() * 255)
    assert three.shape == (3, 256)


def test_frozen_stages_end_before_what_trains():
    front = ("in_first", "conv1")
    of = lambda frozen, mscsa=(): dataclasses.replace(SMALL, frozen=frozen, mscsa=mscsa).frozen_stages  # noqa: E731
    assert of(front) == 0 and of(("conv2",)) == 0
    assert of((*front, "conv2", "conv3")) == 2
    assert of((*front, "conv2", "conv3"), (3,)) == 2
    assert of((*front, "conv2", "conv3"), (2,)) == 1
    with pytest.raises(DatasetError, match="in_first"):
        dataclasses.replace(SMALL, frozen=("conv1",), keeps_maps=True)


def test_kept_maps_are_made_once_and_trained_on(crops, monkeypatch, tmp_path):
    frozen = ("in_first", "conv1", "conv2", "conv3")
    settings = dataclasses.replace(SMALL, frozen=frozen, keeps_maps=True, variants=2, mscsa=(3,))
    pictures = read_any(crops)
    run = A.AppearanceRun(settings, pictures, SHIPPED)
    run.keep_maps(tmp_path / "maps.npy")
    assert run.kept.maps.shape == (len(pictures), 2, 192, 4, 2)
    assert not np.array_equal(run.kept.maps[:, 0], run.kept.maps[:, 1])
    before = run.net.conv4[0].conv1.conv.weight.detach().clone()
    run.advance(0.0)
    assert not torch.equal(run.net.conv4[0].conv1.conv.weight, before)
    assert all(torch.equal(run.start[name], value) for name, value in run.net.named_parameters() if name.startswith("conv3"))
    # A training that differs after the frozen stages alone finds them; one whose pictures are changed otherwise does not.
    monkeypatch.setattr(A.AppearanceRun, "fresh_maps", None)
    again = A.AppearanceRun(dataclasses.replace(settings, mscsa=(), rate=1e-3), pictures, SHIPPED)
    again.keep_maps(tmp_path / "maps.npy")
    assert np.array_equal(again.kept.maps, run.kept.maps)
    other = A.AppearanceRun(dataclasses.replace(settings, augment=Augment(gain=0.1)), pictures, SHIPPED)
    with pytest.raises(TypeError):
        other.keep_maps(tmp_path / "maps.npy")


def test_what_is_refused_leaves_kept_maps_as_they_are(crops, tmp_path, monkeypatch, capsys):
    def command(*words, **raw):
        file = tmp_path / "mine.json"
        file.write_text(json.dumps({"height": 64, "width": 32, "identities": 6, "views": 3, "keeps_maps": True, **raw}))
        told = ("--data", crops, "--published", SHIPPED, "--settings", file, "--steps", 1, "--out", tmp_path / "run")
        monkeypatch.setattr(sys, "argv", ["sightline_training", "appearance", *map(str, (*told, *words))])
        return command_line.main(), capsys.readouterr().err

    maps = tmp_path / "run/maps.npy"
    code, told = command("--held", tmp_path / "none")
    assert code == 1 and "none" in told and not maps.exists()
    assert command()[0] == 0
    before = maps.stat()
    for words, message in (((), "a training is there"), (("--resume",), "other settings")):
        code, told = command(*words, augment={"gain": 0.1})
        assert code == 1 and message in told
    assert (maps.stat().st_ino, maps.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_tgi_sees_the_picture_and_its_loss_falls(crops):
    losses = A.AppearanceLosses(views=0.0, triplet=0.0, text=1.0)
    settings = dataclasses.replace(SMALL, losses=losses, rate=3e-3, bf16=False, remembered=0)
    run = A.AppearanceRun(settings, read_any(crops), SHIPPED)
    assert run.texts.shape == (len(run.people.names), 384)
    values = []
    for _ in range(8):
        run.step = 0
        values.append(run.advance(0.0)["text"])
    assert values[-1] < 0.95 * values[0], values
    positions = torch.randn(2, 256, 4, 2)
    told = run.told.enter(run.texts[:3])
    with torch.no_grad():
        run.told.tgi.gamma.fill_(0.5)
        refined = run.told.tgi(told, positions)
    assert refined.shape == (2, 3, 256) and not torch.allclose(refined[0], refined[1], atol=1e-3)


def test_a_metric_turns_away_from_what_differs_within_people(tmp_path):
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(60), 6)
    # Four numbers say who it is, softly; the others loudly which camera it was.
    vectors = np.concatenate([0.4 * rng.normal(size=(60, 4))[who], rng.normal(size=(360, 12))], 1)
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    train, test = who < 40, who >= 40

    def score(rows):
        return A.image_scores(rows[test], who[test], np.tile(np.arange(6), 60)[test])["image_map"]

    settings = metric.MetricSettings(people=20, steps=60)
    start = metric.whitening(vectors[train], who[train], settings.shrinkage)
    matrix = metric.learn(vectors[train], who[train], settings)
    before, white, after = (score(metric.mapped(vectors, m)) for m in (np.eye(16), start, matrix))
    assert before < white < after, (before, white, after)
    assert np.array_equal(matrix, metric.learn(vectors[train], who[train], settings))
    np.save(tmp_path / "m.npy", matrix)
    with pytest.raises(DatasetError, match="256 x 256"):
        metric.read_metric(tmp_path / "m.npy")
    with pytest.raises(DatasetError, match="two people"):
        metric.learn(vectors, np.arange(360))


def test_a_metric_is_exported_and_comes_back(tmp_path):
    picture = torch.rand(2, 3, 256, 128) * 255
    matrix = np.random.default_rng(1).normal(size=(256, 256)) / 16
    np.save(tmp_path / "m.npy", matrix)
    plain = load_published(SHIPPED)
    net = with_metric(plain, metric.read_metric(tmp_path / "m.npy"))
    bare = PersonNet(after=tuple(int(name) for name in plain.mscsa))
    bare.load_state_dict({k: v for k, v in plain.state_dict().items() if k != "metric.weight"})
    with torch.no_grad():
        expected = metric.mapped(bare.eval()(picture).numpy(), matrix)
        assert np.abs(net(picture).numpy() - expected).max() < 1e-5
    appearance_export.export_appearance(net, tmp_path, "fp32", picture, "a test", {}, "MIT", "noise")
    with torch.no_grad():
        again = load_published(tmp_path / "appearance/model.onnx")(picture).numpy()
    assert np.abs(again - expected).max() < 1e-5


def test_a_metric_is_written_whole_with_its_log(crops, tmp_path, monkeypatch):
    words = ("metric", "--data", crops, "--held", crops, "--published", SHIPPED, "--steps", 25, "--out", tmp_path / "m.npy")
    monkeypatch.setattr(sys, "argv", ["sightline_training", *map(str, words)])
    assert command_line.main() == 0
    assert metric.read_metric(tmp_path / "m.npy").shape == (256, 256)
    assert sorted(path.name for path in (tmp_path / "m-log").iterdir()) == ["log.jsonl", "tensorboard", "training.png"]
    log = [json.loads(line) for line in (tmp_path / "m-log/log.jsonl").read_text().splitlines()]
    assert [(one["step"], "image_map" in one) for one in log] == [(0, True), (20, False), (25, False), (25, True)]
    assert {path.name for path in tmp_path.iterdir()} == {"m.npy", "m-log"}
    (tmp_path / "m.npy").write_bytes(b"noise")
    with pytest.raises(DatasetError, match="m.npy: not a NumPy file"):
        metric.read_metric(tmp_path / "m.npy")


def test_a_training_goes_on_with_the_map_of_the_file_or_leaves_it(crops, tmp_path):
    pictures, sample = read_any(crops), torch.rand(2, 3, 256, 128) * 255
    shipped = load_published(SHIPPED)
    run = A.AppearanceRun(dataclasses.replace(SMALL, keeps_metric=True, rate=1e-3), pictures, SHIPPED)
    with torch.no_grad():
        assert torch.allclose(run.averaged()(sample), shipped(sample), atol=1e-5)
    run.advance(0.0)
    run.save(tmp_path / "last.pt")
    none, whole = (A.load_appearance(tmp_path / "last.pt", share) for share in (0.0, 1.0))
    with torch.no_grad():
        assert torch.allclose(none(sample), shipped(sample), atol=1e-5)
    assert not torch.equal(whole.metric.weight, shipped.metric.weight)
    assert A.AppearanceRun(SMALL, pictures, SHIPPED).averaged().metric is None
    shipped.metric = None
    export.to_onnx(shipped, sample, tmp_path / "bare.onnx", "pictures", {0: "N"}, keeps_names=True)
    with pytest.raises(DatasetError, match="no learned map"):
        A.AppearanceRun(dataclasses.replace(SMALL, keeps_metric=True), pictures, tmp_path / "bare.onnx")


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
    together = 0
    for step in range(12):
        chosen, _ = people.batch(step)
        names = list(dict.fromkeys(picture.identity for picture in chosen))
        assert len(chosen) == 18 and len(names) == 6
        # The batch may be full after the first of the two.
        assert "p5" not in names or names[names.index("p5") - 1] == "p1"
        assert "p1" not in names or names[-1] == "p1" or names[names.index("p1") + 1] == "p5"
        together += "p5" in names
    assert together > 2
    assert [p.identity for p in people.batch(3)[0]] == [p.identity for p in people.batch(3)[0]]
    with pytest.raises(DatasetError, match="a batch needs 6"):
        A.People(pictures[:9], SMALL)


def test_losses_are_those_of_hand_made_vectors():
    apart = torch.eye(2)[[0, 0, 1, 1]]
    who = torch.tensor([0, 0, 1, 1])
    assert float(A.triplet_loss(apart, who, 0.25)) == 0
    assert float(A.triplet_loss(torch.eye(2)[[0, 1, 0, 1]], who, 0.25)) == pytest.approx(1.25)
    assert float(A.level_loss(apart, who)) == 0 and float(A.level_loss(torch.ones(4, 1), who)) == 1
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
    with pytest.raises(DatasetError, match="of other settings .rate, mscsa."):
        A.AppearanceRun(dataclasses.replace(SMALL, rate=1e-3, mscsa=(3,)), pictures, None).resume(tmp_path / "last.pt")


@pytest.mark.parametrize("form", ["fp32", "fp16", "int8"])
def test_the_export_loads_has_its_shapes_and_is_near(crops, tmp_path, form):
    settings = dataclasses.replace(SMALL, steps=1, bf16=False)
    train(A.AppearanceRun(settings, read_any(crops), None), tmp_path / "run", None, 1e9)
    assert {"log.jsonl", "tensorboard", "training.png"} < {path.name for path in (tmp_path / "run").iterdir()}
    net = A.load_appearance(tmp_path / "run/last.pt", 0.5)
    parity = appearance_export.export_appearance(net, tmp_path, form, None, "a test", {"note": 1}, "MIT", "a few crops")
    assert form in parity
    for batch in (1, 3):
        pictures = np.full((batch, 3, 256, 128), 90, np.float32)
        assert export.run(tmp_path / "appearance/model.onnx", "pictures", pictures).shape == (batch, 256)
    card = tomllib.loads((tmp_path / "appearance/model.toml").read_text())
    assert card["quality"]["note"] == 1 and card["quality"]["stored"].startswith("fp32" if form == "fp32" else "weights: ")
    assert card["licence"] == "MIT" and card["quality"]["data"] == "a few crops" and "synthetic" not in str(card)


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
