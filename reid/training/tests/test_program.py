"""The program on exports of the published systems: it loads each, finds what PyTorch finds, and takes no card but the file's own.

It is `target/release/sightline` of this checkout, or what SIGHTLINE_PROGRAM names; where neither is there the tests are skipped.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import CROPS
from smoke import SYSTEMS, small

from sightline_training.augment import read_rgb, resized
from sightline_training.clip_words import clip_ids
from sightline_training.dataset import Picture, read_any
from sightline_training.export import run as run_onnx
from sightline_training.family_data import Crops
from sightline_training.family_measures import measure, picture_scores, picture_vectors, sentence_vectors
from sightline_training.parity import hold_against
from sightline_training.retrieval import text_scores
from sightline_training.runner import load_system

BUILT = Path(__file__).parents[3] / "target/release/sightline"
# The program's vectors and those that ONNX Runtime gives for the same file, value by value. Both normalise in fp32, but round
# at other places: 3e-7 apart. A value on the edge of two halves or of two 8-bit steps then falls on either side, of which
# layers make 2e-4 in fp16. A mean of the card that is .01 off makes 3e-2, planes in another order as much.
NEAR = {"fp32": 1e-5, "fp16": 2e-3, "int8": 5e-3}
# How much two similarities may differ: between two runs of the program, whose sums are made in another order, and between it and PyTorch.
SLACK = {"program": 1e-6, "training": 1e-5}
WIDEST = 0.02
# Beside the captions: what is cut at 77 tokens, what CLIP's own code cleans, and bytes that no merge joins.
HARD = ["a man in a red coat and " * 30, "A’s CAFÉ “red” ﬁne 12345", "🧥 红色", "x"]


@dataclass(frozen=True)
class Answer:
    """How a run of the program ended, and what it said."""

    status: int
    out: str
    err: str


class Program:
    """The built program with a configuration of its own for each folder of models."""

    def __init__(self, file: Path, folder: Path) -> None:
        self.file = file
        self.folder = folder

    def run(self, models: Path, system: str, *words: str) -> Answer:
        """Runs a command on the system whose sides lie in `models`."""
        sides = {"appearance": "picture"} if system == "mscsa" else {"joint": "picture", "text": "text"}
        keys = {"folder": str(models), **{key: f"{system}-{side}" for key, side in sides.items()}}
        config = self.folder / "sightline.toml"
        lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
        config.write_text(f'[models]\n{lines}providers = ["cpu"]\nintra_threads = 1\n')
        command = [self.file, *words, "--config", config]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        return Answer(done.returncode, done.stdout, done.stderr)

    def json(self, models: Path, system: str, *words: str) -> dict:
        """What a command prints with `--json`, once it has done all it was asked for."""
        answer = self.run(models, system, *words, "--json")
        assert answer.status == 0, answer.err
        return json.loads(answer.out)

    def vectors(self, models: Path, system: str, kind: str, lines: list[str]) -> np.ndarray:
        """Rows that `embed` gives for pictures or sentences, lines x dimension."""
        asked, out = self.folder / "lines.txt", self.folder / "rows.npy"
        asked.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        vector = "appearance" if system == "mscsa" else "joint"
        self.json(models, system, "embed", "--vector", vector, f"--{kind}", str(asked), "--out", str(out))
        return np.load(out)


@pytest.fixture
def program(request, tmp_path, capsys):
    named = os.environ.get("SIGHTLINE_PROGRAM")
    file = Path(named) if named else BUILT
    if file.is_file():
        return Program(file.resolve(), tmp_path)
    reason = f"{file} is not there: `make build` makes it, or SIGHTLINE_PROGRAM names another"
    if named:
        pytest.fail(reason)
    with capsys.disabled():
        print(f"SKIPPED {request.node.name}: {reason}", file=sys.stderr)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def exact(tmp_path_factory):
    """The crops in the models' size and without loss.

    The program and the training decode and shrink JPEGs in ways of their own, so that only of these do both see the same values.
    """
    folder = tmp_path_factory.mktemp("exact")
    (folder / "images").mkdir()
    entries = json.loads((CROPS / "captions.json").read_text())
    size = small("vpm").clip
    for entry in entries:
        picture = resized(read_rgb(CROPS / entry["file_path"]), size.height, size.width)
        entry["file_path"] = str(Path(entry["file_path"]).with_suffix(".png"))
        assert cv2.imwrite(str(folder / entry["file_path"]), picture[:, :, ::-1])
    (folder / "captions.json").write_text(json.dumps(entries))
    return folder


def near(found: np.ndarray, expected: np.ndarray, form: str) -> None:
    """Asserts that rows are the same within what numbers of this form allow."""
    assert found.shape == expected.shape and found.dtype == np.float32
    worst = float(np.abs(found - expected).max())
    assert worst < NEAR[form], f"{form}: {worst}"


def leaning(sought: tuple[np.ndarray, ...], gallery: tuple[np.ndarray, ...], by: float) -> list[tuple[np.ndarray, ...]]:
    """Both with channels more, in which each pair of the same person is nearer by so much; of each, vectors come first, then whose they are."""
    own = np.eye(1 + max(sought[1].max(), gallery[1].max()))
    return [(np.hstack([one[0], scale * own[one[1]]]), *one[1:]) for one, scale in ((sought, by), (gallery, 1))]


def expected_bounds(scores, sought: tuple[np.ndarray, ...], gallery: tuple[np.ndarray, ...], slack: float) -> dict[str, tuple[float, float]]:
    """Least and most of each measure when no similarity is off by more than half the slack.

    Hardly trained, models find many pictures nearly as near as each other, and the last bit of a sum turns two of them round. Measures
    only rise when right pictures come nearer and wrong ones do not.
    """
    least, most = (scores(*leaning(sought, gallery, by)) for by in (-slack, slack))
    return {name: (least[name], most[name]) for name in least}


def measures_near(report: dict, bounds: dict[str, tuple[float, float]], side: str) -> None:
    """Asserts that the program's measures are within bounds that are themselves tight."""
    ranks = {"image_rank1": "r1", "image_rank5": "r5"} if side == "image" else {f"text_r{k}": f"r{k}" for k in (1, 5, 10)}
    for ours, theirs in {**ranks, f"{side}_map": "map", f"{side}_minp": "minp"}.items():
        least, most = bounds[ours]
        assert most - least < WIDEST, (ours, bounds)
        assert least - 1e-6 <= report[theirs] <= most + 1e-6, (ours, report, bounds)


