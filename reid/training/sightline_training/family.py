"""python -m sightline_training.family: train, measure, ablate and export mscsa, propot and vpm."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch

from sightline_training.ablation import ROWS, row_done, table, write_tables, written
from sightline_training.card import add_provenance, read_quality
from sightline_training.dataset import DatasetError, Picture
from sightline_training.device import DEVICES
from sightline_training.parity import ExportError
from sightline_training.published import read_published
from sightline_training.settings import SettingsError, nearest, positive, read_table, written_over
from sightline_training.system import SYSTEMS, FamilySettings, as_table, published, settings_from


def settings_of(args: argparse.Namespace, row: str | None) -> FamilySettings:
    """The paper's settings, changed by a file, by a row of the ablation table, and by switches, in this order."""
    settings = published(args.system)
    if args.settings is not None:
        raw = read_table(args.settings)
        if raw.get("system", args.system) != args.system:
            raise ValueError(f"{args.settings}: settings of {raw['system']}, expected {args.system}")
        settings = settings_from(raw, settings, args.settings)
    if row is not None:
        if row not in ROWS[args.system]:
            raise ValueError(f"row `{row}` is unknown, the nearest is `{nearest(row, list(ROWS[args.system]))}`, of {', '.join(ROWS[args.system])}")
        settings = settings_from(ROWS[args.system][row], settings, f"row {row}")
    return written_over(settings, None, {key: getattr(args, key) for key in ("seed", "precision", "device")})


def training_pictures(args: argparse.Namespace) -> list[Picture]:
    """Training pictures of every dataset that was named."""
    return [picture for path in args.data for picture in read_published(path, "train")]


def test_pictures(path: Path) -> tuple[list[Picture], list[Picture]]:
    """Who asks, and the gallery; a set without the two is both."""
    asked, gallery = (read_published(path, split) for split in ("query", "gallery"))
    return (gallery, gallery) if asked == gallery else (asked, gallery)


def run_one(args: argparse.Namespace, row: str | None, out: Path) -> dict[str, float] | None:
    """One training, and its measures at the end where there is a test set; nothing where it was stopped before."""
    from sightline_training.course import take_up
    from sightline_training.family_measures import measure
    from sightline_training.runner import Run, train

    settings = settings_of(args, row)
    pictures = training_pictures(args)
    sets = None if args.test is None else test_pictures(args.test)
    run = Run(settings, pictures, args.weights, args.steps)
    take_up(run, out, args.resume)
    print(f"{len(run.crops.firsts)} pictures of {len(run.crops.names)} people, {run.source}", file=sys.stderr)
    last: dict[str, float] = {}

    def measured(system) -> dict[str, float]:
        last.update(measure(system, *sets))
        return last

    if not train(run, out, args.save_every_s, None if sets is None else measured):
        print(f"{out}: stopped before the end; go on with --resume", file=sys.stderr)
        return None
    return last if sets is None or last else measured(run.system)


def train_command(args: argparse.Namespace) -> None:
    """Trains a system."""
    found = run_one(args, args.row, args.out)
    if found is not None:
        print(json.dumps(found, indent=2))


def ablate_command(args: argparse.Namespace) -> None:
    """Trains the rows of a paper's ablation table, one after another, and writes `ablation.json` and `ablation.md` after each."""
    rows = args.rows or list(ROWS[args.system])
    # All settings can be, before the first row takes its days.
    made = {row: how_made(args, row) for row in dict.fromkeys([*ROWS[args.system], *rows])}
    # With --resume rows that are done stay, also those that are not asked for now.
    found = {row: done for row in ROWS[args.system] if args.resume and (done := row_done(args.out / row, made[row])) is not None}
    told = f"trained on {', '.join(path.name for path in args.data)}, measured on {args.test.name}, percent"
    for row in rows:
        if row not in found:
            measures = run_one(args, row, args.out / row)
            if measures is None:
                break
            written(args.out / row / "measures.json", json.dumps({"made": made[row], "measures": measures}, indent=2) + "\n")
            found[row] = measures
        found = {one: found[one] for one in ROWS[args.system] if one in found}
        write_tables(args.out, args.system, found, told)
    print(table(args.system, found, told), end="")


def how_made(args: argparse.Namespace, row: str) -> dict[str, object]:
    """What a row's figures depend on, as JSON has it."""
    settings = as_table(settings_of(args, row))
    # Where it runs, and with how many readers, is no part of it.
    for key in ("readers", "device"):
        del settings[key]
    data = {"data": [str(path) for path in args.data], "test": str(args.test), "weights": args.weights and str(args.weights), "steps": args.steps}
    return json.loads(json.dumps({"settings": settings, **data}))


