"""A short training of each published system on the committed crops: the loss falls, it goes on where it stopped, its exports load."""

import dataclasses
import json
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from smoke import COURSE, SMALL, SYSTEMS, run_of, small

from sightline_training import family, family_export, parity
from sightline_training.ablation import ROWS
from sightline_training.clip_words import clip_ids
from sightline_training.dataset import DatasetError, read_any
from sightline_training.export import run as run_onnx
from sightline_training.family_data import Crops
from sightline_training.family_export import export_family
from sightline_training.parity import ExportError
from sightline_training.runner import Run, load_system, rate_at
from sightline_training.system import Phase, build, published, settings_from


def falls(run):
    losses = [run.advance()["loss"] for _ in range(run.length())]
    return np.mean(losses[-6:]) < 0.93 * np.mean(losses[:6]), losses


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_loss_falls(system, crops, tmp_path):
    run = run_of(system, crops, 30, prompts={**SMALL["prompts"], "epochs": 0})
    run.phase = "main"
    fell, losses = falls(run)
    assert fell, losses
    if system != "mscsa":
        return
    # Stage 1 has something to learn once pictures differ: it starts from weights, here those of the run above.
    weights = {name: value for name, value in run.system.clip.state_dict().items() if ".mscsa." not in name}
    torch.save(weights, tmp_path / "clip.pt")
    second = run_of("mscsa", crops, 30, tmp_path / "clip.pt")
    assert second.source == "from the weights in clip.pt"
    fell, losses = falls(second)
    assert fell and second.phase == "prompts", losses


@pytest.mark.parametrize(("system", "phase"), [("mscsa", "prompts"), *((system, "main") for system in SYSTEMS)])
def test_mixed_precision_changes_a_loss_little(system, phase, crops):
    found = []
    for precision in ("fp32", "bf16"):
        run = run_of(system, crops, 2, precision=precision)
        run.phase = phase
        found.append(run.advance())
    whole, mixed = found
    assert whole.keys() == mixed.keys()
    assert list(mixed.values()) == pytest.approx(list(whole.values()), rel=0.1)


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_training_leaves_its_logs(trained, system):
    folder = trained[system]
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert log[-1]["step"] == 24 * (2 if system == "mscsa" else 1)
    assert {"loss", "phase", "pictures_per_second"} < set(log[-1])
    assert (folder / "training.png").read_bytes().startswith(b"\x89PNG")
    assert list((folder / "tensorboard").glob("events.out.tfevents.*"))


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_training_goes_on_where_it_stopped(system, crops, tmp_path):
    whole, first, second = (run_of(system, crops, 4) for _ in range(3))

    def go(run, steps):
        for _ in range(steps):
            if run.step == run.length():
                run.turn()
            run.advance()

    ahead = 5 if system == "mscsa" else 2
    go(whole, ahead + 2)
    go(first, ahead)
    first.save(tmp_path / "last.pt")
    second.resume(tmp_path / "last.pt")
    go(second, 2)
    for (name, one), (_, other) in zip(whole.system.state_dict().items(), second.system.state_dict().items()):
        assert torch.allclose(one, other, atol=1e-6), name
    with pytest.raises(DatasetError, match="of other settings .main."):
        run_of(system, crops, main={**COURSE, "batch": 8}).resume(tmp_path / "last.pt")
    state = torch.load(tmp_path / "last.pt", weights_only=True)
    state["system"].pop("clip.text_projection")
    torch.save(state, tmp_path / "bad.pt")
    with pytest.raises(DatasetError, match="missing: clip.text_projection"):
        load_system(tmp_path / "bad.pt")
    (tmp_path / "noise.pt").write_bytes(b"noise")
    with pytest.raises(DatasetError, match="not a checkpoint"):
        second.resume(tmp_path / "noise.pt")


