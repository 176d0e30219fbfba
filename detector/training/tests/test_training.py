"""A short training on drawn figures: the loss falls, it goes on where it stopped, the export loads and is near."""

import dataclasses
import json
import sys
import tomllib

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from torch import nn

from sightline_training import parity
from sightline_training.course import train

from conftest import CHECKOUT
from sightline_detection import export, losses, network
from sightline_detection.__main__ import main
from sightline_detection.augment import Augment, example, random_region
from sightline_detection.boxes import decoded
from sightline_detection.clutter import strewn
from sightline_detection.evaluate import detect, summary
from sightline_detection.frames import NOBODY, SceneError, pictures, read, truth_of, unpack
from sightline_detection.network import Network, WeightsError, load_published
from sightline_detection.training import Run, Settings, history, load_checkpoint

SAID = ("--licence", "MIT", "--trained-on", "drawn figures")
SMALL = Settings(width=160, height=96, batch=4, rate=3e-3, draw_back=0.0, warm_up=2, steps=30, augment=Augment(cut=0.0))


def shipped() -> Network:
    """The network with the weights that the repository carries."""
    return load_published(CHECKOUT / "models/detector/model.onnx")


def test_the_network_has_the_size_that_it_should_have():
    net = Network()
    assert sum(p.numel() for p in net.parameters()) == 240_301
    assert net(torch.zeros(2, 3, 96, 160)).shape == (2, 6, 6, 10)


def test_the_shipped_file_and_the_network_made_from_it_agree():
    card = tomllib.loads((CHECKOUT / "models/detector/model.toml").read_text())
    size = (card["input"]["height"], card["input"]["width"])
    noise = np.random.default_rng(1).random((2, 3, *size), np.float32)
    with torch.no_grad():
        planes = shipped()(torch.from_numpy(noise)).numpy()
    assert np.abs(planes - export.run(CHECKOUT / "models/detector/model.onnx", noise)).max() < 1e-4


def test_weights_of_another_network_are_refused(tmp_path):
    kernel = numpy_helper.from_array(np.zeros((24, 3, 5, 5), np.float32), "w")
    ends = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Conv", ["x", "w"], ["y"])], "g", ends[:1], ends[1:], [kernel])
    onnx.save(helper.make_model(graph), str(tmp_path / "m.onnx"))
    with pytest.raises(WeightsError, match="1 convolutions"):
        load_published(tmp_path / "m.onnx")


def test_a_larger_input_gives_small_people_the_same_pixels(tmp_path):
    net = Network()
    torch.manual_seed(0)
    nn.init.constant_(net.box[-1].bias, -3.0)
    picture = torch.rand(1, 3, 96, 96)
    with torch.no_grad():
        before = net.heads(picture)[1][0, 2:].sigmoid() * 352
        net.fit_to(704, 704)
        after = net.heads(picture)[1][0, 2:].sigmoid() * 704
    assert torch.allclose(before, after, rtol=0.06)


def test_the_four_cells_around_a_centre_are_to_find_it():
    at = losses.targets([torch.tensor([[0.5, 0.5, 0.2, 0.4]])], [torch.tensor([True])], 6, 10)
    assert sorted(zip(at.row.tolist(), at.column.tolist())) == [(2, 4), (2, 5), (3, 4), (3, 5)]
    assert bool(at.is_open.all())
    hidden = losses.targets([torch.tensor([[0.5, 0.5, 0.2, 0.4]])], [torch.tensor([False])], 6, 10)
    assert len(hidden.boxes) == 0 and int((~hidden.is_open).sum()) == 4


def test_a_perfect_box_costs_nothing_and_a_wrong_one_something():
    one = torch.tensor([[0.5, 0.5, 0.2, 0.4]])
    iou, giou = losses.overlap(one, one)
    assert float(iou) == pytest.approx(1) and float(giou) == pytest.approx(1)
    iou, giou = losses.overlap(one, torch.tensor([[0.1, 0.1, 0.1, 0.1]]))
    assert float(iou) == 0 and float(giou) < 0


