"""Whole ablation tables on the committed crops: one command, row after row, that goes on where it was stopped."""

import json
import sys

import pytest

from sightline_training import family, runner
from sightline_training.ablation import PAPERS, ROWS, table
from test_family import SMALL

TINY = {**SMALL, "clip": {**SMALL["clip"], "vision_layers": 1}, "main": {**SMALL["main"], "batch": 8}}


@pytest.fixture
def command(crops, tmp_path, monkeypatch, capsys):
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps(TINY))

    def run(system, *words, steps=1):
        given = ("ablate", "--system", system, "--data", crops, "--test", crops, "--settings", settings, "--steps", steps)
        monkeypatch.setattr(sys, "argv", ["family", *map(str, (*given, "--out", tmp_path / "rows", *words))])
        code = family.main()
        return code, capsys.readouterr()

    return run


def test_the_papers_rows_can_all_be_said():
    for system, (measure, _, base, paper) in PAPERS.items():
        assert set(paper) <= set(ROWS[system]) and paper[base] == 0 and measure.split("_")[0] in ("image", "text")
    # As the papers print them, from the figures of the design.
    assert round(72.73 + PAPERS["propot"][3]["all"], 2) == 74.89
    assert {row: round(72.75 + gain, 2) for row, gain in PAPERS["vpm"][3].items()} == {"minp": 72.13, "kan": 71.91, "vpt-minp": 72.21, "vpt-kan": 71.21, "all": 72.75}


@pytest.mark.parametrize("system", ROWS)
def test_one_command_runs_a_whole_table(system, command, tmp_path):
    code, told = command(system)
    assert code == 0
    found = json.loads((tmp_path / "rows/ablation.json").read_text())
    assert list(found) == list(ROWS[system])
    text = (tmp_path / "rows/ablation.md").read_text()
    assert told.out == text and text.startswith(f"# {system}: trained on crops, measured on crops, percent")
    lines = text.splitlines()[2:]
    assert len(lines) == 2 + len(ROWS[system]) and len({line.count(" | ") for line in (lines[0], *lines[2:])}) == 1
    measure, _, base, paper = PAPERS[system]
    assert f"{measure} over {base}" in lines[0]
    for row, line in zip(ROWS[system], lines[2:]):
        assert line.startswith(f"| {row} | ") and f" | {100 * found[row][measure]:.2f} | " in line
        assert line.endswith(f" | {paper[row]:+.2f} |" if row in paper else " |  |")


def test_a_table_goes_on_by_rows(command, tmp_path, monkeypatch):
    trained = []
    real = runner.train

    def train(run, out, *rest):
        trained.append(out.name)
        if len(trained) == 2:
            # As a signal does in the middle of a row.
            out.mkdir(parents=True)
            run.save(out / "last.pt")
            return False
        return real(run, out, *rest)

    monkeypatch.setattr(runner, "train", train)
    code, told = command("vpm", "--rows", "kan", "all", "minp")
    assert code == 0 and "all: stopped before the end; go on with --resume" in told.err
    rows = tmp_path / "rows"
    assert trained == ["kan", "all"] and list(json.loads((rows / "ablation.json").read_text())) == ["kan"]
    before = (rows / "kan/last.pt").stat().st_mtime_ns
    code, told = command("vpm", "--rows", "kan", "all", "minp")
    assert code == 1 and "kan/last.pt: a training is there; go on with --resume" in told.err
    code, _ = command("vpm", "--rows", "all", "minp", "--resume")
    assert code == 0 and trained == ["kan", "all", "all", "minp"] and (rows / "kan/last.pt").stat().st_mtime_ns == before
    # The row of before is in the table, in the table's order.
    assert list(json.loads((rows / "ablation.json").read_text())) == ["minp", "kan", "all"]
    code, told = command("vpm", "--rows", "kan", "--resume", steps=2)
    assert code == 1 and "measures.json: a row of other steps; give another --out" in told.err
    (rows / "kan/measures.json").write_text("{}")
    code, told = command("vpm", "--rows", "kan", "--resume")
    assert code == 1 and "measures.json: not the measures of a row" in told.err
    assert len(trained) == 4


def test_rows_that_are_unknown_are_refused_before_the_first_is_trained(command, tmp_path):
    code, told = command("vpm", "--rows", "kan", "vtp")
    assert code == 1 and told.err.startswith("error: row `vtp` is unknown, the nearest is `vpt`") and not (tmp_path / "rows").exists()


def test_a_table_says_what_it_has():
    text = table("vpm", {"kan": {"text_r1": 0.5, "image_map": 0.9}}, "a test")
    # Nothing to reckon the gain from.
    assert text.splitlines()[-1] == '| kan | `{"vpm": {"prompts": "none", "minp": 0.0}}` | 50.00 |  | -0.84 |'
