"""The bounds of an export: what they are, what they catch, and that no way around them exists."""

import json
import sys

import numpy as np
import pytest
import torch

import test_family
import test_training
from sightline_training import __main__ as command_line
from sightline_training import appearance_export, parity
from sightline_training.card import beside, read_plain, read_quality
from sightline_training.dataset import read_any
from sightline_training.export import export_pair
from sightline_training.family_export import export_family
from sightline_training.parity import ExportError, hold_against
from sightline_training.person_net import PersonNet, WeightsError, load_published
from sightline_training.settings import SettingsError
from sightline_training.training import Run

ROWS = np.eye(4, dtype=np.float32)


def turned(cosine):
    """Rows at an angle to those of ROWS."""
    return (cosine * ROWS + (1 - cosine**2) ** 0.5 * np.roll(ROWS, 1, 1)).astype(np.float32)


def test_the_bounds_are_those_that_were_asked_for():
    assert parity.GREATEST_DIFFERENCE == 1e-4 and parity.LEAST_COSINE == {"fp16": 0.999, "int8": 0.99}
    assert "at most 9.0e-05" in hold_against(ROWS, ROWS + np.float32(9e-5), "fp32")
    for form, near, far in (("fp16", 0.9991, 0.9989), ("int8", 0.9901, 0.9899)):
        assert "cosine" in hold_against(ROWS, turned(near), form)
        with pytest.raises(ExportError, match=f"{form} has cosine"):
            hold_against(ROWS, turned(far), form)
        # Length is not direction.
        with pytest.raises(ExportError, match=f"{form} has cosine"):
            hold_against(ROWS, 2 * turned(far), form)
    with pytest.raises(ExportError, match="fp32 differs"):
        hold_against(ROWS, ROWS + np.float32(2e-4), "fp32")


@pytest.mark.parametrize("form", ["fp32", "fp16", "int8"])
def test_values_that_are_no_numbers_and_other_shapes_are_far(form):
    for broken in (np.full_like(ROWS, np.nan), np.full_like(ROWS, np.inf)):
        for pair in ((ROWS, broken), (broken, ROWS), (broken, broken)):
            with pytest.raises(ExportError, match="no numbers"):
                hold_against(*pair, form)
    with pytest.raises(ExportError, match="4, 4"):
        hold_against(ROWS, ROWS[:1], form)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    from conftest import CROPS

    torch.set_num_threads(1)
    out = tmp_path_factory.mktemp("checkpoints")
    run = Run(test_training.SMALL, read_any(CROPS))
    run.save(out / "joint.pt")
    test_family.run_of("vpm", CROPS).save(out / "vpm.pt")
    return out


SAMPLES = torch.rand(4, 3, 32, 16, generator=torch.Generator().manual_seed(0))
EXPORTS = {
    "joint": lambda out, to, form: export_pair(out / "joint.pt", to, form, form, None, {}, {}, "MIT", "noise"),
    "vpm": lambda out, to, form: export_family(out / "vpm.pt", to, form, form, SAMPLES, {}, "MIT", "noise"),
    "appearance": lambda out, to, form: appearance_export.export_appearance(PersonNet(), to, form, None, "none", {}, "MIT", "noise"),
}


@pytest.mark.parametrize("form", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("model", EXPORTS)
def test_every_export_is_held_to_its_bound(checkpoints, tmp_path, monkeypatch, model, form):
    if form == "fp32":
        monkeypatch.setattr(parity, "GREATEST_DIFFERENCE", -1.0)
    else:
        monkeypatch.setitem(parity.LEAST_COSINE, form, 1.1)
    with pytest.raises(ExportError, match=f"^{form} "):
        EXPORTS[model](checkpoints, tmp_path / "models", form)
    assert list(tmp_path.iterdir()) == []


def test_what_a_card_cannot_say_is_refused_by_file(tmp_path):
    file = tmp_path / "quality.json"
    for table, message in (
        ({"parity": "very near"}, "`parity` is for the export to say"),
        ({"scores": {"a": 1}}, "`scores` is {'a': 1}, expected text"),
        ({"map": None}, "`map` is None, expected text"),
        ({"map": float("nan")}, "`map` is nan, expected text"),
        ({"text r1": 1}, "`text r1` is no key of a card"),
    ):
        file.write_text(json.dumps(table))
        with pytest.raises(SettingsError) as refused:
            read_quality(file)
        assert str(refused.value).startswith(f"{file}: {message}")
    assert read_plain(None) == {} and read_quality(None) == {}


def test_a_folder_that_was_there_stays(tmp_path):
    (tmp_path / "models").mkdir()
    with pytest.raises(OSError), beside(tmp_path / "models") as new:
        (new / "model.onnx").write_text("half")
        raise OSError
    assert list((tmp_path / "models").iterdir()) == []


def test_a_file_that_is_no_onnx_is_refused(tmp_path, monkeypatch, capsys):
    file = tmp_path / "noise.onnx"
    file.write_bytes(b"noise")
    with pytest.raises(WeightsError, match="noise.onnx: not an ONNX file"):
        load_published(file)
    words = ("export-appearance", "--published", file, "--out", tmp_path / "models", "--licence", " ", "--trained-on", "nothing")
    monkeypatch.setattr(sys, "argv", ["sightline_training", *map(str, words)])
    with pytest.raises(SystemExit):
        command_line.main()
    assert "--licence: says nothing" in capsys.readouterr().err