def test_the_loss_is_on_the_score_that_the_program_reads():
    torch.manual_seed(0)
    net, pictures = Network().eval(), torch.rand(2, 3, 96, 160)
    with torch.no_grad():
        objectness, box, classes = net.heads(pictures)
        planes = net(pictures)
    assert torch.allclose(losses.log_score(objectness, classes).exp(), planes[:, 0] * planes[:, 5], atol=1e-6)
    nobody = losses.targets([torch.zeros(0, 4)], [torch.zeros(0, dtype=torch.bool)], 6, 10)
    # Something is there, and its class says that it is no person: nothing to learn. Without that it would be wrong.
    objectness, box, classes = torch.full((1, 1, 6, 10), 4.0), torch.zeros(1, 4, 6, 10), torch.zeros(1, 80, 6, 10)
    classes[:, 2] = 12
    assert float(losses.loss((objectness, box, classes), nobody, losses.Losses())[0]) < 1e-3
    classes[:, 0], classes[:, 2] = 12, 0
    assert float(losses.loss((objectness, box, classes), nobody, losses.Losses())[0]) > 1
    # As sure and as wrong as can be: the sum stays finite.
    classes[:, 0], objectness[:] = 200, 200
    assert torch.isfinite(losses.loss((objectness, box, classes), nobody, losses.Losses())[0])


def test_scores_are_moved_as_asked():
    torch.manual_seed(0)
    net, picture = Network(), torch.rand(1, 3, 96, 160)
    with torch.no_grad():
        before, box, classes = net.heads(picture)
        net.rescore(1.5, -0.25)
        after = net.heads(picture)
    assert torch.allclose(after[0], before * 1.5 - 0.25, atol=1e-5)
    assert torch.equal(after[1], box) and torch.equal(after[2], classes)
    with pytest.raises(ValueError, match="a scale of -1"):
        net.rescore(-1, 0)


def test_frozen_layers_keep_their_weights(frames):
    run = Run(dataclasses.replace(SMALL, frozen=2), [frames], None)
    before = {name: value.clone() for name, value in run.net.state_dict().items()}
    for step in range(3):
        run.advance(step / 60)
    is_same = {name: bool((value == before[name]).all()) for name, value in run.net.state_dict().items()}
    assert all(same == name.startswith(("first.", "stages.0.")) for name, same in is_same.items()), is_same


def test_with_all_above_them_frozen_no_class_can_change(frames):
    run = Run(dataclasses.replace(SMALL, frozen=6, frozen_classes=True), [frames], None)
    before = {name: value.clone() for name, value in run.net.state_dict().items()}
    for step in range(3):
        run.advance(step / 60)
    is_same = {name: bool((value == before[name]).all()) for name, value in run.net.state_dict().items()}
    assert all(same == (not name.startswith(("objectness.", "box."))) for name, same in is_same.items()), is_same


def test_what_is_held_costs_nothing_until_it_changes():
    torch.manual_seed(0)
    at = losses.targets([torch.tensor([[0.5, 0.5, 0.2, 0.4]])], [torch.tensor([True])], 6, 10)
    first = [torch.randn(1, planes, 6, 10) for planes in (1, 4, 80)]
    same = losses.held(first, first, at)
    assert all(abs(float(value)) < 1e-5 for value in same.values()), same

    def changed(head, cell):
        heads = [one.clone() for one in first]
        heads[head][0, 0, *cell] += 4
        return {name for name, value in losses.held(heads, first, at).items() if float(value) > 1e-4}

    assert changed(2, (0, 0)) == {"person", "classes"} and changed(2, (2, 4)) == {"person_of_people"}
    assert changed(0, (0, 0)) == {"others"} and changed(0, (2, 4)) == changed(1, (0, 0)) == set()
    # Where the first network is sure that something else is there, a change costs more.
    costs = []
    for other in (-9.0, 9.0):
        first[0][0, 0, 0, 0], first[2][0, :, 0, 0] = other, torch.zeros(80)
        heads = [one.clone() for one in first]
        heads[2][0, 0, 0, 0] += 4
        costs.append(float(losses.held(heads, first, at)["person"]))
    assert costs[1] > 5 * costs[0] > 0
    # As sure and as wrong as can be: the sum stays finite.
    heads[2][0, 0], first[2][0, 0] = 300, -300
    assert all(torch.isfinite(value) for value in losses.held(heads, first, at).values())


def test_a_training_is_held_to_the_network_that_it_started_from(frames):
    drift = {}
    for held in (0.0, 50.0):
        settings = dataclasses.replace(SMALL, frozen=2, losses=losses.Losses(person=held, person_of_people=held))
        run = Run(settings, [frames], CHECKOUT / "models/detector/model.onnx")
        for step in range(12):
            run.advance(step / 60)
        picture = torch.from_numpy(run.batch(99)[0].picture.copy()).permute(2, 0, 1)[None].float() / 255
        with torch.no_grad():
            before, after = (net.eval()(picture)[0, 5] for net in (network_of(run), run.net))
        drift[held] = float((after - before).abs().mean())
    assert drift[50.0] < 0.7 * drift[0.0], drift


def network_of(run: Run) -> Network:
    """With the weights that a training started from."""
    net = Network()
    net.load_state_dict(dict(zip(net.state_dict(), run.start)))
    return net