@pytest.mark.parametrize("form", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("system", SYSTEMS)
def test_the_export_loads_has_its_shapes_and_is_near(exported, crops, system, form):
    folder, parity = exported(system, form)
    samples = Crops(read_any(crops), small(system)).plain(np.arange(5)).pictures
    assert all(form in words for words in parity.values())
    width = 4 * 32 + 64 if system == "mscsa" else 64
    for batch in (1, 5):
        pictures = samples[:batch].numpy()
        vectors = run_onnx(folder / f"{system}-picture/model.onnx", "pictures", pictures)
        assert vectors.dtype == np.float32 and vectors.shape == (batch, width)
        assert np.allclose((vectors**2).sum(1), 1, atol=1e-5)
        if system != "mscsa":
            ids = clip_ids(["a man in a red coat"] * batch, vocabulary=700).numpy()
            vectors = run_onnx(folder / f"{system}-text/model.onnx", "ids", ids)
            assert vectors.shape == (batch, width) and np.allclose((vectors**2).sum(1), 1, atol=1e-5)
    assert (folder / f"{system}-text").exists() == (system != "mscsa")
    card = (folder / f"{system}-picture/model.toml").read_text()
    assert f"dimension = {width}" in card and "a few crops" in card
    stored = tomllib.loads(card)["quality"]["stored"]
    assert stored.startswith({"fp32": "fp32", "fp16": "fp16, weights and sums", "int8": "Conv"}[form])


def test_an_export_that_differs_changes_nothing(trained, tmp_path, monkeypatch):
    def write(data):
        export_family(trained["vpm"] / "last.pt", tmp_path, "fp32", "fp32", None, {}, "MIT", data)
        return {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    before = write("a few crops")
    real = family_export.export_words
    fails = lambda *given: monkeypatch.setattr(parity, "GREATEST_DIFFERENCE", -1.0) or real(*given)  # noqa: E731
    monkeypatch.setattr(family_export, "export_words", fails)
    with pytest.raises(ExportError, match="differs from PyTorch"):
        write("others")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_int8_wants_pictures(trained, tmp_path):
    with pytest.raises(ExportError, match="give --data"):
        export_family(trained["vpm"] / "last.pt", tmp_path, "int8", "fp32", None, {}, "Apache-2.0", "")


@pytest.mark.parametrize("norm", ["softmax", "mean"])
def test_both_norms_train_and_stage_1_may_train_the_blocks(crops, norm):
    run = run_of("mscsa", crops, 2, mscsa={**SMALL["mscsa"], "norm": norm, "train_in_prompts": True})
    before = {name: value.clone() for name, value in run.system.clip.visual.state_dict().items()}
    run.advance()
    run.advance()
    moved = {name for name, value in run.system.clip.visual.state_dict().items() if not torch.equal(value, before[name])}
    assert moved and all(name.startswith("mscsa.") for name in moved)


@pytest.mark.parametrize(("system", "row"), [(system, row) for system, rows in ROWS.items() for row in rows])
def test_every_row_of_the_ablations_is_another_system_that_trains(crops, system, row):
    settings = settings_from(ROWS[system][row], published(system))
    assert (settings == published(system)) == (row in ("both", "all", "portion") and settings.system == system and not (system == "propot" and row == "both"))
    run = Run(settings_from(ROWS[system][row], dataclasses.replace(small(system), main=Phase(batch=8, views=2))), read_any(crops), steps=1)
    while run.phase != "main":
        run.advance()
        run.turn()
    assert np.isfinite(run.advance()["loss"])


def test_rates_warm_up_and_come_down():
    steps = Phase(epochs=120, warm_up_epochs=10, warm_up_from=0.01, decay="steps", milestones=(40, 70))
    assert [rate_at(steps, epoch, 120) for epoch in (0, 10, 39, 40, 70)] == pytest.approx([0.01, 1, 1, 0.1, 0.01])
    cosine = Phase(epochs=60, warm_up_epochs=6, warm_up_from=0.1)
    assert [rate_at(cosine, epoch, 60) for epoch in (0, 3, 6, 33, 60)] == pytest.approx([0.1, 0.55, 1, 0.5, 0])


def test_every_picture_is_seen_with_each_of_its_sentences_once_an_epoch(crops):
    pictures = read_any(crops)
    data, phase = Crops(pictures, small("propot")), Phase(batch=1)
    seen = np.concatenate([data.chosen(phase, step, 7) for step in range(data.steps(phase))])
    expected = sorted((str(one.path), words) for one in pictures for words in one.captions)
    assert sorted((str(data.rows[row][0].path), data.rows[row][1]) for row in seen) == expected and len(expected) > len(pictures)
    assert Crops(pictures, small("mscsa")).steps(phase) == len(pictures)
    assert [data.rows[row][0] for row in data.firsts] == pictures
    phase = Phase(batch=16)
    assert data.chosen(phase, 3, 7).tolist() == data.chosen(phase, 3, 7).tolist() != data.chosen(phase, 9, 7).tolist()
    one, other = (data.make(phase, 3, 7, True) for _ in range(2))
    assert torch.equal(one.pictures, other.pictures) and torch.equal(one.ids, other.ids)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"system": "irra"}, "system is `irra`"),
        ({"clip": {"widht": 3}}, "`clip.widht` is unknown"),
        ({"main": {"epochs": "many"}}, "`main.epochs` is 'many', expected int"),
        ({"clip": {"kind": "vit"}}, "clip.kind is `vit`, expected `resnet`"),
        ({"precision": "fp16"}, "trains on a GPU alone"),
        ({"system": "vpm", "vpm": {"prompts": "head"}}, "vpm.prompts is `head`"),
    ],
)
def test_bad_settings_are_refused_in_one_line(raw, message):
    with pytest.raises(ValueError, match=message) as refused:
        settings_from(raw)
    assert "\n" not in str(refused.value)


