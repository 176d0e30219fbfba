"""Scenes and frames that are not what they should be: one line that names the file, and nothing half written."""

import json
import shutil
import sys

import pytest

from conftest import CHECKOUT
from sightline_detection.__main__ import main
from sightline_detection.frames import SceneError, read, unpack

DEMO = CHECKOUT / "tests/world/demo"
ENTRY = {"file": "0.jpg", "seen": [[0, 0, 5, 9]], "whole": [[0, 0, 5, 9]], "visibility": [1.0]}


@pytest.fixture
def scene(tmp_path):
    """The demo's truth with films of nothing."""
    shutil.copytree(DEMO, tmp_path / "scene", ignore=shutil.ignore_patterns("*.mp4"))
    for film in DEMO.glob("*.mp4"):
        (tmp_path / "scene" / film.name).write_bytes(b"")
    return tmp_path / "scene"


def line_is_cut(scene):
    with (scene / "ground_truth/ai_city_2024.txt").open("a") as file:
        file.write("7")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda scene: (scene / "manifest.toml").unlink(), "manifest.toml: No such file"),
        (lambda scene: (scene / "manifest.toml").write_text("cameras = 3"), "manifest.toml: "),
        (lambda scene: (scene / "manifest.toml").write_text("[[cameras]]\nfile = 'a.mp4'"), "manifest.toml: no 'ground_truth'"),
        (lambda scene: (scene / "manifest.toml").write_bytes(b"\xff"), "manifest.toml: .*decode"),
        (lambda scene: (scene / "lane.mp4").unlink(), "manifest.toml: .* is missing"),
        (lambda scene: (scene / "ground_truth/ai_city_2024.txt").unlink(), "ai_city_2024.txt: No such file"),
        (line_is_cut, "ai_city_2024.txt: line .*: expected 7 numbers or more, found `7`"),
        (lambda scene: (scene / "ground_truth/lane/gt/gt.txt").write_text("1,1,nobody\n"), "gt.txt: line 1: expected 9 numbers or more, found `1,1,nobody`"),
        (lambda scene: None, "no pictures in it"),
    ],
)
def test_a_broken_scene_is_refused_and_leaves_nothing(scene, tmp_path, change, message):
    change(scene)
    with pytest.raises(SceneError, match=message) as refused:
        unpack(scene, tmp_path / "out")
    assert "\n" not in str(refused.value) and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "Expecting"),
        ("{}", "expected a list of frames"),
        ("[3]", "frame 0 is not as `unpack` writes it"),
        (json.dumps([{key: value for key, value in ENTRY.items() if key != "whole"}]), "frame 0 is not as `unpack` writes it .'whole'"),
        (json.dumps([{**ENTRY, "seen": [[0, 0, 5]]}]), "frame 0 is not as"),
        (json.dumps([{**ENTRY, "seen": []}]), "frame 0 has 0 seen boxes, 1 whole ones"),
        (json.dumps([{**ENTRY, "file": "gone.jpg"}]), "frame 0: .*gone.jpg is missing"),
    ],
)
def test_broken_frames_are_refused_before_a_training_begins(frames, tmp_path, text, message, monkeypatch, capsys):
    folder = tmp_path / "frames"
    folder.mkdir()
    (folder / "0.jpg").write_bytes((frames / "0.jpg").read_bytes())
    (folder / "frames.json").write_text(text)
    with pytest.raises(SceneError, match=f"frames.json: {message}"):
        read(folder)
    for words in (("--data", folder), ("--data", frames, "--held", folder)):
        monkeypatch.setattr(sys, "argv", ["sightline_detection", "train", *map(str, words), "--out", str(tmp_path / "run")])
        assert main() == 1
        told = capsys.readouterr().err
        assert told.startswith(f"error: {folder / 'frames.json'}: ") and told.count("\n") == 1 and not (tmp_path / "run").exists()


def test_a_frame_that_is_no_picture_is_named(frames, tmp_path, monkeypatch, capsys):
    (tmp_path / "0.jpg").write_bytes(b"noise")
    (tmp_path / "frames.json").write_text(json.dumps([ENTRY]))
    words = ("evaluate", "--published", CHECKOUT / "models/detector/model.onnx", "--width", 64, "--height", 64, "--data", tmp_path)
    monkeypatch.setattr(sys, "argv", ["sightline_detection", *map(str, words)])
    assert main() == 1 and capsys.readouterr().err == f"error: {tmp_path / '0.jpg'}: not a picture\n"