def evaluate_command(args: argparse.Namespace) -> None:
    """Prints the measures of a checkpoint."""
    from sightline_training.family_measures import measure
    from sightline_training.device import found_device
    from sightline_training.runner import load_system

    system, _ = load_system(args.checkpoint)
    print(json.dumps(measure(system.to(found_device(args.device)), *test_pictures(args.data)), indent=2))


def export_command(args: argparse.Namespace) -> None:
    """Writes a system as ONNX files with their cards."""
    from sightline_training.family_data import Crops
    from sightline_training.family_export import MOST_SAMPLES, export_family
    from sightline_training.runner import load_system

    quality, samples = read_quality(args.quality), None
    if args.data is not None:
        settings = load_system(args.checkpoint)[0].settings
        crops = Crops(read_published(args.data, "train"), settings)
        chosen = np.linspace(0, len(crops.firsts) - 1, min(MOST_SAMPLES, len(crops.firsts))).astype(int)
        samples = crops.plain(crops.firsts[chosen]).pictures
    parity = export_family(
        args.checkpoint, args.out, args.picture, args.text, samples, quality, args.licence, args.trained_on
    )
    print(json.dumps(parity, indent=2))


def cost_command(args: argparse.Namespace) -> None:
    """Measures what MSCSA costs in each form."""
    from sightline_training.mscsa_cost import costs

    for row in costs(published("mscsa").clip, args.batch, args.repeats):
        print(" ".join(f"{name} {value:.2f}" if isinstance(value, float) else f"{value:20}" for name, value in row.items()), flush=True)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="sightline_training.family", description=__doc__)
    top.add_argument("--threads", type=positive, default=1, help="of PyTorch on the CPU; stands before the command")
    commands = top.add_subparsers(required=True)
    for name, function in (("train", train_command), ("ablate", ablate_command)):
        command = commands.add_parser(name, help=function.__doc__)
        command.add_argument("--system", choices=SYSTEMS, required=True)
        command.add_argument("--data", type=Path, nargs="+", required=True, help="datasets, in their published layouts")
        command.add_argument("--test", type=Path, required=name == "ablate", help="dataset whose query and gallery are measured on")
        command.add_argument("--weights", type=Path, help="CLIP's weights: OpenAI's file, a state dict, or safetensors")
        command.add_argument("--settings", type=Path, help="JSON with any of the settings")
        command.add_argument("--steps", type=int, help="at most so many steps a phase")
        command.add_argument("--seed", type=int)
        command.add_argument("--precision", choices=("fp32", "bf16", "fp16"))
        command.add_argument("--device", choices=DEVICES)
        command.add_argument("--save-every-s", type=float, default=300)
        command.add_argument("--resume", action="store_true")
        command.add_argument("--out", type=Path, required=True)
        if name == "train":
            command.add_argument("--row", help="a row of the ablation table")
        else:
            command.add_argument("--rows", nargs="+", help="rows of the ablation table; all without it")
        command.set_defaults(run=function)
    command = commands.add_parser("evaluate", help=evaluate_command.__doc__)
    command.add_argument("--checkpoint", type=Path, required=True)
    command.add_argument("--data", type=Path, required=True)
    command.add_argument("--device", choices=DEVICES, default="cpu")
    command.set_defaults(run=evaluate_command)
    command = commands.add_parser("export", help=export_command.__doc__)
    command.add_argument("--checkpoint", type=Path, required=True)
    command.add_argument("--out", type=Path, required=True, help="folder of the models")
    command.add_argument("--picture", choices=("fp32", "fp16", "int8"), default="fp32")
    command.add_argument("--text", choices=("fp32", "fp16", "int8"), default="fp32")
    command.add_argument("--data", type=Path, help="pictures to fit int8 to and to hold the export against PyTorch with")
    add_provenance(command)
    command.add_argument("--quality", type=Path, help="JSON of what was measured, for the cards")
    command.set_defaults(run=export_command)
    command = commands.add_parser("cost", help=cost_command.__doc__)
    command.add_argument("--batch", type=int, nargs="+", default=[1, 8])
    command.add_argument("--repeats", type=int, default=5)
    command.set_defaults(run=cost_command)
    return top


def main() -> int:
    """Runs a command; a fault is one line."""
    args = parser().parse_args()
    torch.set_num_threads(args.threads)
    try:
        args.run(args)
    except (DatasetError, ExportError, FloatingPointError, ModuleNotFoundError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