def labels(pictures: list[Picture]) -> tuple[np.ndarray, np.ndarray]:
    """The number of whom each picture shows, and the camera that saw it."""
    return np.unique([one.identity for one in pictures], return_inverse=True)[1], np.array([one.camera for one in pictures])


@pytest.mark.parametrize("form", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("system", SYSTEMS)
def test_the_program_finds_what_the_training_finds(program, trained, exported, exact, system, form):
    models, _ = exported(system, form)
    pictures = read_any(exact)
    who, camera = labels(pictures)
    learned, _ = load_system(trained[system] / "last.pt")
    learned.eval()

    rows = program.vectors(models, system, "images", [str(one.path) for one in pictures])
    crops = Crops(pictures, learned.settings)
    batch = crops.plain(crops.firsts).pictures.numpy()
    near(rows, run_onnx(models / f"{system}-picture/model.onnx", "pictures", batch), form)
    hold_against(picture_vectors(learned, pictures), rows, form)
    slacks = {"program": SLACK["program"]} | ({"training": SLACK["training"]} if form == "fp32" else {})
    seen = (rows, who, camera)
    bounds = {name: expected_bounds(picture_scores, seen, seen, slack) for name, slack in slacks.items()}
    asks = ("--dataset", str(exact), "--model", f"{system}-picture")
    found = {"image": program.json(models, system, "eval", "reid", *asks)}
    assert found["image"]["queries"] == len(pictures) == 96

    if system != "mscsa":
        captions = [text for one in pictures for text in one.captions]
        sentences = captions + HARD
        words = program.vectors(models, system, "texts", sentences)
        ids = clip_ids(sentences, learned.settings.clip.context, learned.settings.clip.vocabulary)
        # Of a side that reads, 8 bits are for weights alone; sums are in fp32.
        near(words, run_onnx(models / f"{system}-text/model.onnx", "ids", ids.numpy()), "fp16" if form == "fp16" else "fp32")
        hold_against(sentence_vectors(learned, sentences), words, form)
        asked = np.repeat(who, [len(one.captions) for one in pictures])
        ask, shown = (words[: len(captions)], asked), (rows, who)
        for name, slack in slacks.items():
            bounds[name] |= expected_bounds(lambda one, other: text_scores(one[0], other[0], one[1], other[1]), ask, shown, slack)
        found["text"] = program.json(models, system, "eval", "text", *asks)
        assert found["text"]["queries"] == len(captions)

    for side, report in found.items():
        measures_near(report, bounds["program"], side)
    if form == "fp32":
        known = measure(learned, pictures, pictures)
        for name, (least, most) in bounds["training"].items():
            assert most - least < WIDEST and least - 1e-6 <= known[name] <= most + 1e-6, (name, known, bounds)
    sides = [f"{system}-{side}" for side in (("picture",) if system == "mscsa" else ("picture", "text"))]
    checked = program.json(models, system, "models", "verify", *sides)
    assert [one["name"] for one in checked] == sides and all(one["is_ok"] for one in checked), checked


def test_a_pair_that_the_configuration_does_not_name_is_read_for_by_its_own_side(program, exported, exact, tmp_path):
    both = tmp_path / "both"
    for system in ("propot", "vpm"):
        shutil.copytree(exported(system, "fp32")[0], both, dirs_exist_ok=True)
    asks = ("eval", "text", "--dataset", str(exact), "--model", "vpm-picture")
    expected, found = (program.json(both, configured, *asks) for configured in ("vpm", "propot"))
    assert found == expected
    assert program.json(both, "propot", *asks[:-1], "propot-picture")["r1"] != expected["r1"]
    # Where nobody reads for it, the configured side says what it reads for.
    shutil.rmtree(both / "vpm-text")
    answer = program.run(both, "propot", *asks)
    assert answer.status != 0 and "propot-picture" in answer.err and answer.err.count("\n") == 1, answer.err


@pytest.mark.parametrize(
    ("system", "side", "key", "value", "says"),
    [
        ("mscsa", "picture", "dimension", 191, "shape of the output is [-1, 192], its card says N x [191]"),
        ("vpm", "picture", "dimension", 65, "shape of the output is [-1, 64], its card says N x [65]"),
        ("vpm", "picture", "width", 32, "shape of the input is [-1, 3, 32, 16], its card says N x [3, 32, 32]"),
        ("propot", "picture", "height", 48, "shape of the input is [-1, 3, 32, 16], its card says N x [3, 48, 16]"),
        ("propot", "picture", "sha256", "0" * 64, f"its card says {'0' * 64}"),
        ("propot", "text", "sha256", "0" * 64, f"its card says {'0' * 64}"),
        ("vpm", "text", "dimension", 65, "model `vpm-text`: its card says vectors of 65 values"),
        ("propot", "text", "most_tokens", 78, "its card says 78 tokens"),
        ("vpm", "text", "pairs_with", "vpm-picture@000000000000", "reads for `vpm-picture@000000000000`"),
    ],
)
def test_a_card_that_is_not_its_files_is_refused_in_one_line(program, exported, tmp_path, system, side, key, value, says):
    models = tmp_path / "models"
    shutil.copytree(exported(system, "fp32")[0], models)
    card = models / f"{system}-{side}/model.toml"
    lines = card.read_text().splitlines()
    # The model's own digest stands before the vocabulary's.
    place = next(number for number, line in enumerate(lines) if line.startswith(f"{key} = "))
    lines[place] = f"{key} = {json.dumps(value)}"
    card.write_text("\n".join(lines) + "\n")
    what = "text" if side == "text" else "reid"
    answer = program.run(models, system, "eval", what, "--dataset", str(CROPS), "--model", f"{system}-picture", "--json")
    assert (answer.status, answer.out) == (2, ""), answer
    assert answer.err.count("\n") == 1 and says in answer.err and f"{system}-{side}" in answer.err, answer.err