def test_a_training_may_begin_at_an_earlier_one_and_keeps_its_start(frames, tmp_path):
    published = CHECKOUT / "models/detector/model.onnx"
    first, second = (Run(dataclasses.replace(SMALL, frozen=2), [frames], published) for _ in range(2))
    for step in range(3):
        first.advance(step / 30)
    first.save(tmp_path / "first.pt")
    second.begin_at(tmp_path / "first.pt", 0.5)
    half, _ = load_checkpoint(tmp_path / "first.pt", 0.5)
    for own, mean, expected in zip(second.net.parameters(), second.mean, half.parameters()):
        assert torch.equal(own, expected) and torch.equal(mean, expected)
    assert all(torch.equal(one, other) for one, other in zip(first.start, second.start))
    second.save(tmp_path / "second.pt")
    way = "of the way from the weights that it started from"
    told = f"3 steps on 12 frames, 0.5 {way}; from there 0 steps on 12 frames, 1 {way}"
    assert history(tmp_path / "second.pt") == (first.source, told)
    with pytest.raises(ValueError, match="started from other weights"):
        Run(SMALL, [frames], None).begin_at(tmp_path / "first.pt", 1.0)


def test_things_are_strewn_where_nobody_is(frames):
    rng = np.random.default_rng(2)
    boxes = np.array([[100, 40, 160, 150]], np.float32)
    empty = np.full((180, 320, 3), 90, np.uint8)
    changed = np.mean([(strewn(empty, boxes, 5, rng) != empty).any(2) for _ in range(30)], 0)
    assert changed[40:150, 100:160].mean() < 0.02 < changed.mean() and (empty == 90).all()
    # Pictures of things alone show nobody.
    for _ in range(5):
        made = example(read(frames)[0], (96, 160), rng, Augment(alone=1.0, strewn=1.0))
        assert made.picture.shape == (96, 160, 3) and len(made.boxes) == len(made.is_clear) == 0
    assert all(len(example(frame, (96, 160), rng, Augment(strewn=1.0)).boxes) for frame in read(frames)[:4])


def test_boxes_follow_the_picture_through_cuts_and_mirrors(frames):
    rng = np.random.default_rng(0)
    plain = Augment(0.0, gain=0, cast=0, contrast=0, saturation=0, grey=0, coarse=0, blur=0, jpeg=0, noise=0)
    for frame in read(frames)[:4]:
        made = example(frame, (180, 320), rng, plain)
        for x, y, w, h in made.boxes:
            inside = made.picture[int((y - h / 3) * 180) : int((y + h / 3) * 180), int(x * 320)]
            outside = made.picture[2, 2].astype(int)
            assert np.abs(inside.astype(int) - outside).sum(1).mean() > 20


def test_an_aimed_cut_shows_the_middle_of_somebody():
    rng = np.random.default_rng(0)
    small, shape = Augment(cut_sides=(0.15, 0.3), aim=1.0), (360, 640, 3)
    for middle in ((5, 5), (320, 100), (639, 200), (400, 359)):
        box = np.array([[middle[0] - 4, middle[1] - 9, middle[0] + 4, middle[1] + 9]], np.float32)
        for _ in range(30):
            x0, y0, x1, y1 = random_region(shape, box, rng, small)
            assert x0 - 1 <= middle[0] <= x1 + 1 and y0 - 1 <= middle[1] <= y1 + 1, (x0, y0, x1, y1)
            assert -1 <= x0 < x1 <= 641 and -1 <= y0 < y1 <= 361, (x0, y0, x1, y1)
    seen = [random_region(shape, box, rng, Augment(cut_sides=(0.15, 0.3))) for _ in range(100)]
    assert sum(x0 <= 400 <= x1 and y0 <= 359 <= y1 for x0, y0, x1, y1 in seen) < 40


def test_the_demos_truth_is_read_and_cut_into_frames(tmp_path):
    (number, film, rows), *others = truth_of(CHECKOUT / "tests/world/demo")
    assert number == 1 and len(others) == 3 and len(rows) <= 600
    seen, whole, visibility = max(rows, key=lambda row: len(row[0]))
    assert len(seen) == len(whole) == len(visibility) > 3
    assert (seen[:, :2] >= whole[:, :2] - 1.5).all() and (visibility <= 1).all()
    assert next(pictures(film)).shape == (360, 640, 3)
    with pytest.raises(SceneError, match="manifest.toml"):
        unpack(tmp_path, tmp_path / "out")
    with pytest.raises(SceneError, match="unpack"):
        read(tmp_path)
    assert len(NOBODY[0]) == 0


