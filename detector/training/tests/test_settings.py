"""Settings files that cannot be: one line with the file, the key and what was expected, and nothing on the disk."""

import json
import sys

import pytest

from sightline_detection.__main__ import main


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"batchs": 4}, "`batchs` is unknown, the nearest known key is `batch`"),
        ({"augment": {"jpg": 0.1}}, "`augment.jpg` is unknown, the nearest known key is `augment.jpeg`"),
        ({"losses": {"box": "much"}}, "`losses.box` is 'much', expected float"),
        ({"width": 500}, "an input of 500 x 352, expected multiples of 32"),
        ({"batch": 0}, "`batch` is 0, expected 1 or more"),
        ({"augment": {"cut_sides": [1.0]}}, "`augment.cut_sides` is [1.0], expected 2 values"),
        ({"augment": {"cut_sides": [1.2, 0.5]}}, "augment.cut_sides is [1.2, 0.5], expected the least first"),
        ({"mean_keeps": 2}, "`mean_keeps` is 2, expected 1 or less"),
    ],
)
def test_what_cannot_be_is_refused_by_file_and_key(raw, message, frames, tmp_path, monkeypatch, capsys):
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(raw))
    words = ("train", "--data", frames, "--settings", file, "--out", tmp_path / "run")
    monkeypatch.setattr(sys, "argv", ["sightline_detection", *map(str, words)])
    assert main() == 1
    assert capsys.readouterr().err == f"error: {file}: {message}\n" and not (tmp_path / "run").exists()
