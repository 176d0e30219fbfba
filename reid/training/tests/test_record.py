"""What every training leaves, on one that only counts."""

import io
import json
import os
import signal
import sys
from types import SimpleNamespace

import pytest
from tensorboardX.event_file_writer import EventFileWriter

from sightline_training.course import take_up, train
from sightline_training.dataset import DatasetError
from sightline_training.record import Record


class Counting:
    """A run whose loss is one over its step."""

    pictures = 4

    def __init__(self, steps=50, stops_at=None, fails_at=None):
        self.settings, self.step, self.elapsed_s = SimpleNamespace(steps=steps), 0, 0.0
        self.stops_at, self.fails_at, self.seen = stops_at, fails_at, []

    def advance(self, progress):
        self.seen.append(progress)
        self.step += 1
        if self.step == self.stops_at:
            os.kill(os.getpid(), signal.SIGTERM)
        if self.step == self.fails_at:
            raise FloatingPointError("the loss is nan")
        return {"loss": 1 / self.step, "views": 0.5}

    def save(self, path):
        path.write_text(json.dumps(self.step))

    def resume(self, path):
        self.step = json.loads(path.read_text())


def steps_of(out, key="loss"):
    records = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [record["step"] for record in records if key in record]


def test_a_training_leaves_a_log_tensorboards_files_a_plot_and_a_checkpoint(tmp_path, capsys):
    run = Counting()
    assert train(run, tmp_path / "run", None, 1e9, lambda: {"image_map": 0.5, "boxes_at_half": 7.5})
    assert steps_of(tmp_path / "run") == [20, 40, 50] and steps_of(tmp_path / "run", "image_map") == [50]
    assert list((tmp_path / "run/tensorboard").glob("events.out.tfevents.*"))
    assert (tmp_path / "run/training.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "run/last.pt").read_text() == "50"
    told = capsys.readouterr()
    assert told.out == "" and told.err.splitlines()[0].startswith("step 20 loss 0.05")
    assert run.seen[:2] == [0.0, 1 / 50]


def test_tensorboard_gets_each_figure_under_its_phase(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(EventFileWriter, "add_event", lambda self, event: told.append(event))
    with Record(tmp_path, 0) as record:
        record.note(3, {"loss": 0.5, "people": 4}, "main")
        record.note(3, {"image_map": 0.25})
    values = [(event.step, value.tag, value.simple_value) for event in told for value in event.summary.value]
    assert values == [(3, "main/loss", 0.5), (3, "image_map", 0.25)]


def test_a_terminal_sees_a_bar_and_measures_alone(tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    train(Counting(), tmp_path, None, 1e9, lambda: {"image_map": 0.5})
    seen = sys.stderr.getvalue()
    assert "training: " in seen and "50/50" in seen and "step 50 image_map 0.5" in seen and "step 20" not in seen


def test_a_signal_saves_and_the_training_goes_on_with_each_step_once(tmp_path):
    handler = signal.getsignal(signal.SIGTERM)
    assert not train(Counting(stops_at=30), tmp_path, None, 1e9, lambda: {"image_map": 0.5})
    assert signal.getsignal(signal.SIGTERM) is handler
    # Stopped: no time for a measure.
    assert steps_of(tmp_path) == [20] and steps_of(tmp_path, "image_map") == []
    with (tmp_path / "log.jsonl").open("a") as log:
        log.write('{"step": 40, "loss": 9.0}\n3\n{}\n{"step": 4')
    run = Counting()
    with pytest.raises(DatasetError, match="last.pt: a training is there; go on with --resume"):
        take_up(run, tmp_path, False)
    take_up(run, tmp_path, True)
    assert run.step == 30 and train(run, tmp_path, None, 1e9)
    assert steps_of(tmp_path) == [20, 40, 50] and "9.0" not in (tmp_path / "log.jsonl").read_text()


def test_a_training_that_fails_leaves_its_log_and_plot(tmp_path):
    with pytest.raises(FloatingPointError):
        train(Counting(fails_at=25), tmp_path, None, 1e9)
    assert steps_of(tmp_path) == [20] and (tmp_path / "training.png").is_file() and not (tmp_path / "last.pt").exists()


def test_checkpoints_and_measures_come_by_the_clock(tmp_path):
    measured = []
    train(Counting(3), tmp_path, None, -1.0, lambda: measured.append(1) or {"image_map": 0.1})
    assert len(measured) == 4 and steps_of(tmp_path, "image_map") == [1, 2, 3, 3]
