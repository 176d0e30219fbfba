"""python -m sightline_detection: scenes, unpack, train, evaluate, export."""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path

import torch

from sightline_training.card import add_provenance, read_quality
from sightline_training.parity import ExportError
from sightline_training.settings import positive, share, written_over

from sightline_detection.frames import read, unpack


def scenes(args: argparse.Namespace) -> None:
    """Writes scene files."""
    from sightline_detection.places import write

    args.out.mkdir(parents=True, exist_ok=True)
    for seed in range(args.first_seed, args.first_seed + args.count):
        write(seed, args.out / f"{seed}.toml", args.cameras, args.seconds)


def unpacked(args: argparse.Namespace) -> None:
    """Cuts filmed scenes into pictures with their truth."""
    for folder in args.scenes:
        print(f"{folder.name}: {unpack(folder, args.out / folder.name, args.every)} frames", flush=True)


def train(args: argparse.Namespace) -> None:
    """Trains the detector."""
    from sightline_training.course import take_up
    from sightline_training.course import train as loop

    from sightline_detection.evaluate import summary
    from sightline_detection.training import Run, Settings

    settings = written_over(Settings(), args.settings, {"steps": args.steps})
    run = Run(settings, args.data, args.published)
    if args.begin is not None:
        run.begin_at(args.begin, args.share)
    take_up(run, args.out, args.resume)
    print(f"{len(run.frames)} frames, from step {run.step}", flush=True)
    if args.held is not None:
        # Better refused now than at the first checkpoint.
        read(args.held)
    measure = None if args.held is None else lambda: summary(run.averaged(), args.held, settings.width, settings.height)
    loop(run, args.out, args.minutes, args.save_every_s, measure)


def finite(text: str) -> float:
    """A number that is one."""
    value = float(text)
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"`{text}`, expected a finite number")
    return value


def network(args: argparse.Namespace):
    """The network that was asked for, and its input's height and width."""
    from sightline_detection.network import load_published
    from sightline_detection.training import Settings, load_checkpoint

    if args.checkpoint is not None:
        net, settings = load_checkpoint(args.checkpoint, args.share)
        return net, settings.height, settings.width
    # Refuses sides that the network's strides do not divide.
    Settings(width=args.width, height=args.height)
    net = load_published(args.published)
    net.fit_to(args.height, args.width)
    return net, args.height, args.width


def evaluate(args: argparse.Namespace) -> None:
    """Prints precision and recall on frames as JSON."""
    from sightline_detection.evaluate import measured

    net, height, width = network(args)
    result = measured(net, read(args.data), width, height)
    table = [[score, *result.at(score).values()] for score in (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7)]
    print(json.dumps({"ap": result.average_precision(), "score, precision, recall, boxes a picture": table}, indent=2))


def export(args: argparse.Namespace) -> None:
    """Writes the detector as the program ships it."""
    from sightline_detection.export import export as write
    from sightline_detection.network import origin
    from sightline_detection.training import history

    quality = read_quality(args.quality)
    if args.checkpoint is None:
        source, training = f"detector/training, {origin(args.published)}", f"none: the weights as given, at {args.width}x{args.height}"
    else:
        noted, training = history(args.checkpoint, args.share)
        noted = args.source or noted
        if noted is None:
            raise ExportError(f"{args.checkpoint}: does not say what it started from: give --source")
        source = f"trained by detector/training, {noted}"
    net, height, width = network(args)
    if args.rescore is not None:
        scale, shift = args.rescore
        net.rescore(scale, shift)
        training += f"; objectness's logit times {scale:g} plus {shift:g}"
    said = {"licence": args.licence, "source": source}
    quality = {"training": training, "data": args.trained_on, **quality}
    print(json.dumps(write(net, args.out, (height, width), args.threshold, said, quality), indent=2))


def add_network(command: argparse.ArgumentParser) -> None:
    """Which network: a checkpoint, or the published weights made to fit a size."""
    start = command.add_mutually_exclusive_group(required=True)
    start.add_argument("--checkpoint", type=Path)
    start.add_argument("--published", type=Path, help="FastestDet.onnx")
    command.add_argument("--share", type=share, default=1.0, help="how far from the published weights to the trained ones")
    command.add_argument("--width", type=positive, default=576, help="with --published: pixels of the input")
    command.add_argument("--height", type=positive, default=352)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="sightline_detection", description=__doc__)
    parser.add_argument("--threads", type=positive, default=1, help="of PyTorch; stands before the command")
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("scenes", help="write scene files for `world scene`, one a seed")
    command.add_argument("--first-seed", type=int, default=1001)
    command.add_argument("--count", type=int, default=100)
    command.add_argument("--cameras", type=int, default=6)
    command.add_argument("--seconds", type=int, default=24, help="also frames a camera")
    command.add_argument("--out", type=Path, required=True)
    command.set_defaults(run=scenes)
    command = commands.add_parser("unpack", help="cut filmed scenes into pictures with their truth")
    command.add_argument("scenes", type=Path, nargs="+", help="folders that `world scene` wrote")
    command.add_argument("--every", type=positive, default=1, help="every n-th frame")
    command.add_argument("--out", type=Path, required=True)
    command.set_defaults(run=unpacked)
    command = commands.add_parser("train", help="train the detector")
    command.add_argument("--data", type=Path, nargs="+", required=True, help="folders that `unpack` wrote")
    command.add_argument("--published", type=Path, help="FastestDet.onnx to start from; else chance")
    command.add_argument("--begin", type=Path, help="an earlier training's checkpoint to begin at; it started from the same weights")
    command.add_argument("--share", type=share, default=1.0, help="with --begin: how far from those weights to the checkpoint's")
    command.add_argument("--held", type=Path, help="frames to measure on at every checkpoint")
    command.add_argument("--out", type=Path, required=True)
    command.add_argument("--settings", type=Path, help="JSON with any of the settings")
    command.add_argument("--steps", type=int)
    command.add_argument("--minutes", type=float, help="let the learning rate follow the clock instead of steps")
    command.add_argument("--save-every-s", type=float, default=300)
    command.add_argument("--resume", action="store_true")
    command.set_defaults(run=train)
    command = commands.add_parser("evaluate", help="precision and recall on frames")
    add_network(command)
    command.add_argument("--data", type=Path, required=True)
    command.set_defaults(run=evaluate)
    command = commands.add_parser("export", help="write the detector as ONNX with its card")
    add_network(command)
    command.add_argument("--threshold", type=share, default=0.5)
    rescored = "factor and summand of the objectness's logit, for scores where thresholds expect them"
    command.add_argument("--rescore", type=finite, nargs=2, metavar=("SCALE", "SHIFT"), help=rescored)
    command.add_argument("--out", type=Path, required=True, help="folder of the models")
    command.add_argument("--quality", type=Path, help="JSON of what was measured, for the card")
    add_provenance(command)
    command.add_argument("--source", help="what a checkpoint that does not say so started from: `from the weights of ...`")
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