def test_the_command_line_trains_measures_and_exports(crops, tmp_path, monkeypatch, capsys):
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps(SMALL))

    def command(*words):
        monkeypatch.setattr(sys, "argv", ["family", *map(str, words)])
        return family.main()

    common = ("--system", "vpm", "--data", crops, "--settings", settings, "--steps", 2)
    assert command("ablate", *common, "--test", crops, "--rows", "kan", "all", "--out", tmp_path / "rows") == 0
    table = json.loads((tmp_path / "rows/ablation.json").read_text())
    assert set(table) == {"kan", "all"} and 0 <= table["all"]["text_r1"] <= 1 and "image_map" in table["kan"]
    evaluate = ("evaluate", "--checkpoint", tmp_path / "rows/all/last.pt", "--data", crops)
    assert command("--threads", 1, *evaluate, "--device", "cpu") == 0
    capsys.readouterr()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert command(*evaluate, "--device", "cuda") == 1 and "finds no GPU" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        command("ablate", *common, "--out", tmp_path / "untested")
    assert "--test" in capsys.readouterr().err and not (tmp_path / "untested").exists()
    words = ("--licence", "Apache-2.0", "--trained-on", "crops", "--data", crops)
    assert command("export", "--checkpoint", tmp_path / "rows/all/last.pt", "--out", tmp_path / "models", "--picture", "int8", *words) == 0
    assert "alpha 1.0, beta 2.0" in (tmp_path / "models/vpm-text/model.toml").read_text()
    capsys.readouterr()
    assert command("train", *common, "--row", "nothing", "--out", tmp_path / "no") == 1
    assert capsys.readouterr().err.count("\n") == 1 and not (tmp_path / "no").exists()


def test_a_compact_member_has_its_size():
    for system, most in (("mscsa", 10e6), ("propot", 5e6), ("vpm", 5e6)):
        raw = json.loads((Path(__file__).parents[1] / f"settings/{system}-compact.json").read_text())
        with torch.device("meta"):
            built = build(settings_from(raw), 100)
        assert sum(p.numel() for p in built.clip.parameters()) < most


def test_a_checkpoint_says_where_it_came_from(trained):
    _, state = load_system(trained["mscsa"] / "last.pt")
    assert state["source"] == "from nothing" and len(state["identities"]) == 24
