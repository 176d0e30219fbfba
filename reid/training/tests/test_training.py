"""A short training on the committed crops: the loss falls, it goes on where it stopped, the export loads and is near."""

import dataclasses
import json
import sys
import tomllib

import numpy as np
import onnx
import pytest
import torch

from sightline_training import __main__ as command_line
from sightline_training import export, parity, retrieval
from sightline_training.course import train
from sightline_training.dataset import DatasetError, read_any
from sightline_training.picture_tower import PictureSize, PictureTower
from sightline_training.text_tower import TextSize
from sightline_training.training import Run, Settings, load_pair

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
    with pytest.raises(DatasetError, match="of other settings .text."):
        wrong.resume(tmp_path / "last.pt")
    with pytest.raises(DatasetError, match="of other settings .steps, seed."):
        run_of(dataclasses.replace(SMALL, seed=1, steps=13), crops).resume(tmp_path / "last.pt")


def test_a_training_leaves_its_logs(trained):
    out, log = trained
    assert log[-1]["step"] == 12 and {"loss", "contrast", "pictures_per_second"} <= set(log[-1])
    assert (out / "training.png").read_bytes().startswith(b"\x89PNG")
    assert list((out / "tensorboard").glob("events.out.tfevents.*"))


def test_every_loss_is_a_switch(crops):
    weights = dataclasses.replace(SMALL.losses, sdm=1.0, identity=1.0, minp=1.0)
    run = run_of(dataclasses.replace(SMALL, losses=weights), crops)
    assert np.isfinite(list(run.advance(0.0).values())).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda pair: pair.pop("text.enter.weight"), "missing: text.enter.weight"),
        (lambda pair: pair.update(surplus=torch.zeros(1)), "unknown: surplus"),
        (lambda pair: pair.update({"text.norm.bias": torch.zeros(3)}), "of another shape: text.norm.bias"),
    ],
)
def test_weights_out_of_place_are_named(trained, tmp_path, change, message):
    state = torch.load(trained[0] / "last.pt", weights_only=True)
    change(state["pair"])
    torch.save(state, tmp_path / "bad.pt")
    with pytest.raises(DatasetError, match=f"bad.pt: .*{message}"):
        load_pair(tmp_path / "bad.pt")
    with pytest.raises(DatasetError, match="log.jsonl: not a checkpoint"):
        load_pair(trained[0] / "log.jsonl")


def exported(out, folder, form="fp32", tables=None, quality={"note": "a test"}):
    return export.export_pair(out / "last.pt", folder, form, form, None, quality, tables or {}, "MIT", "a few crops")


@pytest.mark.parametrize("form", ["fp32", "fp16", "int8"])
def test_the_export_loads_has_its_shapes_and_is_near(trained, tmp_path, form):
    out, _ = trained
    parity = exported(out, tmp_path, form)
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


@pytest.mark.parametrize("form", ["fp16", "int8"])
def test_a_card_says_which_share_is_stored_how(trained, tmp_path, form):
    exported(trained[0], tmp_path, form)
    kinds = {onnx.TensorProto.INT8: "int8", onnx.TensorProto.FLOAT16: "fp16", onnx.TensorProto.FLOAT: "fp32"}
    for side in ("joint-picture", "joint-text"):
        sizes = {"int8": 0, "fp16": 0, "fp32": 0}
        for weight in onnx.load(str(tmp_path / side / "model.onnx")).graph.initializer:
            # Scales are no weights.
            if weight.data_type in kinds and not weight.name.endswith("_scale"):
                sizes[kinds[weight.data_type]] += int(np.prod(weight.dims))
        stored = tomllib.loads((tmp_path / side / "model.toml").read_text())["quality"]["stored"]
        shares = ", ".join(f"{size / sum(sizes.values()):.1%} {name}" for name, size in sizes.items() if size)
        assert stored.startswith(f"weights: {shares};") and ("not calibrated" in stored) == (sizes["int8"] > 0)
        # A picture's side is filters for the most part.
        assert sizes["fp16"] > sizes["int8"] or side == "joint-text" and form == "int8"


