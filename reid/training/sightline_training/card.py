"""What all exports have in common: cards, what they say and who says it, and files that come all at once or not at all."""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from sightline_training.settings import SettingsError, read_table

# What an export measures itself, and nobody tells it.
MEASURED = {"parity", "stored", "training", "data"}
KEY = re.compile(r"^[A-Za-z0-9_-]+$")


@contextmanager
def beside(folder: Path) -> Iterator[Path]:
    """A folder whose files take the places of those in `folder` once all are there and near enough; else nothing changes.

    Cards and lists come last: if the machine stops between, a card's sha256 is not the file's, which the program refuses.
    """
    was_there = folder.is_dir()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with TemporaryDirectory(prefix=".export-", dir=folder) as name:
            yield Path(name)
            files = [file for file in Path(name).rglob("*") if file.is_file()]
            for file in sorted(files, key=lambda file: file.suffix in (".toml", ".json")):
                place = folder / file.relative_to(name)
                place.parent.mkdir(exist_ok=True)
                file.replace(place)
    except BaseException:
        with suppress(OSError):
            if not was_there:
                folder.rmdir()
        raise


def digest(file: Path) -> str:
    """sha256, lowercase hex."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def lines(table: dict[str, object]) -> str:
    """Keys and values as TOML."""
    return "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in table.items())


def is_plain(value: object) -> bool:
    """Whether a card can say it: text, a finite number, yes or no, or a list of such."""
    if isinstance(value, list):
        return all(is_plain(one) for one in value)
    return isinstance(value, (str, bool, int)) or isinstance(value, float) and abs(value) < float("inf")


def read_plain(file: Path | None) -> dict[str, object]:
    """A JSON table whose values a card can say; an empty one without a file."""
    table = {} if file is None else read_table(file)
    for key, value in table.items():
        if not KEY.match(key):
            raise SettingsError(f"{file}: `{key}` is no key of a card, which has letters, digits, - and _")
        if not is_plain(value):
            raise SettingsError(f"{file}: `{key}` is {str(value)[:60]}, expected text, a number, true, false or a list of such")
    return table


def read_quality(file: Path | None) -> dict[str, object]:
    """What was measured of a model, for its card."""
    table = read_plain(file)
    for key in MEASURED & set(table):
        raise SettingsError(f"{file}: `{key}` is for the export to say")
    return table


def add_provenance(command: argparse.ArgumentParser) -> None:
    """What a card says and nothing but its maker knows."""
    command.add_argument("--licence", required=True, type=said, help="of the weights, as the card says it")
    command.add_argument("--trained-on", required=True, type=said, help="the data of what was trained here, in words, for the card")


def said(text: str) -> str:
    """Words that say something."""
    if not text.strip():
        raise argparse.ArgumentTypeError("says nothing")
    return text
