"""Settings as people write them: a JSON file over defaults. What cannot be is refused in one line that names file, key and the nearest known key."""

from __future__ import annotations

import json
import math
import sys
from argparse import ArgumentTypeError
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from sightline_training.dataset import DatasetError

T = TypeVar("T")
# What counts and seeds may be without leaving PyTorch's integers, and what a float holds.
GREATEST = {int: 2**31 - 1, float: sys.float_info.max}
# Characters of a wrong value that are shown.
SHOWN = 60


class SettingsError(DatasetError):
    """A settings file that is not what it should be."""


def read_table(file: Path) -> dict[str, Any]:
    """A JSON file that holds one table."""
    try:
        table = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        told = error.strerror if isinstance(error, OSError) else error
        raise SettingsError(f"{file}: {told}") from error
    if not isinstance(table, dict):
        raise SettingsError(f"{file}: expected a table of keys and values")
    return table


def merged(base: T, raw: object, source: object = "settings", where: str = "") -> T:
    """`base`, a dataclass, with some of its values replaced; `source` is where `raw` was written.

    A number is zero or more, unless the class says otherwise of its key in `RANGES`: least and most.
    """
    if not isinstance(raw, dict):
        raise SettingsError(f"{source}: {f'`{where[:-1]}` is {repr(raw)[:SHOWN]}, ' if where else ''}expected a table of keys and values")
    kinds = get_type_hints(type(base))
    known = [one.name for one in fields(base)]
    changed = {name: getattr(base, name) for name in known}
    for key, value in raw.items():
        if key not in known:
            raise SettingsError(f"{source}: `{where}{key}` is unknown, the nearest known key is `{where}{nearest(key, known)}`")
        if is_dataclass(changed[key]):
            changed[key] = merged(changed[key], value, source, f"{where}{key}.")
            continue
        expected = expectation(kinds[key], value, getattr(base, "RANGES", {}).get(key, (0, math.inf)))
        if expected is not None:
            raise SettingsError(f"{source}: `{where}{key}` is {repr(value)[:SHOWN]}, expected {expected}")
        changed[key] = float(value) if kinds[key] is float else tuple(value) if isinstance(value, list) else value
    try:
        return type(base)(**changed)
    except ValueError as error:
        raise SettingsError(f"{source}: {error}") from error


def nearest(name: str, known: list[str]) -> str:
    """The known name that is most like one."""
    return get_close_matches(name, known, 1, 0.0)[0]


def written_over(base: T, file: Path | None, given: dict[str, object]) -> T:
    """`base` with the settings of a file, and over both what the command line says; None says nothing."""
    settings = base if file is None else merged(base, read_table(file), file)
    return merged(settings, {key: value for key, value in given.items() if value is not None}, "the command line")


def positive(text: str) -> int:
    """A number of the command line that counts something."""
    if not text.isdecimal() or not 0 < int(text) <= GREATEST[int]:
        raise ArgumentTypeError(f"`{text}`, expected 1 or more")
    return int(text)


def share(text: str) -> float:
    """A number of the command line from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise ArgumentTypeError(f"`{text}`, expected 0 to 1")
    return value


def expectation(kind: Any, value: object, limits: tuple[float, float]) -> str | None:
    """What a value of this type should be, if it is not; the limits are a number's, or of each of several."""
    if get_origin(kind) is tuple:
        inside = get_args(kind)
        kinds = inside[:1] if len(inside) == 2 and inside[1] is Ellipsis else inside
        if not isinstance(value, (list, tuple)):
            return f"a list of {kinds[0].__name__}"
        if len(kinds) == len(inside) and len(value) != len(kinds):
            return f"{len(kinds)} values"
        each = kinds * len(value) if len(kinds) < len(inside) else kinds
        told = next((told for one, own in zip(each, value) if (told := expectation(one, own, limits))), None)
        return told and f"a list, each {told}"
    if type(value) is not kind and not (kind is float and type(value) is int):
        return kind.__name__
    if kind not in (int, float):
        return None
    least, most = limits[0], min(limits[1], GREATEST[kind])
    # No number is neither.
    if not value >= least:
        return f"{least} or more" if limits[1] == math.inf else f"{least} to {most}"
    return None if value <= most else f"{most} or less"
