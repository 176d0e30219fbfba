"""python -m sightline_training: train, evaluate, export."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch

from sightline_training.card import add_provenance, read_plain, read_quality
from sightline_training.dataset import DatasetError, read_any, read_held
from sightline_training.device import DEVICES
from sightline_training.parity import ExportError
from sightline_training.settings import positive, share, written_over

# Sentences that a table of probabilities is made and measured with, at most.
MOST_SENTENCES = 4000
MAPS = "file of kept maps, to share between trainings; else OUT/maps.npy"


def settings_of(args: argparse.Namespace):
    """Settings from a JSON file and the switches that were given."""
    from sightline_training.training import Settings

    return written_over(Settings(), args.settings, {key: getattr(args, key) for key in ("steps", "seed", "identities", "device")})


def train(args: argparse.Namespace) -> None:
    """Trains a pair."""
    from sightline_training.course import take_up
    from sightline_training.course import train as loop
    from sightline_training.retrieval import evaluate
    from sightline_training.training import Run

    settings = settings_of(args)
    pictures = [picture for path in args.data for picture in read_any(path, "train")]
    run = Run(settings, pictures, args.published, args.scenes)
    take_up(run, args.out, args.resume)
    print(f"{len(pictures)} pictures of {len(run.sampler.people)} people, from step {run.step}", flush=True)
    held = read_held(args.held, "val") if args.held else None
    measure = None if held is None else lambda: evaluate(run.pair, settings, held)
    if settings.keeps_maps:
        run.keep_maps(args.maps or args.out / "maps.npy")
    loop(run, args.out, args.minutes, args.save_every_s, measure)


def evaluate(args: argparse.Namespace) -> None:
    """Prints the measures of a checkpoint as JSON."""
    from sightline_training.device import found_device
    from sightline_training.retrieval import evaluate as measure
    from sightline_training.training import load_pair

    pair, settings = load_pair(args.checkpoint)
    print(json.dumps(measure(pair.to(found_device(args.device)), settings, read_held(args.data, "test")), indent=2))


def export(args: argparse.Namespace) -> None:
    """Writes a pair as the program ships it."""
    from sightline_training.augment import plain, read_rgb
    from sightline_training.export import export_pair
    from sightline_training.picture_tower import normalised
    from sightline_training.training import load_pair

    quality, samples = read_quality(args.quality), None
    files = {"calibration": args.calibration, "clauses": args.clauses}
    tables = {name: read_plain(file) if file else None for name, file in files.items()}
    if args.data is not None:
        settings = load_pair(args.checkpoint)[1]
        size = (settings.picture.height, settings.picture.width)
        samples = normalised(torch.stack([plain(read_rgb(p.path), *size) for p in read_any(args.data)[:64]]))
    told = (quality, tables, args.licence, args.trained_on)
    print(json.dumps(export_pair(args.checkpoint, args.out, args.picture, args.text, samples, *told), indent=2))


def calibrate(args: argparse.Namespace) -> None:
    """Makes the table of the text side's card on one dataset, and measures what its probabilities are worth on another."""
    from sightline_training import calibration as C
    from sightline_training.retrieval import picture_vectors, text_vectors
    from sightline_training.training import load_pair

    pair, settings = load_pair(args.checkpoint)

    def parts(path: Path, split: str):
        pictures = [picture for picture in read_any(path, split) if picture.captions]
        if not pictures:
            raise DatasetError(f"{path}: no picture has a sentence")
        names = {name: number for number, name in enumerate(sorted({p.identity for p in pictures}))}
        who = np.array([names[picture.identity] for picture in pictures])
        tracks = C.tracks_of(picture_vectors(pair, settings, pictures), who)
        # Short and long ones, as people type both.
        texts = [picture.captions[number % len(picture.captions)] for number, picture in enumerate(pictures)]
        asking = np.random.default_rng(0).permutation(len(pictures))[:MOST_SENTENCES]
        return text_vectors(pair, settings, [texts[number] for number in asking]), who[asking], tracks

    words, asked, tracks = parts(args.fit, "val")
    similar = tracks.similarities(words)
    same = asked[:, None] == tracks.who[None, :]
    table = C.fit(similar[same], similar[~same], float(len(tracks.who) / len(np.unique(tracks.who))))
    words, asked, tracks = parts(args.test, "test")
    measured = {}
    for gallery in (100, 1000, 10_000):
        if gallery > len(tracks.who) - 10:
            print(f"galleries of {gallery} are not measured: {args.test} has {len(tracks.who)} tracks", file=sys.stderr)
        else:
            error, bins = C.reliability(table, words, asked, tracks, gallery)
            measured[f"calibration_error_of_{gallery}"] = round(error, 4)
            measured[f"reliability_of_{gallery}"] = [[round(value, 3) for value in row] for row in bins]
    args.out.write_text(json.dumps(table, indent=2) + "\n")
    print(json.dumps(measured, indent=2))


