"""Films of the synthetic world, frame by frame with what is to be seen on them."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from sightline_training.card import beside

cv2.setNumThreads(1)


class SceneError(ValueError):
    """A folder that is not what `world scene` writes; the message names the file."""


@dataclass(frozen=True)
class Frame:
    """One picture with everybody on it: seen boxes (x0, y0, x1, y1, inside the picture), whole boxes, share that is seen."""

    picture: Path
    seen: np.ndarray
    whole: np.ndarray
    visibility: np.ndarray


def films(folder: Path) -> list[tuple[Path, Path]]:
    """Film and ground truth of each camera of a scene."""
    manifest = folder / "manifest.toml"
    try:
        cameras = tomllib.loads(manifest.read_text(encoding="utf-8"))["cameras"]
        found = [(folder / camera["file"], folder / camera["ground_truth"]) for camera in cameras]
    except KeyError as error:
        raise SceneError(f"{manifest}: no {error}") from error
    except (OSError, TypeError, ValueError) as error:
        raise SceneError(f"{manifest}: {getattr(error, 'strerror', None) or error}") from error
    for file in (file for both in found for file in both):
        if not file.is_file():
            raise SceneError(f"{manifest}: {file} is missing")
    return found


def pictures(film: Path) -> Iterator[np.ndarray]:
    """Pictures of a film, BGR."""
    reader = cv2.VideoCapture(str(film))
    while True:
        is_there, picture = reader.read()
        if not is_there:
            return
        yield picture


def numbers(file: Path, comma: str | None, count: int) -> Iterator[list[float]]:
    """Lines of at least so many numbers; `comma` stands between them, or spaces do."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SceneError(f"{file}: {getattr(error, 'strerror', None) or error}") from error
    for number, line in enumerate(lines, 1):
        try:
            row = [float(value) for value in line.split(comma)[:count]]
        except ValueError:
            row = []
        if len(row) < count:
            raise SceneError(f"{file}: line {number}: expected {count} numbers or more, found `{line[:60]}`")
        yield row


def whole_boxes(file: Path) -> dict[int, dict[int, tuple[np.ndarray, float]]]:
    """MOTChallenge truth: frame from 1, identity, box and visibility."""
    rows: dict[int, dict[int, tuple[np.ndarray, float]]] = {}
    for frame, identity, x, y, w, h, _, _, visibility in numbers(file, ",", 9):
        box = np.array([x - 1, y - 1, x - 1 + w, y - 1 + h], np.float32)
        rows.setdefault(int(frame), {})[int(identity)] = (box, visibility)
    return rows


def seen_boxes(file: Path) -> dict[tuple[int, int], dict[int, np.ndarray]]:
    """AI City truth: (camera from 1, frame from 0), identity, box of what is seen."""
    rows: dict[tuple[int, int], dict[int, np.ndarray]] = {}
    for camera, identity, frame, x, y, w, h in numbers(file, None, 7):
        rows.setdefault((int(camera), int(frame)), {})[int(identity)] = np.array([x, y, x + w, y + h], np.float32)
    return rows


def truth_of(folder: Path) -> Iterator[tuple[int, Path, list[tuple[np.ndarray, np.ndarray, np.ndarray]]]]:
    """Each camera's number, film, and per frame: seen boxes, whole boxes, visibility."""
    cameras = films(folder)
    seen = seen_boxes(folder / "ground_truth/ai_city_2024.txt")
    for number, (film, file) in enumerate(cameras, 1):
        whole = whole_boxes(file)
        last = max([frame for frame in whole] + [frame + 1 for camera, frame in seen if camera == number], default=0)
        rows = []
        for frame in range(last):
            people = whole.get(frame + 1, {})
            visible = seen.get((number, frame), {})
            order = sorted(set(people) & set(visible))
            rows.append(
                (
                    np.array([visible[i] for i in order], np.float32).reshape(-1, 4),
                    np.array([people[i][0] for i in order], np.float32).reshape(-1, 4),
                    np.array([people[i][1] for i in order], np.float32),
                )
            )
        yield number, film, rows


NOBODY = (np.zeros((0, 4), np.float32), np.zeros((0, 4), np.float32), np.zeros(0, np.float32))


def unpack(folder: Path, out: Path, every: int = 1) -> int:
    """Writes every n-th frame of a scene as JPEG below `out`, with `frames.json`, all or nothing; how many."""
    cameras = list(truth_of(folder))
    entries = []
    with beside(out) as new:
        for number, film, rows in cameras:
            before = len(entries)
            for frame, picture in enumerate(pictures(film)):
                if frame % every:
                    continue
                seen, whole, visibility = rows[frame] if frame < len(rows) else NOBODY
                name = f"{number}_{frame:05}.jpg"
                if not cv2.imwrite(str(new / name), picture, [cv2.IMWRITE_JPEG_QUALITY, 92]):
                    raise OSError(f"{out / name}: cannot be written")
                entries.append(
                    {"file": name, "seen": seen.tolist(), "whole": whole.tolist(), "visibility": visibility.tolist()}
                )
            if len(entries) == before:
                raise SceneError(f"{film}: no pictures in it")
        (new / "frames.json").write_text(json.dumps(entries))
    return len(entries)


def read(folder: Path) -> list[Frame]:
    """Frames that `unpack` wrote, in this folder or in those right below it."""
    lists = [folder / "frames.json"] if (folder / "frames.json").is_file() else sorted(folder.glob("*/frames.json"))
    if not lists:
        raise SceneError(f"{folder}: no frames.json here or one folder below; make it with `unpack`")
    return [frame for file in lists for frame in listed(file)]


def listed(file: Path) -> Iterator[Frame]:
    """Frames of one `frames.json`."""
    try:
        entries = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SceneError(f"{file}: {getattr(error, 'strerror', None) or error}") from error
    if not isinstance(entries, list):
        raise SceneError(f"{file}: expected a list of frames")
    for number, entry in enumerate(entries):
        try:
            frame = Frame(
                picture=file.parent / entry["file"],
                seen=np.array(entry["seen"], np.float32).reshape(-1, 4),
                whole=np.array(entry["whole"], np.float32).reshape(-1, 4),
                visibility=np.array(entry["visibility"], np.float32).reshape(-1),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise SceneError(f"{file}: frame {number} is not as `unpack` writes it ({error})") from error
        if not len(frame.seen) == len(frame.whole) == len(frame.visibility):
            raise SceneError(f"{file}: frame {number} has {len(frame.seen)} seen boxes, {len(frame.whole)} whole ones, {len(frame.visibility)} visibilities")
        if not frame.picture.is_file():
            raise SceneError(f"{file}: frame {number}: {frame.picture} is missing")
        yield frame
