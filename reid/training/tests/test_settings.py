"""Settings files that cannot be: one line with the file, the key and what was expected, and nothing on the disk."""

import json
import sys
from pathlib import Path

import pytest

from sightline_training import __main__ as command_line
from sightline_training import family
from sightline_training.ablation import ROWS
from sightline_training.appearance import PARTS, AppearanceSettings
from sightline_training.person_net import PersonNet
from sightline_training.settings import merged, written_over
from sightline_training.system import SYSTEMS, published, settings_from
from sightline_training.training import Settings

SHIPPED = Path(__file__).parents[3] / "models/appearance/model.onnx"

WRONG = {
    "train": [
        ({"identites": 4}, "`identites` is unknown, the nearest known key is `identities`"),
        ({"picture": {"heigth": 4}}, "`picture.heigth` is unknown, the nearest known key is `picture.height`"),
        ({"picture": 3}, "`picture` is 3, expected a table"),
        ({"steps": 0}, "`steps` is 0, expected 1 or more"),
        ({"steps": 1e3}, "`steps` is 1000.0, expected int"),
        ({"steps": 2**40}, "`steps` is 1099511627776, expected 2147483647 or less"),
        ({"rate": "fast"}, "`rate` is 'fast', expected float"),
        ({"rate": float("nan")}, "`rate` is nan, expected 0 or more"),
        ({"bf16": 1}, "`bf16` is 1, expected bool"),
        ({"text": {"layers": 7}}, "`text.layers` is 7, expected 6 or less"),
        ({"picture": {"height": 100}}, "picture.height is 100, expected a multiple of 16"),
        ({"picture": {"channels": 128}}, "picture.channels is 128 and text.channels 256"),
        ({"losses": {"smoothing": -1}}, "`losses.smoothing` is -1, expected 0 to 1"),
        ({"views": 1}, "views is 1, and losses.views compares"),
        ([], "expected a table"),
    ],
    "appearance": [
        ({"lossses": {}}, "`lossses` is unknown, the nearest known key is `losses`"),
        ({"frozen": ["conv9"]}, "frozen has `conv9`, expected some of in_first, conv1"),
        ({"frozen": "conv1"}, "`frozen` is 'conv1', expected a list of str"),
        ({"mscsa": [4]}, r"`mscsa` is \[4\], expected a list, each 3 or less"),
        ({"augment": {"crop": 0.9}}, "`augment.crop` is 0.9, expected 0.4 or less"),
        ({"warm_up": 0}, "`warm_up` is 0, expected 1 or more"),
        ({"variants": 0}, "`variants` is 0, expected 1 or more"),
        ({"keeps_maps": True, "frozen": []}, "keeps_maps keeps"),
    ],
    "vpm": [
        ({"vpm": {"kan_grids": 2}}, "`vpm.kan_grids` is unknown, the nearest known key is `vpm.kan_grid`"),
        ({"clip": {"stages": [1, 1]}}, r"clip.stages is \[1, 1\], expected the blocks of four"),
        ({"clip": {"text_width": 200}}, "clip.text_width is 200, expected less than 128 or a multiple of 64"),
        ({"clip": {"width": 380}}, "clip.width is 380, expected a multiple of 16"),
        ({"main": {"views": 65}}, "phase.views is 65, and a batch has 64"),
        ({"main": {"milestones": [1, "two"]}}, "expected a list, each int"),
        ({"readers": 0}, "`readers` is 0, expected 1 to 64"),
        ({"clip": {"vision_layers": 6}}, "vpm: prompts in 8 layers, the picture side has 6"),
        ({"system": "mscsa"}, "settings of mscsa, expected vpm"),
    ],
}


@pytest.mark.parametrize(("command", "raw", "message"), [(name, *case) for name, cases in WRONG.items() for case in cases])
def test_what_cannot_be_is_refused_by_file_and_key(command, raw, message, crops, tmp_path, monkeypatch, capsys):
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(raw))
    words = ["--data", crops, "--settings", file, "--out", tmp_path / "run"]
    main = command_line.main
    if command == "vpm":
        words, main = ["train", "--system", "vpm", *words], family.main
    else:
        words = [command, *words, *(["--published", SHIPPED] if command == "appearance" else [])]
    monkeypatch.setattr(sys, "argv", ["training", *map(str, words)])
    assert main() == 1
    told = capsys.readouterr().err
    assert told.startswith(f"error: {file}: ") and told.count("\n") == 1
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(told)
    assert not (tmp_path / "run").exists()


def test_a_file_that_is_no_json_and_the_command_line_are_named(tmp_path, crops, monkeypatch, capsys):
    def command(*words):
        monkeypatch.setattr(sys, "argv", ["training", *map(str, ("train", "--data", crops, "--out", tmp_path / "run", *words))])
        code = command_line.main()
        return code, capsys.readouterr().err

    file = tmp_path / "mine.json"
    for text, message in (("{", "Expecting property name"), ("\xff", "can't decode"), ("[" * 100_000, "recursion")):
        file.write_bytes(text.encode("latin-1"))
        code, told = command("--settings", file)
        assert code == 1 and told.startswith(f"error: {file}: ") and message in told and told.count("\n") == 1, told
    assert command("--settings", tmp_path / "none.json")[1] == f"error: {tmp_path / 'none.json'}: No such file or directory\n"
    assert command("--steps", 0) == (1, "error: the command line: `steps` is 0, expected 1 or more\n")
    assert not (tmp_path / "run").exists()


def test_settings_that_can_be_are_taken_over(tmp_path):
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"rate": 1, "picture": {"depth": 3}}))
    settings = written_over(Settings(), file, {"steps": 7, "seed": None})
    assert (settings.rate, settings.picture.depth, settings.picture.height, settings.steps, settings.seed) == (1.0, 3, 128, 7, 0)
    assert type(settings.rate) is float
    assert merged(AppearanceSettings(), {"mscsa": [2, 3]}).mscsa == (2, 3)
    assert set(PARTS) <= {name for name, _ in PersonNet().named_children()}


def test_every_settings_file_and_row_can_be():
    folder = Path(__file__).parents[1] / "settings"
    appearance = {f"appearance-{name}": AppearanceSettings.of for name in ("head", "mscsa")}
    made = {"joint": Settings.of, **appearance, **{f"{system}-compact": settings_from for system in SYSTEMS}}
    assert {file.stem for file in folder.glob("*.json")} == set(made)
    for name, make in made.items():
        make(json.loads((folder / f"{name}.json").read_text()))
    for system, rows in ROWS.items():
        for row in rows.values():
            settings_from(row, published(system))