def appearance(args: argparse.Namespace) -> None:
    """Trains the appearance encoder."""
    from sightline_training.appearance import AppearanceRun, AppearanceSettings, evaluate_appearance
    from sightline_training.course import take_up
    from sightline_training.course import train as loop

    settings = written_over(AppearanceSettings(), args.settings, {"steps": args.steps, "device": args.device})
    pictures = [picture for path in args.data for picture in read_any(path, "train")]
    run = AppearanceRun(settings, pictures, args.published)
    take_up(run, args.out, args.resume)
    print(f"{len(run.people.names)} people, from step {run.step}", flush=True)
    held = read_held(args.held, "val") if args.held else None
    measure = None if held is None else lambda: evaluate_appearance(run.averaged(), held)
    if settings.keeps_maps:
        run.keep_maps(args.maps or args.out / "maps.npy")
    loop(run, args.out, args.minutes, args.save_every_s, measure)


def metric(args: argparse.Namespace) -> None:
    """Learns the map behind the appearance encoder."""
    from sightline_training import metric as M
    from sightline_training.appearance import evaluate_appearance, vectors_of
    from sightline_training.person_net import load_published, with_metric
    from sightline_training.record import LOG_EVERY, Record, bar

    settings = written_over(M.MetricSettings(), None, {"steps": args.steps})
    net = load_published(args.published)
    # One that the file has already goes.
    net.metric = None
    pictures = [picture for path in args.data for picture in read_any(path, "train")]
    held = read_held(args.held, "val") if args.held else None
    who = M.numbers_of(pictures)
    vectors = vectors_of(net, [picture.path for picture in pictures])
    measured = {}
    # Seconds long: nothing to go on from, and the log is of the whole.
    with Record(args.out.with_name(args.out.stem + "-log"), 0) as record, bar(settings.steps, 0, "map") as progress:

        def note(step: int, parts: dict[str, float]) -> None:
            progress.update()
            if step % LOG_EVERY == 0 or step == settings.steps:
                record.note(step, parts)

        if held is not None:
            measured["before"] = evaluate_appearance(net, held)
            record.note(0, measured["before"])
        M.write_metric(args.out, M.learn(vectors, who, settings, note))
        if held is not None:
            measured["after"] = evaluate_appearance(with_metric(net, M.read_metric(args.out)), held)
            record.note(settings.steps, measured["after"])
    print(f"{args.out}: learned from {len(pictures)} pictures of {who.max() + 1} people")
    if measured:
        print(json.dumps(measured, indent=2))