def test_a_card_says_what_its_maker_said(trained, tmp_path):
    exported(trained[0], tmp_path)
    for side in ("joint-picture", "joint-text"):
        card = tomllib.loads((tmp_path / side / "model.toml").read_text())
        assert card["licence"] == "MIT" and card["quality"]["data"] == "a few crops" and "synthetic" not in str(card)


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_export_that_differs_changes_nothing(trained, tmp_path, monkeypatch):
    exported(trained[0], tmp_path)
    (tmp_path / "joint-text/NOTICE").write_text("kept")
    before = tree(tmp_path)
    real = export.export_text
    # The picture side is there and near enough when the text side fails.
    monkeypatch.setattr(export, "export_text", lambda *given: monkeypatch.setattr(parity, "GREATEST_DIFFERENCE", -1.0) or real(*given))
    with pytest.raises(parity.ExportError, match="differs from PyTorch"):
        exported(trained[0], tmp_path, quality={"note": "another"})
    assert tree(tmp_path) == before
    monkeypatch.undo()
    exported(trained[0], tmp_path, quality={"note": "another"})
    after = tree(tmp_path)
    assert after.keys() == before.keys() and {name for name in after if after[name] != before[name]} == {"joint-picture/model.toml", "joint-text/model.toml"}


def test_tables_of_a_card_come_from_files_and_are_missed_aloud(trained, tmp_path, monkeypatch, capsys):
    table = {"similarity": [0.1, 0.2], "probability": [0.3, 0.4]}
    (tmp_path / "clauses.json").write_text(json.dumps(table))

    given = ("export", "--checkpoint", trained[0] / "last.pt", "--out", tmp_path)

    def command(*words, said=("--licence", "MIT", "--trained-on", "a few crops")):
        monkeypatch.setattr(sys, "argv", ["sightline_training", *map(str, (*given, *said, *words))])
        code = command_line.main()
        return code, capsys.readouterr().err

    with pytest.raises(SystemExit):
        command(said=())
    assert "--licence, --trained-on" in capsys.readouterr().err
    assert command("--clauses", tmp_path / "clauses.json") == (0, "")
    card = tmp_path / "joint-text/model.toml"
    assert tomllib.loads(card.read_text())["clauses"] == table
    code, told = command()
    assert code == 0 and "give --clauses" in told and "clauses" not in tomllib.loads(card.read_text())
    monkeypatch.setattr(parity, "GREATEST_DIFFERENCE", -1.0)
    code, told = command()
    assert code == 1 and told.startswith("error: fp32 differs") and told.count("\n") == 1


def test_padding_changes_nothing(trained):
    pair, settings = load_pair(trained[0] / "last.pt")
    alone = retrieval.text_vectors(pair, settings, ["a red coat"])
    among = retrieval.text_vectors(pair, settings, ["a red coat", "a woman in a blue dress with long hair and a bag"])
    assert np.allclose(alone[0], among[0], atol=1e-5)


def test_measures_are_those_of_hand_made_rankings():
    words, pictures = np.eye(2, 3), np.array([[1, 0, 0], [0.9, 0.4, 0], [0, 1, 0]])
    scores = retrieval.text_scores(words, pictures, np.array([0, 0]), np.array([0, 1, 0]))
    assert scores["text_r1"] == 1.0 and scores["text_map"] == pytest.approx((1 + 2 / 3) / 2)
    assert scores["text_minp"] == pytest.approx(2 / 3)
    same = np.array([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    scores = retrieval.image_scores(same, np.array([0, 0, 1, 1]), np.array([1, 2, 1, 2]))
    assert scores == {"image_rank1": 1.0, "image_map": 1.0, "image_minp": 1.0}


def test_kept_maps_are_those_that_a_batch_would_make_and_a_training_learns_from_them(crops, tmp_path):
    settings = dataclasses.replace(SMALL, keeps_maps=True, variants=2, steps=24)
    run = run_of(settings, crops)
    run.keep_maps(tmp_path / "maps.npy")
    paths = sorted(picture.path for own in run.sampler.by_identity.values() for picture in own)[:8]
    made = run.fresh_maps(paths, np.random.default_rng([settings.seed, 1, 0]))
    assert np.array_equal(run.kept.maps[:8, 1], made.float().numpy().astype(np.float16))
    losses = [run.advance(step / 24)["loss"] for step in range(24)]
    assert np.mean(losses[-4:]) < 0.9 * np.mean(losses[:4]), losses
    written = (tmp_path / "maps.npy").stat().st_mtime_ns
    run_of(settings, crops).keep_maps(tmp_path / "maps.npy")
    assert (tmp_path / "maps.npy").stat().st_mtime_ns == written
    with pytest.raises(ValueError, match="keeps_maps"):
        dataclasses.replace(settings, picture=dataclasses.replace(SMALL.picture, frozen_blocks=0))