def test_the_loss_falls_and_figures_are_found(frames, tmp_path):
    run = Run(dataclasses.replace(SMALL, mean_keeps=0.8), [frames], None)
    run.net.load_state_dict(shipped().state_dict())
    losses_seen = [run.advance(step / 60)["loss"] for step in range(30)]
    assert np.mean(losses_seen[-5:]) < 0.8 * np.mean(losses_seen[:5]), losses_seen
    run.save(tmp_path / "last.pt")
    net, _ = load_checkpoint(tmp_path / "last.pt")
    assert set(summary(net, frames, 160, 96, every=6)) >= {"ap", "recall_at_precision_90"}


def test_a_training_goes_on_where_it_stopped(frames, tmp_path):
    whole, first, second = (Run(SMALL, [frames], None) for _ in range(3))
    for step in range(4):
        whole.advance(step / 30)
    for step in range(2):
        first.advance(step / 30)
    first.save(tmp_path / "last.pt")
    second.resume(tmp_path / "last.pt")
    for step in (2, 3):
        second.advance(step / 30)
    for one, other in zip(whole.averaged().parameters(), second.averaged().parameters()):
        assert torch.allclose(one, other, atol=1e-6)
    with pytest.raises(ValueError, match="of other settings .batch, steps."):
        Run(dataclasses.replace(SMALL, batch=2, steps=31), [frames], None).resume(tmp_path / "last.pt")


def test_mixed_precision_changes_a_loss_little(frames):
    whole, mixed = (Run(dataclasses.replace(SMALL, bf16=bf16), [frames], None).advance(0.0) for bf16 in (False, True))
    assert mixed != whole and list(mixed.values()) == pytest.approx(list(whole.values()), rel=0.05)


def test_frames_that_came_since_are_seen_after_a_checkpoint(frames, tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    entries = [{**entry, "file": str(frames / entry["file"])} for entry in json.loads((frames / "frames.json").read_text())]
    (folder / "frames.json").write_text(json.dumps(entries[:3]))
    run = Run(SMALL, [folder], None)
    (folder / "frames.json").write_text(json.dumps(entries[:5]))
    run.save(tmp_path / "last.pt")
    assert len(run.frames) == 5


def test_the_command_line_trains_measures_and_does_not_write_over(frames, tmp_path, monkeypatch, capsys):
    settings = {"width": 160, "height": 96, "batch": 2, "warm_up": 1, "steps": 2}
    (tmp_path / "settings.json").write_text(json.dumps(settings))

    def command(*more):
        words = ("train", "--data", frames, "--held", frames, "--settings", tmp_path / "settings.json", "--out", tmp_path / "run", *more)
        monkeypatch.setattr(sys, "argv", ["sightline_detection", *map(str, words)])
        return main(), capsys.readouterr().err

    assert command()[0] == 0
    log = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert "loss" in log[0] and "ap" in log[1] and len(log) == 2
    assert {"last.pt", "log.jsonl", "tensorboard", "training.png"} == {path.name for path in (tmp_path / "run").iterdir()}
    before = (tmp_path / "run/last.pt").read_bytes()
    code, told = command()
    assert code == 1 and "last.pt: a training is there; go on with --resume" in told and told.count("\n") == 1
    assert (tmp_path / "run/last.pt").read_bytes() == before and command("--resume")[0] == 0


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path):
    (tmp_path / "noise.pt").write_bytes(b"noise")
    with pytest.raises(ValueError, match="noise.pt: not a checkpoint of the detector"):
        load_checkpoint(tmp_path / "noise.pt")