def export_appearance(args: argparse.Namespace) -> None:
    """Writes the appearance encoder as the program ships it."""
    from sightline_training.appearance import CODES, load_appearance
    from sightline_training.appearance_export import export_appearance as write
    from sightline_training.augment import plain, read_rgb
    from sightline_training.metric import read_metric
    from sightline_training.person_net import HEIGHT, WIDTH, load_published, with_metric

    quality = read_quality(args.quality)
    if args.checkpoint is None:
        net, training = load_published(args.published), "none: the weights as given"
    else:
        net = load_appearance(args.checkpoint, args.share)
        training = f"fine-tuned, {args.share:g} of the way from the weights that it started from"
    if args.metric is not None:
        net = with_metric(net, read_metric(args.metric))
    if net.metric is not None:
        training += "; behind them a learned linear map"
    samples = None
    if args.data is not None:
        chunk = [plain(read_rgb(picture.path), HEIGHT, WIDTH) for picture in read_any(args.data)[:32]]
        samples = torch.stack(chunk) * CODES
    parity = write(net, args.out, args.form, samples, training, quality, args.licence, args.trained_on)
    print(json.dumps({"appearance": parity}, indent=2))


def real(args: argparse.Namespace) -> None:
    """Prints how well ONNX files tell the people of footage apart."""
    from sightline_training.real import measure_real

    for model in args.models:
        print(json.dumps({"model": str(model), **measure_real(model, args.boxes, args.footage)}))


def sentences(args: argparse.Namespace) -> None:
    """Prints how well pairs find the people of footage by sentences."""
    from sightline_training.real import measure_sentences

    for models in args.models:
        print(json.dumps({"models": str(models), **measure_sentences(models, args.boxes, args.sentences, args.footage)}))


