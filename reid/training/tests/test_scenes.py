"""Photographs behind people: what is the person's stays, what is behind comes from a photograph, and what lacks is refused by name."""

import base64
import io
import sys
import tarfile

import cv2
import numpy as np
import OpenEXR
import pytest

from sightline_training import scenes
from sightline_training.augment import Augment, training_batch
from sightline_training.dataset import DatasetError

GREEN, RED = (0, 200, 0), (0, 0, 200)


@pytest.fixture
def folder(tmp_path):
    """A folder of one photograph, green all over, and a red crop with its part map: the person is the middle."""
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    cv2.imwrite(str(photographs / "lawn.png"), np.full((60, 90, 3), GREEN, np.uint8))
    cv2.imwrite(str(tmp_path / "crop.png"), np.full((64, 32, 3), RED, np.uint8))
    parts = np.zeros((64, 32), np.uint8)
    parts[16:48, 8:24] = 3
    cv2.imwrite(str(tmp_path / "crop_parts.png"), parts)
    return tmp_path


def put(folder, **strength):
    found = scenes.Scenes(folder / "photographs")
    picture = cv2.imread(str(folder / "crop.png"))[:, :, ::-1]
    return scenes.placed(picture, folder / "crop.png", found, np.random.default_rng(0), Augment(**strength))


def test_a_photograph_stands_behind_the_person_and_nowhere_else(folder):
    out = put(folder, scene=1.0)
    assert (out[24:40, 12:20] == (200, 0, 0)).all()
    around = out[:8].reshape(-1, 3)
    assert (around[:, 0] == 0).all() and (around[:, 1] > 60).all()
    assert np.array_equal(put(folder), np.full((64, 32, 3), (200, 0, 0), np.uint8))


def test_a_grain_changes_light_and_no_colour_and_only_the_person(folder):
    noise = np.random.default_rng(1).integers(0, 255, (60, 90, 3), np.uint8)
    cv2.imwrite(str(folder / "photographs/lawn.png"), noise)
    out = put(folder, cloth=1.0).astype(int)
    assert out[24:40, 12:20, 0].std() > 2 and (out[..., 1:] == 0).all()
    assert (out[:8, :, 0] == 200).all()


def test_a_batch_has_the_photographs(folder):
    found = scenes.Scenes(folder / "photographs")
    strength = Augment(**dict.fromkeys(Augment.RANGES, 0.0) | {"scene": 1.0})
    one = training_batch(
        [folder / "crop.png"], (64, 32), np.random.default_rng(0), strength, lambda *seen: scenes.placed(*seen[:2], found, seen[2], strength)
    )
    assert one[0, 0, 32, 16] > 0.75 and one[0, 0, 2, 2] < 0.05 < one[0, 1, 2, 2]


def test_what_lacks_is_refused_by_name(folder):
    (folder / "crop_parts.png").unlink()
    with pytest.raises(DatasetError, match="crop_parts.png: not the part map of crop.png"):
        put(folder, scene=1.0)
    cv2.imwrite(str(folder / "crop_parts.png"), np.zeros((4, 4), np.uint8))
    with pytest.raises(DatasetError, match="crop_parts.png"):
        put(folder, cloth=1.0)
    with pytest.raises(DatasetError, match="--scenes"):
        scenes.scenes_for(Augment(scene=0.1), None)
    with pytest.raises(DatasetError, match="augment.scene and augment.cloth are 0"):
        scenes.scenes_for(Augment(), folder)
    assert scenes.scenes_for(Augment(), None) is None
    (folder / "photographs/lawn.png").unlink()
    with pytest.raises(DatasetError, match="no pictures"):
        scenes.scenes_for(Augment(cloth=0.1), folder / "photographs")


def packed(file, name, text):
    with tarfile.open(file, "w:gz") as out:
        entry = tarfile.TarInfo(name)
        entry.size = len(text)
        out.addfile(entry, io.BytesIO(text))


def test_panoramas_come_from_the_package(tmp_path, monkeypatch, capsys):
    light = np.full((8, 16, 3), 0.2, np.float32)
    light[:, 8:, 0] = 90.0
    with OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION}, {"RGB": light}) as file:
        file.write(str(tmp_path / "hall.exr"))
    told = base64.b64encode((tmp_path / "hall.exr").read_bytes())
    packed(tmp_path / "assets.tgz", "package/hdri/hall.exr.js", b'export default "data:image/exr;base64,' + told + b'"')

    def command(*given):
        monkeypatch.setattr(sys, "argv", ["scenes", *map(str, given)])
        return scenes.main(), capsys.readouterr()

    code, said = command("--package", tmp_path / "assets.tgz", "--out", tmp_path / "out")
    assert code == 0 and "1 photographs" in said.out
    picture = cv2.imread(str(tmp_path / "out/hall.png"))
    # The bright half is white in red alone, and what lies in the middle of all values is neither black nor white.
    assert picture.shape == (8, 16, 3) and (picture[:, 8:, 2] == 255).all() and 100 < picture[0, 0, 0] < 200
    packed(tmp_path / "other.tgz", "package/readme", b"nothing")
    for given in (("--package", tmp_path / "other.tgz"), ("--package", tmp_path / "out/hall.png"), ("--clips", tmp_path / "no.mp4"), ()):
        code, said = command(*given, "--out", tmp_path / "none")
        assert code == 1 and said.err.startswith("error: ") and said.err.count("\n") == 1
    assert not (tmp_path / "none").exists()