def test_a_card_says_what_the_training_did_and_what_its_maker_said(frames, tmp_path, monkeypatch, capsys):
    def command(*words, said=SAID):
        monkeypatch.setattr(sys, "argv", ["sightline_detection", *map(str, ("export", "--out", tmp_path / "models", *words, *said))])
        code = main()
        return code, capsys.readouterr().err

    def written():
        card = tomllib.loads((tmp_path / "models/detector/model.toml").read_text())
        return card["licence"], card["source"], card["quality"]["training"], card["quality"]["data"]

    run = Run(SMALL, [frames], None)
    run.advance(0.0)
    run.save(tmp_path / "last.pt")
    for said in (SAID[:2], SAID[2:]):
        with pytest.raises(SystemExit):
            command("--checkpoint", tmp_path / "last.pt", said=said)
        assert "are required: --" in capsys.readouterr().err and not (tmp_path / "models").exists()
    assert command("--checkpoint", tmp_path / "last.pt") == (0, "")
    trained = "1 steps on 12 frames, 1 of the way from the weights that it started from"
    assert written() == ("MIT", "trained by detector/training, from nothing, weights by chance", trained, "drawn figures")
    assert command("--checkpoint", tmp_path / "last.pt", "--rescore", 1.5, -0.25) == (0, "")
    assert written()[2] == f"{trained}; objectness's logit times 1.5 plus -0.25"
    assert "a scale of 0 for scores, expected more than 0" in command("--checkpoint", tmp_path / "last.pt", "--rescore", 0, 1)[1]
    # What it started from goes with a training that goes on, and is missed where nobody wrote it down.
    again = Run(SMALL, [frames], CHECKOUT / "models/detector/model.onnx")
    again.resume(tmp_path / "last.pt")
    assert again.source == "from nothing, weights by chance"
    state = torch.load(tmp_path / "last.pt", weights_only=True)
    torch.save({key: value for key, value in state.items() if key not in ("source", "frames")}, tmp_path / "old.pt")
    before = written()
    code, told = command("--checkpoint", tmp_path / "old.pt")
    assert code == 1 and told == f"error: {tmp_path / 'old.pt'}: does not say what it started from: give --source\n" and written() == before
    assert command("--checkpoint", tmp_path / "old.pt", "--source", "from a guess")[0] == 0 and "from a guess" in written()[1]
    (tmp_path / "models/detector/NOTICE").write_text("BSD")
    assert command("--published", CHECKOUT / "models/detector/model.onnx", "--width", 160, "--height", 96)[0] == 0
    licence, source, training, _ = written()
    assert source.startswith("detector/training, from the weights in model.onnx, sha256 9e70f82e") and source.endswith("; see NOTICE")
    assert licence == "MIT" and training == "none: the weights as given, at 160x96"
    assert command("--published", CHECKOUT / "models/detector/model.onnx", "--width", 100)[1].startswith("error: an input of 100 x 352")


def test_fastestdets_weights_are_known_by_their_sum(tmp_path, monkeypatch):
    assert tomllib.loads((CHECKOUT / "models/fastestdet/model.toml").read_text())["sha256"] in network.KNOWN
    (tmp_path / "weights.onnx").write_bytes(b"")
    assert "in weights.onnx, sha256 e3b0c442" in network.origin(tmp_path / "weights.onnx")
    monkeypatch.setitem(network.KNOWN, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", network.FASTESTDET)
    assert network.origin(tmp_path / "weights.onnx") == f"from the weights of {network.FASTESTDET}"


def test_an_export_that_differs_changes_nothing(tmp_path, monkeypatch, capsys):
    def command(width):
        words = ("export", "--published", CHECKOUT / "models/detector/model.onnx", "--out", tmp_path, "--width", width, *SAID)
        monkeypatch.setattr(sys, "argv", ["sightline_detection", *map(str, words)])
        return main()

    def tree():
        return {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    assert command(320) == 0
    capsys.readouterr()
    before = tree()
    with monkeypatch.context() as patched:
        patched.setattr(parity, "GREATEST_DIFFERENCE", -1.0)
        assert command(352) == 1
    told = capsys.readouterr().err
    assert told.startswith("error: fp32 differs from PyTorch") and told.count("\n") == 1
    assert tree() == before and len(before) == 2
    assert command(352) == 0
    after = tree()
    assert after.keys() == before.keys() and all(after[path] != before[path] for path in after)


def test_the_export_loads_and_boxes_are_those_of_pytorch(frames, tmp_path):
    train(Run(dataclasses.replace(SMALL, steps=2), [frames], None), tmp_path / "run", None, 1e9)
    net, settings = load_checkpoint(tmp_path / "run/last.pt")
    said = {"licence": "MIT", "source": "a test"}
    quality = export.export(net, tmp_path, (settings.height, settings.width), 0.4, said, {"note": "a test"})
    assert "fp32" in quality["parity"]
    card = tomllib.loads((tmp_path / "detector/model.toml").read_text())
    assert card["input"]["width"] == 160 and card["output"]["score_threshold"] == 0.4
    picture = np.random.default_rng(0).integers(0, 255, (96, 160, 3), np.uint8)
    planes = export.run(tmp_path / "detector/model.onnx", picture.transpose(2, 0, 1)[None].astype(np.float32) / 255)
    expected = detect(net, picture, 160, 96, least=0.0)
    assert np.allclose(decoded(planes[0], 160, 96, least=0.0), expected, atol=1e-2)
    half, _ = load_checkpoint(tmp_path / "run/last.pt", share=0.0)
    start = json.loads(json.dumps(sum(float(p.sum()) for p in half.parameters())))
    assert start != sum(float(p.sum()) for p in net.parameters())