def plot(args: argparse.Namespace) -> None:
    """Draws losses and measures of a training."""
    from sightline_training.plot import draw

    draw(args.log, args.out)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="sightline_training", description=__doc__)
    parser.add_argument("--threads", type=positive, default=1, help="of PyTorch; stands before the command")
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("train", help="train the joint pair")
    command.add_argument("--data", type=Path, nargs="+", required=True)
    command.add_argument("--held", type=Path, help="a small dataset to measure on at every checkpoint")
    command.add_argument("--out", type=Path, required=True)
    command.add_argument("--settings", type=Path, help="JSON with any of the settings")
    command.add_argument("--steps", type=int)
    command.add_argument("--seed", type=int)
    command.add_argument("--identities", type=int)
    command.add_argument("--device", choices=DEVICES)
    command.add_argument("--minutes", type=float, help="let the learning rate follow the clock instead of steps")
    command.add_argument("--save-every-s", type=float, default=300)
    command.add_argument("--resume", action="store_true")
    command.add_argument("--maps", type=Path, help=MAPS)
    command.add_argument("--published", type=Path, help="0267's ONNX file, as published or mended, where picture.backbone is `person`")
    command.add_argument("--scenes", type=Path, help="folder of photographs without people, where augment.scene or augment.cloth is above 0")
    command.set_defaults(run=train)
    command = commands.add_parser("evaluate", help="measure a checkpoint")
    command.add_argument("--checkpoint", type=Path, required=True)
    command.add_argument("--data", type=Path, required=True)
    command.add_argument("--device", choices=DEVICES, default="cpu")
    command.set_defaults(run=evaluate)
    command = commands.add_parser("calibrate", help="make the table of probabilities, and measure it")
    command.add_argument("--checkpoint", type=Path, required=True)
    command.add_argument("--fit", type=Path, required=True, help="dataset that the table is made on")
    command.add_argument("--test", type=Path, required=True, help="dataset that it is measured on")
    command.add_argument("--out", type=Path, required=True, help="JSON of the table, for export --calibration")
    command.set_defaults(run=calibrate)
    command = commands.add_parser("appearance", help="train the appearance encoder")
    command.add_argument("--data", type=Path, nargs="+", required=True)
    command.add_argument("--published", type=Path, required=True, help="0267's ONNX file, as published or mended")
    command.add_argument("--held", type=Path, help="a small dataset to measure on at every checkpoint")
    command.add_argument("--out", type=Path, required=True)
    command.add_argument("--settings", type=Path, help="JSON with any of the settings")
    command.add_argument("--steps", type=int)
    command.add_argument("--minutes", type=float, help="let the learning rate follow the clock instead of steps")
    command.add_argument("--save-every-s", type=float, default=300)
    command.add_argument("--resume", action="store_true")
    command.add_argument("--device", choices=DEVICES)
    command.add_argument("--maps", type=Path, help=MAPS)
    command.set_defaults(run=appearance)
    command = commands.add_parser("metric", help="learn a linear map behind the appearance encoder")
    command.add_argument("--data", type=Path, nargs="+", required=True)
    command.add_argument("--published", type=Path, required=True, help="0267's ONNX file, as published or mended")
    command.add_argument("--held", type=Path, help="a dataset to measure on, before and after")
    command.add_argument("--steps", type=int, default=150)
    command.add_argument("--out", type=Path, required=True, help="NumPy file of the map, for export-appearance --metric; its log lies beside it")
    command.set_defaults(run=metric)
    command = commands.add_parser("export-appearance", help="write the appearance encoder as ONNX with its card")
    start = command.add_mutually_exclusive_group(required=True)
    start.add_argument("--checkpoint", type=Path)
    start.add_argument("--published", type=Path, help="0267's ONNX file, as published or mended")
    command.add_argument("--share", type=share, default=1.0, help="how far from the published weights to the trained ones")
    command.add_argument("--metric", type=Path, help="map that stands behind the network, as `metric` writes it")
    command.add_argument("--out", type=Path, required=True, help="folder of the models")
    command.add_argument("--form", choices=("fp32", "fp16", "int8"), default="fp32")
    command.add_argument("--data", type=Path, help="pictures to hold the export against PyTorch with; else noise")
    command.add_argument("--quality", type=Path, help="JSON of what was measured, for the card")
    add_provenance(command)
    command.set_defaults(run=export_appearance)
    command = commands.add_parser("real", help="measure image encoders on people of footage, told apart by eye")
    command.add_argument("--models", type=Path, nargs="+", required=True, help="ONNX files")
    command.add_argument("--boxes", type=Path, required=True, help="JSON of boxes, such as real/choosing.json")
    command.add_argument("--footage", type=Path, required=True, help="folder of the clips")
    command.set_defaults(run=real)
    command = commands.add_parser("sentences", help="measure pairs on people of footage, told apart by eye, by sentences about them")
    command.add_argument("--models", type=Path, nargs="+", required=True, help="folders that hold joint-picture and joint-text")
    command.add_argument("--boxes", type=Path, required=True, help="JSON of boxes, such as real/choosing.json")
    command.add_argument("--sentences", type=Path, required=True, help="JSON of sentences, such as real/choosing-sentences.json")
    command.add_argument("--footage", type=Path, required=True, help="folder of the clips")
    command.set_defaults(run=sentences)
    command = commands.add_parser("plot", help="draw losses and measures of a training")
    command.add_argument("--log", type=Path, required=True, help="log.jsonl of the training")
    command.add_argument("--out", type=Path, required=True, help="PNG")
    command.set_defaults(run=plot)
    command = commands.add_parser("export", help="write both sides of a pair as ONNX files with their cards")
    command.add_argument("--checkpoint", type=Path, required=True)
    command.add_argument("--out", type=Path, required=True, help="folder of the models")
    command.add_argument("--picture", choices=("fp32", "fp16", "int8"), default="fp16")
    command.add_argument("--text", choices=("fp32", "fp16", "int8"), default="int8")
    command.add_argument("--data", type=Path, help="pictures to hold the export against PyTorch with; else noise")
    command.add_argument("--quality", type=Path, help="JSON of what was measured, for the cards")
    command.add_argument("--calibration", type=Path, help="JSON of the table that `calibrate` made, for the card of the text side")
    command.add_argument("--clauses", type=Path, help="JSON of the table that sightline_training.clauses made, likewise")
    add_provenance(command)
    command.set_defaults(run=export)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    try:
        args.run(args)
    except (ExportError, FloatingPointError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
